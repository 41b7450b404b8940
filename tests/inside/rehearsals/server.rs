//! Tests a server that ends, hangs, runs out of memory, or does not start.

use std::collections::BTreeSet;
use std::fs;

use insta::assert_snapshot;
use longhaul::command::ReportFormat;
use longhaul::command::report::{self, judge};
use longhaul::exit::Exit;
use longhaul::fact::{ClosedBecause, Ended, Exited, Fact, Phase, Source, Statement, TargetWord};
use longhaul::incident::IncidentKind;
use longhaul::measure::{Count, Quantity};
use longhaul::series::{self, LOG_LINES};
use longhaul::spec::Select;
use longhaul::verdict::VerdictWord;

use super::stage::{HALF_AN_HOUR, Played, Script, ailing, away};

/// Between two looks at the server while it is there, and between two knocks at a door that
/// stays shut, seconds: within these an end and a return are known.
const LOOK: f64 = 10.0;
const KNOCK: f64 = 15.0;

/// Whether an outage is reported with the length that it had, as finely as anybody looked.
fn lasted(play: &Played, truth: f64) {
    let reported = away(play.incident());
    assert!((truth - 1.0..truth + LOOK + KNOCK).contains(&reported), "{reported} s for {truth} s");
}

#[test]
fn a_healthy_half_hour_passes_and_lasts_half_an_hour() {
    let play = ailing(&[]);
    assert_eq!(play.exit(), Exit::Pass, "{}", play.reported());
    assert!(play.incidents().is_empty() && play.bad() == 0);
    let lasted = play.entries.last().unwrap().at.seconds() - play.began();
    assert!((1_800.0..1_815.0).contains(&lasted), "{lasted}");
    assert!(play.ended(Ended::Completed) > 200);
}

#[test]
fn twenty_healthy_rehearsals_with_different_seeds_raise_no_alarm() {
    for seed in 1..=20 {
        let script = Script { seed, ..Script::new(HALF_AN_HOUR, &[]) };
        let play = script.play();
        assert_eq!(play.exit(), Exit::Pass, "seed {seed}: {}", play.reported());
        assert!(play.incidents().is_empty() && play.bad() == 0, "seed {seed}: {}", play.reported());
    }
}

#[test]
#[ignore = "long: six hours, twenty times; docs/testing.md"]
fn twenty_healthy_nights_with_different_seeds_raise_no_alarm() {
    let six_hours = include_str!("../../../scenarios/short.yaml").replace("  ooms: 0\n", "");
    for seed in 1..=20 {
        let play = Script { seed, ..Script::new(&six_hours, &[]) }.play();
        assert_eq!(play.exit(), Exit::Pass, "seed {seed}: {}", play.reported());
    }
}

#[test]
fn a_crash_is_one_incident_and_its_outage_is_as_long_as_it_was() {
    let play = ailing(&["crash=2m@10m"]);
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    assert!(play.incident().is(IncidentKind::Crash) && play.incident().is(IncidentKind::Restart));
    lasted(&play, 120.0);
    let from = play.incident().from.seconds() - play.began();
    assert!((600.0 - LOOK..601.0).contains(&from), "{from}");
    assert!(play.ended(Ended::Truncated) >= 1, "what was in flight broke off");
    assert!(play.ended(Ended::Refused) <= 2, "a server that is away is not hammered");
    let after = play.requests().filter(|request| request.sent > play.incident().until.unwrap());
    assert!(after.count() > 100, "the plan went on");
}

#[test]
fn a_server_that_stays_down_ends_the_run_and_never_in_a_pass() {
    let patient = HALF_AN_HOUR.replace("away: 20m", "away: 45m");
    let play = Script::new(&patient, &["crash@10m"]).play();
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    assert_eq!(play.closed.as_ref().unwrap().because, ClosedBecause::OutOfTime);
    assert_eq!(play.incident().until, None);
}

#[test]
fn a_server_that_stays_down_longer_than_the_scenario_allows_ends_the_run_as_fail() {
    let play = ailing(&["crash@10m"]);
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    assert_eq!(play.closed.as_ref().unwrap().because, ClosedBecause::Away);
}

#[test]
fn cuda_out_of_memory_ends_streams_in_error_frames_and_is_one_crash() {
    let play = ailing(&["cuda_oom=3m@10m"]);
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    assert!(
        play.incident().is(IncidentKind::Crash) && play.incident().is(IncidentKind::OutOfMemory)
    );
    assert!(play.ended(Ended::ErrorFrame) >= 1);
    lasted(&play, 180.0);
}

/// Signatures of the lines that were reported, in order.
fn said(play: &Played) -> Vec<&str> {
    let said = play.entries.iter().filter_map(|entry| match &entry.fact {
        Fact::Said(said) => Some(said.signature.as_str()),
        _ => None,
    });
    said.collect()
}

/// What became of the server's process: the word, and how it ended.
fn became(play: &Played) -> Vec<(TargetWord, Option<Exited>)> {
    let words =
        [TargetWord::Exited, TargetWord::Rebooted, TargetWord::Started, TargetWord::Launched];
    let of = |fact: &Fact| match fact {
        Fact::Target(it) if words.contains(&it.word) => Some((it.word, it.exit)),
        _ => None,
    };
    play.entries.iter().filter_map(|entry| of(&entry.fact)).collect()
}

#[test]
fn the_log_of_the_server_is_in_the_folder_and_its_lines_are_told_by_name() {
    let play = ailing(&["cuda_oom=3m@10m"]);
    let said = said(&play);
    assert_snapshot!(said.join("\n"), @"
        engine_arguments
        max_model_len_used
        kv_cache_type
        chunked_prefill_on
        async_scheduling_on
        engine_begins
        moe_backend
        cuda_oom
        engine_fatal
        engine_output_failed
        engine_dead
        engine_arguments
        max_model_len_used
        kv_cache_type
        chunked_prefill_on
        async_scheduling_on
        engine_begins
        moe_backend
        weights_loading
        weights_loading
        weights_loading
        weights_loading
        weights_loading
        compiled
        graphs_captured
        ready
    ");
    let exit = Exited { code: Some(0), ..Exited::default() };
    assert_eq!(became(&play), [(TargetWord::Exited, Some(exit)), (TargetWord::Started, None)]);
    let log = fs::read_to_string(play.folder.join("server.log")).unwrap();
    assert_snapshot!("server_log", log);
    let counts = play.readings(Source::Process, LOG_LINES);
    let (first, last) = (counts[0].0, counts.last().unwrap().0);
    assert!(first <= 0.0 && last > 1_790.0, "{first} {last}");
    assert!(counts.windows(2).all(|pair| pair[1].0 - pair[0].0 < 10.5));
    let lines: f64 = counts.iter().map(|(_, lines)| lines).sum();
    assert_eq!(lines as usize, log.lines().count());
}

#[test]
fn a_server_that_is_well_tells_its_settings_and_its_log_was_read_all_the_same() {
    let play = ailing(&[]);
    let settings = said(&play);
    assert_eq!((settings.len(), settings[0]), (7, "engine_arguments"), "{settings:?}");
    assert!(became(&play).is_empty());
    let counts = play.readings(Source::Process, LOG_LINES);
    let after_start = counts.iter().filter(|(second, _)| *second > 0.0);
    assert!(counts.len() >= 180 && after_start.clone().all(|(_, lines)| *lines == 0.0));
}

#[test]
fn every_way_to_die_shows_the_exit_that_a_parent_process_sees() {
    let exit = |ailment: &str| {
        let play = ailing(&[ailment]);
        let ends = became(&play);
        let over = [TargetWord::Exited, TargetWord::Rebooted];
        let ends = ends.iter().find(|(word, _)| over.contains(word));
        ends.and_then(|(_, exit)| *exit).map(|exit| (exit.code, exit.signal))
    };
    assert_eq!(exit("crash=2m@10m"), Some((None, Some(9))));
    assert_eq!(exit("host_oom_kill=2m@10m"), Some((Some(0), None)), "vLLM's own");
    assert_eq!(exit("restart=30s@10m"), Some((Some(0), None)));
    assert_eq!(exit("host_reboot=4m@10m"), Some((Some(255), None)));
    assert_eq!(exit("hang=5m@10m"), None);
}

#[test]
fn a_kill_by_the_kernel_is_out_of_memory_because_the_kernel_counted_it() {
    let play = ailing(&["host_oom_kill=3m@10m"]);
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    assert!(
        play.incident().is(IncidentKind::OutOfMemory) && play.incident().is(IncidentKind::Crash)
    );
    lasted(&play, 180.0);
}

#[test]
fn a_box_that_reboots_is_one_outage_of_a_server_that_was_silent() {
    let play = ailing(&["host_reboot=4m@10m"]);
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    assert!(play.incident().is(IncidentKind::Restart), "{}", play.reported());
    lasted(&play, 240.0);
    assert_eq!(play.ended(Ended::ErrorFrame), 0, "nobody said good-bye");
}

#[test]
fn a_hang_stalls_what_is_in_flight_while_health_says_that_all_is_well() {
    let play = ailing(&["hang=5m@10m"]);
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    assert!(play.ended(Ended::Stalled) + play.ended(Ended::TimedOut) >= 1);
    assert!(
        play.incidents().iter().all(|incident| !incident.is(IncidentKind::Crash)),
        "{}",
        play.reported()
    );
    assert!(play.readings(Source::Engine, "up").iter().all(|(_, up)| *up >= 0.5));
}

#[test]
fn a_hang_that_does_not_end_does_not_hang_longhaul() {
    let play = ailing(&["hang@10m"]);
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    let lasted = play.entries.last().unwrap().at.seconds() - play.began();
    assert!(lasted < 1_800.0 * 1.25 + 200.0, "{lasted}");
}

#[test]
fn a_restart_is_seen_by_the_counters_that_began_anew() {
    let play = ailing(&["restart=30s@10m"]);
    assert_eq!(play.exit(), Exit::Fail, "{}", play.reported());
    assert!(play.incident().is(IncidentKind::Restart));
    assert_eq!(play.gate("restarts"), VerdictWord::Fail);
    lasted(&play, 30.0);
}

#[test]
fn three_crashes_are_three() {
    let play = ailing(&["crash=1m@3x"]);
    assert_eq!(play.incidents().len(), 3, "{}", play.reported());
    let crashes = play.analysis().incidents_of(Count::Crashes, None);
    assert_eq!(crashes.len(), 3);
}

#[test]
fn a_server_that_never_starts_is_waited_for_and_then_nothing_was_proven() {
    let play = ailing(&["start_fails"]);
    assert_eq!(play.exit(), Exit::Inconclusive, "{}", play.reported());
    let closed = play.closed.as_ref().unwrap();
    assert_eq!(closed.because, ClosedBecause::NeverAnswered);
    assert_snapshot!(closed.note, @"Connection refused (os error 111); kv_cache_no_memory: ValueError: No available memory for the cache blocks.");
}

#[test]
fn a_start_that_fails_once_after_a_crash_makes_the_outage_longer() {
    let once = ailing(&["crash=2m@10m"]);
    let twice = ailing(&["crash=2m@10m", "start_fails=1@5m"]);
    assert_eq!(twice.incidents().len(), 1, "{}", twice.reported());
    let longer = away(twice.incident()) - away(once.incident());
    assert!(longer > 30.0, "{longer}");
}

#[test]
fn a_crash_and_bad_answers_together_are_both_told() {
    let play = ailing(&["crash=2m@10m", "error_frame=3@20m", "slow_down=30%@25m"]);
    assert!(play.incident().is(IncidentKind::Crash), "{}", play.reported());
    assert_eq!(play.ended(Ended::ErrorFrame), 3);
    assert!(play.change(Quantity::Tpot) > 1.2);
}

#[test]
fn what_met_an_outage_is_in_no_distribution() {
    let play = ailing(&["crash=2m@10m"]);
    let steady = Select::default();
    let slowest = play.analysis().dist(Quantity::E2e, &steady).max().unwrap().low;
    let healthy = ailing(&[]).analysis().dist(Quantity::E2e, &steady).max().unwrap().low;
    assert!(slowest < healthy * 1.2, "{slowest} against {healthy}");
    assert!(play.analysis().calendar.load_us() < 1_801_000_000);
    assert_eq!(play.analysis().calendar.phase_at(0, play.incident().from), Some(Phase::Soak));
}

/// Back after its outage, and another process: two signs of one restart, and one look.
#[test]
fn after_a_restart_the_server_is_asked_again_what_it_is() {
    let play = ailing(&["restart=30s@10m"]);
    let seen: Vec<(f64, &Statement)> = play
        .entries
        .iter()
        .filter_map(|entry| match &entry.fact {
            Fact::Seen(seen) => Some((entry.at.seconds() - play.began(), seen)),
            _ => None,
        })
        .collect();
    let of = |subject: &str| seen.iter().filter(|(_, seen)| seen.subject == subject).count();
    for subject in ["model", "version", "system_fingerprint", "num_gpu_blocks"] {
        assert_eq!(of(subject), 1, "{subject}: {seen:?}");
    }
    let again: Vec<_> = seen.iter().filter(|(at, _)| *at > 0.0).collect();
    assert_eq!(again.len(), 1, "{again:?}");
    let (at, said) = again[0];
    assert_eq!((said.subject.as_str(), said.differs), ("identity", false));
    assert_eq!(said.seen, "its identity was read again and is unchanged");
    assert!((640.0..700.0).contains(at), "{at}");
}

#[test]
fn a_model_that_leaves_the_list_while_answers_go_on_is_told_and_is_no_outage() {
    let told = ["did not list the model from ", "no longer lists the model since "];
    for (ailment, told) in ["model_unlisted=5m@10m", "model_unlisted@10m"].into_iter().zip(told) {
        let play = ailing(&[ailment]);
        assert_eq!(play.exit(), Exit::Pass, "{}", play.reported());
        assert!(play.incidents().is_empty() && play.bad() == 0);
        let notes = play.notes();
        assert_eq!(notes.matches(told).count(), 1, "{notes}");
        assert!(notes.contains("answers then named it; it listed `another-model`"), "{notes}");
    }
}

#[test]
fn every_series_that_a_run_reads_has_a_row_of_its_own_in_the_table_of_series() {
    let play = ailing(&["cuda_oom=3m@10m", "slow_leak=1GiB/h", "metrics_go_away=1m@20m"]);
    let mut sources = BTreeSet::new();
    for entry in &play.entries {
        let Fact::Reading(reading) = &entry.fact else { continue };
        let series = series::of_reading(reading);
        assert!(series.is_some_and(|of| of.name == reading.name), "{reading:?}");
        sources.insert(reading.source);
    }
    let all = [Source::Own, Source::Engine, Source::Host, Source::Process, Source::Kernel];
    assert_eq!(sources, BTreeSet::from(all), "the rehearsal reads from all of these");
}

#[test]
fn what_was_read_over_time_is_told_to_who_asks_and_is_not_in_verdict_json() {
    let play = ailing(&["crash=2m@10m", "slow_leak=1GiB/h@1s"]);
    let judged = judge(&play.folder).unwrap();
    let json = report::rendered(&judged.page(), ReportFormat::Json).unwrap();
    let json: serde_json::Value = serde_json::from_str(json.text()).unwrap();
    let series = json["series"].as_array().unwrap();
    let memory = series.iter().find(|of| of["name"] == "mem_available_bytes").unwrap();
    let lifetimes = memory["lifetimes"].as_array().unwrap();
    assert_eq!(lifetimes.len(), 2, "before and after the crash");
    for lifetime in lifetimes {
        let blocks = lifetime["blocks"].as_array().unwrap();
        let of = |block: &serde_json::Value, key: &str| block[key].as_f64().unwrap();
        assert!(blocks.len() > 1, "{blocks:?}");
        for block in blocks {
            assert!(
                of(block, "min") <= of(block, "median") && of(block, "median") <= of(block, "max")
            );
        }
        let first = of(&blocks[0], "median");
        assert!(of(&blocks[blocks.len() - 1], "median") < first, "it leaks: {blocks:?}");
    }
    let verdict: serde_json::Value =
        serde_json::from_str(report::verdict_json(&judged.page()).text()).unwrap();
    assert_eq!(verdict.get("series"), None);
    let wide = report::rendered(&judged.page(), ReportFormat::Terminal { wide: true }).unwrap();
    let memory =
        wide.text().lines().find(|line| line.trim().starts_with("host mem_available_bytes"));
    assert_snapshot!(memory.unwrap(), @"  host mem_available_bytes                                   1, 9 m 58 s    23.0 GiB   22.7 GiB   22.7 GiB   23.0 GiB");
}
