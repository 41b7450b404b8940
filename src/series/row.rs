//! Defines a row of the table of series.

use super::Observer;
use crate::fact::{Reading, Source};

/// Properties of a series that are known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// Source of its readings.
    pub source: Source,
    /// Name in readings, the unit last. A name that begins with `*` stands for every name with
    /// that ending.
    pub name: &'static str,
    /// Unit of its values.
    pub unit: SeriesUnit,
    /// Kind of its values.
    pub kind: SeriesKind,
    /// Changes that are recorded at once.
    pub urgency: Urgency,
    /// Observers that were working if there is a reading of it.
    pub shows: &'static [Observer],
    /// Description for `docs/observers.md`.
    pub about: &'static str,
}

/// Unit of the values of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeriesUnit {
    Bytes,
    /// A share, 0 to 1.
    Share,
    /// An instant, seconds since 1970.
    Epoch,
    Micros,
    /// 1 or 0.
    Truth,
    /// A number of things.
    Number(&'static str),
    /// Unknown: a metric of the engine's own.
    Unknown,
}

/// Kind of the values of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeriesKind {
    /// A level that rises and falls.
    Gauge,
    /// A count that only grows while its process runs.
    Counter,
    /// A count since the last reading. It must be recorded once only, since the rows are added up.
    Increment,
    /// A sign that a process is running, or was replaced.
    Life,
}

/// Changes of a value that are recorded at once, regardless of the interval, because they may be
/// signs of a crash.
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
    /// Whether a value is recorded at once, given the value before it.
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
    /// Whether a reading of this source and name belongs to the series.
    pub(crate) fn has(&self, source: Source, name: &str) -> bool {
        self.source == source
            && match self.name.as_bytes() {
                [b'*', end @ ..] => name.as_bytes().ends_with(end),
                whole => name.as_bytes() == whole,
            }
    }

    /// Whether a reading belongs to the series.
    pub(crate) fn is_of(&self, reading: &Reading) -> bool {
        self.has(reading.source, &reading.name)
    }

    /// Whether an observer was working if there is a reading of it.
    pub(crate) fn has_observer(&self, observer: Observer) -> bool {
        self.shows.contains(&observer)
    }

    /// Whether its values are start times of a process.
    pub(crate) fn is_start_time(&self) -> bool {
        self.unit == SeriesUnit::Epoch && self.kind == SeriesKind::Life
    }

    /// Returns a reading of one value.
    pub(crate) fn reading(&self, value: f64) -> Reading {
        Reading::single(self.source, self.name, value)
    }
}
