//! Life: a real clock, a real address, and the machine that longhaul runs on.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Wish;
use super::door::wire;
use super::simulated::Simulated;
use super::under_test::UnderTest;
use crate::command::drive::{Setting, Specs, prepare};
use crate::error::Mistake;
use crate::http::{Address, Http};
use crate::journal::manifest::{Anchor, Node};
use crate::journal::{Journal, Manifest};
use crate::observe::{Nearby, here, place};
use crate::run::WallClock;
use crate::secret::Secrets;
use crate::sim::world::BoxSensor;
use crate::target::Attached;
use crate::timeline::{Timeline, wall_text};

/// A server at an address, the simulated one on a thread of its own among them.
pub struct Life {
    wire: Http,
    timeline: Timeline,
    address: String,
    secrets: Rc<Secrets>,
    sim: Option<Simulated>,
}

impl Life {
    /// Starts the simulated server where one is wanted, and finds the way to the server.
    ///
    /// # Errors
    /// An ailment that there is not, an address, a key or a certificate that cannot be used.
    pub fn begin(wish: &Wish, specs: &Specs) -> Result<Life, Mistake> {
        let seed = wish.drive.asked.seed;
        let (planned_us, _) = prepare::planned_us(specs, seed);
        let start = || Simulated::start(&wish.drive.ailments, seed, specs, planned_us);
        let sim = specs.simulate.then(start).transpose()?;
        let timeline = Timeline::start();
        let (wire, address, secrets) = wire(wish, sim.as_ref(), timeline)?;
        Ok(Life { wire, timeline, address, secrets, sim })
    }
}

impl Setting for Life {
    type Wire = Http;
    type Target = UnderTest;
    type Sink = Journal;

    fn wire(&self) -> Http {
        self.wire.clone()
    }

    fn target(&self) -> UnderTest {
        match &self.sim {
            Some(sim) => UnderTest::Simulated(Box::new(sim.target(self.timeline))),
            None => UnderTest::Attached(Attached::new(self.timeline)),
        }
    }

    fn timeline(&self) -> Timeline {
        self.timeline
    }

    fn wall(&self) -> WallClock {
        let timeline = self.timeline;
        Box::new(move |_| timeline.wall_now_us())
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn secrets(&self) -> Rc<Secrets> {
        self.secrets.clone()
    }

    fn node(&self) -> Node {
        Node {
            host: here::host().unwrap_or_default(),
            role: "load".to_owned(),
            kernel: here::kernel(),
            driver: here::driver(),
            clocks: None,
        }
    }

    fn anchor(&self) -> Anchor {
        Anchor {
            segment: 0,
            wall_us: self.timeline.wall_us(),
            monotonic_us: here::uptime_us(),
            boot_id: here::boot_id(),
        }
    }

    /// Says when, what and how.
    fn folder(&self, recipe: &str, scenario: &str) -> PathBuf {
        let start = wall_text(self.timeline.wall_us());
        let start = start.split('.').next().unwrap_or(&start).replace(':', "-");
        Path::new("runs").join(format!("{start}-{recipe}-{scenario}"))
    }

    fn journal(&self, folder: &Path, manifest: &Manifest) -> Result<Journal, Mistake> {
        Journal::create(folder, manifest)
    }

    fn boxes(&self) -> Vec<BoxSensor> {
        self.sim.as_ref().map(Simulated::boxes).unwrap_or_default()
    }

    /// A simulated server's box has sensors of its own.
    fn nearby(&self) -> Vec<Nearby> {
        let Ok(address) = Address::parse(&self.address) else { return Vec::new() };
        match address.host() {
            _ if self.sim.is_some() => Vec::new(),
            host if place::is_here(host) => Nearby::all(self.timeline, None),
            host => Nearby::elsewhere(self.timeline, host),
        }
    }

    fn load_began(&self) {
        if let Some(sim) = &self.sim {
            sim.load_began();
        }
    }

    fn is_live(&self) -> bool {
        true
    }

    async fn broke(&self) -> String {
        std::future::pending().await
    }
}
