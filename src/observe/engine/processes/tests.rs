//! Tests which pages are taken for those of one process, and what is noted.

use super::*;

/// Page of engines with two counters each, `None` for a page without a start time.
fn page(started: Option<f64>, engines: &[(&str, f64)]) -> MetricsPage {
    let mut page = MetricsPage { started, ..MetricsPage::default() };
    for (labels, tokens) in engines {
        page.counters.insert((0, (*labels).to_owned()), *tokens);
        page.counters.insert((1, (*labels).to_owned()), tokens * 3.0);
    }
    page
}

/// Start time and engines of a page.
type Shown<'a> = (Option<f64>, &'a [(&'a str, f64)]);

/// Returns the numbers of the processes of pages that are read five seconds apart.
fn numbers(pages: &[Shown<'_>]) -> (Vec<i64>, MetricsProcesses) {
    let mut processes = MetricsProcesses::default();
    let pages = pages.iter().map(|(started, engines)| page(*started, engines));
    let numbers = look(&mut processes, pages).into_iter().flatten().collect();
    (numbers, processes)
}

fn look(
    processes: &mut MetricsProcesses,
    pages: impl IntoIterator<Item = MetricsPage>,
) -> Vec<Option<i64>> {
    pages
        .into_iter()
        .map(|page| {
            let at = At((processes.looks + 1) * 5_000_000);
            processes.fold(page, at)
        })
        .collect()
}

/// Returns the numbers of pages of one engine, and the notes on them.
fn shown(pages: &[(Option<f64>, f64)]) -> (Vec<i64>, Vec<String>) {
    let engines: Vec<[(&str, f64); 1]> = pages.iter().map(|(_, tokens)| [("", *tokens)]).collect();
    let pages: Vec<Shown<'_>> =
        pages.iter().zip(&engines).map(|((started, _), it)| (*started, &it[..])).collect();
    let (numbers, mut processes) = numbers(&pages);
    (numbers, processes.take_notes())
}

fn after(seconds: f64) -> Option<f64> {
    START.map(|start| start + seconds)
}

const START: Option<f64> = Some(1_790_000_000.0);

#[test]
fn a_start_time_that_jitters_is_one_process() {
    let jitter = |s: f64| Some(1_790_000_000.0 + s);
    let (numbers, processes) = numbers(&[
        (jitter(0.0), &[("", 1.0)]),
        (jitter(0.9), &[("", 2.0)]),
        (jitter(2.0), &[("", 3.0)]),
        (jitter(0.1), &[("", 4.0)]),
    ]);
    assert_eq!(numbers, [1, 1, 1, 1]);
    assert_eq!(processes.started(), [1_790_000_000.0], "told as first read");
}

#[test]
fn a_series_that_a_page_lacks_keeps_its_value() {
    let both: &[(&str, f64)] = &[("a", 10.0), ("b", 500.0)];
    let (numbers, processes) =
        numbers(&[(START, both), (START, &[("a", 12.0)]), (START, &[("a", 14.0)])]);
    assert_eq!(numbers, [1, 1, 1]);
    assert_eq!(processes.values(0), [14.0, 500.0]);
}

#[test]
fn replicas_that_answer_in_turn_are_counted_together() {
    let other = START.map(|start| start + 37.0);
    let (numbers, processes) = numbers(&[
        (START, &[("", 10.0)]),
        (other, &[("", 3.0)]),
        (START, &[("", 20.0)]),
        (other, &[("", 6.0)]),
    ]);
    assert_eq!(numbers, [1, 2, 1, 2]);
    assert_eq!(processes.values(0), [20.0, 6.0]);
}

#[test]
fn replicas_without_a_start_time_are_known_by_their_counters() {
    let (numbers, _) = numbers(&[
        (None, &[("", 1000.0)]),
        (None, &[("", 300.0)]),
        (None, &[("", 1010.0)]),
        (None, &[("", 310.0)]),
        (None, &[("", 1020.0)]),
    ]);
    assert_eq!(numbers, [1, 2, 1, 2, 1]);
}

#[test]
fn a_restart_without_a_start_time_is_another_process_also_when_it_has_caught_up() {
    for (tokens, numbered) in [
        (&[100.0, 150.0, 5.0, 40.0, 80.0, 120.0, 160.0, 200.0][..], &[1, 1, 2, 2, 2, 2, 2, 2][..]),
        (&[40.0, 80.0, 70.0, 110.0, 150.0], &[1, 1, 2, 2, 2]),
    ] {
        let mut processes = MetricsProcesses::default();
        let pages = tokens.iter().map(|tokens| page(None, &[("", *tokens)]));
        let numbers: Vec<i64> = look(&mut processes, pages).into_iter().flatten().collect();
        assert_eq!(numbers, numbered);
        assert_eq!(processes.values(0), tokens[tokens.len() - 1..]);
    }
}

#[test]
fn one_engine_of_several_that_begins_anew_is_another_process() {
    let (numbers, _) = numbers(&[
        (START, &[("0", 500.0), ("1", 500.0)]),
        (START, &[("0", 9000.0), ("1", 3.0)]),
        (START, &[("0", 9100.0), ("1", 30.0)]),
    ]);
    assert_eq!(numbers, [1, 2, 2], "though the sum rose");
}

#[test]
fn a_single_metric_that_falls_is_no_other_process() {
    let pages = [5.0, 4.0, 5.0, 4.0].map(|preemptions| {
        let mut page = page(START, &[("", 100.0)]);
        page.counters.insert((2, String::new()), preemptions);
        page
    });
    assert_eq!(look(&mut MetricsProcesses::default(), pages), [Some(1); 4]);
}

#[test]
fn a_page_without_any_counter_has_no_process_of_its_own() {
    let pages = [MetricsPage::default(), page(START, &[]), MetricsPage::default()];
    assert_eq!(look(&mut MetricsProcesses::default(), pages), [None, Some(1), None]);
}

#[test]
fn a_start_time_that_moves_while_the_counters_go_on_is_a_clock_that_was_set() {
    for (moved, reported) in [(300.0, "+300"), (-240.0, "-240")] {
        let (numbers, notes) = shown(&[
            (START, 100.0),
            (START, 200.0),
            (after(moved), 300.0),
            (after(moved), 400.0),
            (after(moved), 500.0),
            (after(moved + 25.0), 20.0),
        ]);
        assert_eq!(numbers, [1, 1, 1, 1, 1, 2], "the restart after it is seen");
        assert_eq!(
            notes,
            [format!(
                "its start time moved by {reported} s while its counters went on: its machine's clock was set, and it did not restart"
            )]
        );
    }
}

#[test]
fn a_start_time_that_is_the_time_of_each_look_is_none() {
    for first in [0.0, 100.0] {
        let now = |look: u32| (after(5.0 * f64::from(look)), first * f64::from(look));
        let (numbers, notes) = shown(&[now(1), now(2), now(3), now(4), now(5)]);
        assert_eq!(numbers, [1; 5]);
        assert_eq!(
            notes,
            ["its start time moves with the clock from look to look: it is not used"]
        );
    }
    let (numbers, _) =
        shown(&[(after(5.0), 50.0), (after(10.0), 60.0), (after(15.0), 70.0), (after(20.0), 3.0)]);
    assert_eq!(numbers, [1, 1, 1, 2], "the counters still show a restart");
}

#[test]
fn a_process_that_was_running_before_has_a_smaller_number() {
    for tokens in [9_000.0, 20.0] {
        let (numbers, notes) = shown(&[
            (START, 500.0),
            (START, 600.0),
            (after(-600.0), tokens),
            (after(-600.0), tokens + 100.0),
            (after(-600.0), tokens + 200.0),
            (after(30.0), 5.0),
        ]);
        assert_eq!(numbers, [1, 1, 0, 0, 0, 2], "a restart of it is seen");
        assert_eq!(
            notes,
            [
                "another process answers for /metrics now, which was running before: that is no restart"
            ]
        );
    }
    let (numbers, _) =
        shown(&[(None, 90_000.0), (None, 90_100.0), (None, 50_000.0), (None, 50_100.0)]);
    assert_eq!(numbers, [1, 1, 0, 0], "a new process cannot have counted as much");
}

#[test]
fn replicas_in_turn_are_noted_as_such_and_neither_as_a_clock_nor_as_another_process() {
    let other = after(37.0);
    let (numbers, notes) = shown(&[
        (other, 300.0),
        (START, 600.0),
        (other, 310.0),
        (START, 620.0),
        (other, 320.0),
        (START, 640.0),
    ]);
    assert_eq!(numbers, [1, 1, 0, 1, 0, 1]);
    assert_eq!(
        notes,
        [
            "several processes answer for /metrics in turn, such as replicas behind one address: their numbers are taken together"
        ]
    );
}

#[test]
fn replicas_with_labels_of_their_own_are_two_processes() {
    let (numbers, processes) = numbers(&[
        (None, &[("pod=a", 100.0)]),
        (None, &[("pod=b", 900.0)]),
        (None, &[("pod=a", 110.0)]),
        (None, &[("pod=b", 910.0)]),
    ]);
    assert_eq!(numbers, [1, 2, 1, 2]);
    assert_eq!(processes.values(0), [110.0, 910.0]);
}

#[test]
fn a_restart_is_another_process_whatever_became_of_labels_and_start_time() {
    let before: Shown<'_> = (START, &[("a", 5_000.0)]);
    let still: Shown<'_> = (START, &[("a", 5_100.0)]);
    let anew: [Shown<'_>; 6] = [
        (after(12.0), &[("a", 30.0)]),
        (after(12.0), &[("b", 30.0)]),
        (after(12.0), &[]),
        (None, &[("a", 30.0)]),
        (None, &[("b", 30.0)]),
        (after(12.0), &[("a", 5_200.0), ("b", 10.0)]),
    ];
    for page in &anew[..5] {
        let (numbers, _) = numbers(&[before, still, *page]);
        assert_eq!(numbers, [1, 1, 2], "{page:?}");
    }
    let (numbers, _) =
        numbers(&[(None, &[("a", 900.0)]), (None, &[("a", 950.0)]), (None, &[("b", 9.0)])]);
    assert_eq!(numbers, [1, 1, 2], "other labels, never a start time");
}

#[test]
fn a_model_that_is_loaded_again_behind_its_process_is_noted_and_is_the_same_process() {
    let other = ("other", 7.0);
    let (numbers, mut processes) = numbers(&[
        (START, &[("m", 900.0), other]),
        (START, &[other]),
        (START, &[("m", 30.0), other]),
        (START, &[("m", 60.0), other]),
    ]);
    assert_eq!(numbers, [1, 1, 1, 1]);
    assert_eq!(processes.values(0), [60.0, 7.0]);
    assert_eq!(
        processes.take_notes(),
        [
            "{m} was missing and has begun anew, while the process went on: a model was loaded again, and the server did not restart"
        ]
    );
    let mut lost = page(None, &[("a", 950.0)]);
    lost.not_finite = [0, 1].map(|index| (index, "b".to_owned())).into();
    let pages =
        [page(None, &[("a", 900.0), ("b", 900.0)]), lost, page(None, &[("a", 990.0), ("b", 9.0)])];
    let numbers = look(&mut MetricsProcesses::default(), pages);
    assert_eq!(numbers, [Some(1), Some(1), Some(2)], "a value that was no number was not missing");
}

#[test]
fn an_engine_that_stays_away_is_noted_once_and_is_no_other_process() {
    let mut pages: Vec<Shown<'_>> = vec![(START, &[("0", 100.0), ("1", 100.0)])];
    pages.extend([(START, &[("0", 110.0)][..]); 8]);
    let (numbers, mut processes) = numbers(&pages);
    assert_eq!(numbers, [1; 9]);
    assert_eq!(
        processes.take_notes(),
        ["{1} is missing from the page, while others go on: that engine or model is gone"]
    );
}

#[test]
fn a_page_from_a_cache_over_a_restart_is_no_clock_that_was_set() {
    let (numbers, notes) = shown(&[
        (START, 20.0),
        (START, 20.0),
        (after(9.0), 850.0),
        (after(9.0), 1_700.0),
        (after(9.0), 2_500.0),
    ]);
    assert_eq!(numbers, [1, 1, 2, 2, 2]);
    assert_eq!(notes, [""; 0]);
}

#[test]
fn a_new_process_that_reaches_the_counters_of_the_old_one_is_not_said_to_be_a_replica() {
    let (_, notes) =
        shown(&[(None, 400.0), (None, 5.0), (None, 500.0), (None, 900.0), (None, 1_300.0)]);
    assert_eq!(notes, [""; 0]);
}
