//! Lays out the ladder: every depth × every load, in plain laps or in the order
//! and the two phases of llama-benchy.

use super::{LengthSample, OpenLoop, PromptPart, Round};
use crate::error::Mistake;
use crate::fact::{Cell, Class, Load, Phase};
use crate::plan::{Ask, Bounds, Fit, Input, Message, Plan, RoundPosition, Slot, arrivals};
use crate::rng::{Rng, mix};
use crate::spec::scenario::{Api, LADDER, Ladder, Prefix, Scenario};
use crate::unit::At;

/// Placeholder prompt of a request that only loads a context; some servers reject an empty one.
const NO_PROMPT: &str = ".";

/// Ladders, one after the other in each lap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ladders {
    rounds: Vec<Round>,
    /// Index in the scenario of each round's ladder.
    origins: Vec<usize>,
}

impl Ladders {
    /// Adds the lap of a ladder, for a server that takes all depths.
    pub(crate) fn add(&mut self, ladder: &Ladder, origin: usize) {
        self.rounds.extend(rounds(ladder));
        self.origins.resize(self.rounds.len(), origin);
    }

    /// Keeps only the rounds at these depths, which are indexed by ladder.
    pub(crate) fn keep(&mut self, depths: &[Vec<u64>]) {
        let all = std::mem::take(&mut self.rounds).into_iter();
        let all = all.zip(std::mem::take(&mut self.origins));
        let left = all.filter(|(round, origin)| depths[*origin].contains(&round.cell.depth));
        (self.rounds, self.origins) = left.unzip();
    }

    /// Returns the rounds of a lap, in order.
    pub(crate) fn lap(&self) -> &[Round] {
        &self.rounds
    }

    /// Returns the largest number of requests in a round, each on a lane of its own.
    pub(crate) fn lanes(&self) -> u32 {
        self.rounds.iter().map(Round::lanes).max().unwrap_or(0)
    }

    /// Returns the round at a place, and the next place.
    pub(crate) fn at(&self, place: RoundPosition) -> (&Round, RoundPosition) {
        let index = place.index.min(self.rounds.len() - 1);
        let next = if index + 1 < self.rounds.len() {
            RoundPosition::new(place.lap, index + 1)
        } else {
            RoundPosition::new(place.lap + 1, 0)
        };
        (&self.rounds[index], next)
    }

    /// Returns the slot of a lane in the round at a place: the number of earlier rounds of the
    /// phase with a request on the lane.
    pub(crate) fn slot(&self, place: RoundPosition, lane: u32) -> u64 {
        let has = |round: &&Round| round.lanes() > lane;
        let per_lap = self.rounds.iter().filter(has).count() as u64;
        let before = self.rounds[..place.index].iter().filter(has).count() as u64;
        place.lap * per_lap + before
    }

    /// Returns the place of a lane's slot; `None` if the lane never sends.
    pub(crate) fn place(&self, lane: u32, nth: u64) -> Option<RoundPosition> {
        let indices: Vec<usize> =
            (0..self.rounds.len()).filter(|index| self.rounds[*index].lanes() > lane).collect();
        let per_lap = indices.len() as u64;
        let lap = nth.checked_div(per_lap)?;
        Some(RoundPosition::new(lap, indices[(nth % per_lap) as usize]))
    }

    /// Returns the due time of each lane of an open round, microseconds since its start.
    pub(crate) fn due_us(&self, seed: u64, phase: Phase, place: RoundPosition) -> Option<Vec<u64>> {
        let (round, _) = self.at(place);
        match (round.cell.load, round.open) {
            (Load::PerSecond(per_s), Some(open)) => {
                Some(arrivals::offsets_us(seed, phase, place, per_s, open))
            }
            _ => None,
        }
    }

    /// Returns the ask of a slot, due at an instant.
    pub(crate) fn ask(&self, plan: &Plan, slot: Slot, due: At, fit: &Fit) -> Ask {
        let (round, lap) = self.of(slot);
        Ask { lap, due, ..ask(plan, round, slot, fit) }
    }

    /// Returns the ask of a slot with the lengths of another cell.
    pub(crate) fn resized(&self, plan: &Plan, slot: Slot, cell: Cell, fit: &Fit) -> Ask {
        let (round, lap) = self.of(slot);
        Ask { lap, ..ask(plan, &Round { cell, ..round.clone() }, slot, fit) }
    }

    /// Returns the cell of a slot.
    pub(crate) fn cell(&self, slot: Slot) -> Cell {
        self.of(slot).0.cell
    }

    /// Returns the round of a slot, and its lap.
    fn of(&self, slot: Slot) -> (&Round, u64) {
        let place = self.place(slot.lane, slot.nth).unwrap_or_default();
        (self.at(place).0, place.lap)
    }

    /// Returns a slot for each length of a prompt and an output: the first of its rounds in the
    /// second lap.
    pub(crate) fn samples(&self) -> Vec<LengthSample> {
        let mut samples: Vec<LengthSample> = Vec::new();
        for (index, Round { cell, api, part, .. }) in self.rounds.iter().enumerate() {
            let is_known = samples.iter().any(|it| {
                it.api == *api && it.cell.is_as_long(cell) && it.cell.output == cell.output
            });
            if !is_known && *part != PromptPart::Load {
                let nth = self.slot(RoundPosition::new(1, index), 0);
                let slot = Slot { phase: Phase::Reference, lane: 0, nth, repeat: 0 };
                samples.push(LengthSample { slot, cell: *cell, api: *api });
            }
        }
        samples
    }

    /// Returns the order of all cells and their modes, as text.
    pub(crate) fn fingerprint(&self) -> String {
        let round = |round: &Round| {
            let open = round.open.map_or(String::new(), |open| {
                format!(":{}:{}", open.arrivals.word(), open.requests)
            });
            format!("{}:{}:{:?}{open}", round.cell, round.class.word(), round.part)
        };
        self.rounds.iter().map(round).collect::<Vec<_>>().join(",")
    }
}

/// Lays out one lap of a ladder, for a server that takes all depths.
fn rounds(ladder: &Ladder) -> Vec<Round> {
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

/// Returns the ask of a slot in a round, in the first lap and due at once.
fn ask(plan: &Plan, round: &Round, slot: Slot, fit: &Fit) -> Ask {
    Ask {
        phase: slot.phase,
        workload: round.workload,
        class: round.class,
        lane: slot.lane,
        slot: slot.nth,
        session: None,
        turn: None,
        cell: round.cell,
        lap: 0,
        repeat: slot.repeat,
        due: At::ZERO,
        api: round.api,
        input: input(plan, round, slot, fit),
        abandon_us: None,
        exact_output: round.exact_output,
    }
}

/// Returns the rounds of one visit to a cell.
fn visit(ladder: &Ladder, depth: u64, load: Load) -> Vec<Round> {
    let open = match load {
        Load::Streams(_) => None,
        Load::PerSecond(_) => {
            Some(OpenLoop { arrivals: ladder.arrivals, requests: ladder.requests })
        }
    };
    let round = |prompt, class, part| Round {
        workload: LADDER,
        cell: Cell { depth, load, prompt, output: ladder.output },
        class,
        part,
        open,
        api: ladder.api,
        exact_output: ladder.exact_output,
    };
    match ladder.prefix {
        Prefix::TwoPhase if depth > 0 => {
            vec![
                round(0, Class::Cold, PromptPart::Load),
                round(ladder.prompt, Class::Warm, PromptPart::Follow),
            ]
        }
        Prefix::Warm if depth > 0 => vec![round(ladder.prompt, Class::Warm, PromptPart::Kept)],
        _ => vec![round(ladder.prompt, Class::Cold, PromptPart::Fresh)],
    }
}

/// Returns the depths that a server takes. In a ladder with a cap, other depths are left out and
/// noted; without one they are a mistake.
///
/// # Errors
/// A depth exceeds the server's limit, in a ladder without a cap.
pub(super) fn depths(
    ladder: &Ladder,
    bounds: Bounds<'_>,
    scenario: &Scenario,
    notes: &mut Vec<String>,
) -> Result<Vec<u64>, Mistake> {
    let mut kept = Vec::new();
    for depth in &ladder.depths {
        let total = depth + ladder.prompt + ladder.output;
        if let Some(why) = bounds.excludes(total) {
            if ladder.cap.is_none() {
                return Err(too_deep(ladder, *depth, &why, bounds, scenario));
            }
            notes.push(format!("d{depth} left out: {total} tokens, and {why}"));
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

fn too_deep(
    ladder: &Ladder,
    depth: u64,
    why: &str,
    bounds: Bounds<'_>,
    scenario: &Scenario,
) -> Mistake {
    let fits: Vec<String> = ladder
        .depths
        .iter()
        .filter(|depth| bounds.excludes(*depth + ladder.prompt + ladder.output).is_none())
        .map(u64::to_string)
        .collect();
    let mistake = Mistake::new(format!(
        "depth {depth} + prompt {} + output {} = {} tokens, but {why}",
        ladder.prompt,
        ladder.output,
        depth + ladder.prompt + ladder.output
    ))
    .at(format!("{} workloads.ladder.depths", scenario.source.origin));
    let most =
        bounds.max_model_len.and_then(|most| most.checked_sub(ladder.prompt + ladder.output));
    if let (true, Some(most)) = (fits.is_empty(), most) {
        mistake.hint(format!("--depths {most}, the deepest that fits"))
    } else if fits.is_empty() {
        mistake.hint("a shorter prompt or output in the scenario")
    } else {
        mistake.hint(format!("--depths {}", fits.join(",")))
    }
}

fn input(plan: &Plan, round: &Round, slot: Slot, fit: &Fit) -> Input {
    let own = [slot.phase as u64, u64::from(slot.lane), slot.nth];
    let nonce = match round.part {
        // A repeat is sent after its first time: it would be found in the cache.
        PromptPart::Fresh => plan.nonce.map(|nonce| nonce.wrapping_add(slot.repeat.into())),
        PromptPart::Kept | PromptPart::Load | PromptPart::Follow => plan.nonce,
    };
    let context_address = match round.part {
        PromptPart::Fresh | PromptPart::Load => mix(mix(own[0], own[1]), own[2]),
        // The load round before this one had the same streams, so its slot is one less.
        PromptPart::Follow => mix(mix(own[0], own[1]), own[2] - 1),
        // A context per arrival would exceed any cache.
        PromptPart::Kept if round.open.is_some() => mix(mix(u64::MAX, 0), round.cell.depth),
        PromptPart::Kept => mix(mix(u64::MAX, own[1]), round.cell.depth),
    };
    let context = (round.cell.depth > 0).then(|| {
        let rng = Rng::at(plan.seed, &[0, context_address]);
        plan.corpus().text(rng, round.cell.depth, fit, nonce)
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
        plan.corpus().text(rng, round.cell.prompt.saturating_sub(overhead), fit, nonce)
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
