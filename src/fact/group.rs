//! Defines groups: the requests that tables and statistics take together. The
//! asks of a ladder share a cell; a turn of a conversation has none, since its
//! depth grows.

use std::cmp::Ordering;
use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use super::{Cell, Class, Load};

/// Requests that are counted together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// The workload's name.
    pub workload: String,
    /// The kind of ask.
    pub class: Class,
    /// Depth × load × lengths; `None` where the depth grows from ask to ask.
    pub cell: Option<Cell>,
}

impl Group {
    /// Returns the planned context before the prompt, tokens.
    pub(crate) fn depth(&self) -> Option<u64> {
        self.cell.map(|cell| cell.depth)
    }

    /// Returns the load of its cell.
    pub(crate) fn load(&self) -> Option<Load> {
        self.cell.map(|cell| cell.load)
    }

    /// Returns the concurrent streams of a closed loop; 0 of an open loop, and without a cell.
    pub(crate) fn streams(&self) -> u32 {
        self.cell.map_or(0, |cell| cell.streams())
    }

    /// Whether its requests have a prompt: `p0` only loads a context.
    pub(crate) fn asks(&self) -> bool {
        self.cell.is_none_or(|cell| cell.prompt > 0)
    }

    /// Returns the text for a column of cells: `d4096/c2/p2048/o128`, or the workload's name.
    pub(crate) fn cell_word(&self) -> String {
        self.cell.map_or_else(|| self.workload.clone(), |cell| cell.to_string())
    }

    /// Returns the shortest name that is unambiguous among the others: `d0/c1`, `d0/c1/p512/o64
    /// warm`.
    pub(crate) fn among<'a>(&self, others: impl Iterator<Item = &'a Group> + Clone) -> String {
        let Some(cell) = self.cell else { return self.to_string() };
        let mut text = format!("d{}/{}", cell.depth, cell.load);
        let cells = others.filter_map(|other| Some((other.cell?, other)));
        let alike = cells.filter(|(other, _)| (other.depth, other.load) == (cell.depth, cell.load));
        if alike.clone().any(|(other, _)| other.prompt != cell.prompt) {
            let _ = write!(text, "/p{}", cell.prompt);
        }
        if alike.clone().any(|(other, _)| other.output != cell.output) {
            let _ = write!(text, "/o{}", cell.output);
        }
        let mut same = alike.filter(|(other, _)| *other == cell);
        if same.any(|(_, other)| other.class != self.class) {
            let _ = write!(text, " {}", self.class.word());
        }
        text
    }
}

impl Eq for Group {}

/// Order of all tables: by cell, class and workload; groups without a cell come last.
impl Ord for Group {
    fn cmp(&self, other: &Group) -> Ordering {
        let key = |group: &Group| (group.cell.is_none(), group.cell.map(|cell| cell.order()));
        let by_cell = key(self).cmp(&key(other));
        by_cell
            .then_with(|| self.class.cmp(&other.class))
            .then_with(|| self.workload.cmp(&other.workload))
    }
}

impl PartialOrd for Group {
    fn partial_cmp(&self, other: &Group) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `d4096/c2/p2048/o128 cold`, or `chat follow` without a cell.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cell_word(), self.class.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(cell: &str, class: Class) -> Group {
        Group { workload: "ladder".to_owned(), class, cell: cell.parse().ok() }
    }

    #[test]
    fn groups_come_by_cell_and_class_and_those_without_a_cell_last() {
        let mut groups = [
            Group { workload: "chat".to_owned(), ..group("", Class::First) },
            group("d4096/c1/p512/o64", Class::Cold),
            group("d0/c1/p512/o64", Class::Warm),
            group("d0/c2/p512/o64", Class::Cold),
            group("d0/c1/p512/o64", Class::Cold),
        ];
        groups.sort();
        let names: Vec<String> = groups.iter().map(Group::to_string).collect();
        assert_eq!(
            names,
            [
                "d0/c1/p512/o64 cold",
                "d0/c1/p512/o64 warm",
                "d0/c2/p512/o64 cold",
                "d4096/c1/p512/o64 cold",
                "chat first",
            ]
        );
    }

    #[test]
    fn a_name_is_as_short_as_it_is_clear() {
        let short = group("d0/c1/p512/o64", Class::Cold);
        let others = [
            group("d0/c1/p512/o128", Class::Cold),
            group("d0/c1/p512/o64", Class::Warm),
            group("d8/c1/p9/o9", Class::Cold),
        ];
        assert_eq!(short.among(others[2..].iter()), "d0/c1");
        assert_eq!(short.among(others[..1].iter()), "d0/c1/o64");
        assert_eq!(short.among(others[1..].iter()), "d0/c1 cold");
    }
}
