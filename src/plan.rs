//! Plans what will be sent, as a pure function of the spec and the seed. No
//! I/O, no clock: an ask depends only on its address, and nothing that ran
//! before can change it.

pub(crate) mod arrivals;
pub(crate) mod ask;
pub(crate) mod corpus;
pub(crate) mod fitter;
pub(crate) mod forecast;
pub(crate) mod misfit;
pub(crate) mod rates;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod workload;

pub(crate) use ask::{Ask, Input, Message};
pub(crate) use corpus::Corpus;
pub(crate) use fitter::Fit;
pub(crate) use rates::Rates;
#[cfg(test)]
pub(crate) use workload::PromptPart;
pub(crate) use workload::{LengthSample, OpenLoop, PlannedWorkload, Round};

use crate::digest::sha256;
use crate::error::Mistake;
use crate::fact::{Cell, Load, Phase};
use crate::rng::Rng;
use crate::spec::scenario::{Api, Drill, Restart};
use crate::spec::{Extent, Limits, Scenario, SpecFile, TrendBlocks, Workload};
use crate::unit::{At, span};

/// Plan of a run: all asks, and their order.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The seed of all texts.
    pub seed: u64,
    /// Number that makes all texts differ from those of other runs; `None` where nothing can be left
    /// of other runs. No part of the fingerprint: it changes no length and no order.
    pub nonce: Option<u64>,
    /// Length of the run, in laps or as a duration.
    pub extent: Extent,
    /// Laps that are not judged.
    pub warmup_laps: u64,
    /// Laps of the reference window, and at least as many of the return window.
    pub reference_laps: u64,
    /// Blocks for trends.
    pub trend: TrendBlocks,
    /// Time limits of requests and outages.
    pub limits: Limits,
    /// Drills, in the order of time.
    pub drills: Vec<Drill>,
    /// Restart policy for a server that longhaul started.
    pub restart: Restart,
    /// Notes for the report on what the plan left out, and why.
    pub notes: Vec<String>,
    drill_notes: Vec<String>,
    prefill_per_s: Option<f64>,
    workload: PlannedWorkload,
    corpus: Corpus,
}

/// Properties of the server that a plan depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bounds<'a> {
    /// Largest sum of prompt and output, tokens: the lesser of the server's and the recipe's.
    pub max_model_len: Option<u64>,
    /// Prompt tokens per second, measured at the start.
    pub prefill_per_s: Option<f64>,
    /// Lengths that the server refused before the load.
    pub refused: &'a [RefusedLength],
}

/// Sum of prompt and output that the server refused before the load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedLength {
    pub tokens: u64,
    /// Status and message of the refusal.
    pub words: String,
}

impl Bounds<'_> {
    /// Returns the reason why the server does not take a sum of prompt and output, tokens; `None`
    /// where nothing is known against it. What is longer than a refused length does not fit either.
    fn excludes(&self, tokens: u64) -> Option<String> {
        if let Some(longest) = self.max_model_len.filter(|longest| tokens > *longest) {
            return Some(format!("max_model_len is {longest}"));
        }
        let refused = self.refused.iter().filter(|refused| refused.tokens <= tokens);
        let nearest = refused.max_by_key(|refused| refused.tokens)?;
        Some(format!("the server refuses {}: {}", nearest.tokens, nearest.words))
    }
}

/// Address of an ask: a lane's n-th ask of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub phase: Phase,
    /// Lane, from 0.
    pub lane: u32,
    /// Number of earlier slots of the lane in the phase.
    pub nth: u64,
    /// 0, or the number of the repeat after outages.
    pub repeat: u32,
}

/// Position of a round in a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RoundPosition {
    /// Lap, from 0.
    pub lap: u64,
    /// Round within the lap, from 0.
    pub index: usize,
    /// 0, or the number of the repeat after outages; a repeat sends the same asks.
    pub repeat: u32,
}

impl RoundPosition {
    /// Returns the place of a round in a lap.
    pub(crate) fn new(lap: u64, index: usize) -> RoundPosition {
        RoundPosition { lap, index, repeat: 0 }
    }

    /// Returns the place of the round's next repeat.
    #[must_use]
    pub(crate) fn again(self) -> RoundPosition {
        RoundPosition { repeat: self.repeat + 1, ..self }
    }
}

impl Plan {
    /// Plans a scenario for a server.
    ///
    /// # Errors
    /// The server cannot take a depth that the scenario does not allow to drop, or the laps are
    /// too few for the windows that are compared.
    pub(crate) fn new(scenario: &Scenario, seed: u64, bounds: Bounds<'_>) -> Result<Plan, Mistake> {
        let texts: Vec<SpecFile> =
            scenario.workloads.iter().flat_map(Workload::texts).cloned().collect();
        let mut drill_notes = Vec::new();
        let drills = drills(scenario, &mut drill_notes);
        let mut plan = Plan {
            seed,
            nonce: None,
            extent: scenario.extent,
            warmup_laps: scenario.warmup_laps,
            reference_laps: scenario.reference_laps,
            trend: scenario.trend,
            limits: scenario.limits,
            drills,
            restart: scenario.restart.unwrap_or_default(),
            notes: Vec::new(),
            drill_notes,
            prefill_per_s: None,
            workload: PlannedWorkload::new(&scenario.workloads),
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

    /// Leaves out what the server cannot take. May be called again with narrower bounds, when more
    /// is known of the server; earlier omissions remain.
    ///
    /// # Errors
    /// The server cannot take a depth that the scenario does not allow to drop, or nothing is left
    /// to send.
    pub(crate) fn narrow(
        &mut self,
        scenario: &Scenario,
        bounds: Bounds<'_>,
    ) -> Result<(), Mistake> {
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

    /// Returns the rounds of a lap, in order.
    pub(crate) fn lap(&self) -> &[Round] {
        self.workload.lap()
    }

    /// Returns the texts that asks are made of.
    pub(crate) fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// Returns all cells, each once, in the order in which a lap visits them.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for round in self.lap() {
            if !cells.contains(&round.cell) {
                cells.push(round.cell);
            }
        }
        cells
    }

    /// Returns the number of lanes.
    pub(crate) fn lanes(&self) -> u32 {
        self.workload.lanes()
    }

    /// Returns the largest number of concurrent streams of the closed loop. In an open loop it
    /// depends on the server.
    pub(crate) fn streams(&self) -> u32 {
        self.lap().iter().map(|round| round.cell.streams()).max().unwrap_or(0)
    }

    /// Returns the largest sum of prompt and output, tokens.
    pub(crate) fn tokens_max(&self) -> u64 {
        self.lap().iter().map(|round| round.cell.input() + round.cell.output).max().unwrap_or(0)
    }

    /// Returns the APIs that are asked, each once, chat first.
    pub(crate) fn apis(&self) -> Vec<Api> {
        let asks = |api: &Api| self.lap().iter().any(|round| round.api == *api);
        [Api::Chat, Api::Completions].into_iter().filter(asks).collect()
    }

    /// Returns the largest output of an ask, tokens.
    pub(crate) fn output_max(&self) -> u64 {
        self.lap().iter().map(|round| round.cell.output).max().unwrap_or(0)
    }

    /// Returns the round at a place, and the next place.
    pub(crate) fn at(&self, place: RoundPosition) -> (&Round, RoundPosition) {
        self.workload.at(place)
    }

    /// Returns the slot of a lane in the round at a place.
    pub(crate) fn slot(&self, place: RoundPosition, lane: u32) -> u64 {
        self.workload.slot(place, lane)
    }

    /// Returns the place of a lane's slot; `None` if the lane never sends.
    #[cfg(test)]
    pub(crate) fn place(&self, lane: u32, nth: u64) -> Option<RoundPosition> {
        self.workload.place(lane, nth)
    }

    /// Returns the due time of each lane in the round at a place, microseconds since the round's
    /// start; `None` in a closed round, whose lanes are due at once.
    pub(crate) fn due_us(&self, phase: Phase, place: RoundPosition) -> Option<Vec<u64>> {
        self.workload.due_us(self.seed, phase, place)
    }

    /// Returns the ask at an address, due at an instant. Depends on its arguments only; a repeat
    /// sends the same ask.
    pub(crate) fn ask(&self, slot: Slot, due: At, fit: &Fit) -> Ask {
        let ask = self.workload.ask(self, slot, due, fit);
        let hangs_up = slot.phase == Phase::Drill;
        let abandon_us = hangs_up.then(|| self.patience_us(ask.cell, slot.lane, slot.nth));
        Ask { abandon_us, ..ask }
    }

    /// Returns the cell of the ask at an address.
    pub(crate) fn cell(&self, slot: Slot) -> Cell {
        self.workload.cell(slot)
    }

    /// Returns the ask at an address with the lengths of another cell.
    pub(crate) fn resized(&self, slot: Slot, cell: Cell, fit: &Fit) -> Ask {
        self.workload.resized(self, slot, cell, fit)
    }

    /// Returns a slot of the cell with the fewest input tokens, without those that only load a
    /// context.
    pub(crate) fn shallowest(&self) -> Option<Slot> {
        let rounds = self.lap().iter().enumerate().filter(|(_, round)| round.cell.prompt > 0);
        let (index, _) = rounds.min_by_key(|(_, round)| round.cell.input())?;
        let nth = self.slot(RoundPosition::new(1, index), 0);
        Some(Slot { phase: Phase::Reference, lane: 0, nth, repeat: 0 })
    }

    /// Returns a slot for each length of a prompt and an output.
    pub(crate) fn samples(&self) -> Vec<LengthSample> {
        self.workload.samples()
    }

    /// Returns the planned time to the first token of a round's last request, microseconds:
    /// prefills run one after the other. `None` where the speed is unknown, and in an open loop,
    /// where it depends on the queue.
    pub(crate) fn first_token_us(&self, cell: Cell) -> Option<u64> {
        let Load::Streams(streams) = cell.load else { return None };
        let seconds = cell.input() as f64 * f64::from(streams) / self.prefill_per_s?;
        Some((seconds * 1e6) as u64)
    }

    /// Returns when a client of an abort drill hangs up, microseconds after sending: between 0 and
    /// twice the planned time to its first token.
    fn patience_us(&self, cell: Cell, lane: u32, slot: u64) -> u64 {
        const ABORT: u64 = 4;
        const UNKNOWN_US: u64 = 1_000_000;
        let expected_us = self.first_token_us(cell).unwrap_or(UNKNOWN_US).max(1);
        let mut rng = Rng::at(self.seed, &[ABORT, u64::from(lane), slot]);
        (rng.unit() * 2.0 * expected_us as f64) as u64
    }

    /// Returns the fingerprint of the load: the order of all cells, the windows, the seed and the
    /// texts.
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

/// Returns the drills that fit into the scenario's length.
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
