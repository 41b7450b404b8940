//! Collects the kills of the machine's OOM killer and of programs that guard memory which are not,
//! or may not be, those of the server. They are told, and count as no event of the server.

use std::collections::BTreeMap;

use super::Calendar;
use crate::engine::signature::victim::Victim;
use crate::engine::signature::{self, Meaning};
use crate::fact::{Entry, Fact, Reading, Segment, Seq, SignatureMatch, Whose};
use crate::incident::IncidentKind;
use crate::series::{CGROUP_OOM_KILLS, OOM_KILLS};
use crate::unit::At;

/// Bound on each list.
const KILLS_MAX: usize = 64;

/// Largest distance of two signs of one kill, microseconds: the cadence of a row, and its delay.
const SAME_US: u64 = 11_000_000;

/// Largest distance of a kill from the incident that it explains, microseconds.
const NEAR_US: u64 = 60_000_000;

/// Kill of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kill {
    pub segment: Segment,
    pub at: At,
    pub seq: Seq,
    /// Whom it hit, or what shows it.
    pub words: String,
}

/// Kills on the server's machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Kills {
    /// Kills of other processes than the server's.
    pub others: Vec<Kill>,
    /// Lines on kills of which it is not known whose process it was.
    unclear: Vec<Kill>,
    /// Rises of the machine's count.
    counted: Vec<Kill>,
    /// Times of all lines on kills.
    lines: Vec<(Segment, At)>,
    /// Rises of the count of the server's cgroup.
    in_cgroup: Vec<(Segment, At)>,
    /// Last reading of that count.
    cgroup_read: BTreeMap<Segment, At>,
    counts: BTreeMap<(Segment, String, String), f64>,
}

impl Kills {
    /// Folds an entry.
    pub(super) fn fold(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Said(said) => self.fold_line(entry, said),
            Fact::Reading(reading) if CGROUP_OOM_KILLS.is_of(reading) => {
                self.cgroup_read.insert(entry.segment, entry.at);
                if self.rose(entry.segment, reading) && self.in_cgroup.len() < KILLS_MAX {
                    self.in_cgroup.push((entry.segment, entry.at));
                }
            }
            Fact::Reading(reading)
                if OOM_KILLS.is_of(reading)
                    && self.rose(entry.segment, reading)
                    && self.counted.len() < KILLS_MAX =>
            {
                self.counted.push(kill(entry, "the kernel's count of kills rose"));
            }
            _ => {}
        }
    }

    fn rose(&mut self, segment: Segment, reading: &Reading) -> bool {
        let key = (segment, reading.name.clone(), reading.instance.clone());
        let before = self.counts.insert(key, reading.last);
        reading.last > before.unwrap_or(reading.min)
    }

    fn fold_line(&mut self, entry: &Entry, said: &SignatureMatch) {
        let meaning = signature::named(&said.signature).map(|row| row.meaning);
        let kills = [Meaning::KernelOom, Meaning::CgroupOom, Meaning::UserspaceKill];
        if !meaning.is_some_and(|meaning| kills.contains(&meaning)) {
            return;
        }
        if self.lines.len() < KILLS_MAX {
            self.lines.push((entry.segment, entry.at));
        }
        let victim = Victim::parse(&said.line);
        let list = match said.whose {
            Some(Whose::Server) => return,
            Some(Whose::Other) => &mut self.others,
            None => &mut self.unclear,
        };
        let words = victim.in_words().unwrap_or_else(|| signature::message(&said.line).to_owned());
        // The kernel writes several lines on one kill.
        let is_same = |known: &Kill| known.words == words && is_near(known, entry, SAME_US);
        if list.len() < KILLS_MAX && !list.iter().any(is_same) {
            list.push(kill(entry, &words));
        }
    }

    /// Returns the kills of which it is not known whether they hit the server: without a line that
    /// says so, without the server's death, and without a count of the server's own cgroup.
    pub(crate) fn unclear<'a>(&'a self, calendar: &'a Calendar) -> impl Iterator<Item = &'a Kill> {
        let counted = self.counted.iter().filter(|kill| {
            let has_line = self.lines.iter().any(|it| is_close(kill, *it, SAME_US));
            !has_line && !self.is_elsewhere(kill)
        });
        self.unclear.iter().chain(counted).filter(|kill| !explains(kill, calendar))
    }

    /// Returns the kills that the machine counted and the server's cgroup did not.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = &Kill> {
        self.counted.iter().filter(|kill| {
            let has_line = self.lines.iter().any(|it| is_close(kill, *it, SAME_US));
            !has_line && self.is_elsewhere(kill)
        })
    }

    fn is_elsewhere(&self, kill: &Kill) -> bool {
        let is_read = self.cgroup_read.get(&kill.segment).is_some_and(|read| *read >= kill.at);
        is_read && !self.in_cgroup.iter().any(|it| is_close(kill, *it, SAME_US))
    }
}

fn kill(entry: &Entry, words: &str) -> Kill {
    Kill { segment: entry.segment, at: entry.at, seq: entry.seq, words: words.to_owned() }
}

fn is_near(kill: &Kill, entry: &Entry, us: u64) -> bool {
    is_close(kill, (entry.segment, entry.at), us)
}

fn is_close(kill: &Kill, (segment, at): (Segment, At), us: u64) -> bool {
    kill.segment == segment && kill.at.0.abs_diff(at.0) <= us
}

/// Whether a kill explains an incident of the server, which counts it already.
fn explains(kill: &Kill, calendar: &Calendar) -> bool {
    calendar.incidents.iter().any(|incident| {
        let until = incident.until.map_or(u64::MAX, |until| until.0.saturating_add(NEAR_US));
        incident.segment == kill.segment
            && incident.is(IncidentKind::OutOfMemory)
            && incident.from.0.saturating_sub(NEAR_US) <= kill.at.0
            && kill.at.0 <= until
    })
}
