//! The user's wish to stop a run, by signals.

use std::rc::Rc;

use crate::command::tell;
use crate::observe::here;
use crate::run::stop::{self, Stop, StopWord, Stopper};

/// Both ends of the user's wish to stop; signals are listened to from now on.
pub(crate) fn stopping() -> (Rc<Stopper>, Stop) {
    let (stopper, stop) = stop::channel();
    let stopper = Rc::new(stopper);
    tokio::task::spawn_local(listen(stopper.clone()));
    (stopper, stop)
}

/// Ctrl-C, or the end that a service manager asks for: once to drain, twice to stop at once.
async fn listen(stopper: Rc<Stopper>) {
    let mind_hang_up = !here::ignores_hang_up();
    for word in [StopWord::Interrupt, StopWord::InterruptAgain] {
        signalled(mind_hang_up).await;
        tell(match word {
            StopWord::Interrupt => {
                "stopping: what is in flight may end (60 s at the most); again to stop at once"
            }
            _ => "stopping at once",
        });
        // Nobody listens any more when the run is over.
        let _ = stopper.send(word);
    }
}

/// Returns at the next signal that asks to stop. A terminal that goes away asks so too, and
/// the run leaves its report, unless `nohup` was there to prevent just that.
async fn signalled(mind_hang_up: bool) {
    use tokio::signal::unix::{SignalKind, signal};
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
