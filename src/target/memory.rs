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
    lacking(before, available())
}

fn lacking(before: Option<u64>, now: Option<u64>) -> Option<String> {
    let wanted = before?.saturating_sub(TOLERANCE_BYTES);
    let now = now.filter(|now| *now < wanted)?;
    Some(format!(
        "the start waits for memory, {} s at the most: {:.1} GiB are available, {:.1} GiB are needed; the largest processes: {}",
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
    is_over: impl FnMut() -> bool,
) -> Result<(), String> {
    back_in(timeline, before, is_over, available).await
}

async fn back_in(
    timeline: &Timeline,
    before: Option<u64>,
    mut is_over: impl FnMut() -> bool,
    mut available: impl FnMut() -> Option<u64>,
) -> Result<(), String> {
    let Some(wanted) = before.map(|before| before.saturating_sub(TOLERANCE_BYTES)) else {
        return Ok(());
    };
    let deadline = At(timeline.now().0 + WAIT_US);
    loop {
        let Some(now) = available().filter(|now| *now < wanted) else { return Ok(()) };
        if timeline.now() >= deadline || is_over() {
            return Err(format!(
                "memory did not come back in {} s: {:.1} GiB are available, {:.1} GiB are needed; the largest processes: {}",
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
    if names.is_empty() { "unknown".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    const GIB: u64 = 1 << 30;

    /// Returns what is reported, without the processes that hold memory on the test's machine.
    fn without_holders(reported: &str) -> &str {
        reported.split_once("; the largest").expect("holders").0
    }

    #[test]
    fn what_is_missing_is_told_with_who_holds_it() {
        let reported = lacking(Some(96 * GIB), Some(40 * GIB)).expect("54 GiB are missing");
        assert_snapshot!(without_holders(&reported), @"the start waits for memory, 300 s at the most: 40.0 GiB are available, 94.0 GiB are needed");
        assert_eq!(lacking(None, Some(0)), None, "what was there before is not known");
        assert_eq!(lacking(Some(96 * GIB), None), None, "what is there now is not known");
        assert_eq!(lacking(Some(96 * GIB), Some(94 * GIB)), None, "within what varies");
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_waits_until_the_memory_is_back() {
        let timeline = Timeline::start();
        let mut looks = [40, 60, 93, 94].into_iter();
        let look = || looks.next().map(|gib| gib * GIB);
        assert_eq!(back_in(&timeline, Some(96 * GIB), || false, look).await, Ok(()));
        assert_eq!(timeline.now(), At(3 * LOOK_US));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_that_does_not_come_back_is_waited_for_until_the_limit_or_the_end_of_the_run() {
        let timeline = Timeline::start();
        let reported = back_in(&timeline, Some(96 * GIB), || false, || Some(40 * GIB)).await;
        assert_snapshot!(without_holders(&reported.expect_err("too little")), @"memory did not come back in 300 s: 40.0 GiB are available, 94.0 GiB are needed");
        assert_eq!(timeline.now(), At(WAIT_US));
        let over = back_in(&timeline, Some(96 * GIB), || true, || Some(40 * GIB)).await;
        assert!(over.is_err());
        assert_eq!(timeline.now(), At(WAIT_US), "nobody waits for a run that is over");
    }

    #[tokio::test(start_paused = true)]
    async fn where_memory_is_not_known_nothing_is_waited_for() {
        let timeline = Timeline::start();
        assert_eq!(back_in(&timeline, None, || false, || Some(0)).await, Ok(()));
        assert_eq!(back_in(&timeline, Some(96 * GIB), || false, || None).await, Ok(()));
        assert_eq!(timeline.now(), At::ZERO);
    }
}
