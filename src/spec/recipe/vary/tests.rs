use insta::assert_snapshot;

use super::*;

const RECIPE: &str = "\
model: org/m
container: a/b:1
env: {A: '1'}
defaults: {max_num_seqs: 4, spec: '{\"method\": \"mtp\", \"num_speculative_tokens\": 1}'}
command: |
  vllm serve {model} \\
    --max-num-seqs {max_num_seqs} \\
    --kv-cache-dtype fp8 \\
    --speculative-config '{spec}' \\
    --trust-remote-code
metadata: {profile: p}
";

#[test]
fn a_saved_line_with_the_line_ends_of_windows_is_varied_and_loses_them() {
    let text = "docker run a/b:1 \\\r\n  org/m \\\r\n  --max-num-seqs 4\r\n";
    let varied = of(text, &[("max_num_seqs", "8")]).expect("varied").expect("changed");
    let text = varied.recipe.source.text;
    assert!(text.contains("--max-num-seqs 8") && !text.contains(['4', '\r']), "{text:?}");
}

fn reading(text: &str) -> ReadRecipe {
    let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
    read_as(&source, &ReadOptions::default(), &|_| Ok(None)).expect("readable")
}

fn of(text: &str, pairs: &[(&str, &str)]) -> Result<Option<ReadRecipe>, Mistake> {
    let change = |(key, value): &(&str, &str)| Change {
        key: (*key).to_owned(),
        value: Some((*value).to_owned()).filter(|value| !value.is_empty()),
    };
    let changes: Vec<Change> = pairs.iter().map(change).collect();
    varied(&reading(text), &changes, "# an arm\n")
}

/// Returns the differences of the varied recipe, and its command.
fn other(text: &str, pairs: &[(&str, &str)]) -> (Vec<String>, String) {
    match of(text, pairs).unwrap_or_else(|wrong| panic!("{wrong}")) {
        None => panic!("the same"),
        Some(arm) => {
            let again = reading(&arm.recipe.source.text);
            assert_eq!(again.recipe.command, arm.recipe.command);
            assert_eq!(again.recipe.profile, reading(text).recipe.profile);
            let differs = between(&reading(text), &again).serving;
            let words = |side: Option<String>| side.unwrap_or_else(|| "-".to_owned());
            let reported = differs.into_iter().map(|it| format!("{} {}", it.what, words(it.other)));
            (reported.collect(), again.recipe.command.unwrap_or_default())
        }
    }
}

#[test]
fn a_change_goes_where_the_recipe_says_the_thing() {
    for (pair, differs) in [
        (("max_num_seqs", "8"), "max_num_seqs 8"),
        (("kv_cache_dtype", "auto"), "kv_cache_dtype auto"),
        (("kv_cache_dtype", ""), "kv_cache_dtype -"),
        (("container", "a/b@sha256:1"), "container a/b@sha256:1"),
        (("env.A", "2"), "env.A 2"),
        (("env.B", "yes"), "env.B yes"),
        (("env.A", ""), "env.A -"),
        (("moe_backend", "triton"), "moe_backend triton"),
        (("enforce_eager", "true"), "enforce_eager true"),
        (("trust_remote_code", "false"), "trust_remote_code false"),
        (("frobnicate", "3"), "frobnicate 3"),
        (
            ("speculative_config.num_speculative_tokens", "2"),
            "speculative_config.num_speculative_tokens 2",
        ),
    ] {
        assert_eq!(other(RECIPE, &[pair]).0, [differs], "{pair:?}");
    }
    let (_, command) = other(RECIPE, &[("max_model_len", "4096")]);
    assert_snapshot!(command, @r#"
        vllm serve org/m \
          --max-num-seqs 4 \
          --kv-cache-dtype fp8 \
          --speculative-config '{"method": "mtp", "num_speculative_tokens": 1}' \
          --trust-remote-code \
          --max-model-len 4096
    "#);
}

#[test]
fn the_seven_settings_of_the_record_are_varied_where_its_command_is_literal() {
    let recipe = "container: a/b@sha256:1\ncommand: |\n  vllm serve m \\\n    --max-model-len 131072 \\\n    \
         --max-num-seqs=4 --kv-cache-dtype fp8 \\\n    --mamba_ssm_cache_dtype float32 \\\n    \
         --speculative-config '{\"method\":\"mtp\",\"num_speculative_tokens\":1}'\n";
    let line = "docker run a/b@sha256:1 vllm serve m --max-model-len 131072 --max-num-seqs 4 \
         --kv-cache-dtype fp8 --mamba-ssm-cache-dtype float32 \
         --speculative-config '{\"method\":\"mtp\",\"num_speculative_tokens\":1}'\n";
    for text in [recipe, line] {
        for (key, value) in [
            ("speculative_config.num_speculative_tokens", "2"),
            ("kv_cache_dtype", "auto"),
            ("max_model_len", "262144"),
            ("max_num_seqs", "8"),
            ("moe_backend", "triton"),
            ("mamba_ssm_cache_dtype", "float16"),
            ("container", "a/b@sha256:2"),
        ] {
            assert_eq!(other(text, &[(key, value)]).0, [format!("{key} {value}")]);
        }
    }
}

#[test]
fn a_flag_is_set_in_the_servers_own_command_whatever_stands_around_it() {
    for (before, after) in [
        (" 2>&1 | tee /tmp/log", " --max-num-seqs 8 2>&1 | tee /tmp/log"),
        (" 2>&1", " --max-num-seqs 8 2>&1"),
        (" > /tmp/log 2>&1", " --max-num-seqs 8 > /tmp/log 2>&1"),
        (" && echo x", " --max-num-seqs 8 && echo x"),
        (" # my port", " --max-num-seqs 8 # my port"),
        ("\n  echo done", " --max-num-seqs 8\n  echo done"),
        (
            " \\\n    --max-num-seqs 4   # four\n  echo done",
            " \\\n  --max-num-seqs 8   # four\n  echo done",
        ),
    ] {
        let recipe = format!("model: m\ncommand: |\n  vllm serve m --port 8000{before}\n");
        let (differs, command) = other(&recipe, &[("max_num_seqs", "8")]);
        assert_eq!(differs, ["max_num_seqs 8"], "{before}");
        let after = after.replace("\n  echo", "\necho");
        assert_eq!(command.trim_end(), format!("vllm serve m --port 8000{after}"), "{before}");
    }
    let wrapped = "model: m\ncommand: (vllm serve m)\n";
    assert_snapshot!(of(wrapped, &[("max_num_seqs", "8")]).unwrap_err(), @"
        error: the server's command is wrapped so that no flag can be set
           at: r.yaml
    ");
}

#[test]
fn several_changes_are_one_recipe() {
    let (differs, _) = other(RECIPE, &[("max_num_seqs", "8"), ("env.B", "1"), ("seed", "1")]);
    assert_eq!(differs, ["env.B 1", "max_num_seqs 8", "seed 1"]);
}

#[test]
fn what_the_base_says_already_is_the_base() {
    for pair in [("max_num_seqs", "4"), ("kv_cache_dtype", "fp8"), ("env.A", "1"), ("seed", "")] {
        assert_eq!(of(RECIPE, &[pair]), Ok(None), "{pair:?}");
    }
    assert_snapshot!(of(RECIPE, &[("max_num_seqs", "4"), ("seed", "1")]).unwrap_err(), @"
        error: nothing changed: the recipe has `max_num_seqs=4` already
           at: r.yaml
    ");
}

#[test]
fn what_has_no_effect_or_another_one_is_refused() {
    let wrapped = "model: m\ncommand: bash -c \"vllm serve m --x \\\"a\\\"\"\n";
    assert_snapshot!(of(wrapped, &[("seed", "1")]).unwrap_err(), @"
        error: the server's command is wrapped so that no flag can be set
           at: r.yaml
    ");
    assert_snapshot!(of(RECIPE, &[("container", "")]).unwrap_err(), @"
        error: `container` cannot be taken away
          try: container=VALUE
    ");
    assert_snapshot!(of(RECIPE, &[("kv_cache_dtype.x", "1")]).unwrap_err(), @"
        error: `kv_cache_dtype.x` sets a field inside `kv_cache_dtype`, whose value is not a mapping
           at: r.yaml
    ");
}

#[test]
fn a_recipe_without_a_command_and_other_engines_are_varied_too() {
    let built = "model: m\nruntime: vllm\ndefaults: {max_num_seqs: 4}\n";
    assert_eq!(other(built, &[("seed", "1")]).0, ["seed 1"]);
    let sglang = "model: m\ncommand: sglang serve --model-path m --context-length 8192\n";
    assert_eq!(other(sglang, &[("max_model_len", "4096")]).0, ["max_model_len 4096"]);
    let llama = "model: m\ncommand: llama-server -m m -c 4096\n";
    assert_eq!(other(llama, &[("max_num_seqs", "2")]).0, ["max_num_seqs 2"]);
}

#[test]
fn a_saved_line_is_changed_where_it_stands() {
    let line = "docker run --rm -e A=1 \\\n  a/b:1 vllm serve m --max-num-seqs=4\n";
    for (pair, differs) in [
        (("max_num_seqs", "8"), "max_num_seqs 8"),
        (("container", "a/b:2"), "container a/b:2"),
        (("env.A", "2"), "env.A 2"),
        (("kv_cache_dtype", "fp8"), "kv_cache_dtype fp8"),
    ] {
        assert_eq!(other(line, &[pair]).0, [differs], "{pair:?}");
    }
    let (_, command) = other(line, &[("max_num_seqs", "8")]);
    assert_eq!(command, "vllm serve m --max-num-seqs 8");
}
