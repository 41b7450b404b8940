//! Describes what a run was to do, as the reader of a run folder knows it: the command layer fills
//! this from the manifest.

use crate::fact::Cell;
use crate::spec::recipe::DeclaredSettings;
use crate::spec::{Contract, Extent, TrendBlocks};

/// Description of what a run was to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunDescription {
    /// The recipe's name.
    pub recipe: String,
    /// The scenario's name.
    pub scenario: String,
    /// Model name, as the server reports it.
    pub model: String,
    /// Settings that the recipe declares; none for a run that did not keep them.
    pub declared: DeclaredSettings,
    /// Container image with its digest, where the recipe pins one.
    pub container: Option<String>,
    /// Address of the server under load.
    pub endpoint: String,
    /// Whether the server was simulated.
    pub simulated: bool,
    /// Ailments of the simulated server, as written.
    pub ailments: Vec<String>,
    pub seed: u64,
    /// Version of longhaul that made the run.
    pub version: String,
    /// Run folder, as a reader should write it.
    pub folder: String,
    /// Command that repeats the run.
    pub again: String,
    pub provenance: Provenance,
    /// Extent of the run, in time or laps.
    pub extent: Extent,
    /// Laps of the reference phase that are compared; 0 for none.
    pub reference_laps: u64,
    /// Blocks for trends.
    pub trend: TrendBlocks,
    /// Cells of a lap, in the plan's order.
    pub cells: Vec<Cell>,
    /// Whether the server is asked to write each answer to its whole length.
    pub exact_output: bool,
    /// Tokens that the server's chat template adds to a prompt; 0 where they are not known.
    pub template_tokens: u64,
    /// Contract of the run.
    pub contract: Contract,
    /// Warnings of recipe, scenario and plan.
    pub warnings: Vec<String>,
    /// Gaps that the journal's reader reported.
    pub reported: JournalGaps,
}

/// Engine, machines, command and digests of a run; texts are empty where they are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// Identity of the run.
    pub run: String,
    /// Start of the run, in microseconds since 1970; 0 where it is not known.
    pub began_us: u64,
    /// Engine and its version.
    pub engine: String,
    /// Machines with their roles, kernels and drivers.
    pub hosts: Vec<String>,
    /// Command that the recipe renders to.
    pub command: Option<String>,
    pub recipe_sha256: String,
    pub scenario_sha256: String,
}

/// Gaps that the journal's reader reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JournalGaps {
    /// Sequence numbers for which no file has a row.
    pub missing_seqs: u64,
    /// Rows that a file may have lost, other than at the end of a segment that was cut short.
    pub lost: LostRows,
    /// Files with a torn tail that was cut, a sentence each.
    pub torn: Vec<String>,
    /// Reason why the folder is not as longhaul wrote it, so that nothing is judged by it.
    pub changed: Option<String>,
    /// Reason why longhaul could not write on, which is on no disk: known only where the run is
    /// judged by the longhaul that drove it.
    pub failed: Option<String>,
    /// Whether the folder is of a schema in which such a change cannot be seen.
    pub unsealed: bool,
}

/// Most rows that each file of the journal may have lost. A row that no file has may be missing in
/// any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LostRows {
    pub requests: u64,
    pub events: u64,
    pub readings: u64,
    /// Rows lost in all files together.
    pub all: u64,
}

impl LostRows {
    /// Returns rows of which only the number is known.
    #[cfg(test)]
    pub(crate) fn anywhere(n: u64) -> LostRows {
        LostRows { requests: n, events: n, readings: n, all: n }
    }
}
