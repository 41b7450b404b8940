//! Defines `run.json`: the description of a run, and everything needed to repeat it. Written at the
//! start and whenever more is known, always by rename.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::sha256;
use crate::escape::json;
use crate::fact::{Abilities, Segment};
use crate::spec::SpecFile;
use crate::spec::recipe::DeclaredSettings;

/// Schema version of the run folder that this longhaul writes, and the newest that it reads.
pub(crate) const SCHEMA: u32 = 2;

/// Manifest of a run. Keys may be added, never renamed; unknown values are `null` or empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Manifest {
    /// Schema version of the run folder's formats.
    pub schema: u32,
    /// Identity of the run, which the `opened` rows of its journal repeat; empty in schema 1.
    pub run: String,
    /// Version of longhaul.
    pub longhaul: String,
    /// Whether the server is longhaul's simulated server, also behind an address.
    pub simulated: bool,
    /// Recipe that is served.
    pub recipe: SpecText,
    /// Scenario: the load, and what must hold.
    pub scenario: SpecText,
    /// Changes that flags made to the two.
    pub overrides: Value,
    /// Machine profile, if one was used.
    pub profile: Option<SpecText>,
    /// Faults of the simulated server, as given.
    pub ailments: Vec<String>,
    /// Container image of the recipe, as written.
    pub container: Option<String>,
    /// Command that the recipe renders to, where it has one.
    pub command: Option<String>,
    /// Settings that the recipe declares, by its command and environment.
    pub declared: DeclaredSettings,
    /// Additions of a target to that command.
    pub added: Vec<String>,
    /// Seed of the load.
    pub seed: u64,
    /// Seed of the simulated server's noise, where it is another one.
    pub server_seed: Option<u64>,
    /// Number in the heads of all prompts that keeps those of earlier runs out of the server's
    /// cache; `None` where a salt does that, and in a rehearsal.
    pub nonce: Option<u64>,
    /// Fingerprint of the plan, not of what was sent.
    pub plan_fingerprint: String,
    /// Resolved plan: depths, laps, limits.
    pub plan: Value,
    /// Warnings of recipe, scenario and plan.
    pub warnings: Vec<String>,
    /// SHA-256 of each text that prompts are cut from, by name.
    pub corpus: BTreeMap<String, String>,
    /// Method by which prompt lengths were fitted.
    pub fit: Value,
    /// Arm and start of a sweep, where the run is part of one.
    pub sweep: Option<SweepPosition>,
    /// Constant null: a key of the format that no version has written a value to.
    pub shard: (),
    /// Abilities of the server.
    pub abilities: Abilities,
    /// Identity that the server reports.
    pub server: ServerIdentity,
    /// Machines that take part.
    pub nodes: Vec<RunNode>,
    /// Segments of the run; one more after each resume.
    pub segments: Vec<Anchor>,
    /// Command line that repeats the run.
    pub again: String,
    /// Names of the headers that were given for every request, without their values.
    pub headers: Vec<String>,
    /// Seals of the CSV files, by name; empty until the run is closed.
    pub files: BTreeMap<String, FileSeal>,
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest {
            schema: SCHEMA,
            run: String::new(),
            longhaul: env!("CARGO_PKG_VERSION").to_owned(),
            simulated: false,
            recipe: SpecText::default(),
            scenario: SpecText::default(),
            overrides: Value::Null,
            profile: None,
            ailments: Vec::new(),
            container: None,
            command: None,
            declared: DeclaredSettings::default(),
            added: Vec::new(),
            seed: 0,
            server_seed: None,
            nonce: None,
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
            headers: Vec::new(),
            files: BTreeMap::new(),
        }
    }
}

impl Manifest {
    /// Returns the start of the run: wall time of the first segment's anchor, in microseconds since
    /// 1970.
    pub(crate) fn start_us(&self) -> u64 {
        self.segments.first().map_or(0, |anchor| anchor.wall_us)
    }

    /// Returns the wall time of a segment's anchor, in microseconds since 1970.
    pub(crate) fn anchor_us(&self, segment: Segment) -> u64 {
        let anchor = self.segments.iter().rfind(|anchor| anchor.segment == segment);
        anchor.map_or_else(|| self.start_us(), |anchor| anchor.wall_us)
    }

    /// Returns an identity that a run shares with its copies and with no other run: when and where
    /// it began and, as rehearsals all begin at the same instant, what was rehearsed.
    pub(crate) fn fingerprint(&self) -> String {
        let begin = self.segments.first();
        let parts = serde_json::json!([
            begin.map(|it| (it.wall_us, it.monotonic_us, it.boot_id.clone())),
            self.nodes.iter().map(|node| &node.host).collect::<Vec<_>>(),
            [&self.recipe.sha256, &self.scenario.sha256, &self.plan_fingerprint],
            [self.seed, self.server_seed.unwrap_or(self.seed)],
            [&self.overrides, &self.fit],
            [&self.container, &self.command],
            self.profile.as_ref().map(|profile| &profile.sha256),
            self.ailments,
        ]);
        sha256(parts.to_string().as_bytes())
    }

    /// Gives the run its identity, once everything that the fingerprint is made of is known.
    pub(crate) fn identify(&mut self) {
        self.run = self.fingerprint().chars().take(16).collect();
    }

    /// Serialises the manifest. Its last key `crc` is the CRC-32 of all bytes before the last
    /// comma, as in a row.
    pub(crate) fn to_json(&self) -> Result<String, String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        let text = json(&text);
        let body = text.strip_suffix("\n}").unwrap_or(&text);
        Ok(format!("{body},{}", crc_line(body)))
    }

    /// Parses a manifest, and returns why its text is not as longhaul wrote it, where it is not.
    pub(crate) fn parse(text: &str) -> Result<(Manifest, Option<String>), serde_json::Error> {
        let manifest: Manifest = serde_json::from_str(text)?;
        let changed = manifest.changed(text);
        Ok((manifest, changed))
    }

    /// Returns what shows that the text of the manifest was changed, if anything does.
    fn changed(&self, text: &str) -> Option<String> {
        let sealed = text.rsplit_once(',').filter(|(_, end)| end.starts_with("\n  \"crc\": "));
        match sealed {
            // Schema 1 has no seal.
            None if self.is_unsealed() => return None,
            None => return Some("run.json has no checksum".to_owned()),
            Some((body, end)) if end != crc_line(body) => {
                return Some("run.json was changed after it was written".to_owned());
            }
            Some(_) => {}
        }
        let texts = [("recipe", &self.recipe), ("scenario", &self.scenario)];
        let mut texts = texts.into_iter().chain(self.profile.iter().map(|it| ("profile", it)));
        let (name, _) = texts.find(|(_, it)| !it.is_as_kept())?;
        Some(format!("the {name} in run.json is not the one that was kept"))
    }

    /// Whether the manifest is of a schema that has no checksums.
    pub(crate) fn is_unsealed(&self) -> bool {
        self.schema < 2 && self.run.is_empty()
    }
}

/// Returns the last line of a manifest: the checksum of what stands before it.
fn crc_line(body: &str) -> String {
    format!("\n  \"crc\": \"{:08x}\"\n}}\n", crc32fast::hash(body.as_bytes()))
}

/// Seal of a file that is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FileSeal {
    /// Length of the file, in bytes.
    pub bytes: u64,
    /// CRC-32 of these bytes, 8 hexadecimal digits.
    pub crc: String,
}

/// Input file, with its whole text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SpecText {
    /// Name for people.
    pub name: String,
    /// Origin: path, reference, or built in.
    pub origin: String,
    pub text: String,
    /// SHA-256 of the text as it was read, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of `text`, from which secrets may have been removed; empty in schema 1.
    pub kept_sha256: String,
}

impl SpecText {
    /// Whether the text has its digest. A run without a recipe has neither.
    fn is_as_kept(&self) -> bool {
        let has_none = self.text.is_empty() && self.kept_sha256.is_empty();
        has_none || self.kept_sha256 == sha256(self.text.as_bytes())
    }

    /// Creates the entry of an input file.
    pub(crate) fn of(source: &SpecFile) -> SpecText {
        SpecText {
            name: source.name.clone(),
            origin: source.origin.clone(),
            text: source.text.clone(),
            sha256: sha256(source.text.as_bytes()),
            kept_sha256: sha256(source.text.as_bytes()),
        }
    }
}

/// Identity that the server reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServerIdentity {
    /// Address that is driven.
    pub endpoint: String,
    /// Engine, as far as it is known: `vllm`, `sglang` …
    pub engine: Option<String>,
    /// Version from `/version`.
    pub version: Option<String>,
    /// Model that requests name.
    pub model: String,
    /// All models that `/v1/models` lists.
    pub models: Vec<String>,
    /// Longest prompt and answer together, in tokens.
    pub max_model_len: Option<u64>,
}

/// Machine that takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RunNode {
    pub host: String,
    /// Role: `load`, `server`.
    pub role: String,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Version of the GPU driver.
    pub driver: Option<String>,
    /// Frequency settings of its clocks.
    pub clocks: Option<String>,
}

/// Anchor of a segment: ties its offsets to the wall clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Anchor {
    /// Segment number: 0, then one more after each resume.
    pub segment: Segment,
    /// Wall time of the anchor, microseconds since 1970. All offsets of the segment count from it.
    pub wall_us: u64,
    /// Monotonic clock at the anchor, in microseconds since boot, where it can be read.
    pub monotonic_us: Option<u64>,
    /// Boot id of the kernel, where it can be read.
    pub boot_id: Option<String>,
}

/// Position of a run in a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SweepPosition {
    /// Name of the arm.
    pub arm: String,
    /// Start of the arm, counted from 0.
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

    #[test]
    fn a_number_of_the_fit_or_the_plan_is_read_back_to_its_last_bit() {
        let numbers = ["4.143139993007743e-10", "5.342941874643207e-14", "9.16831226165178e-15"];
        let numbers = numbers.map(|number| number.parse::<f64>().unwrap());
        let manifest = Manifest { fit: serde_json::json!(numbers), ..Manifest::default() };
        let (again, _) = Manifest::parse(&manifest.to_json().unwrap()).unwrap();
        assert_eq!(again, manifest);
    }
}
