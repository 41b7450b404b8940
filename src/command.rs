//! Implements the verbs, one file each. Only here the modules that produce a run meet those that
//! report it.

pub(crate) mod compare;
pub(crate) mod drive;
pub(crate) mod inputs;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod recipe;
pub(crate) mod rehearse;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod sim;
pub(crate) mod sweep;

use std::io::{IsTerminal, Write};
use std::sync::{PoisonError, RwLock};

pub(crate) use inputs::{Inputs, KeptTexts};

use tokio::runtime::{Builder, Runtime};

use crate::error::Mistake;
use crate::escape::plain;
use crate::exit::Exit;
use crate::secret::Secrets;

/// Secrets that no output may contain. All terminal output passes the functions below.
static HIDDEN: RwLock<Option<Secrets>> = RwLock::new(None);

/// Adds secrets that are removed from all output from now on.
pub(crate) fn hide(secrets: &Secrets) {
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    hidden.get_or_insert_default().add_all(secrets);
}

fn clean(text: &str) -> String {
    let hidden = HIDDEN.read().unwrap_or_else(PoisonError::into_inner);
    match &*hidden {
        Some(secrets) => secrets.remove_from(text).into_owned(),
        None => text.to_owned(),
    }
}

/// Format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportFormat {
    /// Text for a terminal or a forum.
    Terminal { wide: bool },
    /// JSON for programs: the content of `verdict.json`.
    Json,
}

/// Writes a result to stdout. A closed pipe is not a failure; any other error is reported.
pub(crate) fn print_stdout(text: &str) -> bool {
    print(&clean(text))
}

fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    if let Err(why) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && why.kind() != std::io::ErrorKind::BrokenPipe
    {
        print_stderr(&format!("error: nothing could be written to stdout: {why}"));
        return false;
    }
    true
}

/// Writes a result; if that fails, the exit is a fault, whatever the result was.
pub(crate) fn finish(text: &str, exit: Exit) -> Exit {
    if print_stdout(text) { exit } else { Exit::Fault }
}

/// Writes a text that another program reads, such as a command: byte for byte into a pipe or a
/// file, and without secrets on a terminal.
pub(crate) fn finish_unchanged(text: &str, exit: Exit) -> Exit {
    let is_written = if std::io::stdout().is_terminal() { print_stdout(text) } else { print(text) };
    if is_written { exit } else { Exit::Fault }
}

/// Writes progress, warnings and mistakes to stderr.
pub(crate) fn print_stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(&clean(text)));
}

/// Replaces the last line on a terminal. A closed terminal must not end a soak.
pub(crate) fn rewrite_line(line: &str) {
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "\r\u{1b}[2K{}", plain(&clean(line)));
    let _ = err.flush();
}

/// Writer of `--verbose` output to stderr.
struct Verbose;

impl Write for Verbose {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        std::io::stderr().lock().write_all(clean(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}

/// Prints help and version, or a mistake on the command line.
pub(crate) fn print_clap_message(text: &str, mistake: bool) -> Exit {
    if mistake {
        let _ = std::io::stderr().lock().write_all(clean(text).as_bytes());
        Exit::Mistake
    } else {
        finish(text, Exit::Pass)
    }
}

/// Creates a runtime for this thread, in real time.
///
/// # Errors
/// The system cannot provide a runtime.
pub(crate) fn runtime() -> Result<Runtime, Mistake> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|why| Mistake::new(format!("no runtime: {why}")))
}

/// Prints a mistake.
pub(crate) fn mistake(mistake: &Mistake) -> Exit {
    print_stderr(&mistake.to_string());
    Exit::Mistake
}

/// Whether colour is wanted on stdout.
pub(crate) fn colour() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Sets up the output of `--verbose`.
pub(crate) fn init_tracing(verbose: bool) {
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::ERROR };
    tracing_subscriber::fmt()
        .with_writer(|| Verbose)
        .with_max_level(level)
        .with_target(false)
        .without_time()
        .init();
}
