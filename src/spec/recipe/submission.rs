//! What an Arena submission tells of the run beside its recipe: which image
//! really ran, which versions, on what. Read from its `metadata.json`, of
//! which every part may be missing.

use crate::escape::one_line;
use crate::spec::node::python::{Python, json};

use super::pins::{Image, is_digest};

/// Bounds a file that is read for a few words.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Bounds a foreign value.
const VALUE_CHARS_MAX: usize = 200;

/// What is told, by the words for people.
const TOLD: [(&str, &str, &str); 16] = [
    ("ran", "recipe", "container"),
    ("model revision", "model", "revision"),
    ("quantization", "model", "quantization"),
    ("KV cache", "model", "kv_dtype"),
    ("nodes", "cluster", "node_count"),
    ("tensor parallel", "cluster", "tp"),
    ("pipeline parallel", "cluster", "pp"),
    ("data parallel", "cluster", "dp"),
    ("framework", "benchmark", "framework"),
    ("profile", "benchmark", "profile"),
    ("resumed", "benchmark", "resumed"),
    ("measured", "benchmark", "measured_at"),
    ("began", "timing", "start"),
    ("ended", "timing", "end"),
    ("took", "timing", "duration"),
    ("sparkrun", "sparkrun", "version"),
];

/// What a submission tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Submission {
    /// The image that ran, by digest.
    pub pinned: Option<String>,
    /// What the server said of itself: engine, libraries, build.
    pub versions: Vec<(String, String)>,
    /// All the rest, for people.
    pub told: Vec<(String, String)>,
    /// Whether its results, `benchmark.csv`, lie beside it.
    pub has_results: bool,
}

impl Submission {
    /// The version of a runtime.
    pub fn version_of(&self, runtime: &str) -> Option<&str> {
        let plain = |name: &str| name.replace(['-', '.'], "_").to_ascii_lowercase();
        let wanted = plain(runtime);
        self.versions
            .iter()
            .find(|(name, _)| plain(name) == wanted)
            .map(|(_, version)| version.as_str())
    }
}

/// Reads a `metadata.json`.
///
/// # Errors
/// Why it is none, in one sentence.
pub fn read(text: &str) -> Result<Submission, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("larger than {} MiB", TEXT_BYTES_MAX >> 20));
    }
    let Some(root @ Python::Map(_)) = json::loads(text) else {
        return Err("no JSON object".to_owned());
    };
    let part = |section: &str, key: &str| said(root.get(section)?.get(key)?);
    let told = TOLD
        .iter()
        .filter_map(|(name, section, key)| Some(((*name).to_owned(), part(section, key)?)))
        .collect();
    let versions = match root.get("runtime_info") {
        Some(Python::Map(pairs)) => {
            pairs.iter().filter_map(|(key, value)| Some((said(key)?, said(value)?))).collect()
        }
        _ => Vec::new(),
    };
    let images = ["container_pinned", "container", "raw_container"];
    let pinned = images
        .iter()
        .filter_map(|key| part("recipe", key))
        .find(|image| Image::of(image).digest.is_some_and(is_digest));
    Ok(Submission { pinned, versions, told, has_results: false })
}

/// A single value as text, where it says something.
fn said(value: &Python) -> Option<String> {
    match value {
        Python::None | Python::Map(_) | Python::List(_) => None,
        Python::Text(text) if text.is_empty() => None,
        other => Some(one_line(&other.str(), VALUE_CHARS_MAX)),
    }
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
        assert_eq!(found.version_of("vllm"), Some("0.20.0"));
        let told: Vec<_> =
            found.told.iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(told, ["ran a/b:latest", "nodes 2"]);
        assert_eq!(read("{}"), Ok(Submission::default()));
        assert_eq!(read("{\"recipe\": {\"container_pinned\": true}}").unwrap().pinned, None);
        assert!(read("[]").is_err() && read("{").is_err());
    }
}
