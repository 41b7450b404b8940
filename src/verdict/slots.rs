//! Says where the streams of a round did not run together: a server with fewer slots than streams,
//! and totals of rounds in which streams waited for the prefill of others.

use crate::analysis::Analysis;
use crate::measure::{Measure, Quantity};
use crate::spec::Select;
use crate::stats::{Dist, Estimate};

use super::{Finding, GateResult};

/// Least median share of a round that is told beside a total.
pub(crate) const STAGGER_MIN: f64 = 0.1;

/// Returns the finding on a server that worked on fewer streams than longhaul had.
pub(crate) fn fewer(analysis: &Analysis) -> Option<String> {
    let fewer = analysis.slots.fewer()?;
    let waited = match fewer.waited {
        1 => "1 waited".to_owned(),
        n => format!("up to {n} waited"),
    };
    Some(format!(
        "the server worked on {} of {} streams at once, and {waited}: look at its number of slots \
         (vLLM's `max_num_seqs`, llama.cpp's `-np`)",
        fewer.together, fewer.streams
    ))
}

/// Returns the median share of the rounds of a selection in which streams waited for the prefill of
/// others, in percent; `None` below a tenth.
pub(crate) fn stagger(select: &Select, analysis: &Analysis) -> Option<u64> {
    let mut dist = Dist::new();
    analysis.atoms_of(select).for_each(|atom| dist.merge(&atom.stagger));
    let share =
        dist.percentile(0.5).and_then(Estimate::known).filter(|share| *share >= STAGGER_MIN)?;
    Some((share * 100.0).round() as u64)
}

/// Returns what stands beside a total of several streams.
pub(crate) fn beside(quantity: Quantity, select: &Select, analysis: &Analysis) -> Option<String> {
    let share = (quantity == Quantity::Throughput).then(|| stagger(select, analysis))??;
    Some(format!("in {share} % of a round's time streams waited for the prefill of others"))
}

/// Returns the finding on a contract with limits for totals, where streams waited in a part of their
/// rounds: those totals are no decode rates.
pub(crate) fn staggered(gates: &[GateResult], analysis: &Analysis) -> Option<Finding> {
    let of_total =
        |gate: &&GateResult| matches!(gate.measure, Measure::Of(Quantity::Throughput, _));
    let totals = gates.iter().filter(of_total);
    let waited = totals.filter_map(|gate| Some((stagger(&gate.select, analysis)?, gate)));
    let (share, gate) = waited.max_by_key(|(share, _)| *share)?;
    let words = format!(
        "`{}` counts whole rounds, and in {share} % of their time streams waited for the prefill of others",
        gate.text
    );
    Some(Finding { words, evidence: Vec::new(), is_of_setting: false })
}
