//! Builds the tree from the parser's events, within bounds on its size.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle};

use super::{Document, Duplicate, Flaw, Node, Value};

/// Maximum size of a file, bytes: refuses a log or a model given by mistake.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Maximum nesting depth: recursion over the tree must not exhaust the stack.
const DEPTH_MAX: usize = 64;

/// Maximum number of keys of a map: [`Node::get`] is linear, and all keys quadratic.
const KEYS_MAX: usize = 4096;

/// Maximum number of nodes: the tree takes far more memory than its text.
const NODES_MAX: usize = 500_000;

pub(crate) fn parse(text: &str) -> Result<Document, Flaw> {
    check_size(text)?;
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| Flaw::new(error.marker().line().max(1), error.info()))?;
        let bytes = span.byte_range().unwrap_or(0..0);
        builder.event(event, span.start.line().max(1), bytes)?;
    }
    let Some(root) = builder.root else { return Err(Flaw::new(1, "the file is empty")) };
    builder.duplicates.sort_by_key(|duplicate| duplicate.again);
    Ok(Document { root, duplicates: builder.duplicates })
}

/// Refuses a text above the maximum size, which its reader may have truncated.
pub(crate) fn check_size(text: &str) -> Result<(), Flaw> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    let what = format!("the file is larger than {} MiB", TEXT_BYTES_MAX >> 20);
    Err(Flaw::new(1, what).hint("a recipe, or a saved command line"))
}

fn rare(line: usize) -> Flaw {
    let what = "tags (`!x`), anchors (`&x`), aliases (`*x`) and merge keys (`<<`) are not read";
    Flaw::new(line, what).hint("the value itself at each place; a text that begins so in quotes")
}

#[derive(Default)]
struct Builder {
    /// Open maps and lists, each with its line; keys and values alternate.
    open: Vec<(usize, Vec<Node>)>,
    root: Option<Node>,
    duplicates: Vec<Duplicate>,
    nodes: usize,
    has_begun: bool,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, line: usize, span: Range<usize>) -> Result<(), Flaw> {
        let is_rare = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(_, anchor, tag)
            | Event::MappingStart(_, anchor, tag) => *anchor != 0 || tag.is_some(),
            event => matches!(event, Event::Alias(_)),
        };
        if is_rare {
            return Err(rare(line));
        }
        match event {
            Event::DocumentStart(..) if std::mem::replace(&mut self.has_begun, true) => {
                Err(Flaw::new(line, "the file holds several documents; only one is read"))
            }
            Event::Scalar(raw, style, ..) => {
                let quoted = style != ScalarStyle::Plain;
                let value = Value::Scalar { raw: raw.into_owned(), quoted };
                self.add(Node { value, line, span })
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if self.open.len() == DEPTH_MAX {
                    return Err(Flaw::new(line, format!("nested more than {DEPTH_MAX} deep")));
                }
                self.open.push((line, Vec::new()));
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((line, items)) = self.open.pop() else { return Ok(()) };
                let is_map = matches!(event, Event::MappingEnd);
                let value =
                    if is_map { Value::Map(self.pairs(items, line)?) } else { Value::Seq(items) };
                self.add(Node { value, line, span: 0..0 })
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, node: Node) -> Result<(), Flaw> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Flaw::new(node.line, format!("more than {NODES_MAX} values")));
        }
        match self.open.last_mut() {
            Some((_, items)) => items.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }

    fn pairs(&mut self, items: Vec<Node>, line: usize) -> Result<Vec<(Node, Node)>, Flaw> {
        let mut pairs = Vec::new();
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            let Value::Scalar { raw, quoted } = &key.value else {
                let what = format!("{} is not a key", key.kind());
                return Err(Flaw::new(key.line, what)
                    .hint("a text that holds braces or brackets in quotes"));
            };
            if raw == "<<" && !quoted {
                return Err(rare(key.line));
            }
            if let Some(first) = lines.insert(raw.clone(), key.line) {
                let key = Duplicate { key: raw.clone(), first, again: key.line };
                self.duplicates.push(key);
            }
            pairs.push((key, value));
        }
        if pairs.len() > KEYS_MAX {
            return Err(Flaw::new(line, format!("a mapping with more than {KEYS_MAX} keys")));
        }
        Ok(pairs)
    }
}
