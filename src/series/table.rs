//! The rows. A row's comment is its sentence in `docs/observers.md`.

use super::Observer::{Container, Kernel, Metrics, Probes, Process, Progress, ServerLog};
use super::SeriesKind::{Counter, Gauge, Increment, Life};
use super::SeriesUnit::{Bytes, Epoch, Micros, Number, Share, Truth, Unknown};
use super::Urgency::{Change, Fall, Never, Turn, Zero};
use super::{LOG_DROPPED, LOG_LINES, LOG_REPEATS, Observer, Series};
use crate::fact::Source;

/// Writes each row as a constant, and all of them as [`ALL`].
macro_rules! table {
    ($( $(#[doc = $about:literal])+ $row:ident: $source:ident $name:expr, $unit:expr, $kind:ident, $urgency:ident, [$($shows:ident)*]; )+) => {
        $(
            $(#[doc = $about])+
            pub(crate) const $row: Series = Series {
                source: Source::$source,
                name: $name,
                unit: $unit,
                kind: $kind,
                urgency: $urgency,
                shows: { const SHOWS: &[Observer] = &[$($shows),*]; SHOWS },
                about: concat!($($about),+),
            };
        )+

        /// All rows. The first that fits a reading is its row.
        pub(crate) const ALL: &[&Series] = &[$(&$row),+];
    };
}

table! {
    /// Requests of the load that are under way.
    IN_FLIGHT: Own "in_flight", Number("requests"), Gauge, Never, [];
    /// Output tokens so far, as longhaul counts them.
    OUTPUT_TOKENS: Own "output_tokens", Number("tokens"), Counter, Never, [];
    /// 1 if requests were making progress when a health probe failed, said busy or did not find the model, or when another request failed.
    SERVING: Own "serving", Truth, Gauge, Never, [];
    /// Largest delay of the loop.
    LATE_MAX: Own "late_us_max", Micros, Gauge, Never, [];
    /// Rows queued for the disk.
    JOURNAL_WAITING: Own "journal_waiting_rows", Number("rows"), Gauge, Never, [];
    /// How often an ailment of the simulated server, the instance, happened so far, or how many requests it hit.
    AILMENT_HITS: Own "ailment_hits", Number("times"), Counter, Never, [];

    /// Whether it answers as itself: not with 404 or 5xx, and not with another service's page.
    UP: Engine "up", Truth, Life, Zero, [Probes];
    /// HTTP status of an answer that did not show it to be up.
    HEALTH_STATUS: Engine "health_status", Number("status"), Gauge, Never, [Probes];
    /// 0 if a probe found that the server no longer lists the requested model (for an alias: any model that it listed before the load), 1 when it lists it again.
    MODEL_LISTED: Engine "model_listed", Truth, Life, Never, [Probes];
    /// 1 if the one token came that a probe asked for, after several requests in a row had failed.
    TOKEN_ANSWERED: Engine "token_answered", Truth, Life, Never, [Probes];
    /// Number of the process that answered `/metrics`: 1 for the first, larger for one that may have started later, smaller for one that was running before.
    METRICS_PROCESS: Engine "metrics_process", Number("process"), Life, Change, [Probes Metrics];
    /// When its process started.
    ENGINE_STARTED: Engine "process_start_time_seconds", Epoch, Life, Change, [Probes Metrics];
    /// Resident memory of the process that serves `/metrics`: vLLM's API server, not its engine.
    RESIDENT_MEMORY: Engine "process_resident_memory_bytes", Bytes, Gauge, Never, [Probes];
    /// Requests being worked on.
    RUNNING_REQUESTS: Engine "running_requests", Number("requests"), Gauge, Never, [Probes];
    /// Requests in the queue.
    WAITING_REQUESTS: Engine "waiting_requests", Number("requests"), Gauge, Never, [Probes];
    /// The KV cache's share in use.
    KV_USAGE: Engine "kv_usage_share", Share, Gauge, Never, [Probes];
    /// The largest share of one engine, where there are several: `kv_usage_share` is then their mean.
    KV_USAGE_MAX: Engine "kv_usage_max_share", Share, Gauge, Never, [Probes];
    /// Prompt tokens so far.
    PROMPT_TOKENS: Engine "prompt_tokens_total", Number("tokens"), Counter, Fall, [Probes Metrics Progress];
    /// Output tokens so far.
    GENERATION_TOKENS: Engine "generation_tokens_total", Number("tokens"), Counter, Fall, [Probes Metrics Progress];
    /// Steps so far. They also grow during a prefill of minutes.
    ENGINE_STEPS: Engine "engine_steps_total", Number("steps"), Counter, Fall, [Probes Metrics Progress];
    /// Requests pushed out of the batch so far.
    PREEMPTIONS: Engine "preemptions_total", Number("requests"), Counter, Fall, [Probes Metrics Progress];
    /// Tokens looked up in the prefix cache so far.
    PREFIX_QUERIES: Engine "prefix_query_tokens_total", Number("tokens"), Counter, Fall, [Probes Metrics Progress];
    /// Tokens found in the prefix cache so far.
    PREFIX_HITS: Engine "prefix_hit_tokens_total", Number("tokens"), Counter, Fall, [Probes Metrics Progress];
    /// Tokens drafted by speculative decoding so far.
    DRAFT_TOKENS: Engine "draft_tokens_total", Number("tokens"), Counter, Fall, [Probes Metrics Progress];
    /// Drafted tokens that were accepted so far.
    ACCEPTED_TOKENS: Engine "accepted_tokens_total", Number("tokens"), Counter, Fall, [Probes Metrics Progress];
    /// A start time under another name.
    OTHER_STARTED: Engine "*process_start_time_seconds", Epoch, Life, Change, [Probes Metrics];
    /// Any other counter of the engine.
    OTHER_COUNTER: Engine "*_total", Unknown, Counter, Fall, [Probes Metrics Progress];
    /// Any other metric of the engine.
    OTHER_METRIC: Engine "*", Unknown, Gauge, Never, [Probes];

    /// Available memory (`MemAvailable`).
    MEM_AVAILABLE: Host "mem_available_bytes", Bytes, Gauge, Never, [];
    /// Memory that nothing uses.
    MEM_FREE: Host "mem_free_bytes", Bytes, Gauge, Never, [];
    /// Swap that nothing uses.
    SWAP_FREE: Host "swap_free_bytes", Bytes, Gauge, Never, [];
    /// Memory that holds files.
    CACHED_BYTES: Host "cached_bytes", Bytes, Gauge, Never, [];

    /// Processes that the kernel's OOM killer ended, of the whole machine.
    OOM_KILLS: Kernel "oom_kills", Number("kills"), Counter, Change, [Kernel];
    /// Lines of the kernel's log.
    KERNEL_LOG_LINES: Kernel LOG_LINES, Number("lines"), Increment, Never, [];
    /// Lines of one signature, the instance, that came too often to be written each.
    KERNEL_LOG_REPEATS: Kernel LOG_REPEATS, Number("lines"), Increment, Never, [];
    /// Lines of the kernel's log that were overwritten before longhaul read them.
    LOG_LOST: Kernel "log_lost_lines", Number("lines"), Increment, Never, [];

    /// Processes that the kernel killed at the cgroup's limit.
    CGROUP_OOM_KILLS: Container "cgroup_oom_kills", Number("kills"), Counter, Change, [];
    /// Times that the cgroup was out of memory.
    CGROUP_OOMS: Container "cgroup_ooms", Number("times"), Counter, Never, [];
    /// Times that the cgroup was at its limit.
    CGROUP_LIMIT_HITS: Container "cgroup_limit_hits", Number("times"), Counter, Never, [];
    /// Times that the cgroup was above its soft limit.
    CGROUP_HIGH_HITS: Container "cgroup_high_hits", Number("times"), Counter, Never, [];
    /// Memory of the cgroup.
    CGROUP_MEMORY: Container "cgroup_memory_bytes", Bytes, Gauge, Never, [];
    /// The cgroup's limit, where it has one.
    CGROUP_MEMORY_MAX: Container "cgroup_memory_max_bytes", Bytes, Gauge, Never, [];
    /// Whether the container runs, by its engine.
    CONTAINER_RUNNING: Container "running", Truth, Life, Never, [Container];
    /// Lines of the server's log.
    CONTAINER_LOG_LINES: Container LOG_LINES, Number("lines"), Increment, Never, [ServerLog];
    /// Lines of one signature, the instance, that came too often to be written each.
    CONTAINER_LOG_REPEATS: Container LOG_REPEATS, Number("lines"), Increment, Never, [];
    /// Bytes of the server's log beyond what a line may have.
    CONTAINER_LOG_DROPPED: Container LOG_DROPPED, Bytes, Increment, Never, [];

    /// The main process and all that came of it; 0 when the main one is gone.
    PROCESSES: Process "processes", Number("processes"), Life, Turn, [];
    /// Processes that outlive the main one.
    ORPHANS: Process "orphan_processes", Number("processes"), Gauge, Never, [];
    /// Threads of all.
    THREADS: Process "threads", Number("threads"), Gauge, Never, [];
    /// Files that the main process has open.
    OPEN_FILES: Process "open_files", Number("files"), Gauge, Never, [];
    /// Resident memory by title, the instance; shared pages are counted in each.
    RSS: Process "rss_bytes", Bytes, Gauge, Never, [];
    /// Anonymous memory of all: heaps, not files, and not what a GPU's driver allocates. Also by title, the instance, where there are several.
    ANONYMOUS: Process "anonymous_bytes", Bytes, Gauge, Never, [];
    /// Shared memory of all, as in `/dev/shm`, counted in each process. Also by title, the instance, where there are several.
    SHARED: Process "shared_bytes", Bytes, Gauge, Never, [];
    /// Anonymous memory of all that was moved to swap.
    SWAPPED: Process "swapped_bytes", Bytes, Gauge, Never, [];
    /// When the main process started.
    PROCESS_STARTED: Process "process_start_time_seconds", Epoch, Life, Change, [];
    /// Whether the main process runs, by whoever started or watches it.
    PROCESS_RUNNING: Process "running", Truth, Life, Never, [Process];
    /// Lines of the server's log.
    PROCESS_LOG_LINES: Process LOG_LINES, Number("lines"), Increment, Never, [ServerLog];
    /// Lines of one signature, the instance, that came too often to be written each.
    PROCESS_LOG_REPEATS: Process LOG_REPEATS, Number("lines"), Increment, Never, [];
    /// Bytes of the server's log beyond what a line may have.
    PROCESS_LOG_DROPPED: Process LOG_DROPPED, Bytes, Increment, Never, [];
}
