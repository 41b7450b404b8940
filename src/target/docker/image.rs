//! Resolves the image to start: always to a digest, so that a report can name what ran. Nothing is
//! pulled unless the user allowed it.

use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::recipe::pin::{by_digest, is_pinned, own_digest};
use crate::spec::recipe::pins::Image;
use crate::target::container::{ContainerEngine, Unknown, refusal};

/// Limit of a pull: fifty gigabytes on a slow line.
const PULL_US: u64 = 4 * 3_600 * 1_000_000;

/// Adds the hint that sparkrun can start what no container engine can.
pub(crate) fn sparkrun_hint(mistake: Mistake) -> Mistake {
    mistake.hint("--start sparkrun, which builds images, applies mods and starts several machines")
}

/// Resolves an image to its digest.
///
/// # Errors
/// The image was built locally, is missing and may not be pulled, or cannot be pulled.
pub(crate) async fn resolved(
    engine: &ContainerEngine,
    image: &str,
    may_pull: bool,
) -> Result<String, Mistake> {
    let parts = Image::of(image);
    let is_name = image.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !is_name || image.contains(char::is_whitespace) {
        return Err(Mistake::new(format!("`{image}` is no name of an image")));
    }
    if parts.digest.is_none() && parts.is_built_here() {
        let what = format!("`{image}` is built where it runs: no registry has it");
        return Err(sparkrun_hint(Mistake::new(what)));
    }
    let program = &engine.program.0;
    if is_pinned(image) {
        let pinned = by_digest(image, parts.digest.unwrap_or_default());
        return match engine.digests(&pinned).await {
            Ok(_) => Ok(pinned),
            Err(Unknown::Unanswered(why)) => Err(refusal::explained(program, &why)),
            Err(Unknown::Gone) if may_pull => pull(engine, &pinned).await.map(|()| pinned),
            Err(Unknown::Gone) => Err(not_here(program, &pinned)),
        };
    }
    // A tag can move to another image: where a pull is allowed, the present one is pulled.
    if may_pull {
        pull(engine, image).await?;
    }
    match engine.digests(image).await {
        Ok(names) => match own_digest(image, &names) {
            Some(digest) => Ok(by_digest(image, digest)),
            None => Err(sparkrun_hint(Mistake::new(format!(
                "{program} has `{image}`, but from no registry: it was built here"
            )))),
        },
        Err(Unknown::Gone) => Err(not_here(program, image)),
        Err(Unknown::Unanswered(why)) => Err(refusal::explained(program, &why)),
    }
}

fn not_here(program: &str, image: &str) -> Mistake {
    Mistake::new(format!("{program} does not have `{image}`"))
        .hint("--pull, to let longhaul fetch it")
        .hint(format!("{program} pull {image}"))
}

async fn pull(engine: &ContainerEngine, image: &str) -> Result<(), Mistake> {
    let program = &engine.program;
    let answer = program.ask(&engine.timeline, &["pull", image], PULL_US).await;
    match answer {
        Ok(answer) if answer.is_good() => Ok(()),
        Ok(answer) => Err(refusal::explained(&program.0, &answer.complaint())),
        Err(why) => Err(Mistake::new(format!(
            "`{image}` cannot be pulled: {}",
            one_line(&why.words(program), 400)
        ))),
    }
}
