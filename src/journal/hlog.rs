//! `latency.hlog`: histograms per minute and tag, in the log format 1.3 that
//! the HdrHistogram tools read. Made from request rows as the run goes, and the
//! same again from the rows afterwards.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::fact::{Entry, Fact, Request};

/// The interval of a line, microseconds.
const INTERVAL_US: u64 = 60_000_000;
/// The longest time told apart: an hour, microseconds. Longer ones count as an hour.
const US_MAX: u64 = 3_600_000_000;
/// Divides the column that is for people only, so that it reads as milliseconds.
const FOR_PEOPLE: f64 = 1_000.0;

/// Collects requests and gives the lines of each interval as it ends.
pub struct HdrLog {
    tags: BTreeMap<String, Histogram<u64>>,
    interval: u64,
}

impl HdrLog {
    /// Nothing collected.
    pub fn new() -> HdrLog {
        HdrLog { tags: BTreeMap::new(), interval: 0 }
    }

    /// The lines at the top of a log whose offsets start at `wall_us`, microseconds since 1970.
    pub fn header(wall_us: u64) -> Vec<u8> {
        let mut out = Vec::new();
        let start = SystemTime::UNIX_EPOCH + Duration::from_micros(wall_us);
        let mut serializer = V2DeflateSerializer::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder
            .add_comment("[Histogram log format version 1.3]")
            .with_base_time(start)
            .with_start_time(start)
            .with_max_value_divisor(FOR_PEOPLE);
        // Writing into memory does not fail.
        let _ = builder.begin_log_with(&mut out, &mut serializer);
        out.extend_from_slice(
            b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
        );
        out
    }

    /// Takes an entry in; the lines of the interval before it, where it begins a new one.
    pub fn take(&mut self, entry: &Entry) -> Vec<u8> {
        let Fact::Request(request) = &entry.fact else { return Vec::new() };
        let interval = entry.at.0 / INTERVAL_US;
        let lines = if interval > self.interval { self.flush() } else { Vec::new() };
        self.interval = self.interval.max(interval);
        for (name, us) in values(request) {
            self.note(name, us);
        }
        lines
    }

    fn note(&mut self, name: String, us: u64) {
        let histogram = match self.tags.entry(name) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                // The bounds are constants that the crate accepts.
                let Ok(histogram) = Histogram::new_with_bounds(1, US_MAX, 3) else { return };
                new.insert(histogram)
            }
        };
        histogram.saturating_record(us.clamp(1, US_MAX));
    }

    /// The lines of the interval under way; it is empty afterwards.
    pub fn flush(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut serializer = V2DeflateSerializer::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.with_max_value_divisor(FOR_PEOPLE);
        let Ok(mut writer) = builder.begin_log_with(&mut out, &mut serializer) else {
            return Vec::new();
        };
        let start = Duration::from_micros(self.interval * INTERVAL_US);
        for (name, histogram) in &self.tags {
            // Tags are made of letters, digits and dots.
            let _ = writer.write_histogram(
                histogram,
                start,
                Duration::from_micros(INTERVAL_US),
                Tag::new(name),
            );
        }
        self.tags.clear();
        // The builder repeats its header; only the lines are wanted.
        let lines =
            out.split_inclusive(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
        lines.flatten().copied().collect()
    }
}

/// What a request contributes: its times by depth, or, if it failed, how long that took.
fn values(request: &Request) -> Vec<(String, u64)> {
    let depth = request.cell.depth;
    let whole_us = request.done.since(request.sent);
    if request.ended.is_ours() {
        return Vec::new();
    }
    if !request.ended.is_good() {
        return vec![(format!("e2e.d{depth}.err"), whole_us)];
    }
    let mut values = vec![(format!("e2e.d{depth}"), whole_us)];
    values.extend(request.ttft_us.map(|us| (format!("ttft.d{depth}"), us)));
    values.extend(request.tpot().map(|seconds| (format!("tpot.d{depth}"), (seconds * 1e6) as u64)));
    values
}

/// The whole log of a run, from its entries in order.
pub fn rebuild<'a>(entries: impl IntoIterator<Item = &'a Entry>, wall_us: u64) -> Vec<u8> {
    let mut log = HdrLog::new();
    let mut out = HdrLog::header(wall_us);
    for entry in entries {
        out.extend(log.take(entry));
    }
    out.extend(log.flush());
    out
}
