//! The verbs, one file each: plumbing between the two halves of the house,
//! which meet only here.

pub mod inputs;
pub mod list;
pub mod plan;
pub mod report;
pub mod run;
pub mod sim;

use std::io::{IsTerminal, Write};

pub use inputs::Asked;

use crate::error::Mistake;
use crate::exit::Exit;

/// How a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, on a terminal or in a forum.
    Terminal {
        /// All tables.
        wide: bool,
    },
    /// For programs: what `verdict.json` holds.
    Json,
}

/// Results go to stdout. A reader that went away is no failure of ours.
pub fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Progress, warnings and mistakes go to stderr.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Help and version, or a mistake on the command line.
pub fn told(text: &str, mistake: bool) -> Exit {
    if mistake {
        let _ = std::io::stderr().lock().write_all(plain(text, std::io::stderr().is_terminal()).as_bytes());
        Exit::Mistake
    } else {
        say(&plain(text, std::io::stdout().is_terminal()));
        Exit::Pass
    }
}

/// Tells a mistake.
pub fn mistake(mistake: &Mistake) -> Exit {
    tell(&mistake.to_string());
    Exit::Mistake
}

/// Whether colour is wanted on stdout.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The text with its colours, or without them.
fn plain(text: &str, colour: bool) -> String {
    if colour && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for character in text.chars() {
        match character {
            '\u{1b}' => inside = true,
            _ if inside => inside = !character.is_ascii_alphabetic(),
            _ => out.push(character),
        }
    }
    out
}

/// Sets up what `--verbose` shows.
pub fn talk(verbose: bool) {
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::ERROR };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_target(false)
        .without_time()
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_out_where_nobody_wants_them() {
        assert_eq!(plain("\u{1b}[1merror:\u{1b}[0m no", false), "error: no");
    }
}
