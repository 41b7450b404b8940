//! Drives a server that somebody else started and of which only the endpoint is visible. It is
//! never stopped or restarted.

use super::handle::{self, NewsSender, Orders, StartedTarget};
use crate::fact::{Fact, TargetFact, TargetWord};
use crate::timeline::Timeline;
use crate::world::TargetOrder;

/// Follows a server that somebody else started and of which only the endpoint is visible.
pub(crate) fn attached(timeline: Timeline) -> StartedTarget {
    handle::spawn(timeline, |mut orders: Orders, news: NewsSender| async move {
        while let Some((order, action)) = orders.recv().await {
            news.say(refusal(order, action)).await;
        }
        None
    })
}

/// Returns the refusal with which a target that is only watched answers an order.
pub(super) fn refusal(order: TargetOrder, action: u64) -> Fact {
    let why = format!("{}: longhaul did not start this server and does not touch it", order.word());
    let fact = TargetFact::new(TargetWord::Failed, why);
    Fact::Target(TargetFact { action: Some(action), ..fact })
}
