//! Checks the readers of a server's JSON: an event's data as a chunk, and a whole body as a page.

#![allow(clippy::expect_used)] // a check of tests and of fuzz targets

use serde_json::Value;

use super::row::check_kept;
use crate::answer::{Answer, AnswerReader, TransportEnd};
use crate::fact::{Abilities, Class, Entry, Fact, Phase, text};
use crate::plan::{Ask, Input};
use crate::protocol::openai::Chunk;
use crate::protocol::sse::Event;
use crate::protocol::{error, json, probe, shape};
use crate::spec::scenario::Api;
use crate::unit::At;

/// Bound on the names that a chunk or a list of models gives, bytes.
const NAME_BYTES_MAX: usize = 1_000;

/// Bound on the growth of a text: a number such as `1e9` is written in full, and a byte that is no
/// text becomes three.
const GROWTH_MAX: usize = 8;

/// Reads arbitrary bytes as the data of an event, as a page, and as an answer. Returns whether they
/// are a chunk.
pub fn chunk(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let mut is_chunk = false;
    for name in ["", "message", "error"] {
        let Ok(chunk) = Chunk::parse(Event { name, data: &text }) else { continue };
        is_chunk |= name.is_empty();
        check_bounds(&chunk, &text);
        check_written_again(name, &chunk, &text);
    }
    check_page(data);
    let frames: Vec<u8> =
        text.lines().flat_map(|line| format!("data: {line}\n\n").into_bytes()).collect();
    for status in [200, 500] {
        check_answer(status, data);
        check_answer(status, &frames);
    }
    is_chunk
}

/// Checks that nothing of a chunk is longer than what it was read from, and that only an answer has
/// text.
fn check_bounds(chunk: &Chunk, text: &str) {
    let bytes_max = (GROWTH_MAX * text.len()) as u64;
    assert!(chunk.text_bytes() <= bytes_max, "{} bytes", chunk.text_bytes());
    assert!(chunk.tools_begun <= text.len() as u64 && chunk.ids <= Some(text.len() as u64));
    assert!(chunk.of_answer || !chunk.has_text(), "{chunk:?}");
    assert!(!chunk.is_nothing() || chunk.finish.is_none() && chunk.usage.is_none(), "{chunk:?}");
    for name in [&chunk.finish, &chunk.system, &chunk.model].into_iter().flatten() {
        assert!((1..=NAME_BYTES_MAX).contains(&name.len()), "{name}");
    }
    assert!(!matches!(chunk.finish.as_deref(), Some("" | "null")));
}

/// Checks that the same JSON written in another way, such as without blanks, is the same chunk.
fn check_written_again(name: &str, chunk: &Chunk, text: &str) {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    let written = value.to_string();
    let again = Chunk::parse(Event { name, data: &written }).expect("the same JSON");
    // Of an error without words the data itself is shown.
    let words = |chunk: &Chunk| Chunk {
        error: chunk.error.as_ref().map(|_| String::new()),
        ..chunk.clone()
    };
    assert_eq!(words(&again), words(chunk), "{written}");
}

/// Checks the readers of a body that is no stream against a parser without a bound.
fn check_page(body: &[u8]) {
    let whole: Option<Value> = serde_json::from_slice(body).ok();
    assert_eq!(json::page(body), whole);
    let entries = json::entries(body, "tokens");
    let listed = whole.as_ref().and_then(|page| page["tokens"].as_array());
    assert!(entries.is_none() || listed.is_none_or(|list| entries == Some(list.len() as u64)));
    let words = error::words(body);
    assert!(!words.contains(['\n', '\r']), "{words}");
    assert!(words.len() <= GROWTH_MAX * body.len() + 64, "{} bytes", words.len());
    for words in [shape::of(body).unwrap_or_default(), shape::of_answer(200, body)] {
        assert!(!words.contains(['\n', '\r']) && words.chars().count() <= 300, "{words}");
    }
    for path in [probe::HEALTH, probe::MODELS, probe::METRICS] {
        assert!(!probe::is_up(path, 503, body), "{path}");
        let _ = probe::is_up(path, 200, body);
    }
    let names = probe::models(body).unwrap_or_default();
    assert!(names.iter().all(|name| name.len() <= NAME_BYTES_MAX));
}

/// Checks that an answer does not depend on how its bytes were cut, and that its row is kept.
fn check_answer(status: u16, body: &[u8]) {
    let answer = answered(status, body, usize::MAX);
    assert_eq!(answered(status, body, 1), answer);
    let at = answer.request.done;
    let mut fact = Fact::Request(Box::new(answer.request));
    text::bound(&mut fact);
    check_kept(&Entry { segment: 0, seq: 0, at, fact });
}

/// Reads a body in pieces of a length, all of them at one instant.
fn answered(status: u16, body: &[u8], length: usize) -> Answer {
    let abilities = Abilities { usage: true, cached_tokens: true, ..Abilities::default() };
    let mut reader = AnswerReader::new(&ask(), &abilities, &["m".to_owned()], At(1_000));
    reader.head(At(2_000), status);
    for piece in body.chunks(length) {
        reader.bytes(At(3_000), piece);
        assert!(reader.tokens() <= body.len() as u64);
    }
    reader.over(At(4_000), &TransportEnd::End)
}

/// Returns an ask for four tokens.
fn ask() -> Ask {
    Ask {
        phase: Phase::Soak,
        workload: "ladder",
        class: Class::Cold,
        lane: 0,
        slot: 0,
        session: None,
        turn: None,
        cell: "d0/c1/p8/o4".parse().expect("a cell"),
        lap: 0,
        repeat: 0,
        due: At::ZERO,
        api: Api::Chat,
        input: Input::Text("x".to_owned()),
        exact_output: false,
        abandon_us: None,
    }
}
