//! Tests the table for consistency with itself and with the guide.

use super::*;
use crate::fact::MissedReason;
use crate::measure::{Count, Measure};

impl SeriesUnit {
    /// The word in the guide.
    fn word(self) -> &'static str {
        match self {
            SeriesUnit::Bytes => "bytes",
            SeriesUnit::Share => "0 to 1",
            SeriesUnit::Epoch => "seconds since 1970",
            SeriesUnit::Micros => "µs",
            SeriesUnit::Truth => "1 or 0",
            SeriesUnit::Number(of) => of,
            SeriesUnit::Unknown => "its own",
        }
    }
}

impl SeriesKind {
    /// The word in the guide.
    fn word(self) -> &'static str {
        match self {
            SeriesKind::Gauge => "gauge",
            SeriesKind::Counter => "counter",
            SeriesKind::Increment => "since the last look",
            SeriesKind::Life => "sign of life",
        }
    }
}

impl Urgency {
    /// The words in the guide.
    fn words(self) -> &'static str {
        match self {
            Urgency::Never => "",
            Urgency::Zero => "0, and back",
            Urgency::Turn => "to 0, and back",
            Urgency::Change => "a change",
            Urgency::Fall => "a fall",
        }
    }
}

impl Series {
    /// Events that it can show, alone or as one of two requirements.
    fn sees(&self) -> impl Iterator<Item = Count> {
        let can = |any: &[Observer]| any.iter().any(|observer| self.shows.contains(observer));
        let mut counts: Vec<Count> =
            NEEDS.iter().filter(|need| can(need.any)).map(|need| need.count).collect();
        counts.dedup();
        counts.into_iter()
    }
}

#[test]
fn every_series_has_one_row_and_no_row_stands_behind_one_that_takes_its_place() {
    for series in ALL {
        let name = series.name.replace('*', "x_");
        assert_eq!(of(series.source, &name), Some(*series), "{}", series.name);
    }
}

#[test]
fn a_metric_that_longhaul_has_no_name_for_goes_by_how_it_ends() {
    let kind = |name| of(Source::Engine, name).unwrap().kind;
    assert_eq!(kind("vllm:generation_tokens_total"), SeriesKind::Counter);
    assert_eq!(kind("api_process_start_time_seconds"), SeriesKind::Life);
    assert_eq!(kind("vllm:num_requests_running"), SeriesKind::Gauge);
    assert_eq!(of(Source::Host, "vllm:generation_tokens_total"), None);
}

#[test]
fn each_kind_of_event_is_seen_by_some_series_and_those_of_its_halves_differ() {
    for need in NEEDS {
        let own: Vec<&str> = ALL
            .iter()
            .filter(|series| need.any.iter().any(|observer| series.shows.contains(observer)))
            .map(|series| series.name)
            .collect();
        assert!(!own.is_empty(), "{}", need.name);
    }
    let sees = |series: Series| series.sees().collect::<Vec<_>>();
    assert_eq!(sees(OOM_KILLS), [Count::Ooms]);
    assert_eq!(sees(UP), [Count::Outages], "a probe does not know its process");
    assert_eq!(sees(MEM_FREE), []);
    assert_eq!(
        sees(PROMPT_TOKENS),
        [Count::Crashes, Count::Restarts, Count::Hangs, Count::Outages]
    );
}

#[test]
fn a_miss_darkens_the_observer_that_it_is_of_and_no_other() {
    let unseen = |source, what: &str| {
        let reason = MissedReason::Unreadable;
        Observer::missed(&Missed::once(source, what, reason, String::new()))
    };
    assert_eq!(unseen(Source::Process, MissedPart::Log.word()), Some(Observer::ServerLog));
    assert_eq!(unseen(Source::Process, MissedPart::FastLog.word()), Some(Observer::ServerLog));
    assert_eq!(unseen(Source::Container, MissedPart::State.word()), Some(Observer::Container));
    assert_eq!(
        unseen(Source::Process, "log_lines"),
        Some(Observer::ServerLog),
        "as older rows say"
    );
    assert_eq!(unseen(Source::Container, "memory cgroup"), None);
    assert_eq!(unseen(Source::Process, "a catalogue"), None, "it only has a log in its name");
    assert_eq!(unseen(Source::Kernel, "/dev/kmsg"), Some(Observer::Kernel));
}

#[test]
fn what_may_be_a_sign_of_death_is_urgent() {
    let urgent = |urgency: Urgency, before, value| urgency.is_urgent(before, value);
    assert!(urgent(Urgency::Zero, None, 0.0) && urgent(Urgency::Zero, Some(0.0), 0.0));
    assert!(urgent(Urgency::Zero, Some(0.0), 1.0) && !urgent(Urgency::Zero, Some(1.0), 1.0));
    assert!(urgent(Urgency::Turn, Some(3.0), 0.0) && !urgent(Urgency::Turn, Some(0.0), 0.0));
    assert!(urgent(Urgency::Change, Some(1.0), 2.0) && !urgent(Urgency::Change, None, 2.0));
    assert!(urgent(Urgency::Fall, Some(2.0), 1.0) && !urgent(Urgency::Fall, Some(1.0), 2.0));
    assert!(!urgent(Urgency::Never, Some(1.0), 0.0));
}

/// The rows as the guide has them.
fn guide() -> Vec<String> {
    let row = |series: &&Series| {
        let sees: Vec<String> =
            series.sees().map(|count| Measure::Count(count).to_string()).collect();
        format!(
            "| {} | `{}` | {} | {} | {} | {} | {} |",
            series.source.word(),
            series.name,
            series.about.trim(),
            series.unit.word(),
            series.kind.word(),
            series.urgency.words(),
            sees.join(", ")
        )
    };
    ALL.iter().map(row).collect()
}

#[test]
fn the_guide_has_this_table() {
    let text = include_str!("../../docs/observers.md");
    let reported: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("| source | series |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let guide = guide();
    assert_eq!(reported, guide, "docs/observers.md:\n{}", guide.join("\n"));
}
