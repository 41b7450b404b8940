//! Tests malformed and unusual recipes, with the checks of the fuzz target.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::fuzz as body;

/// What recipes are made of, and what has been their trouble.
const PIECES: [&str; 40] = [
    "model: m\n",
    "defaults:\n",
    "command: |\n",
    "include: r\n",
    "overrides:\n",
    "env:\n",
    "  ",
    "- ",
    "port: 8000\n",
    "a: {b: 1}\n",
    "vllm serve {model} --port {port} \\\n",
    "{",
    "}",
    "{{",
    "}}",
    "{a}",
    "{a.b}",
    "{a[0]}",
    "{a!r}",
    "{a:>999999999}",
    "{a:{b}}",
    "'",
    "\"",
    "&x ",
    "*x\n",
    "<<: *x\n",
    "when: {tp: 2}\n",
    "recipe_version: \"1\"\n",
    "runtime: sglang\n",
    "docker run -e A=1 img cmd\n",
    "#!/bin/sh\n",
    "---\n",
    "...\n",
    "!!python/object:os.system ls\n",
    "0x1_0\n",
    "12:30:45\n",
    "\t",
    "\u{0}",
    "\u{2028}",
    "💥",
];

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES.as_slice()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z_]{1,9}: ",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_of_recipes_are_read_rendered_and_compared_within_their_bounds(text in pieces()) {
        body::recipe(&text);
    }

    #[test]
    fn any_text_at_all_is_too(text in any::<String>()) {
        body::recipe(&text);
    }

    /// A real recipe with a piece put in, or taken out, somewhere.
    #[test]
    fn a_recipe_that_was_damaged_is_too(at in 0.0..1.0_f64, gone in 0_usize..40, piece in pieces()) {
        let whole = include_str!("../../../recipes/nemotron-3-super.yaml");
        let characters: Vec<char> = whole.chars().collect();
        let at = (at * characters.len() as f64) as usize;
        let rest = characters[at..].iter().skip(gone);
        let text: String = characters[..at].iter().copied().chain(piece.chars()).chain(rest.copied()).collect();
        body::recipe(&text);
    }
}

#[test]
fn every_seed_of_the_fuzz_target_keeps_what_it_must() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/recipe");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        body::recipe(&fs::read_to_string(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 8, "{count}");
}
