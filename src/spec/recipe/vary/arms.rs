//! Parses the arms of a sweep from flags and files.

use super::Change;
use crate::error::Mistake;
use crate::spec::SpecFile;
use crate::spec::field::{Field, flawed, shown, strict_document};
use crate::spec::node::python::{self, Python};

/// Name of the arm without changes.
pub(crate) const BASE: &str = "base";

/// Example of a file of arms.
const EXAMPLE: &str = "- { name: eager, changes: { enforce_eager: true } }";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArmSpec {
    pub name: String,
    pub changes: Vec<Change>,
}

/// Parses `key=value,value` into one arm per value.
pub(crate) fn of_flag(text: &str) -> Result<Vec<ArmSpec>, Mistake> {
    let wrong = |what: String| {
        Mistake::new(what).at("--vary").hint("--vary max_num_seqs=4,8").hint("--vary env.X=1")
    };
    let (key, values) = text
        .split_once('=')
        .ok_or_else(|| wrong(format!("{} is not key=value,value", shown(text))))?;
    let key = key.trim();
    if key.is_empty() || key.chars().any(char::is_whitespace) {
        return Err(wrong(format!("{} is not a key", shown(key))));
    }
    let values = values_of(values);
    if values.len() > 1 && values.iter().any(|value| value.trim().is_empty()) {
        return Err(wrong(format!("a value of {} is empty", shown(text)))
            .hint(format!("--vary {key}= for an arm without it")));
    }
    let arm = |value: &str| {
        let value = value.trim();
        let change = Change {
            key: key.to_owned(),
            value: Some(value.to_owned()).filter(|value| !value.is_empty()),
        };
        ArmSpec { name: format!("{key}={value}"), changes: vec![change] }
    };
    Ok(values.iter().map(|value| arm(value)).collect())
}

/// Splits at commas that stand neither in brackets nor in quotes.
fn values_of(text: &str) -> Vec<String> {
    let is_open = |text: &&mut String| {
        let count = |marks: &str| text.chars().filter(|c| marks.contains(*c)).count();
        count("{[") > count("}]") || count("\"") % 2 == 1 || count("'") % 2 == 1
    };
    let mut values: Vec<String> = Vec::new();
    for part in text.split(',') {
        match values.last_mut().filter(is_open) {
            Some(value) => value.extend([",", part]),
            None => values.push(part.to_owned()),
        }
    }
    values
}

pub(crate) fn read(source: &SpecFile) -> Result<Vec<ArmSpec>, Mistake> {
    let document = strict_document(source)?;
    python::check(&document.root).map_err(|flaw| flawed(source, flaw))?;
    let root = Field::root(source, &document);
    if root.node.items().is_some_and(<[_]>::is_empty) {
        return Err(root.mistake("the list holds no arm").hint(EXAMPLE));
    }
    root.list()?.iter().map(arm).collect()
}

fn arm(field: &Field<'_>) -> Result<ArmSpec, Mistake> {
    let keys = field.map(&["name", "changes"])?;
    let get = |name: &str| keys.iter().find(|(key, _)| *key == name).map(|(_, field)| field);
    let Some(changes) = get("changes") else {
        return Err(field.mistake("an arm needs `changes`").hint(EXAMPLE));
    };
    let change =
        |(key, value): (&str, Field<'_>)| Change { key: key.to_owned(), value: value_of(&value) };
    let changes: Vec<Change> = changes.any_map()?.into_iter().map(change).collect();
    if changes.is_empty() {
        return Err(field.mistake("an arm changes something; the base is there by itself"));
    }
    let by_changes = || changes.iter().map(Change::written).collect::<Vec<_>>().join(" ");
    let name = get("name").map(Field::text).transpose()?.map_or_else(by_changes, str::to_owned);
    if name.trim().is_empty() {
        return Err(field.mistake("an arm's name is empty").hint(EXAMPLE));
    }
    Ok(ArmSpec { name, changes })
}

/// Returns a value in the form of its flag; `None` for `null`, which removes the key.
fn value_of(field: &Field<'_>) -> Option<String> {
    match Python::of(field.node) {
        Python::None => None,
        // Verbatim: `0.80`, and not Python's form of it.
        Python::Float(_) | Python::Int(_) => field.node.text().map(str::to_owned),
        other => Some(other.flag()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(text: &str) -> Vec<(String, Option<String>)> {
        let arms = of_flag(text).expect("arms");
        arms.into_iter().flat_map(|arm| arm.changes).map(|it| (it.key, it.value)).collect()
    }

    #[test]
    fn every_value_of_a_key_is_an_arm_and_json_keeps_its_commas() {
        let some = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        assert_eq!(changes("a.b=1, 2"), [some("a.b", "1"), some("a.b", "2")]);
        assert_eq!(changes(r#"c={"x":1,"y":[2,3]}"#)[0], some("c", r#"{"x":1,"y":[2,3]}"#));
        assert_eq!(changes("c=")[0], ("c".to_owned(), None));
        assert_eq!(changes("env.X=a=b"), [some("env.X", "a=b")]);
        for empty in ["a=1,,2", "a=1,", "a=,1", "a=1, ,2"] {
            let reported = of_flag(empty).expect_err(empty).to_string();
            assert!(
                reported.contains("is empty") && reported.contains("--vary a= for"),
                "{reported}"
            );
        }
        assert!(of_flag("x").is_err() && of_flag("=1").is_err() && of_flag("a b=1").is_err());
    }

    #[test]
    fn a_file_names_its_arms_or_their_changes_do() {
        let read = |text: &str| {
            let source = SpecFile { name: "a".into(), origin: "a.yaml".into(), text: text.into() };
            super::read(&source)
        };
        let arms = read(
            "- name: eager\n  changes: {enforce_eager: true, gm: 0.80}\n- changes: {spec: null}\n",
        );
        let arms = arms.expect("arms");
        assert_eq!((arms[0].name.as_str(), arms[1].name.as_str()), ("eager", "spec="));
        assert_eq!(arms[0].changes[1].value.as_deref(), Some("0.80"));
        assert_eq!((arms[0].changes.len(), &arms[1].changes[0].value), (2, &None));
        let texts = ["- name: x\n", "[]\n", "- {name: ' ', changes: {a: 1}}\n", "- {nam: x}\n"];
        let reported = crate::shown::each(texts, |text| read(text).unwrap_err().to_string());
        insta::assert_snapshot!(reported, @r#"
            "- name: x\n"
                error: an arm needs `changes`
                   at: a.yaml:1 [0]
                  try: - { name: eager, changes: { enforce_eager: true } }

            "[]\n"
                error: the list holds no arm
                   at: a.yaml:1
                  try: - { name: eager, changes: { enforce_eager: true } }

            "- {name: ' ', changes: {a: 1}}\n"
                error: an arm's name is empty
                   at: a.yaml:1 [0]
                  try: - { name: eager, changes: { enforce_eager: true } }

            "- {nam: x}\n"
                error: `[0]` has no key `nam`
                   at: a.yaml:1 [0].nam
                  try: name
        "#);
    }
}
