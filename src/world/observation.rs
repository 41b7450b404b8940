//! Defines the result of one reading of a sensor: samples, and log lines that
//! match a signature. Log lines keep their own instants and are never folded.

use crate::fact::SignatureMatch;
use crate::series::Series;
use crate::unit::At;

/// Sample of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Node, pid, GPU or labels; empty where there is only one.
    pub instance: String,
    /// Name of the series, its unit last.
    pub name: String,
    pub value: f64,
}

impl Sample {
    /// Returns a sample of a series with a single instance.
    pub(crate) fn one(series: &Series, value: f64) -> Sample {
        Sample::of("", series, value)
    }

    /// Returns a sample of one of several instances.
    pub(crate) fn of(instance: &str, series: &Series, value: f64) -> Sample {
        Sample { instance: instance.to_owned(), name: series.name.to_owned(), value }
    }
}

/// Result of one reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observation {
    pub samples: Vec<Sample>,
    /// Log lines that match a signature.
    pub said: Vec<(At, SignatureMatch)>,
    /// Instant of the observation, where it is earlier than the end of the reading.
    pub at: Option<At>,
}

impl From<Vec<Sample>> for Observation {
    fn from(samples: Vec<Sample>) -> Observation {
        Observation { samples, ..Observation::default() }
    }
}
