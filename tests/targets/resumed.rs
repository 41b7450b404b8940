//! Tests that a server which outlives the longhaul that started it is found, and never taken for
//! another one: longhaul is killed while its server loads.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use super::bench::shown::numberless;
use super::bench::{self, Bench, Told, is_alive, wait_for};

/// Time that a server takes to load.
const LOADS: &str = "sleep 4; ";

/// Waits until longhaul has launched another server than `earlier`, and kills it while that loads.
fn killed_while_loading(bench: &Bench, longhaul: bench::Going, earlier: Option<u32>) -> u32 {
    let mut server = None;
    wait_for("a launch", || {
        server = recorded(bench).filter(|pid| Some(*pid) != earlier);
        server.is_some()
    });
    drop(longhaul);
    let server = server.expect("a server");
    assert!(is_alive(server), "it outlives longhaul");
    server
}

/// The process of the record, where there is one.
fn recorded(bench: &Bench) -> Option<u32> {
    let record: serde_json::Value = serde_json::from_str(&bench.file("run/launched.json")).ok()?;
    u32::try_from(record["process"]["pid"].as_u64()?).ok()
}

/// Lines that say something of the server.
fn of_the_server(bench: &Bench, told: &Told) -> String {
    let is_it = |line: &&str| line.contains("still runs") || line.contains("took port");
    let lines: Vec<&str> = told.text.lines().filter(is_it).collect();
    numberless(&bench.named(&lines.join("\n")))
}

#[test]
fn a_server_of_a_killed_resume_is_found_while_it_still_loads() {
    let bench = Bench::new("resumed-twice");
    bench.scenario("4s", "2s");
    let longhaul = bench.begin(&["--start", "process"], bench.recipe(LOADS));
    bench.wait_for_load();
    let first = recorded(&bench);
    drop(longhaul);
    let second = killed_while_loading(&bench, bench.resume(), first);
    let first = first.expect("a record");
    assert!(!is_alive(first), "the first resume ended it");
    let told = bench.resume().end();
    assert_eq!(told.code, Some(0), "{told}");
    assert!(!is_alive(second), "{told}");
    assert_snapshot!(of_the_server(&bench, &told), @"the server that this run had started still runs, and is ended: bash (pid #), sleep (pid #)");
    assert!(!bench.path("run/launched.json").exists(), "nothing runs any more");
}

#[test]
fn a_run_that_was_killed_before_its_first_row_is_begun_again_and_ends_its_server() {
    let bench = Bench::new("begun-twice");
    bench.scenario("3s", "2s");
    let recipe = bench.recipe(LOADS);
    let begin = || bench.begin(&["--start", "process"], recipe.clone());
    let first = killed_while_loading(&bench, begin(), None);
    let told = bench.resume().end();
    assert_eq!(told.code, Some(2), "{told}");
    assert_snapshot!(bench.named(&told.text), @"
        error: the run was cut off while its server was starting, before its first row
           at: FOLDER/run
          try: begin it again, with -o FOLDER/run: that server is ended first
    ");
    let told = begin().end();
    assert_eq!(told.code, Some(0), "{told}");
    assert!(!is_alive(first), "{told}");
    assert_snapshot!(of_the_server(&bench, &told), @"the server that this run had started still runs, and is ended: bash (pid #), sleep (pid #)");
}

#[test]
fn a_port_that_an_older_process_takes_meanwhile_is_no_crash_of_the_server() {
    let bench = Bench::new("overtaken");
    let recipe = bench.recipe("sleep 1000; ");
    // It is older by more than a tick of the kernel's clock.
    let command = format!("sleep 0.05; echo; sleep 2; exec {}", bench.serving());
    let mut stranger = Command::new("bash")
        .args(["-c", &command])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a server");
    let mut begun = BufReader::new(stranger.stdout.take().expect("its output"));
    begun.read_line(&mut String::new()).expect("a line");
    let told = bench.run(&["--start", "process"], recipe);
    stranger.kill().expect("killed");
    stranger.wait().expect("waited for");
    assert_eq!(told.code, Some(2), "{told}");
    let stated: Vec<&str> = told.text.lines().skip_while(|it| !it.starts_with("error")).collect();
    assert_snapshot!(numberless(&bench.named(&stated.join("\n"))), @"
        error: longhaul (pid #) took port PORT while the server was starting, so the server cannot be reached
          try: end it: it may be a server of an earlier run, which was still loading
          try: another port in the recipe
    ");
    assert!(!bench.path("run").exists(), "nothing was begun");
}
