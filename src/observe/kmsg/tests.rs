use std::collections::VecDeque;
use std::io;

use insta::assert_snapshot;

use super::*;
use crate::observe::scratch::Scratch;
use crate::series::LOG_LINES;

const KILLED: &str = "3,412,7316294117,-;Out of memory: Killed process 4242 (VLLM::EngineCor) \
                      total-vm:231004160kB, anon-rss:98566144kB, file-rss:0kB, shmem-rss:0kB, \
                      UID:0 pgtables:203776kB oom_score_adj:0\n SUBSYSTEM=mem\n DEVICE=+x\n";

/// Device that returns these records, one per read, and then none.
struct Device(VecDeque<Result<String, ErrorKind>>);

impl Device {
    fn of(records: &[Result<&str, ErrorKind>]) -> Device {
        Device(records.iter().map(|it| it.map(str::to_owned)).collect())
    }
}

impl Read for Device {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let record = self.0.pop_front().unwrap_or(Err(ErrorKind::WouldBlock))?;
        buffer[..record.len()].copy_from_slice(record.as_bytes());
        Ok(record.len())
    }
}

fn values(look: &Observation) -> Vec<(&str, f64)> {
    look.samples.iter().map(|it| (it.name.as_str(), it.value)).collect()
}

#[test]
fn a_record_is_read_as_dmesg_shows_it() {
    let record = Record::parse(KILLED).unwrap();
    assert_eq!((record.seq, record.since_boot_us), (412, 7_316_294_117));
    assert_snapshot!(record.line(), @"[ 7316.294117] Out of memory: Killed process 4242 (VLLM::EngineCor) total-vm:231004160kB, anon-rss:98566144kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:203776kB oom_score_adj:0");
    let odd = Record::parse("6,1,5,c,caller=T1;caf\\xc3\\xa9 \\x5c \\xzz; b\n").unwrap();
    assert_eq!(odd.line(), "[    0.000005] café \\ \\xzz; b");
    assert_eq!(Record::parse("garbage"), None);
}

#[test]
fn a_line_that_means_something_is_said_and_all_are_counted() {
    let mut follower = Follower::new();
    let mut device = Device::of(&[Ok("6,411,1,-;usb 1-1: new device\n"), Ok(KILLED)]);
    let look = follower.follow(&mut device, At(7)).unwrap();
    let [(at, said)] = &look.said[..] else { panic!("{look:?}") };
    assert_eq!(
        (*at, said.source, said.signature.as_str()),
        (At(7), Source::Kernel, "oom_kill_process")
    );
    assert_eq!(values(&look), [(LOG_LINES, 2.0)]);
    let look = follower.follow(&mut Device::of(&[]), At(8)).unwrap();
    assert_eq!(look, Observation::default(), "counted every ten seconds");
}

#[test]
fn records_that_were_overrun_are_counted_as_lost() {
    let mut follower = Follower::new();
    let gone = Err(ErrorKind::BrokenPipe);
    let mut device =
        Device::of(&[Ok("6,10,1,-;a\n"), gone, Ok("6,25,2,-;b\n"), Ok("6,26,2,-;c\n")]);
    let look = follower.follow(&mut device, At(0)).unwrap();
    assert_eq!(values(&look), [(LOG_LINES, 3.0), (LOG_LOST.name, 14.0)]);
}

#[test]
fn a_device_that_fails_is_a_miss() {
    let mut follower = Follower::new();
    let looked = follower.follow(&mut Device::of(&[Err(ErrorKind::PermissionDenied)]), At(0));
    assert_eq!(looked, Err("/dev/kmsg: no permission".to_owned()));
}

#[test]
fn a_machine_without_the_device_is_tried_again_once_a_minute() {
    let scratch = Scratch::new();
    let mut log = KernelLog::new(scratch.root(), MainProcess::Unknown);
    assert_eq!(log.cadence_us(), CADENCE_US);
    assert_eq!(log.read(At(0)), Err("/dev/kmsg: no such file".to_owned()));
    assert_eq!(log.cadence_us(), RETRY_US);
    scratch.write(PATH, "6,1,1,-;said before\n");
    assert_eq!(values(&log.read(At(1)).unwrap()), [(LOG_LINES, 0.0)], "from now on");
    assert_eq!(log.cadence_us(), CADENCE_US);
}
