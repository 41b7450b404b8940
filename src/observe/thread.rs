//! Runs a reader on its own thread. Reads of the kernel's files may block for seconds, on a cgroup
//! under pressure or a mount that hangs; the thread that generates the load must not wait for them.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::mpsc;

use super::host_sensors::HostReader;
use crate::fact::Source;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{LocalFuture, Observation, Sensor};

/// Reader behind a channel. At most one request is outstanding.
pub(super) struct Threaded {
    source: Source,
    what: &'static str,
    cadence_us: u64,
    asks: SyncSender<()>,
    answers: mpsc::Receiver<Answered>,
    /// Whether a request is outstanding.
    is_asked: bool,
}

/// Result of a read.
struct Answered {
    /// Time at which the read ended.
    at: At,
    looked: Result<Observation, String>,
    cadence_us: u64,
}

impl Threaded {
    /// Starts the thread. It ends when this value is dropped and its present read has returned.
    pub(super) fn start(reader: Box<dyn HostReader>, timeline: Timeline) -> Threaded {
        let (source, what, cadence_us) = (reader.source(), reader.what(), reader.cadence_us());
        let (asks, asked) = sync_channel(1);
        let (answer, answers) = mpsc::channel(1);
        // If no thread can be started, nothing answers, and every look reports that.
        let _ = thread::Builder::new()
            .name(format!("sensor {what}"))
            .spawn(move || answer_all(reader, timeline, &asked, &answer));
        Threaded { source, what, cadence_us, asks, answers, is_asked: false }
    }

    /// Returns the next answer. A look that was cancelled leaves its answer, with its original
    /// stamp, to the next one.
    async fn answer(&mut self) -> Result<Observation, String> {
        let gone = || "its thread is gone".to_owned();
        if !self.is_asked {
            self.asks.try_send(()).map_err(|_| gone())?;
            self.is_asked = true;
        }
        let answered = self.answers.recv().await.ok_or_else(gone)?;
        self.is_asked = false;
        self.cadence_us = answered.cadence_us;
        answered.looked.map(|look| Observation { at: Some(answered.at), ..look })
    }
}

impl Sensor for Threaded {
    fn source(&self) -> Source {
        self.source
    }

    fn what(&self) -> &'static str {
        self.what
    }

    fn cadence_us(&self) -> u64 {
        self.cadence_us
    }

    fn look(&mut self) -> LocalFuture<'_, Result<Observation, String>> {
        Box::pin(self.answer())
    }
}

fn answer_all(
    mut reader: Box<dyn HostReader>,
    timeline: Timeline,
    asked: &Receiver<()>,
    answer: &mpsc::Sender<Answered>,
) {
    while asked.recv().is_ok() {
        let looked = reader.read(timeline.now());
        let (at, cadence_us) = (timeline.now(), reader.cadence_us());
        if answer.try_send(Answered { at, looked, cadence_us }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::series::MEM_FREE;
    use crate::world::Sample;

    /// Reader that blocks until it is released.
    struct Stuck {
        let_go: mpsc::Receiver<f64>,
    }

    impl HostReader for Stuck {
        fn source(&self) -> Source {
            Source::Host
        }

        fn what(&self) -> &'static str {
            "stuck"
        }

        fn cadence_us(&self) -> u64 {
            1_000_000
        }

        fn read(&mut self, _: At) -> Result<Observation, String> {
            let value = self.let_go.recv().map_err(|_| "let go of".to_owned())?;
            Ok(vec![Sample::one(&MEM_FREE, value)].into())
        }
    }

    fn stuck() -> (mpsc::Sender<f64>, Threaded, Timeline) {
        let (free, let_go) = mpsc::channel();
        let timeline = Timeline::start();
        (free, Threaded::start(Box::new(Stuck { let_go }), timeline), timeline)
    }

    #[tokio::test]
    async fn a_read_that_is_stuck_holds_nobody_up_and_its_answer_comes_later_with_its_own_stamp() {
        let (free, mut threaded, timeline) = stuck();
        for _ in 0..3 {
            let given_up = tokio::select! { biased;
                looked = threaded.look() => panic!("{looked:?}"),
                () = std::future::ready(()) => timeline.now(),
            };
            assert!(given_up < At(60_000_000));
        }
        free.send(7.0).unwrap();
        let look = threaded.look().await.unwrap();
        assert_eq!(look.samples, [Sample::one(&MEM_FREE, 7.0)]);
        assert_eq!(threaded.cadence_us(), 1_000_000);
        assert!(look.at.is_some_and(|at| at <= timeline.now()));
        free.send(8.0).unwrap();
        let look = threaded.look().await.unwrap();
        assert_eq!(look.samples, [Sample::one(&MEM_FREE, 8.0)], "asked once for each");
    }

    #[tokio::test]
    async fn a_reader_that_breaks_is_a_miss_that_says_so() {
        let (free, mut threaded, _) = stuck();
        drop(free);
        assert_eq!(threaded.look().await, Err("let go of".to_owned()));
    }
}
