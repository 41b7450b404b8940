//! Runs the steps of the workflow in docs/compare.md as shell, against the simulator, in a folder of
//! its own. Only what needs GitHub or a build is a stub: `gh`, and `cargo install`.

#![allow(clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Stub of `cargo`: installs the binary under test as the workflow asks for it.
const CARGO: &str = r#"#!/bin/sh
set -eu
[ "$1" = install ] && [ "$4" = --path ] && [ -e "$5/Cargo.toml" ] && [ "$6" = --root ]
mkdir -p "$7/bin"
cp "$BINARY" "$7/bin/longhaul"
"#;

/// Stub of `gh`: keeps comments as files, each under its number.
const GH: &str = r#"#!/bin/sh
set -eu
echo "$*" >> "$COMMENTS/calls"
case "$1 $2" in
  "pr comment")
    n=$(ls "$COMMENTS" | grep -c '^[0-9]' || true)
    while [ "$1" != --body-file ]; do shift; done
    cp "$2" "$COMMENTS/$((n + 1))" ;;
  "api --paginate")
    for comment in "$COMMENTS"/[0-9]*; do
      if head -n 1 "$comment" 2> /dev/null | grep -q '^<!-- longhaul -->'; then basename "$comment"; fi
    done ;;
  "api --silent")
    [ "$3 $4" = "--method PATCH" ]
    cp "${7#body=@}" "$COMMENTS/${5##*/}" ;;
  *) exit 1 ;;
esac
"#;

/// Step of the workflow.
#[derive(Debug, Default)]
struct Step {
    name: String,
    condition: String,
    run: String,
    goes_on: bool,
}

/// Returns the workflow: the first YAML block of the page.
fn workflow() -> &'static str {
    let page = include_str!("../docs/compare.md");
    let block = page.split("```yaml\n").nth(1).expect("a block");
    block.split("```").next().expect("its end")
}

/// Returns the steps that have a script.
fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut in_script = false;
    for line in workflow().lines() {
        let depth = line.len() - line.trim_start().len();
        if let Some(first) = line.strip_prefix("      - ") {
            steps.push(Step::default());
            in_script = false;
            let step = steps.last_mut().expect("a step");
            first.strip_prefix("name: ").unwrap_or_default().clone_into(&mut step.name);
            continue;
        }
        let Some(step) = steps.last_mut() else { continue };
        if in_script && (depth >= 10 || line.trim().is_empty()) {
            step.run += line.get(10..).unwrap_or_default();
            step.run.push('\n');
            continue;
        }
        in_script = false;
        let text = line.trim();
        if let Some(condition) = text.strip_prefix("if: ") {
            condition.clone_into(&mut step.condition);
        } else if text == "run: |" {
            in_script = true;
        } else if let Some(script) = text.strip_prefix("run: ") {
            script.clone_into(&mut step.run);
        } else if text.starts_with("continue-on-error: true") {
            step.goes_on = true;
        }
    }
    steps.into_iter().filter(|step| !step.run.is_empty()).collect()
}

struct Runner(TempDir);

impl Runner {
    fn new() -> Runner {
        let runner = Runner(TempDir::new().expect("a folder"));
        for folder in ["stubs", "comments", "home", "work/longhaul"] {
            fs::create_dir_all(runner.path(folder)).expect("a folder");
        }
        fs::write(runner.path("work/longhaul/Cargo.toml"), "").expect("a file");
        fs::write(runner.path("machine.yaml"), include_str!("machine.yaml")).expect("a file");
        for (name, text) in [("cargo", CARGO), ("gh", GH)] {
            let stub = runner.path("stubs").join(name);
            fs::write(&stub, text).expect("a stub");
            fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("a program");
        }
        runner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the steps of an event, and returns the exit code of each that ran, and what it wrote.
    /// After a failed step only those with `always()` run.
    fn job(&self, event: &str, server: &str) -> BTreeMap<String, (i32, String)> {
        let mut done = BTreeMap::new();
        let mut has_failed = false;
        for step in steps() {
            let is_other = step.condition.contains("github.event_name")
                && !step.condition.contains(&format!("'{event}'"));
            if is_other || has_failed && !step.condition.contains("always()") {
                continue;
            }
            let (code, text) = self.script(&step.run, server);
            has_failed |= code != 0 && !step.goes_on;
            done.insert(step.name, (code, text));
        }
        done
    }

    /// Runs a script as GitHub does.
    fn script(&self, script: &str, server: &str) -> (i32, String) {
        let added = fs::read_to_string(self.path("path")).unwrap_or_default();
        let path =
            [self.path("stubs").display().to_string(), added.trim().replace('\n', ":")].join(":");
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-e", "-c", script])
            .current_dir(self.path("work"))
            .env("PATH", format!("{path}:{}", std::env::var("PATH").expect("a path")))
            .env("HOME", self.path("home"))
            .env("GITHUB_PATH", self.path("path"))
            .env("BINARY", env!("CARGO_BIN_EXE_longhaul"))
            .env("COMMENTS", self.path("comments"))
            .env(
                "SERVER",
                format!("--simulate --profile {} {server}", self.path("machine.yaml").display()),
            )
            .env("LOAD", "--scenario smoke --depths 0 --concurrency 1 --duration 3s")
            .env("PR", "7")
            .env("REPO", "you/recipes")
            .output()
            .expect("bash runs");
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code().unwrap_or(-1), text.concat())
    }
}

fn comments(folder: &Path) -> Vec<String> {
    let all = fs::read_dir(folder).expect("a folder").flatten();
    let numbered = all.filter(|entry| entry.file_name() != "calls");
    numbered.map(|entry| fs::read_to_string(entry.path()).expect("a comment")).collect()
}

#[test]
fn the_workflow_of_the_docs_keeps_a_baseline_and_fails_on_a_server_four_times_slower() {
    // Slow enough that a factor is a time that a user notices.
    const USUAL: &str = "--ailment slow_down=5x@0s";
    const SLOW: &str = "--ailment slow_down=20x@0s";
    let runner = Runner::new();
    let first = runner.job("pull_request", USUAL);
    assert_eq!(first["compare"].0, 0, "{first:#?}");
    assert!(comments(&runner.path("comments"))[0].contains("no baseline yet"), "{first:#?}");
    let nightly = runner.job("schedule", USUAL);
    assert!(nightly.values().all(|(code, _)| *code == 0), "{nightly:#?}");
    assert!(!nightly.contains_key("compare") && runner.path("work/baseline/run.json").is_file());
    for (server, code, word) in [(USUAL, 0, "INCONCLUSIVE"), (SLOW, 1, "REGRESSION")] {
        let kept = runner.path("kept");
        fs::rename(runner.path("work/baseline"), &kept).expect("a baseline");
        // What the cache restores after the soak, which removes what was there.
        let steps = runner.restored(server, &kept);
        assert_eq!(steps["compare"].0, code, "{steps:#?}");
        assert_eq!(steps["comment"].0, 0, "{steps:#?}");
        let comments = comments(&runner.path("comments"));
        assert_eq!(comments.len(), 1, "one comment that is updated");
        assert!(comments[0].contains(word), "{}", comments[0]);
        let junit = fs::read_to_string(runner.path("work/report/junit.xml")).expect("a file");
        assert_eq!(junit.contains("<failure"), code != 0, "{junit}");
    }
}

impl Runner {
    /// Runs the job of a pull request, with a baseline that the cache restores after the soak.
    fn restored(&self, server: &str, kept: &Path) -> BTreeMap<String, (i32, String)> {
        let mut done = BTreeMap::new();
        for step in steps() {
            if step.condition.contains("'schedule'") {
                continue;
            }
            let (code, text) = self.script(&step.run, server);
            if step.name == "soak" {
                fs::rename(kept, self.path("work/baseline")).expect("a baseline");
            }
            done.insert(step.name, (code, text));
        }
        done
    }
}

#[test]
fn no_waiting_job_is_cancelled_and_the_permissions_are_those_that_a_comment_needs() {
    assert!(!workflow().contains("concurrency:"), "a group keeps only one waiting job");
    assert!(workflow().contains("permissions: { contents: read, pull-requests: write }"));
    let names: Vec<String> = steps().into_iter().map(|step| step.name).collect();
    assert_eq!(names, ["install", "soak", "compare", "comment", "keep as the baseline"]);
}
