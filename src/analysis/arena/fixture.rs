//! Builds a small replay of a benchmark profile, for tests of all readers of tables.

use crate::fact::{Batch, Cell, Class, Fact, Load, Phase, Request};
use crate::incident::fixture::Story;
use crate::unit::At;

/// Times of a stream in a round, in milliseconds since the round began.
#[derive(Clone, Copy)]
pub(crate) struct StreamTimes {
    /// First data frame.
    pub byte: u64,
    /// First token.
    pub first: u64,
    /// Last token.
    pub last: u64,
}

/// Adds a round: all streams are sent at `seconds`, each has 101 tokens, one in its first chunk.
pub(crate) fn round(
    story: &mut Story,
    seconds: f64,
    (cell, class): (Cell, Class),
    streams: &[StreamTimes],
) {
    let began = Story::at(seconds);
    let mut requests: Vec<Request> = Vec::new();
    for stream in streams {
        let mut request = story.request(seconds, cell.depth);
        (request.cell, request.class) = (cell, class);
        request.first_byte_us = Some(stream.byte * 1000);
        request.ttft_us = Some(stream.first * 1000);
        request.last_us = Some(stream.last * 1000);
        request.prompt_tokens = Some(cell.input() + 8);
        request.output_tokens = Some(101);
        request.peak_tokens = Some(30);
        requests.push(request);
    }
    let phase = requests[0].phase;
    let at = |ms: Option<u64>| ms.map(|ms| At(began.0 + ms * 1000));
    let batch = Batch {
        phase,
        group: requests[0].group(),
        lap: 0,
        repeat: 0,
        requests: streams.len() as u64,
        good: streams.len() as u64,
        began,
        first: at(streams.iter().map(|stream| stream.first).min()),
        last: at(streams.iter().map(|stream| stream.last).max()),
        tokens: Some(101 * streams.len() as u64),
        first_tokens: Some(streams.len() as u64),
        peak_tokens: Some(50),
        models_us: Some(4_000),
    };
    for request in requests {
        story.push(seconds + 90.0, Fact::Request(Box::new(request)));
    }
    story.push(seconds + 90.0, Fact::Batch(batch));
}

/// Returns a replay of three cells: d0 with one stream twice, and d4096 with two streams, whose
/// context is loaded first. A round of warm-up precedes them.
pub(crate) fn replay() -> Story {
    let cell =
        |depth, prompt, streams| Cell { depth, load: Load::Streams(streams), prompt, output: 128 };
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Warmup);
    let stream = |byte, first, last| StreamTimes { byte, first, last };
    round(&mut story, 1.0, (cell(0, 2048, 1), Class::Cold), &[stream(9_000, 9_000, 90_000)]);
    story.phase(99.0, Phase::Soak);
    round(&mut story, 100.0, (cell(0, 2048, 1), Class::Cold), &[stream(1_004, 1_010, 5_010)]);
    round(&mut story, 200.0, (cell(0, 2048, 1), Class::Cold), &[stream(2_004, 2_010, 7_010)]);
    let loads = [stream(2_000, 2_048, 7_048), stream(4_000, 4_096, 9_096)];
    round(&mut story, 300.0, (cell(4096, 0, 2), Class::Cold), &loads);
    let follows = [stream(3_000, 3_072, 8_072), stream(6_000, 6_144, 11_144)];
    round(&mut story, 400.0, (cell(4096, 2048, 2), Class::Warm), &follows);
    story
}
