//! `wrong_model`: the answer names another model than the requested one.

use super::CheckInput;

/// Whether the answer names a model, and by none of the requested one's names. Names are compared as
/// servers write them: a path by its last part, a snapshot in the hub's cache by its model, without
/// the ending of a weights file, a tag `latest` or a date.
pub(super) fn fires(signs: &CheckInput) -> bool {
    let Some(named) = signs.model.filter(|_| signs.request.ended.is_good()) else { return false };
    let named = plain(named);
    !signs.names.is_empty() && signs.names.iter().all(|name| plain(name) != named)
}

/// Returns what two names of one model have in common.
fn plain(name: &str) -> String {
    let name = name.trim().to_lowercase().replace('\\', "/");
    let mut parts = name.split('/').filter(|part| !part.is_empty());
    let hub = parts.clone().find_map(|part| part.strip_prefix("models--"));
    let last = hub.map_or_else(|| parts.next_back(), |model| model.rsplit("--").next());
    let last = last.unwrap_or_default();
    let last = last.strip_suffix(".gguf").unwrap_or(last);
    let last = last.strip_suffix(":latest").unwrap_or(last);
    without_date(last).to_owned()
}

/// Returns a name without a date at its end: `-2024-08-06`, `-20240806`.
fn without_date(name: &str) -> &str {
    let digits =
        |text: &str, n: usize| text.len() == n && text.bytes().all(|it| it.is_ascii_digit());
    let is_date = |tail: &str| match tail.split('-').collect::<Vec<_>>()[..] {
        [all] => digits(all, 8) && all.starts_with("20"),
        [year, month, day] => digits(year, 4) && digits(month, 2) && digits(day, 2),
        _ => false,
    };
    let mut cuts = name.match_indices('-').map(|(at, _)| at);
    cuts.find(|at| is_date(&name[at + 1..])).map_or(name, |at| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_model_are_the_same_and_those_of_two_are_not() {
        for (one, other) in [
            ("org/Model-7B", "Model-7B"),
            ("model-7b", "/models/Model-7B/"),
            ("Model-7B", "C:\\models\\Model-7B.gguf"),
            ("org/model", "/root/.cache/huggingface/hub/models--org--model/snapshots/0123abcd"),
            ("qwen3", "qwen3:latest"),
            ("gpt-4o", "gpt-4o-2024-08-06"),
            ("gpt-4o", "openai/gpt-4o-20240806"),
        ] {
            assert_eq!(plain(one), plain(other), "{one} {other}");
        }
        for (one, other) in [
            ("mock-7b", "other-1b"),
            ("qwen3", "qwen3:0.6b"),
            ("qwen3", "qwen3-0.6b"),
            ("model-7b", "model-7b-4bit"),
            ("org/model", "/hub/models--org--other/snapshots/0123abcd"),
        ] {
            assert_ne!(plain(one), plain(other), "{one} {other}");
        }
    }
}
