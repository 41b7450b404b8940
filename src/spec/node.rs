//! The shape of a YAML file: a tree that keeps what a typed reader loses.

use std::collections::BTreeMap;
use std::ops::Range;

mod build;
pub(crate) mod python;
mod write;

pub(crate) use build::{check_size, parse};
pub(crate) use write::{quoted, write};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub value: Value,
    pub line: usize,
    /// The bytes of a scalar in its text, quotes among them.
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text, a number, a switch: whatever its reader makes of it.
    Scalar {
        /// The text after YAML's own escapes.
        raw: String,
        /// Whether it stood in quotes or in a block, and so can only be a text.
        quoted: bool,
    },
    /// Pairs as they stand, keys that stand twice included.
    Map(Vec<(Node, Node)>),
    Seq(Vec<Node>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub root: Node,
    /// Keys that stand twice in one map, in the order of the file.
    pub duplicates: Vec<Duplicate>,
}

/// A key that stands twice in one map. The later one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    pub key: String,
    pub first: usize,
    pub again: usize,
}

/// Why a text is no YAML file that longhaul reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub line: usize,
    pub message: String,
    pub hints: Vec<String>,
}

impl Flaw {
    pub(crate) fn new(line: usize, message: impl Into<String>) -> Flaw {
        Flaw { line, message: message.into(), hints: Vec::new() }
    }

    /// The same with something to write instead.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Flaw {
        self.hints.push(hint.into());
        self
    }
}

impl Node {
    /// A scalar that stands in no file.
    pub(crate) fn scalar(raw: impl Into<String>, quoted: bool) -> Node {
        Node { value: Value::Scalar { raw: raw.into(), quoted }, line: 0, span: 0..0 }
    }

    pub(crate) fn map(pairs: Vec<(Node, Node)>) -> Node {
        Node { value: Value::Map(pairs), line: 0, span: 0..0 }
    }

    pub(crate) fn pairs(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The pairs of a map with scalar keys, the last of each key, in the order in which the keys
    /// first stand.
    pub(crate) fn entries(&self) -> Vec<(&str, &Node)> {
        let mut entries: Vec<(&str, &Node)> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, value) in self.pairs().iter().filter_map(|(key, it)| Some((key.text()?, it))) {
            let at = *places.entry(key).or_insert(entries.len());
            match entries.get_mut(at) {
                Some(entry) => entry.1 = value,
                None => entries.push((key, value)),
            }
        }
        entries
    }

    /// The value of a key: the last one, where it stands twice.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let pairs = self.pairs();
        pairs.iter().rev().find(|(known, _)| known.text() == Some(key)).map(|(_, value)| value)
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { raw, .. } => Some(raw),
            _ => None,
        }
    }

    /// The text of a scalar that is not empty and not `null`.
    pub(crate) fn said(&self) -> Option<&str> {
        if self.is_null() { None } else { self.text() }
    }

    /// Whether nothing stands there, or an unquoted `null`.
    pub(crate) fn is_null(&self) -> bool {
        let Value::Scalar { raw, quoted: false } = &self.value else { return false };
        matches!(raw.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Map(_) => "a map",
            Value::Seq(_) => "a list",
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "a single value",
        }
    }
}

#[cfg(test)]
mod tests;
