//! Tests which runs are comparable, and which changes are reported.

use insta::assert_snapshot;

use super::{A, CompareTerms, Floor, SAME, Start, compare, compared, floor, side};
use crate::exit::Exit;
use crate::spec::recipe::{ReadOptions, read_as};

#[test]
fn different_loads_are_refused_and_forced_ones_are_marked() {
    let mut other = side("b", &SAME);
    for start in &mut other {
        start.load_identity.seed = 9;
    }
    let wrong = compare(&side("a", &A), &other, &CompareTerms::default()).unwrap_err();
    assert_snapshot!(wrong, @"
        error: the two runs did not get the same requests: seed
           at: a-0: short, seed 1 · b-0: short, seed 9
          try: run both with the same scenario, flags and seed
          try: --force compares where they overlap, and marks it
    ");
    let mut refused = side("c", &SAME);
    for start in &mut refused {
        start.load_identity.no_system_role = true;
    }
    let wrong = compare(&side("a", &A), &refused, &CompareTerms::default()).unwrap_err();
    assert_snapshot!(wrong, @"
        error: the two runs did not get the same requests: system role
           at: a-0: short, seed 1 · c-0: short, seed 1
          try: run both with the same scenario, flags and seed
          try: --force compares where they overlap, and marks it
    ");
    let terms = CompareTerms { force: true, ..CompareTerms::default() };
    let forced = compare(&side("a", &A), &other, &terms).unwrap();
    assert_eq!(forced.differs.forced, ["seed"]);
    let mut gated = side("a", &A);
    for start in &mut gated {
        start.gates =
            vec![("errors: 1%".to_owned(), crate::verdict::VerdictWord::Pass, String::new())];
    }
    let forced = compare(&gated, &other, &terms).unwrap();
    assert_eq!(forced.decision.exit, Exit::Pass, "a gate that the other was never asked");
}

#[test]
fn lengths_within_one_per_cent_are_the_same_lengths_and_others_are_refused() {
    let counted = |counted: Option<u64>| {
        let mut starts = side("b", &SAME);
        for start in &mut starts {
            start.load_identity.fit = "another".to_owned();
            start.load_identity.counted = counted;
        }
        starts
    };
    let base = |counted: Option<u64>| {
        let mut starts = side("a", &A);
        for start in &mut starts {
            start.load_identity.counted = counted;
        }
        starts
    };
    let is_compared =
        |one, other| compare(&base(one), &counted(other), &CompareTerms::default()).is_ok();
    assert!(is_compared(Some(10_000), Some(10_100)) && is_compared(Some(10_100), Some(10_000)));
    assert!(!is_compared(Some(10_000), Some(10_102)));
    assert!(!is_compared(Some(10_000), None) && !is_compared(None, None), "a guess is no count");
}

fn served(starts: Vec<Start>, settings: &str) -> Vec<Start> {
    let text = format!("model: m\ncontainer: i\ncommand: vllm serve m {settings}\n");
    let source = crate::spec::SpecFile { name: "r".into(), origin: "r.yaml".into(), text };
    let reading = read_as(&source, &ReadOptions::default(), &|_| Ok(None)).unwrap();
    let with = |start| Start { recipe: Some(reading.clone()), ..start };
    starts.into_iter().map(with).collect()
}

#[test]
fn what_was_changed_is_named_and_more_than_one_can_be_forbidden() {
    let base = served(side("a", &A), "--max-num-seqs 4");
    let one = served(side("b", &SAME), "--max-num-seqs 8");
    let two = served(side("b", &SAME), "--max-num-seqs 8 --kv-cache-dtype fp8");
    let names = |candidate: &[Start]| -> Vec<String> {
        let found = compared(&base, candidate).differs.variables;
        found.into_iter().map(|variable| variable.what).collect()
    };
    assert_eq!(names(&one), ["max_num_seqs"]);
    assert_eq!(names(&two), ["kv_cache_dtype", "max_num_seqs"]);
    let terms = CompareTerms { one_variable: true, ..CompareTerms::default() };
    assert_eq!(compare(&base, &two, &terms).unwrap().decision.exit, Exit::Fail);
    assert_eq!(compare(&base, &one, &terms).unwrap().decision.exit, Exit::Pass);
    let mut mixed = one;
    mixed.extend(served(side("c", &A[..1]), "--max-num-seqs 16"));
    assert_snapshot!(compare(&base, &mixed, &terms).unwrap_err(), @"
        error: the candidate mixes recipes: max_num_seqs differs
           at: b-0 · c-0
          try: starts of one and the same recipe
    ");
}

#[test]
fn of_recipes_that_cannot_be_read_again_what_they_came_to_is_compared() {
    let of = |name: &str, command: &str| -> Vec<Start> {
        let with = |start| Start { command: Some(command.to_owned()), ..start };
        side(name, &A).into_iter().map(with).collect()
    };
    let differs = |other: &str| compared(&of("a", "serve x"), &of("b", other)).differs.variables;
    assert_eq!(differs("serve y")[0].what, "command");
    assert!(differs("serve x").is_empty());
}

#[test]
fn another_version_behind_the_same_recipe_is_a_change_too() {
    let of = |name: &str, version: &str| {
        let mut starts = side(name, &A);
        for start in &mut starts {
            start.identity.insert("version".to_owned(), version.to_owned());
            start.surroundings.insert("kernel".to_owned(), version.to_owned());
        }
        starts
    };
    let differs = compared(&of("a", "0.19"), &of("b", "0.20")).differs;
    assert_eq!(differs.variables[0].what, "runtime version");
    assert_eq!(differs.surroundings[0].what, "kernel");
}

#[test]
fn a_start_that_never_came_up_is_of_the_same_load_though_nothing_was_fitted_to_it() {
    let mut starts = side("b", &SAME);
    starts[0].values.clear();
    (starts[0].never_ready, starts[0].failed_starts) =
        (Some("the KV cache is too small".to_owned()), 1);
    (starts[0].load_identity.plan, starts[0].load_identity.fit) =
        ("unknown".to_owned(), "unknown".to_owned());
    let comparison = compared(&side("a", &A), &starts);
    assert_eq!(comparison.decision.exit, Exit::Fail, "{:?}", comparison.decision);
    starts[0].load_identity.seed = 7;
    let wrong = compare(&side("a", &A), &starts, &CompareTerms::default()).unwrap_err();
    assert_snapshot!(wrong, @"
        error: the two runs did not get the same requests: seed
           at: a-0: short, seed 1 · b-0: short, seed 7
          try: run both with the same scenario, flags and seed
          try: --force compares where they overlap, and marks it
    ");
}

#[test]
fn a_run_counts_once_on_whichever_side_and_in_a_floor() {
    let base = side("a", &A);
    let mut again = side("b", &SAME);
    again[3] = Start { name: "a/copy".to_owned(), ..base[1].clone() };
    let terms = CompareTerms::default();
    assert_snapshot!(compare(&base, &again, &terms).unwrap_err(), @"
        error: `a-1` stands on both sides
           at: a-1 · a/copy
          try: a run compared with itself is always equivalent, and says nothing
    ");
    let twice = [base[0].clone(), base[1].clone(), base[0].clone()];
    let wrong = compare(&twice, &side("b", &SAME), &terms).unwrap_err();
    assert_snapshot!(wrong, @"
        error: the same run is given twice
           at: a-0 · a-0
          try: every run once; copies of one count as one
    ");
    assert_eq!(floor::of(&twice).unwrap_err(), wrong);
}

#[test]
fn runs_against_one_living_server_are_one_start() {
    let born = |mut starts: Vec<Start>, at: &str| {
        for start in &mut starts {
            start.server_start_id = Some(at.to_owned());
        }
        starts
    };
    let wrong =
        compare(&born(side("a", &A), "process start 17"), &side("b", &A), &CompareTerms::default());
    assert_snapshot!(wrong.unwrap_err(), @"
        error: two runs are of one server start: process start 17
           at: a-0 · a-1
          try: one of them: what is compared are starts, and these two share one's luck
          try: the server started anew before each run, as `longhaul sweep` does
          try: --server-seed N, another for each run, where it is simulated
    ");
    let one = |name| born(side(name, &A[..1]), "process start 17");
    let differs = compared(&one("a"), &one("b")).differs;
    assert_eq!(differs.starts, ["one and the same server start on both sides"]);
}

#[test]
fn where_nobody_knows_when_servers_were_started_that_is_said() {
    let without = |start| Start { server_start_id: None, ..start };
    let unborn: Vec<Start> = side("a", &A).into_iter().map(without).collect();
    let differs = compared(&unborn, &side("b", &SAME)).differs;
    assert_eq!(differs.starts, ["whether 6 runs of the base are of 6 server starts is not known"]);
}

fn says(name: &str, said: &[(&str, &str)]) -> Vec<Start> {
    let mut starts = side(name, &A);
    for start in &mut starts {
        start.identity =
            said.iter().map(|(what, value)| ((*what).to_owned(), (*value).to_owned())).collect();
    }
    starts
}

#[test]
fn another_image_behind_the_same_tag_is_a_change_and_another_name_of_it_is_none() {
    let names = |one: &[Start], other: &[Start]| -> Vec<String> {
        compared(one, other).differs.variables.into_iter().map(|it| it.what).collect()
    };
    let base = says("a", &[("container", "vllm:latest"), ("container_image_id", "sha256:1")]);
    let moved = says("b", &[("container", "vllm:latest"), ("container_image_id", "sha256:2")]);
    let named = says("c", &[("container", "mine:1"), ("container_image_id", "sha256:1")]);
    let unknown = says("d", &[("container", "mine:1")]);
    assert_eq!(names(&base, &moved), ["container image"]);
    assert!(names(&base, &named).is_empty());
    assert_eq!(names(&base, &unknown), ["container image"]);
}

#[test]
fn where_neither_recipe_nor_command_is_known_nobody_says_that_nothing_was_changed() {
    let silent = |name| -> Vec<Start> {
        let without = |start| Start { command: None, ..start };
        side(name, &A).into_iter().map(without).collect()
    };
    let differs = compared(&silent("a"), &silent("b")).differs;
    assert_eq!(differs.unknown, [true, true]);
    let known = compared(&served(side("a", &A), ""), &served(side("b", &SAME), "")).differs;
    assert_eq!(known.unknown, [false, false]);
}

#[test]
fn a_side_that_is_mixed_is_told_though_both_sides_are_mixed_alike() {
    let mixed = |name| {
        let mut starts = side(name, &A);
        for (index, start) in starts.iter_mut().enumerate() {
            start.surroundings.insert("kernel".to_owned(), format!("6.{}", index % 2));
        }
        starts
    };
    let found = compared(&mixed("a"), &mixed("b")).differs.surroundings;
    assert_eq!(found[0].base.as_deref(), Some("6.0 or 6.1"));
}

#[test]
fn a_floor_is_of_whole_runs_of_this_kind_of_server() {
    let mut cut = side("f", &A);
    cut[2].broken_off = Some("interrupted".to_owned());
    let refused = |starts: &[Start]| floor::of(starts).unwrap_err().to_string();
    assert_snapshot!(refused(&cut), @"
        error: a noise floor is of whole and healthy runs, and one is not: interrupted
           at: f-2
          try: the others, without it
    ");
    let mut ill = side("f", &A);
    ill[1].events[0].seen = 1;
    assert_snapshot!(refused(&ill), @"
        error: a noise floor is of whole and healthy runs, and one is not: crashes 1
           at: f-1
          try: the others, without it
    ");
    let mut mixed = side("f", &A);
    mixed[2].surroundings.insert("host".to_owned(), "other".to_owned());
    assert_snapshot!(refused(&mixed), @"
        error: a noise floor is of one machine, and one run is of another host
           at: f-2
    ");
    let mut idle = side("f", &A);
    for start in &mut idle {
        start.values.clear();
    }
    assert_snapshot!(refused(&idle), @"
        error: no cell has a value in 3 of the starts
          try: runs that were driven long enough
    ");
    let made = floor::of(&side("f", &A)).unwrap();
    let with = |floor: Floor, base: &[Start]| {
        compare(
            base,
            &side("b", &SAME),
            &CompareTerms { floor: Some(floor), ..CompareTerms::default() },
        )
    };
    let simulated = Floor { simulated: true, ..made.clone() };
    assert_snapshot!(with(simulated, &side("a", &A)).unwrap_err(), @"
        error: the noise floor is of another kind of server: simulated, not real
          try: longhaul floor RUN RUN RUN, with runs of this load on this machine
    ");
    let mut elsewhere = side("a", &A);
    for start in &mut elsewhere {
        start.surroundings.insert("driver".to_owned(), "580.95".to_owned());
    }
    assert_snapshot!(with(made.clone(), &elsewhere).unwrap_err(), @"
        error: the noise floor is of another driver: none, not 580.95
          try: longhaul floor RUN RUN RUN, with runs of this load on this machine
    ");
    let mut newer = side("a", &A);
    for start in &mut newer {
        start.surroundings.insert("kernel".to_owned(), "6.14".to_owned());
    }
    let reported = with(made, &newer).unwrap().differs.surroundings;
    assert!(reported.iter().any(|it| it.what == "noise floor's kernel"), "{reported:?}");
}

#[test]
fn a_run_that_is_not_whole_is_named() {
    let mut cut = side("b", &SAME);
    cut[2].broken_off = Some("3 rows of it are missing".to_owned());
    let comparison = compared(&side("a", &A), &cut);
    let reported = &comparison.differs.starts;
    assert_eq!(reported, &["NOT WHOLE, candidate b-2: 3 rows of it are missing"]);
    assert_eq!(comparison.decision.word, crate::compare::CompareWord::Inconclusive);
    assert_eq!(comparison.decision.because[0].words, "not whole: 1 of the runs");
}

#[test]
fn a_floor_with_a_spread_that_is_none_is_refused() {
    let mut made = floor::of(&side("f", &A)).unwrap();
    made.cells[0].deviation = -0.1;
    let text = serde_json::to_string(&made).unwrap();
    let refused = |text: &str| floor::read(text, "floor.json").unwrap_err().to_string();
    assert_snapshot!(refused(&text), @"
        error: a deviation of -1e-1 over 6 starts is none
           at: floor.json: d0/c1/p512/o64 cold ttft_p50
          try: longhaul floor RUN RUN RUN -o floor.json, made anew
    ");
    made.cells[0].deviation = 0.1;
    made.cells[0].starts = 100_000_000;
    let text = serde_json::to_string(&made).unwrap();
    assert_snapshot!(refused(&text), @"
        error: a deviation of 1e-1 over 100000000 starts is none
           at: floor.json: d0/c1/p512/o64 cold ttft_p50
          try: longhaul floor RUN RUN RUN -o floor.json, made anew
    ");
    assert_snapshot!(refused("{}"), @"
        error: this is not a noise floor: missing field `schema` at line 1 column 2
           at: floor.json
          try: longhaul floor RUN RUN RUN -o floor.json
    ");
}

#[test]
fn a_floor_fits_texts_of_the_same_length_within_one_percent_as_a_run_does() {
    let counted = |name: &str, fit: &str, counted: Option<u64>| {
        let mut side = side(name, &A);
        for start in &mut side {
            (start.load_identity.fit, start.load_identity.counted) = (fit.to_owned(), counted);
        }
        side
    };
    let floor = floor::of(&counted("f", "one", Some(10_000))).unwrap();
    let fits = |floor: &floor::Floor, fit: &str, count: Option<u64>| {
        floor::fitting(Some(floor), &counted("a", fit, count)).is_ok()
    };
    assert!(fits(&floor, "another", Some(10_100)));
    assert!(!fits(&floor, "another", Some(10_102)));
    assert!(!fits(&floor, "another", None));
    assert!(fits(&floor, "one", None));
    // A file of an earlier version has no count.
    let earlier = floor::Floor { load_without_fit: String::new(), counted: None, ..floor };
    assert!(fits(&earlier, "one", Some(10_000)));
    assert!(!fits(&earlier, "another", Some(10_000)));
}
