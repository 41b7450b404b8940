//! All other facts as rows and back: a few words for who greps, and the whole
//! structure as JSON in `detail`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Fields;
use crate::fact::{Fact, Reading, Source};

/// The fields `kind, subject, cause, detail`.
pub fn fields(fact: &Fact, out: &mut Vec<String>) {
    let (kind, subject, cause, detail) = match fact {
        Fact::Opened(it) => ("opened", it.endpoint.clone(), String::new(), json(it)),
        Fact::Phase(it) => ("phase", it.phase.word().to_owned(), it.because.clone(), json(it)),
        Fact::Fitted(it) => {
            ("fitted", format!("d{}/p{}", it.depth, it.prompt), it.method.clone(), json(it))
        }
        Fact::Seen(it) => ("seen", it.subject.clone(), it.note.clone(), json(it)),
        Fact::Target(it) => ("target", word(&it.word), it.evidence.clone(), json(it)),
        Fact::Action(it) => ("action", it.what.clone(), it.note.clone(), json(it)),
        Fact::Issued(it) => ("issued", it.phase.word().to_owned(), String::new(), json(it)),
        Fact::Batch(it) => ("batch", it.cell.to_string(), String::new(), json(it)),
        Fact::Gaps(it) => ("gaps", it.cell.to_string(), word(&it.kind), json(it)),
        Fact::Missed(it) => ("missed", it.source.word().to_owned(), it.why.clone(), json(it)),
        Fact::Said(it) => ("said", it.signature.clone(), it.line.clone(), json(it)),
        Fact::Clock(it) => ("clock", String::new(), String::new(), json(it)),
        Fact::Fault(it) => ("fault", word(&it.kind), it.why.clone(), json(it)),
        Fact::Closed(it) => ("closed", word(&it.because), it.note.clone(), json(it)),
        // They have files of their own.
        Fact::Request(_) | Fact::Reading(_) => return,
    };
    out.extend([kind.to_owned(), subject, cause, detail]);
}

fn json<T: Serialize>(value: &T) -> String {
    // These structures have no maps with odd keys and no failing serializers.
    serde_json::to_string(value).unwrap_or_default()
}

/// The word of an enum, as it stands in JSON.
fn word<T: Serialize>(value: &T) -> String {
    json(value).trim_matches('"').to_owned()
}

/// The fact of the fields `kind, subject, cause, detail`.
pub fn read(fields: &mut Fields) -> Result<Fact, String> {
    let kind = fields.text()?;
    fields.text()?;
    fields.text()?;
    let detail = fields.text()?;
    Ok(match kind {
        "opened" => Fact::Opened(of(detail)?),
        "phase" => Fact::Phase(of(detail)?),
        "fitted" => Fact::Fitted(of(detail)?),
        "seen" => Fact::Seen(of(detail)?),
        "target" => Fact::Target(of(detail)?),
        "action" => Fact::Action(of(detail)?),
        "issued" => Fact::Issued(of(detail)?),
        "batch" => Fact::Batch(of(detail)?),
        "gaps" => Fact::Gaps(of(detail)?),
        "missed" => Fact::Missed(of(detail)?),
        "said" => Fact::Said(of(detail)?),
        "clock" => Fact::Clock(of(detail)?),
        "fault" => Fact::Fault(of(detail)?),
        "closed" => Fact::Closed(of(detail)?),
        other => return Err(format!("`{other}` in column kind")),
    })
}

fn of<T: DeserializeOwned>(detail: &str) -> Result<T, String> {
    serde_json::from_str(detail).map_err(|why| format!("column detail: {why}"))
}

/// The fields after `at_us`.
pub fn reading_fields(reading: &Reading, out: &mut Vec<String>) {
    out.extend([
        reading.source.word().to_owned(),
        reading.instance.clone(),
        reading.name.clone(),
        reading.n.to_string(),
        reading.min.to_string(),
        reading.mean.to_string(),
        reading.max.to_string(),
        reading.last.to_string(),
    ]);
}

/// The reading of the fields after `at_us`.
pub fn read_reading(fields: &mut Fields) -> Result<Reading, String> {
    Ok(Reading {
        source: fields.word(Source::parse)?,
        instance: fields.text()?.to_owned(),
        name: fields.text()?.to_owned(),
        n: fields.need()?,
        min: fields.need()?,
        mean: fields.need()?,
        max: fields.need()?,
        last: fields.need()?,
    })
}
