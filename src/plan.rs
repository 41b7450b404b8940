//! PLANNED: what will be sent, as a pure function of the spec and the seed.
//! No I/O, no clock: an ask is a function of its address, and nothing that ran
//! before can change it.

pub mod ask;
pub mod corpus;
pub mod fitter;
pub mod forecast;
pub mod pace;
pub mod rates;
pub mod workload;

pub use ask::{Ask, Input, Message};
pub use corpus::Corpus;
pub use fitter::Fit;
pub use rates::Rates;
pub use workload::{Open, Part, Round};

use crate::digest::sha256;
use crate::error::Mistake;
use crate::fact::{Cell, Load, Phase};
use crate::spec::{Extent, Limits, Scenario, Workload};
use crate::unit::At;

/// Everything that will be sent, and in which order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of all texts.
    pub seed: u64,
    /// How much of it there is.
    pub extent: Extent,
    /// Laps that are not judged.
    pub warmup_laps: u64,
    /// Laps of the reference window, and at least as many of the return window.
    pub reference_laps: u64,
    /// When a request or a server is given up.
    pub limits: Limits,
    /// What the plan left out and why, for the report.
    pub notes: Vec<String>,
    rounds: Vec<Round>,
    corpus: Corpus,
}

/// What the server said of itself that a plan depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// The longest prompt and output together, tokens.
    pub max_model_len: Option<u64>,
    /// Prompt tokens per second, measured at the start.
    pub prefill_per_s: Option<f64>,
}

/// Where in a phase a round stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which pass over all rounds, from 0.
    pub lap: u64,
    /// Which round of the lap, from 0.
    pub index: usize,
}

impl Plan {
    /// Lays out a scenario for a server.
    ///
    /// # Errors
    /// A depth that the server cannot take, where the scenario does not allow to drop it;
    /// laps too few for the windows that are to be compared.
    pub fn new(scenario: &Scenario, seed: u64, bounds: Bounds) -> Result<Plan, Mistake> {
        let mut notes = Vec::new();
        let mut rounds = Vec::new();
        let mut texts = Vec::new();
        for workload in &scenario.workloads {
            let Workload::Ladder(ladder) = workload;
            rounds.extend(workload::ladder::rounds(ladder, bounds, scenario, &mut notes)?);
            texts.extend(ladder.texts.iter().cloned());
        }
        if rounds.is_empty() {
            return Err(Mistake::new(format!(
                "scenario `{}` leaves nothing to send: {}",
                scenario.source.name,
                notes.join("; ")
            ))
            .hint("smaller depths, as --depths 0,4096"));
        }
        if let Extent::Laps(laps) = scenario.extent
            && laps < 2 * scenario.reference_laps
        {
            return Err(Mistake::new(format!(
                "{laps} laps are too few for a reference and a return window of {} laps each",
                scenario.reference_laps
            ))
            .at(scenario.source.origin.clone())
            .hint(format!("laps: {}, or reference: 0 laps", 2 * scenario.reference_laps)));
        }
        Ok(Plan {
            seed,
            extent: scenario.extent,
            warmup_laps: scenario.warmup_laps,
            reference_laps: scenario.reference_laps,
            limits: scenario.limits,
            notes,
            rounds,
            corpus: Corpus::new(seed, &texts),
        })
    }

    /// The rounds of a lap, in order.
    pub fn lap(&self) -> &[Round] {
        &self.rounds
    }

    /// The texts that asks are made of.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// All cells, each once, in the order in which a lap visits them.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for round in &self.rounds {
            if !cells.contains(&round.cell) {
                cells.push(round.cell);
            }
        }
        cells
    }

    /// The most requests of any round: lanes that send one after the other.
    pub fn lanes(&self) -> u32 {
        self.rounds.iter().map(Round::lanes).max().unwrap_or(0)
    }

    /// The most streams at once of the closed loop; how many an open loop makes is up to
    /// the server.
    pub fn streams(&self) -> u32 {
        self.rounds.iter().map(|round| round.cell.streams()).max().unwrap_or(0)
    }

    /// The longest prompt and output together, tokens.
    pub fn tokens_max(&self) -> u64 {
        self.rounds.iter().map(|round| round.cell.input() + round.cell.output).max().unwrap_or(0)
    }

    /// The round at a place and the place after it.
    pub fn at(&self, place: Place) -> (&Round, Place) {
        let index = place.index.min(self.rounds.len() - 1);
        let next = if index + 1 < self.rounds.len() {
            Place { lap: place.lap, index: index + 1 }
        } else {
            Place { lap: place.lap + 1, index: 0 }
        };
        (&self.rounds[index], next)
    }

    /// The slot of a lane in the round at a place: how many rounds of the phase
    /// before it had a request for the lane.
    pub fn slot(&self, place: Place, lane: u32) -> u64 {
        let has = |round: &&Round| round.lanes() > lane;
        let per_lap = self.rounds.iter().filter(has).count() as u64;
        let before = self.rounds[..place.index].iter().filter(has).count() as u64;
        place.lap * per_lap + before
    }

    /// The place of a lane's slot; `None` if the lane never sends.
    pub fn place(&self, lane: u32, slot: u64) -> Option<Place> {
        let indices: Vec<usize> =
            (0..self.rounds.len()).filter(|index| self.rounds[*index].lanes() > lane).collect();
        let per_lap = indices.len() as u64;
        let lap = slot.checked_div(per_lap)?;
        Some(Place { lap, index: indices[(slot % per_lap) as usize] })
    }

    /// When each lane of the round at a place is due, in microseconds since the round's
    /// start; `None` in a closed round, whose lanes are due at once.
    pub fn due_us(&self, phase: Phase, place: Place) -> Option<Vec<u64>> {
        let (round, _) = self.at(place);
        match (round.cell.load, round.open) {
            (Load::PerSecond(per_s), Some(open)) => {
                Some(pace::offsets_us(self.seed, phase, place, per_s, open))
            }
            _ => None,
        }
    }

    /// The ask at an address, due at an instant. A function of its arguments alone.
    pub fn ask(&self, phase: Phase, place: Place, lane: u32, due: At, fit: &Fit) -> Ask {
        let (round, _) = self.at(place);
        let slot = self.slot(place, lane);
        Ask {
            phase,
            workload: round.workload,
            class: round.class,
            lane,
            slot,
            session: None,
            turn: None,
            cell: round.cell,
            lap: place.lap,
            repeat: 0,
            due,
            api: round.api,
            input: workload::ladder::input(self, round, phase, lane, slot, fit),
            exact_output: round.exact_output,
        }
    }

    /// What identifies the load: the order of all cells, the windows, the seed and the texts.
    pub fn fingerprint(&self) -> String {
        let rounds: Vec<String> = self
            .rounds
            .iter()
            .map(|round| {
                let open = round.open.map_or(String::new(), |open| {
                    format!(":{}:{}", open.arrivals.word(), open.requests)
                });
                format!("{}:{}:{:?}{open}", round.cell, round.class.word(), round.part)
            })
            .collect();
        sha256(
            format!(
                "{}|{:?}|{}|{}|{}|{}",
                self.seed,
                self.extent,
                self.warmup_laps,
                self.reference_laps,
                rounds.join(","),
                self.corpus.hash()
            )
            .as_bytes(),
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spec::scenario::{Api, Arrivals, Ladder, Prefix};
    use crate::spec::{Contract, Source};

    /// A ladder of prompt 512 and output 16.
    pub fn scenario(depths: &[u64], concurrency: &[u32]) -> Scenario {
        Scenario {
            source: Source {
                name: "test".to_owned(),
                origin: "test.yaml".to_owned(),
                text: String::new(),
            },
            about: "A test.".to_owned(),
            extent: Extent::Duration(Duration::from_secs(60)),
            warmup_laps: 1,
            reference_laps: 2,
            workloads: vec![Workload::Ladder(Ladder {
                depths: depths.to_vec(),
                prompt: 512,
                output: 16,
                concurrency: concurrency.to_vec(),
                rate: Vec::new(),
                arrivals: Arrivals::Poisson,
                requests: 60,
                prefix: Prefix::Cold,
                runs: 1,
                schedule: None,
                cap: None,
                exact_output: true,
                texts: Vec::new(),
                api: Api::Chat,
            })],
            limits: Limits::default(),
            contract: Contract::default(),
            warnings: Vec::new(),
        }
    }

    /// A ladder with rates, its arrivals evenly.
    pub fn open(depths: &[u64], rate: &[f64], requests: u32) -> Scenario {
        let mut scenario = scenario(depths, &[]);
        let ladder = ladder(&mut scenario);
        (ladder.rate, ladder.requests) = (rate.to_vec(), requests);
        ladder.arrivals = Arrivals::Constant;
        scenario
    }

    pub fn ladder(scenario: &mut Scenario) -> &mut Ladder {
        let Workload::Ladder(ladder) = &mut scenario.workloads[0];
        ladder
    }

    #[test]
    fn slots_and_places_are_each_others_inverse() {
        let plan = Plan::new(&scenario(&[0, 4096], &[1, 2, 4]), 7, Bounds::default()).unwrap();
        assert_eq!(plan.lanes(), 4);
        for lane in 0..4 {
            for slot in 0..20 {
                let place = plan.place(lane, slot).unwrap();
                assert_eq!(plan.slot(place, lane), slot);
            }
        }
        assert_eq!(plan.place(9, 0), None);
    }

    #[test]
    fn an_ask_depends_on_its_address_alone() {
        let plan = Plan::new(&scenario(&[0, 4096], &[1, 2]), 7, Bounds::default()).unwrap();
        let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
        let ask =
            |phase, lap, lane| plan.ask(phase, Place { lap, index: 3 }, lane, At::ZERO, &fit).input;
        let first = ask(Phase::Soak, 2, 1);
        ask(Phase::Warmup, 0, 0);
        assert_eq!(ask(Phase::Soak, 2, 1), first);
        for other in [ask(Phase::Return, 2, 1), ask(Phase::Soak, 3, 1), ask(Phase::Soak, 2, 0)] {
            assert_ne!(other, first);
        }
    }

    #[test]
    fn two_phases_ask_about_the_context_that_was_loaded_before() {
        let mut scenario = scenario(&[0, 4096], &[2]);
        ladder(&mut scenario).prefix = Prefix::TwoPhase;
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let parts: Vec<Part> = plan.lap().iter().map(|round| round.part).collect();
        assert_eq!(parts, [Part::Fresh, Part::Load, Part::Follow]);
        let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
        let context = |index, lane| {
            let ask = plan.ask(Phase::Soak, Place { lap: 1, index }, lane, At::ZERO, &fit);
            let Input::Messages(messages) = ask.input else { panic!("a chat") };
            messages[0].content.clone()
        };
        assert_eq!(context(1, 0), context(2, 0));
        assert_ne!(context(1, 0), context(1, 1));
    }

    #[test]
    fn warm_contexts_stay_and_cold_ones_never_come_again() {
        let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
        for (prefix, same) in [(Prefix::Warm, true), (Prefix::Cold, false)] {
            let mut scenario = scenario(&[4096], &[1]);
            ladder(&mut scenario).prefix = prefix;
            let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
            let context = |phase, lap| {
                let ask = plan.ask(phase, Place { lap, index: 0 }, 0, At::ZERO, &fit);
                let Input::Messages(messages) = ask.input else { panic!("a chat") };
                messages[0].content.clone()
            };
            assert_eq!(context(Phase::Warmup, 0) == context(Phase::Soak, 5), same);
        }
    }

    #[test]
    fn a_depth_beyond_the_server_is_a_mistake_unless_the_ladder_is_capped() {
        let mut scenario = scenario(&[0, 200_000], &[1]);
        let bounds = Bounds { max_model_len: Some(131_072), prefill_per_s: Some(1000.0) };
        let mistake = Plan::new(&scenario, 7, bounds).unwrap_err().to_string();
        assert!(mistake.contains("the server takes 131072"), "{mistake}");
        assert!(mistake.contains("try: --depths 0"), "{mistake}");
        ladder(&mut scenario).cap = Some(Duration::from_secs(30));
        let plan = Plan::new(&scenario, 7, bounds).unwrap();
        assert_eq!(plan.cells().len(), 1);
        assert!(plan.notes[0].contains("d200000 left out"), "{:?}", plan.notes);
    }

    #[test]
    fn a_cap_leaves_out_what_the_measured_speed_cannot_reach_in_time() {
        let mut scenario = scenario(&[0, 4096, 65_536], &[1]);
        ladder(&mut scenario).cap = Some(Duration::from_secs(30));
        let bounds = Bounds { max_model_len: None, prefill_per_s: Some(1000.0) };
        let plan = Plan::new(&scenario, 7, bounds).unwrap();
        assert_eq!(plan.cells().iter().map(|cell| cell.depth).collect::<Vec<_>>(), [0, 4096]);
    }

    #[test]
    fn the_fingerprint_changes_with_whatever_changes_the_load() {
        let print = |scenario: &Scenario, seed| {
            Plan::new(scenario, seed, Bounds::default()).unwrap().fingerprint()
        };
        let plain = scenario(&[0, 4096], &[1]);
        assert_eq!(print(&plain, 7), print(&plain, 7));
        assert_ne!(print(&plain, 7), print(&plain, 8));
        assert_ne!(print(&plain, 7), print(&scenario(&[4096, 0], &[1]), 7));
    }

    #[test]
    fn the_fingerprint_covers_how_an_open_round_is_spread_and_how_long_it_is() {
        let print =
            |scenario: &Scenario| Plan::new(scenario, 7, Bounds::default()).unwrap().fingerprint();
        let constant = open(&[0], &[0.5], 60);
        let mut poisson = constant.clone();
        ladder(&mut poisson).arrivals = Arrivals::Poisson;
        let prints = [&constant, &poisson, &open(&[0], &[0.5], 61), &open(&[0], &[0.6], 60)];
        let prints: std::collections::BTreeSet<String> = prints.map(print).into();
        assert_eq!(prints.len(), 4);
        // What nothing of the plan is made of is not in it.
        let mut closed = scenario(&[0], &[1]);
        let before = print(&closed);
        ladder(&mut closed).arrivals = Arrivals::Constant;
        ladder(&mut closed).requests = 7;
        assert_eq!(print(&closed), before);
    }

    #[test]
    fn every_arrival_of_an_open_round_is_a_lane_of_its_own() {
        let mut scenario = open(&[0, 4096], &[0.5], 5);
        ladder(&mut scenario).concurrency = vec![1, 2];
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let lap: Vec<(String, u32)> =
            plan.lap().iter().map(|round| (round.cell.load.to_string(), round.lanes())).collect();
        let depth = [("c1".to_owned(), 1), ("c2".to_owned(), 2), ("r0.5".to_owned(), 5)];
        assert_eq!(lap, [depth.clone(), depth].concat());
        assert_eq!((plan.lanes(), plan.streams()), (5, 2));
        for lane in 0..5 {
            for slot in 0..20 {
                let place = plan.place(lane, slot).unwrap();
                assert_eq!(plan.slot(place, lane), slot);
            }
        }
        let due = |index| plan.due_us(Phase::Soak, Place { lap: 0, index });
        assert_eq!(due(1), None);
        assert_eq!(due(2).unwrap(), [0, 2_000_000, 4_000_000, 6_000_000, 8_000_000]);
    }

    #[test]
    fn arrivals_of_a_warm_cell_share_their_context_and_nothing_else() {
        let mut scenario = open(&[4096], &[1.0], 3);
        ladder(&mut scenario).prefix = Prefix::Warm;
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
        let says = |lane| {
            let ask = plan.ask(Phase::Soak, Place::default(), lane, At::ZERO, &fit);
            let Input::Messages(messages) = ask.input else { panic!("a chat") };
            (messages[0].content.clone(), messages[1].content.clone())
        };
        assert_eq!(says(0).0, says(2).0);
        assert_ne!(says(0).1, says(2).1);
    }

    #[test]
    fn the_load_of_a_closed_loop_is_what_it_always_was() {
        let plan = Plan::new(&scenario(&[0, 4096], &[1, 2]), 7, Bounds::default()).unwrap();
        assert_eq!(&plan.fingerprint()[..16], "b7e68ce869cef620");
        let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
        let mut asks = String::new();
        for index in 0..plan.lap().len() {
            for lane in 0..plan.lap()[index].cell.streams() {
                let ask = plan.ask(Phase::Soak, Place { lap: 1, index }, lane, At::ZERO, &fit);
                asks.push_str(&format!("{ask:?}\n"));
            }
        }
        assert_eq!(&sha256(asks.as_bytes())[..16], "3fadf6adab0fe02f");
    }

    #[test]
    fn too_few_laps_for_two_windows_are_a_mistake() {
        let mut scenario = scenario(&[0], &[1]);
        scenario.extent = Extent::Laps(3);
        let mistake = Plan::new(&scenario, 7, Bounds::default()).unwrap_err().to_string();
        assert!(mistake.contains("laps: 4"), "{mistake}");
    }
}
