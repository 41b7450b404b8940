//! Provides programs that stand in for a container engine or sparkrun, and the words of what a
//! target says. Only tests use it.

use std::process::Command;

use tempfile::TempDir;
use tokio::task::LocalSet;

use super::container::ContainerEngine;
use super::handle::{self, Leftovers, NewsSender, StartedTarget};
use crate::fact::Fact;
use crate::shown;
use crate::spec::SpecFile;
use crate::spec::recipe::{ReadOptions, ReadRecipe, read_as};
use crate::timeline::Timeline;
use crate::world::{News, Target, TargetOrder};

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

    /// Returns what was reported and what the program was asked, without its path.
    pub(super) fn reported(&self, reported: &str) -> String {
        let asked = self.asked();
        let all = asked
            .lines()
            .fold(reported.to_owned(), |reported, line| reported + "\n$ engine " + line);
        shown::named(&all, &[(&self.path(), "engine")])
    }
}

/// Reads a recipe.
pub(super) fn reading(origin: &str, text: &str) -> ReadRecipe {
    let source =
        SpecFile { name: "r".to_owned(), origin: origin.to_owned(), text: text.to_owned() };
    read_as(&source, &ReadOptions::default(), &|_| Ok(None)).expect("a recipe")
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
    loop {
        if let News::Fact(_, Fact::Target(fact)) = target.news().await
            && fact.action == Some(action)
        {
            return word(&Fact::Target(fact));
        }
    }
}

/// Gives a target orders, numbered from 1, and lets it go; returns the first fact that it says of
/// each, a line each, and what remains of it.
pub(super) async fn answers(
    mut started: StartedTarget,
    orders: &[TargetOrder],
) -> (String, Leftovers) {
    let mut said = Vec::new();
    for (order, action) in orders.iter().zip(1..) {
        started.handle.order(*order, action);
        said.push(answer(&mut started.handle, action).await);
    }
    drop(started.handle);
    (said.join("\n"), started.task.await.expect("an end"))
}
