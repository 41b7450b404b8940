//! Lists the signatures of SGLang's log, with lines as 0.5 writes them.

use crate::engine::signature::{Meaning, Signature, server};
use crate::fact::Severity;

/// Causes.
pub(crate) const CAUSES: &[Signature] = &[
    server(
        "sglang_memory_short",
        &["not enough memory. please try to increase --mem-fraction-static"],
        Severity::Fatal,
        Meaning::StartFailed("no memory is left for the KV cache"),
        "[2026-11-22 06:36:43 TP0] RuntimeError: Not enough memory. Please try to increase --mem-fraction-static. Current value: self.server_args.mem_fraction_static=0.8",
    ),
    server(
        "sglang_graph_failed",
        &["capture cuda graph failed:"],
        Severity::Fatal,
        Meaning::StartFailed("the CUDA graphs could not be captured"),
        "Exception: Capture cuda graph failed: CUDA out of memory. Tried to allocate 1.00 GiB.",
    ),
    server(
        "sglang_pool_leak",
        &["memory leak detected!"],
        Severity::Fatal,
        Meaning::EngineDead,
        "ValueError: token_to_kv_pool_allocator memory leak detected! self.max_total_num_tokens=170000, available_size=169990, evictable_size=0",
    ),
    server(
        "sglang_watchdog",
        &["watchdog timeout (self.watchdog_timeout="],
        Severity::Fatal,
        Meaning::EngineDead,
        "[2026-11-22 06:36:43 TP0] Watchdog timeout (self.watchdog_timeout=300, self.soft=False)",
    ),
    server(
        "sglang_retracted",
        &["out of memory happened", "#retracted_reqs"],
        Severity::Info,
        Meaning::Note,
        "[2026-11-22 06:36:43 TP0] Decode out of memory happened. #retracted_reqs: 1, #new_token_ratio: 0.5 -> 0.9",
    ),
    server(
        "sglang_pool_full",
        &["kv cache pool is full. retract requests"],
        Severity::Info,
        Meaning::Note,
        "[2026-11-22 06:36:43 TP0] KV cache pool is full. Retract requests. #retracted_reqs: 1, #new_tokens_gained: 512, #new_token_ratio: 0.5 -> 0.9",
    ),
];

/// Consequences of another failure.
pub(crate) const CONSEQUENCES: &[Signature] = &[
    server(
        "sglang_scheduler_exception",
        &["scheduler hit an exception"],
        Severity::Fatal,
        Meaning::EngineDead,
        "[2026-11-22 06:36:43 TP0] Scheduler hit an exception: Traceback (most recent call last):",
    ),
    server(
        "sglang_manager_exception",
        &["manager hit an exception"],
        Severity::Fatal,
        Meaning::EngineDead,
        "[2026-11-22 06:36:43] DetokenizerManager hit an exception: Traceback (most recent call last):",
    ),
    server(
        "sglang_subprocess_died",
        &["subprocess ", "crashed with exit code"],
        Severity::Fatal,
        Meaning::EngineDead,
        "[2026-11-22 06:36:43] Subprocess scheduler_0 (pid=812) crashed with exit code -9. Triggering SIGQUIT for cleanup...",
    ),
    server(
        "sglang_sigquit",
        &["sigquit received"],
        Severity::Fatal,
        Meaning::EngineDead,
        "[2026-11-22 06:36:43] SIGQUIT received. signum=None, frame=None. It usually means one child failed.",
    ),
    server(
        "sglang_health_failed",
        &["health check failed. server couldn't get a response from detokenizer"],
        Severity::Error,
        Meaning::Note,
        "[2026-11-22 06:36:43] Health check failed. Server couldn't get a response from detokenizer for last 20 seconds. tic start time: 06:36:23.",
    ),
    server(
        "sglang_asked",
        &["sigterm received."],
        Severity::Info,
        Meaning::Asked,
        "[2026-11-22 06:36:43] SIGTERM received. signum=None frame=None. Draining requests and shutting down...",
    ),
    server(
        "sglang_exits",
        &["gracefully exiting... remaining number of requests"],
        Severity::Info,
        Meaning::Asked,
        "[2026-11-22 06:36:43] Gracefully exiting... Remaining number of requests 2. Remaining requests remaining_rids=['a', 'b'].",
    ),
];

/// Startup stages.
pub(crate) const STARTUP: &[Signature] = &[
    server(
        "sglang_arguments",
        &["server_args=serverargs("],
        Severity::Info,
        Meaning::Setting,
        "[2026-03-04 15:12:54] server_args=ServerArgs(model_path='meta-llama/Meta-Llama-3.1-8B-Instruct', context_length=None, kv_cache_dtype='auto', mem_fraction_static=0.91, max_running_requests=128)",
    ),
    server(
        "sglang_capacity",
        &["max_total_num_tokens=", "max_running_requests=", "context_len="],
        Severity::Info,
        Meaning::Setting,
        "[2026-03-30 14:21:44 TP0] max_total_num_tokens=181721, chunked_prefill_size=8192, max_prefill_tokens=16384, max_running_requests=2048, context_len=196608, available_gpu_mem=7.74 GB",
    ),
    server(
        "sglang_weights_begin",
        &["load weight begin."],
        Severity::Info,
        Meaning::Progress("weights"),
        "[2026-11-22 06:36:43 TP0] Load weight begin. avail mem=110.20 GB",
    ),
    server(
        "sglang_weights_loaded",
        &["load weight end."],
        Severity::Info,
        Meaning::Progress("weights"),
        "[2026-11-22 06:36:43 TP0] Load weight end. elapsed=41.2 s, type=LlamaForCausalLM, dtype=torch.bfloat16, avail mem=94.1 GB, mem usage=16.1 GB.",
    ),
    server(
        "sglang_graphs_begin",
        &["capture cuda graph begin."],
        Severity::Info,
        Meaning::Progress("graphs"),
        "[2026-11-22 06:36:43 TP0] Capture cuda graph begin. This can take up to several minutes. avail mem=20.1 GB",
    ),
    server(
        "sglang_graphs_captured",
        &["capture cuda graph end."],
        Severity::Info,
        Meaning::Progress("graphs"),
        "[2026-11-22 06:36:43 TP0] Capture cuda graph end. Time elapsed: 6.20 s. mem usage=0.31 GB. avail mem=19.8 GB.",
    ),
    server(
        "sglang_ready",
        &["the server is fired up and ready to roll!"],
        Severity::Info,
        Meaning::Progress("ready"),
        "[2026-11-22 06:36:43] The server is fired up and ready to roll!",
    ),
];
