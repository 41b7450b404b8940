//! Parses `NAME[=VALUE][@WHEN]`, with a hint for each mistake.

use super::value::{
    bytes, bytes_per_s, factor, gain_per_h, hits, longer, loss_per_h, setting, signed_span_us,
    span_us, times, when,
};
use super::{AffectedRequests, Ailment, AilmentKind, AilmentTime};
use crate::error::{Mistake, nearest};

/// Names of all faults, in the order of the documentation.
pub(crate) const NAMES: [&str; 35] = [
    "crash",
    "cuda_oom",
    "host_oom_kill",
    "host_reboot",
    "restart",
    "hang",
    "preemption_storm",
    "metrics_go_away",
    "model_unlisted",
    "stall",
    "error_frame",
    "truncated_stream",
    "empty_answer",
    "short_answer",
    "long_answer",
    "endless_answer",
    "swallowed_answer",
    "same_answer",
    "start_fails",
    "slow_down",
    "creeping_latency",
    "step",
    "speed_levels",
    "cache_stops_hitting",
    "acceptance_decay",
    "slow_leak",
    "leak_that_plateaus",
    "leak_per_request",
    "leak_after_abort",
    "memory_kept_after_restart",
    "ignored_setting",
    "missing_setting",
    "wall_clock_step",
    "slow_disk",
    "longhaul_stops",
];

/// Default share of affected requests: one in twenty is visible in a short run.
const HITS: AffectedRequests = AffectedRequests::Share(0.05);
/// Default duration of a restart.
const RESTART_US: u64 = 10_000_000;
/// Default rate of a leak: 1 GiB per hour.
const LEAK_BYTES_PER_S: f64 = (1u64 << 30) as f64 / 3600.0;
/// Default size of a leak that plateaus: 4 GiB.
const PLATEAU_BYTES: f64 = (4u64 << 30) as f64;
/// Default leak of a request: 1 MiB. An hour of a hundred requests shows it.
const REQUEST_BYTES: f64 = (1u64 << 20) as f64;
/// Default memory that is not given back: 2 GiB.
const KEPT_BYTES: f64 = (2u64 << 30) as f64;
/// Default slowdown of the slow level.
const SLOW_LEVEL: f64 = 1.5;
/// Default growth of creeping latency: 10 % per hour.
const GAIN_PER_H: f64 = 0.1;
/// Default size of a step: 20 %.
const STEP: f64 = 0.2;
/// Default duration of a preemption storm: ten minutes.
const STORM_US: u64 = 600_000_000;
/// Default decay of acceptance: 30 % per hour.
const LOSS_PER_H: f64 = 0.3;
/// Default time for which longhaul is stopped.
const STOP_US: u64 = 400_000;
/// Default step of the wall clock: one hour, as with a wrong daylight saving time.
const CLOCK_US: i64 = 3_600_000_000;
/// Default setting that a server does not follow.
const SETTING: &str = "speculative_config";

impl Ailment {
    /// Parses `hang=10m@2h`, `error_frame=0.5%`, `restart@3x`, `crash`.
    ///
    /// # Errors
    /// An unknown name (with the nearest known one as hint), a value of the wrong kind, or a time
    /// that the fault cannot have.
    pub(crate) fn parse(text: &str) -> Result<Ailment, Mistake> {
        let place = format!("--ailment {text}");
        let (rest, moment) = match text.split_once('@') {
            Some((rest, moment)) => (rest, Some(moment)),
            None => (text, None),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let wrong = |why: String| Mistake::new(why).at(place.clone());
        let Some(kind) = AilmentKind::read(name, value) else {
            let mistake = wrong(format!("there is no ailment `{name}`"));
            return Err(match nearest(name, NAMES) {
                Some(near) => mistake.hint(near),
                None => mistake.hint(format!("one of {}", NAMES.join(", "))),
            });
        };
        let of_name = |why: String| wrong(format!("ailment `{name}`: {why}"));
        let kind = kind.map_err(|why| of_name(why).hint(example(name)))?;
        let when = moment.map(when).transpose().map_err(|why| {
            wrong(why)
                .hint("a time after the start of load, as @2h")
                .hint(format!("for what happens at a moment also how often: {name}@3x, {name}@2/h"))
        })?;
        match when.and_then(|when| kind.cannot_be(when)) {
            Some(why) => Err(of_name(why.to_owned()).hint(again(name))),
            None => Ok(Ailment { kind, when }),
        }
    }
}

impl AilmentKind {
    /// Parses the value of a named kind; `None` for an unknown name.
    fn read(name: &str, value: Option<&str>) -> Option<Result<AilmentKind, String>> {
        let lasting = || value.map(span_us).transpose();
        let of_requests = || value.map_or(Ok(HITS), hits);
        Some(match name {
            "crash" => lasting().map(|away_us| AilmentKind::Crash { away_us }),
            "cuda_oom" => lasting().map(|away_us| AilmentKind::CudaOom { away_us }),
            "host_oom_kill" => lasting().map(|away_us| AilmentKind::HostOomKill { away_us }),
            "host_reboot" => lasting().map(|away_us| AilmentKind::HostReboot { away_us }),
            "restart" => lasting()
                .map(|away_us| AilmentKind::Restart { away_us: away_us.unwrap_or(RESTART_US) }),
            "start_fails" => {
                value.map(times).transpose().map(|times| AilmentKind::StartFails { times })
            }
            "hang" => lasting().map(|lasts_us| AilmentKind::Hang { lasts_us }),
            "stall" => {
                of_requests().map(|hits| AilmentKind::Stall { hits, pause_us: None }).or_else(
                    |why| {
                        // `200%` is a wrong share and not a pause.
                        let text = value.filter(|text| !text.ends_with('%')).ok_or(why)?;
                        span_us(text)
                            .map(|us| AilmentKind::Stall { hits: HITS, pause_us: Some(us) })
                            .map_err(|_| {
                                format!("`{text}` is neither a share, a count nor a duration")
                            })
                    },
                )
            }
            "error_frame" => of_requests().map(|hits| AilmentKind::ErrorFrame { hits }),
            "truncated_stream" => of_requests().map(|hits| AilmentKind::TruncatedStream { hits }),
            "empty_answer" => of_requests().map(|hits| AilmentKind::EmptyAnswer { hits }),
            "short_answer" => of_requests().map(|hits| AilmentKind::ShortAnswer { hits }),
            "long_answer" => of_requests().map(|hits| AilmentKind::LongAnswer { hits }),
            "endless_answer" => of_requests().map(|hits| AilmentKind::EndlessAnswer { hits }),
            "swallowed_answer" => of_requests().map(|hits| AilmentKind::SwallowedAnswer { hits }),
            "same_answer" => of_requests().map(|hits| AilmentKind::SameAnswer { hits }),
            _ => return AilmentKind::read_lasting(name, value),
        })
    }

    /// Parses the kinds that neither end the server nor affect single requests.
    fn read_lasting(name: &str, value: Option<&str>) -> Option<Result<AilmentKind, String>> {
        let lasting = || value.map(span_us).transpose();
        let size = |default| value.map_or(Ok(default), bytes);
        Some(match name {
            "slow_down" => {
                value.map_or(Ok(2.0), factor).map(|factor| AilmentKind::SlowDown { factor })
            }
            "creeping_latency" => value
                .map_or(Ok(GAIN_PER_H), gain_per_h)
                .map(|gain_per_h| AilmentKind::CreepingLatency { gain_per_h }),
            "step" => {
                value.map_or(Ok(1.0 + STEP), longer).map(|factor| AilmentKind::Step { factor })
            }
            "speed_levels" => value
                .map_or(Ok(SLOW_LEVEL), factor)
                .map(|factor| AilmentKind::SpeedLevels { factor }),
            "cache_stops_hitting" => match value {
                Some(text) => Err(format!("`{text}` is a value, and it has none")),
                None => Ok(AilmentKind::CacheStopsHitting),
            },
            "preemption_storm" => lasting().map(|lasts_us| AilmentKind::PreemptionStorm {
                lasts_us: lasts_us.unwrap_or(STORM_US),
            }),
            "acceptance_decay" => value
                .map_or(Ok(LOSS_PER_H), loss_per_h)
                .map(|lost_per_h| AilmentKind::AcceptanceDecay { lost_per_h }),
            "slow_leak" => value
                .map_or(Ok(LEAK_BYTES_PER_S), bytes_per_s)
                .map(|bytes_per_s| AilmentKind::SlowLeak { bytes_per_s }),
            "leak_that_plateaus" => {
                size(PLATEAU_BYTES).map(|bytes| AilmentKind::LeakThatPlateaus { bytes })
            }
            "leak_per_request" => {
                size(REQUEST_BYTES).map(|bytes| AilmentKind::LeakPerRequest { bytes })
            }
            "leak_after_abort" => {
                size(REQUEST_BYTES).map(|bytes| AilmentKind::LeakAfterAbort { bytes })
            }
            "memory_kept_after_restart" => {
                size(KEPT_BYTES).map(|bytes| AilmentKind::MemoryKeptAfterRestart { bytes })
            }
            "metrics_go_away" => lasting().map(|lasts_us| AilmentKind::MetricsGoAway { lasts_us }),
            "model_unlisted" => lasting().map(|lasts_us| AilmentKind::ModelUnlisted { lasts_us }),
            "wall_clock_step" => value
                .map_or(Ok(CLOCK_US), signed_span_us)
                .map(|by_us| AilmentKind::WallClockStep { by_us }),
            "ignored_setting" => value
                .map_or(Ok((SETTING, None)), setting)
                .map(|(name, other)| AilmentKind::IgnoredSetting { name, other }),
            "missing_setting" => value
                .map_or(Ok((SETTING, None)), setting)
                .map(|(name, other)| AilmentKind::MissingSetting { name, other }),
            "longhaul_stops" => lasting().map(|lasts_us| AilmentKind::LonghaulStops {
                lasts_us: lasts_us.unwrap_or(STOP_US),
            }),
            "slow_disk" => lasting().map(|lasts_us| AilmentKind::SlowDisk { lasts_us }),
            _ => return None,
        })
    }

    /// Reason why the fault cannot have this time, if it cannot.
    fn cannot_be(&self, when: AilmentTime) -> Option<&'static str> {
        match when {
            _ if matches!(
                self,
                AilmentKind::IgnoredSetting { .. } | AilmentKind::MissingSetting { .. }
            ) =>
            {
                Some("a setting is followed or not from the start on")
            }
            AilmentTime::After(_) => None,
            AilmentTime::Times(times) if times > 1 && self.is_for_good() => {
                Some("without a value it is for good, and cannot happen again")
            }
            _ if self.is_event() => None,
            _ if self.affected_requests().is_some() => {
                Some("how many requests it befalls is its value")
            }
            _ => Some("it goes on from a moment, and that is a time"),
        }
    }
}

/// Example of a fault's syntax; also the hint for a wrong value.
pub(crate) fn example(name: &str) -> String {
    let value = match name {
        "crash" | "cuda_oom" | "host_oom_kill" | "host_reboot" => {
            return format!("{name}=12m@2h, or without a value to stay down");
        }
        "restart" => "restart=30s",
        "start_fails" => "start_fails=2 for two failed starts, or without a value never to start",
        "hang" => "hang=10m@2h, or without a value never to end",
        "stall" => "stall=0.5%, stall=3 for the next three requests, or stall=20s for a pause",
        "slow_down" => "slow_down=2x for steps twice as long, or slow_down=30% for speed lost",
        "creeping_latency" => "creeping_latency=10%/h",
        "step" => "step=20%@2h for decode steps that take a fifth longer",
        "speed_levels" => {
            "speed_levels=1.5x for decode steps that take half as long again at times"
        }
        "cache_stops_hitting" => "cache_stops_hitting@2h",
        "preemption_storm" => "preemption_storm=10m@2h",
        "acceptance_decay" => "acceptance_decay=30%/h",
        "slow_leak" => "slow_leak=50MiB/h",
        "leak_that_plateaus" => "leak_that_plateaus=4GiB",
        "leak_per_request" => "leak_per_request=64KiB",
        "leak_after_abort" => "leak_after_abort=4MiB",
        "memory_kept_after_restart" => "memory_kept_after_restart=2GiB",
        "metrics_go_away" | "model_unlisted" | "slow_disk" => {
            return format!("{name}=5m@2h, or without a value for good");
        }
        "ignored_setting" | "missing_setting" => {
            return format!("{name}=reasoning_parser, or {name}=max_num_seqs:2 for another value");
        }
        "longhaul_stops" => "longhaul_stops=400ms@3x",
        "wall_clock_step" => "wall_clock_step=1h, or wall_clock_step=-5m to set it back",
        of_requests => {
            return format!("{of_requests}=0.5%, or {of_requests}=3 for the next three requests");
        }
    };
    value.to_owned()
}

/// Syntax of a repeated fault, as a hint for a wrong one.
fn again(name: &str) -> String {
    match name {
        "crash" | "cuda_oom" | "host_oom_kill" | "host_reboot" => format!("{name}=2m@3x"),
        "hang" | "metrics_go_away" | "model_unlisted" | "slow_disk" => format!("{name}=5m@3x"),
        "start_fails" => "start_fails=2@1h for two failed starts from then on".to_owned(),
        "stall" | "error_frame" | "truncated_stream" | "empty_answer" | "short_answer"
        | "long_answer" | "endless_answer" | "swallowed_answer" | "same_answer" => {
            format!("{name}=3@2h for the next three requests, {name}=0.5%@2h for a share of them")
        }
        "ignored_setting" | "missing_setting" => format!("{name}=reasoning_parser"),
        lasting => format!("{lasting}@2h; it may be given again, each time with a time of its own"),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;

    fn kind(text: &str) -> AilmentKind {
        Ailment::parse(text).expect(text).kind
    }

    fn reported(text: &str) -> String {
        Ailment::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn each_name_reads_its_own_kind_of_value() {
        assert_eq!(kind("crash"), AilmentKind::Crash { away_us: None });
        assert_eq!(kind("cuda_oom=12m"), AilmentKind::CudaOom { away_us: Some(720_000_000) });
        assert_eq!(kind("restart"), AilmentKind::Restart { away_us: RESTART_US });
        assert_eq!(
            kind("stall=20s"),
            AilmentKind::Stall { hits: HITS, pause_us: Some(20_000_000) }
        );
        let half = AffectedRequests::Share(0.5);
        assert_eq!(kind("stall=50%"), AilmentKind::Stall { hits: half, pause_us: None });
        assert_eq!(kind("slow_down=50%"), AilmentKind::SlowDown { factor: 2.0 });
        assert_eq!(kind("slow_leak=36MiB/h"), AilmentKind::SlowLeak { bytes_per_s: 10_485.76 });
        assert_eq!(
            kind("short_answer=3"),
            AilmentKind::ShortAnswer { hits: AffectedRequests::Next(3) }
        );
        assert_eq!(kind("step=50%"), AilmentKind::Step { factor: 1.5 });
        assert_eq!(kind("start_fails=2"), AilmentKind::StartFails { times: Some(2) });
        assert_eq!(kind("wall_clock_step=-5m"), AilmentKind::WallClockStep { by_us: -300_000_000 });
        assert_eq!(kind("leak_per_request=64KiB"), AilmentKind::LeakPerRequest { bytes: 65_536.0 });
        assert_eq!(kind("speed_levels=50%"), AilmentKind::SpeedLevels { factor: 2.0 });
        assert_eq!(kind("slow_disk"), AilmentKind::SlowDisk { lasts_us: None });
        for name in NAMES {
            assert!(Ailment::parse(name).is_ok(), "{name} needs no value");
            let harness = ["wall_clock_step", "slow_disk", "longhaul_stops"].contains(&name);
            assert_eq!(kind(name).affects_longhaul(), harness, "{name}");
        }
    }

    #[test]
    fn a_mistyped_name_and_a_wrong_value_are_told_with_what_to_try() {
        let texts = [
            "error_frames=1%",
            "banana",
            "error_frame=5m",
            "error_frame=200%",
            "stall=200%",
            "slow_down=0.5x",
            "hang=10",
            "hang@soon",
        ];
        assert_snapshot!("wrong_values", each(texts, |text| reported(text)));
    }

    #[test]
    fn every_name_has_a_hint_for_a_wrong_value_that_can_be_read_itself() {
        for name in NAMES {
            let hint = reported(&format!("{name}=?"));
            let hint = hint.split("try: ").nth(1).expect(name);
            let example = hint.split([' ', ',']).next().expect(name);
            assert_eq!(
                std::mem::discriminant(&kind(example)),
                std::mem::discriminant(&kind(name)),
                "{name}: {example}"
            );
        }
    }

    #[test]
    fn what_happens_at_moments_may_be_counted_and_what_goes_on_may_not() {
        for moments in ["crash=2m@3x", "restart@2/h", "hang=1m@1/d", "metrics_go_away=5m@3x"] {
            assert!(Ailment::parse(moments).is_ok(), "{moments}");
        }
        assert!(Ailment::parse("crash@1/d").is_ok(), "a crash for good, at random");
        let texts = [
            "crash@3x",
            "metrics_go_away@3x",
            "error_frame@3x",
            "slow_down@2/h",
            "start_fails@2x",
            "restart@100/m",
        ];
        assert_snapshot!("not_countable", each(texts, |text| reported(text)));
    }
}
