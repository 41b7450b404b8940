//! Tests the words for settings on stories.

use super::*;
use crate::analysis::analyse;
use crate::analysis::fixture::asked;
use crate::engine::Engine;
use crate::fact::{Cell, Load, Phase, Reading, Severity, SignatureMatch, Source, Statement};
use crate::incident::fixture::{Story, group};

/// Returns a recipe of vLLM with some settings.
fn declared(settings: &[(&str, &str)]) -> DeclaredSettings {
    DeclaredSettings {
        engine: Engine::Vllm,
        settings: settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        env: vec!["VLLM_FOO".to_owned()],
        chat: true,
    }
}

/// Returns `word why` of a setting.
fn effect(story: &Story, declared: &DeclaredSettings, setting: &str) -> String {
    let mut asked = asked(&[0]);
    asked.declared = declared.clone();
    let settings = analyse(&asked, story.entries.iter()).settings;
    let found = settings.iter().find(|it| it.setting == setting).expect("it is declared");
    format!("{}: {}", found.word.word(), found.why)
}

fn said(signature: &str, line: &str) -> Fact {
    let (signature, line) = (signature.to_owned(), line.to_owned());
    Fact::Said(SignatureMatch {
        source: Source::Process,
        signature,
        severity: Severity::Info,
        line,
        whose: None,
    })
}

/// Returns a soak whose server's log lists these arguments.
fn started(arguments: &str) -> Story {
    let mut story = Story::soaking();
    story.push(10.0, said("engine_arguments", &format!("INFO non-default args: {{{arguments}}}")));
    story
}

/// Adds readings of output tokens and, where there are any, of drafts.
fn wrote(story: &mut Story, drafts: Option<[f64; 2]>) {
    for (nth, tokens) in [100.0, 5_100.0].into_iter().enumerate() {
        let second = 20.0 + nth as f64 * 10.0;
        story.reading(second, Source::Engine, "generation_tokens_total", tokens);
        if let Some(drafts) = drafts {
            story.reading(second, Source::Engine, "draft_tokens_total", drafts[nth]);
        }
    }
}

const MTP: (&str, &str) =
    ("speculative_config", r#"{"method": "mtp", "num_speculative_tokens": 1}"#);

#[test]
fn an_argument_that_was_taken_is_in_effect_and_another_or_none_is_not() {
    let recipe = declared(&[
        ("max_num_seqs", "4"),
        ("reasoning_parser", "super_v3"),
        ("dtype", "auto"),
        ("frobnicate", "1"),
    ]);
    let story = started("'max_num_seqs': 4, 'reasoning_parser': 'super_v3'");
    let of = |story: &Story, setting: &str| effect(story, &recipe, setting);
    assert_eq!(of(&story, "max_num_seqs"), "in effect by its arguments: its arguments: 4");
    assert_eq!(of(&story, "dtype"), "in effect by its arguments: its default");
    assert_eq!(of(&story, "frobnicate"), "not seen: nothing that is read tells of it");
    let story = started("'max_num_seqs': 16");
    assert_eq!(of(&story, "max_num_seqs"), "not in effect: its arguments: 16");
    assert_eq!(of(&story, "reasoning_parser"), "not in effect: not among its arguments");
    let blind = Story::soaking();
    assert_eq!(of(&blind, "max_num_seqs"), "not seen: the log of the server's start was not read");
}

#[test]
fn a_number_of_slots_that_the_load_did_not_reach_is_in_effect_by_the_arguments_alone() {
    let recipe = declared(&[("max_num_seqs", "4")]);
    let mut story = started("'max_num_seqs': 4");
    story.reading(20.0, Source::Engine, "running_requests", 2.0);
    let expected = "in effect by its arguments: its arguments: 4; at most 2 requests ran at once";
    assert_eq!(effect(&story, &recipe, "max_num_seqs"), expected);
}

#[test]
fn a_run_that_kept_no_settings_has_none() {
    let story = started("'max_num_seqs': 16");
    assert!(analyse(&asked(&[0]), story.entries.iter()).settings.is_empty());
}

#[test]
fn drafts_that_are_counted_and_do_not_grow_or_are_not_counted_are_none() {
    let recipe = declared(&[MTP]);
    let of = |drafts| {
        let mut story = Story::soaking();
        wrote(&mut story, drafts);
        effect(&story, &recipe, MTP.0)
    };
    assert_eq!(of(Some([10.0, 4_010.0])), "in effect: drafted 4,000 tokens under load");
    assert_eq!(of(Some([0.0, 0.0])), "not in effect: drafted no token while it wrote 5,000");
    assert_eq!(of(None), "not in effect: its metrics count no drafts, while it wrote 5,000 tokens");
    let fields = [
        ("speculative_config.method", "ngram"),
        ("speculative_config.num_speculative_tokens", "3"),
    ];
    let mut story = Story::soaking();
    wrote(&mut story, Some([0.0, 0.0]));
    assert!(effect(&story, &declared(&fields), fields[1].0).starts_with("not seen"));
    let ngram = declared(&[("speculative_config", r#"{"method": "ngram"}"#)]);
    let mut story = Story::soaking();
    wrote(&mut story, Some([0.0, 0.0]));
    assert!(
        effect(&story, &ngram, MTP.0).starts_with("not seen"),
        "no text may have repeated itself"
    );
}

#[test]
fn another_number_of_drafts_is_not_in_effect_although_it_drafts() {
    let recipe = declared(&[MTP]);
    let mut story = Story::soaking();
    story.push(10.0, said("engine_begins", "engine (v0.29.0) with config: speculative_config=SpeculativeConfig(method='mtp', model='/m', num_spec_tokens=3), seed=0"));
    wrote(&mut story, Some([0.0, 900.0]));
    assert!(effect(&story, &recipe, MTP.0).starts_with("not in effect: its log"));
}

#[test]
fn behaviour_goes_before_what_the_server_was_given() {
    let recipe = declared(&[MTP]);
    let mut story = started("'speculative_config': {'method': 'mtp', 'num_speculative_tokens': 1}");
    assert!(effect(&story, &recipe, MTP.0).starts_with("in effect"));
    wrote(&mut story, None);
    assert!(effect(&story, &recipe, MTP.0).starts_with("not in effect"));
}

#[test]
fn reasoning_that_stands_in_the_content_or_never_comes_shows_that_no_parser_is_at_work() {
    let of = |parser: &str, n: u32, content_us: Option<u64>, check: Option<&str>| {
        let mut story = Story::soaking();
        for entry in &mut story.entries {
            if let Fact::Request(warm_up) = &mut entry.fact {
                warm_up.answer = None;
            }
        }
        for nth in 0..n {
            let second = 10.0 + f64::from(nth) * 2.0;
            let mut request = story.request(second, 0);
            request.ttft_content_us = content_us;
            request.answer = Some("0a0b0c0d".to_owned());
            request.checks = check.iter().map(|check| (*check).to_owned()).collect();
            story.push(second + 1.0, Fact::Request(Box::new(request)));
        }
        effect(&story, &declared(&[("reasoning_parser", parser)]), "reasoning_parser")
    };
    let apart = "in effect: 30 of 30 answers have reasoning apart from their content";
    assert_eq!(of("qwen3", 30, None, None), apart);
    assert_eq!(of("qwen3", 30, Some(900_000), None), apart);
    let marked = "not in effect: `<think>` stands in the content of 30 of 30 answers";
    assert_eq!(of("qwen3", 30, Some(400_000), Some("think_marks")), marked);
    let silent = "not in effect: none of 30 answers has reasoning apart from its content";
    assert_eq!(of("super_v3", 30, Some(400_000), None), silent);
    let open = "not seen: none of 30 answers has reasoning";
    assert_eq!(of("qwen3", 30, Some(400_000), None), open, "this model may not reason");
    assert_eq!(of("super_v3", 5, Some(400_000), None), "not seen: none of 5 answers has reasoning");
}

/// Adds rounds of several streams at which these ran while others waited.
fn rounds(story: &mut Story, streams: u32, running: f64, waiting: f64, kv: f64, output: u64) {
    for lap in 0..4u32 {
        let from = 20.0 + f64::from(lap) * 60.0;
        for look in 0..3u32 {
            let second = from + 10.0 + f64::from(look) * 10.0;
            for (name, value) in [
                ("kv_usage_share", kv),
                ("running_requests", running),
                ("waiting_requests", waiting),
            ] {
                let reading = Reading::single(Source::Engine, name, value);
                story.push(second, Fact::Reading(reading));
            }
        }
        let mut group = group(0);
        let cell = Cell { load: Load::Streams(streams), output, ..group.cell.expect("a ladder") };
        group.cell = Some(cell);
        let begun = crate::fact::Batch::begun(Phase::Soak, group, Story::at(from));
        story.push(from + 50.0, Fact::Batch(begun));
    }
}

#[test]
fn the_most_that_ran_at_once_tells_only_while_others_waited_for_nothing_else() {
    let of = |max: &str, streams, running, waiting, kv, output| {
        let mut story = Story::soaking();
        rounds(&mut story, streams, running, waiting, kv, output);
        effect(&story, &declared(&[("max_num_seqs", max)]), "max_num_seqs")
    };
    assert_eq!(of("4", 10, 9.0, 1.0, 0.1, 128), "not in effect: 9 requests ran at once");
    assert_eq!(
        of("16", 10, 2.0, 8.0, 0.1, 128),
        "not in effect: at most 2 ran at once, while others waited at 12 looks"
    );
    assert_eq!(
        of("4", 10, 4.0, 6.0, 0.1, 128),
        "in effect: 4 ran at once at 12 looks while others waited, never more"
    );
    let open = "not seen: at most 2 requests ran at once";
    assert_eq!(of("16", 2, 2.0, 0.0, 0.1, 128), open, "nobody waited");
    assert_eq!(of("16", 10, 2.0, 8.0, 0.7, 128), open, "a third may not have fitted the cache");
    assert_eq!(
        of("16", 10, 2.0, 8.0, 0.1, 4),
        open,
        "an answer may be over before the next begins"
    );
}

#[test]
fn a_label_and_a_chosen_kernel_are_held_against_the_recipe() {
    let recipe = declared(&[("kv_cache_dtype", "fp8"), ("moe_backend", "marlin")]);
    let mut story = Story::soaking();
    let seen = |value: &str| Fact::Seen(Statement::plain("kv_cache_dtype", value.to_owned()));
    story.push(9.0, seen("auto"));
    assert_eq!(effect(&story, &recipe, "kv_cache_dtype"), "not in effect: its metrics: auto");
    story.push(9.5, seen("fp8_e4m3"));
    assert_eq!(effect(&story, &recipe, "kv_cache_dtype"), "in effect: its metrics: fp8_e4m3");
    let uses = |kernel: &str| {
        said(
            "moe_backend",
            &format!("INFO Using {kernel} MoE backend out of potential backends: []"),
        )
    };
    story.push(10.0, uses("TRITON Unquantized"));
    assert!(effect(&story, &recipe, "moe_backend").starts_with("not in effect"));
    story.push(11.0, uses("'MARLIN' NvFp4"));
    assert!(
        effect(&story, &recipe, "moe_backend").starts_with("in effect"),
        "the drafter has another"
    );
}

#[test]
fn a_variable_that_the_server_does_not_know_is_not_in_effect() {
    let recipe = declared(&[]);
    let mut story = started("'port': 1");
    assert!(effect(&story, &recipe, "env.VLLM_FOO").starts_with("not seen"));
    story.push(
        11.0,
        said("env_unknown", "WARNING Unknown vLLM environment variable detected: VLLM_BAR"),
    );
    assert!(effect(&story, &recipe, "env.VLLM_FOO").starts_with("not seen"));
    story.push(
        11.0,
        said("env_unknown", "WARNING Unknown vLLM environment variable detected: VLLM_FOO"),
    );
    let expected = "not in effect: the server's log calls it unknown";
    assert_eq!(effect(&story, &recipe, "env.VLLM_FOO"), expected);
}

#[test]
fn a_server_that_starts_again_without_a_setting_is_told_by_its_last_start() {
    let recipe = declared(&[("reasoning_parser", "super_v3")]);
    let mut story = started("'reasoning_parser': 'super_v3'");
    story.push(50.0, said("engine_arguments", "INFO non-default args: {'port': 8000}"));
    assert!(effect(&story, &recipe, "reasoning_parser").starts_with("not in effect"));
}
