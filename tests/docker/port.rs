//! Observes independently of longhaul when the server's port stopped accepting connections, and
//! when it accepted them again.

// A real engine lives by the real clock.
#![allow(clippy::disallowed_methods, clippy::expect_used)]

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use super::bench::Bench;

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The first instant at which nobody listened, and the last at which somebody did again.
type Seen = Arc<Mutex<(Option<Instant>, Option<Instant>)>>;

/// Looks until it is dropped.
pub(crate) struct Truth {
    seen: Seen,
    is_over: Arc<AtomicBool>,
}

impl Truth {
    /// Looks at a server that is there.
    pub(crate) fn watch(bench: &Bench) -> Truth {
        let address = bench.address().trim_start_matches("http://").to_owned();
        let truth = Truth { seen: Seen::default(), is_over: Arc::default() };
        let (seen, is_over) = (truth.seen.clone(), truth.is_over.clone());
        spawn(move || {
            let mut was_there = true;
            while !is_over.load(Ordering::SeqCst) {
                let is_there = TcpStream::connect(&address).is_ok();
                let mut seen = seen.lock().expect("what was seen");
                if was_there && !is_there {
                    seen.0.get_or_insert_with(Instant::now);
                } else if is_there && !was_there {
                    seen.1 = Some(Instant::now());
                }
                drop(seen);
                was_there = is_there;
                sleep(BETWEEN_LOOKS);
            }
        });
        truth
    }

    /// How long nobody listened, all in all; nothing where nobody came back.
    pub(crate) fn away_s(&self) -> Option<f64> {
        let (gone, back) = *self.seen.lock().expect("what was seen");
        Some(back?.duration_since(gone?).as_secs_f64())
    }
}

impl Drop for Truth {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}
