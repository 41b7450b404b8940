//! Runs one process, from its start to the end of all its descendants.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::task::JoinSet;

use super::Process;
use crate::fact::Exited;
use crate::process::Stat;
use crate::target::log::{LogReader, LogThread};
use crate::target::tree::ProcessTree;
use crate::timeline::Timeline;
use crate::unit::{At, micros};

/// Limit of the wait for the last log lines: a process left behind may hold the pipe open.
const LAST_WORDS_US: u64 = 1_000_000;
/// Limit of the wait for killed processes to disappear.
const KILLED_US: u64 = 10_000_000;
/// Interval at which their end is checked.
const LOOK_US: u64 = 50_000;

/// Process that longhaul started. A drop kills its whole tree.
pub(super) struct Child {
    pub pid: u32,
    /// The process and all its descendants.
    pub tree: ProcessTree,
    handle: tokio::process::Child,
    /// Readers of its output.
    readers: JoinSet<()>,
}

/// Result of ending a process tree.
pub(super) struct ProcessEnd {
    /// Exit status of the process itself.
    pub status: io::Result<ExitStatus>,
    /// Processes that still run.
    pub left: Vec<Stat>,
}

impl Child {
    /// Starts a command in its own process group.
    pub(super) fn spawn(process: &Process) -> io::Result<Child> {
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(&process.command)
            .envs(process.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if let Some(folder) = &process.folder {
            command.current_dir(folder);
        }
        let handle = command.spawn()?;
        let pid = handle.id().ok_or_else(|| io::Error::other("it ended at once"))?;
        Ok(Child { pid, tree: ProcessTree::of_group(pid), handle, readers: JoinSet::new() })
    }

    /// Spawns the readers of its output in the log's thread, whose runtime then polls the pipes.
    pub(super) fn listen(&mut self, log: &LogReader, thread: &LogThread) {
        let out = self.handle.stdout.take().map(ChildStdout::into_owned_fd);
        let err = self.handle.stderr.take().map(ChildStderr::into_owned_fd);
        for pipe in [out, err].into_iter().flatten() {
            self.readers.spawn_on(log.clone().read_fd(pipe), thread.runtime());
        }
    }

    /// Waits for its exit status.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.handle.wait().await
    }

    /// Waits until its output is read, for a limited time.
    pub(super) async fn heard(&mut self, timeline: &Timeline) {
        let deadline = At(timeline.now().0 + LAST_WORDS_US);
        let all = async { while self.readers.join_next().await.is_some() {} };
        // A process that holds the pipe open longer is not waited for.
        let _ = timeline.before(deadline, all).await;
    }

    /// Asks the whole tree to end, and kills what does not.
    pub(super) async fn end(&mut self, timeline: &Timeline, patience: Duration) -> ProcessEnd {
        self.tree.look();
        self.tree.ask_to_end();
        if !self.gone(timeline, micros(patience)).await {
            self.tree.end();
            self.gone(timeline, KILLED_US).await;
        }
        let left = self.tree.look();
        let status = match self.handle.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(io::Error::other("it does not end")),
            Err(why) => Err(why),
        };
        ProcessEnd { status, left }
    }

    /// Whether the whole tree ends within the limit.
    async fn gone(&mut self, timeline: &Timeline, limit_us: u64) -> bool {
        let deadline = At(timeline.now().0 + limit_us);
        loop {
            // The exit status must be collected, or the process stays as a zombie.
            let is_over = !matches!(self.handle.try_wait(), Ok(None));
            if is_over && self.tree.look().is_empty() {
                return true;
            }
            let now = timeline.now();
            if now >= deadline {
                return false;
            }
            timeline.until(At(now.0 + LOOK_US).min(deadline)).await;
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.tree.end();
    }
}

/// Converts an exit status to a fact.
pub(super) fn exit(status: &io::Result<ExitStatus>) -> Exited {
    let status = status.as_ref().ok();
    Exited {
        code: status.and_then(ExitStatus::code).map(i64::from),
        signal: status.and_then(ExitStatusExt::signal).map(i64::from),
        oom_killed: None,
    }
}

/// Describes an exit status in words.
pub(super) fn how(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => status.to_string(),
        },
        Err(why) => format!("how it ended is not known: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_a_code_a_signal_or_not_known() {
        let status = |raw: i32| Ok(ExitStatus::from_raw(raw));
        let reported = [status(0), status(3 << 8), status(9), Err(io::Error::other("no child"))]
            .map(|status| format!("{}: {:?}", how(&status), exit(&status)));
        insta::assert_snapshot!(reported.join("\n"), @"
            exit code 0: Exited { code: Some(0), signal: None, oom_killed: None }
            exit code 3: Exited { code: Some(3), signal: None, oom_killed: None }
            ended by signal 9: Exited { code: None, signal: Some(9), oom_killed: None }
            how it ended is not known: no child: Exited { code: None, signal: None, oom_killed: None }
        ");
    }
}
