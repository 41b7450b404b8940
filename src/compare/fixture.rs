//! Builds starts for tests.

use std::collections::BTreeMap;

use super::start::{EVENTS, EventCount};
use super::{LoadIdentity, MeasureKey, Start, StartValue};
use crate::analysis::{Share, StreamLadder, StreamLevel, Trends};
use crate::fact::{Cell, Class, Group, Load};
use crate::measure::{Count, Measure};
use crate::stats::{Dist, Estimate};
use crate::verdict::{EventExposure, Exposure};

/// Returns the group of a ladder at this depth, under this load.
pub(crate) fn group(depth: u64, load: Load, output: u64) -> Group {
    let cell = Some(Cell { depth, load, prompt: 512, output });
    Group { workload: "ladder".to_owned(), class: Class::Cold, cell }
}

/// Returns the key of a measure at a depth, for one stream.
///
/// # Panics
/// On a name that is not a measure.
pub(crate) fn key(depth: u64, measure: &str) -> MeasureKey {
    under(Load::Streams(1), depth, measure)
}

/// Returns the key of a measure at a depth, under a load.
///
/// # Panics
/// On a name that is not a measure.
pub(crate) fn under(load: Load, depth: u64, measure: &str) -> MeasureKey {
    let measure = Measure::parse(measure).expect("a known name");
    MeasureKey { group: group(depth, load, 64), measure }
}

/// Returns a start with these values, without events and with full coverage.
pub(crate) fn start(name: &str, values: &[(MeasureKey, f64)]) -> Start {
    let event =
        |count: &Count| EventCount { count: *count, seen: 0, unseen: Vec::new(), asked: true };
    Start {
        name: name.to_owned(),
        run: name.to_owned(),
        server_start_id: Some(format!("start of {name}")),
        simulated: false,
        hours: 6.0,
        values: values
            .iter()
            .map(|(key, value)| (key.clone(), StartValue { value: (*value).into(), n: 80 }))
            .collect(),
        dists: values.iter().map(|(key, value)| (key.clone(), repeated(*value))).collect(),
        trends: Trends::default(),
        exposure: exposure(6.0, 80),
        intervals: BTreeMap::new(),
        streams: Vec::new(),
        events: EVENTS.iter().map(event).collect(),
        sources: vec![("requests", 1.0)],
        stagger: BTreeMap::new(),
        cold_from_cache: None,
        parser_faults: 0,
        errors: (0, 80),
        failed_starts: 0,
        never_ready: None,
        broken_off: None,
        verdict: crate::verdict::VerdictWord::Pass,
        gates: Vec::new(),
        load_identity: LoadIdentity {
            scenario: "short".to_owned(),
            seed: 1,
            ..LoadIdentity::default()
        },
        recipe: None,
        container: None,
        command: Some("vllm serve m".to_owned()),
        surroundings: BTreeMap::new(),
        identity: BTreeMap::new(),
    }
}

/// Returns an exposure without a failure.
pub(crate) fn exposure(hours: f64, requests: u64) -> Exposure {
    let load_s = hours * 3600.0;
    let events = EventExposure { seen: 0, load_s, watched_s: load_s };
    Exposure {
        failures: events,
        kinds: Count::FAILURES.map(|count| (count, events)).to_vec(),
        parser_faults: Share { part: 0, of: requests },
    }
}

/// Returns the ladder of a depth with these numbers of streams and tokens per second of all.
pub(crate) fn streams(depth: u64, levels: &[(u32, f64)]) -> StreamLadder {
    let level = |(streams, all): &(u32, f64)| {
        let each = all / f64::from(*streams);
        let known = |value: f64| Some(Estimate::exact(value));
        StreamLevel {
            streams: *streams,
            rounds: 10,
            throughput: known(*all),
            tokens_per_s: known(each),
            ttft: known(0.4),
            tpot: known(each.recip()),
            ttft_mean: known(0.4),
            e2e_mean: known(0.4 + 64.0 / each),
        }
    };
    StreamLadder {
        workload: "ladder".to_owned(),
        class: Class::Cold,
        depth,
        prompt: 512,
        output: 64,
        levels: levels.iter().map(level).collect(),
    }
}

/// Returns a distribution of 80 equal values.
fn repeated(value: f64) -> Dist {
    let mut dist = Dist::new();
    (0..80).for_each(|_| dist.record(value));
    dist
}

/// Returns starts whose TTFT and TPOT at two depths are these values, in milliseconds.
pub(crate) fn side(name: &str, values: &[f64]) -> Vec<Start> {
    let all = [(0, "ttft"), (0, "tpot"), (4096, "ttft"), (4096, "tpot")];
    let of = |(index, ms): (usize, &f64)| {
        let values: Vec<(MeasureKey, f64)> =
            all.iter().map(|(depth, name)| (key(*depth, name), ms / 1e3)).collect();
        start(&format!("{name}-{index}"), &values)
    };
    values.iter().enumerate().map(of).collect()
}
