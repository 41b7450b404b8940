//! What a run drives: a server that somebody else started, or the simulated one.

use crate::sim::world::SimTarget;
use crate::target::Handle;
use crate::world::{News, Target, TargetOrder};

/// What is under test.
pub enum UnderTest {
    /// A real one: started, watched, or only known by its address.
    Real(Handle),
    /// The simulated one.
    Simulated(Box<SimTarget>),
}

impl Target for UnderTest {
    async fn news(&mut self) -> News {
        match self {
            UnderTest::Real(target) => target.news().await,
            UnderTest::Simulated(target) => target.news().await,
        }
    }

    fn order(&mut self, order: TargetOrder, action: u64) {
        match self {
            UnderTest::Real(target) => target.order(order, action),
            UnderTest::Simulated(target) => target.order(order, action),
        }
    }
}
