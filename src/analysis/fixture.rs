//! Builds run descriptions and gates for tests.

use std::time::Duration;

use crate::analysis::{JournalGaps, Provenance, RunDescription};
use crate::incident::fixture::cell;
use crate::measure::Measure;
use crate::spec::recipe::DeclaredSettings;
use crate::spec::{Contract, Extent, Gate, Limit, Select, TrendBlocks};

/// Returns a run of one minute at some depths, with an empty contract.
pub(crate) fn asked(depths: &[u64]) -> RunDescription {
    RunDescription {
        provenance: Provenance::default(),
        recipe: "nemotron-3-super".to_owned(),
        scenario: "smoke".to_owned(),
        model: "nemotron".to_owned(),
        declared: DeclaredSettings::default(),
        container: None,
        endpoint: "http://127.0.0.1:8000".to_owned(),
        simulated: true,
        ailments: Vec::new(),
        seed: 7,
        version: "0.1.0".to_owned(),
        folder: "runs/tonight".to_owned(),
        again: "longhaul run --recipe nemotron-3-super --scenario smoke --seed 7".to_owned(),
        extent: Extent::Duration(Duration::from_secs(60)),
        reference_laps: 0,
        trend: TrendBlocks::default(),
        cells: depths.iter().map(|depth| cell(*depth)).collect(),
        exact_output: true,
        template_tokens: 0,
        contract: Contract::default(),
        warnings: Vec::new(),
        reported: JournalGaps::default(),
    }
}

/// Returns a gate on a measure by its name.
///
/// # Panics
/// On a name that is not a measure.
pub(crate) fn gate(name: &str, limit: Limit) -> Gate {
    Gate {
        measure: Measure::parse(name).expect("a known name"),
        select: Select::default(),
        limit,
        attain: None,
        where_seen: false,
        text: format!("{name}: …"),
        line: 1,
    }
}
