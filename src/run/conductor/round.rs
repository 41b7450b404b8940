//! A round under way: who has been sent, who is still out, and what the
//! streams did together.

use std::collections::{BTreeSet, VecDeque};

use crate::fact::{Batch, Phase, Request};
use crate::incident::liveness::{self, Sign};
use crate::plan::{Place, Plan};
use crate::unit::At;

/// A round under way.
#[derive(Clone, Debug)]
pub struct Running {
    /// Where it stands.
    pub place: Place,
    /// The place after it.
    pub after: Place,
    /// Lanes that have not been sent yet, in the order in which they are due.
    unsent: VecDeque<u32>,
    /// When each lane is due; `None` in a closed round, whose lanes are due at once.
    dues: Option<Vec<At>>,
    /// Lanes whose request has not ended.
    out: BTreeSet<u32>,
    batch: Batch,
    /// Whether every stream so far had its tokens, and those of its first chunk, counted.
    counted: (bool, bool),
    /// Whether an outage met it.
    broken: bool,
    /// When the last of its requests that broke ended.
    bad: Option<At>,
}

impl Running {
    /// The round at a place, nothing of it sent.
    pub fn new(plan: &Plan, phase: Phase, place: Place, began: At) -> Running {
        let (round, after) = plan.at(place);
        let after_began = |us: u64| At(began.0.saturating_add(us));
        let dues = plan.due_us(phase, place);
        Running {
            place,
            after,
            unsent: (0..round.lanes()).collect(),
            dues: dues.map(|dues| dues.into_iter().map(after_began).collect()),
            out: BTreeSet::new(),
            batch: Batch {
                phase,
                workload: round.workload.to_owned(),
                class: round.class,
                cell: round.cell,
                lap: place.lap,
                repeat: place.repeat,
                requests: 0,
                good: 0,
                began,
                first: None,
                last: None,
                tokens: None,
                first_tokens: None,
                peak_tokens: None,
                models_us: None,
            },
            counted: (true, true),
            broken: false,
            bad: None,
        }
    }

    /// When the next lane of an open round is due; `None` where none waits for its time.
    pub fn next_due(&self) -> Option<At> {
        self.dues.as_ref()?.get(*self.unsent.front()? as usize).copied()
    }

    /// Whether each of its lanes waits for a time of its own.
    pub fn is_open(&self) -> bool {
        self.dues.is_some()
    }

    /// The next lane, which from now on is out.
    pub fn send(&mut self) -> Option<u32> {
        let lane = self.unsent.pop_front()?;
        self.out.insert(lane);
        Some(lane)
    }

    /// An outage met it: nothing more of it is sent. Says whether anything was.
    pub fn break_off(&mut self) -> bool {
        self.broken |= self.sent_any();
        self.unsent.clear();
        self.sent_any()
    }

    /// An outage that was over before it was noticed met it, if requests of it broke since.
    pub fn mark(&mut self, since: At) {
        self.broken |= self.broke_since(since);
    }

    /// Whether it is to be repeated: an outage met it.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether requests of it broke at this instant or later.
    pub fn broke_since(&self, since: At) -> bool {
        self.bad.is_some_and(|bad| bad >= since)
    }

    /// Whether requests of it have not ended.
    pub fn is_out(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether all that there is of it was sent and has ended.
    pub fn is_over(&self) -> bool {
        self.unsent.is_empty() && self.out.is_empty() && self.sent_any()
    }

    /// Whether anything of it was sent.
    pub fn sent_any(&self) -> bool {
        self.batch.requests > 0 || !self.out.is_empty()
    }

    /// A request of it ended.
    pub fn ended(&mut self, request: &Request) {
        let unsent = self.unsent.len();
        // A row says that its lane was sent, whatever the clock said when it was replayed.
        self.unsent.retain(|lane| *lane != request.lane);
        if !self.out.remove(&request.lane) && self.unsent.len() == unsent {
            return;
        }
        let batch = &mut self.batch;
        batch.requests += 1;
        batch.good += u64::from(request.ended.is_good());
        if liveness::sign(request) == Sign::Bad {
            self.bad = self.bad.max(Some(request.done));
        }
        let after = |us: Option<u64>| us.map(|us| At(request.sent.0 + us));
        batch.first = earlier(batch.first, after(request.ttft_us), At::min);
        batch.last = earlier(batch.last, after(request.last_us), At::max);
        // A stream whose tokens nobody counted: the sum would be a wrong number.
        sum(&mut batch.tokens, &mut self.counted.0, request.output_tokens);
        sum(&mut batch.first_tokens, &mut self.counted.1, request.first_tokens);
    }

    /// What the streams did together.
    pub fn batch(&self) -> Batch {
        self.batch.clone()
    }
}

fn sum(total: &mut Option<u64>, counted: &mut bool, tokens: Option<u64>) {
    *counted &= tokens.is_some();
    *total = match tokens {
        Some(tokens) if *counted => Some(total.unwrap_or(0) + tokens),
        _ => None,
    };
}

fn earlier(known: Option<At>, new: Option<At>, of: fn(At, At) -> At) -> Option<At> {
    match (known, new) {
        (Some(known), Some(new)) => Some(of(known, new)),
        (known, new) => known.or(new),
    }
}
