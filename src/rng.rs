//! Generates random numbers as a function of an address: the same seed and
//! address give the same numbers, whatever was generated before.
//!
//! SplitMix64 (Steele, Lea, Flood 2014): small and never changing. The
//! fingerprints of loads depend on it, so a library that may change its
//! algorithm cannot be used.

/// Stream of random numbers that belongs to one address.
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    state: u64,
}

/// Mixes one more part of an address into a seed.
pub(crate) fn mix(seed: u64, part: u64) -> u64 {
    scramble(seed ^ scramble(part.wrapping_add(0x9E37_79B9_7F4A_7C15)))
}

fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Rng {
    /// Returns the stream at an address below a seed.
    pub(crate) fn at(seed: u64, address: &[u64]) -> Rng {
        Rng { state: address.iter().fold(scramble(seed), |state, part| mix(state, *part)) }
    }

    /// Returns 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        scramble(self.state)
    }

    /// Returns a whole number in 0..`end`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// Returns a number from 0 to 1, 1 excluded.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns a normal deviate, mean 0 and standard deviation 1 (Box–Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_always_gives_the_same_numbers() {
        let mut first = Rng::at(7, &[1, 2, 3]);
        let mut again = Rng::at(7, &[1, 2, 3]);
        assert_eq!(first.bits(), again.bits());
        assert_ne!(Rng::at(7, &[1, 2, 3]).bits(), Rng::at(7, &[1, 3, 2]).bits());
        assert_ne!(Rng::at(7, &[1]).bits(), Rng::at(8, &[1]).bits());
    }

    #[test]
    fn deviates_have_the_spread_they_claim() {
        let mut rng = Rng::at(1, &[]);
        let values: Vec<f64> = (0..20_000).map(|_| rng.normal()).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        assert!((0..1000).all(|_| rng.below(7) < 7));
    }
}
