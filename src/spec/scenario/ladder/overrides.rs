//! Applies flags to the axes of ladders.

use super::{Ladder, Prefix};
use crate::error::Mistake;
use crate::spec::scenario::Overrides;

/// Returns the ladders with overridden axes, and warnings about them.
pub(crate) fn with(
    mut ladders: Vec<Ladder>,
    overrides: &Overrides,
) -> Result<(Vec<Ladder>, Option<String>), Mistake> {
    if let Some(depths) = &overrides.depths {
        replace(&mut ladders, depths, |ladder| &mut ladder.depths);
        // Depths given by a flag are requested however long they take.
        for ladder in &mut ladders {
            ladder.cap = None;
        }
    }
    if let Some(concurrency) = &overrides.concurrency {
        replace(&mut ladders, concurrency, |ladder| &mut ladder.concurrency);
        // A concurrency given by a flag means the closed loop alone.
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

/// Replaces every ladder's streams by an open loop. Ladders that differed in their streams only are
/// then equal, and one of them is kept.
fn open(ladders: &mut Vec<Ladder>, rate: &[f64]) -> Result<(), Mistake> {
    if ladders.iter().any(|ladder| ladder.prefix == Prefix::TwoPhase) {
        let what = "the scenario loads contexts in rounds of their own (`two_phase`), which an open loop has not";
        return Err(Mistake::new(what).at("--rate").hint("--concurrency"));
    }
    for ladder in ladders.iter_mut() {
        ladder.concurrency.clear();
        if ladder.rate.is_empty() {
            // Several runs served to collect samples; one open round has enough.
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

/// Keeps the steps of the remaining cells. Returns whether the schedule was dropped because a
/// requested value has no step.
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
