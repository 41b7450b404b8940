//! COMPARED: two sides, of one or more server starts each, cell by cell and
//! measure by measure, and what is to be decided from it. The replicate is a
//! server start: requests of one start share its luck, so that more of them
//! make nothing surer.
//!
//! Pure. Reads what `analysis` understood and `verdict` judged; knows no file,
//! no run, and nothing of how it will be told. `docs/compare.md` has the method.

pub(crate) mod advice;
pub(crate) mod comparable;
pub(crate) mod decide;
pub(crate) mod decision;
pub(crate) mod floor;
pub(crate) mod noted;
pub(crate) mod policy;
pub(crate) mod published;
pub(crate) mod start;
#[cfg(test)]
pub(crate) mod story;

pub(crate) use comparable::{Alike, Differs, Variable};
pub(crate) use decide::{Alone, Basis, CompareWord, ComparedRow, Margins, Side};
pub(crate) use decision::{Decision, DecisionInput};
pub(crate) use floor::Floor;
pub(crate) use noted::Noted;
pub(crate) use policy::{Policy, PolicyWord};
pub(crate) use published::Published;
#[cfg(test)]
pub(crate) use start::StartValue;
pub(crate) use start::{MeasureKey, Start};

use crate::analysis::arena::Table;
use crate::error::Mistake;
use crate::spec::recipe::ReadRecipe;

/// How two sides are to be compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CompareTerms {
    /// What is too small to matter.
    pub margins: Margins,
    /// What starts of one recipe differ by on this machine, where it was measured.
    pub floor: Option<Floor>,
    /// Compare where the loads overlap, though they are not the same.
    pub force: bool,
    /// More than one changed setting is a failure.
    pub one_variable: bool,
    /// What is undecided is a failure too.
    pub strict: bool,
}

/// Two sides, compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// The names of the starts of each side: base, candidate.
    pub names: [Vec<String>; 2],
    /// What differs between the sides beside the load.
    pub differs: Differs,
    /// Cell by cell and measure by measure: the primary ones first, then in the order of cells.
    pub rows: Vec<ComparedRow>,
    /// Test by test, where the base is a published table.
    pub published: Vec<Published>,
    /// What only one side has, what decides first.
    pub alone: Vec<Alone>,
    /// What is gated by policy, not by test.
    pub policies: Vec<Policy>,
    /// What is not gated and worth knowing.
    pub noted: Vec<Noted>,
    /// For how much of the time each source was looking.
    pub coverage: Vec<Noted>,
    /// Each side's own verdicts: how many starts have which word.
    pub verdicts: [Vec<(crate::verdict::Word, u64)>; 2],
    /// Gates of the contract as the candidate's starts held them, the worst of each: text, word, why.
    pub gates: Vec<(String, crate::verdict::Word, String)>,
    /// What it comes to.
    pub decision: Decision,
    /// What is too small to matter.
    pub margins: Margins,
    /// Whether any of it was simulated.
    pub simulated: bool,
    /// How many starts the noise floor was made of, where there was one.
    pub floor_starts: Option<u32>,
}

/// A published table, as the base of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Foreign {
    /// Where it is from.
    pub name: String,
    /// What it says.
    pub table: Table,
    /// What was served, where a recipe came with it.
    pub recipe: Option<ReadRecipe>,
}

/// Holds a run against a published table. Its numbers are those of no start, so that they decide
/// nothing; what befell the candidate does.
pub(crate) fn against(
    base: &Foreign,
    candidate: &Start,
    table: &Table,
    wish: &CompareTerms,
) -> Comparison {
    let mut differs = comparable::from_published(base.recipe.as_ref(), candidate);
    let left_out = [(&base.table, "base"), (table, "candidate")];
    differs.starts.extend(left_out.iter().filter_map(|(table, side)| table.left_out_told(side)));
    let side = std::slice::from_ref(candidate);
    let policies = policy::policies(&[], side);
    let decision = decision::decide(
        &DecisionInput {
            rows: &[],
            alone: &[],
            ready: [0, 0],
            cut: usize::from(candidate.broken_off.is_some()),
            policies: &policies,
            differs: &differs,
            nothing: PUBLISHED,
        },
        wish,
    );
    Comparison {
        names: [vec![base.name.clone()], vec![candidate.name.clone()]],
        differs,
        rows: Vec::new(),
        published: published::against(&base.table, table),
        alone: Vec::new(),
        policies,
        noted: noted::noted(&[], side),
        coverage: noted::coverage(&[], side),
        verdicts: [Vec::new(), verdicts(side)],
        gates: worst_gates(side),
        decision,
        margins: wish.margins,
        simulated: candidate.simulated,
        floor_starts: None,
    }
}

/// Why nothing is decided of rows that are not there.
const NOTHING: &str = "no cell was measured on both sides";
const PUBLISHED: &str =
    "published numbers are means of a few requests of one start: nothing is decided by them";

/// Compares.
///
/// # Errors
/// The runs cannot be compared: different loads without `force`, a side of different recipes,
/// a floor of another load.
pub(crate) fn compare(
    base: &[Start],
    candidate: &[Start],
    wish: &CompareTerms,
) -> Result<Comparison, Mistake> {
    let mut differs = comparable::differs(base, candidate, wish)?;
    let floor = floor::fitting(wish.floor.as_ref(), base)?;
    differs.surroundings.extend(floor.iter().flat_map(|floor| floor.beside(base)));
    let overlap = !differs.forced.is_empty();
    let (mut rows, alone) = decide::rows(base, candidate, wish.margins, floor, overlap);
    decide::adjust(&mut rows);
    let policies = policy::policies(base, candidate);
    let decision = decision::decide(
        &DecisionInput {
            rows: &rows,
            alone: &alone,
            ready: [base, candidate].map(comparable::ready),
            cut: base.iter().chain(candidate).filter(|start| start.broken_off.is_some()).count(),
            policies: &policies,
            differs: &differs,
            nothing: NOTHING,
        },
        wish,
    );
    let names = [base, candidate].map(|side| side.iter().map(|it| it.name.clone()).collect());
    let simulated = base.iter().chain(candidate).any(|start| start.simulated);
    let floor_starts = floor.map(|floor| floor.starts);
    Ok(Comparison {
        names,
        differs,
        rows,
        published: Vec::new(),
        alone,
        policies,
        noted: noted::noted(base, candidate),
        coverage: noted::coverage(base, candidate),
        verdicts: [base, candidate].map(verdicts),
        gates: worst_gates(candidate),
        decision,
        margins: wish.margins,
        simulated,
        floor_starts,
    })
}

/// How many starts of a side have which verdict, the best first.
fn verdicts(side: &[Start]) -> Vec<(crate::verdict::Word, u64)> {
    let mut all = std::collections::BTreeMap::new();
    for start in side {
        *all.entry(start.verdict).or_insert(0) += 1;
    }
    all.into_iter().collect()
}

/// Every gate of a side's contract, with the worst word that any start has for it.
fn worst_gates(side: &[Start]) -> Vec<(String, crate::verdict::Word, String)> {
    let mut gates: Vec<(String, crate::verdict::Word, String)> = Vec::new();
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
