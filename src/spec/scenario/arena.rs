//! Parses a Spark Arena benchmark profile (`framework: llama-benchy`) as a scenario that replays
//! the requests of llama-benchy.
//!
//! The format is foreign: keys without a use here become warnings.

use super::ladder::{self, REQUESTS};
use super::{Api, Arrivals, Extent, Ladder, Limits, Prefix, Scenario, TrendBlocks, Workload};
use crate::error::Mistake;
use crate::measure::{Count, Measure, RequestShare};
use crate::spec::contract::{Contract, Gate, Limit, Select};
use crate::spec::field::{Field, shown};
use crate::spec::node::Node;

/// Maximum of lengths and runs, as for the ladder.
const VALUE_MAX: u64 = 100_000_000;
const STREAMS_MAX: u64 = 1024;

/// Arguments of llama-benchy, with its and sparkrun's defaults.
struct Args {
    depths: Vec<u64>,
    prompts: Vec<u64>,
    outputs: Vec<u64>,
    concurrency: Vec<u32>,
    prefix_caching: bool,
    runs: u64,
    exact_output: bool,
}

/// Parses the profile at `root`.
pub(super) fn read(root: &Field<'_>) -> Result<Scenario, Mistake> {
    let mut warnings = Vec::new();
    let mut args = Args {
        depths: vec![0],
        prompts: vec![2048],
        outputs: vec![32],
        concurrency: vec![1],
        prefix_caching: true,
        runs: 3,
        exact_output: false,
    };
    let mut steps = None;
    for (key, field) in root.any_map()? {
        match key {
            "framework" => check_framework(&field)?,
            "metadata" => {}
            "schedule" => steps = Some(field),
            "args" if field.node.is_null() => {}
            "args" => {
                for (key, field) in field.any_map()? {
                    args.read_key(key, &field, &mut warnings)?;
                }
            }
            // sparkrun moves keys that it does not know into `args`.
            _ => args.read_key(key, &field, &mut warnings)?,
        }
    }
    let steps = match &steps {
        Some(field) => Some(ladder::schedule(field, &args.depths, &args.concurrency)?),
        None => None,
    };
    let line = root.node.get("framework").map_or(root.node.line, |node| node.line);
    Ok(Scenario {
        source: root.source.clone(),
        about: about(root.node),
        extent: Extent::Laps(1),
        warmup_laps: 0,
        reference_laps: 0,
        workloads: args.ladders(steps.as_deref()),
        trend: TrendBlocks::default(),
        limits: Limits::default(),
        drills: Vec::new(),
        restart: None,
        contract: contract(line),
        warnings,
    })
}

fn check_framework(field: &Field<'_>) -> Result<(), Mistake> {
    match field.text()? {
        "llama-benchy" => Ok(()),
        other => Err(field
            .mistake(format!("longhaul replays profiles of llama-benchy, not of {}", shown(other)))
            .hint("framework: llama-benchy")),
    }
}

impl Args {
    fn read_key(
        &mut self,
        key: &str,
        field: &Field<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Mistake> {
        match key {
            "depth" => self.depths = values(field, 0, VALUE_MAX, warnings)?,
            "pp" => self.prompts = values(field, 1, VALUE_MAX, warnings)?,
            "tg" => self.outputs = values(field, 1, VALUE_MAX, warnings)?,
            "concurrency" => {
                let streams = values(field, 1, STREAMS_MAX, warnings)?;
                self.concurrency = streams.iter().map(|streams| *streams as u32).collect();
            }
            "prefix_caching" | "enable_prefix_caching" => self.prefix_caching = field.switch()?,
            "runs" => self.runs = field.whole(1, 10_000)?,
            "exact_tg" => self.exact_output = field.switch()?,
            other => warnings.push(format!(
                "line {}: {} of the profile has no meaning here and is left out",
                field.node.line,
                shown(other)
            )),
        }
        Ok(())
    }

    /// Returns a ladder for each prompt length and output length.
    fn ladders(&self, schedule: Option<&[(u64, u32)]>) -> Vec<Workload> {
        let shapes = self.prompts.iter().flat_map(|p| self.outputs.iter().map(|o| (*p, *o)));
        shapes
            .map(|(prompt, output)| {
                Workload::Ladder(Ladder {
                    depths: self.depths.clone(),
                    prompt,
                    output,
                    concurrency: self.concurrency.clone(),
                    rate: Vec::new(),
                    arrivals: Arrivals::default(),
                    requests: REQUESTS,
                    prefix: if self.prefix_caching { Prefix::TwoPhase } else { Prefix::Cold },
                    runs: self.runs,
                    schedule: schedule.map(<[_]>::to_vec),
                    cap: None,
                    exact_output: self.exact_output,
                    texts: Vec::new(),
                    api: Api::Chat,
                })
            })
            .collect()
    }
}

/// Parses a list of distinct whole numbers, or a single one.
fn values(
    field: &Field<'_>,
    least: u64,
    most: u64,
    warnings: &mut Vec<String>,
) -> Result<Vec<u64>, Mistake> {
    let items = match field.node.items() {
        Some(_) => field.list()?,
        None => vec![field.clone()],
    };
    let mut values = Vec::new();
    for item in items {
        let value = item.whole(least, most)?;
        if values.contains(&value) {
            let (line, name) = (item.node.line, field.name());
            warnings.push(format!("line {line}: {value} stands twice in `{name}`, and runs once"));
        } else {
            values.push(value);
        }
    }
    Ok(values)
}

fn about(root: &Node) -> String {
    let description = root.get("metadata").and_then(|metadata| metadata.get("description"));
    let description = description.and_then(Node::said).map(str::trim);
    description.unwrap_or("A Spark Arena benchmark profile, replayed.").to_owned()
}

/// Contract of Spark Arena, which rejects runs with a failed request.
fn contract(line: usize) -> Contract {
    let gate = |measure, text: &str| Gate {
        measure,
        select: Select::default(),
        limit: Limit::AtMost(0.0),
        attain: None,
        where_seen: false,
        text: text.to_owned(),
        line,
    };
    let crashes = gate(Measure::Count(Count::Crashes), "crashes: 0");
    let errors = gate(Measure::Portion(RequestShare::Errors), "errors: 0%");
    Contract { gates: vec![crashes, errors] }
}
