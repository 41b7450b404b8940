//! Tests the simulated server behind an address, which longhaul did not start.

use std::fs;
use std::process::Command;

use super::{SCENARIO, Scratch, json, longhaul, path, text, wait_for};

/// A simulated server of its own, which somebody else started; it ends with the test.
struct Sim(std::process::Child, String);

impl Sim {
    fn start(scratch: &Scratch) -> Sim {
        let said = scratch.path("sim.log");
        let log = fs::File::create(&said).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_longhaul"))
            .args(["sim", "--port", "0", "--profile", path(&scratch.path("fast.yaml"))])
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        let address = || {
            let said = fs::read_to_string(&said).ok()?;
            let (_, rest) = said.split_once("SIMULATED server on ")?;
            Some(rest.split_once(',')?.0.to_owned())
        };
        wait_for(|| address().is_some());
        Sim(child, address().expect("an address"))
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_simulator_behind_an_address_is_simulated_in_every_output() {
    let scratch = Scratch::new();
    let sim = Sim::start(&scratch);
    let scenario = scratch.scenario(&SCENARIO.replace("duration: 4s", "laps: 2"));
    let folders = ["run", "other", "third"].map(|name| scratch.path(name));
    for folder in &folders {
        let ran = longhaul(&[
            "run",
            "--endpoint",
            &sim.1,
            "--scenario",
            path(&scenario),
            "-o",
            path(folder),
        ]);
        let report = text(&ran.stdout);
        assert!(report.starts_with("SIMULATED PASS"), "{report}{}", text(&ran.stderr));
    }
    let [run, other, third] = folders.each_ref().map(|folder| path(folder));
    let forms: [&[&str]; 6] = [
        &["report", run],
        &["report", run, "--wide"],
        &["report", run, "--format", "json"],
        &["report", run, "--format", "arena"],
        &["report", run, "--format", "benchy"],
        &["compare", run, other, "--force"],
    ];
    for form in forms {
        let out = text(&longhaul(form).stdout);
        let is_told = out.contains("SIMULATED") || out.contains("\"simulated\": true");
        assert!(is_told, "{form:?}\n{out}");
    }
    assert_eq!(json(&scratch, "run.json")["simulated"], true);
    let events = fs::read_to_string(scratch.path("run/events.csv")).expect("events");
    assert!(events.contains(",opened,") && events.contains("simulated"), "{events}");
    let histograms = fs::read_to_string(scratch.path("run/latency.hlog")).expect("histograms");
    let marked = |line: &str| line.starts_with('#') && line.contains("SIMULATED");
    assert!(histograms.lines().any(marked), "{histograms}");
    let one_server = longhaul(&["floor", run, other, third]);
    let refused = text(&one_server.stderr);
    assert!(refused.contains("start"), "three runs of one start are no floor: {refused}");
}
