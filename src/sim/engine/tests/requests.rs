//! Tests of the results of single requests.

use super::{
    At, EngineEvent, Finish, JobId, LATER, SECOND, SimJob, engine, job, outputs, play, quiet,
    record, tokens,
};

#[test]
fn an_answer_ends_by_itself_unless_it_must_go_on() {
    let mut engine = engine(record(1000.0), 1, &[]);
    let free = SimJob { ignore_eos: false, ..job(1, 50, 50_000) };
    let held = SimJob { min_tokens: 20_000, ..free.clone() };
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
            EngineEvent::Failed { .. } | EngineEvent::Cut { .. } => true,
            EngineEvent::Output { tokens, finish, .. } => tokens.is_empty() && finish.is_some(),
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
fn a_short_answer_ends_by_itself_though_it_must_go_on() {
    let mut engine = engine(quiet(), 1, &["short_answer=100%@0s"]);
    engine.load_began(At::ZERO, None);
    let asked = SimJob { min_tokens: 200, ..job(1, 100, 200) };
    let id = engine.submit(At::ZERO, asked).expect("up");
    let one = engine.submit(At::ZERO, job(2, 100, 1)).expect("up");
    let story = play(&mut engine, LATER);
    assert!((50..151).contains(&tokens(&story, id)), "{}", tokens(&story, id));
    assert_eq!(outputs(&story, id).last().and_then(|(.., finish)| *finish), Some(Finish::Stop));
    assert_eq!(outputs(&story, one).last().and_then(|(.., finish)| *finish), Some(Finish::Length));
    assert_eq!(engine.metrics().finished, [1, 1, 0, 0, 0]);
}

/// Ends of eight requests, one per second: `e`rror, `c`ut, `s`topped, `.` as requested.
fn ends(ailments: &[&str]) -> String {
    let mut engine = engine(quiet(), 1, ailments);
    engine.load_began(At::ZERO, None);
    let ids: Vec<JobId> = (0..8)
        .map(|tag| engine.submit(At(u64::from(tag) * SECOND), job(tag, 10, 20)).expect("up"))
        .collect();
    let story = play(&mut engine, LATER);
    let end = |id: &JobId| {
        let mut of = story.iter().filter_map(|(_, is)| match is {
            EngineEvent::Failed { job, .. } if job == id => Some('e'),
            EngineEvent::Cut { job } if job == id => Some('c'),
            EngineEvent::Output { job, finish: Some(Finish::Stop), .. } if job == id => Some('s'),
            EngineEvent::Output { job, finish: Some(Finish::Length), .. } if job == id => Some('.'),
            _ => None,
        });
        let end = of.next().expect("an end");
        assert_eq!(of.next(), None, "it ends once");
        end
    };
    ids.iter().map(end).collect()
}

#[test]
fn a_count_befalls_exactly_the_next_requests_from_its_time_on() {
    assert_eq!(ends(&["error_frame=3@2s"]), "..eee...");
    assert_eq!(ends(&["short_answer=2@0s"]), "ss......");
}

#[test]
fn only_one_thing_befalls_a_request_and_no_count_is_lost_to_another() {
    assert_eq!(ends(&["error_frame=2@1s", "truncated_stream=2@0s"]), "ceec....");
    assert_eq!(ends(&["truncated_stream=100%@0s", "error_frame=2@0s"]), "cccccccc");
    assert_eq!(ends(&["empty_answer=1@3s", "error_frame=100%@0s"]), "eeeseeee");
}
