//! Checks the parser of event streams: the events do not depend on how the bytes are cut.

use crate::protocol::sse::Parser;

/// Feeds arbitrary bytes whole, byte by byte, and in pieces of a length that the bytes give: the
/// events, the error and the rest are the same each time.
pub fn sse(bytes: &[u8]) {
    let whole = fed(bytes, usize::MAX);
    let length = bytes.first().map_or(1, |first| usize::from(*first).max(1));
    for length in [1, length] {
        assert_eq!(fed(bytes, length), whole, "in pieces of {length}");
    }
}

/// Events, whether all bytes were accepted, and the data that the end of the stream left open.
fn fed(bytes: &[u8], length: usize) -> (Vec<String>, bool, Option<String>) {
    let (mut parser, mut frames) = (Parser::default(), Vec::new());
    for piece in bytes.chunks(length) {
        if parser.feed(piece, |frame| frames.push(frame.to_owned())).is_err() {
            return (frames, false, None);
        }
    }
    let left_over = parser.left_over();
    (frames, true, left_over)
}
