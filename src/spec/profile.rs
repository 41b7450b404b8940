//! A machine profile: how fast a named machine serves a recipe, with the source of
//! every figure. The simulator and `plan` take their rates from it.

mod read;

pub(crate) use read::read;

use super::SpecFile;

/// How fast a machine serves a recipe. `docs/formats/profile.md` says what each key means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    /// The file it was read from.
    pub source: SpecFile,
    /// One sentence: which machine, which model, from what source.
    pub about: String,
    /// Prefill time of n tokens: `prefill_s + prefill_s_per_token · n + prefill_s_per_token2 · n²`. Seconds.
    pub prefill_s: f64,
    /// Seconds per token.
    pub prefill_s_per_token: f64,
    /// Seconds per token squared: what attention over depth adds.
    pub prefill_s_per_token2: f64,
    /// Output tokens per second of one stream at depth 0.
    pub decode_per_s: f64,
    /// Fraction of decode speed lost at 100,000 tokens of depth, linear between.
    pub decode_loss_at_100k: f64,
    /// Fraction by which a decode step grows with each further stream.
    pub decode_step_growth: f64,
    /// Tokens that the KV cache holds.
    pub kv_tokens: u64,
    /// Share of drafted tokens that are accepted, 0 to 1.
    pub acceptance: f64,
    /// Coefficient of variation of speed between starts of the server.
    pub noise_between_starts: f64,
    /// Coefficient of variation of speed within a run, autocorrelated.
    pub noise_within: f64,
    /// Memory of the box, bytes.
    pub memory_bytes: u64,
    /// Memory in use when the server is ready and idle, bytes.
    pub memory_ready_bytes: u64,
    /// Seconds from start to ready.
    pub start_s: f64,
    /// Names of the figures above that no source gives.
    pub assumed: Vec<String>,
}

impl Profile {
    /// Seconds to prefill `n` tokens, cold, alone.
    pub(crate) fn prefill_seconds(&self, n: u64) -> f64 {
        let n = n as f64;
        self.prefill_s + self.prefill_s_per_token * n + self.prefill_s_per_token2 * n * n
    }

    /// Seconds per output token of one of `streams` streams, each `depth` tokens deep.
    pub(crate) fn decode_seconds(&self, depth: u64, streams: u32) -> f64 {
        let speed = self.decode_per_s
            * (1.0 - self.decode_loss_at_100k * depth as f64 / 100_000.0).max(0.05);
        (1.0 + self.decode_step_growth * f64::from(streams.saturating_sub(1))) / speed
    }
}
