//! A flag of a rendered command, changed, added or taken out, with every other
//! byte left as it stands.

use std::ops::Range;

use super::{Change, split, tree};
use crate::engine::flags::{self, Kind};
use crate::engine::launch::{Key, Shape};
use crate::engine::{Engine, llama_cpp, sglang, vllm};
use crate::escape::quoted;
use crate::spec::node::python::{Python, coerce, json, strip};
use crate::spec::recipe::docker;

/// A flag where it stands.
struct Flag {
    /// The setting behind it, with its field: `speculative_config.method`.
    setting: String,
    kind: Kind,
    /// As it is spelled: `--max-num-seqs`.
    spelled: String,
    /// Whether its value stands behind a `=`.
    is_inline: bool,
    value: String,
    /// Flag and value.
    span: Range<usize>,
    /// Where the next word begins.
    next: usize,
}

/// The command with a change.
///
/// # Errors
/// It cannot be made, in one sentence.
pub fn changed(engine: Engine, command: &str, change: &Change) -> Result<String, String> {
    let inner = docker::inner(command);
    let at = command
        .find(&inner)
        .ok_or_else(|| "the server's command is wrapped so that no flag can be set".to_owned())?;
    let (stem, field) = split(&change.key);
    let stem = flags::canonical(engine, stem);
    let name = field.map_or(stem.clone(), |field| format!("{stem}.{field}"));
    let all = flags_of(engine, &inner);
    let is_below = |flag: &&Flag| flag.setting.starts_with(&format!("{name}."));
    let own: Vec<&Flag> =
        all.iter().filter(|flag| flag.setting == name || is_below(flag)).collect();
    let whole = all.iter().find(|flag| field.is_some() && flag.setting == stem);
    let edited = match (own.first(), whole, &change.value) {
        (None, Some(flag), Some(value)) => {
            let known = Python::Text(flag.value.clone());
            let config = json::dumps(&tree::edited(known, change, value)?);
            spliced(&inner, &[(flag.span.clone(), written(flag, &config))])
        }
        (None, Some(_), None) => {
            return Err(format!("`{}` cannot be taken away alone", change.key));
        }
        (Some(first), _, Some(value)) => {
            let mut cuts = vec![(first.span.clone(), written(first, value))];
            cuts.extend(own[1..].iter().map(|flag| (flag.span.start..flag.next, String::new())));
            spliced(&inner, &cuts)
        }
        (Some(_), _, None) => {
            let cuts = own.iter().map(|flag| (flag.span.start..flag.next, String::new()));
            spliced(&inner, &cuts.collect::<Vec<_>>())
        }
        (None, None, Some(value)) => {
            let flag = new(engine, &stem, field);
            let break_ = if inner.contains("\\\n") { " \\\n  " } else { " " };
            format!("{}{break_}{}", inner.trim_end(), written(&flag, value))
        }
        (None, None, None) => inner.clone(),
    };
    let mut whole = command.to_owned();
    whole.replace_range(at..at + inner.len(), edited.trim_end());
    Ok(whole)
}

/// All flags of a command line; what follows one that is in no table is taken for its value.
fn flags_of(engine: Engine, command: &str) -> Vec<Flag> {
    let words = flags::words(command);
    let is_flag = |at: usize| words.get(at).is_none_or(|word| flags::is_flag(&word.text));
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let word = &words[at];
        at += 1;
        let name = word.text.trim_start_matches('-');
        if !flags::is_flag(&word.text) || name.is_empty() {
            continue;
        }
        let (name, inline) =
            name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        let name = name.replace('-', "_");
        let (setting, kind) = flags::found(engine, &name).unwrap_or((name, Kind::Values));
        let mut values: Vec<&str> = inline.into_iter().collect();
        let mut end = word.end;
        let takes = inline.is_none() && matches!(kind, Kind::Value | Kind::Values);
        while takes && !is_flag(at) && (kind == Kind::Values || values.is_empty()) {
            values.push(&words[at].text);
            end = words[at].end;
            at += 1;
        }
        let spelled = word.text.split('=').next().unwrap_or_default().to_owned();
        found.push(Flag {
            setting,
            kind,
            spelled,
            is_inline: inline.is_some(),
            value: values.join(" "),
            span: word.start..end,
            next: words.get(at).map_or(command.len(), |next| next.start),
        });
    }
    found
}

/// A flag that the command does not have.
fn new(engine: Engine, stem: &str, field: Option<&str>) -> Flag {
    let keys: &[Key] = match engine {
        Engine::Sglang => &sglang::launch::KEYS,
        Engine::LlamaCpp => &llama_cpp::launch::KEYS,
        Engine::Vllm | Engine::Unknown => &vllm::launch::KEYS,
    };
    let key = keys.iter().find(|key| flags::canonical(engine, key.name) == stem);
    let dashed = format!("--{}", stem.replace('_', "-"));
    let spelled = key.map_or(dashed, Key::flag);
    let kind = match (key.map(|key| key.shape), flags::found(engine, stem)) {
        (Some(Shape::Switch | Shape::Negatable), _) => Kind::Switch,
        (_, Some((_, kind))) => kind,
        _ => Kind::Value,
    };
    let spelled = field.map_or(spelled.clone(), |field| format!("{spelled}.{field}"));
    let setting = stem.to_owned();
    let (value, span) = (String::new(), 0..0);
    Flag { setting, kind, spelled, is_inline: false, value, span, next: 0 }
}

/// A flag with a value, in its own spelling.
fn written(flag: &Flag, value: &str) -> String {
    let on = match coerce(strip(value)) {
        Python::Bool(on) => Some(on),
        _ => None,
    };
    let is_bare = flag.kind == Kind::Values && flag.value.is_empty() && flag.span.end > 0;
    match (flag.kind, on) {
        (Kind::Switch | Kind::Off, Some(on)) => {
            let negated = flag.spelled.strip_prefix("--no-").map(|name| format!("--{name}"));
            match (on, negated) {
                (true, Some(plain)) => plain,
                // What names what is off has no other spelling for on.
                (true, None) if flag.kind == Kind::Off => String::new(),
                (false, None) if flag.kind == Kind::Switch => {
                    flag.spelled.replacen("--", "--no-", 1)
                }
                _ => flag.spelled.clone(),
            }
        }
        (_, Some(true)) if is_bare => flag.spelled.clone(),
        (Kind::Values, _) => {
            let values: Vec<String> = value.split_whitespace().map(quoted).collect();
            format!("{} {}", flag.spelled, values.join(" "))
        }
        _ if flag.is_inline => format!("{}={}", flag.spelled, quoted(value)),
        _ => format!("{} {}", flag.spelled, quoted(value)),
    }
}

/// A text with parts of it exchanged.
fn spliced(text: &str, parts: &[(Range<usize>, String)]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, part) in parts {
        text.replace_range(span, &part);
    }
    text
}
