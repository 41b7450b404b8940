//! The runtime's version, wherever a recipe says it.

use super::{Finding, Grade, Image, Seen};
use crate::spec::field::shown;

/// What is found of it.
pub fn finding(seen: &Seen<'_>) -> Finding {
    let what = "runtime version";
    let places = &seen.reading.places;
    let told = |version: &str, by: &str| format!("{version}, by {by}");
    if let Some(version) = seen.submission.and_then(|told| told.version_of(seen.engine.word())) {
        return Finding::new(what, Grade::Pinned, told(&shown(version), "its submission"));
    }
    let own = seen.reading.version_key.zip(seen.reading.recipe.runtime_version.as_deref());
    if let Some((key, version)) = own {
        let by = if key.contains('.') { "its metadata" } else { "the recipe" };
        return Finding::new(what, Grade::Pinned, told(&shown(version), by)).at(places.key(key));
    }
    let container = seen.reading.recipe.container.as_deref().unwrap_or_default();
    if let Some(version) = Image::of(container).version() {
        let place = places.key("container");
        return Finding::new(what, Grade::Dated, told(&shown(version), "the image's tag"))
            .at(place);
    }
    let why = "nothing says it; a run asks the server";
    Finding::new(what, Grade::Unknown, why).hint(
        "note it as runtime_version, there or under metadata: a run compares the server's with it",
    )
}
