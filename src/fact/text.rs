//! Lists the texts of a fact that come from outside: from a server, a system or
//! a user. longhaul's own words are not among them. Every field is matched by
//! name, so that the compiler demands a decision for a new one.

use super::{
    Action, Closed, Fact, Fault, Missed, Opened, PhaseBegan, Reading, Request, SignatureMatch,
    Statement, TargetFact,
};
use crate::escape::{ERROR_CHARS_MAX, one_line};

/// Longest log line in a row, characters.
const LINE_CHARS_MAX: usize = 300;

/// The same for a line that lists the settings of a server.
const LIST_CHARS_MAX: usize = 16 << 10;

/// Signatures of lines that list the settings of a server.
const LISTS: [&str; 3] = ["engine_arguments", "engine_begins", "sglang_arguments"];

/// Longest note of a run's end, characters: how its server ended, and the log line that says why.
const NOTE_CHARS_MAX: usize = 400;

/// Longest outside text of any kind, characters: no text of a server makes a row too long.
const TEXT_CHARS_MAX: usize = LIST_CHARS_MAX;

/// Calls `change` with each outside text of a fact.
pub(crate) fn each(fact: &mut Fact, change: &mut dyn FnMut(&mut String)) {
    match fact {
        Fact::Seen(Statement { subject, declared, seen, differs: _, note }) => {
            [subject, seen, note].into_iter().chain(declared).for_each(change);
        }
        Fact::Request(request) => {
            let Request { finish, error, .. } = &mut **request;
            [error].into_iter().chain(finish).for_each(change);
        }
        Fact::Opened(Opened {
            version: _,
            simulated: _,
            wall_us: _,
            boot_id: _,
            endpoint: text,
            run: _,
        })
        | Fact::Phase(PhaseBegan { phase: _, because: text })
        | Fact::Target(TargetFact {
            word: _,
            step: _,
            since: _,
            evidence: text,
            exit: _,
            action: _,
        })
        | Fact::Action(Action { id: _, what: _, note: text })
        | Fact::Reading(Reading {
            source: _,
            instance: text,
            name: _,
            n: _,
            min: _,
            mean: _,
            max: _,
            last: _,
        })
        | Fact::Missed(Missed { source: _, what: _, why: text, times: _, reason: _ })
        | Fact::Said(SignatureMatch {
            source: _,
            signature: _,
            severity: _,
            line: text,
            whose: _,
        })
        | Fact::Fault(Fault { kind: _, why: text, fatal: _ })
        | Fact::Closed(Closed { because: _, note: text }) => change(text),
        // Numbers, and words of longhaul's own.
        Fact::Fitted(_) | Fact::Issued(_) | Fact::Batch(_) | Fact::Gaps(_) | Fact::Clock(_) => {}
    }
}

/// Cuts the texts that have a bound of their own, on one line, and all that are too long for a row.
pub(crate) fn bound(fact: &mut Fact) {
    each(fact, &mut |text| {
        if text.len() > TEXT_CHARS_MAX {
            *text = one_line(text, TEXT_CHARS_MAX);
        }
    });
    let (text, chars_max) = match fact {
        Fact::Said(said) if LISTS.contains(&said.signature.as_str()) => {
            (&mut said.line, LIST_CHARS_MAX)
        }
        Fact::Said(said) => (&mut said.line, LINE_CHARS_MAX),
        Fact::Closed(closed) => (&mut closed.note, NOTE_CHARS_MAX),
        Fact::Request(request) => (&mut request.error, ERROR_CHARS_MAX),
        _ => return,
    };
    if !text.is_empty() {
        *text = one_line(text, chars_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Severity, Source};

    #[test]
    fn a_line_is_bounded_and_its_words_are_reached() {
        let (source, severity) = (Source::Process, Severity::Error);
        let line = "a\n".repeat(200);
        let mut fact = Fact::Said(SignatureMatch {
            source,
            signature: "s".to_owned(),
            severity,
            line,
            whose: None,
        });
        let mut texts = Vec::new();
        each(&mut fact, &mut |text| texts.push(text.clone()));
        assert_eq!(texts, ["a\n".repeat(200)]);
        bound(&mut fact);
        let Fact::Said(said) = fact else { panic!("{fact:?}") };
        assert!(said.line.starts_with("a\\na\\n") && said.line.ends_with('…'), "{}", said.line);
    }

    #[test]
    fn no_text_of_a_server_is_too_long_for_a_row() {
        let long = "\u{1}".repeat(2 << 20);
        let mut seen = Fact::Seen(Statement::plain("model", long.clone()));
        let note = Statement::note("model", long.clone());
        let mut noted = Fact::Seen(note);
        let mut request = crate::incident::fixture::Story::new().request(1.0, 0);
        request.finish = Some(long);
        let mut request = Fact::Request(Box::new(request));
        for fact in [&mut seen, &mut noted, &mut request] {
            bound(fact);
            // A control character is written in six.
            each(fact, &mut |text| assert!(text.len() <= 6 * TEXT_CHARS_MAX + 3, "{}", text.len()));
        }
    }
}
