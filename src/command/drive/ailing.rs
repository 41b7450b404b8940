//! What is to go wrong in a simulated run: read, and held against what is simulated.

use super::Wish;
use super::prepare::{Specs, planned_us};
use crate::error::Mistake;
use crate::sim::ailment::{Kind, When};
use crate::sim::{Ailment, Setup};
use crate::unit::{At, span};

/// Every ailment that was asked for.
///
/// # Errors
/// One that there is not, or whose value or moment is not of its kind.
pub fn read(texts: &[String]) -> Result<Vec<Ailment>, Mistake> {
    texts.iter().map(|text| Ailment::parse(text)).collect()
}

/// Ailments that will not be seen, each with the reason: better told now than taken for a
/// contract that noticed nothing.
pub fn warnings(wish: &Wish, specs: &Specs) -> Vec<String> {
    // Who gets here has had them read before.
    let Ok(ailments) = read(&wish.ailments) else { return Vec::new() };
    let setup = specs.recipe.as_ref().zip(specs.profile.as_ref());
    let setup = setup.map(|(recipe, profile)| Setup::of(recipe, profile));
    let seed = wish.server_seed();
    let (planned_us, warmup_us) = planned_us(specs, wish.asked.seed);
    let outlook = Outlook { ailments: &ailments, planned_us, warmup_us, seed };
    let texts = wish.ailments.iter().zip(&ailments).enumerate();
    let warning = |(place, (text, ailment)): (usize, (&String, &Ailment))| {
        let pointless = setup.as_ref().and_then(|setup| ailment.kind.pointless(setup));
        match pointless {
            Some(why) => Some(format!("ailment `{text}` has no effect: {why}")),
            None => outlook.unseen(place).map(|why| format!("ailment `{text}` {why}")),
        }
    };
    texts.filter_map(warning).collect()
}

/// What is to come, of all ailments together.
struct Outlook<'a> {
    ailments: &'a [Ailment],
    planned_us: Option<u64>,
    warmup_us: Option<u64>,
    seed: u64,
}

impl Outlook<'_> {
    /// Moments since the start of load.
    fn moments(&self, place: usize) -> Vec<At> {
        self.ailments[place].moments(At::ZERO, self.planned_us, self.seed, place)
    }

    /// Why an ailment may not be seen, as far as that is known beforehand.
    fn unseen(&self, place: usize) -> Option<String> {
        let Ailment { kind, when } = self.ailments[place];
        if let Kind::StartFails { .. } = kind {
            let waits = matches!(when, Some(When::After(_)));
            let anew = self.ailments.iter().any(|other| starts_anew(other.kind));
            let why = "does not happen: nothing makes the server start again";
            return (waits && !anew).then(|| why.to_owned());
        }
        let moments = self.moments(place);
        let (Some(first), Some(last)) = (moments.first(), moments.last()) else {
            return Some("does not happen: its rate is too low for this seed".to_owned());
        };
        if let Some(end_us) = self.planned_us.filter(|end_us| first.0 >= *end_us) {
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
            Kind::Hang { .. } | Kind::PreemptionStorm { .. } | Kind::MetricsGoAway { .. }
        );
        let why = "falls into the warm-up, whose answers are not judged";
        (warm && answers_only && kind.is_event()).then(|| why.to_owned())
    }
}

/// Whether the server is gone after it and comes up again.
fn starts_anew(kind: Kind) -> bool {
    match kind {
        Kind::Restart { .. } => true,
        Kind::Crash { away_us }
        | Kind::CudaOom { away_us }
        | Kind::HostOomKill { away_us }
        | Kind::HostReboot { away_us } => away_us.is_some(),
        _ => false,
    }
}

/// Whether the server is gone after it for good.
fn ends(kind: Kind) -> bool {
    kind.is_for_good()
        && matches!(
            kind,
            Kind::Crash { .. }
                | Kind::CudaOom { .. }
                | Kind::HostOomKill { .. }
                | Kind::HostReboot { .. }
        )
}
