//! What ails the engine and since when, for whoever does the thing that is
//! ailing to ask. Knows neither requests nor the process.

use crate::rng::Rng;
use crate::sim::ailment::{Ailment, AilmentKind, Hits};
use crate::sim::job::JobId;
use crate::sim::machine::{By, Growth};
use crate::unit::At;

/// The address of which requests are hit.
const HIT: u64 = 0xE0;

/// How long it takes what else is on the box to use its memory up before the kernel kills.
const SQUEEZE_US: u64 = 10_000_000;

/// Everything that is asked for, with its times once the load has begun.
#[derive(Clone, Debug)]
pub(super) struct Ills {
    seed: u64,
    ailments: Vec<Ailment>,
    /// What happens at moments, the next one last.
    events: Vec<(At, AilmentKind)>,
    lasting: Vec<Lasting>,
    /// Until when there is a storm of preemptions.
    storm_until: At,
    /// Until when `/metrics` is gone, where that comes back.
    metrics_until: At,
}

/// Something that goes on from a moment.
#[derive(Clone, Copy, Debug)]
struct Lasting {
    ailment: Ailment,
    /// From when on; not known before the load has begun.
    from: Option<At>,
    /// How often it struck, where that is counted.
    strikes: u64,
}

impl Lasting {
    /// Starts fail from the very first on, which comes before any load.
    fn precedes_load(&self) -> bool {
        matches!(self.ailment.kind, AilmentKind::StartFails { .. }) && self.ailment.when.is_none()
    }

    fn is_on(&self, now: At) -> bool {
        self.from.is_some_and(|from| from <= now)
    }
}

impl Ills {
    /// What is asked for, on an engine that is made at `start`. The harness's own is left out.
    pub(super) fn new(ailments: Vec<Ailment>, seed: u64, start: At) -> Ills {
        let goes_on =
            |ailment: &&Ailment| !ailment.kind.is_event() && !ailment.kind.is_of_the_harness();
        let lasting = |ailment: &Ailment| {
            let mut lasting = Lasting { ailment: *ailment, from: None, strikes: 0 };
            lasting.from = lasting.precedes_load().then_some(start);
            lasting
        };
        Ills {
            seed,
            lasting: ailments.iter().filter(goes_on).map(lasting).collect(),
            ailments,
            events: Vec::new(),
            storm_until: At::ZERO,
            metrics_until: At::ZERO,
        }
    }

    /// Load begins: everything gets its time.
    pub(super) fn load_began(&mut self, at: At, planned_us: Option<u64>) {
        let moments = |(place, ailment): (usize, &Ailment)| {
            let kind = ailment.kind;
            let happens = kind.is_event() && !kind.is_of_the_harness();
            let times = happens.then(|| ailment.moments(at, planned_us, self.seed, place));
            times.into_iter().flatten().map(move |at| (at, kind))
        };
        self.events = self.ailments.iter().enumerate().flat_map(moments).collect();
        self.events.sort_by_key(|(due, _)| std::cmp::Reverse(*due));
        for lasting in self.lasting.iter_mut().filter(|lasting| !lasting.precedes_load()) {
            lasting.from = Some(lasting.ailment.due(at, planned_us));
            lasting.strikes = 0;
        }
    }

    /// When the next event is due.
    pub(super) fn next(&self) -> Option<At> {
        self.events.last().map(|(due, _)| *due)
    }

    /// How much of the memory that could still be had something else on the box has taken,
    /// 0 to 1, on the way to a kill by the kernel.
    pub(super) fn squeezed(&self, now: At) -> f64 {
        // The next one is last; one that is farther away than the first few takes nothing yet.
        let mut near = self.events.iter().rev().take_while(|(due, _)| due.since(now) <= SQUEEZE_US);
        let kill = near.find(|(_, kind)| matches!(kind, AilmentKind::HostOomKill { .. }));
        kill.map_or(0.0, |(due, _)| 1.0 - due.since(now) as f64 / SQUEEZE_US as f64)
    }

    /// Takes the next event out.
    pub(super) fn pop(&mut self) -> Option<AilmentKind> {
        self.events.pop().map(|(_, kind)| kind)
    }

    /// A storm of preemptions begins.
    pub(super) fn storm_until(&mut self, until: At) {
        self.storm_until = self.storm_until.max(until);
    }

    /// `/metrics` goes away.
    pub(super) fn metrics_away_until(&mut self, until: At) {
        self.metrics_until = self.metrics_until.max(until);
    }

    /// Whether there is a storm of preemptions.
    pub(super) fn storms(&self, now: At) -> bool {
        now < self.storm_until
    }

    /// Whether `/metrics` is gone.
    pub(super) fn metrics_away(&self, now: At) -> bool {
        now < self.metrics_until
            || self.on(now).any(|(_, kind)| matches!(kind, AilmentKind::MetricsGoAway { .. }))
    }

    /// Whether the prefix cache can be hit.
    pub(super) fn cache_hits(&self, now: At) -> bool {
        !self.on(now).any(|(_, kind)| kind == AilmentKind::CacheStopsHitting)
    }

    /// How many times as long every step takes.
    pub(super) fn slowness(&self, now: At) -> f64 {
        let factor = |(from, kind): (At, AilmentKind)| match kind {
            AilmentKind::SlowDown { factor } => factor,
            AilmentKind::CreepingLatency { gain_per_h } => 1.0 + gain_per_h * hours(now, from),
            _ => 1.0,
        };
        self.on(now).map(factor).product()
    }

    /// How many times as long decoding takes, on top of that.
    pub(super) fn decode_slowness(&self, now: At) -> f64 {
        let factor = |(_, kind): (At, AilmentKind)| match kind {
            AilmentKind::Step { factor } => factor,
            _ => 1.0,
        };
        self.on(now).map(factor).product()
    }

    /// What is left of the share of drafted tokens that is accepted.
    pub(super) fn acceptance_left(&self, now: At) -> f64 {
        let left = |(from, kind): (At, AilmentKind)| match kind {
            AilmentKind::AcceptanceDecay { lost_per_h } => {
                (1.0 - lost_per_h).powf(hours(now, from))
            }
            _ => 1.0,
        };
        self.on(now).map(left).product()
    }

    /// How the engine's memory grows, also later.
    pub(super) fn growths(&self) -> Vec<Growth> {
        let growth = |lasting: &Lasting| {
            let by = match lasting.ailment.kind {
                AilmentKind::SlowLeak { bytes_per_s } => By::Rate(bytes_per_s),
                AilmentKind::LeakThatPlateaus { bytes } => By::Towards(bytes),
                _ => return None,
            };
            Some(Growth { from: lasting.from?, by })
        };
        self.lasting.iter().filter_map(growth).collect()
    }

    /// What befalls a request that comes now and may have `limit` tokens, and
    /// after how many: somewhere between a quarter and three quarters of them.
    /// Only one thing befalls a request: of several, the first that was asked for.
    pub(super) fn strike(&mut self, now: At, id: JobId, limit: u64) -> Option<(AilmentKind, u64)> {
        let seed = self.seed;
        self.lasting.iter_mut().enumerate().find_map(|(index, lasting)| {
            let kind = lasting.ailment.kind;
            let hits = kind.hits().filter(|_| lasting.is_on(now))?;
            let mut rng = Rng::at(seed, &[HIT, index as u64, id.0]);
            let draw = rng.unit();
            let hit = match hits {
                Hits::Share(share) => draw < share,
                Hits::Next(times) => lasting.strikes < times,
            };
            // No answer is shorter than one token; none at all is an ailment of its own.
            if !hit || limit == 1 && matches!(kind, AilmentKind::ShortAnswer { .. }) {
                return None;
            }
            lasting.strikes += 1;
            Some((kind, (limit / 4 + rng.below(limit / 2)).max(1).min(limit - 1)))
        })
    }

    /// Whether a start of the server at this moment fails, and then whether
    /// another is tried after it. Counts it.
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

    /// What goes on now, and since when.
    fn on(&self, now: At) -> impl Iterator<Item = (At, AilmentKind)> {
        let on = move |lasting: &Lasting| {
            let from = lasting.from.filter(|from| *from <= now)?;
            Some((from, lasting.ailment.kind))
        };
        self.lasting.iter().filter_map(on)
    }
}

/// What comes after a start that failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AfterFailedStart {
    Tried,
    Never,
}

fn hours(now: At, from: At) -> f64 {
    now.since(from) as f64 / 3.6e9
}
