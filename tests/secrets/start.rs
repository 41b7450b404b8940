//! Tests servers that longhaul starts and that print the key before they serve.

use insta::assert_snapshot;

use super::bench::Bench;
use super::bench::shown::{named, numberless};
use super::{BY_NAME, KEY, clean, clean_files};

/// The key in two writes to each output, and a line over the end of a read of 32 KiB.
const SAYS: &str = r#"K=$LONGHAUL_TEST_KEY; echo "the key is $K"; printf '%s' "${K:0:20}"; printf '%s\n' "${K:20}"; printf '%s' "é${K:0:20}" >&2; printf '%s\n' "${K:20}" >&2; head -c 32750 /dev/zero | tr '\0' x; printf '%s\n' "$K"; echo "ERROR CUDA error: out of memory for key $K"; printf 'ERROR CUDA error: out of memory %s\e[0m%s\n' "${K:0:15}" "${K:15}"; P=$(printf 'p%.0s' {1..240}); echo "ERROR CUDA error: out of memory $P $K tail"; "#;

fn secret_env() -> [(&'static str, &'static str); 1] {
    [("LONGHAUL_TEST_KEY", KEY)]
}

#[test]
fn a_server_that_prints_the_key_while_it_starts_leaves_none_of_it() {
    let bench = Bench::new("secret-start");
    let flags = [&["--start", "process"], &BY_NAME[..]].concat();
    let reported = bench.run_with(&flags, bench.recipe(SAYS), &secret_env());
    let log = bench.named(&bench.file("run/server.log"));
    let (fill, prefix) = ("x".repeat(32_750), "p".repeat(240));
    let short = |text: &str| named(text, &[(&fill, "x…"), (&prefix, "p…")]);
    // The two outputs are read side by side.
    let log = short(&log);
    let mut lines: Vec<&str> = log.lines().collect();
    lines.retain(|line| !line.contains("INFO"));
    lines.sort_unstable();
    assert_snapshot!(lines.join("\n"), @"
        ERROR CUDA error: out of memory [secret]
        ERROR CUDA error: out of memory for key [secret]
        ERROR CUDA error: out of memory p… [secret] tail
        SIMULATED server on http://127.0.0.1:PORT, serving `org/m`; Ctrl-C to stop
        [secret]
        the key is [secret]
        x…[secret]
        é[secret]
    ");
    assert_snapshot!(short(&bench.evidence(&["said cuda"])), @"
        said cuda_error_oom: ERROR CUDA error: out of memory for key [secret]
        said cuda_error_oom: ERROR CUDA error: out of memory [secret]
        said cuda_error_oom: ERROR CUDA error: out of memory p… [secret] tail
    ");
    clean("told", reported.text.as_bytes(), KEY);
    clean_files(&bench.path("run"), KEY);
}

#[test]
fn a_server_that_dies_with_the_key_on_its_lips_leaves_none_of_it() {
    let bench = Bench::new("secret-dies");
    let flags = [&["--start", "process"], &BY_NAME[..]].concat();
    let command = format!("{SAYS} printf 'last words %s' \"$K\"; exit 3");
    let reported = bench.run_with(&flags, bench.recipe_of(&command), &secret_env());
    assert_eq!(reported.code, Some(1), "{reported}");
    let reasons = bench.json("verdict.json")["reasons"].to_string();
    assert_snapshot!(numberless(&reasons), @r#"["the server never became ready: cuda_error_oom: CUDA error: out of memory for key [secret]; exit code # after # s"]"#);
    // No line end follows: the other output may be read after it.
    let log = bench.file("run/server.log");
    assert!(log.contains("last words [secret]"), "{}", log.len());
    clean("told", reported.text.as_bytes(), KEY);
    clean_files(&bench.path("run"), KEY);
}

#[test]
fn a_recipes_own_token_stands_nowhere_in_the_run_folder() {
    let bench = Bench::new("secret-recipe");
    let recipe = bench.recipe("echo \"token $HF_TOKEN\"; ");
    let text = std::fs::read_to_string(&recipe).expect("a recipe");
    let text = format!("{text}env:\n  HF_TOKEN: {KEY}\n  LIMIT_TOKEN: 12345678\n");
    std::fs::write(&recipe, text).expect("a recipe");
    let reported = bench.run(&["--start", "process"], recipe);
    assert_eq!(reported.code, Some(0), "{reported}");
    assert_eq!(bench.file("run/server.log").lines().next(), Some("token [secret]"));
    let recipe = bench.json("run.json")["recipe"]["text"].as_str().expect("a text").to_owned();
    assert_snapshot!(bench.named(&recipe), @r#"
        model: org/m
        runtime: vllm
        container: reg.example/m@sha256:1111111111111111111111111111111111111111111111111111111111111111
        command: |
          echo "token $HF_TOKEN"; exec LONGHAUL sim --recipe FOLDER/recipe.yaml --profile FOLDER/fast.yaml --port PORT
        defaults:
          port: PORT
          max_model_len: 32768
        env:
          HF_TOKEN: (secret)
          LIMIT_TOKEN: 12345678
    "#);
    clean("told", reported.text.as_bytes(), KEY);
    clean_files(&bench.path("run"), KEY);
    let compared = std::process::Command::new(super::LONGHAUL)
        .args(["compare", "--format", "json"])
        .args([bench.path("run"), bench.path("run")])
        .output()
        .expect("the binary runs");
    clean("compare", &compared.stdout, KEY);
}
