//! Says in a sentence how a series or an answer changed. A rate never stands without the hours that
//! it was observed for, and not at all where they are too few.

use super::{AnswerTrend, Driver, SeriesTrend, agrees_with_available, better, in_worse_direction};
use crate::analysis::trend::{LevelStep, Trend, TrendWord};
use crate::measure::{Better, Quantity, Unit};
use crate::series::SeriesUnit;
use crate::series::growth::JudgedSeries;
use crate::stats::theil_sen::Slope;
use crate::unit::{Bytes, figures, span};

/// Seconds of an hour.
const HOUR_S: f64 = 3_600.0;

/// Hours beyond which a time to a limit is only called long.
const LONG_H: f64 = 365.0 * 24.0;

impl SeriesTrend {
    /// Returns name and instance.
    pub(crate) fn title(&self) -> String {
        match self.instance.as_str() {
            "" => self.judged.name.to_owned(),
            instance => format!("{} {instance}", self.judged.name),
        }
    }

    /// Formats an amount of the series.
    pub(crate) fn amount(&self, value: f64) -> String {
        amount(self.judged, value)
    }

    /// Returns a slope of the series by work or time in its worse direction.
    pub(crate) fn in_worse(&self, slope: Slope) -> Slope {
        in_worse_direction(slope, self.judged.better)
    }

    /// Returns a slope of it with its bounds, in its worse direction.
    pub(crate) fn with_bounds(&self, slope: Slope) -> String {
        with_bounds(self.in_worse(slope), "", |value| self.amount(value))
    }

    /// Returns what stands beside its word in a table.
    pub(crate) fn beside(&self) -> String {
        match (self.trend.word, self.trend.detectable) {
            (TrendWord::Stable, Some(least)) => format!("{}/h would be seen", self.amount(least)),
            (TrendWord::Growing, _) if self.most_in.is_some() => {
                self.most_of_it().trim_start_matches(", ").to_owned()
            }
            _ => beside(&self.trend, |value| self.amount(value), &self.matters()),
        }
    }

    /// Returns the least growth that matters.
    fn matters(&self) -> String {
        format!("a growth above {}/h", self.amount(self.trend.threshold))
    }

    /// Whether its level changed at once in the worse direction, by 5 % or more; a restart counts too.
    pub(crate) fn worse_step(&self) -> bool {
        self.trend.step.is_some_and(|step| is_worse(step, self.judged.better))
            || self.kept().is_some()
    }

    /// Returns what the machine did not get back from the processes before, where it is 5 % of its
    /// level or more.
    pub(crate) fn kept(&self) -> Option<f64> {
        let (change, now) = self.since_restart.zip(self.first)?;
        let better = self.judged.better;
        is_worse_change(now - change, now, better).then_some(change.abs())
    }

    /// Says what the machine did not get back.
    pub(crate) fn kept_in_words(&self) -> Option<String> {
        let kept = self.amount(self.kept()?);
        Some(format!("{} begins {kept} lower than before the restart", self.title()))
    }

    /// Returns the sentence, where other series of the run show whether the machine loses what the
    /// processes take.
    pub(crate) fn in_words_among(&self, all: &[SeriesTrend]) -> String {
        if self.trend.word != TrendWord::Growing || !self.is_memory_of_all() {
            return self.course_in_words();
        }
        let agrees = agrees_with_available(all, self.lifetime);
        let (note, is_lost) = match (agrees, self.judged.is_available_memory()) {
            (Some(true), false) => (", and the machine loses it", true),
            (Some(false), false) => (", but the machine does not lose it", false),
            (None, false) => (", and the machine's memory was not read", true),
            (Some(true), true) => (", and the processes take it", true),
            (Some(false), true) => (", but the processes do not take it", true),
            (None, true) => (", and the processes' memory was not read", true),
        };
        let until = if is_lost { self.until_full() } else { String::new() };
        self.growth(&format!("{note}{until}"))
    }

    /// Whether it is the available memory of a machine that loses what its processes take, and the
    /// sentence of the processes says so.
    pub(crate) fn is_told_by_processes(&self, all: &[SeriesTrend]) -> bool {
        let grows = |it: &SeriesTrend| it.trend.word == TrendWord::Growing;
        let takes = |it: &SeriesTrend| {
            it.judged.is_process_memory() && it.is_memory_of_all() && it.lifetime == self.lifetime
        };
        self.judged.is_available_memory()
            && grows(self)
            && all.iter().any(|it| takes(it) && grows(it))
            && agrees_with_available(all, self.lifetime) == Some(true)
    }

    /// Whether it is memory of the machine, or of all processes together.
    fn is_memory_of_all(&self) -> bool {
        let is_memory = self.judged.is_process_memory() || self.judged.is_available_memory();
        is_memory && self.instance.is_empty()
    }

    /// Returns the sentence of a growth: what matters most comes first, for it may be cut.
    fn growth(&self, note: &str) -> String {
        let Some(slope) = self.worse() else { return self.title() };
        let verb = if self.judged.better == Better::Higher { "falls" } else { "grows" };
        let rate = with_bounds(slope, "/h", |value| amount(self.judged, value));
        let over = span(self.trend.hours * HOUR_S);
        let (most, by) = (self.most_of_it(), self.by_request());
        format!("{} {verb} {rate} over {over}{most}{note}{by}", self.title())
    }

    /// Returns the growth per request, where it does not follow the time alone.
    fn by_request(&self) -> String {
        let work = self.per_work.filter(|work| work.driver != Some(Driver::Time));
        work.map_or(String::new(), |work| {
            format!(", {} a request", amount(self.judged, self.in_worse(work.request).value))
        })
    }

    /// Returns the sentence.
    pub(crate) fn in_words(&self) -> String {
        let course = self.course_in_words();
        self.kept_in_words().map_or(course.clone(), |kept| format!("{kept}; {course}"))
    }

    /// Returns the sentence without what a restart changed.
    pub(crate) fn course_in_words(&self) -> String {
        let (title, trend) = (self.title(), &self.trend);
        let over = span(trend.hours * HOUR_S);
        let loses = self.judged.better == Better::Higher;
        match trend.word {
            TrendWord::Growing => self.growth(&self.until_full()),
            TrendWord::Stable => format!("{title} stable over {over}{}", self.would_be_seen()),
            TrendWord::Falling => {
                let verb = if loses { "rises" } else { "falls" };
                format!("{title} {verb} over {over}")
            }
            _ => {
                let course = course(trend, |value| amount(self.judged, value), &self.matters());
                format!("{title}: {course}{}", self.most_of_it())
            }
        }
    }

    /// Returns the processes that hold most of a growth.
    fn most_of_it(&self) -> String {
        self.most_in.as_ref().map_or(String::new(), |title| format!(", most of it in {title}"))
    }

    fn until_full(&self) -> String {
        let Some(time) = self.to_limit else { return String::new() };
        let low = figures(time.low);
        let within = match time.high.filter(|high| *high < LONG_H).map(figures) {
            Some(high) if high == low => format!("{low} h"),
            Some(high) => format!("{low} to {high} h"),
            None => format!("{low} h or later"),
        };
        format!(": at that pace full in {within}")
    }

    fn would_be_seen(&self) -> String {
        let least = self.trend.detectable.filter(|least| *least > 0.0);
        least.map_or(String::new(), |least| {
            format!(" (a growth of {}/h would have been seen)", amount(self.judged, least))
        })
    }
}

impl AnswerTrend {
    /// Returns the quantity, and depth and load, or workload and class.
    pub(crate) fn title(&self) -> String {
        let place = self.group.cell.map_or_else(|| self.group.to_string(), |cell| cell.to_string());
        format!("{} {place}", self.quantity.word())
    }

    /// Whether its level changed at once in the worse direction, by 5 % or more.
    pub(crate) fn worse_step(&self) -> bool {
        self.trend.step.is_some_and(|step| is_worse(step, better(self.quantity)))
    }

    /// Returns the sentence.
    pub(crate) fn in_words(&self) -> String {
        let (title, trend) = (self.title(), &self.trend);
        let over = span(trend.hours * HOUR_S);
        let percent = |share: f64| format!("{} %", figures(share * 100.0));
        match (trend.word, self.drift()) {
            (TrendWord::Growing, Some(drift)) => {
                let interval = format!("[{}, {}]", percent(drift.low), percent(drift.high));
                let verb = if is_rate(self.quantity) { "falls" } else { "rises" };
                format!("{title} {verb} by {} {interval} over {over}", percent(drift.value))
            }
            (TrendWord::Falling, Some(drift)) => {
                let verb = if is_rate(self.quantity) { "rises" } else { "falls" };
                format!("{title} {verb} by {} over {over}", percent(-drift.value))
            }
            (TrendWord::Stable, _) => {
                let least = self.detectable().filter(|least| *least > 0.0);
                let seen = least.map_or(String::new(), |least| {
                    format!(" (a drift of {} would have been seen)", percent(least))
                });
                format!("{title} stable over {over}{seen}")
            }
            _ => format!("{title}: {}", course(trend, |it| self.value(it), &self.matters())),
        }
    }

    /// Returns what stands beside its word in a table.
    pub(crate) fn beside(&self) -> String {
        let percent = |share: f64| format!("{} %", figures(share * 100.0));
        let Some(drift) = self.drift().filter(|_| self.trend.is_decided()) else {
            return beside(&self.trend, |it| self.value(it), &self.matters());
        };
        let drift = with_bounds(drift, "", percent);
        match self.detectable().filter(|_| self.trend.word == TrendWord::Stable) {
            Some(least) => format!("{drift}; {} would be seen", percent(least)),
            None => drift,
        }
    }

    /// Returns why it is unresolved.
    pub(crate) fn why(&self) -> String {
        reason(&self.trend, &self.matters())
    }

    fn value(&self, value: f64) -> String {
        match self.quantity.unit() {
            Unit::TokensPerSecond => format!("{} tok/s", figures(value)),
            _ if value < 1.0 => format!("{} ms", figures(value * 1e3)),
            _ => format!("{} s", figures(value)),
        }
    }

    /// Returns the least change that matters.
    fn matters(&self) -> String {
        let all_h = self.trend.from_h + self.trend.hours;
        let share = self.trend.threshold * all_h / self.level;
        format!("a drift above {} %", figures(share * 100.0))
    }
}

/// Joins the titles of sentences that say the same, such as `a, b: no data` or `a and 4 more: no data`,
/// and returns the sentences in order.
pub(crate) fn joined(sentences: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let mut all: Vec<(Vec<String>, String)> = Vec::new();
    for (title, words) in sentences {
        let said = words.strip_prefix(title.as_str()).unwrap_or_default().to_owned();
        match all.iter_mut().find(|(_, of)| said.starts_with(':') && *of == said) {
            Some((titles, _)) => titles.push(title),
            None => all.push((vec![title], said)),
        }
    }
    let titled = |titles: &[String]| match titles {
        [first, others @ ..] if others.len() > 1 => format!("{first} and {} more", others.len()),
        _ => titles.join(", "),
    };
    all.into_iter().map(|(titles, said)| titled(&titles) + &said).collect()
}

/// Formats a slope with its bounds; units that are the same are written once.
fn with_bounds(slope: Slope, per: &str, amount: impl Fn(f64) -> String) -> String {
    let [value, low, high] = [slope.value, slope.low, slope.high].map(amount);
    let unit = |text: &str| text.split_once(' ').map(|(_, unit)| unit.to_owned());
    let number = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    if unit(&low) == unit(&value) && unit(&high) == unit(&value) {
        return format!("{value}{per} [{}, {}]", number(&low), number(&high));
    }
    format!("{value}{per} [{low}, {high}]")
}

fn is_rate(quantity: Quantity) -> bool {
    quantity.unit() == Unit::TokensPerSecond
}

/// Returns what a trend says that is neither a growth nor stable; `matters` is the least change that
/// does.
fn course(trend: &Trend, amount: impl Fn(f64) -> String, matters: &str) -> String {
    match (trend.word, trend.step, trend.levels) {
        (TrendWord::Step, Some(step), _) => step_in_words(step, amount),
        (TrendWord::TwoLevels, _, Some((low, high))) => {
            format!("jumps between {} and {}", amount(low), amount(high))
        }
        (TrendWord::Plateau, ..) => {
            format!("a plateau, flat for the last {}", span(trend.hours * HOUR_S))
        }
        _ if trend.why.is_empty() => trend.word.word().to_owned(),
        _ => reason(trend, matters),
    }
}

fn step_in_words(step: LevelStep, amount: impl Fn(f64) -> String) -> String {
    let after = span(step.hours * HOUR_S);
    format!("a step from {} to {} after {after}", amount(step.from), amount(step.to))
}

/// Returns the reason of a word, with the least change that matters in place of `the threshold`.
fn reason(trend: &Trend, matters: &str) -> String {
    let has_too_few_blocks = trend.word == TrendWord::Unresolved && trend.slope.is_none();
    if has_too_few_blocks {
        return format!("unresolved at this length: {}", trend.why);
    }
    trend.why.replace("a growth above the threshold", matters)
}

/// Returns what stands beside a word in a table, which need not be said again.
fn beside(trend: &Trend, amount: impl Fn(f64) -> String, matters: &str) -> String {
    match trend.word {
        TrendWord::Plateau => trend.why.clone(),
        TrendWord::Unresolved if trend.slope.is_none() => trend.why.clone(),
        TrendWord::Unresolved => reason(trend, matters).replace(", unresolved at this length", ""),
        TrendWord::Growing => trend.step.map_or(String::new(), |step| step_in_words(step, amount)),
        TrendWord::Stable | TrendWord::Falling => String::new(),
        _ => course(trend, amount, matters),
    }
}

fn is_worse(step: LevelStep, better: Better) -> bool {
    is_worse_change(step.from, step.to, better)
}

fn is_worse_change(from: f64, to: f64, better: Better) -> bool {
    const LARGE: f64 = 0.05;
    let change = match better {
        Better::Lower => to - from,
        Better::Higher => from - to,
    };
    change > LARGE * from.abs()
}

/// Formats an amount of a series.
pub(crate) fn amount(judged: &JudgedSeries, value: f64) -> String {
    match judged.series.unit {
        SeriesUnit::Bytes => {
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", Bytes(value.abs().round() as u64))
        }
        _ => figures(value),
    }
}
