//! Runs another program with a time limit: a container engine's command line, or `sparkrun`. A
//! command line follows the user's own settings (a remote host, a context, a rootless podman), and
//! a test can replace it easily.

use std::io;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::timeline::Timeline;
use crate::unit::At;

/// Limit of the output that is kept; the rest is read and dropped.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// Program, by its name or path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program(pub String);

/// Output of a program that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProgramOutput {
    /// Exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Reason why a program gave no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// No such program.
    NoProgram,
    /// The program did not end in time.
    TooLate(u64),
    /// The program could not be started or read.
    Broke(String),
}

impl NoAnswer {
    pub(crate) fn words(&self, program: &Program) -> String {
        let name = &program.0;
        match self {
            NoAnswer::NoProgram => format!("there is no program `{name}` here"),
            NoAnswer::TooLate(limit_us) => {
                format!("`{name}` did not answer in {} s", limit_us / 1_000_000)
            }
            NoAnswer::Broke(why) => format!("`{name}`: {why}"),
        }
    }
}

impl ProgramOutput {
    /// Whether the program succeeded.
    pub(crate) fn is_good(&self) -> bool {
        self.code == Some(0)
    }

    /// Returns the error output, or how the program ended where there is none.
    pub(crate) fn complaint(&self) -> String {
        let err = self.err.trim();
        match (err.is_empty(), self.code) {
            (false, _) => err.to_owned(),
            (true, Some(code)) => format!("it ended with code {code} and said nothing"),
            (true, None) => "it was ended by a signal".to_owned(),
        }
    }
}

impl Program {
    /// Runs the program to its end; at the limit, kills it and all that it started.
    pub(crate) async fn ask(
        &self,
        timeline: &Timeline,
        arguments: &[impl AsRef<std::ffi::OsStr>],
        limit_us: u64,
    ) -> Result<ProgramOutput, NoAnswer> {
        let mut child = self.follow(arguments).map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => NoAnswer::NoProgram,
            _ => NoAnswer::Broke(why.to_string()),
        })?;
        let (group, out, err) = (child.id(), child.stdout.take(), child.stderr.take());
        let all = async { tokio::join!(read(out), read(err), child.wait()) };
        let deadline = At(timeline.now().0.saturating_add(limit_us));
        let Some((out, err, status)) = timeline.before(deadline, all).await else {
            end(group);
            return Err(NoAnswer::TooLate(limit_us));
        };
        let status = status.map_err(|why| NoAnswer::Broke(why.to_string()))?;
        Ok(ProgramOutput { code: status.code(), out, err })
    }

    /// Starts the program with its output in pipes. A drop kills it. It has its own process group,
    /// so that only longhaul receives a Ctrl-C at the terminal.
    pub(crate) fn follow(&self, arguments: &[impl AsRef<std::ffi::OsStr>]) -> io::Result<Child> {
        Command::new(&self.0)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// Kills a process group: the leader may be a script around the program that hangs.
fn end(group: Option<u32>) {
    let group = group.and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(group) = group {
        // A failure means that the group has already ended.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Reads a pipe to its end.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut bytes = Vec::new();
    // After an error, what was read so far is the output.
    let _ = (&mut pipe).take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_program_that_hangs_has_started_ends_with_it() {
        let timeline = Timeline::start();
        // A pipe without a reader would also end the child; a file does not.
        let words = ["-c", "sleep 600 >/dev/null 2>&1 & echo $! >&2; wait"];
        let shell = Program("sh".to_owned());
        let mut child = shell.follow(&words).expect("started");
        let mut line = [0; 16];
        let read = child.stderr.as_mut().expect("a pipe").read(&mut line).await.expect("its id");
        let id = String::from_utf8_lossy(&line[..read]).trim().parse().expect("a number");
        end(child.id());
        let _ = child.wait().await;
        // The process that adopted it collects its exit status a moment later.
        let gone = async {
            while is_alive(id) {
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(timeline.before(At(20_000_000), gone).await, Some(()));
        let late = shell.ask(&timeline, &words, 1).await;
        assert_eq!(late, Err(NoAnswer::TooLate(1)));
    }

    #[tokio::test]
    async fn whatever_a_program_does_is_told_in_a_sentence() {
        let timeline = Timeline::start();
        let shell = Program("sh".to_owned());
        let mut reported = Vec::new();
        for script in ["echo fine", "echo ' no ' >&2; exit 3", "exit 3", "kill -KILL $$"] {
            let answer = shell.ask(&timeline, &["-c", script], 60_000_000).await.expect("an end");
            reported.push(format!(
                "{script}: {} {:?} {}",
                answer.is_good(),
                answer.out,
                answer.complaint()
            ));
        }
        let nowhere = Program("/no/such/program".to_owned());
        let none: [&str; 0] = [];
        for program in [nowhere, Program("/".to_owned())] {
            let why = program.ask(&timeline, &none, 60_000_000).await.expect_err("no answer");
            reported.push(why.words(&program));
        }
        reported.push(NoAnswer::TooLate(20_000_000).words(&shell));
        insta::assert_snapshot!(reported.join("\n"), @r#"
            echo fine: true "fine\n" it ended with code 0 and said nothing
            echo ' no ' >&2; exit 3: false "" no
            exit 3: false "" it ended with code 3 and said nothing
            kill -KILL $$: false "" it was ended by a signal
            there is no program `/no/such/program` here
            `/`: Permission denied (os error 13)
            `sh` did not answer in 20 s
        "#);
    }

    /// Whether a process runs; a zombie does not.
    fn is_alive(id: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    }
}
