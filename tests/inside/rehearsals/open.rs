//! Tests the open loop: requests are sent on schedule, whatever the server does.

use longhaul::exit::Exit;
use longhaul::fact::{Ended, Fact, Load, Request};
use longhaul::incident::IncidentKind;
use longhaul::measure::Quantity;
use longhaul::spec::Select;

use super::stage::{HALF_AN_HOUR, Played, Script, away};

/// A quarter of what the record's machine bears, and what it does not bear by far.
fn open(arrivals: &str, rate: &str, ailments: &[&str]) -> Played {
    let ladder = format!("rate: [{rate}]\n      arrivals: {arrivals}\n      requests: 40");
    let scenario = HALF_AN_HOUR
        .replace("concurrency: [1, 2]", &ladder)
        .replace("depths: [0, 8192]", "depths: [0]")
        .replace("reference: 8 laps", "reference: 0 laps")
        .split("  tokens_per_s:")
        .next()
        .unwrap()
        .to_owned();
    Script::new(&scenario, ailments).play()
}

/// Times between one arrival and the next within a round, seconds.
fn gaps(play: &Played) -> Vec<f64> {
    let mut gaps = Vec::new();
    let requests: Vec<&Request> = play.requests().collect();
    for request in &requests {
        let next = requests.iter().find(|next| {
            (next.phase, next.lap, next.lane) == (request.phase, request.lap, request.lane + 1)
        });
        gaps.extend(next.map(|next| next.due.since(request.due) as f64 / 1e6));
    }
    gaps
}

/// Arrivals that were sent as soon as timers tell instants apart.
fn in_time(play: &Played) {
    assert!(play.requests().all(|request| request.sent.since(request.due) <= 1_000));
    assert!(play.requests().all(|request| request.sent >= request.due), "and none too early");
}

#[test]
fn constant_arrivals_come_at_equal_intervals() {
    let play = open("constant", "0.1", &[]);
    assert_eq!(play.exit(), Exit::Pass, "{}", play.reported());
    in_time(&play);
    let gaps = gaps(&play);
    assert!(gaps.len() > 100 && gaps.iter().all(|gap| (gap - 10.0).abs() < 1e-3), "{gaps:?}");
}

#[test]
fn poisson_arrivals_have_their_rate_on_average_and_gaps_of_every_length() {
    let play = open("poisson", "0.1", &[]);
    assert_eq!(play.exit(), Exit::Pass, "{}", play.reported());
    in_time(&play);
    let gaps = gaps(&play);
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let deviation =
        (gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
    assert!((7.5..12.5).contains(&mean), "{mean}");
    assert!((0.7..1.3).contains(&(deviation / mean)), "an exponential's deviation is its mean");
}

#[test]
fn a_server_that_cannot_keep_up_has_a_queue_that_grows_and_arrivals_do_not_wait_for_it() {
    let play = open("constant", "2", &[]);
    in_time(&play);
    let waits: Vec<f64> = play
        .requests()
        .filter(|request| request.lap == 1 && request.ended.is_good())
        .map(|request| request.ttft_us.unwrap() as f64 / 1e6)
        .collect();
    let most = waits.iter().copied().fold(0.0, f64::max);
    assert!(most > 10.0, "the last of 40 waits for the others: {most}");
    let all = Select { load: Some(Load::PerSecond(2.0)), ..Select::default() };
    let of = |quantity| play.analysis().dist(quantity, &all).max().unwrap().low;
    assert!((of(Quantity::E2eDue) - of(Quantity::E2e)).abs() < 2e-3, "sent when due");
    assert!(of(Quantity::Lateness) < 2e-3);
}

#[test]
fn an_outage_sends_no_burst_of_what_was_due_in_the_dark() {
    let play = open("poisson", "0.2", &["crash=3m@10m"]);
    assert_eq!(play.exit(), Exit::Fail);
    assert!(play.incident().is(IncidentKind::Crash), "{}", play.reported());
    assert!((179.0..206.0).contains(&away(play.incident())));
    in_time(&play);
    let (gone, back) = (play.incident().from, play.incident().until.unwrap());
    let within =
        |from: u64, to: u64| play.requests().filter(|r| (from..to).contains(&r.sent.0)).count();
    assert!(within(gone.0, back.0) <= 8, "a server that is away is not hammered");
    assert!(within(back.0, back.0 + 5_000_000) <= 5, "nor when it is back");
    assert!(within(back.0, u64::MAX) > 60, "and the plan goes on");
    assert!(play.ended(Ended::Refused) <= 2);
}

#[test]
fn one_bad_answer_stops_no_arrival() {
    let play = open("constant", "0.1", &["error_frame=10%@0s"]);
    assert!(play.ended(Ended::ErrorFrame) > 5, "{}", play.reported());
    in_time(&play);
    let faults = play.entries.iter().filter(|entry| matches!(entry.fact, Fact::Fault(_)));
    assert_eq!(faults.count(), 0);
}
