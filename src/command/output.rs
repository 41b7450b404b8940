//! Writes to stdout and stderr, the only place that may: secrets are removed, and foreign text is
//! escaped. Clippy refuses the streams, and `print!` and its kind, in every other file.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal, Write};
use std::sync::{PoisonError, RwLock};

use crate::error::Mistake;
use crate::escape;
use crate::exit::Exit;
use crate::report::Printable;
use crate::secret::Secrets;

/// Secrets that no output may contain.
static HIDDEN: RwLock<Option<Secrets>> = RwLock::new(None);

/// Adds secrets that are removed from all output from now on.
pub(crate) fn hide(secrets: &Secrets) {
    let mut hidden = HIDDEN.write().unwrap_or_else(PoisonError::into_inner);
    hidden.get_or_insert_default().add_all(secrets);
}

/// Removes the secrets from a text.
pub(in crate::command) fn clean(text: &str) -> String {
    let hidden = HIDDEN.read().unwrap_or_else(PoisonError::into_inner);
    match &*hidden {
        Some(secrets) => secrets.remove_from(text).into_owned(),
        None => text.to_owned(),
    }
}

/// Writes a result to stdout. A closed pipe is not a failure; any other error is reported.
pub(crate) fn print_stdout(text: &Printable) -> bool {
    write_stdout(&text.printed(clean))
}

/// Writes a result; if that fails, the exit is a fault, whatever the result was.
pub(crate) fn finish(text: &Printable, exit: Exit) -> Exit {
    if print_stdout(text) { exit } else { Exit::Fault }
}

/// Writes a text that another program reads, such as a command: byte for byte into a pipe or a
/// file. On a terminal it is printed as any other.
pub(crate) fn finish_unchanged(text: &str, exit: Exit) -> Exit {
    if is_stdout_terminal() {
        return finish(&Printable::terminal(text), exit);
    }
    if write_stdout(text) { exit } else { Exit::Fault }
}

#[expect(clippy::disallowed_methods, reason = "its callers have escaped the text")]
fn write_stdout(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    if let Err(why) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && why.kind() != std::io::ErrorKind::BrokenPipe
    {
        print_stderr(&format!("error: nothing could be written to stdout: {why}"));
        return false;
    }
    true
}

/// Writes progress, warnings and mistakes to stderr.
pub(crate) fn print_stderr(text: &str) {
    write_stderr("", &format!("{text}\n"));
}

/// Replaces the last line on a terminal. A closed terminal must not end a soak.
pub(crate) fn rewrite_line(line: &str) {
    write_stderr("\r\u{1b}[2K", line);
}

/// Writes to stderr: what longhaul does to the terminal, and a text, which is escaped.
#[expect(clippy::disallowed_methods, reason = "the text is escaped")]
fn write_stderr(control: &'static str, text: &str) {
    let text = escape::terminal(&clean(text));
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{control}{text}");
    let _ = err.flush();
}

/// Prints a mistake.
pub(crate) fn mistake(mistake: &Mistake) -> Exit {
    print_stderr(&mistake.to_string());
    Exit::Mistake
}

/// Prints help and version, or a mistake on the command line.
pub(crate) fn print_clap_message(text: &str, mistake: bool) -> Exit {
    if !mistake {
        return finish(&Printable::terminal(text), Exit::Pass);
    }
    write_stderr("", text);
    Exit::Mistake
}

/// Whether colour is wanted on stdout.
pub(crate) fn colour() -> bool {
    is_stdout_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "nothing is written")]
fn is_stdout_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether stderr is a terminal.
#[expect(clippy::disallowed_methods, reason = "nothing is written")]
pub(crate) fn is_stderr_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Returns the columns of the terminal at stderr, where it reports them.
#[expect(clippy::disallowed_methods, reason = "nothing is written")]
pub(crate) fn stderr_columns() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| usize::from(width.0))
}

/// Writer of `--verbose` output, an event at a time.
struct Verbose;

impl Write for Verbose {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        write_stderr("", &String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Sets up the output of `--verbose`, and that of a panic, whose words may quote a text.
pub(crate) fn init(verbose: bool) {
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::ERROR };
    tracing_subscriber::fmt()
        .with_writer(|| Verbose)
        .with_max_level(level)
        .with_target(false)
        .without_time()
        .init();
    std::panic::set_hook(Box::new(|panic| {
        let trace = Backtrace::capture();
        let is_asked = trace.status() == BacktraceStatus::Captured;
        print_stderr(&if is_asked { format!("{panic}\n{trace}") } else { panic.to_string() });
    }));
}
