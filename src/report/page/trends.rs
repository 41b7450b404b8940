//! Formats changes over the hours: a line for memory and one for the answers, and a table of all.

use crate::analysis::Trends;
use crate::analysis::trend::{Trend, TrendWord};
use crate::analysis::trends::{AnswerTrend, Driver, Sentence, SeriesTrend, once_each};
use crate::measure::Quantity;
use crate::series::SeriesUnit;
use crate::stats::theil_sen::Slope;
use crate::unit::{figures, span};
use crate::verdict::GateResult;

use super::{Grid, GridValue, Heading};

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
pub(super) fn words(trends: &Trends, gates: &[GateResult]) -> TrendWords {
    let is_said = |words: &String| gates.iter().any(|gate| gate.why.contains(words.as_str()));
    let (mut memory, mut drift) = (memory(trends), drift(&trends.answers));
    memory.retain(|words| !is_said(words));
    drift.retain(|words| !is_said(words));
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
    series.retain(|it| !it.is_told_by_processes(&trends.series));
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
    for word in GRAVEST.into_iter().filter(|word| *word != TrendWord::Unresolved) {
        for quantity in Quantity::DRIFTING {
            let of = answers.iter().filter(|it| (it.trend.word, it.quantity) == (word, quantity));
            words.extend(the_largest(of.collect()));
        }
    }
    let all: Vec<&AnswerTrend> = answers.iter().collect();
    words.extend(stable_answers(&stable(&all, |it| &it.trend), answers.len()));
    let open = answers.iter().filter(|it| it.trend.word == TrendWord::Unresolved).count();
    if open > 0 {
        words.push(format!("{open} of {} unresolved: --wide", answers.len()));
    }
    words
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

fn stable_answers(stable: &[&AnswerTrend], of: usize) -> Option<String> {
    let over = span(least_hours(stable.iter().map(|it| &it.trend))? * 3_600.0);
    let n =
        if stable.len() == of { format!("all {of}") } else { format!("{} of {of}", stable.len()) };
    let least = stable.iter().filter_map(|it| it.detectable()).fold(0.0, f64::max);
    let seen = if least > 0.0 {
        format!("; {} % would be seen", figures(least * 100.0))
    } else {
        String::new()
    };
    Some(format!("{n} times and rates stable over {over}{seen}"))
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

/// Names the stable series, with the least growth that would have been seen in the first that is memory:
/// that of the server, where it was read. Those that grow slowly have a sentence of their own.
fn stable_series(series: &[&SeriesTrend]) -> Option<String> {
    let (slow, others): (Vec<&SeriesTrend>, Vec<&SeriesTrend>) =
        series.iter().partition(|it| it.slow_growth_in_words().is_some());
    let stable: Vec<&SeriesTrend> = stable(&others, |it| &it.trend);
    let over = span(least_hours(stable.iter().map(|it| &it.trend))? * 3_600.0);
    let titles = |of: &[&SeriesTrend]| {
        let mut titles: Vec<String> = Vec::new();
        for title in of.iter().map(|it| it.title()) {
            if !titles.contains(&title) {
                titles.push(title);
            }
        }
        titles
    };
    let count =
        |of: &[&SeriesTrend], title: &str| of.iter().filter(|it| it.title() == title).count();
    let name = |title: &String| match (count(&stable, title), count(series, title)) {
        (n, of) if n < of => format!("{title} in {n} of {of} lifetimes"),
        _ => title.clone(),
    };
    let named = titles(&stable);
    let names = if stable.len() < others.len() {
        named.iter().map(name).collect::<Vec<_>>().join(", ")
    } else if slow.is_empty() {
        format!("all {} series", named.len())
    } else {
        format!("the other {} series", named.len())
    };
    let seen = stable.iter().find(|it| it.judged.series.unit == SeriesUnit::Bytes);
    let seen = seen.and_then(|it| {
        let least = it.amount(it.trend.detectable?);
        Some(format!("; {least}/h of {} would be seen", it.title()))
    });
    Some(format!("stable over {over}: {names}{}", seen.unwrap_or_default()))
}

/// Returns the table: a row for every lifetime of every judged series, and for every quantity of
/// every group.
pub(super) fn grid(trends: &Trends) -> Grid {
    let mut headings = ["series", "lifetime", "word"].map(Heading::left).to_vec();
    headings.push(Heading::left("per hour"));
    headings.extend(["per request", "per 1k tokens", "would be seen"].map(Heading::left));
    headings.extend(["hours", "blocks", ""].map(Heading::left));
    let series = trends.series.iter().map(series_row);
    let rows = series.chain(trends.answers.iter().map(answer_row)).collect();
    Grid { headings, rows }
}

fn series_row(of: &SeriesTrend) -> Vec<GridValue> {
    let amount = |value: f64| of.amount(value);
    let slope = |slope: Option<Slope>| slope.map_or(String::new(), |it| interval(it, amount));
    let work = of.per_work;
    let why = [
        of.trend.why.clone(),
        work.and_then(|it| it.driver).map_or(String::new(), |driver| match driver {
            Driver::Requests => "follows the requests".to_owned(),
            Driver::Time => "follows the time".to_owned(),
        }),
        of.returned.map_or(String::new(), |it| format!("return less reference: {}", amount(it))),
        of.released.map_or(String::new(), |it| format!("given back when idle: {}", amount(it))),
        of.since_restart.map_or(String::new(), |it| format!("since the restart: {}", amount(it))),
    ];
    let why = why.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("; ");
    row(
        [of.title(), (of.lifetime + 1).to_string()],
        &of.trend,
        [
            slope(of.trend.slope),
            slope(work.map(|it| it.request)),
            slope(work.and_then(|it| it.kilotoken)),
            of.trend.detectable.map_or(String::new(), |it| format!("{}/h", amount(it))),
        ],
        why,
    )
}

fn answer_row(of: &AnswerTrend) -> Vec<GridValue> {
    let percent = |value: f64| format!("{} %", figures(value * 100.0));
    let drift = of.drift().map_or(String::new(), |it| interval(it, percent) + " in all");
    let seen = of.detectable().map_or(String::new(), |it| format!("{} in all", percent(it)));
    let cells = [drift, String::new(), String::new(), seen];
    row([of.title(), (of.lifetime + 1).to_string()], &of.trend, cells, of.trend.why.clone())
}

fn row(
    [title, lifetime]: [String; 2],
    trend: &Trend,
    numbers: [String; 4],
    why: String,
) -> Vec<GridValue> {
    let mut row =
        vec![GridValue::Text(title), GridValue::Text(lifetime), GridValue::text(trend.word.word())];
    row.extend(numbers.map(GridValue::Text));
    row.push(GridValue::Text(span(trend.hours * 3_600.0)));
    row.push(GridValue::Text(trend.blocks.to_string()));
    row.push(GridValue::Text(why));
    row
}

fn interval(slope: Slope, amount: impl Fn(f64) -> String) -> String {
    format!("{} [{}, {}]", amount(slope.value), amount(slope.low), amount(slope.high))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::analysis::fixture::{asked, gate};
    use crate::analysis::trends::tests::{analysed, soak};
    use crate::incident::fixture::Story;
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
            words(&analysis.trends, &judge(&asked.contract, &analysis).gates)
        })
    }

    #[test]
    fn a_leak_that_the_machine_loses_has_one_sentence() {
        let [told, _] = lines(&leaking(12));
        assert_snapshot!(told.memory.join("\n"), @"process_anonymous grows 200 MiB/h [200, 200] over 10 h 47 m, and the machine loses it: at that pace full in 152 h, 3.33 MiB a request");
        assert_snapshot!(told.drift.join("\n"), @"all 3 times and rates stable over 7 h 30 m; 4.50 % would be seen");
    }

    #[test]
    fn what_a_gate_says_is_not_said_again() {
        let [told, gated] = lines(&leaking(12));
        assert_eq!(told.memory.len(), 1);
        assert_eq!(gated.memory, Vec::<String>::new());
        assert_eq!(gated.drift, told.drift);
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
