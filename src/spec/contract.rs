//! Defines the contract: gates on measures, by depth, class, phase or load. A gate's limit is
//! absolute, relative to the reference window, or an attainment.

mod read;

pub(super) use read::{Scope, read};

use std::fmt;

use crate::fact::{Class, Group, Load, Phase};
use crate::measure::Measure;
use crate::series::growth::JudgedSeries;

/// Contract of a scenario.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Contract {
    /// Gates in the order of the file.
    pub gates: Vec<Gate>,
}

/// Gate: a limit on a measure of a part of the run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gate {
    /// Measure that the limit applies to.
    pub measure: Measure,
    /// Part of the run. A depth left open means every depth, each judged separately.
    pub select: Select,
    /// Limit of the measure.
    pub limit: Limit,
    /// Attainment, a fraction from 0 to 1. If set, the limit applies to single values, and this
    /// share of requests must meet it; failed requests count as not met.
    pub attain: Option<f64>,
    /// Whether it is only asked where the memory of the server or its machine was read.
    pub where_seen: bool,
    /// Text of the gate for reports: `ttft_p95 d32768: 45s`.
    pub text: String,
    /// Line in the scenario, from 1.
    pub line: usize,
}

/// Part of a run that a gate applies to. `None` means any value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Select {
    /// Planned context before the prompt, tokens.
    pub depth: Option<u64>,
    /// Class of the requests.
    pub class: Option<Class>,
    /// Phase; `None` means every steady phase.
    pub phase: Option<Phase>,
    /// Load: streams, or requests per second.
    pub load: Option<Load>,
    /// Name of the workload.
    pub workload: Option<String>,
    /// Series, for a gate on growth; `None` means all that are judged.
    pub series: Option<&'static JudgedSeries>,
}

impl Select {
    /// Whether a group's requests belong to this part, the phase aside. A group without a cell has
    /// no depth and no load, so a selected depth or load excludes it.
    pub(crate) fn takes(&self, group: &Group) -> bool {
        self.depth.is_none_or(|depth| group.depth() == Some(depth))
            && self.load.is_none_or(|load| group.load() == Some(load))
            && self.class.is_none_or(|class| group.class == class)
            && self.workload.as_ref().is_none_or(|workload| group.workload == *workload)
    }

    /// Returns the selection narrowed to the class and workload of a group without a cell.
    #[must_use]
    pub(crate) fn within(&self, group: &Group) -> Select {
        let (class, workload) = (Some(group.class), Some(group.workload.clone()));
        Select { class, workload, ..self.clone() }
    }
}

/// Limit of a gate, in the base unit of its measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// Upper bound.
    AtMost(f64),
    /// Lower bound.
    AtLeast(f64),
    /// Upper bound, as a fraction of the same measure elsewhere in the run.
    AtMostOf(f64, Base),
    /// Lower bound, as a fraction of the same measure elsewhere in the run.
    AtLeastOf(f64, Base),
}

impl Limit {
    /// Returns the part of the run that a relative limit refers to.
    pub(crate) fn base(self) -> Option<Base> {
        match self {
            Limit::AtMost(_) | Limit::AtLeast(_) => None,
            Limit::AtMostOf(_, base) | Limit::AtLeastOf(_, base) => Some(base),
        }
    }
}

/// Part of the run that a relative limit refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// The reference window.
    Reference,
    /// The same load at another depth, tokens.
    Depth(u64),
}

impl Base {
    /// Returns the selection that a limit on another one refers to.
    pub(crate) fn select(self, select: &Select) -> Select {
        match self {
            Base::Reference => Select { phase: Some(Phase::Reference), ..select.clone() },
            Base::Depth(depth) => Select { depth: Some(depth), ..select.clone() },
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Base::Reference => f.write_str("reference window"),
            Base::Depth(depth) => write!(f, "d{depth}"),
        }
    }
}
