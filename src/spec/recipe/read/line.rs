//! Builds a recipe from a `docker run` line, or from a compose file's service.

use super::{model_of_command, open_quote, served};
use crate::engine::flags;
use crate::error::Mistake;
use crate::shell::{self, ShellWord};
use crate::spec::SpecFile;
use crate::spec::field::shown;
use crate::spec::recipe::render::{RenderMethod, engine_of};
use crate::spec::recipe::{ReadOptions, ReadRecipe, Recipe, docker, draft};

/// Maximum number of variables of a command that are reported.
const VARIABLES_MAX: usize = 5;

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
    let words: Vec<String> =
        shell::words(&inner).iter().filter_map(|it| open(&inner, it)).collect();
    // Without a model, a word of its own may hold the flag that names it.
    let flags = words.iter().find(|word| word.starts_with('$') && model.is_none());
    let places = [
        ("image", Some(&line.image)),
        ("command", first.as_ref()),
        ("model", model.as_ref()),
        ("model or its flag", flags),
    ];
    let is_unknown = |it: &(&str, Option<&String>)| it.1.is_some_and(|word| is_open(word));
    let wrong = match places.into_iter().find(is_unknown) {
        Some((what, Some(word))) => Some((stands_for(what, word, line), word.as_str())),
        _ => no_image(&line.image).map(|wrong| (wrong, line.image.as_str())),
    };
    if let Some((wrong, word)) = wrong {
        let (image, text) = (line.image_at.clone(), &source.text);
        let at =
            if word == line.image { image.start } else { text.find(word).unwrap_or(image.end) };
        let number = 1 + text[..at].matches('\n').count();
        return Err(wrong.at(format!("{}:{number}", source.origin)));
    }
    let unset = line.env.iter().filter(|(_, value)| value.is_none());
    let unset = unset.map(|(key, _)| format!("the value of {key} comes from whoever starts it"));
    let mut warnings: Vec<String> = line.notes.iter().cloned().chain(unset).collect();
    let unknown = words.iter().map(|word| {
        format!("{} in the command has no value here: it comes from whoever starts it", shown(word))
    });
    warnings.extend(unknown.take(VARIABLES_MAX));
    warnings.extend(line.command.as_deref().and_then(open_quote));
    if !options.set.is_empty() {
        warnings.push("nothing can be set here: the command has no placeholders".to_owned());
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
    let is_run = line.service.is_none();
    let how = if is_run { RenderMethod::AsItStands } else { RenderMethod::Composed };
    Ok(ReadRecipe { recipe, how, others, ..ReadRecipe::default() })
}

/// Explains that a word is known only where the container is started, with what to write instead.
fn stands_for(what: &str, word: &str, line: &docker::Line) -> Mistake {
    let (keeper, example) = match (&line.service, what) {
        (None, _) => ("a shell", "docker run … vllm/vllm-openai:TAG org/model …"),
        (Some(_), "image") => ("docker compose", "image: vllm/vllm-openai:TAG"),
        (Some(_), _) => ("docker compose", "command: --model org/model …"),
    };
    let why = format!("{} stands for the {what}, and only {keeper} knows its value", shown(word));
    let example = || format!("{example}, with what it holds in its place");
    Mistake::new(why).hint(with_default(word).unwrap_or_else(example))
}

/// Explains why a word is no image's name.
fn no_image(word: &str) -> Option<Mistake> {
    if word.is_empty() {
        let hint = "repository:tag behind the options; every quote closed";
        return Some(Mistake::new("the `docker run` names no image").hint(hint));
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let is_name =
        word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(is_part);
    let what = format!("{} stands where the image does, and is no image's name", shown(word));
    let hint = "repository:tag behind the options; a line goes on behind a `\\` at its end";
    (!is_name).then(|| Mistake::new(what).hint(hint))
}

/// Whether only a shell knows what a word is.
fn is_open(word: &str) -> bool {
    // A lone backtick goes on with a line in PowerShell.
    word.contains(['$', '`']) && word != "`"
}

/// Returns a word that a shell changes; single quotes keep it as it is.
fn open(command: &str, word: &ShellWord) -> Option<String> {
    let is_kept = command[word.span.clone()].starts_with('\'');
    Some(word.text.clone()).filter(|text| is_open(text) && !is_kept)
}

/// Returns a word with the default that it gives: `a:${TAG:-1}` is `a:1`.
fn with_default(word: &str) -> Option<String> {
    let (before, rest) = word.split_once("${")?;
    let (variable, after) = rest.split_once('}')?;
    let (_, value) = variable.split_once(":-").or_else(|| variable.split_once('-'))?;
    let whole = format!("{before}{value}{after}");
    (!is_open(&whole) && !value.is_empty()).then(|| format!("{whole}, if the default is meant"))
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
