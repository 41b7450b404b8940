//! States whether the contract detected the ailments of a run, and which of them touched nothing.

use crate::analysis::{Analysis, RunDescription};
use crate::incident::IncidentKind;
use crate::report::words::counted;
use crate::verdict::{Verdict, VerdictWord};

/// Returns whether the contract detected the ailments of the run, and for each that cannot have
/// been detected the reason; `None` for a run without ailments.
pub(super) fn ailing(
    asked: &RunDescription,
    analysis: &Analysis,
    verdict: &Verdict,
) -> Option<String> {
    if asked.ailments.is_empty() {
        return None;
    }
    let broken = verdict.gates.iter().filter(|gate| gate.word == VerdictWord::Fail).count();
    let broken = match broken {
        0 => "no gate broke".to_owned(),
        n => counted(n as u64, "gate broke", "gates broke"),
    };
    let ailment = |text: &String| match ineffective(analysis, text) {
        Some(why) => format!("{text} ({why})"),
        None => text.clone(),
    };
    let ailments: Vec<String> = asked.ailments.iter().map(ailment).collect();
    Some(format!("{broken} under {}", ailments.join(", ")))
}

/// Returns why no gate can have noticed an ailment, as far as the run recorded it.
fn ineffective(analysis: &Analysis, text: &str) -> Option<&'static str> {
    let name = text.split(['=', '@']).next().unwrap_or_default();
    let is_hang = name == "hang";
    let hung = |kind: &IncidentKind| *kind == IncidentKind::Hang;
    let seen = analysis.calendar.incidents.iter().any(|it| it.kinds.iter().any(hung));
    // Events and lasting faults count wherever they began.
    let is_of_requests = REQUEST_FAULTS.contains(&name);
    match analysis.ailments.of(text)? {
        (all, _) if all <= 0.0 => Some("it touched nothing"),
        (_, judged) if is_of_requests && judged <= 0.0 => Some("it touched nothing that is judged"),
        _ if is_hang && !seen => Some("too short to count as a hang"),
        _ => None,
    }
}

/// Names of the faults that hit single requests.
const REQUEST_FAULTS: [&str; 9] = [
    "stall",
    "error_frame",
    "truncated_stream",
    "empty_answer",
    "short_answer",
    "long_answer",
    "endless_answer",
    "swallowed_answer",
    "same_answer",
];
