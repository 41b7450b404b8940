//! The ladder: every depth × every load, in plain laps or in the order
//! and with the two phases of llama-benchy.

use super::{Open, Part, Round};
use crate::error::Mistake;
use crate::fact::{Cell, Class, Load, Phase};
use crate::plan::{Bounds, Fit, Input, Message, Plan};
use crate::rng::{Rng, mix};
use crate::spec::scenario::{Api, Ladder, Prefix, Scenario};

/// The workload's name in rows.
pub const NAME: &str = "ladder";

/// What stands in for a prompt where a context is only loaded; some servers refuse an empty one.
const NO_PROMPT: &str = ".";

/// Lays out one lap of a ladder, for a server that takes all of it.
pub fn rounds(ladder: &Ladder) -> Vec<Round> {
    let depths = &ladder.depths;
    let order: Vec<(u64, Load)> = match &ladder.schedule {
        Some(schedule) => schedule
            .iter()
            .filter(|(depth, _)| depths.contains(depth))
            .map(|(depth, streams)| (*depth, Load::Streams(*streams)))
            .collect(),
        None => depths.iter().flat_map(|depth| ladder.loads().map(|load| (*depth, load))).collect(),
    };
    let mut rounds = Vec::new();
    for (depth, load) in order {
        for _ in 0..ladder.runs {
            rounds.extend(visit(ladder, depth, load));
        }
    }
    rounds
}

/// The rounds that one visit to a cell takes.
fn visit(ladder: &Ladder, depth: u64, load: Load) -> Vec<Round> {
    let open = match load {
        Load::Streams(_) => None,
        Load::PerSecond(_) => Some(Open { arrivals: ladder.arrivals, requests: ladder.requests }),
    };
    let round = |prompt, class, part| Round {
        workload: NAME,
        cell: Cell { depth, load, prompt, output: ladder.output },
        class,
        part,
        open,
        api: ladder.api,
        exact_output: ladder.exact_output,
    };
    match ladder.prefix {
        Prefix::TwoPhase if depth > 0 => {
            vec![round(0, Class::Cold, Part::Load), round(ladder.prompt, Class::Warm, Part::Follow)]
        }
        Prefix::Warm if depth > 0 => vec![round(ladder.prompt, Class::Warm, Part::Kept)],
        _ => vec![round(ladder.prompt, Class::Cold, Part::Fresh)],
    }
}

/// The depths that a server takes. What it cannot take is left out and noted where the ladder has
/// a cap, and a mistake otherwise.
///
/// # Errors
/// A depth beyond the server, in a ladder without a cap.
pub fn depths(
    ladder: &Ladder,
    bounds: Bounds,
    scenario: &Scenario,
    notes: &mut Vec<String>,
) -> Result<Vec<u64>, Mistake> {
    let mut kept = Vec::new();
    for depth in &ladder.depths {
        let total = depth + ladder.prompt + ladder.output;
        if let Some(longest) = bounds.max_model_len
            && total > longest
        {
            if ladder.cap.is_none() {
                return Err(too_deep(ladder, *depth, longest, scenario));
            }
            notes
                .push(format!("d{depth} left out: {total} tokens, and max_model_len is {longest}"));
            continue;
        }
        if let (Some(cap), Some(rate)) = (ladder.cap, bounds.prefill_per_s) {
            let seconds = (depth + ladder.prompt) as f64 / rate;
            if seconds > cap.as_secs_f64() && *depth > 0 {
                notes.push(format!(
                    "d{depth} left out: at {rate:.0} tokens/s its prefill takes {seconds:.0} s, the cap is {} s",
                    cap.as_secs()
                ));
                continue;
            }
        }
        kept.push(*depth);
    }
    Ok(kept)
}

fn too_deep(ladder: &Ladder, depth: u64, longest: u64, scenario: &Scenario) -> Mistake {
    let fits: Vec<String> = ladder
        .depths
        .iter()
        .filter(|depth| *depth + ladder.prompt + ladder.output <= longest)
        .map(u64::to_string)
        .collect();
    let mistake = Mistake::new(format!(
        "depth {depth} + prompt {} + output {} = {} tokens, but max_model_len is {longest}",
        ladder.prompt,
        ladder.output,
        depth + ladder.prompt + ladder.output
    ))
    .at(format!("{} workloads.ladder.depths", scenario.source.origin));
    if fits.is_empty() {
        mistake.hint("a shorter prompt or output in the scenario")
    } else {
        mistake.hint(format!("--depths {}", fits.join(",")))
    }
}

/// What the ask of a lane and slot says.
pub fn input(plan: &Plan, round: &Round, phase: Phase, lane: u32, slot: u64, fit: &Fit) -> Input {
    let own = [phase as u64, u64::from(lane), slot];
    let context_address = match round.part {
        Part::Fresh | Part::Load => mix(mix(own[0], own[1]), own[2]),
        // The load round before this one had the same streams, so its slot is one less.
        Part::Follow => mix(mix(own[0], own[1]), own[2] - 1),
        // As many contexts as arrivals would find no room in any cache.
        Part::Kept if round.open.is_some() => mix(mix(u64::MAX, 0), round.cell.depth),
        Part::Kept => mix(mix(u64::MAX, own[1]), round.cell.depth),
    };
    let context = (round.cell.depth > 0).then(|| {
        let rng = Rng::at(plan.seed, &[0, context_address]);
        plan.corpus().text(rng, round.cell.depth, fit)
    });
    let overhead = match (round.api, round.cell.depth) {
        (Api::Completions, _) => 0,
        (Api::Chat, 0) => fit.prompt_overhead,
        (Api::Chat, _) => fit.both_overhead,
    };
    let prompt = if round.cell.prompt == 0 {
        NO_PROMPT.to_owned()
    } else {
        let rng = Rng::at(plan.seed, &[1, own[0], own[1], own[2]]);
        plan.corpus().text(rng, round.cell.prompt.saturating_sub(overhead), fit)
    };
    match round.api {
        Api::Completions => Input::Text(context.unwrap_or_default() + &prompt),
        Api::Chat => {
            let mut messages = Vec::new();
            if let Some(content) = context {
                messages.push(Message { role: "system", content });
            }
            messages.push(Message { role: "user", content: prompt });
            Input::Messages(messages)
        }
    }
}
