//! A real container engine and a real registry, on this machine, without a
//! network beyond it: a scratch image around a static build of the binary.
//! Run by `cargo test --test docker -- --ignored --nocapture --test-threads=1`;
//! where there is no engine, every test says that it was skipped.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "targets/bench.rs"]
mod bench;
#[path = "docker/house.rs"]
mod house;

use bench::{Bench, wait_for};
use house::{House, docker, house};

/// A run that watches a container which somebody else started.
fn watching(bench: &Bench, name: &str) -> bench::Going {
    bench.scenario("120s", "60s");
    let address = bench.address();
    let flags = ["--endpoint", &address, "--container", name, "--model", "org/m"];
    let going = bench.begin(&flags, bench.recipe(""));
    wait_for("load", || bench.events().contains("phase,soak"));
    going
}

/// Begins a container as somebody else would, watches it, does something to it, and waits for
/// what must be told. Gives the events.
fn befalls(
    house: &House,
    options: &[&str],
    before: &[&str],
    fault: &dyn Fn(&str),
    told: &[&str],
) -> String {
    let bench = Bench::new("befalls");
    let name = house.somebody_elses(&bench, options, before);
    let mut longhaul = watching(&bench, &name);
    fault(&name);
    for words in told {
        wait_for(words, || bench.events().contains(words));
    }
    bench::kill(longhaul.id(), "-INT");
    bench::kill(longhaul.id(), "-INT");
    longhaul.end();
    let events = bench.events();
    docker(&["rm", "-f", &name]);
    events
}

/// A kill of which the engine is not told.
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
    let Some(house) = house() else { return };
    let bench = Bench::new("pull");
    docker(&["rmi", "-f", &house.pinned, &house.tagged]);
    let recipe = house.recipe(&bench, &house.pinned, "", "");
    let told = bench.run(&["--start", "docker", "--model", "org/m"], recipe.clone());
    assert_eq!(told.code, Some(2), "{told}");
    assert!(told.text.contains("try: --pull"), "{told}");
    let told = bench.run(&["--start", "docker", "--pull", "--model", "org/m"], recipe);
    assert_eq!(told.code, Some(0), "{told}");
    let left = docker(&["ps", "-aq", "--filter", "label=longhaul.run"]);
    assert!(left.trim().is_empty(), "{left}");
    let events = bench.events();
    assert!(
        events.contains("seen,container,") && !events.contains(r#"""differs"":true"#),
        "{events}"
    );
    assert!(bench.file("run/server.log").contains("SIMULATED server"));
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn a_tag_that_moved_since_the_recipe_was_pinned_is_told() {
    let Some(house) = house() else { return };
    let bench = Bench::new("moved");
    let other = house.moved_tag();
    let name = house.run(&bench, &other, &[], &[]);
    bench.scenario("3s", "2s");
    let recipe = house.recipe(&bench, &house.pinned, "", "");
    let address = bench.address();
    let flags = ["--endpoint", &address, "--container", &name, "--model", "org/m"];
    let told = bench.begin(&flags, recipe).end();
    docker(&["rm", "-f", &name]);
    let events = bench.events();
    let image = events.lines().find(|line| line.contains("seen,container,")).unwrap_or_default();
    assert!(image.contains(r#"""differs"":true"#), "{told}\n{events}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn who_ended_it_is_told_apart() {
    let Some(house) = house() else { return };
    let events = befalls(house, &[], &[], &kill_from_host, &["exit code 137"]);
    assert_eq!(count(&events, "target,signalled"), 0, "kill -9 from the host: {events}");

    let kill = |name: &str| drop(docker(&["kill", name]));
    let events = befalls(house, &[], &[], &kill, &["target,signalled", "exit code 137"]);
    assert!(events.contains(r#"""signal"":9"#), "docker kill: {events}");

    let stop = |name: &str| drop(docker(&["stop", "-t", "1", name]));
    let events = befalls(house, &[], &[], &stop, &["target,signalled", "target,exited"]);
    assert!(events.contains(r#"""signal"":15"#), "docker stop: {events}");

    let restart = |name: &str| drop(docker(&["restart", "-t", "1", name]));
    let events = befalls(house, &[], &[], &restart, &["target,exited", "target,started"]);
    assert_eq!(count(&events, "target,started"), 1, "docker restart: {events}");
    assert_eq!(count(&events, "target,restarted,\"started"), 0, "counted once: {events}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn a_frozen_server_is_seen_where_the_engine_knows_it() {
    let Some(house) = house() else { return };
    let pause = |name: &str| drop(docker(&["pause", name]));
    befalls(house, &[], &[], &pause, &["target,paused"]);
    let stop = |name: &str| drop(docker(&["kill", "-s", "STOP", name]));
    let events = befalls(house, &[], &[], &stop, &["target,signalled"]);
    assert!(events.contains(r#"""signal"":19"#), "{events}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn the_kernels_end_of_a_leak_is_told_as_one() {
    let Some(house) = house() else { return };
    let leak = |name: &str| {
        let empty = std::env::temp_dir().join("leak-now");
        std::fs::write(&empty, "").expect("a file");
        docker(&["cp", &empty.display().to_string(), &format!("{name}:/leak-now")]);
    };
    let limit = ["-m", "256m", "--memory-swap", "256m", "--entrypoint", "/leak"];
    let events =
        befalls(house, &limit, &["leak"], &leak, &["target,out_of_memory", "exit code 137"]);
    assert!(events.contains(r#"""oom_killed"":true"#), "{events}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn crashes_behind_a_restart_policy_are_counted() {
    let Some(house) = house() else { return };
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
    let events = befalls(house, &policy, &[], &kill, &["target,started"]);
    let told = count(&events, "target,started") + count(&events, "target,restarted,\"started");
    assert_eq!(told, 3, "each life once: {events}");
    assert_eq!(count(&events, "target,exited"), 3, "{events}");
    assert_eq!(count(&events, "target,started"), 3, "{events}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn no_line_is_lost_when_the_logs_file_is_rotated() {
    let Some(house) = house() else { return };
    let bench = Bench::new("rotated");
    let rotation = "--log-opt max-size=20k --log-opt max-file=3 --entrypoint /leak";
    let recipe = house.recipe(&bench, &house.tagged_again(), rotation, "lines");
    bench.scenario("12s", "5s");
    let flags = ["--start", "docker", "--model", "org/m"];
    let told = bench.begin(&flags, recipe).end();
    let log = bench.file("run/server.log");
    let lost: Vec<u32> =
        (0..4_000).filter(|n| count(&log, &format!("line {n:05} ")) != 1).collect();
    eprintln!("rotation: {} of 4000 lines not exactly once", lost.len());
    assert!(lost.is_empty(), "{lost:?}\n{told}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn a_container_of_longhauls_own_that_is_killed_is_told_and_removed() {
    let Some(house) = house() else { return };
    let bench = Bench::new("own");
    bench.scenario("60s", "3s");
    let recipe = house.recipe(&bench, &house.tagged_again(), "", "");
    let mut longhaul = bench.begin(&["--start", "docker", "--model", "org/m"], recipe);
    wait_for("load", || bench.events().contains("phase,soak"));
    let id = docker(&["ps", "-q", "--filter", "label=longhaul.run"]);
    docker(&["kill", id.trim()]);
    let told = longhaul.end();
    assert_eq!(told.code, Some(1), "{told}");
    assert!(bench.events().contains("exit code 137"), "{told}");
    let left = docker(&["ps", "-aq", "--filter", "label=longhaul.run"]);
    assert!(left.trim().is_empty(), "{left}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn everything_that_the_engine_refuses_is_explained_and_nothing_is_left() {
    let Some(house) = house() else { return };
    let image = house.tagged_again();
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
        let recipe = house.recipe_on(&bench, &image, &options, "", !options.starts_with("-p"));
        let endpoint = bench.address();
        let flags = ["--start", "docker", "--model", "org/m", "--endpoint", &endpoint];
        let told = bench.run(&flags, recipe);
        assert_eq!(told.code, Some(2), "{options}: {told}");
        assert!(told.text.contains(words), "{options}: {told}");
        let left = docker(&["ps", "-aq", "--filter", "label=longhaul.run"]);
        assert!(left.trim().is_empty(), "{options}: {left}");
    }
    let bench = Bench::new("away");
    let recipe = house.recipe(&bench, &image, "", "");
    let told = bench.run_with(
        &["--start", "docker", "--model", "org/m"],
        recipe,
        &[("DOCKER_HOST", "unix:///nonexistent.sock")],
    );
    assert_eq!(told.code, Some(2), "{told}");
    assert!(told.text.contains("the engine does not run"), "{told}");
}
