//! Formats a comparison: the decision first, then the reasons, then the rows. The texts that all
//! formats share are made here.

pub(crate) mod annotations;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod markdown;
pub(crate) mod proves;
mod streams;
pub(crate) mod terminal;
pub(crate) mod trends;

use crate::analysis::coverage::COVERED_MIN;
use crate::compare::advice::percent;
use crate::compare::decision::measured;
use crate::compare::published::TableSummary;
use crate::compare::{
    Basis, CompareWord, ComparedRow, Comparison, Margins, OneSidedRow, Policy, UngatedMeasure,
    Variable,
};
use crate::measure::Measure;

use super::words::{counted, estimate, percent_short, within};

/// Bound on the policies of a report that is read as a whole.
const POLICIES_MAX: usize = 16;

/// Formats the decision: `REGRESSION`, `IMPROVED (suggestive)`.
pub(crate) fn decision(comparison: &Comparison) -> String {
    let label = if comparison.simulated { "SIMULATED " } else { "" };
    if let Some(table) = beside_table(comparison) {
        return format!("{label}{}", super::published::headline(table));
    }
    let word = comparison.decision.word.word().to_uppercase();
    let surely = if comparison.decision.suggestive { " (suggestive)" } else { "" };
    format!("{label}{word}{surely}")
}

/// Formats the decision and open rows: `EQUIVALENT where it decides, 2 rows to be looked into`.
pub(crate) fn headline(comparison: &Comparison) -> String {
    let others =
        comparison.rows.iter().filter(|row| !row.primary && row.word == CompareWord::Regression);
    let others = counted(others.count() as u64, "row", "rows");
    let forced = if comparison.differs.forced.is_empty() { "" } else { "NOT THE SAME LOAD: " };
    let decision = decision(comparison);
    let more = match (others.as_str(), comparison.decision.word) {
        ("0 rows", _) | (_, CompareWord::Regression) => String::new(),
        (_, CompareWord::Inconclusive) => format!(", {others} to be looked into"),
        _ => format!(" where it decides, {others} to be looked into"),
    };
    format!("{forced}{decision}{more}")
}

/// Formats the changed variables: `2 variables changed: kv_cache_dtype, max_num_seqs`.
pub(crate) fn variables(comparison: &Comparison) -> String {
    let unknown = match comparison.differs.unknown {
        [false, false] => None,
        [true, false] => Some("the base was"),
        [false, true] => Some("the candidate was"),
        [true, true] => Some("they were"),
    };
    match (comparison.differs.variables.as_slice(), unknown) {
        ([], Some(who)) => format!("what {who} served with is unknown"),
        ([], None) => "nothing was changed".to_owned(),
        ([one], _) => format!("1 variable changed: {}", one.in_words()),
        (several, _) => {
            let n = counted(several.len() as u64, "variable", "variables");
            format!("{n} changed: {}", comparison.differs.named())
        }
    }
}

/// Formats the number of starts of each side: `6 and 6 starts`, `one start a side`.
pub(crate) fn starts(comparison: &Comparison) -> String {
    if is_published(comparison) {
        return "a published table and one run".to_owned();
    }
    match (comparison.names[0].len(), comparison.names[1].len()) {
        (1, 1) => "one start a side".to_owned(),
        (base, candidate) => format!("{base} and {candidate} starts"),
    }
}

/// Returns the summary beside a published table, where no policy has decided.
pub(crate) fn beside_table(comparison: &Comparison) -> Option<&TableSummary> {
    comparison.table.as_ref().filter(|_| comparison.decision.word != CompareWord::Regression)
}

/// Whether the base is a published table.
pub(crate) fn is_published(comparison: &Comparison) -> bool {
    comparison.table.is_some()
}

/// Returns the method behind the words.
pub(crate) fn method(comparison: &Comparison) -> String {
    if is_published(comparison) {
        return format!(
            "the run's requests as llama-benchy counts them, beside what was published; the band \
             of {} is no test; policies on what befell the run",
            percent_short(crate::compare::published::summary::BAND)
        );
    }
    let Margins { median: middle, p95: tail } = comparison.margins;
    let margins = [middle, tail].map(percent_short);
    let margins = format!("margins {}", margins.join(", of p95 "));
    let exact = comparison.rows.iter().any(|row| matches!(row.basis, Basis::Exact(_)));
    let floor = comparison.rows.iter().any(|row| row.basis == Basis::Floor);
    let starts = starts(comparison);
    match (exact, floor, comparison.floor_starts) {
        (true, ..) => format!("exact test over {starts}; {margins}"),
        (_, true, Some(made_of)) => {
            format!(
                "{starts}, compared with a noise floor of {made_of} starts: a suggestion at most; {margins}"
            )
        }
        _ => format!(
            "{starts}, no noise floor: ratios without an interval, nothing decided by them but a \
             gross slowdown (beyond {} times); {margins}",
            comparison.gross.factor
        ),
    }
}

/// Formats a row's group, as short as it is unique among the rows.
pub(crate) fn group(row: &ComparedRow, rows: &[ComparedRow]) -> String {
    row.key.group.among(rows.iter().map(|row| &row.key.group))
}

/// Formats a row's measure: `ttft`, `tpot_p95`.
pub(crate) fn measure(row: &ComparedRow) -> String {
    let name = row.key.measure.to_string();
    name.strip_suffix("_p50").map_or(name.clone(), str::to_owned)
}

/// Formats a row in columns: where, measure, base, candidate, change, its interval, word.
pub(crate) fn columns(row: &ComparedRow, rows: &[ComparedRow]) -> Vec<String> {
    let interval = row.interval.filter(|_| row.change().is_some()).map_or_else(
        || super::layout::NONE.to_owned(),
        |(low, high)| format!("{} to {}", percent(low).trim_end_matches(" %"), percent(high)),
    );
    if row.is_gross {
        // The policy has decided, whatever the test over starts says.
        let word = "gross: by policy".to_owned();
        let sides = [row.base.value, row.candidate.value].map(|it| estimate(row.key.measure, it));
        let [base, candidate] = sides;
        return vec![
            group(row, rows),
            measure(row),
            base,
            candidate,
            percent(row.ratio),
            interval,
            word,
        ];
    }
    // A row that decides nothing is still marked where the margin was exceeded.
    let note = match row.basis {
        Basis::Floor if row.word != CompareWord::Inconclusive => "?".to_owned(),
        Basis::Nothing
            if row.cost() > 1.0 + row.margin || row.cost() < 1.0 / (1.0 + row.margin) =>
        {
            format!(", over {}", percent_short(row.margin))
        }
        _ => String::new(),
    };
    vec![
        group(row, rows),
        measure(row),
        estimate(row.key.measure, row.base.value),
        estimate(row.key.measure, row.candidate.value),
        row.change().map_or_else(|| super::layout::NONE.to_owned(), percent),
        interval,
        format!("{}{note}", row.word.word()),
    ]
}

/// Formats the values of a row's sides, each with its interval where there is one.
pub(crate) fn with_intervals(row: &ComparedRow) -> [String; 2] {
    [row.base, row.candidate].map(|side| within(row.key.measure, side.value, side.interval))
}

/// Formats a policy in a few words: `crashes 0 → 1 BROKEN`, `ooms not observed`.
pub(crate) fn policy(policy: &Policy) -> String {
    let number = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let counts = format!("{} → {}", number(policy.base), number(policy.candidate));
    match policy.word {
        crate::compare::PolicyWord::Held => format!("{} {counts}", policy.name),
        word => format!("{} {counts} {}", policy.name, word.word()),
    }
}

/// Formats all policies in a few words each, those that did not hold first; with `few`, no more
/// than fit into a line of a report.
pub(crate) fn policies(comparison: &Comparison, few: bool) -> Vec<String> {
    let is_quiet = |it: &&Policy| it.word == crate::compare::PolicyWord::Held;
    let (quiet, reported): (Vec<&Policy>, Vec<&Policy>) =
        comparison.policies.iter().partition(is_quiet);
    // Policies keep their usual order as long as there are not too many.
    let all: Vec<&Policy> = if comparison.policies.len() <= POLICIES_MAX {
        comparison.policies.iter().collect()
    } else {
        reported.into_iter().chain(quiet).collect()
    };
    let most = if few { POLICIES_MAX } else { all.len() };
    let mut words: Vec<String> = all.iter().take(most).map(|it| policy(it)).collect();
    if all.len() > most {
        words.push(format!("and {} more", all.len() - most));
    }
    words
}

/// Formats a measure that has no gate: `restarts 0 → 1`, `errors 0 % → 0.62 %`.
pub(crate) fn noted(noted: &UngatedMeasure) -> String {
    let side = |value: Option<f64>| match value {
        None => "unknown".to_owned(),
        Some(share) if noted.is_share => percent_short(share),
        Some(number) => crate::unit::grouped(number),
    };
    format!("{} {} → {}", noted.name, side(noted.base), side(noted.candidate))
}

/// Formats the coverage: `the same sources on both sides`, or the sources that covered too little.
pub(crate) fn seen(comparison: &Comparison) -> Vec<String> {
    let is_light = |noted: &UngatedMeasure| {
        [noted.base, noted.candidate].iter().all(|share| share.is_some_and(|it| it >= COVERED_MIN))
    };
    let unseen: Vec<String> =
        comparison.coverage.iter().filter(|it| !is_light(it)).map(noted).collect();
    if unseen.is_empty() { vec!["every source on both sides".to_owned()] } else { unseen }
}

/// Counts the rows by word, except those that are shown themselves.
pub(crate) fn tally<'a>(rows: impl Iterator<Item = &'a ComparedRow>) -> String {
    let mut all: Vec<(CompareWord, u64)> = Vec::new();
    for row in rows {
        match all.iter_mut().find(|(word, _)| *word == row.word) {
            Some((_, n)) => *n += 1,
            None => all.push((row.word, 1)),
        }
    }
    all.sort_unstable();
    let total: u64 = all.iter().map(|(_, n)| n).sum();
    let number = |n: u64| crate::unit::grouped(n as f64);
    let words: Vec<String> =
        all.iter().map(|(word, n)| format!("{} {}", number(*n), word.word())).collect();
    format!("{}: {}", counted(total, "more row", "more rows"), words.join(", "))
}

/// Whether a row is shown by default: it decides, or its word matters.
pub(crate) fn is_told(row: &ComparedRow) -> bool {
    row.primary
        || matches!(
            row.word,
            CompareWord::Regression | CompareWord::Improved | CompareWord::Changed
        )
}

/// Returns the differences around the two sides.
pub(crate) fn beside(comparison: &Comparison) -> Vec<String> {
    let rows = &comparison.rows;
    let mut items = comparison.differs.starts.clone();
    items.extend(comparison.differs.surroundings.iter().map(Variable::in_words));
    if !comparison.differs.forced.is_empty() {
        let what = comparison.differs.forced.join(", ");
        items.insert(
            0,
            format!("NOT THE SAME LOAD ({what}): compared by --force where they overlap"),
        );
    }
    for (in_candidate, word) in [(false, "base"), (true, "candidate")] {
        let of = |it: &&OneSidedRow| it.in_candidate == in_candidate;
        let names: Vec<String> =
            comparison.alone.iter().filter(of).map(|it| measured(&it.key, rows)).collect();
        if let [first, rest @ ..] = names.as_slice() {
            let more =
                if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            items.push(format!("only the {word} has {first}{more}"));
        }
    }
    items
}

/// Formats the verdicts of each side's runs: `verdicts 6 PASS → 4 PASS, 2 FAIL`.
pub(crate) fn verdicts(comparison: &Comparison) -> String {
    let side = |words: &Vec<(crate::verdict::VerdictWord, u64)>| match words.as_slice() {
        [] => "unknown".to_owned(),
        words => {
            let words: Vec<String> =
                words.iter().map(|(word, n)| format!("{n} {}", word.word())).collect();
            words.join(", ")
        }
    };
    format!("verdicts {} → {}", side(&comparison.verdicts[0]), side(&comparison.verdicts[1]))
}

/// Returns the unit of a row's values, for programs.
pub(crate) fn unit(measure: Measure) -> &'static str {
    match measure.unit() {
        crate::measure::Unit::Seconds => "s",
        crate::measure::Unit::TokensPerSecond => "tok/s",
        crate::measure::Unit::Tokens => "tokens",
        crate::measure::Unit::Count => "count",
        crate::measure::Unit::Share => "fraction",
    }
}

#[cfg(test)]
mod tests;
