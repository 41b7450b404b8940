//! Defines the environment of a load: the server and the wire to it, the clock, and the machine
//! that drives. A run and a rehearsal each create it in their own way.

use std::path::{Path, PathBuf};

use crate::fact::{Fact, Opened};
use crate::journal::Manifest;
use crate::journal::manifest::{Anchor, RunNode};
use crate::plan::forecast::ObservedSources;
use crate::run::WallClock;
use crate::secret::Secrets;
use crate::timeline::{Timeline, wall_text};
use crate::world::{LocalFuture, Sensor, Standstills, Wire};

/// Environment of a load.
pub(crate) struct Environment<W: Wire> {
    /// Wire for requests.
    pub wire: W,
    /// Server's address, in the form shown to people.
    pub address: String,
    /// Values that must never be written.
    pub secrets: Secrets,
    /// Whether longhaul starts the server, so that its failure to come up is a verdict.
    pub is_ours: bool,
    /// Whether a host without a known address is waited for.
    pub waits_for_host: bool,
    /// Sources of events that can be read from here; whether metrics can is not known yet.
    pub sight: ObservedSources,
    /// Additions of a target to the recipe's command.
    pub added: Vec<String>,
    /// Clock, anchored when the environment was created.
    pub timeline: Timeline,
    /// Wall clock.
    pub wall: WallClock,
    /// Times in which longhaul itself stood still.
    pub standstills: Standstills,
    /// Whether time is virtual: no real waits, and all rehearsals begin at the same instant.
    pub rehearsed: bool,
    /// Machine that drives.
    pub node: RunNode,
    /// Anchor that ties the offsets of the first segment to the wall clock.
    pub anchor: Anchor,
    /// Creates the sensors of the server's machine, once the server answers.
    pub sensors: Box<dyn FnOnce() -> Vec<Box<dyn Sensor>>>,
    /// Called when the load begins.
    pub load_began: Box<dyn Fn()>,
    /// Completes, with the reason, when the environment itself fails.
    pub broke: LocalFuture<'static, String>,
}

impl<W: Wire> Environment<W> {
    /// Returns the first fact of a run.
    pub(crate) fn opened(&self, manifest: &Manifest) -> Fact {
        Fact::Opened(Opened {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            simulated: manifest.simulated,
            wall_us: self.timeline.wall_us(),
            boot_id: self.anchor.boot_id.clone(),
            endpoint: self.address.clone(),
            run: manifest.run.clone(),
        })
    }

    /// Returns the default run folder. A run's name says when it began. A rehearsal's has a number,
    /// which is in no file, so that two rehearsals of one seed are the same.
    pub(crate) fn folder(&self, recipe: &str, scenario: &str) -> PathBuf {
        let runs = Path::new("runs");
        if self.rehearsed {
            let name = |n: u32| runs.join(format!("rehearsed-{recipe}-{scenario}-{n}"));
            return (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0));
        }
        dated_folder(self.timeline.wall_us(), recipe, scenario)
    }
}

/// Returns the default folder of a run that began at a wall time.
pub(crate) fn dated_folder(wall_us: u64, recipe: &str, scenario: &str) -> PathBuf {
    let start = wall_text(wall_us);
    let start = start.split('.').next().unwrap_or(&start).replace(':', "-");
    Path::new("runs").join(format!("{start}-{recipe}-{scenario}"))
}
