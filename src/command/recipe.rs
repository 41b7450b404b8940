//! Implements `longhaul recipe`: show, render, check, pin and diff.

pub(crate) mod pin;

use super::inputs::{FoundRecipe, recipe_source};
use super::{clean, finish, finish_unchanged, mistake, print_stderr};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::exit::Exit;
use crate::http::reference::FetchPermissions;
use crate::report::recipe as text;
use crate::spec::recipe::layers::SELECTORS;
use crate::spec::recipe::pins::pins;
use crate::spec::recipe::{Deployment, Dialect, ReadOptions, ReadRecipe};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RecipeOptions {
    pub recipe: String,
    pub reach: FetchPermissions,
    /// Changes as `key=value`, in the order given.
    pub set: Vec<String>,
    /// Conditions of the place where it will run, as `selector=value`.
    pub when: Vec<String>,
    pub dialect: Dialect,
}

pub(crate) fn show(options: &RecipeOptions) -> Result<Exit, Mistake> {
    Ok(finish(&text::show(&reading(options)?), Exit::Pass))
}

pub(crate) fn render(options: &RecipeOptions) -> Result<Exit, Mistake> {
    let recipe = reading(options)?.recipe;
    for note in &recipe.warnings {
        print_stderr(&format!("note: {}", one_line(note, 400)));
    }
    let command = recipe.command.ok_or_else(|| {
        Mistake::new(format!("`{}` has no command to render", recipe.source.name))
            .at(&recipe.source.origin)
            .hint("longhaul recipe show")
    })?;
    Ok(finish_unchanged(&(command + "\n"), Exit::Pass))
}

pub(crate) fn diff(one: &RecipeOptions, other: &RecipeOptions) -> Result<Exit, Mistake> {
    let (one, other) = (reading(one)?, reading(other)?);
    Ok(finish(&text::diff(&one, &other, &clean), Exit::Pass))
}

/// Reports how reproducible a recipe is; `strict` fails where anything is unpinned.
pub(crate) fn check(options: &RecipeOptions, json: bool, strict: bool) -> Result<Exit, Mistake> {
    let mut reading = reading(options)?;
    let is_version_1 = |(key, value): &(String, String)| key == "recipe_version" && value == "1";
    if options.dialect == Dialect::Sparkrun && reading.others.iter().any(is_version_1) {
        let eugr = RecipeOptions { dialect: Dialect::Eugr, ..options.clone() };
        let note = text::dialects(&reading, &self::reading(&eugr));
        reading.recipe.warnings.extend(note);
    }
    let pins = pins(&reading);
    let text = if json { text::check_json } else { text::check };
    let exit = if strict && pins.floating() > 0 { Exit::Fail } else { Exit::Pass };
    Ok(finish(&text(&reading, &pins), exit))
}

pub(crate) fn done(exit: Result<Exit, Mistake>) -> Exit {
    exit.unwrap_or_else(|wrong| mistake(&wrong))
}

fn reading(options: &RecipeOptions) -> Result<ReadRecipe, Mistake> {
    let mut read = ReadOptions {
        set: pairs("--set", &options.set)?,
        dialect: options.dialect,
        ..ReadOptions::default()
    };
    for (selector, value) in pairs("--when", &options.when)? {
        if !SELECTORS.split(", ").any(|known| known == selector) {
            let what = format!("`{}` says nothing of where it runs", one_line(&selector, 40));
            return Err(Mistake::new(what).at("--when").hint(SELECTORS));
        }
        read.deployment.get_or_insert(Deployment::new()).entry(selector).or_default().push(value);
    }
    found(options)?.read(&read)
}

fn found(options: &RecipeOptions) -> Result<FoundRecipe, Mistake> {
    let found = recipe_source(&options.recipe, &options.reach)?;
    if let Some(warning) = &found.warning {
        print_stderr(&format!("warning: {warning}"));
    }
    Ok(found)
}

fn pairs(flag: &str, words: &[String]) -> Result<Vec<(String, String)>, Mistake> {
    let pair = |word: &String| {
        let pair = word.split_once('=').filter(|(key, _)| !key.trim().is_empty());
        let wrong = || Mistake::new(format!("`{}` is not key=value", one_line(word, 40))).at(flag);
        pair.map(|(key, value)| (key.trim().to_owned(), value.to_owned())).ok_or_else(wrong)
    };
    words.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn refused(set: &[&str], when: &[&str]) -> String {
        let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
        let options = RecipeOptions {
            recipe: super::super::inputs::DEFAULT_RECIPE.to_owned(),
            set: texts(set),
            when: texts(when),
            ..RecipeOptions::default()
        };
        reading(&options).map_or_else(|wrong| wrong.to_string(), |_| "read".to_owned())
    }

    #[test]
    fn what_is_set_is_a_key_and_a_value_and_a_condition_is_a_known_one() {
        let reported = [
            refused(&["max_num_seqs=8"], &["nodes=1"]),
            refused(&["max_num_seqs"], &[]),
            refused(&["=8"], &[]),
            refused(&["port.x=1"], &[]),
            refused(&["a=1_000"], &[]),
            refused(&[], &["nodes"]),
            refused(&[], &["moon=full"]),
        ];
        assert_snapshot!("options", reported.join("\n\n"));
    }
}
