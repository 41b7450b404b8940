//! Collects the output of a server for the run folder in pieces, and leaves out what comes too fast:
//! the folder keeps its newest end only, and every byte is searched for secrets.

use bytes::Bytes;

use crate::unit::At;

/// Size at which a piece is full.
const PIECE_BYTES: usize = 64 << 10;
/// Limit of the bytes that are kept at once, and for each second beyond.
const KEPT_BYTES_MAX: u64 = 16 << 20;
const KEPT_BYTES_PER_SECOND: u64 = 1 << 20;

/// Output that was read and not yet passed on.
#[derive(Debug)]
pub(super) struct KeptOutput {
    piece: Vec<u8>,
    /// Bytes that may be kept at once.
    allowed: u64,
    /// Instant up to which the allowance has grown.
    at: At,
    left_out: u64,
}

impl KeptOutput {
    pub(super) fn new(at: At) -> KeptOutput {
        KeptOutput { piece: Vec::new(), allowed: KEPT_BYTES_MAX, at, left_out: 0 }
    }

    /// Adds bytes that were read at an instant; returns a piece once it is full.
    pub(super) fn add(&mut self, at: At, bytes: &[u8]) -> Option<Bytes> {
        let grown = at.since(self.at).saturating_mul(KEPT_BYTES_PER_SECOND) / 1_000_000;
        if grown > 0 {
            self.allowed = self.allowed.saturating_add(grown).min(KEPT_BYTES_MAX);
            self.at = self.at.max(at);
        }
        let size = bytes.len() as u64;
        if size > self.allowed {
            self.left_out += size;
            return None;
        }
        self.allowed -= size;
        self.say_left_out();
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES { self.flush() } else { None }
    }

    /// Returns what was collected, if anything.
    pub(super) fn flush(&mut self) -> Option<Bytes> {
        self.say_left_out();
        let piece = std::mem::take(&mut self.piece);
        (!piece.is_empty()).then(|| Bytes::from(piece))
    }

    fn say_left_out(&mut self) {
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            let words = format!("\n[longhaul: {left_out} bytes came too fast and were not kept]\n");
            self.piece.extend_from_slice(words.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_passed_on_in_pieces_and_what_comes_too_fast_is_left_out_and_counted() {
        let mut kept = KeptOutput::new(At(0));
        assert_eq!(kept.add(At(0), b"one\n"), None);
        assert_eq!(kept.add(At(0), b"two\n"), None);
        assert_eq!(kept.flush().as_deref(), Some(&b"one\ntwo\n"[..]));
        assert_eq!(kept.flush(), None);
        let piece = vec![b'x'; PIECE_BYTES];
        let passed = (0..1_000).filter_map(|_| kept.add(At(1), &piece)).map(|it| it.len() as u64);
        let passed = passed.sum::<u64>();
        assert!(passed <= KEPT_BYTES_MAX && passed > KEPT_BYTES_MAX - 2 * PIECE_BYTES as u64);
        let left_out = 1_000 * PIECE_BYTES as u64 - passed;
        let words = format!("\n[longhaul: {left_out} bytes came too fast and were not kept]\n");
        assert_eq!(kept.add(At(1_000_001), b"a second later\n"), None);
        let reported = kept.flush().map(|it| String::from_utf8_lossy(&it).into_owned());
        assert_eq!(reported, Some(words + "a second later\n"));
    }
}
