//! What is to go wrong in a simulated run: read, and held against what is simulated.

use super::Wish;
use super::prepare::{Specs, planned_us};
use crate::error::Mistake;
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
    let setup = specs.recipe.as_ref().zip(specs.profile.as_ref());
    let setup = setup.map(|(recipe, profile)| Setup::of(recipe, profile));
    let seed = wish.asked.seed;
    let planned = planned_us(specs, seed);
    let ailments = wish.ailments.iter().enumerate();
    let why = |(place, text): (usize, &String)| {
        let ailment = Ailment::parse(text).ok()?;
        let pointless = setup.as_ref().and_then(|setup| ailment.kind.pointless(setup));
        if let Some(why) = pointless {
            return Some(format!("ailment `{text}` has no effect: {why}"));
        }
        let end = At(planned?);
        let moments = ailment.moments(At::ZERO, planned, seed, place);
        moments.iter().all(|at| *at >= end).then(|| match moments.first() {
            Some(_) => {
                let load = span(end.seconds());
                format!("ailment `{text}` does not happen: the load is planned to last {load}")
            }
            None => format!("ailment `{text}` does not happen with this seed: its rate is too low"),
        })
    };
    ailments.filter_map(why).collect()
}
