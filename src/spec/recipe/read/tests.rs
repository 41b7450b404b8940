use insta::assert_snapshot;

use super::*;
use crate::shown::each;
use crate::spec::recipe::Dialect;

fn source(text: &str) -> SpecFile {
    SpecFile { name: "r".to_owned(), origin: "r.yaml".to_owned(), text: text.to_owned() }
}

fn mistake(text: &str) -> String {
    read(source(text)).unwrap_err().to_string()
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
fn a_saved_line_with_a_variable_for_its_image_command_or_model_is_refused() {
    let texts = [
        "IMAGE=a/b:1\ndocker run --rm $IMAGE vllm serve m\n",
        "docker run \"${ARGS[@]}\" a/b:1 vllm serve m\n",
        "docker run a/b:${TAG:-latest} org/m\n",
        "docker run a/b:1 vllm serve \"$MODEL\" --port 1\n",
        "docker run a/b:1 $MODEL --port 1\n",
        "docker run a/b:1 bash -c 'vllm serve --model $(cat name)'\n",
        "docker run --rm\n",
        "docker run -e A='b c a/b:1 org/m\n",
        "docker run --rm ^\n  a/b:1 ^\n  org/m\n",
        "docker run --rm `\n  a/b:1 `\n  org/m\n",
        "docker run a/b:1 --port 1 \"${ARGS[@]}\"\n",
        "docker run a/b:1 --model `cat model`\n",
        "ssh spark docker run --rm a/b:1 org/m\n",
        "run: |\n\tdocker run --rm a/b:1 org/m\n",
    ];
    assert_snapshot!("saved", each(texts, |text| mistake(text)));
    let elsewhere = "docker run -v $HOME/x:/x -e A=$A a/b:1 vllm serve org/m --api-key $KEY\n";
    assert_eq!(recipe(elsewhere).model.as_deref(), Some("org/m"));
    let told = "docker run a/b:1 vllm serve org/m --max-model-len $LEN --x '$5' --y ${Y:-1}\n";
    assert_snapshot!(recipe(told).warnings.join("\n"), @"
        `$LEN` in the command has no value here: it comes from whoever starts it
        `${Y:-1}` in the command has no value here: it comes from whoever starts it
    ");
}

#[test]
fn an_empty_list_of_variables_is_none_and_the_word_none_is_told() {
    let recipe = recipe(
        "model: m\nenv: []\ndefaults: {tp: None}\ncommand: vllm serve m -tp {tp} --seed None\n",
    );
    assert!(recipe.env.is_empty());
    assert_snapshot!(recipe.warnings.join("\n"), @"
        `seed` is the word `None`, which is a string in YAML; write `null` for no value
        `tensor_parallel_size` is the word `None`, which is a string in YAML; write `null` for no value
    ");
}

#[test]
fn duplicates_are_told_with_their_lines_and_unknown_keys_are_kept() {
    let recipe = recipe("model: m\ncontainer: a\nenv: {Y: 'yes'}\ncontainer: b\nfrobnicate: 1\n");
    assert_eq!(recipe.container.as_deref(), Some("b"));
    assert_eq!(recipe.unknown, ["frobnicate"]);
    assert_eq!(
        recipe.warnings,
        ["line 4: `container` stands again (before on line 2); the last one counts"]
    );
}

#[test]
fn a_quote_that_is_not_closed_is_told_in_a_command_and_in_a_saved_line() {
    for text in [
        "model: m\ncommand: vllm serve m --served-model-name 'x --port 8000\n",
        "docker run a/b:1 org/m --spec '{\"a\": 1} --max-num-seqs 4\n",
    ] {
        let warnings = recipe(text).warnings;
        assert!(warnings.iter().any(|it| it.contains("is not closed")), "{warnings:?}");
    }
}

#[test]
fn braces_that_a_recipe_escapes_are_no_placeholder_without_a_value() {
    let warnings = |command: &str| recipe(&format!("model: m\ncommand: '{command}'\n")).warnings;
    assert_eq!(warnings("s {{x}} {{{{y}}}}"), Vec::<String>::new());
    assert_eq!(warnings("s {x} {{x}}"), ["{x} in `command` has no value in `defaults`"]);
}

#[test]
fn a_value_that_is_not_understood_is_refused_with_its_line_and_what_to_write() {
    let texts = [
        "model: m\nenv:\n  X: yes\n",
        "model: m\nmetadata: {on: 2026-07-14}\n",
        "model: m\ndefaults: {a: 1_000}\n",
        "model: !!str m\n",
        "model: m\na: &x 1\n",
        "model: m\ndefaults: {gm: 0.9}\ncommand: |\n  vllm serve m \\\n    --x {gm:.2f}\n",
    ];
    assert_snapshot!("values", each(texts, |text| mistake(text)));
    let shell = "model: m\ndefaults: {port: 1}\ncommand: 's ${port:-2} {\"a\":{port}} {x:y}'\n";
    assert_eq!(recipe(shell).command.as_deref(), Some("s ${port:-2} {\"a\":1} {x:y}"));
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
    let texts = [
        "",
        "- a\n",
        "workloads: []\n",
        "model: m\ndefaults: [1]\n",
        "model: m\ncommand: {a: 1}\n",
        "model: m\ndefaults: {a: \"{a}{a}{a}{a}{a}{a}{a}{a}\"}\ncommand: x {a}\n",
        "model: [m\n",
    ];
    assert_snapshot!("refused", each(texts, |text| mistake(text)));
}

proptest::proptest! {
    #[test]
    fn no_recipe_makes_it_panic(text in "(model|command|defaults|env|a|\\{a\\}|: |\n|  |\\[|\\]|'|\"|--|\\\\|&a |\\*a|<<){0,40}") {
        let _ = read(source(&text));
    }
}

fn reading(
    text: &str,
    options: &ReadOptions,
    files: &[(&str, &str)],
) -> Result<ReadRecipe, Mistake> {
    let beside = |name: &str| {
        Ok(files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned()))
    };
    read_as(&source(text), options, &beside)
}

#[test]
fn an_include_merges_as_sparkrun_merges_and_is_kept_as_one_file() {
    let files = [
        (
            "base.yaml",
            "include: _root\nmodel: org/m\nenv: {A: 1, B: 2}\ndefaults:\n  port: 8000\n  spec: {a: 1}\n",
        ),
        (
            "_root.yml",
            "runtime: vllm\nmin_nodes: 2\nmetadata: {x: {y: 1, z: 2}}\ncommand: vllm serve {model} --port {port} '{spec}'\n",
        ),
    ];
    let text = "include: base\nmin_nodes: null\nenv: {B: null, C: 3}\ndefaults: {spec: {b: 2}}\nmetadata: {x: {y: 9}}\n";
    let found = reading(text, &ReadOptions::default(), &files).unwrap();
    assert_eq!(found.recipe.command.as_deref(), Some("vllm serve org/m --port 8000 '{'b': 2}'"));
    assert_eq!(found.recipe.env, [("A".into(), "1".into()), ("C".into(), "3".into())]);
    assert_eq!(found.included, ["base.yaml", "_root.yml"]);
    let reported: Vec<_> = found.others.iter().map(|(key, text)| format!("{key}={text}")).collect();
    assert_eq!(reported, ["metadata={\"x\":{\"y\":9,\"z\":2}}"]);
    let again = read(found.recipe.source.clone()).unwrap();
    assert_eq!(again, found.recipe, "{}", found.recipe.source.text);
}

#[test]
fn an_include_cannot_leave_its_folder_run_in_circles_or_go_deep() {
    let deep: Vec<(String, String)> = (0..20)
        .map(|n| (format!("d{n}.yaml"), format!("include: d{}\nmodel: m\n", n + 1)))
        .collect();
    let deep: Vec<(&str, &str)> = deep.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let texts = [
        "include: ../x\nmodel: m\n",
        "include: /etc/passwd\nmodel: m\n",
        "include: .hidden\nmodel: m\n",
        "include: '@official/x'\nmodel: m\n",
        "include: gone\nmodel: m\n",
        "include: r\nmodel: m\n",
        "include: a\nmodel: m\n",
        "include: d0\nmodel: m\n",
        "recipe_version: 1\ninclude: d0\nmodel: m\n",
        "include: [a]\nmodel: m\n",
    ];
    let files = [&deep[..], &[("a.yaml", "include: a\n"), ("r.yaml", "model: m\n")]].concat();
    let reported =
        each(texts, |text| reading(text, &ReadOptions::default(), &files).unwrap_err().to_string());
    assert_snapshot!("includes", reported);
}

#[test]
fn layers_count_where_it_is_said_where_it_runs_and_are_told_otherwise() {
    let text = "model: m\nruntime: vllm\ncommand: x {a} {b}\ndefaults: {a: 1, b: 2, tensor_parallel: 2}\nenv: {E: 1}\noverrides:\n\
                - {when: {nodes: 2, arch: sm_120}, defaults: {a: 10}, env: {E: 2, F: 3}}\n\
                - {when: {tp: {gte: 2}, config: {b: [2, 3]}}, defaults: {b: 20}, container: img}\n\
                - {when: {colour: red}, defaults: {a: 99}}\n";
    let found = reading(text, &ReadOptions::default(), &[]).unwrap();
    assert_eq!(found.recipe.command.as_deref(), Some("x 1 2"));
    let applied: Vec<_> = found.layers.iter().map(|layer| layer.applied).collect();
    assert_eq!(applied, [None, None, None]);
    assert!(found.recipe.warnings.iter().any(|text| {
        text.starts_with("conditional layers in `overrides` that are not applied: 3;")
    }));
    let place = [("arch".to_owned(), vec!["SM_120".to_owned()])].into();
    let options = ReadOptions {
        deployment: Some(place),
        set: vec![("env.E".to_owned(), "mine".to_owned())],
        ..ReadOptions::default()
    };
    let found = reading(text, &options, &[]).unwrap();
    assert_eq!(found.recipe.command.as_deref(), Some("x 10 20"));
    assert_eq!(found.recipe.env, [("E".into(), "mine".into()), ("F".into(), "3".into())]);
    assert_eq!(found.recipe.container.as_deref(), Some("img"));
    let applied: Vec<_> = found.layers.iter().map(|layer| layer.applied).collect();
    assert_eq!(applied, [Some(true), Some(true), Some(false)]);
}

#[test]
fn a_recipe_without_a_command_gets_the_one_that_sparkrun_builds() {
    let of = |text: &str| recipe(text).command;
    assert_eq!(
        of("model: org/m\nmodel_revision: abc\nruntime: vllm\ndefaults: {port: 8000, tensor_parallel: 2, enable_prefix_caching: false, trust_remote_code: true, speculative_config: {method: mtp}}\n").as_deref(),
        Some("vllm serve org/m --revision abc -tp 2 --port 8000 --no-enable-prefix-caching --trust-remote-code --speculative-config '{\"method\":\"mtp\"}' --served-model-name org/m")
    );
    assert_eq!(
        of("model: org/m\nruntime: sglang\ndefaults: {max_model_len: 8192, data_parallel: 2, disable_radix_cache: true}\n").as_deref(),
        Some("sglang serve --model-path org/m --context-length 8192 --disable-radix-cache --dp-size 2")
    );
    assert_eq!(
        of("model: org/m-GGUF:Q8_0\nruntime: llama-cpp\ndefaults: {max_model_len: 4096, flash_attn: true, mmap: false, tensor_parallel: 2}\n").as_deref(),
        Some("llama-server -hf org/m-GGUF:Q8_0 --ctx-size 4096 --split-mode row --flash-attn on --no-mmap")
    );
    let found = reading("model: m\nruntime: atlas\n", &ReadOptions::default(), &[]).unwrap();
    assert_eq!((found.recipe.command, found.how), (None, render::RenderMethod::NotRendered));
}

#[test]
fn version_1_is_rendered_by_the_same_rules() {
    let v1 = |command: &str| {
        format!(
            "recipe_version: '1'\nname: n\ncontainer: c\ndefaults: {{gm: 0.90}}\ncommand: \"{command}\"\n"
        )
    };
    assert_eq!(recipe(&v1("x {gm} {{}}")).command.as_deref(), Some("x 0.9 {}"));
    let found = recipe(&v1("x {gm} ${HOME} {gone}"));
    assert_eq!(found.command.as_deref(), Some("x 0.9 ${HOME} {gone}"));
    assert_eq!(found.warnings, ["{gone} in `command` has no value in `defaults`"]);
}

#[test]
fn the_dialect_of_run_recipe_leaves_the_backend_away_and_stops_where_it_would() {
    let eugr = ReadOptions { dialect: Dialect::Eugr, ..ReadOptions::default() };
    let of = |command: &&str| {
        let text = format!("model: m\ndefaults: {{n: 2, none: null}}\ncommand: |\n  {command}\n");
        match reading(&text, &eugr, &[]) {
            Ok(found) => found.recipe.command.unwrap_or_default(),
            Err(wrong) => wrong.to_string(),
        }
    };
    let commands = [
        "vllm serve m -tp {n} --x {none} --distributed-executor-backend ray",
        "vllm serve {model}",
        "vllm serve m --y '{\"a\": 1}'",
    ];
    assert_snapshot!(each(commands, of), @r#"
        "vllm serve m -tp {n} --x {none} --distributed-executor-backend ray"
            vllm serve m -tp 2 --x None

        "vllm serve {model}"
            error: run-recipe.py stops at `{model}`
               at: r.yaml:4 command
              try: a value in `defaults` for a placeholder, {{ and }} for a brace

        "vllm serve m --y '{\"a\": 1}'"
            error: run-recipe.py stops at `{"a": 1}`
               at: r.yaml:4 command
              try: a value in `defaults` for a placeholder, {{ and }} for a brace
    "#);
}

#[test]
fn a_docker_run_in_a_file_is_a_recipe() {
    let text = "docker run -d -e A=1 -p 8000:8000 vllm/vllm-openai:v0.20.0 \\\n  org/m --served-model-name a b --max-num-seqs 4\n";
    let found = reading(text, &ReadOptions::default(), &[]).unwrap();
    assert_eq!(found.how, render::RenderMethod::AsItStands);
    let recipe = &found.recipe;
    assert_eq!((recipe.model.as_deref(), recipe.runtime.as_str()), (Some("org/m"), "vllm"));
    assert_eq!((recipe.served[0].as_str(), recipe.whole("max_num_seqs")), ("a", Some(4)));
    assert_eq!(recipe.container.as_deref(), Some("vllm/vllm-openai:v0.20.0"));
    assert_eq!(recipe.env, [("A".into(), "1".into())]);
}

#[test]
fn what_is_set_counts_before_defaults_and_what_cannot_be_set_is_said() {
    let set = |pairs: &[(&str, &str)]| ReadOptions {
        set: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..ReadOptions::default()
    };
    let text = "model: m\ncommand: s {port} {j}\ndefaults: {port: 1, j: '{\"a\": 1}'}\n";
    let found = reading(text, &set(&[("port", "0.50"), ("j.b", "yes")]), &[]).unwrap();
    assert_eq!(found.recipe.command.as_deref(), Some("s 0.5 {'a': 1, 'b': True}"));
    assert_snapshot!(reading(text, &set(&[("port.x", "1")]), &[]).unwrap_err(), @"
        error: `port.x` sets a field inside `port`, whose value is not a mapping
           at: --set
          try: set the whole value: --set 'key={…}'
    ");
}

#[test]
fn a_command_that_is_built_is_bounded_as_a_template_is() {
    let filler = "x".repeat(1 << 20);
    let text = format!("model: m\ndefaults: {{max_parallel_prefills: {filler}}}\n");
    assert_snapshot!(mistake(&text), @"
        error: the command it builds is longer than 1 MiB
           at: r.yaml:1 command
          try: longhaul recipe show says what the recipe holds
    ");
}

#[test]
fn settings_are_those_of_the_server_whatever_a_shell_runs_around_it() {
    let recipe = recipe(
        "command: \"ulimit -l; bash -c 'vllm serve org/m --max-num-seqs 8; echo --max-model-len 5'\"\n",
    );
    assert_eq!(recipe.model.as_deref(), Some("org/m"));
    let settings: Vec<_> = recipe.settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(settings, ["max_num_seqs=8"]);
}

#[test]
fn a_command_that_its_own_tools_would_not_start_is_told() {
    let reported = recipe("model: m\ncommand: 42\n").warnings;
    assert_snapshot!(reported.join("\n"), @"line 2: `command` is not a string, and sparkrun refuses it");
    assert_eq!(recipe("model: m\ncommand: ' '\n").warnings, Vec::<String>::new());
}

#[test]
fn a_saved_line_that_may_have_been_cut_is_refused() {
    let text = format!("docker run img vllm serve m\n{}", "# x\n".repeat(1 << 20));
    assert_snapshot!(mistake(&text), @"
        error: the file is larger than 4 MiB
           at: r.yaml:1
          try: a recipe, or a saved command line
    ");
}
