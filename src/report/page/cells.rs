//! Computes the numbers of one group in one phase: endings, and the statistics for which its
//! samples suffice.

use std::collections::BTreeMap;

use crate::analysis::{GroupStatistics, Tally, interval, statistic};
use crate::fact::{Ended, Group, Load, Phase};
use crate::measure::{Quantity, Statistic};
use crate::stats::{Dist, Estimate, RankInterval};

/// Numbers of the requests of one phase and group.
#[derive(Clone, Debug)]
pub(crate) struct CellNumbers<'a> {
    pub phase: Phase,
    /// Workload, class and cell.
    pub group: &'a Group,
    /// Count of requests by ending.
    pub endings: &'a Tally<Ended>,
    /// Count of whole answers among these.
    pub good: u64,
    /// Requests that met an outage, or the recovery after it.
    pub in_outage: u64,
    /// Whole answers whose tokens arrived in one piece.
    pub at_once: u64,
    /// Requests of which longhaul's own delay spoiled a time.
    pub delayed: u64,
    /// Requests whose prompt differed from its planned length.
    pub off_depth: u64,
    /// Median share of a round's time in which some streams waited for the prefill of others.
    pub stagger: Option<f64>,
    /// Share of prompt tokens that came from the cache, where the server reports it.
    pub cached_share: Option<f64>,
    /// Failures of each check.
    pub checks: &'a Tally<String>,
    /// Statistics by quantity, in base units.
    pub measures: BTreeMap<Quantity, Numbers>,
}

/// Statistics of a quantity; `None` with fewer samples than a statistic needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Numbers {
    pub n: u64,
    /// Arithmetic mean.
    pub mean: Option<Estimate>,
    /// Least value.
    pub min: Option<Estimate>,
    /// Largest value.
    pub max: Option<Estimate>,
    pub p50: Option<Estimate>,
    /// 95th percentile.
    pub p95: Option<Estimate>,
    /// 99th percentile.
    pub p99: Option<Estimate>,
    /// Intervals of these percentiles.
    pub intervals: Intervals,
    /// Samples beyond the range of the histogram.
    pub saturated: u64,
}

/// Intervals of percentiles, by the order of the values; `None` with fewer samples than the
/// percentile needs, and where neither end is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Intervals {
    pub p50: Option<RankInterval>,
    pub p95: Option<RankInterval>,
    pub p99: Option<RankInterval>,
}

impl Intervals {
    fn of(dist: &Dist) -> Intervals {
        let of = |statistic: Statistic| interval(dist, statistic);
        Intervals { p50: of(Statistic::P50), p95: of(Statistic::P95), p99: of(Statistic::P99) }
    }
}

impl<'a> CellNumbers<'a> {
    /// Returns the numbers of an atom.
    pub(crate) fn of(atom: &'a GroupStatistics) -> CellNumbers<'a> {
        let measures = atom.dists.iter();
        CellNumbers {
            phase: atom.phase,
            group: &atom.group,
            endings: &atom.ended,
            good: atom.count(Ended::is_good),
            in_outage: atom.in_outage,
            at_once: atom.at_once,
            delayed: atom.delayed,
            off_depth: atom.off_depth,
            stagger: atom.stagger.percentile(0.5).and_then(Estimate::known),
            cached_share: atom.cached_share(),
            checks: &atom.checks,
            measures: measures.map(|(quantity, dist)| (*quantity, Numbers::of(dist))).collect(),
        }
    }

    /// Whether requests were sent on schedule, independent of the answers.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.group.load(), Some(Load::PerSecond(_)))
    }

    /// Returns a statistic of a quantity.
    pub(crate) fn value(
        &self,
        quantity: Quantity,
        of: fn(&Numbers) -> Option<Estimate>,
    ) -> Option<Estimate> {
        self.measures.get(&quantity).and_then(of)
    }
}

impl Numbers {
    /// Returns the statistics of some values.
    pub(crate) fn of(dist: &Dist) -> Numbers {
        Numbers {
            n: dist.n(),
            mean: statistic(dist, Statistic::Mean),
            min: dist.min(),
            max: statistic(dist, Statistic::Max),
            p50: statistic(dist, Statistic::P50),
            p95: statistic(dist, Statistic::P95),
            p99: statistic(dist, Statistic::P99),
            intervals: Intervals::of(dist),
            saturated: dist.saturated(),
        }
    }
}
