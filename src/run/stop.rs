//! Passes the user's requests to stop on to the run.

use tokio::sync::watch;

use super::conductor::{INTERRUPT, INTERRUPT_AGAIN, STOP_ON_FAIL};

/// Latest request to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum StopWord {
    #[default]
    Go,
    /// Stop because a gate is broken, as the user asked for; the gate.
    OnFail(String),
    /// Let requests in flight end.
    Interrupt,
    /// Wait for nothing.
    InterruptAgain,
}

impl StopWord {
    /// Returns the action word for the journal, and its note.
    pub(crate) fn action(&self) -> (&'static str, String) {
        match self {
            StopWord::Go => ("go", String::new()),
            StopWord::OnFail(gate) => (STOP_ON_FAIL, gate.clone()),
            StopWord::Interrupt => (INTERRUPT, "asked to stop".to_owned()),
            StopWord::InterruptAgain => (INTERRUPT_AGAIN, "asked to stop at once".to_owned()),
        }
    }
}

/// Receiver of requests to stop.
pub(crate) struct Stop(watch::Receiver<StopWord>);

/// Sender of requests to stop.
pub(crate) type Stopper = watch::Sender<StopWord>;

pub(crate) fn channel() -> (Stopper, Stop) {
    let (stopper, stop) = watch::channel(StopWord::Go);
    (stopper, Stop(stop))
}

impl Stop {
    /// Waits for the next request to stop; for ever if no sender is left.
    pub(crate) async fn requested(&mut self) -> StopWord {
        if self.0.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.0.borrow_and_update().clone()
    }
}
