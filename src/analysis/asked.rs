//! What had been asked, as the reader of a run folder knows it: the command
//! layer fills this from the manifest.

use crate::fact::Cell;
use crate::spec::{Contract, Extent};

/// What had been asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RunQuestion {
    /// The recipe's name.
    pub recipe: String,
    /// The scenario's name.
    pub scenario: String,
    /// The model, as the server calls it.
    pub model: String,
    /// The container image with its digest, where the recipe pins one.
    pub container: Option<String>,
    /// The address that was driven.
    pub endpoint: String,
    /// Whether the server was longhaul's own model of one.
    pub simulated: bool,
    /// What was made to go wrong with it, as written.
    pub ailments: Vec<String>,
    pub seed: u64,
    /// Version of longhaul that made the run.
    pub version: String,
    /// The run folder, as people should write it.
    pub folder: String,
    /// The command that does it again.
    pub again: String,
    /// How much was asked for.
    pub extent: Extent,
    /// Laps that are compared; 0 for none.
    pub reference_laps: u64,
    /// Cells of a lap, in the plan's order.
    pub cells: Vec<Cell>,
    /// What must hold.
    pub contract: Contract,
    /// What recipe, scenario and plan had to warn of.
    pub warnings: Vec<String>,
    /// What the journal's reader had to tell.
    pub told: JournalGaps,
}

/// What the journal's reader had to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct JournalGaps {
    /// Numbers of the run's order that no file has a row for.
    pub missing_seqs: u64,
    /// Files whose tail was torn and cut, a sentence each.
    pub torn: Vec<String>,
}
