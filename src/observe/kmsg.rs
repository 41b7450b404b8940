//! The kernel's log, followed from the first look on, from `/dev/kmsg`. It needs
//! root, or `kernel.dmesg_restrict=0`; without, it is a miss, and the count of
//! kills in `/proc/vmstat` is what is left.
//!
//! The device gives one record a read and says when there is none, so nothing
//! waits. It is a ring: who reads too slowly loses records, and that is told.

mod record;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use record::Record;

use super::nearby::HostReader;
use super::root::{Root, plainly};
use crate::engine::listener::Listener;
use crate::engine::signature::LogSource;
use crate::fact::{Fact, Source};
use crate::series::{self, LOG_LOST};
use crate::unit::At;
use crate::world::{Look, Sample};

const PATH: &str = "/dev/kmsg";

/// Twice a second: a line bears the moment of the look that found it.
const CADENCE_US: u64 = 500_000;
/// What may not be read now may hardly be read in a second.
const DARK_US: u64 = 60_000_000;
/// Bounds the records of one look; the rest is there for the next.
const RECORDS_MAX: usize = 2_000;
/// The kernel refuses to give a record to a smaller buffer than it needs; none is longer.
const RECORD_BYTES_MAX: usize = 16 << 10;
/// `O_NONBLOCK`, the same on every architecture of Linux that longhaul runs on.
const NONBLOCK: i32 = 0o4000;

/// Follows the kernel's log.
pub(super) struct KernelLog {
    root: Root,
    follower: Follower,
    device: Option<File>,
    is_dark: bool,
}

impl KernelLog {
    /// Of this machine.
    pub(super) fn new(root: Root) -> KernelLog {
        KernelLog { root, follower: Follower::new(), device: None, is_dark: false }
    }

    /// The device at its end: what was said before is somebody else's.
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
        if self.is_dark { DARK_US } else { CADENCE_US }
    }

    fn read(&mut self, now: At) -> Result<Look, String> {
        self.is_dark = false;
        if let Err(why) = self.device() {
            self.is_dark = true;
            return Err(format!("{PATH}: {}", plainly(&why)));
        }
        let Some(device) = &mut self.device else { return Ok(Look::default()) };
        let looked = self.follower.follow(device, now);
        if looked.is_err() {
            self.device = None;
        }
        looked
    }
}

/// Makes lines of records, and knows which are missing.
struct Follower {
    listener: Listener,
    next: Option<u64>,
    lost: u64,
}

impl Follower {
    fn new() -> Follower {
        Follower { listener: Listener::new(LogSource::Kernel, Source::Kernel), next: None, lost: 0 }
    }

    /// Reads what is there, a record a read.
    fn follow(&mut self, device: &mut impl Read, now: At) -> Result<Look, String> {
        let mut look = Look::default();
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
                // Overrun: the next read gives the oldest that is left, and its number
                // says how many are gone.
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

    fn record(&mut self, text: &str, now: At) -> Option<crate::fact::Said> {
        let record = Record::parse(text)?;
        if let Some(next) = self.next {
            self.lost += record.seq.saturating_sub(next);
        }
        self.next = Some(record.seq + 1);
        // What a program wrote into the kernel's log is in it as well: killers among them.
        self.listener.line(now, &record.line())
    }
}

/// A count of the listener as a value: it is folded by whoever looks.
fn sample(fact: Fact) -> Option<Sample> {
    match fact {
        Fact::Reading(reading) => {
            let series = series::of_reading(&reading)?;
            Some(Sample::of(&reading.instance, series, reading.last))
        }
        _ => None,
    }
}
