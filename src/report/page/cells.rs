//! The numbers of one group in one phase: endings, and the statistics that its
//! samples are enough for.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::{Atom, Tally, statistic};
use crate::fact::{Ended, Group, Load, Phase};
use crate::measure::{Quantity, Statistic};
use crate::stats::Dist;

/// What the requests of one phase and group did.
#[derive(Clone, Debug)]
pub(crate) struct CellNumbers<'a> {
    pub phase: Phase,
    /// The workload, the class and the cell.
    pub group: &'a Group,
    /// How many ended how.
    pub endings: &'a Tally<Ended>,
    /// Whole answers among these.
    pub good: u64,
    /// Requests that met an outage, or the recovery after it.
    pub in_outage: u64,
    /// Requests whose prompt was off its planned length.
    pub off_depth: u64,
    /// The share of prompt tokens that came from the cache, where the server tells.
    pub cached_share: Option<f64>,
    /// How often each check fired.
    pub checks: &'a Tally<String>,
    /// Statistics by quantity, in base units.
    pub measures: BTreeMap<Quantity, Numbers>,
}

/// The statistics of a quantity; `None` with fewer samples than one needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Numbers {
    pub n: u64,
    /// The arithmetic mean.
    pub mean: Option<f64>,
    /// The least value.
    pub min: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    pub p50: Option<f64>,
    /// The 95th percentile.
    pub p95: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// Samples beyond what the histogram holds.
    pub saturated: u64,
}

impl<'a> CellNumbers<'a> {
    /// The numbers of an atom.
    pub(crate) fn of(atom: &'a Atom) -> CellNumbers<'a> {
        let measures = atom.dists.iter();
        CellNumbers {
            phase: atom.phase,
            group: &atom.group,
            endings: &atom.ended,
            good: atom.count(Ended::is_good),
            in_outage: atom.in_outage,
            off_depth: atom.off_depth,
            cached_share: atom.cached_share(),
            checks: &atom.checks,
            measures: measures.map(|(quantity, dist)| (*quantity, Numbers::of(dist))).collect(),
        }
    }

    /// Whether requests were sent on time however slow the answers.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.group.load(), Some(Load::PerSecond(_)))
    }

    /// A statistic of a quantity.
    pub(crate) fn value(&self, quantity: Quantity, of: fn(&Numbers) -> Option<f64>) -> Option<f64> {
        self.measures.get(&quantity).and_then(of)
    }
}

impl Numbers {
    /// The statistics of some values.
    pub(crate) fn of(dist: &Dist) -> Numbers {
        Numbers {
            n: dist.n(),
            mean: statistic(dist, Statistic::Mean),
            min: dist.min(),
            max: statistic(dist, Statistic::Max),
            p50: statistic(dist, Statistic::P50),
            p95: statistic(dist, Statistic::P95),
            p99: statistic(dist, Statistic::P99),
            saturated: dist.saturated(),
        }
    }
}
