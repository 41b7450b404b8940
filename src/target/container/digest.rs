//! Queries this machine's container engine for the digest of an image that it holds. It runs only
//! `image inspect`, which neither pulls nor starts anything.

use crate::escape::one_line;
use crate::spec::field::shown;
use crate::spec::recipe::pin::own_digest;
use crate::spec::recipe::pins::Image;
use crate::target::program::{NoAnswer, Program, ProgramOutput};
use crate::timeline::Timeline;

/// Programs, tried in this order.
const PROGRAMS: [&str; 2] = ["docker", "podman"];

/// Limit of the wait for a daemon that hangs: ten seconds.
const LIMIT_US: u64 = 10_000_000;

/// Result of the query for a digest.
pub(crate) enum KnownDigest {
    /// Digest, and the program that reported it.
    Digest {
        /// `sha256:…`.
        digest: String,
        /// `docker`.
        program: String,
    },
    Nothing {
        why: String,
        /// Suggestion to the user.
        hint: String,
    },
}

fn nothing(why: impl Into<String>, hint: impl Into<String>) -> KnownDigest {
    KnownDigest::Nothing { why: why.into(), hint: hint.into() }
}

/// Queries the digest of an image.
pub(crate) async fn digest(timeline: &Timeline, program: Option<&str>, image: &str) -> KnownDigest {
    if program.is_some_and(|program| program.trim().is_empty()) {
        return nothing("--engine names no program", "--engine docker, or without --engine");
    }
    if !is_image_name(image) {
        return nothing(format!("{} is not an image's name", shown(image)), "repository:tag");
    }
    let programs = program.map_or_else(|| PROGRAMS.to_vec(), |program| vec![program]);
    let question = ["image", "inspect", "--format", "{{json .RepoDigests}}", image];
    for program in &programs {
        let asked = Program((*program).to_owned()).ask(timeline, &question, LIMIT_US).await;
        let why = match asked {
            Ok(answer) => return understood(program, image, &answer),
            Err(NoAnswer::NoProgram) => continue,
            Err(NoAnswer::TooLate(_)) => "it did not answer in ten seconds".to_owned(),
            Err(NoAnswer::Broke(why)) => why,
        };
        return nothing(format!("{program}: {why}"), "--engine PROGRAM");
    }
    let why = format!("there is no {} here", programs.join(" and no "));
    nothing(why, "on the machine that has the image, or with --engine PROGRAM")
}

/// Whether a word of a recipe can be an image's name, and so cannot be taken for an option.
fn is_image_name(image: &str) -> bool {
    image.starts_with(|c: char| c.is_ascii_alphanumeric())
        && image.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c))
}

fn understood(program: &str, image: &str, answer: &ProgramOutput) -> KnownDigest {
    let said = answer.err.to_ascii_lowercase();
    if !answer.is_good() {
        let why = one_line(&answer.complaint(), 200);
        return if said.contains("no such")
            || said.contains("not known")
            || said.contains("not found")
        {
            let why = format!("{program} does not have {}", shown(image));
            let hint = if Image::of(image).is_local() {
                "build it, push it, and name what it is then".to_owned()
            } else {
                format!("{program} pull {image}, and again")
            };
            nothing(why, hint)
        } else if said.contains("permission denied") {
            let hint = "as a user who may talk to it (group docker, or sudo)";
            nothing(format!("{program} may not be asked: {why}"), hint)
        } else if said.contains("daemon") || said.contains("connect") {
            nothing(format!("{program} does not run: {why}"), "start it")
        } else {
            nothing(format!("{program}: {why}"), "--engine PROGRAM")
        };
    }
    let Ok(names) = serde_json::from_str::<Option<Vec<String>>>(answer.out.trim()) else {
        return nothing(format!("{program} answers something else"), "--engine PROGRAM");
    };
    let names = names.unwrap_or_default();
    if let Some(digest) = own_digest(image, &names) {
        return KnownDigest::Digest { digest: digest.to_owned(), program: program.to_owned() };
    }
    let why = match names.first() {
        None => format!("{program} has {}, but from no registry: it was built here", shown(image)),
        Some(other) => format!("{program} knows it only as {}", shown(other)),
    };
    nothing(why, "push it to a registry, and name it by the digest that it gets there")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;

    #[test]
    fn no_registry_is_named_for_an_image_without_a_registrys_folder() {
        let err = "Error: No such image: vllm-node".to_owned();
        let answer = ProgramOutput { code: Some(1), out: String::new(), err };
        let KnownDigest::Nothing { why, hint } = understood("docker", "vllm-node", &answer) else {
            panic!("a digest")
        };
        assert_eq!(why, "docker does not have `vllm-node`");
        assert_eq!(hint, "build it, push it, and name what it is then");
    }

    fn words(is_good: bool, out: &str, err: &str) -> String {
        let code = Some(i32::from(!is_good));
        let answer = ProgramOutput { code, out: out.to_owned(), err: err.to_owned() };
        match understood("docker", "a/b:c", &answer) {
            KnownDigest::Digest { digest, .. } => digest,
            KnownDigest::Nothing { why, hint } => format!("{why} | {hint}"),
        }
    }

    #[test]
    fn a_digest_is_that_of_the_images_own_name() {
        let digest = format!("sha256:{}", "2".repeat(64));
        assert_eq!(words(true, &format!("[\"x/y@sha256:1\",\"a/b@{digest}\"]\n"), ""), digest);
    }

    #[test]
    fn every_way_to_know_nothing_is_explained() {
        let cases = [
            (true, "[\"a/b@sha256:zz\"]", ""),
            (true, "banana", ""),
            (true, "[]\n", ""),
            (true, "null\n", ""),
            (true, "[\"x/y@sha256:1\"]", ""),
            (false, "", "permission denied while trying to connect to the Docker daemon socket"),
            (false, "", "Cannot connect to the Docker daemon"),
            (false, "[]", "Error: No such image: a/b:c"),
            (false, "", "Error: a/b:c: image not known"),
            (false, "", "Error: a/b:c: not found"),
            (false, "", "something new"),
            (false, "", ""),
        ];
        assert_snapshot!("nothing", each(cases, |(is_good, out, err)| words(*is_good, out, err)));
    }

    #[tokio::test]
    async fn an_engine_that_cannot_be_asked_is_named_and_a_strange_name_is_not_asked_for() {
        let timeline = Timeline::start();
        let asked = async |program: &str, image: &str| match digest(&timeline, Some(program), image)
            .await
        {
            KnownDigest::Digest { digest, .. } => digest,
            KnownDigest::Nothing { why, hint } => format!("{why} | {hint}"),
        };
        let reported = [
            asked("", "a/b:c").await,
            asked("docker", "--help").await,
            asked("/no/such/engine", "a/b:c").await,
            asked("/", "a/b:c").await,
        ];
        assert_snapshot!(reported.join("\n"), @"
            --engine names no program | --engine docker, or without --engine
            `--help` is not an image's name | repository:tag
            there is no /no/such/engine here | on the machine that has the image, or with --engine PROGRAM
            /: Permission denied (os error 13) | --engine PROGRAM
        ");
    }

    #[test]
    fn a_strangers_name_is_no_option() {
        assert!(["--help", "a b", ""].iter().all(|word| !is_image_name(word)));
        assert!(is_image_name("a/b:c@d"));
    }
}
