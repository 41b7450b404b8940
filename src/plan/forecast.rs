//! What a plan amounts to before anything is sent: requests, tokens, hours,
//! bytes on disk, and which percentiles it can decide.

use super::{Plan, Rates};
use crate::fact::{Cell, Class, Phase};
use crate::measure::{Count, Measure, Quantity, Statistic};
use crate::spec::{Contract, Extent, Gate, Select};

/// What a plan amounts to.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Seconds that a lap takes; `None` where a rate is unknown.
    pub lap_seconds: Option<f64>,
    /// Seconds under load in all; `None` where it depends on an unknown rate.
    pub seconds: Option<f64>,
    /// Whole laps after warm-up.
    pub laps: Option<u64>,
    /// By cell and class, in the plan's order.
    pub cells: Vec<CellForecast>,
    /// Requests in all, warm-up included.
    pub requests: Option<u64>,
    /// Prompt tokens in all.
    pub prompt_tokens: Option<u64>,
    /// Output tokens in all.
    pub output_tokens: Option<u64>,
    /// Bytes in the run folder, roughly.
    pub bytes: Option<u64>,
}

/// What becomes of one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct CellForecast {
    /// Which.
    pub cell: Cell,
    /// The kind of ask.
    pub class: Class,
    /// Requests per lap.
    pub per_lap: u64,
    /// Seconds that a round takes.
    pub round_seconds: Option<f64>,
    /// Requests after warm-up.
    pub samples: Option<u64>,
}

// Measured on the folder of a run of half an hour against vLLM, 175 requests in 70 rounds.
/// A row of `requests.csv` (211 bytes) and its part of `latency.hlog` (106).
const REQUEST_BYTES: u64 = 320;
/// Rows of gaps and batch of a round.
const ROUND_BYTES: u64 = 1_600;
/// Readings (307 KB) and regular events (88 KB) of an hour.
const HOUR_BYTES: u64 = 400_000;
/// Manifest, verdict, and what is written once.
const FOLDER_BYTES: u64 = 120_000;

/// Works out what a plan amounts to.
pub fn forecast(plan: &Plan, rates: &Rates, slots: Option<u64>) -> Forecast {
    let lap_seconds: Option<f64> =
        plan.lap().iter().map(|round| rates.round_seconds(&round.cell, slots)).sum();
    let laps = match plan.extent {
        Extent::Laps(laps) => Some(laps),
        Extent::Duration(duration) => lap_seconds.map(|lap_seconds| {
            let whole = (duration.as_secs_f64() / lap_seconds).floor() as u64;
            whole.saturating_sub(plan.warmup_laps)
        }),
    };
    let all_laps = laps.map(|laps| laps + plan.warmup_laps);
    let seconds = match plan.extent {
        Extent::Duration(duration) => Some(duration.as_secs_f64()),
        Extent::Laps(_) => lap_seconds.zip(all_laps).map(|(lap, laps)| lap * laps as f64),
    };
    let sum = |of: &dyn Fn(&Cell) -> u64| -> u64 {
        plan.lap().iter().map(|round| of(&round.cell) * u64::from(round.cell.streams())).sum()
    };
    let requests = all_laps.map(|laps| laps * sum(&|_| 1));
    let rounds = all_laps.map(|laps| laps * plan.lap().len() as u64);
    Forecast {
        lap_seconds,
        seconds,
        laps,
        cells: cells(plan, rates, slots, laps),
        requests,
        prompt_tokens: all_laps.map(|laps| laps * sum(&Cell::input)),
        output_tokens: all_laps.map(|laps| laps * sum(&|cell| cell.output)),
        bytes: requests.zip(rounds).zip(seconds).map(|((requests, rounds), seconds)| {
            FOLDER_BYTES
                + requests * REQUEST_BYTES
                + rounds * ROUND_BYTES
                + (seconds / 3600.0 * HOUR_BYTES as f64) as u64
        }),
    }
}

fn cells(plan: &Plan, rates: &Rates, slots: Option<u64>, laps: Option<u64>) -> Vec<CellForecast> {
    let mut cells: Vec<CellForecast> = Vec::new();
    for round in plan.lap() {
        let per_round = u64::from(round.cell.streams());
        match cells.iter_mut().find(|known| (known.cell, known.class) == (round.cell, round.class))
        {
            Some(known) => known.per_lap += per_round,
            None => cells.push(CellForecast {
                cell: round.cell,
                class: round.class,
                per_lap: per_round,
                round_seconds: rates.round_seconds(&round.cell, slots),
                samples: None,
            }),
        }
    }
    for cell in &mut cells {
        cell.samples = laps.map(|laps| laps * cell.per_lap);
    }
    cells
}

/// What no length of a plan can decide: nobody looks.
pub fn of_the_run(measure: Measure) -> Decidable {
    match measure {
        Measure::Count(Count::Ooms) => Decidable::No(
            "over HTTP nobody sees the kernel or the server's log; one that is seen is a FAIL"
                .to_owned(),
        ),
        Measure::Count(Count::Hangs) => {
            Decidable::No("this version does not tell a hang from slowness".to_owned())
        }
        _ => Decidable::Yes,
    }
}

/// Whether a plan is long enough for a gate.
#[derive(Clone, Debug, PartialEq)]
pub enum Decidable {
    /// It is.
    Yes,
    /// It is not, and why.
    No(String),
    /// Nobody knows how many samples there will be.
    Unknown,
}

impl Forecast {
    /// Samples after warm-up that a selection will have; windows count their own laps.
    pub fn samples(&self, select: &Select, reference_laps: u64) -> Option<u64> {
        let matching = self.cells.iter().filter(|known| {
            select.depth.is_none_or(|depth| depth == known.cell.depth)
                && select.class.is_none_or(|class| class == known.class)
                && select.load.is_none_or(|load| load == known.cell.load)
        });
        match select.phase {
            Some(Phase::Reference | Phase::Return) => {
                Some(matching.map(|known| known.per_lap * reference_laps).sum())
            }
            _ => matching.map(|known| known.samples).sum(),
        }
    }

    /// Whether the plan is long enough for a gate, depth by depth.
    pub fn decidable(&self, gate: &Gate, plan: &Plan) -> Decidable {
        let Measure::Of(quantity, statistic) = gate.measure else {
            return of_the_run(gate.measure);
        };
        // Every token but the first has one of these, every request one of the others.
        let per_request = match quantity {
            Quantity::Itl | Quantity::Gap => {
                plan.cells().iter().map(|cell| cell.output).min().unwrap_or(1).saturating_sub(1)
            }
            _ => 1,
        };
        let needed = if gate.attain.is_some() { Statistic::P50 } else { statistic }.samples_min();
        let mut depths: Vec<u64> = match gate.select.depth {
            Some(depth) => vec![depth],
            None => plan.cells().iter().map(|cell| cell.depth).collect(),
        };
        depths.dedup();
        let mut unknown = false;
        for depth in depths {
            let select = Select { depth: Some(depth), ..gate.select.clone() };
            let samples = self.samples(&select, plan.reference_laps);
            match samples.map(|samples| samples * per_request) {
                None => unknown = true,
                Some(samples) if samples < needed => {
                    return Decidable::No(format!(
                        "d{depth} gets {samples} samples, {needed} are needed"
                    ));
                }
                Some(_) => {}
            }
        }
        if unknown { Decidable::Unknown } else { Decidable::Yes }
    }

    /// All gates of a contract with whether the plan is long enough for them.
    pub fn gates<'a>(&self, contract: &'a Contract, plan: &Plan) -> Vec<(&'a Gate, Decidable)> {
        contract.gates.iter().map(|gate| (gate, self.decidable(gate, plan))).collect()
    }
}
