//! Receives a request to stop between two starts, when no run listens: while one is judged, or the
//! next is read.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Mistake;
use crate::observe::this_machine;

/// Time for which the runtime checks whether a signal has arrived.
const LOOK: Duration = Duration::from_millis(1);

/// Listener for signals, from its creation on.
pub(super) struct Signals {
    runtime: Runtime,
    heard: Vec<Signal>,
}

impl Signals {
    /// Listens to the signals that a run listens to.
    ///
    /// # Errors
    /// The system cannot provide a runtime or signals.
    pub(super) fn listen() -> Result<Signals, Mistake> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if !this_machine::ignores_hang_up() {
            kinds.push(SignalKind::hangup());
        }
        Signals::of(kinds)
    }

    fn of(kinds: Vec<SignalKind>) -> Result<Signals, Mistake> {
        let refused = |why: std::io::Error| Mistake::new(format!("no signals: {why}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(refused)?;
        let guard = runtime.enter();
        let heard = kinds.into_iter().map(signal).collect::<Result<_, _>>().map_err(refused)?;
        drop(guard);
        Ok(Signals { runtime, heard })
    }

    /// Whether a signal has arrived since the last call.
    pub(super) fn came(&mut self) -> bool {
        let Signals { runtime, heard } = self;
        runtime.block_on(async {
            tokio::time::sleep(LOOK).await;
            let mut came = false;
            for signal in heard {
                tokio::select! { biased;
                    _ = signal.recv() => came = true,
                    () = std::future::ready(()) => {}
                }
            }
            came
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_came_while_nobody_ran_is_heard_once() {
        let mut signals = Signals::of(vec![SignalKind::user_defined2()]).unwrap();
        assert!(!signals.came());
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::USR2)
            .unwrap();
        assert!((0..200).any(|_| signals.came()), "heard");
        assert!(!signals.came(), "once");
    }
}
