//! Folds readings over time: one block per whole laps, at least ten minutes long, for every series
//! and every process lifetime of the server. Drift is computed from these blocks only. A lap goes
//! through all loads, so two blocks differ by time and not by load.
//!
//! Memory grows with series and hours and is bounded. Readings beyond the bounds are counted.

#[cfg(test)]
mod tests;

use std::rc::Rc;

use super::calendar::Lifetime;
use super::spans::{Span, Spans};
use super::thinned::Thinned;
use crate::fact::{Entry, Fact, Phase, Reading, Segment, Seq, Source};
use crate::series::{SeriesName, SeriesNumbers};
use crate::unit::At;

/// Bound on the series of a run. A large machine has two hundred; the rest is counted.
pub(crate) const SERIES_MAX: usize = 256;
/// Bound on the blocks and lifetimes of all series together, 64 bytes each: 72 hours of two hundred
/// series are 86,400 blocks in 200 lifetimes.
pub(crate) const BLOCKS_MAX: usize = 87_000;
/// Interval of a mean in microseconds, the interval of a row.
const MEAN_US: u64 = 10_000_000;

/// Readings over time, by series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OverTime {
    /// Series by source, name and instance.
    pub series: Vec<SeriesBlocks>,
    /// Readings left out, because of more series or more blocks than are kept.
    pub left_out: u64,
}

/// Series over time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeriesBlocks {
    pub source: Source,
    /// Node, pid, GPU or labels; empty where there is only one instance.
    pub instance: String,
    /// Name, ending in the unit.
    pub name: String,
    /// Blocks by process lifetime of the server, in order.
    pub lifetimes: Vec<LifetimeBlocks>,
}

/// Series in one process lifetime of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LifetimeBlocks {
    /// Segment whose anchor the instants refer to.
    pub segment: Segment,
    /// Start of the lifetime.
    pub from: At,
    /// End of the lifetime.
    pub until: At,
    /// First mean of an interval.
    pub first: f64,
    /// Last value.
    pub last: f64,
    /// First and last row.
    pub rows: [Seq; 2],
    /// Blocks of the lifetime, in order.
    pub blocks: Vec<Block>,
}

impl LifetimeBlocks {
    /// Returns the least value.
    pub(crate) fn min(&self) -> f64 {
        self.blocks.iter().map(|block| block.min).fold(f64::INFINITY, f64::min)
    }

    /// Returns the largest value.
    pub(crate) fn max(&self) -> f64 {
        self.blocks.iter().map(|block| block.max).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Readings of some whole laps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Block {
    /// Start of the block.
    pub from: At,
    /// End of the block.
    pub until: At,
    /// Phase that contains the block.
    pub phase: Phase,
    pub n: u64,
    /// Least value.
    pub min: f64,
    pub mean: f64,
    pub max: f64,
    /// Median of the ten-second means.
    pub median: f64,
}

/// Fold that builds the blocks of a run whose calendar is known.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    spans: Rc<Spans>,
    numbers: SeriesNumbers,
    /// Series by number.
    series: Vec<OneSeries>,
    kept: usize,
    left_out: u64,
}

/// Series so far.
#[derive(Clone, Debug, Default)]
struct OneSeries {
    newest: Option<(Segment, At)>,
    lifetimes: Vec<LifetimeBlocks>,
    open: Option<Open>,
}

/// Block under way.
#[derive(Clone, Debug)]
struct Open {
    /// Index of its span.
    span: usize,
    n: u64,
    sum: f64,
    min: f64,
    max: f64,
    means: Means,
}

/// Ten-second means.
#[derive(Clone, Debug, Default)]
struct Means {
    kept: Thinned,
    /// Ten-second interval under way: its number, samples and sum.
    slot: (u64, u64, f64),
}

impl Blocks {
    /// Returns the state before the first entry.
    pub(crate) fn new(spans: Rc<Spans>) -> Blocks {
        let (numbers, series) = (SeriesNumbers::default(), Vec::new());
        Blocks { spans, numbers, series, kept: 0, left_out: 0 }
    }

    /// Folds an entry; entries come in the order of seq.
    pub(crate) fn fold(&mut self, entry: &Entry) {
        let Fact::Reading(reading) = &entry.fact else { return };
        let values = [reading.min, reading.mean, reading.max, reading.last];
        if reading.n == 0 || !values.iter().all(|value| value.is_finite()) {
            return;
        }
        let Some(index) = self.spans.index(entry.segment, entry.at) else { return };
        let Some(number) = self.numbers.of(reading, SERIES_MAX) else {
            self.left_out += 1;
            return;
        };
        if number == self.series.len() {
            self.series.push(OneSeries::default());
        }
        let known = &mut self.series[number];
        let before = known.newest.filter(|(segment, _)| *segment == entry.segment);
        // One-second rows around an incident arrive late, and a ten-second row contains them too.
        if before.is_some_and(|(_, newest)| entry.at < newest) {
            return;
        }
        known.newest = Some((entry.segment, entry.at));
        let span = self.spans.get(index);
        // A row whose interval began before the server started is not of this lifetime.
        if reading.n > 1 && before.is_some_and(|(_, newest)| newest < span.lifetime.from) {
            return;
        }
        if known.open.as_ref().is_none_or(|open| open.span != index) {
            let needed = if known.is_in(span.lifetime) { 1 } else { 2 };
            if self.kept + needed > BLOCKS_MAX {
                self.left_out += 1;
                return;
            }
            self.kept += needed;
            known.close(&self.spans);
            known.begin(&span, reading, entry.seq);
            known.open = Some(Open::new(index));
        }
        if let Some(open) = &mut known.open {
            open.fold(entry.at, reading);
        }
        if let Some(lifetime) = known.lifetimes.last_mut() {
            lifetime.last = reading.last;
            lifetime.rows[1] = entry.seq;
        }
    }

    /// Returns the readings so far, by series.
    pub(crate) fn finish(&self) -> OverTime {
        let series = self.numbers.sorted().map(|(number, series)| {
            let mut known = self.series[number].clone();
            known.close(&self.spans);
            let SeriesName { source, name, instance } = series.clone();
            SeriesBlocks { source, instance, name, lifetimes: known.lifetimes }
        });
        let series = series.filter(|it| !it.lifetimes.is_empty()).collect();
        OverTime { series, left_out: self.left_out }
    }
}

impl OneSeries {
    /// Whether the newest lifetime of the series is this one.
    fn is_in(&self, lifetime: Lifetime) -> bool {
        let is_it =
            |last: &LifetimeBlocks| (last.segment, last.from) == (lifetime.segment, lifetime.from);
        self.lifetimes.last().is_some_and(is_it)
    }

    /// Begins a lifetime, unless it is already the newest.
    fn begin(&mut self, span: &Span, reading: &Reading, seq: Seq) {
        let lifetime = span.lifetime;
        if !self.is_in(lifetime) {
            self.lifetimes.push(LifetimeBlocks {
                segment: lifetime.segment,
                from: lifetime.from,
                until: lifetime.until,
                first: reading.mean,
                last: reading.last,
                rows: [seq; 2],
                // A server that crashes every minute has a lifetime with one block in each.
                blocks: Vec::with_capacity(1),
            });
        }
    }

    fn close(&mut self, spans: &Spans) {
        let Some(open) = self.open.take() else { return };
        let Some(lifetime) = self.lifetimes.last_mut() else { return };
        let span = spans.get(open.span);
        lifetime.blocks.push(Block {
            from: span.from,
            until: span.until,
            phase: span.phase,
            n: open.n,
            min: open.min,
            mean: open.sum / open.n as f64,
            max: open.max,
            median: open.means.median(),
        });
    }
}

impl Open {
    fn new(span: usize) -> Open {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Open { span, n: 0, sum: 0.0, min, max, means: Means::default() }
    }

    fn fold(&mut self, at: At, reading: &Reading) {
        self.n += reading.n;
        self.sum += reading.mean * reading.n as f64;
        self.min = self.min.min(reading.min);
        self.max = self.max.max(reading.max);
        self.means.fold(at, reading);
    }
}

impl Means {
    fn fold(&mut self, at: At, reading: &Reading) {
        let slot = at.0 / MEAN_US;
        if slot != self.slot.0 {
            self.end_slot();
            self.slot = (slot, 0, 0.0);
        }
        self.slot.1 += reading.n;
        self.slot.2 += reading.mean * reading.n as f64;
    }

    fn end_slot(&mut self) {
        let (_, n, sum) = self.slot;
        if n > 0 {
            self.kept.push(sum / n as f64);
        }
    }

    fn median(mut self) -> f64 {
        self.end_slot();
        self.kept.median().unwrap_or(f64::NAN)
    }
}
