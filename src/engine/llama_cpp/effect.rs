//! Reads llama.cpp's settings from its startup log.

use crate::engine::effect::ToldKind::Effective;
use crate::engine::effect::{ToldSetting, between, number_after, value};

/// Returns what a line with one of llama.cpp's signatures says of settings. The context of a slot is
/// a part of what is declared, and its size is rounded: it is not compared.
pub(crate) fn told(signature: &str, line: &str) -> Option<Vec<ToldSetting>> {
    let told = match signature {
        "llama_slots" => ("max_num_seqs", number_after(line, "n_slots = ")),
        "llama_threads" => ("threads", number_after(line, "n_threads = ")),
        "llama_layers" => {
            let (some, all) = between(line, "offloaded ", " layers to gpu")?.split_once('/')?;
            ("n_gpu_layers", Some(if some == all { value::ALL } else { some }))
        }
        _ => return None,
    };
    let (setting, number) = told;
    Some(number.map(|number| ToldSetting::new(setting, number, Effective)).into_iter().collect())
}
