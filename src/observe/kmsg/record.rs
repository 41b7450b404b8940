//! Parses a record of `/dev/kmsg`: `PRIORITY,SEQ,MICROSECONDS,FLAGS[,…];TEXT`, then lines of a
//! dictionary that begin with a blank.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub seq: u64,
    /// Time by the kernel's own clock, in microseconds since boot.
    pub since_boot_us: u64,
    /// Text without its dictionary.
    pub text: &'a str,
}

impl Record<'_> {
    /// Parses a record.
    pub(super) fn parse(record: &str) -> Option<Record<'_>> {
        let (head, text) = record.split_once(';')?;
        let mut head = head.split(',').skip(1);
        let (seq, since_boot_us) = (head.next()?.parse().ok()?, head.next()?.parse().ok()?);
        let text = text.lines().next().unwrap_or_default();
        Some(Record { seq, since_boot_us, text })
    }

    /// Formats the record as `dmesg` shows it, which is what people search for.
    pub(super) fn line(&self) -> String {
        let (seconds, micros) = (self.since_boot_us / 1_000_000, self.since_boot_us % 1_000_000);
        format!("[{seconds:5}.{micros:06}] {}", unescaped(self.text))
    }
}

/// Undoes the kernel's escapes: it writes non-ASCII bytes and backslashes as `\x5c`.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        let byte = rest.get(at + 2..at + 4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        if let Some(byte) = byte {
            bytes.push(byte);
            rest = &rest[at + 4..];
        } else {
            bytes.extend_from_slice(b"\\x");
            rest = &rest[at + 2..];
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}
