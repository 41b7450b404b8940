//! Pins a recipe's image by digest without any other change to its text.

use std::ops::Range;

use super::pins::{Grade, Image, is_digest};
use super::read::saved;
use super::{ReadInclude, ReadOptions, ReadRecipe, SpecFile, read_as};
use crate::error::Mistake;
use crate::spec::field::{document, shown};
use crate::spec::node::python::{Python, json};

/// Key of the recipe's own image among [`images`]; it runs wherever no other image is set.
pub(crate) const OWN: &str = "container";

pub(crate) fn is_pinned(image: &str) -> bool {
    Image::of(image).grade().0 == Grade::Pinned
}

pub(crate) fn by_digest(image: &str, digest: &str) -> String {
    format!("{}@{digest}", Image::of(image).name)
}

/// Returns the digest under the image's own name, among the names that an engine reports.
pub(crate) fn own_digest<'a>(image: &str, names: &'a [String]) -> Option<&'a str> {
    let wanted = Image::of(image).plain_name();
    let names = names.iter().map(|name| Image::of(name));
    let own = names.filter(|name| name.plain_name() == wanted).filter_map(|name| name.digest);
    own.into_iter().find(|digest| is_digest(digest))
}

/// Returns every image of a recipe with the place that names it.
pub(crate) fn images(reading: &ReadRecipe) -> Vec<(String, String)> {
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

/// Returns the recipe's text with its own image replaced in place.
pub(crate) fn written(
    source: &SpecFile,
    before: &ReadRecipe,
    image: &str,
    name: &str,
    load: ReadInclude<'_>,
) -> Result<String, Mistake> {
    let wrong = |what: String| Mistake::new(what).at(&source.origin).hint("edit it by hand");
    let at = place_of(source, image)?
        .ok_or_else(|| wrong(format!("{} does not stand there letter by letter", shown(image))))?;
    let mut text = source.text.clone();
    text.replace_range(at, name);
    let pinned = SpecFile { text, ..source.clone() };
    let after = read_as(&pinned, &ReadOptions::default(), load)?.recipe;
    if after.container.as_deref() == Some(name) && after.command == before.recipe.command {
        return Ok(pinned.text);
    }
    Err(wrong("with its image by digest the recipe would be another one".to_owned()))
}

fn place_of(source: &SpecFile, image: &str) -> Result<Option<Range<usize>>, Mistake> {
    let span = match saved(source)? {
        Some(line) => Some(line.image_at),
        None => document(source)?.root.get(OWN).map(|node| node.span.clone()),
    };
    // Quotes around it stay.
    let Some(span) = span else { return Ok(None) };
    let mut found = source.text[span.clone()].match_indices(image);
    let at = found.next().filter(|_| found.next().is_none()).map(|(at, _)| span.start + at);
    Ok(at.map(|at| at..at + image.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(text: &str) -> Result<String, Mistake> {
        let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
        let before = read_as(&source, &ReadOptions::default(), &|_| Ok(None)).expect("readable");
        let image = before.recipe.container.clone().expect("an image");
        written(&source, &before, &image, &by_digest(&image, "sha256:D"), &|_| Ok(None))
    }

    #[test]
    fn only_the_image_changes_byte_for_byte() {
        for text in [
            "# é\r\nmodel: m\r\ncontainer:   \"IMAGE\"   # why\r\ncommand: vllm serve IMAGE\r\n",
            "container: old\nmodel: m\ncontainer: IMAGE",
            "{model: m, container: 'IMAGE', defaults: {container: IMAGE}}\n",
            "docker run \"IMAGE\" \\\r\n  vllm serve m\r\n",
            "docker run 'IMAGE' m\n",
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
        assert!(pinned("model: m\ncontainer: \"a\\x2fb:c\"\n").is_err());
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
