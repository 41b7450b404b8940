//! Checks the reader of journal rows: an entry that could be read is written and read again as the
//! same entry.

#![allow(clippy::expect_used)] // a check of tests and of fuzz targets

use crate::fact::Entry;
use crate::fact::row::{File, LINE_BYTES_MAX, decode, encode, file_of, is_whole};

/// Reads arbitrary lines as rows of each file of a run folder. Checksums are not required, since
/// arbitrary lines never have one. Returns how many rows could be read.
pub fn row(lines: &[u8]) -> usize {
    let mut count = 0;
    for file in File::ALL {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let Ok(entry) = decode(file, line) else { continue };
            count += 1;
            check_kept(&entry);
        }
    }
    count
}

/// Checks that the row of an entry is one whole line, and gives the entry back.
pub(super) fn check_kept(entry: &Entry) {
    let once = written(entry);
    let shown = String::from_utf8_lossy(&once);
    assert!(is_whole(&once) && once.len() <= LINE_BYTES_MAX, "{shown}");
    assert_eq!(once.iter().position(|byte| *byte < b' '), Some(once.len() - 1), "{shown}");
    // Texts are escaped once; from then on nothing changes.
    let again = decode(file_of(&entry.fact), &once).expect("a row that longhaul wrote");
    assert_eq!(String::from_utf8_lossy(&written(&again)), shown, "{entry:?}");
}

fn written(entry: &Entry) -> Vec<u8> {
    let mut line = Vec::new();
    encode(entry, 0, &mut line);
    line
}
