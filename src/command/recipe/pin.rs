//! `longhaul recipe pin`: writes a recipe with its image named by digest. The
//! digest is learned from a build index, from what a submission ran, or from
//! the container engine of this machine, in this order; nothing is pulled.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::engine::{self, Known};
use crate::command::inputs::{Beside, Found, Reach, index_source, recipe_source, submission};
use crate::command::{finish, mistake, tell};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::exit::Exit;
use crate::spec::Source;
use crate::spec::field::shown;
use crate::spec::recipe::{Reading, Wishes, builds, pin, read_as};

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
pub fn pin(wish: &Wish) -> Exit {
    match pinned(wish) {
        Ok(text) => written(wish.output.as_deref(), &text),
        Err(wrong) => mistake(&wrong),
    }
}

fn written(output: Option<&Path>, text: &str) -> Exit {
    let Some(path) = output else { return finish(text, Exit::Pass) };
    let done = replaced(path, text);
    if let Err(why) = done {
        let what = format!("the recipe could not be written: {why}");
        return mistake(&Mistake::new(what).at(path.display().to_string()));
    }
    tell(&format!("written: {}", path.display()));
    Exit::Pass
}

/// Writes a file whole or not at all: a plain one is replaced by rename, where a link leads and
/// with the rights that it has; anything else is written to as it is.
fn replaced(path: &Path, text: &str) -> std::io::Result<()> {
    let Ok(target) = path.canonicalize() else { return std::fs::write(path, text) };
    let about = std::fs::metadata(&target)?;
    if !about.is_file() {
        return std::fs::write(&target, text);
    }
    let part = target.with_extension(format!("{}.part", std::process::id()));
    let mut file = std::fs::File::create_new(&part)?;
    let mut written = || {
        file.write_all(text.as_bytes())?;
        file.set_permissions(about.permissions())?;
        std::fs::rename(&part, &target)
    };
    written().inspect_err(|_| {
        // What is left of it is of no use to anybody.
        let _ = std::fs::remove_file(&part);
    })
}

fn pinned(wish: &Wish) -> Result<String, Mistake> {
    let Found { source, beside, told } = recipe_source(&wish.recipe, &wish.reach)?;
    if let Some(told) = told {
        tell(&format!("warning: {told}"));
    }
    let load = |name: &str| beside.load(name);
    let reading = read_as(&source, &Wishes::default(), &load)?;
    left_alone(&reading);
    let Some(image) = reading.recipe.container.clone().filter(|image| !image.is_empty()) else {
        let what = format!("{} names no image", shown(&source.name));
        return Err(Mistake::new(what).at(&source.origin).hint("container: repository:tag"));
    };
    if pin::is_pinned(&image) {
        tell(&format!("pinned already: {}", one_line(&image, 200)));
        return Ok(source.text);
    }
    let (name, by) = learned(wish, &image)?;
    let text = with_image(&source, &reading, &name, &beside)?;
    tell(&format!("pinned: {} -> {}, by {by}", one_line(&image, 200), one_line(&name, 200)));
    Ok(text)
}

fn with_image(
    source: &Source,
    reading: &Reading,
    name: &str,
    beside: &Beside,
) -> Result<String, Mistake> {
    pin::written(source, reading, name, &|name| beside.load(name))
}

/// The image by digest, and who knows it.
fn learned(wish: &Wish, image: &str) -> Result<(String, String), Mistake> {
    let mut unknown = Vec::new();
    if let Some(path) = &wish.builds {
        let index = builds::read(&index_source(path)?)?;
        if let Some((digest, tag)) = index.digest(image) {
            let by = format!("{}, build {}", path.display(), one_line(tag, 60));
            return Ok((pin::by_digest(image, digest), by));
        }
        unknown.push(format!("{} does not name it", path.display()));
    }
    if let Some(submission) = submission(&wish.recipe)? {
        match submission.pinned {
            Some(pinned) if pin::may_stand_for(&pinned, image) => {
                return Ok((pinned, "the submission's metadata.json".to_owned()));
            }
            Some(other) => unknown.push(format!("its submission names {}", shown(&other))),
            None => unknown.push("its submission names no digest".to_owned()),
        }
    }
    match engine::digest(wish.engine.as_deref(), image) {
        Known::Digest { digest, program } => {
            Ok((pin::by_digest(image, &digest), format!("{program} image inspect")))
        }
        Known::Nothing { why, hint } => {
            unknown.push(why);
            let what =
                format!("the digest of {} is not known: {}", shown(image), unknown.join("; "));
            Err(Mistake::new(what).at("container").hint(hint))
        }
    }
}

/// What else names images, and stays as it is.
fn left_alone(reading: &Reading) {
    if reading.others.iter().any(|(key, _)| key == "containers") {
        tell("left alone: `containers`, an image for each host");
    }
    for layer in &reading.layers {
        if layer.applied != Some(true) {
            let when = one_line(&layer.when, 80);
            tell(&format!("left alone: the layer for {when}, and an image that it may name"));
        }
    }
}
