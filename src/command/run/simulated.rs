//! The simulated server of a run, on a thread of its own.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::PoisonError;

use crate::command::drive::Specs;
use crate::command::sim::{ailments, no_profile};
use crate::error::Mistake;
use crate::serve::sim::{self, Handle, Order};
use crate::sim::Setup;
use crate::sim::world::{BoxSensor, Signs, SimTarget, signs};
use crate::timeline::Timeline;

/// A simulated server on a thread of its own.
pub struct Simulated {
    handle: Handle,
    planned_us: Option<u64>,
    refuses: bool,
    /// What becomes of it, until somebody follows it.
    signs: RefCell<Option<Signs>>,
}

impl Simulated {
    /// Starts it on a free port. `planned_us` is how long the load is planned to last.
    ///
    /// # Errors
    /// An ailment that there is not, or no machine to simulate.
    pub fn start(
        texts: &[String],
        seed: u64,
        specs: &Specs,
        planned_us: Option<u64>,
    ) -> Result<Simulated, Mistake> {
        let ailments = ailments(texts)?;
        let (Some(recipe), Some(profile)) = (&specs.recipe, &specs.profile) else {
            return Err(no_profile());
        };
        let setup = Setup::of(recipe, profile);
        let refuses = setup.refuses;
        let order = Order { setup, seed, ailments };
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (tell, signs) = signs();
        let handle = sim::spawn(bind, order, tell)?;
        Ok(Simulated { handle, planned_us, refuses, signs: RefCell::new(Some(signs)) })
    }

    /// Whether it never comes up, by what the recipe asks of it.
    pub fn refuses(&self) -> bool {
        self.refuses
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    /// The server as a target, its signs on the run's own clock.
    pub fn target(&self, ours: Timeline) -> SimTarget {
        // Who comes second finds the way closed, and a server of which nothing is heard.
        let signs = self.signs.take().unwrap_or_else(|| signs().1);
        let give = Box::new(self.handle.orders());
        SimTarget::new(signs, ours, give).stamped_by(self.handle.timeline())
    }

    /// What looks at the box that it stands in.
    pub fn boxes(&self) -> Vec<BoxSensor> {
        let shared = self.handle.shared_view();
        let look = move || shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        BoxSensor::all(&(Rc::new(look) as Rc<_>))
    }

    /// Tells it that the load began.
    pub fn load_began(&self) {
        self.handle.load_began(self.planned_us);
    }
}
