//! Tests runs that were cut off and go on: they ask what an uninterrupted run asks, and no row is
//! lost that was written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use longhaul::fact::row::File;
use longhaul::fact::{Closed, ClosedBecause, Entry, Fact, Seq};
use longhaul::journal::{CutRun, Manifest, reader};
use longhaul::verdict::VerdictWord;

use super::stage::{HALF_AN_HOUR, Played, Script};

/// Places in a run at which it is cut off.
const CUTS: usize = 12;

/// Four laps, warm-up among them: their number does not depend on time.
fn four_laps() -> Script {
    let scenario = HALF_AN_HOUR
        .replace("duration: 30m", "laps: 3")
        .replace("reference: 8 laps", "reference: 0 laps");
    Script::new(scenario.split("  tokens_per_s:").next().unwrap(), &[])
}

/// An ask, whatever became of it: phase, lane, slot, depth, repeat.
type Ask = (&'static str, u32, u64, u64, u32);

/// Returns the asks with a whole answer.
fn answered(entries: &[Entry]) -> BTreeSet<Ask> {
    let requests = entries.iter().filter_map(|entry| match &entry.fact {
        Fact::Request(it) if it.ended.is_good() => Some(it),
        _ => None,
    });
    requests.map(|it| (it.phase.word(), it.lane, it.slot, it.cell.depth, it.repeat)).collect()
}

/// Copies the folder of a run as a kill leaves it: with the rows of its first entries, the next row
/// torn in each file, and a manifest from before its end.
fn cut_off(from: &Path, to: &Path, entries: Seq) {
    fs::create_dir_all(to).unwrap();
    for file in File::ALL {
        let text = fs::read_to_string(from.join(file.name())).unwrap();
        let mut kept = String::new();
        for line in text.split_inclusive('\n') {
            let seq = line.split(',').next().and_then(|seq| seq.parse::<Seq>().ok());
            if seq.is_some_and(|seq| seq >= entries) {
                kept.push_str(&line[..line.len() / 2]);
                break;
            }
            kept.push_str(line);
        }
        fs::write(to.join(file.name()), kept).unwrap();
    }
    let text = fs::read_to_string(from.join("run.json")).unwrap();
    let mut manifest: Manifest = serde_json::from_str(&text).unwrap();
    manifest.files.clear();
    fs::write(to.join("run.json"), manifest.to_json().unwrap()).unwrap();
}

fn entries_of(folder: &Path) -> Vec<Entry> {
    reader::open(folder).unwrap().entries()
}

fn open(folder: &Path) -> CutRun {
    CutRun::open(folder).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn refused(folder: &Path) -> String {
    CutRun::open(folder).unwrap_err().to_string()
}

#[test]
fn a_run_that_was_cut_off_anywhere_asks_what_an_uninterrupted_one_asks() {
    let script = four_laps();
    let whole = script.play();
    let asks = answered(&whole.entries);
    let opened = 1;
    let last = whole.entries.len() as Seq - 1;
    for n in 0..CUTS as Seq {
        let cut = opened + n * (last - opened) / (CUTS as Seq - 1);
        let folder = whole.scratch.path(&format!("cut-{cut}"));
        cut_off(&whole.folder, &folder, cut);
        let before = entries_of(&folder);
        let resumed = script.go_on(open(&folder), whole.scratch.clone());
        let all = entries_of(&folder);
        assert_eq!(all[..before.len()], before, "cut at {cut}: what was written stays");
        assert_eq!(answered(&all), asks, "cut at {cut}");
        let Some(Fact::Closed(Closed { because, .. })) = all.last().map(|it| it.fact.clone())
        else {
            panic!("cut at {cut}: no end");
        };
        assert_eq!(because, ClosedBecause::Done, "cut at {cut}");
        // What a cut hides of so short a run may leave a gate open.
        assert_ne!(resumed.judged.verdict.word, VerdictWord::Fail, "cut at {cut}");
        let reported = reader::open(&folder).unwrap();
        assert_eq!(reported.manifest().segments.len(), 2);
    }
}

#[test]
fn a_run_may_be_cut_off_again_and_again() {
    let script = four_laps();
    let whole = script.play();
    let mut folder = whole.folder.clone();
    for (n, share) in [0.3, 0.5, 0.7].into_iter().enumerate() {
        let entries = entries_of(&folder).len() as f64;
        let next = whole.scratch.path(&format!("again-{n}"));
        cut_off(&folder, &next, (entries * share) as Seq);
        script.go_on(open(&next), whole.scratch.clone());
        folder = next;
    }
    let all = entries_of(&folder);
    assert_eq!(answered(&all), answered(&whole.entries));
    let segments: BTreeSet<_> = all.iter().map(|entry| entry.segment).collect();
    assert_eq!(segments, BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn the_judgement_of_a_resumed_run_says_where_it_was_cut_off() {
    let Played { folder, scratch, .. } = four_laps().play();
    let cut = scratch.path("cut");
    cut_off(&folder, &cut, entries_of(&folder).len() as Seq / 2);
    let resumed = four_laps().go_on(open(&cut), scratch);
    let words: Vec<&str> =
        resumed.judged.verdict.findings.iter().map(|it| it.words.as_str()).collect();
    insta::assert_snapshot!(words.join("\n"));
    assert_ne!(resumed.judged.verdict.word, VerdictWord::Fail);
}

#[test]
fn a_run_that_cannot_go_on_says_why() {
    let Played { folder, scratch, .. } = four_laps().play();
    let cut = scratch.path("cut");
    cut_off(&folder, &cut, 40);
    let mut said = vec![refused(&folder)];
    let first = open(&cut);
    said.push(refused(&cut));
    drop(first);
    let manifest = || -> Manifest {
        serde_json::from_str(&fs::read_to_string(cut.join("run.json")).unwrap()).unwrap()
    };
    let kept = manifest();
    let mut write = |manifest: Manifest| {
        fs::write(cut.join("run.json"), manifest.to_json().unwrap()).unwrap();
        said.push(refused(&cut));
    };
    write(Manifest { longhaul: "0.0.9".to_owned(), ..kept.clone() });
    write(Manifest { run: "another".to_owned(), ..kept.clone() });
    write(Manifest { schema: 1, ..kept.clone() });
    let text = kept.to_json().unwrap().replace("\"seed\": 1", "\"seed\": 2");
    fs::write(cut.join("run.json"), text).unwrap();
    said.push(refused(&cut));
    said.push(refused(&scratch.path("nowhere")));
    let changes: [fn(&Path); 3] = [
        |dir| fs::write(dir.join("events.csv"), "").unwrap(),
        |dir| fs::remove_file(dir.join("requests.csv")).unwrap(),
        |dir| {
            let text = fs::read_to_string(dir.join("events.csv")).unwrap();
            fs::write(dir.join("events.csv"), text.replacen(",phase,", ",phrase,", 1)).unwrap();
        },
    ];
    for change in changes {
        let damaged = scratch.path("damaged");
        let _ = fs::remove_dir_all(&damaged);
        cut_off(&folder, &damaged, 60);
        change(&damaged);
        said.push(refused(&damaged));
    }
    let place = scratch.path("").display().to_string();
    insta::assert_snapshot!(said.join("\n\n").replace(&place, "runs/"));
}

#[test]
fn another_load_is_not_gone_on_with() {
    let Played { folder, scratch, .. } = four_laps().play();
    let cut = scratch.path("cut");
    cut_off(&folder, &cut, 40);
    let other = Script { seed: 2, ..four_laps() };
    let wrong = other.mistake(open(&cut), &scratch);
    insta::assert_snapshot!(wrong.replace(&cut.display().to_string(), "runs/cut"));
}
