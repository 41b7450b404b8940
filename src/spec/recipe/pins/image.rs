//! Parses a container image's name and grades its reproducibility.

use super::Grade;
use crate::spec::field::shown;

/// Parts of a tag that mark it as moving.
const MOVING: [&str; 12] = [
    "latest", "nightly", "main", "master", "dev", "devel", "edge", "stable", "rolling", "preview",
    "head", "canary",
];

/// Parts of a tag that name the image's base: a number after them is not the image's version.
const GROUNDS: [&str; 8] = ["cuda", "cu", "ubuntu", "debian", "python", "py", "rocm", "torch"];

/// Prefix of images that eugr's builder makes: `vllm-node`, `vllm-node-tf5`.
const BUILT: &str = "vllm-node-";

/// Name of an image, split into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Image<'a> {
    pub name: &'a str,
    pub tag: Option<&'a str>,
    /// Digest after the `@`: `sha256:…`.
    pub digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    pub(crate) fn of(text: &'a str) -> Image<'a> {
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(digest)),
            None => (text, None),
        };
        match text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((name, tag)) => Image { name, tag: Some(tag), digest },
            None => Image { name: text, tag: None, digest },
        }
    }

    /// Returns the name without docker's default prefixes, to compare two spellings.
    pub(crate) fn plain_name(&self) -> &'a str {
        let hubs = ["index.docker.io/", "docker.io/", "library/"];
        hubs.iter().fold(self.name, |name, hub| name.strip_prefix(hub).unwrap_or(name))
    }

    /// Grades the image by its name, with the reason.
    pub(crate) fn grade(&self) -> (Grade, String) {
        let (grade, why) = match (self.digest, self.tag) {
            (Some(digest), _) if is_digest(digest) => (Grade::Pinned, "by digest"),
            (Some(_), _) => (Grade::Floating, "its digest is not sha256 and 64 hex digits"),
            _ if self.is_built_here() => {
                let why = "is built where it runs: no registry has it";
                return (Grade::Local, format!("{} {why}", shown(self.name)));
            }
            (_, None) => (Grade::Floating, "no tag: that is `latest`, another image tomorrow"),
            (_, Some(tag)) if is_fixed(tag) => {
                return (Grade::Dated, format!("tag {}: it is not moved, by custom", shown(tag)));
            }
            (_, Some(tag)) => {
                return (Grade::Floating, format!("tag {} is another image tomorrow", shown(tag)));
            }
        };
        (grade, why.to_owned())
    }

    /// Whether the image was built here: no registry's folder, the builder's own name, or an id.
    pub(crate) fn is_built_here(&self) -> bool {
        let last = self.name.rsplit('/').next().unwrap_or(self.name);
        !self.plain_name().contains('/')
            || self.name.starts_with("localhost/")
            || format!("{last}-").starts_with(BUILT)
    }

    /// Returns the version in the tag: `v0.20.0`, `b8076`, `26.05`.
    pub(crate) fn version(&self) -> Option<&'a str> {
        own_parts(self.tag?).into_iter().find(|part| is_version(part))
    }
}

/// Whether a text is `sha256:` and 64 hex digits.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Whether a tag names a single build: by a date, a commit, or a version without a nightly mark.
pub(super) fn is_fixed(tag: &str) -> bool {
    let parts = own_parts(tag);
    let moves = parts.iter().any(|part| MOVING.contains(&part.to_ascii_lowercase().as_str()));
    // `2026-08-22` is a date in three parts.
    let dates: Vec<&str> = tag.split(['-', '_', '.']).collect();
    dates.windows(3).any(|three| is_date(&three.concat()))
        || parts.iter().any(|part| is_date(part) || is_commit(part) || !moves && is_version(part))
}

/// Returns a tag's parts without those that name the base image.
fn own_parts(tag: &str) -> Vec<&str> {
    let parts: Vec<&str> = tag.split(['-', '_', '+']).collect();
    let is_ground = |part: &str| GROUNDS.contains(&part.to_ascii_lowercase().as_str());
    let is_number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let is_own = |at: &usize| *at == 0 || !is_ground(parts[at - 1]) || !is_number(parts[*at]);
    (0..parts.len()).filter(is_own).map(|at| parts[at]).collect()
}

/// Whether a part is a date: `20260822`, or with a daily number `2026082201`.
fn is_date(part: &str) -> bool {
    matches!(part.len(), 8 | 10)
        && part.starts_with("20")
        && part.chars().all(|c| c.is_ascii_digit())
        && matches!((part[4..6].parse(), part[6..8].parse()), (Ok(1..=12), Ok(1..=31)))
}

/// Whether a part is a commit: at least seven hex digits, with both letters and digits.
fn is_commit(part: &str) -> bool {
    let part = part.strip_prefix('g').unwrap_or(part);
    (7..=64).contains(&part.len())
        && part.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
        && part.contains(|c: char| c.is_ascii_digit())
        && part.contains(|c: char| c.is_ascii_lowercase())
}

/// Whether a part is a version: `v0.20.0`, `26.05`, `b8076`. A bare major version moves.
fn is_version(part: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let number = part.trim_start_matches(['v', 'V']).split_once('.');
    part.strip_prefix('b').is_some_and(|build| build.len() >= 3 && digits(build))
        || number.is_some_and(|(major, minor)| {
            digits(major) && minor.starts_with(|c: char| c.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_apart_at_its_own_colon() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let text = format!("localhost:5000/org/x:v1@{digest}");
        let image = Image::of(&text);
        assert_eq!((image.name, image.tag), ("localhost:5000/org/x", Some("v1")));
        assert_eq!(image.digest, Some(digest.as_str()));
        assert_eq!(Image::of("localhost:5000/x").tag, None);
        assert_eq!(Image::of("docker.io/library/x:1").plain_name(), "x");
    }

    #[test]
    fn tags_and_names_have_their_grades() {
        let pinned = format!("a/b:latest@sha256:{}", "0".repeat(64));
        for (image, grade) in [
            (pinned.as_str(), Grade::Pinned),
            ("a/b@sha256:00", Grade::Floating),
            ("vllm/vllm-openai:v0.20.0-aarch64-cu130-ubuntu2404", Grade::Dated),
            ("scitrera/dgx-spark-llama-cpp:b8076-cu131", Grade::Dated),
            ("nvcr.io/nvidia/vllm:26.05-py3", Grade::Dated),
            ("x/y:20260609", Grade::Dated),
            ("x/y:2026082201", Grade::Dated),
            ("x/y:nightly-2026-08-22", Grade::Dated),
            ("x/y:nightly-040700aaaf", Grade::Dated),
            ("x/y:server-cuda-b4719", Grade::Dated),
            ("x/y:latest", Grade::Floating),
            ("x/y", Grade::Floating),
            ("x/y:cu130-nightly", Grade::Floating),
            ("x/y:v0.20.0-nightly", Grade::Floating),
            ("x/y:nightly-cuda-13.0", Grade::Floating),
            ("x/y:cuda-13.0", Grade::Floating),
            ("x/y:v0", Grade::Floating),
            ("x/y:qwen38flashnext", Grade::Floating),
            ("x/y:é", Grade::Floating),
            ("vllm-node", Grade::Local),
            ("vllm-node-mxfp4:latest", Grade::Local),
            ("localhost/vllm:v1.2", Grade::Local),
            ("me/vllm-node-b12x", Grade::Local),
            ("sha256:1234", Grade::Local),
        ] {
            assert_eq!(Image::of(image).grade().0, grade, "{image}");
        }
    }

    #[test]
    fn a_tag_may_name_a_version_of_its_own() {
        let version = |text| Image::of(text).version();
        assert_eq!(version("x/y:v0.20.0-aarch64-cu130"), Some("v0.20.0"));
        assert_eq!(version("x/y:cuda-13.0"), None);
        assert_eq!(version("x/y:20260609"), None);
    }
}
