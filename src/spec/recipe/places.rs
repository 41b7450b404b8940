//! Where in which file a recipe says what, so that whoever is told of it can
//! go there. A line is where one would change the value: a default before the
//! flag that it is put into.

use std::collections::BTreeMap;
use std::fmt;

use crate::engine::{Engine, flags};
use crate::spec::node::{Document, Node};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Places by what stands there: `container`, `env.NAME`, `mods[0]`, and settings by their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    /// Of a recipe's files, the outermost first: what stands there wins.
    pub fn of(parts: &[(String, Document)], engine: Engine) -> Places {
        let mut places = Places::default();
        for (file, document) in parts {
            for (key, node) in document.root.entries() {
                places.below(file, key, node);
            }
        }
        for (file, document) in parts {
            for (key, node) in document.root.get("defaults").map(Node::entries).unwrap_or_default()
            {
                places.add(&setting(&flags::canonical(engine, key)), file, node.line);
            }
        }
        for (file, document) in parts {
            if let Some(node) = document.root.get("command") {
                places.flags(file, node.line, node.text().unwrap_or_default(), engine);
            }
        }
        places
    }

    /// Of a saved command line.
    pub fn of_line(file: &str, text: &str, image_at: Option<usize>, engine: Engine) -> Places {
        let mut places = Places::default();
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        if let Some(at) = image_at {
            places.add("container", file, line(at));
        }
        places.flags(file, 1, text, engine);
        places
    }

    /// Where a key or a part of one stands.
    pub fn key(&self, name: &str) -> Option<&Place> {
        self.0.get(name)
    }

    /// Where a setting is set.
    pub fn setting(&self, name: &str) -> Option<&Place> {
        self.0.get(&setting(name))
    }

    /// A key, and what stands right below it.
    fn below(&mut self, file: &str, key: &str, node: &Node) {
        self.add(key, file, node.line);
        for (name, node) in node.entries() {
            self.add(&format!("{key}.{name}"), file, node.line);
        }
        for (index, item) in node.items().unwrap_or_default().iter().enumerate() {
            self.add(&format!("{key}[{index}]"), file, item.line);
            for (name, node) in item.entries() {
                self.add(&format!("{key}[{index}].{name}"), file, node.line);
            }
        }
    }

    /// Every flag of a command that begins on a line.
    fn flags(&mut self, file: &str, first: usize, command: &str, engine: Engine) {
        for (index, text) in command.lines().enumerate() {
            for word in text.split_whitespace().filter(|word| word.starts_with('-')) {
                let name =
                    word.trim_start_matches('-').split(['=', '.']).next().unwrap_or_default();
                let name = setting(&flags::canonical(engine, name));
                self.add(&name, file, first + index);
            }
        }
    }

    fn add(&mut self, name: &str, file: &str, line: usize) {
        let place = || Place { file: file.to_owned(), line };
        self.0.entry(name.to_owned()).or_insert_with(place);
    }
}

fn setting(name: &str) -> String {
    format!("setting {name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::node::parse;

    #[test]
    fn a_default_is_where_a_setting_is_changed_and_a_flag_where_there_is_none() {
        let text = "model: m\nenv:\n  A: 1\nmods:\n  - x\n  - y\ndefaults:\n  max_num_seqs: 4\n\
                    command: |\n  vllm serve m \\\n    --max-num-seqs {max_num_seqs} \\\n    -tp 2\n";
        let parts = [
            ("r.yaml".to_owned(), parse(text).unwrap()),
            ("base.yaml".to_owned(), parse("container: i\nmodel: n\n").unwrap()),
        ];
        let places = Places::of(&parts, Engine::Vllm);
        let key = |name: &str| places.key(name).map(ToString::to_string);
        assert_eq!(key("model").as_deref(), Some("r.yaml:1"));
        assert_eq!(key("mods[1]").as_deref(), Some("r.yaml:6"));
        assert_eq!(key("env.A").as_deref(), Some("r.yaml:3"));
        assert_eq!(key("container").as_deref(), Some("base.yaml:1"));
        let set = |name: &str| places.setting(name).map(|place| place.line);
        assert_eq!(set("max_num_seqs"), Some(8));
        assert_eq!(set("tensor_parallel_size"), Some(12));
        assert_eq!(set("seed"), None);
    }
}
