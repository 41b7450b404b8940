//! Tests run folders of earlier binaries: their rows are read and written again to the same bytes,
//! but for columns that were added since.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use longhaul::fact::row::{File, decode, encode};
use longhaul::journal::Manifest;

const FOLDERS: [&str; 3] = ["healthy", "crashed", "torn"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/frozen").join(name)
}

/// Rows with their line end, without the torn tail and the header; and the number of columns that
/// were added since, before the checksum.
fn rows(file: File, bytes: &[u8]) -> (Vec<&[u8]>, usize) {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let whole: Vec<&[u8]> = lines.filter(|line| line.ends_with(b"\n")).collect();
    let header = String::from_utf8_lossy(whole[0]).into_owned();
    let columns: Vec<&str> = header.trim_end().split(',').collect();
    let known = columns.len() - 1;
    assert_eq!(columns[..known], file.columns()[..known], "{} has other columns", file.name());
    (whole[1..].to_vec(), file.columns().len() - columns.len())
}

/// Returns a row without so many of its last columns, and without its checksum.
fn without(row: &str, columns: usize) -> &str {
    row.trim_end().rsplitn(columns + 2, ',').last().unwrap()
}

#[test]
fn rows_of_earlier_binaries_are_written_again_to_the_same_bytes() {
    for name in FOLDERS {
        let manifest = fs::read_to_string(folder(name).join("run.json")).unwrap();
        let manifest: Manifest = serde_json::from_str(&manifest).unwrap();
        let wall_us = manifest.segments[0].wall_us;
        for file in File::ALL {
            let bytes = fs::read(folder(name).join(file.name())).unwrap();
            let (rows, added) = rows(file, &bytes);
            assert!(rows.len() >= 10, "{name}: {} has too few rows to show anything", file.name());
            for row in rows {
                let text = String::from_utf8_lossy(row);
                let entry = decode(file, row).unwrap_or_else(|why| panic!("{why}: {text}"));
                let mut again = Vec::new();
                encode(&entry, wall_us, &mut again);
                let again = String::from_utf8(again).unwrap();
                assert_eq!(without(&again, added), without(&text, 0), "{name}, {}", file.name());
                assert!(added > 0 || again == text, "{again}");
            }
        }
    }
}
