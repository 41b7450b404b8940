//! Extracts a server's error, whatever its shape, as one line of words.

use serde_json::Value;

/// Limit of an error page that is read: the words are at its beginning.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 10;

/// Extracts the words of an error body: a JSON object in any of the shapes in use
/// (`{"error":{"message":…}}`, `{"error":"…"}`, `{"detail":…}`, `{"message":…}`), a JSON string, an
/// HTML page, plain text, or nothing.
pub(crate) fn words(body: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return of_value(&value);
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES_MAX)]);
    let text = text.trim();
    if text.starts_with('<') { of_page(text) } else { joined(text) }
}

/// Extracts the words of an error that is parsed already.
pub(crate) fn of_value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => joined(text),
        Value::Object(fields) => ["error", "message", "detail", "msg"]
            .iter()
            .filter_map(|key| fields.get(*key))
            .find(|inner| !inner.is_null())
            .map_or_else(|| value.to_string(), of_value),
        Value::Array(items) => match items.first() {
            Some(first) => of_value(first),
            None => String::new(),
        },
        other => other.to_string(),
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

/// Joins runs of white space into one blank.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_error_gives_its_words() {
        let cases: [(&str, &str); 10] = [
            (r#"{"error":{"message":"too long","type":"BadRequestError","code":400}}"#, "too long"),
            (r#"{"error":"Unauthorized"}"#, "Unauthorized"),
            (r#"{"detail":[{"msg":"field required","loc":["body"]}]}"#, "field required"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (r#"{"object":"error","message":"no such model"}"#, "no such model"),
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
    fn an_error_without_known_keys_is_shown_whole() {
        assert_eq!(words(br#"{"code":7}"#), r#"{"code":7}"#);
        assert_eq!(words(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }
}
