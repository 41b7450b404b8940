use super::*;
use crate::analysis::CalendarFold;
use crate::fact::{Fact, Phase};
use crate::incident::fixture::Story;

fn answers(story: &Story) -> AnswersOverTime {
    let mut pass = CalendarFold::default();
    story.entries.iter().for_each(|entry| pass.fold(entry));
    let calendar = pass.finish();
    let mut fold = AnswersFold::new(Rc::new(Spans::new(&calendar)));
    for entry in &story.entries {
        if let Fact::Request(request) = &entry.fact {
            fold.fold_work(entry.segment, request);
            let values = RequestValue::all_of(request);
            fold.fold((entry.segment, request.done), &request.group(), &values);
        }
    }
    fold.finish()
}

/// Returns half an hour of answers, each of which takes twice as long as those of ten minutes ago.
fn slowing() -> Story {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Soak);
    for minute in 0..30u32 {
        let mut request = story.request(f64::from(minute * 60 + 10), 0);
        request.ttft_us = request.ttft_us.map(|us| us << (minute / 10));
        let done = request.done;
        story.push(done.seconds(), Fact::Request(Box::new(request)));
    }
    story
}

#[test]
fn a_quantity_has_a_median_in_every_block() {
    let reported = answers(&slowing());
    let ttft = reported.groups.iter().find(|of| of.quantity == Quantity::Ttft).unwrap();
    assert_eq!(ttft.medians, [(0, 0.4), (1, 0.8), (2, 1.6)]);
    let quantities: Vec<Quantity> = reported.groups.iter().map(|of| of.quantity).collect();
    assert!(quantities.contains(&Quantity::Tpot) && !quantities.contains(&Quantity::E2e));
}

#[test]
fn work_is_counted_in_every_block_and_however_a_request_ends() {
    let mut story = slowing();
    story.bad(1_790.0, 0, crate::fact::Ended::ErrorFrame, "boom").up(1_795.0, true);
    let requests: Vec<u64> = answers(&story).work.iter().map(|work| work.requests).collect();
    assert_eq!(requests, [10, 10, 11]);
    assert!(answers(&story).work.iter().all(|work| work.tokens > 0));
}
