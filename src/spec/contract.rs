//! What must hold: gates on measures, by depth, class, phase or load, with a
//! limit that is absolute, relative to the reference window, or an attainment.

mod read;

pub(super) use read::{Scope, read};

use crate::fact::{Class, Group, Load, Phase};
use crate::measure::Measure;

/// Everything that must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Contract {
    /// In the order of the file.
    pub gates: Vec<Gate>,
}

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gate {
    /// What is measured.
    pub measure: Measure,
    /// On which part of the run. A depth that the contract leaves open means every depth, each by itself.
    pub select: Select,
    /// Up to, or from, where it holds.
    pub limit: Limit,
    /// With a share, the limit is on single values and this share of requests must
    /// meet it; bad endings count as not met. A fraction, 0 to 1.
    pub attain: Option<f64>,
    /// As written, for reports: `ttft_p95 d32768: 45s`.
    pub text: String,
    /// The line in the scenario, from 1.
    pub line: usize,
}

/// The part of a run that a gate is about. What is `None` is left open.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Select {
    /// Planned context before the prompt, tokens.
    pub depth: Option<u64>,
    /// The kind of ask.
    pub class: Option<Class>,
    /// The phase; left open, it is every steady phase.
    pub phase: Option<Phase>,
    /// So many streams, or so many requests per second.
    pub load: Option<Load>,
    /// The workload's name.
    pub workload: Option<String>,
}

impl Select {
    /// Whether the requests of a group are in it, the phase aside. What has no cell has no
    /// depth and no load that could be asked for.
    pub(crate) fn takes(&self, group: &Group) -> bool {
        self.depth.is_none_or(|depth| group.depth() == Some(depth))
            && self.load.is_none_or(|load| group.load() == Some(load))
            && self.class.is_none_or(|class| group.class == class)
            && self.workload.as_ref().is_none_or(|workload| group.workload == *workload)
    }

    /// The part of it that a group without a cell is.
    #[must_use]
    pub(crate) fn within(&self, group: &Group) -> Select {
        let (class, workload) = (Some(group.class), Some(group.workload.clone()));
        Select { class, workload, ..self.clone() }
    }
}

/// Where a gate's limit lies, in the base unit of its measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// At most this fraction of the same measure in the reference window.
    AtMostOfReference(f64),
    /// At least this fraction of the same measure in the reference window.
    AtLeastOfReference(f64),
}
