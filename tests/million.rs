//! Measures how long the report of three days takes, and how much memory: a million requests of 21
//! cells, and 1.6 million readings. The rows are made here; manifest and start are those of a
//! rehearsal. Nothing is asserted about the time.
//!
//! `cargo test --release --test million -- --ignored --nocapture`; with `LONGHAUL_MILLION=folder`
//! the run folder is made there and kept.

// clippy's exemption of tests does not reach their helpers.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

const SCENARIO: &str = "\
about: Three days of short answers.
duration: 72h
warmup: 10 laps
reference: 100 laps
workloads:
  - ladder:
      depths: [0, 1024, 2048, 4096, 8192, 12288, 16384]
      prompt: 256
      output: 64
      concurrency: [1, 4, 16]
      prefix: cold
contract: { crashes: 0, ooms: 0, errors: 0.1%, growth: 0, steps: 0, drift: 5% }
";
const DEPTHS: [u64; 7] = [0, 1024, 2048, 4096, 8192, 12288, 16384];
const STREAMS: [u64; 3] = [1, 4, 16];

/// Number of laps: each has 147 requests, which makes 1,000,041.
const LAPS: u64 = 6_803;
/// Requests after the warm-up.
const REQUESTS: &str = "998,571";

const SECOND_US: u64 = 1_000_000;
const START_US: u64 = 20 * SECOND_US;
/// Time between two rounds: there are 21 of them in a lap.
const ROUND_US: u64 = 72 * 3_600 * SECOND_US / (LAPS * 21);
/// Time between two readings of a series.
const READING_US: u64 = 10 * SECOND_US;

/// Series: source, name, and whether there is one for each title of a process.
const SERIES: [(&str, &str, bool); 39] = [
    ("own", "in_flight", false),
    ("own", "output_tokens", false),
    ("own", "late_us_max", false),
    ("own", "journal_waiting_rows", false),
    ("kernel", "oom_kills", false),
    ("host", "mem_available_bytes", false),
    ("host", "mem_free_bytes", false),
    ("host", "swap_free_bytes", false),
    ("host", "cached_bytes", false),
    ("engine", "up", false),
    ("engine", "metrics_process", false),
    ("engine", "process_start_time_seconds", false),
    ("engine", "process_resident_memory_bytes", false),
    ("engine", "running_requests", false),
    ("engine", "waiting_requests", false),
    ("engine", "kv_usage_share", false),
    ("engine", "prompt_tokens_total", false),
    ("engine", "generation_tokens_total", false),
    ("engine", "engine_steps_total", false),
    ("engine", "preemptions_total", false),
    ("engine", "prefix_query_tokens_total", false),
    ("engine", "prefix_hit_tokens_total", false),
    ("engine", "draft_tokens_total", false),
    ("engine", "request_success_total", false),
    ("process", "processes", false),
    ("process", "orphan_processes", false),
    ("process", "threads", false),
    ("process", "open_files", false),
    ("process", "swapped_bytes", false),
    ("process", "running", false),
    ("process", "process_start_time_seconds", false),
    ("process", "log_lines", false),
    ("process", "anonymous_bytes", false),
    ("process", "shared_bytes", false),
    ("process", "rss_bytes", true),
    ("process", "anonymous_bytes", true),
    ("process", "shared_bytes", true),
    ("container", "cgroup_memory_bytes", false),
    ("container", "running", false),
];
const TITLES: [&str; 8] = [
    "VLLM::APIServer",
    "VLLM::EngineCore",
    "VLLM::Worker_TP0",
    "VLLM::Worker_TP1",
    "VLLM::Worker_TP2",
    "VLLM::Worker_TP3",
    "python3",
    "ray::IDLE",
];

/// Run folder that is written.
struct Folder {
    dir: PathBuf,
    requests: BufWriter<File>,
    events: BufWriter<File>,
    readings: BufWriter<File>,
    seq: u64,
    noise: u64,
}

/// Writes a row with its number and its checksum.
fn write(file: &mut BufWriter<File>, seq: &mut u64, fields: &str) {
    let row = format!("{seq},0,{fields}");
    writeln!(file, "{row},{:08x}", crc32fast::hash(row.as_bytes())).unwrap();
    *seq += 1;
}

fn quoted(json: &str) -> String {
    format!("\"{}\"", json.replace('"', "\"\""))
}

impl Folder {
    /// Rehearses two seconds, keeps its manifest and what came before its load, and empties the rest.
    fn rehearsed(dir: &Path) -> Folder {
        let scenario = dir.with_extension("yaml");
        fs::write(&scenario, SCENARIO).unwrap();
        let machine = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/machine.yaml");
        let mut longhaul = Command::new(env!("CARGO_BIN_EXE_longhaul"));
        longhaul.args(["rehearse", "--duration", "2s", "--profile", machine, "--scenario"]);
        let out = longhaul.arg(&scenario).arg("-o").arg(dir).output().unwrap();
        assert!(dir.join("run.json").exists(), "{}", String::from_utf8_lossy(&out.stderr));

        let text = fs::read_to_string(dir.join("run.json")).unwrap();
        let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        manifest["overrides"] = serde_json::json!({});
        // A manifest without a seal, as in schema 1: this one is edited.
        manifest["schema"] = 1.into();
        manifest["run"] = "".into();
        fs::write(dir.join("run.json"), manifest.to_string()).unwrap();

        let events = fs::read_to_string(dir.join("events.csv")).unwrap();
        let emptied = |name: &str| {
            let text = fs::read_to_string(dir.join(name)).unwrap();
            let mut file = BufWriter::new(File::create(dir.join(name)).unwrap());
            writeln!(file, "{}", text.lines().next().unwrap()).unwrap();
            file
        };
        let mut folder = Folder {
            dir: dir.to_owned(),
            requests: emptied("requests.csv"),
            events: emptied("events.csv"),
            readings: emptied("readings.csv"),
            seq: 0,
            noise: 1,
        };
        let before = events.lines().skip(1).take_while(|line| !line.contains(",phase,"));
        for line in before {
            let (_, fields) = line.split_once(",0,").unwrap();
            let (fields, _) = fields.rsplit_once(',').unwrap();
            write(&mut folder.events, &mut folder.seq, fields);
        }
        folder
    }

    /// Returns noise in 0..1, the same in every run.
    fn noise(&mut self) -> f64 {
        self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.noise >> 40) as f64 / f64::from(1 << 24)
    }

    fn event(&mut self, at: u64, kind: &str, json: &str) {
        let fields = format!("{at},2000-01-01T00:00:00.000Z,{kind},{}", quoted(json));
        write(&mut self.events, &mut self.seq, &fields);
    }

    fn phase(&mut self, at: u64, phase: &str) {
        let json = format!(r#"{{"phase":"{phase}","because":"planned"}}"#);
        self.event(at, &format!("phase,{phase},planned"), &json);
    }

    /// Writes a round of a cell: its requests, its gaps and its batch.
    fn round(&mut self, (began, lap): (u64, u64), phase: &str, (depth, streams): (u64, u64)) {
        let cell = format!("d{depth}/c{streams}/p256/o64");
        let (mut first, mut last) = (u64::MAX, 0);
        for lane in 0..streams {
            let ttft = 100_000 + depth * 20 + (self.noise() * 20_000.0) as u64;
            let end = ttft + 1_000_000 + (self.noise() * 100_000.0) as u64;
            (first, last) = (first.min(began + ttft), last.max(began + end));
            let fields = format!(
                "{phase},ladder,cold,{lane},{lap},,,{cell},{lap},0,{depth},{streams},256,64,{began},\
                 {began},{},{ttft},{ttft},,{end},{},0,64,64,1,40,76270,48,,completed,closing,length,\
                 200,,,{:08x},0,,0,0,0",
                began + end,
                depth + 256,
                self.seq,
            );
            write(&mut self.requests, &mut self.seq, &fields);
        }
        for kind in ["itl", "gap"] {
            let json = format!(
                r#"{{"kind":"{kind}","phase":"{phase}","class":"cold","cell":"{cell}","from":{began},"n":23,"histogram":"HISTFAAAAD14nC2IwQ0AEBAE1/LwkJD46kUvatHBtaAJjaiDDkTOPGaSKV0ygATF/pqnJQN165jN+eDhTiRB8gK3Zwbg"}}"#
            );
            self.event(last, &format!("gaps,{cell},{kind}"), &json);
        }
        let json = format!(
            r#"{{"phase":"{phase}","workload":"ladder","class":"cold","cell":"{cell}","lap":{lap},"repeat":0,"requests":{streams},"good":{streams},"began":{began},"first":{first},"last":{last},"tokens":{},"first_tokens":{streams},"peak_tokens":48,"models_us":1000}}"#,
            streams * 64,
        );
        self.event(last, &format!("batch,{cell},{phase}"), &json);
    }

    /// Writes a row of every series.
    fn readings(&mut self, at: u64) {
        for (source, name, is_by_title) in SERIES {
            let titles = if is_by_title { &TITLES[..] } else { &[""] };
            for title in titles {
                let noise = self.noise();
                let value = match name {
                    "up" | "running" | "processes" | "metrics_process" => 1.0,
                    "process_start_time_seconds" => 946_684_800.0,
                    "oom_kills" | "orphan_processes" | "preemptions_total" => 0.0,
                    _ if name.ends_with("_total") => at as f64 / 1e4,
                    _ if name.ends_with("_bytes") => 3e9 + (noise * 4096.0).round() * 4096.0,
                    "threads" | "open_files" => 80.0,
                    _ => noise,
                };
                let mut fields = format!("{at},{source},{title},{name},10");
                for value in [value, value, value, value] {
                    write!(fields, ",{value}").unwrap();
                }
                write(&mut self.readings, &mut self.seq, &fields);
            }
        }
    }

    /// Writes three days.
    fn fill(mut self) {
        let mut read = START_US;
        for lap in 0..LAPS {
            let at = |round: u64| START_US + (lap * 21 + round) * ROUND_US;
            let phase = match lap {
                0..10 => "warmup",
                10..110 => "reference",
                _ if lap < LAPS - 100 => "soak",
                _ => "return",
            };
            if [0, 10, 110, LAPS - 100].contains(&lap) {
                self.phase(at(0), phase);
            }
            let cells = DEPTHS.iter().flat_map(|depth| STREAMS.map(|streams| (*depth, streams)));
            for (round, cell) in (0..).zip(cells) {
                while read <= at(round) {
                    self.readings(read);
                    read += READING_US;
                }
                self.round((at(round), lap), phase, cell);
            }
        }
        let end = START_US + LAPS * 21 * ROUND_US;
        self.phase(end, "drain");
        self.event(end, "closed,done,", r#"{"because":"done","note":"the time is over"}"#);
        for file in [&mut self.requests, &mut self.events, &mut self.readings] {
            file.flush().unwrap();
        }
        self.seal();
        eprintln!("{} rows in {}", self.seq, self.dir.display());
    }

    /// Puts the checksums of the files into the manifest.
    fn seal(&self) {
        let path = self.dir.join("run.json");
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for name in ["requests.csv", "events.csv", "readings.csv"] {
            let rows = fs::read(self.dir.join(name)).unwrap();
            let crc = format!("{:08x}", crc32fast::hash(&rows));
            manifest["files"][name] = serde_json::json!({ "bytes": rows.len(), "crc": crc });
        }
        fs::write(&path, manifest.to_string()).unwrap();
    }
}

#[test]
#[ignore = "a measurement: it takes a minute and makes 600 MB of rows"]
fn three_days_of_a_million_requests_are_reported() {
    let scratch = tempfile::tempdir().unwrap();
    let kept = std::env::var_os("LONGHAUL_MILLION").map(PathBuf::from);
    let dir = kept.unwrap_or_else(|| scratch.path().join("run"));
    if !dir.exists() {
        Folder::rehearsed(&dir).fill();
    }
    let mut report = Command::new("/usr/bin/time");
    report.args(["-f", "%e s wall, %U s user, %S s system, at most %M KiB"]);
    report.arg(env!("CARGO_BIN_EXE_longhaul")).arg("report").arg(&dir);
    let out = report.output().unwrap();
    let (text, figures) =
        (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    eprintln!("{text}\n{figures}");
    assert!(text.contains(REQUESTS), "not all requests are in the report");
}
