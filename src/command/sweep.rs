//! Implements `longhaul sweep`: serves variants of a recipe in turns, several starts each, and
//! compares them with the base at the end.
//!
//! Only the run folders count: what is done, and how it ended, is read from them, so that a sweep
//! can continue after any interruption.

mod arms;
mod manifest;
mod play;
mod signal;
mod summary;

use std::fs::File;
use std::path::{Path, PathBuf};

use super::inputs::DEFAULT_RECIPE;
use super::run::{self, RunOptions};
use super::sim::no_profile;
use super::{finish, mistake, print_stderr};
use crate::digest::sha256;
use crate::error::Mistake;
use crate::exit::Exit;
use crate::report::sweep as report;
use crate::report::words::counted;
use crate::sim::{MODELLED, Setup};
use crate::spec::recipe::ReadRecipe;
use crate::spec::scenario::Cap;
use crate::spec::{Scenario, Workload};
use crate::sweep::{self as schedule, Outcome, STARTS_MIN, Turn};
use arms::Arm;
use play::{Run, TurnEnd};
use signal::Signals;

/// Limit of the starts of an arm: no side of a comparison holds more.
const STARTS_MAX: u32 = crate::stats::shift::SIDE_MAX as u32;
/// Limit of the arms: a year of sweeping, and names with two digits.
const ARMS_MAX: usize = 64;
/// Limit of an arm's name in a mistake.
const NAME_CHARS_MAX: usize = 60;

/// Default scenario.
const SCENARIO: &str = "smoke";

/// Options of a sweep.
#[derive(Clone, Debug, Default)]
pub(crate) struct SweepOptions {
    /// Options of every start.
    pub run: RunOptions,
    /// Whether it runs in virtual time.
    pub rehearse: bool,
    /// Variations, each as `key=value,value`.
    pub vary: Vec<String>,
    /// File of arms.
    pub arms: Option<PathBuf>,
    /// Whether an arm may change more than one thing.
    pub allow_several: bool,
    /// Number of starts of each arm.
    pub starts: u32,
}

impl SweepOptions {
    /// Returns the word for how the servers are started.
    fn how(&self) -> Option<&'static str> {
        match self.run.server.target.start {
            Some(start) => Some(start.word()),
            None if self.rehearse => Some("rehearse"),
            None => self.run.simulate.then_some("simulate"),
        }
    }

    fn simulates(&self) -> bool {
        self.rehearse || self.run.simulate
    }
}

/// Sweep in progress.
pub(crate) struct Sweep {
    options: SweepOptions,
    folder: PathBuf,
    /// Arms, the base first.
    arms: Vec<Arm>,
    /// SHA-256 of the scenario's text.
    scenario_sha256: String,
    order: Vec<Turn>,
    /// Completed runs, in the planned order.
    done: Vec<Run>,
}

/// Sweeps, and prints the result.
pub(crate) fn sweep(options: SweepOptions) -> Exit {
    // Held until the end: a second longhaul in the same folder would repeat runs.
    let (mut sweep, _lock) = match begun(options) {
        Ok(begun) => begun,
        Err(wrong) => return mistake(&wrong),
    };
    match carried_out(&mut sweep) {
        Ok(None) => {
            let reported = summary::reported(&sweep);
            let is_result =
                |arm: &report::ArmResult| arm.shows_nothing || matches!(arm.compared, Some(Ok(_)));
            let exit =
                if reported.arms.iter().any(is_result) { Exit::Pass } else { Exit::Inconclusive };
            finish(&report::render(&reported), exit)
        }
        Ok(Some(exit)) => exit,
        Err(wrong) => mistake(&wrong),
    }
}

/// Prepares everything up to the first start.
fn begun(mut options: SweepOptions) -> Result<(Sweep, File), Mistake> {
    check(&options)?;
    let scenario = &mut options.run.drive.inputs.scenario;
    scenario.get_or_insert_with(|| if options.rehearse { "short" } else { SCENARIO }.to_owned());
    let base = base(&options)?;
    let mut arms = arms::read(&options, base)?;
    // A mistake in the scenario is reported before the first hour is spent.
    let scenario = options.run.drive.inputs.scenario(SCENARIO)?;
    alike(&scenario)?;
    for arm in &arms {
        run::check(options.run.clone(), arm.reading.clone(), scenario.clone())
            .map_err(|wrong| wrong.of(&format!("the arm `{}`", arm.shown())))?;
    }
    if options.simulates() {
        find_unmodelled(&options, &mut arms)?;
    }
    let folder = options.run.drive.output.clone();
    let folder = folder.unwrap_or_else(|| free(&arms[0].reading.recipe.source.name));
    let lock = manifest::lock(&folder)?;
    manifest::claim(&folder, &options, &arms)?;
    let order = schedule::order(arms.len(), options.starts);
    let scenario_sha256 = sha256(scenario.source.text.as_bytes());
    let mut sweep = Sweep { options, folder, arms, scenario_sha256, order, done: Vec::new() };
    for turn in sweep.order.clone() {
        sweep.done.extend(play::look(&sweep, turn)?);
    }
    Ok((sweep, lock))
}

/// Finds the arms that the simulated server serves as it serves the base: their starts differ by
/// chance alone. Names what of the others has no effect there.
///
/// # Errors
/// No arm would show anything.
fn find_unmodelled(options: &SweepOptions, arms: &mut [Arm]) -> Result<(), Mistake> {
    let Some((base, others)) = arms.split_first_mut() else { return Ok(()) };
    let Some(profile) = options.run.drive.inputs.profile(Some(&base.reading.recipe))? else {
        return Ok(());
    };
    let setup = |arm: &Arm| Setup::of(&arm.reading.recipe, &profile);
    let same = setup(base);
    for arm in others.iter_mut() {
        arm.shows_nothing = setup(arm).behaves_as(&same);
    }
    if others.iter().all(|arm| arm.shows_nothing) {
        return Err(Mistake::new("the simulated server is the same with every arm as with the base: the sweep would show nothing")
            .hint(format!("a setting that it models: {}", modelled()))
            .hint("--start docker|podman|process|sparkrun, for the real server"));
    }
    for arm in others {
        let unmodelled = arm.differs.iter().map(|it| it.what.as_str());
        let unmodelled: Vec<&str> = unmodelled.filter(|it| !MODELLED.contains(it)).collect();
        if arm.shows_nothing {
            let shown = arm.shown();
            print_stderr(&format!(
                "note: `{shown}` shows nothing here: the simulated server is the same as the base's"
            ));
        } else if !unmodelled.is_empty() {
            let (shown, names) = (arm.shown(), unmodelled.join(", "));
            print_stderr(&format!("note: of `{shown}` the simulator does not model {names}"));
        }
    }
    Ok(())
}

/// Returns the settings that the simulator models, in words.
fn modelled() -> String {
    let names = MODELLED.map(|name| match name {
        "max_model_len" => "max_model_len beyond its cache",
        name => name,
    });
    names.join(", ")
}

/// Rejects a scenario whose plan would differ from start to start.
fn alike(scenario: &Scenario) -> Result<(), Mistake> {
    let Some(Cap { prefill: cap, shallowest, deepest }) =
        scenario.workloads.iter().find_map(Workload::cap)
    else {
        return Ok(());
    };
    let what = format!(
        "scenario `{}` leaves out depths by the speed that is measured at every start (`cap: {} s`, up to d{deepest}): two arms would get different requests, and could not be compared",
        scenario.source.name,
        cap.as_secs()
    );
    Err(Mistake::new(what)
        .at(format!("{} workloads.ladder.cap", scenario.source.origin))
        .hint(format!(
            "--depths 0,{}: the depths to be asked, of every arm",
            shallowest.unwrap_or(4096)
        ))
        .hint("a scenario without a cap: --scenario short, or smoke for a first look"))
}

fn check(options: &SweepOptions) -> Result<(), Mistake> {
    if options.how().is_none() {
        return Err(Mistake::new("a sweep starts its servers itself, and nothing says how")
            .hint("--rehearse, in virtual time, to see what it would be able to tell")
            .hint("--start docker|podman|process|sparkrun")
            .hint("--simulate, the built-in simulated server in real time"));
    }
    if options.rehearse && (options.run.simulate || options.run.server.target.start.is_some()) {
        let what = "--rehearse excludes --start and --simulate";
        return Err(Mistake::new(what).hint("one of them"));
    }
    if options.starts == 0 || options.starts > STARTS_MAX {
        let what = format!("--starts {}: from 1 to {STARTS_MAX}", options.starts);
        return Err(Mistake::new(what).hint("--starts 6"));
    }
    if options.vary.is_empty() && options.arms.is_none() {
        return Err(Mistake::new("nothing is varied")
            .hint("--vary max_num_seqs=4,8")
            .hint("--arms FILE"));
    }
    if options.starts < STARTS_MIN {
        let starts = counted(u64::from(options.starts), "start", "starts");
        print_stderr(&format!(
            "note: with {starts} of each arm nothing is decided exactly; {STARTS_MIN} are the least, 6 the default"
        ));
    }
    Ok(())
}

/// Reads the recipe that is varied.
fn base(options: &SweepOptions) -> Result<ReadRecipe, Mistake> {
    let inputs = &options.run.drive.inputs;
    let reading = inputs.reading(options.simulates().then_some(DEFAULT_RECIPE))?;
    let reading =
        reading.ok_or_else(|| Mistake::new("no recipe is named to vary").hint("--recipe FILE"))?;
    // The recipe keeps its own origin: a fetched recipe must not choose files of this machine.
    if options.simulates() && inputs.profile(Some(&reading.recipe))?.is_none() {
        return Err(no_profile());
    }
    Ok(reading)
}

/// Returns the path of a folder that does not exist yet.
fn free(recipe: &str) -> PathBuf {
    let name = |n: u32| Path::new("runs").join(format!("sweep-{recipe}-{n}"));
    (1..u32::MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

/// Performs all starts; returns the exit if it ends early.
fn carried_out(sweep: &mut Sweep) -> Result<Option<Exit>, Mistake> {
    let kept = sweep.done.len();
    if kept > 0 {
        print_stderr(&format!("{kept} of {} runs are done already", sweep.order.len()));
    }
    let mut signals = Signals::listen()?;
    while let Some(turn) = schedule::next(&sweep.order, &outcomes(sweep)) {
        if signals.came() {
            return Ok(Some(interrupted(sweep)));
        }
        manifest::put_aside(sweep, turn)?;
        match play::play(sweep, turn)? {
            TurnEnd::Run(run) => {
                print_stderr(&summary::line(sweep, &run));
                sweep.done.push(*run);
                manifest::update(sweep)?;
            }
            TurnEnd::Interrupted => {
                return Ok(Some(interrupted(sweep)));
            }
            TurnEnd::Fault(why) => {
                print_stderr(&format!("error: longhaul failed: {why}"));
                return Ok(Some(Exit::Fault));
            }
        }
    }
    manifest::update(sweep)?;
    Ok(None)
}

fn interrupted(sweep: &Sweep) -> Exit {
    print_stderr(&format!("interrupted; the same command goes on: {}", manifest::again(sweep)));
    Exit::Interrupted
}

fn outcomes(sweep: &Sweep) -> Vec<(Turn, Outcome)> {
    sweep.done.iter().map(|run| (run.turn, run.outcome)).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn checked(change: impl Fn(&mut SweepOptions)) -> String {
        let vary = vec!["max_num_seqs=8".to_owned()];
        let mut options =
            SweepOptions { rehearse: true, starts: 6, vary, ..SweepOptions::default() };
        change(&mut options);
        check(&options).map_or_else(|wrong| wrong.to_string(), |()| "fits".to_owned())
    }

    #[test]
    fn a_sweep_says_how_its_servers_start_how_often_and_what_is_varied() {
        let docker = Some(crate::target::options::StartMethod::Docker);
        let reported = [
            ("as it is", checked(|_| ())),
            ("nobody starts", checked(|it| it.rehearse = false)),
            ("rehearsed and simulated", checked(|it| it.run.simulate = true)),
            ("rehearsed and started", checked(|it| it.run.server.target.start = docker)),
            ("no start", checked(|it| it.starts = 0)),
            ("too many starts", checked(|it| it.starts = STARTS_MAX + 1)),
            ("a start alone", checked(|it| it.starts = 1)),
            ("nothing varied", checked(|it| it.vary.clear())),
            (
                "arms alone",
                checked(|it| {
                    it.vary.clear();
                    it.arms = Some("arms.yaml".into());
                }),
            ),
        ];
        assert_snapshot!(
            "checked",
            reported.map(|(name, reported)| format!("{name}\n{reported}")).join("\n\n")
        );
    }

    /// Returns which of the arms show nothing on the simulator, or the mistake.
    fn unmodelled(vary: &[&str]) -> String {
        let vary = vary.iter().map(|&text| text.to_owned()).collect();
        let options =
            SweepOptions { rehearse: true, vary, allow_several: true, ..Default::default() };
        let mut arms = arms::read(&options, base(&options).unwrap()).unwrap();
        if let Err(wrong) = find_unmodelled(&options, &mut arms) {
            return wrong.to_string();
        }
        let names = arms.iter().filter(|arm| arm.shows_nothing).map(|arm| arm.name.as_str());
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn an_arm_that_the_simulator_does_not_model_is_known_and_a_sweep_of_such_arms_is_refused() {
        let drafts = "speculative_config.num_speculative_tokens=3";
        let reported = unmodelled(&["max_num_seqs=8", "kv_cache_dtype=auto", drafts, "env.X=1"]);
        assert_snapshot!(reported, @"kv_cache_dtype=auto speculative_config.num_speculative_tokens=3 env.X=1");
        assert_eq!(unmodelled(&["max_num_seqs=8", "enable_prefix_caching=true"]), "");
        assert_snapshot!(unmodelled(&["enforce_eager=true", "max_model_len=65536"]), @"
            error: the simulated server is the same with every arm as with the base: the sweep would show nothing
              try: a setting that it models: enable_prefix_caching, max_model_len beyond its cache, max_num_batched_tokens, max_num_seqs
              try: --start docker|podman|process|sparkrun, for the real server
        ");
    }

    #[test]
    fn a_scenario_that_is_cut_by_the_measured_speed_is_not_swept() {
        let scenario = |name: &str| {
            let inputs =
                super::super::Inputs { scenario: Some(name.to_owned()), ..Default::default() };
            inputs.scenario(SCENARIO).unwrap()
        };
        assert_eq!(alike(&scenario("short")), Ok(()));
        assert_snapshot!(alike(&scenario("quick")).unwrap_err(), @"
            error: scenario `quick` leaves out depths by the speed that is measured at every start (`cap: 30 s`, up to d100000): two arms would get different requests, and could not be compared
               at: shipped:quick workloads.ladder.cap
              try: --depths 0,4096: the depths to be asked, of every arm
              try: a scenario without a cap: --scenario short, or smoke for a first look
        ");
    }
}
