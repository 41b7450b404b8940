//! Tests the real binary against the simulated server over real sockets: the user's view of a
//! healthy server and of each fault. The machine is a thousand times faster than a real one and
//! limits are low, so that no test waits long.

#![allow(clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of a test's own, removed when it is dropped.
struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Scratch {
        let folder = tempfile::TempDir::new().expect("a scratch folder");
        fs::write(folder.path().join("fast.yaml"), PROFILE).expect("a profile");
        Scratch(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn scenario(&self, text: &str) -> PathBuf {
        let path = self.path("scenario.yaml");
        fs::write(&path, text).expect("a scenario");
        path
    }
}

const PROFILE: &str = include_str!("machine.yaml");

const SCENARIO: &str = "\
about: Half a minute on two depths, for tests.
duration: 4s
warmup: 1 lap
reference: 0 laps
workloads:
  - ladder:
      depths: [0, 2048]
      prompt: 256
      output: 16
      concurrency: [1, 2]
      prefix: cold
limits:
  first_token: 700ms
  stall: 700ms
  away: 60s
contract:
  crashes: 0
  errors: 0%
";

fn longhaul(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longhaul"))
        .args(arguments)
        .env_remove("http_proxy")
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

/// A simulated run; its exit code and its report.
fn run(scratch: &Scratch, scenario: &str, more: &[&str]) -> (Option<i32>, String) {
    let scenario = scratch.scenario(scenario);
    let (profile, folder) = (scratch.path("fast.yaml"), scratch.path("run"));
    let mut arguments = vec![
        "run",
        "--simulate",
        "--profile",
        path(&profile),
        "--scenario",
        path(&scenario),
        "-o",
        path(&folder),
    ];
    arguments.extend(more);
    let output = longhaul(&arguments);
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn verdict(scratch: &Scratch) -> serde_json::Value {
    let json = fs::read(scratch.path("run/verdict.json")).expect("verdict.json");
    serde_json::from_slice(&json).expect("JSON")
}

#[test]
fn a_healthy_run_passes_and_its_folder_tells_the_same_again() {
    let scratch = Scratch::new();
    let (code, told) = run(&scratch, SCENARIO, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("SIMULATED PASS"), "{told}");
    let again = longhaul(&["report", path(&scratch.path("run"))]);
    assert_eq!(again.status.code(), Some(0));
    assert!(told.contains(text(&again.stdout).trim()), "the report is derived, not remembered");
    assert_eq!(verdict(&scratch)["simulated"], true);
}

#[test]
fn prompts_have_the_depth_that_was_asked_for_by_the_servers_own_count() {
    let scratch = Scratch::new();
    let (code, told) = run(&scratch, SCENARIO, &[]);
    assert_eq!(code, Some(0), "{told}");
    let mut rows = csv::Reader::from_path(scratch.path("run/requests.csv")).expect("requests.csv");
    let columns = rows.headers().expect("a header").clone();
    let column = |name: &str| columns.iter().position(|known| known == name).expect(name);
    let (depth, asked, counted) =
        (column("depth"), column("asked_prompt"), column("prompt_tokens"));
    let mut seen = 0;
    for row in rows.records() {
        let row = row.expect("a row");
        let number = |index: usize| row[index].parse::<f64>().expect("a number");
        let wanted = number(depth) + number(asked);
        let off = (number(counted) - wanted).abs();
        assert!(off <= (wanted * 0.01).max(16.0), "asked {wanted}, counted {}", number(counted));
        seen += 1;
    }
    assert!(seen > 10, "{seen} rows");
}

/// When each request was due, in microseconds since the first of its round, and how late the
/// latest was sent.
fn schedule(scratch: &Scratch) -> (Vec<(String, i64)>, i64) {
    let mut rows = csv::Reader::from_path(scratch.path("run/requests.csv")).expect("requests.csv");
    let columns = rows.headers().expect("a header").clone();
    let column = |name: &str| columns.iter().position(|known| known == name).expect(name);
    let [phase, lap, lane, due, sent] = ["phase", "lap", "lane", "due_us", "sent_us"].map(column);
    let (mut dues, mut late_us_max) = (Vec::new(), 0);
    for row in rows.records() {
        let row = row.expect("a row");
        let us = |index: usize| row[index].parse::<i64>().expect("microseconds");
        assert!(us(sent) >= us(due), "nothing is sent before it is due");
        late_us_max = late_us_max.max(us(sent) - us(due));
        dues.push((format!("{} {} {:>4}", &row[phase], &row[lap], &row[lane]), us(due)));
    }
    dues.sort();
    let rounds: Vec<i64> =
        dues.iter().filter(|(at, _)| at.ends_with("   0")).map(|at| at.1).collect();
    let began = |due: i64| rounds.iter().filter(|began| **began <= due).max().copied();
    let since = |(at, due): (String, i64)| (at, due - began(due).expect("a round"));
    (dues.into_iter().map(since).collect(), late_us_max)
}

#[test]
fn an_open_loop_is_due_alike_in_every_run_and_its_lateness_is_told() {
    let scenario = SCENARIO
        .replace("duration: 4s", "laps: 1")
        .replace("[0, 2048]", "[0]")
        .replace("concurrency: [1, 2]", "rate: [20]\n      requests: 20")
        .replace("errors: 0%", "errors: 0%\n  lateness_max: [{rate: 20, at_most: 900ms}]");
    let run_once = || {
        let scratch = Scratch::new();
        let (code, told) = run(&scratch, &scenario, &[]);
        assert_eq!(code, Some(0), "{told}");
        let verdict = verdict(&scratch);
        assert_eq!(verdict["gates"][2]["selector"]["rate"], 20.0);
        assert_eq!(verdict["fate_unknown"], 0);
        assert_eq!(verdict["cells"][0]["cell"], "d0/r20/p256/o16");
        assert_eq!(verdict["cells"][0]["measures"]["ttft_due"]["n"], 20);
        schedule(&scratch)
    };
    let ((first, late_us_max), (again, _)) = (run_once(), run_once());
    assert_eq!(first.len(), 40);
    assert_eq!(first, again, "the same seed, the same schedule");
    assert!(late_us_max < 900_000, "{late_us_max}");
}

#[test]
fn a_rate_on_the_command_line_is_in_the_command_that_does_it_again() {
    let scratch = Scratch::new();
    let (code, told) = run(&scratch, SCENARIO, &["--rate", "30,60", "--depths", "0"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("--rate 30,60"), "{told}");
    let again = longhaul(&["report", path(&scratch.path("run"))]);
    assert!(text(&again.stdout).contains("d0 r30"), "{}", text(&again.stdout));
}

#[test]
fn a_crashed_server_that_comes_back_is_one_outage_and_a_fail() {
    let scratch = Scratch::new();
    let (code, told) = run(&scratch, SCENARIO, &["--ailment", "crash=2s@1s"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("SIMULATED FAIL"), "{told}");
    assert_eq!(verdict(&scratch)["incidents"].as_array().map(Vec::len), Some(1), "{told}");
}

#[test]
fn the_log_of_the_simulated_server_is_followed_through_its_death() {
    let scratch = Scratch::new();
    let (code, told) = run(&scratch, SCENARIO, &["--ailment", "cuda_oom=2s@1s"]);
    assert_eq!(code, Some(1), "{told}");
    let read = |name: &str| fs::read_to_string(scratch.path("run").join(name)).expect(name);
    let events = read("events.csv");
    for words in [",said,cuda_oom,", ",said,engine_dead,", ",target,exited,", ",target,started,"] {
        assert!(events.contains(words), "{words}: {events}");
    }
    assert!(read("readings.csv").contains(",process,,log_lines,"));
    assert!(read("server.log").contains("torch.OutOfMemoryError"));
}

#[test]
fn a_server_that_stays_away_ends_the_run_as_fail() {
    let scratch = Scratch::new();
    let scenario = SCENARIO.replace("away: 60s", "away: 3s");
    let (code, told) = run(&scratch, &scenario, &["--ailment", "crash@1s"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("away"), "{told}");
}

#[test]
fn every_way_of_answering_badly_breaks_the_gate_on_errors() {
    for (ailment, ended) in [
        ("error_frame=30%", "error_frame"),
        ("truncated_stream=30%", "truncated"),
        ("empty_answer=30%", "empty"),
        ("stall=30%", "stalled"),
    ] {
        let scratch = Scratch::new();
        let (code, told) = run(&scratch, SCENARIO, &["--ailment", ailment]);
        assert_eq!(code, Some(1), "{ailment}: {told}");
        let rows = fs::read_to_string(scratch.path("run/requests.csv")).expect("requests.csv");
        assert!(rows.contains(ended), "{ailment}: {told}");
    }
}

#[test]
fn a_run_that_ends_at_the_first_broken_gate_ends_early() {
    let scratch = Scratch::new();
    let scenario = SCENARIO.replace("duration: 4s", "duration: 10m");
    let (code, told) =
        run(&scratch, &scenario, &["--stop-on-fail", "--ailment", "error_frame=60%@1s"]);
    assert_eq!(code, Some(1), "{told}");
    let verdict = verdict(&scratch);
    assert!(verdict["closed"].to_string().contains("stop_on_fail"), "{}", verdict["closed"]);
    assert!(verdict["load_s"].as_f64().is_some_and(|load_s| load_s < 300.0), "{told}");
}

#[test]
fn an_interrupted_run_still_reports_and_says_that_it_proves_nothing() {
    let scratch = Scratch::new();
    let scenario = scratch.scenario(&SCENARIO.replace("duration: 4s", "duration: 10m"));
    let (profile, folder) = (scratch.path("fast.yaml"), scratch.path("run"));
    let child = Command::new(env!("CARGO_BIN_EXE_longhaul"))
        .args(["run", "--simulate", "--profile", path(&profile)])
        .args(["--scenario", path(&scenario), "-o", path(&folder)])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary runs");
    let rows = scratch.path("run/requests.csv");
    wait_for(|| fs::read_to_string(&rows).is_ok_and(|rows| rows.lines().count() > 5));
    let id = child.id().to_string();
    let kill = Command::new("kill").args(["-INT", &id]).status().expect("kill runs");
    assert!(kill.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output.stdout).contains("INCONCLUSIVE"), "{}", text(&output.stdout));
}

/// Waits for a condition, with a bound that only a broken program reaches.
fn wait_for(condition: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if condition() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("it never came to that");
}
