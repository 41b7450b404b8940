//! What a plan amounts to before anything is sent: requests, tokens, hours,
//! bytes on disk, and which percentiles it can decide.

use super::{Plan, Rates, Round};
use crate::fact::{Cell, Class, Load, Phase};
use crate::measure::{Count, Measure, Quantity, Statistic};
use crate::spec::{Contract, Extent, Gate, Select};
use crate::unit::figures;

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
    /// Open cells that the server cannot keep up with, a sentence each.
    pub notes: Vec<String>,
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
        plan.lap().iter().map(|round| round_seconds(round, rates, slots)).sum();
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
        plan.lap().iter().map(|round| of(&round.cell) * u64::from(round.lanes())).sum()
    };
    let requests = all_laps.map(|laps| laps * sum(&|_| 1));
    let rounds = all_laps.map(|laps| laps * plan.lap().len() as u64);
    Forecast {
        lap_seconds,
        seconds,
        laps,
        cells: cells(plan, rates, slots, laps),
        notes: overloaded(plan, rates, slots),
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

/// Seconds that a round takes. An open one lasts until its last arrival, and as long as that
/// one takes; where the server cannot keep up, until it has worked off what came.
fn round_seconds(round: &Round, rates: &Rates, slots: Option<u64>) -> Option<f64> {
    let alone = rates.round_seconds(&round.cell, slots)?;
    let (Load::PerSecond(per_s), Some(open)) = (round.cell.load, round.open) else {
        return Some(alone);
    };
    let longest = utilisation(round, rates, slots).unwrap_or(0.0).max(1.0);
    Some(f64::from(open.requests) / per_s * longest + alone)
}

/// The share of the server that an open round asks for: from 1 on its queue has no end.
/// `None` in a closed round, and in a warm one, of which nobody knows what a request costs.
fn utilisation(round: &Round, rates: &Rates, slots: Option<u64>) -> Option<f64> {
    let Load::PerSecond(per_s) = round.cell.load else { return None };
    if round.class == Class::Warm {
        return None;
    }
    rates.cost_seconds(&round.cell, slots).map(|seconds| per_s * seconds)
}

fn overloaded(plan: &Plan, rates: &Rates, slots: Option<u64>) -> Vec<String> {
    let mut notes = Vec::new();
    for round in plan.lap() {
        let Some(utilisation) = utilisation(round, rates, slots) else { continue };
        let Load::PerSecond(per_s) = round.cell.load else { continue };
        let note = format!(
            "{}: {per_s} requests/s, and by these rates the server does {} at the most: the queue grows without bound",
            round.cell,
            figures(per_s / utilisation)
        );
        if utilisation >= 1.0 && !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

fn cells(plan: &Plan, rates: &Rates, slots: Option<u64>, laps: Option<u64>) -> Vec<CellForecast> {
    let mut cells: Vec<CellForecast> = Vec::new();
    for round in plan.lap() {
        let per_round = u64::from(round.lanes());
        match cells.iter_mut().find(|known| (known.cell, known.class) == (round.cell, round.class))
        {
            Some(known) => known.per_lap += per_round,
            None => cells.push(CellForecast {
                cell: round.cell,
                class: round.class,
                per_lap: per_round,
                round_seconds: round_seconds(round, rates, slots),
                samples: None,
            }),
        }
    }
    for cell in &mut cells {
        cell.samples = laps.map(|laps| laps * cell.per_lap);
    }
    cells
}

/// What of a server a run can see, beside its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Somebody follows its log.
    pub log: bool,
    /// The kernel of its box can be asked.
    pub kernel: bool,
    /// The engine's own numbers can be read.
    pub metrics: bool,
}

/// What no length of a plan can decide: nobody looks. Without a sight it depends on the run.
pub fn of_the_run(measure: Measure, sight: Option<Sight>) -> Decidable {
    let Some(sight) = sight else {
        return match measure {
            Measure::Count(Count::Ooms) => Decidable::Needs("its log and its box's kernel"),
            Measure::Count(Count::Hangs) => Decidable::Needs("the engine's metrics"),
            _ => Decidable::Yes,
        };
    };
    let dark = match measure {
        Measure::Count(Count::Ooms) => match (sight.log, sight.kernel) {
            (true, true) => return Decidable::Yes,
            (false, true) => "nobody follows the server's log (--start, --container)",
            (true, false) => "the kernel of the server's box is not seen from here",
            (false, false) => {
                "neither the server's log nor the kernel of its box is seen from here"
            }
        },
        Measure::Count(Count::Hangs) if !sight.metrics => {
            "without the engine's metrics a hang looks like slowness"
        }
        _ => return Decidable::Yes,
    };
    Decidable::No(format!("{dark}; one that is seen is a FAIL"))
}

/// Whether a plan is long enough for a gate.
#[derive(Clone, Debug, PartialEq)]
pub enum Decidable {
    /// It is.
    Yes,
    /// It is, in a run that sees this.
    Needs(&'static str),
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
            return of_the_run(gate.measure, None);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Bounds;
    use crate::plan::tests::{ladder, open};

    const RATES: Rates = Rates::Flat { prefill_per_s: 512.0, decode_per_s: 16.0 };

    #[test]
    fn an_open_round_lasts_until_its_last_arrival_and_as_long_as_that_one_takes() {
        // A prompt of 512 and an output of 16: a second each.
        let plan = Plan::new(&open(&[0], &[0.25], 60), 7, Bounds::default()).unwrap();
        let forecast = forecast(&plan, &RATES, Some(4));
        assert_eq!(forecast.lap_seconds, Some(60.0 / 0.25 + 2.0));
        assert_eq!(forecast.cells[0].round_seconds, forecast.lap_seconds);
        assert_eq!(forecast.cells[0].per_lap, 60);
        assert_eq!(forecast.notes, Vec::<String>::new());
    }

    #[test]
    fn samples_and_tokens_count_the_requests_of_open_rounds() {
        let mut scenario = open(&[0], &[0.25], 60);
        ladder(&mut scenario).concurrency = vec![2];
        scenario.extent = Extent::Laps(4);
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let forecast = forecast(&plan, &Rates::Unknown, None);
        assert_eq!(forecast.requests, Some(5 * 62));
        assert_eq!(forecast.prompt_tokens, Some(5 * 62 * 512));
        let select = |load| Select { load: Some(load), ..Select::default() };
        let samples = |load| forecast.samples(&select(load), 2);
        assert_eq!(samples(Load::PerSecond(0.25)), Some(240));
        assert_eq!(samples(Load::Streams(2)), Some(8));
        assert_eq!(forecast.lap_seconds, None);
    }

    #[test]
    fn a_rate_beyond_the_server_is_told_and_takes_as_long_as_the_server_needs() {
        // Four slots: a request costs a second of prefill and a quarter of its decoding.
        let plan = Plan::new(&open(&[0], &[0.5, 1.6], 60), 7, Bounds::default()).unwrap();
        let forecast = forecast(&plan, &RATES, Some(4));
        let [note] = &forecast.notes[..] else { panic!("{:?}", forecast.notes) };
        assert!(note.starts_with("d0/r1.6/") && note.contains("0.800 at the most"), "{note}");
        assert_eq!(forecast.cells[1].round_seconds, Some(60.0 * 1.25 + 2.0));
    }

    #[test]
    fn an_oom_needs_a_log_that_is_followed_and_a_kernel_and_a_hang_the_engines_numbers() {
        let told = |count, log, kernel, metrics| {
            of_the_run(Measure::Count(count), Some(Sight { log, kernel, metrics }))
        };
        assert_eq!(told(Count::Ooms, true, true, false), Decidable::Yes);
        assert_eq!(told(Count::Hangs, false, false, true), Decidable::Yes);
        assert_eq!(told(Count::Crashes, false, false, false), Decidable::Yes);
        for (count, log, kernel, words) in [
            (Count::Ooms, false, true, "nobody follows"),
            (Count::Ooms, true, false, "the kernel"),
            (Count::Ooms, false, false, "neither"),
            (Count::Hangs, true, true, "slowness"),
        ] {
            let Decidable::No(why) = told(count, log, kernel, false) else { panic!("{words}") };
            assert!(why.contains(words), "{why}");
        }
        // A plan does not know who will look.
        let planned = of_the_run(Measure::Count(Count::Ooms), None);
        assert!(matches!(planned, Decidable::Needs(_)), "{planned:?}");
    }
}
