//! Collects what the server says of its settings: in the log of its start, in its metrics and in its
//! list of models.

use std::collections::BTreeMap;

use super::{Shown, effect, engines, value};
use crate::engine::Engine;
use crate::engine::effect::{ToldKind, ToldSetting};
use crate::engine::signature::message;
use crate::escape::one_line;
use crate::fact::{Entry, Fact, Seq, Statement};
use crate::spec::recipe::DeclaredSettings;

/// Bound on the settings, and on the values of one.
const SETTINGS_MAX: usize = 1_024;
const VALUES_MAX: usize = 32;
/// Longest excerpt of a value, characters.
const VALUE_CHARS_MAX: usize = 60;

/// Subject of the server's statement about its model, and of the declared name of it.
const SERVED: (&str, &str) = ("model", "served_model_name");
const ROOT: (&str, &str) = ("model_root", "model");

/// Value that was told, and its entry.
#[derive(Clone, Debug)]
struct ToldValue {
    kind: ToldKind,
    value: String,
    seq: Seq,
}

/// Statements of the server about its settings.
#[derive(Clone, Debug, Default)]
pub(super) struct ToldSettings {
    /// Entry of the last list of arguments.
    arguments: Option<Seq>,
    told: BTreeMap<String, Vec<ToldValue>>,
    statements: BTreeMap<String, (Seq, Statement)>,
}

impl ToldSettings {
    pub(super) fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Said(said) => {
                let told = effect::told(&said.signature, &said.line);
                if effect::lists_arguments(&said.signature) {
                    // A new start, which tells all of it anew.
                    self.told.clear();
                    self.arguments = Some(entry.seq);
                }
                for told in told {
                    self.add(entry.seq, told);
                }
            }
            Fact::Seen(seen) if !seen.seen.is_empty() => {
                let has_room = self.statements.len() < SETTINGS_MAX;
                if has_room || self.statements.contains_key(&seen.subject) {
                    self.statements.insert(seen.subject.clone(), (entry.seq, seen.clone()));
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, seq: Seq, told: ToldSetting) {
        let ToldSetting { setting, value, kind } = told;
        if self.told.len() == SETTINGS_MAX && !self.told.contains_key(&setting) {
            return;
        }
        let values = self.told.entry(setting).or_default();
        if kind == ToldKind::Argument {
            values.retain(|told| told.kind != kind);
        }
        let is_known = values.iter().any(|told| told.kind == kind && told.value == value);
        if !is_known && values.len() < VALUES_MAX {
            values.push(ToldValue { kind, value, seq });
        }
    }

    /// Whether the log of the start was read.
    pub(super) fn is_log_read(&self) -> bool {
        self.arguments.is_some() || !self.told.is_empty()
    }

    /// Returns the values with which the server runs, as it says.
    pub(super) fn effective(&self, setting: &str) -> impl Iterator<Item = (&str, Seq)> {
        self.of(setting, ToldKind::Effective).map(|told| (told.value.as_str(), told.seq))
    }

    fn of(&self, setting: &str, kind: ToldKind) -> impl Iterator<Item = &ToldValue> {
        self.told.get(setting).into_iter().flatten().filter(move |told| told.kind == kind)
    }

    /// Returns whether a setting is in effect, as far as the server tells: by what it runs with, by
    /// what it chose, by what it states, and by what it was given.
    pub(super) fn shown(
        &self,
        declared: &DeclaredSettings,
        setting: &str,
        wanted: &str,
    ) -> Option<Shown> {
        let (name, field) = setting.split_once('.').map_or((setting, None), |(a, b)| (a, Some(b)));
        // A field that has a flag of its own is compared as the object that it belongs to.
        let object = field.map(|field| format!("{{{field}: {wanted}}}"));
        let wanted = object.as_deref().unwrap_or(wanted);
        let is_each = engines(&declared.settings) > 1 && declared.engine == Engine::Sglang;
        if is_each && ["max_num_seqs", "max_num_batched_tokens"].contains(&name) {
            return None;
        }
        if name == ROOT.1 {
            // Weights may lie in a folder: only the comparison of the model's root knows.
            return self.stated(declared, name, wanted);
        }
        self.runs_with(name, wanted)
            .or_else(|| self.chose(name, wanted))
            .or_else(|| self.stated(declared, name, wanted))
            .or_else(|| self.was_given(declared, name, wanted))
    }

    fn runs_with(&self, name: &str, wanted: &str) -> Option<Shown> {
        let mut same = None;
        for told in self.of(name, ToldKind::Effective) {
            let is_same = if wanted.starts_with('{') && told.value.starts_with('{') {
                let Some(agree) = value::agree(wanted, &told.value) else { continue };
                agree
            } else {
                value::is_same(name, wanted, &told.value)
            };
            let why = format!("its log: it runs with {}", excerpt(&told.value));
            if !is_same {
                return Some(Shown::is(false, why, told.seq));
            }
            same = Some(Shown::is(true, why, told.seq));
        }
        same
    }

    fn chose(&self, name: &str, wanted: &str) -> Option<Shown> {
        let mut others = Vec::new();
        for told in self.of(name, ToldKind::Chosen) {
            if value::is_chosen(name, wanted, &told.value) {
                let why = format!("its log: it uses {}", excerpt(&told.value));
                return Some(Shown::is(true, why, told.seq));
            }
            others.push(told);
        }
        let first = others.first()?;
        let used: Vec<String> = others.iter().map(|told| excerpt(&told.value)).collect();
        Some(Shown::is(false, format!("its log: it uses {}", used.join(" and ")), first.seq))
    }

    /// Returns what metrics and list of models say.
    fn stated(&self, declared: &DeclaredSettings, name: &str, wanted: &str) -> Option<Shown> {
        let names = [SERVED, ROOT].into_iter().find(|(_, setting)| *setting == name);
        let subject = names.map_or(name, |(subject, _)| subject);
        let (seq, seen) = self.statements.get(subject)?;
        if names.is_some() {
            // Compared where it was read, with all that may stand for a name.
            let why = format!("its list of models: {}", excerpt(&seen.seen));
            let is_compared = seen.declared.is_some() && seen.note.is_empty();
            return is_compared.then(|| Shown::is(!seen.differs, why, *seq));
        }
        // The context of a slot is a part of what llama.cpp was given.
        if name == "max_model_len" && declared.engine == Engine::LlamaCpp {
            return None;
        }
        let source = if name == "max_model_len" { "list of models" } else { "metrics" };
        let why = format!("its {source}: {}", excerpt(&seen.seen));
        Some(Shown::is(value::is_same(name, wanted, &seen.seen), why, *seq))
    }

    /// Returns what its list of arguments says.
    fn was_given(&self, declared: &DeclaredSettings, name: &str, wanted: &str) -> Option<Shown> {
        let arguments = self.arguments?;
        if let Some(told) = self.of(name, ToldKind::Argument).last() {
            let why = format!("its arguments: {}", excerpt(&told.value));
            return Some(Shown::given(value::is_same(name, wanted, &told.value), why, told.seq));
        }
        let is_default = effect::is_default(declared.engine, name, wanted)?;
        let why = if is_default { "its default" } else { "not among its arguments" };
        Some(Shown::given(is_default, why.to_owned(), arguments))
    }
}

fn excerpt(value: &str) -> String {
    one_line(message(value), VALUE_CHARS_MAX)
}
