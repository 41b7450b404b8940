//! What can be wrong with the simulated server, in words that people write:
//! `NAME[=VALUE][@WHEN]`. WHEN counts from the start of load.

pub(crate) mod outlook;
mod read;
mod value;

use super::setup::Setup;
use crate::rng::Rng;
use crate::unit::At;

pub(crate) use read::{NAMES, example};

/// Something that is, or will be, wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ailment {
    pub kind: AilmentKind,
    /// When; `None` is the default of the kind.
    pub when: Option<AilmentTime>,
}

/// When something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum AilmentTime {
    /// So many microseconds after the start of load.
    After(u64),
    /// So many times, evenly spread over the load.
    Times(u64),
    /// So many times per hour of load on average, each independent of the others.
    PerHour(f64),
}

/// Which requests something befalls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hits {
    /// Of all, 0 to 1.
    Share(f64),
    /// The next so many.
    Next(u64),
}

/// What is wrong. Spans are microseconds; where one is `None`, it never ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum AilmentKind {
    /// The server's process is killed; it is back after `away_us`, or never.
    Crash {
        /// How long it stays away.
        away_us: Option<u64>,
    },
    /// The engine runs out of GPU memory and dies.
    CudaOom {
        /// How long the server stays away.
        away_us: Option<u64>,
    },
    /// The kernel kills the engine: something else on the box used the memory up.
    HostOomKill {
        /// How long the server stays away.
        away_us: Option<u64>,
    },
    /// The box loses its power: silence, then another boot.
    HostReboot {
        /// How long the server stays away; the box itself is back earlier, and in any case.
        away_us: Option<u64>,
    },
    /// The server is asked to end and is back after `away_us`.
    Restart {
        /// How long it stays away.
        away_us: u64,
    },
    /// No step ends; everything still answers.
    Hang {
        /// How long it lasts.
        lasts_us: Option<u64>,
    },
    /// Starts of the server fail, from its very first on where no WHEN is given.
    StartFails {
        /// So many of them; every one without a number.
        times: Option<u64>,
    },
    /// Requests get no further token, or none for `pause_us`.
    Stall {
        hits: Hits,
        /// How long they stall.
        pause_us: Option<u64>,
    },
    /// Requests end in an error frame.
    ErrorFrame { hits: Hits },
    /// Streams end without a finish reason.
    TruncatedStream { hits: Hits },
    /// Answers have no token.
    EmptyAnswer { hits: Hits },
    /// Answers end by themselves after a part of what was asked for.
    ShortAnswer { hits: Hits },
    /// Every step takes `factor` times as long.
    SlowDown {
        /// Of the duration of a step, at least 1.
        factor: f64,
    },
    /// Every step takes longer and longer, linearly.
    CreepingLatency {
        /// Of the duration of a step, gained per hour.
        gain_per_h: f64,
    },
    /// Decode steps take longer, at once and for good.
    Step {
        /// Of the duration of a decode step, at least 1.
        factor: f64,
    },
    /// The engine's memory grows until the kernel kills it.
    SlowLeak {
        /// Bytes per second.
        bytes_per_s: f64,
    },
    /// The engine's memory grows towards a size and stays there.
    LeakThatPlateaus {
        /// The size, in bytes on top of what a ready server uses.
        bytes: f64,
    },
    /// The prefix cache is never hit.
    CacheStopsHitting,
    /// Those who decode lose their blocks again and again.
    PreemptionStorm {
        /// How long it lasts.
        lasts_us: u64,
    },
    /// Fewer and fewer drafted tokens are accepted.
    AcceptanceDecay {
        /// Of what is accepted, lost per hour; 0 to 1.
        lost_per_h: f64,
    },
    /// `/metrics` is not found.
    MetricsGoAway { lasts_us: Option<u64> },
    /// The harness's wall clock is set.
    WallClockStep {
        /// How far; back if negative.
        by_us: i64,
    },
    /// The disk under the harness's run folder is slow.
    SlowDisk { lasts_us: Option<u64> },
}

/// When an event happens if neither WHEN nor the length of the load is known.
const EVENT_US: u64 = 30_000_000;
/// What a number of times is spread over if the length of the load is not known.
const SPREAD_US: u64 = 3_600_000_000;
/// Bounds the list that a high rate over a long load would make.
const MOMENTS_MAX: usize = 1_000_000;
/// The address of moments at random.
const AT_RANDOM: u64 = 0xE1;

impl Ailment {
    /// When it begins, for a load that began at `began` and is planned to last
    /// `planned_us`: WHEN where that is a time, else the middle, else at once
    /// for what goes on and 30 s later for what happens at a moment.
    pub(crate) fn due(&self, began: At, planned_us: Option<u64>) -> At {
        let fallback_us = if self.kind.is_event() { EVENT_US } else { 0 };
        let asked_us = match self.when {
            Some(AilmentTime::After(us)) => Some(us),
            _ => None,
        };
        let after_us = asked_us.or(planned_us.map(|us| us / 2)).unwrap_or(fallback_us);
        At(began.0.saturating_add(after_us))
    }

    /// Every moment at which it happens, in order. Where WHEN is a rate, they
    /// belong to the seed and to `place`, its place among all that is asked for.
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
                // A Poisson process: the gaps are exponential.
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
    /// Whether it happens at moments, rather than going on from a moment.
    pub(crate) fn is_event(&self) -> bool {
        match self {
            AilmentKind::MetricsGoAway { lasts_us } | AilmentKind::SlowDisk { lasts_us } => {
                lasts_us.is_some()
            }
            AilmentKind::Crash { .. }
            | AilmentKind::CudaOom { .. }
            | AilmentKind::HostOomKill { .. }
            | AilmentKind::HostReboot { .. }
            | AilmentKind::Restart { .. }
            | AilmentKind::Hang { .. }
            | AilmentKind::PreemptionStorm { .. }
            | AilmentKind::WallClockStep { .. } => true,
            _ => false,
        }
    }

    /// Whether it can happen only once because nothing comes after it.
    pub(crate) fn is_for_good(&self) -> bool {
        match self {
            AilmentKind::Crash { away_us }
            | AilmentKind::CudaOom { away_us }
            | AilmentKind::HostOomKill { away_us }
            | AilmentKind::HostReboot { away_us } => away_us.is_none(),
            AilmentKind::Hang { lasts_us }
            | AilmentKind::MetricsGoAway { lasts_us }
            | AilmentKind::SlowDisk { lasts_us } => lasts_us.is_none(),
            _ => false,
        }
    }

    /// Whether it befalls the harness, and not the server, which then ignores it.
    pub(crate) fn is_of_the_harness(&self) -> bool {
        matches!(self, AilmentKind::WallClockStep { .. } | AilmentKind::SlowDisk { .. })
    }

    /// Which requests it befalls, where it befalls single ones.
    pub(crate) fn hits(&self) -> Option<Hits> {
        match self {
            AilmentKind::Stall { hits, .. }
            | AilmentKind::ErrorFrame { hits }
            | AilmentKind::TruncatedStream { hits }
            | AilmentKind::EmptyAnswer { hits }
            | AilmentKind::ShortAnswer { hits } => Some(*hits),
            _ => None,
        }
    }

    /// Why it has no effect on a server with these settings, where it has none.
    pub(crate) fn pointless(&self, setup: &Setup) -> Option<&'static str> {
        match self {
            AilmentKind::CacheStopsHitting if !setup.prefix_caching => {
                Some("this server has no prefix cache that could be hit")
            }
            AilmentKind::AcceptanceDecay { .. } if setup.speculative_tokens == 0 => {
                Some("this server drafts no tokens that could be accepted")
            }
            _ if self.is_nothing() => Some("its value changes nothing"),
            _ => None,
        }
    }

    /// Whether its value is that of a server that is well.
    fn is_nothing(&self) -> bool {
        match self {
            AilmentKind::SlowDown { factor } | AilmentKind::Step { factor } => *factor <= 1.0,
            AilmentKind::CreepingLatency { gain_per_h: rate }
            | AilmentKind::AcceptanceDecay { lost_per_h: rate }
            | AilmentKind::SlowLeak { bytes_per_s: rate }
            | AilmentKind::LeakThatPlateaus { bytes: rate } => *rate <= 0.0,
            AilmentKind::Hang { lasts_us }
            | AilmentKind::MetricsGoAway { lasts_us }
            | AilmentKind::SlowDisk { lasts_us } => *lasts_us == Some(0),
            AilmentKind::PreemptionStorm { lasts_us } => *lasts_us == 0,
            AilmentKind::WallClockStep { by_us } => *by_us == 0,
            _ => self.hits() == Some(Hits::Share(0.0)),
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
