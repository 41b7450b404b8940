//! Receives the user's request to stop a run, by signals.

use std::rc::Rc;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::command::print_stderr;
use crate::observe::this_machine;
use crate::run::stop::{self, Stop, StopWord, Stopper};

/// Creates both ends of the stop request, and listens to signals from now on.
pub(crate) fn stopping() -> (Rc<Stopper>, Stop) {
    let (stopper, stop) = stop::channel();
    let stopper = Rc::new(stopper);
    tokio::task::spawn_local(listen(stopper.clone()));
    (stopper, stop)
}

/// Listens to Ctrl-C and a service manager's SIGTERM: one to drain, two to stop at once.
async fn listen(stopper: Rc<Stopper>) {
    let mind_hang_up = !this_machine::ignores_hang_up();
    // Where a signal is received, it does not kill: a write beyond the limit of a file's size fails.
    let _size_limit = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
    for word in [StopWord::Interrupt, StopWord::InterruptAgain] {
        signalled(mind_hang_up).await;
        print_stderr(match word {
            StopWord::Interrupt => {
                "stopping: what is in flight may end (60 s at the most); again to stop at once"
            }
            _ => "stopping at once",
        });
        // The receiver is gone when the run is over.
        let _ = stopper.send(word);
    }
}

/// Waits for the next signal that asks to stop. SIGHUP of a closed terminal asks so too, and the
/// run leaves its report, unless it was started with `nohup`.
async fn signalled(mind_hang_up: bool) {
    let next = async |kind: SignalKind| match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! { biased;
        () = next(SignalKind::interrupt()) => {}
        () = next(SignalKind::terminate()) => {}
        () = next(SignalKind::hangup()), if mind_hang_up => {}
    }
}
