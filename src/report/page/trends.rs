//! Formats changes over the hours: a line for memory and one for the answers, and tables of all.

use std::collections::BTreeSet;

use crate::analysis::trend::{Trend, TrendWord};
use crate::analysis::trends::{AnswerTrend, Driver, Sentence, SeriesTrend, once_each};
use crate::analysis::{Analysis, Trends};
use crate::measure::{Better, Quantity};
use crate::series::SeriesUnit;
use crate::stats::theil_sen::Slope;
use crate::unit::{figures, span};
use crate::verdict::GateResult;

use super::{Grid, GridValue, Heading, acceptance};

/// Words of changes over the hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrendWords {
    /// Memory and what else grows, the gravest first; empty where the run was too short for a word.
    pub memory: Vec<String>,
    /// Times and rates of answers, the gravest first; empty where the run was too short.
    pub drift: Vec<String>,
}

/// Order of the words in a report.
const GRAVEST: [TrendWord; 7] = [
    TrendWord::Growing,
    TrendWord::Step,
    TrendWord::TwoLevels,
    TrendWord::Unresolved,
    TrendWord::NoData,
    TrendWord::Plateau,
    TrendWord::Falling,
];

/// Returns the lines of a report. Series of which other ones hold the same are in the table alone,
/// and what a gate says is not said again.
pub(super) fn words(analysis: &Analysis, gates: &[GateResult]) -> TrendWords {
    let trends = &analysis.trends;
    let is_said = |words: &String| gates.iter().any(|gate| gate.why.contains(words.as_str()));
    let (mut memory, mut drift) = (memory(trends), drift(&trends.answers));
    memory.retain(|words| !is_said(words));
    drift.retain(|words| !is_said(words));
    if let Some(fall) = acceptance::fall(&analysis.acceptance) {
        drift.insert(0, fall);
    }
    TrendWords { memory, drift }
}

fn memory(trends: &Trends) -> Vec<String> {
    let series = trends.series.iter().filter(|it| it.judged.is_gated && it.instance.is_empty());
    let mut series: Vec<&SeriesTrend> = series.collect();
    // The server comes before its machine.
    series.sort_by_key(|it| !it.judged.is_process_memory());
    let mut words = kept(&series);
    if !series.iter().any(|it| is_told(&it.trend)) {
        return words;
    }
    series.retain(|it| {
        !it.is_told_by_processes(&trends.series) && !it.is_short_beside(&trends.series)
    });
    let lifetimes = |title: &str| series.iter().filter(|it| it.title() == title).count();
    let sentence = |it: &SeriesTrend, words: String| Sentence {
        title: it.title(),
        words,
        weight: it.trend.hours,
    };
    for word in GRAVEST {
        let of = series.iter().filter(|it| it.trend.word == word);
        let of = of.map(|it| sentence(it, it.in_words_among(&trends.series)));
        words.extend(once_each(of, lifetimes));
    }
    let slow = series.iter().filter_map(|it| Some(sentence(it, it.slow_growth_in_words()?)));
    words.extend(once_each(slow, lifetimes));
    words.extend(stable_series(&series));
    words
}

/// Says what the machine did not get back, once of each series: the most.
fn kept(series: &[&SeriesTrend]) -> Vec<String> {
    let mut all: Vec<(&SeriesTrend, f64)> =
        series.iter().filter_map(|it| Some((*it, it.kept()?))).collect();
    all.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let is_first =
        |index: usize| all[..index].iter().all(|(it, _)| it.title() != all[index].0.title());
    let first = (0..all.len()).filter(|index| is_first(*index));
    first.filter_map(|index| all[index].0.kept_in_words()).collect()
}

fn drift(answers: &[AnswerTrend]) -> Vec<String> {
    if !answers.iter().any(|it| is_told(&it.trend)) {
        return Vec::new();
    }
    let mut words = Vec::new();
    let is_long =
        |lifetime: usize| answers.iter().any(|it| it.lifetime == lifetime && is_told(&it.trend));
    let long: Vec<&AnswerTrend> = answers.iter().filter(|it| is_long(it.lifetime)).collect();
    let (open, told): (Vec<&AnswerTrend>, Vec<_>) = long.iter().partition(|it| is_open(it));
    for word in GRAVEST {
        for quantity in Quantity::DRIFTING {
            let of = told.iter().filter(|it| (it.trend.word, it.quantity) == (word, quantity));
            words.extend(the_largest(of.copied().collect()));
        }
    }
    let stable = stable(&told, |it| &it.trend);
    if stable.is_empty() {
        words.extend(open_answers(&open, long.len()));
    } else {
        let lifetimes: BTreeSet<usize> = answers.iter().map(|it| it.lifetime).collect();
        let judged = lifetimes.iter().filter(|it| is_long(**it)).count();
        let of = (judged < lifetimes.len())
            .then(|| format!(" in {judged} of {} lifetimes", lifetimes.len()));
        words.extend(stable_answers(&stable, long.len(), open.len(), &of.unwrap_or_default()));
    }
    words
}

/// Whether a change is unresolved by its noise or its length alone, and shows no direction.
fn is_open(of: &AnswerTrend) -> bool {
    let is_short = of.trend.slope.is_none();
    of.trend.word == TrendWord::Unresolved && (is_short || of.trend.is_noisy())
}

/// Counts the open changes, with the reason: of those that are too short the longest one's.
fn open_answers(open: &[&AnswerTrend], of: usize) -> Vec<String> {
    let (short, noisy): (Vec<&AnswerTrend>, Vec<_>) =
        open.iter().copied().partition(|it| it.trend.slope.is_none());
    let counted = |all: &[&AnswerTrend], why: String| format!("{} {why}", part_of(all.len(), of));
    let noisy_why = noisy.first().map(|it| counted(&noisy, format!("unresolved: {}", it.why())));
    let longest = short.iter().max_by_key(|it| it.trend.blocks);
    noisy_why.into_iter().chain(longest.map(|it| counted(&short, it.why()))).collect()
}

/// Says the largest change of a quantity, and how many other groups changed in the same way.
fn the_largest(mut of: Vec<&AnswerTrend>) -> Option<String> {
    let size = |it: &AnswerTrend| it.drift().map_or(0.0, |drift| drift.value.abs());
    of.sort_by(|a, b| size(b).total_cmp(&size(a)));
    let (largest, others) = of.split_first()?;
    let words = largest.in_words();
    if others.is_empty() {
        return Some(words);
    }
    Some(format!("{words}, and {} more of {}", others.len(), largest.quantity.word()))
}

/// Counts the stable changes and the open ones, with the least drift that would have been seen in the
/// least certain.
fn stable_answers(
    stable: &[&AnswerTrend],
    of: usize,
    open: usize,
    lifetimes: &str,
) -> Option<String> {
    let over = span(least_hours(stable.iter().map(|it| &it.trend))? * 3_600.0);
    let n = part_of(stable.len(), of);
    let noun = if open == 0 && lifetimes.is_empty() { " times and rates" } else { "" };
    let open = if open == 0 { String::new() } else { format!(", {open} unresolved") };
    let least = stable.iter().filter_map(|it| it.detectable()).fold(0.0, f64::max);
    let seen = if least > 0.0 {
        format!("; {} % would be seen", figures(least * 100.0))
    } else {
        String::new()
    };
    Some(format!("{n}{noun} stable over {over}{lifetimes}{open}{seen}"))
}

/// Formats a number of several: `all 56`, `12 of 56`.
fn part_of(n: usize, of: usize) -> String {
    if n == of { format!("all {of}") } else { format!("{n} of {of}") }
}

/// Returns the fewest hours that one of several trends stands on.
fn least_hours<'a>(trends: impl Iterator<Item = &'a Trend>) -> Option<f64> {
    trends.map(|trend| trend.hours).min_by(f64::total_cmp)
}

/// Whether a trend rests on enough blocks, or has a reason of its own that it does not.
fn is_told(trend: &Trend) -> bool {
    trend.slope.is_some()
}

fn stable<'a, T>(all: &[&'a T], trend: impl Fn(&T) -> &Trend) -> Vec<&'a T> {
    all.iter().copied().filter(|it| trend(it).word == TrendWord::Stable).collect()
}

/// Counts the stable series, with the least growth that would have been seen in the first that is
/// memory: that of the server, where it was read. Those that grow slowly have a sentence of their own.
fn stable_series(series: &[&SeriesTrend]) -> Option<String> {
    let is_stable = |it: &SeriesTrend| {
        it.trend.word == TrendWord::Stable && it.slow_growth_in_words().is_none()
    };
    let stable: Vec<&SeriesTrend> = series.iter().copied().filter(|it| is_stable(it)).collect();
    let over = span(least_hours(stable.iter().map(|it| &it.trend))? * 3_600.0);
    let seen = stable.iter().find(|it| it.judged.series.unit == SeriesUnit::Bytes);
    let seen = seen.and_then(|it| {
        let least = it.amount(it.trend.detectable?);
        Some(format!("; {least}/h would be seen"))
    });
    let n = part_of(stable.len(), series.len());
    Some(format!("{n} series stable over {over}{}", seen.unwrap_or_default()))
}

/// Returns the table of words: a row for every lifetime of every judged series, and for every quantity
/// of every group.
pub(super) fn grid(trends: &Trends) -> Grid {
    // The words are about the worse direction.
    let row = |title: String, lifetime: usize, trend: &Trend, beside: String, better: Better| {
        let is_loss = better == Better::Higher && trend.word == TrendWord::Growing;
        let loss = if is_loss { "loss of " } else { "" };
        vec![
            GridValue::Text(format!("{loss}{title}")),
            number(lifetime),
            GridValue::text(trend.word.word()),
            GridValue::Text(span(trend.hours * 3_600.0)),
            GridValue::Count(trend.blocks as u64),
            GridValue::Text(beside),
        ]
    };
    let series = trends
        .series
        .iter()
        .map(|it| row(it.title(), it.lifetime, &it.trend, it.beside(), it.judged.better));
    let answers = trends
        .answers
        .iter()
        .map(|it| row(it.title(), it.lifetime, &it.trend, it.beside(), it.better()));
    let headings = ["", "lifetime", "word", "over", "blocks", ""].map(Heading::left).to_vec();
    of_lifetimes(Grid { headings, rows: series.chain(answers).collect() })
}

/// Returns the table of rates in the worse direction: a row for every series of which one may be
/// quoted, and that changes at all.
pub(super) fn rates(series: &[SeriesTrend]) -> Grid {
    let row = |of: &SeriesTrend| {
        let hourly = of.trend.rate().filter(|slope| slope.low < 0.0 || slope.high > 0.0)?;
        let cell = |slope: Option<Slope>| {
            GridValue::Text(slope.map_or(String::new(), |slope| of.with_bounds(slope)))
        };
        let loss = if of.judged.better == Better::Higher { "loss of " } else { "" };
        let follows = of.per_work.and_then(|it| it.driver).map_or("", |driver| match driver {
            Driver::Requests => "the requests",
            Driver::Time => "the time",
        });
        Some(vec![
            GridValue::Text(format!("{loss}{}", of.title())),
            number(of.lifetime),
            cell(Some(hourly)),
            cell(of.per_work.map(|it| it.request)),
            cell(of.per_work.and_then(|it| it.kilotoken)),
            GridValue::text(follows),
        ])
    };
    let mut headings =
        ["series", "lifetime", "per hour", "per request"].map(Heading::left).to_vec();
    headings.extend(["per 1k tokens", "follows"].map(Heading::left));
    of_lifetimes(Grid { headings, rows: series.iter().filter_map(row).collect() })
}

/// Returns the table of levels: a row for every series of which one changed between two parts of the
/// run.
pub(super) fn levels(series: &[SeriesTrend]) -> Grid {
    let row = |of: &SeriesTrend| {
        let all = [of.returned, of.released, of.since_restart];
        let changed = all.iter().flatten().any(|change| *change != 0.0);
        let cell =
            |change: Option<f64>| GridValue::maybe(change.map(|it| of.amount(it)), GridValue::Text);
        let title = [GridValue::Text(of.title()), number(of.lifetime)];
        changed.then(|| title.into_iter().chain(all.map(cell)).collect())
    };
    let mut headings = ["series", "lifetime"].map(Heading::left).to_vec();
    let words = ["return less reference", "given back when idle", "since the restart"];
    headings.extend(words.map(Heading::right));
    of_lifetimes(Grid { headings, rows: series.iter().filter_map(row).collect() })
}

/// Returns the number of a lifetime, from 1.
fn number(lifetime: usize) -> GridValue {
    GridValue::Count(lifetime as u64 + 1)
}

/// Leaves out the column of lifetimes where there is one.
fn of_lifetimes(mut grid: Grid) -> Grid {
    if grid.rows.iter().all(|row| row[1] == number(0)) {
        grid.headings.remove(1);
        for row in &mut grid.rows {
            row.remove(1);
        }
    }
    grid
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::analysis::fixture::{asked, gate};
    use crate::analysis::trends::tests::{analysed, soak};
    use crate::incident::fixture::Story;
    use crate::report::layout;
    use crate::spec::{Contract, Limit};
    use crate::verdict::judge;

    const MIB: f64 = 1_048_576.0;
    const GIB: f64 = 1_024.0 * MIB;

    fn leaking(hours: u32) -> Story {
        let taken = |hour: f64| 200.0 * MIB * hour;
        soak(hours, |hour| 10.0 * GIB + taken(hour), |hour| 40.0 * GIB - taken(hour))
    }

    /// Returns the lines of a run without gates, and those with `growth: 0`.
    fn lines(story: &Story) -> [TrendWords; 2] {
        let growth = Contract { gates: vec![gate("growth", Limit::AtMost(0.0))] };
        [Contract::default(), growth].map(|contract| {
            let mut asked = asked(&[0]);
            asked.contract = contract;
            let analysis = analysed(story, &asked);
            words(&analysis, &judge(&asked.contract, &analysis).gates)
        })
    }

    #[test]
    fn a_leak_that_the_machine_loses_has_one_sentence() {
        let [told, _] = lines(&leaking(12));
        assert_snapshot!(told.memory.join("\n"), @"process_anonymous grows 200 MiB/h [200, 200] over 10 h 47 m, and the machine loses it: at that pace full in 152 h, 3.33 MiB a request");
        assert_snapshot!(told.drift.join("\n"), @"all 3 times and rates stable over 7 h 30 m; 5.00 % would be seen");
    }

    #[test]
    fn what_a_gate_says_is_not_said_again() {
        let [told, gated] = lines(&leaking(12));
        assert_eq!(told.memory.len(), 1);
        assert_eq!(gated.memory, Vec::<String>::new());
        assert_eq!(gated.drift, told.drift);
    }

    /// Returns the tables of words, rates and levels, each under its first line.
    fn tables(story: &Story) -> String {
        let trends = analysed(story, &asked(&[0])).trends;
        let tables = [grid(&trends), rates(&trends.series), levels(&trends.series)];
        let lines: Vec<String> = tables.iter().flat_map(layout::grid).collect();
        assert!(lines.iter().all(|line| layout::columns(line) <= 120), "{lines:#?}");
        lines.join("\n")
    }

    #[test]
    fn a_leak_of_a_night_has_rates_in_the_worse_direction() {
        assert_snapshot!(tables(&leaking(12)), @"
                                            word     over       blocks
            loss of host_mem_available      growing  10 h 47 m  64
            process_anonymous               growing  10 h 47 m  64
            ttft d0/c1/p2048/o128           stable   10 h 47 m  64      0 % [0, 0]; 5.00 % would be seen
            tpot d0/c1/p2048/o128           stable   7 h 30 m   45      0 % [0, 0]; 5.00 % would be seen
            prefill_per_s d0/c1/p2048/o128  stable   10 h 47 m  64      0 % [0, 0]; 5.00 % would be seen
            series                      per hour            per request            per 1k tokens          follows
            loss of host_mem_available  200 MiB [200, 200]  3.33 MiB [3.33, 3.33]  1.53 MiB [1.53, 1.53]
            process_anonymous           200 MiB [200, 200]  3.33 MiB [3.33, 3.33]  1.53 MiB [1.53, 1.53]
        ");
    }

    #[test]
    fn below_eight_hours_and_of_a_step_no_rate_is_quoted() {
        assert_snapshot!(tables(&leaking(6)), @"
                                            word        over      blocks
            host_mem_available              unresolved  5 h 23 m  32      shrinking: 5 h 59 m seen, 8 h 00 m needed
            process_anonymous               unresolved  5 h 23 m  32      growing: 5 h 59 m seen, 8 h 00 m needed
            ttft d0/c1/p2048/o128           stable      4 h 50 m  29      0 % [0, 0]; 5.00 % would be seen
            tpot d0/c1/p2048/o128           stable      5 h 23 m  32      0 % [0, 0]; 5.00 % would be seen
            prefill_per_s d0/c1/p2048/o128  stable      5 h 23 m  32      0 % [0, 0]; 5.00 % would be seen
        ");
        let jumped = |hour: f64| if hour < 7.0 { 10.0 * GIB } else { 12.0 * GIB };
        assert_snapshot!(tables(&soak(12, jumped, |_| 40.0 * GIB)), @"
                                            word    over       blocks
            host_mem_available              stable  10 h 47 m  64      64.0 MiB/h would be seen
            process_anonymous               step    10 h 47 m  64      a step from 10.0 GiB to 12.0 GiB after 6 h 59 m
            ttft d0/c1/p2048/o128           stable  10 h 47 m  64      0 % [0, 0]; 5.00 % would be seen
            tpot d0/c1/p2048/o128           stable  7 h 30 m   45      0 % [0, 0]; 5.00 % would be seen
            prefill_per_s d0/c1/p2048/o128  stable  10 h 47 m  64      0 % [0, 0]; 5.00 % would be seen
        ");
    }

    #[test]
    fn times_that_are_open_are_counted_with_the_reason() {
        let of = |story: &Story, change: fn(&mut Trend)| {
            let mut answers = analysed(story, &asked(&[0])).trends.answers;
            for it in &mut answers {
                change(&mut it.trend);
            }
            drift(&answers).join("\n")
        };
        let night = leaking(12);
        let noisy = |trend: &mut Trend| {
            trend.word = TrendWord::Unresolved;
            trend.why = "a growth above the threshold cannot be excluded".into();
        };
        assert_snapshot!(of(&night, noisy), @"all 3 unresolved: a drift above 5.00 % cannot be excluded");
        let grows = |trend: &mut Trend| {
            trend.word = TrendWord::Unresolved;
            trend.why = "growing, unresolved at this length: 28 blocks, 30 needed".into();
        };
        assert_snapshot!(of(&night, grows), @"
            ttft d0/c1/p2048/o128: growing, unresolved at this length: 28 blocks, 30 needed
            tpot d0/c1/p2048/o128: growing, unresolved at this length: 28 blocks, 30 needed
            prefill_per_s d0/c1/p2048/o128: growing, unresolved at this length: 28 blocks, 30 needed
        ");
        let mut answers = analysed(&night, &asked(&[0])).trends.answers;
        let short = Trend {
            word: TrendWord::Unresolved,
            slope: None,
            why: "18 blocks, 20 needed".into(),
            ..answers[0].trend.clone()
        };
        answers[0].trend = short;
        assert_snapshot!(drift(&answers).join("\n"), @"2 of 3 stable over 7 h 30 m, 1 unresolved; 5.00 % would be seen");
    }

    #[test]
    fn series_of_which_the_same_is_said_share_a_sentence() {
        let [told, _] = lines(&leaking(6));
        assert_snapshot!(told.memory.join("\n"), @"
            process_anonymous: growing, unresolved at this length: 5 h 59 m seen, 8 h 00 m needed
            host_mem_available: shrinking, unresolved at this length: 5 h 59 m seen, 8 h 00 m needed
        ");
    }
}
