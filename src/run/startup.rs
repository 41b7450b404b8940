//! Follows the start of a server: keeps what its target reports before the load
//! for the journal, prints progress, and ends the wait as soon as a failed
//! start is reported.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::engine::signature::{self, Meaning};
use crate::escape::one_line;
use crate::fact::{Fact, SignatureMatch, TargetFact, TargetWord};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{LocalFuture, News, Target, TargetOrder};

/// Largest number of facts that are kept; a server that reports more before its first token is not
/// starting properly.
const FACTS_MAX: usize = 4_096;
/// Bytes of the log that are kept, counted from its beginning.
const LOG_BYTES_MAX: usize = 4 << 20;
/// Longest excerpt of a log line, characters.
const LINE_CHARS_MAX: usize = 160;
/// Number of last log lines that are printed when the start failed, and the bytes that are
/// searched for them.
const LAST_LINES: usize = 12;
const LAST_BYTES: usize = 8 << 10;
/// Wait after an exit, microseconds, for its last log lines and for a container engine that
/// restarts it.
const EXIT_GRACE_US: u64 = 2_000_000;
/// Wait after a failure in the log, microseconds, for the exit that follows.
const REASON_WAIT_US: u64 = 20_000_000;

/// Target and its reports from before the load.
pub(crate) struct Startup {
    target: Box<dyn Target>,
    timeline: Timeline,
    /// Whether longhaul starts the server: then a failed start ends the wait.
    is_ours: bool,
    facts: Vec<(At, Fact)>,
    log: Vec<u8>,
    last: VecDeque<u8>,
    /// Identity of the container, kept for the run.
    contained: Option<News>,
    /// First log line that names the failure, and whether that line is only a consequence of
    /// another failure.
    said: Option<(bool, String)>,
    /// Reason for the failed start, and the instant from which it is final.
    failed: Option<(At, String)>,
    /// Prints progress of the start.
    tell: fn(&str),
}

impl Startup {
    /// Returns a startup that has no reports yet.
    pub(crate) fn new(
        target: Box<dyn Target>,
        timeline: Timeline,
        is_ours: bool,
        tell: fn(&str),
    ) -> Startup {
        Startup {
            target,
            timeline,
            is_ours,
            facts: Vec::new(),
            log: Vec::new(),
            last: VecDeque::new(),
            contained: None,
            said: None,
            failed: None,
            tell,
        }
    }

    /// Runs `work` and handles the target's reports meanwhile.
    ///
    /// # Errors
    /// The reason why the server will not start.
    pub(crate) async fn run_until_failed<R>(
        &mut self,
        work: impl Future<Output = R>,
    ) -> Result<R, String> {
        let mut work = std::pin::pin!(work);
        loop {
            let (timeline, failed) = (self.timeline, self.failed.as_ref().map(|(at, _)| *at));
            tokio::select! { biased;
                news = self.target.news() => self.handle(news),
                done = &mut work => return Ok(done),
                () = due(&timeline, failed) => return Err(self.failure_reason()),
            }
        }
    }

    fn handle(&mut self, news: News) {
        match news {
            News::Fact(at, fact) => {
                match &fact {
                    Fact::Target(target) => self.on_target(at, target),
                    Fact::Said(said) => self.on_log_match(at, said),
                    _ => {}
                }
                if self.facts.len() < FACTS_MAX {
                    self.facts.push((at, fact));
                }
            }
            News::Log(bytes) => {
                let room = LOG_BYTES_MAX.saturating_sub(self.log.len());
                self.log.extend_from_slice(&bytes[..bytes.len().min(room)]);
                self.last.extend(bytes);
                let beyond = self.last.len().saturating_sub(LAST_BYTES);
                self.last.drain(..beyond);
            }
            contained @ News::Contained(_) => self.contained = Some(contained),
        }
    }

    fn on_target(&mut self, at: At, target: &TargetFact) {
        let is_over =
            matches!(target.word, TargetWord::Exited | TargetWord::Removed | TargetWord::Failed);
        let is_anew = matches!(
            target.word,
            TargetWord::Launched | TargetWord::Started | TargetWord::Restarted
        );
        if is_over && self.is_ours {
            let why = format!("{} after {:.0} s", target.evidence, at.seconds());
            self.failed = Some((At(at.0 + EXIT_GRACE_US), why));
        } else if is_anew {
            self.failed = None;
        }
    }

    fn on_log_match(&mut self, at: At, said: &SignatureMatch) {
        let Some(signature) = signature::named(&said.signature) else { return };
        let line = one_line(signature::message(&said.line), LINE_CHARS_MAX);
        if let Meaning::Progress(what) = signature.meaning {
            if self.is_ours {
                (self.tell)(&format!("{:>5.0} s  {what}: {line}", at.seconds()));
            }
            return;
        }
        if !signature.meaning.is_bad() {
            return;
        }
        // A vLLM parent process logs that a worker failed before the worker logs why.
        let follows = signature::is_consequence(&said.signature);
        if self.said.as_ref().is_none_or(|(followed, _)| *followed && !follows) {
            self.said = Some((follows, format!("{}: {line}", said.signature)));
        }
        if matches!(signature.meaning, Meaning::StartFailed(_)) && self.is_ours {
            let due = At(at.0 + REASON_WAIT_US);
            self.failed.get_or_insert_with(|| (due, "its log says that it failed".to_owned()));
        }
    }

    /// Returns the reason for the failed start: the first cause in the log, then the exit.
    pub(crate) fn failure_reason(&self) -> String {
        let ended = self.failed.as_ref().map(|(_, why)| why.as_str());
        match (ended, self.said.as_ref().map(|(_, said)| said)) {
            // The cause comes first, because the text may be cut at its end.
            (Some(ended), Some(said)) => format!("{said}; {ended}"),
            (Some(ended), None) => ended.to_owned(),
            (None, Some(said)) => said.clone(),
            (None, None) => String::new(),
        }
    }

    /// Returns a connection error with the log's reason for it, if any.
    pub(crate) fn with_log_reason(&self, words: String) -> String {
        match &self.said {
            Some((_, said)) => format!("{words}; {said}"),
            None => words,
        }
    }

    /// Returns the last lines of the log, for the user.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.last.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let first = lines.len().saturating_sub(LAST_LINES);
        lines[first..].iter().map(|line| one_line(line, LINE_CHARS_MAX)).collect()
    }

    /// Takes the facts so far, in the order of their stamps, and the bytes of the log.
    pub(crate) fn take_facts(&mut self) -> (Vec<(At, Fact)>, Bytes) {
        let mut facts = std::mem::take(&mut self.facts);
        facts.sort_by_key(|(at, _)| *at);
        (facts, Bytes::from(std::mem::take(&mut self.log)))
    }
}

/// Acts as the run's target once the load begins.
impl Target for Startup {
    fn news(&mut self) -> LocalFuture<'_, News> {
        match self.contained.take() {
            Some(news) => Box::pin(std::future::ready(news)),
            None => self.target.news(),
        }
    }

    fn order(&mut self, order: TargetOrder, action: u64) {
        self.target.order(order, action);
    }
}

async fn due(timeline: &Timeline, at: Option<At>) {
    match at {
        Some(at) => timeline.until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::fact::{Severity, Source};

    /// Target that reports a given list of news.
    #[derive(Clone, Default)]
    struct Script(Rc<RefCell<VecDeque<News>>>);

    impl Target for Script {
        fn news(&mut self) -> LocalFuture<'_, News> {
            let next = self.0.borrow_mut().pop_front();
            match next {
                Some(news) => Box::pin(std::future::ready(news)),
                None => Box::pin(std::future::pending()),
            }
        }

        fn order(&mut self, _: TargetOrder, _: u64) {}
    }

    fn startup(news: Vec<News>, is_ours: bool) -> Startup {
        let target = Script(Rc::new(RefCell::new(news.into())));
        Startup::new(Box::new(target), Timeline::start(), is_ours, |_| {})
    }

    fn exited() -> News {
        let fact = TargetFact::new(TargetWord::Exited, "exit code 1");
        News::Fact(At(7_000_000), Fact::Target(fact))
    }

    fn said() -> News {
        let signature = signature::all()
            .find(|row| matches!(row.meaning, Meaning::StartFailed(_)))
            .expect("a start that failed");
        let said = SignatureMatch {
            source: Source::Process,
            signature: signature.name.to_owned(),
            severity: Severity::Fatal,
            line: signature.line.to_owned(),
            whose: None,
        };
        News::Fact(At(6_000_000), Fact::Said(said))
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_of_ours_that_ends_is_not_waited_for() {
        let log = News::Log(Bytes::from("one\ntwo\n"));
        let mut startup = startup(vec![log, said(), exited()], true);
        let why =
            startup.run_until_failed(std::future::pending::<()>()).await.expect_err("it ended");
        assert!(why.ends_with("; exit code 1 after 7 s"), "{why}");
        assert_eq!(startup.last_lines(), ["one", "two"]);
        let (facts, log) = startup.take_facts();
        assert_eq!((facts.len(), log.as_ref()), (2, b"one\ntwo\n".as_ref()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_that_the_log_calls_failed_ends_the_waiting_without_an_exit() {
        let mut startup = startup(vec![said()], true);
        assert!(startup.run_until_failed(std::future::pending::<()>()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn why_is_told_and_not_what_came_of_it_whichever_is_said_first() {
        let line = |name: &str, line: &str| {
            let (signature, line) = (name.to_owned(), line.to_owned());
            let severity = Severity::Fatal;
            News::Fact(
                At(6_000_000),
                Fact::Said(SignatureMatch {
                    source: Source::Process,
                    signature,
                    severity,
                    line,
                    whose: None,
                }),
            )
        };
        // Order of a real vLLM 0.32 log.
        let news = vec![
            line(
                "worker_exception",
                "(Worker pid=24177) ERROR 11-24 17:18:16 [multiproc_executor.py:1063] WorkerProc hit an exception.",
            ),
            line(
                "kv_cache_over_available",
                "(Worker pid=24177) ERROR 11-24 17:18:16 [multiproc_executor.py:1063] ValueError: Available memory on node 0",
            ),
            line("start_failed", "EngineCore failed to start."),
            exited(),
        ];
        let mut startup = startup(news, true);
        let why =
            startup.run_until_failed(std::future::pending::<()>()).await.expect_err("it ended");
        let words = "kv_cache_over_available: ValueError: Available memory on node 0; exit code 1";
        assert!(why.starts_with(words), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_begun_again_is_waited_for() {
        let started = TargetFact::new(TargetWord::Started, "");
        let anew = News::Fact(At(7_100_000), Fact::Target(started));
        let mut startup = startup(vec![exited(), anew], true);
        let work = tokio::time::sleep(std::time::Duration::from_secs(60));
        assert_eq!(startup.run_until_failed(work).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn why_somebody_elses_refuses_is_told_in_the_words_of_its_log() {
        let mut startup = startup(vec![said(), exited()], false);
        let work = tokio::time::sleep(std::time::Duration::from_secs(60));
        assert_eq!(startup.run_until_failed(work).await, Ok(()));
        let words = startup.with_log_reason("Connection refused".to_owned());
        assert!(words.starts_with("Connection refused; "), "{words}");
        assert!(words.len() > 40, "{words}");
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_elses_may_come_back_in_its_own_time() {
        let mut startup = startup(vec![exited()], false);
        let work = tokio::time::sleep(std::time::Duration::from_secs(60));
        assert_eq!(startup.run_until_failed(work).await, Ok(()));
    }
}
