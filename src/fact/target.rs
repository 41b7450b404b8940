//! The target as it says it is, and what becomes of it. Rows of `events.csv`,
//! with these structures as their `detail`.

use serde::{Deserialize, Serialize};

use crate::unit::At;

/// How a prompt length was fitted to the server's own token count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fitted {
    /// `tokenize`, `usage` or `token_ids`.
    pub method: String,
    /// Context before the prompt, tokens.
    pub depth: u64,
    pub prompt: u64,
    /// What the server counted for a sample of it, template included, where it was asked.
    pub counted: Option<u64>,
}

/// What the server or the box says it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// What it is about: `model`, `max_model_len`, `version`, `abilities`, `plan` …
    pub subject: String,
    /// What the recipe or plan declares, where it does.
    pub declared: Option<String>,
    /// What was seen.
    pub seen: String,
    /// Whether the two differ in a way that a reader must know.
    pub differs: bool,
    /// A sentence for the report, where there is something to say.
    pub note: String,
}

impl Seen {
    /// What was seen, with nothing to compare it with.
    pub(crate) fn plain(subject: &str, seen: String) -> Seen {
        let subject = subject.to_owned();
        Seen { subject, declared: None, seen, differs: false, note: String::new() }
    }

    /// Something that a reader must know, in a sentence of its own.
    pub(crate) fn note(subject: &str, note: String) -> Seen {
        Seen { differs: true, note, ..Seen::plain(subject, String::new()) }
    }

    /// What is to be said of it.
    pub(crate) fn words(&self) -> String {
        if self.note.is_empty() {
            let declared = self.declared.as_deref().unwrap_or("nothing");
            format!("{}: declared {declared}, seen {}", self.subject, self.seen)
        } else {
            format!("{}: {}", self.subject, self.note)
        }
    }
}

/// What became of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TargetWord {
    /// longhaul started it.
    Launched,
    /// A rung of readiness was reached (`rung` says which).
    Ready,
    /// It stopped answering.
    Away,
    /// It answers again.
    Back,
    /// Its process ended.
    Exited,
    /// Its box booted anew, and its process ended with it.
    Rebooted,
    /// It is another process than before.
    Restarted,
    /// Its process was begun again by somebody else: a container engine, a service manager.
    Started,
    /// Somebody sent it a signal through its container engine (`exit.signal` says which).
    Signalled,
    /// Somebody froze it through its container engine.
    Paused,
    /// It was thawed.
    Unpaused,
    /// Its container engine says that memory ran out in it.
    OutOfMemory,
    /// Its container is gone.
    Removed,
    /// It answers its health probe, and nothing that was asked of it moves.
    Hung,
    /// What hung moves again.
    Moving,
    /// What longhaul wanted of it could not be done; `evidence` says why.
    Failed,
}

/// Something became of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TargetFact {
    pub word: TargetWord,
    /// Which rung of readiness: `process`, `port`, `model`, `first_token`.
    pub rung: Option<String>,
    /// When it began, where that was before it was known.
    pub since: Option<At>,
    /// The evidence, in words.
    pub evidence: String,
    /// How its process ended, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exited>,
    /// The action of longhaul's own that it came of, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<u64>,
}

impl TargetFact {
    /// What became of it, and how that is known.
    pub(crate) fn new(word: TargetWord, evidence: impl Into<String>) -> TargetFact {
        let evidence = evidence.into();
        TargetFact { word, rung: None, since: None, evidence, exit: None, action: None }
    }

    /// A rung of readiness was reached.
    pub(crate) fn ready(rung: &str) -> TargetFact {
        TargetFact { rung: Some(rung.to_owned()), ..TargetFact::new(TargetWord::Ready, "") }
    }

    /// The same, begun earlier than it was known.
    #[must_use]
    pub(crate) fn since(self, since: At) -> TargetFact {
        TargetFact { since: Some(since), ..self }
    }
}

/// How a process ended, as far as its parent or its container engine tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exited {
    /// Its exit code. 0 means nothing: vLLM exits with it when its engine dies.
    pub code: Option<i64>,
    /// The signal that ended it, or that was sent to it.
    pub signal: Option<i64>,
    /// Whether its container engine says that its cgroup's OOM killer struck.
    pub oom_killed: Option<bool>,
}
