//! Collects the result of a sweep from its folders for the report.

use std::path::PathBuf;

use super::arms::Arm;
use super::play::Run;
use super::{Sweep, manifest, outcomes};
use crate::command::compare::sides;
use crate::compare::{self, Comparison};
use crate::error::Mistake;
use crate::report::sweep as report;
use crate::sweep::{Outcome, given_up};

/// Formats one line of progress.
pub(super) fn line(sweep: &Sweep, run: &Run) -> String {
    report::progress(&report::Step {
        done: sweep.done.len() + 1,
        all: sweep.order.len(),
        name: &sweep.arms[run.turn.arm].name,
        start: run.turn.start + 1,
        came: match run.outcome {
            Outcome::Ran => Ok(run.word),
            Outcome::NeverUp => Err(&run.note),
        },
    })
}

/// Collects the result of the sweep.
pub(super) fn reported(sweep: &Sweep) -> report::SweepSummary {
    let arms = sweep.arms.iter().enumerate().map(|(place, arm)| told_arm(sweep, place, arm));
    report::SweepSummary {
        simulated: sweep.options.simulates(),
        recipe: sweep.arms[0].reading.recipe.source.name.clone(),
        starts: sweep.options.starts,
        arms: arms.collect(),
        written: ["arms", "runs/ARM", "sweep.json"]
            .map(|name| sweep.folder.join(name).display().to_string())
            .to_vec(),
        again: manifest::again(sweep),
    }
}

fn told_arm(sweep: &Sweep, place: usize, arm: &Arm) -> report::ArmResult {
    report::ArmResult {
        name: arm.name.clone(),
        differs: arm.differs.clone(),
        ran: of(sweep, place, Outcome::Ran).map(|run| run.word).collect(),
        failed: of(sweep, place, Outcome::NeverUp)
            .map(|run| (run.folder.clone(), run.note.clone()))
            .collect(),
        given_up: given_up(place, &outcomes(sweep)),
        shows_nothing: arm.shows_nothing,
        compared: (place > 0).then(|| compared(sweep, place)),
    }
}

fn of(sweep: &Sweep, place: usize, outcome: Outcome) -> impl Iterator<Item = &Run> {
    sweep.done.iter().filter(move |run| run.turn.arm == place && run.outcome == outcome)
}

/// Compares an arm with the base, with every start of both: a failed start is a result. Starts that
/// ran come first, since they record the load.
fn compared(sweep: &Sweep, place: usize) -> Result<Comparison, String> {
    for (side, never) in [(0, "the base never started"), (place, "it never started")] {
        if of(sweep, side, Outcome::Ran).next().is_none() {
            return Err(never.to_owned());
        }
    }
    if sweep.arms[place].shows_nothing {
        let words = "the simulated server is the same as the base's, and what differs is chance";
        return Err(format!("{words}: it models {}", super::modelled()));
    }
    let folders = |side: usize| -> Vec<PathBuf> {
        let all = of(sweep, side, Outcome::Ran).chain(of(sweep, side, Outcome::NeverUp));
        all.map(|run| run.folder.clone()).collect()
    };
    sides(&folders(0), &folders(place), &compare::CompareTerms::default())
        .map_err(|wrong| reason(&wrong))
}

/// Returns a mistake in one line, without its hint: the flags there are another command's.
fn reason(wrong: &Mistake) -> String {
    match wrong.place() {
        Some(place) => format!("{} ({place})", wrong.what()),
        None => wrong.what().to_owned(),
    }
}
