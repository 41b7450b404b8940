//! Lists the signatures of llama.cpp's server log.

use crate::engine::signature::{Meaning, Signature, server};
use crate::fact::Severity;

/// Causes.
pub(crate) const CAUSES: &[Signature] = &[
    server(
        "llama_port_in_use",
        &["couldn't bind http server socket"],
        Severity::Fatal,
        Meaning::StartFailed("the port is in use"),
        "0.00.010.525 E srv    start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080",
    ),
    server(
        "llama_model_unreadable",
        &["error loading model:"],
        Severity::Fatal,
        Meaning::StartFailed("the model cannot be loaded"),
        "llama_model_load: error loading model: unable to open model file: No such file or directory",
    ),
    server(
        "llama_flag_unknown",
        &["error: invalid argument:"],
        Severity::Fatal,
        Meaning::StartFailed("a flag that this version does not know"),
        "error: invalid argument: --flash-attention",
    ),
    server(
        "llama_flag_refused",
        &["error while handling argument"],
        Severity::Fatal,
        Meaning::StartFailed("a flag's value is refused"),
        "error while handling argument \"--ctx-size\": stoi",
    ),
    server(
        "llama_buffer_refused",
        &["unable to allocate ", " buffer"],
        Severity::Error,
        Meaning::DriverOom,
        "llama_model_load: unable to allocate CUDA0 buffer",
    ),
];

/// Consequences of another failure.
pub(crate) const CONSEQUENCES: &[Signature] = &[
    server(
        "llama_start_failed",
        &["exiting due to model loading error"],
        Severity::Fatal,
        Meaning::StartFailed("the model cannot be loaded"),
        "0.00.840.164 E srv  llama_server: exiting due to model loading error",
    ),
    server(
        "llama_context_failed",
        &["failed to create context with model"],
        Severity::Fatal,
        Meaning::StartFailed("the context does not fit"),
        "0.00.840.164 E common_init_from_params: failed to create context with model '/models/a.gguf'",
    ),
    server(
        "llama_assertion",
        &["ggml_assert("],
        Severity::Fatal,
        Meaning::EngineDead,
        "/src/ggml/src/ggml.c:3012: GGML_ASSERT(a->ne[2] == b->ne[0]) failed",
    ),
    server(
        "llama_decode_failed",
        &["failed to decode the batch"],
        Severity::Error,
        Meaning::Note,
        "4.02.334.993 E srv  update_slots: failed to decode the batch: KV cache is full - try increasing it via the context size, i = 0, n_batch = 1, ret = 1",
    ),
    server(
        "llama_asked",
        &["cleaning up before exit..."],
        Severity::Info,
        Meaning::Asked,
        "4.17.686.610 I srv    operator(): operator(): cleaning up before exit...",
    ),
];

/// Startup stages.
pub(crate) const STARTUP: &[Signature] = &[
    server(
        "llama_threads",
        &["threadpool init, n_threads = "],
        Severity::Info,
        Meaning::Setting,
        "0.01.381.872 I cmn          init: llama threadpool init, n_threads = 2",
    ),
    server(
        "llama_slots",
        &["load_model: initializing", "n_slots = "],
        Severity::Info,
        Meaning::Setting,
        "0.11.838.753 I srv    load_model: initializing, n_slots = 2, n_ctx_slot = 8192, kv_unified = 'false'",
    ),
    server(
        "llama_layers",
        &["offloaded ", " layers to gpu"],
        Severity::Info,
        Meaning::Setting,
        "load_tensors: offloaded 29/29 layers to GPU",
    ),
    server(
        "llama_weights_begin",
        &["load_model: loading model '"],
        Severity::Info,
        Meaning::Progress("weights"),
        "0.00.010.525 I srv    load_model: loading model '/srv/llm/model/SmolLM2-135M-Instruct.Q4_1.gguf'",
    ),
    server(
        "llama_model_loaded",
        &["server: model loaded"],
        Severity::Info,
        Meaning::Progress("weights"),
        "0.11.840.588 I srv  llama_server: model loaded",
    ),
    server(
        "llama_ready",
        &["listening on http"],
        Severity::Info,
        Meaning::Progress("ready"),
        "0.11.840.949 I srv  llama_server: listening on http://127.0.0.1:18080",
    ),
];
