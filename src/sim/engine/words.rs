//! Writes the simulator's log lines: what vLLM logs while it starts, ends and fails, without
//! timestamps. Does not use the table of signatures, so that a test can hold the two against each
//! other.

mod settings;

use crate::sim::Setup;
use crate::unit::At;

/// Line that is logged when the port opens.
pub(super) const READY: &str = "INFO:     Application startup complete.";

/// Line of a start that the OOM killer ended.
pub(super) const KILLED_AT_START: &str = "RuntimeError: Engine core initialization failed. \
     See root cause above. Failed core proc(s): {'EngineCore': -9}";

/// KV cache bytes per token, for log lines only: profiles count in tokens.
const BYTES_PER_TOKEN: f64 = 8192.0;

/// Writer of log lines, with the process id of the API server.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogWriter(pub u32);

impl LogWriter {
    fn core(self, rest: &str) -> String {
        format!("(EngineCore pid={}) {rest}", self.0 + 1)
    }

    fn server(self, rest: &str) -> String {
        format!("(APIServer pid={}) {rest}", self.0)
    }

    /// Lines of a start that begins: the settings that it was given, and those that it follows.
    pub(super) fn settings(self, setup: &Setup) -> Vec<String> {
        settings::lines(self, setup)
    }

    /// Lines of a failed start.
    pub(super) fn start_failed(self) -> Vec<String> {
        vec![
            self.core("ERROR [core.py:1510] EngineCore failed to start."),
            self.core("ERROR [core.py:1510] ValueError: No available memory for the cache blocks."),
            "RuntimeError: Engine core initialization failed. See root cause above. \
             Failed core proc(s): {}"
                .to_owned(),
        ]
    }

    /// Lines of a start whose `max_model_len` (`asked` tokens) exceeds the cache (`capacity`
    /// tokens).
    pub(super) fn cache_too_small(self, asked: u64, capacity: u64) -> Vec<String> {
        let gib = |tokens: u64| tokens as f64 * BYTES_PER_TOKEN / (1u64 << 30) as f64;
        let (needed, there) = (gib(asked), gib(capacity));
        vec![
            self.core("ERROR [core.py:1584] EngineCore failed to start."),
            self.core(&format!(
                "ERROR [core.py:1584] ValueError: To serve at least one request with the models's \
                 max seq len ({asked}), ({needed:.2} GiB KV cache is needed, which is larger than \
                 the available KV cache memory ({there:.2} GiB). Based on the available memory, \
                 the estimated maximum model length is {capacity}."
            )),
            "RuntimeError: Engine core initialization failed. See root cause above. \
             Failed core proc(s): {}"
                .to_owned(),
        ]
    }

    /// Lines of a CUDA out-of-memory error.
    pub(super) fn cuda_oom(self) -> Vec<String> {
        let oom = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.";
        vec![
            self.core(&format!("ERROR [core.py:1586] {oom}")),
            self.core("ERROR [core.py:1586] EngineCore encountered a fatal error."),
        ]
    }

    /// Lines of the API server when the engine's process was killed.
    pub(super) fn core_killed(self) -> Vec<String> {
        let words = "[shutdown] MPClient: engine core exited unexpectedly; starting cleanup";
        vec![self.server(&format!("WARNING [core_client.py:817] {words}"))]
    }

    /// Lines of the API server that ends because its engine has ended.
    pub(super) fn engine_died(self) -> Vec<String> {
        let dead = "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. \
                    See stack trace (above) for the root cause.";
        vec![
            self.server("ERROR [async_llm.py:906] AsyncLLM output_handler failed."),
            self.server(&format!("ERROR [async_llm.py:906] {dead}")),
            "INFO:     Shutting down".to_owned(),
        ]
    }

    /// Lines of a server that received SIGTERM.
    pub(super) fn terminated(self) -> Vec<String> {
        let words = "[shutdown] API server: shutdown triggered signal=SIGTERM";
        vec![
            self.server(&format!("INFO [launcher.py:140] {words}")),
            "INFO:     Shutting down".to_owned(),
        ]
    }
}

/// Progress mark of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartupStage {
    /// Number of quarters of the weights that are loaded.
    Weights(u8),
    /// Kernel compilation is complete.
    Compiled,
    /// Graph capture is complete.
    Captured,
}

/// Progress marks by the percentage of the start time at which they are logged. Loading weights
/// takes most of it.
const STARTUP_STAGES: [(StartupStage, u64); 7] = [
    (StartupStage::Weights(0), 5),
    (StartupStage::Weights(1), 22),
    (StartupStage::Weights(2), 40),
    (StartupStage::Weights(3), 57),
    (StartupStage::Weights(4), 75),
    (StartupStage::Compiled, 85),
    (StartupStage::Captured, 95),
];

/// Returns the progress marks of a start from `now` to `ready`, the next one last.
pub(super) fn stages(now: At, ready: At) -> Vec<(At, StartupStage)> {
    let takes_us = ready.since(now);
    let at = |percent: u64| At(now.0.saturating_add(takes_us / 100 * percent));
    STARTUP_STAGES.iter().rev().map(|(stage, percent)| (at(*percent), *stage)).collect()
}

impl StartupStage {
    /// Returns the log line of the mark.
    pub(super) fn words(self, writer: LogWriter) -> String {
        match self {
            StartupStage::Weights(quarters) => {
                let percent = u32::from(quarters) * 25;
                format!(
                    "Loading safetensors checkpoint shards: {percent:3}% Completed | {quarters}/4"
                )
            }
            StartupStage::Compiled => writer.core("INFO [monitor.py:34] torch.compile took 20.00 s in total"),
            StartupStage::Captured => writer.core(
                "INFO [gpu_model_runner.py:5246] Graph capturing finished in 12 secs, took 0.91 GiB",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::engine::signature::{LogSource, Meaning, classify};
    use crate::sim::setup::tests::record;

    /// Meanings of log lines, ordinary lines left out.
    fn meanings(lines: &[String]) -> Vec<Meaning> {
        let found = lines.iter().filter_map(|line| classify(LogSource::Server, line));
        found.map(|signature| signature.meaning).collect()
    }

    #[test]
    fn what_the_simulator_says_means_what_befell_it() {
        let writer = LogWriter(1042);
        let dead = Meaning::EngineDead;
        assert_eq!(meanings(&writer.cuda_oom()), [Meaning::DriverOom, dead]);
        assert_eq!(meanings(&writer.core_killed()), [dead]);
        assert_eq!(meanings(&writer.engine_died()), [dead, dead]);
        assert_eq!(meanings(&writer.terminated()), [Meaning::Asked]);
        assert_eq!(
            meanings(&[writer.settings(&record(1.0)).concat(), READY.to_owned()]),
            [Meaning::Setting, Meaning::Progress("ready")]
        );
        let failed = meanings(&writer.start_failed());
        let too_small = meanings(&writer.cache_too_small(131_072, 76_256));
        let killed = meanings(&[KILLED_AT_START.to_owned()]);
        let starts = [failed, too_small, killed].map(|meanings| format!("{meanings:?}"));
        assert_snapshot!(starts.join("\n"), @r#"
            [StartFailed("the engine ended while it started"), StartFailed("no memory is left for the KV cache"), StartFailed("the engine ended while it started")]
            [StartFailed("the engine ended while it started"), StartFailed("max_model_len does not fit into the KV cache"), StartFailed("the engine ended while it started")]
            [StartFailed("the engine was killed while it started, as by an OOM killer")]
        "#);
        let way: Vec<String> =
            STARTUP_STAGES.iter().map(|(stage, _)| stage.words(writer)).collect();
        let weights = [Meaning::Progress("weights"); 5];
        let rest = [Meaning::Progress("compilation"), Meaning::Progress("graphs")];
        assert_eq!(meanings(&way), [&weights[..], &rest[..]].concat());
    }
}
