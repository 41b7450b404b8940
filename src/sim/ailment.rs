//! What can be wrong with the simulated server, in words that people write:
//! `NAME[=VALUE][@WHEN]`. WHEN counts from the start of load.

use crate::error::{Mistake, nearest};
use crate::unit::{self, At, micros};

/// Something that is, or will be, wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ailment {
    /// What.
    pub kind: Kind,
    /// From when on, microseconds from the start of load; `None` is the default of the kind.
    pub when_us: Option<u64>,
}

/// What is wrong. Spans are microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The server's process is killed; it is back after `away_us`, or never.
    Crash {
        /// How long it stays away.
        away_us: Option<u64>,
    },
    /// The engine runs out of GPU memory and dies; back after `away_us`, or never.
    CudaOom {
        /// How long it stays away.
        away_us: Option<u64>,
    },
    /// The server is asked to end and is back after `away_us`.
    Restart {
        /// How long it stays away.
        away_us: u64,
    },
    /// No step ends for `lasts_us`, or ever again; everything still answers.
    Hang {
        /// How long it lasts.
        lasts_us: Option<u64>,
    },
    /// A share of requests gets no further token, or none for `pause_us`.
    Stall {
        /// Of requests, 0 to 1.
        share: f64,
        /// How long they stall; `None` is for ever.
        pause_us: Option<u64>,
    },
    /// A share of requests ends in an error frame.
    ErrorFrame {
        /// Of requests, 0 to 1.
        share: f64,
    },
    /// A share of streams ends without a finish reason.
    TruncatedStream {
        /// Of requests, 0 to 1.
        share: f64,
    },
    /// A share of answers has no token.
    EmptyAnswer {
        /// Of requests, 0 to 1.
        share: f64,
    },
    /// Every step takes `factor` times as long.
    SlowDown {
        /// Of the duration of a step, at least 1.
        factor: f64,
    },
    /// The disk of longhaul's own machine takes nothing for `lasts_us`, or ever again.
    SlowDisk {
        /// How long it lasts.
        lasts_us: Option<u64>,
    },
    /// The wall clock of longhaul's own machine moves.
    WallClockStep {
        /// By how much, microseconds.
        by_us: i64,
    },
    /// The engine's memory grows until the kernel kills it.
    SlowLeak {
        /// Bytes per second.
        bytes_per_s: f64,
    },
}

/// Every name, in the order of the documentation.
pub const NAMES: [&str; 10] = [
    "crash",
    "cuda_oom",
    "restart",
    "hang",
    "stall",
    "error_frame",
    "truncated_stream",
    "empty_answer",
    "slow_down",
    "slow_leak",
];

/// Share of requests where none is given: one in twenty is seen in a short run.
const SHARE: f64 = 0.05;
/// A restart without a value is back after this.
const RESTART_US: u64 = 10_000_000;
/// A leak without a value: 1 GiB an hour.
const LEAK_BYTES_PER_S: f64 = (1u64 << 30) as f64 / 3600.0;
/// When an event happens if neither WHEN nor the length of the load is known.
const EVENT_US: u64 = 30_000_000;

impl Ailment {
    /// Reads `hang=10m@2h`, `error_frame=0.5%`, `crash`.
    ///
    /// # Errors
    /// An unknown name, with the nearest known one, or a value that is not of its kind.
    pub fn parse(text: &str) -> Result<Ailment, Mistake> {
        let place = format!("--ailment {text}");
        let (rest, when) = match text.split_once('@') {
            Some((rest, when)) => (rest, Some(when)),
            None => (text, None),
        };
        let (name, value) = match rest.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (rest, None),
        };
        let wrong = |why: String| Mistake::new(why).at(place.clone());
        let when_us = when.map(span_us).transpose().map_err(&wrong)?;
        let Some(kind) = Kind::read(name, value) else {
            let mistake = wrong(format!("there is no ailment `{name}`"));
            return Err(match nearest(name, NAMES) {
                Some(near) => mistake.hint(near),
                None => mistake.hint(format!("one of {}", NAMES.join(", "))),
            });
        };
        let kind =
            kind.map_err(|why| wrong(format!("ailment `{name}`: {why}")).hint(example(name)))?;
        Ok(Ailment { kind, when_us })
    }

    /// When it begins, for a load that began at `began` and is planned to last
    /// `planned_us`: WHEN, else the middle, else at once for what goes on and
    /// 30 s later for what happens once.
    pub fn due(&self, began: At, planned_us: Option<u64>) -> At {
        let fallback_us = if self.kind.is_event() { EVENT_US } else { 0 };
        let after_us = self.when_us.or(planned_us.map(|us| us / 2)).unwrap_or(fallback_us);
        At(began.0.saturating_add(after_us))
    }
}

impl Kind {
    /// Whether it happens once, at a moment, rather than from a moment on.
    pub fn is_event(&self) -> bool {
        matches!(
            self,
            Kind::Crash { .. } | Kind::CudaOom { .. } | Kind::Restart { .. } | Kind::Hang { .. }
        )
    }

    /// The kind of a name, or what is wrong with the value; `None` for an unknown name.
    fn read(name: &str, value: Option<&str>) -> Option<Result<Kind, String>> {
        let lasting = || value.map(span_us).transpose();
        let of_requests = || value.map_or(Ok(SHARE), share);
        Some(match name {
            "crash" => lasting().map(|away_us| Kind::Crash { away_us }),
            "cuda_oom" => lasting().map(|away_us| Kind::CudaOom { away_us }),
            "restart" => {
                lasting().map(|away_us| Kind::Restart { away_us: away_us.unwrap_or(RESTART_US) })
            }
            "hang" => lasting().map(|lasts_us| Kind::Hang { lasts_us }),
            "stall" => match value {
                Some(text) if !text.ends_with('%') => span_us(text)
                    .map(|us| Kind::Stall { share: SHARE, pause_us: Some(us) })
                    .map_err(|_| format!("`{text}` is neither a share nor a duration")),
                _ => of_requests().map(|share| Kind::Stall { share, pause_us: None }),
            },
            "error_frame" => of_requests().map(|share| Kind::ErrorFrame { share }),
            "truncated_stream" => of_requests().map(|share| Kind::TruncatedStream { share }),
            "empty_answer" => of_requests().map(|share| Kind::EmptyAnswer { share }),
            "slow_down" => value.map_or(Ok(2.0), factor).map(|factor| Kind::SlowDown { factor }),
            "slow_leak" => value
                .map_or(Ok(LEAK_BYTES_PER_S), rate)
                .map(|bytes_per_s| Kind::SlowLeak { bytes_per_s }),
            _ => return None,
        })
    }
}

fn example(name: &str) -> String {
    let value = match name {
        "crash" | "cuda_oom" => "crash=12m@2h, or without a value to stay down",
        "restart" => "restart=30s",
        "hang" => "hang=10m@2h, or without a value never to end",
        "stall" => "stall=0.5%, or stall=20s for a pause",
        "slow_down" => "slow_down=2x for steps twice as long, or slow_down=30% for speed lost",
        "slow_leak" => "slow_leak=50MiB/h",
        share => return format!("{share}=0.5%"),
    };
    value.to_owned()
}

fn span_us(text: &str) -> Result<u64, String> {
    unit::duration(text).map(micros)
}

fn share(text: &str) -> Result<f64, String> {
    match unit::share(text) {
        Ok(share) if share <= 1.0 => Ok(share),
        Ok(_) => Err(format!("`{text}` is more than all requests")),
        Err(why) => Err(why),
    }
}

/// `2x`: steps take twice as long; `30%`: speed falls by 30 %.
fn factor(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is neither a factor from 1x on nor a share below 100%");
    if let Some(number) = text.strip_suffix('x') {
        let factor: f64 = number.parse().map_err(|_| wrong())?;
        return if factor.is_finite() && factor >= 1.0 { Ok(factor) } else { Err(wrong()) };
    }
    match unit::share(text) {
        Ok(lost) if lost < 1.0 => Ok(1.0 / (1.0 - lost)),
        _ => Err(wrong()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a rate; write it as 50MiB/h or 1GiB/m");
    let (size, per) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = match per {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    Ok(unit::bytes(size)?.0 as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Kind {
        Ailment::parse(text).expect(text).kind
    }

    #[test]
    fn each_name_reads_its_own_kind_of_value() {
        assert_eq!(kind("crash"), Kind::Crash { away_us: None });
        assert_eq!(kind("cuda_oom=12m"), Kind::CudaOom { away_us: Some(720_000_000) });
        assert_eq!(kind("restart"), Kind::Restart { away_us: RESTART_US });
        assert_eq!(kind("stall=20s"), Kind::Stall { share: SHARE, pause_us: Some(20_000_000) });
        assert_eq!(kind("stall=50%"), Kind::Stall { share: 0.5, pause_us: None });
        assert_eq!(kind("slow_down=50%"), Kind::SlowDown { factor: 2.0 });
        assert_eq!(kind("slow_leak=36MiB/h"), Kind::SlowLeak { bytes_per_s: 10_485.76 });
        for name in NAMES {
            assert!(Ailment::parse(name).is_ok(), "{name} needs no value");
        }
    }

    #[test]
    fn a_mistyped_name_and_a_wrong_value_are_told_with_what_to_try() {
        let told = |text: &str| Ailment::parse(text).unwrap_err().to_string();
        assert!(told("error_frames=1%").contains("try: error_frame"));
        assert!(told("banana").contains("one of crash"));
        assert!(told("error_frame=5m").contains("--ailment error_frame=5m"));
        assert!(told("error_frame=200%").contains("more than all"));
        assert!(told("slow_down=0.5x").contains("slow_down=2x"));
        assert!(told("hang=10").contains("unit"));
        assert!(told("hang@soon").contains("unit"));
    }

    #[test]
    fn when_counts_from_the_start_of_load_and_defaults_to_the_middle() {
        let due = |text: &str, planned| Ailment::parse(text).expect(text).due(At(100), planned);
        assert_eq!(due("crash@2s", Some(60_000_000)), At(2_000_100));
        assert_eq!(due("crash", Some(60_000_000)), At(30_000_100));
        assert_eq!(due("crash", None), At(30_000_100));
        assert_eq!(due("error_frame", None), At(100));
    }
}
