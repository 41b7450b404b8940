//! Checks what is made of whole rows with wild values: they are read, judged, reported and replayed.

use super::folder::{WildFolder, check_replay, check_report, numbered};
use crate::fact::Entry;
use crate::fact::row::{File, decode};
use crate::journal::Manifest;
use crate::journal::manifest::{Anchor, SpecText};
use crate::spec::SpecFile;

/// Scenario whose gates use requests, events and readings.
const SCENARIO: &str = "about: Wild rows.\nduration: 8m\nwarmup: 1 lap\nreference: 1 lap\n\
    workloads:\n  - ladder: { depths: [0, 4096], prompt: 2048, output: 128, concurrency: [1, 2] }\n\
    contract:\n  crashes: 0\n  ooms: 0\n  restarts: 0\n  hangs: 0\n  growth: 0 where seen\n  \
    errors: 1%\n  ttft: { d0: 2s, d4096: 5s }\n  tpot: 60ms\n  swallowed: 1%\n  \
    tokens_per_s:\n    - { phase: return, load: 1, at_least: 93% of reference }\n";

/// Reads arbitrary lines as rows, gives each that can be read a number and a checksum, and reads the
/// run folder of them. Returns how many rows could be read.
pub fn journal(lines: &[u8]) -> usize {
    let manifest = manifest();
    let entries = numbered(entries(lines), &manifest.run);
    if entries.is_empty() {
        return 0;
    }
    let text = manifest.to_json().unwrap_or_default();
    let folder = WildFolder::new(&text, &entries);
    let read =
        check_report(folder.path()).and_then(|()| check_replay(folder.path(), entries.len()));
    assert!(read.is_ok(), "{read:?}");
    entries.len()
}

/// Reads each line as a row of the first file that it can be of.
pub(super) fn entries(lines: &[u8]) -> Vec<Entry> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines.filter_map(|line| File::ALL.iter().find_map(|file| decode(*file, line).ok())).collect()
}

/// Returns the manifest of a run of two segments.
fn manifest() -> Manifest {
    let source =
        SpecFile { name: "wild".into(), origin: "wild.yaml".into(), text: SCENARIO.to_owned() };
    let anchor = |segment| Anchor {
        segment,
        wall_us: 1_778_623_200_000_000 + 3_600_000_000 * u64::from(segment),
        ..Anchor::default()
    };
    let cells = ["d0/c1/p2048/o128", "d0/c2/p2048/o128", "d4096/c1/p2048/o128"];
    let mut manifest = Manifest {
        scenario: SpecText::of(&source),
        seed: 7,
        plan: serde_json::json!({ "cells": cells }),
        segments: vec![anchor(0), anchor(1)],
        again: "longhaul run --scenario wild.yaml".to_owned(),
        ..Manifest::default()
    };
    manifest.identify();
    manifest
}
