//! What placeholders stand for: the recipe's defaults under what the user
//! sets, as sparkrun's config chain holds them.

use std::collections::BTreeMap;

use super::draft::Draft;
use crate::escape::one_line;
use crate::spec::node::python::{Dict, Python, coerce, json, strip};

/// Values by key. A key may be there with nothing (`null`): then nothing below it counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(BTreeMap<String, Python>);

impl Values {
    /// The value of a key, where it is there and is not null.
    pub fn get(&self, key: &str) -> Option<&Python> {
        self.0.get(key).filter(|value| **value != Python::None)
    }

    /// The value of a key, null too.
    pub fn entry(&self, key: &str) -> Option<&Python> {
        self.0.get(key)
    }

    /// A value as text, as placeholders are filled in.
    pub fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(Python::str)
    }

    /// Sets a key, over whatever stands there.
    pub fn set(&mut self, key: &str, value: Python) {
        self.0.insert(key.to_owned(), value);
    }

    /// Sets a key that is not there at all.
    pub fn fill(&mut self, key: &str, value: Python) {
        self.0.entry(key.to_owned()).or_insert(value);
    }

    /// Everything that is there, null included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Python)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The recipe's own: its defaults, and what is there by itself. A default whose key is no
    /// text (`8000: x`) is out of a placeholder's reach.
    pub fn of(draft: &Draft) -> Values {
        let mut values = Values::default();
        for (key, value) in draft.defaults.iter().chain(&draft.layered) {
            if let Python::Text(key) = key {
                values.set(key, value.clone());
            }
        }
        values.fill("model", draft.model.clone());
        if draft.revision.is_true() {
            values.fill("model_revision", draft.revision.clone());
        }
        let resolved = draft.resolved_model_path.clone().map(Python::Text);
        values.fill("resolved_model_path", resolved.unwrap_or_else(|| draft.model.clone()));
        values
    }

    /// The same under what the user set: whole values replace, dotted keys edit inside.
    ///
    /// # Errors
    /// A dotted key goes through something that is no mapping, in one sentence.
    pub fn with(mut self, set: &[(String, Python)]) -> Result<Values, String> {
        let mut dotted: Vec<&(String, Python)> = Vec::new();
        for pair in set {
            if is_dotted(&pair.0) {
                dotted.push(pair);
            } else {
                self.set(&pair.0, pair.1.clone());
            }
        }
        // `a.b={…}` and then `a.b.c=1` refines, in whatever order they were given.
        dotted.sort_by_key(|(key, _)| key.matches('.').count());
        for (key, value) in dotted {
            let path: Vec<&str> = key.split('.').collect();
            if path.len() > PARTS_MAX {
                let shown = one_line(key, 60);
                return Err(format!("`{shown}` goes more than {PARTS_MAX} fields deep"));
            }
            let Some(root) = self.get(path[0]).cloned() else {
                return Err(format!(
                    "`{key}` sets a field of `{}`, which has no value to edit",
                    path[0]
                ));
            };
            let edited = edit(root, &path, 1, leaf(value))?;
            self.set(path[0], edited);
        }
        Ok(self)
    }
}

/// What the user set, as sparkrun's `-o key=value` takes it; the last of a key counts.
pub fn set_of(pairs: &[(String, String)]) -> Vec<(String, Python)> {
    let mut set: Vec<(String, Python)> = Vec::new();
    for (key, value) in pairs {
        let value = coerce(strip(value));
        match set.iter_mut().find(|(known, _)| known == key) {
            Some(pair) => pair.1 = value,
            None => set.push((key.clone(), value)),
        }
    }
    set
}

/// `env.KEY` goes to the environment; a key of sparkrun's own begins with `_`.
fn is_dotted(key: &str) -> bool {
    key.contains('.')
        && !key.starts_with(['_'])
        && !key.starts_with("env.")
        && key.split('.').all(|part| !part.is_empty())
}

/// A value that is typed as JSON is structure.
fn leaf(value: &Python) -> Python {
    let text = value.text().filter(|text| text.starts_with(['{', '[']));
    text.and_then(json::loads).unwrap_or_else(|| value.clone())
}

/// Bounds how deep a dotted key edits; nothing that is served nests as deep.
const PARTS_MAX: usize = 64;

/// Sets the field that `path[depth..]` leads to.
fn edit(value: Python, path: &[&str], depth: usize, new: Python) -> Result<Python, String> {
    let mapping = match value {
        Python::Map(pairs) => Some(Python::Map(pairs)),
        Python::Text(text) => json::loads(&text),
        _ => None,
    };
    let Some(Python::Map(pairs)) = mapping else {
        return Err(format!(
            "`{}` sets a field inside `{}`, whose value is no mapping",
            path.join("."),
            path[..depth].join(".")
        ));
    };
    let key = Python::Text(path[depth].to_owned());
    let inner = if depth + 1 == path.len() {
        new
    } else {
        let child = pairs.iter().find(|(known, _)| *known == key).map(|(_, child)| child.clone());
        let child = child.filter(|child| *child != Python::None);
        edit(child.unwrap_or(Python::Map(Vec::new())), path, depth + 1, new)?
    };
    let mut dict = Dict::of(pairs);
    dict.insert(key, inner);
    Ok(Python::Map(dict.into_pairs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(set: &[(&str, &str)]) -> Result<Values, String> {
        let mut values = Values::default();
        values.set("spec", Python::Text(r#"{"method": "mtp", "n": 1, "in": {"b": 2}}"#.to_owned()));
        values.set("port", Python::Int(8000));
        let set: Vec<(String, String)> =
            set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        values.with(&set_of(&set))
    }

    #[test]
    fn a_dotted_key_has_an_end() {
        let deep = format!("spec{}", ".x".repeat(20_000));
        assert!(values(&[(&deep, "1")]).unwrap_err().contains("fields deep"));
    }

    #[test]
    fn a_dotted_key_edits_inside_a_json_text_and_makes_a_mapping_of_it() {
        let values = values(&[("spec.n", "3"), ("spec.in.c", "[1, true]"), ("spec.new.x", "yes")]);
        assert_eq!(
            values.unwrap().text("spec").unwrap(),
            "{'method': 'mtp', 'n': 3, 'in': {'b': 2, 'c': [1, True]}, 'new': {'x': True}}"
        );
        let refined = super::tests::values(&[("spec.in.b", "7"), ("spec.in", "{\"a\": 1}")]);
        assert_eq!(
            refined.unwrap().text("spec").unwrap(),
            "{'method': 'mtp', 'n': 1, 'in': {'a': 1, 'b': 7}}"
        );
    }

    #[test]
    fn a_dotted_key_without_a_mapping_is_refused() {
        assert!(values(&[("port.x", "1")]).unwrap_err().contains("`port`"));
        assert!(values(&[("gone.x", "1")]).unwrap_err().contains("no value to edit"));
        assert!(values(&[("spec.n.x", "1")]).unwrap_err().contains("`spec.n`"));
    }

    #[test]
    fn words_of_a_command_line_become_what_they_look_like() {
        let text = |word: &str| set_of(&[("k".to_owned(), word.to_owned())])[0].1.repr();
        for (word, value) in [
            ("8", "8"),
            ("010", "10"),
            ("1_000", "1000"),
            ("1__0", "'1__0'"),
            ("0.90", "0.9"),
            ("1e5", "100000.0"),
            ("nan", "nan"),
            ("TRUE", "True"),
            ("no", "False"),
            ("on", "'on'"),
            (" x ", "'x'"),
            ("", "''"),
            ("null", "'null'"),
        ] {
            assert_eq!(text(word), value, "{word}");
        }
    }
}
