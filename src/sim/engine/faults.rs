//! Tracks which faults are active and since when, for the parts of the engine that they affect.
//! Knows neither requests nor the process.

mod levels;
mod memory;

use crate::rng::Rng;
use crate::sim::ailment::{AffectedRequests, Ailment, AilmentKind};
use crate::sim::job::JobId;
use crate::unit::At;

/// Stream of random numbers that select the affected requests.
const HIT: u64 = 0xE0;

/// Time in which another process uses up the memory before the OOM kill.
const MEMORY_PRESSURE_US: u64 = 10_000_000;

/// All faults of an engine, with their times once the load has begun.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    seed: u64,
    ailments: Vec<Ailment>,
    /// Events still to come, the next one last: time, place of the ailment, kind.
    events: Vec<(At, usize, AilmentKind)>,
    /// Number of events that happened, by place of the ailment.
    happened: Vec<u64>,
    lasting: Vec<LastingFault>,
    /// End of the current preemption storm.
    storm_until: At,
    /// End of the current outage of `/metrics`, for outages that end.
    metrics_until: At,
    /// End of the present time in which another model is listed, where it ends.
    unlisted_until: At,
}

/// A lasting fault.
#[derive(Clone, Copy, Debug)]
struct LastingFault {
    /// Index among all ailments.
    place: usize,
    ailment: Ailment,
    /// Begin; not known before the load has begun.
    from: Option<At>,
    /// Number of affected requests, starts or ends, or of changes of the level, where it is
    /// counted.
    strikes: u64,
    /// Time of the next change of the level.
    turns: Option<At>,
}

impl LastingFault {
    /// Whether the fault is active before the load: failing starts without a WHEN.
    fn precedes_load(&self) -> bool {
        matches!(self.ailment.kind, AilmentKind::StartFails { .. }) && self.ailment.when.is_none()
    }

    fn is_on(&self, now: At) -> bool {
        self.from.is_some_and(|from| from <= now)
    }
}

impl Faults {
    /// Creates the faults of an engine that starts at `start`, without those of longhaul's machine.
    pub(super) fn new(ailments: Vec<Ailment>, seed: u64, start: At) -> Faults {
        let goes_on = |(_, ailment): &(usize, &Ailment)| {
            !ailment.kind.is_event() && !ailment.kind.affects_longhaul()
        };
        let lasting = |(place, ailment): (usize, &Ailment)| {
            let mut lasting =
                LastingFault { place, ailment: *ailment, from: None, strikes: 0, turns: None };
            lasting.from = lasting.precedes_load().then_some(start);
            lasting
        };
        Faults {
            seed,
            lasting: ailments.iter().enumerate().filter(goes_on).map(lasting).collect(),
            happened: vec![0; ailments.len()],
            ailments,
            events: Vec::new(),
            storm_until: At::ZERO,
            metrics_until: At::ZERO,
            unlisted_until: At::ZERO,
        }
    }

    /// Leaves out the lasting faults that change nothing, so that they are not counted either.
    pub(super) fn without(mut self, in_vain: &[bool]) -> Faults {
        self.lasting.retain(|lasting| !in_vain[lasting.place]);
        self
    }

    /// Sets the times of all faults at the begin of the load.
    pub(super) fn load_began(&mut self, at: At, planned_us: Option<u64>) {
        let moments = |(place, ailment): (usize, &Ailment)| {
            let kind = ailment.kind;
            let happens = kind.is_event() && !kind.affects_longhaul();
            let times = happens.then(|| ailment.moments(at, planned_us, self.seed, place));
            times.into_iter().flatten().map(move |at| (at, place, kind))
        };
        self.events = self.ailments.iter().enumerate().flat_map(moments).collect();
        self.events.sort_by_key(|(due, ..)| std::cmp::Reverse(*due));
        for lasting in self.lasting.iter_mut().filter(|lasting| !lasting.precedes_load()) {
            lasting.from = Some(lasting.ailment.due(at, planned_us));
            lasting.strikes = 0;
            lasting.turns = lasting.from;
        }
    }

    /// Returns the time of the next event.
    pub(super) fn next(&self) -> Option<At> {
        self.events.last().map(|(due, ..)| *due)
    }

    /// Share of the available memory that another process has taken before an OOM kill, 0 to 1.
    pub(super) fn memory_pressure(&self, now: At) -> f64 {
        // Events are in descending order. Those more than `MEMORY_PRESSURE_US` away have no effect
        // yet.
        let mut near =
            self.events.iter().rev().take_while(|(due, ..)| due.since(now) <= MEMORY_PRESSURE_US);
        let kill = near.find(|(.., kind)| matches!(kind, AilmentKind::HostOomKill { .. }));
        kill.map_or(0.0, |(due, ..)| 1.0 - due.since(now) as f64 / MEMORY_PRESSURE_US as f64)
    }

    /// Removes and returns the next event. It happens only if the server is up, and is counted.
    pub(super) fn pop(&mut self, is_up: bool) -> Option<AilmentKind> {
        let (_, place, kind) = self.events.pop()?;
        self.happened[place] += u64::from(is_up);
        is_up.then_some(kind)
    }

    /// Returns, for each ailment, how often it happened until `now`, or how many requests or starts
    /// it hit. A lasting fault without such a count happens once.
    pub(super) fn hits(&self, now: At) -> Vec<u64> {
        let mut hits = self.happened.clone();
        for lasting in &self.lasting {
            let kind = lasting.ailment.kind;
            let once = u64::from(lasting.is_on(now));
            hits[lasting.place] = if kind.is_counted() { lasting.strikes } else { once };
        }
        hits
    }

    /// Starts or extends a preemption storm.
    pub(super) fn storm_until(&mut self, until: At) {
        self.storm_until = self.storm_until.max(until);
    }

    /// Starts or extends an outage of `/metrics`.
    pub(super) fn metrics_away_until(&mut self, until: At) {
        self.metrics_until = self.metrics_until.max(until);
    }

    /// Starts or extends the time in which another model is listed.
    pub(super) fn unlisted_until(&mut self, until: At) {
        self.unlisted_until = self.unlisted_until.max(until);
    }

    /// Whether a preemption storm is active.
    pub(super) fn is_preemption_storm(&self, now: At) -> bool {
        now < self.storm_until
    }

    /// Whether `/metrics` answers 404.
    pub(super) fn metrics_away(&self, now: At) -> bool {
        now < self.metrics_until
            || self.on(now).any(|(_, kind)| matches!(kind, AilmentKind::MetricsGoAway { .. }))
    }

    /// Whether `/v1/models` lists another model.
    pub(super) fn lists_another(&self, now: At) -> bool {
        now < self.unlisted_until
            || self.on(now).any(|(_, kind)| matches!(kind, AilmentKind::ModelUnlisted { .. }))
    }

    /// Whether the prefix cache can be hit at `now`.
    pub(super) fn cache_hits(&self, now: At) -> bool {
        !self.on(now).any(|(_, kind)| kind == AilmentKind::CacheStopsHitting)
    }

    /// Returns the factor on the duration of every step.
    pub(super) fn slowness(&self, now: At) -> f64 {
        let factor = |(from, kind): (At, AilmentKind)| match kind {
            AilmentKind::SlowDown { factor } => factor,
            AilmentKind::CreepingLatency { gain_per_h } => 1.0 + gain_per_h * hours(now, from),
            _ => 1.0,
        };
        self.on(now).map(factor).product()
    }

    /// Returns the additional factor on the duration of decode steps.
    pub(super) fn decode_slowness(&mut self, now: At) -> f64 {
        self.change_levels(now);
        let factor = |lasting: &LastingFault| match lasting.ailment.kind {
            AilmentKind::Step { factor } if lasting.is_on(now) => factor,
            AilmentKind::SpeedLevels { factor } if lasting.is_slow() => factor,
            _ => 1.0,
        };
        self.lasting.iter().map(factor).product()
    }

    /// Returns the factor on the share of accepted draft tokens, 0 to 1.
    pub(super) fn acceptance_left(&self, now: At) -> f64 {
        let left = |(from, kind): (At, AilmentKind)| match kind {
            AilmentKind::AcceptanceDecay { lost_per_h } => {
                (1.0 - lost_per_h).powf(hours(now, from))
            }
            _ => 1.0,
        };
        self.on(now).map(left).product()
    }

    /// Returns the fault of a request that arrives now and may have `limit` tokens, and the number
    /// of tokens before it: between a quarter and three quarters of `limit`. A request has at most
    /// one fault; of several, the first that was given.
    pub(super) fn fault_for(
        &mut self,
        now: At,
        id: JobId,
        limit: u64,
    ) -> Option<(AilmentKind, u64)> {
        let seed = self.seed;
        self.lasting.iter_mut().enumerate().find_map(|(index, lasting)| {
            let kind = lasting.ailment.kind;
            let hits = kind.affected_requests().filter(|_| lasting.is_on(now))?;
            let mut rng = Rng::at(seed, &[HIT, index as u64, id.0]);
            let draw = rng.unit();
            let hit = match hits {
                AffectedRequests::Share(share) => draw < share,
                AffectedRequests::Next(times) => lasting.strikes < times,
            };
            // A response has at least one token; an empty one is a fault of its own.
            if !hit || limit == 1 && matches!(kind, AilmentKind::ShortAnswer { .. }) {
                return None;
            }
            lasting.strikes += 1;
            Some((kind, (limit / 4 + rng.below(limit / 2)).max(1).min(limit - 1)))
        })
    }

    /// Returns the consequence of a failed start at this moment; `None` if it succeeds. Counts the
    /// failed start.
    pub(super) fn start_fails(&mut self, now: At) -> Option<AfterFailedStart> {
        self.lasting.iter_mut().filter(|lasting| lasting.is_on(now)).find_map(|lasting| {
            let AilmentKind::StartFails { times } = lasting.ailment.kind else { return None };
            if times.is_some_and(|times| lasting.strikes >= times) {
                return None;
            }
            lasting.strikes += 1;
            Some(if times.is_some() { AfterFailedStart::Tried } else { AfterFailedStart::Never })
        })
    }

    /// Returns the active lasting faults with their begin.
    fn on(&self, now: At) -> impl Iterator<Item = (At, AilmentKind)> {
        let on = move |lasting: &LastingFault| {
            let from = lasting.from.filter(|from| *from <= now)?;
            Some((from, lasting.ailment.kind))
        };
        self.lasting.iter().filter_map(on)
    }
}

/// Action after a failed start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AfterFailedStart {
    Tried,
    Never,
}

fn hours(now: At, from: At) -> f64 {
    now.since(from) as f64 / 3.6e9
}
