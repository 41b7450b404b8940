//! Values and nouns in words, for pages and layouts alike.

use crate::measure::{Measure, Unit};
use crate::unit::{figures, grouped, span};

/// A time in seconds, in the unit that suits the largest of those that stand with it.
pub(crate) fn time(seconds: f64, largest: f64) -> String {
    let (factor, unit) = if largest < 1.0 { (1e3, "ms") } else { (1.0, "s") };
    format!("{} {unit}", figures(seconds * factor))
}

/// A measure's value with its unit.
pub(crate) fn amount(measure: Measure, value: f64) -> String {
    match measure.unit() {
        Unit::Seconds if measure == Measure::Mtbf => span(value),
        Unit::Seconds => time(value, value.max(0.0)),
        Unit::TokensPerSecond => format!("{} tok/s", figures(value)),
        Unit::Tokens | Unit::Count => grouped(value),
        Unit::Share => percent(value),
    }
}

/// A fraction in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", figures(share * 100.0))
}

/// A fraction in percent as people write limits: without zeros at its end.
pub(crate) fn percent_short(share: f64) -> String {
    let text = figures(share * 100.0);
    let short =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{short} %")
}

/// A number and its noun: `1 crash`, `3 crashes`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n as f64), if n == 1 { one } else { many })
}
