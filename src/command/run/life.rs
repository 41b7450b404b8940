//! Life: a real clock, a real address, and the machine that longhaul runs on.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tokio::task::JoinHandle;

use super::Wish;
use super::boxed::Boxed;
use super::door::wire;
use super::launch::Launch;
use super::simulated::Simulated;
use super::under_test::UnderTest;
use crate::command::drive::{Setting, Specs, prepare};
use crate::command::tell;
use crate::error::Mistake;
use crate::http::{Address, Http};
use crate::journal::manifest::{Anchor, Node};
use crate::journal::{Journal, Manifest};
use crate::observe::{Nearby, here, place};
use crate::run::WallClock;
use crate::secret::Secrets;
use crate::sim::world::BoxSensor;
use crate::target::{Attached, Handle, Left};
use crate::timeline::{Timeline, wall_text};
use crate::unit::At;
use crate::world::Whereabouts;

/// Bounds the end of what longhaul started: asked, killed, removed.
const PUT_AWAY_US: u64 = 300_000_000;

/// A server at an address, the simulated one on a thread of its own among them.
pub struct Life {
    wire: Http,
    timeline: Timeline,
    address: String,
    secrets: Rc<Secrets>,
    sim: Option<Simulated>,
    /// Where its process is, for sensors of this box.
    whereabouts: Whereabouts,
    /// Until the run takes it.
    target: RefCell<Option<Handle>>,
    /// Done when everything that longhaul started is gone.
    task: RefCell<Option<JoinHandle<Left>>>,
    starts: bool,
    /// Whether the target follows its log: not of a process that it did not start.
    follows: bool,
    added: RefCell<Vec<String>>,
}

impl Life {
    /// Starts the simulated server where one is wanted, and finds the way to the server.
    ///
    /// # Errors
    /// An ailment that there is not, an address, a key or a certificate that cannot be used.
    pub fn begin(wish: &Wish, specs: &Specs) -> Result<Life, Mistake> {
        let seed = wish.drive.asked.seed;
        let (planned_us, _) = prepare::planned_us(specs, seed);
        let noise = wish.drive.server_seed();
        let start = || Simulated::start(&wish.drive.ailments, noise, specs, planned_us);
        let sim = specs.simulate.then(start).transpose()?;
        let timeline = Timeline::start();
        let (wire, address, secrets) = wire(wish, sim.as_ref(), timeline)?;
        let starts = wish.boxed.start.is_some();
        let follows = starts || wish.boxed.container.is_some();
        let whereabouts = Whereabouts::default();
        let (target, task) = (RefCell::new(None), RefCell::new(None));
        let added = RefCell::default();
        Ok(Life {
            wire,
            timeline,
            address,
            secrets,
            sim,
            whereabouts,
            target,
            task,
            starts,
            follows,
            added,
        })
    }

    /// Starts the target, or begins to watch it.
    ///
    /// # Errors
    /// It cannot be started or found, and what to try.
    pub async fn launch(&self, boxed: &Boxed) -> Result<(), Mistake> {
        let launch = Launch { boxed, timeline: self.timeline, address: &self.address };
        let (started, added) = launch.launched(&self.whereabouts).await?;
        *self.added.borrow_mut() = added;
        *self.target.borrow_mut() = Some(started.handle);
        *self.task.borrow_mut() = Some(started.task);
        Ok(())
    }

    /// Waits until everything that longhaul started is gone, within a bound.
    pub async fn put_away(&self) {
        // Where the run never took it, nobody else lets it go.
        self.target.borrow_mut().take();
        let Some(task) = self.task.borrow_mut().take() else { return };
        if self.starts && !task.is_finished() {
            tell("the server that longhaul started is being ended");
        }
        let deadline = At(self.timeline.now().0 + PUT_AWAY_US);
        match self.timeline.before(deadline, task).await {
            None => tell("warning: it did not end in time and may still be there"),
            Some(Ok(Some(why))) => tell(&format!("warning: {why}")),
            Some(_) => {}
        }
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
        if let Some(sim) = &self.sim {
            return UnderTest::Simulated(Box::new(sim.target(self.timeline)));
        }
        let launched = self.target.borrow_mut().take();
        UnderTest::Real(launched.unwrap_or_else(|| Attached::start(self.timeline).handle))
    }

    fn starts(&self) -> bool {
        self.starts || self.sim.as_ref().is_some_and(Simulated::refuses)
    }

    fn sees(&self) -> (bool, bool) {
        let near = || Address::parse(&self.address).is_ok_and(|it| place::is_here(it.host()));
        (self.sim.is_some() || self.follows, self.sim.is_some() || near())
    }

    fn added(&self) -> Vec<String> {
        self.added.borrow().clone()
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
            clocks: here::clocks(),
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
            host if place::is_here(host) => {
                // It answers, so whoever watches its process knows it by now.
                let whereabouts = Some(&self.whereabouts).filter(|known| known.pid().is_some());
                Nearby::all(self.timeline, whereabouts)
            }
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
