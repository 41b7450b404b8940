//! Defines runs of ten hours, in which a change over the hours is decided.

use longhaul::fact::{ClosedBecause, Load, Phase, Source};

use super::super::story::{Scenario, Story, at, timed};
use super::{GIB, STARTED};

/// Few requests: a lap of three lasts as long as a block.
const TEN_HOURS: Scenario = Scenario {
    name: "ten_hours",
    text: "\
about: Ten hours at 100,000 tokens, a request every 200 seconds.
duration: 10h
warmup: 1 lap
workloads:
  - ladder: { depths: [100000], prompt: 2048, output: 128, rate: [0.005], arrivals: constant, requests: 3 }
contract:
  crashes: 0
  growth: 0
  steps: 0
",
    depths: &[100_000],
    load: Load::PerSecond(0.005),
};
const LAPS: u32 = 60;
const EVERY_S: f64 = 200.0;

const MIB: f64 = GIB / 1024.0;
/// Seconds between two readings.
const READ_S: f64 = 300.0;

/// Returns the load of ten hours.
fn ten_hours() -> Story {
    let mut story = Story::new(&TEN_HOURS);
    story.phase(Phase::Warmup, "the run began");
    for lap in 0..LAPS {
        if lap == 1 {
            story.phase(Phase::Soak, "1 laps of warm-up");
        }
        let began = story.now;
        for arrival in 0..3u32 {
            let mut request = story.request(100_000);
            let (ttft, last) = (request.ttft_us.unwrap(), request.last_us.unwrap());
            let tpot = (last - ttft) as f64 / 127e6;
            request.lane = arrival;
            request.slot = u64::from(lap.max(1) - 1);
            request.lap = u64::from(lap);
            request.due = at(began + f64::from(arrival) * EVERY_S);
            request.sent = request.due;
            timed(&mut request, ttft as f64 / 1e6, tpot);
            story.arrived(request);
        }
        story.now = began + 3.0 * EVERY_S;
    }
    let end = story.now;
    story.closed(ClosedBecause::Done, "the duration is over");
    story.engine(1200.0, 8.0, end, STARTED);
    story
}

/// Up to 8 MiB to either side, by no generator.
fn wobble(seconds: f64) -> f64 {
    let number = (seconds / READ_S) as u64;
    ((number * 17 % 41) as f64 - 20.0) * 0.4 * MIB
}

/// Reads a series from start to end, whole numbers.
fn read(story: &mut Story, source: Source, name: &str, value: impl Fn(f64) -> f64) {
    let span = (READ_S, 8.0, story.now);
    story.read(span, source, ("", name), |seconds| value(seconds).round());
}

/// Ten hours in which the processes take, and the machine loses, so many bytes.
fn taking(taken: impl Fn(f64) -> f64) -> Story {
    let mut story = ten_hours();
    read(&mut story, Source::Process, "anonymous_bytes", |s| 6.0 * GIB + wobble(s) + taken(s));
    read(&mut story, Source::Process, "shared_bytes", |_| 0.4 * GIB);
    read(&mut story, Source::Host, "mem_available_bytes", |s| {
        24.0 * GIB - 2.0 * wobble(s) - taken(s)
    });
    story
}

/// Memory goes up and down by some MiB and stays where it is: *stable*.
pub(super) fn stable() -> Story {
    taking(|_| 0.0)
}

/// The processes take 200 MiB an hour, which the machine loses: *growing*, and full within a week.
pub(super) fn growing() -> Story {
    taking(|seconds| 200.0 * MIB * seconds / 3600.0)
}

/// Every other word at once: anonymous memory fills a cache of 2 GiB from the second to the sixth hour (*plateau*), shared memory
/// doubles after five hours (*step*), the number of threads jumps (*two levels*), open files are
/// closed one by one (*falling*), memory is swapped out from the eighth hour on (*unresolved*),
/// free swap is not read for two hours (*no data*), and available memory is *stable*.
pub(super) fn seven_words() -> Story {
    let mut story = ten_hours();
    let hours = |seconds: f64| seconds / 3600.0;
    read(&mut story, Source::Process, "anonymous_bytes", |s| {
        6.0 * GIB + wobble(s) + 2.0 * GIB * ((hours(s) - 1.5) / 4.0).clamp(0.0, 1.0)
    });
    read(&mut story, Source::Process, "shared_bytes", |s| {
        if hours(s) < 5.0 { 0.4 * GIB } else { 0.8 * GIB }
    });
    read(
        &mut story,
        Source::Process,
        "threads",
        |s| {
            if hours(s) % 2.5 < 1.5 { 137.0 } else { 201.0 }
        },
    );
    read(&mut story, Source::Process, "open_files", |s| 400.0 - 20.0 * hours(s));
    read(&mut story, Source::Process, "swapped_bytes", |s| {
        (64.0 + 200.0 * (hours(s) - 8.0).max(0.0)) * MIB
    });
    read(&mut story, Source::Host, "mem_available_bytes", |s| 24.0 * GIB + wobble(s));
    let end = story.now;
    for span in [(READ_S, 8.0, 14_000.0), (READ_S, 21_200.0, end)] {
        story.read(span, Source::Host, ("", "swap_free_bytes"), |_| 8.0 * GIB);
    }
    story
}
