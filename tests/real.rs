//! Tests a real vLLM on the CPU, started by longhaul as a process, and killed during its responses
//! or started so that it fails. Needs a launcher: `LONGHAUL_REAL_DIR=…
//! LONGHAUL_REAL_VLLM=tests/real/vllm.sh cargo test --test real -- --ignored --nocapture
//! --test-threads=1`; without one every test reports that it was skipped.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "targets/bench.rs"]
mod bench;
#[path = "real/server.rs"]
mod server;

use bench::{Bench, wait_for};
use server::{Tale, launcher, members, now_us, under_load, watch_end, watch_token};

/// How far longhaul's instants may be from those of the clock beside it: it asks a server on
/// its way up every few seconds, and the machine is busy.
const NEAR_US: u64 = 30_000_000;

/// When it was killed, and when a token could be had again, by a clock beside longhaul.
struct Truth {
    killed: u64,
    token: u64,
}

/// The incident is one, explained, measured and over; nothing is lost.
fn comes_back(bench: &Bench, tale: &Tale, truth: &Truth, fault: &str) {
    assert_eq!(tale.reported.code, Some(1), "a crash breaks the contract: {}", tale.reported);
    let incident = tale.incident();
    assert_eq!(incident["cause"], "engine_crash", "{incident:#}");
    assert_eq!(incident["expected"], false, "{incident:#}");
    assert!(incident["in_flight"].as_u64() >= Some(1), "in the middle of answers: {incident:#}");
    let rungs = &incident["recovery"];
    let names = ["detected", "process", "port", "model", "first_token", "same_depth"];
    let walls: Vec<u64> =
        names.iter().map(|name| tale.wall(&rungs[format!("{name}_us")])).collect();
    let seconds = |wall: u64| (wall as f64 - truth.killed as f64) / 1e6;
    eprintln!(
        "{fault} | {} ({}) | {} incident, {} in flight | {:.1} s, truth {:.1} s",
        incident["cause"],
        incident["confidence"],
        1,
        incident["in_flight"],
        seconds(walls[4]) - seconds(tale.wall(&incident["from_us"])),
        seconds(truth.token),
    );
    for (name, wall) in names.iter().zip(&walls) {
        eprintln!("  {name}: {:.2} s after the kill", seconds(*wall));
    }
    assert!(tale.wall(&incident["from_us"]).abs_diff(truth.killed) < NEAR_US, "{incident:#}");
    assert!(walls[4].abs_diff(truth.token) < NEAR_US, "{incident:#}");
    assert!(walls.is_sorted(), "step after step: {incident:#}");
    assert!(!incident["until_us"].is_null(), "it is over: {incident:#}");
    server::nothing_is_lost(bench, tale);
    eprintln!("  requests lost from the log: 0");
}

/// Kills a process of the server while it answers.
fn kill(bench: &Bench, pid: u32) -> u64 {
    // Between two rounds nothing is in flight for a moment: right after a row the next are sent.
    let rows = bench.file("run/requests.csv").lines().count();
    wait_for("a row", || bench.file("run/requests.csv").lines().count() > rows);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let killed = now_us();
    bench::kill(pid, "-KILL");
    killed
}

#[test]
#[ignore = "needs a real vLLM"]
fn an_engine_core_that_is_killed_is_one_crash_and_the_server_comes_back() {
    let Some(launcher) = launcher() else { return };
    let bench = Bench::new("real-core");
    let mut longhaul = under_load(&bench, &launcher);
    let core = members(bench.launched_pid(), "VLLM::EngineCore");
    assert_eq!(core.len(), 1, "one engine core");
    let killed = kill(&bench, core[0]);
    let token = watch_token(&bench);
    let tale = Tale::of(&bench, longhaul.end_at_last());
    let token = token.join().expect("a clock").expect("it came back");
    comes_back(&bench, &tale, &Truth { killed, token }, "kill -9 of the engine core");
    assert_eq!(tale.incident()["confidence"], "certain", "its log says so");
}

#[test]
#[ignore = "needs a real vLLM"]
fn what_a_killed_api_server_leaves_behind_is_named_and_ended_before_the_next_start() {
    let Some(launcher) = launcher() else { return };
    let bench = Bench::new("real-api");
    let mut longhaul = under_load(&bench, &launcher);
    let server = bench.launched_pid();
    let left: Vec<u32> = members(server, "").into_iter().filter(|pid| *pid != server).collect();
    assert!(left.len() >= 2, "an engine core and a worker at the least: {left:?}");
    let killed = kill(&bench, server);
    let (token, end) = (watch_token(&bench), watch_end(left.clone()));
    let tale = Tale::of(&bench, longhaul.end_at_last());
    let token = token.join().expect("a clock").expect("it came back");
    let end = end.join().expect("a clock").expect("they ended");
    comes_back(&bench, &tale, &Truth { killed, token }, "kill -9 of the API server");
    let next = tale.wall(&tale.incident()["recovery"]["process_us"]);
    eprintln!(
        "  {} left behind, ended {:.2} s after the kill, {:.2} s before the next start",
        left.len(),
        (end as f64 - killed as f64) / 1e6,
        (next as f64 - end as f64) / 1e6
    );
    let evidence = bench.evidence(&["target", "seen orphans"]);
    for words in ["ended by signal 9; left behind: ", "outlived the server's process"] {
        let line = evidence.lines().find(|line| line.contains(words));
        let line = line.unwrap_or_else(|| panic!("no `{words}`: {evidence}"));
        assert!(line.contains("VLLM::EngineCor"), "{line}");
    }
    assert!(end < next, "ended before the next one starts");
}

/// A start that fails, and what must be reported of it.
fn cannot_start(name: &str, length: u64, kv_gib: u64, signature: &str, words: &str) {
    let Some(launcher) = launcher() else { return };
    let bench = Bench::new(name);
    server::scenario(&bench);
    let recipe = server::recipe(&bench, &launcher, length, kv_gib);
    let began = now_us();
    let reported = bench.begin(&["--start", "process"], recipe).end_at_last();
    eprintln!("{name} | exit {:?} after {:.0} s", reported.code, (now_us() - began) as f64 / 1e6);
    let tale = Tale::of(&bench, reported);
    assert_eq!(tale.reported.code, Some(1), "{}", tale.reported);
    assert_eq!(tale.verdict["closed"], "never_ready", "{}", tale.reported);
    let said = bench.details(&format!("said {signature}"));
    assert!(said.iter().any(|said| said["severity"] == "fatal"), "{signature}: {said:?}");
    let reasons = tale.verdict["reasons"].to_string();
    assert!(reasons.contains(words), "the report says why: {reasons}");
    server::nothing_is_lost(&bench, &tale);
    assert!(!bench.answers(), "nothing is left of it");
}

#[test]
#[ignore = "needs a real vLLM"]
fn a_length_that_the_model_does_not_have_is_said_in_its_words() {
    let words = "is greater than the derived max_model_len";
    cannot_start("real-length", 10_000_000, 1, "max_model_len_impossible", words);
}

#[test]
#[ignore = "needs a real vLLM"]
fn memory_that_the_box_does_not_have_is_said_in_its_words() {
    let words = "on kv cache allocation is less than";
    cannot_start("real-memory", 4_096, 4_000, "kv_cache_over_available", words);
}
