//! Models a table as data: headings, and rows of typed values. A layout chooses widths, units and
//! the text for a missing value.

use crate::measure::{Measure, Quantity};
use crate::stats::{Estimate, RankInterval};
use crate::verdict::VerdictWord;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Grid {
    /// Columns; without any words in them the table has no head.
    pub headings: Vec<Heading>,
    /// Rows, each as long as the headings.
    pub rows: Vec<Vec<GridValue>>,
}

/// Heading of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heading {
    pub words: &'static str,
    /// Alignment of its values.
    pub align: Align,
    /// Quantity of its times: all columns of a quantity have one unit.
    pub scale: Option<Quantity>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Align {
    /// Left, as words.
    #[default]
    Left,
    /// Right, as numbers.
    Right,
}

/// Value with its unit in its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GridValue {
    /// Unknown, or of too few samples.
    Nothing,
    Text(String),
    /// Number of things.
    Count(u64),
    /// Time in seconds, shown in the unit of its column's scale.
    Time(Estimate),
    /// Rate per second.
    PerSecond(Estimate),
    /// Fraction, 0 to 1.
    Share(f64),
    /// Size in memory, bytes.
    Bytes(u64),
    /// Time in seconds, shown in a unit of its own.
    Span(f64),
    /// Number without a unit, or with a unit that its row names.
    Number(f64),
    /// Value of a measure, in the measure's base unit.
    Of(Measure, Estimate),
    /// Value of a measure, with its interval where one is known.
    Within(Measure, Estimate, Option<RankInterval>),
    /// Verdict word of a gate.
    Judged(VerdictWord),
}

impl GridValue {
    /// Returns words as a value.
    pub(crate) fn text(words: impl Into<String>) -> GridValue {
        GridValue::Text(words.into())
    }

    /// Returns a value, or [`GridValue::Nothing`] for `None`.
    pub(crate) fn maybe<T>(value: Option<T>, kind: fn(T) -> GridValue) -> GridValue {
        value.map_or(GridValue::Nothing, kind)
    }
}

impl Grid {
    /// Returns a table of words without a head.
    pub(crate) fn plain(columns: usize, rows: Vec<Vec<GridValue>>) -> Grid {
        Grid { headings: vec![Heading::default(); columns], rows }
    }
}

impl Heading {
    /// Returns the heading of a column of words.
    pub(crate) fn left(words: &'static str) -> Heading {
        Heading { words, ..Heading::default() }
    }

    /// Returns the heading of a column of numbers.
    pub(crate) fn right(words: &'static str) -> Heading {
        Heading { words, align: Align::Right, scale: None }
    }

    /// Returns the heading of a column of times of a quantity.
    pub(crate) fn time(words: &'static str, quantity: Quantity) -> Heading {
        Heading { words, align: Align::Right, scale: Some(quantity) }
    }
}
