//! Finds out whether longhaul's own lag is the only reason why a run proved nothing. A busy machine
//! causes it, no mistake of a page does.

use serde_json::{Value, json};

/// Reason of a gate, within its sentence.
const SPOILED: &str = "longhaul's own delay spoiled";

/// Reason of a run, at the beginning of its sentence.
const PACE: &str = "longhaul could not keep its own pace";

/// Whether each reason of a verdict that is INCONCLUSIVE is longhaul's own lag.
pub(crate) fn is_only_reason(verdict: &Value) -> bool {
    let list = |name: &str| verdict[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let gates = list("gates");
    let undecided = gates.iter().filter(|gate| gate["word"] == "INCONCLUSIVE");
    let of_gates = undecided.map(|gate| text(&gate["why"]).contains(SPOILED));
    let reasons = list("reasons");
    let of_run = reasons.iter().map(|reason| text(reason).starts_with(PACE));
    let is_lag: Vec<bool> = of_gates.chain(of_run).collect();
    verdict["verdict"] == "INCONCLUSIVE" && !is_lag.is_empty() && is_lag.iter().all(|is| *is)
}

/// A verdict with one gate that passed, one that has this word and reason, and reasons of the run.
fn verdict(word: &str, gate: (&str, &str), reasons: &[&str]) -> Value {
    let passed = json!({"word": "PASS", "why": ""});
    let gates = [passed, json!({"word": gate.0, "why": gate.1})];
    json!({"verdict": word, "gates": gates, "reasons": reasons})
}

#[test]
fn lag_is_the_reason_where_it_is_the_reason_of_everything_undecided() {
    let spoiled = "of 94 %: longhaul's own delay spoiled 6 of 100";
    let pace = "longhaul could not keep its own pace: an arrival was sent 1900 ms after it was due";
    let undecided = |why, reasons: &[&str]| {
        is_only_reason(&verdict("INCONCLUSIVE", ("INCONCLUSIVE", why), reasons))
    };
    assert!(undecided(spoiled, &[]));
    assert!(undecided(spoiled, &[pace]));
    assert!(is_only_reason(&verdict("INCONCLUSIVE", ("PASS", ""), &[pace])));

    assert!(!undecided("n/a: nothing of it was measured", &[]));
    assert!(!undecided("n/a: nothing of it was measured", &[pace]));
    assert!(!undecided(spoiled, &["no request has a whole answer"]));
    assert!(!is_only_reason(&verdict("INCONCLUSIVE", ("PASS", ""), &[])));
    assert!(!is_only_reason(&verdict("FAIL", ("INCONCLUSIVE", spoiled), &[])));
    assert!(!is_only_reason(&Value::Null));
}
