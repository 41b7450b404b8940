//! Tests a server whose memory grows, or that does not give it back.

use longhaul::exit::Exit;
use longhaul::fact::Source;
use longhaul::incident::IncidentKind;
use longhaul::series::{ANONYMOUS, MEM_AVAILABLE};

use super::stage::{HALF_AN_HOUR, Played, Script, ailing};

const MIB: f64 = (1u64 << 20) as f64;

/// How much the process's own memory grew from one time of the load to another, MiB.
fn grown(play: &Played, from: f64, to: f64) -> f64 {
    let memory = play.readings(Source::Process, ANONYMOUS.name);
    let at = |seconds: f64| memory.iter().find(|(when, _)| *when >= seconds).expect("a reading").1;
    (at(to) - at(from)) / MIB
}

/// How much available memory was lost from the first reading to the last, MiB.
fn lost(play: &Played) -> f64 {
    let memory = play.readings(Source::Host, MEM_AVAILABLE.name);
    (memory[0].1 - memory.last().expect("a reading").1) / MIB
}

#[test]
fn a_healthy_server_takes_its_fill_and_no_more() {
    let play = ailing(&[]);
    assert_eq!(play.exit(), Exit::Pass, "{}", play.reported());
    let fill = grown(&play, 0.0, 1400.0);
    assert!((115.0..140.0).contains(&fill), "{fill} MiB");
    assert!(grown(&play, 900.0, 1400.0).abs() < 20.0);
    assert!((50.0..200.0).contains(&lost(&play)), "{} MiB", lost(&play));
}

#[test]
fn a_leak_is_seen_on_the_box_and_kills_in_the_end() {
    let play = ailing(&["slow_leak=200GiB/h@2m"]);
    let memory = play.readings(Source::Host, "mem_available_bytes");
    let at = |seconds: f64| memory.iter().find(|(when, _)| *when > seconds).unwrap();
    let (first, later) = (at(180.0), at(300.0));
    let per_hour = (first.1 - later.1) / (later.0 - first.0) * 3600.0 / f64::from(1 << 30);
    assert!((190.0..210.0).contains(&per_hour), "{per_hour} GiB/h");
    assert!(play.incident().is(IncidentKind::OutOfMemory), "{}", play.reported());
    assert_eq!(play.exit(), Exit::Fail);
}

#[test]
fn a_leak_that_plateaus_takes_its_memory_and_kills_nobody() {
    let play = ailing(&["leak_that_plateaus=2GiB@1m"]);
    assert_eq!(play.exit(), Exit::Pass, "{}", play.reported());
    // 63 % of it in 45 minutes, of which the run has half, and the fill.
    assert!((800.0..1200.0).contains(&lost(&play)), "{} MiB", lost(&play));
}

#[test]
fn a_leak_of_requests_is_their_number_times_its_size() {
    let (healthy, leaking) = (ailing(&[]), ailing(&["leak_per_request=4MiB@0s"]));
    assert_eq!(leaking.exit(), Exit::Pass, "{}", leaking.reported());
    let own = lost(&leaking) - lost(&healthy);
    let sent = leaking.requests().count() as f64;
    // Requests before the load, and those by which longhaul asks whether the server answers, are
    // no rows of the load.
    assert!((sent * 4.0..(sent + 20.0) * 4.0).contains(&own), "{own} MiB of {sent} requests");
    insta::assert_snapshot!(leaking.notes(), @"
    no gate broke under leak_per_request=4MiB@0s
    ailment `leak_per_request=4MiB@0s` ends nothing: it takes 1.55 GiB while the load lasts, and 23.0 GiB are free
    ");
}

#[test]
fn a_leak_after_an_abort_needs_an_abort() {
    let drilled = format!("{HALF_AN_HOUR}drills:\n  - aborts: {{ at: 12m, for: 2m }}\n");
    let leak = &["leak_after_abort=64MiB@0s"];
    let play = Script::new(&drilled, leak).play();
    let during = grown(&play, 700.0, 900.0);
    assert!(during > 300.0, "{during} MiB\n{}", play.reported());
    assert!(grown(&play, 1000.0, 1400.0).abs() < 30.0);
    insta::assert_snapshot!(play.notes(), @"no gate broke under leak_after_abort=64MiB@0s");
    insta::assert_snapshot!(ailing(leak).notes(), @"
    no gate broke under leak_after_abort=64MiB@0s (it touched nothing)
    ailment `leak_after_abort=64MiB@0s` takes nothing: longhaul aborts no request; the scenario has no drill `aborts`, and no ailment makes tokens stop
    ");
}

#[test]
fn memory_that_a_restart_keeps_is_missing_on_the_box_and_not_in_the_process() {
    let play = ailing(&["memory_kept_after_restart=3GiB@0s", "restart=1m@10m"]);
    assert!((2900.0..3300.0).contains(&lost(&play)), "{} MiB", lost(&play));
    assert!(grown(&play, 300.0, 1200.0).abs() < 60.0);
    assert!(!play.incidents().iter().any(|incident| incident.is(IncidentKind::OutOfMemory)));
}

#[test]
fn what_keeps_all_memory_lets_no_server_start_again() {
    let play = ailing(&["memory_kept_after_restart=40GiB@0s", "restart=1m@10m"]);
    assert_eq!(play.exit(), Exit::Fail);
    let ooms =
        play.incidents().iter().filter(|incident| incident.is(IncidentKind::OutOfMemory)).count();
    assert_eq!(ooms, 1, "{}", play.reported());
}
