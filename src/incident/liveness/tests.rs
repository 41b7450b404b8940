//! Tests the state of the server on entries made by hand.

use super::*;
use crate::incident::story::Story;

fn told(story: &Story) -> (Liveness, Vec<LivenessChange>) {
    let mut liveness = Liveness::default();
    let changes = story.entries.iter().filter_map(|entry| liveness.fold(entry)).collect();
    (liveness, changes)
}

#[test]
fn one_failed_request_is_no_outage() {
    let mut story = Story::new();
    story.up(0.0, true).bad(5.0, 0, Ended::Refused, "refused");
    let (liveness, changes) = told(&story);
    assert_eq!((liveness.state(), liveness.since()), (State::Suspect, Some(At(0))));
    assert!(changes.is_empty());
    story.up(6.0, true);
    let (liveness, changes) = told(&story);
    assert_eq!((liveness.state(), liveness.since()), (State::Up, None));
    assert!(changes.is_empty());
}

#[test]
fn a_failed_probe_of_a_suspect_server_means_it_is_away_since_the_last_good_sign() {
    let mut story = Story::new();
    story.up(0.0, true).good(3.0, 0).bad(5.0, 0, Ended::Refused, "refused").up(6.0, false);
    let (liveness, changes) = told(&story);
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
    assert_eq!(told(&story).0.state(), State::Suspect);
    story.up(11.0, false);
    let (liveness, changes) = told(&story);
    assert_eq!((liveness.state(), liveness.since()), (State::Down, Some(At(0))));
    assert_eq!(changes.len(), 1);
    story.up(20.0, false).up(30.0, true);
    let (liveness, changes) = told(&story);
    assert_eq!(liveness.state(), State::Up);
    assert!(matches!(changes[1], LivenessChange::CameBack { since: At(0), .. }));
}

#[test]
fn an_answer_that_was_stamped_before_the_failure_brings_nothing_back() {
    let mut story = Story::new();
    story.up(0.0, true).up(10.0, false).up(11.0, false).good(8.0, 0);
    assert_eq!(told(&story).0.state(), State::Down);
}

#[test]
fn a_stream_that_broke_was_alive_until_its_last_token() {
    let mut story = Story::new();
    story.up(0.0, true);
    let mut request = story.request(10.0, 0);
    request.ended = Ended::Truncated;
    story.push(11.0, Fact::Request(Box::new(request))).up(12.0, false);
    assert_eq!(told(&story).0.since(), Some(At(10_908_000)));
}

#[test]
fn a_refusal_with_a_4xx_is_a_sign_of_life() {
    let mut story = Story::new();
    let mut request = story.request(1.0, 0);
    (request.ended, request.http_status) = (Ended::HttpError, Some(400));
    story.push(2.0, Fact::Request(Box::new(request)));
    assert_eq!(told(&story).0.state(), State::Up);
}

#[test]
fn a_counter_that_goes_back_is_a_restart_told_once() {
    let mut story = Story::new();
    for (seconds, tokens) in [(1.0, 100.0), (11.0, 900.0), (21.0, 50.0), (31.0, 80.0)] {
        story.reading(seconds, Source::Engine, "vllm:generation_tokens_total", tokens);
        story.reading(seconds, Source::Engine, "vllm:prompt_tokens_total", tokens * 3.0);
    }
    let (_, changes) = told(&story);
    assert!(
        matches!(changes[..], [LivenessChange::Restarted { since: At(11_000_000), .. }]),
        "{changes:?}"
    );
}

#[test]
fn a_resumed_segment_begins_without_belief() {
    let mut story = Story::new();
    story.up(0.0, true).started(1.0, 1000.0);
    story.segment = 1;
    story.started(1.0, 2000.0);
    let (liveness, changes) = told(&story);
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
    let (liveness, changes) = told(&story);
    assert!(
        matches!(changes[..], [LivenessChange::WentAway { since: At(1_000_000), .. }]),
        "{changes:?}"
    );
    assert_eq!(liveness.state(), State::Up);
}
