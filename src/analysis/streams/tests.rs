use super::*;
use crate::analysis::analyse;
use crate::analysis::fixture::asked;
use crate::fact::{Batch, Cell, Fact, Phase};
use crate::incident::fixture::{Story, cell, group};

/// Returns a level with these values: throughput, TPOT, mean TTFT.
fn level(streams: u32, throughput: f64, tpot_ms: f64, ttft: f64) -> StreamLevel {
    let tpot = tpot_ms / 1e3;
    StreamLevel {
        streams,
        rounds: 10,
        throughput: Some(throughput.into()),
        tokens_per_s: Some(tpot.recip().into()),
        ttft: Some(ttft.into()),
        tpot: Some(tpot.into()),
        ttft_mean: Some(ttft.into()),
        e2e_mean: Some((ttft + 128.0 * tpot).into()),
    }
}

fn ladder(levels: &[StreamLevel]) -> StreamLadder {
    StreamLadder {
        workload: "ladder".to_owned(),
        class: Class::Cold,
        depth: 0,
        prompt: 512,
        output: 128,
        levels: levels.to_vec(),
    }
}

#[test]
fn the_time_per_token_doubles_at_the_first_number_of_streams_that_reaches_it() {
    let of = |levels: &[StreamLevel]| ladder(levels).doubles_at();
    let levels = [level(1, 23.4, 42.0, 0.3), level(2, 30.0, 70.0, 0.5), level(4, 31.0, 128.0, 1.0)];
    assert_eq!((of(&levels), of(&levels[..2])), (Some(4), None));
    assert_eq!(of(&levels[1..]), None, "a single stream was not measured");
}

#[test]
fn a_server_queues_where_more_streams_only_wait_longer() {
    let of = |levels: &[StreamLevel]| ladder(levels).queues_from();
    // Two slots of 42 ms a token: the others wait for a whole answer.
    let slots = [
        level(1, 23.4, 42.0, 0.3),
        level(2, 45.0, 43.0, 0.4),
        level(4, 46.0, 43.0, 3.2),
        level(8, 45.0, 43.0, 8.9),
    ];
    assert_eq!(of(&slots), Some(4));
    // The throughput is as flat, and every stream is slower: the streams share the server.
    let shared = [level(1, 23.4, 42.0, 0.3), level(2, 23.5, 84.0, 0.4), level(4, 23.4, 168.0, 0.5)];
    assert_eq!(of(&shared), None);
    let rises = [level(1, 23.4, 42.0, 0.3), level(2, 24.0, 43.0, 3.0), level(4, 40.0, 43.0, 3.2)];
    assert_eq!(of(&rises), None, "the throughput rises again");
    let mut few = slots;
    few[2].rounds = 2;
    assert_eq!(of(&few[..3]), None, "two rounds");
}

/// Adds a round of so many streams, each of 128 tokens after half a second.
fn round(story: &mut Story, second: f64, streams: u32, token_s: f64) {
    let cell = Cell { load: Load::Streams(streams), ..cell(0) };
    let last = 0.5 + 127.0 * token_s;
    for _ in 0..streams {
        let mut request = story.request(second, 0);
        request.cell = cell;
        request.ttft_us = Some(500_000);
        request.last_us = Some((last * 1e6) as u64);
        request.done = Story::at(second + last);
        story.push(second + last, Fact::Request(Box::new(request)));
    }
    let batch = Batch {
        requests: u64::from(streams),
        good: u64::from(streams),
        first: Some(Story::at(second + 0.5)),
        last: Some(Story::at(second + last)),
        tokens: Some(128 * u64::from(streams)),
        first_tokens: Some(u64::from(streams)),
        ..Batch::begun(Phase::Soak, Group { cell: Some(cell), ..group(0) }, Story::at(second))
    };
    story.push(second + last, Fact::Batch(batch));
}

#[test]
fn the_levels_of_a_depth_are_those_of_its_steady_rounds() {
    let mut story = Story::soaking();
    for lap in 0..3 {
        let second = 20.0 + f64::from(lap) * 40.0;
        round(&mut story, second, 1, 0.04);
        round(&mut story, second + 10.0, 4, 0.1);
    }
    let analysis = analyse(&asked(&[0]), story.entries.iter());
    let ladders = ladders(&analysis);
    assert_eq!(ladders.len(), 1, "one depth");
    let ladder = &ladders[0];
    let seen: Vec<_> = ladder
        .levels
        .iter()
        .map(|it| {
            let known = |value: Option<Estimate>| value.and_then(Estimate::known).unwrap();
            let rounded = |value: f64| value.round() as u64;
            (it.streams, it.rounds, rounded(known(it.throughput)), rounded(known(it.tokens_per_s)))
        })
        .collect();
    assert_eq!(seen, [(1, 3, 25, 25), (4, 3, 40, 10)]);
    assert_eq!((ladder.doubles_at(), ladder.queues_from()), (Some(4), None));
    assert_eq!(ladder.among(&ladders), "d0");
}

#[test]
fn one_number_of_streams_is_no_ladder() {
    let mut story = Story::soaking();
    story.goods(10.0, 5, 0);
    assert_eq!(ladders(&analyse(&asked(&[0]), story.entries.iter())), []);
}
