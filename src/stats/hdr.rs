//! Encodes HDR histograms as text: V2 deflate in base64, as the standard tools
//! read it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

/// Returns a histogram as base64 of V2 deflate; `None` only if the serializer fails, for lack of
/// memory.
pub(crate) fn encode(histogram: &Histogram<u64>) -> Option<String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

/// Parses a histogram of [`encode`] or another tool; `None` if the text is none.
pub(crate) fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_read_back_from_its_text() {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        for value in [1_000, 42_000, 42_000, 9_000_000] {
            histogram.record(value).unwrap();
        }
        let text = encode(&histogram).unwrap();
        assert!(text.starts_with("HISTF"), "{text}");
        assert_eq!(decode(&text), Some(histogram));
        assert_eq!(decode("HISTF"), None);
        assert_eq!(decode("not a histogram"), None);
    }
}
