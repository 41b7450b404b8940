//! Tests servers whose requests fail although their health probe is answered.

use super::{refused, reported};
use crate::fact::{Ended, Fact, Load, Source};
use crate::incident::fixture::Story;
use crate::incident::{Causes, IncidentKind, LivenessChange, State};
use crate::series::{SERVING, TOKEN_ANSWERED};
use crate::unit::At;

/// Adds requests that fail one after the other, a second apart and each followed by an answered
/// probe, from one second to another.
fn fails(story: &mut Story, (from, until): (u32, u32), depth: u64, ended: Ended) {
    for second in from..until {
        story.bad(f64::from(second), depth, ended, "broken").up(f64::from(second) + 0.1, true);
    }
}

/// Returns the outages: since when, and the evidence.
fn outages(story: &Story) -> Vec<(f64, String)> {
    let away = |change| match change {
        LivenessChange::WentAway { since, evidence } => Some((since.seconds(), evidence)),
        _ => None,
    };
    reported(story).1.into_iter().filter_map(away).collect()
}

#[test]
fn requests_that_all_fail_are_an_outage_since_the_last_good_sign_although_probes_are_answered() {
    for ended in [Ended::HttpError, Ended::ErrorFrame, Ended::Empty, Ended::Reset, Ended::Truncated]
    {
        let mut story = Story::new();
        story.up(0.0, true).good(1.0, 0);
        fails(&mut story, (3, 8), 0, ended);
        assert!(outages(&story).is_empty(), "five, but within four seconds");
        fails(&mut story, (8, 20), 0, ended);
        let [(since, evidence)] = &outages(&story)[..] else { panic!("{:?}", outages(&story)) };
        assert!((since - 2.0).abs() < 1e-6, "{since}");
        let words = format!(
            "6 requests in a row failed although its health probe was answered: {}: broken",
            ended.word()
        );
        assert_eq!(*evidence, words);
        assert!(reported(&story).0.is_failing());
    }
}

#[test]
fn only_an_answered_request_brings_it_back_be_it_of_a_probe() {
    let mut story = Story::new();
    story.up(0.0, true).good(1.0, 0);
    fails(&mut story, (3, 12), 0, Ended::HttpError);
    story.reading(20.0, Source::Engine, TOKEN_ANSWERED.name, 0.0).up(20.0, true);
    refused(&mut story, 21.0, 400);
    assert_eq!(reported(&story).0.state(), State::Down);
    let mut answered = story.clone();
    answered.good(22.0, 0);
    assert_eq!(reported(&answered).0.state(), State::Up);
    story.reading(25.0, Source::Engine, TOKEN_ANSWERED.name, 1.0).up(25.0, true);
    assert_eq!(reported(&story).0.state(), State::Up);
    assert!(!reported(&story).0.is_failing());
    story.bad(30.0, 0, Ended::HttpError, "broken");
    assert_eq!(outages(&story).len(), 2, "the next failure shows that the token proved little");
    assert!((outages(&story)[1].0 - 25.0).abs() < 1e-6);
}

#[test]
fn failures_with_answers_between_them_are_no_outage() {
    let mut story = Story::new();
    story.up(0.0, true);
    for second in 0..200 {
        if second % 5 == 4 {
            story.good(f64::from(second) - 0.5, 0);
        } else {
            story.bad(f64::from(second), 0, Ended::HttpError, "broken").up(f64::from(second), true);
        }
    }
    assert!(outages(&story).is_empty());
}

#[test]
fn a_depth_that_fails_alone_is_no_outage_also_where_a_lighter_request_fails_once() {
    let mut story = Story::new();
    story.up(0.0, true);
    for lap in 0..10 {
        let from = lap * 100;
        story.good(f64::from(from), 0);
        if lap % 3 == 2 {
            fails(&mut story, (from + 5, from + 6), 0, Ended::HttpError);
        }
        fails(&mut story, (from + 10, from + 60), 65_536, Ended::HttpError);
    }
    assert!(outages(&story).is_empty());
    let mut story = Story::new();
    story.up(0.0, true).good(1.0, 0).good(3.0, 4_096);
    fails(&mut story, (5, 8), 0, Ended::HttpError);
    fails(&mut story, (8, 12), 4_096, Ended::HttpError);
    assert_eq!(outages(&story).len(), 1, "all depths fail");
}

#[test]
fn silence_and_too_many_requests_are_no_failure_of_the_server_and_no_answer_either() {
    let mut story = Story::new();
    story.up(0.0, true).good(1.0, 0);
    fails(&mut story, (3, 60), 0, Ended::TimedOut);
    (60..100).for_each(|second| refused(&mut story, f64::from(second), 429));
    assert!(outages(&story).is_empty());
}

#[test]
fn refusals_of_a_single_depth_are_no_outage_and_those_of_two_are() {
    let mut story = Story::new();
    story.up(0.0, true).good(1.0, 0).good(3.0, 4_096);
    for second in 5..30 {
        refused(&mut story, f64::from(second), 400);
        story.up(f64::from(second) + 0.1, true);
    }
    let mut request = story.request(29.5, 0);
    request.cell.load = Load::Streams(4);
    (request.ended, request.http_status) = (Ended::HttpError, Some(400));
    (request.ttft_us, request.last_us) = (None, None);
    story.push(29.6, Fact::Request(Box::new(request)));
    assert!(outages(&story).is_empty(), "another load asks for no other length");
    let mut request = story.request(30.0, 4_096);
    (request.ended, request.http_status) = (Ended::HttpError, Some(400));
    (request.ttft_us, request.last_us) = (None, None);
    story.push(31.0, Fact::Request(Box::new(request)));
    assert_eq!(outages(&story).len(), 1);
}

#[test]
fn requests_that_fail_together_are_one_failure() {
    let mut story = Story::new();
    story.up(0.0, true).good(1.0, 0);
    for wave in [3.0, 9.0, 15.0, 21.0] {
        (0..8).for_each(|lane| {
            story.bad(wave + 0.001 * f64::from(lane), 0, Ended::ErrorFrame, "broken");
        });
        story.up(wave + 1.0, true);
    }
    assert!(outages(&story).is_empty());
}

#[test]
fn failures_beside_a_request_that_is_being_served_are_no_outage() {
    let mut story = Story::new();
    story.up(0.0, true).good(1.0, 0);
    for second in 3..60 {
        story.reading(f64::from(second), Source::Own, SERVING.name, 1.0);
        fails(&mut story, (second, second + 1), 0, Ended::HttpError);
    }
    assert!(outages(&story).is_empty());
}

#[test]
fn tokens_before_a_break_are_an_answer() {
    let mut story = Story::new();
    story.up(0.0, true).good(1.0, 0);
    for second in 3..60 {
        let mut request = story.request(f64::from(second), 0);
        request.ended = Ended::ErrorFrame;
        story.push(f64::from(second) + 1.0, Fact::Request(Box::new(request)));
        story.up(f64::from(second) + 1.1, true);
    }
    assert!(outages(&story).is_empty());
}

#[test]
fn a_server_that_answers_failures_and_serves_again_had_an_outage_and_did_not_crash() {
    let mut story = Story::new();
    story.up(0.0, true).started(0.5, 1000.0).good(1.0, 0);
    fails(&mut story, (3, 12), 0, Ended::ErrorFrame);
    story.reading(20.0, Source::Engine, TOKEN_ANSWERED.name, 1.0).up(20.0, true);
    story.started(21.0, 1000.0).good(22.0, 0);
    let mut causes = Causes::default();
    story.entries.iter().for_each(|entry| causes.fold(entry));
    let incidents = causes.incidents();
    let [incident] = &incidents[..] else { panic!("{incidents:#?}") };
    assert_eq!(incident.kinds, [IncidentKind::Outage]);
    assert_eq!((incident.from, incident.until), (At(2_000_000), Some(At(20_000_000))));
    assert!(incident.words.contains("6 requests in a row failed"), "{}", incident.words);
}
