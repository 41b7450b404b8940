//! Watches the port of a server that `sparkrun` started.

use std::io::ErrorKind;

use tokio::net::TcpStream;

use crate::fact::{TargetFact, TargetWord};
use crate::target::handle::NewsSender;
use crate::unit::At;

/// Intervals at which the server's port is checked: until something listens there, and afterwards;
/// and the number of successive refusals that mean that the server is gone.
const FIRST_KNOCK_US: u64 = 500_000;
const KNOCK_US: u64 = 2_000_000;
const REFUSED_MAX: usize = 3;

/// Watches the server's port: `sparkrun run` ends, and reports nothing of the workload afterwards.
/// Returns when a server that listened is gone. Only refused connections count, several in a row: a
/// network outage does not refuse.
pub(super) async fn guard(place: String, news: NewsSender) {
    let timeline = news.timeline();
    let (mut was_there, mut refused) = (false, Vec::new());
    loop {
        let wait_us = if was_there { KNOCK_US } else { FIRST_KNOCK_US };
        timeline.until(At(timeline.now().0 + wait_us)).await;
        let now = timeline.now();
        let knocked = timeline.before(At(now.0 + KNOCK_US), TcpStream::connect(&place)).await;
        match knocked {
            Some(Ok(_)) => (was_there, refused) = (true, Vec::new()),
            Some(Err(why)) if was_there && why.kind() == ErrorKind::ConnectionRefused => {
                refused.push(now);
            }
            _ => refused.clear(),
        }
        if refused.len() == REFUSED_MAX {
            let words = format!("nothing listens at {place} any more");
            let fact = TargetFact::new(TargetWord::Exited, words).since(refused[0]);
            return news.target(fact).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;
    use crate::fact::Fact;
    use crate::target::handle;
    use crate::target::standin::said;
    use crate::timeline::Timeline;
    use crate::world::{News, Target};

    #[tokio::test(start_paused = true)]
    async fn a_server_is_gone_after_three_refusals_in_a_row() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = listener.local_addr().expect("an address").to_string();
        let local = LocalSet::new();
        let (at, fact) = local
            .run_until(async {
                let watched = place.clone();
                let mut started = handle::spawn(Timeline::start(), |_, news| async move {
                    guard(watched, news).await;
                    None
                });
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                drop(listener);
                match started.handle.news().await {
                    News::Fact(at, Fact::Target(fact)) => (at, fact),
                    other => panic!("{other:?}"),
                }
            })
            .await;
        assert_eq!(fact.evidence, format!("nothing listens at {place} any more"));
        let first = FIRST_KNOCK_US + KNOCK_US;
        assert_eq!((fact.since, at), (Some(At(first)), At(first + 2 * KNOCK_US)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_listened_is_not_gone() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = listener.local_addr().expect("an address").to_string();
        drop(listener);
        let reported = said(|news| async move {
            let timeline = news.timeline();
            assert_eq!(timeline.before(At(60_000_000), guard(place, news)).await, None);
        });
        assert_eq!(reported.await, "");
    }
}
