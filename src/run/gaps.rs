//! Histograms of the times between tokens and between chunks, of everything
//! that was asked alike since the last batch of it: what request rows cannot
//! carry.

use hdrhistogram::Histogram;

use crate::answer::Answer;
use crate::fact::{Batch, GapKind, Gaps, Group, Phase};
use crate::stats::hdr;
use crate::unit::At;

/// The longest gap that a histogram tells apart, an hour in microseconds; longer ones
/// count as an hour, and stand exactly in their request's `max_gap_us`.
const GAP_US_MAX: u64 = 3_600_000_000;
/// Token stamps of a batch that are kept for its peak; bounds memory where outputs are long.
const STAMPS_MAX: usize = 200_000;

/// The gaps of everything that has ended and is in no batch yet, by what was asked: lanes may
/// be at different cells at once.
#[derive(Default)]
pub struct GapBook(Vec<(Alike, Book)>);

/// The phase and group of asks whose gaps go together.
type Alike = (Phase, Group);

/// The gaps of asks that are alike.
struct Book {
    itl: Option<Histogram<u64>>,
    gap: Option<Histogram<u64>>,
    /// When the first of them to end was sent.
    from: At,
    stamps: Vec<(At, u64)>,
}

impl GapBook {
    /// Takes in the gaps of a request that was answered whole, and its tokens as they came.
    pub fn take(&mut self, answer: &Answer) {
        let request = &answer.request;
        let alike = (request.phase, request.group());
        if let Some((_, book)) = self.0.iter_mut().find(|(known, _)| *known == alike) {
            book.take(answer);
        } else {
            let mut book = Book::new(request.sent);
            book.take(answer);
            self.0.push((alike, book));
        }
    }

    /// Ends a batch: its histograms, and the most tokens in any one second over all streams.
    pub fn close(&mut self, batch: &Batch) -> (Vec<Gaps>, Option<u64>) {
        let alike = (batch.phase, batch.group());
        match self.0.iter().position(|(known, _)| *known == alike) {
            Some(index) => self.0.swap_remove(index).1.close(batch),
            None => (Vec::new(), None),
        }
    }
}

impl Book {
    fn new(from: At) -> Book {
        Book { itl: None, gap: None, from, stamps: Vec::new() }
    }

    fn take(&mut self, answer: &Answer) {
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

    fn close(self, batch: &Batch) -> (Vec<Gaps>, Option<u64>) {
        let mut gaps = Vec::new();
        for (kind, histogram) in [(GapKind::Itl, self.itl), (GapKind::Gap, self.gap)] {
            let Some(histogram) = histogram else { continue };
            let Some(text) = hdr::encode(&histogram) else { continue };
            gaps.push(Gaps {
                kind,
                phase: batch.phase,
                workload: batch.workload.clone(),
                class: batch.class,
                cell: batch.cell,
                from: self.from,
                n: histogram.len(),
                histogram: text,
            });
        }
        let mut stamps = self.stamps;
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
    use crate::incident::story::Story;

    fn batch(depth: u64) -> Batch {
        let request = Story::new().request(1.0, depth);
        Batch {
            phase: request.phase,
            workload: request.workload,
            class: request.class,
            cell: request.cell,
            lap: request.lap,
            repeat: request.repeat,
            requests: 2,
            good: 2,
            began: request.sent,
            first: None,
            last: None,
            tokens: None,
            first_tokens: None,
            peak_tokens: None,
            models_us: None,
        }
    }

    #[test]
    fn lanes_at_two_cells_at_once_have_their_gaps_apart() {
        let answer = |depth: u64, gap_us: u64| Answer {
            request: Story::new().request(1.0, depth),
            itl_us: Vec::new(),
            gap_us: vec![gap_us],
            arrivals: Vec::new(),
            system: None,
            frames: Vec::new(),
        };
        let mut book = GapBook::default();
        for (depth, gap_us) in [(0, 10), (4096, 700), (0, 11), (4096, 701), (4096, 702)] {
            book.take(&answer(depth, gap_us));
        }
        let closed = |book: &mut GapBook, depth| book.close(&batch(depth));
        assert_eq!(closed(&mut book, 0).0[0].n, 2);
        assert_eq!(closed(&mut book, 4096).0[0].n, 3);
        assert!(closed(&mut book, 0).0.is_empty());
    }

    #[test]
    fn the_peak_is_of_any_second_not_of_whole_ones() {
        let stamps: Vec<(At, u64)> =
            [100, 900, 1_050, 1_800, 1_899, 3_000].map(|ms| (At(ms * 1000), 2)).into();
        assert_eq!(peak(&stamps), Some(8));
        assert_eq!(peak(&[]), None);
    }
}
