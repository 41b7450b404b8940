//! The arguments of `compare` and `floor`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::number;
use crate::command::compare::{self, CompareFormat};
use crate::compare::{GrossLimit, Margins};
use crate::exit::Exit;

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul compare runs/monday runs/tuesday
  longhaul compare runs/base runs/candidate --floor floor.json --format markdown
  longhaul compare runs/base --base runs/base-2 runs/candidate --candidate runs/candidate-2
  longhaul compare benchmark.csv runs/replay
  longhaul compare sweep/runs/base sweep/runs/max_num_seqs=8 --one-variable --strict

Exit codes: 0 no gate broken, 1 a regression or a policy gate, 2 your mistake, or runs that cannot
be compared, 3 what the contract asks for was not observed; with --strict anything undecided.")]
pub(super) struct CompareArgs {
    /// Base: a run folder, or a folder that holds several; or a published table: Spark Arena's
    /// benchmark.csv, a submission's folder, llama-benchy's JSON or Markdown
    #[arg(value_name = "BASE")]
    one: PathBuf,
    /// Candidate: a run folder, or a folder that holds several
    #[arg(value_name = "CANDIDATE")]
    other: PathBuf,
    /// One more run of the base: another start of the server; may be given again
    #[arg(long, value_name = "RUN")]
    base: Vec<PathBuf>,
    /// One more run of the candidate; may be given again
    #[arg(long, value_name = "RUN")]
    candidate: Vec<PathBuf>,
    /// Noise floor: a file written by `longhaul floor`
    #[arg(long, value_name = "FILE")]
    floor: Option<PathBuf>,
    /// A difference that is too small to matter
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = number::margin, allow_hyphen_values = true)]
    margin: f64,
    /// The same for p95
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = number::margin, allow_hyphen_values = true)]
    margin_p95: f64,
    /// A deciding row that is slower by more than this factor is a regression with any number of
    /// starts
    #[arg(long, value_name = "FACTOR", default_value = "2", value_parser = number::gross, allow_hyphen_values = true)]
    gross: f64,
    #[command(flatten)]
    rigour: StrictnessArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = FormatArg::Terminal)]
    format: FormatArg,
    /// Every row
    #[arg(long)]
    wide: bool,
}

/// Flags for strictness.
#[derive(Args)]
struct StrictnessArgs {
    /// Fail where more than one setting of the recipe was changed
    #[arg(long)]
    one_variable: bool,
    /// Fail where anything that decides is undecided
    #[arg(long)]
    strict: bool,
    /// Compare different loads where they overlap, and mark it
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    /// A table
    Terminal,
    /// A pull-request comment, under 60 KB
    Markdown,
    /// For scripts
    Json,
    /// Test cases
    Junit,
    /// Annotations for GitHub Actions
    Github,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul floor runs/a runs/b runs/c runs/d -o floor.json
  longhaul floor nightly-runs -o floor.json")]
pub(super) struct FloorArgs {
    /// Runs of one recipe and scenario on one machine, each of a server start of its own; or
    /// folders that hold some
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The file; without it, stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl CompareArgs {
    /// Runs the command.
    pub(super) fn done(self) -> Exit {
        let format = match self.format {
            FormatArg::Terminal => CompareFormat::Terminal { wide: self.wide },
            FormatArg::Markdown => CompareFormat::Markdown,
            FormatArg::Json => CompareFormat::Json,
            FormatArg::Junit => CompareFormat::Junit,
            FormatArg::Github => CompareFormat::Github,
        };
        let side =
            |first: PathBuf, more: Vec<PathBuf>| std::iter::once(first).chain(more).collect();
        compare::compare(&compare::CompareOptions {
            base: side(self.one, self.base),
            candidate: side(self.other, self.candidate),
            how: crate::compare::CompareTerms {
                margins: Margins { median: self.margin, p95: self.margin_p95 },
                gross: GrossLimit { factor: self.gross },
                floor: None,
                force: self.rigour.force,
                one_variable: self.rigour.one_variable,
                strict: self.rigour.strict,
            },
            floor: self.floor,
            format,
        })
    }
}

impl FloorArgs {
    /// Runs the command.
    pub(super) fn done(&self) -> Exit {
        compare::make_floor(&self.runs, self.output.as_deref())
    }
}
