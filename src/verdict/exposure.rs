//! Computes what the failures of a run prove, or of several runs of one recipe: their exposures add
//! up. Assumes failures at a constant rate, independent of each other; a leak violates that.

use crate::analysis::{Analysis, Share};
use crate::measure::{Count, MTBF_CONFIDENCE};
use crate::spec::Select;
use crate::stats::binomial::{share_between, trials_to_show};
use crate::stats::poisson::{chance_of_none, mean_time_between, time_to_show};
use crate::unit::{grouped, span};

use super::Proof;

/// Mean times between failures of which it is told how long they take to show, seconds.
pub(crate) const GOALS_S: [f64; 3] = [8.0 * 3600.0, 24.0 * 3600.0, 72.0 * 3600.0];

/// Shares of parser faults of which it is told how many requests they take to show.
pub(crate) const FAULT_GOALS: [f64; 2] = [0.01, 0.001];

/// Mean times between failures of the servers whose chance to pass is told, seconds, with their
/// words. The first counts that would not nearly always be found.
const SERVERS: [(f64, &str); 3] =
    [(86_400.0, "once a day"), (7.0 * 86_400.0, "once a week"), (30.0 * 86_400.0, "once a month")];

/// Least chance to pass that is told.
const CHANCE_MIN: f64 = 0.01;

/// Events of one kind, and the time in which they came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct EventExposure {
    pub seen: u64,
    /// Time under load, seconds.
    pub load_s: f64,
    /// Part of it in runs that would have shown such an event, seconds.
    pub watched_s: f64,
}

/// Exposure of one or several runs to failures: time under load, and judged requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exposure {
    /// Failures of any kind, each incident once.
    pub failures: EventExposure,
    /// Each kind of failure; an incident may be of several.
    pub kinds: Vec<(Count, EventExposure)>,
    /// Judged requests whose answer a parser damaged, of all that ended by themselves.
    pub parser_faults: Share,
}

impl EventExposure {
    /// Returns the lower bound of the mean time between the events, seconds; `None` where nothing
    /// would have shown one. Runs that could not show one add their events, and no time.
    pub(crate) fn low_s(&self) -> Option<f64> {
        let bound = || mean_time_between(self.seen, self.watched_s, MTBF_CONFIDENCE).0;
        (self.watched_s > 0.0).then(|| micros(bound()))
    }

    /// Returns the upper bound, seconds; `None` without an event. Events that nobody saw would only
    /// shorten it.
    pub(crate) fn high_s(&self) -> Option<f64> {
        (self.load_s > 0.0)
            .then(|| mean_time_between(self.seen, self.load_s, MTBF_CONFIDENCE).1)
            .flatten()
            .map(micros)
    }

    /// Formats the interval of the mean time between the events; `None` where nothing is known.
    pub(crate) fn between(&self) -> Option<String> {
        match (self.low_s().map(span), self.high_s().map(span)) {
            (Some(low), Some(high)) => Some(format!("between {low} and {high}")),
            (None, Some(high)) => Some(format!("at most {high}")),
            (Some(low), None) => Some(format!("above {low}")),
            (None, None) => None,
        }
    }

    /// Returns the seconds under load, from the beginning, that show a mean time of `goal_s` between
    /// the events if no other is seen.
    pub(crate) fn needed_s(&self, goal_s: f64) -> f64 {
        time_to_show(self.seen, goal_s, MTBF_CONFIDENCE)
    }

    /// Returns the seconds that are missing to that; 0 where it is shown.
    pub(crate) fn missing_s(&self, goal_s: f64) -> f64 {
        micros((self.needed_s(goal_s) - self.watched_s).max(0.0))
    }

    fn add(&mut self, other: &EventExposure) {
        self.seen += other.seen;
        self.load_s += other.load_s;
        self.watched_s += other.watched_s;
    }
}

impl Exposure {
    /// Returns the exposure of a run.
    pub(crate) fn of(analysis: &Analysis, proof: Option<&Proof>) -> Exposure {
        let load_s = proof.map_or(0.0, |proof| proof.load_s);
        let events = |seen: u64, is_watched: bool| EventExposure {
            seen,
            load_s,
            watched_s: if is_watched { load_s } else { 0.0 },
        };
        let kind = |count: Count| {
            let seen = analysis.incidents_of(count, None).len() as u64;
            let is_watched = proof.is_some_and(|proof| !proof.unseen.contains(&count));
            (count, events(seen, is_watched))
        };
        let failures = proof.map_or(0, |proof| proof.failures);
        Exposure {
            failures: events(failures, proof.is_some_and(|proof| !proof.is_blind())),
            kinds: Count::FAILURES.map(kind).to_vec(),
            parser_faults: analysis.parser_faults(&Select::default()),
        }
    }

    /// Adds up the exposures of several runs of one recipe.
    pub(crate) fn total<'a>(runs: impl IntoIterator<Item = &'a Exposure>) -> Exposure {
        let none = |count| (count, EventExposure::default());
        let mut total =
            Exposure { kinds: Count::FAILURES.map(none).to_vec(), ..Exposure::default() };
        for run in runs {
            total.failures.add(&run.failures);
            for ((_, sum), (_, of)) in total.kinds.iter_mut().zip(&run.kinds) {
                sum.add(of);
            }
            total.parser_faults.part += run.parser_faults.part;
            total.parser_faults.of += run.parser_faults.of;
        }
        total
    }

    /// Returns the exposure to a kind of failure.
    pub(crate) fn kind(&self, count: Count) -> EventExposure {
        let found = self.kinds.iter().find(|(of, _)| *of == count);
        found.map_or_else(EventExposure::default, |(_, events)| *events)
    }

    /// Returns the interval of the share of parser faults; `None` without a judged request.
    pub(crate) fn faults_between(&self) -> Option<(f64, f64)> {
        let Share { part, of } = self.parser_faults;
        let rounded = |share: f64| (share * 1e9).round() / 1e9;
        let (low, high) = share_between(part, of, MTBF_CONFIDENCE);
        (of > 0).then_some((rounded(low), rounded(high)))
    }

    /// Returns the judged requests that show at most `share` of parser faults if no other is seen.
    pub(crate) fn requests_needed(&self, share: f64) -> u64 {
        trials_to_show(self.parser_faults.part, share, MTBF_CONFIDENCE)
    }

    /// Returns how often a server passes this time that fails from time to time: its mean time
    /// between failures in seconds and in words, and its chance. `None` with a failure, or where
    /// none would have been seen.
    pub(crate) fn passes(&self) -> Option<(f64, &'static str, f64)> {
        let EventExposure { seen, watched_s, .. } = self.failures;
        if seen > 0 || watched_s <= 0.0 {
            return None;
        }
        let chances = SERVERS.map(|(mtbf_s, words)| {
            let chance = chance_of_none(mtbf_s, watched_s);
            (mtbf_s, words, (chance * 1e9).round() / 1e9)
        });
        let told = chances.iter().find(|(.., chance)| *chance >= CHANCE_MIN);
        told.copied()
    }
}

/// Formats what a number of failures in a time under load proves.
pub(crate) fn told(failures: u64, load_s: f64, bounds: &str) -> String {
    let (load, confidence) = (span(load_s), MTBF_CONFIDENCE * 100.0);
    let seen = match failures {
        0 => format!("no failure in {load} under load"),
        1 => format!("1 failure in {load}"),
        n => format!("{} failures in {load}", grouped(n as f64)),
    };
    format!("{seen}: MTBF {bounds} ({confidence:.0} %)")
}

/// Rounds seconds, because the last digits of a quantile differ between machines.
fn micros(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_S: f64 = 3600.0;

    fn exposure(seen: u64, hours: f64, watched: f64, faults: (u64, u64)) -> Exposure {
        let events = EventExposure { seen, load_s: hours * HOUR_S, watched_s: watched * HOUR_S };
        let parser_faults = Share { part: faults.0, of: faults.1 };
        Exposure {
            failures: events,
            kinds: Count::FAILURES.map(|count| (count, events)).to_vec(),
            parser_faults,
        }
    }

    #[test]
    fn a_night_without_a_failure_passes_most_servers_that_fail_once_a_day() {
        let night = exposure(0, 5.816_667, 5.816_667, (0, 702));
        assert_eq!(night.failures.between().as_deref(), Some("above 1 h 56 m"));
        let (mtbf_s, words, chance) = night.passes().unwrap();
        assert_eq!((mtbf_s, words), (24.0 * HOUR_S, "once a day"));
        assert!((chance - 0.785).abs() < 5e-4, "{chance}");
        let (low, high) = night.faults_between().unwrap();
        assert!(low == 0.0 && (high - 0.004_258).abs() < 1e-6, "{high}");
        let missing = GOALS_S.map(|goal_s| night.failures.missing_s(goal_s) / HOUR_S);
        for (found, hours) in missing.iter().zip([24.0, 71.9, 215.7]) {
            assert!((found + 5.816_667 - hours).abs() < 0.05, "{found}");
        }
    }

    #[test]
    fn a_long_time_is_told_by_a_server_that_fails_seldom() {
        let words = |hours: f64| exposure(0, hours, hours, (0, 0)).passes().map(|it| it.1);
        assert_eq!(words(100.0), Some("once a day"));
        assert_eq!(words(168.0), Some("once a week"));
        assert_eq!(words(1000.0), Some("once a month"));
        assert_eq!(words(1e5), None, "it would find them all");
    }

    #[test]
    fn three_nights_of_one_recipe_show_three_times_as_much_as_one() {
        let night = exposure(0, 6.0, 6.0, (0, 100));
        let three = Exposure::total([&night, &night, &night]);
        let ratio = three.failures.low_s().unwrap() / night.failures.low_s().unwrap();
        assert!((ratio - 3.0).abs() < 1e-6, "{ratio}");
        assert_eq!(three.parser_faults, Share { part: 0, of: 300 });
        assert!((three.kind(Count::Hangs).watched_s - 18.0 * HOUR_S).abs() < 1e-6);
        assert_eq!(three.kind(Count::Restarts), EventExposure::default(), "no failure");
    }

    #[test]
    fn hours_in_which_nobody_looked_add_no_time_and_their_failures_count() {
        let (watched, blind) = (exposure(0, 12.0, 12.0, (0, 1)), exposure(1, 12.0, 0.0, (0, 1)));
        assert_eq!(blind.failures.low_s(), None);
        assert!(blind.passes().is_none() && blind.failures.high_s().is_some());
        let both = Exposure::total([&watched, &blind]);
        let one = exposure(1, 12.0, 12.0, (0, 1));
        assert_eq!(both.failures.low_s(), one.failures.low_s(), "of the twelve hours that show it");
        let high = |it: &Exposure| it.failures.high_s().unwrap();
        assert!((high(&both) / high(&one) - 2.0).abs() < 1e-6, "of all of them");
        assert!(both.passes().is_none());
    }

    #[test]
    fn without_time_under_load_and_without_requests_nothing_is_known() {
        let none = Exposure::total([]);
        assert_eq!((none.failures.between(), none.faults_between()), (None, None));
        assert!(none.passes().is_none());
        assert!((none.failures.missing_s(8.0 * HOUR_S) / HOUR_S - 24.0).abs() < 0.05);
    }

    #[test]
    fn parser_faults_are_a_share_of_the_judged_requests() {
        let (low, high) = exposure(0, 1.0, 1.0, (1, 104)).faults_between().unwrap();
        assert!((low - 0.000_243).abs() < 1e-6 && (high - 0.052_411).abs() < 1e-6, "{low} {high}");
        let needed = FAULT_GOALS.map(|share| exposure(0, 1.0, 1.0, (0, 9)).requests_needed(share));
        assert_eq!(needed, [299, 2995]);
    }
}
