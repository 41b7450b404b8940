//! Runs every command that the help, the README and the guide show, with the real binary, in a
//! folder of its own. A server's address is that of the simulated server on a fast machine, and
//! hours become seconds or are rehearsed; exit code and words must be those that the page claims.
//! What is not run stands in the same list, with the reason.

#![allow(clippy::expect_used, clippy::panic)]
// Each step says what it runs, and for how long.
#![allow(clippy::print_stderr, clippy::disallowed_methods)]

#[path = "examples/guide.rs"]
mod guide;
#[path = "examples/help.rs"]
mod help;
#[path = "examples/lag.rs"]
mod lag;
#[path = "examples/pages.rs"]
mod pages;
#[path = "examples/scene.rs"]
mod scene;
#[path = "examples/topics.rs"]
mod topics;

use std::collections::BTreeSet;

use pages::Shown;
use scene::{Ran, Scene};

/// In place of words: the output is the sample of the page, to the letter.
pub(crate) const SAMPLE: &str = "(the sample of the page)";

/// How often a run is made that must pass, and that longhaul's own lag spoils.
const ATTEMPTS_MAX: u32 = 3;

/// A page and its commands, in an order in which they can be run. `#2` behind the name is a second
/// part of the page, whose commands need nothing that those of the first part wrote.
pub(crate) struct Page {
    name: &'static str,
    steps: &'static [Step],
}

impl Page {
    /// The name without the part.
    fn shown_as(&self) -> &'static str {
        self.name.split('#').next().unwrap_or_default()
    }
}

/// A command of a page.
pub(crate) struct Step {
    command: &'static str,
    how: How,
}

/// How a command is checked.
enum How {
    /// Run with these flags in place of its own or beside them; exit code and words of its output.
    Run { flags: &'static str, code: i32, says: &'static [&'static str] },
    /// Started in the background: it must listen.
    Serve,
    /// Files that the page talks about, or what an earlier day left; then as `Run`.
    With { setup: &'static str, run: (&'static str, i32, &'static [&'static str]) },
    /// Not run, for this reason.
    Not(&'static str),
}

pub(crate) const fn run(
    command: &'static str,
    flags: &'static str,
    code: i32,
    says: &'static [&'static str],
) -> Step {
    Step { command, how: How::Run { flags, code, says } }
}

pub(crate) const fn serve(command: &'static str) -> Step {
    Step { command, how: How::Serve }
}

/// The same as [`run`], after a command of the test's own.
pub(crate) const fn with(
    setup: &'static str,
    command: &'static str,
    flags: &'static str,
    code: i32,
    says: &'static [&'static str],
) -> Step {
    Step { command, how: How::With { setup, run: (flags, code, says) } }
}

pub(crate) const fn not(command: &'static str, why: &'static str) -> Step {
    Step { command, how: How::Not(why) }
}

fn all() -> impl Iterator<Item = &'static Page> {
    help::PAGES.iter().chain(guide::PAGES).chain(topics::PAGES)
}

#[test]
fn every_command_that_is_shown_is_run_or_has_a_reason() {
    let listed: Vec<Shown> = all()
        .flat_map(|page| {
            page.steps.iter().map(|step| Shown {
                page: page.shown_as().to_owned(),
                command: step.command.to_owned(),
            })
        })
        .collect();
    let unique: BTreeSet<Shown> = listed.iter().cloned().collect();
    assert_eq!(unique.len(), listed.len(), "a command stands twice in the list");
    let shown = pages::all();
    let print = |these: Vec<&Shown>| -> String {
        let lines = these.iter().map(|it| format!("\n{}: {}", it.page, it.command));
        lines.collect::<Vec<_>>().concat()
    };
    let new = print(shown.difference(&unique).collect());
    let gone = print(unique.difference(&shown).collect());
    assert!(new.is_empty(), "these commands are new, and neither run nor excused:{new}");
    assert!(gone.is_empty(), "these commands are listed, and no page shows them:{gone}");
    // The steps of the workflow have a test of their own.
    assert_eq!(pages::workflows(), ["docs/compare.md"], "a page with commands in YAML");
}

#[test]
fn a_command_of_any_form_is_found() {
    let page = "text `longhaul plan --from RUN` and `longhaul run`\n\n    longhaul a\n    longhaul sim \
                --port 1 &   # why\n    longhaul is fine\n\n```\n$ X=1 cargo test \\\n   --lib\n```\n\
                - a list\n\n      longhaul list\n";
    let found = pages::commands_of(&pages::code_of(page));
    assert_eq!(
        found,
        [
            "longhaul plan --from RUN",
            "longhaul sim --port 1 &",
            "X=1 cargo test --lib",
            "longhaul list"
        ]
    );
}

/// A page whose commands are listed and not run would pass unnoticed.
#[test]
fn every_page_of_the_list_is_played() {
    let text = [
        include_str!("examples/guide.rs"),
        include_str!("examples/help.rs"),
        include_str!("examples/topics.rs"),
    ]
    .concat();
    for page in all() {
        let is_excused = page.steps.iter().all(|step| matches!(step.how, How::Not(_)));
        let played = format!("play(\"{}\")", page.name);
        assert!(is_excused || text.contains(&played), "{}", page.name);
    }
}

/// Runs the commands of a part of a page in one folder, one after the other.
pub(crate) fn play(name: &str) {
    let page = all().find(|page| page.name == name).expect("a page of the list");
    let mut scene = Scene::new();
    for (file, text) in pages::files_of(page.shown_as()) {
        scene.write(&file, &text);
    }
    for step in page.steps {
        let (flags, code, says) = match &step.how {
            How::Not(why) => {
                eprintln!("  not run  {name}: {}: {why}", step.command);
                continue;
            }
            How::Serve => {
                let ran = scene.serve(step.command);
                assert_eq!(ran.code, None, "{name}: {}\n{}", step.command, ran.text);
                continue;
            }
            How::With { setup, run } => {
                let ran = scene.run(setup);
                assert_eq!(ran.code, Some(0), "{name}: {setup}\n{}", ran.text);
                *run
            }
            How::Run { flags, code, says } => (*flags, *code, *says),
        };
        let command = flagged(step.command, flags);
        let ran = attempt(name, &mut scene, &command, code);
        assert_eq!(ran.code, Some(code), "{name}: {command}\n{}", ran.text);
        if says.contains(&SAMPLE) {
            let sample = format!("```\n{}```\n", ran.out);
            assert!(
                pages::text(page.shown_as()).contains(&sample),
                "{name} has another sample:\n{sample}"
            );
        }
        let text = ran.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in says.iter().filter(|words| **words != SAMPLE) {
            assert!(text.contains(words), "{name}: {command}\nsays no `{words}`:\n{}", ran.text);
        }
    }
}

/// Runs a command. A run that must pass, and proves nothing because longhaul itself was late, is
/// run again: the last attempt counts, whatever it says.
fn attempt(name: &str, scene: &mut Scene, command: &str, code: i32) -> Ran {
    let mut attempts = 0;
    loop {
        let began = std::time::Instant::now();
        let ran = scene.run(command);
        eprintln!("{:5.1} s  {name}: {command}", began.elapsed().as_secs_f64());
        attempts += 1;
        let is_late = (code, ran.code) == (0, Some(3)) && scene.was_late(&ran);
        if !is_late || attempts == ATTEMPTS_MAX {
            return ran;
        }
        eprintln!("  late     {name}: {command}");
        scene.forget(&ran);
    }
}

/// A command with other flags: one that it has gets the other value, another one is added.
fn flagged(command: &str, flags: &str) -> String {
    let command = command
        .replace("cargo run --release --", "longhaul")
        .replace(" RUN", " runs/latest")
        .replace(" RECIPE", " my.yaml")
        .replace(" FILE|NAME", " my.yaml")
        .replace(" A B", " nemotron-3-super my.yaml")
        .replace(" R |", " my.yaml |")
        .replace("/NAME ", "/kv_cache_dtype=fp8 ")
        .replace("repo@sha256:…", &format!("reg.example/m@sha256:{}", "2".repeat(64)))
        .replace(" --endpoint …", " --endpoint http://spark:8000")
        .replace(" …", "");
    let mut words: Vec<String> = command.split(' ').map(str::to_owned).collect();
    let flags: Vec<&str> = flags.split_whitespace().collect();
    for flag in flags.chunk_by(|_, next| !next.starts_with('-')) {
        let (name, value) = (flag[0], flag[1..].join(" "));
        match words.iter().position(|word| word == name) {
            Some(at) if !value.is_empty() => words[at + 1] = value,
            Some(_) => {}
            None => {
                words.insert(2, name.to_owned());
                if !value.is_empty() {
                    words.insert(3, value);
                }
            }
        }
    }
    words.join(" ")
}
