//! Finds the log of a server that somebody else started, as the user names it: a file, or a unit of
//! systemd. It is followed from its end on, and never written.

mod arrivals;
mod file;
mod thread;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use self::file::FollowedFile;
use super::handle::NewsSender;
use super::log::{LogReader, LogThread};
use super::printed::Printed;
use super::program::Program;
use crate::error::Mistake;
use crate::fact::Source;
use crate::timeline::Timeline;

/// Program that prints the log of a unit.
const JOURNALCTL: &str = "journalctl";
/// Limit of the query whether the log of a unit can be read.
const QUESTION_US: u64 = 20_000_000;

/// Log of a server, as `--server-log` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerLog {
    File(PathBuf),
    /// Unit of systemd.
    Unit {
        name: String,
        /// Whether it belongs to the user's own systemd.
        of_user: bool,
    },
}

impl FromStr for ServerLog {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ServerLog, &'static str> {
        let Some(unit) = text.strip_prefix("journal:") else {
            let path = Some(PathBuf::from(text)).filter(|_| !text.is_empty());
            return path.map(ServerLog::File).ok_or("a file, or journal:UNIT");
        };
        let (name, of_user) = unit.strip_prefix("user:").map_or((unit, false), |name| (name, true));
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("a unit of systemd: journal:UNIT, or journal:user:UNIT");
        }
        Ok(ServerLog::Unit { name: name.to_owned(), of_user })
    }
}

impl fmt::Display for ServerLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerLog::File(path) => write!(f, "{}", path.display()),
            ServerLog::Unit { name, of_user: false } => write!(f, "journal:{name}"),
            ServerLog::Unit { name, of_user: true } => write!(f, "journal:user:{name}"),
        }
    }
}

/// Log that can be read.
#[derive(Debug)]
pub(crate) enum FoundLog {
    File(FollowedFile),
    Unit(Printed),
}

impl ServerLog {
    /// Finds the log, at its present end.
    ///
    /// # Errors
    /// There is no such file or unit, or its log cannot be read.
    pub(crate) async fn find(&self, timeline: Timeline) -> Result<FoundLog, Mistake> {
        match self {
            ServerLog::File(path) => FollowedFile::open_at_end(path).map(FoundLog::File),
            ServerLog::Unit { name, of_user } => {
                let journalctl = Program(JOURNALCTL.to_owned());
                has_lines(&journalctl, name, *of_user, timeline).await?;
                let words = words(name, *of_user, &["--follow", "--lines=0"]);
                let again = words.clone();
                Ok(FoundLog::Unit(Printed { program: journalctl, words, again }))
            }
        }
    }
}

impl FoundLog {
    /// Starts to follow the log, and to report its coverage, until the thread is dropped.
    pub(super) fn listen(self, news: &NewsSender) -> LogThread {
        let log = LogReader::new(news.clone(), Source::Process);
        let (thread, timeline) = (LogThread::start(), news.timeline());
        thread.runtime().spawn(log.clone().cover());
        match self {
            FoundLog::File(file) => thread.runtime().spawn(thread::follow(file, log, timeline)),
            FoundLog::Unit(printed) => thread.runtime().spawn(printed.follow(log, timeline)),
        };
        thread
    }
}

fn words(unit: &str, of_user: bool, more: &[&str]) -> Vec<String> {
    let flag = if of_user { "--user-unit" } else { "--unit" };
    let words = more.iter().copied().chain(["--output=cat", flag, unit]);
    words.map(str::to_owned).collect()
}

/// Checks that the journal has a line of a unit. `journalctl` follows the log of a unit that does
/// not exist, or that the user may not read, without a complaint.
async fn has_lines(
    journalctl: &Program,
    unit: &str,
    of_user: bool,
    timeline: Timeline,
) -> Result<(), Mistake> {
    let mistake = |what: String| Mistake::new(what).at("--server-log");
    let asked = words(unit, of_user, &["--quiet", "--lines=1"]);
    let answer = journalctl.ask(&timeline, &asked, QUESTION_US).await.map_err(|why| {
        mistake(why.words(journalctl)).hint("--server-log FILE, if the server writes one")
    })?;
    if !answer.is_good() {
        return Err(mistake(format!("`{JOURNALCTL}`: {}", answer.complaint())));
    }
    if answer.out.trim().is_empty() {
        let user = if of_user { " --user" } else { "" };
        return Err(mistake(format!("the journal shows you no line of a unit `{unit}`"))
            .hint(format!("systemctl{user} list-units --type service"))
            .hint("a user of the group systemd-journal may read the system's journal"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_a_file_or_a_unit_of_the_system_or_of_the_user() {
        let unit = |name: &str, of_user| ServerLog::Unit { name: name.to_owned(), of_user };
        for (text, log) in [
            ("vllm.log", ServerLog::File(PathBuf::from("vllm.log"))),
            ("./journal:x", ServerLog::File(PathBuf::from("./journal:x"))),
            ("journal:vllm", unit("vllm", false)),
            ("journal:vllm@0.service", unit("vllm@0.service", false)),
            ("journal:user:vllm", unit("vllm", true)),
        ] {
            assert_eq!(text.parse(), Ok(log.clone()));
            assert_eq!(log.to_string(), text, "it is repeated as it was given");
        }
        for text in ["", "journal:", "journal:user:", "journal:a b", "journal:a\nb"] {
            assert!(text.parse::<ServerLog>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_unit_is_one_word_of_the_command() {
        let all = |unit, of_user| words(unit, of_user, &["--follow", "--lines=0"]).join(" ");
        assert_eq!(all("vllm", false), "--follow --lines=0 --output=cat --unit vllm");
        assert_eq!(all("-.slice", true), "--follow --lines=0 --output=cat --user-unit -.slice");
    }
}
