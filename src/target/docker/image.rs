//! Resolves the image to start: always to a digest, so that a report can name what ran. Nothing is
//! pulled unless the user allowed it.

use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::field::shown;
use crate::spec::recipe::pin::{by_digest, is_pinned, own_digest};
use crate::spec::recipe::pins::Image;
use crate::target::container::{ContainerEngine, InspectError, refusal};

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
        return Err(Mistake::new(format!("`{image}` is not an image's name")));
    }
    if parts.digest.is_none() && parts.is_local() {
        let what = format!("`{image}` has no registry's folder: it is where it was built");
        return Err(sparkrun_hint(Mistake::new(what)));
    }
    let program = &engine.program.0;
    if is_pinned(image) {
        let pinned = by_digest(image, parts.digest.unwrap_or_default());
        return match engine.digests(&pinned).await {
            Ok(_) => Ok(pinned),
            Err(InspectError::Unanswered(why)) => Err(refusal::explained(program, &why)),
            Err(InspectError::Gone) if may_pull => pull(engine, &pinned).await.map(|()| pinned),
            Err(InspectError::Gone) => Err(not_here(program, &pinned)),
        };
    }
    // A tag can move to another image: where a pull is allowed, the present one is pulled.
    if may_pull {
        pull(engine, image).await?;
    }
    match engine.digests(image).await {
        Ok(names) => match (own_digest(image, &names), names.first()) {
            (Some(digest), _) => Ok(by_digest(image, digest)),
            (None, Some(other)) => {
                let what = format!("{program} knows `{image}` only as {}", shown(other));
                Err(Mistake::new(what).hint("that name in the recipe"))
            }
            (None, None) => Err(sparkrun_hint(Mistake::new(format!(
                "{program} has `{image}`, but from no registry: it was built here"
            )))),
        },
        Err(InspectError::Gone) => Err(not_here(program, image)),
        Err(InspectError::Unanswered(why)) => Err(refusal::explained(program, &why)),
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::target::standin::Standin;

    /// Returns what became of an image, and what the engine was asked.
    async fn reported(script: &str, image: &str, may_pull: bool) -> String {
        let standin = Standin::new(script);
        let image = resolved(&standin.engine(), image, may_pull).await;
        standin.reported(&image.unwrap_or_else(|wrong| wrong.to_string()))
    }

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const HERE: &str =
        "echo '[\"a/b@sha256:1111111111111111111111111111111111111111111111111111111111111111\"]'";
    const NOT_HERE: &str = "[ $1 = pull ] || { echo 'Error: No such image' >&2; exit 1; }";

    #[tokio::test]
    async fn a_tag_becomes_the_digest_of_its_own_name() {
        let reported = [
            reported(HERE, "a/b:c", false).await,
            reported(HERE, "a/b:c", true).await,
            reported("echo '[]'", "a/b:c", false).await,
            reported("echo null", "a/b:c", false).await,
            reported(HERE, "x/y:c", false).await,
            reported(NOT_HERE, "a/b:c", false).await,
            reported("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "a/b:c", false)
                .await,
        ];
        assert_snapshot!("tags", reported.join("\n\n"));
    }

    #[tokio::test]
    async fn an_image_by_digest_is_fetched_only_where_it_is_not_here_and_may_be() {
        let pinned = format!("a/b:c@sha256:{ONE}");
        let reported = [
            reported(HERE, &pinned, true).await,
            reported(NOT_HERE, &pinned, false).await,
            reported(NOT_HERE, &pinned, true).await,
            reported("echo 'Cannot connect to the Docker daemon' >&2; exit 1", &pinned, true).await,
            reported(
                "echo 'manifest unknown' >&2; [ $1 = image ] && echo 'no such image' >&2; exit 1",
                &pinned,
                true,
            )
            .await,
        ];
        assert_snapshot!("digests", reported.join("\n\n"));
    }

    #[tokio::test]
    async fn what_no_registry_has_is_not_asked_for() {
        let reported = [
            reported(HERE, "--help", false).await,
            reported(HERE, "a b", false).await,
            reported(HERE, "vllm-node", true).await,
        ];
        assert_snapshot!(reported.join("\n\n"), @"
            error: `--help` is not an image's name

            error: `a b` is not an image's name

            error: `vllm-node` has no registry's folder: it is where it was built
              try: --start sparkrun, which builds images, applies mods and starts several machines
        ");
    }

    #[tokio::test]
    async fn without_an_engine_nothing_is_fetched_and_that_is_said() {
        let engine = ContainerEngine::new("/no/such/engine", crate::timeline::Timeline::start());
        assert_snapshot!(resolved(&engine, "a/b:c", false).await.unwrap_err(), @"
            error: /no/such/engine: the program is not here
               at: there is no program `/no/such/engine` here
              try: install it, or name the one that is: --engine PROGRAM
        ");
        assert_snapshot!(resolved(&engine, "a/b:c", true).await.unwrap_err(), @"error: `a/b:c` cannot be pulled: there is no program `/no/such/engine` here");
    }
}
