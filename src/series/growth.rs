//! Lists the series whose growth is judged, with the least growth that matters. Names are those of
//! a contract: `growth: { process_anonymous: 32MiB/h }`. The cache of keys and values is not among
//! them: it fills, and that is its purpose.

use super::Series;
use super::table::{
    ANONYMOUS, CGROUP_MEMORY, MEM_AVAILABLE, OPEN_FILES, RESIDENT_MEMORY, RSS, SHARED, SWAP_FREE,
    SWAPPED, THREADS,
};
use crate::fact::Source;
use crate::measure::Better;

const MIB: f64 = 1_048_576.0;

/// Series whose growth is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct JudgedSeries {
    /// Name in contracts and reports.
    pub name: &'static str,
    pub series: &'static Series,
    /// Better direction.
    pub better: Better,
    /// Least growth in the worse direction that matters, units of the series per hour.
    pub per_h: f64,
    /// Whether `growth: 0` and `steps: 0` ask for it. The others are told: they hold what other
    /// series have already, or files that the kernel keeps as long as there is room.
    pub is_gated: bool,
}

/// All of them.
pub(crate) const JUDGED: [JudgedSeries; 10] = [
    gated("process_anonymous", &ANONYMOUS, Better::Lower, 32.0 * MIB),
    gated("process_shared", &SHARED, Better::Lower, 32.0 * MIB),
    gated("process_swapped", &SWAPPED, Better::Lower, 16.0 * MIB),
    gated("process_threads", &THREADS, Better::Lower, 1.0),
    gated("process_open_files", &OPEN_FILES, Better::Lower, 1.0),
    gated("host_mem_available", &MEM_AVAILABLE, Better::Higher, 64.0 * MIB),
    gated("host_swap_free", &SWAP_FREE, Better::Higher, 16.0 * MIB),
    told("process_rss", &RSS),
    told("engine_resident_memory", &RESIDENT_MEMORY),
    told("container_memory", &CGROUP_MEMORY),
];

const fn gated(
    name: &'static str,
    series: &'static Series,
    better: Better,
    per_h: f64,
) -> JudgedSeries {
    JudgedSeries { name, series, better, per_h, is_gated: true }
}

const fn told(name: &'static str, series: &'static Series) -> JudgedSeries {
    JudgedSeries { name, series, better: Better::Lower, per_h: 32.0 * MIB, is_gated: false }
}

impl JudgedSeries {
    /// Returns the one with a name.
    pub(crate) fn parse(name: &str) -> Option<&'static JudgedSeries> {
        JUDGED.iter().find(|judged| judged.name == name)
    }

    /// Returns that of a source's series.
    pub(crate) fn of(source: Source, name: &str) -> Option<&'static JudgedSeries> {
        JUDGED.iter().find(|judged| judged.series.has(source, name))
    }

    /// Whether it is memory of the server's processes, and not counted elsewhere.
    pub(crate) fn is_process_memory(&self) -> bool {
        *self.series == ANONYMOUS || *self.series == SHARED
    }

    /// Whether it is the memory that the machine has left.
    pub(crate) fn is_available_memory(&self) -> bool {
        *self.series == MEM_AVAILABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{KV_USAGE, SeriesUnit};
    use crate::unit::Bytes;

    #[test]
    fn every_judged_series_is_found_by_its_name_and_by_its_readings() {
        for judged in &JUDGED {
            assert_eq!(JudgedSeries::parse(judged.name), Some(judged));
            assert_eq!(JudgedSeries::of(judged.series.source, judged.series.name), Some(judged));
        }
    }

    #[test]
    fn the_guide_lists_every_judged_series_with_its_least_growth() {
        let guide = include_str!("../../docs/formats/scenario.md");
        let row = |judged: &JudgedSeries| {
            let amount = match judged.series.unit {
                SeriesUnit::Bytes => Bytes(judged.per_h as u64).to_string(),
                _ => judged.per_h.to_string(),
            };
            let lost = if judged.better == Better::Higher { " lost" } else { "" };
            let gated = if judged.is_gated { "yes" } else { "no" };
            format!("| `{}` | {amount}/h{lost} | {gated} | ", judged.name)
        };
        let rows = |line: &&str| line.starts_with("| `") && line.contains("/h");
        let rows: Vec<&str> = guide
            .lines()
            .filter(rows)
            .filter(|it| it.contains("| yes |") || it.contains("| no |"))
            .collect();
        assert_eq!(rows.len(), JUDGED.len());
        for (judged, found) in JUDGED.iter().zip(rows) {
            assert!(found.starts_with(&row(judged)), "{found}");
        }
    }

    #[test]
    fn the_kv_cache_fills_and_is_not_judged() {
        assert_eq!(JudgedSeries::of(KV_USAGE.source, KV_USAGE.name), None);
        assert!(JUDGED.iter().all(|judged| judged.series.unit != SeriesUnit::Share));
    }
}
