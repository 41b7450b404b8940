//! What the run holds of a target, and what the target's task holds of the
//! run. When the run lets go, the task ends what longhaul started.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::fact::{Fact, Missed, MissedReason, Source, TargetFact};
use crate::series::Series;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Contained, LocalFuture, News, Target, TargetOrder};

/// News that a target may have told and the run has not taken; bounds memory. A target that
/// is not heard waits, and so does the server's log.
const NEWS_MAX: usize = 1_024;

/// Orders, each with the number of its action.
pub(super) type Orders = mpsc::UnboundedReceiver<(TargetOrder, u64)>;

/// The run's end of a target.
#[derive(Debug)]
pub(crate) struct TargetHandle {
    news: mpsc::Receiver<News>,
    orders: mpsc::UnboundedSender<(TargetOrder, u64)>,
}

/// A target whose task runs.
#[derive(Debug)]
pub(crate) struct StartedTarget {
    /// The run's end. Letting it go ends what longhaul started.
    pub handle: TargetHandle,
    /// The task; done when everything that longhaul started is gone.
    pub task: JoinHandle<Left>,
}

/// What longhaul started and could not end, and why.
pub(crate) type Left = Option<String>;

impl Target for TargetHandle {
    fn news(&mut self) -> LocalFuture<'_, News> {
        Box::pin(async {
            match self.news.recv().await {
                Some(news) => news,
                // Its task is over: nothing more will become of it.
                None => std::future::pending().await,
            }
        })
    }

    fn order(&mut self, order: TargetOrder, action: u64) {
        // A task that is over takes none, and has said why.
        let _ = self.orders.send((order, action));
    }
}

/// The task's way to say something.
#[derive(Clone, Debug)]
pub(crate) struct NewsSender {
    timeline: Timeline,
    news: mpsc::Sender<News>,
}

impl NewsSender {
    pub(crate) fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// Says a fact, stamped now.
    pub(crate) async fn say(&self, fact: Fact) {
        self.say_at(self.timeline.now(), fact).await;
    }

    /// Says a fact of an instant that has passed.
    pub(crate) async fn say_at(&self, at: At, fact: Fact) {
        // Nobody listens any more when the run is over.
        let _ = self.news.send(News::Fact(at, fact)).await;
    }

    /// Something became of the target.
    pub(crate) async fn target(&self, fact: TargetFact) {
        self.say(Fact::Target(fact)).await;
    }

    /// A value was read.
    pub(crate) async fn reading(&self, series: &Series, value: f64) {
        self.say(Fact::Reading(series.reading(value))).await;
    }

    /// Something could not be read.
    pub(crate) async fn missed(&self, source: Source, what: &str, why: &str) {
        let missed = Missed::once(source, what, MissedReason::Unreadable, why.to_owned());
        self.say(Fact::Missed(missed)).await;
    }

    /// What its container is.
    pub(crate) async fn contained(&self, contained: Contained) {
        let _ = self.news.send(News::Contained(Box::new(contained))).await;
    }

    /// Bytes of its log.
    pub(crate) async fn log(&self, bytes: Bytes) {
        let _ = self.news.send(News::Log(bytes)).await;
    }
}

/// Runs a target's life as a task.
pub(super) fn spawn<F: Future<Output = Left> + 'static>(
    timeline: Timeline,
    life: impl FnOnce(Orders, NewsSender) -> F,
) -> StartedTarget {
    let (news, heard) = mpsc::channel(NEWS_MAX);
    let (orders, taken) = mpsc::unbounded_channel();
    let task = tokio::task::spawn_local(life(taken, NewsSender { timeline, news }));
    StartedTarget { handle: TargetHandle { news: heard, orders }, task }
}
