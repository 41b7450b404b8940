//! What is under test, where longhaul can see more of it than its endpoint.
//! This version attaches: it drives a server that somebody else started, and
//! never touches it.

use crate::fact::{Fact, TargetFact, TargetWord};
use crate::timeline::Timeline;
use crate::world::{News, Target, TargetOrder};

/// A server that somebody else started. Nothing of it is seen but its endpoint.
#[derive(Debug)]
pub struct Attached {
    timeline: Timeline,
    refused: Vec<News>,
}

impl Attached {
    /// A server of somebody else's.
    pub fn new(timeline: Timeline) -> Attached {
        Attached { timeline, refused: Vec::new() }
    }
}

impl Target for Attached {
    async fn news(&mut self) -> News {
        match self.refused.pop() {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    fn order(&mut self, order: TargetOrder, action: u64) {
        let why = format!("{order:?}: longhaul did not start this server and does not touch it");
        let fact = TargetFact { action: Some(action), ..TargetFact::new(TargetWord::Failed, why) };
        self.refused.push(News::Fact(self.timeline.now(), Fact::Target(fact)));
    }
}
