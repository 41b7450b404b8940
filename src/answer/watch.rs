//! Folds one answer: takes the head, the bytes with their timestamps, and the end of the transport;
//! returns the request's row.

use std::time::Duration;

use super::arrivals::{self, ChunkTimes};
use super::check::{self, CheckInput};
use super::ending::{self, AnswerState};
use super::evidence::AnswerBytes;
use super::text::AnswerText;
use super::{Answer, Over};
use crate::fact::{Abilities, Request};
use crate::plan::Ask;
use crate::protocol::openai::{Chunk, Usage};
use crate::protocol::{error, sse};
use crate::unit::At;

/// Limit of the words of an ending, and of a frame quoted in them, in characters. A row holds less;
/// it is cut from these after secrets are removed.
const WORDS_CHARS_MAX: usize = 4_000;

/// Reader of an answer.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    request: Request,
    abilities: Abilities,
    asked_output: u64,
    head_at: Option<At>,
    parser: sse::Parser,
    /// Body of an error page.
    page: Vec<u8>,
    evidence: AnswerBytes,
    text: AnswerText,
    arrivals: ChunkTimes,
    usage: Option<Usage>,
    /// Whether the usage record after the answer has arrived, and not only running counts.
    usage_is_whole: bool,
    /// Output tokens that the chunks so far account for.
    attributed: u64,
    /// Token ids that came without text so far.
    ids_pending: u64,
    /// Tokens that cannot have been received: more tokens in a chunk than bytes of text.
    unseen: u64,
    /// Last time at which the server reported or showed a new token, or ended the answer.
    progress_at: Option<At>,
    error_frame: Option<String>,
    malformed: Option<String>,
    system: Option<String>,
}

impl AnswerReader {
    /// Creates the reader of the answer to an ask that was sent at `sent`.
    pub(crate) fn new(ask: &Ask, abilities: &Abilities, sent: At) -> AnswerReader {
        AnswerReader {
            request: row(ask, sent),
            abilities: *abilities,
            asked_output: ask.cell.output,
            head_at: None,
            parser: sse::Parser::default(),
            page: Vec::new(),
            evidence: AnswerBytes::default(),
            text: AnswerText::default(),
            arrivals: ChunkTimes::default(),
            usage: None,
            usage_is_whole: false,
            attributed: 0,
            ids_pending: 0,
            unseen: 0,
            progress_at: None,
            error_frame: None,
            malformed: None,
            system: None,
        }
    }

    /// Handles the head of the response.
    pub(crate) fn head(&mut self, at: At, status: u16) {
        self.head_at = Some(at);
        self.request.http_status = Some(status);
        if status != 200 && status < 400 {
            self.malformed = Some(format!("status {status} is no answer"));
        }
    }

    /// Handles bytes of the body that were read at `at`.
    pub(crate) fn bytes(&mut self, at: At, bytes: &[u8]) {
        self.evidence.feed(bytes);
        if self.is_refused() {
            let room = error::BODY_BYTES_MAX.saturating_sub(self.page.len());
            self.page.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return;
        }
        // Moved out, because frames are folded while the parser is fed.
        let mut parser = std::mem::take(&mut self.parser);
        if let Err(wrong) = parser.feed(bytes, |data| self.frame(at, data)) {
            self.malformed.get_or_insert(wrong.to_string());
        }
        self.parser = parser;
    }

    /// Returns the time of the timeout: `first_token` after sending, and after the first token,
    /// `stall` after the last.
    pub(crate) fn deadline(&self, first_token: Duration, stall: Duration) -> At {
        match (self.progress_at, self.head_at.filter(|_| self.is_refused())) {
            (Some(at), _) | (None, Some(at)) => at.after(stall),
            (None, None) => self.request.sent.after(first_token),
        }
    }

    /// Whether no further bytes can change how the answer ends: the caller should close the
    /// connection.
    pub(crate) fn is_decided(&self) -> bool {
        self.malformed.is_some() || self.page.len() >= error::BODY_BYTES_MAX
    }

    /// Returns the best known count of output tokens so far; a chunk counts as one where no count
    /// is known.
    pub(crate) fn tokens(&self) -> u64 {
        self.attributed.max(self.arrivals.chunks())
    }

    /// Closes the answer.
    pub(crate) fn over(mut self, at: At, over: &Over) -> Answer {
        if *over == Over::End {
            self.close(at);
        }
        self.count();
        let stopped = self.request.finish.as_deref() == Some("stop");
        let counted = self.arrivals.counted(self.request.output_tokens, stopped);
        let arrivals = counted.map(<[_]>::to_vec).unwrap_or_default();
        let row = &mut self.request;
        row.done = at;
        row.first_tokens = arrivals.first().map(|first| u64::from(first.tokens));
        row.peak_tokens = (!arrivals.is_empty()).then(|| arrivals::peak_tokens(&arrivals));
        let (ended, stage, words) = ending::judge(
            &AnswerState {
                status: row.http_status,
                refusal: error::words(&self.page),
                error_frame: self.error_frame.take(),
                malformed: self.malformed.take(),
                finish: row.finish.as_deref(),
                chunks: row.chunks,
                progressed: self.progress_at.is_some(),
                output_tokens: row.output_tokens,
                asked_output: self.asked_output,
                usage_expected: self.abilities.usage,
                lasted_us: at.since(row.sent),
            },
            over,
        );
        (row.ended, row.stage) = (ended, stage);
        row.error = words.chars().take(WORDS_CHARS_MAX).collect();
        row.checks = check::fired(&CheckInput {
            request: row,
            unseen_tokens: self.unseen,
            text_bytes: self.text.bytes(),
            tools: self.text.tools(),
            replaced: self.text.replaced(),
        });
        let frames = if ended.is_bad() { self.evidence.into_bytes() } else { Vec::new() };
        Answer {
            itl_us: arrivals::itl_us(&arrivals),
            gap_us: self.arrivals.gap_us(),
            arrivals,
            system: self.system,
            frames,
            request: self.request,
        }
    }

    fn is_refused(&self) -> bool {
        self.request.http_status.is_some_and(|status| status >= 400)
    }

    fn frame(&mut self, at: At, data: &str) {
        if self.malformed.is_some() {
            return;
        }
        self.request.first_byte_us.get_or_insert(at.since(self.request.sent));
        // It proves nothing: servers send it after an error frame too.
        if data.trim() == "[DONE]" {
            return;
        }
        match Chunk::parse(data) {
            Ok(chunk) => self.chunk(at, chunk),
            Err(words) => {
                let quoted: String = data.chars().take(WORDS_CHARS_MAX).collect();
                self.malformed = Some(format!("{words}, in `{quoted}`"));
            }
        }
    }

    fn chunk(&mut self, at: At, chunk: Chunk) {
        if chunk.error.is_some() && self.error_frame.is_none() {
            self.error_frame = chunk.error;
            return;
        }
        let grown = self.account(&chunk);
        if grown || chunk.has_text() || chunk.finish.is_some() {
            self.progress_at = Some(at);
        }
        if chunk.has_text() {
            self.arrive(at, &chunk);
        }
        if chunk.finish.is_some() {
            self.request.finish = chunk.finish;
        }
        self.system = chunk.system.or(self.system.take());
    }

    /// Records the server's counts; returns whether tokens were made since the last one.
    fn account(&mut self, chunk: &Chunk) -> bool {
        let before = self.usage.and_then(|usage| usage.output).unwrap_or(0);
        if let Some(usage) = chunk.usage {
            self.usage_is_whole |= !chunk.of_answer || chunk.finish.is_some();
            let known = self.usage.unwrap_or_default();
            self.usage = Some(Usage {
                prompt: usage.prompt.or(known.prompt),
                cached: usage.cached.or(known.cached),
                output: usage.output.or(known.output),
                reasoning: usage.reasoning.or(known.reasoning),
            });
        }
        let ids = chunk.ids.unwrap_or(0);
        self.ids_pending += ids;
        let after = self.usage.and_then(|usage| usage.output).unwrap_or(0);
        // The usage record after the answer says nothing about time.
        chunk.of_answer && (ids > 0 || after > before)
    }

    fn arrive(&mut self, at: At, chunk: &Chunk) {
        let since_sent = at.since(self.request.sent);
        self.request.ttft_us.get_or_insert(since_sent);
        if !chunk.content.is_empty() {
            self.request.ttft_content_us.get_or_insert(since_sent);
        }
        let by_usage = chunk
            .usage
            .and_then(|usage| usage.output)
            .map(|output| output.saturating_sub(self.attributed));
        // A first count in a late chunk says nothing about the chunks before it.
        let tokens = by_usage
            .or_else(|| chunk.ids.map(|_| self.ids_pending))
            .filter(|_| self.arrivals.are_counted());
        if let Some(tokens) = tokens {
            self.attributed += tokens;
            self.ids_pending = 0;
            // The first chunk of a tool call may have no text of its own.
            self.unseen += tokens.saturating_sub(chunk.text_bytes().max(chunk.tools_begun));
        }
        self.arrivals.push(at, tokens);
        self.text.push(chunk);
    }

    /// Handles the complete end of the body.
    fn close(&mut self, at: At) {
        if let Some(data) = self.parser.left_over() {
            // A partial frame means a stream that was cut, not a malformed one.
            if Chunk::parse(&data).is_ok() {
                self.frame(at, &data);
            }
        }
        if self.request.first_byte_us.is_none()
            && !self.is_refused()
            && let Some(foreign) = self.parser.foreign()
        {
            self.malformed
                .get_or_insert_with(|| format!("no event stream: {}", error::words(foreign)));
        }
    }

    /// Sets the server's counts and what follows from them.
    fn count(&mut self) {
        let row = &mut self.request;
        row.chunks = self.arrivals.chunks();
        row.last_us = self.arrivals.last().map(|last| last.since(row.sent));
        row.max_gap_us = self.arrivals.gap_us_max();
        row.answer = self.text.fingerprint();
        if let Some(usage) = self.usage {
            row.prompt_tokens = usage.prompt;
            row.output_tokens = usage.output;
            row.reasoning_tokens = usage.reasoning;
            // vLLM's older versions omit the details where they would be 0.
            let none = self.usage_is_whole && self.abilities.cached_tokens;
            row.cached_tokens = usage.cached.or(none.then_some(0));
        } else if self.attributed + self.ids_pending > 0 {
            // Ids in every chunk are a count by the server, too.
            row.output_tokens = Some(self.attributed + self.ids_pending);
        }
        let total = row.output_tokens.unwrap_or(0);
        self.unseen += if self.attributed > 0 {
            total.saturating_sub(self.attributed)
        } else {
            total.saturating_sub(self.text.bytes().max(self.text.tools()))
        };
    }
}

/// Creates the row of an ask before its answer.
fn row(ask: &Ask, sent: At) -> Request {
    Request {
        lane: ask.lane,
        slot: ask.slot,
        session: ask.session,
        turn: ask.turn,
        lap: ask.lap,
        repeat: ask.repeat,
        due: ask.due,
        ..Request::unanswered(ask.phase, ask.workload, ask.class, ask.cell, sent)
    }
}
