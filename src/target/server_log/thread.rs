//! Follows a log file. Its reads have a thread of their own, so that one that hangs is noticed, as
//! for a file of a network.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::mpsc;

use super::file::{FileLook, FollowedFile};
use crate::engine::lines::LogLines;
use crate::target::log::{LogReader, TICK_US};
use crate::timeline::Timeline;
use crate::unit::At;

/// Time after which a look that did not return counts as lost.
const ANSWER_US: u64 = 5_000_000;
/// Time for which the end of the file may not be reached.
const BEHIND_US: u64 = 500_000;

/// Follows a file; never returns.
pub(super) async fn follow(file: FollowedFile, log: LogReader, timeline: Timeline) {
    let (asks, asked) = sync_channel(1);
    let (answer, mut looks) = mpsc::channel(1);
    // If no thread can be started, nobody takes the first request.
    let _ = thread::Builder::new()
        .name("log file".to_owned())
        .spawn(move || answer_all(file, timeline, &asked, &answer));
    let mut lines = LogLines::default();
    let mut lag = Lag { caught_up: timeline.now() };
    while let Some((at, look)) = next(&asks, &mut looks, &log, timeline).await {
        if look.gap.is_some() {
            log.sees(look.gap);
        }
        log.sees(look.blind.or(lag.words(at, look.behind_bytes)));
        if look.begins {
            log.line_ends(&mut lines).await;
        }
        if look.bytes.is_empty() {
            log.rests(&mut lines).await;
        } else {
            log.piece(&mut lines, at, &look.bytes).await;
        }
        if look.behind_bytes == 0 {
            timeline.until(At(timeline.now().0 + TICK_US)).await;
        }
    }
    log.sees(Some("the thread that reads it is gone".to_owned()));
    std::future::pending::<()>().await;
}

/// Lag of the reader behind the end of the file.
struct Lag {
    /// Instant at which the end was last reached.
    caught_up: At,
}

impl Lag {
    /// Returns a lag in words, once it lasts.
    fn words(&mut self, at: At, behind_bytes: u64) -> Option<String> {
        if behind_bytes == 0 {
            self.caught_up = at;
        }
        let is_late = at.since(self.caught_up) > BEHIND_US;
        is_late.then(|| format!("longhaul is {} MB behind", behind_bytes.div_ceil(1_000_000)))
    }
}

/// Returns the next look, however long it takes; `None` where nobody looks.
async fn next(
    asks: &SyncSender<()>,
    looks: &mut mpsc::Receiver<(At, FileLook)>,
    log: &LogReader,
    timeline: Timeline,
) -> Option<(At, FileLook)> {
    asks.try_send(()).ok()?;
    loop {
        let deadline = At(timeline.now().0 + ANSWER_US);
        match timeline.before(deadline, looks.recv()).await {
            Some(look) => return look,
            None => log.sees(Some("no answer in time".to_owned())),
        }
    }
}

/// Looks whenever it is asked to; returns when nobody wants the answers any more.
fn answer_all(
    mut file: FollowedFile,
    timeline: Timeline,
    asked: &Receiver<()>,
    answer: &mpsc::Sender<(At, FileLook)>,
) {
    while asked.recv().is_ok() {
        let look = file.look();
        if answer.blocking_send((timeline.now(), look)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_does_not_reach_the_end_for_a_while_is_behind_until_it_does() {
        let mut lag = Lag { caught_up: At(0) };
        let mut words = |at_ms: u64, behind_bytes| lag.words(At(at_ms * 1_000), behind_bytes);
        assert_eq!(words(500, 80_000_000), None, "a burst is read");
        assert_eq!(words(501, 34_000_001).as_deref(), Some("longhaul is 35 MB behind"));
        assert_eq!(words(900, 0), None);
        assert_eq!(words(1_400, 1), None);
        assert_eq!(words(1_401, 1).as_deref(), Some("longhaul is 1 MB behind"));
    }
}
