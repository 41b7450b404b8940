//! `longhaul recipe pin`: writes a recipe with its image named by digest, as the container engine
//! of this machine knows it.

use std::path::Path;

use super::{RecipeOptions, found};
use crate::command::inputs::Found;
use crate::command::{finish, runtime, tell};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::exit::Exit;
use crate::spec::field::shown;
use crate::spec::recipe::{ReadOptions, pin, read_as};
use crate::target::container::digest::{self, Known};
use crate::timeline::Timeline;

/// Bounds what one recipe makes the container engine be asked, and its text be searched for.
const IMAGES_MAX: usize = 32;

/// Writes the recipe, pinned; to stdout without an output.
pub fn pin(
    options: &RecipeOptions,
    output: Option<&Path>,
    engine: Option<&str>,
) -> Result<Exit, Mistake> {
    let text = pinned(options, engine)?;
    let Some(path) = output else { return Ok(finish(&text, Exit::Pass)) };
    replaced(path, &text).map_err(|why| {
        Mistake::new(format!("the recipe could not be written: {why}"))
            .at(path.display().to_string())
    })?;
    tell(&format!("written: {}", path.display()));
    Ok(Exit::Pass)
}

/// Writes a file whole or not at all: beside it, and by rename where a link leads.
fn replaced(path: &Path, text: &str) -> std::io::Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if !target.is_file() {
        return std::fs::write(&target, text);
    }
    let part = target.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&part, text)?;
    std::fs::set_permissions(&part, std::fs::metadata(&target)?.permissions())?;
    std::fs::rename(&part, &target)
}

fn pinned(options: &RecipeOptions, engine: Option<&str>) -> Result<String, Mistake> {
    let Found { source, folder, .. } = found(options)?;
    let load = |name: &str| folder.load(name);
    let reading = read_as(&source, &ReadOptions::default(), &load)?;
    let mut named = pin::images(&reading);
    if !reading.included.is_empty() && named.len() > 1 {
        tell("left alone: images of hosts and layers, since the recipe includes others");
        named.truncate(1);
    }
    let only = named.len() == 1;
    if named.is_empty() {
        let what = format!("{} names no image", shown(&source.name));
        return Err(Mistake::new(what).at(&source.origin).hint("container: repository:tag"));
    }
    let mut changes: Vec<(String, String)> = Vec::new();
    for (index, (what, image)) in named.into_iter().enumerate() {
        let word = one_line(&image, 200);
        if pin::is_pinned(&image) {
            tell(&format!("pinned already: {what}: {word}"));
        } else if changes.iter().any(|(known, _)| *known == image) {
            tell(&format!("pinned: {what}: {word}, as before"));
        } else if index >= IMAGES_MAX {
            tell(&format!("left alone: {what}: {IMAGES_MAX} images are asked for at the most"));
        } else {
            let timeline = Timeline::start();
            match runtime()?.block_on(digest::digest(&timeline, engine, &image)) {
                Known::Digest { digest, program } => {
                    let name = pin::by_digest(&image, &digest);
                    let by = format!("{}, by {program} image inspect", one_line(&name, 200));
                    tell(&format!("pinned: {what}: {word} -> {by}"));
                    changes.push((image, name));
                }
                Known::Nothing { why, hint } => {
                    let why = format!("the digest of {} is not known: {why}", shown(&image));
                    if what == pin::OWN || only {
                        return Err(Mistake::new(why).at(what).hint(hint));
                    }
                    tell(&format!("left alone: {what}: {why}"));
                }
            }
        }
    }
    pin::written(&source, &reading, &changes, &load)
}
