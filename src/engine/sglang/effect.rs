//! Reads SGLang's settings from its startup log. Its list of arguments is whole, and holds what it
//! made of them.

use crate::engine::Engine;
use crate::engine::effect::ToldKind::Effective;
use crate::engine::effect::value::fields;
use crate::engine::effect::{ToldSetting, between, number_after};
use crate::engine::flags::{self, FlagKind};

/// Signature of the line with all arguments.
pub(crate) const ARGUMENTS: &str = "sglang_arguments";

/// Numbers of the line about the memory of requests, with their settings.
const CAPACITY: [(&str, &str); 3] = [
    ("max_running_requests=", "max_num_seqs"),
    ("chunked_prefill_size=", "max_num_batched_tokens"),
    ("context_len=", "max_model_len"),
];

/// Returns what a line with one of SGLang's signatures says of settings.
pub(crate) fn told(signature: &str, line: &str) -> Option<Vec<ToldSetting>> {
    let told = match signature {
        ARGUMENTS => {
            let list = fields(between(line, "server_args=serverargs(", "")?, '=').into_iter();
            list.filter_map(|(name, value)| argument(name, value)).collect()
        }
        "sglang_capacity" => {
            let numbers = CAPACITY.iter().filter_map(|(name, setting)| {
                Some(ToldSetting::new(setting, number_after(line, name)?, Effective))
            });
            numbers.collect()
        }
        _ => return None,
    };
    Some(told)
}

/// Returns an argument under its common name.
fn argument(name: &str, value: &str) -> Option<ToldSetting> {
    let (setting, kind) = flags::found(Engine::Sglang, name)?;
    let value = match (kind, value) {
        (FlagKind::Off, "True") => "false",
        (FlagKind::Off, "False") => "true",
        _ => value,
    };
    Some(ToldSetting::new(&setting, value, Effective))
}
