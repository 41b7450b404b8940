//! Parses a server's JSON at a bounded cost. A text of a few bytes per value takes a hundred times
//! its size when it is parsed, so values beyond a bound are passed over. Single values are always
//! kept; only the entries of lists and objects are left out.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Number of entries that are kept of a page's lists, and of its objects: some thousand models. An
/// object of one field takes some 700 bytes.
const PAGE_ENTRIES_MAX: usize = 40_000;

/// Numbers of entries that may still be kept. A long list takes no room from the fields after it.
pub(crate) struct Room {
    items: Cell<usize>,
    fields: Cell<usize>,
}

impl Room {
    /// Returns the room for so many items of lists, and as many fields of objects.
    pub(crate) fn new(entries: usize) -> Room {
        Room { items: Cell::new(entries), fields: Cell::new(entries) }
    }
}

/// Takes the room of an entry.
fn take(room: &Cell<usize>) {
    room.set(room.get().saturating_sub(1));
}

/// Parses a page. Returns `None` if it is no JSON.
pub(crate) fn page(body: &[u8]) -> Option<Value> {
    let room = Room::new(PAGE_ENTRIES_MAX);
    let mut parser = serde_json::Deserializer::from_slice(body);
    let value = Within(&room).deserialize(&mut parser).ok()?;
    parser.end().ok().map(|()| value)
}

/// Parses a text into what a seed makes of it.
///
/// # Errors
/// The text is no JSON, or not what the seed takes.
pub(crate) fn parse<'de, S: DeserializeSeed<'de>>(
    text: &'de str,
    seed: S,
) -> Result<S::Value, serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut parser)?;
    parser.end().map(|()| value)
}

/// Value with as many entries as there is room for.
#[derive(Clone, Copy)]
pub(crate) struct Within<'a>(pub &'a Room);

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while self.0.items.get() > 0 {
            let Some(item) = items.next_element_seed(self)? else { return Ok(kept.into()) };
            take(&self.0.items);
            kept.push(item);
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(kept.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while self.0.fields.get() > 0 {
            let Some(name) = fields.next_key::<String>()? else {
                return Ok(Value::Object(kept));
            };
            take(&self.0.fields);
            kept.insert(name, fields.next_value_seed(self)?);
        }
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Object(kept))
    }
}

/// Returns the number of entries of a page's list of that name; `None` where it has no such list.
pub(crate) fn entries(body: &[u8], name: &str) -> Option<u64> {
    let mut parser = serde_json::Deserializer::from_slice(body);
    let found = parser.deserialize_map(ListOf(name)).ok()?;
    parser.end().ok().and(found)
}

struct ListOf<'a>(&'a str);

impl<'de> Visitor<'de> for ListOf<'_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Option<u64>, A::Error> {
        let mut found = None;
        while let Some(name) = fields.next_key::<String>()? {
            if name == self.0 {
                found = fields.next_value::<Option<Vec<IgnoredAny>>>()?.map(|it| it.len() as u64);
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn within(entries: usize, text: &str) -> Value {
        parse(text, Within(&Room::new(entries))).unwrap()
    }

    #[test]
    fn a_value_with_room_is_the_whole_value() {
        let text = r#"{"a":[1,-2,3.5,"x",null,true,{"b":[]}],"a2":"é\n"}"#;
        let whole: Value = serde_json::from_str(text).unwrap();
        assert_eq!(within(100, text), whole);
        assert_eq!(page(text.as_bytes()), Some(whole));
        for wrong in ["", "{", "[1,]", "1 2", "{\"a\":[[[}", "<html>"] {
            assert_eq!(page(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn entries_beyond_the_room_are_passed_over_and_the_text_is_still_checked() {
        assert_eq!(within(3, "[1,2,3,4,5]"), json!([1, 2, 3]));
        assert_eq!(within(2, r#"{"a":1,"b":2,"c":3}"#), json!({"a": 1, "b": 2}));
        assert_eq!(within(4, r#"[[1,2],{"a":1},7]"#), json!([[1, 2], {"a": 1}]));
        assert_eq!(within(2, r#"{"tokens":[1,2,3],"count":3}"#)["count"], 3);
        assert_eq!(within(0, "\"text\""), json!("text"), "a single value is always kept");
        assert!(parse("[1,2,}", Within(&Room::new(1))).is_err());
        let long = format!("[{}1]", "[],".repeat(3 * PAGE_ENTRIES_MAX));
        assert_eq!(page(long.as_bytes()).unwrap().as_array().unwrap().len(), PAGE_ENTRIES_MAX);
    }

    #[test]
    fn the_entries_of_a_list_are_counted_and_not_kept() {
        assert_eq!(entries(br#"{"count":2,"tokens":[1,{"id":2}],"x":[[]]}"#, "tokens"), Some(2));
        for none in [r#"{"tokens":null}"#, r#"{"tokens":"x"}"#, "{}", "[1]", "", r#"{"tokens":[1}"#]
        {
            assert_eq!(entries(none.as_bytes(), "tokens"), None, "{none}");
        }
    }
}
