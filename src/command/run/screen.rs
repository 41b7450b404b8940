//! What a person sees while a run goes on: one line that is written again and
//! again on a terminal, plain lines now and then elsewhere, and, where the user
//! wants it, an end at the first broken gate.

use std::io::{IsTerminal, Write};
use std::rc::Rc;

use crate::analysis::{Asked, Fold, Pass1};
use crate::command::tell;
use crate::fact::{Entry, Fact};
use crate::report::progress::Status;
use crate::run::load::Progress;
use crate::run::stop::{StopWord, Stopper};
use crate::unit::At;
use crate::verdict;

/// How often the line is written again on a terminal, and a plain line elsewhere.
const EVERY_US: (u64, u64) = (250_000, 15_000_000);
/// How often the contract is looked at when the run is to end at the first broken gate.
const JUDGE_US: u64 = 5_000_000;

/// The live view.
pub struct Screen {
    status: Status,
    terminal: bool,
    shown: Option<At>,
    on_fail: Option<OnFail>,
}

/// The contract, looked at while the run goes on.
struct OnFail {
    stopper: Rc<Stopper>,
    asked: Asked,
    first: Pass1,
    fold: Fold,
    judged: At,
    told: bool,
}

impl Screen {
    /// For a run; with a stopper, the run ends at the first broken gate.
    pub fn new(asked: Asked, stopper: Option<Rc<Stopper>>) -> Screen {
        let on_fail = stopper.map(|stopper| OnFail {
            stopper,
            first: Pass1::default(),
            fold: Fold::new(&asked, Pass1::default().finish()),
            asked: asked.clone(),
            judged: At::ZERO,
            told: false,
        });
        let terminal = std::io::stderr().is_terminal();
        Screen { status: Status::new(&asked), terminal, shown: None, on_fail }
    }

    /// An entry was written.
    pub fn take(&mut self, entry: &Entry, progress: &Progress) {
        self.status.take(entry);
        self.status.progress(progress.in_flight(), progress.tokens());
        if let Some(on_fail) = &mut self.on_fail {
            on_fail.take(entry);
        }
        let every_us = if self.terminal { EVERY_US.0 } else { EVERY_US.1 };
        let loud = matches!(entry.fact, Fact::Phase(_) | Fact::Target(_) | Fact::Fault(_));
        if loud || self.shown.is_none_or(|shown| entry.at.since(shown) >= every_us) {
            self.shown = Some(entry.at);
            self.show(entry.at);
        }
    }

    fn show(&self, now: At) {
        if self.terminal {
            let line = self.status.line(now, 79);
            let mut err = std::io::stderr().lock();
            // A terminal that went away is no reason to end a soak.
            let _ = write!(err, "\r\u{1b}[2K{line}");
            let _ = err.flush();
        } else {
            tell(&self.status.line(now, 160));
        }
    }

    /// The run is over.
    pub fn end(&self) {
        if self.terminal {
            tell("\r\u{1b}[2K");
        }
    }
}

impl OnFail {
    fn take(&mut self, entry: &Entry) {
        self.first.take(entry);
        self.fold.take(entry);
        if self.told || entry.at.since(self.judged) < JUDGE_US {
            return;
        }
        self.judged = entry.at;
        let analysis = self.fold.finish_with(self.first.finish());
        let verdict = verdict::judge(&self.asked.contract, &analysis);
        let broken = verdict.gates.iter().find(|gate| gate.word == verdict::Word::Fail);
        if let Some(gate) = broken {
            self.told = true;
            // The run may be over already.
            let _ = self.stopper.send(StopWord::OnFail(gate.text.clone()));
        }
    }
}
