//! The runtime's version, wherever a recipe says it.

use super::{Finding, Grade, Image, Seen};
use crate::spec::field::shown;

/// Keys under `metadata` that name it.
const NAMES: [&str; 5] =
    ["runtime_version", "engine_version", "vllm_version", "sglang_version", "llama_cpp_version"];

/// What is found of it.
pub fn finding(seen: &Seen<'_>) -> Finding {
    let what = "runtime version";
    let places = &seen.reading.places;
    let told = |version: &str, by: &str| format!("{version}, by {by}");
    if let Some(version) = seen.submission.and_then(|told| told.version_of(seen.engine.word())) {
        return Finding::new(what, Grade::Pinned, told(&shown(version), "its submission"));
    }
    if let Some(version) = seen.key("runtime_version") {
        let place = places.key("runtime_version");
        return Finding::new(what, Grade::Pinned, told(&shown(version), "the recipe")).at(place);
    }
    for name in NAMES {
        if let Some(version) = seen.part("metadata", name) {
            let place = places.key(&format!("metadata.{name}"));
            return Finding::new(what, Grade::Pinned, told(&shown(&version), "its metadata"))
                .at(place);
        }
    }
    let container = seen.reading.recipe.container.as_deref().unwrap_or_default();
    if let Some(version) = Image::of(container).version() {
        let place = places.key("container");
        return Finding::new(what, Grade::Dated, told(&shown(version), "the image's tag"))
            .at(place);
    }
    let why = "nothing says it; a run asks the server";
    Finding::new(what, Grade::Unknown, why).hint("note it under metadata, as runtime_version")
}
