//! Holds the flagship recipe against servers that lack one of its settings each: which are found, by
//! whom, and which are invented.

use insta::assert_snapshot;
use longhaul::analysis::{CalendarFold, EffectWord, Fold, SettingEffect};
use longhaul::exit::Exit;
use longhaul::fact::Fact;
use longhaul::verdict::VerdictWord;

use super::stage::{Played, Script};

/// Twenty minutes with more streams than the recipe takes at once.
const STREAMS: &str = "\
about: Twenty minutes, for tests.
duration: 20m
warmup: 1 lap
workloads:
  - ladder: { depths: [0], prompt: 512, output: 128, concurrency: [1, 6], prefix: cold }
limits: { first_token: 2m, stall: 1m, away: 20m }
contract:
  errors: 0%
  not_in_effect: 0
";

/// Settings of the flagship recipe, with another value for those whose default would not differ.
const SETTINGS: [&str; 19] = [
    "speculative_config",
    "speculative_config:3",
    "reasoning_parser",
    "reasoning_parser_plugin",
    "tool_call_parser",
    "enable_auto_tool_choice",
    "max_num_seqs",
    "max_num_seqs:2",
    "max_num_batched_tokens:2048",
    "max_model_len:65536",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "mamba_ssm_cache_dtype",
    "moe_backend",
    "quantization",
    "tensor_parallel_size:2",
    "trust_remote_code",
    "async_scheduling",
    "enable_chunked_prefill",
];

fn broken(settings: &[SettingEffect]) -> Vec<&str> {
    let broken = settings.iter().filter(|it| it.word == EffectWord::NotInEffect);
    broken.map(|it| it.setting.as_str()).collect()
}

/// Returns the settings as they are told without the server's log: by an address alone.
fn without_log(play: &Played) -> Vec<SettingEffect> {
    let entries = || play.entries.iter().filter(|entry| !matches!(entry.fact, Fact::Said(_)));
    let mut first = CalendarFold::default();
    entries().for_each(|entry| first.fold(entry));
    let mut fold = Fold::new(&play.judged.asked, first.finish());
    entries().for_each(|entry| fold.fold(entry));
    fold.finish().settings
}

/// Returns the word for a setting, and counts others that were called not in effect.
fn word(settings: &[SettingEffect], name: &str, invented: &mut usize) -> &'static str {
    let broken = broken(settings);
    *invented += broken.iter().filter(|other| **other != name).count();
    if broken.contains(&name) { "found" } else { "missed" }
}

#[test]
fn a_healthy_server_has_every_setting_or_it_was_not_seen() {
    for seed in 1..=5 {
        let play = Script { seed, ..Script::new(STREAMS, &[]) }.play();
        assert_eq!(play.exit(), Exit::Pass, "{}", play.reported());
        assert!(broken(&play.analysis().settings).is_empty(), "{}", play.reported());
        assert!(broken(&without_log(&play)).is_empty(), "{:#?}", without_log(&play));
    }
}

#[test]
fn the_flagship_recipe_against_servers_that_lack_one_setting_each() {
    let mut table = format!(
        "{:28} {:8} {:8} {:16} {}\n",
        "setting", "missing", "ignored", "by address alone", "invented"
    );
    for setting in SETTINGS {
        let name = setting.split(':').next().expect("a name");
        let mut invented = 0;
        let missing = Script::new(STREAMS, &[&format!("missing_setting={setting}")]).play();
        let ignored = Script::new(STREAMS, &[&format!("ignored_setting={setting}")]).play();
        let of_missing = word(&missing.analysis().settings, name, &mut invented);
        let of_ignored = word(&ignored.analysis().settings, name, &mut invented);
        let alone = word(&without_log(&missing), name, &mut invented);
        let gate = missing.judged.verdict.gates.iter().find(|gate| gate.text.contains("effect"));
        let is_broken = gate.is_some_and(|gate| gate.word == VerdictWord::Fail);
        assert_eq!(is_broken, of_missing == "found", "{setting}: {}", missing.reported());
        let row = [format!("{setting:28} {of_missing:8} {of_ignored:8} {alone:16} {invented}\n")];
        table.extend(row);
    }
    assert_snapshot!("table", table);
}
