//! Tests a real container engine and a real registry on this machine, without an external network,
//! with a scratch image around a static build of the binary. Run by `cargo test --test docker --
//! --ignored --nocapture --test-threads=1`; without an engine, every test reports that it was
//! skipped.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "docker/away.rs"]
mod away;
#[path = "targets/bench.rs"]
mod bench;
#[path = "docker/image.rs"]
mod image;
#[path = "docker/port.rs"]
mod port;
#[path = "docker/proxy.rs"]
mod proxy;
#[path = "docker/sweep.rs"]
mod sweep;

use bench::{Bench, wait_for};
use image::{ScratchImage, docker, scratch_image};
use port::Truth;

/// A run that watches a container which somebody else started.
fn watching(bench: &Bench, name: &str) -> bench::Going {
    bench.scenario("120s", "60s");
    let address = bench.address();
    let flags = ["--endpoint", &address, "--container", name, "--model", "org/m"];
    let going = bench.begin(&flags, bench.recipe(""));
    bench.wait_for_load();
    going
}

/// Result of a run with a fault.
struct Befallen {
    events: String,
    exits: Vec<serde_json::Value>,
    /// Cause, confidence, and seconds until the first token afterwards, of every incident.
    incidents: Vec<(String, String, Option<f64>)>,
}

impl Befallen {
    /// From the run's folder. Says a line of the table that people are shown.
    fn of(bench: &Bench, what: &str, away_s: Option<f64>) -> Befallen {
        let verdict: serde_json::Value =
            serde_json::from_str(&bench.file("run/verdict.json")).expect("a verdict");
        let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let incident = |incident: &serde_json::Value| {
            let from = incident["from_us"].as_f64();
            let back = incident["recovery"]["first_token_us"].as_f64();
            let seconds = back.zip(from).map(|(back, from)| (back - from) / 1e6);
            (word(&incident["cause"]), word(&incident["confidence"]), seconds)
        };
        let incidents = verdict["incidents"].as_array().into_iter().flatten().map(incident);
        let incidents: Vec<_> = incidents.collect();
        let seconds = |it: Option<f64>| it.map_or("-".to_owned(), |it| format!("{it:.1} s"));
        let of = |(cause, confidence, back): &(String, String, Option<f64>)| {
            format!("{cause} ({confidence}), back in {}", seconds(*back))
        };
        let reported: Vec<String> = incidents.iter().map(of).collect();
        let (reported, n, away) = (reported.join("; "), incidents.len(), seconds(away_s));
        let lost = verdict["fate_unknown"].as_u64().expect("a count") + rows_missing(bench);
        eprintln!("| {what} | docker | {reported} | {n} | away {away} | {lost} lost |");
        assert_eq!(lost, 0, "{what}");
        Befallen { events: bench.events(), exits: bench.exits(), incidents }
    }

    fn has_exit(&self, key: &str, value: impl Into<serde_json::Value>) {
        let value = value.into();
        assert!(self.exits.iter().any(|exit| exit[key] == value), "{:?}", self.exits);
    }

    fn causes(&self) -> Vec<&str> {
        self.incidents.iter().map(|(cause, _, _)| cause.as_str()).collect()
    }
}

/// Numbers of the order that no row has.
fn rows_missing(bench: &Bench) -> u64 {
    let files = ["requests.csv", "events.csv", "readings.csv"];
    let texts = files.map(|file| bench.file(&format!("run/{file}")));
    let rows = texts.iter().flat_map(|text| text.lines().skip(1));
    let mut seqs: Vec<u64> = rows.filter_map(|row| row.split(',').next()?.parse().ok()).collect();
    seqs.sort_unstable();
    seqs.dedup();
    seqs.last().map_or(0, |last| last + 1) - seqs.len() as u64
}

/// Begins a container as somebody else would, watches it, does something to it, and waits for
/// what must be reported.
fn befalls(
    scratch: &ScratchImage,
    what: &str,
    options: &[&str],
    before: &[&str],
    fault: &dyn Fn(&str),
    reported: &[&str],
) -> Befallen {
    let bench = Bench::new("befalls");
    let name = scratch.somebody_elses(&bench, options, before);
    let mut longhaul = watching(&bench, &name);
    let truth = Truth::watch(&bench);
    fault(&name);
    for words in reported {
        bench.wait_for_event(words);
    }
    bench::kill(longhaul.id(), "-INT");
    bench::kill(longhaul.id(), "-INT");
    longhaul.end();
    let away_s = truth.away_s();
    docker(&["rm", "-f", &name]);
    Befallen::of(&bench, what, away_s)
}

/// A kill of which the engine is not reported.
fn kill_from_host(name: &str) {
    let mut pid = 0_u32;
    wait_for("its process", || {
        let said = docker(&["inspect", "-f", "{{.State.Pid}}", name]);
        pid = said.trim().parse().unwrap_or_default();
        pid > 1
    });
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.expect("kill runs").success());
}

fn count(events: &str, words: &str) -> usize {
    events.matches(words).count()
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn an_image_is_pulled_only_when_it_was_said_and_started_by_digest_and_removed() {
    let Some(scratch) = scratch_image() else { return };
    let bench = Bench::new("pull");
    docker(&["rmi", "-f", &scratch.pinned, &scratch.tagged]);
    let recipe = scratch.recipe(&bench, &scratch.pinned, "", "");
    let reported = bench.run(&["--start", "docker", "--model", "org/m"], recipe.clone());
    assert_eq!(reported.code, Some(2), "{reported}");
    assert!(reported.text.contains("try: --pull"), "{reported}");
    let reported = bench.run(&["--start", "docker", "--pull", "--model", "org/m"], recipe);
    assert_eq!(reported.code, Some(0), "{reported}");
    let left = docker(&["ps", "-aq", "--filter", "label=longhaul.run"]);
    assert!(left.trim().is_empty(), "{left}");
    let seen = bench.details("seen container");
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen["differs"] == false), "{seen:?}");
    assert!(!bench.file("run/server.log").is_empty());
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn a_tag_that_moved_since_the_recipe_was_pinned_is_told() {
    let Some(scratch) = scratch_image() else { return };
    let bench = Bench::new("moved");
    let other = scratch.moved_tag();
    let name = scratch.run(&bench, &other, &[], &[]);
    bench.scenario("3s", "2s");
    let recipe = scratch.recipe(&bench, &scratch.pinned, "", "");
    let address = bench.address();
    let flags = ["--endpoint", &address, "--container", &name, "--model", "org/m"];
    let reported = bench.begin(&flags, recipe).end();
    docker(&["rm", "-f", &name]);
    let seen = bench.details("seen container");
    assert!(seen.first().is_some_and(|seen| seen["differs"] == true), "{reported}\n{seen:?}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn who_ended_it_is_told_apart() {
    let Some(scratch) = scratch_image() else { return };
    let away = "target,away";
    let fell =
        befalls(scratch, "kill -9 from the host", &[], &[], &kill_from_host, &["code 137", away]);
    assert_eq!(count(&fell.events, "target,signalled"), 0, "{}", fell.events);
    assert_eq!(fell.causes(), ["engine_crash"]);

    let kill = |name: &str| drop(docker(&["kill", name]));
    let reported = ["target,signalled", "code 137", away];
    let fell = befalls(scratch, "docker kill", &[], &[], &kill, &reported);
    fell.has_exit("signal", 9);
    assert_eq!(fell.causes(), ["operator"]);

    let stop = |name: &str| drop(docker(&["stop", "-t", "1", name]));
    let reported = ["target,signalled", "target,exited", away];
    let fell = befalls(scratch, "docker stop", &[], &[], &stop, &reported);
    fell.has_exit("signal", 15);
    assert_eq!(fell.causes(), ["operator"]);

    let restart = |name: &str| drop(docker(&["restart", "-t", "1", name]));
    let reported = ["target,exited", "target,started", "seen,identity"];
    let fell = befalls(scratch, "docker restart", &[], &[], &restart, &reported);
    assert_eq!(count(&fell.events, "target,started"), 1, "{}", fell.events);
    assert_eq!(count(&fell.events, "target,restarted,\"started"), 0, "{}", fell.events);
    assert_eq!(fell.causes(), ["operator"]);
    assert!(fell.incidents[0].2.is_some(), "it came back: {:?}", fell.incidents);
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn a_frozen_server_is_seen_where_the_engine_knows_it() {
    let Some(scratch) = scratch_image() else { return };
    let pause = |name: &str| drop(docker(&["pause", name]));
    let fell =
        befalls(scratch, "docker pause", &[], &[], &pause, &["target,paused", "target,away"]);
    assert_eq!(fell.causes(), ["operator"]);
    let stop = |name: &str| drop(docker(&["kill", "-s", "STOP", name]));
    let reported = ["target,signalled", "target,away"];
    let fell = befalls(scratch, "docker kill -s STOP", &[], &[], &stop, &reported);
    fell.has_exit("signal", 19);
    assert_eq!(fell.causes(), ["operator"]);
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn the_kernels_end_of_a_leak_is_told_as_one() {
    let Some(scratch) = scratch_image() else { return };
    let leak = |name: &str| {
        let empty = std::env::temp_dir().join("leak-now");
        std::fs::write(&empty, "").expect("a file");
        docker(&["cp", &empty.display().to_string(), &format!("{name}:/leak-now")]);
    };
    let limit = ["-m", "256m", "--memory-swap", "256m", "--entrypoint", "/leak"];
    let reported = ["target,out_of_memory", "code 137", "target,away"];
    let fell = befalls(scratch, "leak to the memory limit", &limit, &["leak"], &leak, &reported);
    fell.has_exit("oom_killed", true);
    assert_eq!(fell.causes(), ["cgroup_oom"]);
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn crashes_behind_a_restart_policy_are_counted() {
    let Some(scratch) = scratch_image() else { return };
    let kill = |name: &str| {
        for _ in 0..3 {
            let before = docker(&["inspect", "-f", "{{.RestartCount}}", name]);
            kill_from_host(name);
            wait_for("the policy", || {
                let is_up = docker(&["inspect", "-f", "{{.State.Running}}", name]);
                docker(&["inspect", "-f", "{{.RestartCount}}", name]) != before
                    && is_up.trim() == "true"
            });
        }
    };
    let policy = ["--restart", "unless-stopped"];
    let reported = ["target,started", "seen,identity"];
    let fell = befalls(scratch, "3 crashes behind a policy", &policy, &[], &kill, &reported);
    let events = &fell.events;
    let lives = count(events, "target,started") + count(events, "target,restarted,\"started");
    assert_eq!(lives, 3, "each life once: {events}");
    assert_eq!(count(events, "target,exited"), 3, "{events}");
    assert_eq!(count(events, "target,started"), 3, "{events}");
    assert!((1..=3).contains(&fell.incidents.len()), "{:?}", fell.incidents);
    assert!(fell.causes().iter().all(|cause| *cause == "engine_crash"), "{:?}", fell.incidents);
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn no_line_is_lost_when_the_logs_file_is_rotated() {
    let Some(scratch) = scratch_image() else { return };
    let bench = Bench::new("rotated");
    let rotation = "--log-opt max-size=20k --log-opt max-file=3 --entrypoint /leak";
    let recipe = scratch.recipe(&bench, &scratch.tagged_again(), rotation, "lines");
    bench.scenario("12s", "5s");
    let flags = ["--start", "docker", "--model", "org/m"];
    let reported = bench.begin(&flags, recipe).end();
    let log = bench.file("run/server.log");
    let lost: Vec<u32> =
        (0..4_000).filter(|n| count(&log, &format!("line {n:05} ")) != 1).collect();
    eprintln!("rotation: {} of 4000 lines not exactly once", lost.len());
    assert!(lost.is_empty(), "{lost:?}\n{reported}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn a_container_of_longhauls_own_that_is_killed_is_told_and_removed() {
    let Some(scratch) = scratch_image() else { return };
    let bench = Bench::new("own");
    bench.scenario("60s", "3s");
    let recipe = scratch.recipe(&bench, &scratch.tagged_again(), "", "");
    let mut longhaul = bench.begin(&["--start", "docker", "--model", "org/m"], recipe);
    bench.wait_for_load();
    let id = docker(&["ps", "-q", "--filter", "label=longhaul.run"]);
    docker(&["kill", id.trim()]);
    let reported = longhaul.end();
    assert_eq!(reported.code, Some(1), "{reported}");
    assert!(bench.exits().iter().any(|exit| exit["code"] == 137), "{reported}");
    let left = docker(&["ps", "-aq", "--filter", "label=longhaul.run"]);
    assert!(left.trim().is_empty(), "{left}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn a_container_of_longhauls_own_that_is_killed_is_started_again_by_digest() {
    let Some(scratch) = scratch_image() else { return };
    let bench = Bench::new("again");
    let restart = "restart: {when: on_exit, at_most: 2, cool_down: 2s}\n";
    bench.scenario_with("40s", "60s", restart);
    let recipe = scratch.recipe(&bench, &scratch.tagged_again(), "", "");
    let mut longhaul = bench.begin(&["--start", "docker", "--model", "org/m"], recipe);
    bench.wait_for_load();
    let ours = || docker(&["ps", "-q", "--filter", "label=longhaul.run"]).trim().to_owned();
    let first = ours();
    let truth = Truth::watch(&bench);
    kill_from_host(&first);
    let mut second = String::new();
    wait_for("another one", || {
        second = ours();
        !second.is_empty() && second != first
    });
    let image = docker(&["inspect", "-f", "{{.Config.Image}}", &second]);
    assert_eq!(image.trim(), scratch.pinned, "by digest");
    let reported = longhaul.end();
    assert_eq!(reported.code, Some(1), "a crash breaks the contract: {reported}");
    let what = "kill -9 from the host, of a container of our own";
    let fell = Befallen::of(&bench, what, truth.away_s());
    assert_eq!(fell.causes(), ["engine_crash"], "{reported}");
    assert!(fell.incidents[0].2.is_some(), "it came back: {:?}", fell.incidents);
    assert_eq!(count(&fell.events, "target,launched"), 2, "{}", fell.events);
    let left = docker(&["ps", "-aq", "--filter", "label=longhaul.run"]);
    assert!(left.trim().is_empty(), "{left}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn everything_that_the_engine_refuses_is_explained_and_nothing_is_left() {
    let Some(scratch) = scratch_image() else { return };
    let image = scratch.tagged_again();
    for (options, words) in [
        ("-p 127.0.0.1:PORT:1", "the port is in use"),
        ("--gpus all", "no driver for GPUs"),
        ("--entrypoint /nope", "no such program"),
    ] {
        let bench = Bench::new("refused");
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = taken.local_addr().expect("an address").port().to_string();
        let options = options.replace("PORT", &port);
        // Published ports and the host's network exclude each other.
        let recipe = scratch.recipe_on(&bench, &image, &options, "", !options.starts_with("-p"));
        let endpoint = bench.address();
        let flags = ["--start", "docker", "--model", "org/m", "--endpoint", &endpoint];
        let reported = bench.run(&flags, recipe);
        assert_eq!(reported.code, Some(2), "{options}: {reported}");
        assert!(reported.text.contains(words), "{options}: {reported}");
        let left = docker(&["ps", "-aq", "--filter", "label=longhaul.run"]);
        assert!(left.trim().is_empty(), "{options}: {left}");
    }
    let bench = Bench::new("away");
    let recipe = scratch.recipe(&bench, &image, "", "");
    let reported = bench.run_with(
        &["--start", "docker", "--model", "org/m"],
        recipe,
        &[("DOCKER_HOST", "unix:///nonexistent.sock")],
    );
    assert_eq!(reported.code, Some(2), "{reported}");
    assert!(reported.text.contains("the engine does not run"), "{reported}");
}
