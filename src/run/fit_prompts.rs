//! Measures how the server counts tokens, before the load, by answering the
//! fitter's questions.

mod counter;

use std::cell::Cell as Counting;
use std::time::Duration;

use super::arrive::RetryPolicy;
use super::side_by_side::side_by_side;
use crate::escape::{ERROR_CHARS_MAX, one_line};
use crate::fact::{Abilities, Cell, Fitted, Statement};
use crate::plan::fitter::{FitQuestion, Fitter, Method};
use crate::plan::{Fit, LengthSample, Plan};
use crate::spec::scenario::Api;
use crate::timeline::Timeline;
use crate::world::Wire;
use counter::TokenCounters;

/// Largest number of questions that are asked side by side: of a tokenizer, and of an engine.
const TOKENIZED_AT_ONCE: usize = 8;
const PREFILLED_AT_ONCE: usize = 4;

/// Largest depth and largest prompt of the requests by which `/tokenize` is checked, tokens: enough
/// to show a tokenizer that differs by 1 %.
const CHECKED_MAX: u64 = 2_048;

/// Subject of the notes.
pub(super) const LENGTHS: &str = "prompt lengths";

/// Server whose token counts are measured.
pub(crate) struct Counted<'a, W: Wire> {
    pub wire: &'a W,
    pub timeline: &'a Timeline,
    pub patience: &'a RetryPolicy<'a>,
    pub abilities: &'a Abilities,
    pub model: &'a str,
    /// Whether the server is longhaul's simulated server, whose counts agree.
    pub is_simulated: bool,
    /// Limit of the load for a first token.
    pub first_token: Duration,
}

/// Fit of text lengths to the server's token counts.
pub(crate) struct Measured {
    pub fit: Fit,
    /// Sample of each length.
    pub fitted: Vec<Fitted>,
    /// Cells whose sample could not be counted, each with the reason.
    pub uncounted: Vec<(Cell, String)>,
    /// Notes on what else could not be counted as it should be.
    pub notes: Vec<Statement>,
}

impl Measured {
    /// Returns the samples of the lengths that are still planned, and the notes on them.
    pub(crate) fn of_plan(&self, plan: &Plan) -> (Vec<Fitted>, Vec<Statement>) {
        let cells = plan.cells();
        let is_fitted = |it: &&Fitted| {
            cells.iter().any(|cell| (cell.depth, cell.prompt) == (it.depth, it.prompt))
        };
        let is_uncounted = |it: &&(Cell, String)| cells.iter().any(|cell| cell.is_as_long(&it.0));
        let uncounted = self.uncounted.iter().filter(is_uncounted).map(|(cell, why)| {
            let words = format!("d{} was not counted as a whole: {why}", cell.depth);
            Statement::note(LENGTHS, words)
        });
        let notes = uncounted.chain(self.notes.iter().cloned()).collect();
        (self.fitted.iter().filter(is_fitted).cloned().collect(), notes)
    }
}

/// Fits text lengths to the server's token counts, and checks `/tokenize` by the usage records of
/// requests: where they show other lengths, prompts are fitted by usage alone. `progress` is called
/// with the number of answered questions and of all that are asked together.
///
/// # Errors
/// The reason why no token count of the server could be read.
pub(crate) async fn fit_prompts<W: Wire>(
    server: &Counted<'_, W>,
    plan: &Plan,
    progress: &dyn Fn(usize, usize),
) -> Result<Measured, String> {
    let counters = TokenCounters::of(server);
    let measured = fit_by(&counters, plan, progress).await?;
    if server.is_simulated || !counters.tokenizes() {
        return Ok(measured);
    }
    let by_usage = TokenCounters::by_usage(server);
    let checks = checks(&by_usage, plan, &measured.fit).await;
    match checks.iter().find(|check| check.cell.is_off_depth(check.counted)) {
        Some(off) => Ok(fit_again(&by_usage, plan, progress, measured, *off, miss(&checks)).await),
        None => Ok(measured),
    }
}

/// Fits by usage in place of `/tokenize`; keeps the fit where that comes no closer.
async fn fit_again<W: Wire>(
    by_usage: &TokenCounters<'_, W>,
    plan: &Plan,
    progress: &dyn Fn(usize, usize),
    tokenized: Measured,
    off: Check,
    missed: u64,
) -> Measured {
    let found = format!(
        "/tokenize and usage differ: a prompt of {} tokens has {} by the usage of its answer",
        off.cell.input(),
        off.counted
    );
    let why = match fit_by(by_usage, plan, progress).await {
        Ok(mut fitted) => {
            let again = checks(by_usage, plan, &fitted.fit).await;
            if !again.is_empty() && miss(&again) < missed {
                let words = format!("{found}; prompts are fitted by usage");
                fitted.notes.insert(0, Statement::note(LENGTHS, words));
                return fitted;
            }
            "the server cuts prompts, or its usage is no count".to_owned()
        }
        Err(why) => one_line(&why, ERROR_CHARS_MAX),
    };
    let note = Statement::note(LENGTHS, format!("{found}; not fitted by usage: {why}"));
    Measured { notes: [vec![note], tokenized.notes].concat(), ..tokenized }
}

/// Prompt of a cell's length, and its tokens by the usage record.
#[derive(Clone, Copy)]
struct Check {
    cell: Cell,
    counted: u64,
}

/// Returns by how many tokens all checks together miss their lengths.
fn miss(checks: &[Check]) -> u64 {
    checks.iter().map(|check| check.counted.abs_diff(check.cell.input())).sum()
}

/// Counts the shortest and the longest prompt of a plan by usage, both cut to a moderate length. A
/// prompt that cannot be counted, or is shorter than the chat template, is none.
async fn checks<W: Wire>(by_usage: &TokenCounters<'_, W>, plan: &Plan, fit: &Fit) -> Vec<Check> {
    let mut samples = plan.samples();
    samples.sort_by_key(|sample| sample.cell.input());
    let ends = [samples.first(), samples.last()];
    let mut checks: Vec<Check> = Vec::new();
    for LengthSample { slot, cell, .. } in ends.into_iter().flatten() {
        let (depth, prompt) = (cell.depth.min(CHECKED_MAX), cell.prompt.min(CHECKED_MAX));
        let cell = Cell { depth, prompt, ..*cell };
        let is_known = checks.iter().any(|check| check.cell.is_as_long(&cell));
        if is_known || cell.prompt <= fit.prompt_overhead.max(fit.both_overhead) {
            continue;
        }
        let question = plan.resized(*slot, cell, fit).input.into();
        let counted = by_usage.count(&question).await.ok();
        checks.extend(counted.map(|counted| Check { cell, counted }));
    }
    checks
}

/// Fits text lengths to the counts that some ways of the server give.
async fn fit_by<W: Wire>(
    counters: &TokenCounters<'_, W>,
    plan: &Plan,
    progress: &dyn Fn(usize, usize),
) -> Result<Measured, String> {
    let method = counters.method(plan.apis().contains(&Api::Chat));
    let most = if method == Method::Tokenize { TOKENIZED_AT_ONCE } else { PREFILLED_AT_ONCE };
    let mut fitter = Fitter::new(plan, method);
    let (mut uncounted, mut notes) = (Vec::new(), Vec::new());
    loop {
        let questions = fitter.questions();
        if questions.is_empty() {
            break;
        }
        let done = Counting::new(0);
        let asked = questions.iter().map(async |question: &FitQuestion| {
            let counted = counters.count(question).await;
            done.set(done.get() + 1);
            progress(done.get(), questions.len());
            counted
        });
        let answers = side_by_side(most, asked).await;
        let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
        let why = refused.clone().next().cloned().unwrap_or_default();
        let counted: Vec<Option<u64>> =
            answers.iter().map(|it| it.as_ref().ok().copied()).collect();
        if fitter.counts_samples() {
            let samples = fitter.samples().zip(&answers);
            uncounted = samples.filter_map(|(cell, it)| Some((cell, it.clone().err()?))).collect();
        } else if refused.clone().count() > 0 {
            let (n, all) = (refused.count(), answers.len());
            let words = format!("{n} of {all} counts were refused and are estimated: {why}");
            notes.push(Statement::note(LENGTHS, words));
        }
        fitter.answer(&counted).map_err(|_| why)?;
    }
    let (fit, fitted) = fitter.finish();
    Ok(Measured { fit, fitted, uncounted, notes })
}

#[cfg(test)]
mod tests;
