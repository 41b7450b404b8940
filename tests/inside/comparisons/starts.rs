//! Provides short rehearsals of a machine with a known speed, for comparisons.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use longhaul::command::compare::{floor_of, sides as compare_sides};
use longhaul::command::drive::{DriveOptions, NoRun};
use longhaul::command::{Inputs, rehearse};
use longhaul::compare::{CompareTerms, Comparison, Floor};
use longhaul::error::Mistake;
use longhaul::fact::Entry;
use longhaul::run::Watcher;
use longhaul::run::conductor::Order;
use longhaul::run::load::Progress;
use longhaul::run::stop::channel;
use longhaul::shown::named;
use longhaul::unit::At;
use tempfile::TempDir;

const SCENARIO: &str = "\
about: Two depths, one stream, for comparisons.
warmup: 1 lap
laps: 6
workloads:
  - ladder: { depths: [0, 4096], prompt: 512, output: 64, concurrency: [1], prefix: cold }
contract:
  errors: 1%
  crashes: 5
";

/// A machine on which starts differ by 1 %.
fn profile(factor: f64) -> String {
    format!(
        "about: A machine of a known speed.\nprefill_s: {}\nprefill_s_per_token: {}\n\
         prefill_s_per_token2: 0\ndecode_per_s: {}\ndecode_loss_at_100k: 0.02\n\
         decode_step_growth: 0.2\nkv_tokens: 1048576\nacceptance: 0.75\n\
         noise_between_starts: 0.01\nnoise_within: 0.01\nmemory: 119GiB\nmemory_ready: 96GiB\n\
         start_s: 10\n",
        0.2 * factor,
        482.8e-6 * factor,
        22.8 / factor
    )
}

/// Files of a run folder.
type Files = Vec<(OsString, Vec<u8>)>;

/// Server seed, seed and factor of a healthy start.
type Played = (u64, u64, u64);

/// Healthy starts that were played, by server seed, seed and factor: tests compare the same ones.
static PLAYED: Mutex<BTreeMap<Played, Arc<OnceLock<Files>>>> = Mutex::new(BTreeMap::new());

/// A folder of a test's own, removed when it is dropped.
pub(super) struct Starts(TempDir);

impl Starts {
    pub(super) fn new() -> Starts {
        Starts(tempfile::tempdir().unwrap())
    }

    /// So many starts of a machine that is `factor` times as slow.
    pub(super) fn side(&self, name: &str, first: u64, starts: u64, factor: f64) -> Vec<PathBuf> {
        (0..starts).map(|n| self.play(name, (first + n, 1), factor, &[])).collect()
    }

    /// A start of the usual machine to which something happens.
    pub(super) fn ailing(&self, name: &str, server_seed: u64, ailments: &[&str]) -> Vec<PathBuf> {
        vec![self.play(name, (server_seed, 1), 1.0, ailments)]
    }

    /// A run of a start of that seed, of which something else is known too.
    pub(super) fn elsewhere(&self, name: &str, server_seed: u64) -> PathBuf {
        self.play(name, (server_seed, 1), 1.0, &["crash=20s@30s"])
    }

    /// A start that was asked something else.
    pub(super) fn seeded(&self, name: &str, seed: u64) -> Vec<PathBuf> {
        vec![self.play(name, (1, seed), 1.0, &[])]
    }

    /// The record's recipe under Spark Arena's profile, on the simulator.
    pub(super) fn replay(&self, name: &str) -> PathBuf {
        let folder = self.0.path().join(name);
        let scenario = Some("spark_arena_v2".to_owned());
        let inputs = Inputs { scenario, seed: 1, ..Inputs::default() };
        let output = Some(folder.clone());
        played(DriveOptions { inputs, output, quiet: true, ..DriveOptions::default() })
    }

    /// A published table.
    pub(super) fn table(&self, name: &str, text: &str) -> PathBuf {
        PathBuf::from(self.file(name, text))
    }

    /// A run as a table of llama-benchy's, in the form that the name ends with. The Markdown is of
    /// one stream.
    pub(super) fn exported(&self, name: &str, run: &Path) -> PathBuf {
        let table = longhaul::command::report::table(run).unwrap();
        let text = match name.rsplit_once('.').unwrap().1 {
            "csv" => longhaul::report::arena::csv(&table).text().to_owned(),
            "json" => longhaul::report::benchy::json(&table).text().to_owned(),
            _ => {
                let head = "| model | test | t/s | est_ppt (ms) |\n|--|--|--|--|\n".to_owned();
                let line = |row: &longhaul::analysis::arena::ArenaRow| {
                    use longhaul::analysis::arena::Column;
                    let cell = |column| {
                        row.mean(column).map_or(String::new(), |it| format!("{it:.2} ± 0.10"))
                    };
                    format!(
                        "| m | {} | {} | {} |\n",
                        row.name(false),
                        cell(Column::Ts),
                        cell(Column::EstPpt)
                    )
                };
                head + &table.rows.iter().map(line).collect::<String>()
            }
        };
        self.table(name, &text)
    }

    /// A text with a name in place of the folder.
    pub(super) fn named(&self, text: &str) -> String {
        named(text, &[(&self.0.path().display().to_string(), "FOLDER")])
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn play(
        &self,
        name: &str,
        (server_seed, seed): (u64, u64),
        factor: f64,
        ailments: &[&str],
    ) -> PathBuf {
        let folder = self.0.path().join(format!("{name}-{server_seed}"));
        let options = DriveOptions {
            inputs: Inputs {
                scenario: Some(self.file("scenario.yaml", SCENARIO)),
                profile: Some(self.file(&format!("machine-{factor}.yaml"), &profile(factor))),
                seed,
                ..Inputs::default()
            },
            server_seed: Some(server_seed),
            ailments: ailments.iter().map(|text| (*text).to_owned()).collect(),
            output: Some(folder.clone()),
            quiet: true,
            ..DriveOptions::default()
        };
        if !ailments.is_empty() {
            return played(options);
        }
        let key = (server_seed, seed, factor.to_bits());
        let start = Arc::clone(PLAYED.lock().unwrap().entry(key).or_default());
        let files = start.get_or_init(|| files(&played(options)));
        if !folder.exists() {
            fs::create_dir(&folder).unwrap();
            for (name, bytes) in files {
                fs::write(folder.join(name), bytes).unwrap();
            }
        }
        folder
    }
}

fn files(folder: &Path) -> Files {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name(), fs::read(entry.path()).unwrap())
    };
    fs::read_dir(folder).unwrap().map(file).collect()
}

fn played(options: DriveOptions) -> PathBuf {
    match rehearse::play(options, channel().1, &mut Nobody) {
        Ok(driven) => driven.folder,
        Err(NoRun::Mistake(wrong)) => panic!("{wrong}"),
        Err(NoRun::Interrupted) => panic!("interrupted"),
    }
}

struct Nobody;

impl Watcher for Nobody {
    fn entry(&mut self, _: &Entry) {}
    fn tick(&mut self, _: At, _: &Progress) {}
    fn ordered(&mut self, _: At, _: &Order) {}
}

/// Two sides of run folders, compared.
pub(super) fn sides(
    base: &[PathBuf],
    candidate: &[PathBuf],
    wish: &CompareTerms,
) -> Result<Comparison, Mistake> {
    compare_sides(base, candidate, wish)
}

/// The noise floor of some runs.
pub(super) fn floor(runs: &[PathBuf]) -> Floor {
    floor_of(runs).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A run, compared with a published table.
pub(super) fn against(table: &Path, run: &Path) -> Comparison {
    longhaul::command::compare::against(table, run, &CompareTerms::default())
        .unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// The same by default.
pub(super) fn compared(base: &[PathBuf], candidate: &[PathBuf]) -> Comparison {
    sides(base, candidate, &CompareTerms::default()).unwrap_or_else(|wrong| panic!("{wrong}"))
}
