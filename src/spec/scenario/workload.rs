//! Lists the kinds of workload of a scenario. Only this module knows which there are; all others
//! use the methods of the enum.

use std::time::Duration;

use super::read::ReadTextFile as LoadText;
use super::{Ladder, Overrides, ladder};
use crate::error::Mistake;
use crate::fact::Load;
use crate::spec::SpecFile;
use crate::spec::field::Field;

/// Workload of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Workload {
    /// Every depth × every load, in rounds.
    Ladder(Ladder),
}

/// Bound beyond which a workload skips depths, at the speed measured at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cap {
    /// Longest cold prefill.
    pub prefill: Duration,
    /// Smallest depth above 0, tokens.
    pub shallowest: Option<u64>,
    /// Largest depth, tokens.
    pub deepest: u64,
}

impl Workload {
    /// Keys of `workloads` in a scenario.
    pub(super) const NAMES: [&str; 1] = [ladder::NAME];

    /// Name in rows and contracts.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Workload::Ladder(_) => ladder::NAME,
        }
    }

    /// Parses the value of one of [`Workload::NAMES`].
    pub(super) fn read(name: &str, field: &Field<'_>, load: LoadText<'_>) -> Result<Self, Mistake> {
        match name {
            ladder::NAME => Ok(Workload::Ladder(ladder::read(field, load)?)),
            _ => Err(field.mistake(format!("`{name}` is not a workload"))),
        }
    }

    /// Returns the workloads with overridden axes, and warnings about them.
    pub(super) fn with(
        workloads: Vec<Workload>,
        overrides: &Overrides,
    ) -> Result<(Vec<Workload>, Option<String>), Mistake> {
        let ladders = workloads.into_iter().map(|Workload::Ladder(ladder)| ladder).collect();
        let (ladders, warning) = ladder::with(ladders, overrides)?;
        Ok((ladders.into_iter().map(Workload::Ladder).collect(), warning))
    }

    /// Context depths of its requests, tokens.
    pub(crate) fn depths(&self) -> &[u64] {
        match self {
            Workload::Ladder(ladder) => &ladder.depths,
        }
    }

    /// Loads of its requests, in the order of a lap.
    pub(crate) fn loads(&self) -> Vec<Load> {
        match self {
            Workload::Ladder(ladder) => ladder.loads().collect(),
        }
    }

    /// Whether the server is asked to write each answer to its whole length.
    pub(crate) fn is_of_exact_output(&self) -> bool {
        match self {
            Workload::Ladder(ladder) => ladder.exact_output,
        }
    }

    /// Texts of the user that its prompts are cut from; none where text is generated from the seed.
    pub(crate) fn texts(&self) -> &[SpecFile] {
        match self {
            Workload::Ladder(ladder) => &ladder.texts,
        }
    }

    /// Bound beyond which it skips depths, if it has one.
    pub(crate) fn cap(&self) -> Option<Cap> {
        match self {
            Workload::Ladder(ladder) => Some(Cap {
                prefill: ladder.cap?,
                shallowest: ladder.depths.iter().copied().find(|depth| *depth > 0),
                deepest: ladder.depths.iter().max().copied().unwrap_or_default(),
            }),
        }
    }
}
