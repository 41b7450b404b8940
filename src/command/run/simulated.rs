//! Runs the simulated server of a run on its own thread.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::PoisonError;

use crate::command::drive::Specs;
use crate::command::sim::no_profile;
use crate::error::Mistake;
use crate::serve::sim::{self, SimConfig, SimHandle};
use crate::sim::world::{SimEvents, SimTarget, machine_sensors, signs};
use crate::timeline::Timeline;
use crate::world::Sensor;

/// Simulated server on its own thread.
pub(super) struct Simulated {
    handle: SimHandle,
    load_us: Option<u64>,
    refuses: bool,
    /// Ailments as they were written.
    ailments: Vec<String>,
    /// Events of the server, until a target takes them.
    signs: RefCell<Option<SimEvents>>,
}

impl Simulated {
    /// Starts the server on a free port.
    ///
    /// # Errors
    /// There is no machine to simulate.
    pub(super) fn start(specs: &Specs) -> Result<Simulated, Mistake> {
        let setup = specs.setup().ok_or_else(no_profile)?;
        let refuses = setup.refuses;
        let seed = specs.options.server_seed();
        let order = SimConfig { setup, seed, ailments: specs.ailments.clone() };
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (tell, signs) = signs();
        let handle = sim::spawn(bind, order, tell)?;
        let (load_us, signs) = (specs.load_us, RefCell::new(Some(signs)));
        let ailments = specs.options.ailments.clone();
        Ok(Simulated { handle, load_us, refuses, ailments, signs })
    }

    /// Whether the server cannot start, given what the recipe requires.
    pub(super) fn refuses(&self) -> bool {
        self.refuses
    }

    /// Returns the address at which it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    /// Returns the server as a target, with its events on the run's own clock.
    pub(super) fn target(&self, ours: Timeline) -> SimTarget {
        // The events have one receiver: a second target gets a closed channel.
        let signs = self.signs.take().unwrap_or_else(|| signs().1);
        let give = Box::new(self.handle.orders());
        SimTarget::new(signs, ours, give).stamped_by(self.handle.timeline())
    }

    /// Creates the sensors of its simulated machine.
    pub(super) fn sensors(&self) -> Vec<Box<dyn Sensor>> {
        let shared = self.handle.shared_view();
        let look = move || shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        machine_sensors::sensors(&(Rc::new(look) as Rc<_>), &self.ailments)
    }

    /// Notifies the server that the load began.
    pub(super) fn load_began(&self) {
        self.handle.load_began(self.load_us);
    }
}
