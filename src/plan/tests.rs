//! Tests the plan as a whole, and defines the scenarios that tests of other
//! modules plan.

use std::time::Duration;

use insta::assert_snapshot;

use super::*;
use crate::spec::scenario::{Api, Arrivals, Ladder, Prefix};
use crate::spec::{Contract, SpecFile, TrendBlocks};

/// Ladder of prompt 512 and output 16.
pub(crate) fn scenario(depths: &[u64], concurrency: &[u32]) -> Scenario {
    Scenario {
        source: SpecFile {
            name: "test".to_owned(),
            origin: "test.yaml".to_owned(),
            text: String::new(),
        },
        about: "A test.".to_owned(),
        extent: Extent::Duration(Duration::from_secs(60)),
        warmup_laps: 1,
        reference_laps: 2,
        workloads: vec![Workload::Ladder(Ladder {
            depths: depths.to_vec(),
            prompt: 512,
            output: 16,
            concurrency: concurrency.to_vec(),
            rate: Vec::new(),
            arrivals: Arrivals::Poisson,
            requests: 60,
            prefix: Prefix::Cold,
            runs: 1,
            schedule: None,
            cap: None,
            exact_output: true,
            texts: Vec::new(),
            api: Api::Chat,
        })],
        trend: TrendBlocks::default(),
        limits: Limits::default(),
        drills: Vec::new(),
        restart: None,
        contract: Contract::default(),
        warnings: Vec::new(),
    }
}

/// Ladder with rates and constant arrivals.
pub(crate) fn open(depths: &[u64], rate: &[f64], requests: u32) -> Scenario {
    let mut scenario = scenario(depths, &[]);
    let ladder = ladder(&mut scenario);
    (ladder.rate, ladder.requests) = (rate.to_vec(), requests);
    ladder.arrivals = Arrivals::Constant;
    scenario
}

pub(crate) fn ladder(scenario: &mut Scenario) -> &mut Ladder {
    let Workload::Ladder(ladder) = &mut scenario.workloads[0];
    ladder
}

/// First slot of the ask of a lane in a round.
fn slot(plan: &Plan, phase: Phase, place: RoundPosition, lane: u32) -> Slot {
    Slot { phase, lane, nth: plan.slot(place, lane), repeat: place.repeat }
}

#[test]
fn slots_and_places_are_each_others_inverse() {
    let plan = Plan::new(&scenario(&[0, 4096], &[1, 2, 4]), 7, Bounds::default()).unwrap();
    assert_eq!(plan.lanes(), 4);
    for lane in 0..4 {
        for slot in 0..20 {
            let place = plan.place(lane, slot).unwrap();
            assert_eq!(plan.slot(place, lane), slot);
        }
    }
    assert_eq!(plan.place(9, 0), None);
}

#[test]
fn an_ask_depends_on_its_address_alone() {
    let plan = Plan::new(&scenario(&[0, 4096], &[1, 2]), 7, Bounds::default()).unwrap();
    let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
    let ask = |phase, lap, lane| {
        plan.ask(slot(&plan, phase, RoundPosition::new(lap, 3), lane), At::ZERO, &fit).input
    };
    let first = ask(Phase::Soak, 2, 1);
    ask(Phase::Warmup, 0, 0);
    assert_eq!(ask(Phase::Soak, 2, 1), first);
    for other in [ask(Phase::Return, 2, 1), ask(Phase::Soak, 3, 1), ask(Phase::Soak, 2, 0)] {
        assert_ne!(other, first);
    }
}

#[test]
fn two_phases_ask_about_the_context_that_was_loaded_before() {
    let mut scenario = scenario(&[0, 4096], &[2]);
    ladder(&mut scenario).prefix = Prefix::TwoPhase;
    let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
    let parts: Vec<PromptPart> = plan.lap().iter().map(|round| round.part).collect();
    assert_eq!(parts, [PromptPart::Fresh, PromptPart::Load, PromptPart::Follow]);
    let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
    let context = |index, lane| {
        let slot = slot(&plan, Phase::Soak, RoundPosition::new(1, index), lane);
        let ask = plan.ask(slot, At::ZERO, &fit);
        let Input::Messages(messages) = ask.input else { panic!("a chat") };
        messages[0].content.clone()
    };
    assert_eq!(context(1, 0), context(2, 0));
    assert_ne!(context(1, 0), context(1, 1));
}

#[test]
fn warm_contexts_stay_and_cold_ones_never_come_again() {
    let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
    for (prefix, same) in [(Prefix::Warm, true), (Prefix::Cold, false)] {
        let mut scenario = scenario(&[4096], &[1]);
        ladder(&mut scenario).prefix = prefix;
        let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let context = |phase, lap| {
            let slot = slot(&plan, phase, RoundPosition::new(lap, 0), 0);
            let ask = plan.ask(slot, At::ZERO, &fit);
            let Input::Messages(messages) = ask.input else { panic!("a chat") };
            messages[0].content.clone()
        };
        assert_eq!(context(Phase::Warmup, 0) == context(Phase::Soak, 5), same);
    }
}

#[test]
fn a_depth_beyond_the_server_is_a_mistake_unless_the_ladder_is_capped() {
    let mut scenario = scenario(&[0, 200_000], &[1]);
    let bounds = Bounds { max_model_len: Some(131_072), prefill_per_s: Some(1000.0), refused: &[] };
    assert_snapshot!(Plan::new(&scenario, 7, bounds).unwrap_err(), @"
        error: depth 200000 + prompt 512 + output 16 = 200528 tokens, but max_model_len is 131072
           at: test.yaml workloads.ladder.depths
          try: --depths 0
    ");
    ladder(&mut scenario).cap = Some(Duration::from_secs(30));
    let plan = Plan::new(&scenario, 7, bounds).unwrap();
    assert_eq!(plan.cells().len(), 1);
    assert_snapshot!(plan.notes.join("\n"), @"d200000 left out: 200528 tokens, and max_model_len is 131072");
}

#[test]
fn a_length_that_the_server_refused_is_left_out_with_its_words_and_so_is_all_beyond_it() {
    let mut scenario = scenario(&[0, 4096, 8192, 16_384], &[1]);
    let refused = [(16_912, "400 too long"), (8720, "413 too large")];
    let refused = refused.map(|(tokens, words)| RefusedLength { tokens, words: words.to_owned() });
    let both = Bounds { refused: &refused, ..Bounds::default() };
    assert_snapshot!(Plan::new(&scenario, 7, both).unwrap_err(), @"
        error: depth 8192 + prompt 512 + output 16 = 8720 tokens, but the server refuses 8720: 413 too large
           at: test.yaml workloads.ladder.depths
          try: --depths 0,4096
    ");
    ladder(&mut scenario).cap = Some(Duration::from_secs(30));
    let depths_and_notes = |refused| {
        let plan = Plan::new(&scenario, 7, Bounds { refused, ..Bounds::default() }).unwrap();
        let depths: Vec<u64> = plan.cells().iter().map(|cell| cell.depth).collect();
        format!("{depths:?}\n{}", plan.notes.join("\n"))
    };
    assert_snapshot!(depths_and_notes(&refused), @"
        [0, 4096]
        d8192 left out: 8720 tokens, and the server refuses 8720: 413 too large
        d16384 left out: 16912 tokens, and the server refuses 16912: 400 too long
    ");
    assert_snapshot!(depths_and_notes(&refused[1..]), @"
        [0, 4096]
        d8192 left out: 8720 tokens, and the server refuses 8720: 413 too large
        d16384 left out: 16912 tokens, and the server refuses 8720: 413 too large
    ");
}

#[test]
fn a_cap_leaves_out_what_the_measured_speed_cannot_reach_in_time() {
    let mut scenario = scenario(&[0, 4096, 65_536], &[1]);
    ladder(&mut scenario).cap = Some(Duration::from_secs(30));
    let bounds = Bounds { max_model_len: None, prefill_per_s: Some(1000.0), refused: &[] };
    let plan = Plan::new(&scenario, 7, bounds).unwrap();
    assert_eq!(plan.cells().iter().map(|cell| cell.depth).collect::<Vec<_>>(), [0, 4096]);
}

#[test]
fn a_plan_that_is_narrowed_is_the_one_that_is_laid_out_with_the_narrower_bounds() {
    let mut scenario = scenario(&[0, 4096, 65_536, 100_000], &[1, 2]);
    ladder(&mut scenario).cap = Some(Duration::from_secs(30));
    let declared = Bounds { max_model_len: Some(80_000), ..Bounds::default() };
    for server in [
        Bounds { max_model_len: Some(80_000), prefill_per_s: Some(1000.0), refused: &[] },
        Bounds { max_model_len: Some(8192), ..Bounds::default() },
    ] {
        let mut plan = Plan::new(&scenario, 7, declared).unwrap();
        plan.narrow(&scenario, server).unwrap();
        let whole = Plan::new(&scenario, 7, server).unwrap();
        assert_eq!(plan.fingerprint(), whole.fingerprint());
        assert_eq!((&plan.notes, plan.cells()), (&whole.notes, whole.cells()));
    }
    let mut plan = Plan::new(&scenario, 7, declared).unwrap();
    let nothing = Bounds { max_model_len: Some(8), ..Bounds::default() };
    assert_snapshot!(plan.narrow(&scenario, nothing).unwrap_err(), @"
        error: scenario `test` leaves nothing to send: d0 left out: 528 tokens, and max_model_len is 8; d4096 left out: 4624 tokens, and max_model_len is 8; d65536 left out: 66064 tokens, and max_model_len is 8; d100000 left out: 100528 tokens, and max_model_len is 8
          try: smaller depths, as --depths 0,4096
    ");
}

#[test]
fn the_fingerprint_changes_with_whatever_changes_the_load() {
    let print = |scenario: &Scenario, seed| {
        Plan::new(scenario, seed, Bounds::default()).unwrap().fingerprint()
    };
    let plain = scenario(&[0, 4096], &[1]);
    assert_eq!(print(&plain, 7), print(&plain, 7));
    assert_ne!(print(&plain, 7), print(&plain, 8));
    assert_ne!(print(&plain, 7), print(&scenario(&[4096, 0], &[1]), 7));
}

#[test]
fn the_fingerprint_covers_how_an_open_round_is_spread_and_how_long_it_is() {
    let print =
        |scenario: &Scenario| Plan::new(scenario, 7, Bounds::default()).unwrap().fingerprint();
    let constant = open(&[0], &[0.5], 60);
    let mut poisson = constant.clone();
    ladder(&mut poisson).arrivals = Arrivals::Poisson;
    let prints = [&constant, &poisson, &open(&[0], &[0.5], 61), &open(&[0], &[0.6], 60)];
    let prints: std::collections::BTreeSet<String> = prints.map(print).into();
    assert_eq!(prints.len(), 4);
    // Settings that a plan does not depend on are not in its fingerprint.
    let mut closed = scenario(&[0], &[1]);
    let before = print(&closed);
    ladder(&mut closed).arrivals = Arrivals::Constant;
    ladder(&mut closed).requests = 7;
    assert_eq!(print(&closed), before);
}

#[test]
fn every_arrival_of_an_open_round_is_a_lane_of_its_own() {
    let mut scenario = open(&[0, 4096], &[0.5], 5);
    ladder(&mut scenario).concurrency = vec![1, 2];
    let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
    let lap: Vec<(String, u32)> =
        plan.lap().iter().map(|round| (round.cell.load.to_string(), round.lanes())).collect();
    let depth = [("c1".to_owned(), 1), ("c2".to_owned(), 2), ("r0.5".to_owned(), 5)];
    assert_eq!(lap, [depth.clone(), depth].concat());
    assert_eq!((plan.lanes(), plan.streams()), (5, 2));
    for lane in 0..5 {
        for slot in 0..20 {
            let place = plan.place(lane, slot).unwrap();
            assert_eq!(plan.slot(place, lane), slot);
        }
    }
    let due = |index| plan.due_us(Phase::Soak, RoundPosition::new(0, index));
    assert_eq!(due(1), None);
    assert_eq!(due(2).unwrap(), [0, 2_000_000, 4_000_000, 6_000_000, 8_000_000]);
}

#[test]
fn arrivals_of_a_warm_cell_share_their_context_and_nothing_else() {
    let mut scenario = open(&[4096], &[1.0], 3);
    ladder(&mut scenario).prefix = Prefix::Warm;
    let plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
    let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
    let says = |lane| {
        let slot = slot(&plan, Phase::Soak, RoundPosition::default(), lane);
        let ask = plan.ask(slot, At::ZERO, &fit);
        let Input::Messages(messages) = ask.input else { panic!("a chat") };
        (messages[0].content.clone(), messages[1].content.clone())
    };
    assert_eq!(says(0).0, says(2).0);
    assert_ne!(says(0).1, says(2).1);
}

#[test]
fn the_load_of_a_closed_loop_is_what_it_always_was() {
    let plan = Plan::new(&scenario(&[0, 4096], &[1, 2]), 7, Bounds::default()).unwrap();
    assert_eq!(&plan.fingerprint()[..16], "b7e68ce869cef620");
    let fit = Fit { passages: vec![50.0; 120], number: 9.0, ..Fit::default() };
    let address = |index: usize| {
        (0..plan.lap()[index].lanes()).map(move |lane| (RoundPosition::new(1, index), lane))
    };
    let asks: Vec<String> = (0..plan.lap().len())
        .flat_map(address)
        .map(|(place, lane)| plan.ask(slot(&plan, Phase::Soak, place, lane), At::ZERO, &fit))
        .map(|ask| format!("{ask:?}\n").replace(", abandon_us: None", ""))
        .collect();
    let asks = asks.concat();
    assert_eq!(&sha256(asks.as_bytes())[..16], "3fadf6adab0fe02f");
}

#[test]
fn too_few_laps_for_two_windows_are_a_mistake() {
    let mut scenario = scenario(&[0], &[1]);
    scenario.extent = Extent::Laps(3);
    assert_snapshot!(Plan::new(&scenario, 7, Bounds::default()).unwrap_err(), @"
        error: 3 laps are too few for a reference and a return window of 2 laps each
           at: test.yaml
          try: laps: 4, or reference: 0 laps
    ");
}

#[test]
fn another_nonce_gives_other_heads_and_leaves_order_lengths_and_shared_contexts_alone() {
    for prefix in [Prefix::Cold, Prefix::Warm, Prefix::TwoPhase] {
        let mut scenario = scenario(&[0, 4096], &[1]);
        ladder(&mut scenario).prefix = prefix;
        let mut plan = Plan::new(&scenario, 7, Bounds::default()).unwrap();
        let fit = Fit::guess(plan.corpus());
        let fingerprint = plan.fingerprint();
        let heads = |plan: &Plan| -> Vec<Vec<String>> {
            let head = |message: &Message| message.content.lines().next().unwrap().to_owned();
            let ask = |nth| {
                let slot = Slot { phase: Phase::Soak, lane: 0, nth, repeat: 0 };
                let ask = plan.ask(slot, At::ZERO, &fit);
                let Input::Messages(messages) = ask.input else { panic!("a chat") };
                messages.iter().map(head).collect()
            };
            (0..6).map(ask).collect()
        };
        let none = heads(&plan);
        plan.nonce = Some(1);
        let one = heads(&plan);
        plan.nonce = Some(2);
        let other = heads(&plan);
        assert_eq!(plan.fingerprint(), fingerprint);
        // Who shares a head with whom is the plan's, whatever the nonce is.
        let shared = |heads: &[Vec<String>]| -> Vec<Option<usize>> {
            let first = |asked: &Vec<String>| heads.iter().position(|it| it[0] == asked[0]);
            heads.iter().map(first).collect()
        };
        assert_eq!(shared(&none), shared(&one), "{prefix:?}");
        assert_eq!(shared(&none), shared(&other), "{prefix:?}");
        let all = |heads: &[Vec<String>]| -> std::collections::BTreeSet<String> {
            heads.iter().map(|asked| asked[0].clone()).filter(|head| head != ".").collect()
        };
        assert!(all(&none).is_disjoint(&all(&one)) && all(&one).is_disjoint(&all(&other)));
    }
}

#[test]
fn a_cold_round_that_is_repeated_has_other_heads_where_no_salt_keeps_its_first_time_apart() {
    let mut plan = Plan::new(&scenario(&[4096], &[1]), 7, Bounds::default()).unwrap();
    let fit = Fit::guess(plan.corpus());
    let ask = |plan: &Plan, repeat| {
        let slot = Slot { phase: Phase::Soak, lane: 0, nth: 3, repeat };
        plan.ask(slot, At::ZERO, &fit).input
    };
    assert_eq!(ask(&plan, 0), ask(&plan, 1), "a salt does it");
    plan.nonce = Some(1);
    assert_ne!(ask(&plan, 0), ask(&plan, 1));
}
