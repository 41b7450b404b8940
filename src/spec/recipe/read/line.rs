//! Builds a recipe from a `docker run` line.

use super::{OPEN_QUOTE, model_of_command, served};
use crate::engine::flags;
use crate::spec::SpecFile;
use crate::spec::recipe::render::{RenderMethod, engine_of};
use crate::spec::recipe::{ReadOptions, ReadRecipe, Recipe, docker, draft};

pub(super) fn reading(source: SpecFile, line: &docker::Line, options: &ReadOptions) -> ReadRecipe {
    let image = line.image.as_deref().unwrap_or_default();
    let inner = docker::inner(line.command.as_deref().unwrap_or_default());
    let runtime = runtime_of_line(image, &inner);
    let settings = flags::settings(engine_of(runtime), &inner);
    let first = flags::words(&inner).into_iter().next().map(|word| word.text);
    let positional = first.filter(|word| word.contains('/') && !word.starts_with('/'));
    let model = line.command.as_deref().and_then(model_of_command);
    let model = model.or_else(|| settings.get("model").cloned()).or(positional);
    let open = line.env.iter().filter(|(_, value)| value.is_none());
    let mut warnings: Vec<String> =
        open.map(|(key, _)| format!("the value of {key} comes from whoever starts it")).collect();
    warnings.extend(line.has_open_quote.then(|| OPEN_QUOTE.to_owned()));
    if !options.set.is_empty() {
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
        source,
        ..Recipe::default()
    };
    ReadRecipe {
        recipe,
        how: RenderMethod::AsItStands,
        others: line.options.clone(),
        ..ReadRecipe::default()
    }
}

/// Derives the runtime from the command, else from the image.
fn runtime_of_line(image: &str, command: &str) -> &'static str {
    let image = image.to_lowercase();
    match draft::runtime_of_command(command) {
        "vllm" if image.contains("sglang") => "sglang",
        "vllm" if image.contains("llama") && !image.contains("vllm") => "llama-cpp",
        other => other,
    }
}
