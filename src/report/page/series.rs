//! Formats readings over time: a line for every lifetime of every series.

use crate::analysis::OverTime;
use crate::analysis::series::{LifetimeBlocks, SeriesBlocks};
use crate::report::words::counted;
use crate::series::{self, SeriesUnit};
use crate::unit::span;

use super::{Grid, GridValue, Heading};

/// Bound on the rows: a server that exited every minute has thousands of lifetimes.
const ROWS_MAX: usize = 400;

/// Builds the table of series: first, last, least and largest value of every lifetime.
pub(super) fn grid(over_time: &OverTime) -> Grid {
    let mut headings = ["series", "instance", "lifetime"].map(Heading::left).to_vec();
    headings.extend(["first", "last", "min", "max"].map(Heading::right));
    let lifetimes = over_time.series.iter().flat_map(lifetimes);
    let rows = lifetimes.take(ROWS_MAX).map(|(series, index, of)| row(series, index, of));
    Grid { headings, rows: rows.collect() }
}

/// Returns a sentence for each thing that was left out.
pub(super) fn left_out(over_time: &OverTime) -> Vec<String> {
    let mut words = Vec::new();
    let more = over_time.series.iter().flat_map(lifetimes).count().saturating_sub(ROWS_MAX);
    if more > 0 {
        let n = counted(more as u64, "lifetime more of a series", "lifetimes more of series");
        words.push(format!("{n}: report --format json"));
    }
    if over_time.left_out > 0 {
        let n = counted(over_time.left_out, "reading", "readings");
        words.push(format!("{n} in no block: more series, or more lifetimes, than are kept"));
    }
    words
}

fn lifetimes(
    series: &SeriesBlocks,
) -> impl Iterator<Item = (&SeriesBlocks, usize, &LifetimeBlocks)> {
    series.lifetimes.iter().enumerate().map(move |(index, of)| (series, index, of))
}

fn row(series: &SeriesBlocks, index: usize, lifetime: &LifetimeBlocks) -> Vec<GridValue> {
    let unit = series::of(series.source, &series.name).map_or(SeriesUnit::Unknown, |of| of.unit);
    let length_us = lifetime.until.since(lifetime.from);
    let mut row = vec![
        GridValue::Text(format!("{} {}", series.source.word(), series.name)),
        GridValue::text(series.instance.as_str()),
        GridValue::Text(format!("{}, {}", index + 1, span(length_us as f64 / 1e6))),
    ];
    let values = [lifetime.first, lifetime.last, lifetime.min(), lifetime.max()];
    row.extend(values.map(|value| datum(unit, value)));
    row
}

fn datum(unit: SeriesUnit, value: f64) -> GridValue {
    match unit {
        SeriesUnit::Bytes if value >= 0.0 => GridValue::Bytes(value as u64),
        SeriesUnit::Share => GridValue::Share(value),
        SeriesUnit::Micros => GridValue::Span(value / 1e6),
        SeriesUnit::Epoch => GridValue::Text(format!("{value:.0}")),
        _ => GridValue::Number(value),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::analysis::{Calendar, CalendarFold, Fold};
    use crate::fact::{Phase, Source};
    use crate::incident::fixture::Story;
    use crate::report::layout;
    use crate::series::{KV_USAGE, MEM_AVAILABLE};

    /// Returns twenty minutes of falling memory, and of a cache that is a quarter full.
    pub(crate) fn over_time() -> OverTime {
        let mut story = Story::new();
        story.opened().phase(0.0, Phase::Soak);
        for minute in 1..=20u32 {
            let (second, value) = (f64::from(minute * 60), f64::from(40 - minute));
            story.reading(second, Source::Host, MEM_AVAILABLE.name, value * 1_073_741_824.0);
            story.reading(second, Source::Engine, KV_USAGE.name, 0.25);
        }
        let mut pass = CalendarFold::default();
        story.entries.iter().for_each(|entry| pass.fold(entry));
        let calendar: Calendar = pass.finish();
        let mut fold = Fold::over_time(&crate::analysis::fixture::asked(&[0]), calendar);
        story.entries.iter().for_each(|entry| fold.fold(entry));
        fold.finish().over_time
    }

    #[test]
    fn a_lifetime_is_a_line_with_its_first_and_last_value_and_its_bounds() {
        let lines = layout::grid(&grid(&over_time()));
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&lines[0]), "series instance lifetime first last min max");
        assert_eq!(
            words(&lines[1]),
            "engine kv_usage_share 1, 20 m 00 s 25.0 % 25.0 % 25.0 % 25.0 %"
        );
        assert_eq!(
            words(&lines[2]),
            "host mem_available_bytes 1, 20 m 00 s 39.0 GiB 20.0 GiB 20.0 GiB 39.0 GiB"
        );
    }

    #[test]
    fn what_found_no_place_is_told() {
        let reported = OverTime { left_out: 7, ..over_time() };
        assert!(left_out(&reported).last().unwrap().starts_with("7 readings in no block"));
        assert!(grid(&OverTime::default()).rows.is_empty());
    }
}
