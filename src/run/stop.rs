//! The user's wish to stop, as it reaches the run.

use tokio::sync::watch;

use super::conductor::{INTERRUPT, INTERRUPT_AGAIN, STOP_ON_FAIL};

/// What was asked for, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum StopWord {
    #[default]
    Go,
    /// A gate is broken and the user had asked to stop then; which gate.
    OnFail(String),
    /// Let what is in flight end.
    Interrupt,
    /// Wait for nothing.
    InterruptAgain,
}

impl StopWord {
    /// The action that stands in the journal, and its note.
    pub(crate) fn action(&self) -> (&'static str, String) {
        match self {
            StopWord::Go => ("go", String::new()),
            StopWord::OnFail(gate) => (STOP_ON_FAIL, gate.clone()),
            StopWord::Interrupt => (INTERRUPT, "asked to stop".to_owned()),
            StopWord::InterruptAgain => (INTERRUPT_AGAIN, "asked to stop at once".to_owned()),
        }
    }
}

/// The receiving end.
pub(crate) struct Stop(watch::Receiver<StopWord>);

/// The end that asks.
pub(crate) type Stopper = watch::Sender<StopWord>;

pub(crate) fn channel() -> (Stopper, Stop) {
    let (stopper, stop) = watch::channel(StopWord::Go);
    (stopper, Stop(stop))
}

impl Stop {
    /// Returns when something new was asked for; never, if nobody can ask any more.
    pub(crate) async fn requested(&mut self) -> StopWord {
        if self.0.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.0.borrow_and_update().clone()
    }
}
