//! `long_answers`: the answer went on beyond the requested length.

use super::CheckInput;

/// Least bytes of text per chunk for which a chunk is at least a token. Some gateways cut the text
/// into characters.
const CHUNK_BYTES_MIN: u64 = 3;

/// Chunks beyond half as many again as the requested tokens, before they count as too many: a parser
/// may make two chunks of one token where a channel begins or ends.
const SLACK_CHUNKS: u64 = 8;

/// Whether the server counts more tokens than were requested, or more chunks with text came than can
/// be so few tokens, whatever it counts.
pub(super) fn fires(signs: &CheckInput) -> bool {
    let request = signs.request;
    let asked = request.cell.output.max(1);
    let chunks_max = asked + asked / 2 + SLACK_CHUNKS;
    request.is_beyond_asked()
        || request.ended.is_good()
            && request.chunks > chunks_max
            && signs.text_bytes >= request.chunks * CHUNK_BYTES_MIN
}
