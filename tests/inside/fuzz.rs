//! Runs the bodies of the fuzz targets on their seeds, and on seeds that were damaged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use proptest::prelude::*;

use crate::fuzz;

/// Every seed of a target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let seeds: Vec<_> = paths.map(|path| fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty(), "{target}");
    seeds
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs the body of a target.
fn run(target: &str, bytes: &[u8]) {
    match target {
        "chunk" => drop(fuzz::chunk(bytes)),
        "journal" => drop(fuzz::journal(bytes)),
        "log_line" => drop(fuzz::log_line(bytes)),
        "manifest" => drop(fuzz::manifest(&text(bytes))),
        "prometheus" => drop(fuzz::prometheus(&text(bytes))),
        "recipe" => fuzz::recipe(&text(bytes)),
        "render" => fuzz::render(&text(bytes)),
        "row" => drop(fuzz::row(bytes)),
        "scenario" => fuzz::scenario(&text(bytes)),
        "sse" => fuzz::sse(bytes),
        other => panic!("no target {other}"),
    }
}

const TARGETS: [&str; 10] = [
    "chunk",
    "journal",
    "log_line",
    "manifest",
    "prometheus",
    "recipe",
    "render",
    "row",
    "scenario",
    "sse",
];

#[test]
fn every_fuzz_target_has_its_seeds_and_its_line_in_the_guide() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str, end: &str| {
        let entries = fs::read_dir(root.join("tests/fuzz").join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> =
            names.filter_map(|name| Some(name.strip_suffix(end)?.to_owned())).collect();
        names.sort();
        names
    };
    assert_eq!(names("fuzz_targets", ".rs"), TARGETS);
    assert_eq!(names("seeds", ""), TARGETS);
    let guide = fs::read_to_string(root.join("docs/testing.md")).unwrap();
    assert!(TARGETS.iter().all(|target| guide.contains(&format!("| `{target}` |"))));
}

#[test]
fn every_seed_of_every_fuzz_target_keeps_its_properties() {
    let mut broken = Vec::new();
    for target in TARGETS {
        for (number, seed) in seeds(target).iter().enumerate() {
            if catch_unwind(|| run(target, seed)).is_err() {
                broken.push(format!("{target} {number}: {}", text(seed)));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_seeds_of_rows_and_pages_and_logs_are_read() {
    let sum = |target: &str, count: fn(&[u8]) -> usize| -> usize {
        seeds(target).iter().map(|seed| count(seed)).sum()
    };
    let counts = [
        sum("chunk", |seed| usize::from(fuzz::chunk(seed))),
        sum("journal", fuzz::journal),
        sum("log_line", |seed| fuzz::log_line(seed) as usize),
        sum("manifest", |seed| usize::from(fuzz::manifest(&text(seed)))),
        sum("prometheus", |seed| fuzz::prometheus(&text(seed))),
        sum("row", fuzz::row),
    ];
    let least = [18, 350, 90, 6, 30, 35];
    assert!(counts.iter().zip(least).all(|(count, least)| *count >= least), "{counts:?}");
}

/// Runs the body of a target on seeds that were damaged, and on arbitrary bytes.
macro_rules! damaged {
    ($($target:ident $cases:literal,)+) => { $(
        mod $target {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig {
                    cases: $cases,
                    failure_persistence: None,
                    ..ProptestConfig::default()
                })]

                #[test]
                fn a_seed_with_bytes_removed_and_inserted_keeps_its_properties(
                    of in any::<prop::sample::Index>(),
                    at in any::<prop::sample::Index>(),
                    removed in 0_usize..40,
                    inserted in prop::collection::vec(any::<u8>(), 0..20),
                ) {
                    let seeds = seeds(stringify!($target));
                    let seed = of.get(&seeds);
                    let (before, after) = seed.split_at(at.index(seed.len() + 1));
                    let after = &after[removed.min(after.len())..];
                    run(stringify!($target), &[before, &inserted, after].concat());
                }

                #[test]
                fn arbitrary_bytes_keep_its_properties(
                    bytes in prop::collection::vec(any::<u8>(), 0..200),
                ) {
                    run(stringify!($target), &bytes);
                }
            }
        }
    )+ };
}

damaged! {
    chunk 500,
    journal 200,
    log_line 500,
    manifest 300,
    prometheus 500,
    render 500,
    row 500,
    scenario 500,
    sse 500,
}
