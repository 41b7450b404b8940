//! Writes `latency.hlog`: histograms of latency per interval and tag, for the standard HdrHistogram
//! tools (log format 1.3, V2 deflate). A pure function of the entries in their order, so it can be
//! made again from the rows.
//!
//! Tags are `ttft.d4096`, `tpot.d4096`, `e2e.d4096`; an ask that is not cold adds its class
//! (`ttft.d4096.warm`), a request that ended badly adds `err`. Requests that longhaul itself
//! aborted are in none of them. Values are microseconds.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::fact::{Class, Entry, Fact, Request};
use crate::unit::At;

/// Length of one interval of the log.
const INTERVAL_US: u64 = 60_000_000;

/// Largest value that is recorded exactly, one hour; larger values are counted separately.
const VALUE_US_MAX: u64 = 3_600_000_000;

/// Significant decimal digits: within 0.1 %, 188 kB for each tag.
const DIGITS: u8 = 3;

const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// Log in progress; keeps one interval in memory.
pub(crate) struct HdrLog {
    /// Start of the run, in microseconds since 1970.
    start_us: u64,
    /// Time from the start of the run to the anchor of the segment.
    segment_us: u64,
    /// Start of the open interval, relative to the segment's anchor.
    from: At,
    /// Latest timestamp in the interval.
    latest: At,
    tags: BTreeMap<String, Tagged>,
}

struct Tagged {
    histogram: Histogram<u64>,
    /// Number of values above the largest recorded one.
    saturated: u64,
}

impl HdrLog {
    /// Creates an empty log of a run that began at `start_us`, in microseconds since 1970, and
    /// writes its head, which says so where the server is simulated.
    ///
    /// # Errors
    /// The reason in words if the head could not be written.
    pub(crate) fn new(start_us: u64, simulated: bool, out: &mut Vec<u8>) -> Result<HdrLog, String> {
        let start = SystemTime::UNIX_EPOCH + Duration::from_micros(start_us);
        let mut log = IntervalLogWriterBuilder::new();
        log.add_comment("[Histogram log format version 1.3]");
        if simulated {
            log.add_comment("SIMULATED: longhaul's own model of a server");
        }
        log.with_start_time(start)
            // With a start alone, Java's reader guesses whether stamps are absolute.
            .with_base_time(start)
            .begin_log_with(out, &mut V2DeflateSerializer::new())
            .map_err(|error| error.to_string())?;
        out.extend_from_slice(LEGEND.as_bytes());
        Ok(HdrLog {
            start_us,
            segment_us: 0,
            from: At::ZERO,
            latest: At::ZERO,
            tags: BTreeMap::new(),
        })
    }

    /// Adds the next entry, and writes the interval if the entry ends it. A late entry counts in
    /// the interval that is open when it arrives.
    ///
    /// # Errors
    /// The reason in words if a histogram could not be written.
    pub(crate) fn fold(&mut self, entry: &Entry, out: &mut Vec<u8>) -> Result<(), String> {
        if let Fact::Opened(opened) = &entry.fact {
            self.finish(out)?;
            self.segment_us = opened.wall_us.saturating_sub(self.start_us);
            (self.from, self.latest) = (At::ZERO, At::ZERO);
        }
        let end = At(self.from.0.saturating_add(INTERVAL_US));
        if entry.at >= end {
            self.flush(INTERVAL_US, out)?;
            self.from = At(entry.at.0 - entry.at.0 % INTERVAL_US);
        }
        self.latest = self.latest.max(entry.at);
        match &entry.fact {
            Fact::Request(request) if !request.ended.ended_by_longhaul() => {
                self.record_request(request)
            }
            _ => Ok(()),
        }
    }

    /// Writes the interval that is still open.
    ///
    /// # Errors
    /// The reason in words if a histogram could not be written.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        // The log counts milliseconds; an interval of length 0 would have no rate.
        self.flush(self.latest.since(self.from).max(1_000), out)
    }

    fn record_request(&mut self, request: &Request) -> Result<(), String> {
        let mut suffix = format!("d{}", request.cell.depth);
        if request.class != Class::Cold {
            suffix = suffix + "." + request.class.word();
        }
        if request.ended.is_bad() {
            suffix += ".err";
        }
        if let Some(ttft_us) = request.ttft_us {
            self.record(format!("ttft.{suffix}"), ttft_us)?;
        }
        if let Some(tpot) = request.tpot() {
            self.record(format!("tpot.{suffix}"), (tpot * 1e6).round() as u64)?;
        }
        self.record(format!("e2e.{suffix}"), request.done.since(request.sent))
    }

    fn record(&mut self, tag: String, value_us: u64) -> Result<(), String> {
        let tagged = match self.tags.entry(tag) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => new.insert(Tagged {
                histogram: Histogram::new_with_bounds(1, VALUE_US_MAX, DIGITS)
                    .map_err(|error| error.to_string())?,
                saturated: 0,
            }),
        };
        tagged.saturated += u64::from(value_us > VALUE_US_MAX);
        // The last bucket reaches beyond the largest value: without `min`, 70 minutes would be
        // recorded.
        tagged.histogram.saturating_record(value_us.min(VALUE_US_MAX));
        Ok(())
    }

    fn flush(&mut self, length_us: u64, out: &mut Vec<u8>) -> Result<(), String> {
        let start = Duration::from_micros(self.segment_us.saturating_add(self.from.0));
        let length = Duration::from_micros(length_us);
        let mut serializer = V2DeflateSerializer::new();
        let mut log = IntervalLogWriterBuilder::new()
            .begin_log_with(out, &mut serializer)
            .map_err(|error| error.to_string())?;
        for (tag, tagged) in &mut self.tags {
            if tagged.histogram.is_empty() {
                continue;
            }
            if tagged.saturated > 0 {
                let saturated = tagged.saturated;
                log.write_comment(&format!("{tag}: {saturated} above 3600 s, counted as 3600 s"))
                    .map_err(|error| error.to_string())?;
            }
            log.write_histogram(&tagged.histogram, start, length, Tag::new(tag))
                .map_err(|error| error.to_string())?;
            tagged.histogram.reset();
            tagged.saturated = 0;
        }
        Ok(())
    }
}
