//! Provides programs that stand in for a container engine or sparkrun, and the words of what a
//! target says. Only tests use it.

use std::process::Command;

use tempfile::TempDir;
use tokio::task::LocalSet;

use super::container::ContainerEngine;
use super::handle::{self, NewsSender};
use crate::fact::Fact;
use crate::shown;
use crate::timeline::Timeline;
use crate::world::News;

/// Program in a folder of its own that records its arguments and does what a script says.
pub(super) struct Standin {
    folder: TempDir,
}

impl Standin {
    pub(super) fn new(script: &str) -> Standin {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("engine");
        let asked = folder.path().join("asked");
        let text = format!("#!/bin/sh\necho \"$*\" >> '{}'\n{script}\n", asked.display());
        // Another process writes it: a fork of a test that runs beside would hold it open.
        let write = r#"printf %s "$1" > "$2" && chmod +x "$2""#;
        let written = Command::new("sh").args(["-c", write, "sh", &text]).arg(&path).status();
        assert!(written.is_ok_and(|status| status.success()), "a program is written");
        Standin { folder }
    }

    /// Returns its path.
    pub(super) fn path(&self) -> String {
        self.folder.path().join("engine").display().to_string()
    }

    pub(super) fn engine(&self) -> ContainerEngine {
        ContainerEngine::new(&self.path(), Timeline::start())
    }

    /// Returns the arguments of every call, a line each.
    pub(super) fn asked(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("asked")).unwrap_or_default()
    }

    /// Returns what was told and what the program was asked, without its path.
    pub(super) fn told(&self, told: &str) -> String {
        let asked = self.asked();
        let all = asked.lines().fold(told.to_owned(), |told, line| told + "\n$ engine " + line);
        shown::named(&all, &[(&self.path(), "engine")])
    }
}

/// Returns all facts that the life of a target says, in words.
pub(super) async fn said<F: Future<Output = ()> + 'static>(
    life: impl FnOnce(NewsSender) -> F,
) -> String {
    let local = LocalSet::new();
    let facts = local.run_until(async {
        let mut started = handle::spawn(Timeline::start(), |_, news| {
            let life = life(news);
            async move {
                life.await;
                None
            }
        });
        assert_eq!((&mut started.task).await.ok(), Some(None));
        handle::said(&mut started.handle)
    });
    words(&facts.await)
}

/// Returns facts in words, a line each.
pub(super) fn words(facts: &[Fact]) -> String {
    facts.iter().map(word).collect::<Vec<_>>().join("\n")
}

fn word(fact: &Fact) -> String {
    match fact {
        Fact::Target(fact) => {
            let step = fact.step.as_ref().map(|step| format!(" {step}")).unwrap_or_default();
            let exit = fact.exit.map(|exit| format!(" ({exit:?})")).unwrap_or_default();
            let action = fact.action.map(|id| format!(" [action {id}]")).unwrap_or_default();
            format!("{:?}{step}: {}{exit}{action}", fact.word, fact.evidence)
        }
        Fact::Missed(missed) => format!("missed {}: {}", missed.what, missed.why),
        Fact::Seen(seen) => format!("seen {}: {}", seen.subject, seen.note),
        other => format!("{other:?}"),
    }
}

/// Waits for the first fact that a target says of an action.
pub(super) async fn answer(target: &mut handle::TargetHandle, action: u64) -> String {
    use crate::world::Target;
    loop {
        if let News::Fact(_, Fact::Target(fact)) = target.news().await
            && fact.action == Some(action)
        {
            return word(&Fact::Target(fact));
        }
    }
}
