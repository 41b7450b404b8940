use super::evidence::{Evidence, Point, examine};
use super::jumps::levels;
use super::monte_carlo::RULE;
use super::monte_carlo::course::{BLOCK_H, Course, Noise, is_upper, series, where_true};
use super::rule::{TrendRule, decide};
use super::{Trend, TrendWord};
use crate::measure::Better;
use crate::rng::Rng;

const NOISE: Noise = Noise::Ar(0.9, 30.0);

/// Returns the blocks of a course in MiB after so many hours.
fn points(course: Course, hours: f64) -> Vec<Point> {
    series(course, NOISE, (hours * 60.0) as usize, &mut Rng::at(17, &[]))
}

fn judged(points: &[Point], rule: &TrendRule) -> Trend {
    decide(&[examine(points, rule)]).remove(0)
}

fn course(course: Course, hours: f64) -> Trend {
    judged(&points(course, hours), &RULE)
}

/// Returns one block every ten minutes without noise.
fn exact(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
    let point =
        |(index, value): (usize, f64)| Point { hours: (index as f64 + 0.5) * BLOCK_H, value };
    values.into_iter().enumerate().map(point).collect()
}

#[test]
fn a_leak_grows_and_has_a_rate_with_an_interval() {
    let trend = course(|hour, _| 100.0 * hour, 13.0);
    assert_eq!((trend.word, trend.grows, trend.why.as_str()), (TrendWord::Growing, true, ""));
    let slope = trend.slope.unwrap();
    assert!(slope.low < 100.0 && 100.0 < slope.high && slope.high - slope.low < 20.0, "{slope:?}");
    assert!(trend.p.is_some_and(|p| p < 1e-6));
    let last = trend.last.unwrap() - 6_144.0;
    assert!((1_200.0..1_350.0).contains(&last), "{last}");
}

#[test]
fn the_same_leak_is_unresolved_below_eight_hours() {
    let trend = course(|hour, _| 100.0 * hour, 7.0);
    assert_eq!((trend.word, trend.grows), (TrendWord::Unresolved, true));
    let why = "growing, unresolved at this length: 7 h 00 m seen, 8 h 00 m needed";
    assert_eq!(trend.why, why);
    assert_eq!(course(|hour, _| 100.0 * hour, 8.0).word, TrendWord::Growing);
}

#[test]
fn a_leak_needs_thirty_blocks_for_its_word_and_twenty_for_any() {
    let longer = TrendRule { block_h: 0.4, long_enough_h: 8.0, ..RULE };
    let laps = |count: u32| -> Vec<Point> {
        let point = |n| Point { hours: (f64::from(n) + 0.5) * 0.4, value: 100.0 * f64::from(n) };
        (0..count).map(point).collect()
    };
    let trend = judged(&laps(30), &longer);
    assert_eq!(trend.why, "growing, unresolved at this length: 12 h 00 m seen, 13 h 12 m needed");
    assert_eq!(judged(&laps(34), &longer).word, TrendWord::Growing);
    let trend = judged(&laps(21), &longer);
    assert_eq!((trend.word, trend.slope), (TrendWord::Unresolved, None));
    assert_eq!(trend.why, "18 blocks, 20 needed");
}

#[test]
fn noise_around_a_level_is_stable_and_says_what_it_could_have_seen() {
    let trend = course(|_, _| 0.0, 13.0);
    assert_eq!((trend.word, trend.grows), (TrendWord::Stable, false));
    let detectable = trend.detectable.unwrap();
    assert!((33.0..64.0).contains(&detectable), "{detectable}");
    assert!((trend.hours - 11.7).abs() < 0.2 && trend.blocks == 70, "{trend:?}");
}

#[test]
fn noise_too_large_for_the_threshold_is_not_called_stable() {
    let strict = TrendRule { threshold: 0.5, ..RULE };
    let trend = judged(&points(|_, _| 0.0, 13.0), &strict);
    assert_eq!(trend.word, TrendWord::Unresolved);
    assert_eq!(trend.why, "a growth above the threshold cannot be excluded");
}

#[test]
fn growth_below_the_threshold_is_stable() {
    assert_eq!(course(|hour, _| 16.0 * hour, 13.0).word, TrendWord::Stable);
}

#[test]
fn a_constant_series_is_stable() {
    let trend = judged(&exact([40.0; 78]), &TrendRule { threshold: 1.0, ..RULE });
    assert_eq!((trend.word, trend.detectable), (TrendWord::Stable, Some(1.0)));
    assert_eq!(trend.slope.map(|slope| slope.high), Some(0.0));
}

#[test]
fn a_count_that_grows_by_one_an_hour_is_growing() {
    let values = (0..78).map(|block| f64::from(40 + block / 6));
    let rule = TrendRule { threshold: 0.5, ..RULE };
    assert_eq!(judged(&exact(values), &rule).word, TrendWord::Growing);
}

#[test]
fn what_grew_and_stopped_is_a_plateau_that_stands_on_the_last_half() {
    let trend = course(|hour, all| 200.0 * hour.min(all / 2.0), 13.0);
    assert_eq!((trend.word, trend.grows), (TrendWord::Plateau, false));
    assert_eq!(trend.why, "it rose, and no longer does in the last half");
    assert!(trend.from_h > 6.5 && trend.hours < 6.5 && trend.blocks == 35, "{trend:?}");
    assert!(trend.slope.is_some_and(|slope| slope.high < 32.0));
}

#[test]
fn a_fill_that_goes_on_after_the_warm_up_is_a_plateau_and_one_that_is_over_is_stable() {
    let filled = |size: f64| {
        let hour = |block: u32| (f64::from(block) + 0.5) * BLOCK_H;
        let value = |block| 6_144.0 + size * (1.0 - (-hour(block) / 0.75).exp());
        judged(&exact((0..78).map(value)), &RULE)
    };
    let trend = filled(4_096.0);
    assert_eq!(trend.word, TrendWord::Plateau, "860 MiB of it come after the warm-up");
    assert!(trend.hours < 6.5, "{trend:?}");
    assert_eq!(filled(128.0).word, TrendWord::Stable, "all but 22 MiB come within the warm-up");
}

#[test]
fn a_leak_that_begins_late_is_not_called_stable() {
    let begins: [(Course, &str); 2] = [
        (|hour, all| 100.0 * (hour - all * 0.5).max(0.0), "it rises, but not all the time"),
        (|hour, all| 100.0 * (hour - all * 0.8).max(0.0), "it rises at the end, above all before"),
    ];
    for (begin, why) in begins {
        let trend = course(begin, 24.0);
        assert_eq!((trend.word, trend.why.as_str()), (TrendWord::Unresolved, why));
    }
}

#[test]
fn a_hump_that_turns_over_is_no_growth() {
    let hump: Course = |hour, _| 320.0 * (std::f64::consts::FRAC_PI_2 * hour / 7.36).sin();
    assert_eq!(course(hump, 5.8).word, TrendWord::Unresolved);
    assert_eq!(course(hump, 13.0).word, TrendWord::Stable);
}

#[test]
fn a_step_has_its_time_and_height_and_is_no_growth() {
    for at in [0.3, 0.8] {
        let values = |height| {
            let after = move |block: usize| f64::from(u8::from(block as f64 >= 78.0 * at));
            exact((0..78).map(move |block| 6_144.0 + (block % 3) as f64 + height * after(block)))
        };
        for height in [500.0, -500.0] {
            let trend = judged(&values(height), &RULE);
            assert_eq!((trend.word, trend.grows), (TrendWord::Step, false), "{at} {height}");
            let step = trend.step.unwrap();
            assert!((step.hours - 13.0 * at).abs() < 0.3, "{step:?}");
            assert_eq!((step.from, step.to), (6_145.0, 6_145.0 + height));
        }
    }
}

#[test]
fn a_step_of_less_than_a_twentieth_is_left_out_and_no_event() {
    let trend = course(|hour, all| where_true(hour > all / 2.0, 200.0), 13.0);
    assert_eq!(trend.word, TrendWord::Stable);
    assert!(trend.step.is_some_and(|step| (step.to - step.from - 200.0).abs() < 40.0));
}

#[test]
fn a_leak_beside_a_step_is_growing_and_names_the_step() {
    let trend = course(|hour, all| 50.0 * hour + where_true(hour > all / 2.0, 500.0), 13.0);
    assert_eq!(trend.word, TrendWord::Growing);
    assert!(trend.step.is_some_and(|step| (step.hours - 6.5).abs() < 0.3), "{:?}", trend.step);
    assert!(trend.slope.is_some_and(|slope| (slope.value - 50.0).abs() < 10.0));
}

#[test]
fn a_ramp_is_no_step() {
    let ramp = course(|hour, all| 500.0 * ((hour - all * 0.4) / 2.0).clamp(0.0, 1.0), 13.0);
    assert_eq!(ramp.step, None);
    assert_ne!(ramp.word, TrendWord::Growing);
}

#[test]
fn a_fill_at_one_rate_that_ends_soon_after_the_warm_up_is_no_step() {
    for blocks in [30, 36, 48, 78] {
        let warm = (blocks as f64 * 0.1).max(1.5) as usize + 1;
        for ends in warm + 4..=warm + 14 {
            let filled = |block: usize| 6_144.0 + 100.0 * block.min(ends) as f64;
            let values = (0..blocks).map(|block| filled(block) + (block % 3) as f64);
            let trend = judged(&exact(values), &RULE);
            assert_eq!(trend.step, None, "{blocks} blocks, filled after {ends}");
        }
    }
}

#[test]
fn a_level_that_changes_within_a_block_is_a_step() {
    let level = |block: usize| match block {
        0..40 => 6_144.0,
        40 => 6_394.0,
        _ => 6_644.0,
    };
    let trend = judged(&exact((0..78).map(|block| level(block) + (block % 3) as f64)), &RULE);
    assert_eq!(trend.word, TrendWord::Step, "{trend:?}");
}

#[test]
fn a_growth_below_the_threshold_rises_all_the_time_and_one_that_begins_late_does_not() {
    let slow = course(|hour, _| 10.0 * hour, 13.0);
    assert_eq!((slow.word, slow.rises, slow.grows), (TrendWord::Stable, true, false));
    let late = course(|hour, _| 10.0 * (hour - 9.0).max(0.0) * 10.0, 13.0);
    assert!(!late.rises && late.late.is_some_and(|low| low > 32.0), "{late:?}");
    let flat = course(|_, _| 0.0, 13.0);
    assert!(!flat.rises && flat.late.is_none_or(|low| low < 32.0), "{flat:?}");
    let short = course(|hour, _| 10.0 * hour, 6.0);
    assert_eq!(short.too_short.as_deref(), Some("6 h 00 m seen, 8 h 00 m needed"));
    assert_eq!(slow.too_short, None);
}

#[test]
fn a_series_that_jumps_has_two_levels() {
    let trend = course(|hour, _| where_true(is_upper(hour), 3_000.0), 13.0);
    assert_eq!((trend.word, trend.step), (TrendWord::TwoLevels, None));
    let (low, high) = trend.levels.unwrap();
    assert!((high - low - 3_000.0).abs() < 60.0, "{low} {high}");
}

#[test]
fn one_step_at_any_place_is_not_two_levels() {
    for seed in 0..20 {
        for after in 1..60 {
            let mut rng = Rng::at(seed, &[after]);
            let level = |index| 100.0 + where_true(index >= after, 8.0);
            let values: Vec<f64> = (0..60).map(|index| level(index) + 0.7 * rng.normal()).collect();
            assert_eq!(levels(&values, 1.0), None, "seed {seed}, after {after}");
        }
    }
}

#[test]
fn a_leak_within_two_levels_is_growing() {
    let trend = course(|hour, _| 50.0 * hour + where_true(is_upper(hour), 3_000.0), 13.0);
    assert_eq!((trend.word, trend.levels.is_some()), (TrendWord::Growing, true));
    assert!(trend.slope.is_some_and(|slope| (slope.value - 50.0).abs() < 10.0));
}

#[test]
fn a_small_count_that_goes_back_and_forth_is_stable() {
    let rule = TrendRule { threshold: 1.0, ..RULE };
    for low in [0.0, 5.0] {
        let values = (0..78).map(|block| low + f64::from(block / 4 % 2));
        assert_eq!(judged(&exact(values), &rule).word, TrendWord::Stable);
    }
}

#[test]
fn a_slow_wave_has_no_two_levels() {
    let wave: Course = |hour, _| 1_000.0 * (std::f64::consts::TAU * hour / 24.0).sin();
    assert_eq!(course(wave, 72.0).levels, None);
}

#[test]
fn where_more_is_better_a_loss_grows_and_a_gain_falls() {
    let free = TrendRule { threshold: 64.0, better: Better::Higher, ..RULE };
    let trend = judged(&points(|hour, _| -100.0 * hour, 13.0), &free);
    assert_eq!(trend.word, TrendWord::Growing);
    let slope = trend.slope.unwrap();
    assert!(slope.low < -100.0 && -100.0 < slope.high && slope.high < -64.0, "{slope:?}");
    assert_eq!(judged(&points(|hour, _| 100.0 * hour, 13.0), &free).word, TrendWord::Falling);
}

#[test]
fn missing_samples_are_no_data_and_never_a_pass() {
    let trend = judged(&[], &RULE);
    assert_eq!((trend.word, trend.why.as_str()), (TrendWord::NoData, "no samples"));
    let trend = decide(&[Evidence::without_data(0.9499, &RULE)]).remove(0);
    assert_eq!((trend.word, trend.p), (TrendWord::NoData, None));
    assert_eq!(trend.why, "94 % of the expected samples");
    let nan = exact([f64::NAN; 78]);
    assert_eq!(judged(&nan, &RULE).word, TrendWord::NoData);
}

#[test]
fn the_longest_of_four_times_is_left_out_and_half_at_most() {
    let from_h = |rule: TrendRule, hours: f64| {
        judged(&exact(vec![1.0; (hours * 6.0).round() as usize]), &rule).from_h
    };
    let near = |seen: f64, wanted: f64| assert!((seen - wanted).abs() < 1e-9, "{seen}, {wanted}");
    near(from_h(RULE, 2.0), 0.25);
    near(from_h(RULE, 13.0), 1.3);
    near(from_h(TrendRule { first_lap_h: 2.2, ..RULE }, 13.0), 2.2);
    near(from_h(TrendRule { first_lap_h: 9.0, ..RULE }, 13.0), 6.5);
    let jump = exact((0..78).map(|block| if block < 25 { 900.0 } else { 100.0 }));
    let slow = points(|hour, _| 800.0 * (-hour / 0.75).exp(), 13.0);
    near(judged(&jump, &RULE).from_h, 1.3);
    assert!(judged(&slow, &RULE).from_h > 2.5, "MSER-5 finds the end of a slow warm-up");
}

#[test]
fn a_leak_has_no_warm_up_that_ends() {
    let trend = judged(&exact((0..78).map(|block| 100.0 * f64::from(block))), &RULE);
    assert!((trend.from_h - 1.3).abs() < 1e-9, "{}", trend.from_h);
}

#[test]
fn a_p_value_is_adjusted_for_the_series_that_were_tested() {
    let weak = examine(&points(|hour, _| 8.0 * hour, 13.0), &RULE);
    let alone = decide(std::slice::from_ref(&weak)).remove(0).p.unwrap();
    let healthy = |seed| {
        let values = series(|_, _| 0.0, NOISE, 780, &mut Rng::at(seed, &[]));
        examine(&values, &RULE)
    };
    let mut all: Vec<Evidence> = (0..20).map(healthy).collect();
    all.push(Evidence::without_data(0.5, &RULE));
    all.push(weak);
    let trends = decide(&all);
    assert!(trends[21].p.is_some_and(|p| p > alone), "{:?} {alone}", trends[21].p);
    assert_eq!((trends[20].word, trends[20].p), (TrendWord::NoData, None));
    assert!(trends[..20].iter().all(|trend| trend.word == TrendWord::Stable));
}

#[test]
fn blocks_of_ten_seconds_are_judged_like_blocks_of_ten_minutes() {
    let faster = 60.0;
    let rule = TrendRule {
        threshold: RULE.threshold * faster,
        block_h: BLOCK_H / faster,
        warmup_h: RULE.warmup_h / faster,
        long_enough_h: 8.0 / faster,
        ..RULE
    };
    let courses: [Course; 3] =
        [|hour, _| 100.0 * hour, |_, _| 0.0, |h, all| where_true(h > all / 2.0, 500.0)];
    for course in courses {
        let slow = points(course, 13.0);
        let quick: Vec<Point> =
            slow.iter().map(|it| Point { hours: it.hours / faster, ..*it }).collect();
        assert_eq!(judged(&slow, &RULE).word, judged(&quick, &rule).word);
    }
}
