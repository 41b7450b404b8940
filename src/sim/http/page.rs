//! Writes the body of `/metrics` in the Prometheus text format, with vLLM's names.

use std::fmt::Write;

use crate::engine::vllm::SIMULATED_METRIC;
use crate::sim::Setup;
use crate::sim::cache::BLOCK;
use crate::sim::metrics::{FINISHED, Histogram, Metrics};

/// Resident memory of the API server's process. Small and constant: in practice the engine's
/// process leaks, and vLLM's page does not report that one.
const API_SERVER_BYTES: f64 = 1.15e9;

pub(super) fn metrics(setup: &Setup, metrics: &Metrics, process_start: f64) -> String {
    let mut page = Page { text: String::new(), labels: labels(setup) };
    page.process(SIMULATED_METRIC, 1.0);
    page.process("process_resident_memory_bytes", API_SERVER_BYTES);
    page.process("process_start_time_seconds", process_start);
    page.gauge("num_requests_running", metrics.running as f64);
    page.gauge("num_requests_waiting", metrics.waiting as f64);
    page.gauge("kv_cache_usage_perc", metrics.kv_usage);
    page.counter("prefix_cache_queries_total", metrics.prefix_queries);
    page.counter("prefix_cache_hits_total", metrics.prefix_hits);
    page.counter("num_preemptions_total", metrics.preemptions);
    page.counter("prompt_tokens_total", metrics.prompt_tokens);
    page.counter("prompt_tokens_cached_total", metrics.cached_tokens);
    page.counter("generation_tokens_total", metrics.generation_tokens);
    page.head("request_success_total", "counter");
    for (reason, count) in FINISHED.iter().zip(metrics.finished) {
        let label = format!(",finished_reason=\"{reason}\"");
        page.line("request_success_total", &label, count as f64);
    }
    if setup.speculative_tokens > 0 {
        page.counter("spec_decode_num_drafts_total", metrics.drafts);
        page.counter("spec_decode_num_draft_tokens_total", metrics.draft_tokens);
        page.counter("spec_decode_num_accepted_tokens_total", metrics.accepted_tokens);
    }
    page.histogram("iteration_tokens_total", &metrics.step_tokens);
    page.histogram("time_to_first_token_seconds", &metrics.ttft);
    page.histogram("inter_token_latency_seconds", &metrics.inter_token);
    page.histogram("e2e_request_latency_seconds", &metrics.e2e);
    page.cache_config(setup);
    page.text
}

fn labels(setup: &Setup) -> String {
    let name = setup.served[0].replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("engine=\"0\",model_name=\"{name}\"")
}

struct Page {
    text: String,
    labels: String,
}

/// Writing to a `String` cannot fail, so the results are dropped.
impl Page {
    fn process(&mut self, name: &str, value: f64) {
        let _ = writeln!(self.text, "# HELP {name} {name}\n# TYPE {name} gauge\n{name} {value:?}");
    }

    fn head(&mut self, name: &str, kind: &str) {
        let _ = writeln!(self.text, "# HELP vllm:{name} {name}\n# TYPE vllm:{name} {kind}");
    }

    fn line(&mut self, name: &str, more: &str, value: f64) {
        let _ = writeln!(self.text, "vllm:{name}{{{}{more}}} {value:?}", self.labels);
    }

    fn gauge(&mut self, name: &str, value: f64) {
        self.head(name, "gauge");
        self.line(name, "", value);
    }

    fn counter(&mut self, name: &str, value: u64) {
        self.head(name, "counter");
        self.line(name, "", value as f64);
    }

    fn histogram(&mut self, name: &str, histogram: &Histogram) {
        self.head(name, "histogram");
        let mut sum = 0;
        for (index, count) in histogram.counts.iter().enumerate() {
            sum += count;
            let bound =
                histogram.bounds.get(index).map_or("+Inf".to_owned(), |le| format!("{le:?}"));
            self.line(&format!("{name}_bucket"), &format!(",le=\"{bound}\""), sum as f64);
        }
        self.line(&format!("{name}_count"), "", sum as f64);
        self.line(&format!("{name}_sum"), "", histogram.sum);
    }

    fn cache_config(&mut self, setup: &Setup) {
        let caching = if setup.prefix_caching { "True" } else { "False" };
        let blocks = setup.profile.kv_tokens / BLOCK;
        let said = |name: &str, default: &str| -> String {
            setup.settings.get(name).map_or(default, String::as_str).to_owned()
        };
        let (kind, share) = (said("kv_cache_dtype", "auto"), said("gpu_memory_utilization", "0.9"));
        let state = said("mamba_ssm_cache_dtype", "auto");
        let more = format!(
            ",cache_dtype=\"{kind}\",gpu_memory_utilization=\"{share}\",\
             mamba_ssm_cache_dtype=\"{state}\",block_size=\"{BLOCK}\",enable_prefix_caching=\"{caching}\",\
             kv_cache_size_tokens=\"{}\",num_gpu_blocks=\"{blocks}\"",
            blocks * BLOCK
        );
        self.head("cache_config_info", "gauge");
        self.line("cache_config_info", &more, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::setup::tests::record;

    #[test]
    fn buckets_are_cumulated_and_end_at_infinity() {
        let mut seen = Metrics::default();
        seen.ttft.add(0.3);
        seen.ttft.add(9_999.0);
        let page = metrics(&record(1.0), &seen, 1_700_000_000.0);
        let labels = "engine=\"0\",model_name=\"m\"";
        for line in [
            format!("vllm:time_to_first_token_seconds_bucket{{{labels},le=\"0.25\"}} 0.0"),
            format!("vllm:time_to_first_token_seconds_bucket{{{labels},le=\"0.5\"}} 1.0"),
            format!("vllm:time_to_first_token_seconds_bucket{{{labels},le=\"+Inf\"}} 2.0"),
            "process_start_time_seconds 1700000000.0".to_owned(),
        ] {
            assert!(page.lines().any(|is| is == line), "{line} in\n{page}");
        }
    }
}
