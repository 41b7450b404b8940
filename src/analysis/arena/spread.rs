//! Computes a mean with its spread, as benchmark tables give it.

/// Bound on the single values that a spread keeps. Mean and deviation cover all values.
pub(super) const VALUES_MAX: usize = 4_096;

/// Mean and spread of a column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    pub mean: f64,
    /// Population standard deviation: divided by n, not by n − 1. `None` where the table does not
    /// give it, which is not 0.
    pub std: Option<f64>,
    /// Number of values, where the table gives it.
    pub n: Option<u64>,
    /// Single values, only the first [`VALUES_MAX`]; empty where the table does not give them.
    pub values: Vec<f64>,
}

impl Spread {
    /// Returns a spread from a table that gives only mean and deviation.
    pub(crate) fn reported(mean: f64, std: impl Into<Option<f64>>) -> Spread {
        Spread { mean, std: std.into(), n: None, values: Vec::new() }
    }
}

/// Spread that is being gathered.
#[derive(Clone, Debug, Default)]
pub(super) struct SpreadBuilder {
    n: u64,
    mean: f64,
    /// Sum of squared distances from the mean (Welford).
    squares: f64,
    values: Vec<f64>,
}

impl SpreadBuilder {
    pub(super) fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.n += 1;
        let off = value - self.mean;
        self.mean += off / self.n as f64;
        self.squares += off * (value - self.mean);
        if self.values.len() < VALUES_MAX {
            self.values.push(value);
        }
    }

    pub(super) fn spread(&self) -> Option<Spread> {
        let std = Some((self.squares / self.n as f64).sqrt());
        let (n, values) = (Some(self.n), self.values.clone());
        (self.n > 0).then_some(Spread { mean: self.mean, std, n, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_a_population_and_memory_is_bounded() {
        let mut gather = SpreadBuilder::default();
        assert_eq!(gather.spread(), None);
        for value in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0] {
            gather.push(value);
        }
        gather.push(f64::NAN);
        let spread = gather.spread().unwrap();
        assert_eq!((spread.mean, spread.std, spread.n), (5.0, Some(2.0), Some(8)));
        (0..2 * VALUES_MAX).for_each(|_| gather.push(1.0));
        assert_eq!(gather.spread().unwrap().values.len(), VALUES_MAX);
    }
}
