//! From vLLM's command line to settings: which flags matter, and their short
//! and old names.

use std::collections::BTreeMap;

/// Whether a flag is followed by a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Value,
    Switch,
}

use Kind::{Switch, Value};

/// The flags that decide how a server behaves, by their setting's name.
const FLAGS: [(&str, Kind); 39] = [
    ("max_model_len", Value),
    ("max_num_seqs", Value),
    ("max_num_batched_tokens", Value),
    ("gpu_memory_utilization", Value),
    ("kv_cache_dtype", Value),
    ("kv_cache_memory_bytes", Value),
    ("mamba_ssm_cache_dtype", Value),
    ("mamba_cache_dtype", Value),
    ("moe_backend", Value),
    ("attention_backend", Value),
    ("quantization", Value),
    ("speculative_config", Value),
    ("compilation_config", Value),
    ("load_format", Value),
    ("block_size", Value),
    ("seed", Value),
    ("swap_space", Value),
    ("cpu_offload_gb", Value),
    ("scheduling_policy", Value),
    ("enable_prefix_caching", Switch),
    ("enable_chunked_prefill", Switch),
    ("async_scheduling", Switch),
    ("trust_remote_code", Switch),
    ("enforce_eager", Switch),
    ("enable_auto_tool_choice", Switch),
    ("reasoning_parser", Value),
    ("reasoning_parser_plugin", Value),
    ("tool_call_parser", Value),
    ("tool_parser_plugin", Value),
    ("chat_template", Value),
    ("tensor_parallel_size", Value),
    ("pipeline_parallel_size", Value),
    ("data_parallel_size", Value),
    ("served_model_name", Value),
    ("port", Value),
    ("host", Value),
    ("dtype", Value),
    ("revision", Value),
    ("model", Value),
];

/// Other names of the same settings: short flags, and keys of recipes' defaults.
const ALIASES: [(&str, &str); 8] = [
    ("tp", "tensor_parallel_size"),
    ("tensor_parallel", "tensor_parallel_size"),
    ("pp", "pipeline_parallel_size"),
    ("pipeline_parallel", "pipeline_parallel_size"),
    ("dp", "data_parallel_size"),
    ("data_parallel", "data_parallel_size"),
    ("q", "quantization"),
    ("mem_fraction_static", "gpu_memory_utilization"),
];

/// A setting's own name: lower case, underscores, aliases resolved.
pub fn canonical(name: &str) -> String {
    let name = name.replace('-', "_");
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    alias.map_or(name, |(_, known)| (*known).to_owned())
}

/// The settings of a command line: `--flag value`, `--flag=value`, dashes or
/// underscores, `--no-flag`, and `--config.field value` as `config.field`. Flags that are
/// in no table are left out: whether they take a value is not known.
pub fn settings(command: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let words = words(command);
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let dashes = word.len() - word.trim_start_matches('-').len();
        if !(1..=2).contains(&dashes) || word.len() == dashes {
            continue;
        }
        let (name, inline) = match word[dashes..].split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (&word[dashes..], None),
        };
        let name = canonical(name);
        let stem = name.split('.').next().unwrap_or_default();
        if let Some((_, kind)) = FLAGS.iter().find(|(known, _)| *known == stem) {
            let value = match (inline, kind) {
                (Some(value), _) => value,
                (None, Switch) => "true".to_owned(),
                (None, Value) => {
                    let mut values: Vec<&str> = Vec::new();
                    // Only names come in several; a negative number is no flag.
                    while let Some(next) = words.peek() {
                        let is_flag = next.starts_with("--")
                            || next.starts_with('-') && next[1..].starts_with(char::is_alphabetic);
                        if is_flag || !values.is_empty() && name != "served_model_name" {
                            break;
                        }
                        values.push(next);
                        words.next();
                    }
                    values.join(" ")
                }
            };
            settings.insert(name, value);
        } else if let Some((known, _)) = name
            .strip_prefix("no_")
            .and_then(|name| FLAGS.iter().find(|(known, kind)| *known == name && *kind == Switch))
        {
            settings.insert((*known).to_owned(), "false".to_owned());
        }
    }
    settings
}

/// Splits a command line as a shell does: quotes, backslashes, lines that go on after a
/// backslash, comments. Variables and operators are left as they stand.
pub fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = command.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('"'), '\\') => match characters.next() {
                Some('\n') | None => {}
                Some(next) => {
                    let word = word.get_or_insert_default();
                    if !matches!(next, '"' | '\\' | '$' | '`') {
                        word.push('\\');
                    }
                    word.push(next);
                }
            },
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '\\') => match characters.next() {
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            (None, '#') if word.is_none() => while characters.next_if(|c| *c != '\n').is_some() {},
            (None, space) if space.is_whitespace() => words.extend(word.take()),
            (_, other) => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str, name: &str) -> Option<String> {
        settings(command).get(name).cloned()
    }

    #[test]
    fn a_command_splits_as_a_shell_splits_it() {
        assert_eq!(
            words("vllm serve m \\\n  --a 'b c' --d=\"e\\\"f\" '' # note\n g\\ h"),
            ["vllm", "serve", "m", "--a", "b c", "--d=e\"f", "", "g h"]
        );
        assert_eq!(words("a 'open"), ["a", "open"]);
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
        let settings =
            settings("x --trust-remote-code --served-model-name a b --seed -1 --frobnicate 3");
        assert_eq!(settings["trust_remote_code"], "true");
        assert_eq!(settings["served_model_name"], "a b");
        assert_eq!(settings["seed"], "-1");
        assert_eq!(settings.len(), 3);
    }
}
