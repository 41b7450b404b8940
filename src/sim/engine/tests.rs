//! What the engine as a whole does, driven by hand through virtual time.

use super::*;
use crate::sim::job::{Exit, Finish};
use crate::sim::setup::tests::record;

const SECOND: u64 = 1_000_000;

fn engine(setup: Setup, seed: u64, ailments: &[&str]) -> Engine {
    let ailments = ailments.iter().map(|text| Ailment::parse(text).expect(text)).collect();
    Engine::new(setup, seed, ailments, At::ZERO)
}

/// The record's machine, quiet: what is measured is what the profile says.
fn quiet() -> Setup {
    let mut setup = record(1.0);
    setup.profile.noise_between_starts = 0.0;
    setup.profile.noise_within = 0.0;
    setup.speculative_tokens = 0;
    setup
}

/// A prompt of its own for each `tag`.
fn job(tag: u32, prompt: u32, max_tokens: u64) -> Job {
    let prompt = (0..prompt).map(|index| 100 + (tag * 7919 + index) % 100_000).collect();
    Job { prompt, max_tokens, ignore_eos: true, ..Job::default() }
}

/// Everything that happens until nothing more does, or until `limit`.
fn play(engine: &mut Engine, limit: At) -> Vec<(At, Happening)> {
    let mut all = Vec::new();
    while let Some(at) = engine.next_event().filter(|at| *at <= limit) {
        all.extend(engine.advance(at));
    }
    all.extend(engine.advance(limit));
    all
}

/// When each of a job's outputs came, with its number of tokens.
fn outputs(story: &[(At, Happening)], id: JobId) -> Vec<(At, u64, Option<Finish>)> {
    let of = |(at, happening): &(At, Happening)| match happening {
        Happening::Output { job, tokens, finish, .. } if *job == id => {
            Some((*at, tokens.len() as u64, *finish))
        }
        _ => None,
    };
    story.iter().filter_map(of).collect()
}

fn tokens(story: &[(At, Happening)], id: JobId) -> u64 {
    outputs(story, id).iter().map(|(_, tokens, _)| tokens).sum()
}

fn exits(story: &[(At, Happening)]) -> Vec<(At, Exit)> {
    let exit = |(at, happening): &(At, Happening)| match happening {
        Happening::Exited(exit) => Some((*at, *exit)),
        _ => None,
    };
    story.iter().filter_map(exit).collect()
}

const LATER: At = At(3600 * SECOND);

/// One session on an engine of its own: seconds to the first token, and tokens per second after it.
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
        let job = Job { salt: salt.map(str::to_owned), ..job(1, 10_000, 2) };
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
fn an_answer_ends_by_itself_unless_it_must_go_on() {
    let mut engine = engine(record(1000.0), 1, &[]);
    let free = Job { ignore_eos: false, ..job(1, 50, 50_000) };
    let held = Job { min_tokens: 20_000, ..free.clone() };
    let ids = [free, held].map(|job| engine.submit(At::ZERO, job).expect("up"));
    let story = play(&mut engine, LATER);
    let ends = ids.map(|id| outputs(&story, id).last().and_then(|(.., finish)| *finish));
    assert_eq!(ends, [Some(Finish::Stop); 2]);
    assert!(tokens(&story, ids[0]) < 20_000);
    assert_eq!(tokens(&story, ids[1]), 20_000);
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_seed_another() {
    let tell = |seed| {
        let mut engine = engine(record(1.0), seed, &["error_frame=50%", "restart=5s@8s"]);
        engine.load_began(At::ZERO, None);
        for tag in 0..6 {
            engine.submit(At(u64::from(tag) * 200_000), job(tag, 1000, 60));
        }
        play(&mut engine, LATER)
    };
    assert_eq!(tell(1), tell(1));
    assert_ne!(tell(1), tell(2));
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
fn a_leak_ends_in_an_oom_kill_that_the_box_shows() {
    let mut engine = engine(quiet(), 1, &["slow_leak=4GiB/h@0s"]);
    engine.load_began(At::ZERO, None);
    let early = engine.view(At(3600 * SECOND));
    let story = play(&mut engine, At(10 * 3600 * SECOND));
    let late = engine.view(At(10 * 3600 * SECOND));
    // 128 GiB less 100 GiB in use, at 4 GiB an hour: a little under seven hours.
    assert!(matches!(exits(&story)[..], [(at, Exit::EngineDied)]
        if at.seconds() > 6.9 * 3600.0 && at.seconds() < 7.0 * 3600.0));
    assert_eq!((early.memory_available_bytes, early.oom_kills), (24 << 30, 0));
    assert_eq!((late.oom_kills, late.pid, late.exits), (1, None, 1));
}

#[test]
fn a_crashed_server_stays_down_unless_told_to_return() {
    for (ailment, returns) in [("crash@5s", None), ("crash=20s@5s", Some(At(25 * SECOND)))] {
        let mut engine = engine(quiet(), 1, &[ailment]);
        engine.load_began(At::ZERO, None);
        engine.submit(At::ZERO, job(1, 1000, 500)).expect("up");
        let story = play(&mut engine, LATER);
        assert_eq!(exits(&story), [(At(5 * SECOND), Exit::Killed)]);
        assert!(!story.iter().any(|(_, is)| matches!(is, Happening::Failed { .. })));
        let ready = story.iter().find(|(_, is)| *is == Happening::Ready).map(|(at, _)| *at);
        assert_eq!(ready, returns);
        assert_eq!(engine.listening(), returns.is_some());
        assert_eq!(engine.submit(LATER, job(2, 10, 1)).is_some(), returns.is_some());
    }
}

#[test]
fn a_restart_comes_back_as_another_process_that_has_counted_nothing() {
    let mut engine = engine(quiet(), 1, &["restart=30s@5s"]);
    engine.load_began(At::ZERO, None);
    let id = engine.submit(At::ZERO, job(1, 1000, 500)).expect("up");
    let before = engine.view(At::ZERO);
    let story = play(&mut engine, LATER);
    assert!(story.iter().any(|(_, is)| matches!(is, Happening::Failed { job, .. } if *job == id)));
    assert_eq!(exits(&story), [(At(5 * SECOND), Exit::Terminated)]);
    let after = engine.view(LATER);
    assert!(after.listening && after.pid != before.pid);
    assert!(after.process_started > before.process_started);
    assert_eq!(engine.metrics(), Metrics::default());
}

#[test]
fn out_of_gpu_memory_every_stream_is_told_and_the_log_says_why() {
    let mut engine = engine(quiet(), 1, &["cuda_oom@5s"]);
    engine.load_began(At::ZERO, None);
    for tag in 0..6 {
        engine.submit(At::ZERO, job(tag, 1000, 500)).expect("up");
    }
    let story = play(&mut engine, LATER);
    let failed = story.iter().filter(|(_, is)| matches!(is, Happening::Failed { .. })).count();
    assert_eq!(failed, 6, "those who wait are told as well");
    assert!(story.iter().any(|(_, is)| {
        matches!(is, Happening::Said(line) if line.contains("CUDA out of memory"))
    }));
    assert_eq!(Exit::EngineDied.code(), 0, "vLLM exits with 0 when its engine has died");
    assert_eq!(engine.view(LATER).oom_kills, 0, "the kernel had no part in it");
}

#[test]
fn a_hang_stops_tokens_and_freezes_metrics_and_then_goes_on() {
    let hung = |ailment: &str| {
        let mut engine = engine(quiet(), 1, &[ailment]);
        engine.load_began(At::ZERO, None);
        let id = engine.submit(At::ZERO, job(1, 1000, 500)).expect("up");
        let mut story = engine.advance(At(6 * SECOND));
        let metrics = engine.metrics();
        assert!(engine.submit(At(7 * SECOND), job(2, 10, 5)).is_some(), "it still takes requests");
        assert_eq!(engine.metrics(), metrics);
        assert!(engine.listening());
        story.extend(play(&mut engine, LATER));
        outputs(&story, id)
    };
    let ends = hung("hang=60s@5s");
    assert_eq!(ends.iter().map(|(_, tokens, _)| tokens).sum::<u64>(), 500);
    let gap = ends.windows(2).map(|pair| pair[1].0.since(pair[0].0)).max().expect("gaps");
    assert!((60 * SECOND..61 * SECOND).contains(&gap), "{gap}");
    assert!(hung("hang@5s").iter().all(|(at, ..)| *at <= At(5 * SECOND)));
}

#[test]
fn a_stall_without_end_is_silent_and_one_with_an_end_gives_everything_after_it() {
    let ask = |ailment: &str| {
        let mut engine = engine(quiet(), 1, &[ailment]);
        engine.load_began(At::ZERO, None);
        let ids: Vec<JobId> =
            (0..60).map(|tag| engine.submit(At::ZERO, job(tag, 10, 100)).expect("up")).collect();
        let story = play(&mut engine, LATER);
        ids.into_iter().map(|id| outputs(&story, id)).collect::<Vec<_>>()
    };
    let sum = |seen: &[(At, u64, Option<Finish>)]| seen.iter().map(|(_, n, _)| n).sum::<u64>();
    let silent = ask("stall=100%");
    assert!(silent.iter().all(|seen| (1..100).contains(&sum(seen))));
    let paused = ask("stall=30s");
    assert!(paused.iter().all(|seen| sum(seen) == 100));
    let pauses = paused
        .iter()
        .filter(|seen| seen.windows(2).any(|pair| pair[1].0.since(pair[0].0) >= 29 * SECOND));
    assert!((1..15).contains(&pauses.count()), "one in twenty");
}

#[test]
fn shares_hit_about_as_many_requests_as_they_say_and_none_before_their_time() {
    let count = |ailment: &str, at: At| {
        let mut engine = engine(record(1000.0), 1, &[ailment]);
        engine.load_began(At::ZERO, None);
        for tag in 0..400 {
            engine.submit(At(at.0), job(tag, 10, 20)).expect("up");
        }
        let story = play(&mut engine, LATER);
        let odd = story.iter().filter(|(_, is)| match is {
            Happening::Failed { .. } | Happening::Cut { .. } => true,
            Happening::Output { tokens, finish, .. } => tokens.is_empty() && finish.is_some(),
            _ => false,
        });
        odd.count()
    };
    for name in ["error_frame", "truncated_stream", "empty_answer"] {
        let hit = count(&format!("{name}=20%"), At::ZERO);
        assert!((50..110).contains(&hit), "{name}: {hit} of 400");
        assert_eq!(count(&format!("{name}=100%@10s"), At(SECOND)), 0);
    }
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
fn nothing_ails_before_the_load_begins_and_a_cancelled_job_leaves_no_trace() {
    let mut engine = engine(quiet(), 1, &["crash@0s", "error_frame=100%"]);
    let kept = engine.submit(At::ZERO, job(1, 100, 20)).expect("up");
    let left = engine.submit(At::ZERO, job(2, 100, 20)).expect("up");
    engine.cancel(At(300_000), left);
    let story = play(&mut engine, LATER);
    assert!(engine.listening());
    assert_eq!((tokens(&story, kept), tokens(&story, left)), (20, 0));
    assert_eq!(engine.metrics().finished, [0, 1, 1, 0, 0]);
}

#[test]
fn a_first_start_takes_its_time() {
    let mut setup = quiet();
    setup.first_start_s = 5.0;
    let mut engine = engine(setup, 1, &[]);
    assert!(engine.submit(At(SECOND), job(1, 10, 1)).is_none());
    assert_eq!(engine.next_event(), Some(At(5 * SECOND)));
    assert!(engine.submit(At(6 * SECOND), job(1, 10, 1)).is_some());
}
