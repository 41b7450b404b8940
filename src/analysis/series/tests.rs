use super::*;
use crate::analysis::thinned::KEPT_MAX;
use crate::analysis::{Calendar, CalendarFold};
use crate::incident::fixture::Story;
use crate::series::{LOG_LINES, MEM_AVAILABLE};

fn blocks_of(calendar: &Calendar) -> Blocks {
    Blocks::new(Rc::new(Spans::new(calendar)))
}

fn over_time(story: &Story) -> OverTime {
    let mut pass = CalendarFold::default();
    story.entries.iter().for_each(|entry| pass.fold(entry));
    let mut blocks = blocks_of(&pass.finish());
    story.entries.iter().for_each(|entry| blocks.fold(entry));
    blocks.finish()
}

/// Adds a reading of available memory every ten seconds, from one second to another.
fn memory(story: &mut Story, (from, until): (u32, u32), value: impl Fn(u32) -> f64) {
    for second in (from..=until).step_by(10) {
        story.reading(f64::from(second), Source::Host, MEM_AVAILABLE.name, value(second));
    }
}

fn spans_of(lifetime: &LifetimeBlocks) -> Vec<(u64, u64)> {
    let seconds = |at: At| at.0 / 1_000_000;
    lifetime.blocks.iter().map(|block| (seconds(block.from), seconds(block.until))).collect()
}

#[test]
fn a_block_is_as_many_whole_laps_as_last_ten_minutes() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Soak);
    for lap in 0..20u32 {
        memory(&mut story, (lap * 250 + 10, lap * 250 + 250), f64::from);
        story.round(f64::from(lap * 250 + 250), lap.into());
    }
    let reported = over_time(&story);
    assert_eq!((reported.series.len(), reported.left_out), (1, 0));
    let lifetime = &reported.series[0].lifetimes[0];
    let laps = [(0, 750), (750, 1_500), (1_500, 2_250), (2_250, 3_000)];
    assert_eq!(spans_of(lifetime)[..4], laps);
    assert_eq!((lifetime.first, lifetime.last), (10.0, 5_000.0));
    assert_eq!((lifetime.min(), lifetime.max()), (10.0, 5_000.0));
    let block = lifetime.blocks[1];
    assert_eq!((block.n, block.min, block.max), (75, 760.0, 1_500.0));
    assert_eq!((block.mean, block.median, block.phase), (1_130.0, 1_130.0, Phase::Soak));
}

#[test]
fn a_lap_that_is_longer_than_ten_minutes_is_one_block() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Soak);
    for lap in 0..3u32 {
        memory(&mut story, (lap * 4_000 + 10, lap * 4_000 + 4_000), f64::from);
        story.round(f64::from(lap * 4_000 + 2_000), lap.into());
        story.round(f64::from(lap * 4_000 + 4_000), lap.into());
    }
    let reported = over_time(&story);
    let spans = spans_of(&reported.series[0].lifetimes[0]);
    assert_eq!(spans, [(0, 4_000), (4_000, 8_000), (8_000, 12_000)]);
}

#[test]
fn where_no_lap_ends_a_block_is_ten_minutes_and_a_phase_has_its_own() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Soak).phase(500.0, Phase::Idle);
    memory(&mut story, (10, 2_000), f64::from);
    let reported = over_time(&story);
    let lifetime = &reported.series[0].lifetimes[0];
    assert_eq!(spans_of(lifetime), [(0, 500), (500, 1_100), (1_100, 1_700), (1_700, 2_000)]);
    let phases: Vec<Phase> = lifetime.blocks.iter().map(|block| block.phase).collect();
    assert_eq!(phases, [Phase::Soak, Phase::Idle, Phase::Idle, Phase::Idle]);
}

#[test]
fn lifetimes_of_the_server_are_kept_apart_and_the_time_between_is_in_none() {
    let mut story = Story::soaking();
    memory(&mut story, (10, 100), |_| 50.0);
    story.started(100.0, 1_000.0).up(100.0, true);
    story.bad(101.0, 0, crate::fact::Ended::Refused, "refused").up(102.0, false);
    story.reading(105.0, Source::Host, MEM_AVAILABLE.name, 99.0);
    story.up(110.0, true).started(110.0, 1_109.0);
    memory(&mut story, (120, 200), |_| 70.0);
    let reported = over_time(&story);
    let memory = reported.series.iter().find(|of| of.name == MEM_AVAILABLE.name).unwrap();
    let levels: Vec<(f64, f64)> =
        memory.lifetimes.iter().map(|lifetime| (lifetime.min(), lifetime.max())).collect();
    assert_eq!(levels, [(50.0, 50.0), (70.0, 70.0)]);
}

#[test]
fn a_segment_has_a_clock_of_its_own() {
    let mut story = Story::soaking();
    memory(&mut story, (10, 900), |_| 1.0);
    story.segment = 1;
    story.opened().phase(0.0, Phase::Soak);
    memory(&mut story, (10, 300), |_| 2.0);
    let reported = over_time(&story);
    let memory = reported.series.iter().find(|of| of.name == MEM_AVAILABLE.name).unwrap();
    let found: Vec<(u32, f64)> =
        memory.lifetimes.iter().map(|lifetime| (lifetime.segment, lifetime.max())).collect();
    assert_eq!(found, [(0, 1.0), (1, 2.0)]);
}

#[test]
fn seconds_that_are_handed_over_late_are_counted_once() {
    let mut story = Story::soaking();
    memory(&mut story, (10, 100), |_| 5.0);
    for second in 41..100 {
        story.reading(f64::from(second), Source::Host, MEM_AVAILABLE.name, 9.0);
    }
    memory(&mut story, (110, 200), |_| 5.0);
    let reported = over_time(&story);
    let memory = reported.series.iter().find(|of| of.name == MEM_AVAILABLE.name).unwrap();
    let lifetime = &memory.lifetimes[0];
    let n: u64 = lifetime.blocks.iter().map(|block| block.n).sum();
    assert_eq!((n, lifetime.max()), (20, 5.0));
}

#[test]
fn seconds_around_an_incident_weigh_no_more_than_rows_of_ten() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Soak);
    memory(&mut story, (10, 200), |_| 5.0);
    for second in 201..=260 {
        story.reading(f64::from(second), Source::Host, MEM_AVAILABLE.name, 9.0);
    }
    let reported = over_time(&story);
    let block = reported.series[0].lifetimes[0].blocks[0];
    assert_eq!((block.n, block.median), (80, 5.0), "20 tens against 6 of 60 seconds");
}

#[test]
fn what_is_no_number_and_what_came_before_the_load_is_left_out() {
    let mut story = Story::new();
    story.opened().reading(5.0, Source::Host, MEM_AVAILABLE.name, 3.0).phase(10.0, Phase::Soak);
    story
        .reading(20.0, Source::Host, MEM_AVAILABLE.name, f64::NAN)
        .closed(30.0, crate::fact::ClosedBecause::Done);
    assert_eq!(over_time(&story), OverTime::default());
}

#[test]
fn series_beyond_the_bound_are_counted() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Soak);
    for index in 0..SERIES_MAX + 3 {
        let mut reading = Reading::single(Source::Process, LOG_LINES, 1.0);
        reading.instance = format!("worker {index:03}");
        story.push(10.0, Fact::Reading(reading));
    }
    story.closed(20.0, crate::fact::ClosedBecause::Done);
    let reported = over_time(&story);
    assert_eq!((reported.series.len(), reported.left_out), (SERIES_MAX, 3));
}

#[test]
fn a_long_block_keeps_every_second_mean() {
    let mut means = Means::default();
    for index in 0..10_000u32 {
        let at = At(u64::from(index) * MEAN_US);
        means.fold(at, &Reading::single(Source::Host, "x", f64::from(index)));
    }
    assert!(means.kept.kept() <= KEPT_MAX);
    let median = means.median();
    assert!((median - 5_000.0).abs() < 20.0, "{median}");
}

/// Returns the bytes that the fold and its result hold. The result is a copy.
fn bytes(blocks: &Blocks) -> usize {
    fn of_lifetimes(lifetimes: &Vec<LifetimeBlocks>) -> usize {
        let blocks = lifetimes.iter().map(|lifetime| lifetime.blocks.capacity());
        lifetimes.capacity() * size_of::<LifetimeBlocks>()
            + blocks.sum::<usize>() * size_of::<Block>()
    }
    // Approximate bytes for names and the nodes of the maps.
    const NAMES: usize = 200;
    let means = |known: &OneSeries| known.open.as_ref().map_or(0, |open| open.means.kept.kept());
    let held = blocks.series.iter().map(|known| {
        let own = size_of::<OneSeries>() + NAMES + means(known) * size_of::<f64>();
        own + of_lifetimes(&known.lifetimes)
    });
    let given = blocks.finish();
    let given = given
        .series
        .iter()
        .map(|series| size_of::<SeriesBlocks>() + NAMES + of_lifetimes(&series.lifetimes));
    let spans = size_of_val(blocks.spans.all());
    held.sum::<usize>() + given.sum::<usize>() + spans
}

/// Returns a reading of each of so many processes.
fn workers(story: &Story, count: u32) -> Vec<Entry> {
    let entry = |index| {
        let mut reading = Reading::single(Source::Process, "rss_bytes", 1.0);
        reading.instance = format!("worker {index:03}");
        Entry { fact: Fact::Reading(reading), ..story.entries[0].clone() }
    };
    (0..count).map(entry).collect()
}

#[test]
fn three_days_of_two_hundred_series_stay_below_twenty_megabytes() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Warmup).phase(600.0, Phase::Soak);
    (0..72 * 6u32).for_each(|lap| {
        story.round(f64::from(lap + 2) * 600.0, lap.into());
    });
    let mut pass = CalendarFold::default();
    story.entries.iter().for_each(|entry| pass.fold(entry));
    let mut blocks = blocks_of(&pass.finish());
    let mut entries = workers(&story, 200);
    for minute in 1..=72 * 60u32 {
        for entry in &mut entries {
            entry.at = Story::at(f64::from(minute) * 60.0);
            blocks.fold(entry);
        }
    }
    let (held, reported) = (bytes(&blocks), blocks.finish());
    let n: usize = reported.series.iter().map(|series| series.lifetimes[0].blocks.len()).sum();
    assert_eq!((reported.left_out, n), (0, 200 * 432));
    assert!(held < 20_000_000, "{held} bytes");
}

#[test]
fn a_run_of_thousands_of_lifetimes_does_not_fill_the_memory() {
    const LIVES: u32 = 2_500;
    const SERIES: u32 = 20;
    for blocks_of_a_life in [1, 2] {
        let mut story = Story::new();
        for life in 0..LIVES {
            story.segment = life;
            story.opened().phase(0.0, Phase::Soak);
            if blocks_of_a_life == 2 {
                story.phase(30.0, Phase::Idle);
            }
            story.up(60.0, true);
        }
        let mut pass = CalendarFold::default();
        story.entries.iter().for_each(|entry| pass.fold(entry));
        let calendar = pass.finish();
        assert_eq!(calendar.lifetimes().len(), LIVES as usize);
        let mut blocks = blocks_of(&calendar);
        let mut entries = workers(&story, SERIES);
        for step in 0..LIVES * 2 {
            for entry in &mut entries {
                entry.segment = step / 2;
                entry.at = Story::at(f64::from(step % 2) * 30.0 + 15.0);
                blocks.fold(entry);
            }
        }
        let (held, reported) = (bytes(&blocks), blocks.finish());
        assert!(reported.left_out > 0 && blocks.kept + 1 >= BLOCKS_MAX, "{} kept", blocks.kept);
        let lives: usize = reported.series.iter().map(|series| series.lifetimes.len()).sum();
        assert!(lives >= BLOCKS_MAX / (blocks_of_a_life + 1) - 1, "{lives} lifetimes");
        // Each series also needs room for means of the largest size.
        let means = SERIES_MAX * KEPT_MAX * size_of::<f64>();
        assert!(held + means < 20_000_000, "{held} bytes");
    }
}

#[test]
fn ever_new_names_beyond_the_bound_leave_nothing_behind() {
    let mut story = Story::new();
    story.opened().phase(0.0, Phase::Soak).up(20.0, true);
    let mut pass = CalendarFold::default();
    story.entries.iter().for_each(|entry| pass.fold(entry));
    let mut blocks = blocks_of(&pass.finish());
    let mut entry = story.entries[0].clone();
    entry.at = Story::at(10.0);
    for index in 0..SERIES_MAX + 1_000 {
        let name = format!("made_up_{index:04}");
        entry.fact = Fact::Reading(Reading::single(Source::Engine, &name, 1.0));
        blocks.fold(&entry);
    }
    assert_eq!((blocks.series.len(), blocks.finish().left_out), (SERIES_MAX, 1_000));
}
