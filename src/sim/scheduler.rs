//! Plans the next step as vLLM V1's scheduler does. Running requests come first, in order of
//! arrival, then queued requests while there is room. Prefill is chunked under one token budget.
//! When no blocks are free, the youngest request is preempted.

use std::collections::VecDeque;

use super::ailment::AilmentKind;
use super::cache::{BLOCK, Cache};
use super::job::JobId;
use super::setup::Setup;
use crate::rng::mix;
use crate::unit::At;

/// State of a request in the engine.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub id: JobId,
    /// Token ids of the prompt and of the output so far.
    pub ids: Vec<u32>,
    /// Number of prompt tokens.
    pub prompt: u64,
    /// Number of tokens whose keys and values are in its blocks.
    pub computed: u64,
    /// Number of output tokens at which the response ends.
    pub limit: u64,
    /// Whether it ends there naturally (`stop`) and not by the limit (`length`).
    pub stops: bool,
    /// Key of its response.
    pub answer: u64,
    /// Whether the response begins with reasoning.
    pub reasoning: bool,
    /// Fault of the request, and the number of tokens before it.
    pub fate: Option<(AilmentKind, u64)>,
    /// Time of arrival.
    pub arrived: At,
    /// Time of its last tokens.
    pub last_token: Option<At>,
    /// Prompt tokens that came from the cache; known when the request first runs.
    pub cached: Option<u64>,
    /// Initial value of the chain of block hashes.
    pub salt: u64,
    blocks: Vec<usize>,
    /// Chained hashes of its full blocks, computed on demand.
    hashes: Vec<u64>,
    published: usize,
}

impl Sequence {
    /// Creates the state of a request that has just arrived.
    pub(crate) fn new(id: JobId, ids: Vec<u32>, arrived: At) -> Sequence {
        Sequence {
            id,
            prompt: ids.len() as u64,
            ids,
            computed: 0,
            limit: 0,
            stops: false,
            answer: 0,
            reasoning: false,
            fate: None,
            arrived,
            last_token: None,
            cached: None,
            salt: 0,
            blocks: Vec::new(),
            hashes: Vec::new(),
            published: 0,
        }
    }

    /// Number of tokens of prompt and output.
    pub(crate) fn tokens(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Number of output tokens so far.
    pub(crate) fn output(&self) -> u64 {
        self.tokens() - self.prompt
    }

    fn decodes(&self) -> bool {
        self.output() > 0 && self.computed + 1 == self.tokens()
    }

    /// Returns the hashes of its first full blocks, each over all tokens up to the block's end.
    fn hashes(&mut self, blocks: usize) -> &[u64] {
        while self.hashes.len() < blocks {
            let begin = self.hashes.len() * BLOCK as usize;
            let before = self.hashes.last().copied().unwrap_or(self.salt);
            let ids = &self.ids[begin..begin + BLOCK as usize];
            self.hashes.push(ids.iter().fold(before, |hash, id| mix(hash, u64::from(*id))));
        }
        &self.hashes[..blocks]
    }
}

/// Part of a step for one request: positions `from..to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepPart {
    pub id: JobId,
    /// First position.
    pub from: u64,
    /// End position, exclusive.
    pub to: u64,
    /// Whether the part is decode and not prefill.
    pub decodes: bool,
    /// Whether the part is the first chunk of a prefill.
    pub first: bool,
}

/// The scheduler's queue, batch and KV blocks.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    cache: Cache,
    running: Vec<Sequence>,
    waiting: VecDeque<Sequence>,
    max_num_seqs: usize,
    budget: u64,
    lookahead: u64,
    max_model_len: u64,
    caching: bool,
    /// Number of preemptions.
    pub preemptions: u64,
    /// Prompt tokens looked up in the prefix cache.
    pub prefix_queries: u64,
    /// Prompt tokens found in the prefix cache.
    pub prefix_hits: u64,
}

impl Scheduler {
    /// Creates a scheduler without requests.
    pub(crate) fn new(setup: &Setup) -> Scheduler {
        Scheduler {
            cache: Cache::new(setup.profile.kv_tokens),
            running: Vec::new(),
            waiting: VecDeque::new(),
            max_num_seqs: setup.max_num_seqs as usize,
            budget: setup.max_num_batched_tokens,
            lookahead: u64::from(setup.speculative_tokens),
            max_model_len: setup.max_model_len,
            caching: setup.prefix_caching,
            preemptions: 0,
            prefix_queries: 0,
            prefix_hits: 0,
        }
    }

    /// Capacity of the cache, tokens.
    pub(crate) fn capacity(&self) -> u64 {
        self.cache.blocks() * BLOCK
    }

    /// Fraction of the blocks that requests hold, 0 to 1.
    pub(crate) fn usage(&self) -> f64 {
        self.cache.usage()
    }

    /// Returns the numbers of requests in the batch and in the queue.
    pub(crate) fn load(&self) -> (u64, u64) {
        (self.running.len() as u64, self.waiting.len() as u64)
    }

    /// Returns the ids of all requests, the batch first.
    pub(crate) fn all_requests(&self) -> Vec<JobId> {
        self.running.iter().chain(&self.waiting).map(|sequence| sequence.id).collect()
    }

    /// Appends a request to the queue, which has no limit, as in vLLM by default.
    pub(crate) fn push(&mut self, sequence: Sequence) {
        self.waiting.push_back(sequence);
    }

    /// Returns a request of the batch.
    pub(crate) fn running(&mut self, id: JobId) -> Option<&mut Sequence> {
        self.running.iter_mut().find(|sequence| sequence.id == id)
    }

    /// Removes a request and frees its blocks.
    pub(crate) fn remove(&mut self, id: JobId) -> Option<Sequence> {
        let in_batch = self.running.iter().position(|sequence| sequence.id == id);
        let mut sequence = if let Some(place) = in_batch {
            self.running.remove(place)
        } else {
            let place = self.waiting.iter().position(|waiting| waiting.id == id)?;
            self.waiting.remove(place)?
        };
        self.cache.release(&mut sequence.blocks);
        Some(sequence)
    }

    /// Preempts the youngest decoding request: it loses its blocks and begins again at the head of
    /// the queue. A prefill is never interrupted. It ends with a token, so every request makes
    /// progress however often preemption occurs.
    pub(crate) fn preempt_youngest(&mut self) {
        if let Some(place) = self.running.iter().rposition(Sequence::decodes) {
            let youngest = self.running.remove(place);
            self.put_back(youngest);
        }
    }

    fn put_back(&mut self, mut sequence: Sequence) {
        self.cache.release(&mut sequence.blocks);
        sequence.computed = 0;
        sequence.published = 0;
        self.preemptions += 1;
        self.waiting.push_front(sequence);
    }

    /// Plans the next step; empty only if there is no request. Without `cache_hits` no prefix is
    /// found in the cache.
    pub(crate) fn plan(&mut self, cache_hits: bool) -> Vec<StepPart> {
        let mut budget = self.budget;
        let mut parts = Vec::new();
        let preemptions = self.preemptions;
        let mut place = 0;
        while place < self.running.len() && budget > 0 {
            let sequence = &self.running[place];
            let decodes = sequence.decodes();
            let want =
                if decodes { 1 + self.lookahead } else { sequence.tokens() - sequence.computed };
            let from = sequence.computed;
            let to = (from + want.min(budget)).min(self.max_model_len);
            if !self.make_room(place, to) {
                break;
            }
            budget -= to - from;
            parts.push(StepPart { id: self.running[place].id, from, to, decodes, first: false });
            place += 1;
        }
        // A request that was just preempted must not displace others in the same step.
        if self.preemptions == preemptions {
            self.admit(budget, cache_hits, &mut parts);
        }
        parts
    }

    /// Allocates blocks for the request at `place` up to `tokens`, by preemption of younger
    /// requests if needed. Returns false if the request itself was preempted.
    fn make_room(&mut self, place: usize, tokens: u64) -> bool {
        loop {
            if self.cache.grow(&mut self.running[place].blocks, tokens) {
                return true;
            }
            let Some(youngest) = self.running.pop() else { return false };
            self.put_back(youngest);
            if self.running.len() <= place {
                return false;
            }
        }
    }

    /// Admits queued requests while there is room.
    fn admit(&mut self, mut budget: u64, cache_hits: bool, parts: &mut Vec<StepPart>) {
        while self.running.len() < self.max_num_seqs && budget > 0 {
            let Some(mut sequence) = self.waiting.pop_front() else { break };
            if self.caching && cache_hits {
                // The last token is always computed, because the next one follows from its output.
                let whole = (sequence.tokens() - 1) / BLOCK;
                sequence.blocks = self.cache.reuse(sequence.hashes(whole as usize));
                sequence.computed = sequence.blocks.len() as u64 * BLOCK;
                sequence.published = sequence.blocks.len();
            }
            let from = sequence.computed;
            let to = from + (sequence.tokens() - from).min(budget);
            if !self.cache.grow(&mut sequence.blocks, to) {
                self.cache.release(&mut sequence.blocks);
                sequence.computed = 0;
                sequence.published = 0;
                self.waiting.push_front(sequence);
                break;
            }
            if sequence.cached.is_none() {
                sequence.cached = Some(from);
                if self.caching {
                    self.prefix_queries += sequence.prompt;
                    self.prefix_hits += from;
                }
            }
            budget -= to - from;
            parts.push(StepPart { id: sequence.id, from, to, decodes: false, first: true });
            self.running.push(sequence);
        }
    }

    /// Records that a request's positions up to `computed` are in its blocks.
    pub(crate) fn computed(&mut self, id: JobId, computed: u64) {
        let Some(sequence) = self.running.iter_mut().find(|sequence| sequence.id == id) else {
            return;
        };
        sequence.computed = computed;
        if self.caching {
            let full = (computed / BLOCK) as usize;
            sequence.hashes(full);
            for index in sequence.published..full {
                self.cache.publish(sequence.blocks[index], sequence.hashes[index]);
            }
            sequence.published = full;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::setup::tests::record;

    /// Two decoding requests, and one whose long prefill is in its first chunk.
    fn busy() -> Scheduler {
        let mut setup = record(1.0);
        (setup.speculative_tokens, setup.max_num_batched_tokens) = (0, 100);
        let mut scheduler = Scheduler::new(&setup);
        for (id, prompt) in [(0, 20), (1, 20), (2, 130)] {
            scheduler.push(Sequence::new(JobId(id), vec![17; prompt], At(0)));
        }
        scheduler.plan(true);
        for id in [0, 1] {
            scheduler.running(JobId(id)).expect("it runs").ids.push(17);
            scheduler.computed(JobId(id), 20);
        }
        scheduler.computed(JobId(2), 60);
        scheduler
    }

    #[test]
    fn who_is_struck_is_the_youngest_that_decodes_and_it_begins_again_at_once() {
        let mut scheduler = busy();
        scheduler.preempt_youngest();
        assert_eq!((scheduler.preemptions, scheduler.load()), (1, (2, 1)));
        let parts = scheduler.plan(true);
        let struck = parts.iter().find(|part| part.id == JobId(1)).copied();
        let again = StepPart { id: JobId(1), from: 0, to: 1, decodes: false, first: true };
        assert_eq!(struck.map(|part| StepPart { to: 1, ..part }), Some(again));
        assert!(parts.iter().any(|part| part.id == JobId(2) && part.from == 60));
    }

    #[test]
    fn nobody_is_struck_where_nobody_decodes() {
        let mut scheduler = busy();
        scheduler.remove(JobId(0));
        scheduler.remove(JobId(1));
        scheduler.preempt_youngest();
        assert_eq!((scheduler.preemptions, scheduler.load()), (0, (1, 0)));
    }
}
