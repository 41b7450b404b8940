//! Finds the cause of an incident, the first with evidence among its marks, and its kinds.

use super::mark::{About, Mark, ShownMark};
use crate::incident::{Cause, Confidence, IncidentKind};
use crate::unit::At;

/// Largest delay of a stamp after the first bad sign that still counts as earlier, microseconds:
/// the container engine stamps its events, longhaul its answers.
const SKEW_US: u64 = 2_000_000;

/// Largest distance of a count that rose from the line on that kill, microseconds.
const SAME_US: u64 = 11_000_000;

/// Returns the cause that the marks show, and its confidence. An exit code is no evidence, and
/// neither is signal 9: kernels, engines, operators and memory guards all send it.
pub(super) fn classify(marks: &[ShownMark]) -> (Cause, Confidence) {
    use Confidence::{Certain, Guess, Likely};
    let first_bad = marks.iter().filter(|shown| shown.mark.is_bad()).map(|shown| shown.at.0).min();
    // An order after the failure repairs the server and is not the cause.
    let in_time = |shown: &ShownMark| {
        !shown.mark.is_asked()
            || first_bad.is_none_or(|bad| shown.at.0 <= bad.saturating_add(SKEW_US))
    };
    // Nor is an order the cause when the process that it started exited by itself.
    let drilled = !died_after_restart(marks);
    let counts =
        |shown: &ShownMark| in_time(shown) && (shown.mark != Mark::OrderedByLonghaul || drilled);
    let has = |mark: Mark| marks.iter().any(|shown| shown.mark == mark && counts(shown));
    let dies = has(Mark::Exited) || has(Mark::Restarted);
    // The order is: actions from outside, then memory, then the GPU, then the engine.
    let rules = [
        (Mark::Rebooted, Cause::HostReboot, Certain),
        (Mark::OrderedByLonghaul, Cause::Own, Certain),
        // The kernel's count for the whole machine rises too, so this rule comes first.
        (Mark::CgroupOom, Cause::CgroupOom, Certain),
        (Mark::KernelOomLine, Cause::KernelOom, Certain),
        (Mark::OperatorAction, Cause::Operator, Certain),
        // The kill may be that of another process, where no process of the server ended.
        (Mark::KernelKill, Cause::KernelOom, if dies { Likely } else { Guess }),
        (Mark::UserspaceKill, Cause::UserspaceKiller, Certain),
        (Mark::DriverOom, Cause::DriverOom, Certain),
        (Mark::AnsweredOom, Cause::DriverOom, Likely),
        (Mark::GpuFault, Cause::GpuFault, Likely),
        (Mark::ShutdownRequested, Cause::Operator, Likely),
        (Mark::EngineDead, Cause::EngineCrash, Certain),
        (Mark::Exited, Cause::EngineCrash, Likely),
        // A stop by an operator looks the same over HTTP.
        (Mark::AnsweredDead, Cause::EngineCrash, Guess),
        (Mark::Restarted, Cause::EngineCrash, Guess),
        (Mark::Hung, Cause::Hang, Likely),
        // A pulled network cable looks the same.
        (Mark::NoHost, Cause::HostWedge, Guess),
        (Mark::Unreachable, Cause::Network, Likely),
        (Mark::Broke, Cause::EngineCrash, Guess),
    ];
    let first = rules.into_iter().find(|(mark, _, _)| has(*mark));
    first.map_or((Cause::Unknown, Guess), |(_, cause, confidence)| (cause, confidence))
}

/// Returns the kinds of the incident, the gravest first.
pub(super) fn kinds(marks: &[ShownMark], cause: Cause, came_back: bool) -> Vec<IncidentKind> {
    let has = |of: &[Mark]| marks.iter().any(|shown| of.contains(&shown.mark));
    let away = has(&[Mark::Away, Mark::Exited, Mark::OrderedByLonghaul, Mark::Rebooted]);
    let died = has(&[Mark::Exited, Mark::Rebooted, Mark::Restarted, Mark::EngineDead])
        || away && has(&[Mark::Broke, Mark::AnsweredDead]);
    let oom = [
        Mark::KernelOomLine,
        Mark::CgroupOom,
        Mark::KernelKill,
        Mark::UserspaceKill,
        Mark::DriverOom,
        Mark::AnsweredOom,
    ];
    let asked = matches!(cause, Cause::Own | Cause::Operator | Cause::Network);
    let anew = has(&[Mark::Restarted]) || came_back && (died || has(&[Mark::Started]));
    let mut kinds = Vec::new();
    let mut add = |kind: IncidentKind, is: bool| kinds.extend(is.then_some(kind));
    add(IncidentKind::OutOfMemory, has(&oom));
    add(IncidentKind::Crash, died && !asked);
    add(IncidentKind::Hang, has(&[Mark::Hung]) && cause != Cause::Operator);
    add(IncidentKind::Restart, anew && cause != Cause::Network);
    add(IncidentKind::Outage, away);
    if kinds.is_empty() {
        kinds.push(IncidentKind::Outage);
    }
    kinds
}

/// Returns the marks that are about the server. A kill of some process of its machine is the
/// likely cause where the server died at that time. A count that rose is of the kill that a line
/// tells of at that time.
pub(super) fn of_server(marks: &[ShownMark]) -> Vec<ShownMark> {
    let has = |of: &[Mark]| marks.iter().any(|shown| of.contains(&shown.mark));
    let died = has(&[Mark::Exited, Mark::Rebooted, Mark::Restarted, Mark::EngineDead])
        || has(&[Mark::Away]) && has(&[Mark::Broke, Mark::AnsweredDead]);
    let near = |shown: &ShownMark, other: &ShownMark| shown.at.0.abs_diff(other.at.0) <= SAME_US;
    let is_told = |shown: &ShownMark| {
        let lines = || marks.iter().filter(|other| near(shown, other));
        let is_kill =
            |other: &ShownMark| matches!(other.mark, Mark::KernelOomLine | Mark::CgroupOom);
        lines().any(|other| other.mark == Mark::OthersKilled)
            && !lines().any(|other| is_kill(other) && other.about != About::Counted)
    };
    let counts = |shown: &&ShownMark| match (shown.mark, shown.about) {
        (Mark::OthersKilled, _) => false,
        (Mark::KernelKill, _) => died && !is_told(shown),
        (_, About::Counted) => !is_told(shown),
        (_, About::Somebody) => died,
        (_, About::Server) => true,
    };
    marks.iter().filter(counts).cloned().collect()
}

/// Returns the marks without the exit that longhaul's repair caused: a restart that repairs an
/// incident is no crash. An exit after the following start is a crash again.
pub(super) fn before_repair(marks: &[ShownMark]) -> Vec<ShownMark> {
    let Some(back) = first(marks, Mark::RepairOrdered) else { return marks.to_vec() };
    let starts = marks.iter().filter(|shown| shown.mark == Mark::Started && shown.at >= back);
    let begun = starts.map(|shown| shown.at).min();
    let ends =
        [Mark::Exited, Mark::Broke, Mark::AnsweredDead, Mark::Restarted, Mark::ShutdownRequested];
    let is_of_it = |shown: &&ShownMark| {
        shown.at < back
            || !ends.contains(&shown.mark)
            || begun.is_some_and(|begun| shown.at > begun)
    };
    marks.iter().filter(is_of_it).cloned().collect()
}

/// Whether a process that longhaul had started ended by itself.
fn died_after_restart(marks: &[ShownMark]) -> bool {
    let begun = first(marks, Mark::Started);
    begun.is_some_and(|begun| {
        marks.iter().any(|shown| shown.mark == Mark::Exited && shown.at > begun)
    })
}

fn first(marks: &[ShownMark], mark: Mark) -> Option<At> {
    marks.iter().filter(|shown| shown.mark == mark).map(|shown| shown.at).min()
}
