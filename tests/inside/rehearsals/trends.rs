//! Tests soaks that are long enough for a change over the hours to be decided: every ailment of
//! memory or speed has its word, and a healthy server has none. Blocks are short, so that few
//! hours decide.

#![allow(clippy::print_stderr)] // the long tier prints its tally

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use insta::assert_snapshot;
use longhaul::analysis::trend::TrendWord;
use longhaul::analysis::trends::{AnswerTrend, Driver, SeriesTrend};
use longhaul::measure::Quantity;
use longhaul::verdict::VerdictWord;

use super::speed::with_prefix_cache;
use super::stage::{Played, Script};

const MIB: f64 = (1u64 << 20) as f64;

/// Two hours at one depth: eighty blocks.
const TWO_HOURS: &str = "\
about: Two hours at one depth, for tests.
duration: 2h
warmup: 1 lap
reference: 8 laps
trend: { block: 90s, warmup: 3m }
workloads:
  - ladder: { depths: [8192], prompt: 512, output: 64, concurrency: [1], prefix: cold }
limits:
  first_token: 2m
  stall: 1m
  away: 20m
contract:
  crashes: 0
  growth: 0
  steps: 0
  drift: 5%
";

fn two_hours(ailments: &[&str]) -> Played {
    Script::new(TWO_HOURS, ailments).play()
}

/// Six hours of 120 blocks, for what takes its time.
fn six_hours(ailments: &[&str]) -> Played {
    let longer =
        TWO_HOURS.replace("duration: 2h", "duration: 6h").replace("block: 90s", "block: 3m");
    Script::new(&longer, ailments).play()
}

/// The last lifetime's trend of a series.
fn series<'a>(play: &'a Played, name: &str) -> &'a SeriesTrend {
    let all = &play.analysis().trends.series;
    let found = all.iter().rfind(|it| it.judged.name == name && it.instance.is_empty());
    found.unwrap_or_else(|| panic!("{}", play.reported()))
}

fn answers(play: &Played, quantity: Quantity) -> &AnswerTrend {
    let all = &play.analysis().trends.answers;
    let found = all.iter().find(|it| it.quantity == quantity);
    found.unwrap_or_else(|| panic!("{}", play.reported()))
}

/// Everything that is not stable, and every gate that did not pass.
fn told(play: &Played) -> String {
    let trends = &play.analysis().trends;
    let series = trends.series.iter().map(|it| (it.trend.word, it.in_words()));
    let answers = trends.answers.iter().map(|it| (it.trend.word, it.in_words()));
    let moved = series.chain(answers).filter(|(word, _)| *word != TrendWord::Stable);
    let mut lines: Vec<String> = moved.map(|(_, words)| words).collect();
    let gates = play.verdict().gates.iter().filter(|gate| gate.word != VerdictWord::Pass);
    lines.extend(gates.map(|gate| format!("{} {}", gate.word.word(), gate.text)));
    lines.join("\n")
}

/// Whether a growth per hour or request is near the true one.
fn is_near(value: f64, truth: f64) -> bool {
    (0.9..1.1).contains(&(value / truth))
}

/// A step of a time or rate after an hour, and the gate on steps that it breaks.
fn stepped_after_an_hour(play: &Played, quantity: Quantity) -> bool {
    let trend = &answers(play, quantity).trend;
    trend.word == TrendWord::Step
        && trend.step.is_some_and(|step| (step.hours - 1.0).abs() < 0.1)
        && play.gate("steps") == VerdictWord::Fail
}

#[test]
fn a_healthy_soak_is_stable_throughout() {
    let play = two_hours(&[]);
    assert_eq!(told(&play), "");
}

#[test]
fn a_leak_grows_by_its_rate() {
    let play = two_hours(&["slow_leak=600MiB/h@0s"]);
    for name in ["process_anonymous", "host_mem_available"] {
        let it = series(&play, name);
        assert_eq!(it.trend.word, TrendWord::Growing, "{}", told(&play));
        assert!(is_near(it.worse().unwrap().value, 600.0 * MIB), "{}", told(&play));
    }
    assert_eq!(play.gate("growth"), VerdictWord::Fail);
    assert_eq!(play.gate("steps"), VerdictWord::Pass);
    assert_eq!(play.gate("drift"), VerdictWord::Pass);
}

#[test]
fn a_leak_of_requests_grows_by_its_size_with_every_request() {
    let play = two_hours(&["leak_per_request=2MiB@0s"]);
    let it = series(&play, "process_anonymous");
    assert_eq!(it.trend.word, TrendWord::Growing, "{}", told(&play));
    let work = it.per_work.unwrap();
    assert!(is_near(work.request.value, 2.0 * MIB), "{}", told(&play));
    assert_eq!(work.driver, None, "an even load tells nothing");
    assert_eq!(play.gate("growth"), VerdictWord::Fail);
}

#[test]
fn a_leak_of_requests_and_one_of_hours_are_told_apart_where_arrivals_vary() {
    let arrivals = "rate: [0.05], arrivals: poisson, requests: 2";
    let varied = TWO_HOURS.replace("concurrency: [1]", arrivals);
    let driver = |ailment: &str| {
        let play = Script::new(&varied, &[ailment]).play();
        let it = series(&play, "process_anonymous");
        assert_eq!(it.trend.word, TrendWord::Growing, "{}", told(&play));
        it.per_work.unwrap().driver
    };
    assert_eq!(driver("leak_per_request=16MiB@0s"), Some(Driver::Requests));
    assert_eq!(driver("slow_leak=3GiB/h@0s"), Some(Driver::Time));
}

#[test]
fn a_leak_that_plateaus_does_not_grow() {
    let play = six_hours(&["leak_that_plateaus=2GiB@0s"]);
    let trend = &series(&play, "process_anonymous").trend;
    assert_eq!(trend.word, TrendWord::Plateau, "{}", told(&play));
    assert!(trend.hours < 3.0, "the last half alone: {}", told(&play));
    assert_eq!(play.gate("growth"), VerdictWord::Pass, "{}", told(&play));
}

#[test]
fn a_leak_after_aborts_is_a_step_at_the_time_of_the_aborts() {
    let drilled = format!("{TWO_HOURS}drills:\n  - aborts: {{ at: 1h, for: 4m }}\n");
    let play = Script::new(&drilled, &["leak_after_abort=64MiB@0s"]).play();
    let trend = &series(&play, "process_anonymous").trend;
    assert_eq!(trend.word, TrendWord::Step, "{}", told(&play));
    assert!(trend.step.is_some_and(|step| (step.hours - 1.05).abs() < 0.1), "{}", told(&play));
    assert_eq!(play.gate("steps"), VerdictWord::Fail);
}

#[test]
fn memory_that_a_restart_keeps_is_missing_in_the_next_lifetime() {
    let play = two_hours(&["memory_kept_after_restart=3GiB@0s", "restart=1m@1h"]);
    let available = series(&play, "host_mem_available");
    assert_eq!(available.lifetime, 1);
    assert!(is_near(available.kept().unwrap_or(0.0), 3072.0 * MIB), "{}", available.in_words());
    assert_eq!(series(&play, "process_anonymous").kept(), None);
    assert_eq!(play.gate("steps"), VerdictWord::Fail, "{}", told(&play));
    assert!(play.reported().contains("lower than before the restart"), "{}", play.reported());
    let healthy = two_hours(&["restart=1m@1h"]);
    assert_eq!(series(&healthy, "host_mem_available").kept(), None);
}

#[test]
fn a_server_that_is_slower_at_once_has_a_step_at_that_time() {
    let slower = two_hours(&["slow_down=1.25x@1h"]);
    assert!(stepped_after_an_hour(&slower, Quantity::Tpot), "{}", told(&slower));
    assert!(stepped_after_an_hour(&slower, Quantity::Ttft), "{}", told(&slower));
    let step = two_hours(&["step=25%@1h"]);
    assert!(stepped_after_an_hour(&step, Quantity::Tpot), "{}", told(&step));
    assert_eq!(answers(&step, Quantity::Ttft).trend.word, TrendWord::Stable, "{}", told(&step));
}

#[test]
fn latency_that_creeps_drifts() {
    let play = two_hours(&["creeping_latency=10%/h@0s"]);
    for quantity in [Quantity::Ttft, Quantity::Tpot] {
        let it = answers(&play, quantity);
        assert_eq!(it.trend.word, TrendWord::Growing, "{}", told(&play));
        assert!(
            it.drift().is_some_and(|drift| (0.12..0.22).contains(&drift.value)),
            "{}",
            told(&play)
        );
    }
    assert_eq!(play.gate("drift"), VerdictWord::Fail);
}

#[test]
fn drafts_that_are_accepted_less_and_less_drift() {
    let play = two_hours(&["acceptance_decay=25%/h@0s"]);
    assert_eq!(answers(&play, Quantity::Tpot).trend.word, TrendWord::Growing, "{}", told(&play));
    assert_eq!(answers(&play, Quantity::Ttft).trend.word, TrendWord::Stable, "{}", told(&play));
    assert_eq!(play.gate("drift"), VerdictWord::Fail);
}

#[test]
fn a_cache_that_stops_hitting_is_a_step_of_the_time_to_the_first_token() {
    let warm = TWO_HOURS.replace("prefix: cold", "prefix: warm");
    let recipe = Some(with_prefix_cache());
    let play = Script { recipe, ..Script::new(&warm, &["cache_stops_hitting@1h"]) }.play();
    assert!(stepped_after_an_hour(&play, Quantity::Ttft), "{}", told(&play));
    assert_eq!(answers(&play, Quantity::Tpot).trend.word, TrendWord::Stable, "{}", told(&play));
}

#[test]
fn a_storm_of_preemptions_is_told_with_its_time() {
    let play = two_hours(&["preemption_storm=60m@1h"]);
    assert_eq!(answers(&play, Quantity::Tpot).trend.word, TrendWord::TwoLevels, "{}", told(&play));
    let findings = &play.verdict().findings;
    let said = findings.iter().find(|it| it.words.starts_with("the server preempted requests"));
    assert_snapshot!(said.unwrap_or_else(|| panic!("{}", play.reported())).words, @"the server preempted requests 454 times, between 59 m 47 s and 2 h 00 m of the run: such a request begins again, and its tokens come late");
}

#[test]
fn a_speed_that_jumps_has_two_levels() {
    let play = six_hours(&["speed_levels=1.5x@0s"]);
    let trend = &answers(&play, Quantity::Tpot).trend;
    assert_eq!(trend.word, TrendWord::TwoLevels, "{}", told(&play));
    let (low, high) = trend.levels.unwrap();
    assert!(is_near(high / low, 1.5), "{}", told(&play));
}

/// The shipped soaks, and how many of each.
const SOAKS: [(&str, &str, u64); 3] = [
    ("short", include_str!("../../../scenarios/short.yaml"), 120),
    ("overnight", include_str!("../../../scenarios/overnight.yaml"), 70),
    ("day", include_str!("../../../scenarios/day.yaml"), 10),
];

/// Words and gates of healthy soaks.
#[derive(Default)]
struct Tally {
    soaks: u64,
    series: BTreeMap<&'static str, u64>,
    answers: BTreeMap<&'static str, u64>,
    misses: Vec<String>,
}

impl Tally {
    fn add(&mut self, name: &str, seed: u64, play: &Played) {
        self.soaks += 1;
        for it in &play.analysis().trends.series {
            *self.series.entry(it.trend.word.word()).or_default() += 1;
        }
        for it in &play.analysis().trends.answers {
            *self.answers.entry(it.trend.word.word()).or_default() += 1;
            if matches!(it.trend.word, TrendWord::Growing | TrendWord::Step | TrendWord::TwoLevels)
            {
                self.misses.push(format!("{name} seed {seed}: {}", it.in_words()));
            }
        }
        let gates = play.verdict().gates.iter().filter(|gate| gate.word != VerdictWord::Pass);
        self.misses.extend(
            gates.map(|it| {
                format!("{name} seed {seed}: {} {}: {}", it.word.word(), it.text, it.why)
            }),
        );
    }
}

#[test]
#[ignore = "long: two hundred soaks of six hours to a day; docs/testing.md"]
fn two_hundred_healthy_soaks_neither_grow_nor_step_nor_drift() {
    let share = std::env::var("LONGHAUL_SOAKS").map_or(200, |text| text.parse().unwrap());
    let mut soaks = Vec::new();
    for (name, text, of_200) in SOAKS {
        let text = text.replace("  ooms: 0\n", "  steps: 0\n");
        let count = (of_200 * share).div_ceil(200);
        soaks.extend((1..=count).map(|seed| (name, text.clone(), seed)));
    }
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let work = || {
        while let Some((name, text, seed)) = soaks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let play = Script { seed: *seed, ..Script::new(text, &[]) }.play();
            let mut tally = tally.lock().unwrap();
            tally.add(name, *seed, &play);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let tally = tally.into_inner().unwrap();
    eprintln!("{} soaks; series: {:?}; answers: {:?}", tally.soaks, tally.series, tally.answers);
    assert!(tally.misses.is_empty(), "{}", tally.misses.join("\n"));
}
