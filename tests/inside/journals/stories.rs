//! Defines sixteen runs; a comment above each says what a reader should see in it.

mod hours;

use std::fs;
use std::path::Path;

use longhaul::fact::{
    ClosedBecause, Ended, Fact, Fault, FaultKind, Load, Phase, Request, SentSlots, Source,
    Statement, TargetWord,
};

use super::story::{Scenario, Story, at, broken, slower, timed};

/// A run: its folder, and how it is made.
type Made = (&'static str, fn() -> Story);

/// Every run.
pub(super) const STORIES: [Made; 16] = [
    ("healthy", healthy),
    ("slow_leak", slow_leak),
    ("hump", hump),
    ("creeping_latency", creeping_latency),
    ("step", step),
    ("torn_tail", torn_tail),
    ("restarted", restarted),
    ("host_rebooted", host_rebooted),
    ("hung", hung),
    ("blind", blind),
    ("clock_stepped", clock_stepped),
    ("harness_too_slow", harness_too_slow),
    ("wrong_answers", wrong_answers),
    ("stable", hours::stable),
    ("growing", hours::growing),
    ("seven_words", hours::seven_words),
];

/// Eight minutes: all that happens in a run can happen in them, and every ten seconds of them
/// can be watched in a few rows.
const BRIEF: Scenario = Scenario {
    name: "brief",
    text: "\
about: Eight minutes at two depths.
duration: 8m
warmup: 1 lap
workloads:
  - ladder: { depths: [0, 4096], prompt: 2048, output: 128, concurrency: [1] }
contract:
  crashes: 0
  ooms: 0
  restarts: 0
  hangs: 0
  errors: 1%
  ttft: { d0: 2s, d4096: 5s }
  tpot: 60ms
",
    depths: &[0, 4096],
    load: Load::Streams(1),
};
const BRIEF_ENDS: f64 = 488.0;

/// Four hours at one depth: long enough for what grows, in a hundred answers.
const NIGHT: Scenario = Scenario {
    name: "night",
    text: "\
about: Four hours at 100,000 tokens.
duration: 4h
warmup: 1 lap
reference: 8 laps
workloads:
  - ladder: { depths: [100000], prompt: 2048, output: 128, concurrency: [1] }
contract:
  crashes: 0
  restarts: 0
  errors: 0.1%
  tokens_per_s:
    - { phase: return, at_least: 95% of reference }
  ttft:
    - { phase: return, at_most: 105% of reference }
",
    depths: &[100_000],
    load: Load::Streams(1),
};
const NIGHT_ENDS: f64 = 14_408.0;
/// Eight laps of it.
const WINDOW: f64 = 8.0 * 111.6;

/// Arrivals of an open loop, in rounds of twenty.
const ARRIVALS: Scenario = Scenario {
    name: "arrivals",
    text: "\
about: Four minutes of one request every two seconds.
duration: 4m
warmup: 1 lap
workloads:
  - ladder: { depths: [0], prompt: 2048, output: 128, rate: [0.5], arrivals: constant, requests: 20 }
contract:
  crashes: 0
  errors: 1%
  ttft_due: 3s
",
    depths: &[0],
    load: Load::PerSecond(0.5),
};

const GIB: f64 = (1u64 << 30) as f64;
const STARTED: f64 = 1_778_620_000.0;
const ENGINE: &str = "VLLM::EngineCore";

/// The warm-up of a brief run, and its soak up to a time.
fn brief(until: f64) -> Story {
    let mut story = Story::new(&BRIEF);
    story.phase(Phase::Warmup, "the run began");
    story.laps(9.0, |_, _| {});
    story.phase(Phase::Soak, "1 laps of warm-up");
    story.laps(until, |_, _| {});
    story
}

/// The end of a brief run in which everybody could look on all the time.
fn watched(mut story: Story) -> Story {
    let end = story.now;
    story.closed(ClosedBecause::Done, "the duration is over");
    story.engine(10.0, 8.0, end, STARTED);
    story.ooms_watched(8.0, end);
    story.own(end, |_| 900.0);
    story.clock(end, |_| 12);
    story
}

/// Four hours, every answer as slow as the story has it, and memory as it has it: bytes more
/// than at the start.
fn night(change: impl Fn(&mut Request, f64), grown: impl Fn(f64) -> f64) -> Story {
    let mut story = Story::new(&NIGHT);
    story.phase(Phase::Warmup, "the run began");
    story.laps(9.0, &change);
    story.phase(Phase::Reference, "1 laps of warm-up");
    let until = story.now + WINDOW - 60.0;
    story.laps(until, &change);
    story.phase(Phase::Soak, "8 laps of reference");
    story.laps(NIGHT_ENDS - WINDOW, &change);
    story.phase(Phase::Return, "the last 8 laps");
    story.laps(NIGHT_ENDS, &change);
    let end = story.now;
    story.closed(ClosedBecause::Done, "the duration is over");
    story.engine(600.0, 8.0, end, STARTED);
    let slow = (300.0, 8.0, end);
    let rss = |seconds: f64| (8.2 * GIB + grown(seconds)).round();
    story.read(slow, Source::Process, (ENGINE, "rss_bytes"), rss);
    let available = |seconds: f64| (24.0 * GIB - grown(seconds)).round();
    story.read(slow, Source::Host, ("", "mem_available_bytes"), available);
    story
}

/// All is well, and everybody looked: PASS.
fn healthy() -> Story {
    watched(brief(BRIEF_ENDS))
}

/// The engine's memory grows by 300 MiB an hour, evenly, and does not stop.
fn slow_leak() -> Story {
    night(|_, _| {}, |seconds| 300.0 / 1024.0 * GIB * seconds / 3600.0)
}

/// The engine's memory grows for an hour and a half, and is given back by the third: no leak.
fn hump() -> Story {
    let grown = |seconds: f64| {
        let hours = seconds / 3600.0;
        let share = if hours < 1.5 { hours / 1.5 } else { (3.0 - hours).max(0.0) / 1.5 };
        1.2 * GIB * share
    };
    night(|_, _| {}, grown)
}

/// Every answer a little slower than the one before: after four hours by 16 % a token.
fn creeping_latency() -> Story {
    let change = |request: &mut Request, seconds: f64| {
        let share = seconds / NIGHT_ENDS;
        slower(request, 1.0 + 0.12 * share, 1.0 + 0.16 * share);
    };
    night(change, |_| 0.0)
}

/// After two hours every token takes a quarter longer, from one answer to the next, and it
/// stays so.
fn step() -> Story {
    let change = |request: &mut Request, seconds: f64| {
        let factor = if seconds < 7200.0 { 1.0 } else { 1.25 };
        slower(request, 1.0, factor);
    };
    night(change, |_| 0.0)
}

/// The machine that longhaul ran on lost power in the sixth minute, a request in flight. What
/// the disk lost of it, `damage` takes away.
fn torn_tail() -> Story {
    let mut story = brief(340.0);
    let end = story.now;
    let sent = story.request(0);
    let issued = SentSlots { phase: sent.phase, next: vec![sent.slot + 1] };
    story.push(end + 0.1, Fact::Issued(issued));
    story.engine(10.0, 8.0, end + 4.0, STARTED);
    story.ooms_watched(8.0, end + 4.0);
    story.own(end, |_| 900.0);
    story
}

/// What the power cut took of a folder: the ends of its files, torn or filled with NULs.
pub(super) fn tear(dir: &Path) {
    for (file, lost, nuls) in
        [("requests.csv", 90, 0), ("events.csv", 40, 0), ("readings.csv", 150, 110)]
    {
        let mut bytes = fs::read(dir.join(file)).unwrap();
        bytes.truncate(bytes.len() - lost);
        bytes.resize(bytes.len() + nuls, 0);
        fs::write(dir.join(file), bytes).unwrap();
    }
}

/// The server's process died and somebody started it again; nobody but HTTP and the metrics
/// of another machine show it.
fn restarted() -> Story {
    let mut story = brief(230.0);
    let (gone, back) = (story.now + 3.0, story.now + 98.0);
    let mut request = story.request(0);
    broken(&mut request, gone, Ended::Reset, "Connection reset by peer (os error 104)");
    story.ended(request);
    for seconds in [0.5, 5.5, 15.5, 30.5, 45.5, 60.5, 75.5, 90.5] {
        let refused = (1.0, gone + seconds, gone + seconds);
        story.read(refused, Source::Engine, ("", "up"), |_| 0.0);
    }
    let since = Some(gone - 1.0);
    story.target(gone + 0.5, TargetWord::Away, "a health probe failed", since);
    story.target(back, TargetWord::Back, "its health probe was answered", since);
    let words = "process_start_time_seconds changed";
    story.target(back, TargetWord::Restarted, words, since);
    story.engine(10.0, 8.0, gone, STARTED);
    anew(story, gone, back)
}

/// A server that was gone and is back, asked what it is, and driven to the end of a brief run.
fn anew(mut story: Story, gone: f64, back: f64) -> Story {
    let identity =
        Statement::plain("identity", "its identity was read again and is unchanged".to_owned());
    story.push(back + 0.2, Fact::Seen(identity));
    story.now = back + 0.5;
    story.laps(BRIEF_ENDS + back - gone, |_, _| {});
    let end = story.now;
    story.closed(ClosedBecause::Done, "the duration is over");
    story.engine(10.0, back, end, STARTED + back + 3_000.0);
    story.missed(9.0, Source::Kernel, "kernel", "is on another machine: spark");
    story.own(end, |_| 900.0);
    story.clock(end, |_| 12);
    story
}

/// The server's machine lost power for three minutes: what was in flight stopped without a word.
fn host_rebooted() -> Story {
    let mut story = brief(230.0);
    let cut = story.now + 2.5;
    let back = cut + 270.0;
    let mut request = story.request(0);
    let words = "no further token; given up 2 m 02 s after sending";
    broken(&mut request, cut + 120.0, Ended::Stalled, words);
    for seconds in [6.0, 16.0, 31.0, 46.0, 61.0, 76.0, 106.0, 136.0, 166.0, 196.0, 226.0, 256.0] {
        let silent = (1.0, cut + seconds, cut + seconds);
        story.read(silent, Source::Engine, ("", "up"), |_| 0.0);
    }
    let since = Some(cut);
    story.target(cut + 16.0, TargetWord::Away, "a health probe failed", since);
    story.target(cut + 180.0, TargetWord::Rebooted, "the box has another boot id", since);
    story.target(cut + 185.0, TargetWord::Started, "container vllm", None);
    story.target(back, TargetWord::Back, "its health probe was answered", since);
    story.engine(10.0, 8.0, cut, STARTED);
    story.ended(request);
    anew(story, cut, back)
}

/// For three minutes the server answers its probes and nothing else; then it goes on.
fn hung() -> Story {
    let mut story = brief(230.0);
    let (still, moves) = (story.now + 4.2, story.now + 184.0);
    let mut request = story.request(4096);
    let words = "no further token; given up 2 m 04 s after sending";
    broken(&mut request, still + 120.0, Ended::Stalled, words);
    let silent = "d4096/c1/p2048/o128 in flight, its probes are answered, and for 1 m 00 s no token came and no number of the engine changed";
    story.target(still + 60.0, TargetWord::Hung, silent, Some(still));
    story.ended(request);
    let moved = "a token came, or a number of the engine changed";
    story.target(moves, TargetWord::Moving, moved, Some(still));
    story.now = moves + 0.1;
    story.laps(BRIEF_ENDS + 180.0, |_, _| {});
    watched(story)
}

/// In the fourth minute drivers and container engine are replaced under the running server:
/// from then on neither the GPU's memory nor the server's log is seen, nor could an OOM be.
fn blind() -> Story {
    let mut story = brief(BRIEF_ENDS);
    let (dark, end) = (240.0, story.now);
    story.closed(ClosedBecause::Done, "the duration is over");
    story.engine(10.0, 8.0, end, STARTED);
    story.read((10.0, 8.0, end), Source::Kernel, ("", "oom_kills"), |_| 3.0);
    story.read((20.0, 8.0, dark), Source::Container, ("", "log_lines"), |_| 0.0);
    let used = |seconds: f64| (91.0 * GIB + seconds * 4096.0).round();
    story.read((10.0, 8.0, dark), Source::Gpu, ("0", "memory_used_bytes"), used);
    let daemon = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock";
    story.missed(dark + 8.0, Source::Container, "log_lines", daemon);
    for index in 0..4 {
        let seconds = dark + 8.0 + f64::from(index) * 60.0;
        let why = "NVML: Driver/library version mismatch";
        story.missed(seconds, Source::Gpu, "memory_used_bytes", why);
    }
    story.own(end, |_| 900.0);
    story.clock(end, |_| 12);
    story
}

/// In the fifth minute the wall clock is set back by 47 seconds; the server is well.
fn clock_stepped() -> Story {
    let mut story = brief(BRIEF_ENDS);
    let end = story.now;
    let why = "the wall clock moved -47.3 s against the monotonic one: the machine slept, or the clock was set";
    let fault = Fault { kind: FaultKind::Clock, why: why.to_owned(), fatal: false };
    story.push(300.0, Fact::Fault(fault));
    story.closed(ClosedBecause::Done, "the duration is over");
    story.engine(10.0, 8.0, end, STARTED);
    story.ooms_watched(8.0, end);
    story.own(end, |_| 900.0);
    story.clock(60.0 * 5.0 - 1.0, |_| 12);
    story.clock(end, |_| -47_300_000);
    story
}

/// An arrival every two seconds; from the third round on longhaul sends late by two seconds
/// and more, so that what it measures is its own doing.
fn harness_too_slow() -> Story {
    let mut story = Story::new(&ARRIVALS);
    story.phase(Phase::Warmup, "the run began");
    for round in 0..6 {
        if round == 1 {
            story.phase(Phase::Soak, "1 laps of warm-up");
        }
        let began = story.now;
        for arrival in 0..20u32 {
            let late = if round < 3 { 0.001 } else { 1.9 + f64::from(arrival % 5) * 0.4 };
            let mut request = story.request(0);
            let (ttft, last) = (request.ttft_us.unwrap(), request.last_us.unwrap());
            let tpot = (last - ttft) as f64 / 127e6;
            request.lane = arrival;
            request.slot = round.max(1) - 1;
            request.lap = round;
            request.due = at(began + f64::from(arrival) * 2.0);
            request.sent = at(began + f64::from(arrival) * 2.0 + late);
            timed(&mut request, ttft as f64 / 1e6, tpot);
            if round >= 3 && arrival == 0 {
                let why = "an arrival was sent 1900 ms after it was due".to_owned();
                let fault = Fault { kind: FaultKind::Pace, why, fatal: false };
                story.push(request.done.seconds(), Fact::Fault(fault));
            }
            story.arrived(request);
        }
        story.now = began + 40.0;
    }
    story.now += 8.0;
    let end = story.now;
    story.closed(ClosedBecause::Done, "the duration is over");
    story.engine(10.0, 8.0, end, STARTED);
    story.own(end, |seconds| if seconds < 128.0 { 900.0 } else { 3_500_000.0 });
    story
}

/// From the fourth minute on every answer is the same, and full of broken characters; no
/// request fails and no answer is late.
fn wrong_answers() -> Story {
    let mut story = brief(9.0);
    story.laps(BRIEF_ENDS, |request, seconds| {
        if seconds > 240.0 {
            request.checks = vec!["replacement".to_owned()];
            request.answer = Some("d6d6d6d6d6d6d6d6".to_owned());
        }
    });
    watched(story)
}
