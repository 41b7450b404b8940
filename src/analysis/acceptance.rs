//! Follows the share of drafted tokens that speculative decoding accepted, by depth and over the
//! run. What the engine's counters grew by between two readings belongs to a depth where all
//! requests of that time were of it.

use std::collections::{BTreeMap, VecDeque};

use crate::fact::{Entry, Fact, Reading, Request, Segment};
use crate::series::{ACCEPTED_TOKENS, DRAFT_TOKENS};
use crate::stats::rank_sum::rank_sum_p;
use crate::unit::At;

use super::Calendar;

/// Time for which a growth waits for the ends of requests that ran during it, microseconds: longer
/// than a request takes.
const WAIT_US: u64 = 3_600_000_000;
/// Most parts that are kept of a depth's growth; beyond it two are joined to one each.
const PARTS_MAX: usize = 256;
/// Least number of parts that are told by thirds.
const PARTS_MIN: usize = 6;
/// Bound on the parts whose shares are ranked.
const RANKED_MAX: usize = 60;
/// Least fall of the share between the first and the last third that is told, of the share.
const FALL_MIN: f64 = 0.05;
/// Level of the rank sum of the shares in both thirds: a run has several depths.
const FALL_LEVEL: f64 = 0.001;

/// Counters of drafted and accepted tokens, read at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counters {
    segment: Segment,
    at: At,
    drafted: Option<f64>,
    accepted: Option<f64>,
}

/// Depths of the requests that ran in a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RanDepth {
    #[default]
    Nobody,
    One(u64),
    /// Several depths, or requests whose depth grows.
    Several,
}

impl RanDepth {
    fn add(&mut self, depth: Option<u64>) {
        *self = match (*self, depth) {
            (RanDepth::Nobody, Some(depth)) => RanDepth::One(depth),
            (RanDepth::One(known), Some(depth)) if known == depth => RanDepth::One(known),
            _ => RanDepth::Several,
        };
    }
}

/// Tokens between two readings.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Growth {
    segment: Segment,
    from: At,
    until: At,
    tokens: Tokens,
    ran: RanDepth,
}

/// Drafted tokens, and the accepted ones among them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tokens {
    drafted: f64,
    accepted: f64,
}

impl Tokens {
    fn plus(self, other: Tokens) -> Tokens {
        Tokens { drafted: self.drafted + other.drafted, accepted: self.accepted + other.accepted }
    }

    fn share(self) -> Option<f64> {
        (self.drafted > 0.0).then(|| self.accepted / self.drafted)
    }
}

/// Parts of a depth's growth, in order.
#[derive(Clone, Debug, Default, PartialEq)]
struct Parts(Vec<Tokens>);

impl Parts {
    fn push(&mut self, tokens: Tokens) {
        self.0.push(tokens);
        if self.0.len() > PARTS_MAX {
            let joined =
                |pair: &[Tokens]| pair.iter().copied().fold(Tokens::default(), Tokens::plus);
            self.0 = self.0.chunks(2).map(joined).collect();
        }
    }

    /// Whether the shares of the last third are lower than those of the first: by more than 5 %, and
    /// by the rank sum of their parts (Wilcoxon 1945), since the shares of single answers vary.
    fn falls(&self, first: Option<f64>, last: Option<f64>) -> bool {
        let is_lower = first.zip(last).is_some_and(|(first, last)| last < first * (1.0 - FALL_MIN));
        let joined = |parts: &[Tokens]| parts.iter().copied().fold(Tokens::default(), Tokens::plus);
        let parts = self.0.chunks(self.0.len().div_ceil(RANKED_MAX).max(1)).map(joined);
        let shares: Vec<f64> = parts.filter_map(Tokens::share).collect();
        let third = shares.len() / 3;
        let ends = [&shares[..third], &shares[shares.len() - third..]].concat();
        is_lower && rank_sum_p(&ends, third).is_some_and(|p| p < FALL_LEVEL)
    }

    fn acceptance(&self, depth: Option<u64>) -> Acceptance {
        let all = self.0.iter().copied().fold(Tokens::default(), Tokens::plus);
        let third = |parts: &mut dyn Iterator<Item = &Tokens>| {
            let mut sum = Tokens::default();
            for part in parts {
                sum = sum.plus(*part);
                if sum.drafted * 3.0 >= all.drafted {
                    break;
                }
            }
            sum.share().filter(|_| self.0.len() >= PARTS_MIN)
        };
        let first_third = third(&mut self.0.iter());
        let last_third = third(&mut self.0.iter().rev());
        Acceptance {
            depth,
            drafted: all.drafted,
            accepted: all.accepted,
            first_third,
            last_third,
            falls: self.falls(first_third, last_third),
        }
    }
}

/// Acceptance of drafted tokens in the steady phases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Acceptance {
    /// `None` for all depths together.
    pub depth: Option<u64>,
    /// Number of drafted tokens.
    pub drafted: f64,
    /// Accepted tokens among these.
    pub accepted: f64,
    /// Share in the first third of the drafted tokens; `None` with too few readings.
    pub first_third: Option<f64>,
    /// Share in the last third.
    pub last_third: Option<f64>,
    /// Whether it fell from the first third to the last, and not by chance.
    pub falls: bool,
}

impl Acceptance {
    /// Returns the share of drafted tokens that were accepted.
    pub(crate) fn share(&self) -> Option<f64> {
        Tokens { drafted: self.drafted, accepted: self.accepted }.share()
    }
}

/// Fold of the counters and the requests.
#[derive(Clone, Debug, Default)]
pub(super) struct AcceptanceFold {
    newest: Counters,
    before: Option<Counters>,
    /// Requests that ended since `before`.
    ran: RanDepth,
    open: VecDeque<Growth>,
    all: Parts,
    depths: BTreeMap<u64, Parts>,
}

impl AcceptanceFold {
    /// Folds an entry.
    pub(super) fn fold(&mut self, entry: &Entry, calendar: &Calendar) {
        match &entry.fact {
            Fact::Reading(reading) => self.fold_reading(entry, reading, calendar),
            Fact::Request(request) if self.before.is_some() => {
                self.fold_request(entry.segment, request);
            }
            _ => {}
        }
    }

    fn fold_reading(&mut self, entry: &Entry, reading: &Reading, calendar: &Calendar) {
        let is_drafted = DRAFT_TOKENS.is_of(reading);
        if !is_drafted && !ACCEPTED_TOKENS.is_of(reading) {
            return;
        }
        if (self.newest.segment, self.newest.at) != (entry.segment, entry.at) {
            self.newest = Counters { segment: entry.segment, at: entry.at, ..Counters::default() };
        }
        let counter = if is_drafted { &mut self.newest.drafted } else { &mut self.newest.accepted };
        *counter = Some(reading.last);
        self.fold_counters(calendar);
    }

    /// Takes in both counters, where both were read at the newest instant.
    fn fold_counters(&mut self, calendar: &Calendar) {
        let now = self.newest;
        let Some((drafted, accepted)) = now.drafted.zip(now.accepted) else { return };
        let before = self.before.filter(|before| before.segment == now.segment);
        if before.is_some_and(|before| now.at <= before.at) {
            // Rows around an incident are older than those before them.
            return;
        }
        let grown = before.and_then(|before| {
            let tokens = Tokens {
                drafted: drafted - before.drafted?,
                accepted: accepted - before.accepted?,
            };
            // A counter that fell belongs to a new process.
            let is_grown = tokens.drafted > 0.0 && tokens.accepted >= 0.0;
            is_grown.then_some(Growth {
                segment: now.segment,
                from: before.at,
                until: now.at,
                tokens,
                ran: self.ran,
            })
        });
        self.before = Some(now);
        self.ran = RanDepth::Nobody;
        self.open.extend(grown);
        let is_over =
            |growth: &Growth| growth.segment != now.segment || now.at.since(growth.until) > WAIT_US;
        while self.open.front().is_some_and(is_over) {
            if let Some(growth) = self.open.pop_front() {
                self.settle(&growth, calendar);
            }
        }
    }

    fn fold_request(&mut self, segment: Segment, request: &Request) {
        let depth = request.group().depth();
        self.ran.add(depth);
        let newest = self.open.iter_mut().rev();
        let during = newest
            .take_while(|growth| growth.segment == segment && growth.until > request.sent)
            .filter(|growth| growth.from < request.done);
        during.for_each(|growth| growth.ran.add(depth));
    }

    fn settle(&mut self, growth: &Growth, calendar: &Calendar) {
        let is_steady = |at: At| {
            calendar.phase_at(growth.segment, at).is_some_and(crate::fact::Phase::is_steady)
        };
        if !is_steady(growth.from) || !is_steady(growth.until) {
            return;
        }
        self.all.push(growth.tokens);
        if let RanDepth::One(depth) = growth.ran {
            self.depths.entry(depth).or_default().push(growth.tokens);
        }
    }

    /// Returns the acceptance of all depths together, then of each depth that could be told apart;
    /// empty where no token was drafted.
    pub(super) fn finish(mut self, calendar: &Calendar) -> Vec<Acceptance> {
        for growth in std::mem::take(&mut self.open) {
            self.settle(&growth, calendar);
        }
        if self.all.0.is_empty() {
            return Vec::new();
        }
        let depths = self.depths.iter().map(|(depth, parts)| parts.acceptance(Some(*depth)));
        std::iter::once(self.all.acceptance(None)).chain(depths).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::analyse;
    use crate::analysis::fixture::asked;
    use crate::fact::Source;
    use crate::incident::fixture::Story;

    /// Adds a reading of both counters.
    fn read(story: &mut Story, second: f64, drafted: f64, accepted: f64) {
        story.reading(second, Source::Engine, ACCEPTED_TOKENS.name, accepted);
        story.reading(second, Source::Engine, DRAFT_TOKENS.name, drafted);
    }

    /// Adds a request that runs between two instants.
    fn ran(story: &mut Story, from: f64, until: f64, depth: u64) {
        let mut request = story.request(from, depth);
        request.done = Story::at(until);
        story.push(until, Fact::Request(Box::new(request)));
    }

    fn told(story: &Story) -> Vec<(Option<u64>, f64, f64)> {
        let analysis = analyse(&asked(&[0, 4096]), story.entries.iter());
        analysis.acceptance.iter().map(|it| (it.depth, it.drafted, it.accepted)).collect()
    }

    #[test]
    fn a_fall_is_told_only_where_it_is_no_chance() {
        let parts = |count: u32, share: &dyn Fn(u32) -> f64| {
            let tokens = |n: u32| Tokens { drafted: 100.0, accepted: 100.0 * share(n) };
            Parts((0..count).map(tokens).collect()).acceptance(None)
        };
        let wobble = |n: u32| 0.2 * f64::from(n * 17 % 41) / 41.0;
        let late = |n: u32| if n < 20 { 0.8 } else { 0.7 };
        assert!(parts(30, &|n| late(n) - wobble(n) / 4.0).falls);
        assert!(parts(250, &|n| 0.8 - 0.1 * f64::from(n) / 250.0 - wobble(n)).falls);
        assert!(!parts(250, &|n| 0.8 - wobble(n)).falls, "it varies and does not fall");
        let few = parts(12, &late);
        assert!(!few.falls && few.first_third.is_some(), "four parts may be lower by chance");
    }

    #[test]
    fn tokens_of_a_time_with_one_depth_belong_to_it_and_others_to_none() {
        let mut story = Story::soaking();
        read(&mut story, 20.0, 1_000.0, 700.0);
        read(&mut story, 30.0, 1_100.0, 780.0);
        ran(&mut story, 20.5, 35.0, 0);
        // The request at d0 ended in this time, and one at d4096 began in it.
        read(&mut story, 40.0, 1_200.0, 840.0);
        read(&mut story, 50.0, 1_300.0, 880.0);
        ran(&mut story, 36.0, 55.0, 4096);
        ran(&mut story, 55.5, 58.0, 4096);
        read(&mut story, 60.0, 1_400.0, 920.0);
        story.phase(61.0, crate::fact::Phase::Drain);
        read(&mut story, 70.0, 1_500.0, 1_020.0);
        assert_eq!(
            told(&story),
            [(None, 400.0, 220.0), (Some(0), 100.0, 80.0), (Some(4096), 200.0, 80.0)]
        );
    }

    #[test]
    fn a_new_process_counts_from_its_own_first_reading() {
        let mut story = Story::soaking();
        read(&mut story, 20.0, 1_000.0, 700.0);
        read(&mut story, 30.0, 50.0, 20.0);
        read(&mut story, 40.0, 150.0, 90.0);
        assert_eq!(told(&story), [(None, 100.0, 70.0)]);
        assert_eq!(told(&Story::soaking()), []);
    }

    #[test]
    fn an_acceptance_that_falls_is_seen_in_its_thirds() {
        let mut parts = Parts::default();
        for nth in 0..9 {
            let accepted = if nth < 3 { 80.0 } else { 50.0 };
            parts.push(Tokens { drafted: 100.0, accepted });
        }
        let told = parts.acceptance(None);
        assert_eq!((told.first_third, told.last_third), (Some(0.8), Some(0.5)));
        assert_eq!(told.share(), Some(0.6));
        let few = Parts(parts.0[..5].to_vec()).acceptance(None);
        assert_eq!((few.first_third, few.last_third), (None, None), "five readings");
        (0..10_000).for_each(|_| parts.push(Tokens { drafted: 1.0, accepted: 1.0 }));
        assert!(parts.0.len() <= PARTS_MAX, "{}", parts.0.len());
        assert_eq!(parts.acceptance(None).share(), Some((540.0 + 10_000.0) / 10_900.0));
    }
}
