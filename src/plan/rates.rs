//! Holds how fast a server is, from a machine profile, an earlier run or flags.
//! Unknown rates are not guessed.

use std::collections::BTreeMap;

use crate::fact::{Cell, Load};
use crate::spec::Profile;

/// Speed of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Rates {
    #[default]
    Unknown,
    /// Profile of the machine.
    Profile(Profile),
    /// Measured time of a request of each cell, by the cell's name.
    Measured {
        origin: String,
        /// Median time of a request, seconds: about that of a round, whose requests are sent together.
        request_seconds: BTreeMap<String, f64>,
    },
    /// Given by the user.
    Flat {
        /// Prompt tokens per second.
        prefill_per_s: f64,
        /// Output tokens per second of one stream.
        decode_per_s: f64,
    },
}

/// Largest number of slots that a recipe may declare.
const SLOTS_MAX: u64 = 1 << 20;

impl Rates {
    /// Returns the source of the rates, in words.
    pub(crate) fn origin(&self) -> String {
        match self {
            Rates::Unknown => "unknown".to_owned(),
            Rates::Profile(profile) => format!("profile {}", profile.source.name),
            Rates::Measured { origin, .. } => format!("run {origin}"),
            Rates::Flat { prefill_per_s, decode_per_s } => {
                format!("{prefill_per_s} prompt and {decode_per_s} output tokens/s, as given")
            }
        }
    }

    /// Returns the duration of a closed round of a cell, seconds: its cold prefills one after the
    /// other, its decoding in parallel. For an open cell it is the duration of a request alone.
    /// `slots` is the number of requests that the server runs at once, where known.
    pub(crate) fn round_seconds(&self, cell: &Cell, slots: Option<u64>) -> Option<f64> {
        let streams = cell.streams().max(1);
        let together = slots.map_or(streams, |slots| streams.min(slots.max(1) as u32));
        let waves = f64::from(streams.div_ceil(together));
        let (prefill, decode) = match self {
            Rates::Unknown => return None,
            Rates::Measured { request_seconds, .. } => {
                return request_seconds.get(&cell.to_string()).copied();
            }
            Rates::Profile(profile) => (
                profile.prefill_seconds(cell.input()),
                profile.decode_seconds(cell.depth, together),
            ),
            Rates::Flat { prefill_per_s, decode_per_s } => {
                (cell.input() as f64 / prefill_per_s, 1.0 / decode_per_s)
            }
        };
        Some(prefill * f64::from(streams) + decode * cell.output as f64 * waves)
    }

    /// Returns the server time that a cold request of a cell costs when all slots are taken,
    /// seconds: its share of a closed round. Where the slots are unknown it is the prefill alone,
    /// which no server runs in parallel; the true cost is at least that.
    pub(crate) fn cost_seconds(&self, cell: &Cell, slots: Option<u64>) -> Option<f64> {
        let streams = slots.map_or(1, |slots| slots.clamp(1, SLOTS_MAX) as u32);
        let output = if slots.is_some() { cell.output } else { 0 };
        let full = Cell { load: Load::Streams(streams), output, ..*cell };
        self.round_seconds(&full, slots).map(|seconds| seconds / f64::from(streams))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefills_add_up_and_decoding_goes_side_by_side() {
        let rates = Rates::Flat { prefill_per_s: 1000.0, decode_per_s: 20.0 };
        let seconds = |cell: &str, slots| rates.round_seconds(&cell.parse().unwrap(), slots);
        assert_eq!(seconds("d0/c1/p1000/o100", None), Some(6.0));
        assert_eq!(seconds("d0/c4/p1000/o100", None), Some(9.0));
        assert_eq!(seconds("d0/c4/p1000/o100", Some(2)), Some(14.0));
    }

    #[test]
    fn a_request_costs_its_share_of_a_full_round_and_at_least_its_prefill() {
        let rates = Rates::Flat { prefill_per_s: 1000.0, decode_per_s: 20.0 };
        let cell = "d0/r0.5/p1000/o100".parse().unwrap();
        assert_eq!(rates.round_seconds(&cell, None), Some(6.0));
        assert_eq!(rates.cost_seconds(&cell, Some(5)), Some(2.0));
        assert_eq!(rates.cost_seconds(&cell, None), Some(1.0));
    }

    #[test]
    fn what_nobody_knows_is_not_guessed() {
        let cell = "d0/c1/p1/o1".parse().unwrap();
        assert_eq!(Rates::Unknown.round_seconds(&cell, None), None);
    }
}
