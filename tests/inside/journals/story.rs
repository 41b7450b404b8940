//! Builds a run from rows by hand, in seconds since the start, written by longhaul's own journal.
//! The same calls give the same bytes on every machine.

use std::fs;
use std::path::Path;

use longhaul::fact::{
    Batch, Cell, Class, Clock, Closed, ClosedBecause, Ended, Entry, Fact, Fitted, Load, Missed,
    Opened, Phase, PhaseBegan, Reading, Request, SentSlots, Source, Stage, Statement, TargetFact,
    TargetWord,
};
use longhaul::journal::manifest::{Anchor, RunNode, ServerIdentity, SpecText};
use longhaul::journal::{Journal, Manifest};
use longhaul::secret::Secrets;
use longhaul::unit::At;
use longhaul::world::Sink;

/// Ten in the evening, UTC.
const WALL_US: u64 = 1_778_623_200_000_000;

/// The version that wrote the folders, whatever reads them.
const VERSION: &str = "0.1.0";

const RECIPE: &str = "\
name: nemotron-3-super
model: nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4
runtime: vllm
";

const PROMPT: u64 = 2048;
const OUTPUT: u64 = 128;

/// The scenario's text, its name, and what it asks.
pub(super) struct Scenario {
    pub name: &'static str,
    pub text: &'static str,
    pub depths: &'static [u64],
    pub load: Load,
}

/// Time to the first token and per further token on a DGX Spark, seconds.
fn speed(depth: u64) -> (f64, f64) {
    match depth {
        0 => (1.18, 0.0429),
        4096 => (3.15, 0.0432),
        _ => (106.0, 0.0448),
    }
}

pub(super) struct Story {
    scenario: &'static Scenario,
    facts: Vec<(At, Fact)>,
    /// Where the load has come to, seconds.
    pub now: f64,
    phase: Phase,
    /// Asks of this phase, and of all phases.
    slot: u64,
    asked: u64,
    lap: u64,
    /// Output tokens that the server has counted, by the end of each answer.
    counted: Vec<(f64, u64)>,
}

pub(super) fn at(seconds: f64) -> At {
    At((seconds * 1e6).round() as u64)
}

impl Story {
    /// A run whose server answers from the start on, before its load.
    pub(super) fn new(scenario: &'static Scenario) -> Story {
        let mut story = Story {
            scenario,
            facts: Vec::new(),
            now: 8.0,
            phase: Phase::Warmup,
            slot: 0,
            asked: 0,
            lap: 0,
            counted: Vec::new(),
        };
        let opened = Opened {
            version: VERSION.to_owned(),
            simulated: false,
            wall_us: WALL_US,
            boot_id: None,
            endpoint: "http://spark:8000".to_owned(),
            run: String::new(),
        };
        story.push(0.0, Fact::Opened(opened));
        for step in ["port", "model", "first_token"] {
            story.push(0.7, Fact::Target(TargetFact::ready(step)));
        }
        for (subject, seen) in [("model", "Cogni-Brain"), ("version", "0.19.2rc1")] {
            story.push(7.9, Fact::Seen(Statement::plain(subject, seen.to_owned())));
        }
        for depth in scenario.depths {
            let counted = Some(depth + PROMPT);
            let method = "tokenize".to_owned();
            let fitted = Fitted { method, depth: *depth, prompt: PROMPT, counted };
            story.push(7.9, Fact::Fitted(fitted));
        }
        story
    }

    pub(super) fn push(&mut self, seconds: f64, fact: Fact) {
        self.facts.push((at(seconds), fact));
    }

    /// The phase begins where the load has come to.
    pub(super) fn phase(&mut self, phase: Phase, because: &str) {
        self.issued();
        self.phase = phase;
        self.slot = 0;
        self.push(self.now, Fact::Phase(PhaseBegan { phase, because: because.to_owned() }));
    }

    /// How far every lane of the phase has come.
    pub(super) fn issued(&mut self) {
        let mut next: Vec<u64> = Vec::new();
        for (_, fact) in &self.facts {
            let Fact::Request(request) = fact else { continue };
            if request.phase == self.phase {
                let lane = request.lane as usize;
                next.resize(next.len().max(lane + 1), 0);
                next[lane] = next[lane].max(request.slot + 1);
            }
        }
        if !next.is_empty() {
            self.push(self.now, Fact::Issued(SentSlots { phase: self.phase, next }));
        }
    }

    pub(super) fn closed(&mut self, because: ClosedBecause, note: &str) {
        self.phase(Phase::Drain, "the plan is carried out");
        let (seconds, note) = (self.now + 0.001, note.to_owned());
        self.push(seconds, Fact::Closed(Closed { because, note }));
    }

    pub(super) fn target(
        &mut self,
        seconds: f64,
        word: TargetWord,
        evidence: &str,
        since: Option<f64>,
    ) {
        let fact = TargetFact { since: since.map(at), ..TargetFact::new(word, evidence) };
        self.push(seconds, Fact::Target(fact));
    }

    pub(super) fn missed(&mut self, seconds: f64, source: Source, what: &str, why: &str) {
        let (what, why) = (what.to_owned(), why.to_owned());
        self.push(seconds, Fact::Missed(Missed { source, what, why, times: 1, reason: None }));
    }

    /// A request that is answered whole at the speed of its depth, sent now.
    pub(super) fn request(&mut self, depth: u64) -> Request {
        self.asked += 1;
        self.slot += 1;
        let (ttft, tpot) = speed(depth);
        // One per cent to either side, by no clock and no generator.
        let wobble = |step: u64| 1.0 + ((self.asked * step % 41) as f64 - 20.0) / 2000.0;
        let cell = Cell { depth, load: self.scenario.load, prompt: PROMPT, output: OUTPUT };
        let mut request = Request {
            slot: self.slot - 1,
            lap: self.lap,
            first_byte_us: Some(2_100),
            prompt_tokens: Some(depth + PROMPT),
            cached_tokens: Some(0),
            output_tokens: Some(OUTPUT),
            first_tokens: Some(1),
            chunks: OUTPUT,
            peak_tokens: Some(24),
            ended: Ended::Completed,
            stage: Stage::Closing,
            finish: Some("length".to_owned()),
            http_status: Some(200),
            answer: Some(format!("{:016x}", self.asked.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            ..Request::unanswered(self.phase, "ladder", Class::Cold, cell, at(self.now))
        };
        timed(&mut request, ttft * wobble(17), tpot * wobble(23));
        request
    }

    /// The request ended, and its round with it; the load goes on from there.
    pub(super) fn ended(&mut self, request: Request) {
        let done = request.done.seconds();
        let good = request.ended.is_good();
        let on = |us: u64| At(request.sent.0 + us);
        if good {
            self.counted.push((done, OUTPUT));
        }
        let batch = Batch {
            lap: request.lap,
            repeat: request.repeat,
            requests: 1,
            good: u64::from(good),
            first: request.ttft_us.map(on),
            last: request.last_us.map(on),
            tokens: request.output_tokens,
            first_tokens: request.first_tokens,
            peak_tokens: request.peak_tokens,
            ..Batch::begun(request.phase, request.group(), request.due)
        };
        self.push(done, Fact::Request(Box::new(request)));
        self.push(done, Fact::Batch(batch));
        self.now = self.now.max(done + 0.001);
    }

    /// An arrival that ended: one of a round, and nobody waits for it.
    pub(super) fn arrived(&mut self, request: Request) {
        self.counted.push((request.done.seconds(), OUTPUT));
        self.push(request.done.seconds(), Fact::Request(Box::new(request)));
    }

    /// Whole laps until a time has come; `change` is reported of every answer before it ends.
    pub(super) fn laps(&mut self, until: f64, change: impl Fn(&mut Request, f64)) {
        while self.now < until {
            for depth in self.scenario.depths {
                let mut request = self.request(*depth);
                change(&mut request, self.now);
                self.ended(request);
            }
            self.lap += 1;
        }
    }

    /// A series, read every so many seconds from here to there.
    pub(super) fn read(
        &mut self,
        (every, from, until): (f64, f64, f64),
        source: Source,
        (instance, name): (&str, &str),
        value: impl Fn(f64) -> f64,
    ) {
        let times = ((until - from) / every).ceil() as u64;
        for index in 0..=times {
            let seconds = (from + index as f64 * every).min(until);
            let single = Reading::single(source, name, value(seconds));
            self.push(
                seconds,
                Fact::Reading(Reading { instance: instance.to_owned(), n: 10, ..single }),
            );
        }
    }

    /// What the engine's metrics say of one process of it, its tokens counted from `from` on.
    pub(super) fn engine(&mut self, every: f64, from: f64, until: f64, started: f64) {
        let counted: Vec<(f64, u64)> =
            self.counted.iter().copied().filter(|(done, _)| *done >= from).collect();
        let tokens = move |seconds: f64| {
            let before = counted.iter().filter(|(done, _)| *done <= seconds);
            before.map(|(_, tokens)| *tokens as f64).sum::<f64>()
        };
        let slow = (every * 6.0, from, until);
        self.read(slow, Source::Engine, ("", "up"), |_| 1.0);
        self.read(slow, Source::Engine, ("", "process_start_time_seconds"), |_| started);
        self.read((every, from, until), Source::Engine, ("", "generation_tokens_total"), tokens);
    }

    /// Both sources of OOMs: the server's log and the kernel of its machine.
    pub(super) fn ooms_watched(&mut self, from: f64, until: f64) {
        self.read((20.0, from, until), Source::Process, ("", "log_lines"), |_| 0.0);
        self.read((10.0, from, until), Source::Kernel, ("", "oom_kills"), |_| 3.0);
    }

    /// What longhaul reads of itself.
    pub(super) fn own(&mut self, until: f64, late_us_max: impl Fn(f64) -> f64) {
        let slow = (60.0, 8.0, until);
        self.read(slow, Source::Own, ("", "in_flight"), |_| 1.0);
        self.read(slow, Source::Own, ("", "late_us_max"), late_us_max);
    }

    /// The wall clock against the timeline, microseconds, every five minutes.
    pub(super) fn clock(&mut self, until: f64, drift_us: impl Fn(f64) -> i64) {
        for index in 1..=(until / 300.0) as u64 {
            let seconds = index as f64 * 300.0;
            let drift_us = drift_us(seconds);
            let wall_us = (WALL_US + at(seconds).0).saturating_add_signed(drift_us);
            self.push(seconds, Fact::Clock(Clock { wall_us, drift_us }));
        }
    }

    /// Writes the run folder.
    pub(super) async fn write(mut self, name: &str, dir: &Path) {
        self.facts.sort_by_key(|(at, _)| *at);
        let mut journal =
            Journal::inline(dir, &self.manifest(name), &Secrets::default(), None).unwrap();
        for (seq, (at, fact)) in (0..).zip(self.facts) {
            journal.append(Entry { segment: 0, seq, at, fact }).unwrap();
        }
        journal.close().await.unwrap();
        drop(journal);
        // Empty, and made again from the rows: neither is read.
        for file in [".lock", "latency.hlog"] {
            fs::remove_file(dir.join(file)).unwrap();
        }
    }

    fn manifest(&self, name: &str) -> Manifest {
        let Scenario { depths, load, .. } = *self.scenario;
        let text = |name: &str, text: &str| {
            let (name, text) = (name.to_owned(), text.to_owned());
            SpecText::of(&longhaul::spec::SpecFile { origin: format!("{name}.yaml"), name, text })
        };
        let cell = |depth: &u64| Cell { depth: *depth, load, prompt: PROMPT, output: OUTPUT };
        let cells: Vec<Cell> = depths.iter().map(cell).collect();
        let model = "Cogni-Brain".to_owned();
        Manifest {
            longhaul: VERSION.to_owned(),
            recipe: text("nemotron-3-super", RECIPE),
            scenario: text(self.scenario.name, self.scenario.text),
            container: Some("vllm/vllm-openai@sha256:3dbe092e".to_owned()),
            seed: 7,
            plan: serde_json::json!({ "cells": cells, "lap": cells, "notes": [] }),
            server: ServerIdentity {
                endpoint: "http://spark:8000".to_owned(),
                engine: Some("vllm".to_owned()),
                version: Some("0.19.2rc1".to_owned()),
                models: vec![model.clone()],
                model,
                max_model_len: Some(131_072),
            },
            nodes: vec![RunNode {
                host: "spark".to_owned(),
                role: "load".to_owned(),
                ..RunNode::default()
            }],
            segments: vec![Anchor { wall_us: WALL_US, ..Anchor::default() }],
            again: format!(
                "longhaul run --recipe nemotron-3-super.yaml --scenario {}.yaml --endpoint http://spark:8000 -o {name}",
                self.scenario.name
            ),
            ..Manifest::default()
        }
    }
}

/// Gives an answer its times: to the first token, and per further token, seconds.
pub(super) fn timed(request: &mut Request, ttft: f64, tpot: f64) {
    let micros = |seconds: f64| at(seconds).0;
    request.ttft_us = Some(micros(ttft));
    request.ttft_content_us = request.ttft_us;
    request.last_us = Some(micros(ttft + tpot * (OUTPUT - 1) as f64));
    request.max_gap_us = Some(micros(tpot * 1.2));
    request.done = At(request.sent.0 + request.last_us.unwrap_or(0) + 1_500);
}

/// Makes an answer slower: its first token by one factor, its further ones by another.
pub(super) fn slower(request: &mut Request, first: f64, further: f64) {
    let ttft_us = request.ttft_us.unwrap() as f64;
    let tpot_us = (request.last_us.unwrap() as f64 - ttft_us) / (OUTPUT - 1) as f64;
    timed(request, ttft_us / 1e6 * first, tpot_us / 1e6 * further);
}

/// Ends an answer in the middle of its tokens, `done` seconds after the start of the run.
pub(super) fn broken(request: &mut Request, done: f64, ended: Ended, error: &str) {
    request.done = at(done);
    request.ended = ended;
    request.stage = Stage::Streaming;
    error.clone_into(&mut request.error);
    request.finish = None;
    request.last_us = request.ttft_us.map(|us| us + 1_200_000);
    request.output_tokens = Some(29);
    request.chunks = 29;
}
