//! Every fact but requests and readings as the fields of its row. `detail`
//! holds the whole of it as JSON; `subject` and `cause` are the few words of it
//! that a person greps for, and are not read back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::field::{Fields, Row};
use crate::fact::Fact;
use crate::timeline::wall_text;
use crate::unit::At;

/// Bounds `subject` and `cause`: enough for a sentence; `detail` has it whole.
const WORDS_CHARS_MAX: usize = 200;

/// 9999-12-31T23:59:59.999999Z: no later instant has a text.
const WALL_US_MAX: u64 = 253_402_300_799_999_999;

/// The word in the column `kind`; of a request and a reading too, which have files of their own.
pub fn kind_of(fact: &Fact) -> &'static str {
    match fact {
        Fact::Opened(_) => "opened",
        Fact::Phase(_) => "phase",
        Fact::Fitted(_) => "fitted",
        Fact::Seen(_) => "seen",
        Fact::Target(_) => "target",
        Fact::Action(_) => "action",
        Fact::Issued(_) => "issued",
        Fact::Request(_) => "request",
        Fact::Batch(_) => "batch",
        Fact::Gaps(_) => "gaps",
        Fact::Reading(_) => "reading",
        Fact::Missed(_) => "missed",
        Fact::Said(_) => "said",
        Fact::Clock(_) => "clock",
        Fact::Fault(_) => "fault",
        Fact::Closed(_) => "closed",
    }
}

/// `subject` and `cause`, as `docs/formats/run-folder.md` lists them by kind.
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
            let rung = target.rung.as_deref().map(|rung| format!(" {rung}")).unwrap_or_default();
            (word_of(&target.word) + &rung, target.evidence.clone())
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

/// The word that serde writes for a plain enum.
fn word_of(value: &impl Serialize) -> String {
    json(value).trim_matches('"').to_owned()
}

/// These structures have text keys and no floats of their own: JSON cannot refuse them.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn detail(fact: &Fact) -> String {
    match fact {
        Fact::Opened(opened) => json(opened),
        Fact::Phase(began) => json(began),
        Fact::Fitted(fitted) => json(fitted),
        Fact::Seen(seen) => json(seen),
        Fact::Target(target) => json(target),
        Fact::Action(action) => json(action),
        Fact::Issued(issued) => json(issued),
        Fact::Batch(batch) => json(batch),
        Fact::Gaps(gaps) => json(gaps),
        Fact::Missed(missed) => json(missed),
        Fact::Said(said) => json(said),
        Fact::Clock(clock) => json(clock),
        Fact::Fault(fault) => json(fault),
        Fact::Closed(closed) => json(closed),
        Fact::Request(_) | Fact::Reading(_) => String::new(),
    }
}

pub(super) fn write(fact: &Fact, at: At, wall_anchor_us: u64, fields: &mut Fields<'_>) {
    let (subject, cause) = words(fact);
    fields.put(at.0);
    fields.put(wall_text(wall_anchor_us.saturating_add(at.0).min(WALL_US_MAX)));
    fields.put(kind_of(fact));
    fields.put_text(&subject, WORDS_CHARS_MAX);
    fields.put_text(&cause, WORDS_CHARS_MAX);
    fields.put_json(&detail(fact));
}

pub(super) fn read(row: &mut Row<'_>) -> Result<(At, Fact), String> {
    let at = At(row.value()?);
    row.skip(1);
    let kind = row.text()?;
    let unknown = row.wrong(kind);
    row.skip(2);
    let detail = row.text()?;
    let fact = match kind {
        "opened" => Fact::Opened(parse(kind, detail)?),
        "phase" => Fact::Phase(parse(kind, detail)?),
        "fitted" => Fact::Fitted(parse(kind, detail)?),
        "seen" => Fact::Seen(parse(kind, detail)?),
        "target" => Fact::Target(parse(kind, detail)?),
        "action" => Fact::Action(parse(kind, detail)?),
        "issued" => Fact::Issued(parse(kind, detail)?),
        "batch" => Fact::Batch(parse(kind, detail)?),
        "gaps" => Fact::Gaps(parse(kind, detail)?),
        "missed" => Fact::Missed(parse(kind, detail)?),
        "said" => Fact::Said(parse(kind, detail)?),
        "clock" => Fact::Clock(parse(kind, detail)?),
        "fault" => Fact::Fault(parse(kind, detail)?),
        "closed" => Fact::Closed(parse(kind, detail)?),
        _ => return Err(unknown),
    };
    Ok((at, fact))
}

fn parse<T: DeserializeOwned>(kind: &str, detail: &str) -> Result<T, String> {
    serde_json::from_str(detail).map_err(|error| format!("column detail of {kind}: {error}"))
}
