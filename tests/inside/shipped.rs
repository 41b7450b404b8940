//! Tests that every shipped file loads, states its purpose in one sentence, and keeps its promises
//! at the rates of the shipped machine profile.

#![allow(clippy::expect_used, clippy::panic)] // a test file, its helpers too

use insta::assert_snapshot;
use longhaul::digest::sha256;
use longhaul::error::Mistake;
use longhaul::fact::{Load, Phase};
use longhaul::measure::Statistic;
use longhaul::plan::{Ask, Bounds, Fit, Input, Message, Plan, RoundPosition, Slot};
use longhaul::spec::recipe::ReadOptions;
use longhaul::spec::recipe::pins::{Grade, pins};
use longhaul::spec::scenario::Ladder;
use longhaul::spec::shipped::{self, FileKind};
use longhaul::spec::{Extent, Profile, Recipe, Scenario, SpecFile, TrendBlocks, Workload};
use longhaul::spec::{profile, recipe, scenario};
use longhaul::unit::At;

fn no_file(name: &str) -> Result<String, Mistake> {
    Err(Mistake::new(format!("{name} is not shipped")))
}

fn source(kind: FileKind, name: &str) -> SpecFile {
    shipped::shipped(kind, name).expect("shipped")
}

fn read_scenario(name: &str) -> Scenario {
    scenario::read(source(FileKind::Scenario, name), &no_file).unwrap_or_else(|e| panic!("{e}"))
}

fn read_recipe(name: &str) -> Recipe {
    recipe::read(source(FileKind::Recipe, name)).unwrap_or_else(|e| panic!("{e}"))
}

fn spark() -> Profile {
    let source = source(FileKind::Profile, "dgx-spark-nemotron-3-super");
    profile::read(source).unwrap_or_else(|e| panic!("{e}"))
}

fn ladders(scenario: &Scenario) -> Vec<&Ladder> {
    scenario.workloads.iter().map(|Workload::Ladder(ladder)| ladder).collect()
}

/// Prefills go one after the other, then all streams decode together.
fn round_seconds(profile: &Profile, ladder: &Ladder, depth: u64, streams: u32) -> f64 {
    f64::from(streams) * profile.prefill_seconds(depth + ladder.prompt)
        + ladder.output as f64 * profile.decode_seconds(depth, streams)
}

fn lap_seconds(profile: &Profile, scenario: &Scenario) -> f64 {
    let mut seconds = 0.0;
    for ladder in ladders(scenario) {
        for depth in &ladder.depths {
            for streams in &ladder.concurrency {
                seconds += ladder.runs as f64 * round_seconds(profile, ladder, *depth, *streams);
            }
        }
    }
    seconds
}

fn hours(scenario: &Scenario) -> f64 {
    match scenario.extent {
        Extent::Duration(duration) => duration.as_secs_f64() / 3600.0,
        Extent::Laps(_) => panic!("{} has no duration", scenario.source.name),
    }
}

#[test]
fn every_shipped_file_says_in_one_sentence_what_it_is_for() {
    let mut abouts = Vec::new();
    abouts.extend(shipped::names(FileKind::Recipe).map(|name| read_recipe(name).about));
    abouts.extend(shipped::names(FileKind::Scenario).map(|name| read_scenario(name).about));
    abouts.push(spark().about);
    assert!(abouts.len() >= 9);
    for about in abouts {
        assert!(about.len() > 30 && about.ends_with('.'), "{about}");
        assert!(!about.contains(". ") && !about.contains('\n'), "{about}");
    }
}

#[test]
fn shipped_files_give_no_warnings_and_the_recipe_names_a_shipped_profile() {
    for name in shipped::names(FileKind::Scenario) {
        assert_eq!(read_scenario(name).warnings, Vec::<String>::new(), "{name}");
    }
    for name in shipped::names(FileKind::Recipe) {
        let recipe = read_recipe(name);
        assert_eq!((recipe.warnings, recipe.unknown), (Vec::new(), Vec::new()), "{name}");
        assert!(
            recipe.profile.is_none_or(|profile| shipped::profile(&profile).is_some()),
            "{name}"
        );
    }
    assert!(read_recipe(shipped::RECIPE).profile.is_some());
}

/// All settings of a recipe, in the order of their names.
type Settings = &'static [(&'static str, &'static str)];

/// The record, setting by setting; prefix caching is not among them.
const RECORD: Settings = &[
    ("async_scheduling", "true"),
    ("dtype", "auto"),
    ("enable_auto_tool_choice", "true"),
    ("enable_chunked_prefill", "true"),
    ("gpu_memory_utilization", "0.75"),
    ("host", "0.0.0.0"),
    ("kv_cache_dtype", "fp8"),
    ("mamba_ssm_cache_dtype", "float32"),
    ("max_model_len", "131072"),
    ("max_num_batched_tokens", "16384"),
    ("max_num_seqs", "4"),
    ("moe_backend", "marlin"),
    ("port", "8000"),
    ("quantization", "fp4"),
    ("reasoning_parser", "super_v3"),
    ("reasoning_parser_plugin", "/plugins/super_v3_reasoning_parser.py"),
    ("served_model_name", "Cogni-Brain"),
    (
        "speculative_config",
        "{\"method\": \"mtp\", \"num_speculative_tokens\": 1, \"moe_backend\": \"triton\"}",
    ),
    ("tensor_parallel_size", "1"),
    ("tool_call_parser", "qwen3_coder"),
    ("trust_remote_code", "true"),
];

const NANO: Settings = &[
    ("enable_auto_tool_choice", "true"),
    ("enable_prefix_caching", "true"),
    ("gpu_memory_utilization", "0.7"),
    ("host", "0.0.0.0"),
    ("kv_cache_dtype", "fp8"),
    ("load_format", "fastsafetensors"),
    ("max_model_len", "262144"),
    ("moe_backend", "cutlass"),
    ("port", "8000"),
    ("reasoning_parser", "nano_v3"),
    ("reasoning_parser_plugin", "nano_v3_reasoning_parser.py"),
    ("tool_call_parser", "qwen3_coder"),
    ("trust_remote_code", "true"),
];

const LLAMA_CPP: Settings = &[
    ("flash_attn", "on"),
    ("host", "0.0.0.0"),
    ("jinja", "true"),
    ("max_model_len", "8192"),
    ("metrics", "true"),
    ("model", "Qwen/Qwen3-1.7B-GGUF:Q8_0"),
    ("n_gpu_layers", "99"),
    ("port", "8000"),
    ("webui", "false"),
];

const SGLANG: Settings = &[
    ("allow_auto_truncate", "true"),
    ("attention_backend", "flashinfer"),
    ("block_size", "64"),
    ("cuda_graph_bs", "1 2 3 4 5 6 7 8 10 12 14 16"),
    ("cuda_graph_bs_decode", "1 2 3 4 5 6 7 8 10 12 14 16"),
    ("disable_prefill_cuda_graph", "true"),
    ("enable_cache_report", "true"),
    ("enable_metrics", "true"),
    ("fp4_gemm_backend", "flashinfer_cutlass"),
    ("gpu_memory_utilization", "0.78"),
    ("host", "0.0.0.0"),
    ("mamba_radix_cache_strategy", "extra_buffer"),
    ("mamba_ssm_cache_dtype", "bfloat16"),
    ("mamba_track_interval", "64"),
    ("max_mamba_cache_size", "97"),
    ("max_model_len", "262144"),
    ("max_num_batched_tokens", "4096"),
    ("max_num_seqs", "16"),
    ("model", "RadixArk/Qwen3.8-Flash-Next-NVFP4"),
    ("ple_offload_embedding", "true"),
    ("port", "8000"),
    ("quantization", "modelopt_fp4"),
    ("reasoning_parser", "auto"),
    ("revision", "7b719225242aacd3dbd3f9407468c2ee9a9d2594"),
    ("served_model_name", "Qwen3.8-Flash-Next-NVFP4"),
    ("speculative_algorithm", "NEXTN"),
    ("speculative_attention_mode", "decode"),
    ("speculative_eagle_topk", "1"),
    ("speculative_num_draft_tokens", "4"),
    ("speculative_num_steps", "3"),
    ("tensor_parallel_size", "2"),
    ("tool_call_parser", "auto"),
    ("trust_remote_code", "true"),
];

const ATTACH: Settings = &[
    ("enable_prefix_caching", "false"),
    ("max_num_seqs", "4"),
    ("reasoning_parser", "nemotron_v3"),
    ("tool_call_parser", "qwen3_coder"),
];

/// A recipe, the runtime it names, the grade of its image, what floats, and its settings.
type Shipped = (&'static str, &'static str, Grade, usize, Settings);

const RECIPES: [Shipped; 5] = [
    ("nemotron-3-super", "vllm", Grade::Pinned, 3, RECORD),
    ("nemotron-3-nano", "vllm", Grade::Dated, 4, NANO),
    ("llama-cpp-qwen3-1.7b", "llama-cpp", Grade::Dated, 1, LLAMA_CPP),
    ("sglang-qwen3.8-flash-next", "sglang", Grade::Pinned, 1, SGLANG),
    ("attach-nemotron-3-super", "attach", Grade::Dated, 1, ATTACH),
];

#[test]
fn every_shipped_recipe_loads_renders_plans_and_is_graded() {
    assert!(shipped::names(FileKind::Recipe).eq(RECIPES.iter().map(|(name, ..)| *name)));
    for (name, runtime, grade, floating, settings) in RECIPES {
        let source = source(FileKind::Recipe, name);
        let reading = recipe::read_as(&source, &ReadOptions::default(), &|_| Ok(None))
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(reading.recipe.runtime, runtime, "{name}");
        assert_eq!(reading.recipe.command.is_some(), runtime != "attach", "{name}");
        let said = reading.recipe.settings.iter();
        let said: Vec<(&str, &str)> =
            said.map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(said, settings, "{name}");
        let pins = pins(&reading);
        assert_eq!(
            (pins.grade, pins.floating()),
            (grade, floating),
            "{name}: {:#?}",
            pins.findings
        );
        for key in ["  hardware: ", "  source: "] {
            assert!(source.text.lines().any(|line| line.starts_with(key)), "{name}: {key}");
        }
        let max_model_len = reading.recipe.whole("max_model_len");
        let bounds = Bounds { max_model_len, ..Bounds::default() };
        Plan::new(&read_scenario("smoke"), 1, bounds).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn the_version_that_a_shipped_recipe_notes_is_what_runs_compare() {
    let version = |name: &str| read_recipe(name).runtime_version.unwrap_or_default();
    assert_eq!(version("nemotron-3-super"), "0.19.2rc1.dev134+gfe9c3d6c5");
    assert_eq!(version("nemotron-3-nano"), "0.26.1rc1.dev1105+g040700aaa.d20260822");
    assert_eq!(version("attach-nemotron-3-super"), "0.20.1+7124b12a.dev");
}

#[test]
fn the_record_keeps_what_its_format_has_no_key_for() {
    let reading = recipe::read_as(
        &source(FileKind::Recipe, shipped::RECIPE),
        &ReadOptions::default(),
        &|_| Ok(None),
    )
    .unwrap_or_else(|e| panic!("{e}"));
    let other = |key: &str| {
        let found = reading.others.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    assert_snapshot!("executor_config", other("executor_config"));
    assert_snapshot!("metadata", other("metadata"));
    let env: Vec<String> =
        reading.recipe.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        env,
        [
            "VLLM_NVFP4_GEMM_BACKEND=marlin",
            "VLLM_USE_FLASHINFER_MOE_FP4=0",
            "VLLM_ALLOW_LONG_MAX_MODEL_LEN=1",
            "HF_HUB_OFFLINE=1"
        ]
    );
}

#[test]
fn the_recipe_is_the_record() {
    let recipe = read_recipe(shipped::RECIPE);
    assert_eq!(recipe.switch("enable_prefix_caching"), None);
    let speculative =
        "{\"method\": \"mtp\", \"num_speculative_tokens\": 1, \"moe_backend\": \"triton\"}";
    assert_eq!(recipe.settings["speculative_config"], speculative);
    assert_eq!(recipe.served, ["Cogni-Brain"]);
    assert_eq!(recipe.env.len(), 4);
    let image =
        "vllm/vllm-openai@sha256:3dbe092ec5b2cef63b6104d33fa75d6ce53a7870962529ada69f78bbbc38e776";
    assert_eq!(recipe.container.as_deref(), Some(image));
    let command = recipe.command.expect("rendered");
    assert_snapshot!("command", command);
}

/// Depth, and per row the published time to the first response: of the context's load
/// (`ctx_pp`) and of the follow-up (`pp2048`), milliseconds. Single session, July 2026.
const PREFILL_MS: [(u64, Option<f64>, f64); 7] = [
    (0, None, 1241.64),
    (4096, Some(2146.20), 3035.20),
    (8192, Some(4057.78), 5376.78),
    (16384, Some(8495.60), 9736.77),
    (32768, Some(17181.48), 18439.50),
    (65535, Some(36062.91), 36902.95),
    (100_000, Some(56642.03), 57970.32),
];

/// Depth, and published tokens per second of `ctx_tg` and `tg128`, single session.
const DECODE_PER_S: [(u64, Option<f64>, f64); 7] = [
    (0, None, 21.67),
    (4096, Some(22.57), 21.98),
    (8192, Some(21.93), 22.25),
    (16384, Some(23.11), 23.90),
    (32768, Some(23.49), 23.00),
    (65535, Some(23.56), 22.86),
    (100_000, Some(24.08), 21.57),
];

fn within(share: f64, ours: f64, published: f64) -> bool {
    (ours / published - 1.0).abs() <= share
}

#[test]
fn the_profile_gives_every_published_single_session_row_within_15_percent() {
    let profile = spark();
    for (depth, context_ms, prompt_ms) in PREFILL_MS {
        // Nothing was cached: the follow-up was prefilled from the start.
        let whole = profile.prefill_seconds(depth + 2048);
        assert!(within(0.15, whole, prompt_ms / 1e3), "pp2048 d{depth}: {whole}");
        if let Some(context_ms) = context_ms {
            let context = profile.prefill_seconds(depth);
            assert!(within(0.15, context, context_ms / 1e3), "ctx_pp d{depth}: {context}");
        }
    }
    for (depth, context, prompt) in DECODE_PER_S {
        let speed = 1.0 / profile.decode_seconds(depth, 1);
        assert!(within(0.15, speed, prompt), "tg128 d{depth}: {speed}");
        assert!(context.is_none_or(|published| within(0.15, speed, published)), "ctx_tg d{depth}");
    }
}

#[test]
fn the_profile_gives_the_published_speed_of_several_streams() {
    let profile = spark();
    let total = |streams: u32| f64::from(streams) / profile.decode_seconds(0, streams);
    assert!(within(0.15, total(2), 36.98), "{}", total(2));
    // Four at once are published only as the most tokens in one second, 59 to 69; a single
    // stream's best second is 1.17 of its mean.
    let peak = 1.17 * total(4);
    assert!((59.0..69.0).contains(&peak), "{peak}");
}

#[test]
fn the_scenario_that_the_guide_shows_can_be_read() {
    let guide = include_str!("../../docs/formats/scenario.md");
    let text = guide.split("```").nth(1).and_then(|block| block.strip_prefix("yaml\n"));
    let mut shown = source(FileKind::Scenario, "overnight");
    shown.text = text.expect("an example").to_owned();
    let shown = scenario::read(shown, &no_file).unwrap_or_else(|e| panic!("{e}"));
    let overnight = read_scenario("overnight");
    assert_eq!(shown.extent, overnight.extent);
    let depths = |scenario: &Scenario| -> Vec<Vec<u64>> {
        ladders(scenario).iter().map(|ladder| ladder.depths.clone()).collect()
    };
    assert_eq!(depths(&shown), depths(&overnight));
    for gate in &shown.contract.gates {
        let is_shipped = overnight.contract.gates.iter().any(|it| it.text == gate.text);
        assert!(is_shipped, "{}", gate.text);
    }
}

#[test]
fn soaks_make_20_whole_laps_and_60_samples_in_every_deepest_cell() {
    let profile = spark();
    for (name, stated_hours) in
        [("short", 6.0), ("overnight", 12.0), ("day", 24.0), ("three_days", 72.0)]
    {
        let scenario = read_scenario(name);
        assert!((hours(&scenario) - stated_hours).abs() < 1e-9);
        let lap = lap_seconds(&profile, &scenario);
        let laps = (hours(&scenario) * 3600.0 / lap).floor() as u64 - scenario.warmup_laps;
        assert!(
            laps >= 20 && laps >= 4 * scenario.reference_laps,
            "{name}: {laps} laps of {lap} s"
        );
        let samples = |streams: u32| -> u64 {
            let rounds = ladders(&scenario)
                .iter()
                .filter(|ladder| ladder.concurrency.contains(&streams))
                .map(|ladder| ladder.runs)
                .sum::<u64>();
            laps * rounds * u64::from(streams)
        };
        let streams: Vec<u32> =
            ladders(&scenario).iter().flat_map(|ladder| ladder.concurrency.clone()).collect();
        assert!(streams.iter().all(|streams| *streams <= 4), "{name}: beyond max_num_seqs");
        let least = streams.iter().map(|streams| samples(*streams)).min().unwrap_or(0);
        assert!(least >= Statistic::P95.samples_min(), "{name}: {least} samples");
        if scenario.about.contains("p99") {
            assert!(least >= Statistic::P99.samples_min(), "{name}: {least} samples");
        }
        // The figures of `about`: laps, samples, and T / 2.9957 of the judged time.
        for stated in [format!("{laps} laps"), format!("{least} samples")] {
            assert!(scenario.about.contains(&stated), "{name}: {stated}");
        }
        let warm_up = scenario.warmup_laps as f64 * lap;
        let minutes = ((stated_hours * 3600.0 - warm_up) / 2.9957 / 60.0).floor() as u64;
        let mtbf = format!("{} h {:02} m", minutes / 60, minutes % 60);
        assert!(scenario.about.contains(&format!("MTBF above {mtbf}")), "{name}: {mtbf}");
    }
}

/// Blocks are whole laps of ten minutes or longer; a tenth of the run is left out at the start.
#[test]
fn soaks_ask_whether_memory_grows_and_say_whether_they_can_fail_by_it() {
    let profile = spark();
    for name in ["short", "overnight", "day", "three_days"] {
        let scenario = read_scenario(name);
        assert!(scenario.contract.gates.iter().any(|it| it.text == "growth: 0 where seen"));
        let blocks = scenario.trend;
        let lap = lap_seconds(&profile, &scenario);
        let block = lap * (blocks.block.as_secs_f64() / lap).ceil();
        let judged = (0.9 * hours(&scenario) * 3600.0 / block) as usize;
        assert!(judged >= TrendBlocks::FOR_A_WORD, "{name}: {judged} blocks");
        let is_long = hours(&scenario) * 3600.0 >= blocks.long_enough_s();
        let can_fail = is_long && judged >= TrendBlocks::FOR_GROWING;
        let stated = if can_fail {
            "; memory whose growth would fill the machine within a week FAILs;"
        } else {
            "; a growth of memory is told but cannot FAIL, which takes 8 hours;"
        };
        assert!(scenario.about.contains(stated), "{name}: {stated}");
        assert_eq!(can_fail, name != "short");
    }
    for name in ["quick", "smoke"] {
        let gates = read_scenario(name).contract.gates;
        assert!(gates.iter().all(|it| !it.text.starts_with("growth")), "{name}");
    }
}

#[test]
fn soaks_leave_the_record_room_in_every_time_limit() {
    use longhaul::measure::{Measure, Quantity};
    use longhaul::spec::Limit;
    let profile = spark();
    for name in ["short", "overnight", "day", "three_days"] {
        let scenario = read_scenario(name);
        let mut seen = 0;
        for gate in &scenario.contract.gates {
            let (Measure::Of(Quantity::Ttft, Statistic::P95), Limit::AtMost(limit)) =
                (gate.measure, gate.limit)
            else {
                continue;
            };
            let depth = gate.select.depth.expect("by depth");
            let Some(Load::Streams(streams)) = gate.select.load else { panic!("by load") };
            let streams = f64::from(streams);
            let last_of_all = streams * profile.prefill_seconds(depth + 2048);
            assert!(limit > 1.3 * last_of_all && limit < 2.0 * last_of_all, "{name} {}", gate.text);
            seen += 1;
        }
        let cells: usize =
            ladders(&scenario).iter().map(|l| l.depths.len() * l.concurrency.len()).sum();
        assert_eq!(seen, cells, "{name}: a limit for every cell");
    }
}

#[test]
fn smoke_takes_about_a_minute_and_quick_leaves_out_what_takes_too_long() {
    let profile = spark();
    let smoke = read_scenario("smoke");
    let Extent::Laps(laps) = smoke.extent else { panic!("smoke counts laps") };
    let seconds = (laps + smoke.warmup_laps) as f64 * lap_seconds(&profile, &smoke);
    assert!((40.0..70.0).contains(&seconds), "{seconds}");
    let quick = read_scenario("quick");
    let cap = ladders(&quick)[0].cap.expect("capped").as_secs_f64();
    let deepest = |tokens: u64| profile.prefill_seconds(tokens + 1024) <= cap;
    assert!(deepest(32_768) && !deepest(65_535));
}

#[test]
fn the_arena_profile_is_28_cells_in_its_own_order_three_times() {
    let scenario = read_scenario("spark_arena_v2");
    assert_eq!(scenario.extent, Extent::Laps(1));
    assert_eq!((scenario.warmup_laps, scenario.reference_laps), (0, 0));
    let ladder = ladders(&scenario)[0];
    let schedule = ladder.schedule.as_ref().expect("scheduled");
    assert_eq!((ladder.runs, schedule.len()), (3, 28));
    assert_eq!((schedule[0], schedule[27]), ((8192, 5), (100_000, 10)));
    let mut cells = schedule.clone();
    cells.sort_unstable();
    cells.dedup();
    assert_eq!(cells.len(), 28);
}

/// Asks that are fingerprinted: with the first laps of every phase among them.
const ASKS: usize = 1_000;

/// Fingerprints of the first asks of every shipped scenario with seed 1: addresses, cells and
/// texts. Whoever changes one of these changes the load, and makes runs of before and after
/// incomparable: that is a decision, and belongs in docs/changes.md.
const GOLDEN: [(&str, &str); 7] = [
    ("day", "26d37cc7e4a6b2502209df79901b82af7447a7b1ddf6b2ce973ff43b79113e45"),
    ("overnight", "56c65c053f470e939531d0ec47bc52093ebd20709c1e4affbaab23ecdeb68489"),
    ("quick", "dff78374c87620a8d2ac6ab79b35e509fd9e77e6f959a4e92df84e8180c5b61c"),
    ("short", "0d1a84cf0a1bd372a2deb5d1b9357ef8eca558ce27beeb267f6f593e0ed2ec02"),
    ("smoke", "d5e05358e3036561744d3438e3fa3f669b3df4c2017b3a140ad22551a3052b99"),
    ("spark_arena_v2", "7bd7f65c3f7aee5a80aff93ad8f606ebb9e7a2698735a91cc76d14f7e0441bda"),
    ("three_days", "b722fed7667f24bb8987e95cac5d0f3a32fd156c26ebb53a2b99cf3532d4c460"),
];

/// The asks of a run: of its first laps, of its last ones, and of as much as there is between.
fn asks(plan: &Plan) -> impl Iterator<Item = Ask> {
    let fit = Fit::guess(plan.corpus());
    let phases = [
        (Phase::Warmup, plan.warmup_laps),
        (Phase::Reference, plan.reference_laps),
        (Phase::Return, plan.reference_laps),
        (Phase::Soak, u64::MAX),
    ];
    let laps = phases.into_iter().flat_map(|(phase, laps)| (0..laps).map(move |lap| (phase, lap)));
    let places = laps.flat_map(|(phase, lap)| {
        (0..plan.lap().len()).map(move |index| (phase, RoundPosition::new(lap, index)))
    });
    places.flat_map(move |(phase, place)| {
        let (round, _) = plan.at(place);
        let fit = fit.clone();
        (0..round.lanes()).map(move |lane| {
            let slot = Slot { phase, lane, nth: plan.slot(place, lane), repeat: 0 };
            plan.ask(slot, At::ZERO, &fit)
        })
    })
}

/// An ask's address and everything that the server gets to read of it.
fn said(ask: &Ask) -> String {
    let Ask { phase, class, lane, slot, session, turn, cell, lap, api, exact_output, .. } = ask;
    let (phase, class) = (phase.word(), class.word());
    let mut text = format!(
        "{phase} {class} {lane} {slot} {session:?} {turn:?} {cell} {lap} {api:?} {exact_output}\n"
    );
    match &ask.input {
        Input::Text(prompt) => text.push_str(prompt),
        Input::Messages(messages) => {
            for Message { role, content } in messages {
                text.extend([role, "\n", content, "\n"]);
            }
        }
    }
    text
}

#[test]
fn the_first_thousand_asks_of_every_shipped_scenario_are_what_they_were() {
    let mut names: Vec<&str> = shipped::names(FileKind::Scenario).collect();
    names.sort_unstable();
    assert!(GOLDEN.iter().map(|(name, _)| *name).eq(names), "every scenario has its fingerprint");
    for (name, golden) in GOLDEN {
        let bounds = Bounds { max_model_len: Some(131_072), ..Bounds::default() };
        let plan = Plan::new(&read_scenario(name), 1, bounds).unwrap_or_else(|e| panic!("{e}"));
        let mut prints = String::new();
        for ask in asks(&plan).take(ASKS) {
            prints.push_str(&sha256(said(&ask).as_bytes()));
        }
        assert_eq!(sha256(prints.as_bytes()), golden, "the load of `{name}` is another one now");
    }
}
