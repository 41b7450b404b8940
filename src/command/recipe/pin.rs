//! Implements `longhaul recipe pin`: writes a recipe with its image named by the digest that this
//! machine's container engine reports.

use std::path::Path;

use super::{RecipeOptions, found};
use crate::command::inputs::FoundRecipe;
use crate::command::{finish_unchanged, print_stderr, runtime};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::exit::Exit;
use crate::spec::field::shown;
use crate::spec::recipe::{ReadOptions, pin};
use crate::target::container::digest::{self, KnownDigest};
use crate::timeline::Timeline;

pub(crate) fn pin(
    options: &RecipeOptions,
    output: Option<&Path>,
    engine: Option<&str>,
) -> Result<Exit, Mistake> {
    let (text, note) = pinned(options, engine)?;
    let Some(path) = output else {
        print_stderr(&note);
        return Ok(finish_unchanged(&text, Exit::Pass));
    };
    std::fs::write(path, &text).map_err(|why| {
        Mistake::new(format!("the recipe could not be written: {why}"))
            .at(path.display().to_string())
            .hint("a file that you may write: -o pinned.yaml")
    })?;
    print_stderr(&note);
    print_stderr(&format!("written: {}", path.display()));
    Ok(Exit::Pass)
}

/// Returns the recipe with its image named by digest, and a message for the user.
fn pinned(options: &RecipeOptions, engine: Option<&str>) -> Result<(String, String), Mistake> {
    let found = found(options)?;
    let reading = found.read(&ReadOptions::default())?;
    let FoundRecipe { source, folder, .. } = found;
    let load = |name: &str| folder.load(name);
    let Some(image) = reading.recipe.container.as_deref().filter(|image| !image.is_empty()) else {
        let what = format!("{} names no image", shown(&source.name));
        return Err(Mistake::new(what).at(&source.origin).hint("container: repository:tag"));
    };
    for (what, _) in pin::images(&reading).iter().filter(|(what, _)| what != pin::OWN) {
        print_stderr(&format!("left alone: {what}: only `container` is pinned"));
    }
    let word = one_line(image, 200);
    if pin::is_pinned(image) {
        return Ok((source.text, format!("pinned already: {word}")));
    }
    let timeline = Timeline::start();
    match runtime()?.block_on(digest::digest(&timeline, engine, image)) {
        KnownDigest::Digest { digest, program } => {
            let name = pin::by_digest(image, &digest);
            let text = pin::written(&source, &reading, image, &name, &load)?;
            let name = one_line(&name, 200);
            let note = format!("pinned: {word} -> {name}, by {program} image inspect");
            Ok((text, note))
        }
        KnownDigest::Nothing { why, hint } => {
            let what = format!("the digest of {} is not known: {why}", shown(image));
            Err(Mistake::new(what).at(pin::OWN).hint(hint))
        }
    }
}
