//! Finds the place where the level of a series changed, by ranks.
//!
//! Pettitt 1979. The p-value is an approximation and assumes independent values.

use super::robust::ranks;

/// Change of the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LevelChange {
    /// Number of values before the change.
    pub after: usize,
    /// Largest deviation of the rank sum.
    pub k: f64,
    /// Two-sided p-value.
    pub p: f64,
}

/// Returns the most likely change. `None` for fewer than two values.
pub(crate) fn pettitt(values: &[f64]) -> Option<LevelChange> {
    let n = values.len() as f64;
    let mut sum = 0.0;
    let mut most = LevelChange { after: 0, k: -1.0, p: 1.0 };
    for (index, rank) in ranks(values).into_iter().enumerate().take(values.len().checked_sub(1)?) {
        sum += rank;
        let deviation = (2.0 * sum - (index + 1) as f64 * (n + 1.0)).abs();
        if deviation > most.k {
            most = LevelChange { after: index + 1, k: deviation, p: 1.0 };
        }
    }
    let p = (2.0 * (-6.0 * most.k.powi(2) / (n.powi(3) + n.powi(2))).exp()).min(1.0);
    (most.after > 0).then_some(LevelChange { p, ..most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::vectors::near;

    #[test]
    fn the_change_is_found_at_its_place() {
        let values = [31, 30, 32, 31, 29, 30, 31, 38, 39, 37, 40, 38, 39, 41].map(f64::from);
        let found = pettitt(&values).unwrap();
        assert_eq!((found.after, found.k), (7, 49.0));
        near(found.p, 0.014_893_2, 1e-7);
    }

    #[test]
    fn a_constant_series_has_no_change() {
        near(pettitt(&[3.0; 20]).unwrap().p, 1.0, 1e-12);
        assert_eq!((pettitt(&[3.0]), pettitt(&[])), (None, None));
    }
}
