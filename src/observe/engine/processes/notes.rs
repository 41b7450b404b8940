//! Collects what a report says about the processes that answer for the metrics, each thing once.

use std::collections::BTreeSet;

use crate::escape::one_line;

/// Bound on the notes of a run.
const NOTES_MAX: usize = 16;
/// Bound on the characters of an engine's labels.
const LABELS_CHARS_MAX: usize = 80;
/// Looks after which a note is reported that a process which answers again would refute.
const CONFIRMED_LOOKS: u64 = 2;
/// Returns of an earlier process from which on several processes are reported.
const RETURNS_MIN: u64 = 2;

/// Notes on the processes of a metrics page.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsNotes {
    /// Note that is not confirmed yet, with the look that gave it.
    waiting: Option<(u64, String)>,
    reported: BTreeSet<String>,
    new: Vec<String>,
}

impl MetricsNotes {
    /// Returns the notes since the last call.
    pub(super) fn drain(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new)
    }

    /// Tells the note that waits, if it has not been refuted by this look.
    pub(super) fn confirm(&mut self, look: u64) {
        if let Some((_, words)) = self.waiting.take_if(|(of, _)| *of + CONFIRMED_LOOKS <= look) {
            self.tell(words);
        }
    }

    /// An earlier process has answered again, so many times. Once may be a new process that has
    /// just reached the counters of the one before.
    pub(super) fn in_turn(&mut self, returns: u64) {
        self.waiting = None;
        if returns < RETURNS_MIN {
            return;
        }
        self.tell("several processes answer for /metrics in turn, such as replicas behind one address: their numbers are taken together".to_owned());
    }

    /// A process answers that was running before.
    pub(super) fn another(&mut self, look: u64) {
        let words = "another process answers for /metrics now, which was running before: that is no restart";
        self.waiting = Some((look, words.to_owned()));
    }

    /// The start time moved, seconds, and the counters went on.
    pub(super) fn clock_set(&mut self, look: u64, moved: f64) {
        let words = format!(
            "its start time moved by {moved:+.0} s while its counters went on: its machine's clock was set, and it did not restart"
        );
        self.waiting = Some((look, words));
    }

    /// The start time is that of each look.
    pub(super) fn start_is_now(&mut self) {
        self.waiting = None;
        self.tell(
            "its start time moves with the clock from look to look: it is not used".to_owned(),
        );
    }

    /// The counters of engines were missing, and began anew.
    pub(super) fn reloaded(&mut self, engines: &[String]) {
        for labels in engines {
            let labels = one_line(labels, LABELS_CHARS_MAX);
            self.tell(format!(
                "{{{labels}}} was missing and has begun anew, while the process went on: a model was loaded again, and the server did not restart"
            ));
        }
    }

    /// Engines are missing from the page.
    pub(super) fn missing(&mut self, engines: &[&str]) {
        for labels in engines {
            let labels = one_line(labels, LABELS_CHARS_MAX);
            self.tell(format!(
                "{{{labels}}} is missing from the page, while others go on: that engine or model is gone"
            ));
        }
    }

    fn tell(&mut self, words: String) {
        if self.reported.len() < NOTES_MAX && self.reported.insert(words.clone()) {
            self.new.push(words);
        }
    }
}
