//! From the parser's events to the tree, with a limit on everything that a
//! stranger's file could blow up.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use super::{Document, Duplicate, Flaw, Node, Value, tag};

/// Bounds the file that is read at all: a log or a model given by mistake.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Bounds nesting: what walks the tree does so by recursion, and must not run out of stack.
const DEPTH_MAX: usize = 64;

/// Bounds one map: [`Node::get`] looks a key up among all, and a file of nothing but keys
/// would take for ever.
const KEYS_MAX: usize = 4096;

/// Bounds what aliases may grow a file to, in bytes of memory: a few lines of aliases of
/// aliases ("billion laughs") would otherwise fill it.
const WEIGHT_MAX: usize = 64 << 20;

/// What a node takes beside its text.
const NODE_BYTES: usize = size_of::<Node>();

/// Reads a text as one YAML document.
///
/// # Errors
/// What is wrong and on which line: broken YAML, an empty file, several documents, or a
/// file beyond the limits above.
pub fn parse(text: &str) -> Result<Document, Flaw> {
    check_size(text)?;
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event
            .map_err(|error| Flaw { line: error.marker().line().max(1), message: error.info() })?;
        builder.take(event, span.start.line().max(1))?;
    }
    builder.finish()
}

/// Refuses a text that is larger than any file that is read: what reads it may have cut it.
///
/// # Errors
/// It is.
pub fn check_size(text: &str) -> Result<(), Flaw> {
    if text.len() <= TEXT_BYTES_MAX {
        return Ok(());
    }
    flaw(1, &format!("the file is larger than {} MiB", TEXT_BYTES_MAX >> 20))
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: BTreeMap<usize, Node>,
    duplicates: Vec<Duplicate>,
    tags: Vec<(usize, String)>,
    weight: usize,
    documents: usize,
}

/// A map or list that has not ended. A map's keys and values alternate.
struct Open {
    is_map: bool,
    anchor: usize,
    line: usize,
    items: Vec<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Flaw> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return flaw(line, "the file holds several documents; only one is read");
                }
                Ok(())
            }
            Event::Scalar(raw, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                let value = match tag {
                    None => Value::Scalar { raw: raw.into_owned(), quoted: !is_plain },
                    Some(tag) => self.tagged(tag::scalar(&tag, &raw, is_plain), line),
                };
                let node = Node { value, line };
                self.charge(&node)?;
                self.add(node, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(false, anchor, tag.as_deref(), line),
            Event::MappingStart(_, anchor, tag) => self.begin(true, anchor, tag.as_deref(), line),
            Event::SequenceEnd | Event::MappingEnd => self.end(line),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return flaw(line, "an alias refers to what it stands in");
                };
                let node = node.clone();
                self.check_depth(line, height(&node))?;
                self.charge(&node)?;
                self.add(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn begin(
        &mut self,
        is_map: bool,
        anchor: usize,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<(), Flaw> {
        self.check_depth(line, 1)?;
        let told = tag.and_then(|tag| tag::structure(tag, is_map));
        self.tags.extend(told.map(|told| (line, told)));
        self.open.push(Open { is_map, anchor, line, items: Vec::new() });
        Ok(())
    }

    /// A tagged value, what is to be told of it kept.
    fn tagged<T>(&mut self, (value, told): (T, Option<String>), line: usize) -> T {
        self.tags.extend(told.map(|told| (line, told)));
        value
    }

    fn end(&mut self, line: usize) -> Result<(), Flaw> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = if open.is_map {
            let pairs = pair_up(open.items);
            check_keys(&pairs)?;
            self.find_duplicates(&pairs);
            let pairs = merge(pairs, line)?;
            if pairs.len() > KEYS_MAX {
                return flaw(open.line, &format!("a map with more than {KEYS_MAX} keys"));
            }
            Value::Map(pairs)
        } else {
            Value::Seq(open.items)
        };
        self.add(Node { value, line: open.line }, open.anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Flaw> {
        if anchor != 0 {
            self.charge(&node)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }

    /// Scalars are charged when they come, anything else when an anchor or an alias copies it.
    fn charge(&mut self, node: &Node) -> Result<(), Flaw> {
        self.weight = self.weight.saturating_add(weight(node));
        if self.weight > WEIGHT_MAX {
            return flaw(node.line, "the file holds too much, its aliases written out");
        }
        Ok(())
    }

    fn check_depth(&self, line: usize, more: usize) -> Result<(), Flaw> {
        if self.open.len() + more > DEPTH_MAX {
            return flaw(line, &format!("nested more than {DEPTH_MAX} deep"));
        }
        Ok(())
    }

    fn find_duplicates(&mut self, pairs: &[(Node, Node)]) {
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, _) in pairs {
            let Some(text) = key.text() else { continue };
            if let Some(first) = lines.insert(text, key.line) {
                let key = Duplicate { key: text.to_owned(), first, again: key.line };
                self.duplicates.push(key);
            }
        }
    }

    fn finish(mut self) -> Result<Document, Flaw> {
        let Some(root) = self.root else { return flaw(1, "the file is empty") };
        self.duplicates.sort_by_key(|duplicate| duplicate.again);
        Ok(Document { root, duplicates: self.duplicates, tags: self.tags })
    }
}

fn flaw<T>(line: usize, message: &str) -> Result<T, Flaw> {
    Err(Flaw { line, message: message.to_owned() })
}

/// PyYAML takes no structure for a key, and comparing whole trees takes for ever. It is
/// mostly a placeholder without quotes: `model: {{name}}`.
fn check_keys(pairs: &[(Node, Node)]) -> Result<(), Flaw> {
    match pairs.iter().find(|(key, _)| key.text().is_none()) {
        Some((key, _)) => flaw(
            key.line,
            &format!(
                "{} is no key; put a text that holds braces or brackets in quotes",
                key.kind()
            ),
        ),
        None => Ok(()),
    }
}

fn pair_up(items: Vec<Node>) -> Vec<(Node, Node)> {
    let mut items = items.into_iter();
    let mut pairs = Vec::new();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        pairs.push((key, value));
    }
    pairs
}

/// YAML 1.1's merge key (`<<: *base`), which PyYAML obeys: the merged pairs stand first,
/// so that the map's own count.
fn merge(pairs: Vec<(Node, Node)>, line: usize) -> Result<Vec<(Node, Node)>, Flaw> {
    let is_merge = |key: &Node| !key.is_quoted() && key.text() == Some("<<");
    if !pairs.iter().any(|(key, _)| is_merge(key)) {
        return Ok(pairs);
    }
    let mut merged = Vec::new();
    let mut own = Vec::new();
    for (key, value) in pairs {
        if !is_merge(&key) {
            own.push((key, value));
            continue;
        }
        match value.value {
            Value::Map(more) => merged.extend(more),
            // Of several, the first counts: it must stand last.
            Value::Seq(maps) => {
                for map in maps.into_iter().rev() {
                    if let Value::Map(more) = map.value {
                        merged.extend(more);
                    }
                }
            }
            Value::Scalar { .. } => return flaw(line, "`<<` merges maps, and this is none"),
        }
    }
    merged.append(&mut own);
    Ok(merged)
}

fn weight(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { raw, .. } => NODE_BYTES + raw.len(),
        Value::Seq(items) => NODE_BYTES + items.iter().map(weight).sum::<usize>(),
        Value::Map(pairs) => {
            NODE_BYTES + pairs.iter().map(|(k, v)| weight(k) + weight(v)).sum::<usize>()
        }
    }
}

fn height(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. } => 0,
        Value::Seq(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Value::Map(pairs) => {
            1 + pairs.iter().map(|(k, v)| height(k).max(height(v))).max().unwrap_or(0)
        }
    }
}
