//! Tells what more streams at once gave and cost, for each depth: throughput of all, speed of one,
//! time to the first token, and from which number of streams on a server only queues.

use std::collections::BTreeMap;

use crate::fact::{Class, Group, Load};
use crate::measure::{Quantity, Statistic};
use crate::spec::Select;
use crate::stats::{Dist, Estimate};

use super::{Analysis, statistic};

/// Growth of the time per token that is told.
const DOUBLE: f64 = 2.0;
/// Least number of whole rounds of a level from which something is concluded.
const ROUNDS_MIN: u64 = 3;
/// Growth of the throughput up to which it does not rise.
const RISE: f64 = 1.05;
/// Growth of a request's time from which it takes longer.
const LONGER: f64 = 1.1;
/// Least share of that growth that falls before the first token where requests queue.
const BEFORE_FIRST: f64 = 0.5;

/// Numbers of streams at one depth, with the same lengths and class.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamLadder {
    pub workload: String,
    pub class: Class,
    pub depth: u64,
    /// Prompt after the context, tokens.
    pub prompt: u64,
    /// Requested output, tokens.
    pub output: u64,
    /// In the order of the numbers of streams, at least two.
    pub levels: Vec<StreamLevel>,
}

/// Requests with one number of streams.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct StreamLevel {
    pub streams: u32,
    /// Number of whole rounds.
    pub rounds: u64,
    /// Median of the tokens per second of all streams.
    pub throughput: Option<Estimate>,
    /// Median of the tokens per second of one stream.
    pub tokens_per_s: Option<Estimate>,
    /// Median time to the first token, seconds.
    pub ttft: Option<Estimate>,
    /// Median time per output token, seconds.
    pub tpot: Option<Estimate>,
    /// Mean time to the first token, seconds: where half of the streams wait, the median does not.
    pub ttft_mean: Option<Estimate>,
    /// Mean time of a request, seconds.
    pub e2e_mean: Option<Estimate>,
}

/// Values of a level before their statistics.
#[derive(Default)]
struct LevelDists(BTreeMap<Quantity, Dist>);

impl LevelDists {
    fn level(&self, streams: u32) -> StreamLevel {
        let of = |quantity: Quantity, wanted: Statistic| statistic(self.0.get(&quantity)?, wanted);
        let median = |quantity| of(quantity, Statistic::P50);
        StreamLevel {
            streams,
            rounds: self.0.get(&Quantity::Throughput).map_or(0, Dist::n),
            throughput: median(Quantity::Throughput),
            tokens_per_s: median(Quantity::TokensPerS),
            ttft: median(Quantity::Ttft),
            tpot: median(Quantity::Tpot),
            ttft_mean: of(Quantity::Ttft, Statistic::Mean),
            e2e_mean: of(Quantity::E2e, Statistic::Mean),
        }
    }
}

impl StreamLadder {
    /// Returns the first number of streams at which the time per token is at least twice that of a
    /// single stream.
    pub(crate) fn doubles_at(&self) -> Option<u32> {
        let alone = self.levels.first().filter(|level| level.streams == 1)?;
        let tpot = |level: &StreamLevel| level.tpot.map(Estimate::number);
        let limit = DOUBLE * tpot(alone)?;
        let doubled = |level: &&StreamLevel| tpot(level).is_some_and(|tpot| tpot >= limit);
        self.levels[1..].iter().find(doubled).map(|level| level.streams)
    }

    /// Returns the number of streams from which on the server only queues: the throughput of all
    /// rises no more, and most of what a request takes longer it takes before its first token.
    pub(crate) fn queues_from(&self) -> Option<u32> {
        let from = (1..self.levels.len()).find(|at| self.is_flat_from(*at))?;
        let best = self.best_before(from)?;
        let level = &self.levels[from];
        let means =
            |level: &StreamLevel| Some((level.ttft_mean?.number(), level.e2e_mean?.number()));
        let ((ttft_best, e2e_best), (ttft, e2e)) = (means(best)?, means(level)?);
        let queues = e2e > e2e_best * LONGER && ttft - ttft_best >= BEFORE_FIRST * (e2e - e2e_best);
        queues.then_some(level.streams)
    }

    /// Whether no level from this one on has more throughput than one before it.
    fn is_flat_from(&self, at: usize) -> bool {
        let most = self.best_before(at).and_then(|best| best.throughput).map(Estimate::number);
        let flat = |level: &StreamLevel| match (level.throughput.map(Estimate::number), most) {
            (Some(throughput), Some(most)) => {
                level.rounds >= ROUNDS_MIN && throughput <= most * RISE
            }
            _ => false,
        };
        self.levels[at..].iter().all(flat)
    }

    /// Returns the level with the most throughput before this one.
    fn best_before(&self, at: usize) -> Option<&StreamLevel> {
        let known = self.levels[..at].iter().filter_map(|level| Some((level.throughput?, level)));
        let enough = known.filter(|(_, level)| level.rounds >= ROUNDS_MIN);
        enough.max_by(|a, b| a.0.number().total_cmp(&b.0.number())).map(|(_, level)| level)
    }

    /// Whether another ladder has the same place: class, depth and lengths.
    pub(crate) fn is_of(&self, other: &StreamLadder) -> bool {
        self.key() == other.key()
    }

    fn key(&self) -> (&str, Class, u64, u64, u64) {
        (&self.workload, self.class, self.depth, self.prompt, self.output)
    }

    /// Returns a name that is as short as it is clear among others: `d4096`, `d4096 warm`.
    pub(crate) fn among(&self, others: &[StreamLadder]) -> String {
        let depth = format!("d{}", self.depth);
        let same = others.iter().filter(|other| other.depth == self.depth).count();
        if same < 2 {
            return depth;
        }
        format!("{depth}/p{}/o{} {}", self.prompt, self.output, self.class.word())
    }
}

/// Returns the ladders of a run's steady phases that have several numbers of streams, by depth.
pub(crate) fn ladders(analysis: &Analysis) -> Vec<StreamLadder> {
    let mut groups: BTreeMap<&Group, LevelDists> = BTreeMap::new();
    let steady = Select::default();
    for atom in analysis.atoms_of(&steady).filter(|atom| atom.group.asks()) {
        let dists = &mut groups.entry(&atom.group).or_default().0;
        for (quantity, dist) in &atom.dists {
            dists.entry(*quantity).or_default().merge(dist);
        }
    }
    let mut ladders: Vec<StreamLadder> = Vec::new();
    for (group, dists) in groups {
        let (Some(cell), Some(Load::Streams(streams))) = (group.cell, group.load()) else {
            continue;
        };
        let mut ladder = StreamLadder {
            workload: group.workload.clone(),
            class: group.class,
            depth: cell.depth,
            prompt: cell.prompt,
            output: cell.output,
            levels: Vec::new(),
        };
        let level = dists.level(streams);
        if let Some(known) = ladders.iter_mut().find(|known| known.is_of(&ladder)) {
            known.levels.push(level);
        } else {
            ladder.levels.push(level);
            ladders.push(ladder);
        }
    }
    ladders.retain(|ladder| ladder.levels.len() > 1);
    ladders
}

#[cfg(test)]
mod tests;
