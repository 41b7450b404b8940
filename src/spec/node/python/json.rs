//! JSON as Python's `json` reads and writes it: keys keep their order, what is
//! not ASCII is escaped.

use std::fmt::{self, Write};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Python;

/// Bounds one object, as the YAML reader bounds a map.
const KEYS_MAX: usize = 4096;

/// `json.loads`; `None` where it would raise. (Its `NaN` and numbers beyond 64 bits aside.)
pub fn loads(text: &str) -> Option<Python> {
    serde_json::from_str(text).ok()
}

/// `json.dumps` without blanks, anything unknown as its text.
pub fn dumps(value: &Python) -> String {
    let joined = |items: Vec<String>| items.join(",");
    match value {
        Python::None => "null".to_owned(),
        Python::Bool(value) => value.to_string(),
        Python::Int(_) | Python::Float(_) => value.str(),
        Python::Text(text) => quote(text),
        Python::List(items) => format!("[{}]", joined(items.iter().map(dumps).collect())),
        Python::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| format!("{}:{}", quote(key), dumps(value)));
            format!("{{{}}}", joined(pairs.collect()))
        }
    }
}

fn quote(text: &str) -> String {
    let mut out = String::new();
    for character in serde_json::Value::from(text).to_string().chars() {
        if character <= '~' {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// serde's own value sorts keys; Python keeps them as they came.
impl<'de> Deserialize<'de> for Python {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Python, D::Error> {
        deserializer.deserialize_any(Loader)
    }
}

struct Loader;

impl<'de> Visitor<'de> for Loader {
    type Value = Python;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Python, E> {
        Ok(Python::None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Python, E> {
        Ok(Python::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Python, E> {
        Ok(Python::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Python, E> {
        Ok(Python::Int(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Python, E> {
        Ok(Python::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Python, E> {
        Ok(Python::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Python, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Python::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Python, A::Error> {
        let mut pairs: Vec<(String, Python)> = Vec::new();
        while let Some((key, value)) = access.next_entry()? {
            super::put(&mut pairs, key, value);
            if pairs.len() > KEYS_MAX {
                return Err(A::Error::custom("too many keys"));
            }
        }
        Ok(Python::Map(pairs))
    }
}
