use insta::assert_snapshot;

use super::*;
use crate::analysis::arena::TestKind;
use crate::shown::each;

mod forms;

/// Published rows of the re-run of July 2026.
const JULY: &str = include_str!("july.md");

/// Header of `benchmark.csv`.
const HEADER: &str = "model,test_name,t_s_mean,t_s_std,t_s_req_mean,t_s_req_std,peak_ts_mean,peak_ts_std,peak_ts_req_mean,peak_ts_req_std,ttfr_mean,ttfr_std,est_ppt_mean,est_ppt_std,e2e_ttft_mean,e2e_ttft_std\r\n";

/// Returns a row of `benchmark.csv` with only a total rate.
fn line(test: &str, mean: &str, std: &str) -> String {
    format!("m,{test},{mean},{std}{}\r\n", ",".repeat(12))
}

/// Returns a Markdown table with rows of a test and a total rate.
fn table_of(rows: &str) -> String {
    format!("| Model | Test | T/S (total) |\n|:-|-:|-:|\n{rows}\n")
}

/// Returns a llama-benchy document with a run of these keys and a rate.
fn document(run: &str) -> String {
    format!(
        r#"{{"model": "m", "benchmarks": [{{{run}, "pp_throughput": {{"mean": 10.5, "std": null}}}}]}}"#
    )
}

const RUN: &str =
    r#""concurrency": 1, "context_size": 0, "prompt_size": 512, "is_context_prefill_phase": false"#;

/// Returns the error message for a text that is refused.
fn refused(text: &str) -> String {
    read("x", text, None).unwrap_err().to_string()
}

fn july() -> Table {
    read("july.md", JULY, None).unwrap()
}

fn of(rows: &[Published], test: &str, column: Column) -> Published {
    rows.iter().find(|row| row.test == test && row.column == column).unwrap().clone()
}

#[test]
fn a_markdown_table_is_read_with_prose_around_it() {
    let table = july();
    assert_eq!(table.model, "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4");
    assert_eq!((table.rows.len(), table.streams_max()), (12, 10));
    let row = table.rows.iter().find(|row| row.name(true) == "pp2048 @ d100000 (c1)").unwrap();
    assert_eq!(row.columns[&Column::Ttfr], Spread::reported(57_970.32, 4.65));
    assert!(!row.columns.contains_key(&Column::PeakTs), "an empty cell is unknown");
}

#[test]
fn a_table_of_one_stream_has_one_rate_for_both() {
    let text = "| model | test | t/s | peak t/s | ttfr (ms) |\n|:--|--:|--:|--:|--:|\n| m | pp512 | 10.00 ± 1.00 | | 5.00 ± 0.00 |\n";
    let table = read("x.md", text, None).unwrap();
    assert_eq!((table.rows[0].mean(Column::Ts), table.rows[0].streams), (Some(10.0), 1));
    assert_eq!(table.rows[0].mean(Column::TsReq), Some(10.0));
}

#[test]
fn a_context_that_was_read_again_is_told_with_the_rate_that_it_was_read_at() {
    let rows = against(&july(), &july());
    let honest = of(&rows, "pp2048 @ d100000 (c1)", Column::Ts).honest.unwrap();
    assert_eq!(honest.what, Artefact::ReadAgain);
    assert_eq!(honest.base.map(f64::round), Some(1760.0));
    assert_snapshot!(honest.why, @"base: 35.3 counts 2,048 of 102,048 tokens that were read, first frame after 58.0 s; with all it is 1,760, as of a context alone (1,766); candidate: 35.3 counts 2,048 of 102,048 tokens that were read, first frame after 58.0 s; with all it is 1,760, as of a context alone (1,766)");
    assert!(of(&rows, "pp2048 @ d4096 (c1)", Column::TsReq).honest.is_some());
    assert!(of(&rows, "pp2048 @ d100000 (c10)", Column::Ts).honest.is_some());
    for test in ["pp2048 (c1)", "ctx_pp @ d100000 (c1)"] {
        assert_eq!(of(&rows, test, Column::Ts).honest, None, "{test}");
    }
    let ttfr = of(&rows, "pp2048 @ d100000 (c1)", Column::Ttfr);
    assert_eq!((ttfr.honest, ttfr.ratio), (None, Some(1.0)), "a time is what it says");
}

#[test]
fn a_total_that_is_ruled_by_waiting_is_told_with_the_best_second() {
    let rows = against(&july(), &july());
    let honest = of(&rows, "tg128 @ d100000 (c2)", Column::Ts).honest.unwrap();
    assert_eq!((honest.what, honest.base), (Artefact::Staggered, Some(40.0)));
    for test in ["tg128 (c1)", "tg128 (c2)"] {
        assert_eq!(of(&rows, test, Column::Ts).honest, None, "{test}");
    }
}

#[test]
fn a_cache_that_held_the_context_is_no_artefact_and_has_no_measure_of_the_other_side() {
    let mut hit = july();
    for row in hit.rows.iter_mut().filter(|row| row.kind == TestKind::Pp && row.depth > 0) {
        row.columns.insert(Column::Ts, Spread::reported(1_500.0, 1.0));
    }
    let row = of(&against(&july(), &hit), "pp2048 @ d100000 (c1)", Column::Ts);
    let honest = row.honest.unwrap();
    assert_eq!((honest.candidate, honest.ratio()), (None, None));
    assert_snapshot!(honest.why, @"base: 35.3 counts 2,048 of 102,048 tokens that were read, first frame after 58.0 s; with all it is 1,760, as of a context alone (1,766)");
    assert_eq!(of(&against(&hit, &hit), "pp2048 @ d100000 (c1)", Column::Ts).honest, None);
}

#[test]
fn a_first_frame_without_a_token_inflates_the_rate() {
    let mut table = july();
    let columns = &mut table.rows[0].columns;
    columns.insert(Column::Ttfr, Spread::reported(0.47, 0.0));
    columns.insert(Column::EstPpt, Spread::reported(0.47, 0.0));
    columns.insert(Column::E2eTtft, Spread::reported(501.0, 0.0));
    columns.insert(Column::Ts, Spread::reported(4_357_446.0, 0.0));
    let honest = of(&against(&table, &table), "pp2048 (c1)", Column::Ts).honest.unwrap();
    assert_eq!((honest.what, honest.base.map(f64::round)), (Artefact::RoleFirst, Some(4088.0)));
}

#[test]
fn what_one_side_does_not_have_is_unknown_and_stands_all_the_same() {
    let mut other = july();
    other.rows.remove(0);
    other.rows.push(ArenaRow::named("tg128 @ d8192 (c1)").unwrap());
    other.rows.last_mut().unwrap().columns.insert(Column::Ts, Spread::reported(22.0, 1.0));
    let rows = against(&july(), &other);
    let gone = of(&rows, "pp2048 (c1)", Column::Ts);
    assert!(gone.base.is_some() && gone.candidate.is_none() && gone.ratio.is_none());
    let only = of(&rows, "tg128 @ d8192 (c1)", Column::Ts);
    assert!(only.base.is_none() && only.candidate.is_some() && only.ratio.is_none());
}

#[test]
fn what_is_no_published_benchmark_is_refused_with_the_place_and_what_to_try() {
    let texts = [
        "hello",
        "",
        "{\n\"model\": 3}",
        "{\"model\": \"m\", \"benchmarks\": []}",
        "| a | b |\n|---|---|\n",
        "| model | test | t/s |\n|---|---|---|\n| m | pp2048 | fast |\n",
        "| model | test | t/s |\n|---|---|---|\n| m | what | 1 ± 0 |\n",
        "model,test_name,t_s_mean\r\nm,pp1,1\r\n",
    ];
    assert_snapshot!("refused", each(texts, |text| refused(text)));
    let rows = [String::new(), line("pp1", "x", ""), line("pp1", "nan", "")];
    assert_snapshot!("refused.csv", each(rows, |row| refused(&format!("{HEADER}{row}"))));
}

#[test]
fn a_test_beyond_what_a_server_can_be_asked_is_refused_in_every_form() {
    let huge = u64::MAX;
    let tests = [
        format!("pp{huge} @ d{huge} (c1)"),
        format!("ctx_pp @ d{huge} (c1)"),
        "pp1 (c0)".to_owned(),
    ];
    let of_csv = each(tests, |test| refused(&format!("{HEADER}{}", line(test, "1", ""))));
    let runs = [("\"concurrency\": 1", "\"concurrency\": 0"), ("512", &huge.to_string())];
    let of_json = each(runs, |(of, is)| refused(&document(&RUN.replace(of, is))));
    assert_snapshot!("refused.beyond", format!("{of_csv}\n{of_json}"));
}

#[test]
fn a_row_that_was_cut_or_has_a_comma_too_many_is_refused_with_its_line() {
    let whole = line("pp1 (c1)", "1154.28", "3.1");
    let broken = ["m,pp2 (c1),1154".to_owned(), line("pp2 (c1)", "1,154.28", "3.1")];
    let of_csv = each(broken, |row| refused(&format!("{HEADER}\r\n{whole}{row}")));
    let rows = ["| m | pp512 (c1) | 1.0 |\n| m | pp512"];
    let of_table = each(rows, |rows| refused(&table_of(rows)));
    assert_snapshot!("refused.cut", format!("{of_csv}\n{of_table}"));
}

#[test]
fn a_deviation_that_a_table_does_not_give_is_unknown_and_not_0() {
    for text in [
        format!("{HEADER}{}", line("pp512 (c1)", "10.5", "")),
        table_of("| m | pp512 (c1) | 10.5 |"),
        document(RUN),
    ] {
        let table = read("x", &text, None).unwrap();
        assert_eq!(table.rows[0].columns[&Column::Ts], Spread::reported(10.5, None), "{text}");
    }
    assert_snapshot!(refused(&format!("{HEADER}{}", line("pp512 (c1)", "", "3.1"))), @"
        error: `t_s_std` has a figure and `t_s_mean` has none
           at: x:2
    ");
}

#[test]
fn a_run_of_llama_benchys_that_does_not_say_its_context_is_refused() {
    let keys = ["context_size", "is_context_prefill_phase", "concurrency"];
    let reported = each(keys, |key| refused(&document(&RUN.replace(key, "other"))));
    assert_snapshot!("refused.missing", reported);
}

#[test]
fn what_is_below_0_or_a_time_of_0_is_no_figure() {
    let ttfr = |ms: &str| format!("m,pp1 (c1){}{ms}{}\r\n", ",".repeat(9), ",".repeat(5));
    let rows = [
        line("pp1 (c1)", "-5.00", "1"),
        line("pp1 (c1)", "5.00", "-1"),
        line("pp1 (c1)", "1e300", ""),
        ttfr("0"),
        ttfr("-3"),
    ];
    let of_csv = each(rows, |row| refused(&format!("{HEADER}{row}")));
    let of_table = refused(&table_of("| m | tg1 | -5.00 ± -1.00 |"));
    let of_json = refused(&document(RUN).replace("10.5", "-10.5"));
    assert_snapshot!("refused.below_0", format!("{of_csv}\n{of_table}\n\n{of_json}"));
}

#[test]
fn rows_of_one_name_are_held_against_each_other_in_their_order() {
    let rows = ["pp256 (c1)", "tg64 (c1)", "pp256 (c1)", "tg128 (c1)"];
    let text = |figures: [&str; 4]| {
        let lines = rows.iter().zip(figures).map(|(test, figure)| line(test, figure, "0"));
        format!("{HEADER}{}", lines.collect::<String>())
    };
    let base = read("x", &text(["100", "10", "200", "20"]), None).unwrap();
    let mut candidate = read("x", &text(["110", "11", "220", "22"]), None).unwrap();
    let reported = against(&base, &candidate);
    let names: Vec<&str> = reported.iter().map(|row| row.test.as_str()).collect();
    assert_eq!(names, ["pp256", "tg64", "pp256 #2", "tg128"]);
    assert!(reported.iter().all(|row| row.ratio.is_some_and(|it| (it - 1.1).abs() < 1e-9)));
    candidate.rows.push(candidate.rows[0].clone());
    let third = against(&base, &candidate).pop().unwrap();
    assert_eq!((third.test.as_str(), third.nth, third.base), ("pp256 #3", 3, None));
}

#[test]
fn a_hint_names_what_is_meant_or_nothing() {
    let heads = [("peak_ts_std,", ""), ("peak_ts_std", "peak_ts_sdt")];
    let heads = each(heads, |(of, is)| refused(&HEADER.replace(of, is)));
    let rows = [line("pp1", "\"1,154.2\"", ""), line("pp1", "1154 ± 3", "")];
    let rows = each(rows, |row| refused(&format!("{HEADER}{row}")));
    assert_snapshot!("refused.hints", format!("{heads}\n{rows}"));
}

#[test]
fn what_people_make_of_a_table_is_read_all_the_same() {
    let text = table_of(
        "| **m** | **pp512 (c1)** | **1,154.28** ± 3.10 |\n| m | tg32 | - |\n| m | tg64 (c1) | 20.5 +/- 0.5 |\nm | tg128 | –\n`m` | tg256 | 1,000,000",
    );
    let table = read("x", &text, None).unwrap();
    let rows: Vec<(String, Spread)> =
        table.rows.iter().map(|row| (row.name(false), row.columns[&Column::Ts].clone())).collect();
    assert_eq!(
        rows,
        [
            ("pp512".to_owned(), Spread::reported(1154.28, 3.10)),
            ("tg64".to_owned(), Spread::reported(20.5, 0.5)),
            ("tg256".to_owned(), Spread::reported(1e6, None)),
        ]
    );
    let wrong = ["1,15", "1.154,28", "12 ± 0,5"];
    let reported = each(wrong, |wrong| refused(&table_of(&format!("| m | pp512 | {wrong} |"))));
    assert_snapshot!("refused.figures", reported);
}

#[test]
fn tables_of_a_text_are_read_one_by_one_and_a_mistake_is_of_its_own_table() {
    let one = table_of("| m | pp512 (c1) | 1.0 |");
    let other = table_of("| m | pp512 (c2) | 2.0 |");
    let foreign = "| measure | value |\n|---|---|\n| tg128 (c1) | fast |\n";
    let text = format!("{one}\nprose\n{foreign}\n{other}");
    let table = read("x", &text, Some("2")).unwrap();
    assert_eq!((table.rows.len(), table.streams_max()), (1, 2));
    let headless = refused(&format!("{one}\n\n| m | pp512 (c4) | 3.0 |\n"));
    let several = refused(&table_of("| m | pp512 (c1) | 1.0 |\n| n | pp512 (c2) | 1.0 |"));
    assert_snapshot!("refused.tables", format!("{headless}\n\n{several}"));
}

#[test]
fn the_longest_table_that_is_read_is_compared_at_once() {
    let mut text = HEADER.to_owned();
    for depth in 0..ROWS_MAX {
        text.push_str(&line(&format!("pp512 @ d{depth} (c1)"), "10.5", "1"));
    }
    // A linear search for each row would take seconds.
    let table = read("x", &text, None).unwrap();
    assert_eq!(against(&table, &table).len(), ROWS_MAX);
}
