//! Gives the durations of the two levels between which a speed jumps.

use crate::rng::Rng;

/// Stream of random numbers.
const LEVEL: u64 = 0xE2;
/// Shortest duration, microseconds: 8 minutes.
const SHORTEST_US: f64 = 480e6;
/// Longest duration, microseconds: 90 minutes.
const LONGEST_US: f64 = 5400e6;

/// Returns the duration of the level with this number, for the fault with the index `place` among
/// all. Its logarithm is evenly distributed: 34 minutes on average.
pub(crate) fn level_us(seed: u64, place: usize, number: u64) -> u64 {
    let part = Rng::at(seed, &[LEVEL, place as u64, number]).unit();
    (SHORTEST_US * (LONGEST_US / SHORTEST_US).powf(part)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_last_minutes_to_hours_and_34_minutes_on_average() {
        let all: Vec<u64> = (0..2000).map(|number| level_us(1, 0, number)).collect();
        assert!(all.iter().all(|us| (480_000_000..5_400_000_000).contains(us)));
        let mean_min = all.iter().sum::<u64>() as f64 / 2000.0 / 60e6;
        assert!((mean_min - 33.9).abs() < 2.0, "{mean_min}");
        assert_ne!(level_us(1, 0, 0), level_us(2, 0, 0));
    }
}
