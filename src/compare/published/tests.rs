use super::*;
use crate::analysis::arena::Kind;

/// Rows of the record's re-run of July 2026, as they were published.
const JULY: &str = include_str!("july.md");

fn july() -> Table {
    read("july.md", JULY).unwrap()
}

fn of(rows: &[Published], test: &str, column: Column) -> Published {
    rows.iter().find(|row| row.test == test && row.column == column).unwrap().clone()
}

#[test]
fn a_markdown_table_is_read_with_prose_around_it() {
    let table = july();
    assert_eq!(table.model, "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4");
    assert_eq!((table.rows.len(), table.streams_max()), (12, 10));
    let row = table.row(&(Kind::Pp, 100_000, Some(2048), 1)).unwrap();
    assert_eq!(row.columns[&Column::Ttfr], Spread::told(57_970.32, 4.65));
    assert!(!row.columns.contains_key(&Column::PeakTs), "an empty cell is unknown");
}

#[test]
fn a_table_of_one_stream_has_one_rate_for_both() {
    let text = "| model | test | t/s | peak t/s | ttfr (ms) |\n|:--|--:|--:|--:|--:|\n| m | pp512 | 10.00 ± 1.00 | | 5.00 ± 0.00 |\n";
    let table = read("x.md", text).unwrap();
    assert_eq!((table.rows[0].mean(Column::Ts), table.rows[0].streams), (Some(10.0), 1));
    assert_eq!(table.rows[0].mean(Column::TsReq), Some(10.0));
}

#[test]
fn a_context_that_was_read_again_is_told_with_the_rate_that_it_was_read_at() {
    let rows = against(&july(), &july());
    let honest = of(&rows, "pp2048 @ d100000 (c1)", Column::Ts).honest.unwrap();
    assert_eq!(honest.what, Artefact::ReadAgain);
    assert_eq!(honest.base.map(f64::round), Some(1760.0));
    assert!(honest.why.contains("35.3 counts 2,048 of 102,048 tokens"), "{}", honest.why);
    assert!(honest.why.contains("57.97 s") || honest.why.contains("58.0 s"), "{}", honest.why);
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
    for row in hit.rows.iter_mut().filter(|row| row.kind == Kind::Pp && row.depth > 0) {
        row.columns.insert(Column::Ts, Spread::told(1_500.0, 1.0));
    }
    let row = of(&against(&july(), &hit), "pp2048 @ d100000 (c1)", Column::Ts);
    let honest = row.honest.unwrap();
    assert_eq!((honest.candidate, honest.ratio()), (None, None));
    assert!(honest.why.starts_with("base: ") && !honest.why.contains("candidate"));
    assert_eq!(of(&against(&hit, &hit), "pp2048 @ d100000 (c1)", Column::Ts).honest, None);
}

#[test]
fn a_first_frame_without_a_token_inflates_the_rate() {
    let mut table = july();
    let columns = &mut table.rows[0].columns;
    columns.insert(Column::Ttfr, Spread::told(0.47, 0.0));
    columns.insert(Column::EstPpt, Spread::told(0.47, 0.0));
    columns.insert(Column::E2eTtft, Spread::told(501.0, 0.0));
    columns.insert(Column::Ts, Spread::told(4_357_446.0, 0.0));
    let honest = of(&against(&table, &table), "pp2048 (c1)", Column::Ts).honest.unwrap();
    assert_eq!((honest.what, honest.base.map(f64::round)), (Artefact::RoleFirst, Some(4088.0)));
}

#[test]
fn what_one_side_does_not_have_is_unknown_and_stands_all_the_same() {
    let mut other = july();
    other.rows.remove(0);
    other.rows.push(Row::named("tg128 @ d8192 (c1)").unwrap());
    other.rows.last_mut().unwrap().columns.insert(Column::Ts, Spread::told(22.0, 1.0));
    let rows = against(&july(), &other);
    let gone = of(&rows, "pp2048 (c1)", Column::Ts);
    assert!(gone.base.is_some() && gone.candidate.is_none() && gone.ratio.is_none());
    assert_eq!(rows.last().unwrap().test, "tg128 @ d8192 (c1)");
    assert!(rows.last().unwrap().base.is_none());
}

#[test]
fn what_is_no_published_benchmark_is_refused_with_the_place_and_what_to_try() {
    let csv = "model,test_name,t_s_mean,t_s_std,t_s_req_mean,t_s_req_std,peak_ts_mean,peak_ts_std,peak_ts_req_mean,peak_ts_req_std,ttfr_mean,ttfr_std,est_ppt_mean,est_ppt_std,e2e_ttft_mean,e2e_ttft_std\r\n";
    for (text, words) in [
        ("hello", "benchmark.csv of a Spark Arena submission"),
        ("", "no published benchmark"),
        ("{\n\"model\": 3}", "x:2"),
        ("{\"model\": \"m\", \"benchmarks\": []}", "no row"),
        ("| a | b |\n|---|---|\n", "no table here has a column `test`"),
        ("| model | test | t/s |\n|---|---|---|\n| m | pp2048 | fast |\n", "x:3"),
        ("| model | test | t/s |\n|---|---|---|\n| m | what | 1 ± 0 |\n", "`what` is no test"),
        (csv, "no row"),
        (&format!("{csv}m,pp1,x\r\n"), "x:2"),
        (&format!("{csv}m,pp1,nan\r\n"), "`nan` is no number"),
        ("model,test_name,t_s_mean\r\nm,pp1,1\r\n", "no column `t_s_std`"),
    ] {
        let told = read("x", text).unwrap_err().to_string();
        assert!(told.contains(words), "{text}: {told}");
    }
}
