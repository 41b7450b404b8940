//! Tests run folders of earlier binaries: their reports contain at least what they contained then.
//! `tests/inside/frozen.rs` tests their rows.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

const FOLDERS: [(&str, i32); 3] = [("healthy", 0), ("crashed", 1), ("torn", 3)];

/// Finding about folders of schema 1.
const UNSEALED: &str =
    "run.json is of an earlier version and has no checksum: a change to it is not seen";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/frozen").join(name)
}

/// A copy that may be written to: a report takes a lock.
fn copy(name: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("frozen-{name}-{}", std::process::id()));
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(folder(name)).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
    to
}

/// Paths at which a value of `then` is missing or another one in `now`. A key that `then`
/// does not have may be new.
fn differences(then: &Value, now: &Value, path: &str, found: &mut Vec<String>) {
    match (then, now) {
        // A row that is lost may have been the one that breaks a gate.
        (Value::Object(gate), Value::Object(now)) if is_withdrawn(gate, now) => {}
        (Value::Object(then), Value::Object(now)) => {
            for (key, value) in then {
                let path = format!("{path}.{key}");
                match now.get(key) {
                    // The version of the binary that tells, not of the one that ran.
                    _ if path == ".longhaul" => {}
                    // Probes show no crash: a server may be back between two of them.
                    _ if path == ".coverage.events.crashes.probes or requests" => {}
                    Some(now) => differences(value, now, &path, found),
                    None => found.push(format!("{path} is gone")),
                }
            }
        }
        (Value::Array(then), Value::Array(now)) if then.len() == now.len() => {
            for (index, (then, now)) in then.iter().zip(now).enumerate() {
                differences(then, now, &format!("{path}[{index}]"), found);
            }
        }
        (then, now) if then == now => {}
        // Time is covered by what was looked at since, and not by the whole seconds around it.
        (Value::Number(then), Value::Number(now))
            if path.starts_with(".coverage.")
                && path.rsplit('.').next() == Some("share")
                && (then.as_f64().unwrap() - now.as_f64().unwrap()).abs() < 0.05 => {}
        // Findings and reasons are the same ones; their sentences may be better.
        (Value::String(_), Value::String(_))
            if path.starts_with(".findings[") && path.ends_with("].words")
                || path.starts_with(".reasons[") => {}
        (then, now) => found.push(format!("{path}: was {then}, is {now}")),
    }
}

/// Whether a gate passed that lost rows could break.
fn is_withdrawn(then: &Map<String, Value>, now: &Map<String, Value>) -> bool {
    let why = now.get("why").and_then(Value::as_str).unwrap_or_default();
    let lost = ["is lost, and could break it", "are lost, and could break it"];
    then.get("word") == Some(&Value::from("PASS"))
        && now.get("word") == Some(&Value::from("INCONCLUSIVE"))
        && then.get("text") == now.get("text")
        && lost.iter().any(|words| why.ends_with(words))
}

#[test]
fn reports_of_earlier_run_folders_keep_every_key_and_value() {
    for (name, exit) in FOLDERS {
        let run = copy(name);
        let reported = Command::new(env!("CARGO_BIN_EXE_longhaul"))
            .args(["report", "--format", "json"])
            .arg(&run)
            .output()
            .unwrap();
        assert_eq!(reported.status.code(), Some(exit), "{name}");
        let then = fs::read_to_string(run.join("report.json")).unwrap();
        let then: Value = serde_json::from_str(&then).unwrap();
        let mut now: Value = serde_json::from_slice(&reported.stdout).unwrap();
        // These folders have no seal, and the report says so.
        let findings = now["findings"].as_array_mut().unwrap();
        let before = findings.len();
        findings.retain(|finding| finding["words"] != UNSEALED);
        assert_eq!(findings.len(), before - 1, "{name}");
        let mut found = Vec::new();
        differences(&then, &now, "", &mut found);
        assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
        fs::remove_dir_all(run).unwrap();
    }
}

#[test]
fn a_key_that_is_gone_or_a_value_that_changed_is_found() {
    let then = serde_json::json!({"a": [{"b": 1}], "c": null});
    let now = serde_json::json!({"a": [{"b": 2, "d": 0}]});
    let mut found = Vec::new();
    differences(&then, &now, "", &mut found);
    assert_eq!(found, [".a[0].b: was 1, is 2", ".c is gone"]);
}
