//! How the server and its box live, hang, die and come back.

use super::*;

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
