//! Compares the return window with the reference window and with all blocks between them. What changed
//! in the last laps has too few blocks for a trend or a step, and a series that did is not stable.

use crate::measure::Better;
use crate::stats::robust::{mad, median};

/// Least excess of the return window, in median absolute deviations of the blocks before it.
const DEVIATIONS: f64 = 10.0;

/// Values of a series or of answers by window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Windows {
    pub reference: Vec<f64>,
    /// Judged blocks before the return window.
    pub before: Vec<f64>,
    pub back: Vec<f64>,
}

impl Windows {
    /// Returns the level of the return window less that of the reference window.
    pub(super) fn change(&self) -> Option<f64> {
        Some(median(&self.back)? - median(&self.reference)?)
    }

    /// Whether the return window lies beyond everything before it in the worse direction: by more
    /// than `least`, and by far more than the blocks differ.
    pub(super) fn is_beyond(&self, better: Better, least: f64) -> bool {
        let worse = match better {
            Better::Lower => 1.0,
            Better::Higher => -1.0,
        };
        let change = || {
            let (back, middle) = (median(&self.back)?, median(&self.before)?);
            let excess = (worse * self.change()?).min(worse * (back - middle));
            let noise = DEVIATIONS * mad(&self.before, middle)?;
            let is_highest = self.before.iter().all(|value| worse * (back - value) > 0.0);
            Some(is_highest && excess > least.max(noise))
        };
        change().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(back: f64) -> Windows {
        let before: Vec<f64> = (0..40).map(|n| 100.0 + f64::from(n % 3)).collect();
        Windows { reference: vec![101.0], before, back: vec![back] }
    }

    #[test]
    fn a_return_window_far_beyond_all_before_is_no_noise() {
        assert!(windows(112.0).is_beyond(Better::Lower, 5.0));
        assert!(!windows(112.0).is_beyond(Better::Lower, 12.0), "too little to matter");
        assert!(!windows(110.0).is_beyond(Better::Lower, 5.0), "not ten deviations");
        assert!(!windows(112.0).is_beyond(Better::Higher, 5.0), "the better direction");
        assert!(windows(90.0).is_beyond(Better::Higher, 5.0));
    }

    #[test]
    fn a_fill_before_the_judged_blocks_is_no_change_at_the_end() {
        let filled = Windows { reference: vec![50.0], ..windows(102.0) };
        assert!(!filled.is_beyond(Better::Lower, 5.0));
        assert_eq!(filled.change(), Some(52.0));
    }

    #[test]
    fn without_both_windows_nothing_is_compared() {
        let without = Windows { back: Vec::new(), ..windows(0.0) };
        assert_eq!((without.change(), without.is_beyond(Better::Lower, 0.0)), (None, false));
    }
}
