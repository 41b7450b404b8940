//! Records when the server's endpoint was looked at. A look shows the server at one instant: an
//! outage between two looks is not seen.

use super::ranges::Ranges;
use crate::unit::At;

/// Bound on the looks of one reading; a sensor has a few to an interval.
const LOOKS_MAX: u64 = 64;

/// Looks at the endpoint in one segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    last: Option<At>,
    /// Least mean time from one look to the next so far, microseconds.
    usual_us: Option<u64>,
    instants: Ranges,
}

impl Looks {
    /// Takes in a reading of so many looks, of which the last was at this time. Where they took
    /// longer than usual, the whole delay counts as one gap: longhaul, or its machine, may have
    /// stood still.
    pub(super) fn fold(&mut self, at: At, n: u64) {
        let n = n.clamp(1, LOOKS_MAX);
        let spacing_us = match self.last {
            Some(last) if at <= last => return,
            Some(last) => {
                let mean_us = at.since(last) / n;
                let usual_us = self.usual_us.map_or(mean_us, |usual_us| usual_us.min(mean_us));
                self.usual_us = Some(usual_us);
                if mean_us > usual_us + usual_us / 2 { usual_us } else { mean_us }
            }
            None => 0,
        };
        self.last = Some(at);
        for look in 0..n {
            let instant = at.0.saturating_sub(look * spacing_us);
            self.instants.add(instant, instant.saturating_add(1));
        }
    }

    /// Returns the instants of the looks.
    pub(super) fn instants(&self) -> &Ranges {
        &self.instants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(readings: &[(u64, u64)]) -> Vec<u64> {
        let mut looks = Looks::default();
        for (second, n) in readings {
            looks.fold(At(second * 1_000_000), *n);
        }
        let instants: Vec<u64> = looks.instants().all().map(|(from, _)| from / 1_000_000).collect();
        instants.windows(2).map(|two| two[1] - two[0]).collect()
    }

    #[test]
    fn looks_of_one_reading_are_as_far_apart_as_they_really_were() {
        assert_eq!(gaps(&[(0, 1), (10, 2), (20, 2)]), [5, 5, 5, 5]);
        assert_eq!(gaps(&[(0, 1), (10, 1), (20, 1)]), [10, 10]);
        assert_eq!(gaps(&[(0, 1), (10, 2), (80, 2)]), [5, 5, 65, 5], "it stood still for a minute");
        assert_eq!(gaps(&[(10, 1), (5, 3)]), [0; 0], "an earlier second, handed over late");
    }
}
