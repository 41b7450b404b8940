//! Decides a comparison: one word, its confidence, and the exit status of the program.

use super::decide::{Basis, CompareWord, ComparedRow, OneSidedRow};
use super::policy::{Policy, PolicyWord};
use super::{CompareTerms, MeasureKey, RunDifferences};
use crate::exit::Exit;

/// Decision of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Verdict word of the comparison.
    pub word: CompareWord,
    /// Whether the word rests on a noise floor alone, and is only a suggestion.
    pub suggestive: bool,
    /// Whether an expected observation or value is missing, so that the candidate as a whole cannot
    /// be called better or equivalent.
    pub incomplete: bool,
    /// Reasons, the gravest first.
    pub because: Vec<Reason>,
    /// Exit status of the program: a regression or a broken policy fails, a required gate that was
    /// not observed is inconclusive.
    pub exit: Exit,
}

impl Decision {
    /// Returns the sentences of its reasons.
    pub(crate) fn sentences(&self) -> Vec<String> {
        self.because.iter().map(|reason| reason.words.clone()).collect()
    }
}

/// Reason of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub kind: ReasonKind,
    /// A sentence.
    pub words: String,
}

/// Subject of a reason, for reports that show it in another place already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReasonKind {
    /// Broken policy.
    Policy,
    /// Deciding row, or a reason that all deciding rows share.
    Row,
    /// Regression of a row that decides nothing.
    LookInto,
    /// Anything else, such as a missing observation.
    Other,
}

impl ReasonKind {
    /// Returns reasons of this kind.
    fn all(self, words: impl IntoIterator<Item = String>) -> impl Iterator<Item = Reason> {
        words.into_iter().map(move |words| Reason { kind: self, words })
    }
}

/// Input of a decision.
pub(crate) struct DecisionInput<'a> {
    /// Rows by cell and measure.
    pub rows: &'a [ComparedRow],
    /// Rows with a value on only one side.
    pub alone: &'a [OneSidedRow],
    /// Number of starts of each side whose server came up: base, candidate.
    pub ready: [usize; 2],
    /// Number of incomplete runs on both sides.
    pub cut: usize,
    /// Policies of both sides.
    pub policies: &'a [Policy],
    /// Growths that may be new and are not resolved, a sentence each.
    pub open: &'a [String],
    /// Differences besides the load.
    pub differs: &'a RunDifferences,
    /// Reason why nothing is decided, where there is no row.
    pub nothing: &'a str,
}

pub(crate) fn decide(evidence: &DecisionInput<'_>, terms: &CompareTerms) -> Decision {
    let DecisionInput { rows, policies, differs, nothing, .. } = *evidence;
    let mut because = Vec::new();
    let several = terms.one_variable && differs.variables.len() > 1;
    if several {
        let words = format!("--one-variable: {} variables changed", differs.variables.len());
        because.extend(ReasonKind::Other.all([words]));
    }
    let broken: Vec<&Policy> = with(policies, PolicyWord::Broken).collect();
    let words = broken.iter().map(|policy| format!("{}: {}", reported(policy), policy.why));
    because.extend(ReasonKind::Policy.all(words));
    let primary: Vec<&ComparedRow> = rows.iter().filter(|row| row.primary).collect();
    let all = |word: CompareWord| primary.iter().filter(move |row| row.word == word);
    let worse = all(CompareWord::Regression).map(|row| changed(row, rows));
    because.extend(ReasonKind::Row.all(worse));
    let unseen: Vec<String> =
        with(policies, PolicyWord::NotObserved).map(|policy| policy.why.clone()).collect();
    let words = unseen.iter().map(|why| format!("asked for and not observed: {why}"));
    because.extend(ReasonKind::Other.all(words));
    let vanished = missing_in_candidate(evidence.alone, rows);
    let thinned = missing_in_some_starts(&primary, evidence.ready, rows);
    let cut = (evidence.cut > 0).then(|| format!("not whole: {} of the runs", evidence.cut));
    because.extend(ReasonKind::Other.all(vanished.iter().chain(&thinned).chain(&cut).cloned()));
    let undecidable = undecidable(&primary, nothing);
    // A reason that all rows share is given once.
    let open = if undecidable.is_some() { Vec::new() } else { open(&primary, rows) };
    because.extend(undecidable.into_iter().chain(ReasonKind::Other.all(open)));
    because.extend(ReasonKind::Other.all(evidence.open.iter().cloned()));
    let better = all(CompareWord::Improved).map(|row| changed(row, rows));
    because.extend(ReasonKind::Row.all(better));
    let others = rows.iter().filter(|row| !row.primary && row.word == CompareWord::Regression);
    let words = others.map(|row| format!("to be looked into: {}", changed(row, rows)));
    because.extend(ReasonKind::LookInto.all(words));
    let incomplete =
        !unseen.is_empty() || vanished.is_some() || !thinned.is_empty() || cut.is_some();
    let worse = all(CompareWord::Regression).next().is_some();
    let certain = all(CompareWord::Regression).any(|row| !row.is_suggestive());
    let word = if !broken.is_empty() || worse {
        CompareWord::Regression
    } else if incomplete {
        CompareWord::Inconclusive
    } else {
        of_primaries(&primary)
    };
    let suggestive = word != CompareWord::Inconclusive
        && broken.is_empty()
        && !(worse && certain)
        && primary.iter().any(|row| row.word == word && row.is_suggestive());
    let undecided =
        matches!(word, CompareWord::Inconclusive) || suggestive || !evidence.open.is_empty();
    let exit = if !broken.is_empty() || certain || several {
        Exit::Fail
    } else if !unseen.is_empty() || (terms.strict && undecided) {
        Exit::Inconclusive
    } else {
        Exit::Pass
    };
    Decision { word, suggestive, incomplete, because, exit }
}

/// Returns the deciding rows that have no value in the candidate.
fn missing_in_candidate(alone: &[OneSidedRow], rows: &[ComparedRow]) -> Option<String> {
    let names: Vec<String> = alone
        .iter()
        .filter(|it| it.primary && !it.in_candidate)
        .map(|it| measured(&it.key, rows))
        .collect();
    (!names.is_empty()).then(|| format!("no value in the candidate: {}", names.join(", ")))
}

/// Returns the deciding rows with values in only some starts of a side: the remaining starts may be
/// a biased selection.
fn missing_in_some_starts(
    primary: &[&ComparedRow],
    ready: [usize; 2],
    rows: &[ComparedRow],
) -> Vec<String> {
    let side = |word: &str, ready: usize, starts: &dyn Fn(&ComparedRow) -> usize| {
        let few = primary.iter().filter(|row| starts(row) < ready);
        let names: Vec<String> = few.clone().map(|row| measured(&row.key, rows)).collect();
        let least = few.map(|row| starts(row)).min()?;
        let what = format!("{least} of {ready} starts of the {word} have a value");
        Some(format!("{what}: {}", names.join(", ")))
    };
    let base = side("base", ready[0], &|row| row.base.starts);
    let candidate = side("candidate", ready[1], &|row| row.candidate.starts);
    base.into_iter().chain(candidate).collect()
}

fn with(policies: &[Policy], word: PolicyWord) -> impl Iterator<Item = &Policy> {
    policies.iter().filter(move |policy| policy.word == word)
}

/// Returns the word where nothing is worse: improved where any row is, equivalent where all are,
/// otherwise inconclusive.
fn of_primaries(primary: &[&ComparedRow]) -> CompareWord {
    let has = |word: CompareWord| primary.iter().any(|row| row.word == word);
    if primary.is_empty() || has(CompareWord::Inconclusive) {
        CompareWord::Inconclusive
    } else if has(CompareWord::Improved) {
        CompareWord::Improved
    } else if has(CompareWord::Changed) {
        CompareWord::Changed
    } else {
        CompareWord::Equivalent
    }
}

fn reported(policy: &Policy) -> String {
    let number = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    format!("{} {} → {}", policy.name, number(policy.base), number(policy.candidate))
}

/// Formats a row's measure and place: `ttft at d100000/c1`, as short as it is unique among the
/// rows.
pub(crate) fn measured(key: &MeasureKey, among: &[ComparedRow]) -> String {
    let name = key.measure.to_string();
    let name = name.strip_suffix("_p50").unwrap_or(&name);
    format!("{name} at {}", key.group.among(among.iter().map(|row| &row.key.group)))
}

/// Formats a row: `ttft at d100000/c1 +8.2 %`.
pub(crate) fn changed(row: &ComparedRow, among: &[ComparedRow]) -> String {
    let Some(ratio) = row.change() else {
        return format!("{}: requests were given up", measured(&row.key, among));
    };
    let percent = (ratio - 1.0) * 100.0;
    let surely = if row.is_suggestive() { " (suggestive)" } else { "" };
    format!("{} {percent:+.1} %{surely}", measured(&row.key, among))
}

/// Returns the inconclusive rows, by reason.
fn open(primary: &[&ComparedRow], rows: &[ComparedRow]) -> Vec<String> {
    let mut whys: Vec<(&str, Vec<String>)> = Vec::new();
    let is_open = |row: &&&ComparedRow| row.word == CompareWord::Inconclusive;
    for row in primary.iter().filter(is_open) {
        match whys.iter_mut().find(|(why, _)| *why == row.why) {
            Some((_, names)) => names.push(measured(&row.key, rows)),
            None => whys.push((&row.why, vec![measured(&row.key, rows)])),
        }
    }
    whys.into_iter().map(|(why, names)| format!("open: {}: {why}", names.join(", "))).collect()
}

/// Returns why nothing could be decided, where all rows have the same reason.
fn undecidable(primary: &[&ComparedRow], nothing: &str) -> Option<Reason> {
    let reason = |kind, words: &str| Some(Reason { kind, words: words.to_owned() });
    let Some(first) = primary.first() else { return reason(ReasonKind::Other, nothing) };
    let same = primary.iter().all(|row| row.basis == Basis::Nothing && row.why == first.why);
    if same { reason(ReasonKind::Row, &first.why) } else { None }
}
