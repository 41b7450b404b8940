//! Tests which cause and kinds an incident gets from its entries.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::fact::{
    Ended, Exited, Missed, MissedReason, Severity, SignatureMatch, Source, Stage, Statement,
    TargetFact, TargetWord, Whose,
};
use crate::incident::IncidentKind;
use crate::incident::fixture::Story;
use crate::measure::Count;
use crate::series::OOM_KILLS;

fn incidents(story: &Story) -> Vec<Incident> {
    let mut causes = Causes::default();
    story.entries.iter().for_each(|entry| causes.fold(entry));
    causes.incidents()
}

fn crash() -> Story {
    let mut story = Story::new();
    story.up(0.0, true).started(0.5, 1000.0).good(9.0, 0);
    story.bad(12.0, 0, Ended::Reset, "connection reset").bad(12.1, 0, Ended::Refused, "refused");
    story.up(13.0, false).up(15.0, false).bad(15.5, 0, Ended::Refused, "refused");
    story.up(70.0, true);
    story
}

#[test]
fn a_crash_counts_once_however_many_tell_of_it() {
    let mut story = crash();
    story.started(71.0, 1060.0).reading(71.1, Source::Engine, "vllm:prompt_tokens_total", 5.0);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    let incident = &incidents[0];
    assert_eq!(incident.kinds, [IncidentKind::Crash, IncidentKind::Restart, IncidentKind::Outage]);
    assert_eq!((incident.from, incident.until), (At(10_000_000), Some(At(70_000_000))));
    assert_snapshot!(incident.words, @"request reset: connection reset");
    assert!(incident.evidence.len() >= 4);
}

#[test]
fn two_crashes_are_two() {
    let mut story = crash();
    story.bad(80.0, 0, Ended::Refused, "refused").up(81.0, false).up(200.0, true);
    assert_eq!(incidents(&story).len(), 2);
}

#[test]
fn a_death_that_is_told_when_the_server_is_back_is_the_one_that_it_had() {
    let mut story = crash();
    let signal = Exited { code: None, signal: Some(9), oom_killed: None };
    let kill = TargetFact { exit: Some(signal), ..TargetFact::new(TargetWord::Signalled, "kill") };
    story.push(11.5, Fact::Target(kill)).push(11.6, exited(137, false));
    story.push(20.0, fact(TargetWord::Started, "start")).up(90.0, true);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert_eq!(incidents[0].until, Some(At(70_000_000)), "it was back then");
    assert_eq!(incidents[0].cause, Cause::Operator);
    assert_eq!(incidents[0].recovery.process, Some(At(20_000_000)));
}

#[test]
fn a_server_that_only_times_out_had_an_outage_not_a_crash() {
    let mut story = Story::new();
    story.up(0.0, true).bad(5.0, 0, Ended::TimedOut, "").up(6.0, false).up(30.0, true);
    assert_eq!(incidents(&story)[0].kinds, [IncidentKind::Outage]);
}

#[test]
fn a_changed_start_time_without_an_outage_is_a_restart_and_a_crash() {
    let mut story = Story::new();
    story.up(0.0, true).started(1.0, 1000.0).started(11.0, 1005.0).started(21.0, 1005.0);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].kinds, [IncidentKind::Crash, IncidentKind::Restart]);
}

#[test]
fn two_restarts_in_a_row_are_two() {
    let mut story = Story::new();
    story.started(1.0, 1000.0).started(11.0, 1005.0).started(21.0, 1015.0);
    assert_eq!(incidents(&story).len(), 2);
}

#[test]
fn cuda_out_of_memory_and_the_death_after_it_are_one_incident() {
    let mut story = Story::new();
    story.up(0.0, true).good(3.0, 0);
    story.bad(5.0, 0, Ended::ErrorFrame, "CUDA out of memory. Tried to allocate 2.00 GiB");
    story.bad(5.1, 0, Ended::ErrorFrame, "CUDA out of memory. Tried to allocate 2.00 GiB");
    story.up(6.0, false).up(90.0, true);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert!(incidents[0].is(IncidentKind::OutOfMemory) && incidents[0].is(IncidentKind::Crash));
    assert_eq!(incidents[0].until, Some(At(90_000_000)));
}

#[test]
fn a_count_of_the_whole_machine_that_rises_is_an_oom_of_the_server_only_if_it_died() {
    let mut story = Story::new();
    story.up(0.0, true).reading(1.0, Source::Kernel, OOM_KILLS.name, 3.0);
    story.reading(11.0, Source::Kernel, OOM_KILLS.name, 4.0);
    assert!(incidents(&story).is_empty(), "it lived on");
    story.bad(12.0, 0, Ended::Refused, "refused").up(13.0, false).up(60.0, true);
    let of = incidents(&story);
    assert!(of.len() == 1 && of[0].counts(Count::Ooms) && of[0].counts(Count::Crashes), "{of:?}");
}

fn killed(signature: &str, whose: Option<Whose>) -> Fact {
    let Fact::Said(said) = said(signature, Source::Kernel) else { unreachable!() };
    Fact::Said(SignatureMatch { whose, ..said })
}

#[test]
fn a_kill_is_the_servers_if_its_process_was() {
    for signature in ["oom_kill", "oom_kill_cgroup", "oom_kill_process"] {
        let alone = |whose| {
            let mut story = Story::new();
            story.up(0.0, true).push(10.0, killed(signature, whose)).up(20.0, true);
            incidents(&story).len()
        };
        assert_eq!(alone(Some(Whose::Server)), 1, "{signature}");
        assert_eq!(alone(Some(Whose::Other)), 0, "{signature}");
        assert_eq!(alone(None), 0, "{signature}: it lived on");
        let dies = |whose| death(&[(19.9, killed(signature, whose))]).counts(Count::Ooms);
        assert_eq!([Some(Whose::Server), Some(Whose::Other), None].map(dies), [true, false, true]);
    }
}

#[test]
fn counts_that_rise_are_of_the_kill_that_a_line_tells_of() {
    let count = |seconds, series: &crate::series::Series, value| {
        let reading = series.reading(value);
        (seconds, Fact::Reading(reading))
    };
    for series in [OOM_KILLS, crate::series::CGROUP_OOM_KILLS] {
        let rise = [count(11.0, &series, 4.0), count(20.2, &series, 5.0)];
        let dies = |whose| {
            let mut reported = rise.to_vec();
            reported.push((19.9, killed("oom_kill", whose)));
            death(&reported).counts(Count::Ooms)
        };
        assert_eq!([Some(Whose::Server), Some(Whose::Other), None].map(dies), [true, false, true]);
        assert!(death(&rise).counts(Count::Ooms));
    }
    let mut story = Story::new();
    for (seconds, fact) in [
        count(1.0, &crate::series::CGROUP_OOM_KILLS, 0.0),
        count(11.0, &crate::series::CGROUP_OOM_KILLS, 1.0),
        (11.5, killed("oom_kill", Some(Whose::Other))),
    ] {
        story.push(seconds, fact);
    }
    assert!(incidents(&story).is_empty(), "another program in the server's session");
}

#[test]
fn an_xid_of_another_process_explains_nothing() {
    let caused = |whose| caused(&[(19.9, killed("xid_31", whose))]).0;
    assert_eq!(caused(Some(Whose::Other)), Cause::EngineCrash);
    assert_eq!([Some(Whose::Server), None].map(caused), [Cause::GpuFault, Cause::GpuFault]);
}

fn fact(word: TargetWord, evidence: &str) -> Fact {
    Fact::Target(TargetFact::new(word, evidence))
}

fn exited(code: i64, oom_killed: bool) -> Fact {
    let exit = Exited { code: Some(code), signal: None, oom_killed: Some(oom_killed) };
    let fact = TargetFact::new(TargetWord::Exited, format!("exit code {code}"));
    Fact::Target(TargetFact { exit: Some(exit), ..fact })
}

fn said(signature: &str, source: Source) -> Fact {
    let line = crate::engine::signature::named(signature).map_or("", |row| row.line).to_owned();
    let severity = Severity::Fatal;
    let whose = None;
    Fact::Said(SignatureMatch { source, signature: signature.to_owned(), severity, line, whose })
}

/// Returns the incident of a server that exits at second 20 with a request in flight and is back at
/// second 80, with further facts at their own times.
fn death(reported: &[(f64, Fact)]) -> Incident {
    let mut facts: Vec<(f64, Fact)> = reported.to_vec();
    let mut base = Story::soaking();
    base.bad(20.0, 4096, Ended::Truncated, "unexpected EOF").up(20.5, false).up(21.0, false);
    base.up(80.0, true).good(82.0, 0).good(90.0, 4096);
    facts.extend(base.entries.iter().map(|entry| (entry.at.seconds(), entry.fact.clone())));
    facts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut story = Story::new();
    for (seconds, fact) in facts {
        story.push(seconds, fact);
    }
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    incidents[0].clone()
}

fn caused(reported: &[(f64, Fact)]) -> (Cause, Confidence) {
    let incident = death(reported);
    (incident.cause, incident.confidence)
}

#[test]
fn over_http_alone_a_death_is_an_engines_and_a_guess() {
    assert_eq!(caused(&[]), (Cause::EngineCrash, Confidence::Guess));
}

#[test]
fn an_exit_that_nobody_asked_for_is_a_crash_whatever_its_code() {
    for code in [0, 1, 137] {
        let incident = death(&[(20.1, exited(code, false))]);
        assert_eq!((incident.cause, incident.confidence), (Cause::EngineCrash, Confidence::Likely));
        assert!(incident.counts(Count::Crashes) && incident.is_failure());
    }
}

#[test]
fn a_signal_through_the_container_engine_before_the_end_is_an_operators() {
    let reported = [(19.9, fact(TargetWord::Signalled, "kill 9")), (20.1, exited(137, false))];
    let incident = death(&reported);
    assert_eq!((incident.cause, incident.confidence), (Cause::Operator, Confidence::Certain));
    assert!(!incident.counts(Count::Crashes) && incident.counts(Count::Restarts));
    assert!(!incident.is_failure());
}

#[test]
fn who_restarts_what_has_died_is_its_cure_and_not_its_cause() {
    let reported = [
        (20.1, said("engine_dead", Source::Container)),
        (50.0, fact(TargetWord::Signalled, "kill 15")),
        (50.5, exited(0, false)),
        (51.0, fact(TargetWord::Started, "")),
    ];
    let incident = death(&reported);
    assert_eq!(incident.cause, Cause::EngineCrash);
    assert!(incident.counts(Count::Crashes) && incident.counts(Count::Outages));
}

#[test]
fn a_signal_that_ends_nothing_is_nobodys_doing() {
    let hang_up = TargetFact {
        exit: Some(Exited { signal: Some(1), ..Exited::default() }),
        ..TargetFact::new(TargetWord::Signalled, "kill 1")
    };
    let reported = [(19.0, Fact::Target(hang_up)), (20.1, exited(1, false))];
    assert_eq!(caused(&reported).0, Cause::EngineCrash);
}

#[test]
fn a_container_at_its_limit_raises_the_count_of_the_box_too_and_is_not_the_boxs_memory() {
    let count = |seconds, value| {
        (
            seconds,
            Fact::Reading(crate::fact::Reading::single(Source::Kernel, OOM_KILLS.name, value)),
        )
    };
    let reported = [count(11.0, 4.0), count(21.0, 5.0)];
    assert_eq!(caused(&reported).0, Cause::KernelOom);
    for limit in [exited(137, true), fact(TargetWord::OutOfMemory, "oom")] {
        let incident = death(&[count(11.0, 4.0), count(21.0, 5.0), (20.1, limit)]);
        assert_eq!((incident.cause, incident.confidence), (Cause::CgroupOom, Confidence::Certain));
        assert!(incident.counts(Count::Ooms) && incident.counts(Count::Crashes));
    }
}

#[test]
fn what_the_log_says_before_the_end_or_after_it_is_why() {
    for (signature, source, cause) in [
        ("cuda_oom", Source::Process, Cause::DriverOom),
        ("engine_dead", Source::Container, Cause::EngineCrash),
    ] {
        for seconds in [19.0, 20.2, 60.0] {
            let reported = [(20.1, exited(0, false)), (seconds, said(signature, source))];
            assert_eq!(caused(&reported), (cause, Confidence::Certain), "{signature} {seconds}");
        }
    }
}

#[test]
fn whoever_is_killed_to_save_memory_had_run_out_of_it() {
    let reported = [(20.0, said("earlyoom_kill", Source::Kernel)), (20.1, exited(143, false))];
    let incident = death(&reported);
    let known = (incident.cause, incident.confidence);
    assert_eq!(known, (Cause::UserspaceKiller, Confidence::Certain));
    assert!(incident.counts(Count::Ooms) && incident.counts(Count::Crashes));
}

#[test]
fn a_box_that_booted_anew_explains_everything_else() {
    let reported = [(80.0, fact(TargetWord::Rebooted, "booted"))];
    assert_eq!(caused(&reported), (Cause::HostReboot, Confidence::Certain));
}

#[test]
fn what_longhaul_ordered_is_no_failure_and_is_measured() {
    let action = Action { id: 1, what: "restart".to_owned(), note: "drill".to_owned() };
    let mut story = Story::soaking();
    story.push(20.0, Fact::Action(action));
    let ended = TargetFact { action: Some(1), ..TargetFact::new(TargetWord::Exited, "as asked") };
    story.push(20.1, Fact::Target(ended)).up(20.5, false).up(21.0, false);
    story.push(22.0, fact(TargetWord::Launched, "process 7")).up(80.0, true).good(82.0, 0);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    let drill = &incidents[0];
    assert!(drill.is_expected() && !drill.is_failure());
    for count in [Count::Crashes, Count::Outages, Count::Restarts, Count::Hangs] {
        assert!(!drill.counts(count), "{count:?}");
    }
    let recovery = &drill.recovery;
    assert_eq!(recovery.process, Some(At(22_000_000)));
    assert_eq!((recovery.port, recovery.first_token), (Some(At(80_000_000)), Some(At(82_400_000))));
}

#[test]
fn a_server_that_dies_by_itself_while_a_drill_starts_it_is_a_crash() {
    let action = Action { id: 1, what: "restart".to_owned(), note: "drill".to_owned() };
    let ended = TargetFact { action: Some(1), ..TargetFact::new(TargetWord::Exited, "as asked") };
    let mut story = Story::soaking();
    story.push(20.0, Fact::Action(action)).push(20.1, Fact::Target(ended)).up(20.5, false);
    story.up(21.0, false).push(22.0, fact(TargetWord::Launched, "process 7"));
    story.push(30.0, exited(1, false)).push(60.0, fact(TargetWord::Launched, "process 8"));
    story.up(120.0, true).good(122.0, 0);
    let incidents = incidents(&story);
    assert!(incidents.iter().any(|it| it.counts(Count::Crashes)), "{incidents:#?}");
}

#[test]
fn a_server_that_dies_again_after_the_restart_of_a_hang_is_a_hang_and_a_crash() {
    let hung = TargetFact::new(TargetWord::Hung, "nothing moves").since(At(20_000_000));
    let action = Action { id: 1, what: "restart".to_owned(), note: "it hangs".to_owned() };
    let mut story = Story::soaking();
    story.push(80.0, Fact::Target(hung)).push(110.0, Fact::Action(action));
    let ended = TargetFact { action: Some(1), ..TargetFact::new(TargetWord::Exited, "signal 9") };
    story.push(110.1, Fact::Target(ended)).up(110.5, false).up(111.0, false);
    story.push(112.0, fact(TargetWord::Launched, "process 7")).push(120.0, exited(1, false));
    story.push(150.0, fact(TargetWord::Launched, "process 8")).up(200.0, true);
    let incidents = incidents(&story);
    let counts = |count| incidents.iter().filter(|it| it.counts(count)).count();
    assert_eq!((counts(Count::Hangs), counts(Count::Crashes)), (1, 1), "{incidents:#?}");
}

#[test]
fn a_restart_that_follows_a_crash_is_not_what_caused_it() {
    let action = Action { id: 1, what: "restart".to_owned(), note: "it ended".to_owned() };
    let reported = [(20.1, exited(1, false)), (50.0, Fact::Action(action))];
    assert_eq!(caused(&reported).0, Cause::EngineCrash);
}

#[test]
fn a_hang_that_moves_again_is_a_hang_and_one_that_dies_of_it_is_one_incident() {
    let hung = TargetFact::new(TargetWord::Hung, "nothing moves").since(At(20_000_000));
    let mut story = Story::soaking();
    story.push(80.0, Fact::Target(hung.clone())).push(120.0, fact(TargetWord::Moving, ""));
    let (only, rest) = (incidents(&story)[0].clone(), incidents(&story).len());
    assert_eq!(
        (only.cause, only.kinds.as_slice(), rest),
        (Cause::Hang, &[IncidentKind::Hang][..], 1)
    );
    assert_eq!((only.from, only.until), (At(20_000_000), Some(At(120_000_000))));
    let mut story = Story::soaking();
    story.push(80.0, Fact::Target(hung)).push(100.0, exited(137, false));
    story.bad(100.0, 0, Ended::Truncated, "EOF").up(101.0, false).up(160.0, true);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert!(incidents[0].is(IncidentKind::Hang) && incidents[0].is(IncidentKind::Crash));
}

#[test]
fn a_hang_that_longhaul_ends_by_a_restart_is_a_hang_and_no_crash() {
    let hung = TargetFact::new(TargetWord::Hung, "nothing moves").since(At(20_000_000));
    let action = Action { id: 1, what: "restart".to_owned(), note: "it hangs".to_owned() };
    let mut story = Story::soaking();
    story.push(80.0, Fact::Target(hung)).push(110.0, Fact::Action(action));
    let ended = TargetFact { action: Some(1), ..TargetFact::new(TargetWord::Exited, "signal 9") };
    story.push(110.1, Fact::Target(ended)).bad(110.1, 0, Ended::Truncated, "unexpected EOF");
    story.up(110.5, false).push(112.0, fact(TargetWord::Launched, "process 7"));
    story.up(170.0, true).good(172.0, 0);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    let hang = &incidents[0];
    assert_eq!((hang.cause, hang.until), (Cause::Hang, Some(At(170_000_000))), "{hang:#?}");
    assert!(hang.counts(Count::Hangs) && hang.counts(Count::Restarts));
    assert!(!hang.counts(Count::Crashes), "{hang:#?}");
}

#[test]
fn a_crash_loop_behind_a_restart_policy_is_one_outage() {
    let mut reported = vec![(20.1, exited(1, false))];
    for step in 1..6 {
        reported.push((20.1 + f64::from(step), fact(TargetWord::Started, "")));
        reported.push((20.6 + f64::from(step), exited(1, false)));
    }
    reported.push((75.0, fact(TargetWord::Started, "")));
    let incident = death(&reported);
    assert!(incident.is(IncidentKind::Crash) && incident.is(IncidentKind::Restart));
    assert_eq!(incident.until, Some(At(80_000_000)));
}

#[test]
fn the_way_back_is_timed_from_the_last_good_sign_to_the_same_depth() {
    // The identity query comes ten seconds after the server was back, and no request waited for it.
    let identity = Fact::Seen(Statement::identity(Ok(
        "its identity was read again and is unchanged".to_owned(),
    )));
    let incident = death(&[(30.0, fact(TargetWord::Launched, "process 9")), (92.0, identity)]);
    assert_eq!((incident.in_flight, incident.depth), (1, Some(4096)));
    let recovery = incident.recovery.clone();
    assert_eq!(recovery.detected, Some(At(20_500_000)));
    assert_eq!(recovery.process, Some(At(30_000_000)));
    assert_eq!(recovery.port, Some(At(80_000_000)));
    assert_eq!(recovery.first_token, Some(At(82_400_000)));
    assert_eq!(recovery.model, recovery.first_token, "an answer names the model");
    assert_eq!(recovery.same_depth, Some(At(90_400_000)));
    assert!(incident.is_recovering(At(85_000_000), Some(4096)));
    assert!(!incident.is_recovering(At(85_000_000), Some(0)));
}

#[test]
fn a_server_that_does_not_say_what_it_is_has_not_its_model_back() {
    let model = |read: Result<&str, &str>| {
        let read = read.map(str::to_owned).map_err(str::to_owned);
        let mut story = Story::soaking();
        story.push(20.1, exited(1, false)).push(30.0, fact(TargetWord::Launched, "process 9"));
        story.up(80.0, true).push(92.0, Fact::Seen(Statement::identity(read)));
        incidents(&story)[0].recovery.model
    };
    assert_eq!(model(Ok("its identity was read again and is unchanged")), Some(At(92_000_000)));
    assert_eq!(model(Err("asked again, it did not say")), None);
}

#[test]
fn a_token_between_the_first_sign_and_the_death_is_no_way_back() {
    let mut story = Story::soaking();
    let mut late = story.request(19.9, 4096);
    (late.ttft_us, late.done) = (Some(120_000), Story::at(20.05));
    story.push(20.0, fact(TargetWord::OutOfMemory, "oom"));
    story.push(20.05, Fact::Request(Box::new(late))).push(20.1, exited(137, true));
    story.bad(20.1, 4096, Ended::Truncated, "unexpected EOF").up(20.5, false).up(21.0, false);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert_eq!(incidents[0].recovery.first_token, None, "{:#?}", incidents[0].recovery);
}

#[test]
fn what_was_in_flight_when_it_hung_shows_that_it_is_back() {
    let hung = TargetFact::new(TargetWord::Hung, "nothing moves").since(At(20_000_000));
    let mut story = Story::soaking();
    story.push(80.0, Fact::Target(hung));
    let mut held = story.request(19.0, 4096);
    (held.ttft_us, held.last_us, held.done) = (Some(101_000_000), None, Story::at(121.0));
    story.push(120.0, fact(TargetWord::Moving, "")).push(121.0, Fact::Request(Box::new(held)));
    let incident = &incidents(&story)[0];
    assert_eq!(incident.recovery.first_token, Some(At(120_000_000)));
    assert_eq!((incident.in_flight, incident.depth), (1, Some(4096)));
}

#[test]
fn a_dying_server_that_answers_one_more_probe_dies_once() {
    let mut story = Story::soaking();
    story.good(18.0, 0).push(20.0, said("engine_dead", Source::Process));
    story.bad(20.05, 0, Ended::ErrorFrame, "dead").up(20.1, false).up(20.3, true);
    story.bad(20.4, 0, Ended::Refused, "EngineCore encountered an issue").up(20.9, false);
    story.push(24.0, exited(0, false)).push(32.0, fact(TargetWord::Started, ""));
    story.up(65.0, true).good(66.0, 0);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert_eq!(incidents[0].cause, Cause::EngineCrash);
    assert_eq!(incidents[0].recovery.first_token, Some(At(66_400_000)));
    assert_eq!(incidents[0].recovery.port, Some(At(65_000_000)), "not when it was dying");
}

#[test]
fn what_answers_until_the_process_ends_is_no_way_back() {
    let mut story = Story::soaking();
    story.good(18.0, 0).push(20.0, said("engine_dead", Source::Process));
    story.bad(20.05, 0, Ended::ErrorFrame, "dead").up(20.1, false).up(24.2, true);
    story.push(24.3, exited(0, false)).push(32.0, fact(TargetWord::Started, ""));
    story.up(65.0, true).good(66.0, 0);
    let incidents = incidents(&story);
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    let recovery = &incidents[0].recovery;
    assert_eq!((recovery.process, recovery.port), (Some(At(32_000_000)), Some(At(65_000_000))));
}

#[test]
fn two_exits_with_a_good_answer_between_them_are_two() {
    let mut story = Story::soaking();
    for from in [20.0, 50.0] {
        story.push(from, exited(1, false)).bad(from, 0, Ended::Truncated, "EOF");
        story.push(from + 1.0, fact(TargetWord::Started, "")).up(from + 2.0, true);
        story.good(from + 3.0, 0);
    }
    assert_eq!(incidents(&story).len(), 2, "{:#?}", incidents(&story));
}

#[test]
fn an_xid_line_alone_is_no_incident_and_before_a_death_it_is_its_cause() {
    let mut story = Story::soaking();
    story.push(20.0, said("xid_79", Source::Kernel)).good(30.0, 0);
    assert!(incidents(&story).is_empty());
    assert_eq!(caused(&[(19.0, said("xid_79", Source::Kernel))]).0, Cause::GpuFault);
}

#[test]
fn silence_alone_is_unknown() {
    let mut story = Story::soaking();
    let why = "no answer in time".to_owned();
    let missed = Missed::once(Source::Engine, "/metrics", MissedReason::NoAnswer, why);
    let mut request = story.request(10.0, 0);
    (request.ended, request.stage) = (Ended::TimedOut, Stage::BeforeFirst);
    (request.ttft_us, request.last_us) = (None, None);
    story.push(19.0, Fact::Missed(missed)).push(20.0, Fact::Request(Box::new(request)));
    story.up(21.0, false).up(40.0, true);
    let incidents = incidents(&story);
    assert_eq!((incidents[0].cause, incidents[0].confidence), (Cause::Unknown, Confidence::Guess));
}

#[test]
fn a_box_that_takes_no_connection_may_have_frozen_and_one_without_a_way_is_out_of_reach() {
    let silent = |ended, stage| {
        let mut story = Story::soaking();
        let mut request = story.request(20.0, 0);
        (request.ended, request.stage, request.ttft_us, request.last_us) =
            (ended, stage, None, None);
        story.push(50.0, Fact::Request(Box::new(request))).up(60.0, false).up(300.0, true);
        let incidents = incidents(&story);
        assert_eq!(incidents.len(), 1, "{incidents:#?}");
        (incidents[0].cause, incidents[0].confidence, incidents[0].counts(Count::Crashes))
    };
    let frozen = silent(Ended::TimedOut, Stage::Connect);
    assert_eq!(frozen, (Cause::HostWedge, Confidence::Guess, false));
    let gone = silent(Ended::Unreachable, Stage::Connect);
    assert_eq!(gone, (Cause::Network, Confidence::Likely, false));
}

proptest! {
    #[test]
    fn late_evidence_in_any_order_explains_the_same_one_incident(
        at in prop::collection::vec(20.1_f64..79.0, 4),
        picks in prop::collection::vec(0_usize..5, 4),
    ) {
        let kinds = [
            exited(137, false),
            said("cuda_oom", Source::Process),
            said("engine_dead", Source::Process),
            fact(TargetWord::Started, ""),
            exited(1, false),
        ];
        let mut reported: Vec<(f64, Fact)> =
            at.iter().zip(&picks).map(|(at, pick)| (*at, kinds[*pick].clone())).collect();
        let one = death(&reported);
        reported.reverse();
        prop_assert_eq!(one.cause, death(&reported).cause);
        let out_of_memory = picks.contains(&1);
        prop_assert_eq!(one.cause == Cause::DriverOom, out_of_memory);
    }
}

#[test]
fn a_restart_that_shows_itself_late_ended_when_the_new_process_was_first_read() {
    let mut story = Story::soaking();
    let metrics = |story: &mut Story, seconds: f64, process: f64| {
        story.reading(seconds, Source::Engine, "metrics_process", process);
    };
    metrics(&mut story, 20.0, 1.0);
    story.good(21.0, 0);
    metrics(&mut story, 30.0, 2.0);
    story.good(31.0, 0).good(41.0, 0);
    metrics(&mut story, 91.0, 2.0);
    let incidents = incidents(&story);
    let [restart] = &incidents[..] else { panic!("{incidents:?}") };
    assert_eq!((restart.from, restart.until), (At(20_000_000), Some(At(30_000_000))));
    assert_eq!(restart.recovery.first_token, Some(At(31_400_000)));
    assert!(!restart.is_recovering(At(41_000_000), Some(0)), "its answers count");
}
