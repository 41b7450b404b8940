//! Writes a comparison for scripts. Schema 1; keys may be added later, never renamed. A missing
//! value is null, never 0. Values are in base units, changes are ratios, candidate over base.

mod streams;
mod trends;

use serde::Serialize;

use crate::compare::{
    Basis, ComparedRow, Comparison, PolicyWord, Published, Side, UngatedMeasure, Variable,
};

use super::unit;
use crate::compare::gross::{TPOT_S as GROSS_TPOT_S, TTFT_S as GROSS_TTFT_S};
use crate::compare::published::{TableSummary, summary::BAND};
use crate::report::json::bounds::{self, BoundsJson};
use crate::report::printable::Printable;
use crate::stats::RankInterval;

const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    longhaul: &'static str,
    decision: &'static str,
    suggestive: bool,
    exit_code: u8,
    simulated: bool,
    because: Vec<String>,
    base: &'a [String],
    candidate: &'a [String],
    verdicts: Sides<std::collections::BTreeMap<&'static str, u64>>,
    variables: Vec<Changed<'a>>,
    unknown: Sides<bool>,
    surroundings: Vec<Changed<'a>>,
    starts: &'a [String],
    forced: &'a [&'static str],
    floor_starts: Option<u32>,
    margins: Margins,
    gross: Gross,
    policies: Vec<Policy<'a>>,
    bounds: Sides<BoundsJson>,
    noted: Vec<BothSides<'a>>,
    coverage: Vec<BothSides<'a>>,
    rows: Vec<Cells>,
    streams: Vec<streams::ComparedStreamsJson<'a>>,
    trends: Vec<trends::TrendJson>,
    published: Vec<Numbered<'a>>,
    table: Option<BesideTable<'a>>,
    gates: Vec<Gate<'a>>,
    alone: Vec<Alone>,
}

#[derive(Serialize)]
struct Sides<T> {
    base: T,
    candidate: T,
}

/// Gate of the contract, with the worst result among the candidate's starts.
#[derive(Serialize)]
struct Gate<'a> {
    name: &'a str,
    word: &'static str,
    why: &'a str,
}

/// Row with a value on only one side.
#[derive(Serialize)]
struct Alone {
    cell: Option<String>,
    class: &'static str,
    measure: String,
    primary: bool,
    only: &'static str,
}

/// Summary beside a published table.
#[derive(Serialize)]
struct BesideTable<'a> {
    band: f64,
    median_speed: Option<f64>,
    within: usize,
    outside: Vec<OutsideTest<'a>>,
    apart: &'a std::collections::BTreeMap<String, usize>,
    missing: usize,
}

/// Test outside of the band.
#[derive(Serialize)]
struct OutsideTest<'a> {
    test: &'a str,
    speed: f64,
}

/// Column of a test in a published table and in the run: means and deviations.
#[derive(Serialize)]
struct Numbered<'a> {
    test: &'a str,
    column: &'static str,
    unit: &'static str,
    base: Option<f64>,
    base_std: Option<f64>,
    candidate: Option<f64>,
    candidate_std: Option<f64>,
    ratio: Option<f64>,
    apart: Option<&'a str>,
    honest: Option<CorrectedJson<'a>>,
}

/// Corrected measure to read in place of an artefact.
#[derive(Serialize)]
struct CorrectedJson<'a> {
    what: &'static str,
    base: Option<f64>,
    candidate: Option<f64>,
    why: &'a str,
}

#[derive(Serialize)]
struct Changed<'a> {
    what: &'a str,
    base: Option<&'a str>,
    candidate: Option<&'a str>,
}

#[derive(Serialize)]
struct Margins {
    middle: f64,
    tail: f64,
}

/// Limit of a gross change.
#[derive(Serialize)]
struct Gross {
    factor: f64,
    ttft_s: f64,
    tpot_s: f64,
}

#[derive(Serialize)]
struct Policy<'a> {
    name: &'a str,
    base: Option<u64>,
    candidate: Option<u64>,
    word: PolicyWord,
    why: &'a str,
}

#[derive(Serialize)]
struct BothSides<'a> {
    name: &'a str,
    base: Option<f64>,
    candidate: Option<f64>,
}

#[derive(Serialize)]
struct Cells {
    cell: Option<String>,
    class: &'static str,
    measure: String,
    unit: &'static str,
    primary: bool,
    base: Numbers,
    candidate: Numbers,
    ratio: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    confidence: Option<f64>,
    basis: &'static str,
    margin: f64,
    p_adjusted: Option<f64>,
    gross: bool,
    gross_low: Option<f64>,
    word: &'static str,
    why: String,
}

#[derive(Serialize)]
struct Numbers {
    value: Option<f64>,
    /// Bounds of a value that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    above: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    below: Option<f64>,
    /// Ends of the percentile's interval, where the side is one start.
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<[Option<f64>; 2]>,
    starts: usize,
    n: u64,
}

/// Writes the comparison.
pub(crate) fn render(comparison: &Comparison) -> Printable {
    let document = Document {
        schema: SCHEMA,
        longhaul: env!("CARGO_PKG_VERSION"),
        decision: super::beside_table(comparison)
            .map_or(comparison.decision.word.word(), |table| table.word.word()),
        suggestive: comparison.decision.suggestive,
        exit_code: comparison.decision.exit.code(),
        simulated: comparison.simulated,
        because: comparison.decision.sentences(),
        base: &comparison.names[0],
        candidate: &comparison.names[1],
        verdicts: sides(&comparison.verdicts, |words| {
            words.iter().map(|(word, n)| (word.word(), *n)).collect()
        }),
        unknown: sides(&comparison.differs.unknown, |is_unknown| *is_unknown),
        variables: comparison.differs.variables.iter().map(changed).collect(),
        surroundings: comparison.differs.surroundings.iter().map(changed).collect(),
        starts: &comparison.differs.starts,
        forced: &comparison.differs.forced,
        floor_starts: comparison.floor_starts,
        margins: Margins { middle: comparison.margins.median, tail: comparison.margins.p95 },
        gross: Gross {
            factor: comparison.gross.factor,
            ttft_s: GROSS_TTFT_S,
            tpot_s: GROSS_TPOT_S,
        },
        policies: comparison.policies.iter().map(policy).collect(),
        bounds: sides(&comparison.exposure, bounds::of),
        noted: comparison.noted.iter().map(both).collect(),
        coverage: comparison.coverage.iter().map(both).collect(),
        rows: comparison.rows.iter().map(row).collect(),
        streams: comparison.streams.iter().map(streams::document).collect(),
        trends: comparison.trends.iter().map(trends::document).collect(),
        published: comparison.published.iter().map(test).collect(),
        table: comparison.table.as_ref().map(beside_table),
        gates: comparison.gates.iter().map(gate).collect(),
        alone: comparison.alone.iter().map(alone).collect(),
    };
    Printable::json(&document)
}

fn sides<F, T>(both: &[F; 2], of: impl Fn(&F) -> T) -> Sides<T> {
    Sides { base: of(&both[0]), candidate: of(&both[1]) }
}

fn gate((text, word, why): &(String, crate::verdict::VerdictWord, String)) -> Gate<'_> {
    Gate { name: text, word: word.word(), why }
}

fn alone(it: &crate::compare::OneSidedRow) -> Alone {
    Alone {
        cell: it.key.group.cell.map(|cell| cell.to_string()),
        class: it.key.group.class.word(),
        measure: it.key.measure.to_string(),
        primary: it.primary,
        only: if it.in_candidate { "candidate" } else { "base" },
    }
}

fn changed(variable: &Variable) -> Changed<'_> {
    Changed {
        what: &variable.what,
        base: variable.base.as_deref(),
        candidate: variable.candidate.as_deref(),
    }
}

fn policy(policy: &crate::compare::Policy) -> Policy<'_> {
    let crate::compare::Policy { base, candidate, word, .. } = *policy;
    Policy { name: &policy.name, base, candidate, word, why: &policy.why }
}

fn test(row: &Published) -> Numbered<'_> {
    let honest = row.honest.as_ref();
    Numbered {
        test: &row.test,
        column: row.column.word(),
        unit: row.column.unit(),
        base: row.base.as_ref().map(|spread| spread.mean),
        base_std: row.base.as_ref().and_then(|spread| spread.std),
        candidate: row.candidate.as_ref().map(|spread| spread.mean),
        candidate_std: row.candidate.as_ref().and_then(|spread| spread.std),
        ratio: row.ratio,
        apart: row.apart.as_deref(),
        honest: honest.map(|it| CorrectedJson {
            what: it.what.words(),
            base: it.base,
            candidate: it.candidate,
            why: &it.why,
        }),
    }
}

fn beside_table(table: &TableSummary) -> BesideTable<'_> {
    let outside = table.outside.iter();
    BesideTable {
        band: BAND,
        median_speed: table.median,
        within: table.within,
        outside: outside.map(|(test, speed)| OutsideTest { test, speed: *speed }).collect(),
        apart: &table.apart,
        missing: table.missing,
    }
}

fn both(noted: &UngatedMeasure) -> BothSides<'_> {
    BothSides { name: &noted.name, base: noted.base, candidate: noted.candidate }
}

fn row(row: &ComparedRow) -> Cells {
    let numbers = |side: Side| Numbers {
        value: side.value.known(),
        above: side.value.above(),
        below: side.value.below(),
        interval: side.interval.map(RankInterval::ends),
        starts: side.starts,
        n: side.n,
    };
    let (basis, confidence) = match row.basis {
        Basis::Exact(confidence) => ("exact", Some(confidence)),
        Basis::Floor => ("floor", Some(0.95)),
        Basis::Nothing => ("nothing", None),
    };
    let interval = row.interval.filter(|_| row.change().is_some());
    Cells {
        cell: row.key.group.cell.map(|cell| cell.to_string()),
        class: row.key.group.class.word(),
        measure: row.key.measure.to_string(),
        unit: unit(row.key.measure),
        primary: row.primary,
        base: numbers(row.base),
        candidate: numbers(row.candidate),
        ratio: row.change(),
        low: interval.map(|(low, _)| low),
        high: interval.map(|(_, high)| high),
        confidence,
        basis,
        margin: row.margin,
        p_adjusted: row.p,
        gross: row.is_gross,
        gross_low: row.gross_low,
        word: row.word.word(),
        why: row.why.clone(),
    }
}
