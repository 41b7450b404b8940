//! Checks the reader of journal rows: an entry that could be read is written and read again as the
//! same entry.

#![allow(clippy::expect_used)] // a check of tests and of fuzz targets

use crate::fact::Entry;
use crate::fact::row::{File, decode, encode, is_whole};

/// Reads arbitrary lines as rows of each file of a run folder. Checksums are not required, since
/// arbitrary lines never have one. Returns how many rows could be read.
pub fn row(lines: &[u8]) -> usize {
    let mut count = 0;
    for file in File::ALL {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let Ok(entry) = decode(file, line) else { continue };
            count += 1;
            let once = written(&entry);
            assert!(is_whole(&once), "{}", String::from_utf8_lossy(&once));
            // Texts are escaped once; from then on nothing changes.
            let again = decode(file, &once).expect("a row that longhaul wrote");
            assert_eq!(
                String::from_utf8_lossy(&written(&again)),
                String::from_utf8_lossy(&once),
                "{entry:?}"
            );
        }
    }
    count
}

fn written(entry: &Entry) -> Vec<u8> {
    let mut line = Vec::new();
    encode(entry, 0, &mut line);
    line
}
