//! The shape of a YAML file: a tree that keeps what a typed reader loses: raw
//! text, quoting, lines, and keys that stand twice.
//!
//! Knows YAML, and nothing of recipes or scenarios. What a scalar means is
//! said by whoever reads it; [`python`] says what it is to Python.

use std::collections::BTreeMap;
use std::ops::Range;

mod build;
pub mod python;
mod write;

pub use build::{check_size, parse};
pub use write::{quoted, write};

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it begins, from 1.
    pub line: usize,
    /// The bytes of a scalar in its text, quotes among them.
    pub span: Range<usize>,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
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

/// A whole file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its only document.
    pub root: Node,
    /// Keys that stand twice in one map, in the order of the file.
    pub duplicates: Vec<Duplicate>,
}

/// A key that stands twice in one map. The later one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    pub key: String,
    /// Where it stood before, from 1.
    pub first: usize,
    /// Where it stands again, from 1.
    pub again: usize,
}

/// Why a text is no YAML file that longhaul reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hints: Vec<String>,
}

impl Flaw {
    /// A flaw at a line.
    pub fn new(line: usize, message: impl Into<String>) -> Flaw {
        Flaw { line, message: message.into(), hints: Vec::new() }
    }

    /// The same with something to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Flaw {
        self.hints.push(hint.into());
        self
    }
}

impl Node {
    /// A scalar that stands in no file.
    pub fn scalar(raw: impl Into<String>, quoted: bool) -> Node {
        Node { value: Value::Scalar { raw: raw.into(), quoted }, line: 0, span: 0..0 }
    }

    /// A map that stands in no file.
    pub fn map(pairs: Vec<(Node, Node)>) -> Node {
        Node { value: Value::Map(pairs), line: 0, span: 0..0 }
    }

    /// The pairs of a map, empty for anything else.
    pub fn pairs(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The pairs of a map with scalar keys, the last of each key, in the order in which
    /// the keys first stand.
    pub fn entries(&self) -> Vec<(&str, &Node)> {
        let mut entries: Vec<(&str, &Node)> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, value) in self.pairs() {
            let Some(key) = key.text() else { continue };
            if let Some(at) = places.get(key) {
                entries[*at].1 = value;
            } else {
                places.insert(key, entries.len());
                entries.push((key, value));
            }
        }
        entries
    }

    /// The value of a key: the last one, where it stands twice.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let pairs = self.pairs();
        pairs.iter().rev().find(|(known, _)| known.text() == Some(key)).map(|(_, value)| value)
    }

    /// The items of a list.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it is a map.
    pub fn is_map(&self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { raw, .. } => Some(raw),
            _ => None,
        }
    }

    /// The text of a scalar that is not empty and not `null`.
    pub fn said(&self) -> Option<&str> {
        if self.is_null() { None } else { self.text() }
    }

    /// Whether nothing stands there, or an unquoted `null`.
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { raw, quoted: false } => {
                matches!(raw.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// What it is, for a message: `a list`.
    pub fn kind(&self) -> &'static str {
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
