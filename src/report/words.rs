//! Formats values and nouns for pages and layouts.

use crate::measure::{Measure, Unit};
use crate::stats::{Estimate, RankInterval};
use crate::unit::{figures, grouped, span};

use super::layout::NONE;

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

/// Formats a measure's value, or the bound that is known of it: `412 ms`, `> 30 s`.
pub(crate) fn estimate(measure: Measure, value: Estimate) -> String {
    bounded(value, |value| amount(measure, value))
}

/// Formats a value with its interval, in one unit: `45.0 s [44.1, 46.2]`. An end that is not known
/// is `-`.
pub(crate) fn within(measure: Measure, value: Estimate, interval: Option<RankInterval>) -> String {
    let written = |number: f64| match measure.unit() {
        Unit::Seconds => time(number, value.number()),
        _ => amount(measure, number),
    };
    let end = |end: Option<f64>| {
        let text = end.map_or_else(|| NONE.to_owned(), written);
        text.split_once(' ').map_or(text.clone(), |(number, _)| number.to_owned())
    };
    let value = bounded(value, written);
    interval.map_or(value.clone(), |RankInterval { low, high }| {
        format!("{value} [{}, {}]", end(low), end(high))
    })
}

/// Formats a value, or the bound that is known of it, which is written without trailing zeros.
pub(crate) fn bounded(value: Estimate, format: impl Fn(f64) -> String) -> String {
    let short = |text: String| match text.split_once(' ') {
        Some((number, unit)) => format!("{} {unit}", without_zeros(number)),
        None => without_zeros(&text).to_owned(),
    };
    match (value.known(), value.below(), value.above()) {
        (Some(value), ..) => format(value),
        (None, Some(high), None) => format!("< {}", short(format(high))),
        (None, _, low) => format!("> {}", short(format(low.unwrap_or(0.0)))),
    }
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// Formats a fraction in whole percent, rounded down, so that 100 % is all.
pub(crate) fn percent_whole(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).floor())
}

/// Formats a fraction in percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", figures(share * 100.0))
}

/// Formats a fraction in percent as limits are written: without trailing zeros.
pub(crate) fn percent_short(share: f64) -> String {
    format!("{} %", without_zeros(&figures(share * 100.0)))
}

/// Formats how long an outage must have lasted to be observed: `5 s`.
pub(crate) fn at_least_so_long(seconds: f64) -> String {
    if seconds >= 60.0 { span(seconds) } else { format!("{} s", (seconds * 10.0).round() / 10.0) }
}

/// Formats a number and its noun: `1 crash`, `3 crashes`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n as f64), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_written_short_and_with_its_side() {
        let ttft = Measure::parse("ttft").unwrap();
        let rate = Measure::parse("tokens_per_s").unwrap();
        let above = |low| estimate(ttft, Estimate::between(low, f64::INFINITY));
        assert_eq!([above(30.0012), above(0.7), above(1.5)], ["> 30 s", "> 700 ms", "> 1.5 s"]);
        assert_eq!(estimate(ttft, Estimate::between(4.0, 5.0)), "> 4 s");
        assert_eq!(estimate(rate, Estimate::between(0.0, 20.0)), "< 20 tok/s");
        assert_eq!(estimate(ttft, Estimate::exact(30.0)), "30.0 s");
    }

    #[test]
    fn an_interval_has_the_unit_of_its_value_and_says_which_end_is_not_known() {
        let ttft = Measure::parse("ttft_p95").unwrap();
        let of = |measure, value: f64, low, high| {
            within(measure, value.into(), Some(RankInterval { low, high }))
        };
        assert_eq!(of(ttft, 45.0, Some(44.1), Some(46.2)), "45.0 s [44.1, 46.2]");
        assert_eq!(of(ttft, 0.98, Some(0.95), Some(1.04)), "980 ms [950, 1,040]");
        assert_eq!(of(ttft, 45.0, Some(44.1), None), "45.0 s [44.1, -]");
        assert_eq!(within(ttft, Estimate::exact(45.0), None), "45.0 s");
        let bound = Estimate::between(30.0, f64::INFINITY);
        let interval = RankInterval { low: Some(30.0), high: None };
        assert_eq!(within(ttft, bound, Some(interval)), "> 30 s [30.0, -]");
        let rate = Measure::parse("throughput").unwrap();
        assert_eq!(of(rate, 31.2, Some(30.0), Some(33.0)), "31.2 tok/s [30.0, 33.0]");
    }
}
