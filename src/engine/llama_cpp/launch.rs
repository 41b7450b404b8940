//! Lists llama.cpp's flags by recipe key. Flash attention, the web page and memory mapping follow
//! them: their values need special forms.

use crate::engine::launch::{FlagKey, spelled, switch, value};

/// Keys, in the order in which they are written.
pub(crate) const KEYS: [FlagKey; 19] = [
    value("port"),
    value("host"),
    value("ctx_size"),
    value("n_gpu_layers"),
    value("parallel"),
    value("threads"),
    value("chat_template"),
    value("reasoning_format"),
    value("split_mode"),
    spelled("served_model_name", "--alias"),
    value("api_key"),
    value("top_p"),
    value("top_k"),
    spelled("temperature", "--temp"),
    value("min_p"),
    value("presence_penalty"),
    switch("cont_batching"),
    switch("no_webui"),
    switch("jinja"),
];
