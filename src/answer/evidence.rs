//! The raw bytes of an answer, bounded: how it began and how it ended.

use std::collections::VecDeque;

use crate::secret::Secrets;

/// Bounds what is kept of how an answer began: the head frames of a failure.
const HEAD_BYTES: usize = 4 << 10;

/// Bounds what is kept of how it ended: some fifty frames before a failure.
const TAIL_BYTES: usize = 12 << 10;

/// The first and the last bytes of an answer.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Evidence {
    /// More bytes came.
    pub fn take(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.head.len()));
        self.head.extend_from_slice(head);
        let keep = &rest[rest.len().saturating_sub(TAIL_BYTES)..];
        let over = (self.tail.len() + keep.len()).saturating_sub(TAIL_BYTES);
        self.left_out += (over + rest.len() - keep.len()) as u64;
        self.tail.drain(..over);
        self.tail.extend(keep);
    }

    /// All that was kept, without secrets.
    pub fn into_bytes(self, secrets: &Secrets) -> Vec<u8> {
        let mut bytes = self.head;
        if self.left_out > 0 {
            bytes.extend_from_slice(format!("\n[{} bytes left out]\n", self.left_out).as_bytes());
        }
        bytes.extend(self.tail);
        let mut clean = Vec::with_capacity(bytes.len());
        for part in bytes.utf8_chunks() {
            clean.extend_from_slice(secrets.remove_from(part.valid()).as_bytes());
            clean.extend_from_slice(part.invalid());
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_bytes_are_kept_and_the_gap_is_told() {
        let mut evidence = Evidence::default();
        for number in 0..10_000u32 {
            evidence.take(format!("{number:05}\n").as_bytes());
        }
        let kept = String::from_utf8(evidence.into_bytes(&Secrets::default())).unwrap();
        assert!(kept.starts_with("00000\n") && kept.ends_with("09999\n"));
        assert!(kept.contains("[43616 bytes left out]"), "{}", kept.len());
        assert!(kept.len() < HEAD_BYTES + TAIL_BYTES + 50);
    }

    #[test]
    fn broken_bytes_stay_and_secrets_go() {
        let mut secrets = Secrets::default();
        secrets.add("sk-12345");
        let mut evidence = Evidence::default();
        evidence.take(b"key sk-12345 \xff!");
        assert_eq!(evidence.into_bytes(&secrets), b"key [secret] \xff!");
    }
}
