//! States whether the contract detected the ailments of a run, and which of them touched nothing.

use crate::analysis::{Analysis, RunDescription};
use crate::fact::Phase;
use crate::incident::IncidentKind;
use crate::report::words::counted;
use crate::series::AILMENT_HITS;
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
    let is_hang = text.split(['=', '@']).next() == Some("hang");
    let hung = |kind: &IncidentKind| *kind == IncidentKind::Hang;
    let seen = analysis.calendar.incidents.iter().any(|it| it.kinds.iter().any(hung));
    match hits(analysis, text)? {
        (all, _) if all <= 0.0 => Some("it touched nothing"),
        (_, judged) if judged <= 0.0 => Some("it touched nothing that is judged"),
        _ if is_hang && !seen => Some("too short to count as a hang"),
        _ => None,
    }
}

/// Returns how often an ailment happened, or how many requests it hit: in all, and once the warm-up
/// was over. Events and lasting faults count as judged wherever they began.
fn hits(analysis: &Analysis, text: &str) -> Option<(f64, f64)> {
    let mut series = analysis.over_time.series.iter();
    let found = series.find(|it| AILMENT_HITS.has(it.source, &it.name) && it.instance == text)?;
    let last = found.lifetimes.iter().map(|life| life.last).fold(0.0, f64::max);
    let mut blocks = found.lifetimes.iter().flat_map(|life| &life.blocks);
    let judged = blocks.find(|block| !matches!(block.phase, Phase::Warmup));
    let before = judged.map_or(last, |block| block.min);
    let name = text.split(['=', '@']).next().unwrap_or_default();
    let is_counted = REQUEST_FAULTS.contains(&name);
    Some((last, if is_counted { last - before } else { last }))
}

/// Names of the faults that hit single requests.
const REQUEST_FAULTS: [&str; 5] =
    ["stall", "error_frame", "truncated_stream", "empty_answer", "short_answer"];
