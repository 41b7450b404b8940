//! Folds what the target reports: exits, starts, hangs, steps of readiness.

use super::Causes;
use super::case::Case;
use super::mark::{Mark, ShownMark};
use crate::fact::{Entry, Segment, TargetFact, TargetWord};
use crate::unit::At;

impl Causes {
    pub(super) fn fold_target(&mut self, entry: &Entry, target: &TargetFact) {
        match target.word {
            TargetWord::Exited | TargetWord::Rebooted | TargetWord::Removed => {
                let from = target.since.unwrap_or(entry.at);
                let mark = match target.word {
                    TargetWord::Rebooted => Mark::Rebooted,
                    _ => Mark::Exited,
                };
                let shown = ShownMark::reported(mark, entry, &target.evidence);
                if let Some(case) = self.told_late(entry.segment, entry.at) {
                    return case.show(shown);
                }
                let case = self.case(entry, from, &target.evidence, true);
                case.incident.from = case.incident.from.min(from);
                case.incident.until = None;
                case.dead = true;
                case.closed_again();
                case.broke_at(entry.at);
                case.show(shown);
            }
            TargetWord::Hung => {
                let from = target.since.unwrap_or(entry.at);
                let case = self.case(entry, from, &target.evidence, false);
                case.incident.from = case.incident.from.min(from);
                case.incident.until = None;
                case.hung = true;
                case.show(ShownMark::reported(Mark::Hung, entry, &target.evidence));
            }
            TargetWord::Moving => {
                if let Some(case) = self.open(entry.segment) {
                    case.hung = false;
                    if !case.is_open() {
                        case.incident.until = Some(entry.at);
                    }
                }
            }
            TargetWord::Started | TargetWord::Launched => {
                if let Some(case) = self.open(entry.segment) {
                    case.incident.recovery.process.get_or_insert(entry.at);
                    case.hung = false;
                    case.show(ShownMark::plain(Mark::Started, entry));
                } else if let Some(case) = self.told_late(entry.segment, entry.at) {
                    case.incident.recovery.process.get_or_insert(entry.at);
                }
            }
            TargetWord::Ready => self.fold_step(entry, target.step.as_deref()),
            _ => {}
        }
    }

    /// Returns the last outage, if a process exit at this instant happened during it. An observer
    /// that was unreachable too reports the exit only when the server is back.
    fn told_late(&mut self, segment: Segment, at: At) -> Option<&mut Case> {
        self.cases.last_mut().filter(|case| {
            let (from, until) = (case.incident.from, case.incident.until);
            case.incident.segment == segment
                && !case.is_open()
                && case.was_away()
                && at >= from
                && until.is_some_and(|until| at < until)
        })
    }

    fn fold_step(&mut self, entry: &Entry, step: Option<&str>) {
        let Some(case) = self.cases.last_mut() else { return };
        let recovery = &mut case.incident.recovery;
        match step {
            Some("port") => recovery.port.get_or_insert(entry.at),
            Some("model") => recovery.model.get_or_insert(entry.at),
            _ => return,
        };
    }
}
