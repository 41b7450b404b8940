//! Tests servers that longhaul starts or watches. Processes are real, with the simulated server.
//! Container engines, sparkrun and journalctl are replaced by programs that record their arguments
//! and respond as the real ones were observed to. `tests/docker.rs` uses a real engine.

#![allow(clippy::expect_used, clippy::panic)]

#[path = "targets/bench.rs"]
mod bench;
#[path = "targets/containers.rs"]
mod containers;
#[path = "targets/logs.rs"]
mod logs;
#[path = "targets/restarts.rs"]
mod restarts;
#[path = "targets/resumed.rs"]
mod resumed;

use bench::shown::numberless;
use bench::{Bench, is_alive, wait_for};
use insta::assert_snapshot;

#[test]
fn a_recipe_is_started_driven_and_ended() {
    let bench = Bench::new("process");
    let reported = bench.run(&["--start", "process"], bench.recipe(""));
    assert_eq!(reported.code, Some(0), "{reported}");
    assert!(!bench.answers(), "the server is gone");
    let manifest = bench.json("run.json");
    assert_snapshot!(bench.named(manifest["again"].as_str().expect("a command")), @"longhaul run --recipe FOLDER/recipe.yaml --scenario FOLDER/scenario.yaml --start process --endpoint http://127.0.0.1:PORT --seed 1");
    assert_snapshot!(bench.story(), @"
        target launched
        target ready process
        target ready port
        target ready model
        target ready first_token
    ");
    let log = numberless(&bench.named(&bench.file("run/server.log")));
    // The two outputs are read side by side.
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_snapshot!(lines.join("\n"), @"
        (APIServer pid=#) INFO [model.py:#] Using max model len #
        (APIServer pid=#) INFO [utils.py:#] non-default args: {'model': 'org/m', 'profile': 'FOLDER/fast.yaml', 'recipe': 'FOLDER/recipe.yaml'}
        (EngineCore pid=#) INFO [core.py:#] Initializing a V1 LLM engine (simulated) with config: model='org/m', speculative_config=None, max_seq_len=#, kv_cache_dtype=auto, enable_prefix_caching=True
        SIMULATED server on http://#:PORT, serving `org/m`; Ctrl-C to stop
    ");
}

#[test]
fn a_server_that_does_not_come_up_is_a_verdict_with_its_own_words() {
    let bench = Bench::new("never");
    let command = "echo 'ValueError: No available memory for the cache blocks.' >&2; exit 1";
    let reported = bench.run(&["--start", "process"], bench.recipe_of(command));
    assert_eq!(reported.code, Some(1), "{reported}");
    let reasons = bench.json("verdict.json")["reasons"].to_string();
    assert_snapshot!(numberless(&reasons), @r#"["the server never became ready: kv_cache_no_memory: ValueError: No available memory for the cache blocks.; exit code # after # s"]"#);
    let log = bench.file("run/server.log");
    assert_eq!(log, "ValueError: No available memory for the cache blocks.\n");
    assert_snapshot!(bench.story(), @"
        target launched
        target ready process
        target exited
    ");
}

#[test]
fn a_killed_server_is_seen_with_its_signal_and_what_it_left_behind_is_ended() {
    let bench = Bench::new("killed");
    bench.scenario("30s", "20s");
    let tree = "sleep 1001 & setsid sleep 1002 & sleep 2; ";
    let mut longhaul = bench.begin(&["--start", "process"], bench.recipe(tree));
    bench.wait_for_load();
    let left = [bench::process("sleep 1001"), bench::process("sleep 1002")];
    let server = bench.launched_pid();
    bench::kill(server, "-KILL");
    wait_for("the orphans' end", || left.iter().all(|pid| !is_alive(*pid)));
    let reported = longhaul.end();
    assert_eq!(reported.code, Some(1), "{reported}");
    assert_eq!(bench.exits(), [serde_json::json!({"code": null, "signal": 9, "oom_killed": null})]);
    let evidence = bench.evidence(&["target exited", "seen orphans"]);
    assert_snapshot!(numberless(&evidence), @r#"
        target exited {"code":null,"oom_killed":null,"signal":#}: ended by signal #; left behind: sleep (pid #), sleep (pid #)
        seen orphans: sleep (pid #), sleep (pid #) outlived the server's process by # s and were ended: longhaul had started them
    "#);
}

#[test]
fn whoever_asks_longhaul_to_stop_while_it_waits_gets_his_machine_back() {
    let bench = Bench::new("interrupted");
    let mut longhaul = bench.begin(&["--start", "process"], bench.recipe_of("exec sleep 1003"));
    wait_for("the server", || bench::find("sleep 1003").is_some());
    let server = bench::process("sleep 1003");
    bench::kill(longhaul.id(), "-TERM");
    let reported = longhaul.end();
    assert_eq!(reported.code, Some(130), "{reported}");
    assert!(!is_alive(server), "it is ended");
}

#[test]
fn a_server_that_ignores_the_signal_is_killed_and_the_bound_is_kept() {
    let bench = Bench::new("stubborn");
    // The address is this test's alone, so that its process is found and no other.
    let own = bench.address();
    let command = format!("trap '' TERM; : {own}; while true; do sleep 0.2; done");
    let mut longhaul = bench.begin(&["--start", "process"], bench.recipe_of(&command));
    wait_for("the server", || bench::find(&own).is_some());
    let server = bench::process(&own);
    bench::kill(longhaul.id(), "-TERM");
    let reported = longhaul.end();
    assert_eq!(reported.code, Some(130), "{reported}");
    assert!(!is_alive(server), "it is ended");
}

#[test]
fn who_listens_there_already_is_not_driven_in_the_recipes_name() {
    let bench = Bench::new("taken");
    let _listener = bench.listen();
    let reported = bench.run(&["--start", "process"], bench.recipe(""));
    assert_eq!(reported.code, Some(2), "{reported}");
    let own = format!("(pid {})", std::process::id());
    let reported = reported.text.replace(&own, "(pid OWN)");
    let who = reported.find("error: ").zip(reported.find(" (pid OWN)"));
    let (from, to) = who.expect("the listener is named");
    let reported = reported.replace(&reported[from + 7..to], "targets");
    assert_snapshot!(bench.named(&reported), @"
        error: targets (pid OWN) listens on http://127.0.0.1:PORT already
          try: end it, or drive it: --endpoint without --start
          try: another port in the recipe
    ");
    assert!(!bench.path("run").exists(), "nothing was begun");
}

#[test]
fn flags_that_do_not_go_together_are_mistakes() {
    let bench = Bench::new("flags");
    let flags = [
        "--start process --keep",
        "--start process --pull",
        "--container x",
        "--start docker --container x",
        "--endpoint http://127.0.0.1:1 --pid 4194305",
        "--start docker --engine /no/such",
    ];
    let reported = bench::shown::each(flags, |flags| {
        let flags: Vec<&str> = flags.split(' ').collect();
        let reported = bench.run(&flags, bench.recipe(""));
        assert_eq!(reported.code, Some(2), "{flags:?}: {reported}");
        bench.named(&reported.text)
    });
    assert_snapshot!("flags", reported);
}

#[test]
fn a_watched_process_is_seen_to_go_and_never_touched() {
    let bench = Bench::new("pid");
    let mut server = bench.serve();
    let pid = server.id().to_string();
    let mut longhaul =
        bench.begin(&["--endpoint", &bench.address(), "--pid", &pid], bench.recipe(""));
    bench.wait_for_load();
    server.kill().expect("killed");
    server.wait().expect("waited for");
    let reported = longhaul.end();
    assert_eq!(reported.code, Some(1), "{reported}");
    assert_snapshot!(numberless(&bench.evidence(&["target exited", "action"])), @"target exited: longhaul (pid #) is gone");
}
