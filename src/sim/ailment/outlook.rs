//! What ailments will come to in a run, as far as that is known before it: one
//! that will not be seen is better told then than taken for a contract that
//! noticed nothing.

use super::{Ailment, AilmentKind, AilmentTime};
use crate::sim::Setup;
use crate::unit::{At, span};

/// What is to come, of all ailments together.
pub(crate) struct Outlook<'a> {
    /// As the user wrote them.
    pub texts: &'a [String],
    /// As they were read.
    pub ailments: &'a [Ailment],
    /// The server that they befall, where it is simulated.
    pub setup: Option<Setup>,
    /// How long the load is planned to last, microseconds.
    pub load_us: Option<u64>,
    /// How much of it is warm-up, microseconds.
    pub warmup_us: Option<u64>,
    /// What their moments are made from.
    pub seed: u64,
}

impl Outlook<'_> {
    /// Ailments that will not be seen, each with the reason.
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

    /// Moments since the start of load.
    fn moments(&self, place: usize) -> Vec<At> {
        self.ailments[place].moments(At::ZERO, self.load_us, self.seed, place)
    }

    /// Why an ailment may not be seen, as far as that is known beforehand.
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
        if !kind.is_of_the_harness() && gone.is_some_and(|gone| gone < *first) {
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

/// Whether the server is gone after it and comes up again.
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

/// Whether the server is gone after it for good.
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
