use insta::assert_snapshot;

use super::*;
use crate::shown::each;
use crate::spec::scenario::{Api, Arrivals, Ladder, Prefix};

const PLAIN: &str = "about: A.\nlaps: 4\nworkloads:\n  - ladder: { depths: [0, 4096], prompt: 256, output: 24, concurrency: [1, 2] }\ncontract: { crashes: 0 }\n";

fn source(text: &str) -> SpecFile {
    SpecFile { name: "s".to_owned(), origin: "s.yaml".to_owned(), text: text.to_owned() }
}

fn no_file(name: &str) -> Result<String, Mistake> {
    Err(Mistake::new(format!("no file {name}")))
}

fn scenario(text: &str) -> Scenario {
    read(source(text), &no_file).unwrap_or_else(|mistake| panic!("{mistake}"))
}

fn mistake(text: &str) -> String {
    read(source(text), &no_file).unwrap_err().to_string()
}

fn ladder(scenario: &Scenario) -> &Ladder {
    let Workload::Ladder(ladder) = &scenario.workloads[0];
    ladder
}

#[test]
fn tokens_may_have_a_unit_and_the_number_taken_is_told() {
    let scenario = scenario(&PLAIN.replace("4096", "4k").replace("prompt: 256", "prompt: 0.5k"));
    assert_eq!(
        (ladder(&scenario).depths.as_slice(), ladder(&scenario).prompt),
        (&[0, 4096][..], 512)
    );
    assert_snapshot!(scenario.warnings.join("\n"), @"
        line 4: 4k is 4,096 tokens
        line 4: 0.5k is 512 tokens
    ");
}

#[test]
fn a_benchmark_within_a_recipe_is_a_scenario_and_the_run_keeps_it_alone() {
    let recipe = "model: org/m\nenv: {HF_TOKEN: hf_secret}\nbenchmark:\n  tokenizer: org/m\n  pp: [512]\n  tg: 32\n  \
                  args: {depth: [0, 4096], concurrency: [1, 2], runs: 2}\n";
    let found = scenario(recipe);
    let asked = ladder(&found);
    assert_eq!((asked.depths.as_slice(), asked.prompt, asked.runs), (&[0, 4096][..], 512, 2));
    assert_snapshot!(found.warnings.join("\n"), @"line 4: `tokenizer` of the profile has no meaning here and is left out");
    assert!(!found.source.text.contains("hf_secret"), "{}", found.source.text);
    assert_eq!(scenario(&found.source.text).workloads, found.workloads);
    assert_snapshot!(mistake("model: m\nbenchmark: {framework: spark-arena}\n"), @"
        error: longhaul replays profiles of llama-benchy, not of `spark-arena`
           at: s.yaml:2 benchmark.framework
          try: framework: llama-benchy
    ");
}

#[test]
fn what_is_left_out_has_its_default() {
    let scenario = scenario(PLAIN);
    assert_eq!((scenario.extent, scenario.warmup_laps), (Extent::Laps(4), 1));
    assert_eq!((scenario.reference_laps, scenario.limits), (0, Limits::default()));
    let ladder = ladder(&scenario);
    assert_eq!((ladder.runs, ladder.prefix, ladder.api), (1, Prefix::Cold, Api::Chat));
    assert!(ladder.exact_output && ladder.cap.is_none() && ladder.schedule.is_none());
}

#[test]
fn every_key_is_read() {
    let text = "about: A.\nduration: 4h30m\nwarmup: 2 laps\nreference: 1 lap\nworkloads:\n  - ladder:\n      \
        depths: [0, 8192]\n      prompt: 2048\n      output: 128\n      concurrency: [1, 5]\n      prefix: two_phase\n      \
        runs: 3\n      schedule: [{ depth: 8192, concurrency: 5 }, { depth: 0, concurrency: 1 }]\n      cap: 30s\n      \
        exact_output: false\n      text: [a.txt]\n      api: completions\nlimits: { first_token: 1s, stall: 200ms, answer: 9s, tokens: 1k, frames: 70, bytes: 2MiB, away: 3s, ready: 4s }\n";
    let load = |name: &str| Ok(format!("text of {name}"));
    let scenario = read(source(text), &load).unwrap();
    assert_eq!(scenario.extent, Extent::Duration(Duration::from_secs(16_200)));
    assert_eq!((scenario.warmup_laps, scenario.reference_laps), (2, 1));
    let limits = scenario.limits;
    assert_eq!(
        (limits.stall, limits.answer),
        (Duration::from_millis(200), Some(Duration::from_secs(9)))
    );
    assert_eq!((limits.tokens, limits.frames, limits.bytes), (Some(1024), Some(70), Some(2 << 20)));
    let ladder = ladder(&scenario);
    assert_eq!(ladder.schedule, Some(vec![(8192, 5), (0, 1)]));
    assert_eq!((ladder.prefix, ladder.api, ladder.runs), (Prefix::TwoPhase, Api::Completions, 3));
    assert_eq!(ladder.texts[0].text, "text of a.txt");
    assert_eq!(ladder.cap, Some(Duration::from_secs(30)));
    assert_eq!(scenario.warnings, ["there is no `contract`: nothing must hold"]);
}

#[test]
fn a_ladder_may_be_open_in_place_of_closed_or_beside_it() {
    let beside = scenario(&PLAIN.replace("[1, 2]", "[1], rate: [0.5, 2]"));
    let ladder = ladder(&beside);
    assert_eq!(
        (&ladder.rate[..], ladder.arrivals, ladder.requests),
        (&[0.5, 2.0][..], Arrivals::Poisson, 60)
    );
    let loads: Vec<String> = ladder.loads().map(|load| load.to_string()).collect();
    assert_eq!(loads, ["c1", "r0.5", "r2"]);
    let keys = "rate: [0.05], arrivals: constant, requests: 1024";
    let open = scenario(&PLAIN.replace("concurrency: [1, 2]", keys));
    let Workload::Ladder(ladder) = &open.workloads[0];
    assert!(ladder.concurrency.is_empty());
    assert_eq!((ladder.arrivals, ladder.requests), (Arrivals::Constant, 1024));
}

#[test]
fn a_mistake_says_its_line_its_path_and_what_to_write() {
    let changed = |from: &str, to: &str| {
        assert!(PLAIN.contains(from));
        mistake(&PLAIN.replace(from, to))
    };
    let changes = [
        ("laps: 4", "lasp: 4"),
        ("laps: 4", "duration: 60"),
        ("laps: 4", "duration: 0s"),
        ("laps: 4", "laps: 4\nduration: 1h"),
        ("laps: 4\n", ""),
        ("laps: 4", "laps: 4\nwarmup: 2"),
        ("laps: 4", "laps: 4\nreference: 3 laps"),
        ("laps: 4", "laps: 4\nlaps: 5"),
        ("prompt", "promt"),
        ("ladder:", "leader:"),
        ("[0, 4096]", "[]"),
        ("[0, 4096]", "[0, 4.5]"),
        ("[0, 4096]", "[0, 4kk]"),
        ("[0, 4096]", "[0, 010]"),
        ("[0, 4096]", "[8, 8]"),
        ("[1, 2]", "[0]"),
        ("[1, 2]", "2"),
        ("output: 24", "output: 0"),
        ("output: 24, ", ""),
        ("output: 24", "output: 24, prefix: hot"),
        ("output: 24", "output: 24, exact_output: yes"),
        ("output: 24", "output: 24, cap: 30"),
        ("output: 24", "output: 24, text: [x.txt]"),
        ("output: 24", "output: 24, schedule: [{depth: 7, concurrency: 1}]"),
        ("output: 24", "output: 24, schedule: [{depth: 0}]"),
        ("output: 24", "output: 24, rate: [0]"),
        ("output: 24", "output: 24, rate: [nan]"),
        ("output: 24", "output: 24, rate: [0.5, 0.50]"),
        ("output: 24", "output: 24, rate: 0.5"),
        ("output: 24", "output: 24, rat: [1]"),
        ("output: 24", "output: 24, requests: 9"),
        ("output: 24", "output: 24, rate: [1], requests: 1025"),
        ("output: 24", "output: 24, rate: [1], arrivals: posson"),
        ("output: 24", "output: 24, rate: [1], prefix: two_phase"),
        ("output: 24", "output: 24, rate: [1], schedule: [{depth: 0, concurrency: 1}]"),
        ("output: 24, concurrency: [1, 2]", "output: 24"),
        ("laps: 4", "laps: 4\nlimits: {stall: 5}"),
        ("laps: 4", "laps: 4\nlimits: {stal: 5s}"),
        ("laps: 4", "laps: 4\nlimits: {bytes: 64}"),
        ("laps: 4", "laps: 4\nlimits: {bytes: 0B}"),
        ("laps: 4", "laps: 4\nlimits: {frames: 0}"),
    ];
    assert_snapshot!("refused", each(changes, |(from, to)| changed(from, to)));
    let texts = ["model: m\n", "just text\n", "about: A.\nlaps: 1\nworkloads: []\n"];
    assert_snapshot!("refused.whole", each(texts, |text| mistake(text)));
}

const PROFILE: &str = "framework: llama-benchy\nmetadata: {description: P}\ntimeout: 100\nargs:\n  depth: [0, 4096]\n  pp: [2048, 512]\n  tg: 128\n  concurrency: [1, 10, 1]\n  latency_mode: api\nschedule:\n  - { depth: 4096, concurrency: 10 }\n  - { depth: 0, concurrency: 1 }\n";

#[test]
fn an_arena_profile_is_a_scenario_with_the_defaults_of_its_tools() {
    let scenario = scenario(PROFILE);
    assert_eq!((scenario.extent, scenario.warmup_laps), (Extent::Laps(1), 0));
    assert_eq!((scenario.about.as_str(), scenario.workloads.len()), ("P", 2));
    let ladder = ladder(&scenario);
    assert_eq!((ladder.prompt, ladder.output, ladder.runs), (2048, 128, 3));
    assert_eq!((ladder.prefix, ladder.exact_output), (Prefix::TwoPhase, false));
    assert_eq!(ladder.schedule, Some(vec![(4096, 10), (0, 1)]));
    let gates: Vec<&str> = scenario.contract.gates.iter().map(|gate| gate.text.as_str()).collect();
    assert_eq!(gates, ["crashes: 0", "errors: 0%"]);
    assert_snapshot!(scenario.warnings.join("\n"), @"
        line 3: `timeout` of the profile has no meaning here and is left out
        line 8: 1 stands twice in `concurrency`, and runs once
        line 9: `latency_mode` of the profile has no meaning here and is left out
    ");
}

#[test]
fn an_arena_profile_of_another_tool_or_beyond_its_axes_is_refused() {
    let changes = [
        ("framework: llama-benchy", "framework: vllm-bench"),
        ("concurrency: 10 }", "concurrency: 7 }"),
        ("pp: [2048, 512]", "pp: [0]"),
    ];
    let reported = each(changes, |(from, to)| mistake(&PROFILE.replace(from, to)));
    assert_snapshot!("refused.arena", reported);
}

proptest::proptest! {
    #[test]
    fn no_scenario_makes_it_panic(text in "(laps|workloads|ladder|depths|contract|framework: llama-benchy|ttft|d0|: |\n|  |- |\\[|\\]|\\{|\\}|0|1s|5%|'){0,40}") {
        let _ = read(source(&text), &no_file);
    }
}
