//! A sweep told: every arm with what became of its starts, each held against
//! the base, and what is recommended, with how sure that is.

use std::fmt::Write;
use std::path::PathBuf;

use super::advice::{Held, advice, is_better, measured_in, percent};
use super::arms::Arm;
use super::play::Run;
use super::{Sweep, outcomes, paper};
use crate::command::compare::sides;
use crate::compare::{self, Basis, Comparison, Row};
use crate::escape::one_line;
use crate::exit::Exit;
use crate::report::compare::decision;
use crate::report::layout::{amount, counted, labelled, table, wrap};
use crate::spec::recipe::diff::Difference;
use crate::sweep::{FAILED_MAX, Outcome, given_up};
use crate::verdict::Word;

/// Columns of the report.
const WIDTH: usize = 80;
const LABEL: usize = 13;
/// Bounds an arm's name in a table, and a reason below it.
const NAME_CHARS_MAX: usize = 26;
const NOTE_CHARS_MAX: usize = 320;

/// One line of progress.
pub fn line(sweep: &Sweep, run: &Run) -> String {
    let (done, all) = (sweep.done.len() + 1, sweep.order.len());
    let name = name(&sweep.arms[run.turn.arm]);
    let start = run.turn.start + 1;
    let came = match run.outcome {
        Outcome::Ran => run.word.word().to_owned(),
        Outcome::NeverUp => format!("did not start: {}", one_line(&run.note, 120)),
    };
    format!("{done:>3}/{all}  {name} start {start}: {came}")
}

/// An arm, and how it stands against the base.
struct Stand<'a> {
    arm: &'a Arm,
    ran: Vec<&'a Run>,
    failed: Vec<&'a Run>,
    /// Nothing for the base; else the comparison, or why there is none.
    compared: Option<Result<Comparison, String>>,
}

/// What came of it, and how the program ends.
pub fn told(sweep: &Sweep) -> (String, Exit) {
    let stands = stands(sweep);
    let mut out = String::new();
    let label = if sweep.wish.simulates() { "SIMULATED " } else { "" };
    let arms = counted(sweep.arms.len() as u64 - 1, "arm", "arms");
    let recipe = &sweep.arms[0].reading.recipe.source.name;
    let _ = writeln!(
        out,
        "{label}SWEEP  {} · {arms} against the base · {} each\n",
        one_line(recipe, NAME_CHARS_MAX),
        counted(u64::from(sweep.wish.starts), "start", "starts")
    );
    put(&mut out, &table(&overview(&stands), 1));
    for stand in stands.iter().filter(|stand| !stand.failed.is_empty()) {
        put(&mut out, &failure(sweep, stand));
    }
    for stand in &stands {
        put(&mut out, &measured(stand));
    }
    out.push('\n');
    let dead = stands.iter().filter(|stand| stand.ran.is_empty() && !stand.failed.is_empty());
    let dead: Vec<String> = dead.map(|stand| name(stand.arm)).collect();
    let advised = advice(&held(&stands), &dead);
    put(&mut out, &labelled("recommend", wrap(&advised, WIDTH - LABEL)));
    put(&mut out, &labelled("method", wrap(&method(&stands), WIDTH - LABEL)));
    let names: Vec<String> = ["arms", "runs/ARM", "sweep.json"]
        .map(|name| sweep.folder.join(name).display().to_string())
        .to_vec();
    put(&mut out, &labelled("written", wrap(&names.join(" · "), WIDTH - LABEL)));
    put(&mut out, &labelled("again", wrap(&paper::again(sweep), WIDTH - LABEL)));
    let compared = stands.iter().any(|stand| matches!(stand.compared, Some(Ok(_))));
    (out, if compared { Exit::Pass } else { Exit::Inconclusive })
}

fn put(out: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
}

/// An arm's name; of a long one its end, by which two are told apart.
fn name(arm: &Arm) -> String {
    let name = one_line(&arm.name, usize::MAX);
    let more = name.chars().count().saturating_sub(NAME_CHARS_MAX);
    if more == 0 {
        name
    } else {
        std::iter::once('…').chain(name.chars().skip(more + 1)).collect()
    }
}

fn stands(sweep: &Sweep) -> Vec<Stand<'_>> {
    let of = |place: usize, outcome: Outcome| -> Vec<&Run> {
        let own = sweep.done.iter().filter(move |run| run.turn.arm == place);
        own.filter(|run| run.outcome == outcome).collect()
    };
    let base: Vec<PathBuf> = of(0, Outcome::Ran).iter().map(|run| run.folder.clone()).collect();
    let stand = |(place, arm)| {
        let ran = of(place, Outcome::Ran);
        let folders: Vec<PathBuf> = ran.iter().map(|run| run.folder.clone()).collect();
        let compared = match (place, base.is_empty(), folders.is_empty()) {
            (0, ..) => None,
            (_, true, _) => Some(Err("the base never started".to_owned())),
            (_, _, true) => Some(Err("it never started".to_owned())),
            _ => Some(
                sides(&base, &folders, &compare::Wish::default())
                    .map_err(|wrong| wrong.what().to_owned()),
            ),
        };
        Stand { arm, ran, failed: of(place, Outcome::NeverUp), compared }
    };
    sweep.arms.iter().enumerate().map(stand).collect()
}

fn overview(stands: &[Stand<'_>]) -> Vec<Vec<String>> {
    let head = ["arm", "started", "failed", "pass", "fail", "open", "against the base"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for stand in stands {
        let count = |word: Word| {
            let n = stand.ran.iter().filter(|run| run.word == word).count();
            if n == 0 { "-".to_owned() } else { n.to_string() }
        };
        let failed = stand.failed.len();
        let against = match &stand.compared {
            None => String::new(),
            Some(Ok(comparison)) => {
                let better = comparison.rows.iter().filter(|row| row.primary && is_better(row));
                match (better.count(), comparison.decision.word) {
                    // One row that is open makes it so, whatever the others show.
                    (1.., compare::Word::Inconclusive) => "better, and open".to_owned(),
                    _ => decision(comparison).replacen("SIMULATED ", "", 1),
                }
            }
            Some(Err(why)) => one_line(why, NAME_CHARS_MAX),
        };
        rows.push(vec![
            name(stand.arm),
            stand.ran.len().to_string(),
            if failed == 0 { "-".to_owned() } else { failed.to_string() },
            count(Word::Pass),
            count(Word::Fail),
            count(Word::Inconclusive),
            against,
        ]);
    }
    rows
}

/// Why an arm did not start, in the words of whoever said it.
fn failure(sweep: &Sweep, stand: &Stand<'_>) -> Vec<String> {
    let Some(run) = stand.failed.last() else { return Vec::new() };
    let is_over = given_up(run.turn.arm, &outcomes(sweep));
    let over = if is_over { format!("; given up after {FAILED_MAX}") } else { String::new() };
    let text = format!(
        "{} did not start{over}: {} ({})",
        name(stand.arm),
        one_line(&run.note, NOTE_CHARS_MAX),
        run.folder.display()
    );
    let mut lines = vec![String::new()];
    lines.extend(wrap(&text, WIDTH - 2).into_iter().map(|line| format!("  {line}")));
    lines
}

/// What an arm changes, and the rows that decide of it.
fn measured(stand: &Stand<'_>) -> Vec<String> {
    let Some(Ok(comparison)) = &stand.compared else { return Vec::new() };
    let mut lines = vec![String::new()];
    let changes = stand.arm.differs.iter().map(changed).collect::<Vec<_>>().join(", ");
    lines.extend(wrap(&changes, WIDTH - 2).into_iter().map(|line| format!("  {line}")));
    let head = ["median of", "base", "arm", "ratio", "interval", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(comparison.rows.iter().filter(|row| row.primary).map(measured_row));
    lines.extend(table(&rows, 1).into_iter().map(|line| format!("  {line}")));
    lines
}

/// A change: `max_num_seqs 4 → 8`.
fn changed(difference: &Difference) -> String {
    let side = |side: &Option<String>| {
        side.as_ref().map_or_else(|| "-".to_owned(), |text| one_line(text, NAME_CHARS_MAX))
    };
    format!("{} {} → {}", difference.what, side(&difference.one), side(&difference.other))
}

fn measured_row(row: &Row) -> Vec<String> {
    let measure = row.key.measure;
    let interval = row.interval.map_or_else(
        || "-".to_owned(),
        |(low, high)| format!("{} to {}", percent(low), percent(high)),
    );
    vec![
        measured_in(row),
        amount(measure, row.base.value),
        amount(measure, row.candidate.value),
        percent(row.ratio),
        interval,
        row.word.word().to_owned(),
    ]
}

/// What the intervals rest on.
fn method(stands: &[Stand<'_>]) -> String {
    let compared = stands.iter().filter_map(|stand| stand.compared.as_ref()?.as_ref().ok());
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
fn held<'a>(stands: &'a [Stand<'_>]) -> Vec<Held<'a>> {
    let of = |stand: &'a Stand<'_>| -> Option<Held<'a>> {
        let comparison = stand.compared.as_ref()?.as_ref().ok()?;
        let rows = comparison.rows.iter().filter(|row| row.primary).collect();
        let decision = &comparison.decision;
        let word = if decision.suggestive { compare::Word::Inconclusive } else { decision.word };
        Some(Held { name: name(stand.arm), word, rows })
    };
    stands.iter().filter_map(of).collect()
}
