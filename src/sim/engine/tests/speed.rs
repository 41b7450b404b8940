//! Tests of speed: steps, queue, cache and speculative decoding.

use super::{At, JobId, LATER, SECOND, SimJob, engine, job, outputs, play, quiet, record, tokens};

/// Runs one request on a new engine: seconds to the first token, and tokens per second after it.
fn single(prompt: u32, seed: u64) -> (f64, f64) {
    let mut engine = engine(record(1.0), seed, &[]);
    let id = engine.submit(At::ZERO, job(1, prompt, 128)).expect("up");
    let story = play(&mut engine, LATER);
    let seen = outputs(&story, id);
    let (first, last) = (seen[0].0.seconds(), seen[seen.len() - 1].0.seconds());
    (first, (128.0 - seen[0].1 as f64) / (last - first))
}

/// The single-session rows that Spark Arena's author published in July 2026 for
/// this recipe: depth, ttfr of ctx_pp and of pp2048 in ms, t/s of tg128 there.
/// Nothing was cached in that run, so pp2048 is a prefill of depth + 2048.
const PUBLISHED: [(u32, Option<f64>, f64, f64); 7] = [
    (0, None, 1241.64, 21.67),
    (4096, Some(2146.20), 3035.20, 21.98),
    (8192, Some(4057.78), 5376.78, 22.25),
    (16_384, Some(8495.60), 9736.77, 23.90),
    (32_768, Some(17_181.48), 18_439.50, 23.00),
    (65_535, Some(36_062.91), 36_902.95, 22.86),
    (100_000, Some(56_642.03), 57_970.32, 21.57),
];

#[test]
fn the_published_single_session_rows_come_out_within_fifteen_percent() {
    let near = |what: &str, depth: u32, model: f64, published: f64| {
        let off = model / published - 1.0;
        assert!(off.abs() <= 0.15, "{what} @ d{depth}: {model:.2} against {published:.2}");
    };
    for seed in 0..5 {
        for (depth, context_ms, prompt_ms, per_s) in PUBLISHED {
            let (first_s, rate) = single(depth + 2048, seed);
            near("pp2048", depth, first_s * 1e3, prompt_ms);
            near("tg128", depth, rate, per_s);
            if let Some(context_ms) = context_ms {
                near("ctx_pp", depth, single(depth, seed).0 * 1e3, context_ms);
            }
        }
    }
}

#[test]
fn a_fifth_request_waits_until_one_of_four_has_ended() {
    let mut engine = engine(quiet(), 1, &[]);
    let ids: Vec<JobId> =
        (0..5).map(|tag| engine.submit(At::ZERO, job(tag, 100, 20)).expect("up")).collect();
    engine.advance(At(SECOND));
    let metrics = engine.metrics();
    assert_eq!((metrics.running, metrics.waiting), (4, 1));
    let story = play(&mut engine, LATER);
    let ended = outputs(&story, ids[0]).last().expect("it ended").0;
    assert!(outputs(&story, ids[4])[0].0 > ended);
    assert_eq!(engine.metrics().finished[1], 5);
}

#[test]
fn a_long_prefill_holds_up_those_who_decode() {
    let mut engine = engine(quiet(), 1, &[]);
    let talker = engine.submit(At::ZERO, job(1, 100, 400)).expect("up");
    let mut story = engine.advance(At(2 * SECOND));
    let reader = engine.submit(At(2 * SECOND), job(2, 40_000, 10)).expect("up");
    story.extend(play(&mut engine, LATER));
    let stamps: Vec<At> = outputs(&story, talker).iter().map(|(at, ..)| *at).collect();
    let gaps: Vec<f64> =
        stamps.windows(2).map(|pair| pair[1].since(pair[0]) as f64 / 1e6).collect();
    let first = outputs(&story, reader)[0].0;
    let long = gaps.iter().filter(|gap| **gap > 1.0).count();
    assert_eq!(long, 3, "40,000 tokens in chunks of 16,384 are three long steps");
    let during = stamps.iter().filter(|at| **at > At(2 * SECOND) && **at < first).count();
    assert!(during >= 2, "but not one gap of 20 s: a token comes with each chunk");
}

#[test]
fn a_known_prefix_is_not_computed_again_unless_the_salt_differs() {
    let mut setup = quiet();
    setup.prefix_caching = true;
    let mut engine = engine(setup, 1, &[]);
    let mut ask = |at: At, salt: Option<&str>| {
        let job = SimJob { salt: salt.map(str::to_owned), ..job(1, 10_000, 2) };
        let id = engine.submit(at, job).expect("up");
        let story = play(&mut engine, At(at.0 + 60 * SECOND));
        outputs(&story, id)[0].0.since(at)
    };
    let cold = ask(At::ZERO, None);
    let warm = ask(At(100 * SECOND), None);
    let salted = ask(At(200 * SECOND), Some("x"));
    assert!(warm * 10 < cold, "{warm} against {cold}");
    assert_eq!(salted, cold);
    let metrics = engine.metrics();
    assert_eq!((metrics.prefix_queries, metrics.prefix_hits), (30_000, 9_984));
}

#[test]
fn a_prefix_is_evicted_when_others_need_its_room() {
    let mut setup = quiet();
    setup.prefix_caching = true;
    setup.profile.kv_tokens = 16_000;
    let mut engine = engine(setup, 1, &[]);
    for (turn, tag) in [1, 2, 1].into_iter().enumerate() {
        let at = At(turn as u64 * 100 * SECOND);
        engine.submit(at, job(tag, 10_000, 2)).expect("up");
        play(&mut engine, At(at.0 + 60 * SECOND));
    }
    let hits = engine.metrics().prefix_hits;
    assert!(hits < 6_500, "the beginning may be left, the whole is not: {hits}");
}

#[test]
fn when_the_cache_is_full_the_youngest_begins_again_and_all_still_end() {
    let mut setup = quiet();
    setup.profile.kv_tokens = 4_096;
    let mut engine = engine(setup, 1, &[]);
    let ids: Vec<JobId> =
        (0..3).map(|tag| engine.submit(At::ZERO, job(tag, 1_200, 600)).expect("up")).collect();
    let story = play(&mut engine, LATER);
    assert!(engine.metrics().preemptions > 0);
    for id in &ids {
        assert_eq!(tokens(&story, *id), 600);
    }
    let last = |id| outputs(&story, id).last().expect("it ended").0;
    assert!(last(ids[0]) < last(ids[2]), "the oldest kept its place");
    assert!(engine.metrics().kv_usage.abs() < 1e-9);
}

#[test]
fn drafted_tokens_come_together_and_are_counted() {
    let mut engine = engine(record(1.0), 1, &[]);
    let id = engine.submit(At::ZERO, job(1, 100, 128)).expect("up");
    let story = play(&mut engine, LATER);
    assert_eq!(tokens(&story, id), 128);
    let sizes: Vec<u64> = outputs(&story, id).iter().map(|(_, tokens, _)| *tokens).collect();
    assert!(sizes[0] == 1 && sizes.contains(&2) && sizes.iter().all(|size| *size <= 2));
    let metrics = engine.metrics();
    let rate = metrics.accepted_tokens as f64 / metrics.draft_tokens as f64;
    assert!((0.65..0.95).contains(&rate), "{rate}");
    assert_eq!(metrics.generation_tokens, 128);
}

#[test]
fn the_same_request_takes_a_little_longer_or_shorter_after_another_start() {
    let mut engine = engine(record(1.0), 3, &["restart=10s@100s"]);
    engine.load_began(At::ZERO, None);
    let mut first_token = |at: At| {
        let id = engine.submit(at, job(1, 30_000, 2)).expect("up");
        let story = play(&mut engine, At(at.0 + 80 * SECOND));
        outputs(&story, id)[0].0.since(at) as f64
    };
    let (before, after) = (first_token(At::ZERO), first_token(At(120 * SECOND)));
    assert!((before / after - 1.0).abs() > 0.001 && (before / after - 1.0).abs() < 0.2);
}

#[test]
fn slowed_down_from_its_time_on() {
    let mut engine = engine(quiet(), 1, &["slow_down=3x@50s"]);
    engine.load_began(At::ZERO, None);
    let mut first_token = |at: At| {
        let id = engine.submit(at, job(1, 2000, 2)).expect("up");
        outputs(&play(&mut engine, At(at.0 + 40 * SECOND)), id)[0].0.since(at) as f64
    };
    let (before, after) = (first_token(At::ZERO), first_token(At(60 * SECOND)));
    assert!((after / before - 3.0).abs() < 0.01, "{before} {after}");
}

#[test]
fn latency_creeps_up_linearly_from_its_time_on() {
    let mut engine = engine(quiet(), 1, &["creeping_latency=50%/h@1h"]);
    engine.load_began(At::ZERO, None);
    let mut first_token = |hour: u64| {
        let at = At(hour * 3600 * SECOND);
        let id = engine.submit(at, job(1, 2000, 2)).expect("up");
        outputs(&play(&mut engine, At(at.0 + 40 * SECOND)), id)[0].0.since(at) as f64
    };
    let times = [0, 1, 2, 3].map(&mut first_token);
    for (time, slowness) in times.iter().zip([1.0, 1.0, 1.5, 2.0]) {
        assert!((time / times[0] - slowness).abs() < 0.01, "{times:?}");
    }
}

#[test]
fn a_step_in_level_makes_decoding_slower_and_not_prefill() {
    let mut engine = engine(quiet(), 1, &["step=20%@100s"]);
    engine.load_began(At::ZERO, None);
    let mut ask = |at: At| {
        let id = engine.submit(at, job(1, 2000, 50)).expect("up");
        let seen = outputs(&play(&mut engine, At(at.0 + 60 * SECOND)), id);
        let first = seen[0].0;
        (first.since(at) as f64, seen[seen.len() - 1].0.since(first) as f64)
    };
    let ((prefill, decode), (prefill_after, decode_after)) = (ask(At::ZERO), ask(At(200 * SECOND)));
    assert!((prefill_after / prefill - 1.0).abs() < 1e-3, "{prefill} {prefill_after}");
    assert!((decode_after / decode - 1.2).abs() < 1e-3, "{decode} {decode_after}");
}

#[test]
fn a_cache_that_stops_hitting_is_still_looked_up() {
    let mut setup = quiet();
    setup.prefix_caching = true;
    let mut engine = engine(setup, 1, &["cache_stops_hitting@150s"]);
    engine.load_began(At::ZERO, None);
    let mut ask = |second: u64| {
        let at = At(second * SECOND);
        let id = engine.submit(at, job(1, 10_000, 2)).expect("up");
        let story = play(&mut engine, At(at.0 + 60 * SECOND));
        let first = outputs(&story, id)[0].0.since(at);
        (first, engine.metrics().prefix_queries, engine.metrics().prefix_hits)
    };
    let (cold, warm, again) = (ask(0), ask(100), ask(200));
    assert!(warm.0 * 10 < cold.0 && again.0 == cold.0, "{cold:?} {warm:?} {again:?}");
    assert_eq!((warm.2, again.1, again.2), (9_984, 30_000, 9_984));
}

#[test]
fn in_a_storm_the_youngest_begins_again_and_all_still_end() {
    let preemptions = |ailment: &str| {
        let mut engine = engine(quiet(), 1, &[ailment]);
        engine.load_began(At::ZERO, None);
        let ids: Vec<JobId> =
            (0..3).map(|tag| engine.submit(At::ZERO, job(tag, 500, 400)).expect("up")).collect();
        let story = play(&mut engine, LATER);
        assert!(ids.iter().all(|id| tokens(&story, *id) == 400));
        let last = |id| outputs(&story, id).last().expect("it ended").0;
        assert!(last(ids[0]) < last(ids[2]), "the oldest is spared");
        engine.metrics().preemptions
    };
    let (brief, whole) =
        (preemptions("preemption_storm=5s@5s"), preemptions("preemption_storm@0s"));
    assert!((1..20).contains(&brief) && (15..80).contains(&whole), "{brief} {whole}");
}

#[test]
fn acceptance_decays_and_steps_take_as_long_as_before() {
    let mut setup = quiet();
    setup.speculative_tokens = 1;
    let mut engine = engine(setup, 1, &["acceptance_decay=50%/h@0s"]);
    engine.load_began(At::ZERO, None);
    let mut ask = |hour: u64| {
        let at = At(hour * 3600 * SECOND);
        let before = engine.metrics();
        let id = engine.submit(at, job(1, 500, 800)).expect("up");
        let seen = outputs(&play(&mut engine, At(at.0 + 600 * SECOND)), id);
        let after = engine.metrics();
        let share = (after.accepted_tokens - before.accepted_tokens) as f64
            / (after.draft_tokens - before.draft_tokens) as f64;
        (share, seen[11].0.since(seen[10].0) as f64)
    };
    let (early, late) = (ask(0), ask(2));
    assert!((early.0 - 0.8).abs() < 0.06 && (late.0 - 0.2).abs() < 0.06, "{early:?} {late:?}");
    assert!((early.1 / late.1 - 1.0).abs() < 0.01, "{early:?} {late:?}");
}

#[test]
fn a_speed_that_jumps_has_two_levels_for_minutes_to_hours_each() {
    let mut setup = quiet();
    setup.profile.decode_loss_at_100k = 0.0;
    setup.max_num_seqs = 1;
    let mut engine = engine(setup, 1, &["speed_levels=2x@0s"]);
    engine.load_began(At::ZERO, None);
    let ids: Vec<JobId> =
        (0..5).map(|tag| engine.submit(At::ZERO, job(tag, 100, 100_000)).expect("up")).collect();
    let story = play(&mut engine, At(24 * LATER.0));
    let gaps_of = |id: &JobId| {
        let stamps: Vec<At> = outputs(&story, *id).iter().map(|(at, ..)| *at).collect();
        stamps.windows(2).map(|pair| pair[1].since(pair[0]) as f64 / 1e6).collect::<Vec<f64>>()
    };
    let gaps: Vec<f64> = ids.iter().flat_map(gaps_of).collect();
    let is_near = |gap: f64, level: f64| (gap - level).abs() < 1e-3;
    let (fast, slow) = (1.0 / 22.8, 2.0 / 22.8);
    assert!(gaps.iter().all(|gap| is_near(*gap, fast) || is_near(*gap, slow)));
    let levels: Vec<bool> = gaps.iter().map(|gap| is_near(*gap, slow)).collect();
    let jumps = levels.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(levels[0] && (5..60).contains(&jumps), "{jumps}");
    let hits = engine.view(At(24 * LATER.0)).ailment_hits[0];
    assert_eq!(hits, jumps as u64 + 1, "the slow level begins with the fault");
}
