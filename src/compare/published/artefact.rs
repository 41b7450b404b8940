//! Numbers that measure something else than they say, found in a table by
//! itself. The rules ask for much before they speak: what is only odd stays.

use std::collections::BTreeMap;

use crate::analysis::arena::{ArenaRow, Column, TestKind};
use crate::unit::{figures, grouped, span};

use super::index::{Index, Nth};

/// A prompt behind a context is read as fast, the context counted in, as a context alone
/// within these bounds: then the context was read again. A cache that held it would make
/// it at least twice as fast, where the context is not shorter than the prompt.
const AS_FAST: std::ops::RangeInclusive<f64> = 0.75..=1.5;

/// A total below this share of the peak, and of what the streams have by themselves, is
/// ruled by waiting.
const FAR_UNDER: f64 = 0.7;

/// What an honest measure measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Artefact {
    /// The cache missed: tokens of context and prompt over the time until they were read.
    ReadAgain,
    /// Streams wait for each other's prompts: the most tokens of all streams in one second.
    Staggered,
    /// The first frame has no token: prompt tokens over the time until the first token.
    RoleFirst,
}

impl Artefact {
    /// What the honest measure is.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Artefact::ReadAgain => "context and prompt per second: the cache missed",
            Artefact::Staggered => "the best second of all streams: the total is ruled by waiting",
            Artefact::RoleFirst => "prompt per second until the first token, not the first frame",
        }
    }

    /// The measure of a row that has no such artefact, where it is a column of its own.
    pub(super) fn of(self, row: &ArenaRow) -> Option<f64> {
        match self {
            Artefact::Staggered => row.mean(Column::PeakTs),
            Artefact::ReadAgain | Artefact::RoleFirst => None,
        }
    }
}

/// An artefact in a column of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoundArtefact {
    pub(super) what: Artefact,
    /// The honest measure, in the column's unit.
    pub(super) honest: f64,
    /// What is wrong with the number, without a full stop.
    pub(super) why: String,
}

/// The columns of a row that are artefacts.
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

/// A prompt behind a loaded context whose time was that of both: both rates count the prompt
/// alone, so that they fall with the depth at the same speed of the server.
fn read_again(index: &Index, row: &ArenaRow, nth: Nth) -> Option<BTreeMap<Column, FoundArtefact>> {
    let prompt = row.prompt.filter(|prompt| *prompt > 0 && row.depth >= *prompt)?;
    // Where a table has the prompt several times it has the context as often.
    let key = (TestKind::CtxPp, row.depth, None, row.streams);
    let context = index.row(key, nth).or_else(|| index.row(key, 0))?.mean(Column::Ts)?;
    let both = row.depth as f64 + prompt as f64;
    let factor = both / prompt as f64;
    let total = row.mean(Column::Ts)? * factor;
    if !AS_FAST.contains(&(total / context)) {
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

/// The total of an answer runs from the first token of any stream to the last of any: while
/// some streams' prompts are read, others are done.
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

/// A server whose first frame has only a role: the rate counts until that one. The total of
/// many streams counts until first tokens, and is not touched.
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
