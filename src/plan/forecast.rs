//! Forecasts a plan before anything is sent: requests, tokens, hours, bytes on
//! disk, and which gates it can decide.

mod blocks;
mod in_flight;
mod too_short;

use super::{Plan, Rates, Round};
use crate::fact::{Cell, Class, Group, Load, Phase};
use crate::measure::{Count, MTBF_CONFIDENCE, Measure, Quantity, Statistic};
use crate::spec::scenario::DrillKind;
use crate::spec::{Contract, Extent, Gate, Limit, Select};
use crate::stats::poisson::time_to_show;
use crate::unit::{figures, span, span_needed};

/// Forecast of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forecast {
    /// Duration of a lap, seconds; `None` where a rate is unknown.
    pub lap_seconds: Option<f64>,
    /// Total time under load, seconds; `None` where it depends on an unknown rate.
    pub seconds: Option<f64>,
    /// Time in judged phases if there is no outage, seconds: without warm-up and without drills in
    /// which nothing is judged. `None` where it depends on an unknown rate.
    pub judged_seconds: Option<f64>,
    /// Whole laps after warm-up.
    pub laps: Option<u64>,
    /// By group, in the plan's order.
    pub groups: Vec<GroupForecast>,
    /// Requests in all, warm-up included.
    pub requests: Option<u64>,
    /// Prompt tokens in all.
    pub prompt_tokens: Option<u64>,
    /// Output tokens in all.
    pub output_tokens: Option<u64>,
    /// Approximate size of the run folder, bytes.
    pub bytes: Option<u64>,
    /// Share of the time in which requests are in flight; `None` where it depends on an unknown rate.
    pub in_flight: Option<f64>,
    /// Sentences on open cells whose load exceeds the server's capacity, and on a run that is too short
    /// to decide anything.
    pub notes: Vec<String>,
}

/// Forecast of one group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupForecast {
    pub group: Group,
    /// Requests per lap.
    pub per_lap: u64,
    /// Duration of a round, seconds.
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

/// Forecasts a plan from known or unknown rates. `slots` is the number of requests that the server
/// runs at once.
pub(crate) fn forecast(plan: &Plan, rates: &Rates, slots: Option<u64>) -> Forecast {
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
        judged_seconds: judged_seconds(plan, lap_seconds),
        in_flight: in_flight::in_flight(plan, rates, slots),
        laps,
        groups: groups(plan, rates, slots, laps),
        notes: overloaded(plan, rates, slots)
            .into_iter()
            .chain(too_short::too_short(plan, lap_seconds))
            .collect(),
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

/// Returns the time in judged phases, seconds.
fn judged_seconds(plan: &Plan, lap_seconds: Option<f64>) -> Option<f64> {
    let duration = match plan.extent {
        Extent::Laps(laps) => return lap_seconds.map(|lap| lap * laps as f64),
        Extent::Duration(duration) => duration,
    };
    let warmup = match plan.warmup_laps {
        0 => 0.0,
        laps => lap_seconds? * laps as f64,
    };
    let drills = plan.drills.iter().map(|drill| match drill.kind {
        DrillKind::Idle(span) | DrillKind::Aborts(span) => span.as_secs_f64(),
        DrillKind::Restart | DrillKind::Stop(_) => 0.0,
    });
    Some((duration.as_secs_f64() - warmup - drills.sum::<f64>()).max(0.0))
}

/// Returns the duration of a round, seconds. An open round lasts until its last arrival is
/// answered; where the load exceeds the capacity, until the queue is worked off.
fn round_seconds(round: &Round, rates: &Rates, slots: Option<u64>) -> Option<f64> {
    let alone = rates.round_seconds(&round.cell, slots)?;
    let (Load::PerSecond(per_s), Some(open)) = (round.cell.load, round.open) else {
        return Some(alone);
    };
    let longest = utilisation(round, rates, slots).unwrap_or(0.0).max(1.0);
    Some(f64::from(open.requests) / per_s * longest + alone)
}

/// Utilisation (offered load over capacity, ρ) of an open round; from 1 on its queue grows without
/// bound. `None` in a closed round, and in a warm one, whose requests have no known cost.
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

fn groups(plan: &Plan, rates: &Rates, slots: Option<u64>, laps: Option<u64>) -> Vec<GroupForecast> {
    let mut groups: Vec<GroupForecast> = Vec::new();
    for round in plan.lap() {
        let (group, per_round) = (round.group(), u64::from(round.lanes()));
        match groups.iter_mut().find(|known| known.group == group) {
            Some(known) => known.per_lap += per_round,
            None => groups.push(GroupForecast {
                group,
                per_lap: per_round,
                round_seconds: round_seconds(round, rates, slots),
                samples: None,
            }),
        }
    }
    for known in &mut groups {
        known.samples = laps.map(|laps| laps * known.per_lap);
    }
    groups
}

/// Sources that a run observes besides responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // one for each source
pub(crate) struct ObservedSources {
    /// Whether the server's log is read.
    pub log: bool,
    /// Whether the kernel of its machine is read.
    pub kernel: bool,
    /// Whether the engine's metrics are read.
    pub metrics: bool,
    /// Whether the server's process or container is watched.
    pub process: bool,
}

/// Returns why events of a kind cannot be observed in a run of any length; `None` if they can.
/// Names the sources that are needed where it is not known yet which can be read.
fn unseen(count: Count, sight: Option<ObservedSources>) -> Option<&'static str> {
    match (count, sight) {
        (Count::Ooms, None) => Some("its log and its machine's kernel"),
        (Count::Hangs, None) => Some("the engine's metrics"),
        (Count::Ooms, Some(sight)) => match (sight.log, sight.kernel) {
            (true, true) => None,
            (false, true) => {
                Some("the server's log is not read (--start, --container, --server-log)")
            }
            (true, false) => Some("the kernel of the server's machine is not read from here"),
            (false, false) => {
                Some("neither the server's log nor its machine's kernel is read from here")
            }
        },
        (Count::Hangs, Some(sight)) if !sight.metrics => {
            Some("without the engine's metrics a hang looks like slowness")
        }
        _ => None,
    }
}

/// Returns whether events of these kinds can be observed.
fn seen(counts: &[Count], sight: Option<ObservedSources>) -> Decidable {
    let unseen: Vec<&str> = counts.iter().filter_map(|count| unseen(*count, sight)).collect();
    match (unseen.is_empty(), sight) {
        (true, _) => Decidable::Yes,
        (false, None) => Decidable::Needs(unseen.join(", and ")),
        (false, Some(_)) => {
            Decidable::No(format!("{}; if one is observed, the gate fails", unseen.join(", and ")))
        }
    }
}

/// Decision whether a plan is long enough for a gate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decidable {
    Yes,
    /// Long enough, provided that the run observes this.
    Needs(String),
    /// Long enough to pass and not to fail, and why.
    PassOnly(String),
    /// Not long enough, and why.
    No(String),
    /// Unknown, because the number of samples is unknown.
    Unknown,
}

impl Forecast {
    /// Returns the number of samples after warm-up in a selection; windows count their own laps.
    pub(crate) fn samples(&self, select: &Select, reference_laps: u64) -> Option<u64> {
        let matching = self.groups.iter().filter(|known| select.takes(&known.group));
        match select.phase {
            Some(Phase::Reference | Phase::Return) => {
                Some(matching.map(|known| known.per_lap * reference_laps).sum())
            }
            _ => matching.map(|known| known.samples).sum(),
        }
    }

    /// Returns whether the plan is long enough for a gate, depth by depth, and whether the gate's
    /// events can be observed. Without known sources, the latter depends on the run.
    pub(crate) fn decidable(
        &self,
        gate: &Gate,
        plan: &Plan,
        sight: Option<ObservedSources>,
    ) -> Decidable {
        match gate.measure {
            Measure::Of(quantity, statistic) => self.samples_for(gate, quantity, statistic, plan),
            Measure::Portion(_) | Measure::Count(_) if self.judged_seconds == Some(0.0) => {
                Decidable::No("the warm-up takes all of the time".to_owned())
            }
            Measure::Portion(_) | Measure::NotInEffect => Decidable::Yes,
            Measure::Growth(_) | Measure::Steps | Measure::Drift(_) => {
                blocks::decidable(gate, plan, self, sight)
            }
            Measure::Count(count) => {
                let hidden = in_flight::hidden(self.in_flight, count, sight);
                hidden.unwrap_or_else(|| seen(&[count], sight))
            }
            Measure::Mtbf => self.time_for(gate.limit, sight),
        }
    }

    /// Returns whether a run without a failure would be long enough for a limit on the mean time
    /// between failures.
    fn time_for(&self, limit: Limit, sight: Option<ObservedSources>) -> Decidable {
        let Limit::AtLeast(mtbf_s) = limit else { return Decidable::Yes };
        let needed = time_to_show(0, mtbf_s, MTBF_CONFIDENCE);
        match (self.judged_seconds, self.seconds) {
            (Some(most), _) | (None, Some(most)) if most < needed => Decidable::No(format!(
                "{} are judged, and {} without a failure are needed",
                span(most),
                // Rounded up, so that a run of the displayed length is long enough.
                span_needed(needed)
            )),
            (judged, _) => match seen(&Count::FAILURES, sight) {
                Decidable::No(why) => Decidable::No(why),
                Decidable::Yes if judged.is_some() => {
                    let hidden = in_flight::hidden(self.in_flight, Count::Crashes, sight);
                    hidden.unwrap_or(Decidable::Yes)
                }
                _ if judged.is_none() => Decidable::Unknown,
                seen => seen,
            },
        }
    }

    fn samples_for(
        &self,
        gate: &Gate,
        quantity: Quantity,
        statistic: Statistic,
        plan: &Plan,
    ) -> Decidable {
        // Every token but the first has a value of these quantities; every request has one of the
        // others.
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

    /// Returns all gates of a contract, each with whether the plan is long enough for it.
    pub(crate) fn gates<'a>(
        &self,
        contract: &'a Contract,
        plan: &Plan,
        sight: Option<ObservedSources>,
    ) -> Vec<(&'a Gate, Decidable)> {
        contract.gates.iter().map(|gate| (gate, self.decidable(gate, plan, sight))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use insta::assert_snapshot;

    use super::*;
    use crate::plan::Bounds;
    use crate::plan::tests::{ladder, open};
    use crate::shown::each;
    use crate::spec::Scenario;
    use crate::spec::scenario::Drill;

    const RATES: Rates = Rates::Flat { prefill_per_s: 512.0, decode_per_s: 16.0 };

    #[test]
    fn an_open_round_lasts_until_its_last_arrival_and_as_long_as_that_one_takes() {
        // A prompt of 512 and an output of 16: a second each.
        let plan = Plan::new(&long(&[0.25]), 7, Bounds::default()).unwrap();
        let forecast = forecast(&plan, &RATES, Some(4));
        assert_eq!(forecast.lap_seconds, Some(60.0 / 0.25 + 2.0));
        assert_eq!(forecast.groups[0].round_seconds, forecast.lap_seconds);
        assert_eq!(forecast.groups[0].per_lap, 60);
        assert_eq!(forecast.notes, Vec::<String>::new());
    }

    /// Open rounds of 60 requests, for an hour.
    fn long(rates: &[f64]) -> Scenario {
        let extent = Extent::Duration(Duration::from_secs(3600));
        Scenario { extent, ..open(&[0], rates, 60) }
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
        let plan = Plan::new(&long(&[0.5, 1.6]), 7, Bounds::default()).unwrap();
        let forecast = forecast(&plan, &RATES, Some(4));
        assert_snapshot!(forecast.notes.join("\n"), @"d0/r1.6/p512/o16: 1.6 requests/s, and by these rates the server does 0.800 at the most: the queue grows without bound");
        assert_eq!(forecast.groups[1].round_seconds, Some(60.0 * 1.25 + 2.0));
    }

    #[test]
    fn a_time_between_failures_needs_three_times_as_long_in_phases_that_are_judged() {
        let mut scenario = open(&[0], &[0.25], 60);
        scenario.warmup_laps = 1;
        scenario.extent = Extent::Duration(Duration::from_secs(3600));
        let decided = |mtbf_s: f64, scenario: &Scenario, rates: &Rates| {
            let plan = Plan::new(scenario, 7, Bounds::default()).unwrap();
            let gate = Gate {
                measure: Measure::Mtbf,
                select: Select::default(),
                limit: Limit::AtLeast(mtbf_s),
                attain: None,
                where_seen: false,
                text: "mtbf".to_owned(),
                line: 1,
            };
            forecast(&plan, rates, Some(4)).decidable(&gate, &plan, None)
        };
        // A lap takes 242 s, and 3,600 s less one of them show 1,120.9 s.
        assert!(matches!(decided(1120.0, &scenario, &RATES), Decidable::Needs(_)));
        let Decidable::No(why) = decided(1122.0, &scenario, &RATES) else { panic!("decided") };
        assert_eq!(why, "55 m 58 s are judged, and 56 m 02 s without a failure are needed");
        // The duration of the warm-up is unknown, but the total is known.
        assert_eq!(decided(1120.0, &scenario, &Rates::Unknown), Decidable::Unknown);
        assert!(matches!(decided(1300.0, &scenario, &Rates::Unknown), Decidable::No(_)));
        let span = Duration::from_secs(600);
        scenario.drills = vec![Drill { kind: DrillKind::Idle(span), at: span }];
        assert!(matches!(decided(1120.0, &scenario, &RATES), Decidable::No(_)));
    }

    #[test]
    fn an_oom_needs_a_log_that_is_followed_and_a_kernel_and_a_hang_the_engines_numbers() {
        let reported = |count, log, kernel, metrics| {
            seen(&[count], Some(ObservedSources { log, kernel, metrics, process: false }))
        };
        assert_eq!(reported(Count::Ooms, true, true, false), Decidable::Yes);
        assert_eq!(reported(Count::Hangs, false, false, true), Decidable::Yes);
        assert_eq!(reported(Count::Crashes, false, false, false), Decidable::Yes);
        let unseen = [
            (Count::Ooms, false, true),
            (Count::Ooms, true, false),
            (Count::Ooms, false, false),
            (Count::Hangs, true, true),
        ];
        let why =
            each(unseen, |(count, log, kernel)| match reported(*count, *log, *kernel, false) {
                Decidable::No(why) => why,
                other => panic!("{other:?}"),
            });
        assert_snapshot!("unseen", why);
        // The plan does not know which sources a run will observe.
        let planned = seen(&[Count::Ooms], None);
        assert!(matches!(planned, Decidable::Needs(_)), "{planned:?}");
    }
}
