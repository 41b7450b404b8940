//! Holds the settings that a recipe declares against what the server showed: what its log, its
//! metrics and its list of models tell, and how it behaved under load.

mod drafts;
mod reasoning;
mod running;
mod told;

use std::collections::BTreeMap;

use crate::engine::effect::{self, UNKNOWN, value};
use crate::fact::{Entry, Fact, Seq};
use crate::spec::recipe::DeclaredSettings;
use crate::words::words;

use drafts::Drafts;
use reasoning::Reasoning;
use running::Running;
use told::ToldSettings;

/// Whether a setting has an effect, as far as the run shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EffectWord {
    NotInEffect,
    NotSeen,
    /// The server took the value, and nothing shows that it follows it.
    Given,
    InEffect,
}

words!(EffectWord {
    NotInEffect: "not in effect",
    NotSeen: "not seen",
    Given: "in effect by its arguments",
    InEffect: "in effect",
});

/// Setting of the recipe, and whether it has an effect.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SettingEffect {
    /// Common name; `env.NAME` for an environment variable.
    pub setting: String,
    /// Declared value; `None` for an environment variable, whose value may be secret.
    pub declared: Option<String>,
    pub word: EffectWord,
    /// Evidence in words.
    pub why: String,
    /// Entries that show it.
    pub evidence: Vec<Seq>,
}

/// Statement about one setting.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    word: EffectWord,
    why: String,
    evidence: Vec<Seq>,
}

impl Shown {
    fn new(word: EffectWord, why: String, evidence: Option<Seq>) -> Shown {
        Shown { word, why, evidence: evidence.into_iter().collect() }
    }

    fn is(holds: bool, why: String, evidence: Seq) -> Shown {
        let word = if holds { EffectWord::InEffect } else { EffectWord::NotInEffect };
        Shown::new(word, why, Some(evidence))
    }

    /// Statement of what the server was given: it took the value, or it has another.
    fn given(holds: bool, why: String, evidence: Seq) -> Shown {
        let word = if holds { EffectWord::Given } else { EffectWord::NotInEffect };
        Shown::new(word, why, Some(evidence))
    }

    /// Adds what behaviour left open to a statement by arguments alone.
    fn with_hint(mut self, hint: Option<String>) -> Shown {
        if let Some(hint) = hint.filter(|_| self.word == EffectWord::Given) {
            self.why = format!("{}; {hint}", self.why);
        }
        self
    }
}

/// Fold of everything that tells about settings.
#[derive(Clone, Debug)]
pub(crate) struct EffectFold {
    declared: DeclaredSettings,
    told: ToldSettings,
    drafts: Drafts,
    reasoning: Reasoning,
    running: Running,
}

impl EffectFold {
    pub(crate) fn new(declared: &DeclaredSettings) -> EffectFold {
        EffectFold {
            declared: declared.clone(),
            told: ToldSettings::default(),
            drafts: Drafts::default(),
            reasoning: Reasoning::default(),
            running: Running::new(declared),
        }
    }

    pub(crate) fn fold(&mut self, entry: &Entry) {
        if self.declared.is_empty() {
            return;
        }
        match &entry.fact {
            Fact::Said(_) | Fact::Seen(_) => self.told.fold(entry),
            Fact::Reading(reading) => {
                self.drafts.fold(entry.seq, reading);
                self.running.fold_reading(entry, reading);
            }
            Fact::Request(request) => self.reasoning.fold(entry.seq, request),
            Fact::Batch(batch) => self.running.fold_batch(entry, batch),
            _ => {}
        }
    }

    /// Returns every declared setting: those that are not in effect first, then by name.
    pub(crate) fn finish(&self) -> Vec<SettingEffect> {
        let mut settings: Vec<SettingEffect> = Vec::new();
        for (setting, declared) in &self.declared.settings {
            let shown = self.shown(setting, declared);
            settings.push(self.effect(setting, Some(declared.clone()), shown));
        }
        for name in &self.declared.env {
            let setting = format!("env.{name}");
            let shown = self.variable(&setting);
            settings.push(self.effect(&setting, None, shown));
        }
        settings.sort_by(|one, other| (one.word, &one.setting).cmp(&(other.word, &other.setting)));
        settings
    }

    fn effect(
        &self,
        setting: &str,
        declared: Option<String>,
        shown: Option<Shown>,
    ) -> SettingEffect {
        let Shown { word, why, evidence } = shown.unwrap_or_else(|| {
            let why = if self.told.is_log_read() {
                "nothing that is read tells of it"
            } else {
                "the log of the server's start was not read"
            };
            Shown::new(EffectWord::NotSeen, why.to_owned(), None)
        });
        SettingEffect { setting: setting.to_owned(), declared, word, why, evidence }
    }

    /// Returns what shows whether a setting is in effect: how the server behaved before what it
    /// says, and what it runs with before what it was given.
    fn shown(&self, setting: &str, declared: &str) -> Option<Shown> {
        let behaved = match setting {
            _ if is_speculative(setting) => self.drafts.shown(&self.declared),
            "reasoning_parser" if self.declared.chat => {
                self.reasoning.shown(declared, &self.declared.settings)
            }
            "max_num_seqs" => self.running.shown(&self.declared),
            _ => None,
        };
        let told = || self.told.shown(&self.declared, setting, declared);
        match behaved {
            Some(shown) if shown.word == EffectWord::NotInEffect => Some(shown),
            // What it was given may contradict, as another number of drafts does.
            Some(shown) => told().filter(|it| it.word == EffectWord::NotInEffect).or(Some(shown)),
            None => match told() {
                Some(shown) => Some(shown.with_hint(self.hint(setting))),
                None => self.hint(setting).map(|why| Shown::new(EffectWord::NotSeen, why, None)),
            },
        }
    }

    /// Returns what was looked for in vain.
    fn hint(&self, setting: &str) -> Option<String> {
        match setting {
            "reasoning_parser" => self.reasoning.hint(),
            "max_num_seqs" => self.running.hint(),
            _ => None,
        }
    }

    fn variable(&self, setting: &str) -> Option<Shown> {
        let (_, seq) = self.told.effective(setting).find(|(value, _)| *value == UNKNOWN)?;
        let why = "the server's log calls it unknown".to_owned();
        Some(Shown::is(false, why, seq))
    }
}

/// Whether a setting turns speculative decoding on, or is a part of it.
fn is_speculative(setting: &str) -> bool {
    setting.starts_with("speculative_") || setting == "draft_model"
}

/// Returns the number of engines that share the requests.
fn engines(settings: &BTreeMap<String, String>) -> u64 {
    settings.get("data_parallel_size").and_then(|n| n.parse().ok()).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests;
