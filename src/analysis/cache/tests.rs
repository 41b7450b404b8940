//! Tests what usage, counters and settings show of the cache, and what they do not.

use super::*;
use crate::analysis::analyse;
use crate::analysis::fixture::asked;
use crate::fact::{ClosedBecause, Fact, Phase, Source, Statement};
use crate::incident::fixture::Story;

/// Server of a story: the tokens that it finds of every cold prompt and of every warm context, and
/// its counters.
struct Server {
    /// Requests of each class after a warm-up of one.
    requests: u32,
    has_warm: bool,
    cold_found: f64,
    warm_found: f64,
    /// Tokens for each token of the load that others look up, and their share found.
    others: (f64, f64),
    /// Tokens in a unit of the counters.
    unit: f64,
    /// Counter of lookups beside the hits.
    counts: Looked,
    reports_usage: bool,
    /// Requests after which the counters are not read any more.
    read_until: u32,
}

/// Counter beside that of the hits.
#[derive(Clone, Copy, PartialEq)]
enum Looked {
    Queries,
    /// Prompt tokens that were not found, as llama.cpp.
    Computed,
    /// All prompt tokens.
    Prompts,
}

const FULL: Server = Server {
    requests: 20,
    has_warm: false,
    cold_found: 0.0,
    warm_found: 0.0,
    others: (0.0, 0.0),
    unit: 1.0,
    counts: Looked::Queries,
    reports_usage: false,
    read_until: u32::MAX,
};

const DEPTH: u64 = 8192;

impl Server {
    fn story(&self) -> Story {
        let mut story = Story::new();
        story.opened().phase(0.0, Phase::Warmup);
        let (mut queries, mut hits) = (5_000_000.0, 700_000.0);
        for nth in 0..=self.requests {
            let second = 10.0 * f64::from(nth);
            if nth == 1 {
                story.phase(second, Phase::Soak);
            }
            if nth <= self.read_until {
                self.read(&mut story, second, queries, hits);
            }
            for class in [Some(Class::Cold), self.has_warm.then_some(Class::Warm)] {
                let Some(class) = class else { continue };
                let mut request = story.request(second, DEPTH);
                request.class = class;
                request.cached_tokens = None;
                let tokens = (DEPTH + 2048) as f64;
                let found = match class {
                    Class::Warm => DEPTH as f64 * self.warm_found,
                    _ => tokens * self.cold_found,
                };
                let (more, share) = self.others;
                queries += tokens * (1.0 + more);
                hits += found + tokens * more * share;
                if self.reports_usage {
                    request.cached_tokens = Some(found as u64);
                    let is_unlike = (class == Class::Cold) == (found > 64.0);
                    let check = if class == Class::Cold { "cached" } else { "not_cached" };
                    request.checks = is_unlike.then(|| check.to_owned()).into_iter().collect();
                }
                story.push(second + 1.0, Fact::Request(Box::new(request)));
            }
        }
        let end = 10.0 * f64::from(self.requests) + 3.0;
        if self.read_until > self.requests {
            self.read(&mut story, end, queries, hits);
        }
        story.closed(end + 1.0, ClosedBecause::Done);
        story
    }

    fn read(&self, story: &mut Story, second: f64, queries: f64, hits: f64) {
        let mut read = |name, value: f64| {
            story.reading(second, Source::Engine, name, value / self.unit);
        };
        read("prefix_hit_tokens_total", hits);
        match self.counts {
            Looked::Queries => read("prefix_query_tokens_total", queries),
            Looked::Computed => read("prompt_tokens_total", queries - hits),
            Looked::Prompts => read("prompt_tokens_total", queries),
        }
    }

    /// Returns the states in words.
    fn states(&self) -> String {
        told(&self.story(), 0)
    }
}

fn told(story: &Story, template: u64) -> String {
    let mut asked = asked(&[DEPTH]);
    asked.template_tokens = template;
    let analysis = analyse(&asked, story.entries.iter());
    let word = |state: CacheState| {
        let by = state.by.map_or("nothing", CacheEvidence::word);
        let share = state.from_cache.map_or(String::new(), |it| format!(" {:.0} %", it * 100.0));
        let why = if state.why.is_empty() { String::new() } else { format!(": {}", state.why) };
        format!("{} {} by {by}{share}{why}", state.class.word(), state.word.word())
    };
    analysis.cache_states().into_iter().map(word).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_counters_verify_or_contradict_what_no_usage_tells() {
    let cold = |cold_found| Server { cold_found, ..FULL }.states();
    assert_eq!(cold(0.0), "cold verified by counters 0 %");
    assert_eq!(cold(0.005), "cold verified by counters 0 %", "the head of the template");
    assert_eq!(cold(0.97), "cold contradicted by counters 97 %");
    assert_eq!(cold(0.3), "cold contradicted by counters 30 %");
}

#[test]
fn usage_goes_before_counters() {
    let cold = |cold_found| Server { cold_found, reports_usage: true, ..FULL }.states();
    assert_eq!(cold(0.0), "cold verified by usage 0 %");
    assert_eq!(cold(0.97), "cold contradicted by usage 100 %");
}

#[test]
fn contexts_that_are_found_verify_warm_requests_and_say_nothing_against_cold_ones() {
    let both =
        |cold_found, warm_found| Server { has_warm: true, cold_found, warm_found, ..FULL }.states();
    assert_eq!(both(0.0, 1.0), "cold verified by counters 0 %; warm verified by counters 100 %");
    assert_eq!(both(0.0, 0.0), "cold verified by counters 0 %; warm contradicted by counters 0 %");
    assert_eq!(
        both(0.97, 1.0),
        "cold contradicted by counters 97 %; warm verified by counters 100 %"
    );
}

#[test]
fn what_others_find_in_the_cache_contradicts_nothing_and_verifies_nothing() {
    let with = |cold_found, others| Server { cold_found, others, ..FULL }.states();
    assert_eq!(with(0.0, (0.5, 0.0)), "cold verified by counters 0 %", "they found nothing");
    let words = "other requests used the server's cache too";
    assert_eq!(with(0.0, (0.5, 1.0)), format!("cold not_verified by nothing: {words}"));
    assert_eq!(with(1.0, (0.2, 0.0)).split(" by").next(), Some("cold contradicted"));
}

#[test]
fn counters_of_blocks_are_read_and_counters_of_requests_are_not() {
    let unit = |unit, cold_found| Server { cold_found, unit, ..FULL }.states();
    assert_eq!(unit(16.0, 0.0), "cold verified by counters 0 %");
    assert_eq!(unit(16.0, 0.97), "cold contradicted by counters 97 %");
    let words = "the engine's counters of its cache do not count tokens";
    assert_eq!(unit(10_240.0, 0.97), format!("cold not_verified by nothing: {words}"));
}

#[test]
fn an_engine_that_counts_prompts_in_place_of_queries_is_read_too() {
    for counts in [Looked::Computed, Looked::Prompts] {
        let cold = |cold_found| Server { cold_found, counts, ..FULL }.states();
        assert_eq!(cold(0.0), "cold verified by counters 0 %");
        assert_eq!(cold(0.97), "cold contradicted by counters 97 %");
    }
}

#[test]
fn counters_that_were_not_read_or_did_not_move_verify_nothing() {
    let short = Server { read_until: 10, ..FULL };
    let words = "the engine's counters were read for 10 of 21 requests";
    assert_eq!(short.states(), format!("cold not_verified by nothing: {words}"));
    let mut stale = FULL.story();
    for entry in &mut stale.entries {
        if let Fact::Reading(reading) = &mut entry.fact {
            reading.last = 4.0;
        }
    }
    let words = "the engine's counters of its cache did not move";
    assert_eq!(told(&stale, 0), format!("cold not_verified by nothing: {words}"));
    stale.entries.retain(|entry| !matches!(entry.fact, Fact::Reading(_)));
    let words = "the server reports neither cached tokens nor hits of its cache";
    assert_eq!(told(&stale, 0), format!("cold not_verified by nothing: {words}"));
    let off = Statement::plain("enable_prefix_caching", "False".to_owned());
    stale.push(500.0, Fact::Seen(off));
    assert_eq!(told(&stale, 0), "cold verified by setting");
}

#[test]
fn a_restart_and_rows_that_come_late_do_not_spoil_the_counters() {
    let mut story = Server { cold_found: 0.97, ..FULL }.story();
    // The second half belongs to a new process, and a row of a moment before comes late.
    let is_hits = |reading: &Reading| PREFIX_HITS.is_of(reading);
    let half = story.entries.len() / 2;
    let mut bases = [None, None];
    for entry in &mut story.entries[half..] {
        if let Fact::Reading(reading) = &mut entry.fact {
            let base = bases[usize::from(is_hits(reading))].get_or_insert(reading.last - 9_000.0);
            reading.last -= *base;
        }
    }
    let late = story.entries[half..]
        .iter()
        .find(|entry| matches!(&entry.fact, Fact::Reading(reading) if is_hits(reading)));
    let mut late = late.cloned().expect("a reading");
    late.at = Story::at(1.0);
    story.entries.insert(story.entries.len() - 3, late);
    let states = told(&story, 0);
    assert!(states.starts_with("cold contradicted by counters 9"), "{states}");
}

#[test]
fn a_long_template_that_all_prompts_share_is_not_taken_for_a_hit() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Soak);
    let mut hits = 0.0;
    for nth in 0..=20 {
        let second = 10.0 + f64::from(nth) * 5.0;
        story.reading(second, Source::Engine, "prefix_hit_tokens_total", hits);
        story.reading(second, Source::Engine, "prefix_query_tokens_total", f64::from(nth) * 2048.0);
        hits += 416.0;
        let mut request = story.request(second, 0);
        request.cached_tokens = None;
        story.push(second + 1.0, Fact::Request(Box::new(request)));
    }
    story.closed(120.0, ClosedBecause::Done);
    let known = told(&story, 420);
    assert!(known.starts_with("cold verified by counters"), "{known}");
    let unknown = told(&story, 0);
    assert!(unknown.starts_with("cold contradicted by counters 1"), "{unknown}");
}
