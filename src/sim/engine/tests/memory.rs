//! Tests of the memory that the engine's process and its machine show.

use super::{At, LATER, ProcessExit, SECOND, SimEngine, engine, exits, job, play, quiet, record};

/// Memory of the process's own, and available memory, in MiB.
fn memory(engine: &SimEngine, at: At) -> (u64, u64) {
    let state = engine.view(at);
    (state.resources.expect("it runs").anonymous_bytes >> 20, state.memory_available_bytes >> 20)
}

#[test]
fn a_healthy_server_fills_its_pools_in_the_first_minutes_of_load_and_then_stays() {
    let mut engine = engine(quiet(), 1, &[]);
    engine.load_began(At(600 * SECOND), None);
    let at = |minute: u64| memory(&engine, At(minute * 60 * SECOND));
    let (before, filled, late) = (at(10), at(40), at(600));
    // Each number is rounded down to whole MiB.
    assert!((127..=128).contains(&(filled.0 - before.0)), "{before:?} {filled:?}");
    assert!((127..=128).contains(&(before.1 - filled.1)), "{before:?} {filled:?}");
    assert!(late.0 - filled.0 <= 1, "{filled:?} {late:?}");
}

#[test]
fn a_leak_that_plateaus_is_seen_and_kills_nobody() {
    let mut engine = engine(quiet(), 1, &["leak_that_plateaus=4GiB@0s"]);
    engine.load_began(At::ZERO, None);
    let left = |hours: u64| memory(&engine, At(hours * LATER.0)).1;
    assert_eq!(left(0) - left(100), 4096 + 128);
    let part = (left(0) - left(1)) as f64 / 4224.0;
    assert!((0.73..0.76).contains(&part), "{part}");
    assert!(left(4) - left(8) < 30, "{} {}", left(4), left(8));
    assert_eq!(exits(&play(&mut engine, At(100 * LATER.0))), []);
}

#[test]
fn each_request_that_ends_leaks_and_none_that_is_cancelled_does() {
    let mut healthy = engine(quiet(), 1, &[]);
    let mut leaking = engine(quiet(), 1, &["leak_per_request=16MiB@0s"]);
    for engine in [&mut healthy, &mut leaking] {
        engine.load_began(At::ZERO, None);
        for tag in 0..5 {
            engine.submit(At::ZERO, job(tag, 100, 20)).expect("up");
        }
        let gone = engine.submit(At::ZERO, job(9, 100, 20)).expect("up");
        engine.cancel(At(SECOND), gone);
        play(engine, LATER);
    }
    let (lost, has) = (memory(&healthy, LATER), memory(&leaking, LATER));
    assert_eq!((has.0 - lost.0, lost.1 - has.1), (80, 80));
    assert_eq!(leaking.view(LATER).ailment_hits, [5]);
}

#[test]
fn each_request_that_is_cancelled_leaks_and_none_that_ends_does() {
    let mut engine = engine(quiet(), 1, &["leak_after_abort=16MiB@0s"]);
    engine.load_began(At::ZERO, None);
    let ids: Vec<_> =
        (0..5).map(|tag| engine.submit(At::ZERO, job(tag, 100, 200)).expect("up")).collect();
    let before = memory(&engine, At::ZERO);
    engine.cancel(At(SECOND), ids[0]);
    engine.cancel(At(SECOND), ids[4]);
    engine.cancel(At(SECOND), ids[4]);
    assert_eq!(memory(&engine, At(SECOND)).0 - before.0, 32);
    play(&mut engine, LATER);
    assert_eq!(engine.view(LATER).ailment_hits, [2]);
}

#[test]
fn requests_that_leak_use_the_memory_up_and_the_kernel_ends_the_engine() {
    // The record's machine has 28 GiB left.
    let mut engine = engine(quiet(), 1, &["leak_per_request=10GiB@0s"]);
    engine.load_began(At::ZERO, None);
    for tag in 0..4 {
        engine.submit(At::ZERO, job(tag, 100, 20)).expect("up");
    }
    let story = play(&mut engine, LATER);
    let ended: Vec<ProcessExit> = exits(&story).into_iter().map(|(_, exit)| exit).collect();
    assert_eq!(ended, [ProcessExit::EngineDied]);
    assert_eq!(engine.view(LATER).oom_kills, 1);
}

#[test]
fn memory_that_a_restart_keeps_is_gone_until_the_machine_boots() {
    let ailments = ["memory_kept_after_restart=2GiB@1m", "restart=10s@2m", "crash=10s@4m"];
    let mut engine = engine(quiet(), 1, &ailments);
    engine.load_began(At::ZERO, None);
    let mut at = |minute: u64| {
        let at = At(minute * 60 * SECOND);
        engine.advance(at);
        (engine.view(at).memory_available_bytes >> 20, engine.view(at).ailment_hits[0])
    };
    let (whole, once, twice) = (at(1), at(3), at(5));
    assert_eq!((whole.1, once.1, twice.1), (0, 1, 2));
    // The fill of each process is smaller than a hundredth of what is kept.
    let near = |left: u64, kept: u64| whole.0.abs_diff(left + kept) < 100;
    assert!(near(once.0, 2048) && near(twice.0, 4096), "{whole:?} {once:?} {twice:?}");
}

#[test]
fn a_process_opens_a_file_for_each_request() {
    let mut engine = engine(record(1.0), 1, &[]);
    let files = |engine: &SimEngine| engine.view(At::ZERO).resources.expect("it runs").open_files;
    let before = files(&engine);
    for tag in 0..6 {
        engine.submit(At::ZERO, job(tag, 100, 20)).expect("up");
    }
    assert_eq!(files(&engine) - before, 6, "four that run and two that wait");
}
