//! A request as a row and back.

use super::Fields;
use crate::fact::{Class, Ended, Load, Phase, Request, Stage};
use crate::unit::At;

fn may<T: ToString>(value: Option<&T>) -> String {
    value.map(T::to_string).unwrap_or_default()
}

/// The fields after `seq, segment`.
pub fn fields(request: &Request, out: &mut Vec<String>) {
    let load = match request.cell.load {
        Load::Streams(streams) => streams.to_string(),
        Load::PerSecond(rate) => rate.to_string(),
    };
    out.extend([
        request.phase.word().to_owned(),
        request.workload.clone(),
        request.class.word().to_owned(),
        request.lane.to_string(),
        request.slot.to_string(),
        may(request.session.as_ref()),
        may(request.turn.as_ref()),
        request.cell.to_string(),
        request.lap.to_string(),
        request.repeat.to_string(),
        request.cell.depth.to_string(),
        load,
        request.cell.prompt.to_string(),
        request.cell.output.to_string(),
        request.due.0.to_string(),
        request.sent.0.to_string(),
        request.done.0.to_string(),
    ]);
    out.extend(
        [
            request.first_byte_us,
            request.ttft_us,
            request.ttft_content_us,
            request.last_us,
            request.prompt_tokens,
            request.cached_tokens,
            request.output_tokens,
            request.reasoning_tokens,
            request.first_tokens,
            Some(request.chunks),
            request.max_gap_us,
            request.peak_tokens,
            request.idle_us,
        ]
        .map(|value| may(value.as_ref())),
    );
    out.extend([
        request.ended.word().to_owned(),
        request.stage.word().to_owned(),
        may(request.finish.as_ref()),
        may(request.http_status.as_ref()),
        request.error.clone(),
        request.checks.join(";"),
        may(request.answer.as_ref()),
    ]);
}

/// The request of the fields after `seq, segment`.
pub fn read(fields: &mut Fields) -> Result<Request, String> {
    let phase = fields.word(Phase::parse)?;
    let workload = fields.text()?.to_owned();
    let class = fields.word(Class::parse)?;
    let (lane, slot) = (fields.need()?, fields.need()?);
    let (session, turn) = (fields.may()?, fields.may()?);
    let cell = fields.need()?;
    let (lap, repeat) = (fields.need()?, fields.need()?);
    // Depth, load and shape stand in the cell already; the columns are for people and scripts.
    for _ in 0..4 {
        fields.text()?;
    }
    Ok(Request {
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
        due: At(fields.need()?),
        sent: At(fields.need()?),
        done: At(fields.need()?),
        first_byte_us: fields.may()?,
        ttft_us: fields.may()?,
        ttft_content_us: fields.may()?,
        last_us: fields.may()?,
        prompt_tokens: fields.may()?,
        cached_tokens: fields.may()?,
        output_tokens: fields.may()?,
        reasoning_tokens: fields.may()?,
        first_tokens: fields.may()?,
        chunks: fields.need()?,
        max_gap_us: fields.may()?,
        peak_tokens: fields.may()?,
        idle_us: fields.may()?,
        ended: fields.word(Ended::parse)?,
        stage: fields.word(Stage::parse)?,
        finish: fields.may()?,
        http_status: fields.may()?,
        error: fields.text()?.to_owned(),
        checks: fields
            .text()?
            .split(';')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        answer: fields.may()?,
    })
}
