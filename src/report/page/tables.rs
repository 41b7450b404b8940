//! Builds the tables behind a report: identity, cells, endings, gates, findings, error messages,
//! coverage.

use std::collections::BTreeMap;

use crate::analysis::trends::amount as trends_amount;
use crate::analysis::{Analysis, Coverage, Notes, RunDescription, SettingEffect, StreamLadder};
use crate::escape::one_line;
use crate::fact::Seq;
use crate::measure::{Measure, Quantity};
use crate::report::words::{amount, at_least_so_long, percent_whole};
use crate::spec::Limit;
use crate::stats::Estimate;
use crate::unit::{grouped, span};
use crate::verdict::{FiredCheck, GateResult, Verdict, VerdictWord};

use super::{
    CellNumbers, Grid, GridValue, Heading, Numbers, acceptance, bounds, percentiles, series,
    streams, trends,
};

/// Longest declared value of a setting, characters.
const VALUE_CHARS_MAX: usize = 60;

/// Tables of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tables {
    /// Names, addresses and the command.
    pub run: Grid,
    /// Times and rates of every cell.
    pub cells: Grid,
    /// Percentiles of every cell with their intervals.
    pub percentiles: Grid,
    /// Throughput and times by the number of streams at once.
    pub streams: Grid,
    /// Share of the drafted tokens that were accepted.
    pub acceptance: Grid,
    /// Endings of the requests of every cell, and the checks that failed.
    pub endings: Grid,
    /// Settings of the recipe, and whether they are in effect.
    pub settings: Grid,
    /// Gates, each with its value, its bound and its evidence.
    pub gates: Grid,
    /// Reasons, findings and warnings.
    pub findings: Grid,
    /// Error messages of failed requests.
    pub errors: Grid,
    /// Coverage: the share of the run in which each source was reading.
    pub coverage: Grid,
    /// Changes over the hours.
    pub trends: Grid,
    /// Rates of the series that are decided.
    pub rates: Grid,
    /// Changes of the levels of series.
    pub levels: Grid,
    /// Bounds by kind of failure.
    pub bounds: Grid,
    /// Readings over time, a row for each lifetime of a series.
    pub series: Grid,
}

impl Tables {
    /// Builds the tables of a run.
    pub(crate) fn of(
        asked: &RunDescription,
        analysis: &Analysis,
        verdict: &Verdict,
        cells: &[CellNumbers<'_>],
        ladders: &[StreamLadder],
    ) -> Tables {
        Tables {
            run: run(asked, analysis),
            cells: numbers(cells),
            percentiles: percentiles::grid(cells),
            streams: streams::grid(ladders),
            acceptance: acceptance::grid(&analysis.acceptance),
            endings: endings(cells),
            settings: Grid::plain(4, analysis.settings.iter().map(setting).collect()),
            gates: Grid::plain(7, verdict.gates.iter().map(gate).collect()),
            findings: findings(asked, verdict),
            errors: errors(&analysis.notes),
            coverage: coverage(&analysis.coverage, &analysis.notes),
            trends: trends::grid(&analysis.trends),
            rates: trends::rates(&analysis.trends.series),
            levels: trends::levels(&analysis.trends.series),
            bounds: bounds::grid(&verdict.exposure),
            series: series::grid(&analysis.over_time),
        }
    }
}

fn run(asked: &RunDescription, analysis: &Analysis) -> Grid {
    let lifetimes = analysis.calendar.lifetimes();
    let longest = lifetimes.iter().map(|life| life.until.since(life.from)).max();
    let lifetimes = longest.map_or(String::new(), |longest_us| {
        let longest = span(longest_us as f64 / 1e6);
        format!("{} of the server, the longest {longest}", lifetimes.len())
    });
    let rows = [
        ("longhaul", asked.version.clone()),
        ("recipe", asked.recipe.clone()),
        ("scenario", asked.scenario.clone()),
        ("model", asked.model.clone()),
        ("container", asked.container.clone().unwrap_or_default()),
        ("endpoint", asked.endpoint.clone()),
        ("ailments", asked.ailments.join(", ")),
        ("seed", asked.seed.to_string()),
        ("folder", asked.folder.clone()),
        ("again", asked.again.clone()),
        ("lifetimes", lifetimes),
    ];
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    let rows = rows.map(|(name, value)| vec![GridValue::text(name), GridValue::Text(value)]);
    Grid::plain(2, rows.collect())
}

/// Returns phase, cell and class for the start of a row.
fn place(cell: &CellNumbers<'_>) -> Vec<GridValue> {
    let class = cell.group.class.word();
    vec![
        GridValue::text(cell.phase.word()),
        GridValue::Text(cell.group.cell_word()),
        GridValue::text(class),
    ]
}

fn numbers(cells: &[CellNumbers<'_>]) -> Grid {
    let mut headings = ["phase", "cell", "class"].map(Heading::left).to_vec();
    headings.push(Heading::right("n"));
    let percentiles =
        [(Quantity::Ttft, "TTFT p50"), (Quantity::Tpot, "TPOT p50"), (Quantity::E2e, "E2E p50")];
    for (quantity, median) in percentiles {
        headings.extend([median, "p95", "p99"].map(|words| Heading::time(words, quantity)));
    }
    headings.extend(["tok/s", "prefill/s", "cached"].map(Heading::right));
    let several = cells.iter().any(|cell| cell.group.streams() > 1);
    if several {
        headings.extend(["total tok/s", "staggered"].map(Heading::right));
    }
    let open = cells.iter().any(CellNumbers::is_open);
    if open {
        let late = |words| Heading::time(words, Quantity::Lateness);
        headings.extend(["late p50", "p95", "max"].map(late));
    }
    let row = |cell: &CellNumbers<'_>| {
        let of = |quantity, of| cell.value(quantity, of);
        let mut row = place(cell);
        row.push(GridValue::Count(cell.good));
        for (quantity, _) in percentiles {
            let statistics: [fn(&Numbers) -> Option<Estimate>; 3] =
                [|of| of.p50, |of| of.p95, |of| of.p99];
            row.extend(statistics.map(|it| GridValue::maybe(of(quantity, it), GridValue::Time)));
        }
        row.push(GridValue::maybe(of(Quantity::TokensPerS, |of| of.p50), GridValue::PerSecond));
        row.push(GridValue::maybe(of(Quantity::PrefillPerS, |of| of.p50), GridValue::PerSecond));
        row.push(GridValue::maybe(cell.cached_share, GridValue::Share));
        if several {
            let total = of(Quantity::Throughput, |of| of.p50).filter(|_| cell.group.streams() > 1);
            row.push(GridValue::maybe(total, GridValue::PerSecond));
            row.push(GridValue::maybe(cell.stagger, GridValue::Share));
        }
        if open {
            // In a closed loop no request can be late.
            let late: [fn(&Numbers) -> Option<Estimate>; 3] =
                [|of| of.p50, |of| of.p95, |of| of.max];
            let late = late.map(|it| of(Quantity::Lateness, it).filter(|_| cell.is_open()));
            row.extend(late.map(|it| GridValue::maybe(it, GridValue::Time)));
        }
        row
    };
    Grid { headings, rows: cells.iter().map(row).collect() }
}

fn endings(cells: &[CellNumbers<'_>]) -> Grid {
    let row = |cell: &CellNumbers<'_>| {
        let mut parts: Vec<(&str, u64)> =
            cell.endings.iter().map(|(ended, n)| (ended.word(), *n)).collect();
        parts.extend([
            ("met an outage", cell.in_outage),
            ("in one piece", cell.at_once),
            ("delayed by longhaul", cell.delayed),
            ("off depth", cell.off_depth),
        ]);
        parts.extend(cell.checks.iter().map(|(check, n)| (check.as_str(), *n)));
        parts.retain(|(_, n)| *n > 0);
        let words: Vec<String> = parts.iter().map(|(word, n)| format!("{word} {n}")).collect();
        let mut row = place(cell);
        row.push(GridValue::Text(words.join(", ")));
        row
    };
    Grid::plain(4, cells.iter().map(row).collect())
}

fn setting(setting: &SettingEffect) -> Vec<GridValue> {
    let declared = one_line(setting.declared.as_deref().unwrap_or_default(), VALUE_CHARS_MAX);
    vec![
        GridValue::text(setting.word.word()),
        GridValue::text(setting.setting.as_str()),
        GridValue::Text(declared),
        GridValue::Text(format!("{}{}", setting.why, seqs(&setting.evidence))),
    ]
}

fn gate(gate: &GateResult) -> Vec<GridValue> {
    let value = match gate.value {
        Some(share) if gate.attain.is_some() => GridValue::Share(share.number()),
        Some(value) => match growth(gate, value.number()) {
            Some(growth) => GridValue::Text(growth),
            None => GridValue::Of(gate.measure, value),
        },
        None => GridValue::Nothing,
    };
    let bound = match (gate.bound, gate.limit) {
        (Some(bound), Limit::AtMost(_) | Limit::AtMostOf(..)) => {
            let growth = growth(gate, bound);
            format!("≤ {}", growth.unwrap_or_else(|| amount(gate.measure, bound)))
        }
        (Some(bound), _) => format!("≥ {}", amount(gate.measure, bound)),
        (None, _) => String::new(),
    };
    let share = gate.judged_share().map(|share| format!(" of {}", percent_whole(share)));
    let n = match gate.measure {
        Measure::Count(_) | Measure::Mtbf | Measure::NotInEffect | Measure::Steps => String::new(),
        Measure::Growth(_) if gate.select.series.is_none() => String::new(),
        Measure::Growth(_) | Measure::Drift(_) if gate.n == 0 => String::new(),
        Measure::Growth(_) | Measure::Drift(_) => format!("{} blocks", gate.n),
        Measure::Of(..) | Measure::Portion(_) => {
            format!("n={}{}", gate.n, share.unwrap_or_default())
        }
    };
    vec![
        GridValue::Judged(gate.word),
        GridValue::text(gate.text.as_str()),
        GridValue::Text(gate.select.depth.map_or(String::new(), |depth| format!("d{depth}"))),
        value,
        GridValue::Text(bound),
        GridValue::Text(n),
        GridValue::Text(format!("{}{}{}", gate.why, longer_than(gate), seqs(&gate.evidence))),
    ]
}

/// Formats a growth of one series, in the unit of its limit: `9.62 MiB/h`.
fn growth(gate: &GateResult, value: f64) -> Option<String> {
    let Measure::Growth(per) = gate.measure else { return None };
    Some(format!("{}/{}", trends_amount(gate.select.series?, value), per.word()))
}

fn longer_than(gate: &GateResult) -> String {
    let hidden_s = gate.hidden_s.filter(|_| gate.word == VerdictWord::Pass);
    hidden_s.map_or(String::new(), |it| format!("outages longer than {}", at_least_so_long(it)))
}

/// Formats entries as evidence: ` [#4 #7]`; empty without any.
pub(crate) fn seqs(evidence: &[Seq]) -> String {
    let seqs: Vec<String> = evidence.iter().map(|seq| format!("#{seq}")).collect();
    if seqs.is_empty() { String::new() } else { format!(" [{}]", seqs.join(" ")) }
}

fn findings(asked: &RunDescription, verdict: &Verdict) -> Grid {
    let checks = verdict.checks.iter().map(FiredCheck::finding);
    let findings = checks.chain(verdict.findings.iter().cloned());
    let findings = findings.map(|it| format!("{}{}", it.words, seqs(&it.evidence)));
    let sentences = verdict.reasons.iter().cloned().chain(findings);
    let sentences = sentences.chain(asked.warnings.iter().cloned());
    Grid::plain(1, sentences.map(|words| vec![GridValue::Text(words)]).collect())
}

fn errors(notes: &Notes) -> Grid {
    let row = |word: &str, n: u64, words: String| {
        let times = format!("{} times", grouped(n as f64));
        vec![GridValue::text(word), GridValue::Text(times), GridValue::Text(words)]
    };
    let mut rows: Vec<Vec<GridValue>> = Vec::new();
    for of in &notes.words {
        rows.push(row(of.ended.word(), of.n, format!("{}{}", of.words, seqs(&[of.first]))));
    }
    if notes.words_left_out > 0 {
        rows.push(row("other", notes.words_left_out, String::new()));
    }
    Grid::plain(3, rows)
}

fn coverage(coverage: &Coverage, notes: &Notes) -> Grid {
    let whole = |share: f64| format!("{} %", (share * 100.0).floor());
    let mut rows: Vec<[String; 3]> = Vec::new();
    for source in &coverage.sources {
        rows.push([source.name.to_owned(), whole(source.share), source.why.clone()]);
    }
    for covered in &coverage.counts {
        let sources: Vec<&str> = covered.sources.iter().map(|source| source.name).collect();
        let name = Measure::Count(covered.count).to_string();
        rows.push([name, whole(covered.share()), format!("needs {}", sources.join(" and "))]);
    }
    let missed = notes.missed.iter();
    let missed: BTreeMap<String, &(u64, String)> =
        missed.map(|((source, what), how)| (format!("{} {what}", source.word()), how)).collect();
    for (name, (times, why)) in missed {
        rows.push([name, format!("missed {times} times"), why.clone()]);
    }
    Grid::plain(3, rows.into_iter().map(|row| row.map(GridValue::Text).to_vec()).collect())
}
