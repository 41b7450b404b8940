//! Predicts which faults of a run will have no visible effect. The user is warned before the run,
//! and does not take an ineffective fault for a contract that missed it.

use super::{AffectedRequests, Ailment, AilmentKind, AilmentTime, level_us};
use crate::sim::{Setup, SimEngine};
use crate::spec::scenario::DrillKind;
use crate::unit::{At, Bytes, grouped, span};

/// Requests that a server typically gets before the load: those by which longhaul learns what it
/// can do.
const REQUESTS_BEFORE: u64 = 16;

/// Time without progress at a cell after which longhaul reports a hang.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HangPatience {
    /// Cell in words: `d100000 with 4 streams`.
    pub cell: String,
    /// Microseconds without progress.
    pub patience_us: u64,
}

/// Inputs of the prediction for all faults of a run.
pub(crate) struct PredictionInputs<'a> {
    /// Texts of the faults as the user wrote them.
    pub texts: &'a [String],
    /// Faults parsed from `texts`, in the same order.
    pub ailments: &'a [Ailment],
    /// Settings of the server, where it is simulated.
    pub setup: Option<Setup>,
    /// Planned duration of the load, microseconds.
    pub load_us: Option<u64>,
    /// Duration of the warm-up within it, microseconds.
    pub warmup_us: Option<u64>,
    /// Seed of random moments.
    pub seed: u64,
    /// Planned number of requests.
    pub requests: Option<u64>,
    /// Drills of the scenario.
    pub drills: Vec<DrillKind>,
    /// Patience at each cell whose wait for a first token can be forecast.
    pub patience: Vec<HangPatience>,
    /// Time without a token after which a request counts as stalled, microseconds; `None` where a
    /// gate judges shorter gaps too.
    pub stall_us: Option<u64>,
}

impl PredictionInputs<'_> {
    /// Returns a warning with its reason for each fault that will not be visible.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let ailments = self.texts.iter().zip(self.ailments).enumerate();
        let warning = |(place, (text, ailment)): (usize, (&String, &Ailment))| {
            let pointless = self.setup.as_ref().and_then(|setup| ailment.kind.pointless(setup));
            let pointless = pointless.map(|why| format!("has no effect: {why}"));
            let why = pointless
                .or_else(|| self.why_unseen(place))
                .or_else(|| self.too_little(place, text))?;
            Some(format!("ailment `{text}` {why}"))
        };
        ailments.filter_map(warning).collect()
    }

    /// Returns the moments of a fault since the start of load.
    fn moments(&self, place: usize) -> Vec<At> {
        self.ailments[place].moments(At::ZERO, self.load_us, self.seed, place)
    }

    /// Reason why a fault may not be visible, as far as it is known beforehand.
    fn why_unseen(&self, place: usize) -> Option<String> {
        let Ailment { kind, when } = self.ailments[place];
        if let AilmentKind::StartFails { .. } = kind {
            let waits = matches!(when, Some(AilmentTime::After(_)));
            return (waits && !self.starts_again()).then(|| NO_START.to_owned());
        }
        let moments = self.moments(place);
        let (Some(first), Some(last)) = (moments.first(), moments.last()) else {
            return Some("does not happen: its rate is too low for this seed".to_owned());
        };
        if let Some(end_us) = self.load_us.filter(|end_us| first.0 >= *end_us) {
            let load = span(At(end_us).seconds());
            return Some(format!("may not happen: the load is planned to last {load}"));
        }
        let gone = (0..self.ailments.len()).filter(|other| ends(self.ailments[*other].kind));
        let gone = gone.filter_map(|other| self.moments(other).first().copied()).min();
        if !kind.affects_longhaul() && gone.is_some_and(|gone| gone < *first) {
            return Some("does not happen: the server is gone by then, for good".to_owned());
        }
        let warm = self.warmup_us.is_some_and(|warmup_us| last.0 < warmup_us);
        let answers_only = matches!(
            kind,
            AilmentKind::Hang { .. }
                | AilmentKind::PreemptionStorm { .. }
                | AilmentKind::MetricsGoAway { .. }
        );
        let why = "falls into the warm-up, whose answers are not judged";
        (warm && answers_only && kind.is_event()).then(|| why.to_owned())
    }
}

impl PredictionInputs<'_> {
    /// Whether the server ends and starts again during the run.
    fn starts_again(&self) -> bool {
        let of_drill = |drill: &DrillKind| matches!(drill, DrillKind::Restart | DrillKind::Stop(_));
        self.ailments.iter().any(|other| starts_anew(other.kind))
            || self.drills.iter().any(of_drill)
    }

    /// Whether longhaul closes a request early: in a drill, or where tokens stop for long.
    fn aborts(&self) -> bool {
        let stops = |ailment: &Ailment| {
            matches!(ailment.kind, AilmentKind::Stall { .. } | AilmentKind::Hang { .. })
        };
        self.ailments.iter().any(stops)
            || self.drills.iter().any(|drill| matches!(drill, DrillKind::Aborts(_)))
    }

    /// Returns the time from the begin of a fault to the end of the load.
    fn remaining_us(&self, place: usize) -> Option<u64> {
        Some(self.load_us?.saturating_sub(self.moments(place).first()?.0))
    }

    /// Reason why a fault that happens may be too short or too rare to be noticed.
    fn too_little(&self, place: usize, text: &str) -> Option<String> {
        let kind = self.ailments[place].kind;
        match kind {
            AilmentKind::Hang { lasts_us: Some(lasts_us) } => self.short_hang(lasts_us, text),
            AilmentKind::Stall { pause_us: Some(pause_us), .. }
                if self.stall_us.is_some_and(|stall_us| pause_us < stall_us) =>
            {
                let (pause, stall) = (seconds(pause_us), seconds(self.stall_us?));
                Some(format!(
                    "breaks no gate: requests pause for {pause}, `limits.stall` is {stall}, and no gate is on `max_gap`, `gap` or `itl`"
                ))
            }
            AilmentKind::SlowLeak { bytes_per_s } => {
                self.small_leak(bytes_per_s * At(self.remaining_us(place)?).seconds())
            }
            AilmentKind::LeakThatPlateaus { bytes } => self.small_leak(bytes),
            AilmentKind::LeakPerRequest { bytes } => {
                let part = self.remaining_us(place)? as f64 / self.load_us?.max(1) as f64;
                self.small_leak(bytes * part * self.requests? as f64)
            }
            AilmentKind::LeakAfterAbort { .. } if !self.aborts() => Some(
                "takes nothing: longhaul aborts no request; the scenario has no drill `aborts`, and no ailment makes tokens stop".to_owned(),
            ),
            AilmentKind::MemoryKeptAfterRestart { .. } if !self.starts_again() => {
                Some(NO_START.to_owned())
            }
            AilmentKind::SpeedLevels { .. } => self.one_level(place),
            _ => self.few_requests(place, kind.affected_requests()?),
        }
    }

    /// Tells that a leak does not fill the memory while the load lasts.
    fn small_leak(&self, bytes: f64) -> Option<String> {
        let profile = &self.setup.as_ref()?.profile;
        let free = profile.memory_bytes.saturating_sub(profile.memory_ready_bytes);
        if bytes >= free as f64 {
            return None;
        }
        Some(format!(
            "ends nothing: it takes {} while the load lasts, and {} are free",
            Bytes(bytes as u64),
            Bytes(free)
        ))
    }

    /// Tells that a speed jumps only once while the load lasts.
    fn one_level(&self, place: usize) -> Option<String> {
        let slow_us = level_us(self.seed, place, 0);
        (slow_us >= self.remaining_us(place)?).then(|| {
            format!(
                "jumps once and not back: with this seed the slow level lasts {}, beyond the end of the load",
                seconds(slow_us)
            )
        })
    }

    /// Tells that a hang is shorter than longhaul waits at some cells.
    fn short_hang(&self, lasts_us: u64, text: &str) -> Option<String> {
        let longest = self.patience.iter().max_by_key(|it| it.patience_us)?;
        if lasts_us >= longest.patience_us {
            return None;
        }
        let shortest = self.patience.iter().map(|it| it.patience_us).min()?;
        let minutes = longest.patience_us.saturating_mul(11) / 10 / 60_000_000 + 1;
        let when = text.split_once('@').map_or(String::new(), |(_, when)| format!("@{when}"));
        let whether = if lasts_us < shortest { "will not count" } else { "may not count" };
        Some(format!(
            "{whether} as a hang: at {} a silence counts after about {}, and this one lasts {}; try hang={minutes}m{when}",
            longest.cell,
            seconds(longest.patience_us),
            seconds(lasts_us)
        ))
    }

    /// Tells that a fault of single requests will probably hit none that is judged.
    fn few_requests(&self, place: usize, hits: AffectedRequests) -> Option<String> {
        let (requests, load_us) = self.requests.zip(self.load_us)?;
        let ids = REQUESTS_BEFORE..REQUESTS_BEFORE + requests;
        let judged_us = self.warmup_us.unwrap_or(0);
        let predicted =
            SimEngine::predicted_hits(self.ailments, self.seed, load_us, judged_us, ids, 128);
        if predicted[place] > 0 {
            return None;
        }
        let planned = format!("about {} requests are planned", grouped(requests as f64));
        Some(match hits {
            AffectedRequests::Share(share) => {
                let enough = (500.0 / requests.max(1) as f64).clamp(share * 200.0, 100.0).ceil();
                format!(
                    "will probably hit no request that is judged: {planned}, and with this seed it hits none of them; try a share of {enough}%, or another --seed"
                )
            }
            AffectedRequests::Next(_) => {
                format!(
                    "will probably hit no request that is judged: {planned}; choose an earlier time"
                )
            }
        })
    }
}

/// Reason against what needs another start.
const NO_START: &str = "does not happen: nothing makes the server start again";

/// Formats microseconds.
fn seconds(us: u64) -> String {
    span(At(us).seconds())
}

/// Whether the fault ends the server and a new start follows.
fn starts_anew(kind: AilmentKind) -> bool {
    match kind {
        AilmentKind::Restart { .. } => true,
        AilmentKind::Crash { away_us }
        | AilmentKind::CudaOom { away_us }
        | AilmentKind::HostOomKill { away_us }
        | AilmentKind::HostReboot { away_us } => away_us.is_some(),
        _ => false,
    }
}

/// Whether the fault ends the server for the rest of the run.
fn ends(kind: AilmentKind) -> bool {
    kind.is_for_good()
        && matches!(
            kind,
            AilmentKind::Crash { .. }
                | AilmentKind::CudaOom { .. }
                | AilmentKind::HostOomKill { .. }
                | AilmentKind::HostReboot { .. }
        )
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;
    use crate::sim::setup::tests::record;

    const HOUR_US: u64 = 3_600_000_000;

    /// Warnings about one fault of a night of six hours and 870 requests.
    fn told(text: &str, requests: u64) -> String {
        let ailments = [Ailment::parse(text).expect(text)];
        let patience = |cell: &str, minutes: u64| HangPatience {
            cell: cell.to_owned(),
            patience_us: minutes * 60_000_000,
        };
        let inputs = PredictionInputs {
            texts: &[text.to_owned()],
            ailments: &ailments,
            setup: Some(record(1.0)),
            load_us: Some(6 * HOUR_US),
            warmup_us: Some(HOUR_US / 5),
            seed: 1,
            requests: Some(requests),
            drills: Vec::new(),
            patience: vec![patience("d0 with 1 stream", 1), patience("d100000 with 4 streams", 11)],
            stall_us: Some(120_000_000),
        };
        inputs.unseen().join("\n")
    }

    #[test]
    fn a_fault_that_is_too_short_or_too_rare_is_told_with_one_that_is_not() {
        let few = [
            "hang=30s@2h",
            "hang=10m@2h",
            "hang=5m@3x",
            "error_frame=0.5%",
            "stall=20s",
            "slow_leak=2GiB/h",
            "leak_that_plateaus=4GiB",
            "leak_per_request=1MiB@0s",
            "leak_after_abort=1MiB",
            "memory_kept_after_restart=2GiB",
            "speed_levels=2x@5h58m",
        ];
        assert_snapshot!("too_little", each(few, |text| told(text, 870)));
        for text in [
            "hang=13m@2h",
            "hang",
            "error_frame=2%",
            "error_frame=3@1h",
            "stall=3m",
            "stall=2%",
            "slow_leak=12GiB/h",
            "crash=12m@2h",
            "slow_down=2x",
            "leak_per_request=40MiB@0s",
            "speed_levels=1.5x@0s",
        ] {
            assert_eq!(told(text, 870), "", "{text}");
        }
    }

    #[test]
    fn whether_a_share_hits_a_request_depends_on_their_number() {
        assert_ne!(told("truncated_stream=1%", 24), "");
        assert_eq!(told("truncated_stream=1%", 2_400), "");
        assert_eq!(told("truncated_stream=50%", 24), "");
    }

    #[test]
    fn what_needs_an_abort_or_a_restart_is_not_warned_of_where_there_is_one() {
        let texts = ["leak_after_abort=1MiB", "memory_kept_after_restart=2GiB"];
        let warned = |drills: &[DrillKind], other: Option<&str>| {
            let texts: Vec<String> =
                texts.iter().copied().chain(other).map(str::to_owned).collect();
            let ailments: Vec<Ailment> =
                texts.iter().map(|text| Ailment::parse(text).expect(text)).collect();
            let inputs = PredictionInputs {
                texts: &texts,
                ailments: &ailments,
                setup: Some(record(1.0)),
                load_us: Some(6 * HOUR_US),
                warmup_us: None,
                seed: 1,
                requests: Some(870),
                drills: drills.to_vec(),
                patience: Vec::new(),
                stall_us: None,
            };
            inputs.unseen().len()
        };
        assert_eq!(warned(&[], None), 2);
        assert_eq!(warned(&[DrillKind::Restart], None), 1);
        let minute = std::time::Duration::from_mins(1);
        assert_eq!(warned(&[DrillKind::Restart, DrillKind::Aborts(minute)], None), 0);
        assert_eq!(warned(&[DrillKind::Stop(minute)], Some("hang")), 0);
        assert_eq!(warned(&[], Some("restart@1h")), 1);
    }
}
