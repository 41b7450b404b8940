//! A build index: which digest stood behind which tag. Read from the index
//! that Spark Arena's image builds write, or from a plain map of images to
//! digests.

use super::pins::{Image, is_digest};
use crate::error::Mistake;
use crate::spec::Source;
use crate::spec::field::document;
use crate::spec::node::python::{Python, json};

/// The digest of an image that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Build {
    /// An image's whole name; behind a dash, the end of one (`-nightly-tf5`).
    name: String,
    tag: String,
    digest: String,
    /// When it was pushed; texts of one form, so that they have an order.
    pushed: String,
}

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
    let mut builds = Vec::new();
    let mut lists = vec![&root];
    if let Python::Map(pairs) = &root {
        builds.extend(pairs.iter().filter_map(|(image, digest)| build(image, digest, None)));
        lists = pairs.iter().map(|(_, value)| value).collect();
    }
    let items = lists.into_iter().filter_map(|list| match list {
        Python::List(items) => Some(items),
        _ => None,
    });
    for item in items.flatten() {
        let said = |key: &str| item.get(key).map(Python::str);
        let ends = [
            (said("variant").map(|it| format!("-{it}")), "image_digest", said("tag")),
            (said("source_image"), "source_digest", said("source_tag")),
        ];
        for (name, digest, tag) in ends {
            let found = name.zip(item.get(digest)).and_then(|(name, it)| build(&name, it, tag));
            let pushed = said("pushed_at").unwrap_or_default();
            builds.extend(found.map(|build| Build { pushed, ..build }));
        }
    }
    if builds.is_empty() {
        return Err(Mistake::new("the build index names no digest").at(&source.origin).hint(
            "docs/recipes.md: a list of builds with image_digest, or a map of images to digests",
        ));
    }
    Ok(Builds(builds))
}

/// A digest that stands by itself, or behind an image's name.
fn build(image: &str, digest: &Python, tag: Option<String>) -> Option<Build> {
    let digest = digest.text()?.rsplit('@').next()?.to_owned();
    let image = Image::of(image);
    let tag = tag.or(image.tag.map(str::to_owned)).unwrap_or_else(|| "latest".to_owned());
    let name = image.plain_name().to_owned();
    is_digest(&digest).then_some(Build { name, tag, digest, pushed: String::new() })
}

impl Builds {
    /// The digest of an image, and the tag of its build: the newest one's, where the image is
    /// asked for as `latest`.
    pub fn digest(&self, image: &str) -> Option<(&str, &str)> {
        let image = Image::of(image);
        let tag = image.tag.unwrap_or("latest");
        let fits = |build: &&Build| {
            build.name == image.plain_name()
                || build.name.starts_with('-') && image.name.ends_with(&build.name)
        };
        let fitting: Vec<&Build> = self.0.iter().filter(fits).collect();
        let exact = fitting.iter().rev().find(|build| build.tag == tag);
        // The longer end says more: `-nightly-tf5` is not `-tf5`.
        let newest = || fitting.iter().max_by_key(|it| (it.name.len(), &it.pushed, &it.tag));
        let found = exact.or_else(|| newest().filter(|_| tag == "latest"))?;
        Some((&found.digest, &found.tag))
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
        let index = builds("vllm-node: me/vllm@AAA\ndocker.io/a/b:v1: BBB\nc/d: CCC\n").unwrap();
        assert_eq!(found(&index, "vllm-node").as_deref(), Some("0 latest"));
        assert_eq!(found(&index, "a/b:v1").as_deref(), Some("1 v1"));
        assert_eq!(found(&index, "c/d:latest").as_deref(), Some("2 latest"));
        assert!(builds("a: b\n").is_err() && builds("[").is_err());
        let index =
            "{\"builds\": [{\"variant\": \"x\", \"tag\": \"1\", \"image_digest\": \"BBB\"}]}";
        assert_eq!(found(&builds(index).unwrap(), "a/b-x").as_deref(), Some("1 1"));
    }
}
