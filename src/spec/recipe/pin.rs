//! A recipe with its image named by digest, and not one other byte changed:
//! the name is exchanged where it stands, and what comes of it is read again.

use std::fmt;
use std::ops::Range;

use super::pins::{Grade, Image, is_digest};
use super::{Beside, Reading, Source, Wishes, docker, read_as};
use crate::error::Mistake;
use crate::spec::field::{document, shown};
use crate::spec::node::python::{Python, json};

/// An image for each host.
const HOSTS: &str = "containers";

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

/// An image that a recipe names, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// By keys and numbers of items: `containers`, `0`, `image`.
    pub path: Vec<String>,
    /// The image.
    pub image: String,
}

impl Named {
    fn of(path: &[&str], image: &str) -> Option<Named> {
        let path = path.iter().map(|step| (*step).to_owned()).collect();
        (!image.is_empty()).then(|| Named { path, image: image.to_owned() })
    }

    /// Whether it is the recipe's own, which runs wherever nothing else is said.
    pub fn is_own(&self) -> bool {
        self.path.len() == 1
    }

    /// The conditional layer that sets it.
    pub fn layer(&self) -> Option<usize> {
        (self.path[0] == "overrides").then(|| self.path[1].parse().ok())?
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_slice() {
            [list, index, key] => write!(f, "{list}[{index}].{key}"),
            path => f.write_str(&path.join(".")),
        }
    }
}

/// Every image that a recipe names: its own, those of its hosts and of its conditional layers.
pub fn images(reading: &Reading) -> Vec<Named> {
    let own = reading.recipe.container.as_deref().unwrap_or_default();
    let mut images: Vec<Named> = Named::of(&["container"], own).into_iter().collect();
    let hosts = reading.others.iter().find(|(key, _)| key == HOSTS);
    if let Some(Python::List(items)) = hosts.and_then(|(_, hosts)| json::loads(hosts)) {
        for (index, item) in items.iter().enumerate() {
            let image = item.get("image").and_then(Python::text).unwrap_or_default();
            images.extend(Named::of(&[HOSTS, &index.to_string(), "image"], image));
        }
    }
    for (index, layer) in reading.layers.iter().enumerate() {
        let image = layer.container.as_deref().unwrap_or_default();
        images.extend(Named::of(&["overrides", &index.to_string(), "container"], image));
    }
    images
}

/// The recipe's text with other images where those stand that are named.
///
/// # Errors
/// An image does not stand letter by letter in this file, or more would change than images.
pub fn written(
    source: &Source,
    before: &Reading,
    changes: &[(Named, String)],
    beside: Beside<'_>,
) -> Result<String, Mistake> {
    let mut spots = Vec::new();
    for (named, image) in changes {
        spots.push((spot(source, named)?, image));
    }
    // From the end, so that what stands before stays where it is.
    spots.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
    let mut text = source.text.clone();
    for (at, image) in spots {
        text.replace_range(at, image);
    }
    let pinned = Source { text, ..source.clone() };
    let after = read_as(&pinned, &Wishes::default(), beside)?;
    let mut expected = images(before);
    for (named, image) in changes {
        let same = expected.iter_mut().filter(|known| *known == named);
        same.for_each(|known| known.image.clone_from(image));
    }
    if images(&after) == expected && after.recipe.command == before.recipe.command {
        return Ok(pinned.text);
    }
    let what = "with its images by digest the recipe would be another one";
    Err(Mistake::new(what).at(&source.origin).hint("edit `container` by hand"))
}

/// Where an image stands.
fn spot(source: &Source, named: &Named) -> Result<Range<usize>, Mistake> {
    let span = match docker::begins(&source.text) {
        Some(start) => docker::parse(&source.text, start).image_at,
        None => document(source)?.root.below(&named.path).map(|node| node.span.clone()),
    };
    let inside = span.and_then(|span| {
        let mut found = source.text[span.clone()].match_indices(&named.image);
        let at = span.start + found.next()?.0;
        found.next().is_none().then_some(at..at + named.image.len())
    });
    inside.ok_or_else(|| {
        let what = format!("{} does not stand there letter by letter", shown(&named.image));
        Mistake::new(what)
            .at(format!("{} {named}", source.origin))
            .hint("pin the file in which it stands, or write it there in one word")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(text: &str) -> Result<String, Mistake> {
        let source = Source { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
        let before = read_as(&source, &Wishes::default(), &|_| Ok(None)).expect("readable");
        let change = |named: Named| (named.clone(), by_digest(&named.image, "sha256:D"));
        let changes: Vec<_> = images(&before).into_iter().map(change).collect();
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
        for text in ["model: m\ncontainer: \"a\\x2fb:c\"\n"] {
            assert!(pinned(text).is_err(), "{text}");
        }
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
