//! Keeps the raw bytes of an answer within a limit: its beginning and its end.

use std::collections::VecDeque;

/// Bytes kept of an answer's beginning: the first frames of a failure.
const HEAD_BYTES: usize = 4 << 10;

/// Bytes kept of its end: some fifty frames before a failure.
const TAIL_BYTES: usize = 12 << 10;

/// Distance from a cut within which a line end is searched: a cut within a line may split a secret,
/// which must be recognised.
const LINE_BYTES: usize = 1 << 10;

/// First and last bytes of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct AnswerBytes {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl AnswerBytes {
    /// Adds bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head.len()));
        self.head.extend_from_slice(head);
        let keep = &rest[rest.len().saturating_sub(TAIL_BYTES)..];
        let over = (self.tail.len() + keep.len()).saturating_sub(TAIL_BYTES);
        self.left_out += (over + rest.len() - keep.len()) as u64;
        self.tail.drain(..over);
        self.tail.extend(keep);
    }

    /// Returns the beginning of the answer, a few KiB.
    pub(super) fn beginning(&self) -> &[u8] {
        &self.head
    }

    /// Returns the bytes that were kept, cut at line ends on both sides of the gap if lines are
    /// short.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let (mut bytes, tail) = (self.head, Vec::from(self.tail));
        if self.left_out == 0 {
            bytes.extend(tail);
            return bytes;
        }
        let is_end = |byte: &u8| *byte == b'\n';
        let last = bytes.iter().rev().take(LINE_BYTES).position(is_end).unwrap_or(0);
        let first = tail.iter().take(LINE_BYTES).position(is_end).map_or(0, |end| end + 1);
        let left_out = self.left_out + (last + first) as u64;
        bytes.truncate(bytes.len() - last);
        bytes.extend_from_slice(format!("\n[{left_out} bytes left out]\n").as_bytes());
        bytes.extend_from_slice(&tail[first..]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_bytes_are_kept_and_the_gap_is_told() {
        let mut evidence = AnswerBytes::default();
        for number in 0..10_000u32 {
            evidence.feed(format!("{number:05}\n").as_bytes());
        }
        let kept = String::from_utf8(evidence.into_bytes()).unwrap();
        assert!(kept.starts_with("00000\n") && kept.ends_with("09999\n"));
        let lines: Vec<&str> = kept.lines().filter(|line| line.len() != 5).collect();
        assert_eq!(lines, ["", "[43626 bytes left out]"]);
        assert!(kept.len() < HEAD_BYTES + TAIL_BYTES + 50);
    }

    #[test]
    fn around_the_gap_lines_are_whole_and_a_long_one_is_cut() {
        let mut evidence = AnswerBytes::default();
        evidence.feed(&vec![b'x'; HEAD_BYTES + TAIL_BYTES + 7]);
        let kept = String::from_utf8(evidence.into_bytes()).unwrap();
        let [head, tail] = [HEAD_BYTES, TAIL_BYTES].map(|bytes| "x".repeat(bytes));
        assert_eq!(kept, format!("{head}\n[7 bytes left out]\n{tail}"));
    }
}
