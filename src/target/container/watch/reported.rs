//! Decides which inspected changes of a container no event reported.

use crate::fact::{Exited, TargetFact, TargetWord};
use crate::target::container::inspect::{ContainerChange, ContainerState};

/// Changes that events reported since the last inspection.
#[derive(Debug, Default)]
pub(super) struct ReportedChanges {
    pub starts: u64,
    pub ends: u64,
    pub pauses: u64,
    pub removed: bool,
    /// Starts that longhaul itself ordered.
    pub ignored_starts: u64,
}

impl ReportedChanges {
    /// Returns the fact of a change between two inspections that no event reported.
    pub(super) fn unreported(
        &self,
        change: ContainerChange,
        look: &ContainerState,
        base: &ContainerState,
    ) -> Option<TargetFact> {
        let fact = match change {
            ContainerChange::Recreated(words) if self.starts == 0 => {
                TargetFact::new(TargetWord::Restarted, words)
            }
            ContainerChange::Restarted(words) => {
                let again = look.restarts.saturating_sub(base.restarts).max(1);
                if self.starts >= again {
                    return None;
                }
                TargetFact::new(TargetWord::Restarted, words)
            }
            ContainerChange::Ended if self.ends == 0 => {
                let (code, oom_killed) = (look.exit_code, look.oom_killed);
                let words = format!("it does not run any more, since {}", look.finished);
                TargetFact {
                    exit: Some(Exited { code, signal: None, oom_killed }),
                    ..TargetFact::new(TargetWord::Exited, words)
                }
            }
            ContainerChange::Paused if self.pauses == 0 => {
                TargetFact::new(TargetWord::Paused, "its state is paused")
            }
            ContainerChange::Unpaused if self.pauses == 0 => {
                TargetFact::new(TargetWord::Unpaused, "its state is running again")
            }
            _ => return None,
        };
        Some(fact)
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::fact::Fact;
    use crate::target::standin::words;

    /// State of a container that ran, was restarted twice, and ended for lack of memory.
    fn ended() -> ContainerState {
        ContainerState {
            id: "ab".to_owned(),
            status: "exited".to_owned(),
            exit_code: Some(137),
            oom_killed: Some(true),
            finished: "2026-11-23T06".to_owned(),
            restarts: 2,
            ..ContainerState::default()
        }
    }

    /// Returns the fact of a change to [`ended`], in words; empty where an event reported it.
    fn unreported(reported: &ReportedChanges, change: ContainerChange) -> String {
        let base = ContainerState { running: true, ..ContainerState::default() };
        let fact = reported.unreported(change, &ended(), &base).map(Fact::Target);
        words(fact.as_slice())
    }

    #[test]
    fn a_change_is_told_where_no_event_told_it() {
        let evidence = || "the evidence".to_owned();
        let mut all = Vec::new();
        for (change, heard) in [
            (
                ContainerChange::Recreated(evidence()),
                ReportedChanges { starts: 1, ..ReportedChanges::default() },
            ),
            (
                ContainerChange::Restarted(evidence()),
                ReportedChanges { starts: 2, ..ReportedChanges::default() },
            ),
            (ContainerChange::Ended, ReportedChanges { ends: 1, ..ReportedChanges::default() }),
            (ContainerChange::Paused, ReportedChanges { pauses: 1, ..ReportedChanges::default() }),
            (
                ContainerChange::Unpaused,
                ReportedChanges { pauses: 1, ..ReportedChanges::default() },
            ),
        ] {
            let name = format!("{change:?}");
            let again = change.clone();
            let unheard = unreported(&ReportedChanges::default(), change);
            all.push(format!("{name}\n  {unheard}"));
            assert_eq!(unreported(&heard, again), "", "{name} was told by its event");
        }
        assert_snapshot!("changes", all.join("\n"));
    }

    #[test]
    fn of_two_restarts_of_which_one_was_heard_the_other_is_told() {
        let heard = ReportedChanges { starts: 1, ..ReportedChanges::default() };
        let change = ContainerChange::Restarted("twice".to_owned());
        assert_eq!(unreported(&heard, change), "Restarted: twice");
    }
}
