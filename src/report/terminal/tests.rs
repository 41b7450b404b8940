//! Tests the terminal report of hand-built runs.

use insta::assert_snapshot;

use super::*;
use crate::analysis::fixture::{asked, gate};
use crate::analysis::{RunDescription, analyse};
use crate::fact::{ClosedBecause, Ended, Fact, Load, Statement};
use crate::incident::fixture::Story;
use crate::report::json;
use crate::spec::{Contract, Limit};
use crate::verdict::judge;

fn written(asked: &RunDescription, story: &Story, options: TerminalOptions) -> String {
    let analysis = analyse(asked, story.entries.iter());
    let verdict = judge(&asked.contract, &analysis);
    render(&Page::new(asked, &analysis, &verdict), options).printed(str::to_owned)
}

fn wide() -> TerminalOptions {
    TerminalOptions { wide: true, ..TerminalOptions::default() }
}

fn contract(names: &[(&str, f64)]) -> Contract {
    let gates = names.iter().map(|(name, limit)| {
        let text = format!("{name}: {limit}");
        crate::spec::Gate { text, ..gate(name, Limit::AtMost(*limit)) }
    });
    Contract { gates: gates.collect() }
}

fn fits(text: &str) {
    assert!(text.lines().count() <= LINES_MAX, "{} lines:\n{text}", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn an_open_loop_has_a_row_for_each_rate_and_the_wide_report_its_lateness() {
    let mut asked = asked(&[0, 4096]);
    let open = |depth, rate| crate::fact::Cell {
        load: Load::PerSecond(rate),
        ..crate::incident::fixture::cell(depth)
    };
    asked.cells.extend([open(4096, 0.5), open(4096, 2.0)]);
    let mut story = Story::soaking();
    story.goods(10.0, 3, 0).goods(20.0, 4, 4096);
    for (rate, late_us) in [(0.5, 1_000), (2.0, 30_000)] {
        for second in 0..60 {
            let mut request = story.request(100.0 + f64::from(second), 4096);
            request.cell = open(4096, rate);
            request.due = crate::unit::At(request.sent.0 - late_us);
            story.push(161.0, Fact::Request(Box::new(request)));
        }
    }
    story.closed(170.0, ClosedBecause::Done);
    let text = written(&asked, &story, TerminalOptions::default());
    fits(&text);
    assert_snapshot!("open_loop", text);
    assert_snapshot!("open_loop.wide", written(&asked, &story, wide()));
}

#[test]
fn turns_whose_depth_grows_have_one_row_in_every_table_and_no_cell() {
    let mut story = Story::soaking();
    story.goods(10.0, 3, 0).turns(20.0, 5).closed(40.0, ClosedBecause::Done);
    let asked = asked(&[0]);
    assert_snapshot!("turns.wide", written(&asked, &story, wide()));
    let analysis = analyse(&asked, story.entries.iter());
    let verdict = judge(&asked.contract, &analysis);
    let text = json::render(&Page::new(&asked, &analysis, &verdict), false).text().to_owned();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of_chat = |row: &&serde_json::Value| row["workload"] == "chat";
    let cells: Vec<_> = value["cells"].as_array().unwrap().iter().filter(of_chat).collect();
    assert_eq!(cells.len(), 1);
    assert_eq!(
        (&cells[0]["cell"], &cells[0]["class"]),
        (&serde_json::Value::Null, &"follow".into())
    );
}

/// Returns nine depths, five incidents, twelve gates that fail or are inconclusive, long names.
pub(in crate::report) fn worst() -> (RunDescription, Story) {
    let depths = [0, 4096, 8192, 16_384, 32_768, 65_535, 100_000, 131_072, 262_144];
    let mut asked = asked(&depths);
    asked.recipe = "a-recipe-with-a-rather-long-name-\u{1b}[31mand-colour".to_owned();
    asked.warnings = vec!["concurrency 10 is over the server's max_num_seqs of 4".to_owned(); 9];
    asked.again.push_str(&" --depths 0,4096,8192,16384".repeat(9));
    asked.contract = contract(&[
        ("crashes", 0.0),
        ("ooms", 0.0),
        ("restarts", 0.0),
        ("hangs", 0.0),
        ("outages", 0.0),
        ("errors", 0.001),
        ("ttft_p95", 2.0),
        ("ttft_p99", 2.0),
        ("tpot_p95", 0.001),
        ("tpot_p99", 2.0),
        ("e2e", 0.1),
        ("off_depth", 0.0),
    ]);
    let mut story = Story::soaking();
    let seen = Statement {
        subject: "model\u{7}".to_owned(),
        declared: Some("x".repeat(300)),
        seen: "y\n".repeat(300),
        differs: true,
        note: String::new(),
    };
    story.push(10.0, Fact::Seen(seen));
    for (index, depth) in depths.iter().enumerate() {
        let start = 10.0 + f64::from(index as u32) * 200.0;
        story.goods(start, 61, *depth);
        let broken = index < 5;
        if broken {
            let error = "CUDA out of memory. \u{1b}[2J Tried to allocate ".repeat(9);
            story.bad(start + 128.0, *depth, Ended::ErrorFrame, &error);
            story.bad(start + 129.0, *depth, Ended::Refused, "refused\r\n");
        }
        for probe in 13..20 {
            story.up(start + f64::from(probe) * 10.0, !broken || probe > 17);
        }
    }
    story.closed(1811.0, ClosedBecause::Away);
    (asked, story)
}

#[test]
fn the_worst_run_fits_a_screen_and_obeys_no_foreign_character() {
    let (asked, story) = worst();
    let text = written(&asked, &story, TerminalOptions::default());
    fits(&text);
    assert_snapshot!("worst", text);
    let wide = written(&asked, &story, wide());
    assert_snapshot!("worst.wide", wide);
    assert!(wide.chars().all(|character| character == '\n' || !character.is_control()));
}

#[test]
fn every_output_of_a_simulated_run_says_so_and_no_other_does() {
    let (mut asked, mut story) = worst();
    for simulated in [true, false] {
        asked.simulated = simulated;
        if let Fact::Opened(opened) = &mut story.entries[0].fact {
            opened.simulated = simulated;
        }
        let analysis = analyse(&asked, story.entries.iter());
        let verdict = judge(&asked.contract, &analysis);
        let json = json::render(&Page::new(&asked, &analysis, &verdict), false).text().to_owned();
        let mut progress = crate::report::StatusLine::new(asked.extent);
        story.entries.iter().for_each(|entry| progress.fold(entry));
        assert_eq!(written(&asked, &story, wide()).contains("SIMULATED"), simulated);
        assert_eq!(json.contains("\"simulated\": true"), simulated);
        assert_eq!(progress.line(Story::at(2000.0), 80).contains("SIMULATED"), simulated);
    }
}

#[test]
fn colour_only_repeats_the_words() {
    let (asked, story) = worst();
    let plain = written(&asked, &story, TerminalOptions::default());
    let coloured =
        written(&asked, &story, TerminalOptions { colour: true, ..TerminalOptions::default() });
    let heading = coloured.lines().next().unwrap_or_default().replace('\u{1b}', "ESC");
    assert_snapshot!(heading, @"SIMULATED ESC[1;31mFAILESC[0m  a-recipe-with-a-rather-long-nam… · smoke · 25 m 06 s under load");
    let stripped = ["\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;33m", "\u{1b}[0m"]
        .iter()
        .fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(stripped, plain);
}

#[test]
fn a_run_in_which_nothing_happened_is_told_too() {
    let mut story = Story::new();
    story.opened().closed(3.0, ClosedBecause::NeverAnswered);
    let text = written(&asked(&[0]), &story, TerminalOptions::default());
    fits(&text);
    assert_snapshot!("nothing_happened", text);
}

#[test]
fn the_json_is_the_same_every_time_and_can_be_read() {
    let (asked, story) = worst();
    let json = || {
        let analysis = analyse(&asked, story.entries.iter());
        let verdict = judge(&asked.contract, &analysis);
        json::render(&Page::new(&asked, &analysis, &verdict), false).text().to_owned()
    };
    assert_eq!(json(), json());
    assert_snapshot!("worst.json", json());
    assert!(serde_json::from_str::<serde_json::Value>(&json()).is_ok());
}

#[test]
fn an_incident_names_its_cause_whole_before_what_shows_it() {
    let mut asked = asked(&[0, 4096]);
    asked.contract = contract(&[("crashes", 0.0)]);
    let exited = |line: &str| {
        Fact::Target(crate::fact::TargetFact::new(crate::fact::TargetWord::Exited, line))
    };
    let mut story = Story::soaking();
    story.goods(10.0, 5, 4096).push(20.0, exited("killed by signal 9, seen by its parent"));
    story.bad(20.0, 4096, Ended::Truncated, "unexpected EOF").up(21.0, false).up(31.0, false);
    story.up(80.0, true).goods(82.0, 5, 4096).closed(250.0, ClosedBecause::Done);
    let text = written(&asked, &story, TerminalOptions::default());
    fits(&text);
    assert_snapshot!("incident", text);
    // Many incidents have one line each, with the cause first there too.
    let analysis = analyse(&asked, story.entries.iter());
    let verdict = judge(&asked.contract, &analysis);
    let page = Page::new(&asked, &analysis, &verdict);
    assert_snapshot!(incident_lines(&page.incidents[0], 60, 1).join("\n"), @"03:48:01 likely the engine died; back in 1 m 03 s");
}

#[test]
fn a_setting_that_is_not_in_effect_has_its_reason_or_its_name_however_many_there_are() {
    const INDENT: &str = "             ";
    let long = r#"{"method": "mtp", "num_speculative_tokens": 1, "moe_backend": "triton"}"#;
    let setting = |name: &str, declared: &str| crate::analysis::SettingEffect {
        setting: name.to_owned(),
        declared: Some(declared.to_owned()),
        word: crate::analysis::EffectWord::NotInEffect,
        why: "its log: it runs with None".to_owned(),
        evidence: Vec::new(),
    };
    let all = [
        setting("speculative_config", long),
        setting("kv_cache_dtype", "fp8"),
        setting("quantization", "fp4"),
        setting("max_num_seqs", "8"),
        setting("enforce_eager", "true"),
    ];
    let mut story = Story::soaking();
    story.goods(10.0, 3, 0).closed(40.0, ClosedBecause::Done);
    let asked = asked(&[0]);
    let mut shown = String::new();
    for n in [1, 3, 5] {
        let mut analysis = analyse(&asked, story.entries.iter());
        analysis.settings = all[..n].to_vec();
        let verdict = judge(&asked.contract, &analysis);
        let text = render(&Page::new(&asked, &analysis, &verdict), TerminalOptions::default())
            .text()
            .to_owned();
        fits(&text);
        let is_of_recipe = |line: &&str| line.starts_with("  recipe") || line.starts_with(INDENT);
        let recipe = text.lines().skip_while(|line| !line.starts_with("  recipe"));
        shown.extend(recipe.take_while(is_of_recipe).map(|line| format!("{line}\n")));
    }
    assert_snapshot!(shown, @r"
      recipe     settings: 1 not in effect
                 speculative_config is not in effect: its log: it runs with None
      recipe     settings: 3 not in effect
                 speculative_config is not in effect: its log: it runs with None
                 kv_cache_dtype fp8 is not in effect: its log: it runs with None
                 quantization fp4 is not in effect: its log: it runs with None
      recipe     settings: 5 not in effect
                 speculative_config is not in effect: its log: it runs with None
                 kv_cache_dtype fp8 is not in effect: its log: it runs with None
                 3 more: quantization, max_num_seqs, enforce_eager
    ");
}

#[test]
fn where_room_is_short_the_ends_one_stream_and_broken_gates_have_a_row() {
    let depths = [0, 1_024, 2_048, 4_096, 8_192, 16_384];
    let mut asked = asked(&depths);
    let wide = |depth| crate::fact::Cell {
        load: Load::Streams(4),
        ..crate::incident::fixture::cell(depth)
    };
    asked.cells.extend(depths.map(wide));
    asked.contract = contract(&[("ttft_p95", 0.000_001)]);
    asked.contract.gates[0].select.depth = Some(2_048);
    asked.contract.gates[0].select.load = Some(Load::Streams(4));
    let mut story = Story::soaking();
    for depth in depths {
        story.goods(10.0, 60, depth);
        for second in 0..60 {
            let mut request = story.request(100.0 + f64::from(second), depth);
            request.cell = wide(depth);
            story.push(161.0, Fact::Request(Box::new(request)));
        }
    }
    story.closed(170.0, ClosedBecause::Done);
    let analysis = analyse(&asked, story.entries.iter());
    let verdict = judge(&asked.contract, &analysis);
    let page = Page::new(&asked, &analysis, &verdict);
    let names = |room| -> Vec<String> {
        let lines = telling(&page.depths, room).into_iter();
        lines.map(|line| line.split("  ").nth(1).unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(1), [""; 0]);
    assert_eq!(names(4), ["12 cells: --wide"], "never a heading alone");
    assert_snapshot!(names(9).join(" | "), @"cell | d0 c1 | d0 c4 | d1024 c1 | d2048 c4 | d16384 c1 | d16384 c4 | … 6 more cells: --wide");
    assert_snapshot!(names(24).join(" | "), @"cell | d0 c1 | d0 c4 | d1024 c1 | d2048 c1 | d2048 c4 | d4096 c1 | d16384 c1 | d16384 c4 | … 4 more cells: --wide");
}
