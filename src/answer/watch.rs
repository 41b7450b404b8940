//! Folds one answer: takes the head, the bytes with their timestamps, and the end of the transport;
//! returns the request's row.

use std::time::Duration;

use super::arrivals::{self, ChunkTimes};
use super::check::{self, CheckInput};
use super::counts::{Received, TokenCounts, Totals};
use super::ending::{self, AnswerState};
use super::endless::{self, Amounts};
use super::evidence::AnswerBytes;
use super::text::AnswerText;
use super::{Answer, TransportEnd};
use crate::fact::{Abilities, Request};
use crate::plan::Ask;
use crate::protocol::openai::Chunk;
use crate::protocol::sse::{self, Event};
use crate::protocol::{error, shape};
use crate::spec::{AnswerLimits, Limits};
use crate::unit::At;

/// Limit of the words of an ending, and of a frame quoted in them, in characters. A row holds less;
/// it is cut from these after secrets are removed.
const WORDS_CHARS_MAX: usize = 4_000;

/// Time between `[DONE]` and the end of the body, after which it is not waited for.
const CLOSE_WAIT: Duration = Duration::from_millis(100);

/// Reader of an answer.
#[derive(Debug)]
pub(crate) struct AnswerReader {
    request: Request,
    abilities: Abilities,
    /// Names of the requested model.
    names: Vec<String>,
    asked_output: u64,
    limits: Limits,
    /// Limits of this answer.
    most: AnswerLimits,
    template_tokens: u64,
    head_at: Option<At>,
    /// Time of `[DONE]`.
    done_at: Option<At>,
    parser: sse::Parser,
    /// Body of an error page.
    page: Vec<u8>,
    evidence: AnswerBytes,
    text: AnswerText,
    arrivals: ChunkTimes,
    counts: TokenCounts,
    /// Last time at which the server reported or showed a new token, or ended the answer.
    progress_at: Option<At>,
    /// Events that were such a progress.
    steps: u64,
    /// Bytes of the body.
    bytes: u64,
    error_frame: Option<String>,
    malformed: Option<String>,
    /// Last message beside the answer that nothing marked as an error.
    aside: Option<String>,
    system: Option<String>,
    model: Option<String>,
}

impl AnswerReader {
    /// Returns the reader of an answer to a prompt to which the chat template adds tokens.
    #[must_use]
    pub(crate) fn with_template(self, template_tokens: u64) -> AnswerReader {
        AnswerReader { template_tokens, ..self }
    }

    /// Returns the reader of an answer within the limits of a scenario.
    #[must_use]
    pub(crate) fn with_limits(self, limits: &Limits) -> AnswerReader {
        AnswerReader { limits: *limits, most: limits.of_answer(self.asked_output), ..self }
    }

    /// Creates the reader of the answer to an ask that was sent at `sent`. `names` are those of the
    /// requested model; without any, the model that the answer names is not checked.
    pub(crate) fn new(
        ask: &Ask,
        abilities: &Abilities,
        names: &[String],
        sent: At,
    ) -> AnswerReader {
        AnswerReader {
            request: row(ask, sent),
            abilities: *abilities,
            names: names.to_vec(),
            asked_output: ask.cell.output,
            limits: Limits::default(),
            most: Limits::default().of_answer(ask.cell.output),
            template_tokens: 0,
            head_at: None,
            done_at: None,
            parser: sse::Parser::default(),
            page: Vec::new(),
            evidence: AnswerBytes::default(),
            text: AnswerText::default(),
            arrivals: ChunkTimes::default(),
            counts: TokenCounts::default(),
            progress_at: None,
            steps: 0,
            bytes: 0,
            error_frame: None,
            malformed: None,
            aside: None,
            system: None,
            model: None,
        }
    }

    /// Handles the head of the response.
    pub(crate) fn head(&mut self, at: At, status: u16) {
        self.head_at = Some(at);
        self.request.http_status = Some(status);
        if !(200..300).contains(&status) && status < 400 {
            self.malformed = Some(shape::wrong_status(status));
        }
    }

    /// Handles bytes of the body that were read at `at`.
    pub(crate) fn bytes(&mut self, at: At, bytes: &[u8]) {
        self.evidence.feed(bytes);
        self.bytes += bytes.len() as u64;
        if self.is_refused() {
            let room = error::BODY_BYTES_MAX.saturating_sub(self.page.len());
            self.page.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return;
        }
        // Moved out, because frames are folded while the parser is fed.
        let mut parser = std::mem::take(&mut self.parser);
        if let Err(wrong) = parser.feed(bytes, |event| self.event(at, event)) {
            self.malformed.get_or_insert(wrong.to_string());
        }
        self.parser = parser;
    }

    /// Returns the time of the timeout: `first_token` after sending, after the first token `stall`
    /// after the last, but no later than a whole answer may take, and after `[DONE]` a moment for
    /// the end of the body, which some servers hold back.
    pub(crate) fn deadline(&self) -> At {
        if let Some(at) = self.done_at {
            return at.after(CLOSE_WAIT);
        }
        match (self.progress_at, self.head_at.filter(|_| self.is_refused())) {
            (Some(at), _) => at.after(self.limits.stall).min(self.last_moment()),
            (None, Some(at)) => at.after(self.limits.stall),
            (None, None) => self.request.sent.after(self.limits.first_token),
        }
    }

    /// Returns the end of the transport of an answer that was not complete by its deadline.
    pub(crate) fn late(&self, at: At) -> TransportEnd {
        let goes_on = self
            .progress_at
            .is_some_and(|progress| self.last_moment() < progress.after(self.limits.stall));
        if goes_on {
            TransportEnd::Endless(endless::too_long(at.since(self.request.sent)))
        } else {
            TransportEnd::Late
        }
    }

    /// Returns the end of the transport of an answer that has more than an answer may have.
    pub(crate) fn endless(&self) -> Option<TransportEnd> {
        let amounts = Amounts {
            tokens: self.tokens(),
            steps: self.steps,
            frames: self.parser.frames(),
            bytes: self.bytes,
        };
        amounts.beyond(&self.most, self.asked_output).map(TransportEnd::Endless)
    }

    fn last_moment(&self) -> At {
        self.request.sent.after(self.most.time)
    }

    /// Whether the answer is complete, also where its body is not.
    pub(crate) fn is_done(&self) -> bool {
        self.done_at.is_some()
    }

    /// Whether no further bytes can change how the answer ends: the caller should close the
    /// connection.
    pub(crate) fn is_decided(&self) -> bool {
        self.malformed.is_some() || self.page.len() >= error::BODY_BYTES_MAX
    }

    /// Returns the number of bytes that are kept until the present event is whole.
    pub(crate) fn open_bytes(&self) -> u64 {
        self.parser.open_bytes()
    }

    /// Returns the best known count of output tokens so far; a chunk counts as one where none is
    /// known. A token has a byte of text at least, so a count above the bytes is ignored.
    pub(crate) fn tokens(&self) -> u64 {
        self.counts.attributed().min(self.text.bytes()).max(self.arrivals.chunks())
    }

    /// Closes the answer.
    pub(crate) fn over(mut self, at: At, over: &TransportEnd) -> Answer {
        if *over == TransportEnd::End {
            self.close(at);
        }
        let totals = self.count();
        let stopped = self.request.finish.as_deref() == Some("stop");
        let counted = self.arrivals.counted(self.request.output_tokens, stopped);
        // Counts that contradict each other leave the tokens of single chunks unknown.
        let counted = counted.filter(|_| totals.are_running);
        let arrivals = counted.map(<[_]>::to_vec).unwrap_or_default();
        let (shape, aside) = (self.shape(), self.aside());
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
                shape,
                aside,
                finish: row.finish.as_deref(),
                chunks: row.chunks,
                progressed: self.progress_at.is_some(),
                output_tokens: row.output_tokens,
                asked_output: self.asked_output,
                no_usage: self.abilities.usage && !totals.has_record,
                needs_finish: self.abilities.finish_reason || self.done_at.is_none(),
                lasted_us: at.since(row.sent),
            },
            over,
        );
        (row.ended, row.stage) = (ended, stage);
        row.error = beginning(&words);
        row.checks = check::fired(&CheckInput {
            request: row,
            template_tokens: self.template_tokens,
            unseen_tokens: totals.unseen,
            text_bytes: self.text.bytes(),
            visible: self.text.visible(),
            tools: self.text.tools(),
            model: self.model.as_deref(),
            names: &self.names,
            replaced: self.text.replaced(),
            think_marks: self.text.think_marks(),
        });
        let frames = if ended.is_bad() { self.evidence.into_bytes() } else { Vec::new() };
        Answer {
            itl_us: arrivals::itl_us(&arrivals),
            gap_us: self.arrivals.gap_us(),
            arrivals,
            system: self.system,
            model: self.model,
            frames,
            request: self.request,
        }
    }

    fn is_refused(&self) -> bool {
        self.request.http_status.is_some_and(|status| status >= 400)
    }

    fn event(&mut self, at: At, event: Event<'_>) {
        if self.malformed.is_some() || event.is_keep_alive() {
            return;
        }
        let since_sent = at.since(self.request.sent);
        // It proves no success: servers send it after an error frame too.
        if event.data.trim() == "[DONE]" {
            self.done_at.get_or_insert(at);
            self.request.first_byte_us.get_or_insert(since_sent);
            return;
        }
        match Chunk::parse(event) {
            Ok(chunk) if chunk.is_nothing() => {
                self.aside = chunk.message.map(|it| beginning(&it)).or(self.aside.take());
            }
            Ok(chunk) => {
                self.request.first_byte_us.get_or_insert(since_sent);
                self.chunk(at, chunk);
            }
            Err(words) => {
                self.request.first_byte_us.get_or_insert(since_sent);
                let quoted = beginning(event.data);
                let glued = shape::is_glued(event.data);
                let words = if glued { "events without a blank line between them" } else { &words };
                self.malformed = Some(format!("{words}, in `{quoted}`"));
            }
        }
    }

    fn chunk(&mut self, at: At, chunk: Chunk) {
        if chunk.error.is_some() && self.error_frame.is_none() {
            self.error_frame = chunk.error.map(|words| beginning(&words));
            return;
        }
        let grown = self.counts.fold(&chunk);
        if grown || chunk.has_text() || chunk.finish.is_some() {
            self.progress_at = Some(at);
            self.steps += 1;
        }
        if chunk.has_text() {
            self.arrive(at, &chunk);
        }
        if chunk.finish.is_some() {
            self.request.finish = chunk.finish;
        }
        self.system = chunk.system.or(self.system.take());
        self.model = chunk.model.or(self.model.take());
    }

    fn arrive(&mut self, at: At, chunk: &Chunk) {
        let since_sent = at.since(self.request.sent);
        self.request.ttft_us.get_or_insert(since_sent);
        if !chunk.content.is_empty() {
            self.request.ttft_content_us.get_or_insert(since_sent);
        }
        // A first count in a late chunk says nothing about the chunks before it.
        let tokens = self.counts.of_text(chunk).filter(|_| self.arrivals.are_counted());
        if let Some(tokens) = tokens {
            self.counts.attribute(tokens, chunk);
        }
        self.arrivals.push(at, tokens);
        self.text.push(chunk);
    }

    /// Handles the complete end of the body.
    fn close(&mut self, at: At) {
        let mut parser = std::mem::take(&mut self.parser);
        // A partial frame means a stream that was cut, not a malformed one.
        parser.left_over(|event| {
            if Chunk::parse(event).is_ok() {
                self.event(at, event);
            }
        });
        self.parser = parser;
        // A page with an error in place of a stream: the server's own words are kept.
        if self.has_no_event()
            && let Ok(page) = std::str::from_utf8(self.evidence.beginning())
            && let Ok(chunk) = Chunk::parse(Event { name: "", data: page })
        {
            self.error_frame = self.error_frame.take().or(chunk.error);
        }
    }

    fn has_no_event(&self) -> bool {
        self.request.first_byte_us.is_none() && !self.is_refused()
    }

    /// Describes a body that is not an event stream, if no event of it was read.
    fn shape(&self) -> Option<String> {
        self.has_no_event().then(|| shape::of(self.evidence.beginning())).flatten()
    }

    /// Returns words that came beside the answer and that nothing marked as an error.
    fn aside(&self) -> Option<String> {
        self.aside.clone().or_else(|| self.parser.foreign().map(error::words))
    }

    /// Sets the server's counts and what follows from them.
    fn count(&mut self) -> Totals {
        let (chunks, bytes) = (self.arrivals.chunks(), self.text.bytes());
        let totals = self.counts.totals(Received { chunks, bytes, tools: self.text.tools() });
        let row = &mut self.request;
        row.chunks = chunks;
        row.last_us = self.arrivals.last().map(|last| last.since(row.sent));
        row.max_gap_us = self.arrivals.gap_us_max();
        row.answer = self.text.fingerprint();
        row.prompt_tokens = totals.usage.prompt;
        row.output_tokens = totals.usage.output;
        row.reasoning_tokens = totals.usage.reasoning;
        // vLLM's older versions omit the details where they would be 0.
        let none = self.counts.is_whole() && self.abilities.cached_tokens;
        row.cached_tokens = totals.usage.cached.or(none.then_some(0));
        totals
    }
}

/// Returns the beginning of words, as much as a row may need.
fn beginning(words: &str) -> String {
    words.chars().take(WORDS_CHARS_MAX).collect()
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
