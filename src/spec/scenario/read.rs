//! Parses a scenario in longhaul's own format, strictly: a misspelt limit would otherwise be no
//! limit.

use std::time::Duration;

use super::{Extent, Limits, Scenario, TrendBlocks, Workload, arena, care, limits};
use crate::error::Mistake;
use crate::spec::field::{Field, LAPS_MAX, document, no_duplicate};
use crate::spec::node::{self, Node};
use crate::spec::{Contract, SpecFile, contract};
use crate::unit;

const KEYS: [&str; 11] = [
    "about",
    "duration",
    "laps",
    "warmup",
    "reference",
    "workloads",
    "trend",
    "limits",
    "drills",
    "restart",
    "contract",
];

/// Maximum duration: bounds the arithmetic on microseconds.
const DURATION_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Least length of a block: the interval of a row of readings.
const BLOCK_MIN: Duration = Duration::from_secs(10);

/// Loads a user's text file that a scenario names.
pub(super) type ReadTextFile<'a> = &'a dyn Fn(&str) -> Result<String, Mistake>;

/// Parses a scenario, or a Spark Arena benchmark profile as one. `load` returns the text files of
/// its ladders, by name as written.
///
/// # Errors
/// The first mistake, with its place and what to write instead.
#[allow(clippy::needless_pass_by_value)] // every spec is read from a file that it then owns
pub(crate) fn read(source: SpecFile, load: ReadTextFile<'_>) -> Result<Scenario, Mistake> {
    let document = document(&source)?;
    let root = Field::root(&source, &document);
    if !root.node.is_map() {
        let kind = root.node.kind();
        return Err(root.mistake(format!("`{}` is not a scenario: it is {kind}", source.name)));
    }
    if root.node.get("framework").is_some() {
        return arena::read(&root);
    }
    let benchmark = root.node.get("benchmark").filter(|node| node.is_map());
    if let Some(node) = benchmark.filter(|_| root.node.get("workloads").is_none()) {
        let mut scenario = arena::read(&root.below("benchmark", node))?;
        // The run keeps the profile alone: a recipe around it may hold keys.
        let key = Node::scalar("benchmark", false);
        scenario.source.text = node::write(&Node::map(vec![(key, node.clone())]));
        return Ok(scenario);
    }
    if root.node.get("workloads").is_none() && root.node.get("model").is_some() {
        let mistake =
            root.mistake(format!("`{}` is not a scenario: it has no workloads", source.name));
        return Err(mistake.hint("it looks like a recipe without a `benchmark`: --recipe"));
    }
    no_duplicate(&source, &document)?;
    own(&root, load)
}

fn own(root: &Field<'_>, load: ReadTextFile<'_>) -> Result<Scenario, Mistake> {
    let name = &root.source.name;
    let mut about = String::new();
    let mut extents = Vec::new();
    let (mut warmup_laps, mut reference_laps) = (1, 0);
    let mut workloads = Vec::new();
    let (mut trend, mut limits) = (TrendBlocks::default(), Limits::default());
    let (mut drills, mut restart) = (Vec::new(), None);
    let mut asked = None;
    for (key, field) in root.map(&KEYS)? {
        match key {
            "about" => field.text()?.clone_into(&mut about),
            "duration" => extents.push((Extent::Duration(field.duration(DURATION_MAX)?), field)),
            "laps" => extents.push((Extent::Laps(field.whole(1, LAPS_MAX)?), field)),
            "warmup" => warmup_laps = field.laps()?,
            "reference" => reference_laps = field.laps()?,
            "workloads" => workloads = read_workloads(&field, load)?,
            "trend" => trend = read_trend(&field)?,
            "limits" => limits = limits::read(&field, DURATION_MAX)?,
            "drills" => drills = care::drills(&field, DURATION_MAX)?,
            "restart" => restart = Some(care::restart(&field, DURATION_MAX)?),
            _ => asked = Some(field),
        }
    }
    if workloads.is_empty() {
        let mistake = root.mistake(format!("scenario `{name}` asks nothing: it has no workloads"));
        return Err(mistake.hint("workloads: [{ ladder: { … } }]; docs/formats/scenario.md"));
    }
    let extent = extent(root, &extents, reference_laps)?;
    let mut warnings = Vec::new();
    for key in ["workloads", "contract"] {
        root.node.get(key).into_iter().for_each(|node| lengths(node, &mut warnings));
    }
    let contract = if let Some(field) = asked {
        let scope = contract::Scope { workloads: &workloads, reference_laps };
        contract::read(&field, &scope)?
    } else {
        warnings.push("there is no `contract`: nothing must hold".to_owned());
        Contract::default()
    };
    let source = root.source.clone();
    let scenario = Scenario {
        source,
        about,
        extent,
        warmup_laps,
        reference_laps,
        workloads,
        trend,
        limits,
        drills,
        restart,
        contract,
        warnings,
    };
    Ok(scenario)
}

/// Reports what numbers of tokens with a unit stand for.
fn lengths(node: &Node, warnings: &mut Vec<String>) {
    let tokens = node.said().and_then(|text| Some((text, unit::tokens(text)?)));
    if let Some((text, tokens)) = tokens {
        let tokens = unit::grouped(tokens as f64);
        warnings.push(format!("line {}: {text} is {tokens} tokens", node.line));
    }
    let items = node.items().unwrap_or_default().iter();
    items.chain(node.pairs().iter().map(|(_, value)| value)).for_each(|it| lengths(it, warnings));
}

fn extent(
    root: &Field<'_>,
    extents: &[(Extent, Field<'_>)],
    reference_laps: u64,
) -> Result<Extent, Mistake> {
    match extents {
        [] => {
            let mistake = root.mistake(format!("scenario `{}` has no end", root.source.name));
            Err(mistake.hint("duration: 12h").hint("laps: 3"))
        }
        [(Extent::Laps(laps), field)] if *laps < 2 * reference_laps => {
            let mistake = field.mistake(format!(
                "{laps} laps hold no {reference_laps} laps at the start and as many at the end to compare"
            ));
            Err(mistake.hint(format!("laps: {}", 2 * reference_laps)))
        }
        [(extent, _)] => Ok(*extent),
        [_, (_, field), ..] => {
            Err(field.mistake("a scenario has a duration or a number of laps, not both"))
        }
    }
}

fn read_workloads(field: &Field<'_>, load: ReadTextFile<'_>) -> Result<Vec<Workload>, Mistake> {
    let mut workloads = Vec::new();
    for item in field.list()? {
        for (kind, workload) in item.map(&Workload::NAMES)? {
            workloads.push(Workload::read(kind, &workload, load)?);
        }
    }
    Ok(workloads)
}

fn read_trend(field: &Field<'_>) -> Result<TrendBlocks, Mistake> {
    let mut trend = TrendBlocks::default();
    for (key, span) in field.map(&["block", "warmup"])? {
        let value = span.duration(DURATION_MAX)?;
        match key {
            "block" if value < BLOCK_MIN => {
                let what = format!(
                    "a block is {} s or longer, as a row of readings is",
                    BLOCK_MIN.as_secs()
                );
                return Err(span.mistake(what).hint("block: 10m"));
            }
            "block" => trend.block = value,
            _ => trend.warmup = value,
        }
    }
    Ok(trend)
}

#[cfg(test)]
mod tests;
