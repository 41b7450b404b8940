//! Measures how the server counts tokens, before the load, by answering the
//! fitter's questions.

mod counter;

use std::cell::Cell as Counting;

use super::arrive::RetryPolicy;
use super::side_by_side::side_by_side;
use crate::fact::{Abilities, Cell, Fitted, Statement};
use crate::plan::fitter::{FitQuestion, Fitter, Method};
use crate::plan::{Fit, Plan};
use crate::spec::scenario::Api;
use crate::timeline::Timeline;
use crate::world::Wire;
use counter::TokenCounters;

/// Largest number of questions that are asked side by side: of a tokenizer, and of an engine.
const TOKENIZED_AT_ONCE: usize = 8;
const PREFILLED_AT_ONCE: usize = 4;

/// Subject of the notes.
const LENGTHS: &str = "prompt lengths";

/// Server whose token counts are measured.
pub(crate) struct Counted<'a, W: Wire> {
    pub wire: &'a W,
    pub timeline: &'a Timeline,
    pub patience: &'a RetryPolicy<'a>,
    pub abilities: &'a Abilities,
    pub model: &'a str,
}

/// Fit of text lengths to the server's token counts.
pub(crate) struct Measured {
    pub fit: Fit,
    /// Sample of each length.
    pub fitted: Vec<Fitted>,
    /// Notes on lengths that could not be counted.
    pub notes: Vec<Statement>,
}

/// Fits text lengths to the server's token counts. `progress` is called with the number of
/// answered questions and of all that are asked together.
///
/// # Errors
/// In words: why no token count of the server could be read.
pub(crate) async fn fit_prompts<W: Wire>(
    server: &Counted<'_, W>,
    plan: &Plan,
    progress: &dyn Fn(usize, usize),
) -> Result<Measured, String> {
    let counters = TokenCounters::of(server);
    let method = counters.method(plan.apis().contains(&Api::Chat));
    let most = if method == Method::Tokenize { TOKENIZED_AT_ONCE } else { PREFILLED_AT_ONCE };
    let mut fitter = Fitter::new(plan, method);
    let (mut notes, mut parts) = (Vec::new(), None);
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
            notes = uncounted(&fitter, &answers);
        } else if refused.clone().count() > 0 {
            let (n, all) = (refused.count(), answers.len());
            let words = format!("{n} of {all} counts were refused and are estimated: {why}");
            parts = Some(Statement::note(LENGTHS, words));
        }
        fitter.answer(&counted).map_err(|_| why)?;
    }
    notes.extend(parts);
    let (fit, fitted) = fitter.finish();
    Ok(Measured { fit, fitted, notes })
}

/// Notes the lengths whose sample could not be counted.
fn uncounted(fitter: &Fitter<'_>, answers: &[Result<u64, String>]) -> Vec<Statement> {
    let note = |(cell, answer): (Cell, &Result<u64, String>)| {
        let why = answer.as_ref().err()?;
        Some(Statement::note(LENGTHS, format!("d{} was not counted as a whole: {why}", cell.depth)))
    };
    fitter.samples().zip(answers).filter_map(note).collect()
}

#[cfg(test)]
mod tests;
