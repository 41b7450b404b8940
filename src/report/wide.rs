//! The tables behind the report: identity, cells, endings, gates, incidents,
//! coverage, and what was said.

use std::collections::BTreeMap;

use crate::analysis::{Analysis, Asked, Atom};
use crate::fact::Load;
use crate::measure::{Measure, Quantity};
use crate::spec::Limit;
use crate::stats::Dist;
use crate::unit::{grouped, span};
use crate::verdict::{GateResult, Verdict};

use super::layout::{NONE, amount, percent, table, times};
use super::terminal::incident_words;

/// All tables, a blank line before each.
pub fn lines(asked: &Asked, analysis: &Analysis, verdict: &Verdict) -> Vec<String> {
    let mut lines = Vec::new();
    let mut section = |name: &str, body: Vec<String>| {
        if !body.is_empty() {
            let label = if asked.simulated { " (SIMULATED)" } else { "" };
            lines.extend([String::new(), format!("{name}{label}")]);
            lines.extend(body);
        }
    };
    section("run", identity(asked, analysis));
    section("cells", cells(analysis));
    section("endings", endings(analysis));
    section("gates", gates(verdict));
    section("findings", findings(asked, verdict));
    section("incidents", incidents(analysis));
    section("errors in words", words(analysis));
    section("coverage", coverage(analysis));
    section("series", super::series::lines(&analysis.over_time));
    lines
}

fn identity(asked: &Asked, analysis: &Analysis) -> Vec<String> {
    let mut rows = vec![
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
    ];
    let lifetimes = analysis.calendar.lifetimes();
    let longest = lifetimes.iter().map(|life| life.until.since(life.from)).max();
    if let Some(longest_us) = longest {
        let longest = span(longest_us as f64 / 1e6);
        rows.push((
            "lifetimes",
            format!("{} of the server, the longest {longest}", lifetimes.len()),
        ));
    }
    rows.retain(|(_, value)| !value.is_empty());
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    table(&rows, 2)
}

fn cells(analysis: &Analysis) -> Vec<String> {
    let quantities = [Quantity::Ttft, Quantity::Tpot, Quantity::E2e];
    let mut heads = vec!["phase", "cell", "class", "n"];
    heads.extend(["TTFT p50", "p95", "p99", "TPOT p50", "p95", "p99", "E2E p50", "p95", "p99"]);
    heads.extend(["tok/s", "prefill/s", "cached"]);
    let open = analysis.atoms.iter().any(is_open);
    if open {
        heads.extend(["late p50", "p95", "max"]);
    }
    let mut rows = vec![heads.into_iter().map(str::to_owned).collect::<Vec<String>>()];
    // One unit down all columns of a quantity.
    let columns: Vec<Vec<String>> = quantities
        .iter()
        .map(|quantity| {
            let of = |atom: &Atom| percentiles(atom.dists.get(quantity));
            times(&analysis.atoms.iter().flat_map(of).collect::<Vec<_>>())
        })
        .collect();
    let late = lateness(analysis);
    for (index, atom) in analysis.atoms.iter().enumerate() {
        let median = |quantity| atom.dists.get(&quantity).and_then(|dist| dist.percentile(0.5));
        let rate = |value: Option<f64>| value.map_or(NONE.to_owned(), crate::unit::figures);
        let mut row = vec![
            atom.phase.word().to_owned(),
            atom.cell.to_string(),
            atom.class.word().to_owned(),
            grouped(atom.count(crate::fact::Ended::is_good) as f64),
        ];
        row.extend(columns.iter().flat_map(|column| column[index * 3..index * 3 + 3].to_vec()));
        row.push(rate(median(Quantity::TokensPerS)));
        row.push(rate(median(Quantity::PrefillPerS)));
        row.push(atom.cached_share().map_or(NONE.to_owned(), percent));
        if open {
            row.extend_from_slice(&late[index * 3..index * 3 + 3]);
        }
        rows.push(row);
    }
    if rows.len() == 1 { Vec::new() } else { table(&rows, 3) }
}

fn is_open(atom: &Atom) -> bool {
    matches!(atom.cell.load, Load::PerSecond(_))
}

/// How late longhaul sent what was due: p50, p95 and the most of every atom of the open
/// loop; in a closed loop everything is due at once.
fn lateness(analysis: &Analysis) -> Vec<String> {
    let of = |atom: &Atom| {
        let dist = atom.dists.get(&Quantity::Lateness).filter(|_| is_open(atom));
        let [p50, p95, _] = percentiles(dist);
        [p50, p95, dist.and_then(Dist::max)]
    };
    times(&analysis.atoms.iter().flat_map(of).collect::<Vec<_>>())
}

/// p50, p95 and p99, the latter two only of enough samples.
fn percentiles(dist: Option<&Dist>) -> [Option<f64>; 3] {
    let of = |share: f64, needed: u64| {
        dist.filter(|dist| dist.n() >= needed).and_then(|dist| dist.percentile(share))
    };
    [of(0.50, 1), of(0.95, 60), of(0.99, 300)]
}

fn endings(analysis: &Analysis) -> Vec<String> {
    let tally = |tally: Vec<(&str, u64)>| {
        let words: Vec<String> = tally.iter().map(|(word, n)| format!("{word} {n}")).collect();
        words.join(", ")
    };
    let row = |atom: &Atom| {
        let mut parts: Vec<(&str, u64)> =
            atom.ended.iter().map(|(ended, n)| (ended.word(), *n)).collect();
        parts.extend([("met an outage", atom.in_outage), ("off depth", atom.off_depth)]);
        parts.extend(atom.checks.iter().map(|(check, n)| (check.as_str(), *n)));
        parts.retain(|(_, n)| *n > 0);
        vec![
            atom.phase.word().to_owned(),
            atom.cell.to_string(),
            atom.class.word().to_owned(),
            tally(parts),
        ]
    };
    table(&analysis.atoms.iter().map(row).collect::<Vec<_>>(), 4)
}

fn gates(verdict: &Verdict) -> Vec<String> {
    let row = |gate: &GateResult| {
        let depth = gate.select.depth.map_or(String::new(), |depth| format!("d{depth}"));
        let value = gate.value.map_or(NONE.to_owned(), |value| {
            if gate.attain.is_some() { percent(value) } else { amount(gate.measure, value) }
        });
        let bound = match (gate.bound, gate.limit) {
            (Some(bound), Limit::AtMost(_) | Limit::AtMostOfReference(_)) => {
                format!("≤ {}", amount(gate.measure, bound))
            }
            (Some(bound), _) => format!("≥ {}", amount(gate.measure, bound)),
            (None, _) => String::new(),
        };
        let n = if matches!(gate.measure, Measure::Count(_) | Measure::Mtbf) {
            String::new()
        } else {
            format!("n={}", gate.n)
        };
        let why = format!("{}{}", gate.why, seqs(&gate.evidence));
        vec![gate.word.word().to_owned(), gate.text.clone(), depth, value, bound, n, why]
    };
    table(&verdict.gates.iter().map(row).collect::<Vec<_>>(), 7)
}

fn seqs(evidence: &[u64]) -> String {
    let seqs: Vec<String> = evidence.iter().map(|seq| format!("#{seq}")).collect();
    if seqs.is_empty() { String::new() } else { format!(" [{}]", seqs.join(" ")) }
}

fn findings(asked: &Asked, verdict: &Verdict) -> Vec<String> {
    let reasons = verdict.reasons.iter().map(|reason| format!("  {reason}"));
    let findings = verdict
        .findings
        .iter()
        .map(|finding| format!("  {}{}", finding.words, seqs(&finding.evidence)));
    let warnings = asked.warnings.iter().map(|warning| format!("  {warning}"));
    reasons.chain(findings).chain(warnings).collect()
}

fn incidents(analysis: &Analysis) -> Vec<String> {
    let row = |incident: &crate::incident::Incident| {
        let kinds: Vec<&str> = incident.kinds.iter().map(|kind| kind.word()).collect();
        let words = format!(
            "{}{}",
            incident_words(analysis, incident, 240, 1).concat(),
            seqs(&incident.evidence)
        );
        vec![kinds.join(" + "), words]
    };
    table(&analysis.calendar.incidents.iter().map(row).collect::<Vec<_>>(), 2)
}

fn words(analysis: &Analysis) -> Vec<String> {
    let row = |words: &crate::analysis::notes::ErrorWords| {
        vec![
            words.ended.word().to_owned(),
            format!("{} times", grouped(words.n as f64)),
            format!("{}{}", words.words, seqs(&[words.first])),
        ]
    };
    let mut rows: Vec<Vec<String>> = analysis.notes.words.iter().map(row).collect();
    if analysis.notes.words_left_out > 0 {
        let n = grouped(analysis.notes.words_left_out as f64);
        rows.push(vec!["other".to_owned(), format!("{n} times"), String::new()]);
    }
    table(&rows, 3)
}

fn coverage(analysis: &Analysis) -> Vec<String> {
    let whole = |share: f64| format!("{} %", (share * 100.0).floor());
    let mut rows: Vec<Vec<String>> = analysis
        .coverage
        .sources
        .iter()
        .map(|half| vec![half.name.to_owned(), whole(half.share), half.why.clone()])
        .collect();
    for covered in &analysis.coverage.counts {
        let halves: Vec<String> = covered.halves.iter().map(|half| half.name.to_owned()).collect();
        let name = Measure::Count(covered.count).to_string();
        rows.push(vec![name, whole(covered.share()), format!("needs {}", halves.join(" and "))]);
    }
    let missed: BTreeMap<String, &(u64, String)> = analysis
        .notes
        .missed
        .iter()
        .map(|((source, what), how)| (format!("{} {what}", source.word()), how))
        .collect();
    for (name, (times, why)) in missed {
        rows.push(vec![name, format!("missed {times} times"), why.clone()]);
    }
    table(&rows, 3)
}
