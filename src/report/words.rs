//! Formats values and nouns for pages and layouts.

use crate::measure::{Measure, Unit};
use crate::unit::{figures, grouped, span};

/// Formats a time in seconds, in the unit that suits the largest of the times beside it.
pub(crate) fn time(seconds: f64, largest: f64) -> String {
    let (factor, unit) = if largest < 1.0 { (1e3, "ms") } else { (1.0, "s") };
    format!("{} {unit}", figures(seconds * factor))
}

/// Formats a measure's value with its unit.
pub(crate) fn amount(measure: Measure, value: f64) -> String {
    match measure.unit() {
        Unit::Seconds if measure == Measure::Mtbf => span(value),
        Unit::Seconds => time(value, value.max(0.0)),
        Unit::TokensPerSecond => format!("{} tok/s", figures(value)),
        Unit::Tokens | Unit::Count => grouped(value),
        Unit::Share => percent(value),
    }
}

/// Formats a fraction in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", figures(share * 100.0))
}

/// Formats a fraction in percent as limits are written: without trailing zeros.
pub(crate) fn percent_short(share: f64) -> String {
    let text = figures(share * 100.0);
    let short =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{short} %")
}

/// Formats how long an outage must have lasted to be observed: `5 s`.
pub(crate) fn at_least_so_long(seconds: f64) -> String {
    if seconds >= 60.0 { span(seconds) } else { format!("{} s", (seconds * 10.0).round() / 10.0) }
}

/// Formats a number and its noun: `1 crash`, `3 crashes`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n as f64), if n == 1 { one } else { many })
}
