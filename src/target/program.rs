//! Another program, asked with a limit: a container engine's command line, or
//! `sparkrun`. Their command lines reach where their own settings lead (another
//! host, a context, a user's podman), and they are easy to stand in for.

use std::io;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::timeline::Timeline;
use crate::unit::At;

/// Bounds what is kept of an answer; the rest is read and dropped.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// A program by its name or path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(pub String);

/// What a program said at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code; nothing where a signal ended it.
    pub code: Option<i32>,
    /// Its output.
    pub out: String,
    /// What it complained of.
    pub err: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// There is no such program.
    NoProgram,
    /// It did not end in time.
    TooLate(u64),
    /// It could not be started or read.
    Broke(String),
}

impl NoAnswer {
    /// In words.
    pub fn words(&self, program: &Program) -> String {
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

impl Answer {
    /// Whether it was content.
    pub fn is_good(&self) -> bool {
        self.code == Some(0)
    }

    /// What it complained of, or how it ended where it did not say.
    pub fn complaint(&self) -> String {
        let err = self.err.trim();
        match (err.is_empty(), self.code) {
            (false, _) => err.to_owned(),
            (true, Some(code)) => format!("it ended with code {code} and said nothing"),
            (true, None) => "it was ended by a signal".to_owned(),
        }
    }
}

impl Program {
    /// Runs it to its end, at most so long; then it is killed.
    pub async fn ask(
        &self,
        timeline: &Timeline,
        arguments: &[impl AsRef<std::ffi::OsStr>],
        limit_us: u64,
    ) -> Result<Answer, NoAnswer> {
        let mut child = self.follow(arguments).map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => NoAnswer::NoProgram,
            _ => NoAnswer::Broke(why.to_string()),
        })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let all = async { tokio::join!(read(out), read(err), child.wait()) };
        let deadline = At(timeline.now().0.saturating_add(limit_us));
        let (out, err, status) =
            timeline.before(deadline, all).await.ok_or(NoAnswer::TooLate(limit_us))?;
        let status = status.map_err(|why| NoAnswer::Broke(why.to_string()))?;
        Ok(Answer { code: status.code(), out, err })
    }

    /// Starts it with its output in pipes. Dropped, it is killed. In a process group of its
    /// own: a Ctrl-C at the terminal is longhaul's to hear.
    pub fn follow(&self, arguments: &[impl AsRef<std::ffi::OsStr>]) -> io::Result<Child> {
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

/// Reads a pipe to its end.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut bytes = Vec::new();
    // What was read before an error is what there is.
    let _ = (&mut pipe).take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
