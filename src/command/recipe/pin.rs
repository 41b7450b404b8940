//! `longhaul recipe pin`: writes a recipe with its image named by digest. The
//! digest is learned from a build index, from what a submission ran, or from
//! the container engine of this machine, in this order; nothing is pulled.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::command::inputs::{Found, index_source, recipe_source, submission};
use crate::command::{finish, mistake, runtime, tell};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::exit::Exit;
use crate::http::reference::Reach;
use crate::spec::field::shown;
use crate::spec::recipe::pin::Named;
use crate::spec::recipe::{Reading, Wishes, builds, pin, read_as};
use crate::target::container::digest::{self, Known};
use crate::timeline::Timeline;

/// An image's name by digest, and who knew it.
type Learned = (String, String);

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
    let named = pin::images(&reading);
    if named.is_empty() {
        let what = format!("{} names no image", shown(&source.name));
        return Err(Mistake::new(what).at(&source.origin).hint("container: repository:tag"));
    }
    let changes = changes(wish, named)?;
    let images: Vec<_> =
        changes.iter().map(|(named, (name, _))| (named.clone(), name.clone())).collect();
    let text = pin::written(&source, &reading, &images, &load)?;
    for (named, (name, by)) in &changes {
        let (from, to) = (one_line(&named.image, 200), one_line(name, 200));
        tell(&format!("pinned: {named}: {from} -> {to}, by {by}"));
    }
    Ok(text)
}

/// Every image whose digest can be learned, with its name by digest. Without the recipe's own,
/// or without any, there is nothing to write.
fn changes(wish: &Wish, named: Vec<Named>) -> Result<Vec<(Named, Learned)>, Mistake> {
    let (mut changes, mut unknown) = (Vec::new(), None);
    let mut asked: BTreeMap<String, Result<Learned, Mistake>> = BTreeMap::new();
    let mut is_pinned = false;
    let beyond = named.len().saturating_sub(IMAGES_MAX);
    if beyond > 0 {
        tell(&format!("left alone: {beyond} more images than the first {IMAGES_MAX}"));
    }
    for named in named.into_iter().take(IMAGES_MAX) {
        if pin::is_pinned(&named.image) {
            tell(&format!("pinned already: {named}: {}", one_line(&named.image, 200)));
            is_pinned = true;
            continue;
        }
        let answer = asked.entry(named.image.clone()).or_insert_with(|| learned(wish, &named));
        match answer {
            Ok(known) => changes.push((named, known.clone())),
            Err(wrong) if named.is_own() => return Err(wrong.clone()),
            Err(wrong) => {
                tell(&format!("left alone: {named}: {}", wrong.what()));
                unknown.get_or_insert_with(|| wrong.clone());
            }
        }
    }
    match unknown {
        Some(wrong) if changes.is_empty() && !is_pinned => Err(wrong),
        _ => Ok(changes),
    }
}

/// The image by digest, and who knows it.
fn learned(wish: &Wish, named: &Named) -> Result<Learned, Mistake> {
    let image = named.image.as_str();
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
    if let Some(submission) = submission(&wish.recipe)?.filter(|_| named.is_own()) {
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
            let what =
                format!("the digest of {} is not known: {}", shown(image), unknown.join("; "));
            Err(Mistake::new(what).at(named.to_string()).hint(hint))
        }
    }
}

/// What else may name images, and stays as it is.
fn left_alone(reading: &Reading) {
    let is_there = !reading.included.is_empty()
        && (reading.others.iter().any(|(key, _)| key == "containers")
            || reading.layers.iter().any(|layer| layer.container.is_some()));
    if is_there {
        tell("left alone: images of hosts and layers, since the recipe includes others");
    }
}
