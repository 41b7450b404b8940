//! The report that answers first, then says why, then what it does not prove: at
//! most 24 lines of 80 columns, fit for a forum post. `wide` has the tables.

use crate::analysis::{Analysis, Asked};
use crate::fact::Ended;
use crate::incident::{Incident, Kind};
use crate::measure::{Measure, Portion, Quantity};
use crate::spec::{Limit, Select};
use crate::stats::poisson::{garwood, mtbf_without_failure};
use crate::timeline::wall_text;
use crate::unit::{figures, grouped, span};
use crate::verdict::{GateResult, Verdict, Word};

use super::layout::{LABEL, NONE, amount, counted, cut, finish, fold, labelled, percent, table, times, wrap};
use super::wide;

/// Lines of the report without `--wide`.
pub const LINES_MAX: usize = 24;

/// How to write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// With all tables.
    pub wide: bool,
    /// With colours, which only repeat what the words say.
    pub colour: bool,
    /// Columns; 80 is what people paste.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { wide: false, colour: false, width: 80 }
    }
}

/// How many lines a section may take.
#[derive(Clone, Copy)]
struct Room {
    why: usize,
    incidents: usize,
    asked: usize,
    other: usize,
}

const ROOMY: Room = Room { why: 2, incidents: 4, asked: 5, other: 2 };
const TIGHT: Room = Room { why: 1, incidents: 3, asked: 3, other: 1 };

/// Writes the report.
pub fn render(asked: &Asked, analysis: &Analysis, verdict: &Verdict, options: Options) -> String {
    let tell = Tell { asked, analysis, verdict, columns: options.width.max(40) };
    let depths = tell.depths();
    let mut lines = tell.lines(ROOMY, &depths);
    if lines.len() > LINES_MAX {
        let without_depths = tell.lines(TIGHT, &[]).len();
        lines = tell.lines(TIGHT, &shorter(depths, LINES_MAX.saturating_sub(without_depths)));
    }
    lines.truncate(LINES_MAX);
    let mut text = finish(&lines, tell.columns);
    if options.wide {
        // Tables are as wide as they are; what bounds a line is only sanity.
        text.push_str(&finish(&wide::lines(asked, analysis, verdict), 400));
    }
    if options.colour { coloured(&text) } else { text }
}

/// A table with its middle left out, in at most `room` lines, a blank line included.
fn shorter(mut rows: Vec<String>, room: usize) -> Vec<String> {
    let room = room.saturating_sub(1);
    if rows.len() <= room || room < 4 {
        rows.truncate(room);
        return rows;
    }
    let left_out = rows.len() - room + 1;
    let middle = room / 2;
    let words = format!("  … {} more: --wide", counted(left_out as u64, "depth", "depths"));
    rows.splice(middle..middle + left_out, [words]);
    rows
}

struct Tell<'a> {
    asked: &'a Asked,
    analysis: &'a Analysis,
    verdict: &'a Verdict,
    columns: usize,
}

impl Tell<'_> {
    fn lines(&self, room: Room, depths: &[String]) -> Vec<String> {
        let mut lines = vec![self.head(), String::new()];
        lines.extend(labelled("why", self.fold(&self.verdict.reasons, room.why)));
        lines.extend(self.incidents(room.incidents));
        lines.extend(self.errors());
        lines.extend(self.findings(room.other));
        if !depths.is_empty() {
            lines.push(String::new());
            lines.extend(depths.iter().cloned());
        }
        lines.push(String::new());
        lines.extend(labelled("asked", self.gates(room.asked)));
        lines.extend(labelled("seen", self.fold(&self.seen(), room.other)));
        lines.extend(labelled("proves", cut(&self.proves(), self.inner(), room.other)));
        lines.extend(labelled("not", cut(&self.proves_not(), self.inner(), room.other)));
        lines.extend(labelled("again", self.again()));
        lines
    }

    /// Columns beside the label.
    fn inner(&self) -> usize {
        self.columns - LABEL
    }

    fn fold(&self, items: &[String], lines_max: usize) -> Vec<String> {
        fold(items, self.inner(), lines_max)
    }

    fn head(&self) -> String {
        let asked = self.asked;
        let load = span(self.analysis.calendar.load_us() as f64 / 1e6);
        let word = self.verdict.word.word();
        let label = if asked.simulated { "SIMULATED " } else { "" };
        format!("{label}{word}  {} · {} · {load} under load", asked.recipe, asked.scenario)
    }

    fn incidents(&self, lines_max: usize) -> Vec<String> {
        let incidents = &self.analysis.calendar.incidents;
        let shown = if incidents.len() > lines_max { lines_max - 1 } else { incidents.len() };
        let mut lines: Vec<String> = incidents[..shown]
            .iter()
            .flat_map(|incident| {
                labelled(short(incident.kind()), vec![incident_words(self.analysis, incident, self.inner())])
            })
            .collect();
        if shown < incidents.len() {
            let more = counted((incidents.len() - shown) as u64, "more incident", "more incidents");
            lines.extend(labelled("", vec![format!("{more}: --wide")]));
        }
        lines
    }

    fn errors(&self) -> Vec<String> {
        let all = Select::default();
        let share = self.analysis.portion(Portion::Errors, &all);
        let Some(value) = share.value() else { return Vec::new() };
        let requests = counted(share.of, "request", "requests");
        if share.part == 0 {
            return labelled("errors", vec![format!("none of {requests}")]);
        }
        let endings = self.analysis.endings(&all);
        let mut bad: Vec<(Ended, u64)> =
            endings.into_iter().filter(|(ended, _)| ended.is_bad()).collect();
        bad.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let asked = self.verdict.gates.iter().find_map(|gate| match (gate.measure, gate.limit) {
            (Measure::Portion(Portion::Errors), Limit::AtMost(limit)) => Some(limit),
            _ => None,
        });
        let asked = asked.map_or(String::new(), |limit| format!(", asked {}", percent(limit)));
        let words: Vec<String> = bad
            .iter()
            .map(|(ended, n)| format!("{} {}", grouped(*n as f64), ended.word().replace('_', " ")))
            .collect();
        let text = format!("{}{asked}: {}, of {requests}", percent(value), words.join(", "));
        labelled("errors", cut(&text, self.inner(), 1))
    }

    fn findings(&self, lines_max: usize) -> Vec<String> {
        let mut items: Vec<String> =
            self.verdict.findings.iter().map(|finding| finding.words.clone()).collect();
        items.extend(self.asked.warnings.iter().cloned());
        labelled("note", self.fold(&items, lines_max))
    }

    /// The table of depths; concurrencies are pooled, `--wide` has them apart.
    fn depths(&self) -> Vec<String> {
        let depths: Vec<u64> = self.analysis.planned_depths();
        let selects: Vec<Select> = depths
            .iter()
            .map(|depth| Select { depth: Some(*depth), ..Select::default() })
            .filter(|select| self.analysis.atoms_of(select).next().is_some())
            .collect();
        if selects.is_empty() {
            return Vec::new();
        }
        let column = |quantity: Quantity, share: f64, needed: u64| -> Vec<Option<f64>> {
            let value = |select| {
                let dist = self.analysis.dist(quantity, select);
                dist.percentile(share).filter(|_| dist.n() >= needed)
            };
            selects.iter().map(value).collect()
        };
        let (ttft, ttft_p95) = (column(Quantity::Ttft, 0.5, 1), column(Quantity::Ttft, 0.95, 60));
        let (tpot, tpot_p95) = (column(Quantity::Tpot, 0.5, 1), column(Quantity::Tpot, 0.95, 60));
        let speed = column(Quantity::TokensPerS, 0.5, 1);
        let (ttft, tpot) = (times(&[ttft, ttft_p95].concat()), times(&[tpot, tpot_p95].concat()));
        let heads = ["depth", "n", "TTFT p50", "p95", "TPOT p50", "p95", "tok/s", "bad"];
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for (index, select) in selects.iter().enumerate() {
            let good = self.analysis.count_ended(select, Ended::is_good);
            let bad = self.analysis.count_ended(select, Ended::is_bad);
            rows.push(vec![
                format!("d{}", select.depth.unwrap_or(0)),
                grouped(good as f64),
                ttft[index].clone(),
                ttft[selects.len() + index].clone(),
                tpot[index].clone(),
                tpot[selects.len() + index].clone(),
                speed[index].map_or(NONE.to_owned(), figures),
                grouped(bad as f64),
            ]);
        }
        table(&rows, 1)
    }

    /// Gates by word, the gravest first, those of one line of the contract together.
    fn gates(&self, lines_max: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut left = lines_max;
        let words = [(Word::Fail, "FAIL"), (Word::Inconclusive, "INCONCLUSIVE"), (Word::Pass, "pass")];
        let groups: Vec<(Word, &str, Vec<String>)> = words
            .into_iter()
            .map(|(word, name)| (word, name, self.gates_of(word, name)))
            .filter(|(_, _, items)| !items.is_empty())
            .collect();
        let count = groups.len();
        for (index, (_, _, items)) in groups.into_iter().enumerate() {
            // Each later group is sure of a line.
            let folded = self.fold(&items, left.saturating_sub(count - index - 1).max(1));
            left = left.saturating_sub(folded.len());
            lines.extend(folded);
        }
        lines
    }

    fn gates_of(&self, word: Word, name: &str) -> Vec<String> {
        let mut items: Vec<String> = Vec::new();
        let mut told: Vec<&str> = Vec::new();
        for gate in self.verdict.gates.iter().filter(|gate| gate.word == word) {
            if gate.expanded && told.contains(&gate.text.as_str()) {
                continue;
            }
            told.push(&gate.text);
            let family: Vec<&GateResult> = self
                .verdict
                .gates
                .iter()
                .filter(|other| other.expanded && other.text == gate.text)
                .collect();
            let same = family.iter().filter(|other| other.word == word).count();
            let place = match (gate.expanded, family.len() == same) {
                (false, _) => String::new(),
                (true, true) if same == 1 => String::new(),
                (true, true) => format!(" ({same} depths)"),
                (true, false) => format!(" ({same} of {} depths)", family.len()),
            };
            items.push(format!("{name} {}{place}{}", gate.text, because(gate, same)));
        }
        items
    }

    /// Sources by how much of the run they saw.
    fn seen(&self) -> Vec<String> {
        let mut by_share: Vec<(u64, Vec<&str>)> = Vec::new();
        for half in &self.analysis.coverage.sources {
            let share = (half.share * 100.0).floor() as u64;
            match by_share.iter_mut().find(|(known, _)| *known == share) {
                Some((_, names)) => names.push(half.name),
                None => by_share.push((share, vec![half.name])),
            }
        }
        by_share.sort_by_key(|(share, _)| std::cmp::Reverse(*share));
        let item = |(share, names): (u64, Vec<&str>)| match share {
            0 => format!("none: {}", names.join(", ")),
            share => format!("{share} %: {}", names.join(", ")),
        };
        by_share.into_iter().map(item).collect()
    }

    fn proves(&self) -> String {
        let hours = self.analysis.calendar.load_us() as f64 / 3.6e9;
        let failures = self.analysis.calendar.incidents.len() as u64;
        let load = span(hours * 3600.0);
        let crashes = self.analysis.coverage.of(crate::measure::Count::Crashes);
        if hours <= 0.0 || crashes.is_none_or(|covered| covered.dark().next().is_some()) {
            return String::new();
        }
        if failures == 0 {
            let bound = span(mtbf_without_failure(hours, 0.95) * 3600.0);
            return format!("no failure in {load}: MTBF above {bound} (95 %)");
        }
        let (low, high) = garwood(failures, 0.95);
        let hours_of = |mean: f64| span(hours / mean * 3600.0);
        let failures = counted(failures, "failure", "failures");
        format!("{failures} in {load}: MTBF between {} and {} (95 %)", hours_of(high), hours_of(low))
    }

    fn proves_not(&self) -> String {
        let cells = &self.asked.cells;
        let streams = cells.iter().map(crate::fact::Cell::streams).max().unwrap_or(0);
        let tokens = cells.iter().map(|cell| cell.input() + cell.output).max().unwrap_or(0);
        let mut parts = Vec::new();
        if self.asked.simulated {
            parts.push("anything about a real server".to_owned());
        }
        parts.push("other images or drivers".to_owned());
        if streams > 0 {
            parts.push(format!("more than {}", counted(u64::from(streams), "stream", "streams")));
        }
        if tokens > 0 {
            parts.push(format!("over {} tokens", grouped(tokens as f64)));
        }
        parts.join(", ")
    }

    /// The command, whole if two lines hold it: it is there to be copied.
    fn again(&self) -> Vec<String> {
        let lines = wrap(&self.asked.again, self.inner() - 2);
        match lines.as_slice() {
            [first, second] => vec![format!("{first} \\"), second.clone()],
            _ => cut(&self.asked.again, self.inner(), 1),
        }
    }
}

/// What follows a gate that did not pass.
fn because(gate: &GateResult, same: usize) -> String {
    match (gate.word, gate.value) {
        (Word::Pass, _) => String::new(),
        (Word::Fail, Some(value)) if gate.attain.is_some() => format!(": {}", percent(value)),
        (Word::Fail, Some(value)) if same < 2 => format!(": {}", amount(gate.measure, value)),
        (Word::Fail, _) => String::new(),
        (Word::Inconclusive, _) => format!(": {}", gate.why),
    }
}

/// A kind in one word, for the label.
fn short(kind: Kind) -> &'static str {
    match kind {
        Kind::OutOfMemory => "OOM",
        _ => kind.word(),
    }
}

/// When, what, and how long, in one line of `width` characters.
pub fn incident_words(analysis: &Analysis, incident: &Incident, width: usize) -> String {
    let when = analysis
        .calendar
        .segments
        .iter()
        .find(|span| span.segment == incident.segment)
        .and_then(|span| span.opened.as_ref())
        .map_or_else(
            || span(incident.from.seconds()),
            |opened| wall_text(opened.wall_us + incident.from.0).get(11..19).unwrap_or("").to_owned(),
        );
    let end = match incident.until {
        Some(until) if incident.is(Kind::Outage) => {
            format!("; back in {}", span(until.since(incident.from) as f64 / 1e6))
        }
        None if incident.is(Kind::Outage) => "; not back".to_owned(),
        _ => String::new(),
    };
    let room = width.saturating_sub(when.chars().count() + 1 + end.chars().count());
    format!("{when} {}{end}", cut(&incident.words, room, 1).concat())
}

/// The same text, its verdict words in colour.
fn coloured(text: &str) -> String {
    const CODES: [(&str, &str); 3] = [("FAIL", "31"), ("INCONCLUSIVE", "33"), ("PASS", "32")];
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        let mut line = line.to_owned();
        let asked = line.starts_with("  asked") || line.starts_with(&" ".repeat(LABEL));
        for (word, code) in CODES {
            let leads = index == 0 && line.trim_start_matches("SIMULATED ").starts_with(word);
            if leads || asked {
                let place = line.find(word).filter(|place| leads || *place == LABEL);
                if let Some(place) = place {
                    let colour = format!("\u{1b}[1;{code}m{word}\u{1b}[0m");
                    line.replace_range(place..place + word.len(), &colour);
                }
            }
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}
