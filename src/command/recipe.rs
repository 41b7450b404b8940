//! `longhaul recipe`: what a recipe says, the command that its own tools would
//! run, what differs between two, how reproducible one is, and its pins.
//! Nothing in a recipe is run.

pub mod pin;

use std::io::IsTerminal;

use super::inputs::{Found, recipe_source, submission};
use super::{finish, mistake, tell};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::exit::Exit;
use crate::http::reference::Reach;
use crate::report::recipe as told;
use crate::spec::recipe::layers::SELECTORS;
use crate::spec::recipe::pins::pins;
use crate::spec::recipe::{Place, Reading, Wishes, read_as};

/// What the user wishes of a recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// Its file, folder, name or reference.
    pub recipe: String,
    /// How far a reference may reach.
    pub reach: Reach,
    /// `key=value`, in the order given.
    pub set: Vec<String>,
    /// `selector=value`: where it will run.
    pub place: Vec<String>,
}

/// Says all that a recipe says.
///
/// # Errors
/// The user's mistake.
pub fn show(wish: &Wish) -> Result<Exit, Mistake> {
    let (reading, submission) = (reading(wish)?, submission(&wish.recipe)?);
    let more = submission.as_ref().map(told::show::submission).unwrap_or_default();
    Ok(finish(&(told::show::text(&reading) + &more), Exit::Pass))
}

/// Says the command, and nothing else.
///
/// # Errors
/// The user's mistake, or a recipe without a command.
pub fn render(wish: &Wish) -> Result<Exit, Mistake> {
    let reading = reading(wish)?;
    for note in &reading.recipe.warnings {
        tell(&format!("note: {}", one_line(note, 400)));
    }
    let command = reading.recipe.command.as_ref().ok_or_else(|| {
        let what = format!("`{}` has no command to render", reading.recipe.source.name);
        Mistake::new(what).at(&reading.recipe.source.origin).hint("longhaul recipe show")
    })?;
    // A stranger's text must not drive a terminal; a file gets it byte for byte.
    let text = if std::io::stdout().is_terminal() {
        told::show::lines(command).join("\n")
    } else {
        command.clone()
    };
    Ok(finish(&(text + "\n"), Exit::Pass))
}

/// Says what differs.
///
/// # Errors
/// The user's mistake.
pub fn diff(one: &Wish, other: &Wish) -> Result<Exit, Mistake> {
    Ok(finish(&told::diff::text(&reading(one)?, &reading(other)?), Exit::Pass))
}

/// Says how reproducible a recipe is; `strict` fails where anything floats.
///
/// # Errors
/// The user's mistake.
pub fn check(wish: &Wish, json: bool, strict: bool) -> Result<Exit, Mistake> {
    let (reading, submission) = (reading(wish)?, submission(&wish.recipe)?);
    let pins = pins(&reading, submission.as_ref());
    let text = if json { told::check::json } else { told::check::text };
    let exit = if strict && pins.floating() > 0 { Exit::Fail } else { Exit::Pass };
    Ok(finish(&text(&reading, submission.as_ref(), &pins), exit))
}

/// The exit code of a verb, its mistake told.
pub fn done(exit: Result<Exit, Mistake>) -> Exit {
    exit.unwrap_or_else(|wrong| mistake(&wrong))
}

fn reading(wish: &Wish) -> Result<Reading, Mistake> {
    let wishes = Wishes { set: pairs("--set", &wish.set)?, place: place(&wish.place)? };
    let Found { source, beside, told } = recipe_source(&wish.recipe, &wish.reach)?;
    if let Some(told) = told {
        tell(&format!("warning: {told}"));
    }
    read_as(&source, &wishes, &|name| beside.load(name))
}

fn pairs(flag: &str, words: &[String]) -> Result<Vec<(String, String)>, Mistake> {
    let pair = |word: &String| {
        let pair = word.split_once('=').filter(|(key, _)| !key.trim().is_empty());
        let wrong = || Mistake::new(format!("`{}` is no key=value", one_line(word, 40))).at(flag);
        pair.map(|(key, value)| (key.trim().to_owned(), value.to_owned())).ok_or_else(wrong)
    };
    words.iter().map(pair).collect()
}

fn place(words: &[String]) -> Result<Option<Place>, Mistake> {
    let mut place = Place::new();
    for (selector, value) in pairs("--when", words)? {
        if !SELECTORS.split(", ").any(|known| known == selector) {
            let what = format!("`{}` says nothing of where it runs", one_line(&selector, 40));
            return Err(Mistake::new(what).at("--when").hint(SELECTORS));
        }
        place.entry(selector).or_default().push(value);
    }
    Ok((!words.is_empty()).then_some(place))
}
