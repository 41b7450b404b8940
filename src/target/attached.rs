//! A server that somebody else started and of which nothing but its endpoint
//! is seen: it is driven, and never touched.

use super::handle::{self, Orders, Started, Voice};
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

    /// The same, as a task like all other targets.
    pub fn start(timeline: Timeline) -> Started {
        handle::spawn(timeline, |mut orders: Orders, voice: Voice| async move {
            while let Some((order, action)) = orders.recv().await {
                voice.say(refusal(order, action)).await;
            }
            None
        })
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
        self.refused.push(News::Fact(self.timeline.now(), refusal(order, action)));
    }
}

/// What whoever only watches answers to an order.
pub fn refusal(order: TargetOrder, action: u64) -> Fact {
    let why = format!("{}: longhaul did not start this server and does not touch it", order.word());
    let fact = TargetFact::new(TargetWord::Failed, why);
    Fact::Target(TargetFact { action: Some(action), ..fact })
}
