//! The stage: a setting and what looks at it, as a world to run in.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::coming::Coming;
use crate::error::Mistake;
use crate::fact::Source;
use crate::journal::Manifest;
use crate::journal::manifest::{Anchor, Node};
use crate::observe::Nearby;
use crate::observe::engine::EngineSensor;
use crate::run::WallClock;
use crate::secret::Secrets;
use crate::sim::world::BoxSensor;
use crate::timeline::Timeline;
use crate::world::{Look, Seams, Sensor, Sink, Target, Wire, World};

/// Where a run takes place: what life and a rehearsal have each in its own way.
pub trait Setting {
    /// How requests travel.
    type Wire: Wire;
    /// What is under test.
    type Target: Target;
    /// Who writes the run folder.
    type Sink: Sink;

    /// The way to the server.
    fn wire(&self) -> Self::Wire;

    /// What is under test; asked for once.
    fn target(&self) -> Self::Target;

    /// Whether longhaul starts it, so that its failure to come up is a verdict.
    fn starts(&self) -> bool {
        false
    }

    /// Whether somebody follows the server's log, and whether the kernel of its box can be asked.
    fn sees(&self) -> (bool, bool);

    /// What a target added to the recipe's command.
    fn added(&self) -> Vec<String> {
        Vec::new()
    }

    /// The clock, anchored when the setting was made.
    fn timeline(&self) -> Timeline;

    /// What the wall clock says.
    fn wall(&self) -> WallClock;

    /// The server's address, as people should read it.
    fn address(&self) -> &str;

    /// What must never be written.
    fn secrets(&self) -> Rc<Secrets>;

    /// The machine that drives.
    fn node(&self) -> Node;

    /// What ties the offsets of the first segment to the wall clock.
    fn anchor(&self) -> Anchor;

    /// The run folder where the user names none.
    fn folder(&self, recipe: &str, scenario: &str) -> PathBuf;

    /// Makes the run folder.
    ///
    /// # Errors
    /// It is in use, is not empty, or cannot be written.
    fn journal(&self, folder: &Path, manifest: &Manifest) -> Result<Self::Sink, Mistake>;

    /// What looks at the box of a simulated server.
    fn boxes(&self) -> Vec<BoxSensor>;

    /// What looks at the box of a real one.
    fn nearby(&self) -> Vec<Nearby> {
        Vec::new()
    }

    /// The load begins.
    fn load_began(&self);

    /// Whether somebody sits and waits while the server is waited for.
    fn is_live(&self) -> bool;

    /// Returns when the setting itself breaks, and says why.
    fn broke(&self) -> impl Future<Output = String>;
}

/// A setting as a world.
pub struct Stage<S: Setting> {
    /// How requests travel.
    pub wire: S::Wire,
    /// What is under test.
    pub target: Coming<S::Target>,
    /// What looks at the server.
    pub sensors: Vec<Eye<S::Wire>>,
    /// Where entries go.
    pub sink: S::Sink,
}

impl<S: Setting> World for Stage<S> {
    type Wire = S::Wire;
    type Target = Coming<S::Target>;
    type Sensor = Eye<S::Wire>;
    type Sink = S::Sink;

    fn open(self) -> Seams<Stage<S>> {
        Seams { wire: self.wire, target: self.target, sensors: self.sensors, sink: self.sink }
    }
}

/// Everything that looks at a server from here.
pub enum Eye<W: Wire> {
    /// The engine's metrics or health.
    Engine(EngineSensor<W>),
    /// The box of a simulated server.
    Box(BoxSensor),
    /// The box of a real one.
    Near(Nearby),
}

impl<W: Wire> Sensor for Eye<W> {
    fn source(&self) -> Source {
        match self {
            Eye::Engine(sensor) => sensor.source(),
            Eye::Box(sensor) => sensor.source(),
            Eye::Near(sensor) => sensor.source(),
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Eye::Engine(sensor) => sensor.what(),
            Eye::Box(sensor) => sensor.what(),
            Eye::Near(sensor) => sensor.what(),
        }
    }

    fn cadence_us(&self) -> u64 {
        match self {
            Eye::Engine(sensor) => sensor.cadence_us(),
            Eye::Box(sensor) => sensor.cadence_us(),
            Eye::Near(sensor) => sensor.cadence_us(),
        }
    }

    async fn look(&mut self) -> Result<Look, String> {
        match self {
            Eye::Engine(sensor) => sensor.look().await,
            Eye::Box(sensor) => sensor.look().await,
            Eye::Near(sensor) => sensor.look().await,
        }
    }
}
