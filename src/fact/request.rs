//! Defines a request that ended: the row of `requests.csv`.

use serde::{Deserialize, Serialize};

use super::{Cell, Group, Phase};
use crate::unit::At;
use crate::words::words;

/// Way in which a request ended. Not a boolean, because each kind of failure is counted
/// separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// HTTP 200, no error frame, a finish reason, usage where the server can give it. Without usage
    /// also a clean end.
    Completed,
    /// As completed, with fewer tokens than requested; not a failure.
    Short,
    /// As completed, without the usage record that the server is able to give.
    NoUsage,
    /// A status of 400 or more.
    HttpError,
    /// DNS failed, no route, or TLS was refused.
    Unreachable,
    /// The connection was refused.
    Refused,
    /// The server closed or reset the connection.
    Reset,
    /// No first token within the limit.
    TimedOut,
    /// No further token within the limit.
    Stalled,
    /// More tokens, events, bytes or time than an answer may have.
    Endless,
    /// An error object inside a 200 stream, `[DONE]` or not.
    ErrorFrame,
    /// The server's own finish reason says abort, error or repetition.
    Aborted,
    /// The stream ended with no finish reason.
    Truncated,
    /// Bytes that are not the protocol.
    Malformed,
    /// 200 and zero tokens.
    Empty,
    /// The workload hung up on purpose; not a failure.
    Abandoned,
    /// longhaul closed the connection (`error` says why); not a failure.
    Cut,
}

words!(Ended {
    Completed: "completed",
    Short: "short",
    NoUsage: "no_usage",
    HttpError: "http_error",
    Unreachable: "unreachable",
    Refused: "refused",
    Reset: "reset",
    TimedOut: "timed_out",
    Stalled: "stalled",
    Endless: "endless",
    ErrorFrame: "error_frame",
    Aborted: "aborted",
    Truncated: "truncated",
    Malformed: "malformed",
    Empty: "empty",
    Abandoned: "abandoned",
    Cut: "cut",
});

impl Ended {
    /// Whether the response is complete, so that its times may be counted.
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Ended::Completed | Ended::Short)
    }

    /// Whether longhaul itself ended the request, so that it shows nothing about the server.
    pub(crate) fn ended_by_longhaul(self) -> bool {
        matches!(self, Ended::Abandoned | Ended::Cut)
    }

    /// Whether it counts as a failure of the server.
    pub(crate) fn is_bad(self) -> bool {
        !self.is_good() && !self.ended_by_longhaul()
    }
}

/// Stage of a request when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Before the connection was established.
    Connect,
    /// Before the response's head.
    Headers,
    /// Before the first token.
    BeforeFirst,
    Streaming,
    /// After the finish reason.
    Closing,
}

words!(Stage {
    Connect: "connect",
    Headers: "headers",
    BeforeFirst: "before_first",
    Streaming: "streaming",
    Closing: "closing",
});

/// Least time per token that a server can need, microseconds: none writes ten thousand tokens per
/// second into one stream. What comes faster was held back by a proxy, the network or a slow
/// reader, and its times say nothing about the server.
pub(crate) const TOKEN_US_MIN: u64 = 100;

/// Largest number of tokens of one request that is believed: two of them have a product, and millions
/// a sum.
pub(crate) const TOKENS_MAX: u64 = 1 << 31;

/// Kind of failure of an exchange below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokenHow {
    /// No route, or TLS was refused.
    Unreachable,
    /// No address is known for the host's name.
    Unresolved,
    /// The server's certificate is not trusted.
    Untrusted,
    /// The connection was refused.
    Refused,
    /// The other side reset the connection.
    Reset,
    /// The other side ended the stream in the middle of a message.
    CutOff,
    /// Bytes that are not HTTP.
    Malformed,
    /// longhaul's own machine gave it no connection: no file descriptor, port or memory was left.
    Local,
}

/// Class of a request for the server's cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// No part of its prompt should be cached.
    Cold,
    /// Its prefix should be cached.
    Warm,
    /// The first turn of a conversation.
    First,
    /// A further turn.
    Follow,
    /// A turn after a long pause.
    Resumed,
    /// A turn that carries a tool's result.
    Tool,
    /// A fixed request that is compared over time.
    Canary,
}

words!(Class {
    Cold: "cold",
    Warm: "warm",
    First: "first",
    Follow: "follow",
    Resumed: "resumed",
    Tool: "tool",
    Canary: "canary",
});

/// Request that ended. Offsets in microseconds; unknown values are `None`, never 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Phase in which it was due.
    pub phase: Phase,
    /// The workload's name.
    pub workload: String,
    /// The kind of ask.
    pub class: Class,
    pub lane: u32,
    /// The lane's n-th ask in this phase, from 0.
    pub slot: u64,
    /// Number of the conversation, if any.
    pub session: Option<u64>,
    /// Turn of the conversation, from 0.
    pub turn: Option<u32>,
    pub cell: Cell,
    /// Pass over all cells, from 0.
    pub lap: u64,
    /// 0, or the n-th appended repeat of a round that an outage broke.
    pub repeat: u32,
    /// Instant at which it should have been sent.
    pub due: At,
    /// Instant at which it was sent.
    pub sent: At,
    /// Instant at which it ended: the entry's stamp.
    pub done: At,
    /// Offset of the first data frame of any kind, from sending.
    pub first_byte_us: Option<u64>,
    /// Offset of the first token of any kind, from sending.
    pub ttft_us: Option<u64>,
    /// Offset of the first token of visible content, from sending.
    pub ttft_content_us: Option<u64>,
    /// Offset of the last token, from sending.
    pub last_us: Option<u64>,
    /// Prompt tokens by the server's count.
    pub prompt_tokens: Option<u64>,
    /// Cached prompt tokens, of [`Request::prompt_tokens`].
    pub cached_tokens: Option<u64>,
    /// Output tokens by the server's count, reasoning and tool calls among them.
    pub output_tokens: Option<u64>,
    /// Reasoning tokens, of [`Request::output_tokens`].
    pub reasoning_tokens: Option<u64>,
    /// Tokens that came with the first chunk that carried any, and at once with it.
    pub first_tokens: Option<u64>,
    /// Data frames with tokens.
    pub chunks: u64,
    /// Largest gap between two of them; `None` where all arrived in one piece.
    pub max_gap_us: Option<u64>,
    /// Largest number of tokens in any one second.
    pub peak_tokens: Option<u64>,
    /// Time since the conversation's previous response ended.
    pub idle_us: Option<u64>,
    pub ended: Ended,
    pub stage: Stage,
    pub finish: Option<String>,
    pub http_status: Option<u16>,
    /// Error text of the server or the system, on one line, bounded, without secrets. That of a good
    /// ending says how the connection was cut off after it.
    pub error: String,
    /// Names of the checks that fired.
    pub checks: Vec<String>,
    /// Fingerprint of the visible answer.
    pub answer: Option<String>,
    /// Whether it was sent again, because the server closed the used connection as it was sent.
    pub resent: bool,
    /// Wait that the server asked for with a refusal.
    pub retry_after_us: Option<u64>,
    /// longhaul's own delay in its sending and its first token, microseconds: how long longhaul stood
    /// still about these moments. `None` in rows of earlier versions.
    pub first_delay_us: Option<u64>,
    /// longhaul's own delay in its last token and its end, microseconds.
    pub last_delay_us: Option<u64>,
    /// Longest of longhaul's own delays from the first token to the end, microseconds.
    pub gap_delay_us: Option<u64>,
}

/// Least delay of longhaul's own that spoils a time, microseconds.
const SPOIL_US: u64 = 10_000;

/// Whether longhaul's own delay spoils a time: it is more than 10 ms, and more than 5 % of it.
pub(crate) fn is_spoiled(delay_us: u64, time_us: u64) -> bool {
    delay_us > SPOIL_US && delay_us.saturating_mul(20) > time_us
}

impl Request {
    /// Whether it was never sent, because longhaul's own machine gave it no connection.
    pub(crate) fn is_unsent(&self) -> bool {
        self.ended == Ended::Cut && self.stage == Stage::Connect
    }

    /// Creates the row of a request that was sent and not yet answered, on the first slot of the
    /// first lane and due when it was sent.
    pub(crate) fn unanswered(
        phase: Phase,
        workload: &str,
        class: Class,
        cell: Cell,
        sent: At,
    ) -> Request {
        Request {
            phase,
            workload: workload.to_owned(),
            class,
            lane: 0,
            slot: 0,
            session: None,
            turn: None,
            cell,
            lap: 0,
            repeat: 0,
            due: sent,
            sent,
            done: sent,
            first_byte_us: None,
            ttft_us: None,
            ttft_content_us: None,
            last_us: None,
            prompt_tokens: None,
            cached_tokens: None,
            output_tokens: None,
            reasoning_tokens: None,
            first_tokens: None,
            chunks: 0,
            max_gap_us: None,
            peak_tokens: None,
            idle_us: None,
            ended: Ended::Cut,
            stage: Stage::Connect,
            finish: None,
            http_status: None,
            error: String::new(),
            checks: Vec::new(),
            answer: None,
            resent: false,
            retry_after_us: None,
            first_delay_us: None,
            last_delay_us: None,
            gap_delay_us: None,
        }
    }

    /// Returns the group that counts it. Turns of a conversation have no cell, since their depth
    /// grows.
    pub(crate) fn group(&self) -> Group {
        Group {
            workload: self.workload.clone(),
            class: self.class,
            cell: self.session.is_none().then_some(self.cell),
        }
    }

    /// Whether more than one token came, and all at once: the times between them are unknown, and the
    /// first token came no earlier than the last.
    pub(crate) fn came_at_once(&self) -> bool {
        let Some((first_us, last_us)) = self.ttft_us.zip(self.last_us) else { return false };
        let counted = self.text_tokens().unwrap_or(0);
        let after_first = counted.max(self.chunks).saturating_sub(1);
        after_first > 0
            && last_us.saturating_sub(first_us) < after_first.saturating_mul(TOKEN_US_MIN)
    }

    /// Returns the tokens of the answer that have text, by the server's count; the stop token has
    /// none.
    fn text_tokens(&self) -> Option<u64> {
        let stop = u64::from(self.finish.as_deref() == Some("stop"));
        self.output_tokens.map(|tokens| tokens.saturating_sub(stop))
    }

    /// Whether the answer has more than one token, so that there are times between them.
    pub(crate) fn has_gaps(&self) -> bool {
        self.text_tokens().unwrap_or(self.cell.output).max(self.chunks) > 1
    }

    /// Whether tokens of the prompt were computed: not all of them came from the cache.
    pub(crate) fn has_prefill(&self) -> bool {
        let counted = self.prompt_tokens.zip(self.cached_tokens);
        counted.is_none_or(|(prompt, cached)| prompt > cached)
    }

    /// Returns how long longhaul itself stood still about the request, microseconds.
    pub(crate) fn delay_us(&self) -> u64 {
        let later = self.gap_delay_us.max(self.last_delay_us).unwrap_or(0);
        self.first_delay_us.unwrap_or(0).saturating_add(later)
    }

    /// Whether its tokens came at once because longhaul itself read them late.
    pub(crate) fn was_read_at_once(&self) -> bool {
        self.came_at_once() && is_spoiled(self.delay_us(), self.e2e_us())
    }

    /// Whether longhaul's own delay spoils the times between its tokens.
    pub(crate) fn has_spoiled_gaps(&self) -> bool {
        let gap_us = self.max_gap_us.unwrap_or(0);
        self.gap_delay_us.is_some_and(|delay_us| is_spoiled(delay_us, gap_us))
    }

    /// Returns the time per output token, seconds: (last − first) / (tokens − tokens of the first
    /// chunk). `None` where the tokens of the first chunk are unknown, nothing came after it, or
    /// all arrived in one piece.
    pub(crate) fn tpot(&self) -> Option<f64> {
        if self.came_at_once() {
            return None;
        }
        let after =
            self.output_tokens?.checked_sub(self.first_tokens?).filter(|after| *after > 0)?;
        let span_us = self.last_us?.checked_sub(self.ttft_us?)?;
        Some(span_us as f64 / 1e6 / after as f64)
    }

    /// Returns the computed prompt tokens (those not served from cache) per second until the first
    /// token. `None` where the server does not report how many it computed, or where the first
    /// token came with the last.
    pub(crate) fn prefill_per_s(&self) -> Option<f64> {
        if self.came_at_once() {
            return None;
        }
        let computed = self.prompt_tokens?.saturating_sub(self.cached_tokens?);
        let ttft_us = self.ttft_us.filter(|ttft_us| *ttft_us > 0)?;
        (computed > 0).then(|| computed as f64 / (ttft_us as f64 / 1e6))
    }

    /// Returns how a failed request ended, in words: `http error 500 busy`.
    pub(crate) fn failure(&self) -> String {
        // Pages of proxies name the status themselves.
        let status = self.http_status.map(|status| format!("{status} "));
        let status = status.filter(|status| !self.error.starts_with(status)).unwrap_or_default();
        let words = format!("{} {status}{}", self.ended.word().replace('_', " "), self.error);
        words.trim_end().to_owned()
    }

    /// Returns the time from sending to the end, microseconds.
    pub(crate) fn e2e_us(&self) -> u64 {
        self.done.since(self.sent)
    }

    /// Returns the delay from its due time to its sending, microseconds.
    pub(crate) fn late_us(&self) -> u64 {
        self.sent.since(self.due)
    }
}

#[cfg(test)]
mod tests {
    use crate::incident::fixture::Story;

    use super::*;

    /// Answer of 16 tokens whose last comes so many microseconds after its first.
    fn lasting(us: u64) -> Request {
        let request = Story::new().request(1.0, 0);
        let last_us = request.ttft_us.map(|ttft_us| ttft_us + us);
        Request { last_us, output_tokens: Some(16), chunks: 16, ..request }
    }

    #[test]
    fn an_answer_that_came_at_once_has_no_times_between_tokens_and_one_of_a_token_did_not() {
        for us in [0, 400, 1_499] {
            let request = lasting(us);
            assert!(request.came_at_once(), "{us}");
            assert_eq!((request.tpot(), request.prefill_per_s()), (None, None), "{us}");
        }
        assert!(!lasting(1_500).came_at_once() && lasting(1_500).tpot().is_some());
        let single = Request { output_tokens: Some(1), chunks: 1, ..lasting(0) };
        assert!(!single.came_at_once() && single.prefill_per_s().is_some());
        let stopped = Some("stop".to_owned());
        let word = Request { output_tokens: Some(2), chunks: 1, finish: stopped, ..lasting(0) };
        assert!(!word.came_at_once(), "a token and the stop token");
        let whole = Request { chunks: 1, ..lasting(0) };
        assert!(whole.came_at_once(), "all in one chunk");
        let uncounted = Request { output_tokens: None, ..lasting(0) };
        assert!(uncounted.came_at_once(), "as many chunks as that have more than one token");
    }
}
