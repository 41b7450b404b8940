//! A recipe with its image named by digest, and not one other byte changed:
//! the name is exchanged where it stands, and what comes of it is read again.

use std::ops::Range;

use super::pins::{Grade, Image, is_digest};
use super::{Beside, Reading, Source, Wishes, docker, read_as};
use crate::error::Mistake;
use crate::spec::field::{document, shown};
use crate::spec::node::Node;
use crate::spec::node::python::{Python, json};

/// The recipe's own image, which runs wherever nothing else is said, among [`images`].
pub const OWN: &str = "container";

/// Whether a recipe's image is pinned already.
pub fn is_pinned(image: &str) -> bool {
    Image::of(image).grade().0 == Grade::Pinned
}

/// The image under its own name by a digest. The tag goes: it would say what no longer counts,
/// and podman refuses both at once.
pub fn by_digest(image: &str, digest: &str) -> String {
    format!("{}@{digest}", Image::of(image).name)
}

/// Whether a submission's image may stand for a recipe's: the same by digest, or any that has
/// one where the recipe's own was built where it ran. A stranger's word for another repository
/// is no pin.
pub fn may_stand_for(pinned: &str, image: &str) -> bool {
    let (own, other) = (Image::of(image), Image::of(pinned));
    let is_name = other.name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let same = own.plain_name() == other.plain_name() || own.is_built_here();
    is_pinned(pinned) && is_name && same
}

/// Of the names with digests that an engine has for an image, the digest under the image's own.
pub fn own_digest<'a>(image: &str, names: &'a [String]) -> Option<&'a str> {
    let wanted = Image::of(image).plain_name();
    let names = names.iter().map(|name| Image::of(name));
    let own = names.filter(|name| name.plain_name() == wanted).filter_map(|name| name.digest);
    own.into_iter().find(|digest| is_digest(digest))
}

/// Every image that a recipe names, by where: its own, those of its hosts, and those of its
/// conditional layers of which nothing is said.
pub fn images(reading: &Reading) -> Vec<(String, String)> {
    let own = reading.recipe.container.clone().map(|image| (OWN.to_owned(), image));
    let mut images: Vec<_> = own.into_iter().filter(|(_, image)| !image.is_empty()).collect();
    let hosts = reading.others.iter().find(|(key, _)| key == "containers");
    if let Some(Python::List(items)) = hosts.and_then(|(_, hosts)| json::loads(hosts)) {
        let host = |(index, item): (usize, &Python)| {
            let image = item.get("image").and_then(Python::text)?;
            Some((format!("containers[{index}].image"), image.to_owned()))
        };
        images.extend(items.iter().enumerate().filter_map(host));
    }
    for (index, layer) in reading.layers.iter().enumerate().filter(|(_, it)| it.applied.is_none()) {
        let image = layer.container.clone();
        images.extend(image.map(|image| (format!("overrides[{index}].container"), image)));
    }
    images
}

/// The recipe's text with other images wherever those stand.
///
/// # Errors
/// An image does not stand letter by letter in this file, or more would change than images.
pub fn written(
    source: &Source,
    before: &Reading,
    changes: &[(String, String)],
    beside: Beside<'_>,
) -> Result<String, Mistake> {
    let wrong = |what: String| Err(Mistake::new(what).at(&source.origin).hint("edit it by hand"));
    let mut spots = Vec::new();
    for (image, name) in changes {
        let found = spots_of(source, image)?;
        if found.is_empty() {
            return wrong(format!("{} does not stand there letter by letter", shown(image)));
        }
        spots.extend(found.into_iter().map(|at| (at, name)));
    }
    // From the end, so that what stands before stays where it is.
    spots.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
    let mut text = source.text.clone();
    for (at, name) in spots {
        text.replace_range(at, name);
    }
    let pinned = Source { text, ..source.clone() };
    let after = read_as(&pinned, &Wishes::default(), beside)?;
    let name = |image: String| {
        let change = changes.iter().find(|(known, _)| *known == image);
        change.map_or(image, |(_, name)| name.clone())
    };
    let expected = images(before).into_iter().map(|(what, image)| (what, name(image)));
    if expected.eq(images(&after)) && after.recipe.command == before.recipe.command {
        return Ok(pinned.text);
    }
    wrong("with its images by digest the recipe would be another one".to_owned())
}

/// Where an image stands.
fn spots_of(source: &Source, image: &str) -> Result<Vec<Range<usize>>, Mistake> {
    if let Some(start) = docker::begins(&source.text) {
        return Ok(docker::parse(&source.text, start).image_at.into_iter().collect());
    }
    let root = document(source)?.root;
    let below = |list: &str, key: &str| -> Vec<Node> {
        let items = root.get(list).and_then(Node::items).unwrap_or_default();
        items.iter().filter_map(|item| item.get(key).cloned()).collect()
    };
    let own = root.get(OWN).cloned().into_iter();
    let nodes = own.chain(below("containers", "image")).chain(below("overrides", OWN));
    let spot = |node: Node| {
        let mut found = source.text[node.span.clone()].match_indices(image);
        let at = node.span.start + found.next()?.0;
        found.next().is_none().then_some(at..at + image.len())
    };
    Ok(nodes.filter(|node| node.text().map(str::trim) == Some(image)).filter_map(spot).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(text: &str) -> Result<String, Mistake> {
        let source = Source { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
        let before = read_as(&source, &Wishes::default(), &|_| Ok(None)).expect("readable");
        let change = |(_, image): (String, String)| (image.clone(), by_digest(&image, "sha256:D"));
        let mut changes: Vec<_> = images(&before).into_iter().map(change).collect();
        changes.dedup();
        written(&source, &before, &changes, &|_| Ok(None))
    }

    #[test]
    fn only_the_image_changes_byte_for_byte() {
        for text in [
            "# é\r\nmodel: m\r\ncontainer:   \"IMAGE\"   # why\r\ncommand: vllm serve IMAGE\r\n",
            "container: old\nmodel: m\ncontainer: IMAGE",
            "{model: m, container: 'IMAGE', defaults: {container: IMAGE}}\n",
            "#!/bin/sh\n# IMAGE\nsudo docker run --name IMAGE -e A=IMAGE \\\n  IMAGE vllm serve m\n",
        ] {
            let expected = |image: &str| text.replace("IMAGE", image);
            let after = pinned(&expected("a/b:latest")).expect("pinned");
            let changed = after.matches("a/b@sha256:D").count();
            assert_eq!(changed, 1, "{after}");
            assert_eq!(after.replace("a/b@sha256:D", "a/b:latest"), expected("a/b:latest"));
        }
    }

    #[test]
    fn images_of_hosts_and_layers_change_where_they_stand() {
        let text = "model: m\ncontainers:\n- {host: a, image: a/b:1}\n- image: 'a/b:1' # é\n  host: b\n\
                    overrides:\n- when: {tp: 1}\n  env: {A: a/b:1}\n- when: {tp: 2}\n  container: c/d\n";
        let after = pinned(text).expect("pinned");
        let expected = text
            .replace("image: a/b:1", "image: a/b@sha256:D")
            .replace("'a/b:1'", "'a/b@sha256:D'")
            .replace("c/d", "c/d@sha256:D");
        assert_eq!(after, expected);
    }

    #[test]
    fn an_image_that_stands_elsewhere_or_otherwise_is_left_alone() {
        assert!(pinned("model: m\ncontainer: \"a\\x2fb:c\"\n").is_err());
    }

    #[test]
    fn a_submission_may_pin_the_recipes_own_image_or_one_for_what_was_built_there() {
        let by = |name: &str| format!("{name}@sha256:{}", "2".repeat(64));
        assert!(may_stand_for(&by("docker.io/a/b"), "a/b:latest"));
        assert!(may_stand_for(&by("ghcr.io/a/b"), "vllm-node"));
        assert!(!may_stand_for(&by("evil.example/other"), "a/b:latest"));
        assert!(!may_stand_for(&by("--x"), "vllm-node") && !may_stand_for("a/b@sha256:2", "a/b"));
    }

    #[test]
    fn an_engine_may_know_an_image_by_other_names_too() {
        let digest = format!("sha256:{}", "2".repeat(64));
        let names = ["mirror/b@sha256:1".to_owned(), format!("docker.io/a/b@{digest}")];
        assert_eq!(own_digest("a/b:latest", &names), Some(digest.as_str()));
        assert_eq!(own_digest("a/b:latest", &["a/b@sha256:zz".to_owned()]), None, "no digest");
        assert_eq!(own_digest("c/b", &names), None);
    }
}
