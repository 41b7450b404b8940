//! A sweep told: every arm with what became of its starts, each held against
//! the base, and what is recommended, with how sure that is.
//!
//! What a folder's name, an arm's name or a server's log says passes through
//! `layout::finish` before it is shown.

use std::path::PathBuf;

use super::compare::decision;
use super::layout::{LABEL, cut, finish, labelled, table, table_within, wrap};
use super::words::{amount, counted};
use crate::compare::advice::{Held, advice, is_better, measured_in, percent, to_look_into, worst};
use crate::compare::decision::changed as in_words;
use crate::compare::{Basis, CompareWord, ComparedRow, Comparison, Policy, PolicyWord};
use crate::escape::one_line;
use crate::spec::recipe::diff::Difference;
use crate::sweep::FAILED_MAX;
use crate::verdict;

/// Columns of the report.
const WIDTH: usize = 80;
/// Where a table is too wide, both sides' values go, then the interval; the ratio and its word stay.
const GIVE_WAY: [&[usize]; 2] = [&[2, 1], &[2]];
/// Bounds an arm's name, and the fewest of its characters that a table leaves.
const NAME_CHARS_MAX: usize = 26;
const NAME_CHARS_MIN: usize = 12;
/// Bounds a reason, and how many of them are told under an arm.
const NOTE_CHARS_MAX: usize = 320;
const REASONS_MAX: usize = 4;
/// Bounds what an arm changes, and a reason, in lines.
const HEADING_LINES_MAX: usize = 3;
const REASON_LINES_MAX: usize = 8;
/// Bounds a failure on a line of progress.
const PROGRESS_CHARS_MAX: usize = 120;

/// What a sweep came to.
pub(crate) struct SweepSummary {
    /// Whether its servers were longhaul's own model of one.
    pub simulated: bool,
    /// The recipe that was varied.
    pub recipe: String,
    /// Starts of each arm that were wanted.
    pub starts: u32,
    /// The arms, the base first.
    pub arms: Vec<ArmResult>,
    /// What was written, and where.
    pub written: Vec<String>,
    /// The command line that does it again.
    pub again: String,
}

/// An arm, and how it stands against the base.
pub(crate) struct ArmResult {
    pub name: String,
    /// In what it differs from the base.
    pub differs: Vec<Difference>,
    /// The verdict of every start that came up.
    pub ran: Vec<verdict::Word>,
    /// Every start that did not: its folder, and why.
    pub failed: Vec<(PathBuf, String)>,
    /// Whether it was tried no more.
    pub given_up: bool,
    /// Nothing for the base; else the comparison, or why there is none.
    pub compared: Option<Result<Comparison, String>>,
}

/// A start that is done, on a line of progress.
pub(crate) struct Step<'a> {
    /// Which start this is, of how many.
    pub done: usize,
    /// All of them.
    pub all: usize,
    pub name: &'a str,
    /// Which start of the arm, from 1.
    pub start: u32,
    /// Its verdict, or why it did not come up.
    pub came: Result<verdict::Word, &'a str>,
}

/// One line of progress.
pub(crate) fn progress(step: &Step<'_>) -> String {
    let Step { done, all, start, .. } = step;
    let came = match step.came {
        Ok(word) => word.word().to_owned(),
        Err(why) => format!("did not start: {}", one_line(why, PROGRESS_CHARS_MAX)),
    };
    format!("{done:>3}/{all}  {} start {start}: {came}", short(step.name, NAME_CHARS_MAX))
}

/// What came of it.
pub(crate) fn render(told: &SweepSummary) -> String {
    let label = if told.simulated { "SIMULATED " } else { "" };
    let others = told.arms.len().saturating_sub(1) as u64;
    let mut lines = vec![format!(
        "{label}SWEEP  {} · {} against the base · {} each",
        short(&told.recipe, NAME_CHARS_MAX),
        counted(others, "arm", "arms"),
        counted(u64::from(told.starts), "start", "starts")
    )];
    lines.push(String::new());
    lines.extend(overview(&told.arms));
    for arm in &told.arms {
        lines.extend(under(arm));
    }
    lines.push(String::new());
    let dead = told.arms.iter().filter(|arm| arm.ran.is_empty() && !arm.failed.is_empty());
    let dead: Vec<String> = dead.map(|arm| short(&arm.name, NAME_CHARS_MAX)).collect();
    let base_failed = told.arms.first().map_or(0, |base| base.failed.len());
    let advised = advice(&held(&told.arms), &dead, base_failed);
    let labels = [
        ("recommend", advised),
        ("method", method(&told.arms)),
        ("written", told.written.join(" · ")),
        ("again", told.again.clone()),
    ];
    for (label, text) in labels {
        lines.extend(labelled(label, wrap(&one_line(&text, usize::MAX), WIDTH - LABEL)));
    }
    finish(&lines, WIDTH)
}

/// A name; of a long one its end, by which two are told apart.
fn short(name: &str, chars_max: usize) -> String {
    let name = one_line(name, usize::MAX);
    let more = name.chars().count().saturating_sub(chars_max);
    if more == 0 {
        name
    } else {
        std::iter::once('…').chain(name.chars().skip(more + 1)).collect()
    }
}

/// All arms, a line each. Where it gets too wide, the names give way.
fn overview(arms: &[ArmResult]) -> Vec<String> {
    let head = ["arm", "started", "failed", "pass", "fail", "open", "against the base"];
    let rows = |chars_max: usize| -> Vec<Vec<String>> {
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(arms.iter().map(|arm| overview_row(arm, chars_max)));
        rows
    };
    let fits = |lines: &Vec<String>| lines.iter().all(|line| line.chars().count() <= WIDTH);
    let mut tables = (NAME_CHARS_MIN..=NAME_CHARS_MAX).rev().map(|most| table(&rows(most), 1));
    tables.find(fits).unwrap_or_else(|| table(&rows(NAME_CHARS_MIN), 1))
}

fn overview_row(arm: &ArmResult, chars_max: usize) -> Vec<String> {
    let number = |n: usize| if n == 0 { "-".to_owned() } else { n.to_string() };
    let count = |word: verdict::Word| number(arm.ran.iter().filter(|it| **it == word).count());
    vec![
        short(&arm.name, chars_max),
        arm.ran.len().to_string(),
        number(arm.failed.len()),
        count(verdict::Word::Pass),
        count(verdict::Word::Fail),
        count(verdict::Word::Inconclusive),
        against(arm),
    ]
}

/// How an arm stands, in a word or two.
fn against(arm: &ArmResult) -> String {
    match &arm.compared {
        None => String::new(),
        Some(Ok(comparison)) => {
            let better = comparison.rows.iter().filter(|row| row.primary && is_better(row));
            match (better.count(), comparison.decision.word) {
                // One row that is open makes it so, whatever the others show.
                (1.., CompareWord::Inconclusive) if !comparison.decision.incomplete => {
                    "better, and open".to_owned()
                }
                _ => decision(comparison).replacen("SIMULATED ", "", 1).replacen(
                    " BELOW THE MARGIN",
                    "",
                    1,
                ),
            }
        }
        // The whole reason stands under the arm.
        Some(Err(_)) if arm.ran.is_empty() => "it never started".to_owned(),
        Some(Err(_)) => "not compared".to_owned(),
    }
}

/// What an arm changes, what became of its starts, and how it compares.
fn under(arm: &ArmResult) -> Vec<String> {
    let failed = failure(arm);
    if arm.differs.is_empty() && failed.is_none() {
        return Vec::new();
    }
    let mut lines = vec![String::new()];
    lines.extend(indented(&heading(arm), 2, HEADING_LINES_MAX));
    let more = |text: &String| indented(text, 4, REASON_LINES_MAX);
    lines.extend(failed.iter().flat_map(more));
    match &arm.compared {
        None => {}
        Some(Ok(comparison)) => {
            lines.extend(measured(comparison));
            lines.extend(reasons(comparison).iter().flat_map(more));
        }
        // That it never started is told already.
        Some(Err(_)) if arm.ran.is_empty() => {}
        Some(Err(why)) => lines.extend(more(&format!("not compared: {why}"))),
    }
    lines
}

fn indented(text: &str, columns: usize, lines_max: usize) -> Vec<String> {
    let margin = " ".repeat(columns);
    let lines = cut(&one_line(text, usize::MAX), WIDTH - columns, lines_max);
    lines.into_iter().map(|line| margin.clone() + &line).collect()
}

/// What an arm changes; its name too, where that is another thing.
fn heading(arm: &ArmResult) -> String {
    let changes = arm.differs.iter().map(changed).collect::<Vec<_>>().join(", ");
    let is_named = arm
        .differs
        .iter()
        .any(|it| arm.name == format!("{}={}", it.what, it.other.as_deref().unwrap_or_default()));
    match (changes.is_empty(), is_named) {
        (true, _) => short(&arm.name, NAME_CHARS_MAX),
        (_, true) => changes,
        _ => format!("{}: {changes}", short(&arm.name, NAME_CHARS_MAX)),
    }
}

/// A change: `max_num_seqs 4 → 8`.
fn changed(difference: &Difference) -> String {
    let side = |side: &Option<String>| {
        side.as_ref().map_or_else(|| "-".to_owned(), |text| one_line(text, NAME_CHARS_MAX))
    };
    format!("{} {} → {}", difference.what, side(&difference.one), side(&difference.other))
}

/// How many starts failed, and why the last of them did, in the words of whoever said it.
fn failure(arm: &ArmResult) -> Option<String> {
    let (folder, why) = arm.failed.last()?;
    let all = arm.ran.len() + arm.failed.len();
    let over = if arm.given_up { format!("; given up after {FAILED_MAX}") } else { String::new() };
    Some(format!(
        "{} of {} failed{over}: {} ({})",
        arm.failed.len(),
        counted(all as u64, "start", "starts"),
        one_line(why, NOTE_CHARS_MAX),
        folder.display()
    ))
}

/// The rows that decide.
fn measured(comparison: &Comparison) -> Vec<String> {
    let head = ["median of", "base", "arm", "ratio", "interval, %", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(
        comparison
            .rows
            .iter()
            .filter(|row| row.primary)
            .map(|row| measured_row(row, &comparison.rows)),
    );
    if rows.len() == 1 {
        return Vec::new();
    }
    table_within(rows, 1, WIDTH, &GIVE_WAY)
}

fn measured_row(row: &ComparedRow, among: &[ComparedRow]) -> Vec<String> {
    let measure = row.key.measure;
    let number = |ratio: f64| percent(ratio).trim_end_matches(" %").to_owned();
    let interval = row.interval.map_or_else(
        || "-".to_owned(),
        |(low, high)| format!("{} to {}", number(low), number(high)),
    );
    vec![
        measured_in(row, among),
        amount(measure, row.base.value),
        amount(measure, row.candidate.value),
        percent(row.ratio),
        interval,
        row.word.word().replacen(" below the margin", "", 1),
    ]
}

/// What led to the decision beside the rows that decide: policies that are broken, what could not
/// be seen, and rows that are to be looked into.
fn reasons(comparison: &Comparison) -> Vec<String> {
    let is_broken = |policy: &&Policy| policy.word == PolicyWord::Broken;
    let broken: Vec<&Policy> = comparison.policies.iter().filter(is_broken).collect();
    let mut all: Vec<String> = broken.iter().map(|policy| told_broken(policy)).collect();
    let primary = || comparison.rows.iter().filter(|row| row.primary);
    // What has a line or a row of its own is told once; that starts are few, by the method.
    let is_told = |why: &&String| {
        why.starts_with("to be looked into")
            || broken.iter().any(|policy| why.starts_with(&policy.name))
            || primary().any(|row| **why == row.why || **why == in_words(row, &comparison.rows))
    };
    all.extend(comparison.decision.because.iter().filter(|why| !is_told(why)).cloned());
    let left_out = all.len().saturating_sub(REASONS_MAX);
    all.truncate(REASONS_MAX);
    for why in &mut all {
        *why = one_line(why, NOTE_CHARS_MAX);
    }
    if left_out > 0 {
        all.push(format!("and {}", counted(left_out as u64, "more reason", "more reasons")));
    }
    let others = to_look_into(comparison);
    if !others.is_empty() {
        let rows = counted(others.len() as u64, "more row", "more rows");
        all.push(format!("look into {rows}: {}", worst(&others, &comparison.rows)));
    }
    all
}

fn told_broken(policy: &Policy) -> String {
    let number = |n: Option<u64>| n.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let counts = format!("{} → {}", number(policy.base), number(policy.candidate));
    // Why starts failed stands above.
    let is_told = policy.why.is_empty() || policy.name == "failed_starts";
    let why = if is_told { String::new() } else { format!(": {}", policy.why) };
    format!("BROKEN {} {counts}{why}", policy.name)
}

/// What the intervals rest on.
fn method(arms: &[ArmResult]) -> String {
    let compared = arms.iter().filter_map(|arm| arm.compared.as_ref()?.as_ref().ok());
    let bases = compared.flat_map(|it| &it.rows).filter(|row| row.primary).map(|row| row.basis);
    let least = bases.filter_map(|basis| match basis {
        Basis::Exact(confidence) => Some(confidence),
        _ => None,
    });
    let least = least.fold(f64::INFINITY, f64::min);
    let order = "arms in turns, forward and backward; a start is one sample";
    if least.is_finite() {
        let percent = least * 100.0;
        format!("{order}; exact intervals of ratios, {percent:.1} % each, an arm against the base")
    } else {
        format!("{order}; too few of them for an interval: four a side are the least")
    }
}

/// The arms that were held against the base, as advice needs them.
fn held(arms: &[ArmResult]) -> Vec<Held<'_>> {
    fn of(arm: &ArmResult) -> Option<Held<'_>> {
        let ArmResult { name, ran, failed, compared, .. } = arm;
        let comparison = compared.as_ref()?.as_ref().ok()?;
        let (starts, failed) = (ran.len() + failed.len(), failed.len());
        Some(Held { name: short(name, NAME_CHARS_MAX), starts, failed, comparison })
    }
    arms.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests;
