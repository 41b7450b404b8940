//! Simulates one step: its requests, its duration and its tokens.

use super::{SimEngine, Step};
use crate::sim::answer;
use crate::sim::scheduler::StepPart;
use crate::sim::step_time;
use crate::unit::At;

impl SimEngine {
    pub(super) fn begin_step(&mut self) {
        if self.step.is_some() || self.frozen.is_some() || !self.listening() {
            return;
        }
        if self.faults.is_preemption_storm(self.now) && self.speed.storm_strikes() {
            self.scheduler.preempt_youngest();
        }
        let parts = self.scheduler.plan(self.faults.cache_hits(self.now));
        if !parts.is_empty() {
            let decode_factor = self.faults.decode_slowness(self.now);
            let us = self.speed.step_us(&self.setup, &parts, self.now, decode_factor);
            let us = us as f64 * self.faults.slowness(self.now);
            // The factors of several faults multiply, so the sum saturates at the end of time.
            let ends = At(self.now.0.saturating_add(us as u64));
            self.step = Some(Step { ends, parts });
        }
    }

    pub(super) fn end_step(&mut self) {
        let parts = self.step.take().map(|step| step.parts).unwrap_or_default();
        if !parts.is_empty() {
            let tokens: u64 = parts.iter().map(|part| part.to - part.from).sum();
            self.metrics.step_tokens.add(tokens as f64);
        }
        for part in parts {
            self.end_part(part);
        }
        self.begin_step();
    }

    /// Completes a request's part of a step: its tokens, and its end if it is reached.
    fn end_part(&mut self, part: StepPart) {
        let (now, seed) = (self.now, self.seed);
        let drafted = self.setup.speculative_tokens;
        // The request is gone if the client disconnected during the step.
        let Some(sequence) = self.scheduler.running(part.id) else { return };
        if !part.decodes && part.to < sequence.tokens() {
            self.scheduler.computed(part.id, part.to);
            return;
        }
        let output = sequence.output();
        let mut got = 1;
        if part.decodes && drafted > 0 {
            let acceptance = self.setup.profile.acceptance * self.faults.acceptance_left(now);
            let kept = step_time::accepted(seed, part.id.0, output, drafted, acceptance);
            self.metrics.drafts += 1;
            self.metrics.draft_tokens += u64::from(drafted);
            self.metrics.accepted_tokens += kept;
            got += kept;
        }
        let got = got.min(sequence.limit - output);
        let tokens: Vec<_> = (output..output + got)
            .map(|index| answer::token(sequence.answer, index, sequence.reasoning))
            .collect();
        sequence.ids.extend(tokens.iter().map(|token| token.id));
        let seconds = |since: At| now.since(since) as f64 / 1e6;
        if let Some(last) = sequence.last_token.replace(now) {
            self.metrics.inter_token.add(seconds(last));
        } else {
            self.metrics.ttft.add(seconds(sequence.arrived));
            self.metrics.prompt_tokens += sequence.prompt;
            self.metrics.cached_tokens += sequence.cached.unwrap_or(0);
        }
        self.metrics.generation_tokens += got;
        let computed = sequence.tokens() - 1;
        self.scheduler.computed(part.id, computed);
        self.give(part.id, tokens);
    }
}
