//! What is around a load: the server and the way to it, the clock, and the
//! machine that drives. A run and a rehearsal make it each in its own way.

use std::path::{Path, PathBuf};

use crate::fact::{Fact, Opened};
use crate::journal::manifest::{Anchor, RunNode};
use crate::plan::forecast::Sight;
use crate::run::WallClock;
use crate::secret::Secrets;
use crate::timeline::{Timeline, wall_text};
use crate::world::{LocalFuture, Sensor, Wire};

/// What is around a load.
pub(crate) struct Environment<W: Wire> {
    /// How requests travel.
    pub wire: W,
    /// The server's address, as people should read it.
    pub address: String,
    /// What must never be written.
    pub secrets: Secrets,
    /// Whether longhaul starts the server, so that its failure to come up is a verdict.
    pub is_ours: bool,
    /// What of the server is seen from here; whether it has metrics, it is not yet asked.
    pub sight: Sight,
    /// What a target added to the recipe's command.
    pub added: Vec<String>,
    /// The clock, anchored when the environment was made.
    pub timeline: Timeline,
    /// The wall clock.
    pub wall: WallClock,
    /// Whether time is virtual: nobody waits, and all rehearsals begin at the same instant.
    pub rehearsed: bool,
    /// The machine that drives.
    pub node: RunNode,
    /// What ties the offsets of the first segment to the wall clock.
    pub anchor: Anchor,
    /// Makes what looks at the server's box, once the server answers.
    pub sensors: Box<dyn FnOnce() -> Vec<Box<dyn Sensor>>>,
    /// Called when the load begins.
    pub load_began: Box<dyn Fn()>,
    /// Done, with the reason, when the environment itself breaks.
    pub broke: LocalFuture<'static, String>,
}

impl<W: Wire> Environment<W> {
    /// The first fact of a run.
    pub(crate) fn opened(&self, simulated: bool) -> Fact {
        Fact::Opened(Opened {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            simulated,
            wall_us: self.timeline.wall_us(),
            boot_id: self.anchor.boot_id.clone(),
            endpoint: self.address.clone(),
        })
    }

    /// The run folder where the user names none: a run's says when it began. A number tells
    /// rehearsals apart; it stands nowhere inside, so that two of one seed are the same.
    pub(crate) fn folder(&self, recipe: &str, scenario: &str) -> PathBuf {
        let runs = Path::new("runs");
        if self.rehearsed {
            let name = |n: u32| runs.join(format!("rehearsed-{recipe}-{scenario}-{n}"));
            return (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0));
        }
        let start = wall_text(self.timeline.wall_us());
        let start = start.split('.').next().unwrap_or(&start).replace(':', "-");
        runs.join(format!("{start}-{recipe}-{scenario}"))
    }
}
