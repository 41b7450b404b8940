//! Models the table that Spark Arena publishes of a server: tests by depth and streams, each with
//! seven columns of mean and spread. A run becomes such a table by llama-benchy's definitions
//! ([`ArenaFold`]), so that the two can be compared; `docs/arena.md` says where those definitions seem
//! wrong.

pub(crate) mod benchy;
#[cfg(test)]
pub(crate) mod fixture;
mod fold;
mod name;
mod round;
mod spread;

pub(crate) use fold::ArenaFold;
pub(crate) use spread::Spread;

use std::collections::BTreeMap;

use crate::unit::grouped;
use crate::words::words;

/// Table that was published, or a run in that form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// Model name, as the source of the table writes it.
    pub model: String,
    /// Rows, in the order in which they were measured or published.
    pub rows: Vec<ArenaRow>,
    /// Origin, which only llama-benchy's JSON states.
    pub origin: Origin,
    /// Rounds of a run that are in no row because one of their requests failed.
    pub left_out: u64,
    /// Sentences on values that the table's source measured in another way, or does not give.
    pub notes: Vec<String>,
}

/// Origin of a table, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Origin {
    /// Name and version of the program that measured.
    pub version: Option<String>,
    /// Time of the measurement, in UTC.
    pub timestamp: Option<String>,
    /// Duration of a `/v1/models` request, milliseconds: `est_ppt` is `ttfr` without it.
    pub latency_ms: Option<f64>,
    /// Whether contexts were loaded beforehand, so that a prefix cache could keep them.
    pub prefix_caching: Option<bool>,
}

/// Test with its measured columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ArenaRow {
    /// Part of the exchange that the row measures.
    pub kind: TestKind,
    /// Context before the prompt, tokens.
    pub depth: u64,
    /// Prompt, tokens, where the table says it.
    pub prompt: Option<u64>,
    /// Output, tokens, where the table says it.
    pub output: Option<u64>,
    /// Concurrent streams.
    pub streams: u32,
    /// Measured columns. A missing column is unknown, never 0.
    pub columns: BTreeMap<Column, Spread>,
}

/// Part of the exchange that a row measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TestKind {
    /// Prefill of the context, while it is loaded.
    CtxPp,
    /// Decode of the answer to a request that only loads a context.
    CtxTg,
    /// Prefill of the prompt.
    Pp,
    Tg,
}

impl TestKind {
    /// Whether the test measures prefill; otherwise it measures decode.
    pub(crate) fn is_prefill(self) -> bool {
        matches!(self, TestKind::CtxPp | TestKind::Pp)
    }

    /// Whether the test measures the loading of a context.
    pub(crate) fn is_context(self) -> bool {
        matches!(self, TestKind::CtxPp | TestKind::CtxTg)
    }

    /// Returns the columns that a row of this kind has.
    pub(crate) fn columns(self) -> &'static [Column] {
        if self.is_prefill() {
            &[Column::Ts, Column::TsReq, Column::Ttfr, Column::EstPpt, Column::E2eTtft]
        } else {
            &[Column::Ts, Column::TsReq, Column::PeakTs, Column::PeakTsReq]
        }
    }
}

/// Column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Column {
    /// Throughput of all streams together, tokens per second.
    Ts,
    /// Throughput of one stream, tokens per second.
    TsReq,
    /// Peak of all streams together in one second, tokens per second.
    PeakTs,
    /// Peak of one stream in one second, tokens per second.
    PeakTsReq,
    /// Time from sending to the first data frame, milliseconds.
    Ttfr,
    /// Time to the first data frame without the time of a `/v1/models` request, milliseconds.
    EstPpt,
    /// Time from sending to the first token, milliseconds.
    E2eTtft,
}

words!(Column {
    Ts: "t_s",
    TsReq: "t_s_req",
    PeakTs: "peak_ts",
    PeakTsReq: "peak_ts_req",
    Ttfr: "ttfr",
    EstPpt: "est_ppt",
    E2eTtft: "e2e_ttft",
});

impl Column {
    /// Returns the unit of the column.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Column::Ttfr | Column::EstPpt | Column::E2eTtft => "ms",
            _ => "t/s",
        }
    }

    /// Returns the reason why a mean and a deviation cannot belong to this column; `None` where
    /// they can. A time to an arrival is above 0. A rate may round to 0 in its digits, and
    /// `est_ppt` is 0 where `/v1/models` takes longer than the first frame.
    pub(crate) fn refuses(self, mean: f64, std: Option<f64>) -> Option<&'static str> {
        let is_figure = |value: f64| value.is_finite() && value <= FIGURE_MAX;
        let is_arrival = matches!(self, Column::Ttfr | Column::E2eTtft);
        if !is_figure(mean) || !std.is_none_or(is_figure) {
            return Some("is beyond every figure of a benchmark");
        }
        if mean < 0.0 || std.is_some_and(|std| std < 0.0) {
            return Some("is below 0, which no rate, time or deviation is");
        }
        (is_arrival && mean == 0.0).then_some("is a time of 0, which nothing takes")
    }
}

/// Bounds on the tokens of a context, a prompt or an answer, and on the streams, so that figures of
/// foreign tables cannot overflow.
const TOKENS_MAX: u64 = 100_000_000;
const STREAMS_MAX: u32 = 100_000;

/// Bound on a figure; no benchmark measures a larger one.
const FIGURE_MAX: f64 = 1e12;

/// Key that identifies the same test in different tables: kind, depth, tokens of the prompt or the
/// answer, streams.
pub(crate) type TestKey = (TestKind, u64, Option<u64>, u32);

impl ArenaRow {
    /// Returns a row without columns.
    pub(crate) fn new(kind: TestKind, depth: u64, streams: u32) -> ArenaRow {
        ArenaRow { kind, depth, prompt: None, output: None, streams, columns: BTreeMap::new() }
    }

    /// Returns the key that identifies the same test in another table.
    pub(crate) fn key(&self) -> TestKey {
        let size = match self.kind {
            TestKind::CtxPp | TestKind::CtxTg => None,
            TestKind::Pp => self.prompt,
            TestKind::Tg => self.output,
        };
        (self.kind, self.depth, size, self.streams)
    }

    /// Formats the test's name as llama-benchy does: `pp2048 @ d4096 (c2)`; the streams only where
    /// the table has rows with several.
    pub(crate) fn name(&self, with_streams: bool) -> String {
        name::written(self, with_streams)
    }

    /// Reads a test's name into a row without columns.
    ///
    /// # Errors
    /// Describes the form of a name.
    pub(crate) fn named(text: &str) -> Result<ArenaRow, String> {
        name::read(text)
    }

    /// Whether the test is one that a server can be sent.
    ///
    /// # Errors
    /// Names the part that is out of range, and its range.
    pub(crate) fn bounded(&self) -> Result<(), (&'static str, String)> {
        let tokens = [
            ("the depth", Some(self.depth)),
            ("the prompt", self.prompt),
            ("the output", self.output),
        ];
        let beyond = |tokens: Option<u64>| tokens.is_some_and(|tokens| tokens > TOKENS_MAX);
        if let Some((what, _)) = tokens.into_iter().find(|(_, tokens)| beyond(*tokens)) {
            return Err((what, format!("must be 0 to {} tokens", grouped(TOKENS_MAX as f64))));
        }
        if self.streams == 0 || self.streams > STREAMS_MAX {
            let most = grouped(f64::from(STREAMS_MAX));
            return Err(("there", format!("are 1 to {most} streams")));
        }
        Ok(())
    }

    /// Returns the mean of a column, in its unit.
    pub(crate) fn mean(&self, column: Column) -> Option<f64> {
        self.columns.get(&column).map(|spread| spread.mean)
    }
}

impl Table {
    /// Returns a sentence with the count of rounds that are in no row, where there are some.
    pub(crate) fn left_out_told(&self, side: &str) -> Option<String> {
        let rounds = self.left_out;
        (rounds > 0)
            .then(|| format!("rounds of the {side} with a failed request, in no row: {rounds}"))
    }

    /// Returns the largest number of concurrent streams of any row; 0 without rows.
    pub(crate) fn streams_max(&self) -> u32 {
        self.rows.iter().map(|row| row.streams).max().unwrap_or(0)
    }
}
