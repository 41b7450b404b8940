//! What is particular to an engine, one file each: flags, metric names,
//! what lines of logs mean. Pure tables and text; knows no file, no clock, no network.

pub mod flags;
pub mod launch;
pub mod lines;
pub mod listener;
pub mod llama_cpp;
pub mod sglang;
pub mod signature;
pub mod vllm;

use serde::{Deserialize, Serialize};

/// The engine behind an endpoint, as far as its metrics tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// llama.cpp's server.
    LlamaCpp,
    /// None that longhaul knows.
    #[default]
    Unknown,
}

/// What an engine may tell of itself at `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// When its process started, seconds since 1970.
    StartTime,
    /// Requests being worked on.
    Running,
    /// Requests waiting for a place.
    Waiting,
    /// The KV cache's share in use, 0 to 1.
    KvUsage,
    /// Prompt tokens so far.
    PromptTokens,
    /// Output tokens so far.
    GenerationTokens,
    /// Steps of the engine so far: what moves during a prefill of minutes.
    Steps,
    /// Requests pushed out of the batch so far.
    Preemptions,
    /// Tokens looked up in the prefix cache so far.
    PrefixQueries,
    /// Tokens found there so far.
    PrefixHits,
    /// Resident memory of the process that serves the page, bytes: vLLM's API server, not its engine.
    ResidentMemory,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 11] = [
        Metric::StartTime,
        Metric::Running,
        Metric::Waiting,
        Metric::KvUsage,
        Metric::PromptTokens,
        Metric::GenerationTokens,
        Metric::Steps,
        Metric::Preemptions,
        Metric::PrefixQueries,
        Metric::PrefixHits,
        Metric::ResidentMemory,
    ];

    /// The name of its series in readings, the unit last.
    pub fn series(self) -> &'static str {
        match self {
            Metric::StartTime => PROCESS_START_TIME,
            Metric::Running => "running_requests",
            Metric::Waiting => "waiting_requests",
            Metric::KvUsage => "kv_usage_share",
            Metric::PromptTokens => "prompt_tokens_total",
            Metric::GenerationTokens => "generation_tokens_total",
            Metric::Steps => "engine_steps_total",
            Metric::Preemptions => "preemptions_total",
            Metric::PrefixQueries => "prefix_query_tokens_total",
            Metric::PrefixHits => "prefix_hit_tokens_total",
            Metric::ResidentMemory => PROCESS_RESIDENT_MEMORY,
        }
    }

    /// Whether it only grows while the process lives, so that a fall means a restart.
    pub fn is_counter(self) -> bool {
        !matches!(
            self,
            Metric::StartTime
                | Metric::Running
                | Metric::Waiting
                | Metric::KvUsage
                | Metric::ResidentMemory
        )
    }
}

impl Engine {
    /// Which engine wrote a page of metrics: the one whose prefix begins a line.
    pub fn of_metrics(text: &str) -> Engine {
        let prefixes = [
            (vllm::PREFIX, Engine::Vllm),
            (sglang::PREFIX, Engine::Sglang),
            (llama_cpp::PREFIX, Engine::LlamaCpp),
        ];
        text.lines()
            .find_map(|line| {
                prefixes.iter().find(|(prefix, _)| line.starts_with(prefix)).map(|(_, e)| *e)
            })
            .unwrap_or_default()
    }

    /// The names under which it tells a metric, newest first; empty where it does not.
    pub fn names(self, metric: Metric) -> &'static [&'static str] {
        match self {
            Engine::Vllm => vllm::names(metric),
            Engine::Sglang => sglang::names(metric),
            Engine::LlamaCpp => llama_cpp::names(metric),
            Engine::Unknown => match metric {
                Metric::StartTime => &[PROCESS_START_TIME],
                Metric::ResidentMemory => &[PROCESS_RESIDENT_MEMORY],
                _ => &[],
            },
        }
    }

    /// The word in recipes (`runtime:`) and reports.
    pub fn word(self) -> &'static str {
        match self {
            Engine::Vllm => "vllm",
            Engine::Sglang => "sglang",
            Engine::LlamaCpp => "llama-cpp",
            Engine::Unknown => "unknown",
        }
    }
}

/// Prometheus clients' own name for when the process started, seconds since 1970.
pub const PROCESS_START_TIME: &str = "process_start_time_seconds";

/// Prometheus clients' own name for resident memory, bytes.
pub const PROCESS_RESIDENT_MEMORY: &str = "process_resident_memory_bytes";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_line_tells_the_engine_and_a_comment_does_not() {
        let page = "# TYPE vllm:num_requests_running gauge\nsglang:num_running_reqs 1\n";
        assert_eq!(Engine::of_metrics(page), Engine::Sglang);
        assert_eq!(Engine::of_metrics("vllm:num_requests_running{engine=\"0\"} 0"), Engine::Vllm);
        assert_eq!(Engine::of_metrics("llamacpp:requests_processing 0"), Engine::LlamaCpp);
        assert_eq!(Engine::of_metrics("process_start_time_seconds 1"), Engine::Unknown);
    }

    #[test]
    fn every_engine_tells_running_waiting_and_tokens_under_its_own_prefix() {
        for (engine, prefix) in [
            (Engine::Vllm, vllm::PREFIX),
            (Engine::Sglang, sglang::PREFIX),
            (Engine::LlamaCpp, llama_cpp::PREFIX),
        ] {
            for metric in
                [Metric::Running, Metric::Waiting, Metric::PromptTokens, Metric::GenerationTokens]
            {
                assert!(!engine.names(metric).is_empty(), "{engine:?} {metric:?}");
                assert!(engine.names(metric).iter().all(|name| name.starts_with(prefix)));
            }
        }
    }
}
