//! Builds entries by hand for tests of everything that reads them.

use crate::fact::{
    Batch, Cell, Class, Closed, ClosedBecause, Ended, Entry, Fact, Group, Load, Opened, Phase,
    PhaseBegan, Reading, Request, Source, Stage,
};
use crate::unit::At;

/// Entries under construction. Instants in seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub entries: Vec<Entry>,
    pub segment: u32,
    phase: Option<Phase>,
    slot: u64,
}

pub(crate) fn cell(depth: u64) -> Cell {
    Cell { depth, load: Load::Streams(1), prompt: 2048, output: 128 }
}

/// Returns the group of a ladder's cold asks at a depth.
pub(crate) fn group(depth: u64) -> Group {
    Group { workload: "ladder".to_owned(), class: Class::Cold, cell: Some(cell(depth)) }
}

impl Story {
    pub(crate) fn new() -> Story {
        Story::default()
    }

    /// Returns a story with an opened run, a warm-up, and a soak that began at second 10.
    pub(crate) fn soaking() -> Story {
        let mut story = Story::new();
        story
            .opened()
            .phase(0.0, Phase::Warmup)
            .up(0.5, true)
            .good(2.0, 0)
            .phase(10.0, Phase::Soak);
        story
    }

    pub(crate) fn at(seconds: f64) -> At {
        At((seconds * 1e6).round() as u64)
    }

    pub(crate) fn push(&mut self, seconds: f64, fact: Fact) -> &mut Story {
        let seq = self.entries.last().map_or(0, |last| last.seq + 1);
        let at = Story::at(seconds);
        self.entries.push(Entry { segment: self.segment, seq, at, fact });
        self
    }

    pub(crate) fn opened(&mut self) -> &mut Story {
        let opened = Opened {
            version: "0.1.0".to_owned(),
            simulated: true,
            wall_us: 1_778_644_062_000_000,
            boot_id: None,
            endpoint: "http://127.0.0.1:8000".to_owned(),
            run: String::new(),
        };
        self.push(0.0, Fact::Opened(opened))
    }

    pub(crate) fn phase(&mut self, seconds: f64, phase: Phase) -> &mut Story {
        self.phase = Some(phase);
        self.push(seconds, Fact::Phase(PhaseBegan { phase, because: "test".to_owned() }))
    }

    /// Adds a whole answer that ended one second after `seconds`: TTFT 0.4 s, 128 tokens at 4 ms.
    pub(crate) fn good(&mut self, seconds: f64, depth: u64) -> &mut Story {
        let request = self.request(seconds, depth);
        self.push(seconds + 1.0, Fact::Request(Box::new(request)))
    }

    /// Adds turns of a made-up conversation, each deeper than the one before.
    pub(crate) fn turns(&mut self, from: f64, n: u32) -> &mut Story {
        for turn in 0..n {
            let seconds = from + f64::from(turn) * 2.0;
            let mut request = self.request(seconds, u64::from(turn) * 700);
            request.workload = "chat".to_owned();
            request.class = Class::Follow;
            (request.session, request.turn) = (Some(3), Some(turn));
            self.push(seconds + 1.0, Fact::Request(Box::new(request)));
        }
        self
    }

    /// Adds a request that was sent a tenth of a second before it ended badly.
    pub(crate) fn bad(
        &mut self,
        seconds: f64,
        depth: u64,
        ended: Ended,
        error: &str,
    ) -> &mut Story {
        let mut request = self.request(seconds - 0.1, depth);
        request.done = Story::at(seconds);
        request.ended = ended;
        request.error = error.to_owned();
        request.first_byte_us = None;
        request.ttft_us = None;
        request.ttft_content_us = None;
        request.last_us = None;
        request.output_tokens = None;
        request.first_tokens = None;
        request.stage = Stage::Connect;
        request.finish = None;
        request.answer = None;
        request.http_status = (ended == Ended::HttpError).then_some(500);
        self.push(seconds, Fact::Request(Box::new(request)))
    }

    /// Returns a request that went well, for tests to change before they push it.
    pub(crate) fn request(&mut self, seconds: f64, depth: u64) -> Request {
        self.slot += 1;
        let phase = self.phase.unwrap_or(Phase::Soak);
        Request {
            slot: self.slot - 1,
            done: Story::at(seconds + 1.0),
            first_byte_us: Some(100_000),
            ttft_us: Some(400_000),
            ttft_content_us: Some(410_000),
            last_us: Some(400_000 + 127 * 4_000),
            prompt_tokens: Some(depth + 2048),
            cached_tokens: Some(0),
            output_tokens: Some(128),
            first_tokens: Some(1),
            chunks: 128,
            max_gap_us: Some(5_000),
            peak_tokens: Some(128),
            ended: Ended::Completed,
            stage: Stage::Closing,
            finish: Some("length".to_owned()),
            http_status: Some(200),
            answer: Some(format!("{:08x}", self.slot)),
            ..Request::unanswered(phase, "ladder", Class::Cold, cell(depth), Story::at(seconds))
        }
    }

    pub(crate) fn reading(
        &mut self,
        seconds: f64,
        source: Source,
        name: &str,
        value: f64,
    ) -> &mut Story {
        let reading = Reading::single(source, name, value);
        self.push(seconds, Fact::Reading(reading))
    }

    pub(crate) fn up(&mut self, seconds: f64, up: bool) -> &mut Story {
        self.reading(seconds, Source::Engine, "up", f64::from(u8::from(up)))
    }

    pub(crate) fn started(&mut self, seconds: f64, value: f64) -> &mut Story {
        self.reading(seconds, Source::Engine, "process_start_time_seconds", value)
    }

    /// Adds whole answers at a depth, one every two seconds, with a health probe every ten.
    pub(crate) fn goods(&mut self, from: f64, n: u32, depth: u64) -> &mut Story {
        for index in 0..n {
            let seconds = from + f64::from(index) * 2.0;
            if index % 5 == 0 {
                self.up(seconds, true).started(seconds, 1000.0);
            }
            self.good(seconds, depth);
        }
        self
    }

    /// Adds a round of a lap with its end.
    pub(crate) fn round(&mut self, seconds: f64, lap: u64) -> &mut Story {
        let phase = self.phase.unwrap_or(Phase::Soak);
        let begun = Batch::begun(phase, group(0), Story::at(seconds - 1.0));
        let batch = Batch { lap, requests: 1, good: 1, ..begun };
        self.push(seconds, Fact::Batch(batch))
    }

    pub(crate) fn closed(&mut self, seconds: f64, because: ClosedBecause) -> &mut Story {
        self.push(seconds, Fact::Closed(Closed { because, note: String::new() }))
    }
}
