//! Builds a recipe from a `docker run` line.

use super::{model_of_command, open_quote, served};
use crate::engine::flags;
use crate::error::Mistake;
use crate::shell;
use crate::spec::SpecFile;
use crate::spec::field::shown;
use crate::spec::recipe::render::{RenderMethod, engine_of};
use crate::spec::recipe::{ReadOptions, ReadRecipe, Recipe, docker, draft};

/// Builds the recipe of a line.
///
/// # Errors
/// The line names no image, or a variable in the place of its image, command or model.
pub(super) fn reading(
    source: SpecFile,
    line: &docker::Line,
    options: &ReadOptions,
) -> Result<ReadRecipe, Mistake> {
    let inner = docker::inner(line.command.as_deref().unwrap_or_default());
    let runtime = runtime_of_line(&line.image, &inner);
    let settings = flags::settings(engine_of(runtime), &inner);
    let first = shell::words(&inner).into_iter().next().map(|word| word.text);
    let positional = first.clone().filter(|word| word.contains('/') && !word.starts_with('/'));
    let model = line.command.as_deref().and_then(model_of_command);
    let model = model.or_else(|| settings.get("model").cloned()).or(positional);
    let number = 1 + source.text[..line.image_at.start].matches('\n').count();
    let wrong = |what: String| Mistake::new(what).at(format!("{}:{number}", source.origin));
    if line.image.is_empty() {
        let hint = "repository:tag behind the options; every quote closed";
        return Err(wrong("the `docker run` names no image".to_owned()).hint(hint));
    }
    let is_open = |word: &str| word.contains(['$', '`']);
    let (image, command) = (Some(line.image.as_str()), first.as_deref());
    let places = [("image", image), ("command", command), ("model", model.as_deref())];
    if let Some((what, Some(word))) = places.iter().find(|(_, word)| word.is_some_and(is_open)) {
        let word = shown(word);
        let why = format!("{word} stands for the {what}, and only a shell knows its value");
        let example = "docker run … vllm/vllm-openai:TAG org/model …";
        return Err(wrong(why).hint(format!("{example}, with what it holds in its place")));
    }
    let open = line.env.iter().filter(|(_, value)| value.is_none());
    let mut warnings: Vec<String> =
        open.map(|(key, _)| format!("the value of {key} comes from whoever starts it")).collect();
    warnings.extend(line.command.as_deref().and_then(open_quote));
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
        container: Some(line.image.clone()),
        env: env.collect(),
        command: line.command.clone(),
        settings,
        warnings,
        source,
        ..Recipe::default()
    };
    let others = line.options.clone();
    Ok(ReadRecipe { recipe, how: RenderMethod::AsItStands, others, ..ReadRecipe::default() })
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
