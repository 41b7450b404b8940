//! Histograms of the times between tokens and between chunks, of the round
//! that is under way: what request rows cannot carry.

use hdrhistogram::Histogram;

use crate::answer::Answer;
use crate::fact::{Batch, GapKind, Gaps};
use crate::stats::hdr;
use crate::unit::At;

/// The longest gap that a histogram tells apart, an hour in microseconds; longer ones
/// count as an hour, and stand exactly in their request's `max_gap_us`.
const GAP_US_MAX: u64 = 3_600_000_000;
/// Token stamps of a round that are kept for its peak; bounds memory where outputs are long.
const STAMPS_MAX: usize = 200_000;

/// The gaps of the round that is under way.
#[derive(Default)]
pub struct GapBook {
    itl: Option<Histogram<u64>>,
    gap: Option<Histogram<u64>>,
    from: Option<At>,
    stamps: Vec<(At, u64)>,
}

impl GapBook {
    /// Takes in the gaps of a request that was answered whole, and its tokens as they came.
    pub fn take(&mut self, answer: &Answer) {
        self.from.get_or_insert(answer.request.sent);
        let room = STAMPS_MAX.saturating_sub(self.stamps.len());
        let arrivals = answer.arrivals.iter().take(room);
        self.stamps.extend(arrivals.map(|arrival| (arrival.at, u64::from(arrival.tokens))));
        if !answer.request.ended.is_good() {
            return;
        }
        for (us, times) in &answer.itl_us {
            note(&mut self.itl, *us, *times);
        }
        for us in &answer.gap_us {
            note(&mut self.gap, *us, 1);
        }
    }

    /// Ends the round: its histograms, and the most tokens in any one second over all streams.
    pub fn close(&mut self, batch: &Batch) -> (Vec<Gaps>, Option<u64>) {
        let from = self.from.take().unwrap_or(batch.began);
        let mut gaps = Vec::new();
        for (kind, histogram) in [(GapKind::Itl, self.itl.take()), (GapKind::Gap, self.gap.take())]
        {
            let Some(histogram) = histogram else { continue };
            let Some(text) = hdr::encode(&histogram) else { continue };
            gaps.push(Gaps {
                kind,
                phase: batch.phase,
                workload: batch.workload.clone(),
                class: batch.class,
                cell: batch.cell,
                from,
                n: histogram.len(),
                histogram: text,
            });
        }
        let mut stamps = std::mem::take(&mut self.stamps);
        stamps.sort_unstable();
        (gaps, peak(&stamps))
    }
}

fn note(histogram: &mut Option<Histogram<u64>>, us: u64, times: u64) {
    if histogram.is_none() {
        // The bounds are constants that the crate accepts.
        *histogram = Histogram::new_with_bounds(1, GAP_US_MAX, 3).ok();
    }
    if let Some(histogram) = histogram {
        histogram.saturating_record_n(us.clamp(1, GAP_US_MAX), times);
    }
}

/// The most tokens in any one second. `stamps` in order of time.
fn peak(stamps: &[(At, u64)]) -> Option<u64> {
    let (mut most, mut inside, mut start) = (0, 0, 0);
    for (at, tokens) in stamps {
        inside += tokens;
        while at.since(stamps[start].0) >= 1_000_000 {
            inside -= stamps[start].1;
            start += 1;
        }
        most = most.max(inside);
    }
    (most > 0).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_of_any_second_not_of_whole_ones() {
        let stamps: Vec<(At, u64)> =
            [100, 900, 1_050, 1_800, 1_899, 3_000].map(|ms| (At(ms * 1000), 2)).into();
        assert_eq!(peak(&stamps), Some(8));
        assert_eq!(peak(&[]), None);
    }
}
