//! Turns a reading into the fields of its row, and back.

use super::field::{FieldReader, Fields};
use crate::fact::{Fact, Reading, Source};
use crate::unit::At;

pub(super) fn write(reading: &Reading, at: At, fields: &mut Fields<'_>) {
    fields.put(at.0);
    fields.put(reading.source.word());
    // Not cut: two instances that differ only in their last label must stay distinct.
    fields.put_text(&reading.instance, usize::MAX);
    fields.put_text(&reading.name, usize::MAX);
    fields.put(reading.n);
    fields.put_float(reading.min);
    fields.put_float(reading.mean);
    fields.put_float(reading.max);
    fields.put_float(reading.last);
}

pub(super) fn read(row: &mut FieldReader<'_>) -> Result<(At, Fact), String> {
    let at = At(row.value()?);
    let reading = Reading {
        source: row.word(Source::parse)?,
        instance: row.text()?.into_owned(),
        name: row.text()?.into_owned(),
        n: row.value()?,
        min: row.value()?,
        mean: row.value()?,
        max: row.value()?,
        last: row.value()?,
    };
    Ok((at, Fact::Reading(reading)))
}
