//! Command line of `longhaul recipe`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::FetchArgs;
use crate::command::recipe::{self, RecipeOptions};
use crate::exit::Exit;
use crate::spec::recipe::Dialect;

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul recipe show nemotron-3-super
  longhaul recipe show @spark-arena/ID
  longhaul recipe render my.yaml --set max_num_seqs=8 --set speculative_config.method=ngram
  longhaul recipe diff nemotron-3-super my.yaml
  longhaul recipe check my.yaml --strict
  longhaul recipe pin my.yaml -o pinned.yaml")]
pub(super) struct RecipeArgs {
    #[command(subcommand)]
    verb: RecipeVerb,
}

#[derive(Subcommand)]
enum RecipeVerb {
    /// Show all that a recipe says
    Show(SetArgs),
    /// Print the command that the recipe's own tools would run, and nothing else
    Render(SetArgs),
    /// Check how reproducible a recipe is: what is pinned, what floats, what varies
    #[command(after_help = "\
Examples:
  longhaul recipe check nemotron-3-super
  longhaul recipe check my.yaml --strict
  longhaul recipe check submission/ --format json

Exit codes: 0 result reported, 1 with --strict where anything floats, 2 your mistake.")]
    Check {
        #[command(flatten)]
        recipe: SetArgs,
        /// End with 1 where anything floats
        #[arg(long)]
        strict: bool,
        /// Output format: terminal or json
        #[arg(long, value_parser = check_format, default_value = "terminal")]
        format: CheckFormat,
    },
    /// Write the recipe with its image named by digest
    #[command(after_help = "\
Examples:
  longhaul recipe pin my.yaml -o pinned.yaml
  longhaul recipe pin my.yaml --engine podman -o my.yaml")]
    Pin {
        #[command(flatten)]
        recipe: InputArgs,
        /// Output file; without it, stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Container engine to ask for the digest, in place of docker, then podman
        #[arg(long, value_name = "PROGRAM")]
        engine: Option<String>,
    },
    /// Show which settings differ between two recipes, and whether it is only one
    Diff {
        /// First recipe
        one: String,
        /// Second recipe
        other: String,
        #[command(flatten)]
        reach: FetchArgs,
    },
}

#[derive(Args)]
struct InputArgs {
    /// A recipe file, a built-in name, an https address, @spark-arena/ID, a submission's folder,
    /// a saved `docker run` line, or a compose file
    recipe: String,
    #[command(flatten)]
    reach: FetchArgs,
}

#[derive(Args)]
struct SetArgs {
    #[command(flatten)]
    input: InputArgs,
    /// A value in place of the recipe's; a dotted key edits inside: KEY=VALUE, may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Property of the machine or cluster, for conditional layers: nodes=2, arch=sm_121, may be
    /// given again
    #[arg(long, value_name = "WHAT=VALUE")]
    when: Vec<String>,
    /// Whose rules render the command: sparkrun's, or those of eugr's run-recipe.py without --ray
    #[arg(long, value_parser = ["sparkrun", "eugr"], default_value = "sparkrun")]
    dialect: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CheckFormat {
    Terminal,
    Json,
}

/// Parses the format of a check; says which verb writes the formats of results.
fn check_format(text: &str) -> Result<CheckFormat, &'static str> {
    match text {
        "terminal" => Ok(CheckFormat::Terminal),
        "json" => Ok(CheckFormat::Json),
        "arena" | "benchy" => Err("a check is printed as terminal or json; `longhaul report RUN \
             --format arena` or `--format benchy` writes the results of a run"),
        _ => Err("a check is printed as terminal or json"),
    }
}

impl RecipeArgs {
    pub(super) fn done(self) -> Exit {
        recipe::done(match self.verb {
            RecipeVerb::Show(args) => recipe::show(&args.into()),
            RecipeVerb::Render(args) => recipe::render(&args.into()),
            RecipeVerb::Check { recipe, strict, format } => {
                recipe::check(&recipe.into(), format == CheckFormat::Json, strict)
            }
            RecipeVerb::Pin { recipe, output, engine } => {
                recipe::pin::pin(&recipe.into(), output.as_deref(), engine.as_deref())
            }
            RecipeVerb::Diff { one, other, reach } => {
                let one = RecipeOptions { recipe: one, reach: reach.into(), ..Default::default() };
                recipe::diff(&one, &RecipeOptions { recipe: other, ..one.clone() })
            }
        })
    }
}

impl From<InputArgs> for RecipeOptions {
    fn from(args: InputArgs) -> RecipeOptions {
        RecipeOptions { recipe: args.recipe, reach: args.reach.into(), ..Default::default() }
    }
}

impl From<SetArgs> for RecipeOptions {
    fn from(args: SetArgs) -> RecipeOptions {
        let dialect = if args.dialect == "eugr" { Dialect::Eugr } else { Dialect::Sparkrun };
        RecipeOptions { set: args.set, when: args.when, dialect, ..args.input.into() }
    }
}
