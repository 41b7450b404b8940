//! Writes the sixteen run folders below `tests/journals`. Each is made by hand and shows what its
//! name says. `tests/journals.rs` tests their reports, and says how to write them again.

#![allow(clippy::unwrap_used)] // a test file, its helpers too

#[path = "../journals/hold.rs"]
mod hold;
mod stories;
mod story;

use std::fs;

use hold::{hold, journals};
use stories::STORIES;
use story::Story;

const FILES: [&str; 4] = ["run.json", "requests.csv", "events.csv", "readings.csv"];

/// Makes a folder from its story, and holds the one that is checked in to it.
async fn made(name: &str, story: Story, wrong: &mut Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join(name);
    story.write(name, &scratch).await;
    if name == "torn_tail" {
        stories::tear(&scratch);
    }
    for file in FILES {
        let bytes = fs::read(scratch.join(file)).unwrap();
        hold(&journals().join(name).join(file), &bytes, wrong);
    }
}

#[tokio::test]
async fn every_folder_is_what_its_story_makes() {
    let mut wrong = Vec::new();
    for (name, story) in STORIES {
        made(name, story(), &mut wrong).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
