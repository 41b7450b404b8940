//! Resolves the values of placeholders: the recipe's defaults, overridden by the user.

use std::collections::BTreeMap;

use super::draft::Draft;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::node::python::{Python, coerce, json, put};

/// Values by key. A key set to `null` also hides values of lower precedence.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values(BTreeMap<String, Python>);

impl Values {
    pub(crate) fn get(&self, key: &str) -> Option<&Python> {
        self.0.get(key).filter(|value| **value != Python::None)
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(Python::str)
    }

    pub(crate) fn set(&mut self, key: &str, value: Python) {
        self.0.insert(key.to_owned(), value);
    }

    pub(crate) fn fill(&mut self, key: &str, value: Python) {
        self.0.entry(key.to_owned()).or_insert(value);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Python)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Collects the defaults and the built-in values.
    pub(crate) fn of(draft: &Draft) -> Values {
        let mut values = Values(draft.defaults.iter().cloned().collect());
        values.fill("model", draft.model.clone());
        if draft.revision.is_true() {
            values.fill("model_revision", draft.revision.clone());
        }
        let resolved = draft.resolved_model_path.clone().map(Python::Text);
        values.fill("resolved_model_path", resolved.unwrap_or_else(|| draft.model.clone()));
        values
    }

    /// Applies the user's values: a whole value replaces, a dotted key edits inside.
    pub(crate) fn with(mut self, set: &[(String, Python)]) -> Result<Values, String> {
        let (mut dotted, whole): (Vec<_>, Vec<_>) = set.iter().partition(|(key, _)| is_dotted(key));
        self.0.extend(whole.into_iter().cloned());
        // `a.b.c=1` refines `a.b={…}`, whichever was given first.
        dotted.sort_by_key(|(key, _)| key.matches('.').count());
        for (key, value) in dotted {
            let path: Vec<&str> = key.split('.').collect();
            // No served configuration nests deeper.
            if path.len() > 64 {
                return Err(format!("`{}` goes too many fields deep", one_line(key, 60)));
            }
            let root = self.get(path[0]).cloned().ok_or_else(|| {
                format!("`{key}` sets a field of `{}`, which has no value to edit", path[0])
            })?;
            self.set(path[0], edit(&root, &path, 1, leaf(value))?);
        }
        Ok(self)
    }
}

/// Parses the user's pairs as sparkrun's `-o key=value` does; the last of a key applies.
pub(super) fn set_of(pairs: &[(String, String)]) -> Result<Vec<(String, Python)>, Mistake> {
    let mut set: Vec<(String, Python)> = Vec::new();
    for (key, value) in pairs {
        let value = value.trim();
        let value = coerce(value).ok_or_else(|| {
            Mistake::new(format!("`{}` is a number to Python alone", one_line(value, 60)))
                .at(format!("--set {}", one_line(key, 60)))
                .hint("digits, as 4096 or 0.85")
        })?;
        put(&mut set, key.clone(), value);
    }
    Ok(set)
}

/// Whether a key edits inside a value; `env.KEY` sets a variable, `_…` is sparkrun's own.
fn is_dotted(key: &str) -> bool {
    key.contains('.')
        && !key.starts_with(['_'])
        && !key.starts_with("env.")
        && key.split('.').all(|part| !part.is_empty())
}

/// Parses a value that is written as JSON into a structure.
fn leaf(value: &Python) -> Python {
    let text = value.text().filter(|text| text.starts_with(['{', '[']));
    text.and_then(json::loads).unwrap_or_else(|| value.clone())
}

/// Sets the field at `path[depth..]`.
fn edit(value: &Python, path: &[&str], depth: usize, new: Python) -> Result<Python, String> {
    let mapping = value.text().map_or_else(|| Some(value.clone()), json::loads);
    let Some(Python::Map(mut pairs)) = mapping else {
        let (key, stem) = (path.join("."), path[..depth].join("."));
        return Err(format!("`{key}` sets a field inside `{stem}`, whose value is not a mapping"));
    };
    let inner = if depth + 1 == path.len() {
        new
    } else {
        let child = pairs.iter().find(|(known, it)| known == path[depth] && *it != Python::None);
        let child = child.map_or(Python::Map(Vec::new()), |(_, child)| child.clone());
        edit(&child, path, depth + 1, new)?
    };
    put(&mut pairs, path[depth].to_owned(), inner);
    Ok(Python::Map(pairs))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;

    fn values(set: &[(&str, &str)]) -> Result<Values, String> {
        let mut values = Values::default();
        values.set("spec", Python::Text(r#"{"method": "mtp", "n": 1, "in": {"b": 2}}"#.to_owned()));
        values.set("port", Python::Int(8000));
        let set: Vec<(String, String)> =
            set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        values.with(&set_of(&set).expect("plain"))
    }

    #[test]
    fn a_dotted_key_has_an_end() {
        let deep = format!("spec{}", ".x".repeat(20_000));
        let reported = values(&[(&deep, "1")]).unwrap_err().replace(&deep, "spec.x…");
        assert_snapshot!(reported, @"`spec.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.…` goes too many fields deep");
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
        let keys = ["port.x", "gone.x", "spec.n.x"];
        assert_snapshot!(each(keys, |key| values(&[(key, "1")]).unwrap_err()), @r#"
            "port.x"
                `port.x` sets a field inside `port`, whose value is not a mapping

            "gone.x"
                `gone.x` sets a field of `gone`, which has no value to edit

            "spec.n.x"
                `spec.n.x` sets a field inside `spec.n`, whose value is not a mapping
        "#);
    }

    #[test]
    fn words_of_a_command_line_become_what_they_look_like() {
        let of = |word: &str| set_of(&[("k".to_owned(), word.to_owned())]);
        let text = |word: &str| of(word).map(|set| set[0].1.repr()).expect("plain");
        for (word, value) in [
            ("8", "8"),
            ("010", "10"),
            ("1__0x", "'1__0x'"),
            ("0.90", "0.9"),
            ("1e5", "100000.0"),
            ("TRUE", "True"),
            ("no", "False"),
            ("on", "'on'"),
            (" x ", "'x'"),
            ("", "''"),
            ("null", "'null'"),
        ] {
            assert_eq!(text(word), value, "{word}");
        }
        let words = ["1_000", "nan", "-inf", "1_0.5", "18446744073709551616"];
        assert_snapshot!("refused", each(words, |word| of(word).unwrap_err().to_string()));
    }
}
