//! Encodes HDR histograms as text: V2 deflate in base64, as the standard tools
//! read it.

use std::cell::RefCell;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use serde::{Deserialize, Serialize};

/// Cookie, and length of what follows, before the deflated histogram.
const OUTER_BYTES: usize = 8;
/// Cookie, length of the counts, offset, figures, least and largest value, and ratio.
const HEADER_BYTES: usize = 40;
const COOKIE: [u8; 4] = [0x1c, 0x84, 0x93, 0x13];
/// Offset 0, three significant figures, least value 1: those of longhaul's histograms.
const SHAPE: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1];
/// Size of the buffer for an inflated histogram at first.
const BYTES_MIN: usize = 1 << 12;
/// Largest size of a histogram with three figures.
const BYTES_MAX: usize = 1 << 20;
/// Steps of a bucket: each has the same width, twice that of the bucket before.
const BUCKET_STEPS: u64 = 1_024;
/// Largest number of values of a step that is read: thousands of such numbers have a sum.
const COUNT_MAX: u64 = 1 << 52;
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

/// Histogram as text.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EncodedHistogram {
    text: String,
    /// Steps, once they have been asked for.
    #[serde(skip)]
    steps: OnceLock<Option<Vec<HistogramStep>>>,
}

impl EncodedHistogram {
    /// Encodes a histogram; `None` only if the serializer fails, for lack of memory.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<EncodedHistogram> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(histogram, &mut bytes).ok()?;
        Some(EncodedHistogram { text: STANDARD.encode(bytes), steps: OnceLock::new() })
    }

    /// Returns a histogram whose text need not be one.
    #[cfg(test)]
    pub(crate) fn from_text(text: String) -> EncodedHistogram {
        EncodedHistogram { text, steps: OnceLock::new() }
    }

    /// Returns the steps that hold values, in rising order; `None` if the text is none of
    /// longhaul's histograms. They are decoded once. A [`Histogram`] would be far larger.
    pub(crate) fn steps(&self) -> Option<&[HistogramStep]> {
        self.steps.get_or_init(|| decode(&self.text)).as_deref()
    }
}

impl PartialEq for EncodedHistogram {
    fn eq(&self, other: &EncodedHistogram) -> bool {
        self.text == other.text
    }
}

fn decode(text: &str) -> Option<Vec<HistogramStep>> {
    let outer = STANDARD.decode(text).ok()?;
    INFLATER.with_borrow_mut(|inflater| steps_of(inflater.inflated(outer.get(OUTER_BYTES..)?)?))
}

fn steps_of(bytes: &[u8]) -> Option<Vec<HistogramStep>> {
    let (header, mut counts) = bytes.split_at_checked(HEADER_BYTES)?;
    let length = u32::try_from(counts.len()).ok()?.to_be_bytes();
    if header[..4] != COOKIE || header[4..8] != length || header[8..24] != SHAPE {
        return None;
    }
    let (mut steps, mut index) = (Vec::new(), 0_u64);
    while !counts.is_empty() {
        let n = count(&mut counts)?;
        if n.unsigned_abs() > COUNT_MAX {
            return None;
        }
        if n > 0 {
            steps.push(HistogramStep { value: middle(index)?, n: n.unsigned_abs() });
        }
        index = index.checked_add(if n < 0 { n.unsigned_abs() } else { 1 })?;
    }
    Some(steps)
}

thread_local! {
    static INFLATER: RefCell<Inflater> = RefCell::default();
}

/// Buffers of a decoder. To make them takes longer than to inflate a histogram of a round.
#[derive(Default)]
struct Inflater {
    state: Box<DecompressorOxide>,
    bytes: Vec<u8>,
}

impl Inflater {
    /// Inflates a zlib stream of at most [`BYTES_MAX`]; `None` if it is none.
    fn inflated(&mut self, deflated: &[u8]) -> Option<&[u8]> {
        let flags = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        self.state.init();
        let (mut taken, mut length) = (0, 0);
        loop {
            let rest = deflated.get(taken..)?;
            let (status, read, written) =
                decompress(&mut self.state, rest, &mut self.bytes, length, flags);
            (taken, length) = (taken + read, length + written);
            match status {
                TINFLStatus::Done => return self.bytes.get(..length),
                TINFLStatus::HasMoreOutput if self.bytes.len() < BYTES_MAX => {
                    self.bytes.resize((2 * self.bytes.len()).clamp(BYTES_MIN, BYTES_MAX), 0);
                }
                _ => return None,
            }
        }
    }
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
        let encoded = EncodedHistogram::of(&histogram).unwrap();
        assert!(encoded.text.starts_with("HISTF"), "{encoded:?}");
        let step = |step: hdrhistogram::iterators::IterationValue<u64>| HistogramStep {
            value: histogram.median_equivalent(step.value_iterated_to()),
            n: step.count_at_value(),
        };
        let wanted: Vec<HistogramStep> = histogram.iter_recorded().map(step).collect();
        assert_eq!((wanted.len(), encoded.steps()), (7, Some(wanted.as_slice())));
    }

    #[test]
    fn a_histogram_is_read_after_a_broken_and_a_larger_one() {
        let of = |value| {
            let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
            (1..=value).for_each(|value| histogram.record(value * value).unwrap());
            EncodedHistogram::of(&histogram).unwrap()
        };
        let (small, large) = (of(3), of(50_000));
        assert_eq!(decode(&large.text[..large.text.len() / 8 * 4]), None);
        assert!(large.steps().unwrap().len() > 10_000);
        assert_eq!(decode(&small.text).unwrap().len(), 3);
    }

    #[test]
    fn what_is_no_histogram_is_not_read() {
        let other = EncodedHistogram::of(&Histogram::new_with_bounds(1, 1_000, 2).unwrap());
        let other = other.unwrap().text;
        for text in ["", "HISTF", "not a histogram", other.as_str()] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
