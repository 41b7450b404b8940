//! Provides the file descriptors that a run needs: every stream is a connection. Otherwise requests
//! would fail because of longhaul's own limit.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::Mistake;
use crate::unit::grouped;

/// File descriptors beside those of streams: run folder, sensors, probes, a server's output.
const OWN: u64 = 64;

/// File descriptors of a stream: its connection, and a second one while a name is looked up or the
/// other address family is tried.
const OF_A_STREAM: u64 = 2;

/// Raises the limit of open files as far as so many streams need it. `simulated` is whether the
/// server's side of the connections is in this process, too.
///
/// # Errors
/// The system does not allow so many.
pub(super) fn provide(streams: u32, simulated: bool) -> Result<(), Mistake> {
    let each = OF_A_STREAM + u64::from(simulated);
    let needed = open() + OWN + each * u64::from(streams);
    let limit = getrlimit(Resource::Nofile);
    match raised(limit.current, limit.maximum, needed) {
        None => Ok(()),
        Some(Ok(current)) => {
            let limit = Rlimit { current: Some(current), ..limit };
            setrlimit(Resource::Nofile, limit).map_err(|_| too_few(streams, needed, None))
        }
        Some(Err(most)) => Err(too_few(streams, needed, Some(most))),
    }
}

/// Returns the number of files that are open now: a parent may have left some. 0 where it cannot be
/// read.
fn open() -> u64 {
    fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as u64)
}

/// Returns the soft limit to set, if it has to be raised, or the hard limit, if that is too low. A
/// limit of `None` is none.
fn raised(soft: Option<u64>, hard: Option<u64>, needed: u64) -> Option<Result<u64, u64>> {
    soft.filter(|soft| *soft < needed)?;
    match hard {
        Some(hard) if hard < needed => Some(Err(hard)),
        _ => Some(Ok(needed)),
    }
}

fn too_few(streams: u32, needed: u64, most: Option<u64>) -> Mistake {
    let streams = grouped(f64::from(streams));
    let allowed = most
        .map_or("does not allow it".to_owned(), |most| format!("allows {}", grouped(most as f64)));
    Mistake::new(format!(
        "{streams} streams at once need {} open files, and the system {allowed}",
        grouped(needed as f64)
    ))
    .hint(format!("raise the hard limit: ulimit -Hn {needed}, or LimitNOFILE={needed} in a unit"))
    .hint("fewer streams: --concurrency")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_limit_is_raised_as_far_as_needed_and_a_low_hard_one_is_a_mistake() {
        assert_eq!(raised(Some(1024), Some(1 << 20), 464), None);
        assert_eq!(raised(None, None, 464), None);
        assert_eq!(raised(Some(64), Some(1 << 20), 464), Some(Ok(464)));
        assert_eq!(raised(Some(64), None, 464), Some(Ok(464)));
        assert_eq!(raised(Some(64), Some(463), 464), Some(Err(463)));
        insta::assert_snapshot!(too_few(1200, 2464, Some(1024)), @"
        error: 1,200 streams at once need 2,464 open files, and the system allows 1,024
          try: raise the hard limit: ulimit -Hn 2464, or LimitNOFILE=2464 in a unit
          try: fewer streams: --concurrency
        ");
    }

    #[test]
    fn a_few_streams_need_nothing() {
        assert!(provide(1, true).is_ok());
    }
}
