//! Runs questions side by side, a bounded number at a time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Work of which one part may be done.
enum Part<'a, T> {
    Open(Pin<Box<dyn Future<Output = T> + 'a>>),
    Done(Option<T>),
}

/// Runs `work` side by side, at most `most` at a time, and returns the results in its order. Later
/// work begins in its order as earlier work completes.
pub(crate) async fn side_by_side<'a, T, F>(most: usize, work: impl Iterator<Item = F>) -> Vec<T>
where
    T: Unpin + 'a,
    F: Future<Output = T> + 'a,
{
    let mut parts: Vec<Part<'a, T>> = work.map(|work| Part::Open(Box::pin(work))).collect();
    poll_fn(|context| {
        let mut running = 0;
        for part in &mut parts {
            let Part::Open(work) = part else { continue };
            if running == most {
                break;
            }
            match work.as_mut().poll(context) {
                Poll::Ready(done) => *part = Part::Done(Some(done)),
                Poll::Pending => running += 1,
            }
        }
        if running > 0 {
            return Poll::Pending;
        }
        let take = |part: &mut Part<'a, T>| match part {
            Part::Done(done) => done.take(),
            Part::Open(_) => None,
        };
        Poll::Ready(parts.iter_mut().filter_map(take).collect())
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::SystemTime;

    use super::*;
    use crate::timeline::Timeline;
    use crate::unit::At;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_run_at_a_time_and_results_keep_their_order() {
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
        let (running, peak) = (Cell::new(0), Cell::new(0));
        let work = (0..10u64).map(|n| {
            let (running, peak) = (&running, &peak);
            async move {
                running.set(running.get() + 1);
                peak.set(peak.get().max(running.get()));
                timeline.until(At(timeline.now().0 + 1_000 * (10 - n))).await;
                running.set(running.get() - 1);
                n
            }
        });
        assert_eq!(side_by_side(3, work).await, (0..10).collect::<Vec<_>>());
        assert_eq!(peak.get(), 3);
        let none = side_by_side(3, std::iter::empty::<std::future::Ready<u8>>()).await;
        assert!(none.is_empty());
    }
}
