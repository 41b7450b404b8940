//! Starts, stops and removes one container by the engine's command line, and says why where it
//! cannot.

use std::process::{Command, Stdio};

use super::{Container, LABEL};
use crate::fact::Exited;
use crate::target::container::InspectError;
use crate::unit::micros;

/// Limit of `run -d`, and of the engine's commands at an end; a busy daemon takes seconds.
const ORDER_US: u64 = 120_000_000;

/// Container that longhaul started. A drop before its removal runs `rm -f`.
pub(super) struct OwnedContainer {
    pub container: Container,
    /// Id that the engine gave it, as long as it may exist.
    pub id: Option<String>,
}

impl OwnedContainer {
    /// Starts the container and stores its id.
    pub(super) async fn run(&mut self) -> Result<(), String> {
        let Container { engine, words, .. } = &self.container;
        let mut all = vec!["run".to_owned(), "-d".to_owned()];
        all.extend(words.iter().cloned());
        let answer = engine.program.ask(&engine.timeline, &all, ORDER_US).await;
        let answer = answer.map_err(|why| why.words(&engine.program))?;
        if !answer.is_good() {
            return Err(answer.complaint());
        }
        let id = answer.out.lines().last().unwrap_or_default().trim().to_owned();
        if id.len() < 12 || !id.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(format!("`{} run -d` gave no id", engine.program.0));
        }
        self.id = Some(id);
        Ok(())
    }

    /// Removes the remains of a failed start, found by this run's label and so longhaul's own.
    pub(super) async fn sweep(&self) {
        let Container { engine, label, .. } = &self.container;
        let filter = format!("label={LABEL}={label}");
        let asked = ["ps", "-aq", "--no-trunc", "--filter", &filter];
        let Ok(found) = engine.program.ask(&engine.timeline, &asked, ORDER_US).await else {
            return;
        };
        for id in found.out.split_whitespace() {
            // The engine listed it, and an error here could not be handled any better.
            let _ = engine.program.ask(&engine.timeline, &["rm", "-f", id], ORDER_US).await;
        }
    }

    /// Stops and removes the container; returns how its process ended.
    pub(super) async fn end(&mut self) -> Result<Exited, String> {
        let Some(id) = self.id.clone() else { return Ok(Exited::default()) };
        let Container { engine, patience, .. } = &self.container;
        let seconds = patience.as_secs().to_string();
        let limit_us = ORDER_US + micros(*patience);
        let asked = ["stop", "-t", &seconds, &id];
        let stopped = engine.program.ask(&engine.timeline, &asked, limit_us).await;
        let exit = match engine.look(&id).await {
            Ok(look) => Exited { code: look.exit_code, signal: None, oom_killed: look.oom_killed },
            Err(InspectError::Gone) => {
                self.id = None;
                return Ok(Exited::default());
            }
            Err(InspectError::Unanswered(why)) => return Err(why),
        };
        let removed = engine.program.ask(&engine.timeline, &["rm", "-f", &id], ORDER_US).await;
        match removed {
            Ok(answer) if answer.is_good() => self.id = None,
            Ok(answer) => return Err(answer.complaint()),
            Err(why) => return Err(why.words(&engine.program)),
        }
        stopped.map_err(|why| why.words(&engine.program))?;
        Ok(exit)
    }
}

impl Drop for OwnedContainer {
    fn drop(&mut self) {
        let Some(id) = self.id.take().filter(|_| !self.container.keep) else { return };
        // Reached only when a task panicked: nothing can wait for the command or report its result.
        let _ = Command::new(&self.container.engine.program.0)
            .args(["rm", "-f", &id])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::target::standin::Standin;

    const ID: &str = "56726ef06ab41f10";

    pub(in crate::target::docker) fn container(standin: &Standin) -> Container {
        Container {
            engine: standin.engine(),
            words: vec!["a/b@sha256:1".to_owned()],
            label: "7".to_owned(),
            patience: Duration::from_secs(30),
            // Whatever a test leaves is no container.
            keep: true,
            port: None,
        }
    }

    fn ours(standin: &Standin, id: Option<&str>) -> OwnedContainer {
        OwnedContainer { container: container(standin), id: id.map(str::to_owned) }
    }

    #[tokio::test]
    async fn a_start_gives_an_id_or_the_reason_why_there_is_none() {
        let mut all = Vec::new();
        for script in [
            "echo Pulling; echo 56726ef06ab41f10",
            "echo 56726ef06ab4",
            "echo 56726ef06ab",
            "echo 'no number at all'",
            "exit 0",
            "echo 'port is already allocated' >&2; exit 125",
            "exit 125",
            "kill -KILL $$",
        ] {
            let standin = Standin::new(script);
            let mut ours = ours(&standin, None);
            let started = ours.run().await;
            all.push(standin.reported(&format!("{script}\n  {started:?}, {:?}", ours.id)));
        }
        assert_snapshot!("starts", all.join("\n\n"));
    }

    /// Returns a script that answers `stop`, `inspect` and `rm` each with a line of shell.
    fn ending(stop: &str, inspect: &str, rm: &str) -> String {
        format!("case $1 in stop) {stop};; inspect) {inspect};; rm) {rm};; esac")
    }

    const PAGE: &str = r#"echo '[{"Id":"56726ef06ab41f10","State":{"Running":false,"ExitCode":137,"OOMKilled":true}}]'"#;
    const GONE: &str = "echo 'Error: No such container' >&2; exit 1";
    const AWAY: &str = "echo 'Cannot connect to the Docker daemon' >&2; exit 1";

    #[tokio::test]
    async fn an_end_says_how_the_process_ended_or_why_the_container_may_still_be_there() {
        let mut all = Vec::new();
        for (name, script) in [
            ("stopped and removed", ending("true", PAGE, "true")),
            ("stopped late, and removed", ending("exit 1", PAGE, "true")),
            ("gone already", ending(GONE, GONE, GONE)),
            ("no engine", ending(AWAY, AWAY, AWAY)),
            ("not removed", ending("true", PAGE, "echo 'driver busy' >&2; exit 1")),
            ("not understood", ending("true", "echo banana", "true")),
        ] {
            let standin = Standin::new(&script);
            let mut ours = ours(&standin, Some(ID));
            let ended = ours.end().await;
            all.push(standin.reported(&format!("{name}: {ended:?}, id {:?}", ours.id)));
        }
        assert_snapshot!("ends", all.join("\n\n"));
        let standin = Standin::new("exit 1");
        assert_eq!(ours(&standin, None).end().await, Ok(Exited::default()));
        assert_eq!(standin.asked(), "", "what was never started is not touched");
    }

    #[tokio::test]
    async fn what_a_failed_start_left_is_found_by_the_runs_label_alone() {
        let standin = Standin::new("[ $1 = ps ] && printf 'aa\\nbb\\n'");
        ours(&standin, None).sweep().await;
        assert_snapshot!(standin.reported(""), @"
            $ engine ps -aq --no-trunc --filter label=longhaul.run=7
            $ engine rm -f aa
            $ engine rm -f bb
        ");
        let away = Standin::new(AWAY);
        ours(&away, None).sweep().await;
        assert_snapshot!(away.reported(""), @"$ engine ps -aq --no-trunc --filter label=longhaul.run=7");
    }
}
