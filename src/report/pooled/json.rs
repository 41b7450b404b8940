//! Writes what several runs prove together for scripts. Schema 1; keys may be added later, never
//! renamed. A missing value is null, never 0. Times are in seconds.

use serde::Serialize;

use crate::fact::ClosedBecause;
use crate::report::json::bounds::{self, BoundsJson};
use crate::report::printable::Printable;
use crate::verdict::VerdictWord;
use crate::verdict::pool::{Pool, PooledRun};

const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    longhaul: &'static str,
    /// Worst word of the runs.
    verdict: VerdictWord,
    simulated: bool,
    exit_code: u8,
    recipe: &'a str,
    recipe_sha256: &'a str,
    load_s: f64,
    bounds: BoundsJson,
    /// Gates on the mean time between failures, judged by the sum.
    together: Vec<Gate<'a>>,
    notes: &'a [String],
    runs: Vec<Run<'a>>,
}

#[derive(Serialize)]
struct Gate<'a> {
    text: &'a str,
    word: VerdictWord,
}

#[derive(Serialize)]
struct Run<'a> {
    folder: &'a str,
    verdict: VerdictWord,
    exit_code: u8,
    why: &'a [String],
    scenario: &'a str,
    seed: u64,
    closed: Option<ClosedBecause>,
    load_s: f64,
    bounds: BoundsJson,
}

/// Writes the sum.
pub(crate) fn render(pool: &Pool) -> Printable {
    let first = &pool.runs[0];
    let document = Document {
        schema: SCHEMA,
        longhaul: env!("CARGO_PKG_VERSION"),
        verdict: pool.word,
        simulated: first.simulated,
        exit_code: pool.exit.code(),
        recipe: &first.recipe,
        recipe_sha256: &first.recipe_sha256,
        load_s: pool.total.failures.load_s,
        bounds: bounds::of(&pool.total),
        together: pool.gates.iter().map(|(text, word)| Gate { text, word: *word }).collect(),
        notes: &pool.notes,
        runs: pool.runs.iter().map(run).collect(),
    };
    Printable::json(&document)
}

fn run(run: &PooledRun) -> Run<'_> {
    Run {
        folder: &run.folder,
        verdict: run.word,
        exit_code: run.exit.code(),
        why: &run.why,
        scenario: &run.scenario,
        seed: run.seed,
        closed: run.closed,
        load_s: run.exposure.failures.load_s,
        bounds: bounds::of(&run.exposure),
    }
}
