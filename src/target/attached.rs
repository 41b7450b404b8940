//! Drives a server that somebody else started and of which only the endpoint is visible, and its
//! log where it is named. It is never stopped or restarted.

use super::handle::{self, NewsSender, Orders, StartedTarget};
use super::server_log::FoundLog;
use crate::fact::{Fact, TargetFact, TargetWord};
use crate::timeline::Timeline;
use crate::world::TargetOrder;

/// Follows a server that somebody else started and of which only the endpoint is visible, and the
/// log, where there is one.
pub(crate) fn attached(timeline: Timeline, log: Option<FoundLog>) -> StartedTarget {
    handle::spawn(timeline, |orders: Orders, news: NewsSender| async move {
        let _log = log.map(|log| log.listen(&news));
        refuse(orders, news).await;
        None
    })
}

/// Refuses orders until the run lets go.
pub(super) async fn refuse(mut orders: Orders, news: NewsSender) {
    while let Some((order, action)) = orders.recv().await {
        news.say(refusal(order, action)).await;
    }
}

/// Returns the refusal with which a target that is only watched answers an order.
fn refusal(order: TargetOrder, action: u64) -> Fact {
    let why = format!("{}: longhaul did not start this server and does not touch it", order.word());
    let fact = TargetFact::new(TargetWord::Failed, why);
    Fact::Target(TargetFact { action: Some(action), ..fact })
}
