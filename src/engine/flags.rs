//! Parses a server's command line into settings, engine by engine: which flags matter, whether they
//! take a value, and the common name of each setting, so that recipes of all engines can be
//! compared.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Engine, llama_cpp, sglang, vllm};
use crate::shell;

/// Kind of values that follow a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagKind {
    Value,
    /// All values up to the next flag.
    Values,
    /// No value: the flag turns the setting on, `--no-…` turns it off.
    Switch,
    /// No value: the flag turns its setting off.
    Off,
}

/// Flag that decides how a server behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    /// Name on the command line, with underscores and without dashes.
    pub name: &'static str,
    /// Setting; vLLM's name where engines differ.
    pub setting: &'static str,
    /// Kind of values that follow.
    pub kind: FlagKind,
}

/// Creates a flag whose setting has the same name.
pub(crate) const fn flag(name: &'static str, kind: FlagKind) -> Flag {
    Flag { name, setting: name, kind }
}

/// Creates a flag whose setting has another name.
pub(crate) const fn other(name: &'static str, setting: &'static str, kind: FlagKind) -> Flag {
    Flag { name, setting, kind }
}

fn table(engine: Engine) -> &'static [Flag] {
    match engine {
        Engine::Sglang => &sglang::flags::FLAGS,
        Engine::LlamaCpp => &llama_cpp::flags::FLAGS,
        Engine::Vllm | Engine::Unknown => &vllm::flags::FLAGS,
    }
}

/// Keys of a recipe's `defaults` that are no flag's name, with their settings.
const KEYS: [(&str, &str); 5] = [
    ("tensor_parallel", "tensor_parallel_size"),
    ("pipeline_parallel", "pipeline_parallel_size"),
    ("data_parallel", "data_parallel_size"),
    ("chunked_prefill", "max_num_batched_tokens"),
    ("mem_fraction_static", "gpu_memory_utilization"),
];

/// Returns the setting of a key of `defaults`.
pub(crate) fn canonical(engine: Engine, name: &str) -> String {
    let name = name.replace('-', "_");
    if let Some((_, setting)) = KEYS.iter().find(|(key, _)| *key == name) {
        return (*setting).to_owned();
    }
    let flag = table(engine).iter().find(|flag| flag.name == name && flag.kind != FlagKind::Off);
    flag.map_or(name, |flag| flag.setting.to_owned())
}

/// Parses the settings of a command line: `--flag value`, `--flag=value`, dashes or underscores,
/// `--no-flag`, and `--config.field value` as `config.field`. Flags that are in no table are left
/// out, since it is not known whether they take a value.
pub(crate) fn settings(engine: Engine, command: &str) -> BTreeMap<String, String> {
    let known = arguments(engine, command).into_iter().filter(|argument| argument.is_known);
    known.map(|argument| (argument.setting, argument.value)).collect()
}

/// Parses all settings, including flags that are in no table: sufficient to compare two command
/// lines, but not to decide anything.
pub(crate) fn all(engine: Engine, command: &str) -> BTreeMap<String, String> {
    let all = arguments(engine, command).into_iter();
    all.map(|argument| (argument.setting, argument.value)).collect()
}

/// Flag at its place in a command line.
pub(crate) struct Argument {
    /// Setting with its field, such as `speculative_config.method`.
    pub setting: String,
    /// Value; `true` or `false` of a switch.
    pub value: String,
    /// Range from the flag to the beginning of the next word.
    pub span: Range<usize>,
    /// Whether the engine's table has the flag.
    pub is_known: bool,
}

/// Lists all flags of a command line; words after a flag that is in no table count as its value.
pub(crate) fn arguments(engine: Engine, command: &str) -> Vec<Argument> {
    let words = shell::words(command);
    let starts: Vec<usize> = (0..words.len()).filter(|at| is_flag(&words[*at].text)).collect();
    let argument = |(index, at): (usize, &usize)| {
        let word = words[*at].text.as_str();
        let (word, inline) = word.split_once('=').map_or((word, None), |(a, b)| (a, Some(b)));
        let name = word.trim_start_matches('-').replace('-', "_");
        let found = found(engine, &name);
        let is_known = found.is_some();
        let (setting, kind) = found.unwrap_or((name, FlagKind::Values));
        let most = match kind {
            _ if inline.is_some() => 0,
            FlagKind::Value => 1,
            FlagKind::Values => words.len(),
            FlagKind::Switch | FlagKind::Off => 0,
        };
        let next = starts.get(index + 1).copied().unwrap_or(words.len()).min(at + 1 + most);
        let values: Vec<&str> = words[at + 1..next].iter().map(|word| word.text.as_str()).collect();
        let value = match (inline, kind) {
            (Some(value), _) => value.to_owned(),
            (_, FlagKind::Off) => "false".to_owned(),
            // A flag that is in no table and has no value is a switch.
            (_, FlagKind::Switch | FlagKind::Values) if values.is_empty() => "true".to_owned(),
            _ => values.join(" "),
        };
        let end = words.get(next).map_or(command.len(), |word| word.span.start);
        Argument { setting, value, span: words[*at].span.start..end, is_known }
    };
    starts.iter().enumerate().map(argument).filter(|it| !it.setting.is_empty()).collect()
}

/// Returns the setting of a flag's name, with its field where it has one, and the kind of its
/// values. The name has underscores, and no leading dashes.
pub(crate) fn found(engine: Engine, name: &str) -> Option<(String, FlagKind)> {
    let table = table(engine);
    let (stem, field) =
        name.split_once('.').map_or((name, None), |(stem, field)| (stem, Some(field)));
    if let Some(flag) = table.iter().find(|flag| flag.name == stem) {
        let setting = match field {
            Some(field) => format!("{}.{field}", flag.setting),
            None => flag.setting.to_owned(),
        };
        return Some((setting, flag.kind));
    }
    let name = name.strip_prefix("no_")?;
    let flag = table.iter().find(|flag| flag.name == name && flag.kind == FlagKind::Switch)?;
    Some((flag.setting.to_owned(), FlagKind::Off))
}

/// Whether a word is a flag; a negative number is not.
pub(crate) fn is_flag(word: &str) -> bool {
    word.starts_with("--") || word.starts_with('-') && word[1..].starts_with(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str, name: &str) -> Option<String> {
        settings(Engine::Vllm, command).get(name).cloned()
    }

    #[test]
    fn flags_are_read_in_every_spelling() {
        assert_eq!(of("x --max-num-seqs 4", "max_num_seqs").as_deref(), Some("4"));
        assert_eq!(of("x --max_num_seqs=4", "max_num_seqs").as_deref(), Some("4"));
        assert_eq!(of("x -tp 2", "tensor_parallel_size").as_deref(), Some("2"));
        assert_eq!(
            of("x --enable-prefix-caching", "enable_prefix_caching").as_deref(),
            Some("true")
        );
        assert_eq!(
            of("x --no-enable-prefix-caching --port 1", "enable_prefix_caching").as_deref(),
            Some("false")
        );
        assert_eq!(
            of("x --speculative-config '{\"method\":\"mtp\"}'", "speculative_config").as_deref(),
            Some("{\"method\":\"mtp\"}")
        );
        assert_eq!(
            of("x --speculative_config.method dspark", "speculative_config.method").as_deref(),
            Some("dspark")
        );
    }

    #[test]
    fn a_switch_takes_no_value_and_names_come_in_several() {
        let settings = settings(
            Engine::Vllm,
            "x --trust-remote-code --served-model-name a b --seed -1 --frobnicate 3",
        );
        assert_eq!(settings["trust_remote_code"], "true");
        assert_eq!(settings["served_model_name"], "a b");
        assert_eq!(settings["seed"], "-1");
        assert_eq!(settings.len(), 3);
    }

    #[test]
    fn every_engine_calls_what_is_alike_by_one_name() {
        let of = |engine, command| settings(engine, command);
        let vllm = of(Engine::Vllm, "vllm serve m --max-model-len 8192 -tp 2 --kv-cache-dtype fp8");
        let sglang = of(
            Engine::Sglang,
            "sglang serve --model-path m --context-length 8192 --tp-size 2 --kv-cache-dtype fp8 \
             --disable-radix-cache --mem-fraction-static 0.8 --cuda-graph-bs 1 2 4 --port 1",
        );
        for name in ["max_model_len", "tensor_parallel_size", "kv_cache_dtype"] {
            assert_eq!(vllm.get(name), sglang.get(name), "{name}");
        }
        assert_eq!(sglang["enable_prefix_caching"], "false");
        assert_eq!((sglang["model"].as_str(), sglang["cuda_graph_bs"].as_str()), ("m", "1 2 4"));
        let llama =
            of(Engine::LlamaCpp, "llama-server -hf a/b:Q8 -c 4096 -np 2 -ngl 99 -fa on --alias x");
        assert_eq!(
            (llama["max_model_len"].as_str(), llama["max_num_seqs"].as_str()),
            ("4096", "2")
        );
        assert_eq!((llama["model"].as_str(), llama["served_model_name"].as_str()), ("a/b:Q8", "x"));
        assert_eq!(canonical(Engine::LlamaCpp, "ctx_size"), "max_model_len");
        assert_eq!(canonical(Engine::Vllm, "tensor_parallel"), "tensor_parallel_size");
    }
}
