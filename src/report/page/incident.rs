//! Describes an incident in parts, which a layout joins as far as there is room.

use crate::analysis::{Calendar, Trends};
use crate::incident::{Cause, Confidence, Incident, IncidentKind};
use crate::timeline::wall_text;
use crate::unit::span;

/// Incident in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct IncidentWords<'a> {
    /// The incident itself.
    pub incident: &'a Incident,
    /// Label in one word: `OOM`, `crash`, `drill`.
    pub label: &'static str,
    /// Time of day at its start (UTC), if known; otherwise the time into the segment.
    pub when: String,
    /// Cause, with its confidence.
    pub cause: String,
    /// Line that shows it; empty where the cause contains it already.
    pub shown: &'a str,
    /// Requests that it affected, and their depth; empty without any.
    pub met: String,
    /// Time until the first token of a whole answer, for an outage: `; back in 9 m 52 s`.
    pub back: String,
}

impl IncidentWords<'_> {
    /// Returns everything on one line.
    pub(crate) fn whole(&self) -> String {
        let [colon, comma] = self.marked();
        format!("{} {}{colon}{comma}{}", self.when, self.cause, self.back)
    }

    /// Returns its line and what it met, each behind its mark; empty without any.
    pub(crate) fn marked(&self) -> [String; 2] {
        [(": ", self.shown), (", ", &*self.met)].map(|(mark, text)| {
            if text.is_empty() { String::new() } else { format!("{mark}{text}") }
        })
    }
}

/// Returns the incidents of a run in words.
pub(super) fn all<'a>(calendar: &'a Calendar, trends: &Trends) -> Vec<IncidentWords<'a>> {
    calendar.incidents.iter().map(|incident| reported(calendar, trends, incident)).collect()
}

fn reported<'a>(calendar: &Calendar, trends: &Trends, incident: &'a Incident) -> IncidentWords<'a> {
    let (mut cause, shown) = why(incident);
    cause.push_str(&grown(incident, trends));
    IncidentWords {
        incident,
        label: label(incident),
        when: when(calendar, incident),
        cause,
        shown,
        met: met(incident),
        back: back(calendar, incident),
    }
}

fn label(incident: &Incident) -> &'static str {
    match (incident.cause, incident.kind()) {
        (Cause::Own, _) => "drill",
        (_, IncidentKind::OutOfMemory) => "OOM",
        (_, kind) => kind.word(),
    }
}

/// Returns the cause and its evidence. A guessed cause is described by its evidence.
fn why(incident: &Incident) -> (String, &str) {
    let words = without_logger(&incident.words);
    match incident.confidence {
        _ if incident.is_expected() => (words.to_owned(), ""),
        Confidence::Certain => (incident.cause.plain().to_owned(), words),
        Confidence::Likely => (format!("likely {}", incident.cause.plain()), words),
        Confidence::Guess => (words.to_owned(), ""),
    }
}

/// Bound on a logger's prefix before a message: process, level, time, file and line.
const LOGGER_CHARS_MAX: usize = 80;

/// Returns a log line without its logger's prefix, so that the message fits.
fn without_logger(words: &str) -> &str {
    let end = words.find("] ").filter(|at| *at < LOGGER_CHARS_MAX);
    let message = end.and_then(|at| words.get(at + 2..)).filter(|rest| !rest.is_empty());
    message.unwrap_or(words)
}

/// Says what the processes of the server had taken when memory ran out.
fn grown(incident: &Incident, trends: &Trends) -> String {
    let ended =
        Some((incident.segment, incident.from)).filter(|_| incident.is(IncidentKind::OutOfMemory));
    let here = trends.series.iter().filter(|it| it.instance.is_empty() && Some(it.until) == ended);
    let grown = here.filter_map(|it| Some((it, it.until_oom?)));
    let most = grown
        .max_by(|(_, one), (_, other)| (one.to - one.from).total_cmp(&(other.to - other.from)));
    most.map_or(String::new(), |(series, growth)| {
        let [from, to] = [growth.from, growth.to].map(|value| series.amount(value));
        format!("; its processes had grown from {from} to {to}")
    })
}

fn met(incident: &Incident) -> String {
    match (incident.in_flight, incident.depth) {
        (1.., Some(depth)) => format!("{} in flight at d{depth}", incident.in_flight),
        _ => String::new(),
    }
}

fn when(calendar: &Calendar, incident: &Incident) -> String {
    let mut spans = calendar.segments.iter();
    let of = spans.find(|span| span.segment == incident.segment);
    of.and_then(|span| span.opened.as_ref()).map_or_else(
        || span(incident.from.seconds()),
        |opened| wall_text(opened.wall_us + incident.from.0).get(11..19).unwrap_or("").to_owned(),
    )
}

fn back(calendar: &Calendar, incident: &Incident) -> String {
    let is_last = calendar.segments.last().is_none_or(|last| last.segment == incident.segment);
    match incident.until {
        Some(until) if incident.is_away() => {
            let back = incident.recovery.first_token.unwrap_or(until).max(until);
            format!("; back in {}", span(back.since(incident.from) as f64 / 1e6))
        }
        None if incident.is_away() && is_last => "; not back".to_owned(),
        None if incident.is_away() => "; longhaul was cut off before it was back".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_log_is_told_without_its_logger() {
        let line = "(EngineCore pid=7) ERROR 11-24 [core.py:1586] torch.OutOfMemoryError: CUDA";
        assert_eq!(without_logger(line), "torch.OutOfMemoryError: CUDA");
        for whole in ["killed by signal 9", "earlyoom[812]: sending SIGTERM", "a list [1] "] {
            assert_eq!(without_logger(whole), whole);
        }
    }
}
