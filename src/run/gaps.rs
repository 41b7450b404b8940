//! Collects histograms of the times between tokens and between chunks, by phase
//! and group, since request rows cannot carry them. A histogram ends with its
//! round; without rounds it ends after ten minutes or with its phase. So at
//! most one per group is open, regardless of the number of lanes and
//! conversations.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::answer::Answer;
use crate::fact::{Batch, GapKind, Gaps, Group, Phase};
use crate::stats::hdr::EncodedHistogram;
use crate::stats::peak_per_second;
use crate::unit::At;

/// Largest gap that a histogram distinguishes, microseconds (an hour). Longer gaps count as an
/// hour; the exact value is in their request's `max_gap_us`.
const GAP_US_MAX: u64 = 3_600_000_000;
/// Largest number of token stamps that are kept for the peak rate of a book; bounds memory where
/// outputs are long.
const STAMPS_MAX: usize = 200_000;
/// Longest interval of a group without a cell, microseconds. Such a group has no rounds that end
/// its interval, and a crash of longhaul loses no more than this.
const OPEN_US_MAX: u64 = 600_000_000;

/// Open histograms of ended requests, by phase and group; lanes may be at different groups at
/// once.
#[derive(Default)]
pub(super) struct GapHistograms(BTreeMap<(Phase, Group), GapHistogram>);

/// Histograms and token stamps of one group in one phase.
struct GapHistogram {
    itl: Option<Histogram<u64>>,
    gap: Option<Histogram<u64>>,
    /// Instant at which the first of its requests to end was sent.
    from: At,
    stamps: Vec<(At, u64)>,
}

impl GapHistograms {
    /// Adds the gaps and token stamps of a response. Returns the rows of the previous interval,
    /// where that is over and no round ends it.
    pub(super) fn add(&mut self, answer: &Answer) -> Vec<Gaps> {
        let Answer { request, .. } = answer;
        let alike = (request.phase, request.group());
        let is_long = |book: &GapHistogram| request.done.since(book.from) >= OPEN_US_MAX;
        let is_over = alike.1.cell.is_none() && self.0.get(&alike).is_some_and(is_long);
        let before = if is_over { self.end(&alike).0 } else { Vec::new() };
        self.0.entry(alike).or_insert_with(|| GapHistogram::new(request.sent)).add(answer);
        before
    }

    /// Ends the book of a round. Returns its rows, and the largest number of tokens in any one
    /// second over all streams.
    pub(super) fn close(&mut self, batch: &Batch) -> (Vec<Gaps>, Option<u64>) {
        self.end(&(batch.phase, batch.group.clone()))
    }

    /// Ends all books that no round has ended, at the end of a phase, and returns their rows.
    pub(super) fn close_all(&mut self) -> Vec<Gaps> {
        let open = std::mem::take(&mut self.0);
        open.into_iter().flat_map(|(alike, book)| book.close(&alike).0).collect()
    }

    fn end(&mut self, alike: &(Phase, Group)) -> (Vec<Gaps>, Option<u64>) {
        self.0.remove(alike).map(|book| book.close(alike)).unwrap_or_default()
    }
}

impl GapHistogram {
    fn new(from: At) -> GapHistogram {
        GapHistogram { itl: None, gap: None, from, stamps: Vec::new() }
    }

    fn add(&mut self, answer: &Answer) {
        let request = &answer.request;
        let room = STAMPS_MAX.saturating_sub(self.stamps.len());
        let arrivals = answer.arrivals.iter().take(room);
        self.stamps.extend(arrivals.map(|arrival| (arrival.at, u64::from(arrival.tokens))));
        let is_untimed = request.came_at_once() || request.has_spoiled_gaps();
        if !request.ended.is_good() || is_untimed {
            return;
        }
        for (us, times) in &answer.itl_us {
            note(&mut self.itl, *us, *times);
        }
        for us in &answer.gap_us {
            note(&mut self.gap, *us, 1);
        }
    }

    fn close(self, (phase, group): &(Phase, Group)) -> (Vec<Gaps>, Option<u64>) {
        let mut gaps = Vec::new();
        for (kind, histogram) in [(GapKind::Itl, self.itl), (GapKind::Gap, self.gap)] {
            let Some(histogram) = histogram else { continue };
            let Some(encoded) = EncodedHistogram::of(&histogram) else { continue };
            gaps.push(Gaps {
                kind,
                phase: *phase,
                group: group.clone(),
                from: self.from,
                n: histogram.len(),
                histogram: encoded,
            });
        }
        let mut stamps = self.stamps;
        stamps.sort_unstable();
        let peak = peak_per_second(stamps.into_iter());
        (gaps, Some(peak).filter(|peak| *peak > 0))
    }
}

fn note(histogram: &mut Option<Histogram<u64>>, us: u64, times: u64) {
    if histogram.is_none() {
        // Cannot fail: the bounds are valid constants.
        *histogram = Histogram::new_with_bounds(1, GAP_US_MAX, 3).ok();
    }
    if let Some(histogram) = histogram {
        histogram.saturating_record_n(us.clamp(1, GAP_US_MAX), times);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Class, Request};
    use crate::incident::fixture::{Story, group};

    fn batch(phase: Phase, group: Group) -> Batch {
        Batch { requests: 2, good: 2, ..Batch::begun(phase, group, At::ZERO) }
    }

    fn answer(request: Request, gap_us: u64) -> Answer {
        Answer {
            request,
            itl_us: Vec::new(),
            gap_us: vec![gap_us],
            arrivals: Vec::new(),
            system: None,
            model: None,
            frames: Vec::new(),
        }
    }

    /// Turn of a conversation on a lane of its own.
    fn turn(seconds: f64, lane: u32, phase: Phase) -> Answer {
        let mut request = Story::new().request(seconds, u64::from(lane) * 700);
        (request.workload, request.class) = ("chat".to_owned(), Class::Follow);
        (request.session, request.turn) = (Some(lane.into()), Some(0));
        (request.lane, request.phase) = (lane, phase);
        answer(request, 5)
    }

    #[test]
    fn lanes_at_two_groups_at_once_have_their_gaps_apart() {
        let mut books = GapHistograms::default();
        for (depth, gap_us) in [(0, 10), (4096, 700), (0, 11), (4096, 701), (4096, 702)] {
            books.add(&answer(Story::new().request(1.0, depth), gap_us));
        }
        let closed =
            |books: &mut GapHistograms, depth| books.close(&batch(Phase::Soak, group(depth)));
        assert_eq!(closed(&mut books, 0).0[0].n, 2);
        assert_eq!(closed(&mut books, 4096).0[0].n, 3);
        assert!(closed(&mut books, 0).0.is_empty());
    }

    #[test]
    fn an_answer_that_came_at_once_is_in_no_histogram() {
        let mut books = GapHistograms::default();
        let mut held = Story::new().request(1.0, 0);
        held.last_us = held.ttft_us;
        books.add(&answer(held, 5));
        assert_eq!(books.close(&batch(Phase::Soak, group(0))).0, []);
    }

    #[test]
    fn a_thousand_lanes_with_sessions_of_their_own_leave_one_book_open_and_none_after_the_phase() {
        let mut books = GapHistograms::default();
        let phases = [Phase::Reference, Phase::Soak, Phase::Return];
        for phase in phases {
            for lane in 0..1000 {
                assert_eq!(books.add(&turn(f64::from(lane) / 10.0, lane, phase)), []);
            }
            assert_eq!(books.0.len(), 1);
            let rows = books.close_all();
            let [row] = &rows[..] else { panic!("{rows:?}") };
            assert_eq!((row.phase, row.group.cell, row.n), (phase, None, 1000));
            assert_eq!(books.0.len(), 0);
        }
    }

    #[test]
    fn rounds_of_many_lanes_and_depths_leave_no_book_open() {
        let mut books = GapHistograms::default();
        for depth in 0..100 {
            for lane in 0..16 {
                let mut request = Story::new().request(1.0, depth);
                request.lane = lane;
                books.add(&answer(request, 5));
            }
            assert_eq!(books.0.len(), 1);
            assert_eq!(books.close(&batch(Phase::Soak, group(depth))).0[0].n, 16);
            assert_eq!(books.0.len(), 0);
        }
        assert_eq!(books.close_all(), []);
    }

    #[test]
    fn a_group_without_a_cell_has_rows_of_ten_minutes_and_a_round_is_never_split() {
        let mut books = GapHistograms::default();
        let day = (0..8640).map(|nth| f64::from(nth) * 10.0);
        let rows: Vec<Gaps> =
            day.clone().flat_map(|seconds| books.add(&turn(seconds, 0, Phase::Soak))).collect();
        assert_eq!(rows.len(), 143, "the last ten minutes are open");
        assert!(rows.iter().all(|row| row.n == 60), "{rows:?}");
        assert!(rows.windows(2).all(|pair| pair[1].from.since(pair[0].from) == OPEN_US_MAX));
        for seconds in day {
            assert_eq!(books.add(&answer(Story::new().request(seconds, 0), 5)), []);
        }
        assert_eq!(books.close(&batch(Phase::Soak, group(0))).0[0].n, 8640);
    }
}
