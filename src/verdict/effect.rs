//! Judges whether the recipe's settings are in effect, and says which are not.

use super::gate::{bound, decide, rows};
use super::{Finding, GateResult, VerdictWord};
use crate::analysis::{Analysis, EffectWord, SettingEffect};
use crate::escape::one_line;

/// Longest declared value in a finding, characters: a longer one would hide the reason.
const VALUE_CHARS_MAX: usize = 24;
/// Bound on the settings that a gate names.
const NAMED_MAX: usize = 4;

/// Judges the number of settings that are not in effect. It passes although some were not seen, or
/// in the server's arguments alone, and says how many; it is INCONCLUSIVE where none was seen.
pub(super) fn judge(result: &mut GateResult, analysis: &Analysis) {
    let with = |word: EffectWord| -> Vec<&SettingEffect> {
        analysis.settings.iter().filter(|it| it.word == word).collect()
    };
    let (broken, unseen) = (with(EffectWord::NotInEffect), with(EffectWord::NotSeen).len());
    let given = with(EffectWord::Given).len();
    result.n = analysis.settings.len() as u64;
    if analysis.settings.is_empty() {
        return result.why.push_str("n/a: no recipe declares a setting");
    }
    if unseen == analysis.settings.len() {
        result.why = format!("none of {unseen} settings of the recipe could be seen");
        return;
    }
    match bound::<f64>(result.limit, || Err("a number of settings has no reference".to_owned())) {
        Ok(bound) => decide(result, broken.len() as f64, bound),
        Err(why) => return result.why = why,
    }
    if let Some(lost) = rows(analysis.reported.lost.all)
        && result.word == VerdictWord::Pass
    {
        result.word = VerdictWord::Inconclusive;
        return result.why = format!("{lost}, and could have shown a setting");
    }
    result.evidence = broken.iter().filter_map(|it| it.evidence.first().copied()).collect();
    let named: Vec<&str> =
        broken.iter().take(NAMED_MAX).map(|setting| setting.setting.as_str()).collect();
    let more = broken.len().saturating_sub(NAMED_MAX);
    let of_all = |n: usize, words: &str| {
        (n > 0).then(|| format!("{n} of {} settings {words}", analysis.settings.len()))
    };
    let limits = [of_all(unseen, "not seen"), of_all(given, "seen in its arguments alone")];
    result.why = match result.word {
        VerdictWord::Fail if more > 0 => format!("{} and {more} more", named.join(", ")),
        VerdictWord::Fail => named.join(", "),
        _ => limits.into_iter().flatten().collect::<Vec<_>>().join(", "),
    };
}

/// Returns a finding for each setting that is not in effect.
pub(super) fn findings(analysis: &Analysis) -> impl Iterator<Item = Finding> {
    let broken = analysis.settings.iter().filter(|it| it.word == EffectWord::NotInEffect);
    broken.map(|setting| Finding {
        words: not_in_effect(setting),
        evidence: setting.evidence.clone(),
        is_of_setting: true,
    })
}

/// Formats a setting that is not in effect.
fn not_in_effect(setting: &SettingEffect) -> String {
    let SettingEffect { setting: name, declared, why, .. } = setting;
    let short = |value: &&str| !value.is_empty() && value.chars().count() <= VALUE_CHARS_MAX;
    let declared =
        declared.as_deref().filter(short).map(|it| format!(" {}", one_line(it, VALUE_CHARS_MAX)));
    format!("{name}{} is not in effect: {why}", declared.unwrap_or_default())
}
