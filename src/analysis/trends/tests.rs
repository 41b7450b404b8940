use insta::assert_snapshot;

use super::*;
use crate::analysis::fixture::{asked, gate};
use crate::analysis::trend::TrendWord;
use crate::analysis::{Analysis, CalendarFold, Fold, RunDescription};
use crate::fact::{ClosedBecause, Entry, Fact, Phase, Reading, Source};
use crate::incident::fixture::Story;
use crate::series::{ANONYMOUS, KV_USAGE, MEM_AVAILABLE};

const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_024.0 * MIB;

/// Returns a run of some hours whose minutes have these readings of the processes and the machine,
/// and an answer each.
pub(crate) fn soak(
    hours: u32,
    memory: impl Fn(f64) -> f64,
    available: impl Fn(f64) -> f64,
) -> Story {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Warmup);
    for minute in 1..=hours * 60 {
        let (second, hour) = (f64::from(minute) * 60.0, f64::from(minute) / 60.0);
        if minute == 20 {
            story.phase(second - 1.0, Phase::Soak);
        }
        story.good(second - 30.0, 0);
        story.reading(second, Source::Process, ANONYMOUS.name, memory(hour));
        story.reading(second, Source::Host, MEM_AVAILABLE.name, available(hour));
        story.reading(second, Source::Engine, KV_USAGE.name, hour / f64::from(hours));
    }
    story.closed(f64::from(hours) * 3_600.0 + 1.0, ClosedBecause::Done);
    story
}

pub(crate) fn analysed(story: &Story, asked: &RunDescription) -> Analysis {
    let mut pass = CalendarFold::new(&asked.trend);
    story.entries.iter().for_each(|entry| pass.fold(entry));
    let mut fold = Fold::over_time(asked, pass.finish());
    story.entries.iter().for_each(|entry| fold.fold(entry));
    fold.finish()
}

fn sentences(story: &Story) -> String {
    let trends = analysed(story, &asked(&[0])).trends;
    let series = trends.series.iter().map(SeriesTrend::in_words);
    series.chain(trends.answers.iter().map(AnswerTrend::in_words)).collect::<Vec<_>>().join("\n")
}

/// Returns a small wobble that is the same at every time of day.
fn wobble(hour: f64) -> f64 {
    (hour * 37.0).sin() * 2.0 * MIB
}

#[test]
fn a_leak_of_the_processes_that_the_machine_loses_is_told_with_its_rate_and_its_end() {
    let leak = 200.0 * MIB;
    let story = soak(
        12,
        |hour| 10.0 * GIB + leak * hour + wobble(hour),
        |hour| 40.0 * GIB - leak * hour + wobble(hour),
    );
    assert_snapshot!(sentences(&story), @"
        host_mem_available falls 200 MiB/h [199, 201] over 10 h 47 m: at that pace full in 152 to 153 h, 3.33 MiB a request
        process_anonymous grows 200 MiB/h [199, 201] over 10 h 47 m: at that pace full in 152 to 153 h, 3.33 MiB a request
        ttft d0/c1/p2048/o128 stable over 10 h 47 m (a drift of 5.00 % would have been seen)
        tpot d0/c1/p2048/o128 stable over 7 h 30 m (a drift of 5.00 % would have been seen)
        prefill_per_s d0/c1/p2048/o128 stable over 10 h 47 m (a drift of 5.00 % would have been seen)
    ");
}

#[test]
fn below_eight_hours_a_leak_has_no_rate() {
    let leak = 200.0 * MIB;
    let story = soak(6, |hour| 10.0 * GIB + leak * hour, |hour| 40.0 * GIB - leak * hour);
    assert_snapshot!(sentences(&story), @"
        host_mem_available: shrinking, unresolved at this length: 5 h 59 m seen, 8 h 00 m needed
        process_anonymous: growing, unresolved at this length: 5 h 59 m seen, 8 h 00 m needed
        ttft d0/c1/p2048/o128 stable over 4 h 50 m (a drift of 5.00 % would have been seen)
        tpot d0/c1/p2048/o128 stable over 5 h 23 m (a drift of 5.00 % would have been seen)
        prefill_per_s d0/c1/p2048/o128 stable over 5 h 23 m (a drift of 5.00 % would have been seen)
    ");
}

#[test]
fn a_quiet_night_is_stable_and_says_what_it_would_have_seen() {
    let story = soak(12, |hour| 10.0 * GIB + wobble(hour), |hour| 40.0 * GIB + wobble(hour));
    assert_snapshot!(sentences(&story), @"
        host_mem_available stable over 10 h 47 m (a growth of 64.0 MiB/h would have been seen)
        process_anonymous stable over 10 h 47 m (a growth of 32.0 MiB/h would have been seen)
        ttft d0/c1/p2048/o128 stable over 10 h 47 m (a drift of 5.00 % would have been seen)
        tpot d0/c1/p2048/o128 stable over 7 h 30 m (a drift of 5.00 % would have been seen)
        prefill_per_s d0/c1/p2048/o128 stable over 10 h 47 m (a drift of 5.00 % would have been seen)
    ");
}

#[test]
fn a_cache_that_fills_is_a_plateau_and_a_jump_is_a_step() {
    let filled = |hour: f64| 10.0 * GIB + 900.0 * MIB * (1.0 - (-hour / 2.0).exp());
    let jumped = |hour: f64| if hour < 7.0 { 40.0 * GIB } else { 36.0 * GIB };
    let story = soak(12, |hour| filled(hour) + wobble(hour), |hour| jumped(hour) + wobble(hour));
    assert_snapshot!(sentences(&story), @"
        host_mem_available: a step from 40.0 GiB to 36.0 GiB after 6 h 59 m
        process_anonymous: a plateau, flat for the last 5 h 20 m
        ttft d0/c1/p2048/o128 stable over 10 h 47 m (a drift of 5.00 % would have been seen)
        tpot d0/c1/p2048/o128 stable over 7 h 30 m (a drift of 5.00 % would have been seen)
        prefill_per_s d0/c1/p2048/o128 stable over 10 h 47 m (a drift of 5.00 % would have been seen)
    ");
}

#[test]
fn a_restart_begins_a_trend_of_its_own() {
    let mut story = soak(4, |hour| hour * GIB, |_| 40.0 * GIB);
    story.entries.pop();
    let began = 4.0 * 3_600.0;
    story.bad(began + 5.0, 0, crate::fact::Ended::Refused, "refused").up(began + 6.0, false);
    story.up(began + 60.0, true).started(began + 60.0, 1_000.0);
    for minute in 5..=240u32 {
        let second = began + f64::from(minute) * 60.0;
        story.good(second - 30.0, 0);
        story.reading(second, Source::Process, ANONYMOUS.name, f64::from(minute) / 60.0 * GIB);
    }
    story.closed(began * 2.0 + 1.0, ClosedBecause::Done);
    let trends = analysed(&story, &asked(&[0])).trends;
    let lifetimes: Vec<usize> = trends
        .series
        .iter()
        .filter(|it| *it.judged.series == ANONYMOUS)
        .map(|it| it.lifetime)
        .collect();
    assert_eq!(lifetimes, [0, 1]);
}

#[test]
fn the_processes_that_hold_most_of_a_growth_are_named() {
    let leak = |hour: f64| 200.0 * MIB * hour;
    let mut story = soak(12, |hour| 10.0 * GIB + leak(hour), |_| 40.0 * GIB);
    let mut entries = Vec::new();
    for entry in story.entries.drain(..) {
        if let Fact::Reading(Reading { source: Source::Process, last, .. }) = &entry.fact {
            for (title, value) in [("worker", last - 2.0 * GIB), ("engine", 2.0 * GIB)] {
                let part = Reading::single(Source::Process, ANONYMOUS.name, value);
                let part = Reading { instance: title.into(), ..part };
                entries.push(Entry { fact: Fact::Reading(part), ..entry.clone() });
            }
        }
        entries.push(entry);
    }
    story.entries = entries;
    let trends = analysed(&story, &asked(&[0])).trends;
    let of_all = trends.series.iter().find(|it| it.instance.is_empty() && it.most_in.is_some());
    assert_eq!(of_all.and_then(|it| it.most_in.as_deref()), Some("worker"));
    assert!(of_all.is_some_and(|it| it.in_words().contains(", most of it in worker")));
}

#[test]
fn memory_of_the_machine_falls_where_that_of_a_process_would_rise() {
    let late = |hour: f64| 100.0 * MIB * (hour - 6.0).max(0.0);
    let story = soak(12, |hour| 10.0 * GIB + late(hour), |hour| 40.0 * GIB - late(hour));
    let why: Vec<String> =
        analysed(&story, &asked(&[0])).trends.series.into_iter().map(|it| it.trend.why).collect();
    assert_eq!(why, ["it falls, but not all the time", "it rises, but not all the time"]);
}

#[test]
fn readings_that_are_missing_make_no_word() {
    let mut story = soak(12, |_| 10.0 * GIB, |_| 40.0 * GIB);
    let is_gone = |entry: &crate::fact::Entry| match &entry.fact {
        Fact::Reading(Reading { name, .. }) => {
            name == ANONYMOUS.name && (3..5).contains(&(entry.at.0 / 3_600_000_000))
        }
        _ => false,
    };
    story.entries.retain(|entry| !is_gone(entry));
    let trends = analysed(&story, &asked(&[0])).trends;
    let words: Vec<TrendWord> = trends.series.iter().map(|it| it.trend.word).collect();
    assert_eq!(words, [TrendWord::Stable, TrendWord::NoData]);
}

#[test]
fn the_kv_cache_has_no_word_although_it_fills() {
    let story = soak(12, |_| 10.0 * GIB, |_| 40.0 * GIB);
    let trends = analysed(&story, &asked(&[0])).trends;
    assert!(trends.series.iter().all(|it| *it.judged.series != KV_USAGE));
}

#[test]
fn a_limit_of_the_contract_is_the_threshold_of_the_word() {
    let story = soak(12, |hour| 10.0 * GIB + 5.0 * MIB * hour, |_| 40.0 * GIB);
    let word = |asked: &RunDescription| {
        let trends = analysed(&story, asked).trends;
        trends.series.iter().find(|it| *it.judged.series == ANONYMOUS).map(|it| it.trend.word)
    };
    let mut strict = asked(&[0]);
    let mut limit = gate("growth", Limit::AtMost(2.0 * MIB));
    limit.select.series = JudgedSeries::parse("process_anonymous");
    strict.contract.gates.push(limit);
    assert_eq!(word(&asked(&[0])), Some(TrendWord::Stable));
    assert_eq!(word(&strict), Some(TrendWord::Growing));
}

/// Returns ten hours with a reference window and a return window, with these readings and times to the
/// first token in seconds.
fn with_return(memory: impl Fn(f64) -> f64, ttft: impl Fn(f64) -> f64) -> Story {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Warmup);
    for minute in 1..=600u32 {
        let (second, hour) = (f64::from(minute) * 60.0, f64::from(minute) / 60.0);
        let phase = match minute {
            20 => Some(Phase::Reference),
            40 => Some(Phase::Soak),
            580 => Some(Phase::Return),
            _ => None,
        };
        if let Some(phase) = phase {
            story.phase(second - 59.0, phase);
        }
        story.good(second - 30.0, 0);
        if let Some(Fact::Request(request)) = story.entries.last_mut().map(|it| &mut it.fact) {
            request.ttft_us = Some((ttft(hour) * 1e6) as u64);
        }
        story.reading(second, Source::Process, ANONYMOUS.name, memory(hour));
        story.reading(second, Source::Host, MEM_AVAILABLE.name, 40.0 * GIB + wobble(hour));
    }
    story.closed(36_001.0, ClosedBecause::Done);
    story
}

/// Returns a small variation of a time.
fn jitter(hour: f64) -> f64 {
    1.0 + (hour * 41.0).sin() * 0.005
}

#[test]
fn what_changes_in_the_return_window_is_not_stable() {
    let late = |hour: f64| 2.0 * GIB * (hour - 9.0).max(0.0);
    let story = with_return(
        |hour| 10.0 * GIB + late(hour) + wobble(hour),
        |hour| jitter(hour) * if hour < 9.66 { 1.0 } else { 1.2 },
    );
    assert_snapshot!(sentences(&story), @"
        host_mem_available stable over 8 h 59 m (a growth of 64.0 MiB/h would have been seen)
        process_anonymous: growing, unresolved at this length: the return window is 1.82 GiB above the reference window
        ttft d0/c1/p2048/o128: growing, unresolved at this length: the return window is 20.0 % above the reference window
    ");
}

#[test]
fn a_night_that_returns_to_where_it_began_is_stable_and_so_is_a_cache_that_filled() {
    let filled = |hour: f64| 600.0 * MIB * (1.0 - (-hour * 3.0).exp());
    let story = with_return(|hour| 10.0 * GIB + filled(hour) + wobble(hour), jitter);
    assert_snapshot!(sentences(&story), @"
        host_mem_available stable over 8 h 59 m (a growth of 64.0 MiB/h would have been seen)
        process_anonymous stable over 8 h 59 m (a growth of 32.0 MiB/h would have been seen)
        ttft d0/c1/p2048/o128 stable over 8 h 59 m (a drift of 5.01 % would have been seen)
    ");
    let slow = with_return(|hour| 10.0 * GIB + 28.0 * MIB * hour + wobble(hour), jitter);
    assert_snapshot!(sentences(&slow), @"
        host_mem_available stable over 8 h 59 m (a growth of 64.0 MiB/h would have been seen)
        process_anonymous grows 28.0 MiB/h [27.7, 28.2] over 8 h 59 m, under 32.0 MiB/h (a growth of 32.4 MiB/h would have been seen)
        ttft d0/c1/p2048/o128 stable over 8 h 59 m (a drift of 5.01 % would have been seen)
    ");
}

#[test]
fn a_step_names_what_happened_then() {
    let mut story =
        soak(12, |_| 10.0 * GIB, |hour| if hour < 6.0 { 40.0 * GIB } else { 30.0 * GIB });
    let began = crate::fact::PhaseBegan { phase: Phase::Drill, because: "drill: aborts".into() };
    let over =
        crate::fact::PhaseBegan { phase: Phase::Soak, because: "drill: aborts is over".into() };
    for (second, began) in [(21_500.0, began), (21_900.0, over)] {
        let at = story.entries.iter().position(|it| it.at.seconds() > second).unwrap();
        let after = story.entries.split_off(at);
        story.push(second, Fact::Phase(began));
        story.entries.extend(after);
    }
    let trends = analysed(&story, &asked(&[0])).trends;
    let stepped = trends.series.iter().find(|it| it.trend.word == TrendWord::Step).unwrap();
    assert_snapshot!(stepped.in_words(), @"host_mem_available: a step from 40.0 GiB to 30.0 GiB after 5 h 57 m, when the drill aborts began");
    assert_eq!(stepped.evidence.len(), 3, "two rows and the drill");
}

#[test]
fn a_step_within_a_long_drill_names_the_drill() {
    let mut story =
        soak(12, |_| 10.0 * GIB, |hour| if hour < 6.0 { 40.0 * GIB } else { 30.0 * GIB });
    let began = crate::fact::PhaseBegan { phase: Phase::Drill, because: "drill: aborts".into() };
    let over =
        crate::fact::PhaseBegan { phase: Phase::Soak, because: "drill: aborts is over".into() };
    for (second, began) in [(18_000.0, began), (25_200.0, over)] {
        let at = story.entries.iter().position(|it| it.at.seconds() > second).unwrap();
        let after = story.entries.split_off(at);
        story.push(second, Fact::Phase(began));
        story.entries.extend(after);
    }
    let trends = analysed(&story, &asked(&[0])).trends;
    let stepped = trends.series.iter().find(|it| it.trend.word == TrendWord::Step).unwrap();
    assert!(stepped.in_words().ends_with(", during the drill aborts"), "{}", stepped.in_words());
}

#[test]
fn memory_that_many_restarts_keep_is_added_up() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Warmup).phase(60.0, Phase::Soak);
    for life in 0..10u32 {
        let began = f64::from(life) * 3_600.0 + 100.0;
        if life > 0 {
            story.bad(began, 0, crate::fact::Ended::Refused, "refused").up(began + 1.0, false);
            story.up(began + 30.0, true).started(began + 30.0, began);
        }
        let left = 40.0 * GIB - f64::from(life) * 500.0 * MIB;
        for minute in 1..=55u32 {
            let second = began + 30.0 + f64::from(minute) * 60.0;
            story.good(second - 10.0, 0);
            story.reading(second, Source::Host, MEM_AVAILABLE.name, left);
        }
    }
    story.closed(36_100.0, ClosedBecause::Done);
    let trends = analysed(&story, &asked(&[0])).trends;
    let last = trends.series.last().unwrap();
    assert_snapshot!(last.in_words(), @"host_mem_available begins 4.39 GiB lower than before the first of 9 restarts");
    assert!(last.worse_step());
    assert_eq!(trends.series[1].kept(), None, "one restart alone keeps little");
}

/// Returns hours in which the processes take so much an hour, until the kernel kills them.
fn killed(hours: f64, taken: f64) -> Story {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Warmup).phase(1_000.0, Phase::Soak);
    story.reading(1.0, Source::Process, "processes", 1.0);
    for minute in 1..=(hours * 60.0) as u32 {
        let (second, hour) = (f64::from(minute) * 60.0, f64::from(minute) / 60.0);
        story.good(second - 30.0, 0);
        story.reading(second, Source::Process, ANONYMOUS.name, 6.0 * GIB + taken * hour);
        story.reading(second, Source::Host, MEM_AVAILABLE.name, 24.0 * GIB - taken * hour);
    }
    let end = hours * 3_600.0 + 20.0;
    story.bad(
        end,
        0,
        crate::fact::Ended::ErrorFrame,
        "CUDA out of memory. Tried to allocate 2 GiB",
    );
    story.bad(end + 1.0, 0, crate::fact::Ended::Refused, "refused").up(end + 2.0, false);
    story.up(end + 3.0, false).closed(end + 60.0, ClosedBecause::Away);
    story
}

#[test]
fn a_growth_that_used_up_the_memory_is_growing_however_short_it_was() {
    let grown = |story: &Story| {
        let analysis = analysed(story, &asked(&[0]));
        let series = analysis.trends.series.iter().find(|it| *it.judged.series == ANONYMOUS);
        series.map(|it| format!("{}: {}", it.trend.word.word(), it.in_words())).unwrap()
    };
    assert_snapshot!(grown(&killed(2.0, 11.0 * GIB)), @"growing: process_anonymous grew from 6.18 GiB to 27.8 GiB in 1 h 59 m, until memory ran out");
    assert_snapshot!(grown(&killed(5.0, 4.0 * GIB)), @"growing: process_anonymous grew from 6.07 GiB to 25.9 GiB in 4 h 59 m, until memory ran out");
    assert_snapshot!(grown(&killed(5.0, 0.3 * GIB)), @"unresolved: process_anonymous: growing, unresolved at this length: 4 h 56 m seen, 8 h 00 m needed");
}
