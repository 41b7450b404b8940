//! Defines the faults that the simulated server can be given, written as `NAME[=VALUE][@WHEN]`.
//! WHEN counts from the start of load.

mod level;
pub(crate) mod outlook;
mod read;
mod value;

use super::setup::Setup;
use crate::rng::Rng;
use crate::unit::At;

pub(crate) use level::level_us;
pub(crate) use read::{NAMES, example};

/// A fault of the simulated server, with the time at which it begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ailment {
    pub kind: AilmentKind,
    /// Time of the fault; `None` for the default of the kind.
    pub when: Option<AilmentTime>,
}

/// Times at which a fault occurs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum AilmentTime {
    /// Microseconds after the start of load.
    After(u64),
    /// Number of occurrences, evenly spread over the load.
    Times(u64),
    /// Mean number of occurrences per hour of load, each independent of the others.
    PerHour(f64),
}

/// Requests that a fault affects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum AffectedRequests {
    /// Share of all requests, 0 to 1.
    Share(f64),
    /// Number of next requests.
    Next(u64),
}

/// Kind of a fault. Spans are in microseconds; `None` means that it does not end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum AilmentKind {
    /// The server's process is killed. It is ready again after `away_us`, or never.
    Crash {
        /// Time until the server is ready again.
        away_us: Option<u64>,
    },
    /// The engine runs out of GPU memory and ends.
    CudaOom {
        /// Time until the server is ready again.
        away_us: Option<u64>,
    },
    /// The kernel's OOM killer ends the engine because another process used up the memory.
    HostOomKill {
        /// Time until the server is ready again.
        away_us: Option<u64>,
    },
    /// The machine loses power: nothing answers until it has booted again.
    HostReboot {
        /// Time until the server is ready again. The machine boots earlier, and always.
        away_us: Option<u64>,
    },
    /// The server's process receives SIGTERM. It is ready again after `away_us`.
    Restart {
        /// Time until the server is ready again.
        away_us: u64,
    },
    /// The engine completes no step; HTTP endpoints that need no step still answer.
    Hang {
        /// Duration.
        lasts_us: Option<u64>,
    },
    /// Starts of the server fail: without a WHEN, from the first start on.
    StartFails {
        /// Number of failed starts; `None` for every start.
        times: Option<u64>,
    },
    /// Requests get no further token, or none for `pause_us`.
    Stall {
        hits: AffectedRequests,
        /// Duration of the pause.
        pause_us: Option<u64>,
    },
    /// Requests end with an error frame.
    ErrorFrame { hits: AffectedRequests },
    /// Streams end without a finish reason.
    TruncatedStream { hits: AffectedRequests },
    /// Responses have no token.
    EmptyAnswer { hits: AffectedRequests },
    /// Responses end with a finish reason before the requested length.
    ShortAnswer { hits: AffectedRequests },
    /// Responses have tokens that are counted and never sent.
    SwallowedAnswer { hits: AffectedRequests },
    /// Responses go on to twice the requested length.
    LongAnswer { hits: AffectedRequests },
    /// Responses go on until the client hangs up, or the context is full.
    EndlessAnswer { hits: AffectedRequests },
    /// Responses have the same text, whatever the prompt is.
    SameAnswer { hits: AffectedRequests },
    /// Every step takes `factor` times as long.
    SlowDown {
        /// Factor on the duration of a step, at least 1.
        factor: f64,
    },
    /// The duration of every step grows linearly.
    CreepingLatency {
        /// Growth of a step's duration per hour, as a fraction of the original.
        gain_per_h: f64,
    },
    /// Decode steps take longer from this time on.
    Step {
        /// Factor on the duration of a decode step, at least 1.
        factor: f64,
    },
    /// Decode steps take longer at times: their duration jumps between two levels, at random.
    SpeedLevels {
        /// Factor on the duration of a decode step in the slow level, at least 1.
        factor: f64,
    },
    /// The engine's memory grows until the kernel kills it.
    SlowLeak {
        /// Bytes per second.
        bytes_per_s: f64,
    },
    /// The engine's memory grows towards a size and stays there.
    LeakThatPlateaus {
        /// Final size, in bytes above the memory use of a ready server.
        bytes: f64,
    },
    /// The engine's memory grows by so many bytes with every request that it ends.
    LeakPerRequest { bytes: f64 },
    /// The engine's memory grows by so many bytes with every request whose client disconnects.
    LeakAfterAbort { bytes: f64 },
    /// The machine does not get so many bytes back when the server's process ends.
    MemoryKeptAfterRestart { bytes: f64 },
    /// The prefix cache is never hit.
    CacheStopsHitting,
    /// Decoding requests are preempted repeatedly.
    PreemptionStorm {
        /// Duration.
        lasts_us: u64,
    },
    /// The share of accepted draft tokens falls.
    AcceptanceDecay {
        /// Share of the remaining acceptance that is lost per hour, 0 to 1.
        lost_per_h: f64,
    },
    /// `/metrics` answers 404.
    MetricsGoAway { lasts_us: Option<u64> },
    /// `/v1/models` lists another model; requests for the served one are answered.
    ModelUnlisted { lasts_us: Option<u64> },
    /// The wall clock of longhaul's machine is set.
    WallClockStep {
        /// Size of the change; negative sets the clock back.
        by_us: i64,
    },
    /// The server accepts a setting of the recipe and does not follow it.
    IgnoredSetting {
        name: &'static str,
        /// Value that it follows in its place; `None` for the default.
        other: Option<u64>,
    },
    /// The server is started without a setting of the recipe.
    MissingSetting {
        name: &'static str,
        /// Value that it is given in its place.
        other: Option<u64>,
    },
    /// The disk of longhaul's run folder accepts no writes.
    SlowDisk { lasts_us: Option<u64> },
    /// longhaul itself is stopped: it reads and sends nothing.
    LonghaulStops { lasts_us: u64 },
}

/// Default time of an event where neither WHEN nor the length of the load is known.
const EVENT_US: u64 = 30_000_000;
/// Span for an `@3x` count where the length of the load is not known.
const SPREAD_US: u64 = 3_600_000_000;
/// Bound on the list of moments, for a high rate over a long load.
const MOMENTS_MAX: usize = 1_000_000;
/// Stream of random numbers for moments of a rate.
const AT_RANDOM: u64 = 0xE1;

impl Ailment {
    /// Returns the begin for a load that began at `began` and is planned to last `planned_us`: WHEN
    /// where it is a time, else the middle of the load. Where the length is not known, a lasting
    /// fault begins at once and an event 30 s later.
    pub(crate) fn due(&self, began: At, planned_us: Option<u64>) -> At {
        let fallback_us = if self.kind.is_event() { EVENT_US } else { 0 };
        let asked_us = match self.when {
            Some(AilmentTime::After(us)) => Some(us),
            _ => None,
        };
        let after_us = asked_us.or(planned_us.map(|us| us / 2)).unwrap_or(fallback_us);
        At(began.0.saturating_add(after_us))
    }

    /// Returns every moment of the fault, in order. Those of a rate depend on the seed and on
    /// `place`, the fault's index among all that were given.
    pub(crate) fn moments(
        &self,
        began: At,
        planned_us: Option<u64>,
        seed: u64,
        place: usize,
    ) -> Vec<At> {
        let span_us = planned_us.unwrap_or(SPREAD_US);
        match self.when {
            None | Some(AilmentTime::After(_)) => vec![self.due(began, planned_us)],
            Some(AilmentTime::Times(times)) => {
                let spread = |k: u64| u128::from(span_us) * u128::from(k) / u128::from(times + 1);
                (1..=times).map(|k| At(began.0.saturating_add(spread(k) as u64))).collect()
            }
            Some(AilmentTime::PerHour(rate)) => {
                let mut rng = Rng::at(seed, &[AT_RANDOM, place as u64]);
                let mut after_us = 0.0;
                // In a Poisson process the gaps are exponential.
                let next = || {
                    after_us += -(1.0 - rng.unit()).ln() / rate * 3.6e9;
                    (after_us < span_us as f64).then(|| At(began.0.saturating_add(after_us as u64)))
                };
                std::iter::from_fn(next).take(MOMENTS_MAX).collect()
            }
        }
    }
}

impl AilmentKind {
    /// Whether the fault is an event (at moments) and not a lasting state.
    pub(crate) fn is_event(&self) -> bool {
        match self {
            AilmentKind::MetricsGoAway { lasts_us }
            | AilmentKind::ModelUnlisted { lasts_us }
            | AilmentKind::SlowDisk { lasts_us } => lasts_us.is_some(),
            AilmentKind::Crash { .. }
            | AilmentKind::CudaOom { .. }
            | AilmentKind::HostOomKill { .. }
            | AilmentKind::HostReboot { .. }
            | AilmentKind::Restart { .. }
            | AilmentKind::Hang { .. }
            | AilmentKind::PreemptionStorm { .. }
            | AilmentKind::WallClockStep { .. }
            | AilmentKind::LonghaulStops { .. } => true,
            _ => false,
        }
    }

    /// Whether the fault can occur only once because it never ends.
    pub(crate) fn is_for_good(&self) -> bool {
        match self {
            AilmentKind::Crash { away_us }
            | AilmentKind::CudaOom { away_us }
            | AilmentKind::HostOomKill { away_us }
            | AilmentKind::HostReboot { away_us } => away_us.is_none(),
            AilmentKind::Hang { lasts_us }
            | AilmentKind::MetricsGoAway { lasts_us }
            | AilmentKind::ModelUnlisted { lasts_us }
            | AilmentKind::SlowDisk { lasts_us } => lasts_us.is_none(),
            _ => false,
        }
    }

    /// Whether the fault affects longhaul's machine. The server ignores such faults.
    pub(crate) fn affects_longhaul(&self) -> bool {
        matches!(
            self,
            AilmentKind::WallClockStep { .. }
                | AilmentKind::SlowDisk { .. }
                | AilmentKind::LonghaulStops { .. }
        )
    }

    /// Requests that the fault affects; `None` for a fault of the whole server.
    pub(crate) fn affected_requests(&self) -> Option<AffectedRequests> {
        match self {
            AilmentKind::Stall { hits, .. }
            | AilmentKind::ErrorFrame { hits }
            | AilmentKind::TruncatedStream { hits }
            | AilmentKind::EmptyAnswer { hits }
            | AilmentKind::ShortAnswer { hits }
            | AilmentKind::SwallowedAnswer { hits }
            | AilmentKind::LongAnswer { hits }
            | AilmentKind::EndlessAnswer { hits }
            | AilmentKind::SameAnswer { hits } => Some(*hits),
            _ => None,
        }
    }

    /// Whether a lasting fault counts how often it happened.
    pub(crate) fn is_counted(&self) -> bool {
        self.affected_requests().is_some()
            || matches!(
                self,
                AilmentKind::StartFails { .. }
                    | AilmentKind::SpeedLevels { .. }
                    | AilmentKind::LeakPerRequest { .. }
                    | AilmentKind::LeakAfterAbort { .. }
                    | AilmentKind::MemoryKeptAfterRestart { .. }
            )
    }

    /// Reason why the fault has no effect on a server with these settings, if it has none.
    pub(crate) fn pointless(&self, setup: &Setup) -> Option<&'static str> {
        match self {
            AilmentKind::CacheStopsHitting if !setup.prefix_caching => {
                Some("this server has no prefix cache that could be hit")
            }
            AilmentKind::AcceptanceDecay { .. } if setup.speculative_tokens == 0 => {
                Some("this server drafts no tokens that could be accepted")
            }
            AilmentKind::IgnoredSetting { .. } | AilmentKind::MissingSetting { .. } => {
                setup.unchanged_by(*self)
            }
            _ if self.is_nothing() => Some("its value changes nothing"),
            _ => None,
        }
    }

    /// Whether the value leaves a healthy server unchanged.
    fn is_nothing(&self) -> bool {
        match self {
            AilmentKind::SlowDown { factor }
            | AilmentKind::Step { factor }
            | AilmentKind::SpeedLevels { factor } => *factor <= 1.0,
            AilmentKind::CreepingLatency { gain_per_h: rate }
            | AilmentKind::AcceptanceDecay { lost_per_h: rate }
            | AilmentKind::SlowLeak { bytes_per_s: rate }
            | AilmentKind::LeakThatPlateaus { bytes: rate }
            | AilmentKind::LeakPerRequest { bytes: rate }
            | AilmentKind::LeakAfterAbort { bytes: rate }
            | AilmentKind::MemoryKeptAfterRestart { bytes: rate } => *rate <= 0.0,
            AilmentKind::Hang { lasts_us }
            | AilmentKind::MetricsGoAway { lasts_us }
            | AilmentKind::ModelUnlisted { lasts_us }
            | AilmentKind::SlowDisk { lasts_us } => *lasts_us == Some(0),
            AilmentKind::PreemptionStorm { lasts_us } | AilmentKind::LonghaulStops { lasts_us } => {
                *lasts_us == 0
            }
            AilmentKind::WallClockStep { by_us } => *by_us == 0,
            _ => self.affected_requests() == Some(AffectedRequests::Share(0.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::setup::tests::record;

    const MINUTE_US: u64 = 60_000_000;

    fn ailment(text: &str) -> Ailment {
        Ailment::parse(text).expect(text)
    }

    #[test]
    fn when_counts_from_the_start_of_load_and_defaults_to_the_middle() {
        let due = |text: &str, planned| ailment(text).due(At(100), planned);
        assert_eq!(due("crash@2s", Some(60_000_000)), At(2_000_100));
        assert_eq!(due("crash", Some(60_000_000)), At(30_000_100));
        assert_eq!(due("crash", None), At(30_000_100));
        assert_eq!(due("error_frame", None), At(100));
    }

    #[test]
    fn a_count_is_spread_evenly_over_the_load_and_over_an_hour_where_that_is_unknown() {
        let moments = |planned| ailment("restart@3x").moments(At(100), planned, 1, 0);
        let minutes = |times: [u64; 3]| times.map(|minute| At(minute * MINUTE_US + 100)).to_vec();
        assert_eq!(moments(Some(40 * MINUTE_US)), minutes([10, 20, 30]));
        assert_eq!(moments(None), minutes([15, 30, 45]));
    }

    #[test]
    fn a_rate_is_its_mean_over_the_load_and_belongs_to_the_seed_and_the_place() {
        let day = Some(24 * 60 * MINUTE_US);
        let moments = |seed, place| ailment("restart@2/h").moments(At(0), day, seed, place);
        let mean = (0..50).map(|seed| moments(seed, 0).len()).sum::<usize>() as f64 / 50.0;
        assert!((mean - 48.0).abs() < 3.0, "{mean}");
        assert_eq!(moments(1, 0), moments(1, 0));
        assert_ne!(moments(1, 0), moments(1, 1), "two of a kind do not fall together");
        assert!(moments(1, 0).is_sorted() && moments(1, 0).iter().all(|at| Some(at.0) < day));
    }

    #[test]
    fn what_a_server_has_no_part_for_is_pointless() {
        let mut setup = record(1.0);
        let pointless = |text: &str, setup: &Setup| ailment(text).kind.pointless(setup);
        assert!(pointless("cache_stops_hitting", &setup).is_some());
        assert!(pointless("acceptance_decay", &setup).is_none());
        (setup.prefix_caching, setup.speculative_tokens) = (true, 0);
        assert!(pointless("cache_stops_hitting", &setup).is_none());
        assert!(pointless("acceptance_decay", &setup).is_some());
        assert!(pointless("preemption_storm", &setup).is_none());
    }
}
