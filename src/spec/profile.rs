//! Defines the machine profile: how fast a named machine serves a recipe, with the source of every
//! figure. The simulator and `plan` use its rates.

mod read;

pub(crate) use read::read;

use super::SpecFile;

/// Rates of a machine for a recipe. `docs/formats/profile.md` defines each key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    /// Source file.
    pub source: SpecFile,
    /// Description in one sentence: machine, model and source.
    pub about: String,
    /// Constant of the prefill time, seconds. Prefill of n tokens takes `prefill_s +
    /// prefill_s_per_token · n + prefill_s_per_token2 · n²`.
    pub prefill_s: f64,
    /// Linear part of the prefill time, seconds per token.
    pub prefill_s_per_token: f64,
    /// Quadratic part of the prefill time, seconds per token squared: the cost of attention.
    pub prefill_s_per_token2: f64,
    /// Output tokens per second of one stream at depth 0.
    pub decode_per_s: f64,
    /// Fraction of decode speed lost at 100,000 tokens of depth; linear in depth.
    pub decode_loss_at_100k: f64,
    /// Fraction by which a decode step grows per further stream.
    pub decode_step_growth: f64,
    /// Capacity of the KV cache, tokens.
    pub kv_tokens: u64,
    /// Share of drafted tokens that are accepted, 0 to 1.
    pub acceptance: f64,
    /// Coefficient of variation of speed between starts of the server.
    pub noise_between_starts: f64,
    /// Coefficient of variation of speed within a run, autocorrelated.
    pub noise_within: f64,
    /// Total memory of the machine, bytes.
    pub memory_bytes: u64,
    /// Memory in use when the server is ready and idle, bytes.
    pub memory_ready_bytes: u64,
    /// Time from start to ready, seconds.
    pub start_s: f64,
    /// Names of the figures without a source.
    pub assumed: Vec<String>,
}

impl Profile {
    /// Returns the seconds of a cold prefill of `n` tokens without other load.
    pub(crate) fn prefill_seconds(&self, n: u64) -> f64 {
        let n = n as f64;
        self.prefill_s + self.prefill_s_per_token * n + self.prefill_s_per_token2 * n * n
    }

    /// Returns the seconds per output token of one of `streams` streams at `depth` tokens.
    pub(crate) fn decode_seconds(&self, depth: u64, streams: u32) -> f64 {
        let speed = self.decode_per_s
            * (1.0 - self.decode_loss_at_100k * depth as f64 / 100_000.0).max(0.05);
        (1.0 + self.decode_step_growth * f64::from(streams.saturating_sub(1))) / speed
    }
}
