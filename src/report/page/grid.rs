//! A table as data: headings, and rows of typed values. Widths, units and what
//! stands for a value that is not there are a layout's.

use crate::measure::{Measure, Quantity};
use crate::verdict::Word;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Grid {
    /// Its columns; without any words in them the table has no head.
    pub headings: Vec<Heading>,
    /// Its rows, each as long as the headings.
    pub rows: Vec<Vec<Datum>>,
}

/// The head of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heading {
    pub words: &'static str,
    /// To which side its values stand.
    pub align: Align,
    /// The quantity whose times it shows: all columns of a quantity have one unit.
    pub scale: Option<Quantity>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Align {
    /// As words stand.
    #[default]
    Left,
    /// As numbers stand.
    Right,
}

/// A value, its unit in its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Datum {
    /// Not known, or of too few samples.
    Nothing,
    Text(String),
    /// A number of things.
    Count(u64),
    /// A time in the unit of its column's scale, seconds.
    Time(f64),
    /// So many per second.
    PerSecond(f64),
    /// A fraction, 0 to 1.
    Share(f64),
    /// A size in memory.
    Bytes(u64),
    /// A time in a unit of its own, seconds.
    Span(f64),
    /// A number without a unit, or with one that its row says.
    Number(f64),
    /// A value of a measure, in the measure's base unit.
    Of(Measure, f64),
    /// The word of a gate.
    Judged(Word),
}

impl Datum {
    /// Words as a value.
    pub(crate) fn text(words: impl Into<String>) -> Datum {
        Datum::Text(words.into())
    }

    /// A value, where there is one.
    pub(crate) fn maybe(value: Option<f64>, kind: fn(f64) -> Datum) -> Datum {
        value.map_or(Datum::Nothing, kind)
    }
}

impl Grid {
    /// A table of words without a head.
    pub(crate) fn plain(columns: usize, rows: Vec<Vec<Datum>>) -> Grid {
        Grid { headings: vec![Heading::default(); columns], rows }
    }
}

impl Heading {
    /// The head of a column of words.
    pub(crate) fn left(words: &'static str) -> Heading {
        Heading { words, ..Heading::default() }
    }

    /// The head of a column of numbers.
    pub(crate) fn right(words: &'static str) -> Heading {
        Heading { words, align: Align::Right, scale: None }
    }

    /// The head of a column of times of a quantity.
    pub(crate) fn time(words: &'static str, quantity: Quantity) -> Heading {
        Heading { words, align: Align::Right, scale: Some(quantity) }
    }
}
