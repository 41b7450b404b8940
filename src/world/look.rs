//! What one look of a sensor gave: values, and lines of a log that mean
//! something. Lines keep the moment of their own, and are never folded.

use crate::fact::Said;
use crate::series::Series;
use crate::unit::At;

/// One value that a sensor took.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Node, pid, GPU or labels; empty where there is one only.
    pub instance: String,
    /// The series, its unit last in the name.
    pub name: String,
    pub value: f64,
}

impl Sample {
    /// A value of a series that there is one of.
    pub(crate) fn one(series: &Series, value: f64) -> Sample {
        Sample::of("", series, value)
    }

    /// A value of one of several.
    pub(crate) fn of(instance: &str, series: &Series, value: f64) -> Sample {
        Sample { instance: instance.to_owned(), name: series.name.to_owned(), value }
    }
}

/// What a look gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Look {
    pub samples: Vec<Sample>,
    /// Lines of a log that mean something.
    pub said: Vec<(At, Said)>,
    /// When it was seen, where that was before it was told.
    pub at: Option<At>,
}

impl From<Vec<Sample>> for Look {
    fn from(samples: Vec<Sample>) -> Look {
        Look { samples, ..Look::default() }
    }
}
