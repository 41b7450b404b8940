//! Applies the result of a step to one request: tokens, end and fault.

use super::{SimEngine, WithheldOutput};
use crate::sim::ailment::AilmentKind;
use crate::sim::answer::{Channel, Token};
use crate::sim::job::{EngineEvent, Finish, JobId, REQUEST_FAILED};
use crate::sim::metrics::{ABORT, ERROR};
use crate::unit::At;

impl SimEngine {
    /// Emits the tokens of a request, as far as its fault allows.
    pub(super) fn give(&mut self, id: JobId, mut tokens: Vec<Token>) {
        let Some(sequence) = self.scheduler.running(id) else { return };
        let before = sequence.output() - tokens.len() as u64;
        let cached = sequence.cached.unwrap_or(0);
        let ended = sequence.output() >= sequence.limit;
        let stops = sequence.stops;
        let fate = sequence.fate.filter(|(_, after)| sequence.output() > *after);
        let mut finish = ended.then_some(if stops { Finish::Stop } else { Finish::Length });
        match fate {
            Some((AilmentKind::ErrorFrame { .. } | AilmentKind::TruncatedStream { .. }, after)) => {
                tokens.truncate(after.saturating_sub(before) as usize);
                finish = None;
            }
            Some((AilmentKind::Stall { pause_us, .. }, _)) => {
                sequence.fate = None;
                let until = pause_us.map(|us| At(self.now.0.saturating_add(us)));
                self.held.insert(id, WithheldOutput { until, kept: Vec::new() });
            }
            _ => {}
        }
        if let Some((AilmentKind::EmptyAnswer { .. }, _)) =
            self.scheduler.running(id).and_then(|s| s.fate)
        {
            tokens.clear();
            finish = Some(Finish::Stop);
        }
        if let Some((AilmentKind::SwallowedAnswer { .. }, _)) =
            self.scheduler.running(id).and_then(|s| s.fate)
        {
            for token in &mut tokens {
                token.text.clear();
                token.channel = Channel::Hidden;
            }
        }
        if !tokens.is_empty() || finish.is_some() {
            let happening = EngineEvent::Output { job: id, tokens, cached, finish };
            match self.held.get_mut(&id) {
                Some(held) if held.until.is_some() => held.kept.push(happening),
                Some(_) => {} // A stall without an end: the output is discarded.
                None => self.emit(happening),
            }
        }
        match fate {
            Some((AilmentKind::ErrorFrame { .. }, _)) => {
                self.end(id, ERROR);
                self.emit(EngineEvent::Failed { job: id, message: REQUEST_FAILED });
            }
            Some((AilmentKind::TruncatedStream { .. }, _)) => {
                self.end(id, ABORT);
                self.emit(EngineEvent::Cut { job: id });
            }
            _ => {
                if let Some(finish) = finish {
                    self.end(id, usize::from(finish == Finish::Length));
                }
            }
        }
    }

    /// Removes a request from the engine and counts it.
    fn end(&mut self, id: JobId, how: usize) {
        if let Some(sequence) = self.scheduler.remove(id) {
            self.metrics.finished[how] += 1;
            self.metrics.e2e.add(self.now.since(sequence.arrived) as f64 / 1e6);
            self.machine.leak(self.faults.leak_per_request(self.now));
        }
    }
}
