//! Holds the engine's own counters as in vLLM's `/metrics`. They begin at 0 with each start of the
//! process.

/// A histogram, with vLLM's buckets where its values are seconds. The last count is of values above
/// all bounds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    /// Upper bounds of the buckets, seconds or tokens, ascending.
    pub bounds: &'static [f64],
    /// Number of values per bucket, not cumulative; one more than there are bounds.
    pub counts: Vec<u64>,
    /// Sum of the values.
    pub sum: f64,
}

const TTFT: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
const ITL: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
const STEP_TOKENS: &[f64] = &[1.0, 8.0, 64.0, 512.0, 2048.0, 8192.0];
const E2E: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];

impl Histogram {
    fn new(bounds: &'static [f64]) -> Histogram {
        Histogram { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Adds a value.
    pub(crate) fn add(&mut self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket] += 1;
        self.sum += value;
    }
}

/// Counters and gauges of one process lifetime of the engine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metrics {
    /// Requests in the batch.
    pub running: u64,
    /// Requests in the queue.
    pub waiting: u64,
    /// Fraction of KV blocks that requests hold, 0 to 1.
    pub kv_usage: f64,
    /// Prompt tokens looked up in the prefix cache.
    pub prefix_queries: u64,
    /// Prompt tokens found in the prefix cache.
    pub prefix_hits: u64,
    /// Number of preemptions of running requests.
    pub preemptions: u64,
    /// Prompt tokens of requests whose prefill ended.
    pub prompt_tokens: u64,
    /// Tokens of `prompt_tokens` that came from the cache.
    pub cached_tokens: u64,
    /// Number of generated tokens.
    pub generation_tokens: u64,
    /// Finished requests by reason: stop, length, abort, error, repetition.
    pub finished: [u64; 5],
    /// Decode steps with drafted tokens.
    pub drafts: u64,
    /// Number of drafted tokens.
    pub draft_tokens: u64,
    /// Number of accepted draft tokens.
    pub accepted_tokens: u64,
    /// Tokens per step, prefill and decode.
    pub step_tokens: Histogram,
    /// Seconds from arrival to the first token.
    pub ttft: Histogram,
    /// Seconds between tokens: one value per decode step and request, as in vLLM.
    pub inter_token: Histogram,
    /// Seconds from arrival to the end.
    pub e2e: Histogram,
}

/// Labels of [`Metrics::finished`].
pub(crate) const FINISHED: [&str; 5] = ["stop", "length", "abort", "error", "repetition"];
/// Index of `abort` in [`FINISHED`].
pub(crate) const ABORT: usize = 2;
/// Index of `error` in [`FINISHED`].
pub(crate) const ERROR: usize = 3;

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            running: 0,
            waiting: 0,
            kv_usage: 0.0,
            prefix_queries: 0,
            prefix_hits: 0,
            preemptions: 0,
            prompt_tokens: 0,
            cached_tokens: 0,
            generation_tokens: 0,
            finished: [0; 5],
            drafts: 0,
            draft_tokens: 0,
            accepted_tokens: 0,
            step_tokens: Histogram::new(STEP_TOKENS),
            ttft: Histogram::new(TTFT),
            inter_token: Histogram::new(ITL),
            e2e: Histogram::new(E2E),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_to_it_and_one_beyond_all_is_kept() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        for value in [1.0, 1.5, 9.0] {
            histogram.add(value);
        }
        assert_eq!(histogram.counts, [1, 1, 1]);
        assert!((histogram.sum - 11.5).abs() < 1e-9);
    }
}
