//! Collects what is particular to an engine, one file each: flags, metric names, meanings of log
//! lines. Pure tables and text; knows no file, no clock, no network.

pub(crate) mod effect;
pub(crate) mod flags;
pub(crate) mod launch;
pub(crate) mod lines;
pub(crate) mod listener;
pub(crate) mod llama_cpp;
pub(crate) mod sglang;
pub(crate) mod signature;
pub(crate) mod vllm;

use std::borrow::Cow;

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

/// Prefixes of the engines' own metrics.
const PREFIXES: [(&str, Engine); 3] = [
    (vllm::PREFIX, Engine::Vllm),
    (sglang::PREFIX, Engine::Sglang),
    (llama_cpp::PREFIX, Engine::LlamaCpp),
];

/// Returns the name that the engine itself gives a metric. Ray exports `vllm:x` as `ray_vllm:x` or
/// `ray_vllm_x`, and a collector that allows no colon as `vllm_x`.
pub(crate) fn metric_name(exported: &str) -> Cow<'_, str> {
    let name = exported.strip_prefix("ray_").unwrap_or(exported);
    for (prefix, _) in PREFIXES {
        let rest = name.strip_prefix(prefix.trim_end_matches(':'));
        match rest.map(|rest| (rest, rest.strip_prefix('_'))) {
            Some((rest, _)) if rest.starts_with(':') => return name.into(),
            Some((_, Some(rest))) => return format!("{prefix}{rest}").into(),
            _ => {}
        }
    }
    exported.into()
}

impl Engine {
    /// Identifies the engine that wrote a metrics page by the prefix of a line.
    pub(crate) fn of_metrics(text: &str) -> Engine {
        text.lines()
            .find_map(|line| {
                let name = metric_name(line);
                PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, e)| *e)
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
        assert_eq!(Engine::of_metrics("ray_vllm_num_requests_running 0"), Engine::Vllm);
    }

    #[test]
    fn a_metric_that_was_exported_under_another_name_has_the_engines_own() {
        for exported in ["vllm:x_total", "vllm_x_total", "ray_vllm:x_total", "ray_vllm_x_total"] {
            assert_eq!(metric_name(exported), "vllm:x_total");
        }
        assert_eq!(metric_name("sglang_num_running_reqs"), "sglang:num_running_reqs");
        for other in ["process_start_time_seconds", "ray_actors", "vllmx_y", ""] {
            assert_eq!(metric_name(other), other);
        }
    }

    #[test]
    fn every_engine_tells_running_waiting_and_tokens_under_its_own_prefix() {
        for (engine, prefix) in [
            (Engine::Vllm, vllm::PREFIX),
            (Engine::Sglang, sglang::PREFIX),
            (Engine::LlamaCpp, llama_cpp::PREFIX),
        ] {
            for series in [RUNNING_REQUESTS, WAITING_REQUESTS, PROMPT_TOKENS, GENERATION_TOKENS] {
                let reported = engine.metrics().iter().find(|(of, _)| *of == series);
                let (_, names) = reported.unwrap_or_else(|| panic!("{engine:?} {}", series.name));
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
