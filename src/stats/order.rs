//! Computes the interval of a percentile from the order of the values alone: its ends are two of
//! the values. Assumes no distribution, only that values are independent.
//!
//! The number of values below the true percentile is binomial, so the ranks of the ends are two
//! of its quantiles (David & Nagaraja, Order Statistics, 2003, 7.1).

use statrs::distribution::{Binomial, DiscreteCDF};

/// Ranks of the values at the ends of a percentile's interval, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ranks {
    /// `None` where there are too few values for a lower end.
    pub low: Option<u64>,
    /// `None` where there are too few values for an upper end: it is beyond the largest.
    pub high: Option<u64>,
}

/// Interval of a percentile. An end is `None` where the values are too few for it, or where only a
/// bound is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RankInterval {
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl RankInterval {
    /// Returns both ends.
    pub(crate) fn ends(self) -> [Option<f64>; 2] {
        [self.low, self.high]
    }
}

/// Returns the ranks of a percentile's two-sided interval among `n` values: the nearest ones with at
/// most (1 − confidence) / 2 of probability beyond either. `share` is a fraction, 0.95 for p95.
pub(crate) fn ranks(n: u64, share: f64, confidence: f64) -> Ranks {
    let Ok(below) = Binomial::new(share, n) else { return Ranks { low: None, high: None } };
    let tail = (1.0 - confidence) / 2.0;
    let low = first(n, |k| below.cdf(k) > tail);
    let high = 1 + first(n, |k| below.cdf(k) >= 1.0 - tail);
    Ranks { low: (low > 0).then_some(low), high: (high <= n).then_some(high) }
}

/// Returns the least number up to `most` from which on `holds`; `most` where there is none.
fn first(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut from, mut to) = (0, most);
    while from < to {
        let middle = from.midpoint(to);
        if holds(middle) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(n: u64, share: f64) -> (Option<u64>, Option<u64>) {
        let Ranks { low, high } = ranks(n, share, 0.95);
        (low, high)
    }

    /// Returns the probability that the true percentile lies between the ends.
    fn coverage(n: u64, share: f64) -> f64 {
        let below = Binomial::new(share, n).unwrap();
        let (low, high) = of(n, share);
        let until = high.map_or(1.0, |high| below.cdf(high - 1));
        until - low.map_or(0.0, |low| below.cdf(low - 1))
    }

    #[test]
    fn the_ranks_are_the_tables() {
        for (n, low, high) in [
            (20, 17, None),
            (60, 53, None),
            (104, 94, Some(104)),
            (200, 184, Some(197)),
            (400, 371, Some(389)),
            (1_000, 936, Some(964)),
        ] {
            assert_eq!(of(n, 0.95), (Some(low), high), "p95 of {n}");
        }
        assert_eq!(of(104, 0.5), (Some(42), Some(63)));
    }

    #[test]
    fn the_coverage_is_at_least_what_was_asked() {
        assert!((coverage(104, 0.95) - 0.980).abs() < 5e-4, "{}", coverage(104, 0.95));
        for n in 1..300 {
            for share in [0.5, 0.9, 0.95, 0.99] {
                assert!(coverage(n, share) >= 0.95 - 1e-9, "p{share} of {n}");
            }
        }
    }

    #[test]
    fn few_values_have_no_end_and_none_have_no_interval() {
        assert_eq!(of(5, 0.5), (None, None));
        assert_eq!(of(6, 0.5), (Some(1), Some(6)));
        assert_eq!(of(0, 0.5), (None, None));
        // The least number of values with an upper bound of p95 at 97.5 %: ln 0.025 / ln 0.95.
        assert_eq!([71, 72].map(|n| of(n, 0.95).1), [None, Some(72)]);
    }

    #[test]
    fn a_million_values_have_a_narrow_interval() {
        let (low, high) = of(1_000_000, 0.99);
        assert_eq!((low, high), (Some(989_805), Some(990_196)));
    }
}
