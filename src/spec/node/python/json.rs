//! JSON as Python's `json` reads and writes it: keys keep their order, what is
//! not ASCII is escaped.

use std::fmt::{self, Write};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Dict, Python};

/// Bounds one object, as the YAML reader bounds a map.
const KEYS_MAX: usize = 4096;

/// `json.loads`; `None` where it would raise. (Its `NaN` and numbers beyond 64 bits aside.)
pub fn loads(text: &str) -> Option<Python> {
    serde_json::from_str::<Loaded>(text).ok().map(|loaded| loaded.0)
}

/// `json.dumps` without blanks, anything unknown as its text.
pub fn dumps(value: &Python) -> String {
    let mut out = String::new();
    dump(value, &mut out);
    out
}

fn dump(value: &Python, out: &mut String) {
    match value {
        Python::None => out.push_str("null"),
        Python::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Python::Int(value) => out.push_str(&value.to_string()),
        Python::Huge(digits) => out.push_str(digits),
        Python::Float(value) => out.push_str(&float(*value)),
        Python::Text(text) | Python::Moment(text, _) => quote(text, out),
        Python::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                dump(item, out);
            }
            out.push(']');
        }
        Python::Map(pairs) => {
            out.push('{');
            for (index, (key, value)) in pairs.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                match key {
                    Python::Text(text) | Python::Moment(text, _) => quote(text, out),
                    other => quote(&dumps(other), out),
                }
                out.push(':');
                dump(value, out);
            }
            out.push('}');
        }
    }
}

fn float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        super::write::float(value)
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// serde's own value sorts keys; Python keeps them as they came.
struct Loaded(Python);

impl<'de> Deserialize<'de> for Loaded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Loaded, D::Error> {
        deserializer.deserialize_any(Loader).map(Loaded)
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
        while let Some(Loaded(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Python::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Python, A::Error> {
        let mut dict = Dict::default();
        while let Some((key, Loaded(value))) = access.next_entry::<String, Loaded>()? {
            dict.insert(Python::Text(key), value);
            if dict.count() > KEYS_MAX {
                return Err(serde::de::Error::custom("too many keys"));
            }
        }
        Ok(Python::Map(dict.into_pairs()))
    }
}
