//! A row of the table of series.

use super::Observer;
use crate::fact::{Reading, Source};

/// A series: everything that is known of it beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// Whose readings these are.
    pub source: Source,
    /// The name in readings, the unit last. One that begins with `*` stands for every name
    /// that ends like the rest of it.
    pub name: &'static str,
    /// The unit of its values.
    pub unit: SeriesUnit,
    /// How its values go on.
    pub kind: SeriesKind,
    /// When it is told at once.
    pub urgency: Urgency,
    /// Observers that were looking where there is a reading of it.
    pub shows: &'static [Observer],
    /// A sentence on it, for the guide.
    pub about: &'static str,
}

/// The unit of the values of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeriesUnit {
    Bytes,
    /// A share, 0 to 1.
    Share,
    /// A moment, seconds since 1970.
    Epoch,
    Micros,
    /// 1 or 0.
    Truth,
    /// A number of things.
    Number(&'static str),
    /// Not known: a metric of the engine's own.
    Unknown,
}

/// How the values of a series go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeriesKind {
    /// A level, up and down.
    Gauge,
    /// A count that only grows while its process lives.
    Counter,
    /// A count of what came since the last look; never told twice, or it would be added twice.
    Increment,
    /// A sign of life: by it a process is there, or is another one.
    Life,
}

/// When a value is told at once, whatever the interval: it may be a sign of death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    Never,
    /// A zero, and the first value after one.
    Zero,
    /// A zero after other values, and the first value after one.
    Turn,
    /// Another value than before.
    Change,
    /// A smaller value than before.
    Fall,
}

impl Urgency {
    /// Whether a value is told at once, after the one before it.
    pub(crate) fn is_urgent(self, before: Option<f64>, value: f64) -> bool {
        let Some(before) = before else { return self == Urgency::Zero && value == 0.0 };
        match self {
            Urgency::Never => false,
            Urgency::Zero => value == 0.0 || before == 0.0,
            Urgency::Turn => (before == 0.0) != (value == 0.0),
            Urgency::Change => (before - value).abs() > f64::EPSILON,
            Urgency::Fall => value < before,
        }
    }
}

impl Series {
    /// Whether a reading of this source and name is one of it.
    pub(crate) fn has(&self, source: Source, name: &str) -> bool {
        let is_named = match self.name.strip_prefix('*') {
            Some(end) => name.ends_with(end),
            None => name == self.name,
        };
        self.source == source && is_named
    }

    /// Whether a reading is one of it.
    pub(crate) fn is_of(&self, reading: &Reading) -> bool {
        self.has(reading.source, &reading.name)
    }

    /// Whether its values say when a process started: a moment that is a sign of life.
    pub(crate) fn is_start_time(&self) -> bool {
        self.unit == SeriesUnit::Epoch && self.kind == SeriesKind::Life
    }

    /// A reading of one value.
    pub(crate) fn reading(&self, value: f64) -> Reading {
        Reading::single(self.source, self.name, value)
    }
}
