//! Parses a ladder: depths × loads × one shape.

use std::fmt::Display;
use std::time::Duration;

use super::{Api, Arrivals, Ladder, Prefix, RATES, REQUESTS};
use crate::error::Mistake;
use crate::spec::SpecFile;
use crate::spec::field::{Field, shown};
use crate::spec::scenario::read::ReadTextFile;

const KEYS: [&str; 14] = [
    "depths",
    "prompt",
    "output",
    "concurrency",
    "rate",
    "arrivals",
    "requests",
    "prefix",
    "runs",
    "schedule",
    "cap",
    "exact_output",
    "text",
    "api",
];

/// Maximum length, tokens: no server accepts more, and a typing error would generate gigabytes of
/// text.
const TOKENS_MAX: u64 = 100_000_000;

/// Maximum of streams and of requests per open round: each is a task with its own connection.
const STREAMS_MAX: u64 = 1024;

/// Maximum number of rounds of a cell per lap.
const RUNS_MAX: u64 = 10_000;

/// Maximum of `cap`: a longer prefill is of no use.
const CAP_MAX: Duration = Duration::from_secs(86_400);

/// Parses the value of `ladder:`.
pub(crate) fn read(field: &Field<'_>, load: ReadTextFile<'_>) -> Result<Ladder, Mistake> {
    let values = field.map(&KEYS)?;
    let find = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, field)| field);
    let need = |name: &str, example: &str| {
        find(name).ok_or_else(|| field.mistake(format!("a ladder needs `{name}`")).hint(example))
    };
    let depths = axis(need("depths", "depths: [0, 4096, 32768]")?, 0, TOKENS_MAX)?;
    let concurrency = match find("concurrency") {
        Some(streams) => axis(streams, 1, STREAMS_MAX)?,
        None if find("rate").is_some() => Vec::new(),
        None => {
            let what = "a ladder needs `concurrency`, `rate`, or both";
            return Err(field
                .mistake(what)
                .hint("concurrency: [1, 2, 4]")
                .hint("rate: [0.05, 0.1]"));
        }
    };
    let mut ladder = Ladder {
        prompt: need("prompt", "prompt: 2048")?.tokens(1, TOKENS_MAX)?,
        output: need("output", "output: 128")?.tokens(1, TOKENS_MAX)?,
        concurrency: concurrency.iter().map(|streams| *streams as u32).collect(),
        rate: Vec::new(),
        arrivals: Arrivals::default(),
        requests: REQUESTS,
        depths,
        prefix: Prefix::Cold,
        runs: 1,
        schedule: None,
        cap: None,
        exact_output: true,
        texts: Vec::new(),
        api: Api::Chat,
    };
    if let Some(prefix) = find("prefix") {
        let words =
            [("cold", Prefix::Cold), ("warm", Prefix::Warm), ("two_phase", Prefix::TwoPhase)];
        ladder.prefix = prefix.word(&words)?;
    }
    if let Some(runs) = find("runs") {
        ladder.runs = runs.whole(1, RUNS_MAX)?;
    }
    if let Some(steps) = find("schedule") {
        ladder.schedule = Some(schedule(steps, &ladder.depths, &ladder.concurrency)?);
    }
    ladder.cap = find("cap").map(|cap| cap.duration(CAP_MAX)).transpose()?;
    if let Some(switch) = find("exact_output") {
        ladder.exact_output = switch.switch()?;
    }
    if let Some(names) = find("text") {
        ladder.texts = texts(names, load)?;
    }
    if let Some(api) = find("api") {
        ladder.api = api.word(&[("chat", Api::Chat), ("completions", Api::Completions)])?;
    }
    open(&values, &mut ladder)?;
    Ok(ladder)
}

/// Parses the keys of the open loop, after all others.
fn open(values: &[(&str, Field<'_>)], ladder: &mut Ladder) -> Result<(), Mistake> {
    let find = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, field)| field);
    let Some(rate) = find("rate") else {
        let idle = ["arrivals", "requests"].into_iter().find_map(find);
        return match idle {
            Some(field) => Err(field
                .mistake(format!("`{}` belongs to `rate`, and there is none", field.name()))
                .hint("rate: [0.05, 0.1]")),
            None => Ok(()),
        };
    };
    ladder.rate = rates(rate)?;
    if let Some(arrivals) = find("arrivals") {
        let words = [Arrivals::Poisson, Arrivals::Constant].map(|kind| (kind.word(), kind));
        ladder.arrivals = arrivals.word(&words)?;
    }
    if let Some(requests) = find("requests") {
        ladder.requests = requests.whole(1, STREAMS_MAX)? as u32;
    }
    if let (Prefix::TwoPhase, Some(prefix)) = (ladder.prefix, find("prefix")) {
        let what = "`two_phase` loads contexts in closed rounds; an open loop has none";
        return Err(prefix.mistake(what).hint("warm").hint("concurrency in place of rate"));
    }
    if let Some(steps) = find("schedule") {
        let what = "a schedule orders depths and concurrency; `rate` is not possible in it";
        return Err(steps.mistake(what).hint("a ladder of its own for the rates"));
    }
    Ok(())
}

/// Parses a list of distinct rates, requests per second.
fn rates(field: &Field<'_>) -> Result<Vec<f64>, Mistake> {
    let mut rates: Vec<f64> = Vec::new();
    for item in field.list()? {
        let rate = item.number(f64::MIN)?;
        if !RATES.contains(&rate) {
            let range = format!("requests per second, from {} to {}", RATES.start(), RATES.end());
            return Err(item.mistake(format!("`{}` cannot be {rate}", field.name())).hint(range));
        }
        if rates.contains(&rate) {
            return Err(item.mistake(format!("{rate} stands twice in `{}`", field.name())));
        }
        rates.push(rate);
    }
    Ok(rates)
}

/// Parses the values of an axis: a list of distinct numbers.
fn axis(field: &Field<'_>, least: u64, most: u64) -> Result<Vec<u64>, Mistake> {
    let mut values = Vec::new();
    for item in field.list()? {
        let value = item.tokens(least, most)?;
        if values.contains(&value) {
            return Err(item.mistake(format!("{value} stands twice in `{}`", field.name())));
        }
        values.push(value);
    }
    Ok(values)
}

/// Parses the order of cells within a lap: `- { depth: 8192, concurrency: 5 }`.
pub(crate) fn schedule(
    field: &Field<'_>,
    depths: &[u64],
    concurrency: &[u32],
) -> Result<Vec<(u64, u32)>, Mistake> {
    let mut steps = Vec::new();
    for item in field.list()? {
        let values = item.map(&["depth", "concurrency"])?;
        let get = |name: &str, least: u64| match values.iter().find(|(key, _)| *key == name) {
            Some((_, field)) => field.tokens(least, TOKENS_MAX).map(|value| (value, field)),
            None => Err(item
                .mistake(format!("a step needs its `{name}`"))
                .hint("{ depth: 8192, concurrency: 2 }")),
        };
        let (depth, depth_field) = get("depth", 0)?;
        let (streams, streams_field) = get("concurrency", 1)?;
        if !depths.contains(&depth) {
            return Err(unlisted(depth_field, "depths", depth, depths));
        }
        let Some(streams) = concurrency.iter().find(|known| u64::from(**known) == streams) else {
            return Err(unlisted(streams_field, "concurrency", streams, concurrency));
        };
        steps.push((depth, *streams));
    }
    Ok(steps)
}

fn unlisted<T: Display>(field: &Field<'_>, axis: &str, value: u64, known: &[T]) -> Mistake {
    let known: Vec<String> = known.iter().map(T::to_string).collect();
    field.mistake(format!("{value} is not in `{axis}`")).hint(known.join(", "))
}

fn texts(field: &Field<'_>, load: ReadTextFile<'_>) -> Result<Vec<SpecFile>, Mistake> {
    let mut texts = Vec::new();
    for item in field.list()? {
        let name = item.text()?;
        let text = load(name)?;
        if text.trim().is_empty() {
            return Err(item.mistake(format!("{} holds no text", shown(name))));
        }
        texts.push(SpecFile { name: name.to_owned(), origin: name.to_owned(), text });
    }
    Ok(texts)
}
