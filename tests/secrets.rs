//! Tests that no secret reaches the disk, a terminal, a report or a comparison, wherever a server
//! repeats it, and that no text of others controls what reads it: the binary runs against servers
//! that repeat both everywhere.

#![allow(clippy::expect_used, clippy::panic, clippy::format_collect)]
#![allow(clippy::disallowed_methods)] // The server of a test has threads of its own.

#[path = "targets/bench.rs"]
mod bench;
#[path = "secrets/echo.rs"]
mod echo;
#[path = "secrets/foreign.rs"]
mod foreign;
#[path = "secrets/start.rs"]
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use bench::shown::{named, numberless};
use echo::{Door, OUTPUT, serve};
use insta::assert_snapshot;

const LONGHAUL: &str = env!("CARGO_BIN_EXE_longhaul");
const KEY: &str = "sk-9fQ7xLm2ZpT4vR8bYc1dWe6hUa3gNjK5";

/// A folder of a test's own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(
            folder.path().join("s.yaml"),
            format!(
                "about: For secrets.\nlaps: 30\nwarmup: 1 lap\nreference: 0 laps\nworkloads:\n  - ladder: {{depths: [0], \
                 prompt: 16, output: {OUTPUT}, concurrency: [2], prefix: cold}}\n\
                 limits: {{first_token: 9s, stall: 9s, away: 20s, ready: 1s}}\ncontract: {{crashes: 0}}\n"
            ),
        )
        .expect("a scenario");
        Folder(folder)
    }

    fn run(&self, address: &str, flags: &[&str], key: &str) -> Output {
        let (scenario, run) = (self.0.path().join("s.yaml"), self.0.path().join("run"));
        let mut longhaul = Command::new(LONGHAUL);
        longhaul
            .args(["run", "--endpoint", address, "--scenario"])
            .arg(scenario)
            .arg("-o")
            .arg(run);
        longhaul.args(flags).env("LONGHAUL_TEST_KEY", key).output().expect("the binary runs")
    }
}

/// Fails where eight characters of the key stand in a row, as they are or escaped.
fn clean(place: &str, bytes: &[u8], key: &str) {
    let text = String::from_utf8_lossy(bytes);
    for from in 0..=key.len() - 8 {
        let piece = &key[from..from + 8];
        let escaped: String = piece.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let wide: String = piece.chars().flat_map(|c| [c, '\0']).collect();
        for form in [piece, &escaped, &wide] {
            assert!(!text.contains(form), "{place} has {form:?}: {text}");
        }
    }
}

fn clean_files(folder: &Path, key: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            clean_files(&path, key);
        } else {
            clean(&path.display().to_string(), &fs::read(&path).expect("a file"), key);
        }
    }
}

/// Fails where the key stands in anything that can be had of a run.
fn clean_everywhere(folder: &Folder, output: &Output, key: &str) {
    clean("stdout", &output.stdout, key);
    clean("stderr", &output.stderr, key);
    let run = folder.0.path().join("run");
    clean_files(&run, key);
    let run = run.to_str().expect("UTF-8");
    let mut reported = vec![vec!["plan", "--from", run]];
    for flags in [
        &["--wide"][..],
        &["--format", "json"],
        &["--format", "arena"],
        &["--format", "benchy"],
        &[],
    ] {
        reported.push([&["report", run], flags].concat());
    }
    for format in ["terminal", "markdown", "json", "junit", "github"] {
        reported.push(vec!["compare", run, run, "--format", format]);
    }
    for arguments in reported {
        let output = Command::new(LONGHAUL).args(&arguments).output().expect("the binary runs");
        clean(&arguments.join(" "), &[output.stdout, output.stderr].concat(), key);
    }
}

const BY_NAME: [&str; 2] = ["--api-key-env", "LONGHAUL_TEST_KEY"];

#[test]
fn whatever_a_server_says_in_an_answer_the_key_goes_nowhere() {
    let bearer = format!("Authorization: Bearer {KEY}");
    let own = format!("X-Api-Key: {KEY}");
    let ways = [
        ("key", BY_NAME.to_vec(), KEY.to_owned()),
        // As `$(cat key)` in quotes does not give it, but a file that is read as it is does.
        ("line", [&BY_NAME[..], &["-v"]].concat(), format!("{KEY}\n")),
        ("bearer", vec!["--header", &bearer], String::new()),
        ("header", vec!["--header", &own], String::new()),
    ];
    std::thread::scope(|scope| {
        for (name, flags, key) in &ways {
            scope.spawn(move || {
                let folder = Folder::new();
                let output = folder.run(&serve(KEY, Door::Quiet), flags, key);
                let rows = fs::read_to_string(folder.0.path().join("run/requests.csv"));
                let rows = rows.expect("rows");
                let told = rows.matches("[secret]").count();
                assert!(told > 8, "{name}: the server said it: {rows}");
                clean_everywhere(&folder, &output, KEY);
            });
        }
    });
}

#[test]
fn what_a_server_calls_itself_holds_no_key() {
    let folder = Folder::new();
    let output = folder.run(&serve(KEY, Door::Names), &BY_NAME, KEY);
    let manifest = fs::read(folder.0.path().join("run/run.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["server"]["model"], "m-[secret]");
    clean_everywhere(&folder, &output, KEY);
}

/// What longhaul says of a server that refuses at this door.
fn refusal(door: Door) -> String {
    let folder = Folder::new();
    let address = serve(KEY, door);
    let output = folder.run(&address, &BY_NAME, KEY);
    let reported = String::from_utf8_lossy(&output.stderr);
    let path = folder.0.path().display().to_string();
    let reported = numberless(&named(&reported, &[(&address, "ADDRESS"), (&path, "FOLDER")]));
    let before_the_load = reported.lines().filter(|line| !line.starts_with("lanes wait"));
    let reported: BTreeSet<&str> = before_the_load.filter(|it| it.contains("[secret]")).collect();
    let reported: Vec<&str> = reported.into_iter().collect();
    clean_everywhere(&folder, &output, KEY);
    format!("{door:?}\n{}\n", reported.join("\n"))
}

#[test]
fn a_refusal_before_the_load_is_told_without_the_key() {
    let doors = [
        Door::Models(401),
        Door::Models(403),
        Door::Models(503),
        Door::Chat(403),
        Door::Chat(503),
        Door::Two,
        Door::Tokenize,
    ];
    let refusals = std::thread::scope(|scope| {
        let told = doors.map(|door| scope.spawn(move || refusal(door)));
        told.map(|told| told.join().expect("a refusal"))
    });
    assert_snapshot!("refusals", refusals.join("\n"));
}

#[test]
fn of_a_header_that_is_no_key_the_whole_value_goes_and_its_words_stay() {
    const TEAM: &str = "gpu platform of the second floor, room 17";
    let folder = Folder::new();
    let output =
        folder.run(&serve(TEAM, Door::Quiet), &["--header", &format!("X-Team: {TEAM}")], "");
    let mut rows = csv::Reader::from_path(folder.0.path().join("run/requests.csv")).expect("rows");
    let rows = rows.deserialize::<BTreeMap<String, String>>().map(|row| row.expect("a row"));
    let words = |row: BTreeMap<String, String>| {
        format!("{} {} {}", row["workload"], row["ended"], row["error"])
    };
    let words: BTreeSet<String> = rows.map(words).collect();
    let words = words.into_iter().collect::<Vec<_>>().join("\n");
    assert_snapshot!("words", words);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(![&words, &*stdout, &*stderr].iter().any(|text| text.contains(TEAM)));
}

#[test]
fn a_mistake_does_not_echo_what_must_not_be_told() {
    let own = format!("X-Api-Key: {KEY}");
    let address = format!("http://robert:{KEY}@host:99999");
    let query = format!("http://host?key={KEY}");
    let no_colon = format!("Authorization Bearer {KEY}");
    for arguments in [
        vec!["run", "--endpoint", &address],
        vec!["run", "--recipe", &address],
        vec!["recipe", "show", &address],
        vec!["run", "--endpoint", &query],
        vec!["run", "--endpoint", "http://127.0.0.1:1", "--header", &no_colon],
        vec!["run", "--endpoint", "http://127.0.0.1:1", "--api-key-env", KEY],
        vec!["run", "--header", "X-Api-Key:", KEY],
        vec!["run", "--header", &own, "--no-such-flag"],
        vec!["run", &address],
    ] {
        let output = Command::new(LONGHAUL).args(&arguments).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        clean("stderr", &[output.stdout, output.stderr].concat(), KEY);
    }
}

#[test]
fn a_recipes_token_is_shown_by_no_verb_and_kept_where_another_program_reads_it() {
    let folder = Folder::new();
    let recipe = |key: &str| {
        let image = format!("org/img@sha256:{}", "1".repeat(64));
        format!(
            "model: org/m\nruntime: vllm\ncontainer: {image}\nenv:\n  HF_TOKEN: \"{key}\"\n\
             command: vllm serve org/m --api-key {key}\n"
        )
    };
    let other = format!("tk-{}", KEY.chars().rev().collect::<String>());
    let (one, two) = (folder.0.path().join("one.yaml"), folder.0.path().join("two.yaml"));
    fs::write(&one, recipe(KEY)).expect("a recipe");
    fs::write(&two, recipe(&other)).expect("a recipe");
    let (one, two) = (one.display().to_string(), two.display().to_string());
    let reported = |arguments: &[&str]| {
        Command::new(LONGHAUL).args(arguments).output().expect("the binary runs")
    };
    let shown: [&[&str]; 7] = [
        &["recipe", "show", &one],
        &["recipe", "check", &one],
        &["recipe", "check", &one, "--format", "json"],
        &["recipe", "diff", &one, &two],
        &["plan", "--scenario", "smoke", "--recipe", &one],
        &["recipe", "show", &one, "--set", "env.HF_TOKEN=bad"],
        &["recipe", "show", &one, "--set", "a.b.c={"],
    ];
    for arguments in shown {
        let reported = reported(arguments);
        for key in [KEY, &other] {
            clean(&format!("{arguments:?}"), &reported.stdout, key);
            clean(&format!("{arguments:?}"), &reported.stderr, key);
        }
    }
    let show = reported(&["recipe", "show", &one]);
    let path = folder.0.path().display().to_string();
    assert_snapshot!(named(&String::from_utf8_lossy(&show.stdout), &[(&path, "FOLDER")]), @"
        FOLDER/one.yaml
          org/m on vllm.
          model      org/m
          served as  org/m
          runtime    vllm
          container  org/img@sha256:1111111111111111111111111111111111111111111111111111111111111111

        command (rendered as sparkrun does)
          vllm serve org/m --api-key [secret]

        settings
          api_key  [secret]

        environment
          HF_TOKEN  [secret]
    ");
    let render = reported(&["recipe", "render", &one]);
    let command = format!("vllm serve org/m --api-key {KEY}\n");
    assert_eq!(String::from_utf8_lossy(&render.stdout), command);
    let pin = reported(&["recipe", "pin", &one]);
    assert_eq!(String::from_utf8_lossy(&pin.stdout), recipe(KEY));
    clean("pin", &pin.stderr, KEY);
}

#[test]
fn a_rehearsal_writes_and_tells_no_token_of_its_recipe() {
    let folder = Folder::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/nemotron-3-super.yaml");
    let shipped = fs::read_to_string(shipped).expect("a recipe");
    let recipe = shipped.replacen("env:\n", &format!("env:\n  HF_TOKEN: \"{KEY}\"\n"), 1);
    assert_ne!(recipe, shipped, "the recipe has variables");
    let (path, run) = (folder.0.path().join("r.yaml"), folder.0.path().join("run"));
    fs::write(&path, recipe).expect("a recipe");
    let reported = Command::new(LONGHAUL)
        .args([
            "rehearse",
            "--scenario",
            "smoke",
            "--profile",
            "dgx-spark-nemotron-3-super",
            "--recipe",
        ])
        .arg(path)
        .arg("-o")
        .arg(&run)
        .output()
        .expect("the binary runs");
    assert_eq!(reported.status.code(), Some(0), "{}", String::from_utf8_lossy(&reported.stderr));
    clean("stdout", &reported.stdout, KEY);
    clean("stderr", &reported.stderr, KEY);
    clean_files(&run, KEY);
}
