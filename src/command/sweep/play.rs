//! Performs one start of one arm, by the code of `run` and `rehearse`, and reads its result from
//! its folder.

use std::path::PathBuf;

use super::{Sweep, outcomes};
use crate::command::drive::{Driven, NoRun};
use crate::command::rehearse;
use crate::command::report::{self, JudgedRun};
use crate::command::run::{self, RunOptions};
use crate::digest::sha256;
use crate::error::Mistake;
use crate::fact::ClosedBecause;
use crate::journal::{self, Manifest, manifest};
use crate::rng::Rng;
use crate::sweep::{Outcome, Turn};
use crate::verdict::VerdictWord;

/// Address of the servers' seeds below the sweep's seed.
const SERVER: u64 = 0x5E;

/// Completed run.
pub(super) struct Run {
    pub turn: Turn,
    /// Run folder.
    pub folder: PathBuf,
    /// Whether its server came up.
    pub outcome: Outcome,
    pub word: VerdictWord,
    /// Reason for its end, or for a failed start, in words.
    pub note: String,
}

/// End of a turn.
pub(super) enum TurnEnd {
    /// Completed run.
    Run(Box<Run>),
    /// Stop that the user requested.
    Interrupted,
    /// Failure of longhaul.
    Fault(String),
}

/// Starts an arm and drives it.
///
/// # Errors
/// A mistake of the user: the start could not even be tried.
pub(super) fn play(sweep: &Sweep, turn: Turn) -> Result<TurnEnd, Mistake> {
    let options = options(sweep, turn);
    let driven =
        if sweep.options.rehearse { rehearse::driven(options.drive) } else { run::driven(options) };
    let Driven { folder, asked, closed } = match driven {
        Ok(driven) => driven,
        Err(NoRun::Interrupted) => return Ok(TurnEnd::Interrupted),
        Err(NoRun::Mistake(wrong)) => {
            return Err(wrong.of(&format!("the arm `{}`", sweep.arms[turn.arm].shown())));
        }
    };
    if let Err(why) = closed {
        return Ok(TurnEnd::Fault(why));
    }
    let judged = report::judge_as(asked, &folder, None)?;
    report::keep(&judged.page(), &folder);
    Ok(match found(turn, folder, &judged) {
        Some(run) => TurnEnd::Run(Box::new(run)),
        None => TurnEnd::Interrupted,
    })
}

/// Returns the options of one start.
fn options(sweep: &Sweep, turn: Turn) -> RunOptions {
    let arm = &sweep.arms[turn.arm];
    let mut options = sweep.options.run.clone();
    let drive = &mut options.drive;
    drive.inputs.recipe = Some(sweep.folder.join(arm.file()).display().to_string());
    drive.output = Some(sweep.run_folder(turn));
    drive.quiet = outcomes(sweep).iter().any(|(it, _)| it.arm == turn.arm);
    drive.sweep = Some(manifest::SweepPosition { arm: arm.name.clone(), start: turn.start });
    // Every start simulates another server, under the same load.
    let address = [SERVER, turn.arm as u64, u64::from(turn.start)];
    let seed = Rng::at(drive.inputs.seed, &address).below(1 << 32);
    drive.server_seed = sweep.options.simulates().then_some(seed);
    options
}

/// Reads a completed run from its folder; `None` where it was never begun, or was interrupted.
///
/// # Errors
/// The folder holds another run: its owner is unknown, so it is left where it is.
pub(super) fn look(sweep: &Sweep, turn: Turn) -> Result<Option<Run>, Mistake> {
    let folder = sweep.run_folder(turn);
    // Without a readable manifest it is no run, whatever it holds.
    let Ok(manifest) = journal::reader::read_manifest(&folder) else { return Ok(None) };
    if let Some(what) = mismatch(sweep, turn, &manifest) {
        let place = sweep.run_name(turn);
        return Err(Mistake::new(format!("`{place}` holds a run of something else: {what}"))
            .at(folder.display().to_string())
            .hint("move it elsewhere; the start is made anew"));
    }
    let judged = report::judge(&folder).ok();
    Ok(judged.and_then(|judged| found(turn, folder, &judged)))
}

/// Returns the difference between a run and the run of a turn, if any.
fn mismatch(sweep: &Sweep, turn: Turn, manifest: &Manifest) -> Option<&'static str> {
    let arm = &sweep.arms[turn.arm];
    let inputs = &sweep.options.run.drive.inputs;
    let own = manifest::SweepPosition { arm: arm.name.clone(), start: turn.start };
    let overrides = serde_json::to_value(&inputs.overrides).unwrap_or_default();
    let parts = [
        ("another arm or start", manifest.sweep.as_ref() == Some(&own)),
        ("another recipe", manifest.recipe.sha256 == sha256(arm.text().as_bytes())),
        ("another scenario", manifest.scenario.sha256 == sweep.scenario_sha256),
        ("another length, depths or load", manifest.overrides == overrides),
        ("another seed", manifest.seed == inputs.seed),
    ];
    parts.into_iter().find(|(_, is_own)| !is_own).map(|(what, _)| what)
}

fn found(turn: Turn, folder: PathBuf, judged: &JudgedRun) -> Option<Run> {
    let is_whole = judged.asked.reported.missing_seqs == 0 && judged.asked.reported.torn.is_empty();
    let (_, closed) = judged.analysis.calendar.closed().filter(|_| is_whole)?;
    let outcome = match closed.because {
        ClosedBecause::Interrupted | ClosedBecause::InterruptedTwice | ClosedBecause::Fault => {
            return None;
        }
        ClosedBecause::NeverReady | ClosedBecause::NeverAnswered => Outcome::NeverUp,
        _ => Outcome::Ran,
    };
    let note = closed.note.clone();
    Some(Run { turn, folder, outcome, word: judged.verdict.word, note })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_run_counts_where_its_server_came_up_and_it_was_neither_interrupted_nor_cut() {
        let journals = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals");
        let came = |name: &str| {
            let folder = journals.join(name);
            let judged = report::judge(&folder).unwrap();
            let because = judged.analysis.calendar.closed().map(|(_, closed)| closed.because);
            match found(Turn { arm: 0, start: 0 }, folder, &judged) {
                Some(run) => format!("{name}, {because:?}: {:?} {:?}", run.outcome, run.word),
                None => format!("{name}, {because:?}: no run"),
            }
        };
        let names = ["healthy", "hung", "torn_tail", "host_rebooted", "slow_leak"];
        insta::assert_snapshot!(names.map(came).join("\n"), @"
            healthy, Some(Done): Ran Pass
            hung, Some(Done): Ran Fail
            torn_tail, None: no run
            host_rebooted, Some(Done): Ran Fail
            slow_leak, Some(Done): Ran Pass
        ");
    }
}
