//! Tests that recipes rendered here and by the tools that own their format are equal, byte for
//! byte. Needs sparkrun, so it is ignored by default:
//!
//! `LONGHAUL_ORACLE_PYTHON=…/bin/python LONGHAUL_ORACLE_RECIPES=folder cargo test --lib oracle -- --ignored`

#![allow(clippy::expect_used, clippy::panic)]

mod ask;
mod made;
mod words;

use std::path::PathBuf;

use ask::{Ask, Tally};

/// What is set on recipes that nobody made for it.
const SETS: [&[(&str, &str)]; 8] = [
    &[],
    &[("port", "9000"), ("max_model_len", "4096")],
    &[("gpu_memory_utilization", "0.90"), ("tensor_parallel", "1")],
    &[("max_num_seqs", "10"), ("host", " 127.0.0.1 "), ("served_model_name", "x y")],
    &[("speculative_config.method", "ngram"), ("speculative_config.num_speculative_tokens", "5")],
    &[("speculative_config", "{\"a\": {\"b\": 1}}"), ("speculative_config.a.c", "[1, 2]")],
    &[("extra_args", "--x {port} '{\"k\":{port}}'"), ("model", "other/{host}")],
    &[("port", "true"), ("max_model_len", "1e5"), ("kv_cache_dtype", "No"), ("env.A", "yes")],
];

fn python() -> String {
    std::env::var("LONGHAUL_ORACLE_PYTHON").expect("LONGHAUL_ORACLE_PYTHON: a Python with sparkrun")
}

fn recipes() -> Vec<PathBuf> {
    let folder =
        std::env::var("LONGHAUL_ORACLE_RECIPES").expect("LONGHAUL_ORACLE_RECIPES: a folder");
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
#[ignore = "needs sparkrun and a folder of recipes"]
fn every_recipe_of_a_folder_is_rendered_as_its_own_tools_do() {
    let mut asks = Vec::new();
    for path in recipes() {
        for set in SETS {
            let set: Vec<(String, String)> =
                set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            asks.push(Ask::sparkrun(&path, &set, None));
        }
        // What its own tool can render is the same there.
        let text = std::fs::read_to_string(&path).expect("a recipe");
        if text.lines().any(|line| line.starts_with("recipe_version: \"1\"")) {
            asks.push(Ask::eugr(&path, &[]));
        }
    }
    let tally = Tally::of(&python(), &asks);
    print!("{}", tally.table());
    tally.check();
}

#[test]
#[ignore = "needs sparkrun"]
fn made_up_recipes_are_rendered_as_their_own_tools_do() {
    let folder = std::env::temp_dir().join(format!("longhaul-oracle-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let count = std::env::var("LONGHAUL_ORACLE_COUNT").ok().and_then(|count| count.parse().ok());
    let seed = std::env::var("LONGHAUL_ORACLE_SEED").ok().and_then(|seed| seed.parse().ok());
    let asks = made::asks(&folder, seed.unwrap_or(1), count.unwrap_or(600));
    let tally = Tally::of(&python(), &asks);
    print!("{}{}", tally.summary(), tally.refusals());
    tally.check();
    std::fs::remove_dir_all(&folder).expect("removed");
}
