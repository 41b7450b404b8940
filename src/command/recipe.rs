//! `longhaul recipe`: what a recipe says, the command that its own tools would
//! run, what differs between two, how reproducible one is, and its pins.
//! Nothing in a recipe is run.

pub mod check;
pub mod pin;

use std::io::IsTerminal;

use super::inputs::{Found, recipe_source, submission};
use super::{finish, mistake, tell};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::exit::Exit;
use crate::http::reference::Reach;
use crate::report::recipe as told;
use crate::spec::recipe::{Dialect, Manner, Place, Reading, Wishes, layers, read_as};

/// What the user wishes of a recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// Its file, folder, name or reference.
    pub recipe: String,
    /// How far a reference may reach.
    pub reach: Reach,
    /// `key=value`, in the order given.
    pub set: Vec<String>,
    /// `sparkrun` or `eugr`.
    pub dialect: Option<String>,
    /// For a single machine.
    pub solo: bool,
    /// `selector=value`: where it will run.
    pub place: Vec<String>,
}

/// Says all that a recipe says.
pub fn show(wish: &Wish) -> Exit {
    let told = reading(wish).and_then(|reading| Ok((reading, submission(&wish.recipe)?)));
    match told {
        Ok((reading, submission)) => {
            let more = submission.as_ref().map(told::show::submission).unwrap_or_default();
            finish(&(told::show::text(&reading) + &more), Exit::Pass)
        }
        Err(wrong) => mistake(&wrong),
    }
}

/// Says the command, and nothing else.
pub fn render(wish: &Wish) -> Exit {
    let reading = match reading(wish) {
        Ok(reading) => reading,
        Err(wrong) => return mistake(&wrong),
    };
    for note in reading.recipe.warnings.iter().chain(&reading.notes) {
        tell(&format!("note: {}", one_line(note, 400)));
    }
    let Some(command) = &reading.recipe.command else {
        let what =
            format!("`{}` has no command that could be rendered", reading.recipe.source.name);
        return mistake(
            &Mistake::new(what).at(&reading.recipe.source.origin).hint("longhaul recipe show"),
        );
    };
    // A stranger's text must not drive a terminal; a file gets it byte for byte.
    let text = if std::io::stdout().is_terminal() {
        told::show::lines(command).join("\n")
    } else {
        command.clone()
    };
    finish(&(text + "\n"), Exit::Pass)
}

/// Says what differs.
pub fn diff(one: &Wish, other: &Wish) -> Exit {
    let compared = reading(one).and_then(|one| Ok((one, reading(other)?)));
    match compared {
        Ok((one, other)) => finish(&told::diff::text(&one, &other), Exit::Pass),
        Err(wrong) => mistake(&wrong),
    }
}

fn reading(wish: &Wish) -> Result<Reading, Mistake> {
    let dialect = match wish.dialect.as_deref() {
        None => None,
        Some(word) => Some(Dialect::of(word).ok_or_else(|| {
            Mistake::new(format!("there is no dialect `{}`", one_line(word, 40)))
                .at("--dialect")
                .hint("sparkrun, eugr")
        })?),
    };
    let Found { source, beside, told } = recipe_source(&wish.recipe, &wish.reach)?;
    if let Some(told) = told {
        tell(&format!("warning: {told}"));
    }
    let manner = Manner { dialect, solo: wish.solo };
    let wishes = Wishes { set: pairs("--set", &wish.set)?, manner, place: place(&wish.place)? };
    read_as(&source, &wishes, &|name| beside.load(name))
}

fn pairs(flag: &str, words: &[String]) -> Result<Vec<(String, String)>, Mistake> {
    let pair = |word: &String| {
        let (key, value) =
            word.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or_else(|| {
                Mistake::new(format!("`{}` is no key=value", one_line(word, 40))).at(flag)
            })?;
        Ok((key.trim().to_owned(), value.to_owned()))
    };
    words.iter().map(pair).collect()
}

fn place(words: &[String]) -> Result<Option<Place>, Mistake> {
    if words.is_empty() {
        return Ok(None);
    }
    let mut place = Place::new();
    for (selector, value) in pairs("--when", words)? {
        if !layers::is_selector(&selector) {
            let what = format!("`{}` says nothing of where it runs", one_line(&selector, 40));
            return Err(Mistake::new(what).at("--when").hint(layers::selectors()));
        }
        place.entry(selector).or_default().push(value);
    }
    Ok(Some(place))
}
