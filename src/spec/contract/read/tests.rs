use insta::assert_snapshot;

use super::*;
use crate::measure::{Quantity, Statistic};
use crate::shown::each;
use crate::spec::SpecFile;
use crate::spec::scenario;

fn read_contract(contract: &str, reference: &str) -> Result<Contract, Mistake> {
    let indented = contract.replace('\n', "\n  ");
    let text = format!(
        "laps: 9\nreference: {reference}\nworkloads:\n  - ladder: {{ depths: [0, 100000], prompt: 2, output: 2, concurrency: [1, 4], rate: [0.5, 2] }}\ncontract:\n  {indented}\n"
    );
    let source =
        SpecFile { name: "overnight".into(), origin: "scenarios/overnight.yaml".into(), text };
    scenario::read(source, &|name| Err(Mistake::new(name))).map(|scenario| scenario.contract)
}

fn gates(contract: &str) -> Vec<Gate> {
    read_contract(contract, "2 laps").unwrap_or_else(|mistake| panic!("{mistake}")).gates
}

fn mistake(contract: &str) -> String {
    read_contract(contract, "2 laps").unwrap_err().to_string()
}

#[test]
fn every_form_of_a_gate_is_read() {
    let gates = gates(
        "crashes: 0\nerrors: 0.1%\ntpot_p95: 60ms\nttft_p95: { d0: 2s, d100000: 180s }\ntokens_per_s:\n  \
         - { depth: 100000, at_least: 15 }\n  - { phase: return, load: 4, at_least: 95% of reference }\n\
         ttft:\n  - { class: resumed, attain: 95%, at_most: 20s }\nprefill_per_s: 90% of reference",
    );
    let reported: Vec<(&str, Limit)> =
        gates.iter().map(|gate| (gate.text.as_str(), gate.limit)).collect();
    assert_eq!(
        reported,
        [
            ("crashes: 0", Limit::AtMost(0.0)),
            ("errors: 0.1%", Limit::AtMost(0.001)),
            ("tpot_p95: 60ms", Limit::AtMost(0.06)),
            ("ttft_p95 d0: 2s", Limit::AtMost(2.0)),
            ("ttft_p95 d100000: 180s", Limit::AtMost(180.0)),
            ("tokens_per_s d100000: at least 15", Limit::AtLeast(15.0)),
            (
                "tokens_per_s c4 return: at least 95% of reference",
                Limit::AtLeastOf(0.95, Base::Reference)
            ),
            ("ttft resumed: at most 20s for 95.0% of requests", Limit::AtMost(20.0)),
            ("prefill_per_s: 90% of reference", Limit::AtLeastOf(0.9, Base::Reference)),
        ]
    );
    assert_eq!(gates[4].select.depth, Some(100_000));
    assert_eq!(
        (gates[6].select.phase, gates[6].select.load),
        (Some(Phase::Return), Some(Load::Streams(4)))
    );
    assert_eq!((gates[7].attain, gates[7].select.class), (Some(0.95), Some(Class::Resumed)));
    assert_eq!(gates[7].measure, Measure::Of(Quantity::Ttft, Statistic::P50));
    assert_eq!((gates[0].line, gates[5].line), (6, 11));
}

#[test]
fn a_gate_on_a_rate_is_a_gate_on_an_open_load() {
    let gates = gates("ttft_due_p95: [{ depth: 0, rate: 0.5, at_most: 2s }]\nlateness_p99: 50ms");
    assert_eq!(gates[0].text, "ttft_due_p95 d0 r0.5: at most 2s");
    assert_eq!(gates[0].select.load, Some(Load::PerSecond(0.5)));
    assert_eq!(gates[1].measure, Measure::Of(Quantity::Lateness, Statistic::P99));
}

#[test]
fn a_share_of_none_needs_no_unit() {
    for contract in ["wrong_model: 0", "errors: 0", "swallowed: 0.0", "off_depth: [{ at_most: 0 }]"]
    {
        assert_eq!(gates(contract)[0].limit, Limit::AtMost(0.0), "{contract}");
    }
}

#[test]
fn a_time_between_failures_is_to_be_reached() {
    let gates = gates("mtbf: 4h");
    let [gate] = &gates[..] else { panic!("{gates:?}") };
    assert_eq!((gate.measure, gate.limit), (Measure::Mtbf, Limit::AtLeast(14_400.0)));
    assert_eq!(gate.text, "mtbf: 4h");
}

#[test]
fn an_unknown_measure_is_told_with_its_place_and_the_nearest() {
    assert_snapshot!(mistake("crashes: 0\ntfft_p99: 2s"), @"
        error: scenario `overnight` has no measure `tfft_p99`
           at: scenarios/overnight.yaml:7 contract.tfft_p99
          try: ttft_p99
    ");
}

#[test]
fn a_limit_that_does_not_fit_is_refused_with_what_to_write() {
    let contracts = [
        "ttft_p95: 2",
        "ttft_p95: 2%",
        "errors: 0.1",
        "errors: 200%",
        "mtbf: 4",
        "mtbf: 0.1s",
        "mtbf: { d0: 4h }",
        "mtbf: [{ at_most: 4h }]",
        "crashes: [{ at_least: 1 }]",
        "mtbf: [{ phase: soak, at_least: 4h }]",
        "mtbf: 95% of reference",
        "mtbf: [{ attain: 95%, at_least: 4h }]",
        "crashes: 0%",
        "crashes: -1",
        "tokens_per_s: 15s",
        "tokens_per_s: nan",
        "crashes: 95% of reference",
        "tokens_per_s: 95 of reference",
        "ttft: { d7: 2s }",
        "ttft: { 0: 2s }",
        "ttft: { d01: 2s }",
        "ttft: {}",
        "ttft: { depth: 0, at_most: 2s }",
        "errors: { d0: 1% }",
        "errors: [{ load: 4, at_most: 1% }]",
        "ttft: [{ depth: 0 }]",
        "ttft: [{ at_most: 2s, at_least: 1s }]",
        "ttft: [{ load: 3, at_most: 2s }]",
        "ttft: [{ rate: 1, at_most: 2s }]",
        "ttft: [{ rate: -1, at_most: 2s }]",
        "ttft: [{ rate: 0.5, load: 1, at_most: 2s }]",
        "errors: [{ rate: 0.5, at_most: 1% }]",
        "lateness_p95: 2",
        "ttft: [{ class: colt, at_most: 2s }]",
        "ttft: [{ workload: ladders, at_most: 2s }]",
        "ttft: [{ at_mots: 2s }]",
        "ttft_p95: [{ attain: 95%, at_most: 2s }]",
        "errors: [{ attain: 95%, at_most: 2% }]",
        "ttft: [{ attain: 0.95, at_most: 2s }]",
        "ttft: [{ attain: 95%, at_most: 95% of reference }]",
        "ttft: []",
        "ttft:",
    ];
    assert_snapshot!("refused", each(contracts, |contract| mistake(contract)));
}

#[test]
fn what_is_held_against_the_reference_needs_one() {
    let contracts = ["tokens_per_s: 95% of reference", "ttft: [{ phase: return, at_most: 2s }]"];
    let reported = each(contracts, |it| read_contract(it, "0 laps").unwrap_err().to_string());
    assert_snapshot!(reported, @r#"
        "tokens_per_s: 95% of reference"
            error: scenario `overnight` has no reference laps to compare this with
               at: scenarios/overnight.yaml:6 contract.tokens_per_s
              try: reference: 2 laps

        "ttft: [{ phase: return, at_most: 2s }]"
            error: scenario `overnight` has no reference laps to compare this with
               at: scenarios/overnight.yaml:6 contract.ttft[0].phase
              try: reference: 2 laps
    "#);
}

#[test]
fn changes_over_the_hours_have_gates_of_their_own() {
    let gates = |text: &str| {
        let contract = read_contract(text, "2 laps").unwrap();
        let gates = contract.gates.iter().map(|gate| {
            let series = gate.select.series.map_or("", |series| series.name);
            let seen = if gate.where_seen { " where seen" } else { "" };
            format!("{} = {:?} {series} {:?}{seen}", gate.text, gate.measure, gate.limit)
        });
        gates.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(gates("growth: 0 where seen\nsteps: 0\ndrift: { tpot: 5% }\ndrift_ttft: [{ depth: 0, at_most: 3% }]"), @"
        growth: 0 where seen = Growth(Hour)  AtMost(0.0) where seen
        steps: 0 = Steps  AtMost(0.0)
        drift_tpot: 5% = Drift(Tpot)  AtMost(0.05)
        drift_ttft d0: at most 3% = Drift(Ttft)  AtMost(0.03)
    ");
    assert_snapshot!(gates("growth: { process_anonymous: 32MiB/h, process_threads: 2/h, host_mem_available: 1KiB/request }"), @"
        growth process_anonymous: 32MiB/h = Growth(Hour) process_anonymous AtMost(33554432.0)
        growth process_threads: 2/h = Growth(Hour) process_threads AtMost(2.0)
        growth host_mem_available: 1KiB/request = Growth(Request) host_mem_available AtMost(1024.0)
    ");
    assert_eq!(read_contract("drift: 5%", "2 laps").unwrap().gates.len(), 4);
}

#[test]
fn a_wrong_gate_on_changes_says_what_to_write() {
    let texts = [
        "growth: 5",
        "growth: {}",
        "growth: { process_anon: 1MiB/h }",
        "growth: { process_anonymous: 1MiB }",
        "growth: { process_threads: 1MiB/h }",
        "steps: 0 where seen",
        "drift: { e2e: 5% }",
        "drift: { tpot: 5 }",
        "drift: 0",
        "drift: { ttft: 0% }",
        "tpot: 90% of d4096",
        "ttft: [{ depth: 0, at_most: 90% of d0 }]",
    ];
    assert_snapshot!(
        "changes",
        each(texts, |text| read_contract(text, "2 laps").map(drop).unwrap_err().to_string())
    );
}
