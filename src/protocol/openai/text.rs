//! Reads text that servers send in different types: as a string, as a list of parts, as an object.

use serde_json::Value;

/// Returns the text of a value: a string, or the texts of its parts.
pub(super) fn of_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(of_value).collect(),
        Value::Object(fields) => ["text", "content", "value", "thinking", "reasoning", "summary"]
            .iter()
            .find_map(|key| fields.get(*key))
            .map(of_value)
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// Returns the text of a value as [`of_value`], without a copy of a string.
pub(super) fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => of_value(&other),
    }
}

/// Returns the reasoning and the visible text of a content, whose parts may be of either kind.
pub(super) fn parts(content: Value) -> (String, String) {
    let Value::Array(items) = content else { return (String::new(), text_of(content)) };
    let is_thought = |item: &&Value| {
        let kind = item["type"].as_str().unwrap_or_default();
        kind.contains("thinking") || kind.contains("reasoning")
    };
    let (thought, said): (Vec<&Value>, Vec<&Value>) = items.iter().partition(is_thought);
    (thought.into_iter().map(of_value).collect(), said.into_iter().map(of_value).collect())
}

/// Returns the names and the arguments of the tool calls of a message, in order.
pub(super) fn of_tools(message: &Value) -> Vec<(String, String)> {
    let calls = &message["tool_calls"];
    let calls = calls.as_array().map_or(std::slice::from_ref(calls), Vec::as_slice);
    let functions = calls.iter().map(|call| &call["function"]);
    // The name that the API had for it at first.
    functions
        .chain([&message["function_call"]])
        .map(|function| (of_value(&function["name"]), arguments(&function["arguments"])))
        .collect()
}

/// Returns arguments as text: some send an object in place of its JSON.
fn arguments(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Replaces half characters (surrogates without their other half) in the escapes of a JSON text by
/// U+FFFD; `None` where there are none.
pub(super) fn mended(json: &str) -> Option<String> {
    let mut mended = String::new();
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let length = match (surrogate(escape), escape.get(6..).and_then(surrogate)) {
            (Some(Surrogate::High), Some(Surrogate::Low)) => 12,
            (Some(_), _) => {
                mended.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            (None, _) => escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end),
        };
        let (kept, after) = escape.split_at(length);
        mended.push_str(kept);
        rest = after;
    }
    mended.push_str(rest);
    (mended != json).then_some(mended)
}

enum Surrogate {
    High,
    Low,
}

/// Returns the half that an escape stands for.
fn surrogate(escape: &str) -> Option<Surrogate> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Surrogate::High),
        0xdc00..=0xdfff => Some(Surrogate::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_of_a_content_are_joined_and_thoughts_are_kept_apart() {
        let content = json!([
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            {"type": "text", "text": "a"}, "b", {"type": "text", "text": {"value": "c"}}, null, 7,
        ]);
        assert_eq!(parts(content), ("hm".to_owned(), "abc".to_owned()));
        assert_eq!(parts(json!("text")), (String::new(), "text".to_owned()));
        assert_eq!(parts(Value::Null), (String::new(), String::new()));
    }

    #[test]
    fn half_characters_are_replaced_and_whole_ones_are_kept() {
        for (json, expected) in [
            (r#""\ud83d""#, Some(r#""\ufffd""#)),
            (r#""a\uDE00b\uD83D""#, Some(r#""a\ufffdb\ufffd""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\\ud83d \u00e9 \n""#, None),
            (r#""\\\ud83d""#, Some(r#""\\\ufffd""#)),
            (r#""é \"☃"#, None),
            (r"\ud83", None),
            (r"\", None),
        ] {
            assert_eq!(mended(json).as_deref(), expected, "{json}");
        }
    }
}
