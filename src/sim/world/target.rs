//! Presents the simulated server as a target: its log, its process's events, and orders. The view
//! is that of a service manager: an exit has its code or signal, and a machine without power
//! reports nothing until it has booted.

use std::collections::VecDeque;

use super::events::{SimEvent, SimEvents};
use crate::engine::listener::Listener;
use crate::engine::signature::LogSource;
use crate::fact::{Exited, Fact, Missed, MissedReason, Source, TargetFact, TargetWord};
use crate::series::MissedPart;
use crate::sim::ProcessExit;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{LocalFuture, News, Target, TargetOrder};

/// Function that gives the server an order with the number of its action.
pub(crate) type OrderHandler = Box<dyn Fn(TargetOrder, u64)>;

/// A simulated server as a target.
pub(crate) struct SimTarget {
    signs: SimEvents,
    give: OrderHandler,
    timeline: Timeline,
    /// Clock of the events' timestamps.
    theirs: Timeline,
    listener: Listener,
    news: VecDeque<News>,
    ended: bool,
    /// Time of a power cut, until the boot.
    cut: Option<At>,
    /// Action that causes the next exit, and action that causes the next start.
    ends: Option<u64>,
    starts: Option<u64>,
}

impl SimTarget {
    /// Creates a target from events that are stamped by `timeline`; orders go to `give`.
    pub(crate) fn new(signs: SimEvents, timeline: Timeline, give: OrderHandler) -> SimTarget {
        SimTarget {
            signs,
            give,
            timeline,
            theirs: timeline,
            listener: Listener::new(LogSource::Server, Source::Process),
            news: VecDeque::new(),
            ended: false,
            cut: None,
            ends: None,
            starts: None,
        }
    }

    /// Sets another clock as that of the events' timestamps.
    #[must_use]
    pub(crate) fn stamped_by(self, theirs: Timeline) -> SimTarget {
        SimTarget { theirs, ..self }
    }

    fn handle(&mut self, at: At, sign: SimEvent) {
        match sign {
            SimEvent::Said(line) => {
                let said = self.listener.line(at, &line);
                self.news.push_back(News::Log((line + "\n").into()));
                self.news.extend(said.map(|said| News::Fact(at, Fact::Said(said))));
            }
            SimEvent::Exited(ProcessExit::PowerCut) => {
                self.cut = Some(at);
                (self.ends, self.starts) = (None, None);
            }
            SimEvent::Exited(exit) => {
                let action = self.ends.take();
                self.became(at, TargetFact { action, ..exited(exit) });
            }
            SimEvent::Booted => {
                let fact =
                    TargetFact { word: TargetWord::Rebooted, ..exited(ProcessExit::PowerCut) };
                let since = self.cut.take().unwrap_or(at);
                self.became(at, fact.since(since));
            }
            SimEvent::Started(pid) => {
                let action = self.starts.take();
                let word = action.map_or(TargetWord::Started, |_| TargetWord::Launched);
                let fact = TargetFact::new(word, format!("process {pid}"));
                self.became(at, TargetFact { action, ..fact });
            }
            SimEvent::Ordered { order, action, outcome: Ok(ended) } => {
                self.ends = ended.then_some(action);
                self.starts = (order != TargetOrder::Stop).then_some(action);
            }
            SimEvent::Ordered { order, action, outcome: Err(why) } => {
                let fact = TargetFact::new(TargetWord::Failed, format!("{}: {why}", order.word()));
                self.became(at, TargetFact { action: Some(action), ..fact });
            }
            SimEvent::Lost(times) => {
                let (reason, why) = (MissedReason::TooFast, "it came too fast".to_owned());
                let what = MissedPart::FastLog.word();
                let once = Missed::once(Source::Process, what, reason, why);
                let missed = Missed { times, ..once };
                self.news.push_back(News::Fact(at, Fact::Missed(missed)));
            }
        }
    }

    fn became(&mut self, at: At, fact: TargetFact) {
        self.news.push_back(News::Fact(at, Fact::Target(fact)));
    }
}

/// Returns the exit fact as a parent process observes it.
fn exited(exit: ProcessExit) -> TargetFact {
    let code = Some(i64::from(exit.code()));
    let (how, words) = match exit {
        ProcessExit::Killed => {
            (Exited { signal: Some(9), ..Exited::default() }, "killed by signal 9".to_owned())
        }
        ProcessExit::PowerCut => (
            Exited { code, ..Exited::default() },
            "its machine rebooted, and its end was not observed".to_owned(),
        ),
        _ => (Exited { code, ..Exited::default() }, format!("exit code {}", exit.code())),
    };
    TargetFact { exit: Some(how), ..TargetFact::new(TargetWord::Exited, words) }
}

impl Target for SimTarget {
    fn news(&mut self) -> LocalFuture<'_, News> {
        Box::pin(self.next())
    }

    fn order(&mut self, order: TargetOrder, action: u64) {
        (self.give)(order, action);
    }
}

impl SimTarget {
    async fn next(&mut self) -> News {
        loop {
            if let Some(news) = self.news.pop_front() {
                return news;
            }
            let timeline = self.timeline;
            tokio::select! { biased;
                sign = self.signs.recv(), if !self.ended => match sign {
                    Some((at, sign)) => self.handle(timeline.here(&self.theirs, at), sign),
                    None => self.ended = true,
                },
                // Lines are not counted while the machine has no power, or after the event channel
                // has closed.
                () = timeline.until(self.listener.due()), if !self.ended && self.cut.is_none() => {
                    let now = timeline.now();
                    let counts = self.listener.count(now).into_iter();
                    self.news.extend(counts.map(|count| News::Fact(now, count)));
                }
                () = std::future::pending() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::SystemTime;

    use super::*;
    use crate::series::LOG_LINES;
    use crate::sim::setup::tests::record;
    use crate::sim::world::{Connections, signs};
    use crate::sim::{Ailment, SimEngine};

    const SECOND: u64 = 1_000_000;

    /// Collects the news of a server with faults up to a second of the run.
    async fn news_until(
        ailment: &[&str],
        second: u64,
        orders: &[(u64, TargetOrder)],
    ) -> ReportedState {
        let ailments = ailment.iter().map(|text| Ailment::parse(text).expect(text)).collect();
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
        let engine = SimEngine::new(record(10.0), 1, ailments, At::ZERO);
        let (tell, signs) = signs();
        let connections = Rc::new(Connections::new(engine, timeline, 1, Box::new(tell)));
        connections.load_began(None);
        let ordered = connections.clone();
        let give = Box::new(move |order, action| ordered.order(order, action));
        let mut target = SimTarget::new(signs, timeline, give);
        let mut reported = ReportedState::default();
        let follow = async {
            for (action, (at, order)) in orders.iter().enumerate() {
                reported.follow(&mut target, timeline, At(at * SECOND)).await;
                target.order(*order, action as u64);
            }
            reported.follow(&mut target, timeline, At(second * SECOND)).await;
        };
        tokio::select! { biased;
            () = connections.drive() => unreachable!("it drives for ever"),
            () = follow => {}
        }
        reported
    }

    /// News by kind.
    #[derive(Default)]
    struct ReportedState {
        log: String,
        became: Vec<(u64, TargetFact)>,
        said: Vec<(u64, String)>,
        counts: Vec<(u64, f64)>,
    }

    impl ReportedState {
        async fn follow(&mut self, target: &mut SimTarget, timeline: Timeline, until: At) {
            loop {
                let news = tokio::select! { biased;
                    news = target.news() => news,
                    () = timeline.until(until) => return,
                };
                match news {
                    News::Log(bytes) => self.log.push_str(&String::from_utf8_lossy(&bytes)),
                    News::Fact(at, Fact::Target(fact)) => self.became.push((at.0 / SECOND, fact)),
                    News::Fact(at, Fact::Said(said)) => {
                        self.said.push((at.0 / SECOND, said.signature));
                    }
                    News::Fact(at, Fact::Reading(reading)) => {
                        assert_eq!(reading.name, LOG_LINES);
                        self.counts.push((at.0 / SECOND, reading.last));
                    }
                    news => panic!("{news:?}"),
                }
            }
        }

        fn words(&self) -> Vec<(u64, TargetWord, Option<u64>)> {
            self.became.iter().map(|(at, fact)| (*at, fact.word, fact.action)).collect()
        }

        fn exit(&self) -> Exited {
            self.became.iter().find_map(|(_, fact)| fact.exit).expect("an exit")
        }

        fn names(&self) -> Vec<&str> {
            self.said.iter().map(|(_, name)| name.as_str()).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_of_a_server_that_dies_is_followed_told_and_counted() {
        let reported = news_until(&["cuda_oom=30s@15s"], 59, &[]).await;
        assert_eq!(reported.names()[..3], ["cuda_oom", "engine_fatal", "engine_output_failed"]);
        assert_eq!(reported.names().last(), Some(&"ready"));
        assert_eq!((reported.said[0].0, reported.exit().code), (15, Some(0)));
        let words = [(15, TargetWord::Exited, None), (30, TargetWord::Started, None)];
        assert_eq!(reported.words(), words);
        let seconds: Vec<u64> = reported.counts.iter().map(|(at, _)| *at).collect();
        assert_eq!(seconds, [0, 10, 20, 30, 40, 50]);
        let lines = reported.counts.iter().map(|(_, lines)| lines).sum::<f64>();
        assert_eq!(lines as usize, reported.log.lines().count(), "{}", reported.log);
        assert_eq!(
            (reported.counts[1].1, reported.counts[2].1),
            (0.0, 5.0),
            "nothing to read is read"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_kill_is_a_signal_and_a_box_without_power_tells_nothing_until_it_is_back() {
        let killed = news_until(&["crash@5s"], 20, &[]).await.exit();
        assert_eq!((killed.code, killed.signal), (None, Some(9)));
        let reported = news_until(&["host_reboot@15s"], 130, &[]).await;
        assert_eq!((reported.words()[0].0, reported.exit().code), (105, Some(255)));
        assert_eq!(reported.became[0].1.since, Some(At(15 * SECOND)));
        let dark = |at: &u64| (15..105).contains(at);
        assert!(!reported.counts.iter().any(|(at, _)| dark(at)), "{:?}", reported.counts);
        assert!(reported.counts.iter().any(|(at, _)| *at >= 105));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_of_an_order_bears_its_number_and_what_befalls_it_does_not() {
        // A start takes 54.9 s.
        let orders = [(10, TargetOrder::Restart), (20, TargetOrder::Launch)];
        let reported = news_until(&["crash@100s"], 200, &orders).await;
        let words = [
            (10, TargetWord::Exited, Some(0)),
            (12, TargetWord::Launched, Some(0)),
            (20, TargetWord::Failed, Some(1)),
            (100, TargetWord::Exited, None),
        ];
        assert_eq!(reported.words(), words);
        assert_eq!(reported.names()[0], "shutdown_asked");
        let orders = [(10, TargetOrder::Stop), (20, TargetOrder::Stop), (30, TargetOrder::Launch)];
        let reported = news_until(&["crash=1m@5s"], 200, &orders).await;
        let words = [(5, TargetWord::Exited, None), (30, TargetWord::Launched, Some(2))];
        assert_eq!(
            reported.words(),
            words,
            "the crash was before the order, and stays what it was"
        );
    }
}
