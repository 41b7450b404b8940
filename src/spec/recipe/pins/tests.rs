use insta::assert_snapshot;

use super::*;
use crate::shown::each;
use crate::spec::SpecFile;
use crate::spec::recipe::{ReadOptions, read_as};

fn reading(text: &str) -> ReadRecipe {
    let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
    read_as(&source, &ReadOptions::default(), &|_| Ok(None)).expect("readable")
}

/// Findings of a recipe as `what grade line`.
fn found(text: &str) -> Vec<String> {
    let line = |finding: &PinFinding| finding.line.unwrap_or(0);
    let pins = pins(&reading(text));
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
    let all = ["container pinned 4", "model pinned 2", "runtime_version pinned 3"];
    assert_eq!(found(&text), all);
    assert_eq!(pins(&reading(&text)).floating(), 0);
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
            "trust_remote_code floating 16",
            "runtime_version unknown 0",
            "mods[0] floating 4",
            "pre_exec[0] runs 6",
            "pre_exec[1] runs 7",
            "pre_exec[2] runs 8",
            "pre_exec[3] runs 5",
            "reasoning_parser_plugin local 17",
            "max_model_len floating 13",
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
    assert_snapshot!(found(draft).join("\n"), @"
        container floating 0
        model floating 1
        speculative_config floating 2
        runtime_version unknown 0
        seed varies 0
    ");
}

#[test]
fn an_image_is_graded_by_what_sparkrun_runs_for_it() {
    let texts = [
        "container: vllm-node\ncommand: vllm serve m\n",
        "recipe_version: \"1\"\ncontainer: vllm-node\ncommand: vllm serve m\n",
        "recipe_version: \"1\"\ncontainer: vllm-node-mxfp4\nbuild_args: [--exp-mxfp4]\ncommand: vllm serve m\n",
        "container: vllm-node-tf5\nbuild_args: [--tf5]\ncommand: vllm serve m\n",
        "container: vllm-node\nruntime_config: {build_args: [--use-wheels]}\ncommand: vllm serve m\n",
        "container: a/b:v1.2\nbuild_args: [--use-wheels]\ncommand: vllm serve m\n",
        "container: eugr/spark-vllm:latest\nbuild_args: [--use-wheels]\ncommand: vllm serve m\n",
        "container: ghcr.io/spark-arena/dgx-vllm-eugr-nightly:latest\ncommand: vllm serve m\n",
        "container: me/vllm-node-b12x\nbuilder: docker-pull\ncommand: vllm serve m\n",
        "container: vllm-node\nbuilder: docker-pull\nrecipe_version: \"1\"\ncommand: vllm serve m\n",
        "docker run vllm-node vllm serve org/m\n",
    ];
    let reported = each(texts, |text| {
        let first = pins(&reading(text)).findings.swap_remove(0);
        let hint = first.hint.unwrap_or_default();
        format!("{} {}\n  try: {hint}", first.grade.word(), first.why)
    });
    assert_snapshot!("images", reported);
}

#[test]
fn a_served_snapshot_is_pinned_by_its_commit() {
    let commit = "7b719225242aacd3dbd3f9407468c2ee9a9d2594";
    let path = format!("/hub/models--org--m/snapshots/{commit}");
    for (text, expected) in [
        (
            format!("model: org/m\ncommand: vllm serve {path} --trust-remote-code\n"),
            "model pinned 2",
        ),
        (format!("model: org/m\ncommand: sglang serve --model-path {path}/\n"), "model pinned 2"),
        (format!("docker run i vllm serve {path}\n"), "model pinned 1"),
        (format!("docker run i vllm serve {}\n", path.replace("9225", "main")), "model local 1"),
    ] {
        assert_eq!(found(&text)[1], expected, "{text}");
    }
    assert_eq!(
        found(&format!("model: m\ncommand: vllm serve {path} --trust-remote-code\n"))[2],
        "runtime_version unknown 0"
    );
}

#[test]
fn a_command_beside_the_server_runs_and_is_graded_neither_way() {
    let text = "model: m/m\npost_exec: [echo hi]\ncommand: cd /x && vllm serve m/m --seed 1\n";
    let pins = pins(&reading(text));
    let runs: Vec<_> = pins.findings.iter().filter(|it| it.grade == Grade::Runs).collect();
    let reported: Vec<_> = runs.iter().map(|it| format!("{}: {}", it.what, it.why)).collect();
    assert_snapshot!(reported.join("\n"), @"
        post_exec[0]: a command at the launch: `echo hi`
        command: more than the server
    ");
    assert!(runs.iter().all(|it| it.hint.is_none()));
    assert_eq!(pins.count(|grade| grade == Grade::Unknown), 1, "the version");
}

#[test]
fn of_an_image_for_each_host_the_least_sure_one_counts_and_a_mod_needs_no_list() {
    let text = format!(
        "model: m/m\ncontainers:\n  - {{image: 'a/b@{}', host: x}}\n  - {{image: 'a/b:latest', host: y}}\nmods: z\n",
        digest()
    );
    assert_eq!(pins(&reading(&text)).grade, Grade::Floating);
    assert_snapshot!(found(&text).join("\n"), @"
        containers[0].image pinned 3
        containers[1].image floating 4
        model floating 1
        runtime_version unknown 0
        mods[0] floating 5
        seed varies 0
    ");
}

#[test]
fn a_saved_command_line_has_places_too() {
    let text =
        "# x\ndocker run -v /data:/data \\\n  a/b:nightly \\\n  org/m --tool-call-parser x\n";
    let found = found(text);
    assert_eq!(found[0], "container floating 3");
}

#[test]
fn every_image_that_may_run_is_looked_at() {
    let pinned = format!("a/b@{}", digest());
    let text = format!(
        "model: m\ncontainer: {pinned}\noverrides:\n- when: {{nodes: 2}}\n  container: a/b:latest\n\
         - when: {{tp: 1}}\n  env: {{A: 1}}\n"
    );
    assert_eq!(found(&text)[..2], ["container pinned 2", "overrides[0].container floating 5"]);
    assert_eq!(pins(&reading(&text)).grade, Grade::Pinned);
    let text = format!(
        "model: m\ncontainers:\n- image: {pinned}\n  host: a\n- {{host: b, image: a/b:v1.2}}\n"
    );
    let hosts = ["containers[0].image pinned 3", "containers[1].image dated 5"];
    assert_eq!(found(&text)[..2], hosts);
    assert_eq!(pins(&reading(&text)).grade, Grade::Dated);
}
