//! Predicts which faults of a run will have no visible effect. The user is warned before the run,
//! and does not take an ineffective fault for a contract that missed it.

use super::{Ailment, AilmentKind, AilmentTime};
use crate::sim::Setup;
use crate::unit::{At, span};

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
}

impl PredictionInputs<'_> {
    /// Returns a warning with its reason for each fault that will not be visible.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let ailments = self.texts.iter().zip(self.ailments).enumerate();
        let warning = |(place, (text, ailment)): (usize, (&String, &Ailment))| {
            let pointless = self.setup.as_ref().and_then(|setup| ailment.kind.pointless(setup));
            match pointless {
                Some(why) => Some(format!("ailment `{text}` has no effect: {why}")),
                None => self.why_unseen(place).map(|why| format!("ailment `{text}` {why}")),
            }
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
            let anew = self.ailments.iter().any(|other| starts_anew(other.kind));
            let why = "does not happen: nothing makes the server start again";
            return (waits && !anew).then(|| why.to_owned());
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
