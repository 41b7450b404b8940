//! Checks the reader of `run.json`: what it reads is written and read again, every change is seen,
//! and a run folder with any manifest can be judged, or has a mistake that says where.

#![allow(clippy::expect_used)] // a check of tests and of fuzz targets

use super::folder::{WildFolder, check_replay, check_report, numbered};
use super::journal::entries;
use crate::fact::Segment;
use crate::journal::{CutRun, Manifest};

/// Rows of the run folder of each manifest.
const ROWS: [&[u8]; 3] = [
    include_bytes!("../seeds/row/events"),
    include_bytes!("../seeds/row/requests"),
    include_bytes!("../seeds/row/readings"),
];

/// Reads arbitrary text as a manifest, as it stands and with a valid checksum. Returns whether it is
/// one.
pub fn manifest(text: &str) -> bool {
    let Ok((read, _)) = Manifest::parse(text) else { return false };
    check_kept(&read);
    let sealed = sealed(text);
    if let Ok((again, changed)) = Manifest::parse(&sealed) {
        // A key of a seal within the text is a key that comes twice, of which nothing is read.
        assert_eq!(again, read, "{sealed}");
        let is_seen = changed.is_some_and(|why| why.contains("after it was written"));
        assert!(!is_seen, "{sealed}");
        check_folder(&sealed, &again);
    }
    true
}

/// Returns the text with the seal that it would have: the CRC-32 of what stands before it.
fn sealed(text: &str) -> String {
    let own = text.rsplit_once(",\n  \"crc\": ").filter(|(_, seal)| !seal.contains(','));
    let end = text.trim_end();
    let body = own.map_or_else(|| end.strip_suffix('}').unwrap_or(end), |(body, _)| body);
    format!("{body},\n  \"crc\": \"{:08x}\"\n}}\n", crc32fast::hash(body.as_bytes()))
}

/// Checks that a manifest is written and read again, and that every change of a byte is seen.
fn check_kept(read: &Manifest) {
    let written = read.to_json().expect("a manifest of text and numbers");
    let (again, changed) = Manifest::parse(&written).expect("a manifest that longhaul wrote");
    assert_eq!(&again, read, "{written}");
    assert!(changed.is_none_or(|why| why.ends_with("is not the one that was kept")), "{written}");
    assert_eq!(again.to_json().as_deref(), Ok(written.as_str()));
    assert_eq!(again.fingerprint(), read.fingerprint());
    for segment in [0, 1, Segment::MAX] {
        let _ = read.anchor_us(segment);
    }
    // Schema 1 has no seal.
    if read.is_unsealed() {
        return;
    }
    let at = crc32fast::hash(written.as_bytes()) as usize;
    for (place, bit) in [(at, 0), (at / 7, 1), (written.len() - 1 - at % 40, 2)] {
        let mut bytes = written.clone().into_bytes();
        bytes[place % written.len()] ^= 1 << bit;
        let Ok(other) = String::from_utf8(bytes) else { continue };
        let seen = Manifest::parse(&other).map(|(_, changed)| changed);
        assert!(seen.is_err() || seen.is_ok_and(|it| it.is_some()), "{other}");
    }
}

/// Checks the run folder of a manifest with a valid checksum.
fn check_folder(text: &str, manifest: &Manifest) {
    let rows = ROWS.iter().flat_map(|rows| entries(rows)).collect();
    let entries = numbered(rows, &manifest.run);
    let folder = WildFolder::new(text, &entries);
    let place = folder.path().display().to_string();
    let read =
        check_report(folder.path()).and_then(|()| check_replay(folder.path(), entries.len()));
    if let Err(mistake) = read {
        let words = mistake.to_string();
        let origin = crate::escape::one_line(&manifest.scenario.origin, usize::MAX);
        let has_place = words.contains(&place) || words.contains(&origin);
        assert!(words.starts_with("error: ") && has_place, "{words}");
    }
    match CutRun::open(folder.path()) {
        Ok(cut) => {
            let _ = cut.words();
            assert!(cut.segment > 0 && cut.next_seq == entries.len() as u64, "{}", cut.segment);
        }
        Err(mistake) => assert!(mistake.to_string().contains(&place), "{mistake}"),
    }
}
