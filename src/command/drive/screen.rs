//! Shows a run in progress: one line that is rewritten on a terminal, a plain line now and then
//! elsewhere; and ends the run at the first broken gate if the user wants that.

use std::rc::Rc;

use crate::analysis::{CalendarFold, Fold, RunDescription};
use crate::command::output::{is_stderr_terminal, stderr_columns};
use crate::command::{print_stderr, rewrite_line};
use crate::error::Mistake;
use crate::fact::{Entry, Fact, PAUSE, TargetWord};
use crate::journal::CutRun;
use crate::measure::Measure;
use crate::report;
use crate::run::Watcher;
use crate::run::load::Progress;
use crate::run::stop::{StopWord, Stopper};
use crate::unit::At;
use crate::verdict::{self, GateResult};

/// Columns of the live line where the terminal does not report its width.
const COLUMNS: usize = 79;
/// Interval at which the line is rewritten on a terminal, and of plain lines elsewhere.
const EVERY_US: (u64, u64) = (250_000, 15_000_000);
/// Interval on a terminal in a rehearsal, in virtual time: its hours pass in less than a second.
const REHEARSED_US: u64 = 600_000_000;
/// Interval at which the contract is judged when the run is to end at the first broken gate.
const JUDGE_US: u64 = 5_000_000;

/// Live view.
pub(crate) struct Screen {
    status: report::StatusLine,
    terminal: bool,
    /// Interval of the line; `None` to print none.
    every_us: Option<u64>,
    shown: Option<At>,
    now: At,
    on_fail: Option<OnFail>,
}

/// Contract that is judged while the run goes on.
struct OnFail {
    stopper: Rc<Stopper>,
    asked: RunDescription,
    first: CalendarFold,
    fold: Fold,
    judged: At,
    reported: bool,
}

impl Screen {
    /// Creates the view of a run in real time; with a stopper, the run ends at the first broken
    /// gate.
    pub(crate) fn live(asked: RunDescription, stopper: Option<Rc<Stopper>>) -> Screen {
        let terminal = is_stderr_terminal();
        let every_us = Some(if terminal { EVERY_US.0 } else { EVERY_US.1 });
        Screen::new(asked, stopper, terminal, every_us)
    }

    /// Creates the view of a rehearsal, without plain lines: it ends before anybody would read
    /// them.
    pub(crate) fn rehearsed(asked: RunDescription, stopper: Option<Rc<Stopper>>) -> Screen {
        let terminal = is_stderr_terminal();
        Screen::new(asked, stopper, terminal, terminal.then_some(REHEARSED_US))
    }

    fn new(
        asked: RunDescription,
        stopper: Option<Rc<Stopper>>,
        terminal: bool,
        every_us: Option<u64>,
    ) -> Screen {
        Screen {
            status: report::StatusLine::new(asked.extent),
            terminal,
            every_us,
            shown: None,
            now: At::ZERO,
            on_fail: stopper.map(|stopper| OnFail::new(stopper, asked)),
        }
    }

    /// Folds what a run that goes on has written before.
    ///
    /// # Errors
    /// Its folder cannot be read any more.
    pub(crate) fn catch_up(&mut self, cut: Option<&CutRun>) -> Result<(), Mistake> {
        let Some(cut) = cut else { return Ok(()) };
        cut.read(|entry| {
            self.status.fold(entry);
            if let Some(on_fail) = &mut self.on_fail {
                on_fail.fold(entry);
            }
        })
    }

    fn show(&mut self, in_flight: u64) {
        self.shown = Some(self.now);
        let flight =
            if in_flight > 0 { format!(" · {in_flight} in flight") } else { String::new() };
        if self.terminal {
            // One column less than the terminal has, so that the line never wraps.
            let columns =
                stderr_columns().map_or(COLUMNS, |columns| columns.saturating_sub(1).max(40));
            let line = self.status.line(self.now, columns - report::layout::columns(&flight));
            rewrite_line(&format!("{line}{flight}"));
        } else {
            print_stderr(&(self.status.line(self.now, 2 * COLUMNS) + &flight));
        }
    }

    /// Prints a line of its own.
    fn say(&self, text: &str) {
        self.end();
        print_stderr(text);
    }

    /// Ends the view with the run.
    pub(crate) fn end(&self) {
        if self.terminal {
            rewrite_line("");
        }
    }
}

impl Watcher for Screen {
    fn entry(&mut self, entry: &Entry) {
        self.now = self.now.max(entry.at);
        tracing::debug!("{} {:?}", entry.seq, entry.fact);
        self.status.fold(entry);
        if let Some(on_fail) = &mut self.on_fail {
            on_fail.fold(entry);
        }
        let loud = match &entry.fact {
            Fact::Phase(_) | Fact::Fault(_) => true,
            Fact::Target(target) => target.word != TargetWord::Ready,
            _ => false,
        };
        if loud && self.every_us.is_some() {
            self.show(0);
        }
        if let Fact::Action(action) = &entry.fact
            && action.what == PAUSE
            && self.every_us.is_some()
        {
            self.say(&action.note);
        }
    }

    fn tick(&mut self, now: At, progress: &Progress) {
        self.now = now;
        let Some(every_us) = self.every_us else { return };
        if self.shown.is_none_or(|shown| now.since(shown) >= every_us) {
            self.show(progress.in_flight());
        }
    }

    fn warned(&mut self, words: &str) {
        if self.every_us.is_some() {
            self.say(words);
        }
    }
}

impl OnFail {
    fn new(stopper: Rc<Stopper>, asked: RunDescription) -> OnFail {
        let first = CalendarFold::new(&asked.trend);
        let fold = Fold::new(&asked, first.finish());
        OnFail { stopper, asked, first, fold, judged: At::ZERO, reported: false }
    }

    fn fold(&mut self, entry: &Entry) {
        self.first.fold(entry);
        self.fold.fold(entry);
        if self.reported || entry.at.since(self.judged) < JUDGE_US {
            return;
        }
        self.judged = entry.at;
        let analysis = self.fold.finish_with(self.first.finish());
        let verdict = verdict::judge(&self.asked.contract, &analysis);
        // A 95 % interval that is tested repeatedly no longer covers 95 %.
        let ends_it = |gate: &&GateResult| {
            gate.word == verdict::VerdictWord::Fail && gate.measure != Measure::Mtbf
        };
        let broken = verdict.gates.iter().find(ends_it);
        if let Some(gate) = broken {
            self.reported = true;
            // The receiver is gone if the run is over.
            let _ = self.stopper.send(StopWord::OnFail(gate.text.clone()));
        }
    }
}
