//! Checks the parser of event streams: the events do not depend on how the bytes are cut.

use crate::protocol::openai::Chunk;
use crate::protocol::sse::{Event, Parser};

/// Feeds arbitrary bytes whole, byte by byte, and in pieces of a length that the bytes give: the
/// events, the error and the rest are the same each time.
pub fn sse(bytes: &[u8]) {
    let whole = fed(bytes, usize::MAX);
    let length = bytes.first().map_or(1, |first| usize::from(*first).max(1));
    for length in [1, length] {
        assert_eq!(fed(bytes, length), whole, "in pieces of {length}");
    }
}

/// Name and data of an event.
type Seen = (String, String);

/// Events, whether all bytes were accepted, and the event that the end of the stream left open.
fn fed(bytes: &[u8], length: usize) -> (Vec<Seen>, bool, Option<Seen>) {
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    for piece in bytes.chunks(length) {
        if parser.feed(piece, |event| events.push(seen(event))).is_err() {
            return (events, false, None);
        }
    }
    let mut left_over = None;
    parser.left_over(|event| left_over = Some(seen(event)));
    (events, true, left_over)
}

/// Reads the event as an answer's, too: whatever it holds, that only gives a result.
fn seen(event: Event<'_>) -> Seen {
    let _ = (event.is_keep_alive(), Chunk::parse(event));
    (event.name.to_owned(), event.data.to_owned())
}
