//! Says in a sentence how a series or an answer changed. A rate never stands without the hours that
//! it was observed for, and not at all where they are too few.

use super::{
    AnswerTrend, Driver, HORIZON_H, MachineLoss, SeriesTrend, better, in_worse_direction,
    machine_loss,
};
use crate::analysis::trend::{LevelStep, Trend, TrendWord};
use crate::measure::{Better, Per, Quantity, Unit};
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
    /// level or more: by several restarts together, or by one.
    pub(crate) fn kept(&self) -> Option<f64> {
        self.lower(self.since_first).or_else(|| self.lower(self.since_restart))
    }

    /// Returns by how much a level at the start is worse, where it is 5 % or more.
    fn lower(&self, change: Option<f64>) -> Option<f64> {
        let (change, now) = change.zip(self.first)?;
        let better = self.judged.better;
        is_worse_change(now - change, now, better).then_some(change.abs())
    }

    /// Says what the machine did not get back.
    pub(crate) fn kept_in_words(&self) -> Option<String> {
        let kept = self.amount(self.kept()?);
        let since = match self.lower(self.since_first) {
            Some(_) => format!("before the first of {} restarts", self.lifetime),
            None => "before the restart".to_owned(),
        };
        Some(format!("{} begins {kept} lower than {since}", self.title()))
    }

    /// Returns the sentence, where other series of the run show whether the machine loses what the
    /// processes take.
    pub(crate) fn in_words_among(&self, all: &[SeriesTrend]) -> String {
        let is_told = self.trend.word == TrendWord::Growing && self.until_oom.is_none();
        if !is_told || !self.is_memory_of_all() {
            return self.course_in_words();
        }
        let loss = machine_loss(all, self.lifetime);
        let note = if self.judged.is_available_memory() {
            match loss {
                MachineLoss::Unread => ", and the processes' memory was not read",
                MachineLoss::NotShown => ", but the processes do not take it",
                MachineLoss::Less => ", but the processes take more than twice as much",
                MachineLoss::Same => ", and the processes take it",
                MachineLoss::More => ", but the processes take less than half of it",
            }
        } else {
            match loss {
                MachineLoss::Unread => ", and the machine's memory was not read",
                MachineLoss::NotShown => ", but the machine does not lose it",
                MachineLoss::Less => ", but the machine's memory does not shrink as much",
                MachineLoss::Same => ", and the machine loses it",
                MachineLoss::More => ", but the machine's memory shrinks more than twice as fast",
            }
        };
        let is_lost = self.judged.is_available_memory()
            || !matches!(loss, MachineLoss::NotShown | MachineLoss::Less);
        let until = if is_lost { self.until_full() } else { String::new() };
        self.growth(&format!("{note}{until}"))
    }

    /// Whether it is the available memory of a machine that loses what its processes take, and the
    /// sentence of the processes says so.
    pub(crate) fn is_told_by_processes(&self, all: &[SeriesTrend]) -> bool {
        let takes = |it: &SeriesTrend| {
            it.judged.is_process_memory()
                && it.is_memory_of_all()
                && it.lifetime == self.lifetime
                && it.trend.word == TrendWord::Growing
        };
        self.judged.is_available_memory()
            && matches!(self.trend.word, TrendWord::Growing | TrendWord::Stable)
            && all.iter().any(takes)
            && machine_loss(all, self.lifetime) == MachineLoss::Same
    }

    /// Whether it is memory of the machine, or of all processes together.
    fn is_memory_of_all(&self) -> bool {
        let is_memory = self.judged.is_process_memory() || self.judged.is_available_memory();
        is_memory && self.instance.is_empty()
    }

    /// Returns the sentence of a growth: what matters most comes first, for it may be cut.
    fn growth(&self, note: &str) -> String {
        let Some(slope) = self.worse() else { return self.title() };
        let rate = with_bounds(slope, "/h", |value| amount(self.judged, value));
        let over = span(self.trend.hours * HOUR_S);
        let (most, by) = (self.most_of_it(), self.by_request());
        format!("{} {} {rate} over {over}{most}{note}{by}", self.title(), self.verb())
    }

    /// Returns the verb of a change in the worse direction.
    fn verb(&self) -> &'static str {
        if self.judged.better == Better::Higher { "falls" } else { "grows" }
    }

    /// Returns the growth per request, and whether it follows the requests or the time.
    fn by_request(&self) -> String {
        let Some(work) = self.per_work else { return String::new() };
        let each = || self.amount(self.in_worse(work.request).value);
        match work.driver {
            Some(Driver::Requests) => format!(", and follows the requests: {} each", each()),
            Some(Driver::Time) => ", and follows the time, not the requests".to_owned(),
            None => format!(", {} a request", each()),
        }
    }

    /// Returns the sentence of a slope per hour or per request that a limit is compared with: with
    /// its interval where it has a rate.
    pub(crate) fn slope_in_words(&self, slope: Slope, per: Per) -> String {
        let title = self.title();
        if let Some(lack) = &self.trend.lack {
            return format!("{title}: unresolved at this length: {lack}");
        }
        let unit = if per == Per::Hour { "/h" } else { " a request" };
        let rate = with_bounds(slope, unit, |value| self.amount(value));
        let over = span(self.trend.hours * HOUR_S);
        let verb = if slope.value < 0.0 { "changes by" } else { self.verb() };
        format!("{title} {verb} {rate} over {over}")
    }

    /// Returns the sentence of a growth that is sure and below the threshold.
    pub(crate) fn slow_growth_in_words(&self) -> Option<String> {
        let slope = self.worse().filter(|slope| self.trend.rises && slope.low > 0.0)?;
        let is_told = self.trend.word == TrendWord::Stable && self.trend.lack.is_none();
        let threshold = self.amount(self.trend.threshold);
        let growth = || format!("{}, under {threshold}/h", self.slope_in_words(slope, Per::Hour));
        is_told.then(growth)
    }

    /// Returns the sentence.
    pub(crate) fn in_words(&self) -> String {
        let course = self.course_in_words();
        match self.kept_in_words() {
            Some(kept) if self.trend.slope.is_some() => format!("{kept}; {course}"),
            Some(kept) => kept,
            None => course,
        }
    }

    /// Returns the sentence without what a restart changed.
    pub(crate) fn course_in_words(&self) -> String {
        let (title, trend) = (self.title(), &self.trend);
        let over = span(trend.hours * HOUR_S);
        let loses = self.judged.better == Better::Higher;
        match trend.word {
            TrendWord::Growing if self.until_oom.is_some() => self.until_oom_in_words(),
            TrendWord::Growing => self.growth(&self.until_full()),
            TrendWord::Stable => match self.slow_growth_in_words() {
                Some(growth) => format!("{growth}{}", self.would_be_seen()),
                None => format!("{title} stable over {over}{}", self.would_be_seen()),
            },
            TrendWord::Falling => {
                let verb = if loses { "rises" } else { "falls" };
                format!("{title} {verb} over {over}")
            }
            _ => {
                let course = course(trend, |value| amount(self.judged, value), &self.matters());
                let event = event_in_words(self.event.as_ref());
                format!("{title}: {course}{event}{}", self.most_of_it())
            }
        }
    }

    /// Returns the sentence of a growth until the memory ran out.
    fn until_oom_in_words(&self) -> String {
        let Some(growth) = self.until_oom else { return self.title() };
        let [from, to] = [growth.from, growth.to].map(|value| self.amount(value));
        let over = span(growth.hours * HOUR_S);
        format!("{} grew from {from} to {to} in {over}, until memory ran out", self.title())
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
        let later = if time.low < HORIZON_H {
            String::new()
        } else {
            format!(", not within {HORIZON_H} h")
        };
        format!(": at that pace full in {within}{later}")
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
            // A change over these hours is no rate, and is told however few they are.
            (TrendWord::Unresolved, Some(drift)) if trend.grows => {
                let interval = format!("[{}, {}]", percent(drift.low), percent(drift.high));
                let verb = if is_rate(self.quantity) { "fell" } else { "rose" };
                let lack = trend.lack.as_deref().unwrap_or_default();
                format!("{title} {verb} by {} {interval} so far: {lack}", percent(drift.value))
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
            _ => {
                let course = course(trend, |it| self.value(it), &self.matters());
                format!("{title}: {course}{}", event_in_words(self.event.as_ref()))
            }
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
        let share = self.trend.threshold * self.trend.judged_h / self.level;
        format!("a drift above {} %", figures(share * 100.0))
    }
}

/// Formats what happened when a level changed, behind the time of the change.
fn event_in_words(event: Option<&String>) -> String {
    event.map_or(String::new(), |event| format!(", {event}"))
}

/// Sentence about something in one lifetime.
pub(crate) struct Sentence {
    pub title: String,
    pub words: String,
    /// Weight: of several lifetimes the heaviest speaks.
    pub weight: f64,
}

/// Says once of each title what was said of several of its lifetimes, and in how many of them it
/// holds. `lifetimes` returns the number of all.
pub(crate) fn once_each(
    sentences: impl IntoIterator<Item = Sentence>,
    lifetimes: impl Fn(&str) -> usize,
) -> Vec<String> {
    let mut titles: Vec<(Sentence, usize)> = Vec::new();
    for it in sentences {
        match titles.iter_mut().find(|(known, _)| known.title == it.title) {
            Some((known, n)) => {
                *n += 1;
                if it.weight > known.weight {
                    *known = it;
                }
            }
            None => titles.push((it, 1)),
        }
    }
    joined(titles.into_iter().map(|(it, n)| match lifetimes(&it.title) {
        0 | 1 => (it.title, it.words),
        of => (it.title, format!("{}, in {n} of {of} lifetimes", it.words)),
    }))
}

/// Joins the titles of sentences that say the same, such as `a, b: no data` or `a and 4 more: no data`,
/// and returns the sentences in order.
fn joined(sentences: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
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
