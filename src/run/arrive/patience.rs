//! Asks again what was refused in a way that may pass: by too many requests, a failure, a broken
//! connection or a timeout. Concludes nothing.

use std::time::Duration;

use tokio::sync::Mutex;

use super::{Gathered, NotGathered};
use crate::timeline::Timeline;
use crate::unit::{At, micros};

/// Waits before a question is asked again, microseconds.
const WAITS_US: [u64; 3] = [250_000, 500_000, 1_000_000];
/// Time after which a question is not asked again, microseconds.
const SLOW_QUESTION_US: u64 = 30_000_000;
/// Longest wait that a refusal may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// Rules by which refused questions are asked again.
pub(crate) struct RetryPolicy<'a> {
    timeline: &'a Timeline,
    /// Instant after which nothing is asked again.
    deadline: At,
    /// Called with the time and the reason before each wait.
    waiting: &'a dyn Fn(At, &str),
    /// Refused questions are asked again one after the other: the server may have refused them for
    /// coming together.
    turn: Mutex<()>,
}

impl<'a> RetryPolicy<'a> {
    pub(crate) fn new(
        timeline: &'a Timeline,
        deadline: At,
        waiting: &'a dyn Fn(At, &str),
    ) -> RetryPolicy<'a> {
        RetryPolicy { timeline, deadline, waiting, turn: Mutex::new(()) }
    }

    /// Returns the time until the deadline.
    pub(super) fn left(&self) -> Duration {
        Duration::from_micros(self.deadline.0.saturating_sub(self.timeline.now().0))
    }

    /// Asks, and asks a few times more while the refusal may pass. Returns the last answer.
    pub(crate) async fn ask(
        &self,
        ask: impl AsyncFn() -> Result<Gathered, NotGathered>,
    ) -> Result<Gathered, NotGathered> {
        let began = self.timeline.now();
        let mut answer = ask().await;
        if !may_pass(&answer) {
            return answer;
        }
        let _turn = self.turn.lock().await;
        for wait_us in WAITS_US {
            let now = self.timeline.now();
            if !may_pass(&answer) || now >= self.deadline || now.since(began) > SLOW_QUESTION_US {
                break;
            }
            let words =
                answer.as_ref().map_or_else(|not| not.words.clone(), Gathered::status_words);
            (self.waiting)(now, &words);
            let wait_us = wait_us.max(asked_us(answer.as_ref().ok()));
            self.timeline.until(At(now.0 + wait_us).min(self.deadline)).await;
            answer = ask().await;
        }
        answer
    }
}

/// Returns the wait that a refusal asks for, microseconds, within its bound.
pub(super) fn asked_us(answer: Option<&Gathered>) -> u64 {
    let asked = answer.and_then(|gathered| gathered.retry_after);
    micros(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
}

fn may_pass(answer: &Result<Gathered, NotGathered>) -> bool {
    answer.as_ref().map_or(true, Gathered::may_pass)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::SystemTime;

    use super::*;
    use crate::run::side_by_side::side_by_side;

    fn answer(status: u16, retry_after: Option<u64>) -> Gathered {
        let retry_after = retry_after.map(Duration::from_secs);
        Gathered {
            status,
            body: Vec::new(),
            sent: At::ZERO,
            first: None,
            retry_after,
            redirect: None,
        }
    }

    /// Asks a server that gives these answers, the last one for ever; returns the last answer, how
    /// often it was asked, and the seconds that it took.
    async fn asked(
        answers: &[Result<Gathered, NotGathered>],
        ready_s: u64,
    ) -> (Result<Gathered, NotGathered>, usize, f64) {
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
        let n = Cell::new(0);
        let patience = RetryPolicy::new(&timeline, At(ready_s * 1_000_000), &|_, _| ());
        let ask = async || {
            n.set(n.get() + 1);
            answers[(n.get() - 1).min(answers.len() - 1)].clone()
        };
        (patience.ask(ask).await, n.get(), timeline.now().seconds())
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_refused_once_is_asked_again() {
        for refusal in [
            Ok(answer(429, None)),
            Ok(answer(503, None)),
            Err(NotGathered::new("reset".to_owned())),
        ] {
            let (last, n, _) = asked(&[refusal, Ok(answer(200, None))], 60).await;
            assert_eq!((last.map(|it| it.status), n), (Ok(200), 2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_the_question_itself_is_final() {
        for status in [400, 404, 413, 422, 501] {
            let (last, n, waited) = asked(&[Ok(answer(status, None))], 60).await;
            assert_eq!((last.map(|it| it.status), n, waited), (Ok(status), 1, 0.0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_given_up_after_a_few_tries_and_at_the_deadline() {
        let (_, n, waited) = asked(&[Ok(answer(500, None))], 60).await;
        assert_eq!((n, waited), (4, 1.75));
        let (_, n, waited) = asked(&[Ok(answer(500, None))], 0).await;
        assert_eq!((n, waited), (1, 0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_that_a_refusal_asks_for_is_kept_within_a_bound() {
        let (_, n, waited) = asked(&[Ok(answer(429, Some(5))), Ok(answer(200, None))], 60).await;
        assert_eq!((n, waited), (2, 5.0));
        let (_, n, waited) =
            asked(&[Ok(answer(429, Some(86_400))), Ok(answer(200, None))], 60).await;
        assert_eq!((n, waited), (2, 30.0));
    }

    #[tokio::test(start_paused = true)]
    async fn questions_refused_for_coming_together_are_asked_again_one_by_one() {
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
        let patience = RetryPolicy::new(&timeline, At(60_000_000), &|_, _| ());
        let busy = Cell::new(false);
        // A server that takes one request at a time.
        let ask = async || {
            if busy.replace(true) {
                return Ok(answer(429, None));
            }
            timeline.until(At(timeline.now().0 + 100_000)).await;
            busy.set(false);
            Ok(answer(200, None))
        };
        let seen = side_by_side(6, (0..6).map(|_| patience.ask(&ask))).await;
        assert!(seen.iter().all(|it| it.as_ref().is_ok_and(|answer| answer.status == 200)));
    }
}
