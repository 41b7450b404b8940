use super::*;
use crate::analysis::arena::fixture::{StreamTimes, replay, round};
use crate::analysis::arena::{Column, Spread};
use crate::fact::{Ended, Phase};
use crate::incident::fixture::{Story, cell};

fn table(story: &Story) -> Table {
    let mut fold = ArenaFold::new();
    story.entries.iter().for_each(|entry| fold.fold(entry));
    fold.finish("nemotron")
}

fn mean(table: &Table, test: &str, column: Column) -> Option<f64> {
    let row = table.rows.iter().find(|row| row.name(true) == test)?;
    row.mean(column).map(|mean| (mean * 100.0).round() / 100.0)
}

#[test]
fn rows_stand_in_the_order_of_the_visits_and_warm_up_is_not_among_them() {
    let table = table(&replay());
    let names: Vec<String> = table.rows.iter().map(|row| row.name(true)).collect();
    let ctx = ["ctx_pp @ d4096 (c2)", "ctx_tg @ d4096 (c2)"];
    let follow = ["pp2048 @ d4096 (c2)", "tg128 @ d4096 (c2)"];
    assert_eq!(names, [["pp2048 (c1)", "tg128 (c1)"], ctx, follow].concat());
    assert_eq!(table.model, "nemotron (SIMULATED)");
    assert_eq!(table.origin.timestamp.as_deref(), Some("2026-05-13 03:47:42Z"));
    assert_eq!((table.origin.latency_ms, table.origin.prefix_caching), (Some(4.0), Some(true)));
    assert_eq!(table.rows[2].prompt, Some(2048), "the prompt that the context is loaded for");
}

#[test]
fn of_one_stream_both_rates_are_the_mean_of_its_requests() {
    let table = table(&replay());
    // 2,056 tokens by the server's count, in 1.000 and 2.000 s without the time of /v1/models.
    let rate =
        Spread { n: Some(2), values: vec![2056.0, 1028.0], ..Spread::reported(1542.0, 514.0) };
    assert_eq!(table.rows[0].columns[&Column::Ts], rate);
    assert_eq!(table.rows[0].columns[&Column::TsReq], rate);
    let of = |column| mean(&table, "pp2048 (c1)", column);
    assert_eq!(of(Column::Ttfr), Some(1504.0));
    assert_eq!((of(Column::EstPpt), of(Column::E2eTtft)), (Some(1500.0), Some(1510.0)));
    assert_eq!(mean(&table, "tg128 (c1)", Column::Ts), Some(22.5), "100 in 4 s, 100 in 5 s");
    assert_eq!(mean(&table, "tg128 (c1)", Column::PeakTs), Some(50.0));
}

#[test]
fn of_many_streams_the_total_is_that_of_the_round_and_a_context_counts_for_its_load_only() {
    let table = table(&replay());
    // Two contexts of 4,104 tokens, the last first token after 4.096 s.
    assert_eq!(mean(&table, "ctx_pp @ d4096 (c2)", Column::Ts), Some(2003.91));
    // 200 tokens from the first token at 2.048 s to the last at 9.096 s.
    assert_eq!(mean(&table, "ctx_tg @ d4096 (c2)", Column::Ts), Some(28.38));
    assert_eq!(mean(&table, "ctx_tg @ d4096 (c2)", Column::TsReq), Some(20.0));
    // The prompts behind a loaded context count 2,048 each, however much the server read.
    assert_eq!(mean(&table, "pp2048 @ d4096 (c2)", Column::Ts), Some(666.67));
    assert_eq!(mean(&table, "pp2048 @ d4096 (c2)", Column::TsReq), Some(512.57));
}

#[test]
fn a_cold_prompt_behind_a_context_counts_both() {
    let mut story = Story::soaking();
    let stream = StreamTimes { byte: 3_076, first: 3_076, last: 3_576 };
    round(&mut story, 20.0, (cell(4096), Class::Cold), &[stream]);
    let table = table(&story);
    assert_eq!(mean(&table, "pp2048 @ d4096 (c1)", Column::Ts), Some(2002.6));
    // Tokens of half a second are scaled to one second.
    assert_eq!(mean(&table, "tg128 @ d4096 (c1)", Column::PeakTs), Some(100.0));
}

#[test]
fn a_round_with_a_failed_request_is_in_no_row_and_is_counted() {
    let mut story = replay();
    for entry in &mut story.entries {
        match &mut entry.fact {
            Fact::Request(request) if request.class == Class::Warm => {
                request.ended = Ended::Truncated;
            }
            Fact::Batch(batch) if batch.group.class == Class::Warm => batch.good = 0,
            _ => {}
        }
    }
    let table = table(&story);
    assert_eq!((table.rows.len(), table.left_out), (4, 1));
}

#[test]
fn what_a_run_cannot_give_is_unknown() {
    let mut story = replay();
    for entry in &mut story.entries {
        match &mut entry.fact {
            Fact::Request(request) => {
                (request.output_tokens, request.first_tokens, request.peak_tokens) =
                    (None, None, None);
            }
            Fact::Batch(batch) => (batch.peak_tokens, batch.models_us) = (None, None),
            _ => {}
        }
    }
    let table = table(&story);
    assert!(table.rows.iter().all(|row| row.kind.is_prefill()), "no answer's tokens were counted");
    assert_eq!(mean(&table, "pp2048 (c1)", Column::Ts), None);
    assert_eq!(mean(&table, "pp2048 (c1)", Column::Ttfr), Some(1504.0));
    assert_eq!(table.origin.latency_ms, None);
}

#[test]
fn a_round_that_never_closed_is_in_no_row() {
    let mut story = Story::soaking();
    story.good(20.0, 0).phase(30.0, Phase::Return).good(31.0, 0);
    assert_eq!(table(&story).rows, []);
}
