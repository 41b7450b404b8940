//! `run.json`: what a run is, everything needed to do it again. Written anew
//! by rename whenever it changes, so that a power cut leaves the old or the
//! new one, never half of one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fact::Abilities;

/// The manifest's name in the run folder.
pub const NAME: &str = "run.json";
/// The version of its format.
pub const SCHEMA: u32 = 1;

/// What a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// Version of this format.
    pub schema: u32,
    /// Version of longhaul.
    pub longhaul: String,
    /// Whether the server is longhaul's own model of one.
    pub simulated: bool,
    /// What is served.
    pub recipe: Text,
    /// What is asked of it.
    pub scenario: Text,
    /// What flags changed of the scenario.
    pub overrides: Value,
    /// The profile of the simulated machine.
    pub profile: Option<Text>,
    /// Faults of the simulated server, as given.
    pub ailments: Vec<String>,
    /// The recipe's command, rendered.
    pub rendered_command: Option<String>,
    /// What a target added to it.
    pub added: Vec<String>,
    /// The address that is driven.
    pub endpoint: String,
    /// Makes all texts.
    pub seed: u64,
    /// Fingerprint of the plan, not of what was sent.
    pub plan_fingerprint: String,
    /// The cells of a lap in order, what was left out, and how long it is to be.
    pub plan: Value,
    /// What recipe, scenario and plan had to warn of.
    pub warnings: Vec<String>,
    /// The container image of the recipe, as written.
    pub container: Option<String>,
    /// The model, as the server calls it.
    pub model: String,
    /// Fingerprints of the texts that asks are made of.
    pub corpus: Vec<String>,
    /// How lengths are met.
    pub fit: Value,
    /// The arm and start of a sweep, where it is one.
    pub sweep: Option<Value>,
    /// The shard, where several machines drive one server.
    pub shard: Option<Value>,
    /// What the server said of itself.
    pub server: Value,
    /// What it can do.
    pub abilities: Abilities,
    /// The machines that took part.
    pub nodes: Vec<Node>,
    /// The stretches of the run.
    pub segments: Vec<SegmentAnchor>,
    /// The command line that does it again.
    pub again: String,
}

/// A file that went into the run, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Text {
    /// The name people use for it.
    pub name: String,
    /// Where it stood.
    pub origin: String,
    /// Its text.
    pub text: String,
    /// SHA-256 of the text.
    pub sha256: String,
}

/// A machine that took part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// `client`, `server`.
    pub role: String,
    /// Its name.
    pub host: Option<String>,
    /// Its kernel.
    pub kernel: Option<String>,
    /// Its GPU driver.
    pub driver: Option<String>,
}

/// Where a segment's offsets start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SegmentAnchor {
    /// The segment.
    pub segment: u32,
    /// Wall time of its anchor, microseconds since 1970.
    pub wall_us: u64,
    /// Uptime of the machine at its anchor, seconds, where it can be read.
    pub uptime_s: Option<f64>,
    /// The kernel's boot id, where it can be read.
    pub boot_id: Option<String>,
}

/// The kernel's boot id, where it can be read.
pub fn boot_id() -> Option<String> {
    first_line("/proc/sys/kernel/random/boot_id")
}

/// This machine.
pub fn this_node() -> Node {
    Node {
        role: "client".to_owned(),
        host: first_line("/proc/sys/kernel/hostname"),
        kernel: first_line("/proc/sys/kernel/osrelease"),
        driver: first_line("/sys/module/nvidia/version"),
    }
}

/// Seconds since this machine was booted, where it can be read.
pub fn uptime_s() -> Option<f64> {
    first_line("/proc/uptime")?.split(' ').next()?.parse().ok()
}

fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// Writes the manifest: a new file, made durable, then renamed over the old one.
pub fn write(folder: &Path, manifest: &Manifest) -> io::Result<()> {
    let draft = folder.join("run.json.new");
    let mut file = File::create(&draft)?;
    serde_json::to_writer_pretty(&mut file, manifest)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(NAME))?;
    File::open(folder)?.sync_all()
}

/// Reads the manifest of a run folder.
pub fn read(folder: &Path) -> io::Result<Manifest> {
    let text = fs::read(folder.join(NAME))?;
    Ok(serde_json::from_slice(&text)?)
}
