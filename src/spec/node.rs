//! Represents a YAML file as a tree with lines, spans and duplicate keys, which typed readers lose.

use std::collections::BTreeMap;
use std::ops::Range;

mod build;
pub(crate) mod python;
mod write;

pub(crate) use build::{check_size, parse};
pub(crate) use write::{double_quoted, write};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub value: Value,
    pub line: usize,
    /// Byte range of a scalar in its text, quotes included.
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Scalar of any type; its reader decides which.
    Scalar {
        /// Text after YAML's unescaping.
        raw: String,
        /// Whether it was quoted or a block scalar, and so is always text.
        quoted: bool,
    },
    /// Pairs in the order of the file, duplicate keys included.
    Map(Vec<(Node, Node)>),
    Seq(Vec<Node>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    pub root: Node,
    /// Duplicate keys of maps, in the order of the file.
    pub duplicates: Vec<Duplicate>,
}

/// Duplicate key of a map. The later one applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate {
    pub key: String,
    pub first: usize,
    pub again: usize,
}

/// Reason why a text is no YAML file that longhaul reads.
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

    /// Adds a hint of what to write instead.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Flaw {
        self.hints.push(hint.into());
        self
    }
}

impl Node {
    /// Creates a scalar without a place in a file.
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

    /// Returns the pairs of a map with scalar keys: the last value of each key, in the order of the
    /// keys' first occurrence.
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

    /// Returns the value of a key, the last one of a duplicate key.
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

    /// Returns the text of a scalar that is neither empty nor `null`.
    pub(crate) fn said(&self) -> Option<&str> {
        if self.is_null() { None } else { self.text() }
    }

    /// Whether the value is empty or an unquoted `null`.
    pub(crate) fn is_null(&self) -> bool {
        let Value::Scalar { raw, quoted: false } = &self.value else { return false };
        matches!(raw.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Map(_) => "a mapping",
            Value::Seq(_) => "a list",
            Value::Scalar { .. } if self.is_null() => "null",
            Value::Scalar { .. } => "a single value",
        }
    }
}

#[cfg(test)]
mod tests;
