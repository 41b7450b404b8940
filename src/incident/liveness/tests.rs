//! Tests the state of the server on entries made by hand.

mod failing;

use super::*;
use crate::fact::{Missed, MissedReason, Phase};
use crate::incident::fixture::Story;
use crate::series::{HEALTH_STATUS, METRICS_PROCESS};

fn reported(story: &Story) -> (Liveness, Vec<LivenessChange>) {
    let mut liveness = Liveness::default();
    let changes = story.entries.iter().filter_map(|entry| liveness.fold(entry)).collect();
    (liveness, changes)
}

#[test]
fn one_failed_request_is_no_outage() {
    let mut story = Story::new();
    story.up(0.0, true).bad(5.0, 0, Ended::Refused, "refused");
    let (liveness, changes) = reported(&story);
    assert_eq!((liveness.state(), liveness.since()), (State::Suspect, Some(At(0))));
    assert!(changes.is_empty());
    story.up(6.0, true);
    let (liveness, changes) = reported(&story);
    assert_eq!((liveness.state(), liveness.since()), (State::Up, None));
    assert!(changes.is_empty());
}

#[test]
fn a_failed_probe_of_a_suspect_server_means_it_is_away_since_the_last_good_sign() {
    let mut story = Story::new();
    story.up(0.0, true).good(3.0, 0).bad(5.0, 0, Ended::Refused, "refused").up(6.0, false);
    let (liveness, changes) = reported(&story);
    assert_eq!(liveness.state(), State::Down);
    assert!(
        matches!(changes[..], [LivenessChange::WentAway { since: At(4_000_000), .. }]),
        "{changes:?}"
    );
}

#[test]
fn it_takes_two_failed_probes_without_a_failed_request() {
    let mut story = Story::new();
    story.up(0.0, true).up(10.0, false);
    assert_eq!(reported(&story).0.state(), State::Suspect);
    story.up(11.0, false);
    let (liveness, changes) = reported(&story);
    assert_eq!((liveness.state(), liveness.since()), (State::Down, Some(At(0))));
    assert_eq!(changes.len(), 1);
    story.up(20.0, false).up(30.0, true);
    let (liveness, changes) = reported(&story);
    assert_eq!(liveness.state(), State::Up);
    assert!(matches!(changes[1], LivenessChange::CameBack { since: At(0), .. }));
}

#[test]
fn an_answer_that_was_stamped_before_the_failure_brings_nothing_back() {
    let mut story = Story::new();
    story.up(0.0, true).up(10.0, false).up(11.0, false).good(8.0, 0);
    assert_eq!(reported(&story).0.state(), State::Down);
}

#[test]
fn a_stream_that_broke_was_alive_until_its_last_token() {
    let mut story = Story::new();
    story.up(0.0, true);
    let mut request = story.request(10.0, 0);
    request.ended = Ended::Truncated;
    story.push(11.0, Fact::Request(Box::new(request))).up(12.0, false);
    assert_eq!(reported(&story).0.since(), Some(At(10_908_000)));
}

#[test]
fn a_refusal_with_a_4xx_is_a_sign_of_life() {
    let mut story = Story::new();
    let mut request = story.request(1.0, 0);
    (request.ended, request.http_status) = (Ended::HttpError, Some(400));
    story.push(2.0, Fact::Request(Box::new(request)));
    assert_eq!(reported(&story).0.state(), State::Up);
}

#[test]
fn a_counter_that_goes_back_is_a_restart_told_once() {
    let mut story = Story::new();
    for (seconds, tokens) in [(1.0, 100.0), (11.0, 900.0), (21.0, 50.0), (31.0, 80.0)] {
        story.reading(seconds, Source::Engine, "vllm:generation_tokens_total", tokens);
        story.reading(seconds, Source::Engine, "vllm:prompt_tokens_total", tokens * 3.0);
    }
    let (_, changes) = reported(&story);
    assert!(
        matches!(changes[..], [LivenessChange::Restarted { since: At(11_000_000), .. }]),
        "{changes:?}"
    );
}

/// Adds a metrics page that answered, as a sensor reads it.
fn page(story: &mut Story, seconds: f64, tokens: f64) {
    story.reading(seconds, Source::Engine, "generation_tokens_total", tokens);
    story.reading(seconds, Source::Engine, METRICS_PROCESS.name, 1.0).up(seconds, true);
}

/// Returns a server whose health answers 503 from second 12 to 60, and whose metrics are answered.
fn unwell(tokens: impl Fn(f64) -> f64) -> Story {
    let mut story = Story::new();
    page(&mut story, 0.0, 100.0);
    page(&mut story, 5.0, 100.0);
    story.bad(11.0, 0, Ended::TimedOut, "no token");
    for second in (12..60).map(f64::from) {
        story.reading(second, Source::Engine, HEALTH_STATUS.name, 503.0).up(second, false);
        if second % 5.0 == 0.0 {
            page(&mut story, second + 0.1, tokens(second));
        }
    }
    story
}

#[test]
fn metrics_that_stand_still_bring_back_no_server_whose_health_says_that_it_is_not_up() {
    let mut story = unwell(|_| 100.0);
    let (liveness, changes) = reported(&story);
    assert_eq!((liveness.state(), changes.len()), (State::Down, 1), "{changes:?}");
    story.up(61.0, true);
    assert_eq!(reported(&story).0.state(), State::Up, "a probe does");
    let (liveness, changes) = reported(&unwell(|_| 150.0));
    assert_eq!((liveness.state(), changes.len()), (State::Down, 1), "they moved before it");
    let mut story = unwell(|_| 100.0);
    story.good(61.0, 0);
    assert_eq!(reported(&story).0.state(), State::Up, "an answer does");
    let mut story = unwell(|_| 100.0);
    page(&mut story, 61.0, 103.0);
    assert_eq!(reported(&story).0.state(), State::Up, "counters that move do");
    let mut story = Story::new();
    page(&mut story, 0.0, 100.0);
    story.bad(11.0, 0, Ended::Refused, "refused").up(12.0, false);
    page(&mut story, 15.0, 0.0);
    assert_eq!(reported(&story).0.state(), State::Up, "nothing said that it was not well");
}

#[test]
fn a_resumed_segment_begins_without_belief() {
    let mut story = Story::new();
    story.up(0.0, true).started(1.0, 1000.0);
    story.segment = 1;
    story.started(1.0, 2000.0);
    let (liveness, changes) = reported(&story);
    assert_eq!((liveness.state(), changes.len()), (State::Suspect, 0));
}

#[test]
fn entries_of_two_segments_one_between_the_other_have_a_belief_of_each() {
    let mut story = Story::new();
    story.up(1.0, true).bad(2.0, 0, Ended::Refused, "refused");
    story.segment = 1;
    story.up(1.5, true);
    story.segment = 0;
    story.up(3.0, false);
    story.segment = 1;
    story.up(3.5, true);
    let (liveness, changes) = reported(&story);
    assert!(
        matches!(changes[..], [LivenessChange::WentAway { since: At(1_000_000), .. }]),
        "{changes:?}"
    );
    assert_eq!(liveness.state(), State::Up);
}

/// Adds a look that found the server busy, with what the run writes down before it.
fn busy(story: &mut Story, seconds: f64, serving: bool) {
    story.reading(seconds, Source::Own, SERVING.name, f64::from(u8::from(serving)));
    story.reading(seconds, Source::Engine, HEALTH_STATUS.name, 503.0).up(seconds, false);
}

/// Adds a look without an answer, with what the run writes down before it.
fn silent(story: &mut Story, seconds: f64, serving: bool) {
    story.reading(seconds, Source::Own, SERVING.name, f64::from(u8::from(serving)));
    let missed = Missed::once(Source::Engine, "/health", MissedReason::NoAnswer, String::new());
    story.push(seconds, Fact::Missed(missed));
}

#[test]
fn a_server_that_serves_requests_is_up_however_busy_or_slow_its_health_is() {
    let mut story = Story::new();
    story.up(0.0, true);
    for look in 1..5 {
        busy(&mut story, f64::from(look) * 5.0, true);
        silent(&mut story, f64::from(look) * 5.0 + 2.0, true);
    }
    let (liveness, changes) = reported(&story);
    assert_eq!((liveness.state(), changes.len()), (State::Up, 0));
}

#[test]
fn a_server_that_serves_nothing_is_away_where_its_health_is_busy_or_silent_twice() {
    for look in [busy, silent] {
        let mut story = Story::new();
        story.up(0.0, true);
        look(&mut story, 5.0, false);
        assert_eq!(reported(&story).0.state(), State::Suspect);
        look(&mut story, 10.0, false);
        assert_eq!(reported(&story).0.state(), State::Down);
    }
}

#[test]
fn a_refused_connection_counts_although_requests_are_served() {
    let mut story = Story::new();
    story.up(0.0, true);
    busy(&mut story, 5.0, true);
    story.up(6.0, false).up(7.0, false);
    assert_eq!(reported(&story).0.state(), State::Down);
}

#[test]
fn a_miss_of_an_earlier_version_says_nothing() {
    let mut story = Story::new();
    story.up(0.0, true);
    for second in [10.0, 20.0, 30.0] {
        let missed =
            Missed::once(Source::Engine, "/metrics", MissedReason::NoAnswer, String::new());
        story.push(second, Fact::Missed(missed));
    }
    assert_eq!(reported(&story).0.state(), State::Up);
}

/// Adds a request that was refused with a status.
fn refused(story: &mut Story, seconds: f64, status: u16) {
    let mut request = story.request(seconds - 0.1, 0);
    (request.ended, request.http_status) = (Ended::HttpError, Some(status));
    (request.done, request.ttft_us, request.last_us) = (Story::at(seconds), None, None);
    story.push(seconds, Fact::Request(Box::new(request)));
}

#[test]
fn a_404_where_answers_were_is_a_bad_sign_and_so_is_the_third_refusal_in_a_row() {
    let mut story = Story::new();
    story.up(0.0, true).good(1.0, 0);
    refused(&mut story, 3.0, 404);
    assert_eq!(reported(&story).0.state(), State::Suspect);
    let mut story = Story::new();
    story.up(0.0, true);
    for second in 1..=5 {
        refused(&mut story, f64::from(second), 429);
    }
    refused(&mut story, 6.0, 400);
    refused(&mut story, 7.0, 400);
    assert_eq!(reported(&story).0.state(), State::Up);
    refused(&mut story, 8.0, 400);
    assert_eq!(reported(&story).0.state(), State::Suspect);
    story.up(8.1, true).good(9.0, 0);
    refused(&mut story, 11.0, 400);
    assert_eq!(reported(&story).0.state(), State::Up, "a whole answer was between them");
}

#[test]
fn an_answer_without_a_single_record_is_a_bad_sign_and_one_without_a_token_is_a_good_one() {
    for (first_byte_us, state) in [(None, State::Suspect), (Some(1_000), State::Up)] {
        let mut story = Story::new();
        story.up(0.0, true);
        let mut request = story.request(1.0, 0);
        (request.ended, request.first_byte_us) = (Ended::Empty, first_byte_us);
        (request.ttft_us, request.last_us) = (None, None);
        story.push(2.0, Fact::Request(Box::new(request)));
        assert_eq!(reported(&story).0.state(), state);
    }
}

#[test]
fn a_server_without_its_model_is_away_until_it_lists_it_again_whatever_its_health_says() {
    let mut story = Story::new();
    story.up(0.0, true);
    refused(&mut story, 3.0, 404);
    story.reading(3.1, Source::Engine, MODEL_LISTED.name, 0.0).up(5.0, true).up(10.0, true);
    let (liveness, changes) = reported(&story);
    assert_eq!(liveness.state(), State::Down);
    let [LivenessChange::WentAway { evidence, .. }] = &changes[..] else { panic!("{changes:?}") };
    assert!(evidence.contains("no longer lists its model"), "{evidence}");
    story.reading(12.0, Source::Engine, MODEL_LISTED.name, 1.0).up(12.0, true);
    assert_eq!(reported(&story).0.state(), State::Up);
}

#[test]
fn a_list_without_the_model_says_nothing_while_requests_are_served() {
    for (serving, state) in [(true, State::Up), (false, State::Down)] {
        let mut story = Story::new();
        story.up(0.0, true);
        refused(&mut story, 3.0, 503);
        for second in [4.0, 9.0] {
            let serving = f64::from(u8::from(serving));
            story.reading(second, Source::Own, SERVING.name, serving);
            story.reading(second, Source::Engine, MODEL_LISTED.name, 0.0);
        }
        story.up(10.0, true);
        let (liveness, changes) = reported(&story);
        assert_eq!((liveness.state(), changes.len()), (state, usize::from(!serving)));
    }
}

/// Adds looks five seconds apart at metrics of these processes.
fn metrics(story: &mut Story, from: f64, processes: &[i32]) {
    for (index, process) in processes.iter().enumerate() {
        let seconds = from + 5.0 * index as f64;
        story.reading(seconds, Source::Engine, METRICS_PROCESS.name, f64::from(*process));
    }
}

/// The restarts of a story: the last sign of the replaced process, seconds.
fn restarts(story: &Story) -> Vec<f64> {
    let since = |change: &LivenessChange| match change {
        LivenessChange::Restarted { since, .. } => Some(since.seconds()),
        _ => None,
    };
    reported(story).1.iter().filter_map(since).collect()
}

#[test]
fn replicas_that_answer_in_turn_are_no_restart() {
    for processes in [&[1, 2, 1, 2, 1, 2, 1, 2][..], &[1, 1, 2, 2, 2, 1, 3, 2, 1, 3, 3, 2, 1]] {
        let mut story = Story::new();
        metrics(&mut story, 0.0, processes);
        story.phase(100.0, Phase::Drain);
        assert!(restarts(&story).is_empty());
    }
}

#[test]
fn a_new_process_is_a_restart_at_once_after_a_bad_sign_and_else_when_the_old_one_stays_away() {
    let mut story = Story::new();
    metrics(&mut story, 0.0, &[1, 1]);
    story.bad(7.0, 0, Ended::Truncated, "eof").up(7.5, true);
    metrics(&mut story, 10.0, &[2]);
    assert_eq!(restarts(&story), [5.0]);
    let mut story = Story::new();
    metrics(&mut story, 0.0, &[1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    assert!(restarts(&story).is_empty());
    metrics(&mut story, 70.0, &[2, 2, 2]);
    assert_eq!(restarts(&story), [5.0]);
}

#[test]
fn a_new_process_at_the_end_of_the_load_is_a_restart() {
    let mut story = Story::new();
    metrics(&mut story, 0.0, &[1, 1, 2]);
    story.phase(12.0, Phase::Drain);
    assert_eq!(restarts(&story), [5.0]);
    let mut story = Story::new();
    metrics(&mut story, 0.0, &[1, 1]);
    story.phase(7.0, Phase::Drain);
    metrics(&mut story, 8.0, &[2]);
    assert_eq!(restarts(&story), [5.0], "the last look shows it");
    let mut story = Story::new();
    metrics(&mut story, 0.0, &[1, 1]);
    story.phase(5.1, Phase::Drain);
    metrics(&mut story, 5.6, &[2]);
    assert!(restarts(&story).is_empty(), "no server is back so soon: it is a replica");
}

#[test]
fn one_of_several_replicas_that_begins_anew_is_one_restart() {
    let mut story = Story::new();
    metrics(&mut story, 0.0, &[1, 2, 1, 2, 1, 1, 1]);
    metrics(&mut story, 35.0, &[3, 1].repeat(13));
    assert_eq!(restarts(&story), [15.0]);
}

#[test]
fn many_replicas_in_turn_are_no_restart() {
    let mut story = Story::new();
    metrics(&mut story, 0.0, &[1, 2, 3, 4, 5, 6, 7, 8].repeat(12));
    assert!(restarts(&story).is_empty());
}

#[test]
fn a_process_that_was_running_before_is_a_restart_only_after_a_bad_sign() {
    let mut story = Story::new();
    metrics(&mut story, 0.0, &[1, 1]);
    metrics(&mut story, 10.0, &[0; 20]);
    metrics(&mut story, 110.0, &[-1, 0, -1, 1]);
    story.phase(130.0, Phase::Drain);
    assert!(restarts(&story).is_empty());
    let mut story = Story::new();
    metrics(&mut story, 0.0, &[1, 1]);
    story.bad(7.0, 0, Ended::Truncated, "eof").up(7.5, true);
    metrics(&mut story, 10.0, &[0, 0]);
    assert_eq!(restarts(&story), [5.0]);
}
