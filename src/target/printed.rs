//! Follows a log that a program prints, such as `journalctl --follow`. The program is called again
//! whenever it ends, and what was printed meanwhile is not read.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;

use super::log::LogReader;
use super::program::Program;
use crate::escape::one_line;
use crate::timeline::Timeline;
use crate::unit::At;

/// Wait before the program is called again.
const AGAIN_US: u64 = 5_000_000;
/// Time without an end after which the log counts as being read again.
const OPENS_US: u64 = 2_000_000;
/// Limit of a complaint, characters.
const COMPLAINT_CHARS: usize = 200;
/// Limit of the error output that is kept of one call, bytes.
const COMPLAINT_BYTES: u64 = 4_096;

/// Log that a program prints.
#[derive(Clone, Debug)]
pub(crate) struct Printed {
    pub program: Program,
    /// Arguments of the first call.
    pub words: Vec<String>,
    /// Arguments of the calls after it.
    pub again: Vec<String>,
}

impl Printed {
    /// Follows the log; never returns.
    pub(super) async fn follow(self, log: LogReader, timeline: Timeline) {
        let mut words = &self.words;
        loop {
            let why = match self.program.follow(words) {
                Ok(child) => read(child, &log, timeline).await,
                Err(why) => why.to_string(),
            };
            log.sees(Some(format!("`{}`: {why}", self.program.0)));
            words = &self.again;
            timeline.until(At(timeline.now().0 + AGAIN_US)).await;
        }
    }
}

/// Reads what a program prints to its end; returns how it ended.
async fn read(mut child: Child, log: &LogReader, timeline: Timeline) -> String {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let printed = async {
        if let Some(out) = out {
            log.clone().read(out).await;
        }
    };
    let mut both = Box::pin(async { tokio::join!(printed, complaint(err)).1 });
    let opens = At(timeline.now().0 + OPENS_US);
    let complaint = if let Some(complaint) = timeline.before(opens, &mut both).await {
        complaint
    } else {
        log.sees(None);
        both.await
    };
    match child.wait().await {
        Err(why) => why.to_string(),
        Ok(status) if complaint.is_empty() => format!("it ended: {status}"),
        Ok(_) => complaint,
    }
}

/// Returns the last line of a program's error output.
async fn complaint(err: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut err) = err else { return String::new() };
    let mut bytes = Vec::new();
    // After an error, what was read so far is the output.
    let _ = (&mut err).take(COMPLAINT_BYTES).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut err, &mut tokio::io::sink()).await;
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    one_line(last.unwrap_or_default().trim(), COMPLAINT_CHARS)
}
