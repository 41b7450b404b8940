//! Formats the report of a sweep: every arm with its starts and its comparison with the base, and
//! the recommendation with its confidence.
//!
//! Names of folders and arms and lines of logs pass through `layout::finish` before they are shown.

use std::path::PathBuf;

use super::compare::decision;
use super::layout::{LABEL, columns, cut, ending, finish, labelled, table, table_within, wrap};
use super::printable::Printable;
use super::words::{counted, estimate};
use crate::compare::advice::{
    Candidate, advice, is_better, measured_in, percent, to_look_into, worst,
};
use crate::compare::decision::ReasonKind;
use crate::compare::{Basis, CompareWord, ComparedRow, Comparison, Policy, PolicyWord};
use crate::escape::one_line;
use crate::shell::broken_for_terminal;
use crate::spec::recipe::diff::Difference;
use crate::sweep::FAILED_MAX;
use crate::verdict;

/// Width of the report in columns.
const WIDTH: usize = 80;
/// Columns left out of a table that is too wide: first both sides' values, then the interval. The
/// ratio and its word stay.
const COLUMNS_DROPPED: [&[usize]; 2] = [&[2, 1], &[2]];
/// Bounds on an arm's name: its longest form, and its shortest in a narrow table.
const NAME_WIDTH_MAX: usize = 26;
const NAME_WIDTH_MIN: usize = 12;
/// Bounds on a reason, and on the number of reasons under an arm.
const NOTE_CHARS_MAX: usize = 320;
const REASONS_MAX: usize = 4;
/// Bounds on the lines of an arm's changes, and of a reason.
const HEADING_LINES_MAX: usize = 3;
const REASON_LINES_MAX: usize = 8;
/// Bound on a failure in a progress line.
const PROGRESS_CHARS_MAX: usize = 120;

/// Summary of a sweep.
pub(crate) struct SweepSummary {
    /// Whether its servers were simulated.
    pub simulated: bool,
    /// Recipe that was varied.
    pub recipe: String,
    /// Number of starts planned for each arm.
    pub starts: u32,
    /// Arms, the base first.
    pub arms: Vec<ArmResult>,
    /// Files that were written, with their paths.
    pub written: Vec<String>,
    /// Command line that repeats the sweep.
    pub again: String,
}

/// Arm with its comparison with the base.
pub(crate) struct ArmResult {
    pub name: String,
    /// Differences from the base.
    pub differs: Vec<Difference>,
    /// Verdicts of the starts that came up.
    pub ran: Vec<verdict::VerdictWord>,
    /// Failed starts: folder and reason of each.
    pub failed: Vec<(PathBuf, String)>,
    /// Whether the arm was given up.
    pub given_up: bool,
    /// Whether its simulated server is that of the base, so that it shows nothing.
    pub shows_nothing: bool,
    /// Comparison, or why there is none; `None` for the base.
    pub compared: Option<Result<Comparison, String>>,
}

/// Start that is done, for a progress line.
pub(crate) struct Step<'a> {
    /// Number of this start among all, from 1.
    pub done: usize,
    /// Number of all starts.
    pub all: usize,
    pub name: &'a str,
    /// Number of the start of the arm, from 1.
    pub start: u32,
    /// Verdict, or why the server did not come up.
    pub came: Result<verdict::VerdictWord, &'a str>,
}

/// Returns one progress line.
pub(crate) fn progress(step: &Step<'_>) -> String {
    let Step { done, all, start, .. } = step;
    let came = match step.came {
        Ok(word) => word.word().to_owned(),
        Err(why) => format!("did not start: {}", one_line(why, PROGRESS_CHARS_MAX)),
    };
    format!("{done:>3}/{all}  {} start {start}: {came}", short(step.name, NAME_WIDTH_MAX))
}

/// Returns the report of a sweep.
pub(crate) fn render(reported: &SweepSummary) -> Printable {
    let label = if reported.simulated { "SIMULATED " } else { "" };
    let others = reported.arms.len().saturating_sub(1) as u64;
    let mut lines = vec![format!(
        "{label}SWEEP  {} · {} against the base · {} each",
        short(&reported.recipe, NAME_WIDTH_MAX),
        counted(others, "arm", "arms"),
        counted(u64::from(reported.starts), "start", "starts")
    )];
    lines.push(String::new());
    lines.extend(overview(&reported.arms));
    for arm in &reported.arms {
        lines.extend(under(arm));
    }
    lines.push(String::new());
    let dead = reported.arms.iter().filter(|arm| arm.ran.is_empty() && !arm.failed.is_empty());
    let dead: Vec<String> = dead.map(|arm| short(&arm.name, NAME_WIDTH_MAX)).collect();
    let base_failed = reported.arms.first().map_or(0, |base| base.failed.len());
    let advised = advice(&held(&reported.arms), &dead, base_failed);
    let labels = [
        ("recommend", advised),
        ("method", method(&reported.arms)),
        ("written", reported.written.join(" · ")),
    ];
    for (label, text) in labels {
        lines.extend(labelled(label, wrap(&one_line(&text, usize::MAX), WIDTH - LABEL)));
    }
    let again = broken_for_terminal(&reported.again, WIDTH - LABEL - 2, columns);
    let is_long = again.is_none();
    lines.extend(labelled("again", again.unwrap_or_else(|| vec![reported.again.clone()])));
    // A command with a long word is not cut: it is there to be copied.
    let (last, lines) = if is_long { lines.split_last() } else { None }
        .map_or((None, &lines[..]), |(last, lines)| (Some(last.clone()), lines));
    let mut text = finish(lines, WIDTH);
    text.extend(last.map(|last| finish(&[last], usize::MAX)));
    Printable::terminal(&text)
}

/// Shortens a name to its end, since long names differ there.
fn short(name: &str, width: usize) -> String {
    ending(&one_line(name, usize::MAX), width)
}

/// Returns all arms, a line each. Names are shortened where the table is too wide.
fn overview(arms: &[ArmResult]) -> Vec<String> {
    let head = ["arm", "started", "failed", "pass", "fail", "open", "against the base"];
    let rows = |width: usize| -> Vec<Vec<String>> {
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(arms.iter().map(|arm| overview_row(arm, width)));
        rows
    };
    let fits = |lines: &Vec<String>| lines.iter().all(|line| columns(line) <= WIDTH);
    let mut tables = (NAME_WIDTH_MIN..=NAME_WIDTH_MAX).rev().map(|most| table(&rows(most), 1));
    tables.find(fits).unwrap_or_else(|| table(&rows(NAME_WIDTH_MIN), 1))
}

fn overview_row(arm: &ArmResult, name_width: usize) -> Vec<String> {
    let number = |n: usize| if n == 0 { "-".to_owned() } else { n.to_string() };
    let count =
        |word: verdict::VerdictWord| number(arm.ran.iter().filter(|it| **it == word).count());
    vec![
        short(&arm.name, name_width),
        arm.ran.len().to_string(),
        number(arm.failed.len()),
        count(verdict::VerdictWord::Pass),
        count(verdict::VerdictWord::Fail),
        count(verdict::VerdictWord::Inconclusive),
        against(arm),
    ]
}

/// Returns the comparison of an arm in a word or two.
fn against(arm: &ArmResult) -> String {
    match &arm.compared {
        None => String::new(),
        Some(Ok(comparison)) => {
            let better = comparison.rows.iter().filter(|row| row.primary && is_better(row));
            match (better.count(), comparison.decision.word) {
                // One inconclusive row leaves the arm open, whatever the other rows show.
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
        // The section of the arm has the whole reason.
        Some(Err(_)) if arm.ran.is_empty() => "it never started".to_owned(),
        Some(Err(_)) if arm.shows_nothing => "shows nothing".to_owned(),
        Some(Err(_)) => "not compared".to_owned(),
    }
}

/// Returns the section of an arm: its changes, its starts and its comparison.
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
        // The line of failed starts shows this already.
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

/// Returns an arm's changes, with its name where that differs from them.
fn heading(arm: &ArmResult) -> String {
    let changes = arm.differs.iter().map(changed).collect::<Vec<_>>().join(", ");
    let is_named = arm
        .differs
        .iter()
        .any(|it| arm.name == format!("{}={}", it.what, it.other.as_deref().unwrap_or_default()));
    match (changes.is_empty(), is_named) {
        (true, _) => short(&arm.name, NAME_WIDTH_MAX),
        (_, true) => changes,
        _ => format!("{}: {changes}", short(&arm.name, NAME_WIDTH_MAX)),
    }
}

/// Formats a change: `max_num_seqs 4 → 8`.
fn changed(difference: &Difference) -> String {
    let side = |side: &Option<String>| {
        side.as_ref().map_or_else(|| "-".to_owned(), |text| one_line(text, NAME_WIDTH_MAX))
    };
    format!("{} {} → {}", difference.what, side(&difference.one), side(&difference.other))
}

/// Returns how many starts failed, and the reason of the last, in the words of its source.
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

/// Returns the table of the deciding rows.
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
    table_within(rows, 1, WIDTH, &COLUMNS_DROPPED)
}

fn measured_row(row: &ComparedRow, among: &[ComparedRow]) -> Vec<String> {
    let measure = row.key.measure;
    let number = |ratio: f64| percent(ratio).trim_end_matches(" %").to_owned();
    let interval = row.interval.filter(|_| row.change().is_some()).map_or_else(
        || "-".to_owned(),
        |(low, high)| format!("{} to {}", number(low), number(high)),
    );
    vec![
        measured_in(row, among),
        estimate(measure, row.base.value),
        estimate(measure, row.candidate.value),
        row.change().map_or_else(|| "-".to_owned(), percent),
        interval,
        row.word.word().replacen(" below the margin", "", 1),
    ]
}

/// Returns the reasons of the decision besides the deciding rows: broken policies, unobserved
/// events, and rows to be looked into.
fn reasons(comparison: &Comparison) -> Vec<String> {
    let is_broken = |policy: &&Policy| policy.word == PolicyWord::Broken;
    let broken: Vec<&Policy> = comparison.policies.iter().filter(is_broken).collect();
    let mut all: Vec<String> = broken.iter().map(|policy| told_broken(policy)).collect();
    // The other kinds have a line or a row already; `method` reports too few starts.
    let others = comparison.decision.because.iter().filter(|it| it.kind == ReasonKind::Other);
    all.extend(others.map(|reason| reason.words.clone()));
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
    // The section of the arm has the reasons of failed starts.
    let is_told = policy.why.is_empty() || policy.name == "failed_starts";
    let why = if is_told { String::new() } else { format!(": {}", policy.why) };
    format!("BROKEN {} {counts}{why}", policy.name)
}

/// Returns the method behind the intervals.
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

/// Returns the compared arms in the form that advice needs.
fn held(arms: &[ArmResult]) -> Vec<Candidate<'_>> {
    fn of(arm: &ArmResult) -> Option<Candidate<'_>> {
        let ArmResult { name, ran, failed, compared, .. } = arm;
        let comparison = compared.as_ref()?.as_ref().ok()?;
        let (starts, failed) = (ran.len() + failed.len(), failed.len());
        Some(Candidate { name: short(name, NAME_WIDTH_MAX), starts, failed, comparison })
    }
    arms.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests;
