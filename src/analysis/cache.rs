//! Tells for each class of requests whether its prompts came from the server's prefix cache, as far
//! as usage records, the engine's own counters or its settings show it.

use crate::fact::{Class, Entry, Fact, Reading, Request, Segment, Source, shared_head};
use crate::series::{self, PREFIX_HITS, PREFIX_QUERIES, PROMPT_TOKENS};
use crate::unit::At;
use crate::words::words;

use super::Analysis;

/// Largest share of a class that may be served in the other way without contradicting it.
const SHARE_MAX: f64 = 0.05;
/// Least share of a class whose usage must have been reported, and whose time the counters must have
/// been read for.
const LOOKED_MIN: f64 = 0.95;
/// Least share of the contexts of warm requests that come from a cache that works.
const WARM_MIN: f64 = 0.9;

/// State of a class: whether it was to the server's cache what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheWord {
    Verified,
    Contradicted,
    NotVerified,
}

words!(CacheWord {
    Verified: "verified",
    Contradicted: "contradicted",
    NotVerified: "not_verified",
});

/// Evidence of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheEvidence {
    /// `cached_tokens` in the usage records.
    Usage,
    /// The engine's counters of tokens looked up and found.
    Counters,
    /// The engine's own report that its prefix cache is off.
    Setting,
}

words!(CacheEvidence { Usage: "usage", Counters: "counters", Setting: "setting" });

/// State of a class, with its evidence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CacheState {
    pub class: Class,
    pub word: CacheWord,
    /// `None` where nothing shows it.
    pub by: Option<CacheEvidence>,
    /// Share of the class that came from the cache: of its requests by usage, of its tokens by
    /// counters.
    pub from_cache: Option<f64>,
    /// Reason why it is not verified; empty in other states.
    pub why: String,
}

/// Prompts of a class that were processed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct ClassPrompts {
    requests: u64,
    tokens: u64,
    /// Tokens at the heads of these prompts that all prompts may share.
    head: u64,
    /// Contexts before the prompts, tokens.
    context: u64,
    /// The contexts of the steady phases alone: in the warm-up they are sent for the first time.
    steady_context: u64,
}

impl ClassPrompts {
    fn add(&mut self, request: &Request, template: u64) {
        let tokens = request.prompt_tokens.unwrap_or_else(|| request.cell.input());
        self.requests += 1;
        self.tokens += tokens;
        // A template that is not known is shorter than half of a prompt.
        let most = if template == 0 { tokens / 2 } else { tokens };
        self.head += shared_head(template).min(most);
        self.context += request.cell.depth;
        self.steady_context += if request.phase.is_steady() { request.cell.depth } else { 0 };
    }
}

/// Prompts of all classes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct SentPrompts {
    cold: ClassPrompts,
    warm: ClassPrompts,
    /// All other classes.
    other: ClassPrompts,
    /// The longest prompt, tokens.
    longest: u64,
}

impl SentPrompts {
    fn all(&self, of: impl Fn(&ClassPrompts) -> u64) -> f64 {
        [self.cold, self.warm, self.other].iter().map(of).sum::<u64>() as f64
    }
}

/// Growth of a counter over the processes of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct CounterGrowth {
    newest: Option<(Segment, At, f64)>,
    grown: f64,
}

impl CounterGrowth {
    /// Adds a reading; false if it is older than the newest, as rows around an incident are.
    fn fold(&mut self, entry: &Entry, value: f64) -> bool {
        if let Some((segment, at, before)) = self.newest {
            if segment == entry.segment && entry.at < at {
                return false;
            }
            // A counter that fell belongs to a new process.
            self.grown += if value >= before { value - before } else { value };
        }
        self.newest = Some((entry.segment, entry.at, value));
        true
    }
}

/// The engine's counters of its prefix cache, beside the prompts that were sent while they were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CacheCounters {
    /// Tokens of the chat template; 0 where they are not known.
    template: u64,
    hits: CounterGrowth,
    queries: CounterGrowth,
    prompts: CounterGrowth,
    /// All prompts of the run, and those since the first reading.
    sent: SentPrompts,
    since_first: SentPrompts,
    /// Prompts between the first and the last reading.
    seen: SentPrompts,
}

/// Cache counters of the engine over the run.
struct CounterView {
    /// Tokens found in the cache.
    hits: f64,
    /// Tokens looked up beyond those of the load: requests of others, and those under way.
    others: f64,
    seen: SentPrompts,
}

impl CacheCounters {
    /// Returns the state before the first entry. `template` is the number of tokens of the server's
    /// chat template, 0 where that is not known.
    pub(super) fn new(template: u64) -> CacheCounters {
        CacheCounters { template, ..CacheCounters::default() }
    }

    /// Folds an entry.
    pub(super) fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Reading(reading) if reading.source == Source::Engine => {
                self.fold_reading(entry, reading);
            }
            // A request without a token may never have left the queue.
            Fact::Request(request) if request.ttft_us.is_some() => self.fold_request(request),
            _ => {}
        }
    }

    fn fold_reading(&mut self, entry: &Entry, reading: &Reading) {
        let Some(row) = series::of_reading(reading) else { return };
        let counter = match row {
            _ if *row == PREFIX_HITS => &mut self.hits,
            _ if *row == PREFIX_QUERIES => &mut self.queries,
            _ if *row == PROMPT_TOKENS => &mut self.prompts,
            _ => return,
        };
        if counter.fold(entry, reading.last) && *row == PREFIX_HITS {
            self.seen = self.since_first;
        }
    }

    fn fold_request(&mut self, request: &Request) {
        let is_read = self.hits.newest.is_some();
        for sent in [Some(&mut self.sent), is_read.then_some(&mut self.since_first)] {
            let Some(sent) = sent else { continue };
            let tokens = request.prompt_tokens.unwrap_or_else(|| request.cell.input());
            sent.longest = sent.longest.max(tokens);
            let part = match request.class {
                Class::Cold => &mut sent.cold,
                Class::Warm => &mut sent.warm,
                _ => &mut sent.other,
            };
            part.add(request, self.template);
        }
    }

    /// Returns what the counters show, in tokens.
    ///
    /// # Errors
    /// The reason why they show nothing.
    fn view(&self) -> Result<CounterView, String> {
        if self.hits.newest.is_none() {
            return Err("the server reports neither cached tokens nor hits of its cache".to_owned());
        }
        let requests = |sent: &SentPrompts| sent.all(|part| part.requests);
        let (seen, all) = (requests(&self.seen), requests(&self.sent));
        // Of a short run, one request may end before the first reading and one after the last.
        if seen == 0.0 || all - seen > (all * (1.0 - LOOKED_MIN)).max(2.0) {
            return Err(format!("the engine's counters were read for {seen} of {all} requests"));
        }
        let ours = self.seen.all(|part| part.tokens);
        let total = if self.queries.newest.is_some() {
            self.queries.grown
        } else {
            // Some engines count all prompt tokens, and some those that were not found.
            let (all, rest) = (self.prompts.grown, self.prompts.grown + self.hits.grown);
            if (all - ours).abs() < (rest - ours).abs() { all } else { rest }
        };
        if total <= 0.0 {
            return Err("the engine's counters of its cache did not move".to_owned());
        }
        let unit = if total * 2.0 >= ours {
            1.0
        } else if total >= seen * 1.5 {
            // Blocks.
            ours / total
        } else {
            return Err("the engine's counters of its cache do not count tokens".to_owned());
        };
        let others = (total * unit - ours).max(0.0);
        Ok(CounterView { hits: self.hits.grown * unit, others, seen: self.seen })
    }

    fn state(&self, class: Class) -> CacheState {
        let state = |word, by, from_cache, why| CacheState { class, word, by, from_cache, why };
        let view = match self.view() {
            Ok(view) => view,
            Err(why) => return state(CacheWord::NotVerified, None, None, why),
        };
        let (least, most) = if class == Class::Warm { view.warm() } else { view.cold() };
        let (verified, contradicted) = if class == Class::Warm {
            (least >= WARM_MIN, most < WARM_MIN)
        } else {
            (most <= SHARE_MAX, least > SHARE_MAX)
        };
        let by = Some(CacheEvidence::Counters);
        if verified || contradicted {
            let word = if verified { CacheWord::Verified } else { CacheWord::Contradicted };
            let from_cache = if class == Class::Warm { most } else { least };
            return state(word, by, Some(from_cache), String::new());
        }
        let why = "other requests used the server's cache too".to_owned();
        state(CacheWord::NotVerified, None, None, why)
    }
}

impl CounterView {
    /// Returns the least and the largest share of the cold prompts that can have come from the
    /// cache, without the heads that all prompts share.
    fn cold(&self) -> (f64, f64) {
        let ClassPrompts { tokens, head, .. } = self.seen.cold;
        let of = (tokens.saturating_sub(head) as f64).max(1.0);
        let expected = self.seen.warm.context + self.seen.other.context + head;
        let share = |hits: f64| ((hits - expected as f64) / of).clamp(0.0, 1.0);
        (share(self.hits - self.others), share(self.hits))
    }

    /// Returns the same of the contexts of warm requests.
    fn warm(&self) -> (f64, f64) {
        let of = (self.seen.warm.steady_context as f64).max(1.0);
        let share = |hits: f64| (hits / of).clamp(0.0, 1.0);
        // Requests under way at the first and the last reading are not those of others.
        let around = 2.0 * self.seen.longest as f64;
        (share(self.hits - (self.others - around).max(0.0)), share(self.hits))
    }
}

/// Requests of a class whose usage reports what came from the cache.
#[derive(Clone, Copy, Debug, Default)]
struct UsageReports {
    good: u64,
    reported: u64,
    /// Those that the cache did not serve as the class asks for.
    unlike: u64,
}

impl Analysis {
    /// Returns the states of the classes that are cold or warm by name, as far as the run has any.
    pub(crate) fn cache_states(&self) -> Vec<CacheState> {
        [Class::Cold, Class::Warm].into_iter().filter_map(|class| self.cache_state(class)).collect()
    }

    fn cache_state(&self, class: Class) -> Option<CacheState> {
        let UsageReports { good, reported, unlike } = self.usage_reports(class);
        if good == 0 {
            return None;
        }
        let share = unlike as f64 / reported.max(1) as f64;
        let is_whole = reported as f64 >= good as f64 * LOOKED_MIN;
        if share > SHARE_MAX || is_whole {
            let word =
                if share > SHARE_MAX { CacheWord::Contradicted } else { CacheWord::Verified };
            let from_cache = Some(if class == Class::Warm { 1.0 - share } else { share });
            let by = Some(CacheEvidence::Usage);
            return Some(CacheState { class, word, by, from_cache, why: String::new() });
        }
        let by_counters = self.cache_counters.state(class);
        if by_counters.by.is_none() && self.is_cache_off() {
            let word =
                if class == Class::Warm { CacheWord::Contradicted } else { CacheWord::Verified };
            let by = Some(CacheEvidence::Setting);
            return Some(CacheState { word, by, why: String::new(), ..by_counters });
        }
        Some(by_counters)
    }

    fn usage_reports(&self, class: Class) -> UsageReports {
        let check = if class == Class::Warm { "not_cached" } else { "cached" };
        let atoms = self.atoms.iter().filter(|it| it.phase.is_steady() && it.group.class == class);
        atoms.fold(UsageReports::default(), |sum, atom| UsageReports {
            good: sum.good + atom.count(crate::fact::Ended::is_good),
            reported: sum.reported + atom.cached_reported,
            unlike: sum.unlike + atom.checks.get(check).copied().unwrap_or(0),
        })
    }

    fn is_cache_off(&self) -> bool {
        let said = self.notes.identity.get("enable_prefix_caching");
        said.is_some_and(|said| said.eq_ignore_ascii_case("false"))
    }
}

#[cfg(test)]
mod tests;
