//! Follows the kernel's log in `/dev/kmsg` from the first read on. It needs root, or
//! `kernel.dmesg_restrict=0`; without, it is a miss, and only the count of kills in `/proc/vmstat`
//! remains.
//!
//! The device returns one record per read and reports when there is none, so nothing blocks. It is
//! a ring buffer: a reader that is too slow loses records, and the loss is reported.

pub(super) mod owner;
mod record;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use owner::{MainProcess, Owner};
use record::Record;

use super::host_sensors::HostReader;
use super::root::{Root, plainly};
use crate::engine::listener::Listener;
use crate::engine::signature::LogSource;
use crate::fact::{Fact, Source};
use crate::series::{self, LOG_LOST};
use crate::unit::At;
use crate::world::{Observation, Sample};

const PATH: &str = "/dev/kmsg";

/// Cadence: twice a second, because a line is stamped with the time of the read that found it.
const CADENCE_US: u64 = 500_000;
/// Cadence after a refused read: permissions rarely change within a second.
const RETRY_US: u64 = 60_000_000;
/// Limit of the records of one look; the next one continues.
const RECORDS_MAX: usize = 2_000;
/// Buffer size: the kernel refuses a buffer smaller than the record, and none is longer.
const RECORD_BYTES_MAX: usize = 16 << 10;
/// `O_NONBLOCK`, the same on every architecture of Linux that longhaul runs on.
const NONBLOCK: i32 = 0o4000;

/// Reader of the kernel's log.
pub(super) struct KernelLog {
    root: Root,
    follower: Follower,
    owner: Owner,
    device: Option<File>,
    is_unread: bool,
}

impl KernelLog {
    /// Creates the reader of the machine at `root`, on which the server's main process is.
    pub(super) fn new(root: Root, main: MainProcess) -> KernelLog {
        let (follower, owner) = (Follower::new(), Owner::new(main));
        KernelLog { root, follower, owner, device: None, is_unread: false }
    }

    /// Opens the device at its end: earlier records are not part of the run.
    fn device(&mut self) -> Result<&mut File, std::io::Error> {
        match &mut self.device {
            Some(device) => Ok(device),
            unopened => {
                let mut options = OpenOptions::new();
                let mut device =
                    options.read(true).custom_flags(NONBLOCK).open(self.root.path(PATH))?;
                device.seek(SeekFrom::End(0))?;
                Ok(unopened.insert(device))
            }
        }
    }
}

impl HostReader for KernelLog {
    fn source(&self) -> Source {
        Source::Kernel
    }

    fn what(&self) -> &'static str {
        PATH
    }

    fn cadence_us(&self) -> u64 {
        if self.is_unread { RETRY_US } else { CADENCE_US }
    }

    fn read(&mut self, now: At) -> Result<Observation, String> {
        self.is_unread = false;
        if let Err(why) = self.device() {
            self.is_unread = true;
            return Err(format!("{PATH}: {}", plainly(&why)));
        }
        let Some(device) = &mut self.device else { return Ok(Observation::default()) };
        let looked = self.follower.follow(device, now);
        if looked.is_err() {
            self.device = None;
        }
        // Those who have ended are known from before: the lines are read first.
        let mut look = looked?;
        for (_, said) in &mut look.said {
            said.whose = self.owner.whose(said);
        }
        self.owner.search(&self.root, now);
        Ok(look)
    }
}

/// Parser of records that detects missing ones.
struct Follower {
    listener: Listener,
    next: Option<u64>,
    lost: u64,
}

impl Follower {
    fn new() -> Follower {
        Follower { listener: Listener::new(LogSource::Kernel, Source::Kernel), next: None, lost: 0 }
    }

    /// Reads the available records, one per read.
    fn follow(&mut self, device: &mut impl Read, now: At) -> Result<Observation, String> {
        let mut look = Observation::default();
        let mut buffer = vec![0; RECORD_BYTES_MAX];
        for _ in 0..RECORDS_MAX {
            match device.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    let said = self.record(&String::from_utf8_lossy(&buffer[..length]), now);
                    look.said.extend(said.map(|said| (now, said)));
                }
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                // Overrun: the next read returns the oldest record that is left, and its number
                // shows how many are lost.
                Err(why) if why.kind() == ErrorKind::BrokenPipe => {}
                Err(why) => return Err(format!("{PATH}: {}", plainly(&why))),
            }
        }
        if now >= self.listener.due() {
            look.samples.extend(self.listener.count(now).into_iter().filter_map(sample));
        }
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            look.samples.push(Sample::one(&LOG_LOST, lost as f64));
        }
        Ok(look)
    }

    fn record(&mut self, text: &str, now: At) -> Option<crate::fact::SignatureMatch> {
        let record = Record::parse(text)?;
        if let Some(next) = self.next {
            self.lost += record.seq.saturating_sub(next);
        }
        self.next = Some(record.seq + 1);
        // Programs write into the kernel's log too, such as user-space OOM killers.
        self.listener.line(now, &record.line())
    }
}

/// Converts the listener's count to a sample, which the sensor's caller aggregates.
fn sample(fact: Fact) -> Option<Sample> {
    match fact {
        Fact::Reading(reading) => {
            let series = series::of_reading(&reading)?;
            Some(Sample::of(&reading.instance, series, reading.last))
        }
        _ => None,
    }
}
