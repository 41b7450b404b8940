//! Tests the forms of published results: several tables of one text, other programs' results, and
//! what they count.

use insta::assert_snapshot;

use super::{HEADER, line, of, table_of};
use crate::analysis::arena::{ArenaRow, Column, Spread, Table};
use crate::compare::published::{TableSummary, TableWord, against, read};

/// Two tables under one heading, as a README has them: the second has streams.
const README: &str = "\
# GLM on two machines

## Runs of September

| Model | Test | t/s | TTFR (ms) | Estimated PPT (ms) |
|---|---:|---:|---:|---:|
| g | pp2048 @ d4096 | 1857.22 ± 2.62 | 3533.89 ± 4.67 | 3308.17 ± 4.67 |
| g | `tg128 @ d4096` (decode) | 26.10 ± 1.69 | | |

## With two streams

| Model | Test | t/s total | t/s per request | TTFR (ms) |
|---|---:|---:|---:|---:|
| g | pp2048 @ d4096 (c2) | 1749.94 ± 10.43 | 1332.33 ± 451.07 | 5375.82 ± 1671.13 |
";

const LLAMA_BENCH: &str = "\
| model | size | params | backend | ngl | test | t/s |
|---|---|---|---|---|---|---|
| gpt-oss 120B | 59 GiB | 117 B | CUDA | 99 | pp2048 @ d4096 | 2293.59 ± 8.99 |
";

const SERVE: &str = r#"{"backend": "openai", "model_id": "m", "num_prompts": 200, "request_rate": "inf",
    "max_concurrency": 4, "completed": 200, "failed": 3, "total_input_tokens": 921600,
    "total_output_tokens": 25600, "request_throughput": 0.98, "output_throughput": 125.8,
    "mean_ttft_ms": 2295.6, "std_ttft_ms": 12.7, "median_tpot_ms": 50.0, "p99_ttft_ms": 143.3}"#;

/// Returns the tests that a text's table has.
fn tests_of(text: &str, choice: Option<&str>) -> Vec<String> {
    read("README.md", text, choice).unwrap().rows.iter().map(|row| row.name(true)).collect()
}

#[test]
fn tables_of_one_text_are_kept_apart_and_one_is_chosen_by_its_number_or_heading() {
    let refused = |choice| read("README.md", README, choice).unwrap_err().to_string();
    assert_snapshot!(refused(None), @r#"
        error: there are several tables here; name one of them
           at: README.md
          try: README.md#1, "Runs of September", line 5: 2 rows of g, up to c1
          try: README.md#2, "With two streams", line 12: 1 rows of g, up to c2
    "#);
    assert!(refused(Some("3")).starts_with("error: there is no table `#3` here"));
    assert!(refused(Some("r")).starts_with("error: several tables are called `#r`"));
    assert_eq!(tests_of(README, Some("1")), ["pp2048 @ d4096 (c1)", "tg128 @ d4096 (c1)"]);
    assert_eq!(tests_of(README, Some("with-two-streams")), ["pp2048 @ d4096 (c2)"]);
    assert_eq!(tests_of(README, Some("two streams")), ["pp2048 @ d4096 (c2)"]);
}

#[test]
fn a_table_of_llama_bench_is_told_as_one_and_one_beside_it_is_read() {
    for text in [
        LLAMA_BENCH,
        "build_commit,build_number,n_prompt\nabc,1,512\n",
        r#"[{"build_commit": "abc", "n_prompt": 512, "avg_ts": 1.0}]"#,
    ] {
        let refused = read("x", text, None).unwrap_err().to_string();
        assert!(refused.contains("table of llama-bench, not of llama-benchy"), "{refused}");
    }
    let both = format!("{LLAMA_BENCH}\n{}", table_of("| m | pp512 (c1) | 1.0 |"));
    assert_eq!(tests_of(&both, None), ["pp512 (c1)"]);
}

#[test]
fn json_that_cannot_be_read_is_described_by_its_place() {
    let refused = |text: &str| {
        let refused = read("x", text, None).unwrap_err().to_string();
        refused.lines().next().unwrap_or_default().to_owned()
    };
    let texts = [
        r#"{"model": "m", "benchmarks": [{"concur"#,
        r#"{"model": "m", "benchmarks": 3}"#,
        r#"{"model": "m", "benchmarks": [{"concurrency": "two"}]}"#,
        r#"{"model": "m", "benchmarks": [{"concurrency": 1, "context_size": 0,
            "is_context_prefill_phase": false, "ttfr": {"mean": "fast"}}]}"#,
        r#"{"results": {}, "config": 1}"#,
        "[1, 2]",
    ];
    assert_snapshot!(texts.map(refused).join("\n"), @r"
    error: this JSON ends in the middle: the file was cut
    error: `benchmarks` is no list
    error: `concurrency` of benchmarks[0] is not a whole number
    error: `ttfr` of benchmarks[0] has no number as its mean
    error: this JSON is no benchmark that longhaul knows (it has `config`, `results` …)
    error: this JSON is no benchmark that longhaul knows
    ");
}

#[test]
fn a_result_of_vllm_bench_serve_is_held_against_the_cell_of_its_length() {
    let table = read("x", SERVE, None).unwrap();
    assert_eq!(tests_of(SERVE, None), ["pp4608 (c4)", "tg128 (c4)"]);
    assert_eq!(table.rows[0].columns[&Column::E2eTtft], Spread::reported(2295.6, 12.7));
    assert_eq!(table.notes.len(), 2, "{:?}", table.notes);
    let mut run = Table::default();
    for (test, column, value) in [
        ("pp512 (c4)", Column::E2eTtft, 300.0),
        ("pp512 @ d4096 (c4)", Column::E2eTtft, 2295.6),
        ("tg64 @ d4096 (c4)", Column::TsReq, 10.0),
    ] {
        let mut row = ArenaRow::named(test).unwrap();
        row.columns.insert(column, Spread::reported(value, None));
        run.rows.push(row);
    }
    run.origin.prefix_caching = Some(false);
    let rows = against(&table, &run);
    assert_eq!(of(&rows, "pp512 @ d4096 (c4)", Column::E2eTtft).ratio, Some(1.0));
    assert_eq!(of(&rows, "tg64 @ d4096 (c4)", Column::TsReq).ratio, Some(0.5));
    let summary = TableSummary::of(&rows);
    assert_eq!((summary.within, summary.outside.len()), (1, 1), "{summary:?}");
}

#[test]
fn a_result_of_vllm_bench_serve_at_a_rate_is_refused_in_words() {
    let refused =
        |of: &str, is: &str| read("x", &SERVE.replace(of, is), None).unwrap_err().to_string();
    assert!(refused("\"max_concurrency\": 4", "\"max_concurrency\": null").contains("at a rate"));
    assert!(refused("\"total_input_tokens\"", "\"tokens\"").contains("how long its prompts"));
}

#[test]
fn a_file_of_sparkrun_is_read_by_its_json_or_its_csv() {
    let head = "sparkrun_benchmark:\n  version: '1'\n  benchmark:\n    framework: llama-benchy\n";
    let json = format!(
        "{head}  results:\n    json:\n      model: m\n      benchmarks:\n      - concurrency: 2\n        \
         context_size: 4096\n        prompt_size: 2048\n        is_context_prefill_phase: false\n        \
         pp_throughput:\n          mean: 1.5e3\n          std: 5.\n"
    );
    assert_eq!(tests_of(&json, None), ["pp2048 @ d4096 (c2)"]);
    let rows = line("pp1 (c1)", "5", "1").replace("\r\n", "");
    let csv = format!(
        "{head}  results:\n    json: {{}}\n    csv: |\n      {}\n      {rows}\n",
        HEADER.trim_end()
    );
    assert_eq!(tests_of(&csv, None), ["pp1 (c1)"]);
    let refused = |text: &str| read("x", text, None).unwrap_err().to_string();
    let empty = format!("{head}  results:\n    json: {{}}\n    csv: ''\n");
    assert!(refused(&empty).contains("nothing was measured"), "{}", refused(&empty));
    let other = json.replace("llama-benchy", "tool-eval-bench");
    assert!(refused(&other).contains("`tool-eval-bench`, not of llama-benchy"));
}

/// Returns a table of one stream: test, t/s and est_ppt of each row.
fn timed(rows: &[(&str, f64, f64)]) -> Table {
    let line = |(test, rate, ms): &(&str, f64, f64)| format!("| m | {test} | {rate} | {ms} |\n");
    let head = "| model | test | t/s | est_ppt (ms) |\n|--|--|--|--|\n";
    let text = head.to_owned() + &rows.iter().map(line).collect::<String>();
    read("x", &text, None).unwrap()
}

#[test]
fn a_cold_ladder_is_never_held_against_prompts_behind_a_context_that_the_cache_held() {
    let cold = timed(&[("pp2048 @ d8192", 2_000.0, 5_120.0)]);
    let hit = timed(&[("ctx_pp @ d8192", 2_000.0, 4_096.0), ("pp2048 @ d8192", 1_600.0, 1_280.0)]);
    for (base, candidate) in [(&cold, &hit), (&hit, &cold)] {
        let rows = against(base, candidate);
        for column in [Column::Ts, Column::EstPpt] {
            let row = of(&rows, "pp2048 @ d8192", column);
            assert_eq!((row.ratio, row.honest), (None, None));
            assert!(row.apart.unwrap().contains("context and prompt at once"));
        }
        assert_eq!(TableSummary::of(&rows).word, TableWord::Apart);
    }
    // The cache missed: both read 10,240 tokens in 5.12 s.
    let missed = timed(&[("ctx_pp @ d8192", 2_000.0, 4_096.0), ("pp2048 @ d8192", 400.0, 5_120.0)]);
    let rows = against(&cold, &missed);
    let row = of(&rows, "pp2048 @ d8192", Column::Ts);
    assert_eq!(row.ratio, None, "not 2,000 against 400");
    let honest = row.honest.unwrap();
    assert_eq!((honest.base, honest.candidate), (Some(2_000.0), Some(2_000.0)));
    assert_eq!(of(&rows, "pp2048 @ d8192", Column::EstPpt).ratio, Some(1.0));
    assert_eq!(TableSummary::of(&rows).word, TableWord::Within);
}

#[test]
fn a_rate_without_a_time_behind_a_context_is_held_against_nothing() {
    let text = table_of("| m | pp2048 @ d4096 | 563.47 |\n| m | pp2048 | 537.94 |");
    let untimed = read("x", &text, None).unwrap();
    let rows = against(&untimed, &timed(&[("pp2048 @ d4096", 2_000.0, 3_072.0)]));
    let row = of(&rows, "pp2048 @ d4096", Column::Ts);
    assert_eq!(row.ratio, None);
    assert!(row.apart.unwrap().contains("does not say whether its rate counts the context"));
}

#[test]
fn a_cache_that_held_is_not_called_missed_where_the_time_does_not_grow_with_the_context() {
    let fast = timed(&[
        ("ctx_pp @ d4096", 7_500.0, 546.0),
        ("pp2048 @ d4096", 3_215.0, 637.0),
        ("ctx_pp @ d8192", 10_500.0, 780.0),
        ("pp2048 @ d8192", 3_029.0, 676.0),
    ]);
    let rows = against(&fast, &fast);
    for test in ["pp2048 @ d4096", "pp2048 @ d8192"] {
        let row = of(&rows, test, Column::Ts);
        assert_eq!((row.honest, row.ratio), (None, Some(1.0)), "{test}");
    }
}
