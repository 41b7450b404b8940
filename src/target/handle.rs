//! Connects the run to a target's task: the run's handle and the task's channels. When the run
//! drops the handle, the task ends what longhaul started.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::fact::{Fact, Missed, MissedReason, Source, TargetFact, TargetWord};
use crate::series::{MissedPart, Series};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{ContainerDescription, LocalFuture, News, Target, TargetOrder};

/// Limit of news that the run has not received yet; bounds memory. When it is reached, the target
/// waits, and so does the server's log.
const NEWS_MAX: usize = 1_024;

/// Orders, each with its action number.
pub(super) type Orders = mpsc::UnboundedReceiver<(TargetOrder, u64)>;

/// Run's side of a target.
#[derive(Debug)]
pub(crate) struct TargetHandle {
    news: mpsc::Receiver<News>,
    orders: mpsc::UnboundedSender<(TargetOrder, u64)>,
}

/// Target whose task runs.
#[derive(Debug)]
pub(crate) struct StartedTarget {
    /// Run's side. Dropping it ends what longhaul started.
    pub handle: TargetHandle,
    /// Task; it completes when everything that longhaul started is gone.
    pub task: JoinHandle<Leftovers>,
}

/// Remains: what longhaul started and could not end, and why.
pub(crate) type Leftovers = Option<String>;

impl Target for TargetHandle {
    fn news(&mut self) -> LocalFuture<'_, News> {
        Box::pin(async {
            match self.news.recv().await {
                Some(news) => news,
                // The task has completed: no more news will come.
                None => std::future::pending().await,
            }
        })
    }

    fn order(&mut self, order: TargetOrder, action: u64) {
        // A task that has completed takes no orders, and has already reported why.
        let _ = self.orders.send((order, action));
    }
}

/// Task's side for sending news.
#[derive(Clone, Debug)]
pub(crate) struct NewsSender {
    timeline: Timeline,
    news: mpsc::Sender<News>,
}

impl NewsSender {
    pub(crate) fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// Sends a fact, stamped with the present time.
    pub(crate) async fn say(&self, fact: Fact) {
        self.say_at(self.timeline.now(), fact).await;
    }

    /// Sends a fact with an earlier timestamp.
    pub(crate) async fn say_at(&self, at: At, fact: Fact) {
        // The receiver is gone when the run is over.
        let _ = self.news.send(News::Fact(at, fact)).await;
    }

    /// Sends a change of the target.
    pub(crate) async fn target(&self, fact: TargetFact) {
        self.say(Fact::Target(fact)).await;
    }

    /// Sends that an order could not be carried out.
    pub(crate) async fn failed(&self, action: impl Into<Option<u64>>, why: impl Into<String>) {
        let fact = TargetFact::new(TargetWord::Failed, why.into());
        self.target(TargetFact { action: action.into(), ..fact }).await;
    }

    /// Sends a value of a series.
    pub(crate) async fn reading(&self, series: &Series, value: f64) {
        self.say(Fact::Reading(series.reading(value))).await;
    }

    /// Sends that a source could not be read, and why.
    pub(crate) async fn missed(&self, source: Source, what: MissedPart, why: &str) {
        let missed = Missed::once(source, what.word(), MissedReason::Unreadable, why.to_owned());
        self.say(Fact::Missed(missed)).await;
    }

    /// Sends the identity of the target's container.
    pub(crate) async fn contained(&self, contained: ContainerDescription) {
        let _ = self.news.send(News::Contained(Box::new(contained))).await;
    }

    /// Sends bytes of the server's log.
    pub(crate) async fn log(&self, bytes: Bytes) {
        let _ = self.news.send(News::Log(bytes)).await;
    }
}

/// Returns the facts that a target said and nobody received.
#[cfg(test)]
pub(super) fn said(handle: &mut TargetHandle) -> Vec<Fact> {
    let news = std::iter::from_fn(|| handle.news.try_recv().ok());
    news.filter_map(|news| if let News::Fact(_, fact) = news { Some(fact) } else { None }).collect()
}

/// Spawns a target's task.
pub(super) fn spawn<F: Future<Output = Leftovers> + 'static>(
    timeline: Timeline,
    life: impl FnOnce(Orders, NewsSender) -> F,
) -> StartedTarget {
    let (news, heard) = mpsc::channel(NEWS_MAX);
    let (orders, taken) = mpsc::unbounded_channel();
    let task = tokio::task::spawn_local(life(taken, NewsSender { timeline, news }));
    StartedTarget { handle: TargetHandle { news: heard, orders }, task }
}
