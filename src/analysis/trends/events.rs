//! Finds what happened when a level changed: an incident, a drill, or a step of the clock within a block
//! of it.

use crate::analysis::calendar::{Calendar, Lifetime};
use crate::analysis::notes::ClockStep;
use crate::fact::{Segment, Seq};
use crate::unit::{At, span};

/// Incident, drill or step of the clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RunEvent {
    segment: Segment,
    at: At,
    /// End of what lasts.
    until: Option<At>,
    /// Words that follow a time: `when the drill aborts began`.
    pub words: String,
    pub evidence: Vec<Seq>,
}

/// Returns the events of a run.
pub(super) fn events(calendar: &Calendar, steps: &[ClockStep]) -> Vec<RunEvent> {
    let mut events = Vec::new();
    let mut tell = |segment, at, words: String, evidence: &[Seq]| {
        events.push(RunEvent { segment, at, until: None, words, evidence: evidence.to_vec() });
    };
    for incident in &calendar.incidents {
        let (segment, what) = (incident.segment, incident.kind().word());
        tell(segment, incident.from, format!("when the {what} began"), &incident.evidence);
        if let Some(until) = incident.until {
            tell(segment, until, format!("when the {what} ended"), &incident.evidence);
        }
    }
    for drill in &calendar.drills {
        let (segment, name) = (drill.segment, &drill.name);
        tell(segment, drill.from, format!("when the drill {name} began"), &[drill.seq]);
        tell(segment, drill.until, format!("when the drill {name} ended"), &[drill.seq]);
    }
    for step in steps {
        let way = if step.step_us < 0 { "back" } else { "forward" };
        let by = span(step.step_us.unsigned_abs() as f64 / 1e6);
        let words = format!("when the wall clock stepped {way} by {by}");
        tell(step.segment, step.at, words, &[step.seq]);
    }
    let during = calendar.drills.iter().map(|drill| RunEvent {
        segment: drill.segment,
        at: drill.from,
        until: Some(drill.until),
        words: format!("during the drill {}", drill.name),
        evidence: vec![drill.seq],
    });
    events.extend(during);
    events
}

/// Returns the event nearest to an hour of a lifetime, within a block of it, or the drill that lasted
/// then.
pub(super) fn near(
    events: &[RunEvent],
    lifetime: Lifetime,
    hours: f64,
    block_h: f64,
) -> Option<&RunEvent> {
    let at = lifetime.from.0 as f64 + hours * 3.6e9;
    let far = |event: &&RunEvent| (event.at.0 as f64 - at).abs();
    let here = events.iter().filter(|event| event.segment == lifetime.segment);
    let near = here.filter(|event| far(event) <= block_h * 3.6e9);
    let lasts = |event: &&RunEvent| {
        event.segment == lifetime.segment
            && event.until.is_some_and(|until| (event.at.0 as f64..until.0 as f64).contains(&at))
    };
    let instants = near.filter(|event| event.until.is_none());
    instants
        .min_by(|one, other| far(one).total_cmp(&far(other)))
        .or_else(|| events.iter().find(lasts))
}
