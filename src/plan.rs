//! PLANNED: what will be sent, as a pure function of the spec and the seed.
//! No I/O, no clock: an ask is a function of its address, and nothing that ran
//! before can change it.

pub(crate) mod ask;
pub(crate) mod corpus;
pub(crate) mod fitter;
pub(crate) mod forecast;
pub(crate) mod misfit;
pub(crate) mod pace;
pub(crate) mod rates;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod workload;

pub(crate) use ask::{Ask, Input, Message};
pub(crate) use corpus::Corpus;
pub(crate) use fitter::Fit;
pub(crate) use rates::Rates;
#[cfg(test)]
pub(crate) use workload::Part;
pub(crate) use workload::{Laid, Open, Round};

use crate::digest::sha256;
use crate::error::Mistake;
use crate::fact::{Cell, Load, Phase};
use crate::rng::Rng;
use crate::spec::scenario::{Drill, Restart};
use crate::spec::{Extent, Limits, Scenario, SpecFile, Workload};
use crate::unit::{At, span};

/// Everything that will be sent, and in which order.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
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
    /// What is done to the server on purpose, in the order of time.
    pub drills: Vec<Drill>,
    /// What is done when a server that longhaul started dies.
    pub restart: Restart,
    /// What the plan left out and why, for the report.
    pub notes: Vec<String>,
    drill_notes: Vec<String>,
    prefill_per_s: Option<f64>,
    workload: Laid,
    corpus: Corpus,
}

/// What is known of the server that a plan depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bounds {
    /// The longest prompt and output together, tokens, by the server and by its recipe: the
    /// lesser of the two.
    pub max_model_len: Option<u64>,
    /// Prompt tokens per second, measured at the start.
    pub prefill_per_s: Option<f64>,
}

/// The address of an ask: a lane's n-th ask of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub phase: Phase,
    /// One of the sequential senders, from 0.
    pub lane: u32,
    /// How many slots of the lane lie before it in the phase.
    pub nth: u64,
    /// 0, or the n-th repeat of the same ask, since an outage broke it.
    pub repeat: u32,
}

/// Where in a phase a round stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Which pass over all rounds, from 0.
    pub lap: u64,
    /// Which round of the lap, from 0.
    pub index: usize,
    /// 0, or the n-th appended repeat: the same asks again, since an outage broke the round.
    pub repeat: u32,
}

impl Place {
    /// The round at an index of a lap.
    pub(crate) fn new(lap: u64, index: usize) -> Place {
        Place { lap, index, repeat: 0 }
    }

    /// The same round once more.
    #[must_use]
    pub(crate) fn again(self) -> Place {
        Place { repeat: self.repeat + 1, ..self }
    }
}

impl Plan {
    /// Lays out a scenario for a server.
    ///
    /// # Errors
    /// A depth that the server cannot take, where the scenario does not allow to drop it;
    /// laps too few for the windows that are to be compared.
    pub(crate) fn new(scenario: &Scenario, seed: u64, bounds: Bounds) -> Result<Plan, Mistake> {
        let texts: Vec<SpecFile> =
            scenario.workloads.iter().flat_map(Workload::texts).cloned().collect();
        let mut drill_notes = Vec::new();
        let drills = drills(scenario, &mut drill_notes);
        let mut plan = Plan {
            seed,
            extent: scenario.extent,
            warmup_laps: scenario.warmup_laps,
            reference_laps: scenario.reference_laps,
            limits: scenario.limits,
            drills,
            restart: scenario.restart.unwrap_or_default(),
            notes: Vec::new(),
            drill_notes,
            prefill_per_s: None,
            workload: Laid::new(&scenario.workloads),
            corpus: Corpus::new(seed, &texts),
        };
        plan.narrow(scenario, bounds)?;
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
        Ok(plan)
    }

    /// Leaves out what the server does not take. May be called again with narrower bounds, when
    /// more is known of the server; what was left out before stays out.
    ///
    /// # Errors
    /// A depth that the server cannot take, where the scenario does not allow to drop it, or
    /// nothing that is left to send.
    pub(crate) fn narrow(&mut self, scenario: &Scenario, bounds: Bounds) -> Result<(), Mistake> {
        let mut notes = self.workload.narrow(scenario, bounds)?;
        if self.lap().is_empty() {
            return Err(Mistake::new(format!(
                "scenario `{}` leaves nothing to send: {}",
                scenario.source.name,
                notes.join("; ")
            ))
            .hint("smaller depths, as --depths 0,4096"));
        }
        notes.extend(self.drill_notes.iter().cloned());
        self.notes = notes;
        self.prefill_per_s = bounds.prefill_per_s;
        Ok(())
    }

    /// The rounds of a lap, in order.
    pub(crate) fn lap(&self) -> &[Round] {
        self.workload.lap()
    }

    /// The texts that asks are made of.
    pub(crate) fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// All cells, each once, in the order in which a lap visits them.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for round in self.lap() {
            if !cells.contains(&round.cell) {
                cells.push(round.cell);
            }
        }
        cells
    }

    /// Sequential senders.
    pub(crate) fn lanes(&self) -> u32 {
        self.workload.lanes()
    }

    /// The most streams at once of the closed loop; how many an open loop makes is up to
    /// the server.
    pub(crate) fn streams(&self) -> u32 {
        self.lap().iter().map(|round| round.cell.streams()).max().unwrap_or(0)
    }

    /// The longest prompt and output together, tokens.
    pub(crate) fn tokens_max(&self) -> u64 {
        self.lap().iter().map(|round| round.cell.input() + round.cell.output).max().unwrap_or(0)
    }

    /// The round at a place and the place after it.
    pub(crate) fn at(&self, place: Place) -> (&Round, Place) {
        self.workload.at(place)
    }

    /// The slot of a lane in the round at a place.
    pub(crate) fn slot(&self, place: Place, lane: u32) -> u64 {
        self.workload.slot(place, lane)
    }

    /// The place of a lane's slot; `None` if the lane never sends.
    #[cfg(test)]
    pub(crate) fn place(&self, lane: u32, nth: u64) -> Option<Place> {
        self.workload.place(lane, nth)
    }

    /// When each lane of the round at a place is due, in microseconds since the round's
    /// start; `None` in a closed round, whose lanes are due at once.
    pub(crate) fn due_us(&self, phase: Phase, place: Place) -> Option<Vec<u64>> {
        self.workload.due_us(self.seed, phase, place)
    }

    /// The ask at an address, due at an instant. A function of its arguments alone; a repeat
    /// asks the same.
    pub(crate) fn ask(&self, slot: Slot, due: At, fit: &Fit) -> Ask {
        let ask = self.workload.ask(self, slot, due, fit);
        let hangs_up = slot.phase == Phase::Drill;
        let abandon_us = hangs_up.then(|| self.patience_us(ask.cell, slot.lane, slot.nth));
        Ask { abandon_us, ..ask }
    }

    /// Depth × load × shape of the ask at an address.
    pub(crate) fn cell(&self, slot: Slot) -> Cell {
        self.workload.cell(slot)
    }

    /// An address of an ask for each length that a chat template is added to, and its cell.
    pub(crate) fn samples(&self) -> Vec<(Cell, Slot)> {
        self.workload.samples()
    }

    /// When the first token of a round's last request is due, microseconds since it was sent:
    /// prefills come one after the other. `None` where the speed is not known, or where it is
    /// up to the arrivals of an open loop how long the queue is.
    pub(crate) fn first_token_us(&self, cell: Cell) -> Option<u64> {
        let Load::Streams(streams) = cell.load else { return None };
        let seconds = cell.input() as f64 * f64::from(streams) / self.prefill_per_s?;
        Some((seconds * 1e6) as u64)
    }

    /// When a client of an abort drill hangs up, microseconds since it sent: anywhere between
    /// at once and twice the time that its first token takes.
    fn patience_us(&self, cell: Cell, lane: u32, slot: u64) -> u64 {
        const ABORT: u64 = 4;
        const UNKNOWN_US: u64 = 1_000_000;
        let expected_us = self.first_token_us(cell).unwrap_or(UNKNOWN_US).max(1);
        let mut rng = Rng::at(self.seed, &[ABORT, u64::from(lane), slot]);
        (rng.unit() * 2.0 * expected_us as f64) as u64
    }

    /// What identifies the load: the order of all cells, the windows, the seed and the texts.
    pub(crate) fn fingerprint(&self) -> String {
        let drills: Vec<String> = self.drills.iter().map(|drill| format!("|{drill:?}")).collect();
        let drills = drills.concat();
        sha256(
            format!(
                "{}|{:?}|{}|{}|{}|{}{drills}",
                self.seed,
                self.extent,
                self.warmup_laps,
                self.reference_laps,
                self.workload.fingerprint(),
                self.corpus.hash()
            )
            .as_bytes(),
        )
    }
}

/// The drills that the scenario's length leaves.
fn drills(scenario: &Scenario, notes: &mut Vec<String>) -> Vec<Drill> {
    let mut drills = scenario.drills.clone();
    if let Extent::Duration(duration) = scenario.extent {
        drills.retain(|drill| {
            let comes = drill.at < duration;
            if !comes {
                let (word, at) = (drill.kind.word(), span(drill.at.as_secs_f64()));
                notes.push(format!("drill {word} at {at} left out: the run is over by then"));
            }
            comes
        });
    }
    drills
}
