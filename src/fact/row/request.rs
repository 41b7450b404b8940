//! Turns a request into the fields of its row. The parts of its cell have
//! columns of their own too, for grouping; only the cell is read back.

use super::field::{FieldReader, Fields};
use crate::escape::ERROR_CHARS_MAX;
use crate::fact::{Class, Ended, Fact, Load, Phase, Request, Stage};
use crate::unit::At;

/// Longest finish reason, workload name, names of checks and fingerprint, characters.
const WORDS_CHARS_MAX: usize = 200;

pub(super) fn write(request: &Request, done: At, fields: &mut Fields<'_>) {
    write_address(request, fields);
    fields.put(request.due.0);
    fields.put(request.sent.0);
    fields.put(done.0);
    for offset_us in
        [request.first_byte_us, request.ttft_us, request.ttft_content_us, request.last_us]
    {
        fields.put_option(offset_us);
    }
    fields.put_option(request.prompt_tokens);
    fields.put_option(request.cached_tokens);
    fields.put_option(request.output_tokens);
    fields.put_option(request.reasoning_tokens);
    fields.put_option(request.first_tokens);
    fields.put(request.chunks);
    fields.put_option(request.max_gap_us);
    fields.put_option(request.peak_tokens);
    fields.put_option(request.idle_us);
    fields.put(request.ended.word());
    fields.put(request.stage.word());
    fields.put_text(request.finish.as_deref().unwrap_or_default(), WORDS_CHARS_MAX);
    fields.put_option(request.http_status);
    fields.put_text(&request.error, ERROR_CHARS_MAX);
    fields.put_text(&request.checks.join(";"), WORDS_CHARS_MAX);
    fields.put_text(request.answer.as_deref().unwrap_or_default(), WORDS_CHARS_MAX);
    fields.put(u8::from(request.resent));
    fields.put_option(request.retry_after_us);
    fields.put_option(request.first_delay_us);
    fields.put_option(request.last_delay_us);
    fields.put_option(request.gap_delay_us);
}

fn write_address(request: &Request, fields: &mut Fields<'_>) {
    let cell = &request.cell;
    fields.put(request.phase.word());
    fields.put_text(&request.workload, WORDS_CHARS_MAX);
    fields.put(request.class.word());
    fields.put(request.lane);
    fields.put(request.slot);
    fields.put_option(request.session);
    fields.put_option(request.turn);
    fields.put(cell);
    fields.put(request.lap);
    fields.put(request.repeat);
    fields.put(cell.depth);
    match cell.load {
        Load::Streams(streams) => fields.put(streams),
        Load::PerSecond(rate) => fields.put_float(rate),
    }
    fields.put(cell.prompt);
    fields.put(cell.output);
}

pub(super) fn read(row: &mut FieldReader<'_>) -> Result<(At, Fact), String> {
    let phase = row.word(Phase::parse)?;
    let workload = row.text()?.into_owned();
    let class = row.word(Class::parse)?;
    let (lane, slot) = (row.value()?, row.value()?);
    let (session, turn) = (row.option()?, row.option()?);
    let cell = row.value()?;
    let (lap, repeat) = (row.value()?, row.value()?);
    // depth, load, asked_prompt, asked_output: the cell contains them.
    row.skip(4)?;
    let (due, sent, done) = (At(row.value()?), At(row.value()?), At(row.value()?));
    // Struct fields are evaluated in the order written here, which is that of the columns.
    let request = Request {
        phase,
        workload,
        class,
        lane,
        slot,
        session,
        turn,
        cell,
        lap,
        repeat,
        due,
        sent,
        done,
        first_byte_us: row.option()?,
        ttft_us: row.option()?,
        ttft_content_us: row.option()?,
        last_us: row.option()?,
        prompt_tokens: row.option()?,
        cached_tokens: row.option()?,
        output_tokens: row.option()?,
        reasoning_tokens: row.option()?,
        first_tokens: row.option()?,
        chunks: row.value()?,
        max_gap_us: row.option()?,
        peak_tokens: row.option()?,
        idle_us: row.option()?,
        ended: row.word(Ended::parse)?,
        stage: row.word(Stage::parse)?,
        finish: row.option()?,
        http_status: row.option()?,
        error: row.text()?.into_owned(),
        checks: row.text()?.split(';').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        answer: row.option()?,
        resent: row.option::<u8>()? == Some(1),
        retry_after_us: row.option()?,
        first_delay_us: row.option()?,
        last_delay_us: row.option()?,
        gap_delay_us: row.option()?,
    };
    Ok((done, Fact::Request(Box::new(request))))
}
