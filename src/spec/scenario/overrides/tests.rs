use insta::assert_snapshot;

use super::*;
use crate::spec::SpecFile;
use crate::spec::scenario::read;

const TWO: &str = "laps: 4\nworkloads:\n  - ladder: { depths: [0, 4096], prompt: 256, output: 24, concurrency: [1], runs: 3 }\n  \
    - ladder: { depths: [0, 4096], prompt: 256, output: 24, concurrency: [4] }\n\
    contract:\n  ttft_p95: { d0: 2s, d4096: 5s }\n  tpot: [{ load: 4, at_most: 60ms }]\n";

fn scenario(text: &str) -> Scenario {
    let source = SpecFile { name: "s".into(), origin: "s.yaml".into(), text: text.into() };
    read(source, &|name| Err(Mistake::new(name))).unwrap_or_else(|mistake| panic!("{mistake}"))
}

fn axes(scenario: &Scenario) -> Vec<(Vec<u64>, Vec<u32>)> {
    let ladders = scenario.workloads.iter().map(|Workload::Ladder(ladder)| ladder);
    ladders.map(|ladder| (ladder.depths.clone(), ladder.concurrency.clone())).collect()
}

#[test]
fn values_stay_with_the_ladders_that_list_them_and_new_ones_go_to_all() {
    let asked = Overrides { concurrency: Some(vec![4]), ..Overrides::default() };
    assert_eq!(axes(&scenario(TWO).with(&asked).unwrap()), [(vec![0, 4096], vec![4])]);
    let asked = Overrides { depths: Some(vec![77]), ..Overrides::default() };
    assert_eq!(
        axes(&scenario(TWO).with(&asked).unwrap()),
        [(vec![77], vec![1]), (vec![77], vec![4])]
    );
}

#[test]
fn depths_that_are_named_are_not_left_out_by_a_cap() {
    let capped = scenario(&TWO.replace("runs: 3", "runs: 3, cap: 30s"));
    let caps = |scenario: &Scenario| -> Vec<bool> {
        scenario.workloads.iter().map(|Workload::Ladder(it)| it.cap.is_some()).collect()
    };
    assert_eq!(caps(&capped), [true, false]);
    let asked = Overrides { depths: Some(vec![0, 4096]), ..Overrides::default() };
    assert_eq!(caps(&capped.with(&asked).unwrap()), [false, false]);
}

#[test]
fn gates_on_what_is_no_longer_asked_go_with_a_warning() {
    let asked = Overrides {
        duration: Some(Duration::from_secs(60)),
        depths: Some(vec![4096]),
        concurrency: Some(vec![1, 2]),
        rate: None,
        restart: None,
    };
    let scenario = scenario(TWO).with(&asked).unwrap();
    assert_eq!(scenario.extent, Extent::Duration(Duration::from_secs(60)));
    let gates: Vec<&str> = scenario.contract.gates.iter().map(|gate| gate.text.as_str()).collect();
    assert_eq!(gates, ["ttft_p95 d4096: 5s"]);
    let warned = scenario.warnings.join("\n");
    assert_snapshot!(warned, @"`ttft_p95 d0: 2s` and 1 more are not judged: their depth or load is not asked");
    assert_eq!(axes(&scenario), [(vec![4096], vec![1, 2]), (vec![4096], vec![2])]);
}

#[test]
fn rates_make_every_ladder_an_open_one_and_equal_ones_are_asked_once() {
    let asked = Overrides { rate: Some(vec![0.5]), ..Overrides::default() };
    let opened = scenario(TWO).with(&asked).unwrap();
    let [Workload::Ladder(ladder)] = &opened.workloads[..] else { panic!("one ladder") };
    assert_eq!((&ladder.rate[..], &ladder.concurrency[..], ladder.runs), (&[0.5][..], &[][..], 1));
    let gates: Vec<&str> = opened.contract.gates.iter().map(|gate| gate.text.as_str()).collect();
    assert_eq!(gates, ["ttft_p95 d0: 2s", "ttft_p95 d4096: 5s"]);
    assert_snapshot!(opened.warnings.join("\n"), @"`tpot c4: at most 60ms` is not judged: it is no longer asked");
    let asked = Overrides { concurrency: Some(vec![2]), ..Overrides::default() };
    let both = scenario(&TWO.replace("runs: 3", "rate: [0.5]"));
    let closed = both.clone().with(&asked).unwrap();
    assert_eq!(axes(&closed), [(vec![0, 4096], vec![2]), (vec![0, 4096], vec![2])]);
    assert!(closed.workloads.iter().all(|Workload::Ladder(ladder)| ladder.rate.is_empty()));
}

#[test]
fn a_ladder_in_two_phases_cannot_be_opened() {
    let text = TWO.replace("runs: 3", "prefix: two_phase");
    let asked = Overrides { rate: Some(vec![0.5]), ..Overrides::default() };
    assert_snapshot!(scenario(&text).with(&asked).unwrap_err(), @"
        error: the scenario loads contexts in rounds of their own (`two_phase`), which an open loop has not
           at: --rate
          try: --concurrency
    ");
}

#[test]
fn a_schedule_keeps_what_is_left_of_it_or_goes() {
    let text = "laps: 1\nworkloads:\n  - ladder: { depths: [0, 8], prompt: 2, output: 2, concurrency: [1, 2], \
        schedule: [{ depth: 8, concurrency: 2 }, { depth: 0, concurrency: 1 }, { depth: 8, concurrency: 1 }] }\n";
    let with = |depths: &[u64]| {
        let asked = Overrides { depths: Some(depths.to_vec()), ..Overrides::default() };
        let scenario = scenario(text).with(&asked).unwrap();
        let Workload::Ladder(ladder) = &scenario.workloads[0];
        (ladder.schedule.clone(), scenario.warnings.len())
    };
    assert_eq!(with(&[8]), (Some(vec![(8, 2), (8, 1)]), 1));
    assert_eq!(with(&[8, 9]), (None, 2));
}

#[test]
fn an_override_that_asks_nothing_is_refused() {
    let none = Overrides::default;
    let reported = [
        Overrides { duration: Some(Duration::ZERO), ..none() },
        Overrides { depths: Some(vec![]), ..none() },
        Overrides { concurrency: Some(vec![0]), ..none() },
        Overrides { concurrency: Some(vec![2, 2]), ..none() },
        Overrides { rate: Some(vec![]), ..none() },
        Overrides { rate: Some(vec![0.5, 0.5]), ..none() },
        Overrides { rate: Some(vec![0.0]), ..none() },
        Overrides { rate: Some(vec![f64::NAN]), ..none() },
    ]
    .map(|asked| scenario(TWO).with(&asked).unwrap_err().to_string());
    assert_snapshot!("refused", reported.join("\n\n"));
}

#[test]
fn overrides_are_written_and_read_back() {
    let asked = Overrides {
        duration: Some(Duration::from_millis(1500)),
        depths: Some(vec![0, 8]),
        concurrency: None,
        rate: Some(vec![0.05, 2.0]),
        restart: Some(RestartWhen::Never),
    };
    let text = serde_json::to_string(&asked).unwrap();
    let expected = r#"{"duration_us":1500000,"depths":[0,8],"rate":[0.05,2.0],"restart":"never"}"#;
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<Overrides>(&text).unwrap(), asked);
    assert_eq!(serde_json::from_str::<Overrides>("{}").unwrap(), Overrides::default());
}
