//! Parses numbers of the command line; a mistake says what is wanted, with an example.

use std::str::FromStr;

use crate::command::print_stderr;
use crate::unit;

/// Parses a depth, and says the number that a unit stands for.
pub(super) fn depth(text: &str) -> Result<u64, String> {
    if let Some(depth) = unit::tokens(text) {
        print_stderr(&format!("note: {} is {} tokens", text.trim(), unit::grouped(depth as f64)));
        return Ok(depth);
    }
    let wanted = "a depth is a whole number of tokens, as in --depths 0,4096,32k";
    number(text, &unit::no_tokens(text).unwrap_or_else(|| wanted.to_owned()))
}

/// Parses a number of streams.
pub(super) fn streams(text: &str) -> Result<u32, String> {
    number(text, "a number of streams is a whole number, as in --concurrency 1,4")
}

/// Parses a number of starts.
pub(super) fn starts(text: &str) -> Result<u32, String> {
    number(text, "a number of starts is a whole number, as 6")
}

/// Parses a seed.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    number(text, "a seed is a whole number from 0 up, as 7")
}

/// Parses requests per second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    number(text, "a rate is a number of requests per second, as in --rate 0.05,0.1")
}

/// Parses tokens per second.
pub(super) fn tokens_per_s(text: &str) -> Result<f64, String> {
    match text.trim().parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("a number of tokens per second above 0, as 1800".to_owned()),
    }
}

/// Parses a difference that is too small to matter, as a fraction.
pub(super) fn margin(text: &str) -> Result<f64, String> {
    let share = unit::share(text).ok().filter(|share| 0.0 < *share && *share < 1.0);
    share.ok_or_else(|| "a margin is from above 0% to below 100%, as 5%".to_owned())
}

/// Parses the factor of a gross change.
pub(super) fn gross(text: &str) -> Result<f64, String> {
    let factor = text.trim().trim_end_matches(['x', '×']).trim_end().parse().ok();
    let factor = factor.filter(|factor: &f64| *factor > 1.0 && factor.is_finite());
    factor.ok_or_else(|| "a factor is above 1, as 2 for twice as slow".to_owned())
}

/// Parses a number, or says what is wanted.
fn number<T: FromStr>(text: &str, wanted: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| wanted.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use insta::assert_snapshot;

    use crate::cli::Cli;
    use crate::shown::each;

    #[test]
    fn a_number_that_is_none_says_what_is_wanted_also_a_negative_one() {
        let lines = [
            "run --depths 0,x",
            "run --depths 0,32kb",
            "run --depths 1m",
            "run --concurrency -1",
            "run --rate x",
            "run --seed=-1",
            "run --seed -1",
            "run --duration -5m",
            "sweep --starts -1",
            "compare a b --margin -5%",
            "compare a b --margin-p95 100%",
            "compare a b --gross 1",
            "compare a b --gross -2",
            "compare a b --gross 200%",
            "plan --prefill-rate inf --decode-rate 5",
        ];
        let mistakes = each(lines, |line| {
            let words = ["longhaul"].into_iter().chain(line.split(' '));
            let mistake = Cli::try_parse_from(words).map(|_| ()).unwrap_err().to_string();
            mistake.lines().next().unwrap_or_default().to_owned()
        });
        assert_snapshot!(mistakes, @r#"
            "run --depths 0,x"
                error: invalid value 'x' for '--depths <LIST>': a depth is a whole number of tokens, as in --depths 0,4096,32k

            "run --depths 0,32kb"
                error: invalid value '32kb' for '--depths <LIST>': `kb` is no unit of tokens; write 32k for 32,768 tokens

            "run --depths 1m"
                error: invalid value '1m' for '--depths <LIST>': `m` stands for minutes; write 1M for 1,048,576 tokens

            "run --concurrency -1"
                error: invalid value '-1' for '--concurrency <LIST>': a number of streams is a whole number, as in --concurrency 1,4

            "run --rate x"
                error: invalid value 'x' for '--rate <LIST>': a rate is a number of requests per second, as in --rate 0.05,0.1

            "run --seed=-1"
                error: invalid value '-1' for '--seed <SEED>': a seed is a whole number from 0 up, as 7

            "run --seed -1"
                error: invalid value '-1' for '--seed <SEED>': a seed is a whole number from 0 up, as 7

            "run --duration -5m"
                error: invalid value '-5m' for '--duration <TIME>': `-5m` is below zero, and no time is; write 5m

            "sweep --starts -1"
                error: invalid value '-1' for '--starts <N>': a number of starts is a whole number, as 6

            "compare a b --margin -5%"
                error: invalid value '-5%' for '--margin <SHARE>': a margin is from above 0% to below 100%, as 5%

            "compare a b --margin-p95 100%"
                error: invalid value '100%' for '--margin-p95 <SHARE>': a margin is from above 0% to below 100%, as 5%

            "compare a b --gross 1"
                error: invalid value '1' for '--gross <FACTOR>': a factor is above 1, as 2 for twice as slow

            "compare a b --gross -2"
                error: invalid value '-2' for '--gross <FACTOR>': a factor is above 1, as 2 for twice as slow

            "compare a b --gross 200%"
                error: invalid value '200%' for '--gross <FACTOR>': a factor is above 1, as 2 for twice as slow

            "plan --prefill-rate inf --decode-rate 5"
                error: invalid value 'inf' for '--prefill-rate <TOKENS/S>': a number of tokens per second above 0, as 1800
        "#);
    }
}
