//! Extracts a server's error, whatever its shape, as one line of words.

use serde_json::Value;

use super::shape;

/// Limit of an error page that is read: the words are at its beginning.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

/// Keys under which servers name an error in short.
const NAMES: [&str; 2] = ["error", "errors"];

/// Keys under which servers describe an error, the most telling first.
const DESCRIPTIONS: [&str; 8] = [
    "message",
    "detail",
    "msg",
    "error_description",
    "error_message",
    "details",
    "reason",
    "title",
];

/// Number of a list's entries whose words are kept.
const ENTRIES_MAX: usize = 3;

/// Extracts the words of an error body: a JSON object in any of the shapes in use
/// (`{"error":{"message":…}}`, `{"error":"…"}`, `{"detail":…}`, `{"message":…}`), a JSON string, an
/// event with one of these, an HTML page, plain text, or nothing.
pub(crate) fn words(body: &[u8]) -> String {
    if let Some(format) = shape::compression(body) {
        return format!("a body that is {format}");
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES_MAX)]);
    let text = text.trim_start_matches('\u{feff}').trim();
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return of_value(&value);
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data:"));
    if let Some(Ok(value)) = data.map(serde_json::from_str::<Value>) {
        return of_value(&value);
    }
    if text.starts_with('<') { of_page(text) } else { joined(text) }
}

/// Extracts the words of an error that is parsed already.
pub(crate) fn of_value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => joined(text),
        Value::Object(fields) => {
            // A switch or a code beside the words is no description.
            let words = |key: &&str| {
                let inner = fields.get(*key).filter(|inner| !is_empty(inner));
                inner.filter(|it| !it.is_boolean() && !it.is_number()).map(of_value)
            };
            let name = NAMES.iter().find_map(words);
            let description = DESCRIPTIONS.iter().find_map(words);
            match (name, description) {
                (Some(name), Some(words)) if words.contains(&name) => words,
                (Some(name), Some(words)) if name.contains(&words) => name,
                (Some(name), Some(words)) => format!("{name}: {words}"),
                (Some(words), None) | (None, Some(words)) => words,
                (None, None) => value.to_string(),
            }
        }
        Value::Array(items) => {
            let words = items.iter().filter(|item| !is_empty(item)).map(of_value);
            words.take(ENTRIES_MAX).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// Whether a value says nothing: many servers send an error field in every frame, without an error
/// in it.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(fields) => fields.values().all(is_empty),
    }
}

/// Returns a page's title, or its text without tags.
fn of_page(page: &str) -> String {
    // ASCII case changes keep offsets, so the offsets hold in the original.
    let lower = page.to_ascii_lowercase();
    let title = lower.find("<title>").map(|at| at + "<title>".len()).and_then(|from| {
        let to = from + lower[from..].find("</title>")?;
        Some(joined(&page[from..to]))
    });
    if let Some(title) = title.filter(|title| !title.is_empty()) {
        return title;
    }
    let mut text = String::new();
    let mut in_tag = false;
    for character in page.chars() {
        match character {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                text.push(' ');
            }
            _ if !in_tag => text.push(character),
            _ => {}
        }
    }
    joined(&text)
}

/// Joins runs of white space into one blank, in as much of a text as its words may need.
fn joined(text: &str) -> String {
    let mut joined = String::new();
    for word in text.split_whitespace() {
        if joined.len() > BODY_BYTES_MAX {
            break;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_error_gives_its_words() {
        let cases = [
            (r#"{"error":{"message":"too long","type":"BadRequestError","code":400}}"#, "too long"),
            (r#"{"error":"Unauthorized"}"#, "Unauthorized"),
            (r#"{"detail":[{"msg":"field required","loc":["body"]}]}"#, "field required"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"object":"error","message":"no such model"}"#, "no such model"),
            (r#"{"error":{"error":{"message":"nested"}}}"#, "nested"),
            (r#"{"error":true,"message":"flagged"}"#, "flagged"),
            (r#"{"error":"invalid_request","message":"too long"}"#, "invalid_request: too long"),
            (r#"{"error":"busy","message":"the server is busy"}"#, "the server is busy"),
            (r#"{"code":14,"message":"no connection","details":[]}"#, "no connection"),
            (r#"{"error":{"code":14,"status":"UNAVAILABLE","message":"gone"}}"#, "gone"),
            (r#"{"title":"Bad Request","status":400,"detail":"too long"}"#, "too long"),
            (r#"{"detail":["one","two"]}"#, "one; two"),
            (r#"{"errors":[{"message":"one"}]}"#, "one"),
            (r#"{"error":null,"message":"","detail":"told here"}"#, "told here"),
            ("data: {\"error\":{\"message\":\"in an event\"}}\n\n", "in an event"),
            (r#""Unauthorized""#, "Unauthorized"),
            ("<html><head><TITLE>502 Bad\n Gateway</TITLE></head></html>", "502 Bad Gateway"),
            ("<p>busy</p><p>later</p>", "busy later"),
            ("Internal\n Server Error", "Internal Server Error"),
            ("", ""),
        ];
        for (body, expected) in cases {
            assert_eq!(words(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn an_error_field_without_an_error_in_it_is_empty() {
        for value in ["null", "\"\"", "{}", "false", "[]", "0", r#"{"message":"","code":null}"#] {
            assert!(is_empty(&serde_json::from_str(value).unwrap()), "{value}");
        }
        for value in ["true", "\"x\"", "500", r#"{"code":500,"message":""}"#] {
            assert!(!is_empty(&serde_json::from_str(value).unwrap()), "{value}");
        }
    }

    #[test]
    fn a_compressed_page_is_named() {
        assert_eq!(words(b"\x1f\x8b\x08\0"), "a body that is gzip");
    }

    #[test]
    fn an_error_without_known_keys_is_shown_whole() {
        assert_eq!(words(br#"{"code":7}"#), r#"{"code":7}"#);
        assert_eq!(words(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
