//! Tests an engine that is unreachable for longhaul while the server continues: the gap in
//! observation is reported, events in it are reported afterwards, and none twice.

use super::bench::{self, Bench, wait_for};
use super::image::{docker, scratch_image};
use super::proxy::Proxy;
use super::{Befallen, count};

/// What an engine that is not there is reported as.
const GONE: &str = "Cannot connect to the Docker daemon";

/// Lines of the server's log, by their numbers: one each, from the first to the last.
fn no_tick_is_lost_or_told_twice(bench: &Bench) {
    let log = bench.file("run/server.log");
    let number = |line: &str| line.strip_prefix("tick ")?.get(..5)?.parse::<u32>().ok();
    let ticks: Vec<u32> = log.lines().filter_map(number).collect();
    let (Some(first), Some(last)) = (ticks.first(), ticks.last()) else {
        panic!("nothing was followed: {log}")
    };
    assert_eq!(ticks, (*first..=*last).collect::<Vec<u32>>(), "each line once, in order");
}

fn last_tick(bench: &Bench) -> String {
    let log = bench.file("run/server.log");
    log.lines().rfind(|line| line.starts_with("tick ")).unwrap_or_default().to_owned()
}

fn requests(bench: &Bench) -> usize {
    count(&bench.file("run/requests.csv"), "completed")
}

/// Waits until both were read once more: whether the container runs, and its log.
fn is_looked_at(bench: &Bench) {
    let readings = |name: &str| count(&bench.file("run/readings.csv"), &format!(",{name},"));
    for name in ["running", "log_lines"] {
        let before = readings(name);
        wait_for(name, || readings(name) > before);
    }
}

/// Takes the engine away until that was reported of events, state and log, and the load went on.
fn takes_away(bench: &Bench, proxy: &mut Proxy) {
    is_looked_at(bench);
    proxy.close();
    for what in ["events", "state", "log_lines"] {
        let reported = |line: &&str| line.contains(&format!("missed,container {what},"));
        let times =
            || bench.events().lines().filter(reported).filter(|it| it.contains(GONE)).count();
        wait_for(what, || times() >= 2);
    }
    let before = requests(bench);
    wait_for("requests without the engine", || requests(bench) > before + 5);
    let events = bench.events();
    for words in ["target,exited", "target,removed", "target,away", "target,failed"] {
        assert_eq!(count(&events, words), 0, "{words}: {events}");
    }
}

/// Gives it back, and waits until the log is followed again.
fn gives_back(bench: &Bench, proxy: &mut Proxy) {
    let last = last_tick(bench);
    proxy.open_again();
    wait_for("the log again", || last_tick(bench) != last);
}

/// The share of the run in which a source was looked at, and why not more.
fn seen(bench: &Bench, source: &str) -> (f64, String) {
    let verdict: serde_json::Value =
        serde_json::from_str(&bench.file("run/verdict.json")).expect("a verdict");
    let light = &verdict["coverage"]["sources"][source];
    (light["share"].as_f64().expect("a share"), light["why"].to_string())
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn an_engine_that_goes_away_is_no_crash_and_what_comes_after_it_is_seen() {
    let Some(scratch) = scratch_image() else { return };
    let bench = Bench::new("away");
    bench.scenario("120s", "60s");
    let name = scratch.somebody_elses(&bench, &["--entrypoint", "/leak"], &["ticks"]);
    let mut proxy = Proxy::open(bench.path("engine.sock"));
    let (address, engine) = (bench.address(), proxy.address());
    let flags = ["--endpoint", &address, "--container", &name, "--model", "org/m"];
    let env = [("DOCKER_HOST", engine.as_str())];
    let mut longhaul = bench.begin_with(&flags, bench.recipe(""), &env);
    bench.wait_for_load();
    wait_for("its log", || !last_tick(&bench).is_empty());
    takes_away(&bench, &mut proxy);
    gives_back(&bench, &mut proxy);
    is_looked_at(&bench);
    docker(&["kill", &name]);
    for words in ["target,signalled", "code 137", "target,away"] {
        bench.wait_for_event(words);
    }
    bench::kill(longhaul.id(), "-INT");
    bench::kill(longhaul.id(), "-INT");
    let reported = longhaul.end();
    docker(&["rm", "-f", &name]);
    let fell = Befallen::of(&bench, "the engine goes away and comes back, then docker kill", None);
    assert_eq!(fell.causes(), ["operator"], "{reported}");
    assert_eq!(count(&fell.events, "target,exited"), 1, "{}", fell.events);
    no_tick_is_lost_or_told_twice(&bench);
    for source in ["server log", "container"] {
        let (share, why) = seen(&bench, source);
        eprintln!("  {source}: {:.0} % seen", share * 100.0);
        assert!(share > 0.0 && share < 0.95, "{source}: {share} {why}\n{reported}");
        assert!(why.contains(GONE), "{source}: {why}");
    }
    assert!(reported.text.contains("server log"), "{reported}");
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn what_happened_while_the_engine_was_away_is_told_of_its_own_time_and_once() {
    let Some(scratch) = scratch_image() else { return };
    let bench = Bench::new("meanwhile");
    bench.scenario("120s", "60s");
    let options = ["--entrypoint", "/leak"];
    let name = scratch.somebody_elses(&bench, &options, &["ticks"]);
    let mut proxy = Proxy::open(bench.path("engine.sock"));
    let (address, engine) = (bench.address(), proxy.address());
    let flags = ["--endpoint", &address, "--container", &name, "--model", "org/m"];
    let env = [("DOCKER_HOST", engine.as_str())];
    let mut longhaul = bench.begin_with(&flags, bench.recipe(""), &env);
    bench.wait_for_load();
    wait_for("its log", || !last_tick(&bench).is_empty());
    takes_away(&bench, &mut proxy);
    docker(&["restart", "-t", "1", &name]);
    bench.wait_for_event("target,away");
    bench.wait_for_event("target,back");
    let before = requests(&bench);
    wait_for("requests afterwards", || requests(&bench) > before + 5);
    proxy.open_again();
    for words in ["target,signalled", "target,exited", "target,started"] {
        bench.wait_for_event(words);
    }
    bench::kill(longhaul.id(), "-INT");
    bench::kill(longhaul.id(), "-INT");
    let reported = longhaul.end();
    docker(&["rm", "-f", &name]);
    let fell = Befallen::of(&bench, "docker restart while the engine is away", None);
    assert_eq!(fell.causes(), ["operator"], "{reported}\n{}", fell.events);
    for words in ["target,exited", "target,started"] {
        assert_eq!(count(&fell.events, words), 1, "{words}: {}", fell.events);
    }
    assert_eq!(count(&fell.events, "target,restarted,\"started"), 0, "{}", fell.events);
}

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn a_run_whose_own_container_goes_on_without_the_engine_ends_in_time_and_leaves_nothing() {
    let Some(scratch) = scratch_image() else { return };
    let bench = Bench::new("own-away");
    bench.scenario("90s", "20s");
    let recipe = scratch.recipe(&bench, &scratch.tagged_again(), "--entrypoint /leak", "ticks");
    let mut proxy = Proxy::open(bench.path("engine.sock"));
    let engine = proxy.address();
    let env = [("DOCKER_HOST", engine.as_str())];
    let mut longhaul = bench.begin_with(&["--start", "docker", "--model", "org/m"], recipe, &env);
    bench.wait_for_load();
    takes_away(&bench, &mut proxy);
    gives_back(&bench, &mut proxy);
    let reported = longhaul.end();
    assert_eq!(reported.code, Some(0), "{reported}");
    let fell = Befallen::of(&bench, "the engine goes away under a container of our own", None);
    assert!(fell.incidents.is_empty(), "{:?}", fell.incidents);
    no_tick_is_lost_or_told_twice(&bench);
    let left = docker(&["ps", "-aq", "--filter", "label=longhaul.run"]);
    assert!(left.trim().is_empty(), "{left}");
}
