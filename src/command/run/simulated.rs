//! The simulated server of a run, on a thread of its own.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};

use super::Wish;
use super::world::SharedBox;
use crate::command::sim::{ailments, no_profile};
use crate::error::Mistake;
use crate::serve::sim::{self, Handle, Order};
use crate::sim::Setup;
use crate::spec::{Extent, Profile, Recipe};
use crate::unit::micros;

/// A simulated server on a thread of its own.
pub struct Simulated {
    handle: Handle,
    planned_us: Option<u64>,
    told: Cell<bool>,
}

impl Simulated {
    /// Starts it on a free port. `extent` is what the scenario plans.
    ///
    /// # Errors
    /// An ailment that there is not, or no machine to simulate.
    pub fn start(
        wish: &Wish,
        recipe: Option<&Recipe>,
        profile: Option<&Profile>,
        extent: Extent,
    ) -> Result<Simulated, Mistake> {
        let ailments = ailments(&wish.ailments)?;
        let (Some(recipe), Some(profile)) = (recipe, profile) else { return Err(no_profile()) };
        let order = Order { setup: Setup::of(recipe, profile), seed: wish.asked.seed, ailments };
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let handle = sim::spawn(bind, order, |line| tracing::debug!("server: {line}"))?;
        let planned_us = match extent {
            Extent::Duration(duration) => Some(micros(duration)),
            Extent::Laps(_) => None,
        };
        Ok(Simulated { handle, planned_us, told: Cell::new(false) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    /// The box that it stands in.
    pub fn shared_box(&self) -> SharedBox {
        self.handle.shared_view()
    }

    /// Tells it that the load began; only the first call counts.
    pub fn load_began(&self) {
        if !self.told.replace(true) {
            self.handle.load_began(self.planned_us);
        }
    }
}
