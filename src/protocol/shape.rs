//! Recognises a body that is not an event stream by its beginning, and describes it: a proxy that
//! compresses, a server that does not stream, or a page of another service.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::error;

/// First bytes of compressed bodies.
const COMPRESSED: [(&[u8], &str); 5] = [
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x78\x01", "zlib"),
    (b"\x78\x9c", "zlib"),
    (b"\x78\xda", "zlib"),
];

/// Bytes within which a body that is not a text shows it.
const TEXT_BYTES: usize = 512;

/// Characters of a foreign text that are quoted.
const WORDS_CHARS_MAX: usize = 160;

/// Returns the compression format of a body.
pub(crate) fn compression(body: &[u8]) -> Option<&'static str> {
    COMPRESSED.iter().find(|(mark, _)| body.starts_with(mark)).map(|(_, name)| *name)
}

/// Describes a body by its beginning; `None` for an event stream, and for an empty body.
pub(crate) fn of(beginning: &[u8]) -> Option<String> {
    if let Some(format) = compression(beginning) {
        return Some(format!("the body is {format}, which was not requested"));
    }
    if is_binary(beginning) {
        return Some("the body is not text: another format, or compressed".to_owned());
    }
    let text = String::from_utf8_lossy(beginning);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return None;
    }
    if text.starts_with('<') {
        return Some(format!("an HTML page and no stream: {}", excerpt(beginning)));
    }
    if text.starts_with(['{', '[']) {
        return Some(json(text));
    }
    if is_field(text.lines().next().unwrap_or_default()) {
        let glued = is_glued(text);
        return glued.then(|| "events without a blank line between them".to_owned());
    }
    Some(format!("plain text and no event stream: {}", excerpt(beginning)))
}

/// Describes an answer without a stream of tokens.
pub(crate) fn of_answer(status: u16, body: &[u8]) -> String {
    match status {
        200 if body.is_empty() => "status 200 with an empty body".to_owned(),
        200 => of(body).unwrap_or_else(|| "an event stream without a token".to_owned()),
        201..=399 => wrong_status(status),
        _ => format!("{status} {}", error::words(body)),
    }
}

/// Describes a status that no answer has.
pub(crate) fn wrong_status(status: u16) -> String {
    format!("status {status}, where the API answers with 200")
}

/// Whether several events came without the blank lines that separate them, so that their data is
/// one.
pub(crate) fn is_glued(text: &str) -> bool {
    let mut objects = 0;
    for line in text.lines() {
        let data = line.strip_prefix("data:").unwrap_or(line).trim();
        match () {
            () if data.is_empty() => return false,
            () if data == "[DONE]" || (!line.starts_with("data:") && is_field(line)) => {}
            () if serde_json::from_str::<IgnoredAny>(data).is_ok() => objects += 1,
            // The beginning of a body may end within a line.
            () => return objects > 1,
        }
    }
    objects > 1
}

/// Whether a line is a field of an event stream, or the beginning of one.
fn is_field(line: &str) -> bool {
    let names = ["data:", "event:", "id:", "retry:", "error:", ":"];
    names.iter().any(|name| line.starts_with(name) || name.starts_with(line))
}

fn is_binary(body: &[u8]) -> bool {
    let beginning = &body[..body.len().min(TEXT_BYTES)];
    let is_control = |byte: &&u8| **byte < 0x20 && !matches!(**byte, b'\t' | b'\n' | b'\r' | 0x1b);
    // A character that the cut broke is no sign.
    let is_broken = std::str::from_utf8(beginning).is_err_and(|error| error.error_len().is_some());
    is_broken || beginning.iter().any(|byte| is_control(&byte))
}

fn json(text: &str) -> String {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return match &value {
            Value::Array(_) => "a JSON list and no event stream".to_owned(),
            _ if value.get("choices").is_some() => "a whole JSON answer and no stream".to_owned(),
            _ => format!("a JSON page and no stream: {}", excerpt(text.as_bytes())),
        };
    }
    let is_object = |line: &str| {
        line.starts_with('{') && serde_json::from_str::<IgnoredAny>(line.trim()).is_ok()
    };
    if text.lines().next().is_some_and(is_object) {
        return "JSON lines and no events".to_owned();
    }
    if text.starts_with('[') {
        return "a JSON list and no event stream".to_owned();
    }
    let is_answer = text.contains("\"choices\"");
    if is_answer { "a whole JSON answer and no stream" } else { "JSON and no event stream" }
        .to_owned()
}

/// Returns the words of a page, cut.
fn excerpt(page: &[u8]) -> String {
    let words = error::words(page);
    let mut excerpt: String = words.chars().take(WORDS_CHARS_MAX).collect();
    if excerpt.len() < words.len() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: &str = r#"{"choices":[{"delta":{"content":"a"}}]}"#;

    #[test]
    fn a_body_that_is_no_event_stream_is_called_by_its_name() {
        let whole = r#"{"choices":[{"message":{"content":"a"}}]}"#;
        let cases = [
            (b"\x1f\x8b\x08\x00data".to_vec(), "the body is gzip"),
            (b"\x28\xb5\x2f\xfd\x04".to_vec(), "the body is zstd"),
            (b"\x0b\x02\x80data".to_vec(), "the body is not text"),
            (whole.as_bytes().to_vec(), "a whole JSON answer and no stream"),
            (whole.replace(',', ",\n ").into_bytes(), "a whole JSON answer and no stream"),
            (whole.as_bytes()[..20].to_vec(), "a whole JSON answer and no stream"),
            (format!("{CHUNK}\n{CHUNK}\n").into_bytes(), "JSON lines and no events"),
            (format!("{CHUNK}\n{{\"cho").into_bytes(), "JSON lines and no events"),
            (format!("[{CHUNK},\n{CHUNK}").into_bytes(), "a JSON list and no event stream"),
            (b"{\"ok\":1}".to_vec(), "a JSON page and no stream: {\"ok\":1}"),
            (b"<html><title>Log in</title>".to_vec(), "an HTML page and no stream: Log in"),
            (b"Bad\ngateway".to_vec(), "plain text and no event stream: Bad gateway"),
            (format!("data: {CHUNK}\ndata: {CHUNK}\n").into_bytes(), "events without a blank"),
            (format!("data: {CHUNK}\ndata: {CHUNK}\ndata: {{").into_bytes(), "events without"),
        ];
        for (body, expected) in cases {
            let reported = of(&body).unwrap_or_default();
            assert!(
                reported.starts_with(expected),
                "{} {reported}",
                String::from_utf8_lossy(&body)
            );
        }
    }

    #[test]
    fn an_event_stream_is_nothing_else_wherever_it_was_cut() {
        let stream =
            format!("\u{feff}: hm\r\n\r\nevent: x\r\ndata: {CHUNK}\r\n\r\ndata: É\r\n\r\n");
        for end in 3..=stream.len() {
            assert_eq!(of(&stream.as_bytes()[..end]), None, "{:?}", stream.get(..end));
        }
    }

    #[test]
    fn an_answer_without_tokens_is_told_with_its_status() {
        assert_eq!(of_answer(201, b"data: x\n\n"), "status 201, where the API answers with 200");
        assert_eq!(of_answer(404, br#"{"detail":"Not Found"}"#), "404 Not Found");
        assert_eq!(of_answer(200, b""), "status 200 with an empty body");
        assert_eq!(of_answer(200, b"data: [DONE]\n\n"), "an event stream without a token");
    }
}
