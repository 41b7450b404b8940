//! Finds out which tokens the rate of a prompt behind a context counts. llama-benchy counts the
//! prompt alone where the context was loaded before, and context and prompt where both were sent at
//! once, under the same name. Rate × time gives the tokens.

use crate::analysis::arena::{ArenaRow, Column, Table, TestKind};

/// Bounds on rate × time over the tokens that it should be: means of rates and times are not the
/// rates of one request.
const CLOSE: std::ops::RangeInclusive<f64> = 0.75..=1.4;

/// Least ratio of both counts at which they can be told apart.
const APART_MIN: f64 = 1.5;

/// Ratio of both counts up to which it does not matter which one it is.
const ALIKE_MAX: f64 = 1.02;

/// Tokens that a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CountedTokens {
    ContextAndPrompt,
    Prompt,
}

/// Tokens that a row's rate counts: of the prompt alone, or of context and prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counting {
    /// There is no context, or next to none.
    Either,
    Known(CountedTokens),
    Unknown,
}

/// Returns what the rows of a table count, where they agree: by their rates and times, otherwise by
/// what the table says of loaded contexts.
pub(super) fn of_table(table: &Table) -> Option<CountedTokens> {
    let prompts = || table.rows.iter().filter(|row| is_behind_context(row));
    // With several streams the means are far from the rates of single requests.
    let alone: Vec<CountedTokens> =
        prompts().filter(|row| row.streams == 1).filter_map(by_times).collect();
    let all: Vec<CountedTokens> =
        if alone.is_empty() { prompts().filter_map(by_times).collect() } else { alone };
    if let Some(first) = all.first() {
        return all.iter().all(|it| it == first).then_some(*first);
    }
    if table.rows.iter().any(|row| row.kind.is_context()) {
        return Some(CountedTokens::Prompt);
    }
    table
        .origin
        .prefix_caching
        .map(|loaded| if loaded { CountedTokens::Prompt } else { CountedTokens::ContextAndPrompt })
}

/// Returns what a row counts, in a table whose rows count so.
pub(super) fn of_row(row: &ArenaRow, table: Option<CountedTokens>) -> Counting {
    let Some((prompt, both)) = sizes(row) else { return Counting::Either };
    if both / prompt <= ALIKE_MAX {
        return Counting::Either;
    }
    let by_times = if row.streams == 1 { by_times(row) } else { None };
    by_times.or(table).map_or(Counting::Unknown, Counting::Known)
}

fn is_behind_context(row: &ArenaRow) -> bool {
    row.kind == TestKind::Pp && row.depth > 0
}

/// Returns the tokens of a prompt, and of context and prompt.
fn sizes(row: &ArenaRow) -> Option<(f64, f64)> {
    let prompt = row.prompt.filter(|prompt| *prompt > 0 && is_behind_context(row))?;
    Some((prompt as f64, row.depth as f64 + prompt as f64))
}

/// Returns what a row counts by its rate and its time.
fn by_times(row: &ArenaRow) -> Option<CountedTokens> {
    let (prompt, both) = sizes(row).filter(|(prompt, both)| both / prompt >= APART_MIN)?;
    let rate = row.mean(Column::TsReq).or(row.mean(Column::Ts).filter(|_| row.streams == 1))?;
    let counted = rate * time_ms(row)? / 1e3;
    let off = |tokens: f64| (counted / tokens).ln().abs();
    let (nearest, tokens) = if off(both) < off(prompt) {
        (CountedTokens::ContextAndPrompt, both)
    } else {
        (CountedTokens::Prompt, prompt)
    };
    CLOSE.contains(&(counted / tokens)).then_some(nearest)
}

/// Returns the time in which the tokens of a prefill were read, milliseconds.
pub(super) fn time_ms(row: &ArenaRow) -> Option<f64> {
    row.mean(Column::EstPpt).or(row.mean(Column::Ttfr)).filter(|ms| *ms > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::arena::{Origin, Spread};

    /// Returns a row of a test with a rate and a time.
    fn row(test: &str, rate: f64, ms: Option<f64>) -> ArenaRow {
        let mut row = ArenaRow::named(test).unwrap();
        row.columns.insert(Column::Ts, Spread::reported(rate, None));
        row.columns.insert(Column::TsReq, Spread::reported(rate, None));
        if let Some(ms) = ms {
            row.columns.insert(Column::EstPpt, Spread::reported(ms, None));
        }
        row
    }

    fn table(rows: Vec<ArenaRow>) -> Table {
        Table { rows, ..Table::default() }
    }

    #[test]
    fn rate_times_time_says_which_tokens_were_counted() {
        let both = Some(CountedTokens::ContextAndPrompt);
        let prompt = Some(CountedTokens::Prompt);
        let of = |test: &str, rate, ms| of_table(&table(vec![row(test, rate, Some(ms))]));
        assert_eq!(of("pp2048 @ d4096", 3_014.68, 2_038.9), both);
        assert_eq!(of("pp2048 @ d64000", 2_361.75, 27_966.17), both);
        assert_eq!(of("pp2048 @ d100000", 35.33, 57_964.48), prompt);
        assert_eq!(of("pp2048 @ d4096", 3_200.0, 640.0), prompt);
        assert_eq!(of("pp2048 @ d4096", 9_000.0, 9_000.0), None, "neither");
        assert_eq!(of("pp2048 @ d4", 4_323.0, 436.0), None, "which one does not matter");
    }

    #[test]
    fn without_times_what_the_table_says_of_contexts_decides_or_nothing_does() {
        let alone = || row("pp2048 @ d4096", 563.0, None);
        assert_eq!(of_table(&table(vec![alone()])), None);
        let loaded = table(vec![alone(), row("ctx_pp @ d4096", 563.0, None)]);
        assert_eq!(of_table(&loaded), Some(CountedTokens::Prompt));
        let reported = |loaded| Table {
            origin: Origin { prefix_caching: Some(loaded), ..Origin::default() },
            ..table(vec![alone()])
        };
        assert_eq!(of_table(&reported(false)), Some(CountedTokens::ContextAndPrompt));
        assert_eq!(of_table(&reported(true)), Some(CountedTokens::Prompt));
    }

    #[test]
    fn a_row_of_many_streams_counts_as_its_table_does() {
        let alone = row("pp2048 @ d4096 (c1)", 1_857.0, Some(3_308.0));
        // Of four streams that wait for each other, rate × time is 7,965 tokens.
        let many = row("pp2048 @ d4096 (c4)", 897.44, Some(8_876.76));
        let counting = of_table(&table(vec![alone, many.clone()]));
        let known = Counting::Known(CountedTokens::ContextAndPrompt);
        assert_eq!(of_row(&many, counting), known);
        assert_eq!(of_row(&many, None), Counting::Unknown);
        assert_eq!(of_row(&row("pp2048 (c4)", 1.0, None), None), Counting::Either);
        assert_eq!(of_row(&row("pp2048 @ d4 (c4)", 1.0, None), None), Counting::Either);
    }
}
