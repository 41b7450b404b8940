//! Describes the settings that were changed, short enough for a line.

use super::RunDifferences;
use crate::escape::one_line;

/// Changed setting of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub what: String,
    /// Value in the base, where it has one.
    pub base: Option<String>,
    /// Value in the candidate.
    pub candidate: Option<String>,
}

/// Bounds on the value and the name of a setting in a line, and on the number of settings.
const VALUE_CHARS_MAX: usize = 40;
const NAME_CHARS_MAX: usize = 60;
const NAMED_MAX: usize = 8;

impl Variable {
    /// Returns its name, short enough for a line.
    pub(crate) fn name(&self) -> String {
        one_line(&self.what, NAME_CHARS_MAX)
    }

    /// Formats the change: `max_num_seqs 4 → 8`.
    pub(crate) fn in_words(&self) -> String {
        let side = |value: &Option<String>| {
            let value = value.as_deref().unwrap_or("-");
            if value.chars().count() <= VALUE_CHARS_MAX {
                return value.to_owned();
            }
            value.chars().take(VALUE_CHARS_MAX - 1).chain(['…']).collect()
        };
        format!("{} {} → {}", self.name(), side(&self.base), side(&self.candidate))
    }
}

impl RunDifferences {
    /// Returns the names of the changed settings, as many as a line should have.
    pub(crate) fn named(&self) -> String {
        let names: Vec<String> =
            self.variables.iter().take(NAMED_MAX).map(Variable::name).collect();
        let more = self.variables.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", names.join(", "))
    }

    /// Says what was changed together with something that differs.
    pub(crate) fn came_with(&self) -> String {
        match self.variables.as_slice() {
            [] if self.unknown.contains(&true) => "what was changed with it is unknown".to_owned(),
            [] => "no setting was changed with it".to_owned(),
            [one] => format!("changed with it: {}", one.in_words()),
            _ => format!("changed with it: {}", self.named()),
        }
    }
}
