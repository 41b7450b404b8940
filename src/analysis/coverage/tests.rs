//! Tests how much of a run each source covers.

use super::*;
use crate::analysis::CalendarFold;
use crate::fact::{Ended, MissedReason, Phase, Request, Source};
use crate::incident::fixture::Story;
use crate::series::{LOG_LINES, OOM_KILLS};

fn coverage(story: &Story) -> Coverage {
    let (mut pass, mut watch) = (CalendarFold::default(), CoverageFold::default());
    for entry in &story.entries {
        pass.fold(entry);
        watch.fold(entry);
    }
    watch.finish(&pass.finish())
}

fn share_of(coverage: &Coverage, count: Count) -> f64 {
    coverage.of(count).unwrap().share()
}

fn hidden_s(coverage: &Coverage) -> Option<f64> {
    coverage.of(Count::Outages).unwrap().hidden_s
}

/// Adds readings of looks at the endpoint, so many in each interval of ten seconds.
fn probed(story: &mut Story, seconds: impl Iterator<Item = u32>, n: u64) {
    for second in seconds {
        let reading = Reading { n, ..UP.reading(1.0) };
        story.push(f64::from(second), Fact::Reading(reading));
    }
}

#[test]
fn probes_show_outages_that_are_longer_than_the_time_between_them_and_no_crash() {
    for (n, hidden) in [(1, 10.0), (2, 5.0)] {
        let mut story = Story::soaking();
        probed(&mut story, (10..=100).step_by(10), n);
        let coverage = coverage(&story);
        assert!((share_of(&coverage, Count::Outages) - 1.0).abs() < 1e-9);
        assert!(share_of(&coverage, Count::Crashes) < 0.1);
        assert!(share_of(&coverage, Count::Restarts) < 0.1);
        assert!(share_of(&coverage, Count::Ooms).abs() < 1e-9);
        assert!((hidden_s(&coverage).unwrap() - hidden).abs() < 0.1, "{coverage:?}");
    }
}

#[test]
fn after_the_last_look_nobody_knows() {
    let mut story = Story::soaking();
    probed(&mut story, (10..=90).step_by(10), 1);
    story.phase(100.0, Phase::Drain);
    let share = share_of(&coverage(&story), Count::Outages);
    assert!((share - 0.9).abs() < 0.001, "{share}");
    probed(&mut story, 101..=101, 1);
    assert!((share_of(&coverage(&story), Count::Outages) - 1.0).abs() < 1e-9);
}

#[test]
fn a_minute_in_which_longhaul_stood_still_hides_an_outage_of_a_minute() {
    let mut story = Story::soaking();
    probed(&mut story, (10..=100).step_by(10).chain((170..=300).step_by(10)), 2);
    let coverage = coverage(&story);
    assert!((0.75..0.80).contains(&share_of(&coverage, Count::Outages)), "{coverage:?}");
    assert!((hidden_s(&coverage).unwrap() - 65.0).abs() < 0.5, "{coverage:?}");
}

#[test]
fn requests_in_flight_nearly_always_hide_nothing() {
    let mut story = Story::soaking();
    for index in 0..100 {
        let mut request = story.request(f64::from(index), 0);
        request.done = At(request.sent.0 + 950_000);
        story.push(request.done.seconds(), Fact::Request(Box::new(request)));
    }
    let coverage = coverage(&story);
    assert_eq!(hidden_s(&coverage), None, "{coverage:?}");
    for count in [Count::Crashes, Count::Restarts, Count::Outages] {
        assert!(share_of(&coverage, count) > 0.98, "{coverage:?}");
    }
}

/// Returns looks every ten seconds at metrics with these values of start time, process and counter.
fn paged(pages: impl Fn(f64) -> (Option<f64>, f64, Option<f64>)) -> Story {
    let mut story = Story::soaking();
    for second in (0..=300).step_by(10).map(f64::from) {
        let (started, process, tokens) = pages(second);
        if let Some(tokens) = tokens {
            story.reading(second, Source::Engine, "generation_tokens_total", tokens);
        }
        story.reading(second, Source::Engine, series::METRICS_PROCESS.name, process);
        if let Some(started) = started {
            story.started(second, started);
        }
        story.up(second, true);
        let mut request = story.request(second + 1.0, 0);
        request.done = At(request.sent.0 + 1_500_000);
        story.push(request.done.seconds(), Fact::Request(Box::new(request)));
    }
    story
}

fn restarts(pages: impl Fn(f64) -> (Option<f64>, f64, Option<f64>)) -> f64 {
    share_of(&coverage(&paged(pages)), Count::Restarts)
}

#[test]
fn two_looks_at_one_process_prove_that_it_did_not_restart_between_them() {
    assert!(restarts(|second| (Some(5.0), 1.0, Some(second))) > 0.99);
    assert!(restarts(|_| (Some(5.0), 1.0, None)) > 0.99);
    let counters = restarts(|second| (None, 1.0, Some(second)));
    assert!((0.95..0.99).contains(&counters), "not those of the first minute: {counters}");
    assert!(restarts(|second| (None, 1.0, Some(1e6 + second))) > 0.99);
    let bursts = restarts(|second| (None, 1.0, Some(second * second * second)));
    assert!(bursts < 0.99, "what grows faster and faster may have begun anew: {bursts}");
}

#[test]
fn a_page_in_which_nothing_changes_while_requests_are_answered_is_no_look() {
    let stale = restarts(|_| (Some(5.0), 1.0, Some(700.0)));
    assert!(stale < 0.25, "{stale}");
    let coverage = coverage(&paged(|_| (Some(5.0), 1.0, Some(700.0))));
    assert!(share_of(&coverage, Count::Hangs) < 0.1);
    let why = coverage.of(Count::Hangs).unwrap().unseen().next().unwrap().in_words();
    assert!(why.contains("no counter in it changed") || why.contains('%'), "{why}");
    let half = restarts(|second| (Some(5.0), 1.0, Some(second.min(150.0))));
    assert!((0.5..0.65).contains(&half), "stale from the middle on: {half}");
    let cached = restarts(|second| (Some(5.0), 1.0, Some((second / 30.0).floor())));
    assert!(cached > 0.9, "a cache that is filled anew shows that it is the same: {cached}");
}

#[test]
fn a_gauge_that_moves_beside_counters_that_stand_still_makes_no_look() {
    let mut story = paged(|_| (Some(5.0), 1.0, Some(700.0)));
    for second in (0..=300).step_by(10).map(f64::from) {
        story.reading(second, Source::Engine, "process_resident_memory_bytes", 1e9 + second);
    }
    story.entries.sort_by_key(|entry| entry.at);
    let share = share_of(&coverage(&story), Count::Restarts);
    assert!(share < 0.25, "{share}");
}

#[test]
fn looks_at_two_processes_prove_nothing_of_the_time_between_them() {
    let in_turn = |second: f64| 1.0 + (second / 10.0).rem_euclid(2.0).floor();
    assert!(restarts(|second| (Some(5.0), in_turn(second), Some(second))) > 0.95);
    let lost = restarts(|second| {
        let process = if second < 150.0 { in_turn(second) } else { 2.0 };
        (Some(5.0), process, Some(second))
    });
    assert!((0.5..0.65).contains(&lost), "the first is not seen any more: {lost}");
}

#[test]
fn who_watches_a_process_sees_it_end() {
    let mut story = Story::soaking();
    for second in [10.0, 20.0, 80.0, 100.0] {
        story.reading(second, Source::Process, "running", 1.0);
    }
    story.up(100.0, true);
    let coverage = coverage(&story);
    assert!(share_of(&coverage, Count::Crashes) > 0.99, "{coverage:?}");
    assert!(coverage.sources.iter().any(|source| source.name == "process"));
}

#[test]
fn an_engine_that_was_away_saw_less_of_its_container() {
    let mut story = Story::soaking();
    let missed = |why: &str| {
        let (source, reason) = (Source::Container, MissedReason::Unreadable);
        Fact::Missed(Missed::once(source, series::MissedPart::State.word(), reason, why.to_owned()))
    };
    for second in 1..=10 {
        story.reading(f64::from(second * 10), Source::Container, "cgroup_oom_kills", 0.0);
    }
    for second in [10, 20, 30] {
        story.reading(f64::from(second), Source::Container, "running", 1.0);
    }
    story.push(38.0, missed("no daemon")).push(68.0, missed("no daemon"));
    for second in [73, 83, 93, 100] {
        story.reading(f64::from(second), Source::Container, "running", 1.0);
    }
    story.up(101.0, true);
    let coverage = coverage(&story);
    let source = coverage.sources.iter().find(|source| source.name == "container").unwrap();
    assert!(source.share > 0.55 && source.share < 0.70, "{source:?}");
    assert_eq!(source.why, "no daemon");
}

#[test]
fn a_log_that_was_not_read_for_an_interval_is_not_covered_by_those_beside_it() {
    let log = |gap: &[u32]| {
        let mut story = Story::soaking();
        for second in (10..=100).step_by(10) {
            let at = f64::from(second);
            if gap.contains(&second) {
                let why = "no such file".to_owned();
                let reason = MissedReason::Unreadable;
                let missed = Missed::once(Source::Process, LOG_LINES, reason, why);
                story.push(at, Fact::Missed(missed));
            } else {
                story.reading(at, Source::Process, LOG_LINES, 0.0);
            }
        }
        story.up(100.0, true);
        let coverage = coverage(&story);
        coverage.sources.into_iter().find(|source| source.name == "server log").unwrap()
    };
    let quiet = log(&[]);
    assert!((quiet.share - 1.0).abs() < 1e-9, "a quiet log is read: {quiet:?}");
    let source = log(&[40]);
    assert!(
        (source.share - 89.0 / 99.0).abs() < 1e-9 && source.why == "no such file",
        "{source:?}"
    );
    let gone = log(&[20, 70, 80, 90, 100]);
    assert!((gone.share - 50.0 / 99.0).abs() < 1e-9, "{gone:?}");
}

#[test]
fn a_log_that_fails_right_after_a_reading_was_read_until_that_reading() {
    let mut story = Story::soaking();
    let missed = || {
        let why = "no daemon".to_owned();
        Fact::Missed(Missed::once(Source::Container, LOG_LINES, MissedReason::Unreadable, why))
    };
    story.reading(10.0, Source::Container, LOG_LINES, 50.0);
    for at in [10.2, 20.0, 30.0] {
        story.push(at, missed());
    }
    story.up(30.0, true);
    let coverage = coverage(&story);
    let source = coverage.sources.iter().find(|source| source.name == "server log").unwrap();
    assert!(source.share > 0.3 && source.share < 0.4, "a third of the run: {source:?}");
    assert_eq!(source.why, "no daemon");
}

#[test]
fn an_interval_in_which_lines_were_cut_was_not_read() {
    let mut story = Story::soaking();
    for second in (10..=100).step_by(10) {
        let at = f64::from(second);
        story.reading(at, Source::Process, LOG_LINES, 3.0);
        let dropped = if second == 40 { 20_000.0 } else { 0.0 };
        story.reading(at, Source::Process, LOG_DROPPED, dropped);
    }
    story.up(100.0, true);
    let coverage = coverage(&story);
    let unseen = coverage.of(Count::Ooms).unwrap().unseen().next().unwrap();
    assert!((unseen.share - 89.0 / 99.0).abs() < 1e-9, "{unseen:?}");
    assert_eq!(unseen.why, "without 20000 bytes of long lines");
}

#[test]
fn a_stamp_beyond_all_years_is_counted_like_any_other() {
    let mut story = Story::soaking();
    story.up(10.0, true).up(9e12, true);
    let coverage = coverage(&story);
    assert!(share_of(&coverage, Count::Outages) < 1e-6);
}

#[test]
fn where_no_load_began_it_is_not_said_that_nobody_looked() {
    let mut story = Story::new();
    story.opened().reading(10.0, Source::Process, LOG_LINES, 3.0).up(20.0, true);
    let coverage = coverage(&story);
    assert!(coverage.sources.iter().all(|source| source.why == NO_LOAD), "{coverage:?}");
}

#[test]
fn requests_in_flight_cover_restarts_as_long_as_they_fly() {
    let mut story = Story::soaking();
    let mut request = story.request(0.0, 0);
    request.done = Story::at(50.0);
    story.push(50.0, Fact::Request(Box::new(request))).up(100.0, true);
    let share = share_of(&coverage(&story), Count::Restarts);
    assert!((share - 0.51).abs() < 0.011, "{share}");
}

/// Share of restarts that requests like this one would have shown, one every two seconds.
fn of_requests(change: impl Fn(&mut Request)) -> f64 {
    let mut story = Story::soaking();
    for second in (0..100).step_by(2) {
        let mut request = story.request(f64::from(second), 0);
        change(&mut request);
        story.push(request.done.seconds(), Fact::Request(Box::new(request)));
    }
    story.up(101.0, true);
    share_of(&coverage(&story), Count::Restarts)
}

#[test]
fn short_requests_cover_restarts_only_while_they_are_in_flight() {
    let share = of_requests(|request| request.done = At(request.sent.0 + 140_000));
    assert!((0.06..0.08).contains(&share), "{share}");
    let share = of_requests(|request| request.done = At(request.sent.0 + 1_950_000));
    assert!((share - 1.0).abs() < 1e-9, "no server restarts within 50 ms: {share}");
}

#[test]
fn a_request_that_timed_out_covers_nothing_after_its_last_token() {
    let ended = |ended, last_us| {
        of_requests(move |request| {
            (request.ended, request.done) = (ended, At(request.sent.0 + 1_990_000));
            (request.first_byte_us, request.ttft_us, request.last_us) = (None, None, last_us);
        })
    };
    assert!(ended(Ended::TimedOut, None) < 0.03);
    let share = ended(Ended::Stalled, Some(990_000));
    assert!((0.48..0.53).contains(&share), "{share}");
    assert!(ended(Ended::Reset, None) > 0.99, "a connection that breaks shows it");
}

#[test]
fn a_request_that_was_sent_again_covers_from_its_first_byte_on() {
    let share = of_requests(|request| {
        (request.resent, request.first_byte_us) = (true, Some(1_000_000));
        request.done = At(request.sent.0 + 1_990_000);
    });
    assert!((0.48..0.53).contains(&share), "{share}");
}

#[test]
fn no_observation_is_required_after_the_last_request_was_sent() {
    let mut story = Story::soaking();
    for second in 0..20 {
        let mut request = story.request(f64::from(second), 0);
        request.done = At(request.sent.0 + 990_000);
        story.push(request.done.seconds(), Fact::Request(Box::new(request)));
    }
    story.phase(20.0, Phase::Drain).up(25.0, true);
    let share = share_of(&coverage(&story), Count::Restarts);
    assert!((share - 1.0).abs() < 1e-9, "a slow end of a run is no gap: {share}");
}

#[test]
fn the_kernels_log_is_not_the_servers() {
    let mut story = Story::soaking();
    (1..=10).for_each(|index| {
        story.reading(f64::from(index) * 10.0, Source::Kernel, LOG_LINES, 3.0);
    });
    let coverage = coverage(&story);
    let unseen = coverage.of(Count::Ooms).unwrap().unseen().next().unwrap();
    assert_eq!(unseen.in_words(), "server log not read");
}

#[test]
fn the_kernel_of_a_server_that_is_elsewhere_is_dark_and_says_where_it_is() {
    let mut story = Story::soaking();
    let why = "is on another machine: spark".to_owned();
    let missed = Missed::once(Source::Kernel, "kernel", MissedReason::Unreadable, why);
    story.push(50.0, Fact::Missed(missed)).up(100.0, true);
    let coverage = coverage(&story);
    let words: Vec<String> =
        coverage.of(Count::Ooms).unwrap().unseen().map(SourceCoverage::in_words).collect();
    assert_eq!(words, ["server log not read", "kernel is on another machine: spark"]);
}

#[test]
fn ooms_need_both_halves_and_the_dark_one_is_named() {
    let mut story = Story::soaking();
    (1..=10).for_each(|index| {
        story.reading(f64::from(index) * 10.0, Source::Kernel, OOM_KILLS.name, 0.0);
    });
    let coverage = coverage(&story);
    let unseen: Vec<&str> =
        coverage.of(Count::Ooms).unwrap().unseen().map(|source| source.name).collect();
    assert_eq!(unseen, ["server log"]);
}
