//! Formats what several runs of one recipe prove together, for a terminal and for scripts.

pub(crate) mod json;

use super::layout::{LABEL, NONE, cut, ending, finish, fold, grid, labelled, packed, table};
use super::page::{Grid, bounds};
use super::printable::Printable;
use super::words::counted;
use crate::escape::one_line;
use crate::unit::{grouped, span};
use crate::verdict::VerdictWord;
use crate::verdict::exposure::told;
use crate::verdict::pool::{Pool, PooledRun};

/// Width of the report in columns.
const WIDTH: usize = 80;

/// Bounds on a folder and on names, in columns.
const FOLDER_WIDTH_MAX: usize = 28;
const NAME_CHARS_MAX: usize = 32;
const SCENARIO_CHARS_MAX: usize = 12;

/// Columns of the table of bounds that are shown: all but what each kind still needs.
const BOUND_COLUMNS: usize = 4;

/// Lines of a sentence.
const LINES_MAX: usize = 3;

/// Lines on why one run did not pass.
const WHY_LINES_MAX: usize = 2;

/// Quantities that are added up.
const ADDED_UP: &str = "time under load, failures, and requests whose answers were checked";

/// Results that each run has for itself.
const EACH_RUN: &str = "has its own gates, speed, growth and drift: see `longhaul report` of it. \
    The word above is that of the worst run";

/// Writes the report.
pub(crate) fn render(pool: &Pool) -> Printable {
    let mut lines = vec![headline(pool), String::new()];
    lines.extend(runs(&pool.runs));
    let not_passed = pool.runs.iter().filter(|run| !run.why.is_empty());
    let why: Vec<String> = not_passed.flat_map(why).collect();
    if !why.is_empty() {
        lines.push(String::new());
        lines.extend(labelled("why", why));
    }
    let bounds = narrow(bounds::grid(&pool.total));
    if !bounds.rows.is_empty() {
        lines.push(String::new());
        lines.extend(grid(&bounds));
    }
    lines.push(String::new());
    let sentence = |words: &str| cut(words, WIDTH - LABEL, LINES_MAX);
    lines.extend(labelled("proves", proves(pool).iter().flat_map(|it| sentence(it)).collect()));
    lines.extend(labelled("to show", packed(&bounds::missing(&pool.total), WIDTH - LABEL)));
    lines.extend(labelled("together", packed(&gates(pool), WIDTH - LABEL)));
    lines.extend(labelled("note", pool.notes.iter().flat_map(|it| sentence(it)).collect()));
    lines.extend(labelled("added up", sentence(ADDED_UP)));
    lines.extend(labelled("each run", sentence(EACH_RUN)));
    let not = not(pool);
    lines.extend(labelled("not", sentence(&not)));
    Printable::terminal(&finish(&lines, WIDTH))
}

fn headline(pool: &Pool) -> String {
    let first = &pool.runs[0];
    let label = if first.simulated { "SIMULATED " } else { "" };
    let runs = counted(pool.runs.len() as u64, "run", "runs");
    let recipe = one_line(&first.recipe, NAME_CHARS_MAX);
    let load = span(pool.total.failures.load_s);
    format!("{label}{}  {runs} of {recipe} · {load} under load", pool.word.word())
}

/// Returns a row for each run.
fn runs(runs: &[PooledRun]) -> Vec<String> {
    let head = ["run", "verdict", "scenario", "under load", "failures"].map(str::to_owned).to_vec();
    let row = |run: &PooledRun| {
        let failures = run.exposure.failures;
        let is_known = failures.seen > 0 || failures.watched_s > 0.0;
        vec![
            ending(&run.folder, FOLDER_WIDTH_MAX),
            run.word.word().to_owned(),
            one_line(&run.scenario, SCENARIO_CHARS_MAX),
            span(failures.load_s),
            if is_known { grouped(failures.seen as f64) } else { NONE.to_owned() },
        ]
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(runs.iter().map(row)).collect();
    table(&rows, 3)
}

/// Returns why a run did not pass, in at most two lines.
fn why(run: &PooledRun) -> Vec<String> {
    let folder = ending(&run.folder, FOLDER_WIDTH_MAX);
    let mut items = run.why.clone();
    if let Some(first) = items.first_mut() {
        *first = format!("{folder}: {first}");
    }
    fold(&items, WIDTH - LABEL, WHY_LINES_MAX)
}

/// Returns the columns of the table of bounds that fit.
fn narrow(mut bounds: Grid) -> Grid {
    bounds.headings.truncate(BOUND_COLUMNS);
    for row in &mut bounds.rows {
        row.truncate(BOUND_COLUMNS);
    }
    bounds
}

fn proves(pool: &Pool) -> Vec<String> {
    let of = &pool.total.failures;
    let Some(between) = of.between() else {
        return vec!["nothing: no time under load would have shown a failure".to_owned()];
    };
    let time_s = if of.seen == 0 { of.watched_s } else { of.load_s };
    let mut words = vec![told(of.seen, time_s, &between)];
    words.extend(bounds::chance(&pool.total, pool.runs.len()));
    words.extend(bounds::parser_faults(&pool.total));
    words
}

fn gates(pool: &Pool) -> Vec<String> {
    let word = |word: VerdictWord| match word {
        VerdictWord::Pass => "pass",
        other => other.word(),
    };
    pool.gates.iter().map(|(text, judged)| format!("{} {text}", word(*judged))).collect()
}

fn not(pool: &Pool) -> String {
    let simulated = if pool.runs[0].simulated { "anything about a real server, " } else { "" };
    format!("{simulated}what takes longer than one run, as a slow leak does")
}

#[cfg(test)]
mod tests;
