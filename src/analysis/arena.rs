//! The table that Spark Arena publishes of a server, as a noun: tests by depth
//! and streams, each with seven columns of mean and spread. A run of ours
//! becomes one by llama-benchy's definitions ([`Fold`]), so that the two can be
//! laid side by side; `docs/arena.md` says where we think them wrong.

pub(crate) mod benchy;
mod fold;
mod name;
mod round;
mod spread;
#[cfg(test)]
pub(crate) mod story;

pub(crate) use fold::ArenaFold;
pub(crate) use spread::Spread;

use std::collections::BTreeMap;

use crate::unit::grouped;
use crate::words::words;

/// A published table, or a run of ours in that form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// The model, as whoever measured it calls it.
    pub model: String,
    /// Its rows, in the order in which they were measured or published.
    pub rows: Vec<ArenaRow>,
    /// What only llama-benchy's JSON says beside them.
    pub origin: Origin,
    /// Rounds of a run of ours that are in no row: a request of theirs failed.
    pub left_out: u64,
}

/// How a table came to be, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Origin {
    /// The program that measured, and its version.
    pub version: Option<String>,
    /// When, in UTC.
    pub timestamp: Option<String>,
    /// How long `/v1/models` took, milliseconds: `est_ppt` is `ttfr` without it.
    pub latency_ms: Option<f64>,
    /// Whether contexts were loaded beforehand, for a prefix cache to keep.
    pub prefix_caching: Option<bool>,
}

/// A test with what was measured in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ArenaRow {
    /// What of the exchange it tells of.
    pub kind: TestKind,
    /// Context before the prompt, tokens.
    pub depth: u64,
    /// Prompt, tokens, where the table says it.
    pub prompt: Option<u64>,
    /// Output, tokens, where the table says it.
    pub output: Option<u64>,
    /// Streams at once.
    pub streams: u32,
    /// What was measured. A column that is not there is unknown, never 0.
    pub columns: BTreeMap<Column, Spread>,
}

/// What of the exchange a row tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TestKind {
    /// Reading the context, while it is loaded.
    CtxPp,
    /// The answer to a context that was only loaded.
    CtxTg,
    /// Reading the prompt.
    Pp,
    Tg,
}

impl TestKind {
    /// Whether it tells of the prompt; else of the answer.
    pub(crate) fn is_prefill(self) -> bool {
        matches!(self, TestKind::CtxPp | TestKind::Pp)
    }

    /// Whether it belongs to the loading of a context.
    pub(crate) fn is_context(self) -> bool {
        matches!(self, TestKind::CtxPp | TestKind::CtxTg)
    }

    /// The columns that a row of it has.
    pub(crate) fn columns(self) -> &'static [Column] {
        if self.is_prefill() {
            &[Column::Ts, Column::TsReq, Column::Ttfr, Column::EstPpt, Column::E2eTtft]
        } else {
            &[Column::Ts, Column::TsReq, Column::PeakTs, Column::PeakTsReq]
        }
    }
}

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Column {
    /// All streams together, tokens per second.
    Ts,
    /// One stream, tokens per second.
    TsReq,
    /// The most in one second of all streams together, tokens per second.
    PeakTs,
    /// The most in one second of one stream, tokens per second.
    PeakTsReq,
    /// From sending to the first data frame, milliseconds.
    Ttfr,
    /// The same without the time that `/v1/models` takes, milliseconds.
    EstPpt,
    /// From sending to the first token, milliseconds.
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
    /// The unit of its values.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Column::Ttfr | Column::EstPpt | Column::E2eTtft => "ms",
            _ => "t/s",
        }
    }

    /// Why a mean and a deviation are no figures of it; `None` where they are. A time to
    /// something that came is above 0; a rate may be too small for its digits, and `est_ppt` is
    /// 0 where `/v1/models` takes longer than the first frame.
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

/// The most tokens that a context, a prompt or an answer may have, and the most streams: what
/// strangers write must not overflow.
const TOKENS_MAX: u64 = 100_000_000;
const STREAMS_MAX: u32 = 100_000;

/// Beyond it no figure is one of a benchmark.
const FIGURE_MAX: f64 = 1e12;

/// What makes two rows of different tables the same test: kind, depth, tokens of the prompt
/// or the answer, streams.
pub(crate) type TestKey = (TestKind, u64, Option<u64>, u32);

impl ArenaRow {
    /// A row without columns.
    pub(crate) fn new(kind: TestKind, depth: u64, streams: u32) -> ArenaRow {
        ArenaRow { kind, depth, prompt: None, output: None, streams, columns: BTreeMap::new() }
    }

    /// What makes it the same test as a row of another table.
    pub(crate) fn key(&self) -> TestKey {
        let size = match self.kind {
            TestKind::CtxPp | TestKind::CtxTg => None,
            TestKind::Pp => self.prompt,
            TestKind::Tg => self.output,
        };
        (self.kind, self.depth, size, self.streams)
    }

    /// The test's name as llama-benchy writes it: `pp2048 @ d4096 (c2)`; the streams only
    /// where the table has rows of several.
    pub(crate) fn name(&self, with_streams: bool) -> String {
        name::written(self, with_streams)
    }

    /// Reads a test's name into a row without columns.
    ///
    /// # Errors
    /// Says what a name looks like.
    pub(crate) fn named(text: &str) -> Result<ArenaRow, String> {
        name::read(text)
    }

    /// Whether it is of a test that a server can be asked.
    ///
    /// # Errors
    /// What is wrong, and between what it has to be.
    pub(crate) fn bounded(&self) -> Result<(), (&'static str, String)> {
        let tokens = [
            ("the depth", Some(self.depth)),
            ("the prompt", self.prompt),
            ("the output", self.output),
        ];
        let beyond = |tokens: Option<u64>| tokens.is_some_and(|tokens| tokens > TOKENS_MAX);
        if let Some((what, _)) = tokens.into_iter().find(|(_, tokens)| beyond(*tokens)) {
            return Err((what, format!("is of 0 to {} tokens", grouped(TOKENS_MAX as f64))));
        }
        if self.streams == 0 || self.streams > STREAMS_MAX {
            let most = grouped(f64::from(STREAMS_MAX));
            return Err(("there", format!("are 1 to {most} streams")));
        }
        Ok(())
    }

    /// The mean of a column, in its unit.
    pub(crate) fn mean(&self, column: Column) -> Option<f64> {
        self.columns.get(&column).map(|spread| spread.mean)
    }
}

impl Table {
    /// How many rounds are in no row, where there are some.
    pub(crate) fn left_out_told(&self, side: &str) -> Option<String> {
        let rounds = self.left_out;
        (rounds > 0)
            .then(|| format!("rounds of the {side} with a failed request, in no row: {rounds}"))
    }

    /// The most streams at once of any row; 0 where there is none.
    pub(crate) fn streams_max(&self) -> u32 {
        self.rows.iter().map(|row| row.streams).max().unwrap_or(0)
    }
}
