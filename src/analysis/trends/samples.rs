//! Compares the number of samples of a series with the number that its usual rate gives.

use crate::stats::robust::median;

/// Least hours from which a rate is computed. A row holds the readings of ten seconds or more, so a
/// block of that length has two rows, one or none, and misses nothing.
const FOR_A_RATE_H: f64 = 2.0 / 60.0;

/// Samples in a span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Samples {
    pub n: u64,
    pub hours: f64,
}

/// Returns the share of the expected samples that were seen in spans that follow each other. The
/// usual rate is the median over groups of spans, each long enough.
pub(super) fn share_of_expected(spans: &[Samples]) -> f64 {
    let lengths: Vec<f64> = spans.iter().map(|it| it.hours).collect();
    let Some(usual) = median(&lengths) else { return 0.0 };
    let group = (FOR_A_RATE_H / usual).ceil() as usize;
    let sum = |of: &[Samples]| {
        of.iter().fold((0.0, 0.0), |(n, hours), it| (n + it.n as f64, hours + it.hours))
    };
    let rate = |of: &[Samples]| {
        let (n, hours) = sum(of);
        n / hours
    };
    let rates: Vec<f64> = spans.chunks(group.max(1)).map(rate).filter(|it| *it > 0.0).collect();
    let (seen, hours) = sum(spans);
    median(&rates).map_or(0.0, |rate| (seen / (rate * hours)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(hours: f64, counts: impl IntoIterator<Item = u64>) -> f64 {
        let spans: Vec<Samples> = counts.into_iter().map(|n| Samples { n, hours }).collect();
        share_of_expected(&spans)
    }

    /// Returns the samples in blocks of so many rows each, of ten samples a row.
    fn rows(rows: f64) -> impl Iterator<Item = u64> {
        let before = move |block: u32| (f64::from(block) * rows).ceil() as u64;
        (0..120).map(move |block| 10 * (before(block + 1) - before(block)))
    }

    #[test]
    fn short_blocks_that_have_a_row_more_or_less_miss_nothing() {
        for seconds in [9.3, 10.0, 13.0, 17.5, 25.0, 31.0, 61.0] {
            let share = share(seconds / 3_600.0, rows(seconds / 10.0));
            assert!(share > 0.95, "{seconds} s: {share}");
        }
    }

    #[test]
    fn spans_without_samples_are_missing() {
        let gap = |hours: f64| share(hours, (0..120).map(|block| if block < 12 { 0 } else { 60 }));
        for hours in [1.0 / 360.0, 1.0 / 60.0, 1.0 / 6.0] {
            assert!((gap(hours) - 0.9).abs() < 1e-9, "{}", gap(hours));
        }
        assert!(share(0.1, [0, 0]).abs() < 1e-9);
        assert!(share(0.1, []).abs() < 1e-9);
    }
}
