//! Tests run folders of earlier binaries: their rows are read and written again to the same bytes.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use longhaul::fact::row::{File, decode, encode};
use longhaul::journal::Manifest;

const FOLDERS: [&str; 3] = ["healthy", "crashed", "torn"];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/frozen").join(name)
}

/// Rows with their line end; the torn tail and the header are left out.
fn rows(file: File, bytes: &[u8]) -> Vec<&[u8]> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let whole: Vec<&[u8]> = lines.filter(|line| line.ends_with(b"\n")).collect();
    assert_eq!(whole[0], file.header().as_bytes(), "{} has other columns", file.name());
    whole[1..].to_vec()
}

#[test]
fn rows_of_earlier_binaries_are_written_again_to_the_same_bytes() {
    for name in FOLDERS {
        let manifest = fs::read_to_string(folder(name).join("run.json")).unwrap();
        let manifest: Manifest = serde_json::from_str(&manifest).unwrap();
        let wall_us = manifest.segments[0].wall_us;
        for file in File::ALL {
            let bytes = fs::read(folder(name).join(file.name())).unwrap();
            let rows = rows(file, &bytes);
            assert!(rows.len() >= 10, "{name}: {} has too few rows to show anything", file.name());
            for row in rows {
                let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row);
                let mut record = ByteRecord::new();
                assert!(reader.read_byte_record(&mut record).unwrap());
                let text = String::from_utf8_lossy(row);
                let entry = decode(file, &record).unwrap_or_else(|why| panic!("{why}: {text}"));
                let mut again = Vec::new();
                encode(&entry, wall_us, &mut again);
                assert_eq!(String::from_utf8_lossy(&again), text, "{name}, {}", file.name());
            }
        }
    }
}
