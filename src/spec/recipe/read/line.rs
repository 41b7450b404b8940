//! The recipe that a `docker run` line is.

use super::{model_of_command, served};
use crate::engine::flags;
use crate::spec::Source;
use crate::spec::recipe::render::{How, engine_of};
use crate::spec::recipe::{Reading, Recipe, Wishes, docker, draft};

/// The recipe of a `docker run` line.
pub fn reading(source: Source, line: &docker::Line, wishes: &Wishes) -> Reading {
    let image = line.image.as_deref().unwrap_or_default();
    let inner = line.command.as_deref().map(docker::inner);
    let runtime = runtime_of_line(image, inner.as_deref().unwrap_or_default());
    let engine = engine_of(runtime);
    let settings = inner.as_deref().map(|text| flags::settings(engine, text)).unwrap_or_default();
    let first = inner.as_deref().and_then(|text| flags::words(text).into_iter().next());
    let positional =
        first.map(|word| word.text).filter(|word| word.contains('/') && !word.starts_with('/'));
    let model = inner.as_deref().and_then(model_of_command);
    let model = model.or_else(|| settings.get("model").cloned()).or(positional);
    let mut warnings = Vec::new();
    let open = line.env.iter().filter(|(_, value)| value.is_none());
    warnings
        .extend(open.map(|(key, _)| format!("the value of {key} comes from whoever starts it")));
    if !wishes.set.is_empty() {
        warnings.push("nothing can be set in a `docker run`: it has no placeholders".to_owned());
    }
    let env = line.env.iter().map(|(key, value)| (key.clone(), value.clone().unwrap_or_default()));
    let served = served(&settings, model.as_deref());
    let recipe = Recipe {
        about: format!("{} on {runtime}.", model.as_deref().unwrap_or("An unnamed model")),
        model,
        served,
        runtime: runtime.to_owned(),
        container: line.image.clone(),
        env: env.collect(),
        command: line.command.clone(),
        settings,
        warnings,
        ..Recipe::bare(source)
    };
    Reading { others: line.options.clone(), ..Reading::bare(recipe, How::AsItStands) }
}

/// By the command, else by the image that brings its own.
fn runtime_of_line(image: &str, command: &str) -> &'static str {
    let by_command = draft::runtime_of_command(command);
    if by_command != "vllm" {
        return by_command;
    }
    let image = image.to_lowercase();
    if image.contains("sglang") {
        "sglang"
    } else if image.contains("llama") && !image.contains("vllm") {
        "llama-cpp"
    } else {
        "vllm"
    }
}
