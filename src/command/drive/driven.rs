//! Carries out the planned run, and writes it down.

use super::Driven;
use super::planned::{Planned, PlannedLoad};
use crate::command::print_stderr;
use crate::fact::{Closed, Entry, Fact};
use crate::journal::CutRun;
use crate::run::conductor::Order;
use crate::run::load::Progress;
use crate::run::stop::Stop;
use crate::run::{RunInputs, Watcher, carry_out};
use crate::unit::At;
use crate::world::{Sink, Wire};

/// Drives a run; where there is no server to drive, writes down that there was none.
pub(crate) async fn drive<W: Wire, S: Sink>(
    planned: Planned<W>,
    mut sink: S,
    stop: Stop,
    watcher: &mut dyn Watcher,
) -> Driven {
    let Planned { folder, asked, before, log, load, quiet, cut, .. } = planned;
    if !quiet {
        print_stderr(&format!("run folder: {}", folder.display()));
    }
    // A journal that cannot be written reports it at the first entry too.
    let _ = sink.log(&log);
    let closed = match load {
        Ok(load) => loaded(load, before, sink, stop, watcher).await,
        Err(closed) => written(before, sink, cut.as_deref()).await.map(|()| closed),
    };
    Driven { folder, asked, closed }
}

async fn loaded<W: Wire, S: Sink>(
    load: PlannedLoad<W>,
    before: Vec<(At, Fact)>,
    sink: S,
    stop: Stop,
    watcher: &mut dyn Watcher,
) -> Result<Closed, String> {
    let PlannedLoad { script, wire, target, sensors, began, broke } = load;
    let script = RunInputs { before, ..script };
    let mut watcher = LoadBeganWatcher { began, reported: false, watcher };
    let target = Box::new(target);
    tokio::select! { biased;
        why = broke => Err(why),
        closed = carry_out(wire, target, sensors, sink, script, stop, &mut watcher) => closed,
    }
}

/// Writes the facts of a run that had no server.
async fn written<S: Sink>(
    facts: Vec<(At, Fact)>,
    mut sink: S,
    cut: Option<&CutRun>,
) -> Result<(), String> {
    let (segment, first) = cut.map_or((0, 0), |cut| (cut.segment, cut.next_seq));
    let mut entries =
        (first..).zip(facts).map(|(seq, (at, fact))| Entry { segment, seq, at, fact });
    let written = entries.try_for_each(|entry| sink.append(entry).map(drop));
    let durable = sink.close().await;
    written.and(durable)
}

/// Watcher that reports the beginning of the load: the first phase.
struct LoadBeganWatcher<'a> {
    began: Box<dyn Fn()>,
    reported: bool,
    watcher: &'a mut dyn Watcher,
}

impl Watcher for LoadBeganWatcher<'_> {
    fn entry(&mut self, entry: &Entry) {
        if matches!(entry.fact, Fact::Phase(_)) && !std::mem::replace(&mut self.reported, true) {
            (self.began)();
        }
        self.watcher.entry(entry);
    }

    fn tick(&mut self, now: At, progress: &Progress) {
        self.watcher.tick(now, progress);
    }

    fn warned(&mut self, words: &str) {
        self.watcher.warned(words);
    }

    fn ordered(&mut self, now: At, order: &Order) {
        self.watcher.ordered(now, order);
    }
}
