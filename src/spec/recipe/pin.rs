//! A recipe with its image named by digest, and not one other byte changed:
//! the name is exchanged where it stands, and what comes of it is read again.

use super::pins::{Grade, Image, is_digest};
use super::{Beside, Reading, Source, Wishes, docker, read_as};
use crate::error::Mistake;
use crate::spec::field::shown;
use crate::spec::node;

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

/// The recipe's text with another image.
///
/// # Errors
/// The image stands in another file, or not letter by letter in this one; or something else
/// would change with it.
pub fn written(
    source: &Source,
    before: &Reading,
    image: &str,
    beside: Beside<'_>,
) -> Result<String, Mistake> {
    let from = before.recipe.container.as_deref().unwrap_or_default();
    let at = match docker::begins(&source.text) {
        Some(start) => docker::parse(&source.text, start).image_at,
        None => node::spot(&source.text, "container"),
    };
    let is_it = |at: &std::ops::Range<usize>| source.text[at.clone()].contains(from);
    let Some(at) = at.filter(is_it) else {
        let place = before.places.key("container").map(ToString::to_string);
        let what = format!("{} does not stand there letter by letter", shown(from));
        return Err(Mistake::new(what)
            .at(place.unwrap_or_else(|| source.origin.clone()))
            .hint("pin the file in which it stands, or write it there in one word"));
    };
    let mut text = source.text.clone();
    text.replace_range(at, image);
    let pinned = Source { text, ..source.clone() };
    let after = read_as(&pinned, &Wishes::default(), beside)?;
    if is_same_but_for_the_image(before, &after) && after.recipe.container.as_deref() == Some(image)
    {
        return Ok(pinned.text);
    }
    let what = format!("with {} the recipe would be another one", shown(image));
    Err(Mistake::new(what).at(&source.origin).hint("edit `container` by hand"))
}

fn is_same_but_for_the_image(before: &Reading, after: &Reading) -> bool {
    let without = |reading: &Reading| {
        let mut reading = reading.clone();
        reading.recipe.container = None;
        reading.recipe.source.text = String::new();
        reading
    };
    without(before) == without(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(text: &str) -> Result<String, Mistake> {
        let source = Source { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
        let before = read_as(&source, &Wishes::default(), &|_| Ok(None)).expect("readable");
        let image = before.recipe.container.clone().expect("an image");
        written(&source, &before, &by_digest(&image, "sha256:D"), &|_| Ok(None))
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
    fn an_image_that_stands_elsewhere_or_otherwise_is_left_alone() {
        for text in
            ["x: &a a/b:c\nmodel: m\ncontainer: *a\n", "model: m\ncontainer: \"a\\x2fb:c\"\n"]
        {
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
