//! Writes `verdict.json`: the verdict for scripts, derived from the run folder and safe to delete.
//! Schema 1; keys may be added later, never renamed. A missing value is null, never 0. Values are
//! in base units: seconds, tokens per second, fractions, counts.

pub(crate) mod bounds;
mod cells;
mod series;
mod streams;
mod trends;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::cache::{CacheEvidence, CacheState};
use crate::analysis::{SettingEffect, SourceCoverage};
use crate::fact::{ClosedBecause, Ended, Load, Seq};
use crate::incident::Incident;
use crate::measure::{MTBF_CONFIDENCE, Measure};
use crate::spec::{Base, Limit};
use crate::stats::Estimate;
use crate::unit::At;
use crate::verdict::{Finding, FiredCheck, GateResult, Proof, VerdictWord};

use super::page::Page;
use super::printable::Printable;

const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    longhaul: &'a str,
    verdict: VerdictWord,
    simulated: bool,
    exit_code: u8,
    recipe: &'a str,
    scenario: &'a str,
    model: &'a str,
    ailments: &'a [String],
    seed: u64,
    closed: Option<ClosedBecause>,
    load_s: f64,
    mtbf: Option<Mtbf<'a>>,
    bounds: bounds::BoundsJson,
    reasons: &'a [String],
    gates: Vec<Gate<'a>>,
    findings: Vec<Finding>,
    settings: Vec<SettingJson<'a>>,
    warnings: &'a [String],
    coverage: Coverage,
    cache: Vec<ClassJson<'a>>,
    endings: BTreeMap<&'static str, u64>,
    fate_unknown: u64,
    incidents: Vec<Event<'a>>,
    cells: Vec<cells::Row<'a>>,
    streams: Vec<streams::StreamsJson<'a>>,
    acceptance: Vec<streams::AcceptanceJson>,
    trends: trends::TrendsJson<'a>,
    /// Readings over time, only on request and not in `verdict.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    series: Option<Vec<series::SeriesJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readings_left_out: Option<u64>,
}

/// Interval of the mean time between failures, seconds.
#[derive(Serialize)]
struct Mtbf<'a> {
    failures: u64,
    load_s: f64,
    confidence: f64,
    low_s: f64,
    high_s: Option<f64>,
    /// Kinds of failures that may have happened unobserved.
    not_observed: Vec<String>,
    evidence: &'a [Seq],
}

#[derive(Serialize)]
struct Gate<'a> {
    text: &'a str,
    measure: String,
    selector: Selector<'a>,
    limit: BTreeMap<String, f64>,
    attain: Option<f64>,
    bound: Option<f64>,
    value: Option<f64>,
    /// Bounds of a value that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    above: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    below: Option<f64>,
    n: u64,
    /// Share of the requests that could be judged, where that is not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    judged: Option<f64>,
    word: VerdictWord,
    why: &'a str,
    /// Seconds up to which an outage may not have been observed.
    #[serde(skip_serializing_if = "Option::is_none")]
    longer_than_s: Option<f64>,
    evidence: &'a [Seq],
}

/// Setting of the recipe.
#[derive(Serialize)]
struct SettingJson<'a> {
    setting: &'a str,
    /// `None` for an environment variable.
    declared: Option<&'a str>,
    /// `in effect`, `in effect by its arguments`, `not in effect` or `not seen`.
    effect: &'static str,
    why: &'a str,
    evidence: &'a [Seq],
}

#[derive(Serialize)]
struct Selector<'a> {
    depth: Option<u64>,
    class: Option<&'static str>,
    phase: Option<&'static str>,
    load: Option<u32>,
    rate: Option<f64>,
    workload: Option<&'a str>,
}

#[derive(Serialize)]
struct Coverage {
    sources: BTreeMap<&'static str, CoverageJson>,
    events: BTreeMap<String, BTreeMap<&'static str, CoverageJson>>,
}

#[derive(Serialize)]
struct CoverageJson {
    share: f64,
    why: String,
}

/// State of a class to the server's cache.
#[derive(Serialize)]
struct ClassJson<'a> {
    class: &'static str,
    state: &'static str,
    by: Option<&'static str>,
    from_cache: Option<f64>,
    why: &'a str,
}

#[derive(Serialize)]
struct Event<'a> {
    kinds: Vec<&'static str>,
    /// Cause, as far as it was found.
    cause: &'a str,
    /// Confidence in the cause.
    confidence: &'a str,
    /// Whether longhaul caused it: measured, and no failure.
    expected: bool,
    /// Requests in flight that it affected; `depth` is the largest of theirs.
    in_flight: u64,
    depth: Option<u64>,
    /// Recovery of the server.
    recovery: RecoveryJson,
    segment: u32,
    from_us: At,
    until_us: Option<At>,
    words: &'a str,
    evidence: &'a [Seq],
}

/// Recovery, step by step, on the segment's anchor.
#[derive(Serialize)]
#[allow(clippy::struct_field_names)] // every key says its unit
struct RecoveryJson {
    detected_us: Option<At>,
    process_us: Option<At>,
    port_us: Option<At>,
    model_us: Option<At>,
    first_token_us: Option<At>,
    same_depth_us: Option<At>,
}

/// Writes the verdict; with `whole`, every block of every series too.
pub(crate) fn render(page: &Page<'_>, whole: bool) -> Printable {
    let Page { asked, verdict, coverage, .. } = page;
    let events = coverage.counts.iter();
    let document = Document {
        schema: SCHEMA,
        longhaul: &asked.version,
        verdict: verdict.word,
        simulated: asked.simulated,
        exit_code: verdict.exit().code(),
        recipe: &asked.recipe,
        scenario: &asked.scenario,
        model: &asked.model,
        ailments: &asked.ailments,
        seed: asked.seed,
        closed: verdict.closed,
        load_s: page.load_s,
        mtbf: verdict.proof.as_ref().map(mtbf),
        bounds: bounds::of(&verdict.exposure),
        reasons: &verdict.reasons,
        gates: verdict.gates.iter().map(gate).collect(),
        findings: verdict
            .checks
            .iter()
            .map(FiredCheck::finding)
            .chain(verdict.findings.iter().cloned())
            .collect(),
        settings: page.settings.iter().map(setting).collect(),
        warnings: &asked.warnings,
        coverage: Coverage {
            sources: coverage_json(&coverage.sources),
            events: events
                .map(|of| (Measure::Count(of.count).to_string(), coverage_json(&of.sources)))
                .collect(),
        },
        cache: page.cache.iter().map(class).collect(),
        endings: words(&page.endings),
        fate_unknown: page.fate_unknown,
        incidents: page.incidents.iter().map(|words| event(words.incident)).collect(),
        cells: page.cells.iter().map(cells::row).collect(),
        streams: page.streams.iter().map(streams::streams).collect(),
        acceptance: page.acceptance.iter().map(streams::acceptance).collect(),
        trends: trends::document(page.trends),
        series: whole.then(|| series::documents(page.over_time)),
        readings_left_out: whole.then_some(page.over_time.left_out),
    };
    Printable::json(&document)
}

fn class(state: &CacheState) -> ClassJson<'_> {
    ClassJson {
        class: state.class.word(),
        state: state.word.word(),
        by: state.by.map(CacheEvidence::word),
        from_cache: state.from_cache,
        why: &state.why,
    }
}

fn mtbf(proof: &Proof) -> Mtbf<'_> {
    Mtbf {
        failures: proof.failures,
        load_s: proof.load_s,
        confidence: MTBF_CONFIDENCE,
        low_s: proof.low_s,
        high_s: proof.high_s,
        not_observed: proof.unseen.iter().map(|of| Measure::Count(*of).to_string()).collect(),
        evidence: &proof.evidence,
    }
}

fn gate(gate: &GateResult) -> Gate<'_> {
    let select = &gate.select;
    let (load, rate) = match select.load {
        Some(Load::Streams(streams)) => (Some(streams), None),
        Some(Load::PerSecond(rate)) => (None, Some(rate)),
        None => (None, None),
    };
    Gate {
        text: &gate.text,
        measure: gate.measure.to_string(),
        selector: Selector {
            depth: select.depth,
            class: select.class.map(crate::fact::Class::word),
            phase: select.phase.map(crate::fact::Phase::word),
            load,
            rate,
            workload: select.workload.as_deref(),
        },
        limit: BTreeMap::from([limit(gate.limit)]),
        attain: gate.attain,
        bound: gate.bound,
        value: gate.value.and_then(Estimate::known),
        above: gate.value.and_then(Estimate::above),
        below: gate.value.and_then(Estimate::below),
        n: gate.n,
        judged: gate.judged_share(),
        word: gate.word,
        why: &gate.why,
        longer_than_s: gate.hidden_s,
        evidence: &gate.evidence,
    }
}

fn setting(setting: &SettingEffect) -> SettingJson<'_> {
    SettingJson {
        setting: &setting.setting,
        declared: setting.declared.as_deref(),
        effect: setting.word.word(),
        why: &setting.why,
        evidence: &setting.evidence,
    }
}

fn limit(limit: Limit) -> (String, f64) {
    let of = |way: &str, base: Base| match base {
        Base::Reference => format!("{way}reference"),
        Base::Depth(depth) => format!("{way}d{depth}"),
    };
    match limit {
        Limit::AtMost(limit) => ("at_most".to_owned(), limit),
        Limit::AtLeast(limit) => ("at_least".to_owned(), limit),
        Limit::AtMostOf(share, base) => (of("at_most_of_", base), share),
        Limit::AtLeastOf(share, base) => (of("at_least_of_", base), share),
    }
}

fn coverage_json(sources: &[SourceCoverage]) -> BTreeMap<&'static str, CoverageJson> {
    let light =
        |source: &SourceCoverage| CoverageJson { share: source.share, why: source.why.clone() };
    sources.iter().map(|source| (source.name, light(source))).collect()
}

fn event(incident: &Incident) -> Event<'_> {
    Event {
        kinds: incident.kinds.iter().map(|kind| kind.word()).collect(),
        cause: incident.cause.word(),
        confidence: incident.confidence.word(),
        expected: incident.is_expected(),
        in_flight: incident.in_flight,
        depth: incident.depth,
        recovery: RecoveryJson {
            detected_us: incident.recovery.detected,
            process_us: incident.recovery.process,
            port_us: incident.recovery.port,
            model_us: incident.recovery.model,
            first_token_us: incident.recovery.first_token,
            same_depth_us: incident.recovery.same_depth,
        },
        segment: incident.segment,
        from_us: incident.from,
        until_us: incident.until,
        words: &incident.words,
        evidence: &incident.evidence,
    }
}

fn words(tally: &BTreeMap<Ended, u64>) -> BTreeMap<&'static str, u64> {
    tally.iter().map(|(ended, n)| (ended.word(), *n)).collect()
}
