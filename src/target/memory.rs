//! Waits for this machine's memory: what a server held must be free before the next one starts, or
//! the next one fails for lack of memory and is blamed for it.

use std::fs;

use super::tree;
use crate::meminfo;
use crate::timeline::Timeline;
use crate::unit::At;

/// Bytes that may still be missing: page cache and other processes vary by as much.
const TOLERANCE_BYTES: u64 = 2 << 30;
/// Limit of the wait for memory.
const WAIT_US: u64 = 300_000_000;
/// Interval between two checks.
const LOOK_US: u64 = 1_000_000;
/// Number of processes named as holders of memory.
const NAMED_MAX: usize = 3;

/// Reads the available memory in bytes; `None` where the machine does not report it.
pub(super) fn available() -> Option<u64> {
    meminfo::bytes(&fs::read_to_string(meminfo::PATH).ok()?, meminfo::AVAILABLE)
}

/// Describes how much memory is missing; `None` where as much is available as before.
pub(super) fn short(before: Option<u64>) -> Option<String> {
    let wanted = before?.saturating_sub(TOLERANCE_BYTES);
    let now = available().filter(|now| *now < wanted)?;
    Some(format!(
        "the start waits for memory, {} s at the most: {:.1} GiB can be had, {:.1} GiB are wanted; the most is held by {}",
        WAIT_US / 1_000_000,
        gib(now),
        gib(wanted),
        holders()
    ))
}

/// Waits until as much memory is available as before.
///
/// # Errors
/// The missing amount, and which processes hold the most.
pub(super) async fn back(
    timeline: &Timeline,
    before: Option<u64>,
    mut is_over: impl FnMut() -> bool,
) -> Result<(), String> {
    let Some(wanted) = before.map(|before| before.saturating_sub(TOLERANCE_BYTES)) else {
        return Ok(());
    };
    let deadline = At(timeline.now().0 + WAIT_US);
    loop {
        let Some(now) = available().filter(|now| *now < wanted) else { return Ok(()) };
        if timeline.now() >= deadline || is_over() {
            return Err(format!(
                "memory did not come back in {} s: {:.1} GiB can be had, {:.1} GiB are wanted; the most is held by {}",
                WAIT_US / 1_000_000,
                gib(now),
                gib(wanted),
                holders()
            ));
        }
        timeline.until(At(timeline.now().0 + LOOK_US)).await;
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// Lists the processes that hold the most memory.
fn holders() -> String {
    let mut held: Vec<(u64, String)> = tree::all()
        .into_iter()
        .map(|process| (process.rss_pages, format!("{} (pid {})", process.name, process.pid)))
        .collect();
    held.sort_by(|a, b| b.cmp(a));
    held.truncate(NAMED_MAX);
    let names: Vec<String> = held.into_iter().map(|(_, name)| name).collect();
    if names.is_empty() { "nobody who can be seen".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_who_holds_it() {
        assert_eq!((short(None), short(Some(0))), (None, None));
        let Some(words) = short(Some(u64::MAX)) else { return };
        assert!(words.contains("GiB are wanted; the most is held by "), "{words}");
    }
}
