//! Encodes HDR histograms as text: V2 deflate in base64, as the standard tools
//! read it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

/// Cookie, and length of what follows, before the deflated histogram.
const OUTER_BYTES: usize = 8;
/// Cookie, length of the counts, offset, figures, least and largest value, and ratio.
const HEADER_BYTES: usize = 40;
const COOKIE: [u8; 4] = [0x1c, 0x84, 0x93, 0x13];
/// Offset 0, three significant figures, least value 1: those of longhaul's histograms.
const SHAPE: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1];
/// Largest size of a histogram with three figures.
const BYTES_MAX: usize = 1 << 20;
/// Steps of a bucket: each has the same width, twice that of the bucket before.
const BUCKET_STEPS: u64 = 1_024;
/// Largest number of a bucket of 64 bits.
const BUCKET_MAX: u64 = 53;

/// Step of a histogram with values in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistogramStep {
    /// Middle of the step.
    pub value: u64,
    /// Number of values.
    pub n: u64,
}

/// Returns a histogram as base64 of V2 deflate; `None` only if the serializer fails, for lack of
/// memory.
pub(crate) fn encode(histogram: &Histogram<u64>) -> Option<String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

/// Returns the steps of a histogram of [`encode`] that hold values, in rising order; `None` if the
/// text is none. A [`Histogram`] would be far larger than what is read.
pub(crate) fn decode(text: &str) -> Option<Vec<HistogramStep>> {
    let outer = STANDARD.decode(text).ok()?;
    let deflated = outer.get(OUTER_BYTES..)?;
    let bytes = decompress_to_vec_zlib_with_limit(deflated, BYTES_MAX).ok()?;
    let (header, mut counts) = bytes.split_at_checked(HEADER_BYTES)?;
    let length = u32::try_from(counts.len()).ok()?.to_be_bytes();
    if header[..4] != COOKIE || header[4..8] != length || header[8..24] != SHAPE {
        return None;
    }
    let (mut steps, mut index) = (Vec::new(), 0_u64);
    while !counts.is_empty() {
        let n = count(&mut counts)?;
        if n > 0 {
            steps.push(HistogramStep { value: middle(index)?, n: n.unsigned_abs() });
        }
        index = index.checked_add(if n < 0 { n.unsigned_abs() } else { 1 })?;
    }
    Some(steps)
}

/// Reads the count of a step, or a negative number of empty steps: LEB128 of up to nine bytes, with
/// the sign in the last bit.
fn count(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for place in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        // The ninth byte is the last one, and all of its bits count.
        let is_last = place == 8 || *byte < 0x80;
        let bits = if place == 8 { *byte } else { byte & 0x7f };
        number |= u64::from(bits) << (7 * place);
        if is_last {
            break;
        }
    }
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

/// Returns the middle of a step. The first two buckets have the same width.
fn middle(index: u64) -> Option<u64> {
    let bucket = (index / BUCKET_STEPS).saturating_sub(1);
    let width = (bucket <= BUCKET_MAX).then(|| 1_u64 << bucket)?;
    Some((index - bucket * BUCKET_STEPS) * width + width / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_histogram_are_read_back_from_its_text() {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        for value in [1, 1_000, 2_047, 2_048, 42_000, 42_000, 9_000_000, 3_600_000_000] {
            histogram.record_n(value, value.min(1_000_000)).unwrap();
        }
        let text = encode(&histogram).unwrap();
        assert!(text.starts_with("HISTF"), "{text}");
        let step = |step: hdrhistogram::iterators::IterationValue<u64>| HistogramStep {
            value: histogram.median_equivalent(step.value_iterated_to()),
            n: step.count_at_value(),
        };
        let wanted: Vec<HistogramStep> = histogram.iter_recorded().map(step).collect();
        assert_eq!((wanted.len(), decode(&text)), (7, Some(wanted)));
    }

    #[test]
    fn what_is_no_histogram_is_not_read() {
        let other = encode(&Histogram::new_with_bounds(1, 1_000, 2).unwrap()).unwrap();
        for text in ["", "HISTF", "not a histogram", other.as_str()] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
