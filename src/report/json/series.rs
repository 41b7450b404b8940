//! Writes readings over time for scripts, with every block.

use serde::Serialize;

use crate::analysis::OverTime;
use crate::analysis::series::{Block, LifetimeBlocks, SeriesBlocks};
use crate::unit::At;

/// Series for scripts; its values are in base units.
#[derive(Serialize)]
pub(super) struct SeriesJson<'a> {
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

/// Block with its phase.
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

pub(super) fn documents(over_time: &OverTime) -> Vec<SeriesJson<'_>> {
    over_time.series.iter().map(document).collect()
}

fn document(series: &SeriesBlocks) -> SeriesJson<'_> {
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
    SeriesJson {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::over_time;
    use crate::series::MEM_AVAILABLE;

    #[test]
    fn scripts_are_given_every_block() {
        let json = serde_json::to_value(documents(&over_time())).unwrap();
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
}
