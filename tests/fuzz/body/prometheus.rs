//! Checks the parser of metrics pages: each series is a part of a line of the page.

use crate::protocol::prometheus::{labels, series};

/// Parses an arbitrary metrics page with the labels of all its series. Returns how many series
/// it has.
pub fn prometheus(page: &str) -> usize {
    let mut count = 0;
    for found in series(page) {
        assert!(page.contains(found.name) && page.contains(found.labels), "{found:?}");
        assert!(!found.name.is_empty() && !found.name.starts_with('#'), "{found:?}");
        for name in labels(found.labels).keys() {
            assert!(found.labels.contains(name.as_str()), "{name}");
        }
        count += 1;
    }
    assert!(count <= page.lines().count(), "{count}");
    count
}
