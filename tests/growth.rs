//! Tests memory that real processes really take: beside the simulated server runs a program that
//! leaks, or fills and stops, and longhaul watches both. Blocks are of ten seconds, so a growth has
//! its word after eight minutes in place of eight hours. Run by `cargo test --test growth --
//! --ignored --nocapture`.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "targets/bench.rs"]
mod bench;

use std::fs;

use bench::{Bench, Told, text};
use serde_json::Value;

const MIB: f64 = 1_048_576.0;

/// Rate at which the program takes memory, MiB per second.
const RATE: u32 = 1;

/// How far a slope may be from the truth.
const NEAR: f64 = 0.1;

/// Result of a run beside a program that takes memory.
struct Watched {
    told: Told,
    verdict: Value,
}

impl Watched {
    /// Watches the server and a program `taker` that takes memory at the rate, up to a limit.
    fn of(name: &str, duration: &str, most_mib: u32) -> Watched {
        let bench = Bench::new(name);
        // A slow server asks little of a machine that others use too.
        let profile = bench.file("fast.yaml").replace("decode_per_s: 2000", "decode_per_s: 40");
        fs::write(bench.path("fast.yaml"), profile).expect("a profile");
        let taker = bench.standin("taker", &taking(most_mib));
        let recipe = bench.recipe(&format!("{taker} & "));
        fs::write(bench.path("scenario.yaml"), scenario(duration)).expect("a scenario");
        let told = bench.begin(&["--start", "process"], recipe).end_at_last();
        let wide = std::process::Command::new(bench::LONGHAUL)
            .args(["report", "--wide", &text(&bench.path("run"))])
            .output()
            .expect("a report");
        eprintln!("{name}:\n{told}\n{}", String::from_utf8_lossy(&wide.stdout));
        Watched { told, verdict: bench.json("verdict.json") }
    }

    /// Returns the trend of anonymous memory of the processes of a title.
    fn anonymous(&self, title: &str) -> &Value {
        let all = self.verdict["trends"]["series"].as_array().expect("trends");
        let is_it = |it: &&Value| it["series"] == "process_anonymous" && it["instance"] == title;
        all.iter().find(is_it).unwrap_or_else(|| panic!("no trend of `{title}`: {all:#?}"))
    }
}

/// The script of a program that takes memory by the clock, however busy the machine is, until its
/// parent is gone. It waits for input that never comes, so that it starts no other process.
fn taking(most_mib: u32) -> String {
    format!(
        "printf -v mebibyte '%*s' 1048576 ''\nexec 3<> <(:)\nheld=()\n\
         while kill -0 $PPID 2> /dev/null; do\n\
         while ((${{#held[@]}} < SECONDS * {RATE} && ${{#held[@]}} < {most_mib})); do\n\
         held+=(\"$mebibyte\")\ndone\nread -rt 0.2 <&3\ndone"
    )
}

/// Limits are those of hours, times the factor between ten minutes and ten seconds, and half of the
/// rate of the program.
fn scenario(duration: &str) -> String {
    let limit = RATE * 3_600 / 2;
    format!(
        "about: For tests.\nduration: {duration}\nwarmup: 1 lap\nreference: 1 lap\n\
         trend: {{block: 10s, warmup: 30s}}\n\
         workloads:\n  - ladder: {{depths: [0], prompt: 64, output: 16, concurrency: [1], prefix: cold}}\n\
         limits: {{first_token: 10s, stall: 10s, away: 20s, ready: 60s}}\n\
         contract: {{crashes: 0, growth: {{process_anonymous: {limit}MiB/h}}}}\n"
    )
}

/// Whether a trend's slope is that of the program.
fn has_the_rate(trend: &Value) {
    let per_s = trend["per_hour"]["value"].as_f64().expect("a slope") / 3_600.0 / MIB;
    let truth = f64::from(RATE);
    assert!((per_s - truth).abs() < NEAR * truth, "{per_s} MiB/s: {trend:#}");
}

#[test]
#[ignore = "nine minutes: 48 blocks of ten seconds"]
fn a_process_that_leaks_grows_at_its_rate_and_is_named() {
    let watched = Watched::of("leaks", "9m", u32::MAX);
    assert_eq!(watched.told.code, Some(1), "the limit is exceeded");
    for title in ["", "taker"] {
        let trend = watched.anonymous(title);
        assert_eq!(trend["word"], "growing", "{trend:#}");
        has_the_rate(trend);
    }
    assert_eq!(watched.anonymous("")["most_in"], "taker");
    assert_eq!(watched.anonymous("longhaul")["word"], "stable", "the server beside it");
}

#[test]
#[ignore = "nine minutes"]
fn a_process_that_fills_and_stops_is_no_growth() {
    let watched = Watched::of("fills", "9m", 150 * RATE);
    assert_eq!(watched.told.code, Some(0), "no limit is exceeded");
    for title in ["", "taker"] {
        let trend = watched.anonymous(title);
        let word = trend["word"].as_str().expect("a word");
        assert!(["plateau", "stable"].contains(&word), "{trend:#}");
    }
}

#[test]
#[ignore = "five minutes"]
fn a_leak_in_too_few_blocks_is_unresolved_and_has_no_rate_in_words() {
    let watched = Watched::of("short", "5m", u32::MAX);
    assert_eq!(watched.told.code, Some(3), "it does not decide");
    let trend = watched.anonymous("");
    assert_eq!(trend["word"], "unresolved", "{trend:#}");
    let why = trend["why"].as_str().expect("a reason");
    assert!(why.starts_with("growing, unresolved at this length: "), "{why}");
    assert!(why.ends_with(", 8 m 00 s needed"), "{why}");
    assert!(trend["per_hour"].is_null(), "no rate is quoted: {trend:#}");
}
