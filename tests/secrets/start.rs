//! Tests servers that longhaul starts and that print the key before they serve.

use super::bench::Bench;
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
    let told = bench.run_with(&flags, bench.recipe(SAYS), &secret_env());
    let log = bench.file("run/server.log");
    assert!(log.contains("the key is [secret]\n"), "{log}");
    assert!(log.contains("SIMULATED server"), "what came after is there: {log}");
    assert!(bench.events().contains("said,cuda_error_oom"), "{told}");
    clean("told", told.text.as_bytes(), KEY);
    clean_files(&bench.path("run"), KEY);
}

#[test]
fn a_server_that_dies_with_the_key_on_its_lips_leaves_none_of_it() {
    let bench = Bench::new("secret-dies");
    let flags = [&["--start", "process"], &BY_NAME[..]].concat();
    let command = format!("{SAYS} printf 'last words %s' \"$K\"; exit 3");
    let told = bench.run_with(&flags, bench.recipe_of(&command), &secret_env());
    assert_eq!(told.code, Some(1), "{told}");
    assert!(told.text.contains("its log: last words [secret]"), "{told}");
    assert!(bench.file("run/server.log").ends_with("last words [secret]"));
    clean("told", told.text.as_bytes(), KEY);
    clean_files(&bench.path("run"), KEY);
}

#[test]
fn a_recipes_own_token_stands_nowhere_in_the_run_folder() {
    let bench = Bench::new("secret-recipe");
    let recipe = bench.recipe("echo \"token $HF_TOKEN\"; ");
    let text = std::fs::read_to_string(&recipe).expect("a recipe");
    let text = format!("{text}env:\n  HF_TOKEN: {KEY}\n  LIMIT_TOKEN: 12345678\n");
    std::fs::write(&recipe, text).expect("a recipe");
    let told = bench.run(&["--start", "process"], recipe);
    assert_eq!(told.code, Some(0), "{told}");
    assert!(bench.file("run/server.log").contains("token [secret]"));
    let manifest = bench.file("run/run.json");
    assert!(manifest.contains("HF_TOKEN: (secret)") && manifest.contains("12345678"), "{manifest}");
    clean("told", told.text.as_bytes(), KEY);
    clean_files(&bench.path("run"), KEY);
    let compared = std::process::Command::new(super::LONGHAUL)
        .args(["compare", "--format", "json"])
        .args([bench.path("run"), bench.path("run")])
        .output()
        .expect("the binary runs");
    clean("compare", &compared.stdout, KEY);
}
