//! Computes the duration of steps and the number of accepted draft tokens, from the profile's rates
//! and noise. The noise depends on the seed, the start and the step.

use super::scheduler::StepPart;
use super::setup::Setup;
use crate::rng::Rng;
use crate::unit::At;

/// Autocorrelation time of noise within a run, seconds: clocks and temperature change in tens of
/// seconds, not from token to token.
const NOISE_MEMORY_S: f64 = 30.0;
/// Lower bound of the noise factor on a step's duration.
const NOISE_FLOOR: f64 = 0.5;
/// Mean number of steps per preemption during a storm.
const STORM_ONE_IN: u64 = 20;

/// The speed of one start of the server.
#[derive(Clone, Debug)]
pub(crate) struct SimSpeed {
    seed: u64,
    start: u64,
    step: u64,
    last: At,
    /// Factor of this start on the duration of steps.
    level: f64,
    /// The autocorrelated deviate, mean 0 and standard deviation 1.
    drift: f64,
}

impl SimSpeed {
    /// Creates the speed of the `start`-th start, from 0.
    pub(crate) fn new(setup: &Setup, seed: u64, start: u64, at: At) -> SimSpeed {
        let mut rng = Rng::at(seed, &[0xA0, start]);
        let level = 1.0 + setup.profile.noise_between_starts * rng.normal();
        SimSpeed { seed, start, step: 0, last: at, level, drift: rng.normal() }
    }

    /// Returns the duration of a step of these parts in microseconds, at least 1. `decode_factor`
    /// multiplies the profile's decode time.
    pub(crate) fn step_us(
        &mut self,
        setup: &Setup,
        parts: &[StepPart],
        at: At,
        decode_factor: f64,
    ) -> u64 {
        let seconds = work_seconds(setup, parts, decode_factor);
        // AR(1) in time: the last deviate keeps the weight exp(-dt/tau).
        let kept = (-(at.since(self.last) as f64) / 1e6 / NOISE_MEMORY_S).exp();
        let fresh = Rng::at(self.seed, &[0xA1, self.start, self.step]).normal();
        self.drift = kept * self.drift + (1.0 - kept * kept).sqrt() * fresh;
        self.step += 1;
        self.last = at;
        let within = 1.0 + setup.profile.noise_within * self.drift;
        ((seconds * (self.level * within).max(NOISE_FLOOR) * 1e6).round() as u64).max(1)
    }

    /// Whether a storm preempts a request in the next step.
    pub(crate) fn storm_strikes(&self) -> bool {
        Rng::at(self.seed, &[0xA3, self.start, self.step]).below(STORM_ONE_IN) == 0
    }
}

/// Returns the seconds of a step without noise: the marginal prefill cost of its positions, and one
/// decode step of all decoding requests at their mean depth.
fn work_seconds(setup: &Setup, parts: &[StepPart], decode_factor: f64) -> f64 {
    let profile = &setup.profile;
    let mut seconds = 0.0;
    let (mut streams, mut depths) = (0u32, 0u64);
    for part in parts {
        if part.decodes {
            streams += 1;
            depths += part.from;
            continue;
        }
        // The difference of two prefills cancels the constant, which a request pays once.
        seconds += profile.prefill_seconds(part.to) - profile.prefill_seconds(part.from);
        if part.first {
            seconds += profile.prefill_seconds(0);
        }
    }
    if streams > 0 {
        let depth = depths / u64::from(streams);
        seconds += profile.decode_seconds(depth, streams) * setup.tokens_per_step() * decode_factor;
    }
    seconds
}

/// Returns the number of accepted tokens of `drafted`: those before the first that is rejected.
/// Depends on the request and its position, not on the batch.
pub(crate) fn accepted(seed: u64, job: u64, index: u64, drafted: u32, acceptance: f64) -> u64 {
    let mut rng = Rng::at(seed, &[0xA2, job, index]);
    (0..drafted).take_while(|_| rng.unit() < acceptance).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::job::JobId;
    use crate::sim::setup::tests::record;

    fn part(from: u64, to: u64, decodes: bool) -> StepPart {
        StepPart { id: JobId(0), from, to, decodes, first: from == 0 }
    }

    #[test]
    fn chunks_of_a_prefill_cost_what_the_whole_costs() {
        let setup = record(1.0);
        let chunks = [(0, 16_384), (16_384, 32_768)]
            .map(|(from, to)| work_seconds(&setup, &[part(from, to, false)], 1.0));
        let whole = setup.profile.prefill_seconds(32_768);
        assert!((chunks.iter().sum::<f64>() - whole).abs() < 1e-9);
    }

    #[test]
    fn a_step_that_yields_more_tokens_takes_longer_so_that_speed_is_the_profiles() {
        let setup = record(1.0);
        let step = work_seconds(&setup, &[part(100, 102, true)], 1.0);
        let per_token = step / setup.tokens_per_step();
        assert!((per_token - 1.0 / 22.8).abs() < 1e-3, "{per_token}");
    }

    #[test]
    fn what_makes_decoding_slower_leaves_prefill_alone() {
        let setup = record(1.0);
        let times = |part| work_seconds(&setup, &[part], 1.5) / work_seconds(&setup, &[part], 1.0);
        assert!((times(part(0, 2048, false)) - 1.0).abs() < 1e-9);
        assert!((times(part(100, 102, true)) - 1.5).abs() < 1e-9);
    }

    #[test]
    fn starts_differ_and_the_same_start_does_not() {
        let setup = record(1.0);
        let pace = |start| {
            SimSpeed::new(&setup, 7, start, At(0)).step_us(
                &setup,
                &[part(0, 2048, false)],
                At(0),
                1.0,
            )
        };
        assert_eq!(pace(0), pace(0));
        assert_ne!(pace(0), pace(1));
    }
}
