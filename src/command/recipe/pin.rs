//! `longhaul recipe pin`: writes a recipe with its image named by digest. The
//! digest is learned from a build index, from what a submission ran, or from
//! the container engine of this machine, in this order; nothing is pulled.

use std::path::{Path, PathBuf};

use crate::command::inputs::{Found, index_source, recipe_source, submission};
use crate::command::{finish, runtime, tell};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::exit::Exit;
use crate::http::reference::Reach;
use crate::spec::field::shown;
use crate::spec::recipe::{Wishes, builds, pin, read_as};
use crate::target::container::digest::{self, Known};
use crate::timeline::Timeline;

/// Bounds what one recipe makes the container engine be asked, and its text be searched for.
const IMAGES_MAX: usize = 32;

/// What is to be pinned, by what, and where to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// A recipe's file, folder, name or reference.
    pub recipe: String,
    /// How far a reference may reach.
    pub reach: Reach,
    /// Where to; nothing is stdout.
    pub output: Option<PathBuf>,
    /// A build index.
    pub builds: Option<PathBuf>,
    /// The container engine's program; nothing looks for docker, then podman.
    pub engine: Option<String>,
}

/// Writes the recipe, pinned.
///
/// # Errors
/// The user's mistake, an image whose digest is not known, or a file that cannot be written.
pub fn pin(wish: &Wish) -> Result<Exit, Mistake> {
    let text = pinned(wish)?;
    let Some(path) = wish.output.as_deref() else { return Ok(finish(&text, Exit::Pass)) };
    replaced(path, &text).map_err(|why| {
        Mistake::new(format!("the recipe could not be written: {why}"))
            .at(path.display().to_string())
    })?;
    tell(&format!("written: {}", path.display()));
    Ok(Exit::Pass)
}

/// Writes a file whole or not at all: beside it, and by rename where a link leads.
fn replaced(path: &Path, text: &str) -> std::io::Result<()> {
    let Ok(target) = path.canonicalize() else { return std::fs::write(path, text) };
    if !target.is_file() {
        return std::fs::write(&target, text);
    }
    let part = target.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&part, text)?;
    std::fs::set_permissions(&part, std::fs::metadata(&target)?.permissions())?;
    std::fs::rename(&part, &target)
}

fn pinned(wish: &Wish) -> Result<String, Mistake> {
    let Found { source, beside, told } = recipe_source(&wish.recipe, &wish.reach)?;
    if let Some(told) = told {
        tell(&format!("warning: {told}"));
    }
    let load = |name: &str| beside.load(name);
    let reading = read_as(&source, &Wishes::default(), &load)?;
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
        let told = one_line(&image, 200);
        if pin::is_pinned(&image) {
            tell(&format!("pinned already: {what}: {told}"));
        } else if changes.iter().any(|(known, _)| *known == image) {
            tell(&format!("pinned: {what}: {told}, as before"));
        } else if index >= IMAGES_MAX {
            tell(&format!("left alone: {what}: {IMAGES_MAX} images are asked for at the most"));
        } else {
            match learned(wish, &what, &image) {
                Ok((name, by)) => {
                    tell(&format!("pinned: {what}: {told} -> {}, by {by}", one_line(&name, 200)));
                    changes.push((image, name));
                }
                Err(wrong) if what == pin::OWN || only => return Err(wrong),
                Err(wrong) => tell(&format!("left alone: {what}: {}", wrong.what())),
            }
        }
    }
    pin::written(&source, &reading, &changes, &load)
}

/// The image by digest, and who knows it.
fn learned(wish: &Wish, what: &str, image: &str) -> Result<(String, String), Mistake> {
    let mut unknown = Vec::new();
    if let Some(path) = &wish.builds {
        let index = builds::read(&index_source(path)?)?;
        if let Some((digest, tag)) = index.digest(image) {
            let by = format!("{}, build {}", path.display(), one_line(tag, 60));
            return Ok((pin::by_digest(image, digest), by));
        }
        unknown.push(format!("{} does not name it", path.display()));
    }
    // It tells of one image: of the one that ran.
    if let Some(submission) = submission(&wish.recipe)?.filter(|_| what == pin::OWN) {
        match submission.pinned {
            Some(pinned) if pin::may_stand_for(&pinned, image) => {
                return Ok((pinned, "the submission's metadata.json".to_owned()));
            }
            Some(other) => unknown.push(format!("its submission names {}", shown(&other))),
            None => unknown.push("its submission names no digest".to_owned()),
        }
    }
    let timeline = Timeline::start();
    let asked = digest::digest(&timeline, wish.engine.as_deref(), image);
    match runtime()?.block_on(asked) {
        Known::Digest { digest, program } => {
            Ok((pin::by_digest(image, &digest), format!("{program} image inspect")))
        }
        Known::Nothing { why, hint } => {
            unknown.push(why);
            let why =
                format!("the digest of {} is not known: {}", shown(image), unknown.join("; "));
            Err(Mistake::new(why).at(what).hint(hint))
        }
    }
}
