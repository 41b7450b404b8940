//! Watches whether the disk takes what the run writes. A disk that hangs costs no request, and
//! nothing else would tell of it until the queue is full.

use crate::unit::{At, grouped};

/// Time without a written row after which rows that wait are reported, microseconds.
const STANDSTILL_US: u64 = 10_000_000;

/// Progress of the journal's writer.
#[derive(Default)]
pub(super) struct DiskWatch {
    written: u64,
    /// Instant of the last progress, or of the last look at which nothing waited.
    since: At,
    /// Whether this standstill was reported.
    is_told: bool,
}

impl DiskWatch {
    /// Checks the progress; a sentence once for each standstill, and for its end.
    pub(super) fn check(&mut self, now: At, written: u64, waiting: u64) -> Option<String> {
        if waiting == 0 || written != self.written {
            let stood_s = now.since(self.since) / 1_000_000;
            (self.written, self.since) = (written, now);
            let was_told = std::mem::take(&mut self.is_told);
            return was_told.then(|| format!("the disk writes again, after {stood_s} s"));
        }
        let stood_us = now.since(self.since);
        if self.is_told || stood_us < STANDSTILL_US {
            return None;
        }
        self.is_told = true;
        let (seconds, waiting) = (stood_us / 1_000_000, grouped(waiting as f64));
        Some(format!(
            "warning: the disk has taken nothing for {seconds} s; rows that wait: {waiting}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_stands_still_is_told_once_and_again_after_it_went_on() {
        let mut watch = DiskWatch::default();
        let mut check =
            |second: u64, written, waiting| watch.check(At(second * 1_000_000), written, waiting);
        assert_eq!(check(1, 5, 3), None);
        assert_eq!(check(60, 9, 3), None, "a slow disk goes on");
        assert_eq!(check(69, 9, 1_000), None);
        let told = check(70, 9, 1_234).unwrap();
        insta::assert_snapshot!(told, @"warning: the disk has taken nothing for 10 s; rows that wait: 1,234");
        assert_eq!(check(160, 9, 9_000), None, "once");
        assert_eq!(check(170, 10, 8_999).as_deref(), Some("the disk writes again, after 110 s"));
        assert!(check(181, 10, 8_999).is_some(), "another standstill");
    }

    #[test]
    fn a_queue_that_is_empty_is_no_standstill() {
        let mut watch = DiskWatch::default();
        assert_eq!(watch.check(At(100_000_000), 0, 0), None);
        assert_eq!(watch.check(At(105_000_000), 0, 1), None, "it waits for five seconds at most");
    }
}
