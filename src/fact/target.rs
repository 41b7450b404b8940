//! Defines facts about the target: its statements about itself, and its
//! changes. Rows of `events.csv`, with these structures as their `detail`.

use serde::{Deserialize, Serialize};

use crate::escape::one_line;
use crate::unit::At;

/// Fit of a prompt length to the server's own token count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fitted {
    /// `tokenize`, `usage` or `token_ids`.
    pub method: String,
    /// Context before the prompt, tokens.
    pub depth: u64,
    pub prompt: u64,
    /// The server's count of a sample, template included, where it was measured.
    pub counted: Option<u64>,
}

/// Statement of the server or its machine about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statement {
    /// Subject of it: `model`, `max_model_len`, `version`, `abilities`, `plan` …
    pub subject: String,
    /// Value that the recipe or plan declares, if any.
    pub declared: Option<String>,
    /// Observed value.
    pub seen: String,
    /// Whether the two differ in a way that must be reported.
    pub differs: bool,
    /// A sentence for the report, where there is something to say.
    pub note: String,
}

/// Subject of a statement that the server's identity was read again.
const IDENTITY: &str = "identity";

/// Subject of a statement on the model that answers name.
pub(crate) const ANSWERED_BY: &str = "answered by";

/// Value of that subject where answers name no model.
pub(crate) const NO_MODEL: &str = "(no model named)";

/// Subject of a statement on a change of the server's list of models while answers go on.
pub(crate) const MODEL_LIST: &str = "model list";

/// Longest list of names in a statement, characters.
const NAMES_CHARS_MAX: usize = 160;

impl Statement {
    /// Returns a statement with nothing to compare it with.
    pub(crate) fn plain(subject: &str, seen: String) -> Statement {
        let subject = subject.to_owned();
        Statement { subject, declared: None, seen, differs: false, note: String::new() }
    }

    /// Returns a note for the report.
    pub(crate) fn note(subject: &str, note: String) -> Statement {
        Statement { differs: true, note, ..Statement::plain(subject, String::new()) }
    }

    /// Returns the statement that the server's identity was read again: what became of it, or why
    /// it is not known.
    pub(crate) fn identity(read: Result<String, String>) -> Statement {
        match read {
            Ok(words) => Statement::plain(IDENTITY, words),
            Err(why) => Statement::note(IDENTITY, why),
        }
    }

    /// Returns the statement on the model that answers name, or that they name none; `is_wrong` says
    /// whether it is another than the requested one.
    pub(crate) fn answered_by(asked: &str, named: Option<&str>, is_wrong: bool) -> Statement {
        let seen = named.unwrap_or(NO_MODEL).to_owned();
        let note = format!("answers name the model `{seen}`, and `{asked}` was asked for");
        Statement {
            declared: Some(asked.to_owned()),
            differs: is_wrong,
            note: if is_wrong { note } else { String::new() },
            ..Statement::plain(ANSWERED_BY, seen)
        }
    }

    /// Returns the statement that the server lists others than the models by which it was `known`,
    /// or one of these again.
    pub(crate) fn model_list(known: &[String], others: Option<&[String]>) -> Statement {
        let names = |names: &[String]| one_line(&names.join(", "), NAMES_CHARS_MAX);
        match others {
            Some(others) => Statement {
                declared: Some(names(known)),
                ..Statement::plain(MODEL_LIST, names(others))
            },
            None => Statement::plain(MODEL_LIST, names(known)),
        }
    }

    /// Whether the server's identity was read again, and it answered.
    pub(crate) fn is_identity(&self) -> bool {
        self.subject == IDENTITY && !self.differs
    }

    /// Returns the text for the report.
    pub(crate) fn words(&self) -> String {
        if self.note.is_empty() {
            let declared = self.declared.as_deref().unwrap_or("nothing");
            format!("{}: declared {declared}, seen {}", self.subject, self.seen)
        } else {
            format!("{}: {}", self.subject, self.note)
        }
    }
}

/// Change of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TargetWord {
    /// longhaul started it.
    Launched,
    /// A step of readiness was reached (`step` says which).
    Ready,
    /// The server stopped answering.
    Away,
    /// The server answers again.
    Back,
    /// Its process ended.
    Exited,
    /// Its machine rebooted, and its process ended with it.
    Rebooted,
    /// Its process was replaced by another one.
    Restarted,
    /// Its process was started from outside longhaul: by a container engine or a service manager.
    Started,
    /// The process was sent a signal through its container engine (`exit.signal` says which).
    Signalled,
    /// The container was paused through its container engine.
    Paused,
    /// The container was unpaused.
    Unpaused,
    /// Its container engine reports that it ran out of memory.
    OutOfMemory,
    /// Its container was removed.
    Removed,
    /// The server answers its health probe, but no request makes progress.
    Hung,
    /// A hung server makes progress again.
    Moving,
    /// An order of longhaul could not be carried out; `evidence` says why.
    Failed,
}

/// Change of the target, with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TargetFact {
    pub word: TargetWord,
    /// Step of readiness: `process`, `port`, `model`, `first_token`.
    #[serde(rename = "rung")] // the key in the journal
    pub step: Option<String>,
    /// Instant at which it began, where that is earlier than its detection.
    pub since: Option<At>,
    /// The evidence, in words.
    pub evidence: String,
    /// Exit status of its process, where it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exited>,
    /// Id of longhaul's own action that caused it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<u64>,
}

impl TargetFact {
    /// Returns a change with its evidence.
    pub(crate) fn new(word: TargetWord, evidence: impl Into<String>) -> TargetFact {
        let evidence = evidence.into();
        TargetFact { word, step: None, since: None, evidence, exit: None, action: None }
    }

    /// Returns a step of readiness.
    pub(crate) fn ready(step: &str) -> TargetFact {
        TargetFact { step: Some(step.to_owned()), ..TargetFact::new(TargetWord::Ready, "") }
    }

    /// Returns the change with an earlier begin.
    #[must_use]
    pub(crate) fn since(self, since: At) -> TargetFact {
        TargetFact { since: Some(since), ..self }
    }
}

/// Exit status of a process, as far as its parent or its container engine reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exited {
    /// Exit code. 0 does not mean success: vLLM exits with it when its engine dies.
    pub code: Option<i64>,
    /// Signal that ended the process, or that was sent to it.
    pub signal: Option<i64>,
    /// Whether the container engine reports a kill by the OOM killer of its cgroup.
    pub oom_killed: Option<bool>,
}
