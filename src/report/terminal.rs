//! The report that answers first, then says why, then what it does not prove: at
//! most 24 lines of 80 columns, fit for a forum post. `wide` has the tables.

mod depths;
mod gates;
mod proof;

use crate::analysis::{Analysis, Asked};
use crate::escape::one_line;
use crate::fact::Ended;
use crate::incident::{Cause, Confidence, Incident, Kind};
use crate::measure::{Measure, Portion};
use crate::spec::{Limit, Select};
use crate::timeline::wall_text;
use crate::unit::span;
use crate::verdict::{Verdict, Word};

use super::layout::{LABEL, counted, cut, finish, fold, labelled, percent, percent_short, wrap};
use super::wide;
use depths::{depths, shorter};
use gates::gates;
use proof::{proves, proves_not, seen};

/// Lines of the report without `--wide`.
pub const LINES_MAX: usize = 24;

/// Bounds a name in the first line, so that the time under load is always on it.
const NAME_CHARS_MAX: usize = 32;

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
    again: usize,
}

const ROOMY: Room = Room { why: 2, incidents: 4, asked: 5, other: 2, again: 4 };
const TIGHT: Room = Room { why: 1, incidents: 3, asked: 4, other: 1, again: 2 };

/// Writes the report.
pub fn render(asked: &Asked, analysis: &Analysis, verdict: &Verdict, options: Options) -> String {
    let tell = Tell { asked, analysis, verdict, columns: options.width.max(40) };
    let table = depths(analysis);
    let mut lines = tell.lines(ROOMY, &table);
    if lines.len() > LINES_MAX {
        let without_depths = tell.lines(TIGHT, &[]).len();
        lines = tell.lines(TIGHT, &shorter(table, LINES_MAX.saturating_sub(without_depths)));
    }
    lines.truncate(LINES_MAX);
    let mut text = finish(&lines, tell.columns);
    if options.wide {
        // Tables are as wide as they are; what bounds a line is only sanity.
        text.push_str(&finish(&wide::lines(asked, analysis, verdict), 400));
    }
    if options.colour { coloured(&text) } else { text }
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
        lines.extend(self.ailing(room.other));
        lines.extend(self.incidents(room.incidents));
        lines.extend(self.errors());
        lines.extend(self.findings(room.other));
        if !depths.is_empty() {
            lines.push(String::new());
            lines.extend(depths.iter().cloned());
        }
        lines.push(String::new());
        lines.extend(labelled("asked", gates(self.verdict, self.inner(), room.asked)));
        lines.extend(labelled("seen", self.fold(&seen(self.analysis), room.other)));
        lines.extend(labelled("proves", cut(&proves(self.verdict), self.inner(), room.other)));
        lines.extend(labelled("not", cut(&proves_not(self.asked), self.inner(), room.other)));
        lines.extend(labelled("again", self.again(room.again)));
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
        let recipe = one_line(&one_line(&asked.recipe, NAME_CHARS_MAX), NAME_CHARS_MAX);
        let scenario = one_line(&one_line(&asked.scenario, NAME_CHARS_MAX), NAME_CHARS_MAX);
        format!("{label}{word}  {recipe} · {scenario} · {load} under load")
    }

    /// What was made to go wrong, and whether the contract noticed.
    fn ailing(&self, lines_max: usize) -> Vec<String> {
        if self.asked.ailments.is_empty() {
            return Vec::new();
        }
        let gates = &self.verdict.gates;
        let broken = gates.iter().filter(|gate| gate.word == Word::Fail).count();
        let broken = match broken {
            0 => "no gate broke".to_owned(),
            n => counted(n as u64, "gate broke", "gates broke"),
        };
        let text = format!("{broken} under {}", self.asked.ailments.join(", "));
        labelled("ailing", cut(&text, self.inner(), lines_max))
    }

    fn incidents(&self, lines_max: usize) -> Vec<String> {
        let incidents = &self.analysis.calendar.incidents;
        let shown = if incidents.len() > lines_max { lines_max - 1 } else { incidents.len() };
        let each = if 2 * incidents.len() <= lines_max { 2 } else { 1 };
        let told = |incident: &Incident| {
            labelled(label(incident), incident_words(self.analysis, incident, self.inner(), each))
        };
        let mut lines: Vec<String> = incidents[..shown].iter().flat_map(told).collect();
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
        let asked =
            asked.map_or(String::new(), |limit| format!(", asked {}", percent_short(limit)));
        let words: Vec<String> = bad.iter().map(|(ended, n)| ending_words(*ended, *n)).collect();
        let text = format!("{}{asked}: {}, of {requests}", percent(value), words.join(", "));
        labelled("errors", cut(&text, self.inner(), 1))
    }

    fn findings(&self, lines_max: usize) -> Vec<String> {
        let mut items: Vec<String> =
            self.verdict.findings.iter().map(|finding| finding.words.clone()).collect();
        items.extend(self.asked.warnings.iter().cloned());
        labelled("note", self.fold(&items, lines_max))
    }

    /// The command, whole or not at all: it is there to be copied.
    fn again(&self, lines_max: usize) -> Vec<String> {
        let mut lines = wrap(&self.asked.again, self.inner() - 2);
        if lines.len() > lines_max {
            return cut("a long command: --wide has it", self.inner(), 1);
        }
        let before_last = lines.len().saturating_sub(1);
        for line in &mut lines[..before_last] {
            line.push_str(" \\");
        }
        lines
    }
}

/// A number of endings in words: `3 error frames`, `1 truncated`.
fn ending_words(ended: Ended, n: u64) -> String {
    let word = ended.word().replace('_', " ");
    match ended {
        Ended::ErrorFrame | Ended::HttpError => counted(n, &word, &format!("{word}s")),
        _ => counted(n, &word, &word),
    }
}

/// An incident in one word, for the label.
fn label(incident: &Incident) -> &'static str {
    match (incident.cause, incident.kind()) {
        (Cause::Own, _) => "drill",
        (_, Kind::OutOfMemory) => "OOM",
        (_, kind) => kind.word(),
    }
}

/// Why it happened, and how that shows. What is only guessed is told by what was seen.
fn why(incident: &Incident) -> (String, &str) {
    let words = without_logger(&incident.words);
    match incident.confidence {
        _ if incident.is_expected() => (words.to_owned(), ""),
        Confidence::Certain => (incident.cause.plain().to_owned(), words),
        Confidence::Likely => (format!("likely {}", incident.cause.plain()), words),
        Confidence::Guess => (words.to_owned(), ""),
    }
}

/// Bounds what a logger writes before a message: process, level, time, file and line.
const LOGGER_CHARS_MAX: usize = 80;

/// A line of a log without what its logger put before it: the rest has to fit.
fn without_logger(words: &str) -> &str {
    let end = words.find("] ").filter(|at| *at < LOGGER_CHARS_MAX);
    let message = end.and_then(|at| words.get(at + 2..)).filter(|rest| !rest.is_empty());
    message.unwrap_or(words)
}

/// How many requests it met, and how deep; empty where it met none.
fn met(incident: &Incident) -> String {
    match (incident.in_flight, incident.depth) {
        (1.., Some(depth)) => format!("{} in flight at d{depth}", incident.in_flight),
        _ => String::new(),
    }
}

/// When, why, and how long, in lines of `width` characters; where there is one only, what it
/// met and how it shows are left out before the cause is cut.
pub fn incident_words(
    analysis: &Analysis,
    incident: &Incident,
    width: usize,
    lines_max: usize,
) -> Vec<String> {
    let (cause, words) = why(incident);
    let met = met(incident);
    let (when, end) = (when(analysis, incident), back(incident));
    let [colon, comma] = [(": ", words), (", ", &*met)]
        .map(|(mark, text)| if text.is_empty() { String::new() } else { format!("{mark}{text}") });
    let whole = format!("{when} {cause}{colon}{comma}{end}");
    if whole.chars().count() <= width {
        return vec![whole];
    }
    let room = width.saturating_sub(when.chars().count() + 1 + end.chars().count());
    let mut first = cut(&cause, room, 1).concat();
    let mut second = met;
    if lines_max > 1 {
        second.push_str(if second.is_empty() { words } else { &colon });
    } else {
        if first.chars().count() + comma.chars().count() <= room {
            first.push_str(&comma);
        }
        second.clear();
    }
    let mut lines = vec![format!("{when} {first}{end}")];
    if !second.is_empty() {
        lines.extend(cut(&second, width, 1));
    }
    lines
}

/// The time of day, where it is known.
fn when(analysis: &Analysis, incident: &Incident) -> String {
    let mut spans = analysis.calendar.segments.iter();
    let of = spans.find(|span| span.segment == incident.segment);
    of.and_then(|span| span.opened.as_ref()).map_or_else(
        || span(incident.from.seconds()),
        |opened| wall_text(opened.wall_us + incident.from.0).get(11..19).unwrap_or("").to_owned(),
    )
}

/// How long until the first token, where it was away.
fn back(incident: &Incident) -> String {
    match incident.until {
        Some(until) if incident.is_away() => {
            let back = incident.recovery.first_token.unwrap_or(until).max(until);
            format!("; back in {}", span(back.since(incident.from) as f64 / 1e6))
        }
        None if incident.is_away() => "; not back".to_owned(),
        _ => String::new(),
    }
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

#[cfg(test)]
mod tests;
