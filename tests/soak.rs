//! Tests the real binary against the simulated server over real sockets: the user's view of a
//! healthy server and of each fault. The machine is a thousand times faster than a real one and
//! limits are low, so that no test waits long.

#![allow(clippy::expect_used, clippy::panic)]

#[path = "soak/address.rs"]
mod address;
#[path = "../src/shown.rs"]
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use insta::assert_snapshot;
use shown::numberless;

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

/// Exit code and output of a simulated run.
struct Ran {
    code: Option<i32>,
    report: String,
    progress: String,
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n{}{}", self.code, self.report, self.progress)
    }
}

fn run(scratch: &Scratch, scenario: &str, more: &[&str]) -> Ran {
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
    let (report, progress) = (text(&output.stdout), text(&output.stderr));
    Ran { code: output.status.code(), report, progress }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn json(scratch: &Scratch, name: &str) -> serde_json::Value {
    let json = fs::read(scratch.path("run").join(name)).expect(name);
    serde_json::from_slice(&json).expect("JSON")
}

fn verdict(scratch: &Scratch) -> serde_json::Value {
    json(scratch, "verdict.json")
}

/// A row of the run folder, by column.
type Row = BTreeMap<String, String>;

fn rows(scratch: &Scratch, name: &str) -> Vec<Row> {
    let mut rows = csv::Reader::from_path(scratch.path("run").join(name)).expect(name);
    rows.deserialize().map(|row| row.expect("a row")).collect()
}

#[test]
fn a_healthy_run_passes_and_its_folder_tells_the_same_again() {
    let scratch = Scratch::new();
    let ran = run(&scratch, SCENARIO, &[]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let again = longhaul(&["report", path(&scratch.path("run"))]);
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(text(&again.stdout), ran.report, "the report is derived, not remembered");
    let verdict = verdict(&scratch);
    assert_eq!((&verdict["verdict"], &verdict["simulated"]), (&"PASS".into(), &true.into()));
}

#[test]
fn prompts_have_the_depth_that_was_asked_for_by_the_servers_own_count() {
    let scratch = Scratch::new();
    let ran = run(&scratch, SCENARIO, &[]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let rows = rows(&scratch, "requests.csv");
    for row in &rows {
        let number = |column: &str| row[column].parse::<f64>().expect("a number");
        let (wanted, counted) = (number("depth") + number("asked_prompt"), number("prompt_tokens"));
        let off = (counted - wanted).abs();
        assert!(off <= (wanted * 0.01).max(16.0), "asked {wanted}, counted {counted}");
    }
    assert!(rows.len() > 10, "{} rows", rows.len());
}

/// When each request was due, in microseconds since the first of its round, and how late the
/// latest was sent.
fn schedule(scratch: &Scratch) -> (Vec<(String, i64)>, i64) {
    let (mut dues, mut late_us_max) = (Vec::new(), 0);
    for row in rows(scratch, "requests.csv") {
        let us = |column: &str| row[column].parse::<i64>().expect("microseconds");
        let late_us = us("sent_us") - us("due_us");
        assert!(late_us >= 0, "nothing is sent before it is due");
        late_us_max = late_us_max.max(late_us);
        dues.push((format!("{} {} {:>4}", row["phase"], row["lap"], row["lane"]), us("due_us")));
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
        let ran = run(&scratch, &scenario, &[]);
        assert_eq!(ran.code, Some(0), "{ran}");
        let verdict = verdict(&scratch);
        assert_eq!(verdict["gates"][2]["selector"]["rate"], 20.0);
        assert_eq!(verdict["fate_unknown"], 0);
        assert_eq!(verdict["cells"][0]["cell"], "d0/r20/p256/o16");
        // A busy machine delays longhaul itself: such a request has no time, and is counted.
        let cell = &verdict["cells"][0];
        let count = |of: &serde_json::Value| of.as_u64().expect("a count");
        let timed = count(&cell["measures"]["ttft_due"]["n"]);
        assert!(timed <= 20 && timed + count(&cell["delayed"]) >= 20, "{cell}");
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
    let ran = run(&scratch, SCENARIO, &["--rate", "30,60", "--depths", "0"]);
    assert_eq!(ran.code, Some(0), "{ran}");
    let again = json(&scratch, "run.json")["again"].as_str().expect("a command").to_owned();
    assert_snapshot!(again.replace(path(scratch.0.path()), "FOLDER"), @"longhaul run --scenario FOLDER/scenario.yaml --depths 0 --rate 30,60 --profile FOLDER/fast.yaml --simulate --seed 1");
    let verdict = verdict(&scratch);
    let cells = verdict["cells"].as_array().expect("cells").iter();
    let cells: BTreeSet<&str> = cells.filter_map(|cell| cell["cell"].as_str()).collect();
    assert_eq!(cells, BTreeSet::from(["d0/r30/p256/o16", "d0/r60/p256/o16"]));
}

#[test]
fn a_crashed_server_that_comes_back_is_one_outage_and_a_fail() {
    let scratch = Scratch::new();
    let ran = run(&scratch, SCENARIO, &["--ailment", "crash=2s@1s"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let verdict = verdict(&scratch);
    assert_eq!(verdict["verdict"], "FAIL", "{ran}");
    assert_eq!(verdict["incidents"].as_array().map(Vec::len), Some(1), "{ran}");
}

#[test]
fn the_log_of_the_simulated_server_is_followed_through_its_death() {
    let scratch = Scratch::new();
    let ran = run(&scratch, SCENARIO, &["--ailment", "cuda_oom=2s@1s"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let events = rows(&scratch, "events.csv");
    let event = |row: &Row| format!("{} {}", row["kind"], row["subject"]);
    let events: BTreeSet<String> = events.iter().map(event).collect();
    let of_its_process = |event: &String| {
        event.starts_with("said ") || event == "target exited" || event == "target started"
    };
    let events: Vec<String> = events.into_iter().filter(of_its_process).collect();
    assert_snapshot!(events.join("\n"), @"
        said async_scheduling_on
        said chunked_prefill_on
        said compiled
        said cuda_oom
        said engine_arguments
        said engine_begins
        said engine_dead
        said engine_fatal
        said engine_output_failed
        said graphs_captured
        said kv_cache_type
        said max_model_len_used
        said moe_backend
        said ready
        said weights_loading
        target exited
        target started
    ");
    let readings = rows(&scratch, "readings.csv");
    let of_process = readings.iter().filter(|row| row["source"] == "process");
    let names: BTreeSet<&str> = of_process.map(|row| row["name"].as_str()).collect();
    assert!(names.contains("log_lines") && !names.contains("log_repeats"), "{names:?}");
    let log = fs::read_to_string(scratch.path("run/server.log")).expect("a log");
    assert_snapshot!("server_log", numberless(&log));
}

#[test]
fn a_server_that_stays_away_ends_the_run_as_fail() {
    let scratch = Scratch::new();
    let scenario = SCENARIO.replace("away: 60s", "away: 3s");
    let ran = run(&scratch, &scenario, &["--ailment", "crash@1s"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert_eq!(verdict(&scratch)["closed"], "away");
}

#[test]
fn every_way_of_answering_badly_breaks_the_gate_on_errors() {
    let ailments = [
        ("error_frame=30%", "error_frame"),
        ("truncated_stream=30%", "truncated"),
        ("empty_answer=30%", "empty"),
        ("stall=30%", "stalled"),
    ];
    let breaks_the_gate = |(ailment, ended): (&str, &str)| {
        let scratch = Scratch::new();
        let ran = run(&scratch, SCENARIO, &["--ailment", ailment]);
        assert_eq!(ran.code, Some(1), "{ailment}: {ran}");
        let rows = rows(&scratch, "requests.csv");
        let endings: BTreeSet<&str> = rows.iter().map(|row| row["ended"].as_str()).collect();
        assert_eq!(endings, BTreeSet::from(["completed", ended]), "{ailment}: {ran}");
    };
    std::thread::scope(|scope| {
        for ailment in ailments {
            scope.spawn(move || breaks_the_gate(ailment));
        }
    });
}

#[test]
fn a_run_that_ends_at_the_first_broken_gate_ends_early() {
    let scratch = Scratch::new();
    let scenario = SCENARIO.replace("duration: 4s", "duration: 10m");
    let ran = run(&scratch, &scenario, &["--stop-on-fail", "--ailment", "error_frame=60%@1s"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let verdict = verdict(&scratch);
    assert_eq!(verdict["closed"], "stop_on_fail");
    assert!(verdict["load_s"].as_f64().is_some_and(|load_s| load_s < 300.0), "{ran}");
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
    assert_eq!(verdict(&scratch)["verdict"], "INCONCLUSIVE", "{}", text(&output.stdout));
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
