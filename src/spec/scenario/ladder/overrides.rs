//! What flags change in the axes of ladders.

use super::{Ladder, Prefix};
use crate::error::Mistake;
use crate::spec::scenario::Overrides;

/// Ladders with their axes overridden, and what is to be told of it.
pub(crate) fn with(
    mut ladders: Vec<Ladder>,
    overrides: &Overrides,
) -> Result<(Vec<Ladder>, Option<String>), Mistake> {
    if let Some(depths) = &overrides.depths {
        replace(&mut ladders, depths, |ladder| &mut ladder.depths);
        // Depths that were named are asked for, however long they take.
        for ladder in &mut ladders {
            ladder.cap = None;
        }
    }
    if let Some(concurrency) = &overrides.concurrency {
        replace(&mut ladders, concurrency, |ladder| &mut ladder.concurrency);
        // What was asked for is the closed loop, and nothing beside it.
        for ladder in &mut ladders {
            ladder.rate.clear();
        }
    }
    if let Some(rate) = &overrides.rate {
        open(&mut ladders, rate)?;
    }
    let mut dropped_schedule = false;
    for ladder in &mut ladders {
        dropped_schedule |= filter_schedule(ladder);
    }
    let warning = dropped_schedule.then(|| {
        "the schedule has no place for the values asked for: the lap goes in plain order".to_owned()
    });
    Ok((ladders, warning))
}

/// Makes every ladder an open one, in place of its streams. Ladders that differed in these
/// alone ask the same now, and one of them is enough.
fn open(ladders: &mut Vec<Ladder>, rate: &[f64]) -> Result<(), Mistake> {
    if ladders.iter().any(|ladder| ladder.prefix == Prefix::TwoPhase) {
        let what = "the scenario loads contexts in rounds of their own (`two_phase`), which an open loop has not";
        return Err(Mistake::new(what).at("--rate").hint("--concurrency"));
    }
    for ladder in ladders.iter_mut() {
        ladder.concurrency.clear();
        if ladder.rate.is_empty() {
            // It had several for the sake of samples, of which an open round has enough.
            ladder.runs = 1;
        }
    }
    replace(ladders, rate, |ladder| &mut ladder.rate);
    let all = std::mem::take(ladders);
    for ladder in all {
        if !ladders.contains(&ladder) {
            ladders.push(ladder);
        }
    }
    Ok(())
}

fn replace<T: PartialEq + Copy>(
    ladders: &mut Vec<Ladder>,
    asked: &[T],
    axis: impl Fn(&mut Ladder) -> &mut Vec<T>,
) {
    let known: Vec<T> = ladders.iter_mut().flat_map(|ladder| axis(ladder).clone()).collect();
    for ladder in ladders.iter_mut() {
        let own = std::mem::take(axis(ladder));
        let stays = |value: &&T| own.contains(value) || !known.contains(value);
        *axis(ladder) = asked.iter().filter(stays).copied().collect();
    }
    ladders.retain_mut(|ladder| !axis(ladder).is_empty());
}

/// Keeps the steps whose cell is still there; says whether the schedule had to go because
/// a value that is now asked for has no step.
fn filter_schedule(ladder: &mut Ladder) -> bool {
    let Some(mut steps) = ladder.schedule.take() else { return false };
    steps.retain(|(depth, streams)| {
        ladder.depths.contains(depth) && ladder.concurrency.contains(streams)
    });
    let has_all = ladder.depths.iter().all(|depth| steps.iter().any(|step| step.0 == *depth))
        && ladder.concurrency.iter().all(|load| steps.iter().any(|step| step.1 == *load));
    if has_all {
        ladder.schedule = Some(steps);
    }
    !has_all
}
