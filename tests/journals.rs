//! What longhaul tells of thirteen run folders, to the byte. Each is made by hand and shows
//! what its name says; beside each stand its reports. `LONGHAUL_MAKE=1 cargo test --test
//! journals` writes folders and reports anew: `git diff` is then the review.

// clippy's exemption of tests does not reach their helpers.
#![allow(clippy::unwrap_used)]

#[path = "journals/stories.rs"]
mod stories;
#[path = "journals/story.rs"]
mod story;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stories::STORIES;
use story::Story;

const FILES: [&str; 4] = ["run.json", "requests.csv", "events.csv", "readings.csv"];

/// Every way to tell a run: how its golden ends, and the flags.
const FORMS: [(&str, &[&str]); 3] =
    [("txt", &[]), ("wide.txt", &["--wide"]), ("json", &["--format", "json"])];

fn journals() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals")
}

/// Holds a file that is checked in to its bytes, or writes it anew where that is asked for.
fn hold(path: &Path, bytes: &[u8], wrong: &mut Vec<String>) {
    if std::env::var_os("LONGHAUL_MAKE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let known = fs::read(path).unwrap_or_default();
    if known != bytes {
        let name = path.strip_prefix(journals()).unwrap().display();
        wrong.push(format!("{name}, {}", first_difference(&known, bytes)));
    }
}

fn first_difference(known: &[u8], bytes: &[u8]) -> String {
    let [known, bytes] = [known, bytes].map(String::from_utf8_lossy);
    let same = known.lines().zip(bytes.lines()).take_while(|(known, now)| known == now).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("nothing").to_owned();
    format!("line {}:\n  is  {}\n  now {}", same + 1, line(&known), line(&bytes))
}

/// Makes a folder from its story, and holds the one that is checked in to it.
async fn made(name: &str, story: Story, wrong: &mut Vec<String>) {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("journals-{}-{name}", std::process::id()));
    story.write(name, &scratch).await;
    if name == "torn_tail" {
        stories::tear(&scratch);
    }
    for file in FILES {
        let bytes = fs::read(scratch.join(file)).unwrap();
        hold(&journals().join(name).join(file), &bytes, wrong);
    }
    fs::remove_dir_all(&scratch).unwrap();
}

/// Whether a report, and its exit code below it, fits 24 lines of 80 columns.
fn is_fit_for_a_forum(text: &str) -> bool {
    text.lines().count() <= 24 + 2 && text.lines().all(|line| line.chars().count() <= 80)
}

/// Holds what is told of a folder to the texts beside it.
fn told(name: &str, wrong: &mut Vec<String>) {
    for (end, flags) in FORMS {
        let mut longhaul = Command::new(env!("CARGO_BIN_EXE_longhaul"));
        // From where the folders stand: no path of this machine is in what is told.
        longhaul.current_dir(journals()).env("NO_COLOR", "1");
        let told = longhaul.args(["report", name]).args(flags).output().unwrap();
        let mut text = String::from_utf8(told.stdout).unwrap();
        if end != "json" {
            let _ = write!(text, "\nexit code {}\n", told.status.code().unwrap());
        }
        if end == "txt" && !is_fit_for_a_forum(&text) {
            wrong.push(format!("{name}: more than 24 lines of 80 columns\n{text}"));
        }
        hold(&journals().join(format!("{name}.{end}")), text.as_bytes(), wrong);
    }
}

#[tokio::test]
async fn every_folder_is_what_its_story_makes_and_is_told_as_the_texts_beside_it_have_it() {
    let mut wrong = Vec::new();
    for (name, story) in STORIES {
        made(name, story(), &mut wrong).await;
        told(name, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
