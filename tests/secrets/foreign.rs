//! Tests that what a server, a recipe, a run folder or a published table says controls neither a
//! terminal nor the program that reads the output.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::echo::{Door, serve};
use super::{Folder, LONGHAUL};

const HOSTILE: &str = "=cmd|'/C calc'!A0 \u{1b}[2J\u{9b}1A\u{7f}<script>`x`]]> %0A::error::x \
    ##[add-mask]y @everyone \u{202e}\u{200b}\u{2028}\u{61c}";

/// Whether a character controls a terminal, or changes unseen how others are displayed.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
}

/// Returns stdout and stderr of a command line, which may show the text and lets it do nothing.
fn told(arguments: &[&str]) -> [String; 2] {
    let output = Command::new(LONGHAUL).args(arguments).output().expect("the binary runs");
    harmless(&arguments.join(" "), &output)
}

fn harmless(name: &str, output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|bytes| {
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        let foreign: String = text.replace("\r\n", "\n").chars().filter(|c| steers(*c)).collect();
        assert_eq!(foreign.trim_matches(['\n', '\t']), "", "{name}: {text}");
        for line in text.lines().filter(|line| line.trim_start().starts_with("::")) {
            assert!(line.contains(" title=longhaul::"), "{name}: {line}");
        }
        text
    })
}

/// Checks what is said of a run in every format.
fn reported(run: &str) {
    for flags in [&[][..], &["--wide"], &["--format", "json"], &["--format", "benchy"]] {
        told(&[&["report", run], flags].concat());
    }
    let [table, _] = told(&["report", run, "--format", "arena"]);
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    for row in rows.records().map(|row| row.expect("a row")) {
        assert!(!row[0].starts_with('='), "{row:?}");
    }
    told(&["plan", "--from", run]);
    told(&["resume", run, "--resume-on-boot"]);
}

/// Checks what is said of two sides in every format.
fn compared(base: &str, candidate: &str) {
    for format in ["terminal", "json", "github"] {
        told(&["compare", base, candidate, "--force", "--format", format]);
    }
    told(&["compare", base, candidate, "--force", "--wide"]);
    let [comment, _] = told(&["compare", base, candidate, "--force", "--format", "markdown"]);
    let [junit, _] = told(&["compare", base, candidate, "--force", "--format", "junit"]);
    for text in [comment, junit] {
        assert!(!text.contains("<script>") && !text.contains("]]>"), "{text}");
        assert!(!text.contains("@everyone") || text.contains("<?xml"), "{text}");
    }
}

#[test]
fn what_a_server_says_everywhere_is_shown_and_does_nothing() {
    let folder = Folder::new();
    let output = folder.run(&serve(HOSTILE, Door::Names), &["-v"], "");
    let text = harmless("run", &output).concat();
    assert!(text.contains("\\u{1b}[2J"), "it is shown: {text}");
    let run = folder.0.path().join("run");
    for entry in fs::read_dir(&run).expect("a folder").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|kind| kind == "csv" || kind == "json") {
            let text = fs::read_to_string(&path).expect("UTF-8").replace('\n', "");
            assert!(!text.contains(steers), "{}: {text}", path.display());
        }
    }
    let run = run.to_str().expect("UTF-8");
    reported(run);
    compared(run, run);
    let table = folder.0.path().join("table.md");
    fs::write(
        &table,
        format!(
            "# {HOSTILE}\n\n| model | test | t/s |\n|--|--|--|\n| {} | pp16 | 5 |\n",
            HOSTILE.replace('|', "")
        ),
    )
    .expect("a table");
    compared(table.to_str().expect("UTF-8"), run);
}

/// Writes a text into the manifest of a run: wherever there is one that is shown.
fn planted(manifest: &mut Value) {
    for pointer in ["/recipe/name", "/scenario/name", "/server/model", "/again", "/longhaul"] {
        *manifest.pointer_mut(pointer).expect(pointer) = HOSTILE.into();
    }
    for pointer in ["/warnings", "/ailments"] {
        *manifest.pointer_mut(pointer).expect(pointer) = json!([HOSTILE]);
    }
}

#[test]
fn what_a_strangers_run_folder_says_is_shown_and_does_nothing() {
    let folder = Folder::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals/healthy");
    for entry in fs::read_dir(golden).expect("a run folder").flatten() {
        let to = folder.0.path().join(entry.file_name());
        if entry.path().is_file() {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
    let path = folder.0.path().join("run.json");
    let text = fs::read_to_string(&path).expect("a manifest");
    let mut manifest: Value = serde_json::from_str(&text).expect("JSON");
    planted(&mut manifest);
    manifest.as_object_mut().expect("an object").remove("crc");
    fs::write(&path, manifest.to_string()).expect("written");
    let run = folder.0.path().to_str().expect("UTF-8");
    reported(run);
    compared(run, run);
    assert!(told(&["report", run, "--wide"]).concat().contains("\\u{1b}[2J"));
}

#[test]
fn what_a_strangers_recipe_says_is_shown_and_does_nothing() {
    let folder = Folder::new();
    // YAML takes none of these characters as they are.
    let escaped = |c: char| match c {
        ' '..='~' => c.to_string(),
        _ => format!("\\u{:04x}", u32::from(c)),
    };
    let text = format!("\"{}\"", HOSTILE.chars().map(escaped).collect::<String>());
    let recipe = format!(
        "name: {text}\ndescription: {text}\nmodel: {text}\nruntime: vllm\ncontainer: {text}\n\
         defaults:\n  port: 8000\n  seed: {text}\nenv:\n  NOTE: {text}\npre_exec: [{text}]\n{text}: {text}\n\
         command: {text}\n"
    );
    let path = folder.0.path().join("r.yaml");
    fs::write(&path, recipe).expect("a recipe");
    let path = path.to_str().expect("UTF-8");
    let other = ["recipe", "diff", path, "nemotron-3-super"];
    assert!(told(&["recipe", "show", path]).concat().contains("\\u{1b}[2J"));
    told(&other);
    for flags in [&[][..], &["--format", "json"]] {
        told(&[&["recipe", "check", path], flags].concat());
    }
    told(&["plan", "--scenario", "smoke", "--recipe", path]);
    told(&["recipe", "show", path, "--set", HOSTILE]);
    told(&["rehearse", "--recipe", path]);
    let render = Command::new(LONGHAUL).args(["recipe", "render", path]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&render.stdout), format!("{HOSTILE}\n"), "byte for byte");
}

#[test]
fn what_is_given_on_the_command_line_is_shown_and_does_nothing() {
    for arguments in [
        [HOSTILE, "x"],
        ["run", HOSTILE],
        ["report", HOSTILE],
        ["plan", &format!("--scenario={HOSTILE}")],
        ["run", &format!("--endpoint={HOSTILE}")],
        ["run", &format!("--duration={HOSTILE}")],
    ] {
        assert!(told(&arguments).concat().contains("\\u{1b}[2J"), "{arguments:?}");
    }
}
