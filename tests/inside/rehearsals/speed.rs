//! Tests a server that becomes slower, suddenly or gradually, or whose prefix cache or speculative
//! decoding fails.

use longhaul::exit::Exit;
use longhaul::fact::{Phase, Source};
use longhaul::measure::Quantity;
use longhaul::unit::At;
use longhaul::verdict::VerdictWord;

use super::stage::{HALF_AN_HOUR, Played, Script, ailing};

/// No request failed and nothing befell the server: it is only slow.
fn only_slow(play: &Played) {
    assert!(play.incidents().is_empty() && play.bad() == 0, "{}", play.reported());
}

#[test]
fn a_server_at_half_its_speed_breaks_the_gate_against_its_own_beginning() {
    let play = ailing(&["slow_down=2x@10m"]);
    only_slow(&play);
    assert!((1.8..2.2).contains(&play.change(Quantity::Tpot)), "{}", play.reported());
    assert!((1.8..2.2).contains(&play.change(Quantity::Ttft)), "{}", play.reported());
    assert_eq!(play.gate("tokens_per_s"), VerdictWord::Fail);
    assert_eq!(play.exit(), Exit::Fail);
}

#[test]
fn latency_that_creeps_is_found_by_the_end_against_the_beginning() {
    let play = ailing(&["creeping_latency=40%/h@0s"]);
    only_slow(&play);
    assert!((1.1..1.25).contains(&play.change(Quantity::Tpot)), "{}", play.reported());
    assert_eq!(play.exit(), Exit::Fail);
}

#[test]
fn a_step_slows_decoding_and_leaves_prefill_alone() {
    let play = ailing(&["step=20%@10m"]);
    only_slow(&play);
    // Noise of the simulated machine alone moves the ratio of medians: 1.16 to 1.26 with 8 seeds.
    assert!((1.1..1.3).contains(&play.change(Quantity::Tpot)), "{}", play.reported());
    assert!((0.93..1.07).contains(&play.change(Quantity::Ttft)), "{}", play.reported());
    assert_eq!(play.gate("tokens_per_s"), VerdictWord::Fail);
    assert_eq!(play.gate("ttft"), VerdictWord::Pass);
}

#[test]
fn a_speed_that_jumps_to_its_slow_level_is_told_as_one_that_does_not_come_back() {
    let play = ailing(&["speed_levels=1.5x@14m"]);
    only_slow(&play);
    assert!((1.3..1.7).contains(&play.change(Quantity::Tpot)), "{}", play.reported());
    assert!((0.93..1.07).contains(&play.change(Quantity::Ttft)), "{}", play.reported());
    insta::assert_snapshot!(play.notes(), @"
    2 gates broke under speed_levels=1.5x@14m
    ailment `speed_levels=1.5x@14m` jumps once and not back: with this seed the slow level lasts 41 m 53 s, beyond the end of the load
    ");
}

#[test]
fn drafts_that_are_accepted_less_and_less_cost_tokens_per_second() {
    let play = ailing(&["acceptance_decay=80%/h@0s"]);
    only_slow(&play);
    assert!(play.change(Quantity::TokensPerS) < 0.9, "{}", play.reported());
    assert!((0.93..1.07).contains(&play.change(Quantity::Ttft)), "{}", play.reported());
    assert_eq!(play.exit(), Exit::Fail);
}

/// The record's recipe with a prefix cache.
pub(super) fn with_prefix_cache() -> String {
    let recipe = include_str!("../../../recipes/nemotron-3-super.yaml");
    let with_cache = recipe
        .replace("--enable-chunked-prefill", "--enable-chunked-prefill --enable-prefix-caching");
    assert_ne!(with_cache, recipe);
    with_cache
}

/// A server with a prefix cache, and contexts that stay.
fn warm(ailments: &[&str]) -> Played {
    let scenario = HALF_AN_HOUR.replace("prefix: cold", "prefix: warm");
    Script { recipe: Some(with_prefix_cache()), ..Script::new(&scenario, ailments) }.play()
}

#[test]
fn a_cache_that_stops_hitting_is_found_in_the_rows_and_in_the_time_to_the_first_token() {
    let healthy = warm(&[]);
    assert_eq!(healthy.exit(), Exit::Pass, "{}", healthy.reported());
    let play = warm(&["cache_stops_hitting@10m"]);
    only_slow(&play);
    let cached = |phase| {
        let deep = play.requests().filter(move |r| r.phase == phase && r.cell.depth > 0);
        deep.map(|r| r.cached_tokens.unwrap()).collect::<Vec<_>>()
    };
    assert!(cached(Phase::Reference).iter().all(|cached| *cached > 8_000));
    assert!(cached(Phase::Return).iter().all(|cached| *cached == 0));
    insta::assert_snapshot!(play.notes(), @"1 gate broke under cache_stops_hitting@10m");
    let fired = play.judged.verdict.checks.iter().map(|it| (it.check.as_str(), it.share.part));
    assert_eq!(fired.collect::<Vec<_>>(), [("not_cached", 135)]);
    assert_eq!(play.gate("ttft"), VerdictWord::Fail);
}

#[test]
fn a_storm_of_preemptions_is_counted_and_costs_time_but_no_answer() {
    let play = ailing(&["preemption_storm=10m@10m"]);
    only_slow(&play);
    let preemptions = play.readings(Source::Engine, "preemptions_total");
    let last = preemptions.last().unwrap().1;
    let before = preemptions.iter().filter(|(at, _)| *at < 600.0).map(|(_, n)| *n);
    assert!(last > 20.0 && before.fold(0.0, f64::max) == 0.0, "{last}");
    let slowest = |from: f64, to: f64| {
        let at = |at: At| at.seconds() - play.began();
        let within =
            play.requests().filter(|r| at(r.sent) >= from && at(r.done) < to && r.cell.depth > 0);
        within.map(|request| request.e2e_us() as f64 / 1e6).fold(0.0, f64::max)
    };
    let (during, before) = (slowest(600.0, 1200.0), slowest(100.0, 600.0));
    assert!(during > 1.5 * before, "{during} s during the storm, {before} s before it");
}
