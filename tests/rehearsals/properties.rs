//! What holds of every rehearsal: the same seed gives the same bytes, what is
//! written is what happened, and the conductor decides by nothing else.

use std::fs;
use std::path::Path;

use longhaul::analysis::{Fold, Pass1};
use longhaul::exit::Exit;
use longhaul::fact::row::{File, file_of};
use longhaul::fact::{Entry, Fact};
use longhaul::journal::reader;
use longhaul::plan::{Bounds, Plan};
use longhaul::run::conductor::{Conductor, Order};
use longhaul::spec::{Source, scenario};

use crate::stage::{HALF_AN_HOUR, Played, Script, ailing};

/// A minute: few enough entries to try something at each of them.
fn a_minute() -> String {
    HALF_AN_HOUR
        .replace("duration: 30m", "duration: 2m")
        .replace("depths: [0, 8192]", "depths: [0, 1024]")
        .replace("reference: 8 laps", "reference: 1 lap")
}

/// An outage in the middle of it.
fn a_minute_with_a_crash() -> Script {
    Script::new(&a_minute(), &["crash=20s@40s"])
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn two_rehearsals_of_one_seed_are_the_same_to_the_byte_and_of_another_are_not() {
    let ailments = ["crash=2m@10m", "error_frame=2%@0s", "slow_leak=1GiB/h", "wall_clock_step@20m"];
    let script = Script::new(HALF_AN_HOUR, &ailments);
    let (one, two) = (script.play(), script.play());
    assert_eq!(names(&one.folder), names(&two.folder));
    for name in names(&one.folder).iter().filter(|name| *name != "evidence") {
        // The scenario's own path is the one thing that differs, and only here.
        if name != "run.json" {
            assert!(bytes(&one.folder, name) == bytes(&two.folder, name), "{name} differs");
        }
    }
    let json = |play: &Played| {
        longhaul::command::report::text(&play.judged, longhaul::command::Format::Json)
    };
    let other = Script { seed: 2, ..script }.play();
    assert!(json(&one) == json(&two) && json(&one) != json(&other));
    assert_ne!(bytes(&one.folder, "requests.csv"), bytes(&other.folder, "requests.csv"));
}

#[test]
fn what_is_read_again_is_what_happened_and_means_the_same() {
    let play = ailing(&["crash=2m@10m", "stall=5%"]);
    let reread: Vec<Entry> = reader::open(&play.folder).unwrap().collect();
    assert!(reread == play.entries, "{} against {}", reread.len(), play.entries.len());
    let mut first = Pass1::new();
    play.entries.iter().for_each(|entry| first.take(entry));
    let mut fold = Fold::new(&play.judged.asked, first.finish());
    play.entries.iter().for_each(|entry| fold.take(entry));
    assert_eq!(&fold.finish(), play.analysis());
}

#[test]
fn a_folder_cut_at_any_byte_of_any_file_gives_a_prefix_of_that_file_and_is_judged() {
    let tiny = a_minute().replace("duration: 2m", "duration: 20s");
    let play = Script::new(&tiny, &["error_frame=1@5s"]).play();
    for file in File::ALL {
        let path = play.folder.join(file.name());
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let entries: Vec<Entry> = reader::open(&play.folder).unwrap().collect();
            let rows = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
            let mut left = rows.saturating_sub(1);
            let expected = play.entries.iter().filter(|entry| {
                let its = file_of(&entry.fact) == file;
                let stays = !its || left > 0;
                left -= usize::from(its && stays);
                stays
            });
            assert!(entries.iter().eq(expected), "{} cut at {cut}", file.name());
            if cut % 97 == 0 {
                // Whatever is left of it is understood; nothing that is missing makes it pass.
                let judged = longhaul::command::report::judge(&play.folder).unwrap();
                assert_ne!(judged.exit(), Exit::Pass, "{} cut at {cut}", file.name());
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn an_interrupt_after_any_entry_leads_to_an_end() {
    let whole = a_minute_with_a_crash().play();
    for after in (1..whole.entries.len()).step_by(7) {
        let play = Script { interrupt_after: Some(after), ..a_minute_with_a_crash() }.play();
        let last = play.entries.last().unwrap();
        assert!(matches!(last.fact, Fact::Closed(_)), "after {after}: {last:?}");
        assert_ne!(play.exit(), Exit::Pass, "after {after}");
    }
}

fn plan_of(play: &Played, script: &Script) -> std::rc::Rc<Plan> {
    let source = Source {
        name: "scenario".into(),
        origin: "scenario.yaml".into(),
        text: script.scenario.clone(),
    };
    let scenario = scenario::read(source, &|_| unreachable!("it names no text")).unwrap();
    let max_model_len = play.entries.iter().find_map(|entry| match &entry.fact {
        Fact::Seen(seen) if seen.subject == "max_model_len" => seen.seen.parse().ok(),
        _ => None,
    });
    let bounds = Bounds { max_model_len, prefill_per_s: None };
    std::rc::Rc::new(Plan::new(&scenario, script.seed, bounds).unwrap())
}

/// What happened in a run, as the conductor lived through it.
enum Lived<'a> {
    Entry(&'a Entry),
    Order(longhaul::unit::At, &'a Order),
}

fn lived(play: &Played) -> Vec<Lived<'_>> {
    let mut all = Vec::new();
    let mut orders = play.orders.iter().peekable();
    for (index, entry) in play.entries.iter().enumerate() {
        while let Some((_, now, order)) = orders.next_if(|(before, ..)| *before <= index) {
            all.push(Lived::Order(*now, order));
        }
        all.push(Lived::Entry(entry));
    }
    all
}

/// Dropped after any entry and rebuilt from the journal, its orders discarded, the
/// conductor goes on as if nothing had been.
#[test]
fn the_conductor_rebuilt_from_the_journal_at_any_entry_gives_the_same_orders() {
    for script in [a_minute_with_a_crash(), Script::new(&a_minute(), &["error_frame=20%@0s"])] {
        let play = script.play();
        let plan = plan_of(&play, &script);
        let lived = lived(&play);
        // Nobody is asked for orders before everything is written that was known before the load.
        let known = lived.iter().position(|it| matches!(it, Lived::Order(..))).unwrap() - 1;
        for cut in known..lived.len() {
            let Lived::Entry(last) = lived[cut] else { continue };
            let mut conductor = Conductor::new(plan.clone());
            for (index, past) in lived[..=cut].iter().enumerate() {
                if let Lived::Entry(entry) = past {
                    conductor.take(entry);
                    if index >= known {
                        discard(&mut conductor, entry);
                    }
                }
            }
            // What the one that lived was told at the very instant of the cut is discarded too.
            let rest = lived[cut + 1..]
                .iter()
                .skip_while(|next| matches!(next, Lived::Order(now, _) if *now == last.at));
            for next in rest.take(60) {
                match next {
                    Lived::Entry(entry) => conductor.take(entry),
                    Lived::Order(now, order) => {
                        let given = conductor.due(*now);
                        assert_eq!(given.as_ref(), Some(*order), "rebuilt after {last:?}");
                    }
                }
            }
        }
    }
}

/// Lets a conductor give its orders, to nobody.
fn discard(conductor: &mut Conductor, entry: &Entry) {
    while let Some(order) = conductor.due(entry.at) {
        // What was recorded comes from the journal itself.
        if matches!(order, Order::Record(_)) {
            break;
        }
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
