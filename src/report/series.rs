//! What was read over time: every lifetime as a line, every block for scripts.

use serde::Serialize;

use crate::analysis::OverTime;
use crate::analysis::series::{Block, LifetimeBlocks, SeriesBlocks};
use crate::series::{self, SeriesUnit};
use crate::unit::{At, Bytes, figures, grouped, span};

use super::layout::{counted, percent, table};

/// Bounds the lines: a server that died every minute has thousands of lifetimes.
const LINES_MAX: usize = 400;

/// A series for scripts: its values are in base units.
#[derive(Serialize)]
pub struct Document<'a> {
    source: &'static str,
    name: &'a str,
    instance: &'a str,
    lifetimes: Vec<Lifetime>,
}

#[derive(Serialize)]
struct Lifetime {
    segment: u32,
    from_us: At,
    until_us: At,
    first: f64,
    last: f64,
    min: f64,
    max: f64,
    blocks: Vec<Row>,
}

/// A block, and the phase that it lies in.
#[derive(Serialize)]
struct Row {
    from_us: At,
    until_us: At,
    phase: &'static str,
    n: u64,
    min: f64,
    mean: f64,
    max: f64,
    median: f64,
}

/// All blocks.
pub fn documents(over_time: &OverTime) -> Vec<Document<'_>> {
    over_time.series.iter().map(document).collect()
}

fn document(series: &SeriesBlocks) -> Document<'_> {
    let lifetime = |lifetime: &LifetimeBlocks| Lifetime {
        segment: lifetime.segment,
        from_us: lifetime.from,
        until_us: lifetime.until,
        first: lifetime.first,
        last: lifetime.last,
        min: lifetime.min(),
        max: lifetime.max(),
        blocks: lifetime.blocks.iter().map(row).collect(),
    };
    Document {
        source: series.source.word(),
        name: &series.name,
        instance: &series.instance,
        lifetimes: series.lifetimes.iter().map(lifetime).collect(),
    }
}

fn row(block: &Block) -> Row {
    Row {
        from_us: block.from,
        until_us: block.until,
        phase: block.phase.word(),
        n: block.n,
        min: block.min,
        mean: block.mean,
        max: block.max,
        median: block.median,
    }
}

/// A line for every lifetime of every series: its first and last value, its least and largest.
pub fn lines(over_time: &OverTime) -> Vec<String> {
    if over_time.series.is_empty() {
        return Vec::new();
    }
    let heads = ["series", "instance", "lifetime", "first", "last", "min", "max"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    let mut left_out = 0;
    for series in &over_time.series {
        for (index, lifetime) in series.lifetimes.iter().enumerate() {
            if rows.len() > LINES_MAX {
                left_out += 1;
            } else {
                rows.push(line(series, index, lifetime));
            }
        }
    }
    let mut lines = table(&rows, 3);
    if left_out > 0 {
        let n = counted(left_out, "lifetime more of a series", "lifetimes more of series");
        lines.push(format!("  {n}: report --format json"));
    }
    if over_time.left_out > 0 {
        let n = counted(over_time.left_out, "reading", "readings");
        lines.push(format!("  {n} in no block: more series, or more lifetimes, than are kept"));
    }
    lines
}

fn line(series: &SeriesBlocks, index: usize, lifetime: &LifetimeBlocks) -> Vec<String> {
    let unit = series::of(series.source, &series.name).map_or(SeriesUnit::Unknown, |of| of.unit);
    let length_us = lifetime.until.since(lifetime.from);
    let mut row = vec![
        format!("{} {}", series.source.word(), series.name),
        series.instance.clone(),
        format!("{}, {}", index + 1, span(length_us as f64 / 1e6)),
    ];
    let values = [lifetime.first, lifetime.last, lifetime.min(), lifetime.max()];
    row.extend(values.map(|value| amount(unit, value)));
    row
}

/// A value as people read it.
fn amount(unit: SeriesUnit, value: f64) -> String {
    match unit {
        SeriesUnit::Bytes if value >= 0.0 => Bytes(value as u64).to_string(),
        SeriesUnit::Share => percent(value),
        SeriesUnit::Micros => span(value / 1e6),
        SeriesUnit::Epoch => format!("{value:.0}"),
        _ if value.fract() == 0.0 => grouped(value),
        _ => figures(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Calendar, Fold, Pass1};
    use crate::fact::{Phase, Source};
    use crate::incident::story::Story;
    use crate::series::{KV_USAGE, MEM_AVAILABLE};

    fn told() -> OverTime {
        let mut story = Story::new();
        story.opened().phase(0.0, Phase::Soak);
        for minute in 1..=20u32 {
            let (second, value) = (f64::from(minute * 60), f64::from(40 - minute));
            story.reading(second, Source::Host, MEM_AVAILABLE.name, value * 1_073_741_824.0);
            story.reading(second, Source::Engine, KV_USAGE.name, 0.25);
        }
        let mut pass = Pass1::new();
        story.entries.iter().for_each(|entry| pass.take(entry));
        let calendar: Calendar = pass.finish();
        let mut fold = Fold::over_time(&crate::analysis::story::asked(&[0]), calendar);
        story.entries.iter().for_each(|entry| fold.take(entry));
        fold.finish().over_time
    }

    #[test]
    fn a_lifetime_is_a_line_with_its_first_and_last_value_and_its_bounds() {
        let lines = lines(&told());
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
    fn scripts_are_given_every_block() {
        let json = serde_json::to_value(documents(&told())).unwrap();
        let memory = &json[1];
        assert_eq!(
            (&memory["source"], &memory["name"]),
            (&"host".into(), &MEM_AVAILABLE.name.into())
        );
        let blocks = memory["lifetimes"][0]["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!((&blocks[1]["from_us"], &blocks[1]["n"]), (&600_000_000.into(), &10.into()));
        assert_eq!(blocks[0]["phase"], "soak");
    }

    #[test]
    fn what_found_no_place_is_told() {
        let told = OverTime { left_out: 7, ..told() };
        assert!(lines(&told).last().unwrap().starts_with("  7 readings in no block"));
        assert!(lines(&OverTime::default()).is_empty());
    }
}
