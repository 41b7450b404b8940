//! Computes when the requests of an open round are due: a pure function of the
//! seed and of the round's place, so that neither a slow response nor earlier
//! load can move an arrival. Knows no clock: offsets are from the round's
//! start.

use super::{OpenLoop, RoundPosition};
use crate::fact::Phase;
use crate::rng::Rng;
use crate::spec::scenario::Arrivals;

/// Part of the random address that separates gaps from texts.
const PACE: u64 = 3;

/// Returns the due times of an open round's requests, microseconds since the round's start, in
/// order. `per_s` is the rate in requests per second.
///
/// Constant arrivals begin at once. Poisson arrivals begin after the first gap: gaps are
/// −ln(1 − u) / rate, u evenly from 0 up to 1.
pub(crate) fn offsets_us(
    seed: u64,
    phase: Phase,
    place: RoundPosition,
    per_s: f64,
    open: OpenLoop,
) -> Vec<u64> {
    let lanes = 0..open.requests;
    match open.arrivals {
        Arrivals::Constant => lanes.map(|lane| micros(f64::from(lane) / per_s)).collect(),
        Arrivals::Poisson => {
            let address = [PACE, phase as u64, place.lap, place.index as u64];
            let mut rng = Rng::at(seed, &address);
            let mut offset_s = 0.0;
            let mut arrive = |_| {
                offset_s -= (1.0 - rng.unit()).ln() / per_s;
                micros(offset_s)
            };
            lanes.map(&mut arrive).collect()
        }
    }
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(seed: u64, phase: Phase, lap: u64, index: usize, arrivals: Arrivals) -> Vec<u64> {
        let open = OpenLoop { arrivals, requests: 1000 };
        offsets_us(seed, phase, RoundPosition::new(lap, index), 4.0, open)
    }

    #[test]
    fn constant_arrivals_are_exactly_as_far_apart_as_the_rate_says() {
        let offsets = offsets(7, Phase::Soak, 3, 1, Arrivals::Constant);
        assert!(offsets.iter().enumerate().all(|(lane, us)| *us == lane as u64 * 250_000));
        let third = OpenLoop { arrivals: Arrivals::Constant, requests: 4 };
        let place = RoundPosition::default();
        let offsets = offsets_us(7, Phase::Soak, place, 3.0, third);
        assert_eq!(offsets, [0, 333_333, 666_667, 1_000_000], "rounding does not add up");
    }

    #[test]
    fn poisson_arrivals_have_the_mean_and_the_spread_of_their_rate() {
        let mut gaps_s: Vec<f64> = Vec::new();
        for lap in 0..20 {
            let offsets = offsets(7, Phase::Soak, lap, 0, Arrivals::Poisson);
            assert!(offsets.is_sorted());
            let before = std::iter::once(&0).chain(&offsets);
            gaps_s.extend(before.zip(&offsets).map(|(from, to)| (to - from) as f64 / 1e6));
        }
        let n = gaps_s.len() as f64;
        let mean = gaps_s.iter().sum::<f64>() / n;
        let deviation = (gaps_s.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n).sqrt();
        // Twenty thousand gaps: the mean is known to 0.7 %, and theirs is 0.25 s, as is their spread.
        assert!((mean - 0.25).abs() < 0.006, "{mean}");
        assert!((deviation - 0.25).abs() < 0.01, "{deviation}");
    }

    #[test]
    fn an_arrival_is_a_function_of_its_address_alone() {
        let at = |seed, phase, lap, index| offsets(seed, phase, lap, index, Arrivals::Poisson);
        let first = at(7, Phase::Soak, 3, 1);
        for other in [
            at(8, Phase::Soak, 3, 1),
            at(7, Phase::Return, 3, 1),
            at(7, Phase::Soak, 4, 1),
            at(7, Phase::Soak, 3, 2),
        ] {
            assert_ne!(other, first);
        }
        assert_eq!(at(7, Phase::Soak, 3, 1), first);
    }

    #[test]
    fn fewer_requests_are_due_when_the_first_of_more_are() {
        let few = OpenLoop { arrivals: Arrivals::Poisson, requests: 10 };
        let few = offsets_us(7, Phase::Soak, RoundPosition::new(3, 1), 4.0, few);
        assert_eq!(few[..], offsets(7, Phase::Soak, 3, 1, Arrivals::Poisson)[..10]);
    }
}
