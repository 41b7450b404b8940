use super::*;
use crate::spec::Source;
use crate::spec::recipe::{Wishes, read_as};

fn reading(text: &str) -> Reading {
    let source = Source { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
    read_as(&source, &Wishes::default(), &|_| Ok(None)).expect("readable")
}

/// Every finding as `what grade line`.
fn found(text: &str) -> Vec<String> {
    let line = |finding: &Finding| finding.place.as_ref().map_or(0, |place| place.line);
    let pins = pins(&reading(text), None);
    pins.findings
        .iter()
        .map(|finding| format!("{} {} {}", finding.what, finding.grade.word(), line(finding)))
        .collect()
}

fn digest() -> String {
    format!("sha256:{}", "0".repeat(64))
}

#[test]
fn a_recipe_that_says_everything_has_nothing_that_floats() {
    let text = format!(
        "model: org/m
model_revision: 7b719225242aacd3dbd3f9407468c2ee9a9d2594
runtime_version: 0.20.0
\
         container: a/b@{}
command: vllm serve {{model}} --revision {{model_revision}} --seed 1 \
         --trust-remote-code --max-num-seqs 4 --max-num-batched-tokens 8192 --no-enable-prefix-caching \
         --kv-cache-memory-bytes 1073741824
",
        digest()
    );
    let all = ["container pinned 4", "model pinned 2", "runtime version pinned 3"];
    assert_eq!(found(&text), all);
    assert_eq!(pins(&reading(&text), None).floating(), 0);
}

#[test]
fn what_floats_is_named_with_its_line() {
    let text = "container: a/b:latest\nmodel: org/m\nmods:\n  - mods/x\npre_exec:\n  - pip install y\n  - echo hi\n  \
                - bash /w/x.sh\n  - copy: z\n    dest: d\nbuilder: docker-pull\ndefaults:\n  max_model_len: auto\ncommand: |\n  \
                vllm serve {model} --max-model-len {max_model_len} \\\n    --trust-remote-code \\\n    \
                --reasoning-parser-plugin p.py --attention-backend auto\n";
    assert_eq!(
        found(text),
        [
            "container floating 1",
            "model floating 2",
            "runtime version unknown 0",
            "trust_remote_code floating 16",
            "mods[0] floating 4",
            "pre_exec[0] floating 6",
            "pre_exec[1] pinned 7",
            "pre_exec[2] unknown 8",
            "pre_exec[3] local 9",
            "reasoning_parser_plugin local 17",
            "max_model_len floating 13",
            "attention_backend varies 17",
            "gpu_memory_utilization varies 0",
            "left to vLLM varies 0",
            "seed varies 0",
        ]
    );
}

#[test]
fn a_revision_that_the_command_does_not_ask_for_is_no_pin() {
    let model = |text: &str| found(text)[1].clone();
    let sha = "7b719225242aacd3dbd3f9407468c2ee9a9d2594";
    let declared = format!("model: org/m\nmodel_revision: {sha}\ncommand: vllm serve org/m\n");
    assert_eq!(model(&declared), "model varies 2");
    assert_eq!(
        model("model: org/m\ncommand: vllm serve org/m --revision main\n"),
        "model floating 2"
    );
    assert_eq!(
        model("model: org/m\ncommand: vllm serve org/m --revision v1.2.0\n"),
        "model dated 2"
    );
    assert_eq!(model("model: /models/m\ncommand: vllm serve /models/m\n"), "model local 1");
    let draft = "model: m/m\ncommand: vllm serve m/m --speculative-config '{\"model\":\"d/d\"}'\n";
    assert!(found(draft).contains(&"draft model floating 2".to_owned()), "{:?}", found(draft));
}

#[test]
fn what_comes_from_other_repositories_than_the_models_is_looked_at() {
    let others = |flags: &str| -> Vec<String> {
        let text = format!("model: m/m\ncommand: vllm serve m/m {flags}\n");
        found(&text).drain(3..).take_while(|text| !text.contains(" varies ")).collect()
    };
    assert_eq!(others("--tokenizer m/m"), Vec::<String>::new());
    assert_eq!(others("--tokenizer t/t"), ["tokenizer floating 2"]);
    assert_eq!(others("--tokenizer t/t --tokenizer-revision 7b71922"), ["tokenizer pinned 2"]);
    assert_eq!(others("--tokenizer-mode auto --tokenizer /t"), ["tokenizer local 2"]);
    assert_eq!(others("--hf-config-path c/c"), ["hf_config_path floating 2"]);
    assert_eq!(
        others("--enable-lora --lora-modules a=/x b=l/l"),
        ["lora_modules local 2", "lora_modules floating 2"]
    );
    assert_eq!(
        others("--lora-modules '{\"name\":\"a\",\"path\":\"l/l\"}'"),
        ["lora_modules floating 2"]
    );
}

#[test]
fn parsers_that_do_not_fit_are_conflicts() {
    let conflicts = |flags: &str| -> Vec<String> {
        let text =
            format!("model: nvidia/NVIDIA-Nemotron-3-Super-1B\ncommand: vllm serve m {flags}\n");
        let all = found(&text).into_iter();
        all.filter_map(|text| text.strip_suffix(" conflict 2").map(str::to_owned)).collect()
    };
    let calls = "--enable-auto-tool-choice --tool-call-parser";
    assert_eq!(conflicts(&format!("{calls} hermes")), ["tool_call_parser"]);
    assert_eq!(conflicts(&format!("{calls} qwen3_coder")), Vec::<String>::new());
    assert_eq!(conflicts("--reasoning-parser super_v3"), ["reasoning_parser"]);
    assert_eq!(conflicts("--reasoning-parser nemotron_v3"), Vec::<String>::new());
    assert_eq!(conflicts("--tool-call-parser qwen3_coder"), ["tool_call_parser"]);
    assert_eq!(conflicts("--enable-auto-tool-choice"), ["enable_auto_tool_choice"]);
    let mtp = "--speculative-config '{\"method\":\"mtp\",\"num_speculative_tokens\":3}'";
    assert_eq!(conflicts(&format!("{mtp} {calls} qwen3_coder")), ["tool_call_parser"]);
    assert_eq!(
        conflicts(&format!("{mtp} --gpu-memory-utilization 0.85")),
        ["gpu_memory_utilization"]
    );
}

#[test]
fn what_was_reported_of_super_is_said_of_super_alone() {
    let whys = |model: &str, flags: &str| -> Vec<String> {
        let text = format!(
            "model: nvidia/NVIDIA-Nemotron-3-{model}\ncommand: vllm serve m --enable-auto-tool-choice {flags}\n"
        );
        let found = pins(&reading(&text), None).findings.into_iter();
        found.filter(|it| it.grade == Grade::Conflict).map(|it| it.why).collect()
    };
    let hermes = "--tool-call-parser hermes";
    assert!(whys("Super-1B", hermes)[0].contains("20 of 100"));
    assert_eq!(whys("Nano-1B", hermes), Vec::<String>::new());
    let nano = "--tool-call-parser qwen3_coder --reasoning-parser nano_v3";
    assert_eq!(whys("Nano-1B", nano), ["`nano_v3` comes from a plugin, and none is named"]);
    assert_eq!(
        whys("Nano-1B", &format!("{nano} --reasoning-parser-plugin p.py")),
        Vec::<String>::new()
    );
}

#[test]
fn what_eugr_builds_is_local_and_what_a_submission_ran_is_told() {
    let text = "recipe_version: \"1\"\nmodel: m/m\ncontainer: a/b:v1.2\nbuild_args: [--tf5]\ncommand: vllm serve m\n";
    assert_eq!(found(text)[0], "container local 3");
    let submission =
        Submission { pinned: Some(format!("a/b@{}", digest())), ..Submission::default() };
    let pins = pins(&reading("model: m/m\ncontainer: a/b\n"), Some(&submission));
    assert_eq!(pins.grade, Grade::Floating);
    assert!(pins.findings[0].hint.as_deref().is_some_and(|hint| hint.contains("sha256:000")));
}

#[test]
fn of_an_image_for_each_host_the_least_sure_one_counts_and_a_mod_needs_no_list() {
    let text = format!(
        "model: m/m\ncontainers:\n  - {{image: 'a/b@{}', host: x}}\n  - {{image: 'a/b:latest', host: y}}\nmods: z\n",
        digest()
    );
    assert_eq!(pins(&reading(&text), None).grade, Grade::Floating);
    let found = found(&text);
    assert_eq!(found[1], "containers[1].image floating 4");
    assert!(found.contains(&"mods[0] floating 0".to_owned()), "{found:?}");
}

#[test]
fn a_saved_command_line_has_places_too() {
    let text =
        "# x\ndocker run -v /data:/data \\\n  a/b:nightly \\\n  org/m --tool-call-parser x\n";
    let found = found(text);
    assert_eq!(found[0], "container floating 3");
    assert!(found.contains(&"volume local 0".to_owned()), "{found:?}");
    assert!(found.contains(&"tool_call_parser conflict 4".to_owned()), "{found:?}");
}

#[test]
fn every_image_that_may_run_is_looked_at() {
    let pinned = format!("a/b@{}", digest());
    let text = format!(
        "model: m\ncontainer: {pinned}\noverrides:\n- when: {{nodes: 2}}\n  container: a/b:latest\n\
         - when: {{tp: 1}}\n  env: {{A: 1}}\n- when: {{}}\n  container: refused\n"
    );
    assert_eq!(found(&text)[..2], ["container pinned 2", "overrides[0].container floating 5"]);
    assert_eq!(pins(&reading(&text), None).grade, Grade::Pinned);
    let text = format!(
        "model: m\ncontainers:\n- image: {pinned}\n  host: a\n- {{host: b, image: a/b:v1.2}}\n"
    );
    let hosts = ["containers[0].image pinned 3", "containers[1].image dated 5"];
    assert_eq!(found(&text)[..2], hosts);
    assert_eq!(pins(&reading(&text), None).grade, Grade::Dated);
}
