//! Reads the result of `vllm bench serve`, as far as it goes: the mean time to the first token, and
//! the rate of an answer by the median time for a token, of requests of one length at one
//! concurrency. Its totals over the whole run have no counterpart in a round of a ladder.

use serde_json::Value;

use crate::analysis::arena::{ArenaRow, Column, Origin, Spread, Table, TestKind};
use crate::error::Mistake;
use crate::unit::grouped;

use super::set_spread;

/// Largest relative difference between the lengths of its requests and of a run's cell.
const LENGTH_MARGIN: f64 = 0.05;

/// Whether a document is such a result.
pub(super) fn is_result(document: &Value) -> bool {
    let has = |key: &str| document.get(key).is_some();
    has("request_throughput") && (has("mean_ttft_ms") || has("median_ttft_ms"))
}

/// Name of the program, as the origin of its tables.
const PROGRAM: &str = "vllm bench serve";

/// Whether a table is such a result.
pub(super) fn is_table(table: &Table) -> bool {
    table.origin.version.as_deref() == Some(PROGRAM)
}

/// Reads a result as the two rows of one test, prompt and answer.
pub(super) fn read(origin: &str, document: &Value) -> Result<Table, Mistake> {
    let number = |key: &str| document.get(key).and_then(Value::as_f64).filter(|it| it.is_finite());
    let refused = |what: &str| {
        Mistake::new(format!("this result of `vllm bench serve` {what}"))
            .at(origin)
            .hint("vllm bench serve --dataset-name random --max-concurrency 4 --save-result …")
    };
    let Some(streams) = document.get("max_concurrency").and_then(Value::as_u64) else {
        return Err(refused(
            "has no `max_concurrency`: its requests came at a rate, or all at once, and no round of \
             a ladder is the same load",
        ));
    };
    let done = number("completed").filter(|n| *n > 0.0);
    let per_request = |key: &str| Some((number(key)? / done?).round() as u64).filter(|n| *n > 0);
    let (Some(input), Some(output)) =
        (per_request("total_input_tokens"), per_request("total_output_tokens"))
    else {
        return Err(refused("does not say how long its prompts and answers were"));
    };
    let streams = u32::try_from(streams).unwrap_or(u32::MAX);
    let mut prompt = ArenaRow { prompt: Some(input), ..ArenaRow::new(TestKind::Pp, 0, streams) };
    let mut answer = ArenaRow { output: Some(output), ..ArenaRow::new(TestKind::Tg, 0, streams) };
    prompt.bounded().map_err(|(what, why)| refused(&format!("is out of range: {what} {why}")))?;
    let set = |row: &mut ArenaRow, column, spread| {
        set_spread(row, column, spread).map_err(|why| Mistake::new(why).at(origin))
    };
    if let Some(mean) = number("mean_ttft_ms").filter(|ms| *ms > 0.0) {
        set(&mut prompt, Column::E2eTtft, Spread::reported(mean, number("std_ttft_ms")))?;
    }
    if let Some(median) = number("median_tpot_ms").filter(|ms| *ms > 0.0) {
        set(&mut answer, Column::TsReq, Spread::reported(1e3 / median, None))?;
    }
    let rows = [prompt, answer].into_iter().filter(|row| !row.columns.is_empty());
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Table {
        model: text("model_id"),
        rows: rows.collect(),
        notes: notes(document, input, output),
        origin: Origin {
            version: Some(PROGRAM.to_owned()),
            // Its prompts are sent at once.
            prefix_caching: Some(false),
            ..Origin::default()
        },
        ..Table::default()
    })
}

fn notes(document: &Value, input: u64, output: u64) -> Vec<String> {
    let mut notes = vec![format!(
        "the base is a result of `vllm bench serve`: prompts of {} and answers of {} tokens on \
         average; e2e_ttft is its mean TTFT, t_s_req is 1 / its median TPOT; its totals over the \
         whole run have no counterpart",
        grouped(input as f64),
        grouped(output as f64)
    )];
    if let Some(failed) = document.get("failed").and_then(Value::as_u64).filter(|n| *n > 0) {
        notes.push(format!("requests of the base that failed, in no figure: {failed}"));
    }
    notes
}

/// Gives the rows of such a result the names of the run's cell of the same length and streams: a
/// random prompt of 4,608 tokens is to a server what a context of 4,096 and a prompt of 512 are.
pub(super) fn placed(base: &Table, candidate: &Table) -> Table {
    let mut placed = base.clone();
    let Some(prompt) = base.rows.iter().find(|row| row.kind == TestKind::Pp) else { return placed };
    let input = prompt.prompt.unwrap_or(0) as f64;
    let length = |row: &ArenaRow| (row.depth + row.prompt.unwrap_or(0)) as f64;
    let off = |row: &ArenaRow| (length(row) / input).ln().abs();
    let prompts = candidate.rows.iter().filter(|row| row.kind == TestKind::Pp);
    let alike = prompts.filter(|row| row.streams == prompt.streams && off(row) <= LENGTH_MARGIN);
    let Some(cell) = alike.min_by(|one, other| off(one).total_cmp(&off(other))) else {
        return placed;
    };
    let answers = candidate.rows.iter();
    let mut answers = answers.filter(|row| {
        row.kind == TestKind::Tg && (row.depth, row.streams) == (cell.depth, cell.streams)
    });
    let output = answers.next().and_then(|row| row.output);
    for row in &mut placed.rows {
        row.depth = cell.depth;
        if row.kind == TestKind::Pp {
            row.prompt = cell.prompt;
        } else {
            row.output = output.or(row.output);
        }
    }
    placed
}
