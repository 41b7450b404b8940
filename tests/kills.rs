//! Kills the real binary at random moments, again and again, and resumes the run each time. What was
//! written must stay, no wrong row may be read, and in the end everything was asked that an
//! uninterrupted run asks.
//!
//! `cargo test --release --test kills -- --ignored --nocapture`; `LONGHAUL_KILLS` is the number of
//! kills (100), `LONGHAUL_SEED` the seed of their moments, which is printed.

// clippy's exemption of tests does not reach their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
// Moments of kills are random times of the real clock.
#![allow(clippy::disallowed_methods)]

#[path = "kills/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use server::CountingServer;

/// Tokens of an answer of the load.
const TOKENS: u64 = 12;
/// Longest time until a kill, milliseconds.
const LIFE_MS_MAX: u64 = 2_500;

const FILES: [&str; 3] = ["requests.csv", "events.csv", "readings.csv"];

fn scenario(laps: u64) -> String {
    format!(
        "about: Short answers, for kills.\nlaps: {laps}\nwarmup: 1 lap\nreference: 0 laps\n\
         workloads:\n  - ladder:\n      depths: [0, 256]\n      prompt: 64\n      output: {TOKENS}\n      \
         concurrency: [1, 3]\n      prefix: cold\ncontract: {{ errors: 1% }}\n"
    )
}

/// Random numbers of a seed (splitmix64, Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn longhaul(words: &[&str], errors: &Path) -> Child {
    let errors = fs::File::create(errors).unwrap();
    Command::new(env!("CARGO_BIN_EXE_longhaul"))
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        .spawn()
        .expect("longhaul starts")
}

/// Bytes of a file up to the end of its last line: later ones may be half a row.
fn whole_lines(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_default();
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes[..end].to_vec()
}

/// Whether the journal has a row behind its head.
fn has_rows(folder: &Path) -> bool {
    whole_lines(&folder.join("events.csv")).split(|byte| *byte == b'\n').count() > 2
}

/// Number of rows, each of which must have its checksum, and asks with a whole answer.
struct Rows {
    rows: u64,
    resent: u64,
    answered: BTreeSet<String>,
}

impl Rows {
    fn read(folder: &Path) -> Rows {
        for name in FILES {
            let text = String::from_utf8(whole_lines(&folder.join(name))).expect("UTF-8");
            for line in text.lines().skip(1) {
                let (body, crc) = line.rsplit_once(',').expect("a checksum");
                assert_eq!(
                    format!("{:08x}", crc32fast::hash(body.as_bytes())),
                    crc,
                    "{name}: {line}"
                );
            }
        }
        let bytes = whole_lines(&folder.join("requests.csv"));
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let head = reader.headers().unwrap().clone();
        if head.is_empty() {
            return Rows { rows: 0, resent: 0, answered: BTreeSet::new() };
        }
        let column = |name: &str| head.iter().position(|it| it == name).expect("a column");
        let asks = ["phase", "lane", "slot", "cell", "repeat"].map(column);
        let (ended, resent) = (column("ended"), column("resent"));
        let mut rows = Rows { rows: 0, resent: 0, answered: BTreeSet::new() };
        for row in reader.records() {
            let row = row.unwrap();
            rows.rows += 1;
            rows.resent += u64::from(!matches!(&row[resent], "" | "0" | "false"));
            if matches!(&row[ended], "completed" | "short") {
                rows.answered.insert(asks.map(|at| row[at].to_owned()).join(" "));
            }
        }
        rows
    }
}

/// Number of requests whose end is not known, as the report says it.
fn fate_unknown(folder: &Path) -> u64 {
    let words = ["report", folder.to_str().unwrap(), "--format", "json"];
    let out = Command::new(env!("CARGO_BIN_EXE_longhaul")).args(words).output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    value["fate_unknown"].as_u64().expect("a number")
}

/// Begins or resumes the run, kills it, and checks what it left. Returns whether it ended before.
fn killed(server: &CountingServer, home: &Path, folder: &Path, life: Duration) -> bool {
    let scenario = home.join("scenario.yaml");
    let run = folder.to_str().unwrap();
    let errors = home.join("errors");
    let is_begun = has_rows(folder);
    let before = FILES.map(|name| whole_lines(&folder.join(name)));
    let mut child = if is_begun {
        longhaul(&["resume", run], &errors)
    } else {
        let _ = fs::remove_dir_all(folder);
        let scenario = scenario.to_str().unwrap();
        let words = ["run", "--endpoint", &server.address, "--scenario", scenario, "-o", run];
        longhaul(&words, &errors)
    };
    thread::sleep(life);
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    if is_begun {
        for (name, before) in FILES.iter().zip(before) {
            let after = whole_lines(&folder.join(name));
            assert!(after.starts_with(&before), "{name}: what was written stays");
        }
    }
    Rows::read(folder);
    if let Some(status) = ended {
        let words = fs::read_to_string(&errors).unwrap();
        assert!(matches!(status.code(), Some(0 | 3)), "{status}: {words}");
    }
    ended.is_some()
}

#[test]
#[ignore = "some hundred kills take minutes"]
fn a_run_that_is_killed_again_and_again_loses_nothing_and_asks_everything() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("LONGHAUL_SEED", now.as_secs());
    let kills = number("LONGHAUL_KILLS", 100);
    eprintln!("LONGHAUL_SEED={seed} LONGHAUL_KILLS={kills}");
    let mut random = Random(seed);
    let home = tempfile::tempdir().unwrap();
    let whole = uninterrupted(home.path());
    let (mut done, mut runs, mut lost) = (0, 0, 0);
    while done < kills {
        runs += 1;
        let server = CountingServer::start(TOKENS);
        let folder = home.path().join(format!("run-{runs}"));
        let mut killed_here = 0;
        loop {
            // A part of the lives is short: they end while the run is taken up.
            let most = if random.next().is_multiple_of(3) { LIFE_MS_MAX / 5 } else { LIFE_MS_MAX };
            let life = Duration::from_millis(random.next() % most);
            let is_last = done >= kills;
            let life = if is_last { Duration::from_secs(120) } else { life };
            if is_last {
                finish(&server, home.path(), &folder);
                break;
            }
            if killed(&server, home.path(), &folder, life) {
                break;
            }
            done += 1;
            killed_here += 1;
        }
        let rows = Rows::read(&folder);
        let (asked, unknown) = (server.asked(), fate_unknown(&folder));
        assert_eq!(rows.answered, whole, "every ask, and no other");
        let sent = rows.rows + rows.resent;
        lost += asked - sent.min(asked);
        eprintln!(
            "run {runs}: {killed_here} kills, {} rows, {asked} asked, {unknown} unknown",
            rows.rows
        );
        assert!(sent <= asked, "{sent} rows of {asked} requests");
        assert!(asked <= sent + unknown, "{asked} of {sent} rows, {unknown} unknown");
    }
    eprintln!("{done} kills in {runs} runs; {lost} requests without a row were sent again");
}

/// Resumes a run until it ends.
fn finish(server: &CountingServer, home: &Path, folder: &Path) {
    let is_begun = has_rows(folder);
    if !is_begun {
        let _ = fs::remove_dir_all(folder);
        return run_whole(server, home, folder);
    }
    let errors = home.join("errors");
    let status = longhaul(&["resume", folder.to_str().unwrap()], &errors).wait().unwrap();
    let words = fs::read_to_string(&errors).unwrap();
    assert!(matches!(status.code(), Some(0 | 3)), "{status}: {words}");
}

fn run_whole(server: &CountingServer, home: &Path, folder: &Path) {
    let errors = home.join("errors");
    let scenario = home.join("scenario.yaml");
    let (scenario, run) = (scenario.to_str().unwrap(), folder.to_str().unwrap());
    let words = ["run", "--endpoint", &server.address, "--scenario", scenario, "-o", run];
    let status = longhaul(&words, &errors).wait().unwrap();
    let words = fs::read_to_string(&errors).unwrap();
    assert!(matches!(status.code(), Some(0 | 3)), "{status}: {words}");
}

/// Returns the asks of a run that nobody kills.
fn uninterrupted(home: &Path) -> BTreeSet<String> {
    fs::write(home.join("scenario.yaml"), scenario(40)).unwrap();
    let server = CountingServer::start(TOKENS);
    let folder: PathBuf = home.join("whole");
    run_whole(&server, home, &folder);
    let rows = Rows::read(&folder);
    assert_eq!(rows.rows + rows.resent, server.asked());
    assert!(!rows.answered.is_empty());
    rows.answered
}
