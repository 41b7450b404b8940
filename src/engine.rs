//! Collects what is particular to an engine, one file each: flags, metric names, meanings of log
//! lines. Pure tables and text; knows no file, no clock, no network.

pub(crate) mod flags;
pub(crate) mod launch;
pub(crate) mod lines;
pub(crate) mod listener;
pub(crate) mod llama_cpp;
pub(crate) mod sglang;
pub(crate) mod signature;
pub(crate) mod vllm;

use serde::{Deserialize, Serialize};

use crate::series::{ENGINE_STARTED, RESIDENT_MEMORY, Series};
use crate::words::words;

/// Engine behind an endpoint, as far as its metrics identify it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Engine {
    /// vLLM.
    Vllm,
    Sglang,
    /// llama.cpp's server.
    LlamaCpp,
    /// Engine that longhaul does not know.
    #[default]
    Unknown,
}

/// Series with the metric names that a page may have for it, newest first.
pub(crate) type PageMetric = (Series, &'static [&'static str]);

words!(Engine { Vllm: "vllm", Sglang: "sglang", LlamaCpp: "llama-cpp", Unknown: "unknown" });

impl Engine {
    /// Identifies the engine that wrote a metrics page by the prefix of a line.
    pub(crate) fn of_metrics(text: &str) -> Engine {
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

    /// Returns the engine's series with their metric names.
    pub(crate) fn metrics(self) -> &'static [PageMetric] {
        match self {
            Engine::Vllm => &vllm::METRICS,
            Engine::Sglang => &sglang::METRICS,
            Engine::LlamaCpp => &llama_cpp::METRICS,
            Engine::Unknown => &UNKNOWN,
        }
    }
}

/// Metric of every Prometheus client: start time of the process, in seconds since 1970.
pub(crate) const PROCESS_START_TIME: &str = "process_start_time_seconds";

/// Metric of every Prometheus client: resident memory, in bytes.
pub(crate) const PROCESS_RESIDENT_MEMORY: &str = "process_resident_memory_bytes";

/// Metrics that any Prometheus client has.
const UNKNOWN: [PageMetric; 2] =
    [(ENGINE_STARTED, &[PROCESS_START_TIME]), (RESIDENT_MEMORY, &[PROCESS_RESIDENT_MEMORY])];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Source;
    use crate::series::{
        self, GENERATION_TOKENS, PROMPT_TOKENS, RUNNING_REQUESTS, WAITING_REQUESTS,
    };

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
            for series in [RUNNING_REQUESTS, WAITING_REQUESTS, PROMPT_TOKENS, GENERATION_TOKENS] {
                let told = engine.metrics().iter().find(|(of, _)| *of == series);
                let (_, names) = told.unwrap_or_else(|| panic!("{engine:?} {}", series.name));
                assert!(names.iter().all(|name| name.starts_with(prefix)), "{names:?}");
            }
        }
    }

    #[test]
    fn every_metric_is_of_a_series_of_the_engine_in_the_table_and_has_a_name() {
        for engine in [Engine::Vllm, Engine::Sglang, Engine::LlamaCpp, Engine::Unknown] {
            for (series, names) in engine.metrics() {
                assert_eq!(series.source, Source::Engine);
                assert_eq!(series::of(series.source, series.name), Some(series));
                assert!(!names.is_empty(), "{engine:?} {}", series.name);
            }
        }
    }
}
