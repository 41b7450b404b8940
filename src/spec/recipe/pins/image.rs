//! Parses a container image's name and grades its reproducibility.

use super::Grade;
use crate::spec::field::shown;

/// Parts of a tag that mark it as moving.
const MOVING: [&str; 12] = [
    "latest", "nightly", "main", "master", "dev", "devel", "edge", "stable", "rolling", "preview",
    "head", "canary",
];

/// Image that sparkrun runs in place of one that eugr's builder would have built.
pub(super) const NIGHTLY: &str = "ghcr.io/spark-arena/dgx-vllm-eugr-nightly";

/// Images whose tags say which version or build of the engine they hold.
const VERSIONED: [&str; 6] = [
    "vllm/vllm-openai",
    "lmsysorg/sglang",
    "ghcr.io/ggml-org/llama.cpp",
    "scitrera/dgx-spark-vllm",
    "scitrera/dgx-spark-sglang",
    "scitrera/dgx-spark-llama-cpp",
];

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
            _ if self.is_local() => {
                let why = "has no registry's folder: it is where it was built";
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

    /// Whether the image is only where it was built: no registry's folder, or an id.
    pub(crate) fn is_local(&self) -> bool {
        !self.plain_name().contains('/') || self.name.starts_with("localhost/")
    }

    /// Whether sparkrun has eugr's builder build this image, where the recipe asks for a build.
    pub(super) fn is_nightly(&self) -> bool {
        let name = self.plain_name();
        let variant = name.strip_prefix(NIGHTLY).or(name.strip_prefix("eugr/spark-vllm"));
        self.tag == Some("latest") && matches!(variant, Some("" | "-tf5" | "-b12x"))
    }

    /// Returns the version in the tag, of images that are known to have it there: `v0.20.0`,
    /// `b8076`.
    pub(crate) fn version(&self) -> Option<&'a str> {
        version_of(self.tag.filter(|_| VERSIONED.contains(&self.plain_name()))?)
    }
}

/// Whether a text is `sha256:` and 64 hex digits.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Whether a tag names a single build: by a date, a commit, or a version without a nightly mark.
pub(super) fn is_fixed(tag: &str) -> bool {
    let parts: Vec<&str> = parts(tag).collect();
    let moves = parts.iter().any(|part| MOVING.contains(&part.to_ascii_lowercase().as_str()));
    // `2026-08-22` is a date in three parts.
    let dates: Vec<&str> = tag.split(['-', '_', '.']).collect();
    dates.windows(3).any(|three| is_date(&three.concat()))
        || parts.iter().any(|part| is_date(part) || is_commit(part))
        || !moves && version_of(tag).is_some()
}

fn parts(tag: &str) -> impl Iterator<Item = &str> {
    tag.split(['-', '_', '+'])
}

/// Returns the version in a tag: the first part, or one that begins with `v` or `b`. Any other
/// number may be that of the image's base, as in `cuda-13.0`.
fn version_of(tag: &str) -> Option<&str> {
    let is_own = |at: usize, part: &str| at == 0 || part.starts_with(['v', 'V', 'b']);
    parts(tag).enumerate().find(|(at, part)| is_version(part) && is_own(*at, part)).map(|it| it.1)
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
            ("me/vllm-node-b12x", Grade::Floating),
            ("sha256:1234", Grade::Local),
        ] {
            assert_eq!(Image::of(image).grade().0, grade, "{image}");
        }
    }

    #[test]
    fn the_tag_of_a_known_image_names_the_version_of_its_engine() {
        let version = |text| Image::of(text).version();
        let known = "docker.io/vllm/vllm-openai:v0.20.0-aarch64-cu130";
        assert_eq!(version(known), Some("v0.20.0"));
        assert_eq!(version("scitrera/dgx-spark-llama-cpp:b8076-cu131"), Some("b8076"));
        assert_eq!(version("vllm/vllm-openai:cu130-nightly"), None);
        assert_eq!(version("nvcr.io/nvidia/vllm:26.05-py3"), None, "not the engine's");
        assert_eq!(version("x/y:v0.20.0"), None, "an image of anybody");
    }
}
