//! What an Arena submission tells of the run beside its recipe: which image
//! really ran, which versions, on what. Read from its `metadata.json`, of
//! which every part may be missing.

use super::pins::{Image, is_digest};
use crate::escape::one_line;
use crate::spec::node::python::{Python, json};

/// Bounds a foreign value.
const VALUE_CHARS_MAX: usize = 200;

/// What a submission tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Submission {
    /// The image that ran, by digest.
    pub pinned: Option<String>,
    /// What the server said of itself: engine, libraries, build.
    pub versions: Vec<(String, String)>,
    /// Every other single value, by section and key.
    pub told: Vec<(String, String)>,
    /// Whether its results, `benchmark.csv`, lie beside it.
    pub has_results: bool,
}

/// Reads a `metadata.json`.
///
/// # Errors
/// Why it is none, in one sentence.
pub fn read(text: &str) -> Result<Submission, String> {
    let Some(Python::Map(sections)) = json::loads(text) else {
        return Err("no JSON object".to_owned());
    };
    let mut found = Submission::default();
    for (section, values) in &sections {
        let Python::Map(pairs) = values else { continue };
        let is_single = |value: &Python| !matches!(value, Python::Map(_) | Python::List(_));
        let pairs = pairs.iter().filter(|(_, value)| is_single(value) && *value != Python::None);
        for (key, value) in pairs.map(|(key, value)| (key, one_line(&value.str(), VALUE_CHARS_MAX)))
        {
            match section.as_str() {
                _ if value.is_empty() => {}
                "runtime_info" => found.versions.push((key.clone(), value)),
                "recipe" if Image::of(&value).digest.is_some_and(is_digest) => {
                    found.pinned.get_or_insert(value);
                }
                "recipe" if key == "text" => {}
                _ => found.told.push((format!("{section} {key}"), value)),
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_tells_image_versions_and_hardware_and_may_leave_all_of_it_out() {
        let digest = "0".repeat(64);
        let text = format!(
            "{{\"recipe\": {{\"container\": \"a/b:latest\", \"container_pinned\": \"a/b@sha256:{digest}\"}},\n\
             \t\"cluster\": {{\"node_count\": 2, \"hosts\": [\"node-1\"]}}, \"model\": {{\"revision\": null}},\n\
             \"runtime_info\": {{\"vllm\": \"0.20.0\", \"build_x\": \"\"}}, \"more\": 1}}"
        );
        let found = read(&text).unwrap();
        assert_eq!(found.pinned, Some(format!("a/b@sha256:{digest}")));
        assert_eq!(found.versions, [("vllm".to_owned(), "0.20.0".to_owned())]);
        let told: Vec<_> =
            found.told.iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(told, ["recipe container a/b:latest", "cluster node_count 2"]);
        assert_eq!(read("{}"), Ok(Submission::default()));
        assert_eq!(read("{\"recipe\": {\"container_pinned\": true}}").unwrap().pinned, None);
        assert!(read("[]").is_err() && read("{").is_err());
    }
}
