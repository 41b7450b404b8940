//! Provides the scenarios of rehearsals: half an hour of virtual time that takes a moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use longhaul::analysis::{Analysis, RunDescription};
use longhaul::command::drive::{DriveOptions, Driven, NoRun};
use longhaul::command::report::{JudgedRun, judge};
use longhaul::command::{Inputs, rehearse};
use longhaul::exit::Exit;
use longhaul::fact::{Closed, Ended, Entry, Fact, Load, Phase, Reading, Request, Source};
use longhaul::incident::{Incident, IncidentKind};
use longhaul::journal::CutRun;
use longhaul::measure::Quantity;
use longhaul::run::Watcher;
use longhaul::run::conductor::Order;
use longhaul::run::load::Progress;
use longhaul::run::stop::{StopWord, Stopper, channel};
use longhaul::spec::Select;
use longhaul::unit::At;
use tempfile::TempDir;

/// Half an hour on the record's machine: short and deep, alone and two at once.
pub(super) const HALF_AN_HOUR: &str = "\
about: Half an hour, for tests.
duration: 30m
warmup: 1 lap
reference: 8 laps
workloads:
  - ladder:
      depths: [0, 8192]
      prompt: 512
      output: 64
      concurrency: [1, 2]
      prefix: cold
limits:
  first_token: 2m
  stall: 1m
  away: 20m
contract:
  crashes: 0
  restarts: 0
  errors: 0%
  tokens_per_s:
    - { phase: return, load: 1, at_least: 92% of reference }
  ttft:
    - { phase: return, load: 1, at_most: 110% of reference }
";

/// A folder of a test's own, removed when it is dropped.
pub(super) struct Scratch(TempDir);

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and names it.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

/// What is to be rehearsed.
#[derive(Clone)]
pub(super) struct Script {
    pub scenario: String,
    pub recipe: Option<String>,
    pub ailments: Vec<String>,
    pub seed: u64,
    /// The user asks to stop after so many entries.
    pub interrupt_after: Option<usize>,
}

impl Script {
    pub(super) fn new(scenario: &str, ailments: &[&str]) -> Script {
        Script {
            scenario: scenario.to_owned(),
            recipe: None,
            ailments: ailments.iter().map(|text| (*text).to_owned()).collect(),
            seed: 1,
            interrupt_after: None,
        }
    }

    /// Plays it in a folder of its own.
    pub(super) fn play(&self) -> Played {
        self.play_in(Rc::new(Scratch::new()), "run")
    }

    /// Plays it in a run folder of a name.
    pub(super) fn play_in(&self, scratch: Rc<Scratch>, name: &str) -> Played {
        let folder = scratch.path(name);
        self.played(scratch, folder, None)
    }

    /// Goes on with it in its folder, where it was cut off.
    pub(super) fn go_on(&self, cut: CutRun, scratch: Rc<Scratch>) -> Played {
        let folder = cut.dir.clone();
        self.played(scratch, folder, Some(Rc::new(cut)))
    }

    /// Returns why it does not go on.
    pub(super) fn mistake(&self, cut: CutRun, scratch: &Scratch) -> String {
        let folder = cut.dir.clone();
        match self.tried(scratch, &folder, Some(Rc::new(cut))).0 {
            Err(NoRun::Mistake(wrong)) => wrong.to_string(),
            _ => panic!("it went on"),
        }
    }

    fn played(&self, scratch: Rc<Scratch>, folder: PathBuf, cut: Option<Rc<CutRun>>) -> Played {
        let (driven, seen) = self.tried(&scratch, &folder, cut);
        match driven {
            Ok(Driven { asked, closed, .. }) => {
                let judged = judge(&folder).unwrap_or_else(|wrong| panic!("{wrong}"));
                let Seen { entries, orders, .. } = seen;
                Played { judged, entries, orders, asked, closed, folder, scratch }
            }
            Err(NoRun::Mistake(wrong)) => panic!("{wrong}"),
            Err(NoRun::Interrupted) => panic!("interrupted before it began"),
        }
    }

    fn tried(
        &self,
        scratch: &Scratch,
        folder: &Path,
        cut: Option<Rc<CutRun>>,
    ) -> (Result<Driven, NoRun>, Seen) {
        let scenario = scratch.file("scenario.yaml", &self.scenario);
        let recipe = self.recipe.as_ref().map(|text| scratch.file("recipe.yaml", text));
        let (scenario, seed) = (Some(scenario), self.seed);
        let options = DriveOptions {
            inputs: Inputs { recipe, scenario, seed, ..Inputs::default() },
            ailments: self.ailments.clone(),
            output: Some(folder.to_owned()),
            cut,
            ..DriveOptions::default()
        };
        let (stopper, stop) = channel();
        let interrupt_after = self.interrupt_after;
        let mut seen = Seen { stopper, interrupt_after, entries: Vec::new(), orders: Vec::new() };
        (rehearse::play(options, stop, &mut seen), seen)
    }
}

/// Rehearses half an hour with something wrong.
pub(super) fn ailing(ailments: &[&str]) -> Played {
    Script::new(HALF_AN_HOUR, ailments).play()
}

/// Who sees everything, and may ask to stop.
struct Seen {
    stopper: Stopper,
    interrupt_after: Option<usize>,
    entries: Vec<Entry>,
    orders: Vec<(usize, At, Order)>,
}

impl Watcher for Seen {
    fn entry(&mut self, entry: &Entry) {
        self.entries.push(entry.clone());
        if Some(self.entries.len()) == self.interrupt_after {
            let _ = self.stopper.send(StopWord::Interrupt);
        }
    }

    fn tick(&mut self, _: At, _: &Progress) {}

    fn ordered(&mut self, now: At, order: &Order) {
        self.orders.push((self.entries.len(), now, order.clone()));
    }
}

/// A rehearsal that was played.
pub(super) struct Played {
    pub judged: JudgedRun,
    /// As they were written.
    pub entries: Vec<Entry>,
    /// With the number of entries that there were before each.
    pub orders: Vec<(usize, At, Order)>,
    /// What was asked, as the run knew it.
    pub asked: RunDescription,
    pub closed: Result<Closed, String>,
    pub folder: PathBuf,
    pub scratch: Rc<Scratch>,
}

impl Played {
    pub(super) fn analysis(&self) -> &Analysis {
        &self.judged.analysis
    }

    pub(super) fn verdict(&self) -> &longhaul::verdict::Verdict {
        &self.judged.verdict
    }

    pub(super) fn exit(&self) -> Exit {
        self.judged.exit()
    }

    /// The report, for the words of a failed assertion.
    pub(super) fn reported(&self) -> String {
        longhaul::command::report::for_people(&self.judged.page(), true).text().to_owned()
    }

    pub(super) fn incidents(&self) -> &[Incident] {
        &self.analysis().calendar.incidents
    }

    /// The only incident.
    pub(super) fn incident(&self) -> &Incident {
        assert_eq!(self.incidents().len(), 1, "{}", self.reported());
        &self.incidents()[0]
    }

    /// When the load began, seconds.
    pub(super) fn began(&self) -> f64 {
        let phase = self.entries.iter().find(|entry| matches!(entry.fact, Fact::Phase(_)));
        phase.map_or(0.0, |entry| entry.at.seconds())
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.entries.iter().filter_map(|entry| match &entry.fact {
            Fact::Request(request) => Some(&**request),
            _ => None,
        })
    }

    /// Requests, all phases, that ended so.
    pub(super) fn ended(&self, ended: Ended) -> usize {
        self.requests().filter(|request| request.ended == ended).count()
    }

    /// Requests that count as failures of the server.
    pub(super) fn bad(&self) -> usize {
        self.requests().filter(|request| request.ended.is_bad()).count()
    }

    /// The median of a quantity, one stream, in a phase.
    pub(super) fn median(&self, quantity: Quantity, phase: Phase) -> f64 {
        let select =
            Select { phase: Some(phase), load: Some(Load::Streams(1)), ..Select::default() };
        self.analysis().dist(quantity, &select).percentile(0.5).expect("samples").low
    }

    /// The return window's median over the reference window's.
    pub(super) fn change(&self, quantity: Quantity) -> f64 {
        self.median(quantity, Phase::Return) / self.median(quantity, Phase::Reference)
    }

    /// The readings of a series, with their time since the load began, seconds.
    pub(super) fn readings(&self, source: Source, name: &str) -> Vec<(f64, f64)> {
        let of = |entry: &Entry| match &entry.fact {
            Fact::Reading(Reading { source: of, name: named, last, .. })
                if *of == source && named == name =>
            {
                Some((entry.at.seconds() - self.began(), *last))
            }
            _ => None,
        };
        self.entries.iter().filter_map(of).collect()
    }

    /// The gravest word of the gates whose text starts so.
    pub(super) fn gate(&self, text: &str) -> longhaul::verdict::VerdictWord {
        let gates = self.judged.verdict.gates.iter().filter(|gate| gate.text.starts_with(text));
        let word = gates.map(|gate| gate.word).max();
        word.unwrap_or_else(|| panic!("no gate {text}: {}", self.reported()))
    }

    /// Findings and warnings of the report, a line each, after the words on the ailments.
    pub(super) fn notes(&self) -> String {
        let page = self.judged.page();
        page.ailing.iter().chain(&page.notes).cloned().collect::<Vec<_>>().join("\n")
    }
}

/// How long the server was away, seconds.
pub(super) fn away(incident: &Incident) -> f64 {
    assert!(incident.is(IncidentKind::Outage), "{incident:?}");
    incident.until.expect("it came back").since(incident.from) as f64 / 1e6
}
