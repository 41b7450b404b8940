//! The kinds of asking, as a scenario lists them. The one place that knows
//! which kinds there are; everyone else asks the enum.

use std::time::Duration;

use super::read::ReadTextFile as LoadText;
use super::{Ladder, Overrides, ladder};
use crate::error::Mistake;
use crate::fact::Load;
use crate::spec::SpecFile;
use crate::spec::field::Field;

/// A kind of asking.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Workload {
    /// Every depth × every load, in rounds.
    Ladder(Ladder),
}

/// A bound by which a workload leaves depths out, at the speed that is measured at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cap {
    /// The longest cold prefill.
    pub prefill: Duration,
    /// The least depth above 0, tokens.
    pub shallowest: Option<u64>,
    /// The deepest, tokens.
    pub deepest: u64,
}

impl Workload {
    /// The keys of `workloads`.
    pub(super) const NAMES: [&str; 1] = [ladder::NAME];

    /// Its name in rows and contracts.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Workload::Ladder(_) => ladder::NAME,
        }
    }

    /// Reads the value of one of [`Workload::NAMES`].
    pub(super) fn read(name: &str, field: &Field<'_>, load: LoadText<'_>) -> Result<Self, Mistake> {
        match name {
            ladder::NAME => Ok(Workload::Ladder(ladder::read(field, load)?)),
            _ => Err(field.mistake(format!("`{name}` is no workload"))),
        }
    }

    /// Workloads with their axes overridden, and what is to be told of it.
    pub(super) fn with(
        workloads: Vec<Workload>,
        overrides: &Overrides,
    ) -> Result<(Vec<Workload>, Option<String>), Mistake> {
        let ladders = workloads.into_iter().map(|Workload::Ladder(ladder)| ladder).collect();
        let (ladders, warning) = ladder::with(ladders, overrides)?;
        Ok((ladders.into_iter().map(Workload::Ladder).collect(), warning))
    }

    /// Context depths that it asks at, tokens.
    pub(crate) fn depths(&self) -> &[u64] {
        match self {
            Workload::Ladder(ladder) => &ladder.depths,
        }
    }

    /// Loads that it asks with, in the order in which a lap visits them.
    pub(crate) fn loads(&self) -> Vec<Load> {
        match self {
            Workload::Ladder(ladder) => ladder.loads().collect(),
        }
    }

    /// Texts of the user that its asks are made of; none where texts are made from the seed.
    pub(crate) fn texts(&self) -> &[SpecFile] {
        match self {
            Workload::Ladder(ladder) => &ladder.texts,
        }
    }

    /// The bound by which it leaves depths out, if it has one.
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
