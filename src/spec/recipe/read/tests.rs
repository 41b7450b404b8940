use super::*;

fn source(text: &str) -> Source {
    Source { name: "r".to_owned(), origin: "r.yaml".to_owned(), text: text.to_owned() }
}

fn recipe(text: &str) -> Recipe {
    read(source(text)).expect("readable")
}

#[test]
fn a_sparkrun_recipe_is_rendered_and_its_flags_win_over_its_defaults() {
    let recipe = recipe(
        "recipe_version: \"2\"\nmodel: org/m\nmodel_revision: abc\nruntime: vllm\n\
         container: img@sha256:00\nenv: {A: 1, B: x, C: true, D: }\n\
         defaults:\n  port: 8000\n  max_num_seqs: 4\n  gpu_memory_utilization: 0.80\n  tensor_parallel: 2\n  \
         enable_prefix_caching: true\n  speculative_config: {method: mtp, num_speculative_tokens: 1}\n\
         command: |\n  vllm serve {model} --revision {model_revision} \\ \n    --max-num-seqs 8 --port {port} \\\n    \
         --gpu-memory-utilization {gpu_memory_utilization} --served-model-name 'a b' --no-enable-prefix-caching\n",
    );
    assert_eq!(
        recipe.command.as_deref(),
        Some(
            "vllm serve org/m --revision abc \\\n  --max-num-seqs 8 --port 8000 \\\n  \
             --gpu-memory-utilization 0.8 --served-model-name 'a b' --no-enable-prefix-caching"
        )
    );
    assert_eq!(recipe.served, ["a", "b"]);
    assert_eq!(recipe.whole("max_num_seqs"), Some(8));
    assert_eq!(recipe.whole("tensor_parallel_size"), Some(2));
    assert_eq!(recipe.switch("enable_prefix_caching"), Some(false));
    assert_eq!(
        recipe.settings["speculative_config"],
        "{\"method\":\"mtp\",\"num_speculative_tokens\":1}"
    );
    let env: Vec<_> = recipe.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(env, ["A=1", "B=x", "C=True", "D=None"]);
    assert_eq!(recipe.about, "org/m on vllm.");
    assert_eq!((recipe.warnings.len(), recipe.unknown.len()), (0, 0));
}

#[test]
fn traps_and_duplicates_are_told_with_their_lines_and_unknown_keys_are_kept() {
    let recipe = recipe(
        "model: m\ncontainer: a\nenv:\n  X: yes\n  Y: 'yes'\n  Z: 010\ncontainer: b\nfrobnicate: 1\n",
    );
    assert_eq!(recipe.container.as_deref(), Some("b"));
    assert_eq!(recipe.unknown, ["frobnicate"]);
    assert_eq!(
        recipe.warnings,
        [
            "line 4: `yes` is True to PyYAML; a text needs quotes",
            "line 6: `010` is 8 to PyYAML; a text needs quotes",
            "line 7: `container` stands again (before on line 2); the last one counts",
        ]
    );
}

#[test]
fn a_recipe_of_version_1_gives_model_and_runtime_by_its_command() {
    let recipe = recipe(
        "recipe_version: \"1\"\nname: n\ncontainer: vllm-node\ndefaults: null\n\
         command: |\n  vllm serve org/m \\\n   --speculative-config '{{\"method\":\"mtp\"}}' -tp 2",
    );
    assert_eq!(recipe.model.as_deref(), Some("org/m"));
    assert_eq!(recipe.runtime, "vllm");
    assert_eq!(recipe.settings["speculative_config"], "{\"method\":\"mtp\"}");
    assert_eq!(recipe.served, ["org/m"]);
}

#[test]
fn what_is_no_recipe_is_refused_where_it_goes_wrong() {
    for (text, words) in [
        ("", "r.yaml:1"),
        ("- a\n", "it is a list"),
        ("workloads: []\n", "--scenario"),
        ("model: m\ndefaults: [1]\n", "r.yaml:2 defaults"),
        ("model: m\ncommand: {a: 1}\n", "r.yaml:2 command"),
        (
            "model: m\ndefaults: {a: \"{a}{a}{a}{a}{a}{a}{a}{a}\"}\ncommand: x {a}\n",
            "r.yaml:3 command",
        ),
        ("model: [m\n", "no YAML"),
    ] {
        let mistake = read(source(text)).unwrap_err().to_string();
        assert!(mistake.contains(words), "{text:?}: {mistake}");
    }
}

proptest::proptest! {
    #[test]
    fn no_recipe_makes_it_panic(text in "(model|command|defaults|env|a|\\{a\\}|: |\n|  |\\[|\\]|'|\"|--|\\\\|&a |\\*a|<<){0,40}") {
        let _ = read(source(&text));
    }
}
