//! Compares two sides, each of one or more server starts, by cell and measure, and decides. The
//! replicate is a server start: requests of one start are not independent, so more of them add no
//! confidence.
//!
//! Pure. Reads the results of `analysis` and `verdict`; knows neither files, nor how a run is
//! driven, nor how results are reported. `docs/compare.md` has the method.

pub(crate) mod advice;
mod cold;
pub(crate) mod comparable;
pub(crate) mod decide;
pub(crate) mod decision;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod floor;
pub(crate) mod gross;
pub(crate) mod policy;
pub(crate) mod published;
pub(crate) mod start;
pub(crate) mod streams;
pub(crate) mod trends;
pub(crate) mod ungated;
pub(crate) mod variable;

pub(crate) use comparable::{LoadIdentity, RunDifferences};
pub(crate) use decide::{Basis, CompareWord, ComparedRow, Margins, OneSidedRow, Side};
pub(crate) use decision::{Decision, DecisionInput};
pub(crate) use floor::Floor;
pub(crate) use gross::GrossLimit;
pub(crate) use policy::{Policy, PolicyWord};
pub(crate) use published::Published;
#[cfg(test)]
pub(crate) use start::StartValue;
pub(crate) use start::{MeasureKey, Start};
pub(crate) use trends::ComparedTrend;
pub(crate) use ungated::UngatedMeasure;
pub(crate) use variable::Variable;

use crate::analysis::arena::Table;
use crate::error::Mistake;
use crate::spec::recipe::ReadRecipe;
use crate::verdict::Exposure;

/// Terms of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CompareTerms {
    /// Margins, below which a difference does not matter.
    pub margins: Margins,
    /// Limit of a gross change.
    pub gross: GrossLimit,
    /// Noise floor of starts of one recipe on this machine, where it was measured.
    pub floor: Option<Floor>,
    /// Whether to compare the common part of different loads.
    pub force: bool,
    /// Whether more than one changed setting is a failure.
    pub one_variable: bool,
    /// Whether an undecided comparison is a failure.
    pub strict: bool,
}

/// Comparison of two sides.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// Names of the starts of each side: base, candidate.
    pub names: [Vec<String>; 2],
    /// Differences between the sides besides the load.
    pub differs: RunDifferences,
    /// Rows by cell and measure: the primary ones first, then in the order of cells.
    pub rows: Vec<ComparedRow>,
    /// Rows by test, where the base is a published table.
    pub published: Vec<Published>,
    /// Summary of these.
    pub table: Option<published::TableSummary>,
    /// Rows with a value on only one side, the deciding ones first.
    pub alone: Vec<OneSidedRow>,
    /// Changes over the hours: growth of series, and drift of answers.
    pub trends: Vec<ComparedTrend>,
    /// Policies, which need no statistical test.
    pub policies: Vec<Policy>,
    /// Exposure of each side to failures.
    pub exposure: [Exposure; 2],
    /// Measures that have no gate and are worth reading.
    pub noted: Vec<UngatedMeasure>,
    /// Throughput and times by number of streams, for each depth.
    pub streams: Vec<streams::ComparedStreams>,
    /// Coverage: the share of the time in which each source was reading.
    pub coverage: Vec<UngatedMeasure>,
    /// Verdicts of each side: the number of starts with each word.
    pub verdicts: [Vec<(crate::verdict::VerdictWord, u64)>; 2],
    /// Gates of the contract with the worst result among the candidate's starts: text, word, why.
    pub gates: Vec<(String, crate::verdict::VerdictWord, String)>,
    /// Decision of the comparison.
    pub decision: Decision,
    /// Margins, below which a difference does not matter.
    pub margins: Margins,
    /// Limit of a gross change.
    pub gross: GrossLimit,
    /// Whether any of the starts was simulated.
    pub simulated: bool,
    /// Number of starts of the noise floor, where there was one.
    pub floor_starts: Option<u32>,
}

/// Published table, as the base of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PublishedBase {
    /// Source of the table.
    pub name: String,
    /// Content of the table.
    pub table: Table,
    /// Recipe of the server, where one came with the table.
    pub recipe: Option<ReadRecipe>,
}

/// Compares a run with a published table. The table's numbers belong to no start, so they decide
/// nothing; the candidate's events do.
pub(crate) fn against(
    base: &PublishedBase,
    candidate: &Start,
    table: &Table,
    terms: &CompareTerms,
) -> Comparison {
    let mut differs = comparable::from_published(base.recipe.as_ref(), candidate);
    let left_out = [(&base.table, "base"), (table, "candidate")];
    differs.starts.extend(base.table.notes.iter().cloned());
    differs.starts.extend(left_out.iter().filter_map(|(table, side)| table.left_out_told(side)));
    let side = std::slice::from_ref(candidate);
    differs.starts.extend(cold::told(&[], side));
    let policies = policy::policies(&[], side);
    let decision = decision::decide(
        &DecisionInput {
            rows: &[],
            alone: &[],
            ready: [0, 0],
            cut: usize::from(candidate.broken_off.is_some()),
            policies: &policies,
            open: &[],
            differs: &differs,
            nothing: PUBLISHED,
        },
        terms,
    );
    let published = published::against(&base.table, table);
    Comparison {
        names: [vec![base.name.clone()], vec![candidate.name.clone()]],
        differs,
        rows: Vec::new(),
        table: Some(published::TableSummary::of(&published)),
        published,
        alone: Vec::new(),
        trends: Vec::new(),
        policies,
        exposure: [Exposure::default(), exposure(side)],
        noted: ungated::noted(&[], side),
        streams: Vec::new(),
        coverage: ungated::coverage(&[], side),
        verdicts: [Vec::new(), verdicts(side)],
        gates: worst_gates(side),
        decision,
        margins: terms.margins,
        gross: terms.gross,
        simulated: candidate.simulated,
        floor_starts: None,
    }
}

/// Reasons why nothing is decided without rows.
const NOTHING: &str = "no cell was measured on both sides";
const PUBLISHED: &str =
    "published numbers are means of a few requests of one start: nothing is decided by them";

/// Compares two sides.
///
/// # Errors
/// Different loads without `force`, a side of different recipes, or a floor of another load.
pub(crate) fn compare(
    base: &[Start],
    candidate: &[Start],
    terms: &CompareTerms,
) -> Result<Comparison, Mistake> {
    let mut differs = comparable::differs(base, candidate, terms)?;
    let floor = floor::fitting(terms.floor.as_ref(), base)?;
    differs.surroundings.extend(floor.iter().flat_map(|floor| floor.beside(base)));
    let overlap = !differs.forced.is_empty();
    let (mut rows, alone) = decide::rows(base, candidate, terms.margins, floor, overlap);
    decide::adjust(&mut rows);
    add_intervals(&mut rows, base, candidate);
    cold::withdraw(&mut rows, base, candidate);
    differs.starts.extend(cold::told(base, candidate));
    let mut policies = policy::policies(base, candidate);
    policies.push(gross::policy(&mut rows, base, candidate, terms.gross));
    let trends = trends::compared(base, candidate);
    policies.extend(trends::policies(&trends, &differs));
    let decision = decision::decide(
        &DecisionInput {
            rows: &rows,
            alone: &alone,
            ready: [base, candidate].map(comparable::ready),
            cut: base.iter().chain(candidate).filter(|start| start.broken_off.is_some()).count(),
            policies: &policies,
            open: &trends::unresolved(&trends),
            differs: &differs,
            nothing: NOTHING,
        },
        terms,
    );
    let names = [base, candidate].map(|side| side.iter().map(|it| it.name.clone()).collect());
    let simulated = base.iter().chain(candidate).any(|start| start.simulated);
    let floor_starts = floor.map(|floor| floor.starts);
    Ok(Comparison {
        names,
        differs,
        rows,
        published: Vec::new(),
        table: None,
        alone,
        trends,
        policies,
        exposure: [base, candidate].map(exposure),
        noted: ungated::noted(base, candidate),
        streams: streams::compared(base, candidate, terms.margins.median),
        coverage: ungated::coverage(base, candidate),
        verdicts: [base, candidate].map(verdicts),
        gates: worst_gates(candidate),
        decision,
        margins: terms.margins,
        gross: terms.gross,
        simulated,
        floor_starts,
    })
}

/// Adds up the exposures of a side's starts.
fn exposure(side: &[Start]) -> Exposure {
    Exposure::total(side.iter().map(|start| &start.exposure))
}

/// Adds the interval of a percentile to each side of one start. Several starts differ by more than
/// the requests of one.
fn add_intervals(rows: &mut [ComparedRow], base: &[Start], candidate: &[Start]) {
    let of = |side: &[Start], key: &MeasureKey| match side {
        [one] => one.intervals.get(key).copied(),
        _ => None,
    };
    for row in rows {
        row.base.interval = of(base, &row.key);
        row.candidate.interval = of(candidate, &row.key);
    }
}

/// Counts the verdicts of a side's starts, the best word first.
fn verdicts(side: &[Start]) -> Vec<(crate::verdict::VerdictWord, u64)> {
    let mut all = std::collections::BTreeMap::new();
    for start in side {
        *all.entry(start.verdict).or_insert(0) += 1;
    }
    all.into_iter().collect()
}

/// Returns every gate of a side's contract, with the worst word among its starts.
fn worst_gates(side: &[Start]) -> Vec<(String, crate::verdict::VerdictWord, String)> {
    let mut gates: Vec<(String, crate::verdict::VerdictWord, String)> = Vec::new();
    for gate in side.iter().flat_map(|start| &start.gates) {
        match gates.iter_mut().find(|(text, ..)| *text == gate.0) {
            Some(known) if gate.1 > known.1 => *known = gate.clone(),
            Some(_) => {}
            None => gates.push(gate.clone()),
        }
    }
    gates
}

#[cfg(test)]
mod tests;
