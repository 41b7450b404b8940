use super::*;
use crate::spec::{SpecFile, recipe};

const PAGE: &str = "vllm:cache_config_info{block_size=\"16\",cache_dtype=\"fp8\",\
                    enable_prefix_caching=\"False\",engine=\"0\",gpu_memory_utilization=\"0.75\",\
                    mamba_cache_dtype=\"auto\",num_gpu_blocks=\"37500\",sliding_window=\"None\"} 1.0\n";

fn recipe(text: &str) -> Recipe {
    recipe::read(SpecFile { name: "r".into(), origin: "r.yaml".into(), text: text.into() }).unwrap()
}

fn served(length: u64) -> Vec<Model> {
    vec![Model {
        id: "m".into(),
        root: Some("org/Model".into()),
        parent: None,
        max_model_len: Some(length),
    }]
}

fn identity(length: u64, version: &str, page: &str) -> Identity {
    Identity::of(&served(length), "m", Some(version), Some(page))
}

/// Differences, as subject and words.
fn differing(recipe: &Recipe, identity: &Identity) -> Vec<String> {
    let all = identity.0.iter().map(|(subject, words)| held(recipe, subject, words));
    all.filter(|seen| seen.differs).map(|seen| seen.words()).collect()
}

const RECIPE: &str = "model: org/Model\nruntime: vllm\nruntime_version: 0.20.1\ndefaults:\n  \
                      served_model_name: m n\n  max_model_len: 131072\n  kv_cache_dtype: fp8_e4m3\n  \
                      gpu_memory_utilization: 0.750\n  block_size: 16\n";

#[test]
fn a_server_that_is_what_the_recipe_says_differs_in_nothing() {
    let found = differing(&recipe(RECIPE), &identity(131_072, "0.20.1+7124b12a.dev", PAGE));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_server_without_a_recipe_declares_nothing_of_its_weights() {
    let attached = recipe::attach("m", Some(131_072), Some("0.20.1"));
    let found = differing(&attached, &identity(131_072, "0.20.1", PAGE));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_difference_is_named_with_both_values() {
    let page = PAGE.replace("block_size=\"16\"", "block_size=\"32\"").replace("0.75", "0.9");
    let found = differing(&recipe(RECIPE), &identity(32_768, "0.20.10", &page));
    assert_eq!(
        found,
        [
            "block_size: declared 16, seen 32",
            "gpu_memory_utilization: declared 0.75, seen 0.9",
            "max_model_len: declared 131072, seen 32768",
            "version: declared 0.20.1, seen 0.20.10",
        ]
    );
}

#[test]
fn a_version_that_stands_under_metadata_is_compared_like_any_other() {
    let text = "model: org/Model\nmetadata: {vllm_version: 0.20.1+a.dev}\n";
    let found = differing(&recipe(text), &identity(1, "0.20.2", ""));
    assert_eq!(found[..1], ["model: declared org/Model, seen m"]);
    assert_eq!(found[1..], ["version: declared 0.20.1+a.dev, seen 0.20.2"]);
}

#[test]
fn the_simulators_version_is_held_against_no_recipe() {
    let simulated = "0.32.0+longhaul.sim";
    assert!(differing(&recipe(RECIPE), &identity(131_072, simulated, PAGE)).is_empty());
    let seen = held(&recipe(RECIPE), VERSION, simulated);
    assert_eq!((seen.declared, seen.seen.as_str()), (None, simulated));
}

#[test]
fn what_the_recipe_leaves_open_cannot_differ() {
    let open = "model: org/Model\ndefaults: {max_model_len: auto, kv_cache_dtype: auto, served_model_name: m}\n";
    assert!(differing(&recipe(open), &identity(1, "9", PAGE)).is_empty());
}

#[test]
fn weights_may_lie_in_a_folder_or_in_a_hubs_cache() {
    let recipe = recipe(RECIPE);
    for root in [
        "org/Model",
        "/models/model/",
        "/root/.cache/huggingface/hub/models--org--Model/snapshots/0a1b",
        "m",
    ] {
        assert!(is_root(&recipe, "org/Model", root), "{root}");
    }
    assert!(!is_root(&recipe, "org/Model", "org/Model-FP8"));
}

#[test]
fn a_change_between_two_starts_is_said_as_such() {
    let recipe = recipe(RECIPE);
    let before = identity(131_072, "0.20.1", PAGE);
    assert!(changed(&recipe, &before, &before).is_empty());
    let page = PAGE.replace("37500", "36000");
    let now = identity(65_536, "0.20.1", &page);
    let words: Vec<String> =
        changed(&recipe, &before, &now).iter().map(super::Statement::words).collect();
    assert_eq!(
        words,
        [
            "max_model_len: changed during the run: 131072 before, 65536 now; the recipe says 131072",
            "num_gpu_blocks: changed during the run: 37500 before, 36000 now",
        ]
    );
    let gone = Identity::of(&served(1), "other", None, None);
    assert!(changed(&recipe, &gone, &before).iter().all(|seen| seen.subject == "model"));
}

#[test]
fn a_change_without_a_recipe_names_the_model_that_is_asked_for_and_no_recipe() {
    let asked = recipe::attach("m", Some(131_072), Some("0.20.1"));
    let before = identity(131_072, "0.20.1", "");
    let mut other = served(65_536);
    other[0].id = "other".into();
    let now = Identity::of(&other, "m", Some("0.20.2"), None);
    let shorter = identity(65_536, "0.20.1", "");
    let changes = [changed(&asked, &before, &now), changed(&asked, &before, &shorter)].concat();
    let words: Vec<String> = changes.iter().map(super::Statement::words).collect();
    assert_eq!(
        words,
        [
            "model: changed during the run: m before, other now; m is asked for",
            "version: changed during the run: 0.20.1 before, 0.20.2 now",
            "max_model_len: changed during the run: 131072 before, 65536 now",
        ]
    );
}

#[test]
fn engines_behind_one_page_that_disagree_stand_side_by_side() {
    let other = PAGE.replace("engine=\"0\"", "engine=\"1\"").replace("37500", "37000");
    let identity = Identity::of(&[], "m", None, Some(&(PAGE.to_owned() + &other)));
    assert_eq!(identity.0["num_gpu_blocks"], "37000 37500");
    assert_eq!((identity.0["block_size"].as_str(), identity.prefix_caching()), ("16", Some(false)));
    assert!(!identity.0.contains_key("sliding_window"));
}

#[test]
fn a_name_in_an_answer_is_news_once() {
    let mut identity = identity(1, "1", "");
    assert!(identity.answered("vllm-1-abc") && !identity.answered("vllm-1-abc"));
    assert!(!identity.answered(""), "silence is no news");
    assert!(identity.answered("vllm-1-abd"));
}
