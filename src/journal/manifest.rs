//! `run.json`: what the run is, and everything needed to do it again. Written
//! at the start and whenever more is known, always by rename.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::sha256;
use crate::fact::{Abilities, Segment};
use crate::spec::SpecFile;

/// The version of the run folder that this longhaul writes, and the newest that it reads.
pub(crate) const SCHEMA: u32 = 1;

/// What a run is. Keys may be added, never renamed; what is not known is `null` or empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Manifest {
    /// The version of the run folder's formats.
    pub schema: u32,
    /// Version of longhaul.
    pub longhaul: String,
    /// Whether the server is longhaul's own model of one.
    pub simulated: bool,
    /// What is served.
    pub recipe: SpecText,
    /// What is asked of it, and what must hold.
    pub scenario: SpecText,
    /// What flags changed of the two.
    pub overrides: Value,
    /// The machine profile, if one was used.
    pub profile: Option<SpecText>,
    /// Faults of the simulated server, as given.
    pub ailments: Vec<String>,
    /// The container image of the recipe, as written.
    pub container: Option<String>,
    /// The command that the recipe renders to, where it has one.
    pub command: Option<String>,
    /// What a target added to that command.
    pub added: Vec<String>,
    /// What the load was made from.
    pub seed: u64,
    /// What the simulated server's noise was made from, where that is another seed.
    pub server_seed: Option<u64>,
    /// Fingerprint of the plan, not of what was sent.
    pub plan_fingerprint: String,
    /// What the plan resolved to: depths, laps, limits.
    pub plan: Value,
    /// What recipe, scenario and plan had to warn of.
    pub warnings: Vec<String>,
    /// sha256 of each text that prompts are cut from, by name.
    pub corpus: BTreeMap<String, String>,
    /// How prompt lengths were fitted.
    pub fit: Value,
    /// The arm and start of a sweep, where the run is part of one.
    pub sweep: Option<SweepPosition>,
    /// Always null: a key of the format that no version has written a value to.
    pub shard: (),
    /// What the server can do.
    pub abilities: Abilities,
    /// What the server says it is.
    pub server: ServerIdentity,
    /// The boxes that take part.
    pub nodes: Vec<RunNode>,
    /// The stretches of the run; one more after each resume.
    pub segments: Vec<Anchor>,
    /// The command line that does the run again.
    pub again: String,
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest {
            schema: SCHEMA,
            longhaul: env!("CARGO_PKG_VERSION").to_owned(),
            simulated: false,
            recipe: SpecText::default(),
            scenario: SpecText::default(),
            overrides: Value::Null,
            profile: None,
            ailments: Vec::new(),
            container: None,
            command: None,
            added: Vec::new(),
            seed: 0,
            server_seed: None,
            plan_fingerprint: String::new(),
            plan: Value::Null,
            warnings: Vec::new(),
            corpus: BTreeMap::new(),
            fit: Value::Null,
            sweep: None,
            shard: (),
            abilities: Abilities::default(),
            server: ServerIdentity::default(),
            nodes: Vec::new(),
            segments: Vec::new(),
            again: String::new(),
        }
    }
}

impl Manifest {
    /// Wall time of the first segment's anchor, microseconds since 1970: the start of the run.
    pub(crate) fn start_us(&self) -> u64 {
        self.segments.first().map_or(0, |anchor| anchor.wall_us)
    }

    /// Wall time of a segment's anchor, microseconds since 1970.
    pub(crate) fn anchor_us(&self, segment: Segment) -> u64 {
        let anchor = self.segments.iter().rfind(|anchor| anchor.segment == segment);
        anchor.map_or_else(|| self.start_us(), |anchor| anchor.wall_us)
    }

    /// The file's text.
    pub(super) fn to_json(&self) -> Result<String, String> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        text.push('\n');
        Ok(text)
    }
}

/// A file that was handed in, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SpecText {
    /// The name that people use for it.
    pub name: String,
    /// Where it stood.
    pub origin: String,
    pub text: String,
    /// sha256 of that text, hexadecimal.
    pub sha256: String,
}

impl SpecText {
    /// Of a file as it was handed in.
    pub(crate) fn of(source: &SpecFile) -> SpecText {
        SpecText {
            name: source.name.clone(),
            origin: source.origin.clone(),
            text: source.text.clone(),
            sha256: sha256(source.text.as_bytes()),
        }
    }
}

/// What the server says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServerIdentity {
    /// The address that is driven.
    pub endpoint: String,
    /// The engine, as far as it can be told: `vllm`, `sglang` …
    pub engine: Option<String>,
    /// What `/version` said.
    pub version: Option<String>,
    /// The model that is asked.
    pub model: String,
    /// All models that `/v1/models` lists.
    pub models: Vec<String>,
    /// The longest prompt and answer together, tokens.
    pub max_model_len: Option<u64>,
}

/// A box that takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunNode {
    pub host: String,
    /// What it does here: `load`, `server`.
    pub role: String,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The GPU driver's version.
    pub driver: Option<String>,
    /// What its clocks were set to.
    pub clocks: Option<String>,
}

/// A stretch of a run: what ties its offsets to the wall clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Anchor {
    /// 0, then one more after each resume.
    pub segment: Segment,
    /// Wall time of the anchor, microseconds since 1970. All offsets of the segment count from it.
    pub wall_us: u64,
    /// What the kernel's monotonic clock said at the anchor, microseconds since boot, where it can be read.
    pub monotonic_us: Option<u64>,
    /// The kernel's boot id, where it can be read.
    pub boot_id: Option<String>,
}

/// Where a run stands in a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SweepPosition {
    /// The candidate's name.
    pub arm: String,
    /// Which start of it, from 0.
    pub start: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_back_and_one_of_fewer_keys_too() {
        let manifest = Manifest {
            seed: u64::MAX,
            segments: vec![Anchor { wall_us: 7, ..Anchor::default() }],
            recipe: SpecText::of(&SpecFile {
                name: "r".to_owned(),
                origin: "r.yaml".to_owned(),
                text: "abc".to_owned(),
            }),
            ..Manifest::default()
        };
        let text = manifest.to_json().unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        assert_eq!(manifest.recipe.sha256, sha256(b"abc"));
        assert!(manifest.recipe.sha256.starts_with("ba7816bf8f01cfea"), "FIPS 180-2, example B.1");
        assert_eq!((manifest.anchor_us(0), manifest.start_us()), (7, 7));
        let older: Manifest = serde_json::from_str(r#"{"schema":1,"seed":3}"#).unwrap();
        assert_eq!(older.seed, 3);
    }
}
