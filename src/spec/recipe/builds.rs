//! A build index: which digest stood behind which tag. Read from the index
//! that Spark Arena's image builds write, or from a plain map of images to
//! digests.

use super::pins::{Image, is_digest};
use crate::error::Mistake;
use crate::spec::Source;
use crate::spec::field::document;
use crate::spec::node::python::{Python, json};

/// One build.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Build {
    /// What it is a build of: an image's whole name, or the end of one.
    name: Name,
    tag: String,
    digest: String,
    /// When it was pushed; texts of one form, so that they have an order.
    pushed: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Whole(String),
    /// A variant: `nightly-tf5` is what `…/dgx-vllm-eugr-nightly-tf5` ends in.
    End(String),
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Builds(Vec<Build>);

/// Reads an index.
///
/// # Errors
/// It is neither JSON nor YAML, or names no digest.
pub fn read(source: &Source) -> Result<Builds, Mistake> {
    let root = match json::loads(&source.text) {
        Some(root) => root,
        None => Python::of(&document(source)?.root),
    };
    let mut builds = Builds::default();
    builds.take(&root);
    if builds.0.is_empty() {
        return Err(Mistake::new("the build index names no digest").at(&source.origin).hint(
            "docs/recipes.md: a list of builds with image_digest, or a map of images to digests",
        ));
    }
    Ok(builds)
}

impl Builds {
    /// The digest of an image, and the tag of its build: the newest one's, where the image is
    /// asked for as `latest`.
    pub fn digest(&self, image: &str) -> Option<(&str, &str)> {
        let image = Image::of(image);
        let tag = image.tag.unwrap_or("latest");
        let fits = |build: &&Build| match &build.name {
            Name::Whole(name) => name == image.plain_name(),
            Name::End(end) => image.name.ends_with(&format!("-{end}")),
        };
        let fitting: Vec<&Build> = self.0.iter().filter(fits).collect();
        let exact = fitting.iter().rev().find(|build| build.tag == tag);
        let newest = || {
            let ends = fitting.iter().filter(|build| matches!(build.name, Name::End(_)));
            // The longer end says more: `-nightly-tf5` is not `-tf5`.
            ends.max_by_key(|build| (end_length(&build.name), &build.pushed, &build.tag))
        };
        let found = exact.or_else(|| if tag == "latest" { newest() } else { None })?;
        Some((&found.digest, &found.tag))
    }

    fn take(&mut self, node: &Python) {
        match node {
            Python::List(items) => items.iter().for_each(|item| self.entry(item)),
            Python::Map(pairs) => {
                for (key, value) in pairs {
                    match value {
                        Python::List(_) => self.take(value),
                        Python::Map(_) => self.whole(&key.str(), None, digest(value, &DIGESTS)),
                        other => self.whole(&key.str(), None, digest_of(&other.str())),
                    }
                }
            }
            _ => {}
        }
    }

    /// One item of a list.
    fn entry(&mut self, item: &Python) {
        let said = |key: &str| item.get(key).map(Python::str).filter(|text| !text.is_empty());
        if let Some(image) = said("source_image") {
            self.whole(&image, said("source_tag"), digest(item, &["source_digest"]));
        }
        if let Some(image) = said("image") {
            self.whole(&image, said("tag"), digest(item, &DIGESTS));
        } else if let (Some(variant), Some(tag), Some(digest)) =
            (said("variant"), said("tag"), digest(item, &DIGESTS))
        {
            let pushed = said("pushed_at").unwrap_or_default();
            self.0.push(Build { name: Name::End(variant), tag, digest, pushed });
        }
    }

    fn whole(&mut self, image: &str, tag: Option<String>, digest: Option<String>) {
        let Some(digest) = digest else { return };
        let image = Image::of(image);
        let tag = tag.or_else(|| image.tag.map(str::to_owned));
        let tag = tag.unwrap_or_else(|| "latest".to_owned());
        let name = Name::Whole(image.plain_name().to_owned());
        self.0.push(Build { name, tag, digest, pushed: String::new() });
    }
}

/// Keys of a digest.
const DIGESTS: [&str; 2] = ["image_digest", "digest"];

fn digest(item: &Python, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| digest_of(&item.get(key)?.str()))
}

/// By itself, or behind an image's name.
fn digest_of(text: &str) -> Option<String> {
    let text = text.rsplit('@').next().unwrap_or(text);
    is_digest(text).then(|| text.to_owned())
}

fn end_length(name: &Name) -> usize {
    match name {
        Name::Whole(name) | Name::End(name) => name.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builds(text: &str) -> Result<Builds, Mistake> {
        let filled =
            ["AAA", "BBB", "CCC"].iter().enumerate().fold(text.to_owned(), |text, (n, word)| {
                text.replace(word, &format!("sha256:{}", n.to_string().repeat(64)))
            });
        read(&Source { name: "i".into(), origin: "i.json".into(), text: filled })
    }

    fn found(builds: &Builds, image: &str) -> Option<String> {
        builds.digest(image).map(|(digest, tag)| format!("{} {tag}", &digest[7..8]))
    }

    #[test]
    fn an_index_of_builds_knows_tags_the_newest_and_what_they_were_made_of() {
        let index = builds(
            "[{\"tag\":\"2026082201\",\"variant\":\"nightly\",\"image_digest\":\"AAA\",\"pushed_at\":\"2026-08-22\",\
             \"source_image\":\"docker.io/eugr/spark-vllm\",\"source_tag\":\"nightly-20260822\",\"source_digest\":\"CCC\"},\
             {\"tag\":\"2026081001\",\"variant\":\"nightly\",\"image_digest\":\"BBB\",\"pushed_at\":\"2026-08-10\"},\
             {\"tag\":\"2026082301\",\"variant\":\"nightly-tf5\",\"image_digest\":\"CCC\"},{\"tag\":\"old\",\"variant\":\"x\"}]",
        )
        .unwrap();
        let name = "ghcr.io/spark-arena/dgx-vllm-eugr-nightly";
        assert_eq!(found(&index, &format!("{name}:latest")).as_deref(), Some("0 2026082201"));
        assert_eq!(found(&index, &format!("{name}:2026081001")).as_deref(), Some("1 2026081001"));
        assert_eq!(found(&index, &format!("{name}-tf5")).as_deref(), Some("2 2026082301"));
        assert_eq!(
            found(&index, "eugr/spark-vllm:nightly-20260822").as_deref(),
            Some("2 nightly-20260822")
        );
        assert_eq!(found(&index, &format!("{name}:2020")), None);
        assert_eq!(found(&index, "vllm-node"), None);
    }

    #[test]
    fn a_plain_map_is_an_index_too() {
        let index =
            builds("vllm-node: me/vllm@AAA\ndocker.io/a/b:v1: BBB\nc/d: {digest: CCC}\n").unwrap();
        assert_eq!(found(&index, "vllm-node").as_deref(), Some("0 latest"));
        assert_eq!(found(&index, "a/b:v1").as_deref(), Some("1 v1"));
        assert_eq!(found(&index, "c/d:latest").as_deref(), Some("2 latest"));
        assert!(builds("a: b\n").is_err() && builds("[").is_err());
    }
}
