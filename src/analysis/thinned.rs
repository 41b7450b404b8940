//! Keeps values for a median in bounded memory.

/// Bound on the values that are kept. Beyond it every second one is kept, then every fourth.
pub(super) const KEPT_MAX: usize = 1_024;

/// Values, thinned out where there are many.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Thinned {
    kept: Vec<f64>,
    /// Stride: one of so many values is kept.
    every: usize,
    seen: usize,
}

impl Default for Thinned {
    fn default() -> Thinned {
        Thinned { kept: Vec::new(), every: 1, seen: 0 }
    }
}

impl Thinned {
    /// Adds a value.
    pub(super) fn push(&mut self, value: f64) {
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() == KEPT_MAX {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.every *= 2;
            }
            self.kept.push(value);
        }
        self.seen += 1;
    }

    /// Returns the number of values that are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Returns the median of the kept values; `None` without any.
    pub(super) fn median(mut self) -> Option<f64> {
        self.kept.sort_by(f64::total_cmp);
        let (n, middle) = (self.kept.len(), self.kept.len() / 2);
        match n {
            0 => None,
            _ if n % 2 == 1 => Some(self.kept[middle]),
            _ => Some(f64::midpoint(self.kept[middle - 1], self.kept[middle])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_of_a_few_is_exact_and_of_many_is_near() {
        let median = |n: usize| {
            let mut values = Thinned::default();
            (0..n).for_each(|value| values.push(value as f64));
            values.median()
        };
        assert_eq!([median(0), median(1), median(4)], [None, Some(0.0), Some(1.5)]);
        assert!(median(100_000).is_some_and(|it| (it - 50_000.0).abs() < 200.0));
    }
}
