//! What is under test, where longhaul can see more of it than its endpoint.
//! This version attaches: it drives a server that somebody else started, and
//! never touches it.

use crate::fact::Fact;
use crate::unit::At;
use crate::world::{Target, TargetOrder};

/// A server that somebody else started. Nothing of it is seen but its endpoint.
#[derive(Debug, Default)]
pub struct Attached;

impl Target for Attached {
    async fn news(&mut self) -> (At, Fact) {
        std::future::pending().await
    }

    async fn order(&mut self, order: TargetOrder, _action: u64) -> Result<(), String> {
        Err(format!("{order:?}: longhaul did not start this server and does not touch it"))
    }
}
