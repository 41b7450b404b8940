//! Computes the peak rate over any one second.

use crate::unit::At;

const WINDOW_US: u64 = 1_000_000;

/// Returns the largest sum of counts in a sliding window [t, t + 1 s). `stamps` must be in order
/// of time.
pub(crate) fn peak_per_second(stamps: impl Iterator<Item = (At, u64)> + Clone) -> u64 {
    let (mut peak, mut inside) = (0, 0);
    let mut oldest = stamps.clone().peekable();
    for (at, count) in stamps {
        inside += count;
        while let Some((_, gone)) = oldest.next_if(|(then, _)| at.since(*then) >= WINDOW_US) {
            inside -= gone;
        }
        peak = peak.max(inside);
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_taken_over_a_window_that_slides() {
        let peak = |stamps: &[(u64, u64)]| {
            peak_per_second(stamps.iter().map(|(at_ms, count)| (At(at_ms * 1000), *count)))
        };
        assert_eq!(peak(&[(0, 1), (900, 5), (1100, 5), (1900, 1)]), 10);
        assert_eq!(peak(&[(100, 2), (900, 2), (1050, 2), (1800, 2), (1899, 2), (3000, 2)]), 8);
        assert_eq!(peak(&[(0, 1), (1000, 1)]), 1, "the end is not within it");
        assert_eq!(peak(&[]), 0);
    }
}
