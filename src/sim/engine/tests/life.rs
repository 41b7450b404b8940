//! Tests of the lifetime of server and machine: start, hang, end and restart.

use insta::assert_snapshot;

use super::{
    At, EngineEvent, LATER, Metrics, ProcessExit, SECOND, engine, exits, job, outputs, play, quiet,
    record, tokens,
};

#[test]
fn a_leak_ends_in_an_oom_kill_that_the_box_shows() {
    let mut engine = engine(quiet(), 1, &["slow_leak=4GiB/h@0s"]);
    engine.load_began(At::ZERO, None);
    let early = engine.view(At(3600 * SECOND));
    let story = play(&mut engine, At(10 * 3600 * SECOND));
    let late = engine.view(At(10 * 3600 * SECOND));
    // 128 GiB less 100 GiB in use, at 4 GiB an hour: a little under seven hours.
    assert!(matches!(exits(&story)[..], [(at, ProcessExit::EngineDied)]
        if at.seconds() > 6.9 * 3600.0 && at.seconds() < 7.0 * 3600.0));
    let left = (24 << 30) - (128 << 20); // the fill of the first minutes, too
    assert_eq!((early.memory_available_bytes, early.oom_kills), (left, 0));
    assert_eq!((late.oom_kills, late.pid, late.exits), (1, None, 1));
}

#[test]
fn a_crashed_server_stays_down_unless_told_to_return() {
    for (ailment, returns) in [("crash@5s", None), ("crash=20s@5s", Some(At(25 * SECOND)))] {
        let mut engine = engine(quiet(), 1, &[ailment]);
        engine.load_began(At::ZERO, None);
        engine.submit(At::ZERO, job(1, 1000, 500)).expect("up");
        let story = play(&mut engine, LATER);
        assert_eq!(exits(&story), [(At(5 * SECOND), ProcessExit::Killed)]);
        assert!(!story.iter().any(|(_, is)| matches!(is, EngineEvent::Failed { .. })));
        let ready = story.iter().find(|(_, is)| *is == EngineEvent::Ready).map(|(at, _)| *at);
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
    assert!(
        story.iter().any(|(_, is)| matches!(is, EngineEvent::Failed { job, .. } if *job == id))
    );
    assert_eq!(exits(&story), [(At(5 * SECOND), ProcessExit::Terminated)]);
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
    let failed = story.iter().filter(|(_, is)| matches!(is, EngineEvent::Failed { .. })).count();
    assert_eq!(failed, 6, "those who wait are told as well");
    assert_snapshot!(log(&story), @"
        (EngineCore pid=1014) ERROR [core.py:1586] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
        (EngineCore pid=1014) ERROR [core.py:1586] EngineCore encountered a fatal error.
        (APIServer pid=1013) ERROR [async_llm.py:906] AsyncLLM output_handler failed.
        (APIServer pid=1013) ERROR [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.
        INFO:     Shutting down
    ");
    assert_eq!(ProcessExit::EngineDied.code(), 0, "vLLM exits with 0 when its engine has died");
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
    assert_eq!(gap / SECOND, 60);
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
    let ready = play(&mut engine, At(5 * SECOND));
    assert_eq!(readies(&ready), [At(5 * SECOND)]);
    assert!(engine.submit(At(6 * SECOND), job(1, 10, 1)).is_some());
}

/// Times at which the port opened.
fn readies(story: &[(At, EngineEvent)]) -> Vec<At> {
    story.iter().filter(|(_, is)| *is == EngineEvent::Ready).map(|(at, _)| *at).collect()
}

#[test]
fn a_count_of_restarts_is_spread_over_the_load() {
    let mut engine = engine(quiet(), 1, &["restart=10s@3x"]);
    engine.load_began(At::ZERO, Some(400 * SECOND));
    let story = play(&mut engine, LATER);
    let times = [100, 200, 300].map(|second| (At(second * SECOND), ProcessExit::Terminated));
    assert_eq!(exits(&story), times);
    assert_eq!(readies(&story), [110, 210, 310].map(|second| At(second * SECOND)));
}

#[test]
fn what_is_to_happen_while_the_server_is_down_does_not_happen() {
    let down = ["restart@60s", "host_reboot@61s", "metrics_go_away=5m@62s", "hang@63s"];
    let mut engine = engine(quiet(), 1, &[&["crash=1m@30s"], &down[..]].concat());
    engine.load_began(At::ZERO, None);
    let story = play(&mut engine, LATER);
    assert_eq!(exits(&story), [(At(30 * SECOND), ProcessExit::Killed)]);
    assert!(engine.listening() && !engine.metrics_away(At(100 * SECOND)));
}

#[test]
fn a_hang_within_a_hang_only_makes_it_longer() {
    let mut engine = engine(quiet(), 1, &["hang=60s@5s", "hang=20s@10s", "hang=60s@20s"]);
    engine.load_began(At::ZERO, None);
    let id = engine.submit(At::ZERO, job(1, 1000, 500)).expect("up");
    let seen = outputs(&play(&mut engine, LATER), id);
    let gap = seen.windows(2).map(|pair| pair[1].0.since(pair[0].0)).max().expect("gaps");
    assert_eq!(gap / SECOND, 75);
    assert_eq!(seen.iter().map(|(_, tokens, _)| tokens).sum::<u64>(), 500);
}

#[test]
fn an_oom_kill_of_the_host_is_seen_on_the_box_and_not_in_the_engines_log() {
    let mut engine = engine(quiet(), 1, &["host_oom_kill=1m@5s"]);
    engine.load_began(At::ZERO, None);
    let id = engine.submit(At::ZERO, job(1, 1000, 500)).expect("up");
    let story = play(&mut engine, LATER);
    assert!(
        story.iter().any(|(_, is)| matches!(is, EngineEvent::Failed { job, .. } if *job == id))
    );
    assert_snapshot!(log(&story), @"
        (APIServer pid=1013) WARNING [core_client.py:817] [shutdown] MPClient: engine core exited unexpectedly; starting cleanup
        (APIServer pid=1013) ERROR [async_llm.py:906] AsyncLLM output_handler failed.
        (APIServer pid=1013) ERROR [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.
        INFO:     Shutting down
        (EngineCore pid=1188) INFO [core.py:133] Initializing a V1 LLM engine (simulated)
        Loading safetensors checkpoint shards:   0% Completed | 0/4
        Loading safetensors checkpoint shards:  25% Completed | 1/4
        Loading safetensors checkpoint shards:  50% Completed | 2/4
        Loading safetensors checkpoint shards:  75% Completed | 3/4
        Loading safetensors checkpoint shards: 100% Completed | 4/4
        (EngineCore pid=1188) INFO [monitor.py:34] torch.compile took 20.00 s in total
        (EngineCore pid=1188) INFO [gpu_model_runner.py:5246] Graph capturing finished in 12 secs, took 0.91 GiB
        INFO:     Application startup complete.
    ");
    assert_eq!(exits(&story), [(At(5 * SECOND), ProcessExit::EngineDied)]);
    assert_eq!((engine.view(LATER).oom_kills, readies(&story)), (1, vec![At(65 * SECOND)]));
}

#[test]
fn memory_falls_before_the_kernel_kills_and_is_back_afterwards() {
    let mut engine = engine(quiet(), 1, &["host_oom_kill=1m@1m"]);
    engine.load_began(At::ZERO, None);
    let mut left = |second: u64| {
        engine.advance(At(second * SECOND));
        engine.view(At(second * SECOND)).memory_available_bytes >> 20
    };
    assert_eq!(left(0), 28 << 10);
    assert_eq!(left(50), (28 << 10) - 20, "the fill of the first minutes");
    let fallen = [left(52), left(55), left(59)];
    assert!(fallen.is_sorted_by(|one, other| one > other) && fallen[2] < 4 << 10, "{fallen:?}");
    assert!(left(61) > 28 << 10, "the process is gone, and what took the memory with it");
}

/// Log of a server, a line each.
fn log(story: &[(At, EngineEvent)]) -> String {
    let lines = story.iter().filter_map(|(_, is)| match is {
        EngineEvent::Said(line) => Some(line.as_str()),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_start_says_how_far_it_is() {
    let mut engine = engine(quiet(), 1, &["crash=20m@5s"]);
    engine.load_began(At::ZERO, None);
    let story = play(&mut engine, LATER);
    assert_snapshot!(log(&story), @"
        (EngineCore pid=1188) INFO [core.py:133] Initializing a V1 LLM engine (simulated)
        Loading safetensors checkpoint shards:   0% Completed | 0/4
        Loading safetensors checkpoint shards:  25% Completed | 1/4
        Loading safetensors checkpoint shards:  50% Completed | 2/4
        Loading safetensors checkpoint shards:  75% Completed | 3/4
        Loading safetensors checkpoint shards: 100% Completed | 4/4
        (EngineCore pid=1188) INFO [monitor.py:34] torch.compile took 20.00 s in total
        (EngineCore pid=1188) INFO [gpu_model_runner.py:5246] Graph capturing finished in 12 secs, took 0.91 GiB
        INFO:     Application startup complete.
    ");
    let half = play(&mut self::engine(quiet(), 1, &["start_fails"]), LATER);
    assert_snapshot!(log(&half), @"
        Loading safetensors checkpoint shards:   0% Completed | 0/4
        Loading safetensors checkpoint shards:  25% Completed | 1/4
        Loading safetensors checkpoint shards:  50% Completed | 2/4
        (EngineCore pid=1014) ERROR [core.py:1510] EngineCore failed to start.
        (EngineCore pid=1014) ERROR [core.py:1510] ValueError: No available memory for the cache blocks.
        RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
    ");
}

#[test]
fn an_order_to_restart_ends_the_process_and_another_is_ready_a_start_later() {
    let mut engine = engine(quiet(), 1, &[]);
    engine.load_began(At::ZERO, None);
    let id = engine.submit(At::ZERO, job(1, 1000, 500)).expect("up");
    assert_eq!(engine.restart(At(5 * SECOND)), Ok(true));
    let story = play(&mut engine, LATER);
    assert_eq!(exits(&story), [(At(5 * SECOND), ProcessExit::Terminated)]);
    assert!(
        story.iter().any(|(_, is)| matches!(is, EngineEvent::Failed { job, .. } if *job == id))
    );
    let words = log(&story);
    assert_snapshot!(words.lines().next().unwrap_or_default(), @"(APIServer pid=1013) INFO [launcher.py:140] [shutdown] API server: shutdown triggered signal=SIGTERM");
    assert_eq!(readies(&story), [At((5 + 2 + 549) * SECOND)]);
    assert_eq!(engine.launch(LATER), Err("it runs already"));
}

#[test]
fn an_order_to_stop_outlives_every_plan_to_come_back_and_kills_what_hangs() {
    let mut engine = engine(quiet(), 1, &["hang@5s", "crash=10m@20m"]);
    engine.load_began(At::ZERO, None);
    assert_eq!(engine.stop(At(10 * SECOND)), Ok(true));
    assert_eq!(engine.stop(At(20 * SECOND)), Ok(false));
    let story = play(&mut engine, At(1000 * SECOND));
    assert_eq!(
        (exits(&story), readies(&story)),
        (vec![(At(10 * SECOND), ProcessExit::Killed)], vec![])
    );
    assert_eq!(engine.launch(At(1000 * SECOND)), Ok(()));
    assert_eq!(readies(&play(&mut engine, LATER)), [At(1549 * SECOND)]);
}

#[test]
fn nobody_orders_anything_of_a_box_that_is_away() {
    let mut engine = engine(quiet(), 1, &["host_reboot=10m@5s"]);
    engine.load_began(At::ZERO, None);
    let at = At(10 * SECOND);
    assert!(engine.launch(at).is_err() && engine.stop(at).is_err() && engine.restart(at).is_err());
    assert_eq!(readies(&play(&mut engine, LATER)), [At(605 * SECOND)], "it changes nothing");
}

#[test]
fn a_power_cut_is_silent_and_another_boot_follows() {
    let mut engine = engine(quiet(), 1, &["host_oom_kill=10s@10s", "host_reboot=10m@1m"]);
    engine.load_began(At::ZERO, None);
    let mut story = play(&mut engine, At(50 * SECOND));
    let before = engine.view(At(50 * SECOND));
    let id = engine.submit(At(58 * SECOND), job(1, 1000, 500)).expect("up");
    story.extend(play(&mut engine, At(100 * SECOND)));
    let silent = engine.view(At(100 * SECOND));
    story.extend(play(&mut engine, LATER));
    let after = engine.view(LATER);
    assert!(
        !story.iter().any(|(_, is)| matches!(is, EngineEvent::Failed { job, .. } if *job == id))
    );
    assert_eq!(exits(&story)[1..], [(At(60 * SECOND), ProcessExit::PowerCut)]);
    assert!(story.contains(&(At(150 * SECOND), EngineEvent::Booted)), "90 s after it went away");
    assert_eq!(readies(&story), [20, 660].map(|second| At(second * SECOND)));
    assert_eq!([&before, &silent, &after].map(|view| view.reachable), [true, false, true]);
    assert_eq!((before.oom_kills, after.oom_kills), (1, 0));
    assert!(before.boot_id != after.boot_id && before.pid != after.pid && silent.pid.is_none());
}

#[test]
fn a_power_cut_without_a_value_brings_back_the_box_and_not_the_server() {
    let mut engine = engine(quiet(), 1, &["host_reboot@1m"]);
    engine.load_began(At::ZERO, None);
    let story = play(&mut engine, LATER);
    assert!(story.contains(&(At(150 * SECOND), EngineEvent::Booted)));
    assert!(engine.view(LATER).reachable && !engine.listening());
}

#[test]
fn a_server_whose_starts_fail_is_ready_on_the_next_or_never() {
    // A start of the record takes 549 s; a failed one ends halfway.
    let mut twice = engine(quiet(), 1, &["start_fails=2"]);
    assert!(!twice.listening(), "it is not up when it is made");
    let story = play(&mut twice, LATER);
    assert_eq!(readies(&story), [At(3 * 549 * SECOND)]);
    assert_eq!(exits(&story)[0], (At(549 * SECOND / 2), ProcessExit::StartFailed));
    assert_eq!((exits(&story).len(), ProcessExit::StartFailed.code()), (2, 1));
    let mut never = engine(quiet(), 1, &["start_fails"]);
    let story = play(&mut never, LATER);
    assert_eq!((exits(&story).len(), readies(&story).len(), never.listening()), (1, 0, false));
}

#[test]
fn a_length_that_the_cache_cannot_hold_is_refused_at_every_start_in_words() {
    let mut setup = crate::sim::Setup { refuses: true, ..quiet() };
    setup.profile.kv_tokens = 4_096;
    let mut engine = engine(setup, 1, &[]);
    assert!(!engine.listening());
    let story = play(&mut engine, LATER);
    assert_eq!(exits(&story), [(At(SECOND), ProcessExit::StartFailed)]);
    assert_snapshot!(log(&story), @"
        (EngineCore pid=1014) ERROR [core.py:1584] EngineCore failed to start.
        (EngineCore pid=1014) ERROR [core.py:1584] ValueError: To serve at least one request with the models's max seq len (131072), (1.00 GiB KV cache is needed, which is larger than the available KV cache memory (0.03 GiB). Based on the available memory, the estimated maximum model length is 4096.
        RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
    ");
}

#[test]
fn a_crash_whose_start_fails_is_back_one_start_later() {
    let ready = |ailments: &[&str]| {
        let mut engine = engine(quiet(), 1, ailments);
        engine.load_began(At::ZERO, None);
        assert!(engine.listening());
        readies(&play(&mut engine, LATER))
    };
    assert_eq!(ready(&["crash=2m@10m"]), [At(720 * SECOND)]);
    // A start takes at most half of the time away.
    assert_eq!(ready(&["crash=2m@10m", "start_fails=1@10m"]), [At(780 * SECOND)]);
    assert_eq!(ready(&["crash=2m@10m", "start_fails@10m"]), []);
    let later = ready(&["crash=2m@10m", "start_fails=1@15m"]);
    assert_eq!(later, [At(720 * SECOND)], "not before its time");
}

#[test]
fn metrics_go_away_for_a_while_or_for_good() {
    let away = |ailment: &str, second: u64| {
        let mut engine = engine(quiet(), 1, &[ailment]);
        engine.load_began(At::ZERO, None);
        let at = At(second * SECOND);
        engine.advance(at);
        engine.metrics_away(at)
    };
    let seen = [5, 15, 75].map(|second| away("metrics_go_away=1m@10s", second));
    assert_eq!(seen, [false, true, false]);
    assert_eq!([5, 7500].map(|second| away("metrics_go_away@10s", second)), [false, true]);
}

#[test]
fn another_model_is_listed_for_a_while_or_for_good() {
    let another = |ailment: &str, second: u64| {
        let mut engine = engine(quiet(), 1, &[ailment]);
        engine.load_began(At::ZERO, None);
        let at = At(second * SECOND);
        engine.advance(at);
        engine.lists_another(at)
    };
    let seen = [5, 15, 75].map(|second| another("model_unlisted=1m@10s", second));
    assert_eq!(seen, [false, true, false]);
    assert_eq!([5, 7500].map(|second| another("model_unlisted@10s", second)), [false, true]);
}

#[test]
fn the_harnesss_own_ailments_leave_the_server_alone() {
    let story = |ailments: &[&str]| {
        let mut engine = engine(record(1.0), 1, ailments);
        engine.load_began(At::ZERO, None);
        engine.submit(At::ZERO, job(1, 100, 50)).expect("up");
        play(&mut engine, LATER)
    };
    let harness = [
        "wall_clock_step@3x",
        "slow_disk",
        "slow_disk=1m@2s",
        "longhaul_stops@3x",
        "error_frame=10%@0s",
    ];
    assert_eq!(story(&harness), story(&harness[4..]));
}
