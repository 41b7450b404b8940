//! Runs a real server under longhaul and observes it independently: its processes, the time at
//! which one of them was killed, and the time at which a token could be received again.

// A real server lives by the real clock, and is watched beside the test.
#![allow(clippy::disallowed_methods)]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::bench::{Bench, Going, LONGHAUL, Told, is_alive, wait_long};

/// Names the program that becomes the server, as `tests/real/vllm.sh` does.
const LAUNCHER: &str = "LONGHAUL_REAL_VLLM";
/// How often a token is asked for, and how often it is looked who is there.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
/// Bounds these: a quarter of an hour.
const TRIES_MAX: u32 = 9_000;
/// Bounds one answer: a server on its way up may take the connection and say nothing.
const ANSWER: Duration = Duration::from_secs(5);

/// The launcher, or nothing and a word why.
pub(crate) fn launcher() -> Option<PathBuf> {
    let named = std::env::var_os(LAUNCHER).map(PathBuf::from);
    match &named {
        None => eprintln!("the real vLLM tier is SKIPPED: {LAUNCHER} names no launcher"),
        Some(path) if !path.is_file() => {
            eprintln!("the real vLLM tier is SKIPPED: {LAUNCHER}={} is no file", path.display());
        }
        Some(_) => return named,
    }
    None
}

/// A recipe that starts it, with another length and memory than it could have.
pub(crate) fn recipe(bench: &Bench, launcher: &Path, length: u64, kv_gib: u64) -> PathBuf {
    let launcher = fs::canonicalize(launcher).expect("a launcher");
    let port = bench.address().rsplit(':').next().expect("a port").to_owned();
    let text = format!(
        "model: tiny\nruntime: vllm\ncommand: |\n  exec '{}' --port {{port}} --max-model-len {{max_model_len}}\n\
         env:\n  VLLM_CPU_KVCACHE_SPACE: \"{kv_gib}\"\n\
         defaults:\n  port: {port}\n  max_model_len: {length}\n",
        launcher.display()
    );
    fs::write(bench.path("recipe.yaml"), text).expect("a recipe");
    bench.path("recipe.yaml")
}

/// A minute or so under load, answers long enough to be killed in, and a way back.
pub(crate) fn scenario(bench: &Bench) {
    let text = "about: For tests with a real server.\nlaps: 16\nwarmup: 1 lap\nreference: 0 laps\n\
         workloads:\n  - ladder: {depths: [0], prompt: 64, output: 400, concurrency: [1, 2], prefix: cold}\n\
         limits: {first_token: 60s, stall: 30s, away: 10m, ready: 10m}\n\
         restart: {when: on_exit, at_most: 2, cool_down: 8s}\n\
         contract: {crashes: 0}\n";
    fs::write(bench.path("scenario.yaml"), text).expect("a scenario");
}

/// Microseconds of the wall clock.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_micros()).expect("a time")
}

/// The server's processes, by a part of their command lines: those of the group that the
/// launched one leads.
pub(crate) fn members(leader: u32, part: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let group = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(2));
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        group == Some(leader.to_string().as_str())
            && String::from_utf8_lossy(&line).contains(part)
            && is_alive(*pid)
    })
    .collect()
}

/// When the last of some processes had gone, as a clock beside longhaul saw it.
pub(crate) fn watch_end(pids: Vec<u32>) -> JoinHandle<Option<u64>> {
    std::thread::spawn(move || {
        (0..TRIES_MAX).find_map(|_| {
            sleep(BETWEEN_TRIES);
            (!pids.iter().any(|pid| is_alive(*pid))).then(now_us)
        })
    })
}

/// When a token can be had again, as a clock beside longhaul sees it.
pub(crate) fn watch_token(bench: &Bench) -> JoinHandle<Option<u64>> {
    let address = bench.address().trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        // The dead one's last answers are no tokens of the next one.
        wait_long("nobody to answer", || TcpStream::connect(&address).is_err());
        (0..TRIES_MAX).find_map(|_| {
            sleep(BETWEEN_TRIES);
            gives_token(&address).then(now_us)
        })
    })
}

fn gives_token(address: &str) -> bool {
    // A worker of vLLM 0.32.0 on a CPU with AMX dies of a first prompt of one token.
    let body = r#"{"model":"tiny","prompt":"Say in a few words what you can do today.","max_tokens":1,"ignore_eos":true}"#;
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(ANSWER))?;
        write!(
            stream,
            "POST /v1/completions HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && answer.contains("\"text\""))
}

/// Begins a run and waits until load has been on the server for a while.
pub(crate) fn under_load(bench: &Bench, launcher: &Path) -> Going {
    scenario(bench);
    let recipe = recipe(bench, launcher, 4_096, 1);
    let mut longhaul = bench.begin(&["--start", "process"], recipe);
    wait_long("load", || {
        assert!(longhaul.goes_on(), "it ended: {}", bench.file("told"));
        bench.file("run/requests.csv").matches(",soak,").count() >= 6
    });
    longhaul
}

/// A run that is over, as its folder tells it.
pub(crate) struct Tale {
    pub reported: Told,
    pub verdict: Value,
    wall_us: u64,
}

impl Tale {
    /// Reads it, and shows the report.
    pub(crate) fn of(bench: &Bench, reported: Told) -> Tale {
        let answer = std::process::Command::new(LONGHAUL)
            .args(["report", "--format", "json"])
            .arg(bench.path("run"))
            .output()
            .expect("the report");
        let verdict = serde_json::from_slice(&answer.stdout).expect("JSON");
        let run: Value = serde_json::from_str(&bench.file("run/run.json")).expect("JSON");
        let wall_us = run["segments"][0]["wall_us"].as_u64().expect("the anchor");
        eprintln!("{}", reported.text);
        Tale { reported, verdict, wall_us }
    }

    /// The only incident that there may be.
    pub(crate) fn incident(&self) -> &Value {
        let incidents = self.verdict["incidents"].as_array().expect("incidents");
        assert_eq!(incidents.len(), 1, "one death counts once: {incidents:#?}");
        &incidents[0]
    }

    /// An instant of the run on the wall clock.
    pub(crate) fn wall(&self, of: &Value) -> u64 {
        self.wall_us + of.as_u64().unwrap_or_else(|| panic!("no instant: {of}"))
    }
}

/// No number of the order is missing over all files, and nothing that was sent has no row.
pub(crate) fn nothing_is_lost(bench: &Bench, tale: &Tale) {
    let mut seqs = BTreeSet::new();
    for file in ["requests.csv", "events.csv", "readings.csv"] {
        let text = bench.file(&format!("run/{file}"));
        for line in text.lines().skip(1) {
            let seq: u64 = line.split(',').next().and_then(|seq| seq.parse().ok()).expect("a seq");
            assert!(seqs.insert(seq), "{file}: seq {seq} twice");
        }
    }
    assert_eq!(seqs.last().map(|last| last + 1), Some(seqs.len() as u64), "a seq is missing");
    assert_eq!(tale.verdict["fate_unknown"], 0, "sent, and no row");
}
