//! Counts what the requests in flight have: their number, their output tokens, and the bytes of their
//! events that are not yet whole.

use std::cell::Cell;
use std::rc::Rc;

/// Live counters of the load, for the live view and for longhaul's readings of itself. All senders
/// share one instance, on one thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Rc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    in_flight: Cell<u64>,
    tokens: Cell<u64>,
    open_bytes: Cell<u64>,
}

impl Progress {
    /// Requests that were sent and have not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.0.in_flight.get()
    }

    /// Bytes of events that are not yet whole, of all requests.
    #[cfg(test)]
    pub(super) fn open_bytes(&self) -> u64 {
        self.0.open_bytes.get()
    }

    /// Output tokens so far, of all requests; never decreases.
    pub(crate) fn tokens(&self) -> u64 {
        self.0.tokens.get()
    }
}

/// Most bytes of events that are not yet whole, of all requests together: bounds the memory that a
/// server can take.
const OPEN_BYTES_MAX: u64 = 20 << 20;
/// Bytes of an event from which on it is ended for that reason.
const LARGE_EVENT_BYTES: u64 = 1 << 20;

/// Share of one request in the progress. Dropping it ends the request's count as in flight, also
/// when its task is cancelled.
pub(super) struct Flight {
    counters: Rc<Counters>,
    tokens: u64,
    /// Bytes of its event that is not yet whole.
    open_bytes: u64,
}

impl Flight {
    /// Counts a request as in flight.
    pub(super) fn begin(progress: &Progress) -> Flight {
        let counters = Rc::clone(&progress.0);
        counters.in_flight.set(counters.in_flight.get() + 1);
        Flight { counters, tokens: 0, open_bytes: 0 }
    }

    /// Sets the bytes of the request's event that is not yet whole. Returns the bytes of all such
    /// events, if they are too many and this one is one of the large ones.
    pub(super) fn holds(&mut self, open_bytes: u64) -> Option<u64> {
        let others = self.counters.open_bytes.get().saturating_sub(self.open_bytes);
        self.open_bytes = open_bytes;
        let all = others + open_bytes;
        self.counters.open_bytes.set(all);
        (all > OPEN_BYTES_MAX && open_bytes > LARGE_EVENT_BYTES).then_some(all)
    }

    /// Sets the request's output tokens so far.
    pub(super) fn reached(&mut self, tokens: u64) {
        let more = tokens.saturating_sub(self.tokens);
        self.counters.tokens.set(self.counters.tokens.get() + more);
        self.tokens += more;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.holds(0);
        self.counters.in_flight.set(self.counters.in_flight.get().saturating_sub(1));
    }
}
