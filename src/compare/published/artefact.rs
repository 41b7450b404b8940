//! Finds artefacts in a table: numbers that do not measure what their column states. The rules are
//! strict, so a number that is only unusual remains.

use std::collections::BTreeMap;

use crate::analysis::arena::{ArenaRow, Column, TestKind};
use crate::unit::{figures, grouped, span};

use super::counted::{CountedTokens, Counting, time_ms};
use super::index::{Index, Nth};

/// Bounds on the prefill rate of a prompt behind a context, with the context counted in, relative
/// to the rate of the context alone. Within them the context was read again. A cache hit would at
/// least double the rate, where the context is not shorter than the prompt.
const SAME_SPEED: std::ops::RangeInclusive<f64> = 0.75..=1.5;

/// Least time of a prompt behind a context that was read again, relative to that of the context
/// alone.
const SAME_TIME_MIN: f64 = 0.9;

/// Share of the peak, and of the streams' own rates, below which the total is dominated by waiting.
const FAR_UNDER: f64 = 0.7;

/// Artefact, by its corrected measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Artefact {
    /// Cache miss: tokens of context and prompt over the time until they were read.
    ReadAgain,
    /// Streams that wait for each other's prompts: peak tokens of all streams in one second.
    Staggered,
    /// First frame without a token: prompt tokens over the time until the first token.
    RoleFirst,
}

impl Artefact {
    /// Describes the corrected measure.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Artefact::ReadAgain => "context and prompt per second: the cache missed",
            Artefact::Staggered => "the best second of all streams: the total is ruled by waiting",
            Artefact::RoleFirst => "prompt per second until the first token, not the first frame",
        }
    }

    /// Returns the measure of a row without the artefact, where it is a column of its own.
    pub(super) fn of(self, row: &ArenaRow) -> Option<f64> {
        match self {
            Artefact::Staggered => row.mean(Column::PeakTs),
            Artefact::ReadAgain | Artefact::RoleFirst => None,
        }
    }
}

/// Artefact in a column of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoundArtefact {
    pub(super) what: Artefact,
    /// Corrected measure, in the column's unit.
    pub(super) honest: f64,
    /// Explanation, without a full stop.
    pub(super) why: String,
}

/// Returns the artefacts among the columns of a row.
pub(super) fn artefacts(
    index: &Index,
    row: &ArenaRow,
    nth: Nth,
) -> BTreeMap<Column, FoundArtefact> {
    let found = match row.kind {
        TestKind::Pp => read_again(index, row, nth).or_else(|| role_first(row)),
        TestKind::CtxPp => role_first(row),
        TestKind::CtxTg | TestKind::Tg => staggered(row),
    };
    found.unwrap_or_default()
}

/// Finds a prompt behind a loaded context that took the time of both. Both rates count only the
/// prompt, so they fall with the depth at the same speed of the server.
fn read_again(index: &Index, row: &ArenaRow, nth: Nth) -> Option<BTreeMap<Column, FoundArtefact>> {
    let prompt = row.prompt.filter(|prompt| *prompt > 0 && row.depth >= *prompt)?;
    if index.counting(row) == Counting::Known(CountedTokens::ContextAndPrompt) {
        return None;
    }
    // A table that has the prompt several times has the context as often.
    let key = (TestKind::CtxPp, row.depth, None, row.streams);
    let context_row = index.row(key, nth).or_else(|| index.row(key, 0))?;
    let context = context_row.mean(Column::Ts)?;
    let both = row.depth as f64 + prompt as f64;
    let factor = both / prompt as f64;
    let total = row.mean(Column::Ts)? * factor;
    let times = time_ms(row).zip(time_ms(context_row));
    // Context and prompt take no less than the context alone.
    let took_both = times.is_none_or(|(both, context)| both >= SAME_TIME_MIN * context);
    if !SAME_SPEED.contains(&(total / context)) || !took_both || !grows(index, row, nth) {
        return None;
    }
    let after = row.mean(Column::Ttfr).map(|ms| format!(", first frame after {}", span(ms / 1e3)));
    let why = format!(
        "{} counts {} of {} tokens that were read{}; with all it is {}, as of a context alone ({})",
        figures(row.mean(Column::Ts)?),
        grouped(prompt as f64),
        grouped(both),
        after.unwrap_or_default(),
        figures(total),
        figures(context),
    );
    let columns = [Column::Ts, Column::TsReq].into_iter();
    let found = columns.filter_map(|column| {
        let (what, honest) = (Artefact::ReadAgain, row.mean(column)? * factor);
        Some((column, FoundArtefact { what, honest, why: why.clone() }))
    });
    Some(found.collect())
}

/// Whether a prompt took longer behind more context, as it does where the context is read with it:
/// compared with the next depths on either side, and with no context.
fn grows(index: &Index, row: &ArenaRow, nth: Nth) -> bool {
    let all = index.depths(row, nth);
    let Some(place) = all.iter().position(|other| other.depth == row.depth) else { return true };
    let pairs = [place.checked_sub(1).map(|at| (at, place)), Some((place, place + 1))];
    pairs.into_iter().flatten().all(|(less, more)| {
        let (Some(less), Some(more)) = (all.get(less), all.get(more)) else { return true };
        let Some((before, after)) = time_ms(less).zip(time_ms(more)) else { return true };
        let tokens = |row: &ArenaRow| (row.depth + row.prompt.unwrap_or(0)) as f64;
        // A fixed part of the time makes it grow less than the tokens do.
        after / before >= (tokens(more) / tokens(less)).sqrt()
    })
}

/// Whether a prompt behind a loaded context took the time of both.
pub(super) fn is_read_again(index: &Index, row: &ArenaRow, nth: Nth) -> bool {
    read_again(index, row, nth).is_some()
}

/// Finds a total whose streams did not run together. It covers the time from the first token of any
/// stream to the last of any, and some streams end while the prompts of others are read.
fn staggered(row: &ArenaRow) -> Option<BTreeMap<Column, FoundArtefact>> {
    let (total, peak) = (row.mean(Column::Ts)?, row.mean(Column::PeakTs)?);
    let together = row.mean(Column::TsReq)? * f64::from(row.streams);
    if row.streams == 1 || total >= FAR_UNDER * peak || total >= FAR_UNDER * together {
        return None;
    }
    let why = format!(
        "{} of all {} streams is under {}, the best second, and under what the streams have by themselves, {}: they wait for each other's prompts",
        figures(total),
        row.streams,
        figures(peak),
        figures(together),
    );
    let found = FoundArtefact { what: Artefact::Staggered, honest: peak, why };
    Some([(Column::Ts, found)].into())
}

/// Finds a server whose first frame has only a role: the rate per stream ends at that frame. The
/// total of many streams ends at first tokens, and is not affected.
fn role_first(row: &ArenaRow) -> Option<BTreeMap<Column, FoundArtefact>> {
    let (ttfr, ttft) = (row.mean(Column::Ttfr)?, row.mean(Column::E2eTtft)?);
    let spent = row.mean(Column::EstPpt).unwrap_or(ttfr);
    if ttft < 2.0 * ttfr || ttft - ttfr < 100.0 {
        return None;
    }
    let why = format!(
        "it counts until the first frame, {}; the first token came after {}",
        span(ttfr / 1e3),
        span(ttft / 1e3),
    );
    let columns =
        [Column::TsReq, Column::Ts].into_iter().take(if row.streams == 1 { 2 } else { 1 });
    let found = columns.filter_map(|column| {
        let (what, honest) = (Artefact::RoleFirst, row.mean(column)? * spent / ttft);
        Some((column, FoundArtefact { what, honest, why: why.clone() }))
    });
    Some(found.collect())
}
