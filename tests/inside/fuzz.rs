//! Runs the bodies of the fuzz targets on their seeds, and on seeds that were damaged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test file, its helpers too

use std::fs;
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
        "prometheus" => drop(fuzz::prometheus(&text(bytes))),
        "row" => drop(fuzz::row(bytes)),
        "scenario" => fuzz::scenario(&text(bytes)),
        "sse" => fuzz::sse(bytes),
        other => panic!("no target {other}"),
    }
}

const TARGETS: [&str; 4] = ["prometheus", "row", "scenario", "sse"];

#[test]
fn every_seed_of_every_fuzz_target_keeps_its_properties() {
    for target in TARGETS {
        for seed in seeds(target) {
            run(target, &seed);
        }
    }
}

#[test]
fn the_seeds_of_rows_and_metrics_are_read() {
    let rows: usize = seeds("row").iter().map(|seed| fuzz::row(seed)).sum();
    let series: usize = seeds("prometheus").iter().map(|seed| fuzz::prometheus(&text(seed))).sum();
    assert!(rows >= 15 && series >= 3, "{rows} rows, {series} series");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_seed_with_bytes_removed_and_inserted_keeps_them_too(
        target in prop::sample::select(TARGETS.as_slice()),
        of in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        removed in 0_usize..40,
        inserted in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let seeds = seeds(target);
        let seed = of.get(&seeds);
        let (before, after) = seed.split_at(at.index(seed.len() + 1));
        let after = &after[removed.min(after.len())..];
        run(target, &[before, &inserted, after].concat());
    }

    #[test]
    fn arbitrary_bytes_keep_them_too(
        target in prop::sample::select(TARGETS.as_slice()),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        run(target, &bytes);
    }
}
