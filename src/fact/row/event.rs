//! Turns every fact but requests and readings into the fields of its row.
//! `detail` holds all of it as JSON; `subject` and `cause` are short texts for
//! grep, and are not read back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::field::{FieldReader, Fields};
use crate::fact::Fact;
use crate::timeline::wall_text;
use crate::unit::At;

/// Longest `subject` and `cause`, characters; `detail` has the whole text.
const WORDS_CHARS_MAX: usize = 200;

/// 9999-12-31T23:59:59.999999Z: no later instant has a text.
const WALL_US_MAX: u64 = 253_402_300_799_999_999;

/// Writes the `kind` and `detail` of each kind of row, and reads them back, from one list.
macro_rules! kinds {
    ($($variant:ident: $kind:literal),+ $(,)?) => {
        /// Returns `kind` and `detail`; empty for facts that have a file of their own.
        fn kind_and_detail(fact: &Fact) -> (&'static str, String) {
            match fact {
                $(Fact::$variant(detail) => ($kind, json(detail)),)+
                Fact::Request(_) | Fact::Reading(_) => Default::default(),
            }
        }

        /// Returns what reads the `detail` of a kind.
        fn reader(kind: &str) -> Option<fn(&str) -> Result<Fact, String>> {
            match kind {
                $($kind => Some(|detail| parse($kind, detail).map(Fact::$variant)),)+
                _ => None,
            }
        }
    };
}

kinds! {
    Opened: "opened",
    Phase: "phase",
    Fitted: "fitted",
    Seen: "seen",
    Target: "target",
    Action: "action",
    Issued: "issued",
    Batch: "batch",
    Gaps: "gaps",
    Missed: "missed",
    Said: "said",
    Clock: "clock",
    Fault: "fault",
    Closed: "closed",
}

/// Returns `subject` and `cause`, as `docs/formats/run-folder.md` lists them by kind.
fn words(fact: &Fact) -> (String, String) {
    match fact {
        Fact::Opened(opened) => {
            let cause = if opened.simulated { "simulated" } else { "" };
            (opened.endpoint.clone(), cause.to_owned())
        }
        Fact::Phase(began) => (began.phase.word().to_owned(), began.because.clone()),
        Fact::Fitted(fitted) => {
            (format!("d{}/p{}", fitted.depth, fitted.prompt), fitted.method.clone())
        }
        Fact::Seen(seen) => {
            (seen.subject.clone(), if seen.differs { "differs" } else { "" }.to_owned())
        }
        Fact::Target(target) => {
            let step = target.step.as_deref().map(|step| format!(" {step}")).unwrap_or_default();
            (word_of(&target.word) + &step, target.evidence.clone())
        }
        Fact::Action(action) => (action.what.clone(), action.note.clone()),
        Fact::Issued(issued) => (issued.phase.word().to_owned(), String::new()),
        Fact::Batch(batch) => (batch.group.cell_word(), batch.phase.word().to_owned()),
        Fact::Gaps(gaps) => (gaps.group.cell_word(), word_of(&gaps.kind)),
        Fact::Missed(missed) => {
            (format!("{} {}", missed.source.word(), missed.what), missed.why.clone())
        }
        Fact::Said(said) => (said.signature.clone(), word_of(&said.severity)),
        Fact::Clock(clock) => ("drift".to_owned(), format!("{} us", clock.drift_us)),
        Fact::Fault(fault) => (word_of(&fault.kind), fault.why.clone()),
        Fact::Closed(closed) => (word_of(&closed.because), closed.note.clone()),
        Fact::Request(_) | Fact::Reading(_) => (String::new(), String::new()),
    }
}

/// Returns the word that serde writes for a plain enum.
fn word_of(value: &impl Serialize) -> String {
    json(value).trim_matches('"').to_owned()
}

/// Cannot fail: these structures have text keys and no floats.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(super) fn write(fact: &Fact, at: At, wall_anchor_us: u64, fields: &mut Fields<'_>) {
    let (subject, cause) = words(fact);
    fields.put(at.0);
    fields.put(wall_text(wall_anchor_us.saturating_add(at.0).min(WALL_US_MAX)));
    let (kind, detail) = kind_and_detail(fact);
    fields.put(kind);
    fields.put_text(&subject, WORDS_CHARS_MAX);
    fields.put_text(&cause, WORDS_CHARS_MAX);
    fields.put_json(&detail);
}

pub(super) fn read(row: &mut FieldReader<'_>) -> Result<(At, Fact), String> {
    let at = At(row.value()?);
    row.skip(1)?;
    let read_detail = row.word(reader)?;
    row.skip(2)?;
    Ok((at, read_detail(&row.text()?)?))
}

fn parse<T: DeserializeOwned>(kind: &str, detail: &str) -> Result<T, String> {
    serde_json::from_str(detail).map_err(|error| format!("column detail of {kind}: {error}"))
}
