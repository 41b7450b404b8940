//! Formats what the failures of each side prove, kinds of failures with the same bounds together.

use crate::compare::Comparison;
use crate::measure::{Count, MTBF_CONFIDENCE, Measure};
use crate::report::page::bounds;
use crate::verdict::Exposure;

/// Kinds of failures that have a policy.
const KINDS: [Count; 3] = [Count::Crashes, Count::Ooms, Count::Hangs];

/// Returns an item for each kind of failure, and one for the parser faults: `crashes, hangs: MTBF
/// above 12 h 01 m → above 3 h 54 m (95 %)`. Nothing without time under load on either side.
pub(crate) fn proves(comparison: &Comparison) -> Vec<String> {
    let sides = &comparison.exposure;
    if sides.iter().all(|side| side.failures.load_s <= 0.0) {
        return Vec::new();
    }
    let mut items: Vec<(String, String)> = Vec::new();
    for count in KINDS {
        let [base, candidate] = [0, 1].map(|side| between(&sides[side], count));
        let bounds = format!("MTBF {base} → {candidate}");
        let name = Measure::Count(count).to_string();
        match items.iter_mut().find(|(_, known)| *known == bounds) {
            Some((names, _)) => *names = format!("{names}, {name}"),
            None => items.push((name, bounds)),
        }
    }
    let [base, candidate] = [0, 1].map(|side| faults(&sides[side]));
    items.push(("parser_faults".to_owned(), format!("{base} → {candidate}")));
    let confidence = MTBF_CONFIDENCE * 100.0;
    items.iter().map(|(names, bounds)| format!("{names}: {bounds} ({confidence:.0} %)")).collect()
}

fn between(side: &Exposure, count: Count) -> String {
    side.kind(count).between().unwrap_or_else(|| "unknown".to_owned())
}

fn faults(side: &Exposure) -> String {
    bounds::share(side).unwrap_or_else(|| "unknown".to_owned())
}
