//! Implements `longhaul report` of several runs: adds up what they prove.

use std::path::{Path, PathBuf};

use super::{Export, JudgedRun, judge_unchanged};
use crate::command::{ReportFormat, finish, mistake};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::journal::{self, Manifest};
use crate::report::{Printable, pooled};
use crate::verdict::Exposure;
use crate::verdict::pool::{Pool, PooledRun};

/// Prints what several runs of one recipe prove together. The exit code is that of the worst.
pub(crate) fn report(runs: &[PathBuf], format: ReportFormat) -> Exit {
    let of_one_run = match format {
        ReportFormat::Terminal { wide: true } => Some("--wide"),
        ReportFormat::Markdown => Some("--format markdown"),
        ReportFormat::Junit => Some("--format junit"),
        ReportFormat::Github => Some("--format github"),
        ReportFormat::Terminal { .. } | ReportFormat::Json => None,
    };
    if let Some(flags) = of_one_run {
        return mistake(&of_one(runs, flags));
    }
    let pooled = runs.iter().map(|run| read(run)).collect::<Result<Vec<_>, _>>();
    match pooled.and_then(Pool::of) {
        Ok(pool) => finish(&rendered(&pool, format), pool.exit),
        Err(wrong) => mistake(&wrong),
    }
}

/// Refuses to write several runs in the format of another tool.
pub(crate) fn export(runs: &[PathBuf], form: Export) -> Exit {
    let word = match form {
        Export::Arena => "arena",
        Export::Benchy => "benchy",
    };
    mistake(&of_one(runs, &format!("--format {word}")))
}

fn of_one(runs: &[PathBuf], flags: &str) -> Mistake {
    let first = runs.first().map_or_else(String::new, |run| run.display().to_string());
    Mistake::new(format!("{flags} is of one run, not of {}", runs.len()))
        .hint(format!("longhaul report {first} {flags}"))
}

fn rendered(pool: &Pool, format: ReportFormat) -> Printable {
    match format {
        ReportFormat::Json => pooled::json::render(pool),
        _ => pooled::render(pool),
    }
}

/// Reads a run folder, and keeps what is added up.
fn read(run: &Path) -> Result<PooledRun, Mistake> {
    let judged = judge_unchanged(run)?;
    let manifest = journal::reader::read_manifest(run)?;
    Ok(of(run, &judged, &manifest))
}

fn of(run: &Path, judged: &JudgedRun, manifest: &Manifest) -> PooledRun {
    let JudgedRun { analysis, verdict, .. } = judged;
    let host = manifest.nodes.first().map_or("", |node| node.host.as_str());
    let period = |span: &crate::analysis::calendar::SegmentSpan| {
        let from = manifest.anchor_us(span.segment);
        (from, from + span.end.0)
    };
    PooledRun {
        folder: run.display().to_string(),
        fingerprint: manifest.fingerprint(),
        recipe: manifest.recipe.name.clone(),
        recipe_sha256: manifest.recipe.sha256.clone(),
        scenario: manifest.scenario.name.clone(),
        seed: manifest.seed,
        simulated: manifest.simulated,
        ailments: manifest.ailments.clone(),
        server: format!("{} from {host}", manifest.server.endpoint),
        version: manifest.server.version.clone(),
        periods: analysis.calendar.segments.iter().map(period).collect(),
        has_lost_rows: analysis.reported.lost.all > 0,
        exposure: Exposure::of(analysis, verdict.proof.as_ref()),
        word: verdict.word,
        exit: verdict.exit(),
        why: PooledRun::why_of(verdict),
        closed: verdict.closed,
        gates: PooledRun::gates_of(verdict),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use tempfile::TempDir;

    use super::*;
    use crate::measure::Count;
    use crate::shown::named;

    /// Copies a golden run folder, with its begin some days later.
    fn later(name: &str, days: u64, into: &Path) -> PathBuf {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journals").join(name);
        let folder = into.join(format!("{name}-{days}"));
        std::fs::create_dir(&folder).unwrap();
        for file in ["requests.csv", "events.csv", "readings.csv"] {
            std::fs::copy(from.join(file), folder.join(file)).unwrap();
        }
        let text = std::fs::read_to_string(from.join("run.json")).unwrap();
        let mut manifest: Manifest = serde_json::from_str(&text).unwrap();
        for anchor in &mut manifest.segments {
            anchor.wall_us += days * 86_400_000_000;
        }
        let text = manifest.to_json().unwrap();
        std::fs::write(folder.join("run.json"), text).unwrap();
        folder
    }

    /// Adds up golden run folders, each with the day of its begin.
    fn pool(runs: &[(&str, u64)]) -> Result<Pool, String> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().display().to_string();
        let runs = runs.iter().map(|(name, days)| {
            let run = folder.path().join(format!("{name}-{days}"));
            read(&if run.exists() { run } else { later(name, *days, folder.path()) })
        });
        let runs = runs.collect::<Result<Vec<_>, _>>();
        runs.and_then(Pool::of).map_err(|wrong| named(&wrong.to_string(), &[(&path, "RUNS")]))
    }

    #[test]
    fn run_folders_of_one_recipe_add_up() {
        let pool = pool(&[("healthy", 0), ("hung", 1), ("blind", 2)]).unwrap();
        let loads = pool.runs.iter().map(|run| run.exposure.failures.load_s);
        assert!((pool.total.failures.load_s - loads.sum::<f64>()).abs() < 1e-9);
        assert_eq!((pool.total.failures.seen, pool.exit), (1, Exit::Fail));
        let words = pool.runs.iter().map(|run| run.word.word()).collect::<Vec<_>>();
        assert_eq!(words, ["PASS", "FAIL", "INCONCLUSIVE"]);
        let hangs = pool.total.kind(Count::Hangs);
        assert_eq!((hangs.seen, pool.runs[1].exposure.kind(Count::Hangs).seen), (1, 1));
    }

    #[test]
    fn a_run_folder_given_twice_is_refused() {
        assert_snapshot!(pool(&[("healthy", 0), ("hung", 1), ("healthy", 0)]).unwrap_err(), @"
            error: the same run is given twice
               at: RUNS/healthy-0 · RUNS/healthy-0
              try: every run once; a copy of one, or the link `latest` to it, counts as the same
        ");
    }

    #[test]
    fn golden_run_folders_that_began_at_one_time_loaded_one_server() {
        let one = pool(&[("healthy", 0), ("hung", 3)]).unwrap();
        let mut other = one.runs.clone();
        other[1].periods = one.runs[0].periods.clone();
        assert_snapshot!(Pool::of(other).unwrap_err().what(), @"two runs loaded one server at the same time, which would count twice");
    }

    #[test]
    fn what_only_one_run_can_have_is_refused_for_two() {
        let runs = ["runs/a", "runs/b"].map(PathBuf::from);
        assert_snapshot!(of_one(&runs, "--wide"), @"
            error: --wide is of one run, not of 2
              try: longhaul report runs/a --wide
        ");
        assert_eq!(export(&runs, Export::Arena), Exit::Mistake);
        assert_eq!(report(&runs, ReportFormat::Terminal { wide: true }), Exit::Mistake);
    }
}
