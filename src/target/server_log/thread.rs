//! Follows a log file. Its reads have a thread of their own: a file of a network that hangs must not
//! delay the load.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::file::{FileLook, FollowedFile};
use crate::engine::lines::LogLines;
use crate::target::log::LogReader;
use crate::timeline::Timeline;
use crate::unit::At;

/// Interval at which the file is looked at.
const LOOK_US: u64 = 200_000;
/// Time after which a look that did not return counts as lost.
const ANSWER_US: u64 = 5_000_000;

/// Follows a file; never returns.
pub(super) async fn follow(file: FollowedFile, log: LogReader, timeline: Timeline) {
    let (asks, asked) = sync_channel(1);
    let (answer, mut looks) = mpsc::channel(1);
    // If no thread can be started, nobody takes the first request.
    let _ = thread::Builder::new()
        .name("server log".to_owned())
        .spawn(move || answer_all(file, timeline, &asked, &answer));
    let mut lines = LogLines::default();
    while let Some((at, look)) = next(&asks, &mut looks, &log, timeline).await {
        log.sees(look.blind);
        if look.begins {
            log.line_ends(&mut lines).await;
        }
        if !look.bytes.is_empty() {
            log.piece(&mut lines, at, Bytes::from(look.bytes)).await;
        }
        if !look.has_more {
            timeline.until(At(timeline.now().0 + LOOK_US)).await;
        }
    }
    log.sees(Some("the thread that reads it is gone".to_owned()));
    std::future::pending::<()>().await;
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
