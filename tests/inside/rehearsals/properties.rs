//! Tests properties of every rehearsal: the same seed gives the same bytes, the rows match the
//! events, and the conductor decides by the rows alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use longhaul::analysis::{CalendarFold, Fold};
use longhaul::command::drive::DriveOptions;
use longhaul::command::{Inputs, ReportFormat, rehearse, report};
use longhaul::exit::Exit;
use longhaul::fact::row::{File, file_of};
use longhaul::fact::{Entry, Fact};
use longhaul::journal::reader;
use longhaul::plan::{Bounds, Plan, Slot};
use longhaul::run::Watcher;
use longhaul::run::conductor::{Conductor, Order, replay};
use longhaul::run::load::Progress;
use longhaul::run::stop::channel;
use longhaul::spec::{SpecFile, scenario};
use longhaul::unit::At;

use super::stage::{HALF_AN_HOUR, Played, Scratch, Script, ailing};

/// A minute: few enough entries to try something at each of them.
fn a_minute() -> String {
    HALF_AN_HOUR
        .replace("duration: 30m", "duration: 2m")
        .replace("depths: [0, 8192]", "depths: [0, 1024]")
        .replace("reference: 8 laps", "reference: 1 lap")
}

/// So little that every byte of it can be tried, with no window to compare.
fn twenty_seconds() -> String {
    let tiny = a_minute().replace("duration: 2m", "duration: 20s");
    let tiny = tiny.replace("reference: 1 lap", "reference: 0 laps");
    tiny.split("  tokens_per_s:").next().unwrap().to_owned()
}

/// An open loop in place of the closed one.
fn open(scenario: &str, arrivals: &str) -> String {
    let ladder = format!("rate: [0.5]\n      arrivals: {arrivals}\n      requests: 6");
    let open = scenario.replace("concurrency: [1, 2]", &ladder);
    open.split("  tokens_per_s:").next().unwrap().to_owned()
}

/// An outage in the middle of it.
fn a_minute_with_a_crash() -> Script {
    Script::new(&a_minute(), &["crash=20s@40s"])
}

/// The same in an open loop.
fn open_with_a_crash(arrivals: &str) -> Script {
    Script::new(&open(&a_minute(), arrivals), &["crash=20s@40s"])
}

/// Every file of a folder and of the folders in it, with its bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                files.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn two_rehearsals_of_one_seed_are_the_same_to_the_byte_and_of_another_are_not() {
    let ailments = ["crash=2m@10m", "error_frame=2%@0s", "slow_leak=1GiB/h", "wall_clock_step@20m"];
    let open = HALF_AN_HOUR.replace("concurrency: [1, 2]", "concurrency: [1]\n      rate: [0.05]");
    let open = open.replace("load: 1, at_least", "at_least").replace("load: 1, at_most", "at_most");
    for scenario in [HALF_AN_HOUR, &open] {
        let (script, scratch) = (Script::new(scenario, &ailments), Rc::new(Scratch::new()));
        let folder = |seed, name: &str| {
            let play = Script { seed, ..script.clone() }.play_in(scratch.clone(), name);
            let json = report::rendered(&play.judged.page(), ReportFormat::Json).unwrap();
            fs::write(play.folder.join("verdict.json"), json.text()).unwrap();
            files(&play.folder)
        };
        let (one, two, other) = (folder(1, "one"), folder(1, "two"), folder(2, "other"));
        let names: Vec<String> = one.iter().map(|(name, _)| name.display().to_string()).collect();
        for name in ["requests.csv", "events.csv", "readings.csv", "run.json", "verdict.json"] {
            assert!(names.iter().any(|known| known == name), "{names:?}");
        }
        assert!(names.iter().any(|name| name.starts_with("evidence/")), "{names:?}");
        for (one, two) in one.iter().zip(&two) {
            assert!(one == two, "{} differs", one.0.display());
        }
        assert_eq!(one.len(), two.len());
        let of = |files: &[(PathBuf, Vec<u8>)], name: &str| {
            files.iter().find(|(known, _)| known == Path::new(name)).unwrap().1.clone()
        };
        for name in ["requests.csv", "readings.csv", "verdict.json"] {
            assert!(of(&one, name) != of(&other, name), "{name} is the same with another seed");
        }
    }
}

#[test]
fn what_is_read_again_is_what_happened_and_means_the_same() {
    let play = ailing(&["crash=2m@10m", "stall=5%"]);
    let reread: Vec<Entry> = reader::open(&play.folder).unwrap().entries();
    assert!(reread == play.entries, "{} against {}", reread.len(), play.entries.len());
    let mut first = CalendarFold::default();
    play.entries.iter().for_each(|entry| first.fold(entry));
    let mut fold = Fold::over_time(&play.judged.asked, first.finish());
    play.entries.iter().for_each(|entry| fold.fold(entry));
    assert_eq!(&fold.finish(), play.analysis());
}

/// A run is judged at its end with what it knows of itself, later from its folder alone.
#[test]
fn the_end_of_a_run_tells_what_its_folder_tells() {
    for script in [
        Script::new(&a_minute(), &[]),
        a_minute_with_a_crash(),
        open_with_a_crash("poisson"),
        Script::new(&a_minute(), &["start_fails"]),
    ] {
        let play = script.play();
        let at_the_end = report::judge_as(play.asked.clone(), &play.folder, None).unwrap();
        let later = report::judge(&play.folder).unwrap();
        assert_eq!(at_the_end.asked, later.asked);
        for format in [
            ReportFormat::Json,
            ReportFormat::Terminal { wide: false },
            ReportFormat::Terminal { wide: true },
        ] {
            assert_eq!(
                report::rendered(&at_the_end.page(), format).unwrap().text(),
                report::rendered(&later.page(), format).unwrap().text()
            );
        }
    }
}

#[test]
fn the_line_that_does_a_run_again_is_read_back_by_a_shell() {
    let scratch = Scratch::new();
    let scenario = scratch.file("it's one.yaml", &twenty_seconds());
    let inputs = Inputs { scenario: Some(scenario.clone()), seed: 7, ..Inputs::default() };
    let output = Some(scratch.path("run"));
    let options = DriveOptions { inputs, output, ..DriveOptions::default() };
    let driven = rehearse::play(options, channel().1, &mut Nobody).ok().unwrap();
    let again = reader::read_manifest(&driven.folder).unwrap().again;
    let words = shlex::split(&again).unwrap();
    assert_eq!(words, ["longhaul", "rehearse", "--scenario", &scenario, "--seed", "7"], "{again}");
}

/// Looks on, and keeps nothing.
struct Nobody;

impl Watcher for Nobody {
    fn entry(&mut self, _: &Entry) {}

    fn tick(&mut self, _: At, _: &Progress) {}
}

#[test]
fn a_folder_cut_at_any_byte_of_any_file_gives_a_prefix_of_that_file() {
    let play = Script::new(&twenty_seconds(), &["error_frame=1@5s"]).play();
    for file in File::ALL {
        let path = play.folder.join(file.name());
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let entries: Vec<Entry> = reader::open(&play.folder).unwrap().entries();
            let rows = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
            let mut left = rows.saturating_sub(1);
            let expected = play.entries.iter().filter(|entry| {
                let its = file_of(&entry.fact) == file;
                let stays = !its || left > 0;
                left -= usize::from(its && stays);
                stays
            });
            assert!(entries.iter().eq(expected), "{} cut at {cut}", file.name());
        }
        fs::write(&path, &whole).unwrap();
    }
}

/// Nothing that is missing makes a run pass: it is the whole folder that does.
#[test]
fn a_folder_whose_requests_or_events_were_cut_is_judged_and_does_not_pass() {
    let play = Script::new(&twenty_seconds(), &[]).play();
    let exit = || report::judge(&play.folder).unwrap().exit();
    assert_eq!(exit(), Exit::Pass, "{}", play.reported());
    for file in [File::Requests, File::Events] {
        let path = play.folder.join(file.name());
        let whole = fs::read(&path).unwrap();
        for cut in (0..whole.len()).step_by(13) {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_ne!(exit(), Exit::Pass, "{} cut at {cut}", file.name());
        }
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(exit(), Exit::Pass, "whole again");
}

#[test]
fn an_interrupt_after_any_entry_leads_to_an_end() {
    let brief = |scenario: &str| {
        Script::new(&scenario.replace("duration: 2m", "duration: 30s"), &["crash=5s@15s"])
    };
    for script in [brief(&a_minute()), brief(&open(&a_minute(), "poisson"))] {
        let whole = script.play();
        for after in 1..whole.entries.len() {
            let play = Script { interrupt_after: Some(after), ..script.clone() }.play();
            let last = play.entries.last().unwrap();
            assert!(matches!(last.fact, Fact::Closed(_)), "after {after}: {last:?}");
            assert_ne!(play.exit(), Exit::Pass, "after {after}");
        }
    }
}

fn plan_of(play: &Played, script: &Script) -> Rc<Plan> {
    let source = SpecFile {
        name: "scenario".into(),
        origin: "scenario.yaml".into(),
        text: script.scenario.clone(),
    };
    let scenario = scenario::read(source, &|_| unreachable!("it names no text")).unwrap();
    let max_model_len = play.entries.iter().find_map(|entry| match &entry.fact {
        Fact::Seen(seen) if seen.subject == "max_model_len" => seen.seen.parse().ok(),
        _ => None,
    });
    let bounds = Bounds { max_model_len, ..Bounds::default() };
    Rc::new(Plan::new(&scenario, script.seed, bounds).unwrap())
}

/// Slots that were sent and have no row among these entries.
fn under_way(play: &Played, entries: usize) -> BTreeSet<Slot> {
    let given = play.orders.iter().filter(|(before, ..)| *before <= entries);
    let mut slots: BTreeSet<Slot> = given
        .filter_map(|(.., order)| match order {
            Order::Send(slot, _) => Some(*slot),
            _ => None,
        })
        .collect();
    for entry in &play.entries[..entries] {
        if let Fact::Request(row) = &entry.fact {
            let (phase, lane, nth, repeat) = (row.phase, row.lane, row.slot, row.repeat);
            slots.remove(&Slot { phase, lane, nth, repeat });
        }
    }
    slots
}

/// The next order at an instant but those of probes, which are asked anew after a cut.
fn next(conductor: &mut Conductor, now: At) -> Option<Order> {
    loop {
        match conductor.due(now)? {
            Order::Probe => conductor.on_order_done(&Order::Probe, now),
            order => return Some(order),
        }
    }
}

/// Replayed from the journal up to any entry, the conductor first gives the orders that were
/// not finished, and then goes on as if nothing had been.
#[test]
fn the_conductor_replayed_up_to_any_entry_gives_the_orders_that_were_to_come() {
    for script in [
        a_minute_with_a_crash(),
        Script::new(&a_minute(), &["error_frame=20%@0s"]),
        open_with_a_crash("poisson"),
        Script::new(&open(&a_minute(), "constant"), &["error_frame=20%@0s"]),
    ] {
        let play = script.play();
        let plan = plan_of(&play, &script);
        // Nobody is asked for orders before everything is written that was known before the load.
        let known = play.orders[0].0;
        let mut compared = 0;
        for cut in known..play.entries.len() {
            let mut conductor = replay(plan.clone(), &play.entries[..cut]);
            let last = &play.entries[cut - 1];
            let mut unfinished = under_way(&play, cut);
            while let Some(order @ Order::Send(slot, _)) = next(&mut conductor, last.at) {
                assert!(unfinished.remove(&slot), "{slot:?} after {last:?}");
                conductor.on_order_done(&order, last.at);
            }
            // What an outage or the end has met is not sent again.
            if !unfinished.is_empty() {
                continue;
            }
            compared += 1;
            let rest = play.orders.iter().filter(|(before, now, order)| {
                let at_once = *before == cut && *now == last.at;
                let is_given = matches!(order, Order::Send(..) | Order::Cut(_) | Order::LastLook);
                *before >= cut && !(at_once && is_given) && *order != Order::Probe
            });
            let mut taken = cut;
            for (before, now, order) in rest.take(60) {
                play.entries[taken..*before].iter().for_each(|entry| conductor.fold(entry));
                taken = *before;
                let given = next(&mut conductor, *now);
                assert_eq!(given.as_ref(), Some(order), "at {now:?}, replayed up to {last:?}");
                conductor.on_order_done(order, *now);
            }
        }
        assert!(compared * 2 > play.entries.len() - known, "{compared}");
    }
}

#[test]
fn asks_are_the_same_whatever_ran_before() {
    let healthy = ailing(&[]);
    let crashed = ailing(&["crash=2m@10m"]);
    let script = Script::new(HALF_AN_HOUR, &[]);
    let (one, two) = (plan_of(&healthy, &script), plan_of(&crashed, &script));
    assert_eq!(one.fingerprint(), two.fingerprint());
    let mut compared = 0;
    for request in crashed.requests() {
        let twin = healthy.requests().find(|other| {
            (other.phase, other.lane, other.slot) == (request.phase, request.lane, request.slot)
        });
        let Some(twin) = twin else { continue };
        compared += 1;
        assert_eq!((twin.cell, twin.class, twin.lap), (request.cell, request.class, request.lap));
        if twin.ended.is_good() && request.ended.is_good() {
            assert_eq!(twin.answer, request.answer, "the same ask has the same answer");
        }
    }
    assert!(compared > 150, "{compared}");
}
