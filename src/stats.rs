//! Computes statistics: percentiles, distributions in bounded memory,
//! confidence intervals and tests for small samples. Knows no entry, no measure
//! and no report.
//!
//! A percentile here is the *nearest rank*: the smallest value that at least
//! the requested share of values does not exceed (rank `ceil(p · n)`). It is
//! always a measured value, never interpolated.

pub(crate) mod binomial;
pub(crate) mod bootstrap;
pub(crate) mod dist;
mod estimate;
pub(crate) mod hamed_rao;
pub(crate) mod hdr;
pub(crate) mod mann_kendall;
pub(crate) mod many;
pub(crate) mod mser;
pub(crate) mod order;
mod peak;
pub(crate) mod pettitt;
pub(crate) mod poisson;
pub(crate) mod rank_sum;
pub(crate) mod robust;
pub(crate) mod shift;
pub(crate) mod student;
pub(crate) mod theil_sen;
pub(crate) mod time_to_limit;
pub(crate) mod two_levels;
#[cfg(test)]
mod vectors;

pub(crate) use dist::{Dist, UnknownValues};
pub(crate) use estimate::Estimate;
pub(crate) use order::RankInterval;
pub(crate) use peak::peak_per_second;

/// Returns the rank, from 1, of the percentile of `n` values; `None` for `n` = 0.
pub(crate) fn rank(n: u64, share: f64) -> Option<u64> {
    // 0.95 · 20 is 19.000000000000004 in binary; the rank is 19.
    let exact = share * n as f64;
    (n > 0).then(|| ((exact - 1e-9).ceil() as u64).clamp(1, n))
}

/// Returns the length of a block for a moving-block bootstrap of `n` values: the cube root of `n`,
/// rounded up.
pub(crate) fn block_length(n: usize) -> usize {
    // 27 to the power of 1 / 3 is 3.0000000000000004 in binary.
    (((n as f64).cbrt() - 1e-9).ceil() as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_occurred() {
        assert_eq!([0.5, 0.95, 0.99].map(|share| rank(20, share)), [Some(10), Some(19), Some(20)]);
        assert_eq!((rank(1, 0.5), rank(0, 0.5)), (Some(1), None));
    }
}
