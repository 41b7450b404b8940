//! The command line of `longhaul recipe`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{FormatArg, ReachArgs};
use crate::command::recipe::{self, Wish, pin};
use crate::exit::Exit;
use crate::http::reference::Reach;

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul recipe show nemotron-3-super
  longhaul recipe show @spark-arena/ID
  longhaul recipe render my.yaml --set max_num_seqs=8 --set speculative_config.method=ngram
  longhaul recipe diff nemotron-3-super my.yaml
  longhaul recipe check my.yaml --strict
  longhaul recipe pin my.yaml -o pinned.yaml")]
pub struct RecipeArgs {
    #[command(subcommand)]
    verb: RecipeVerb,
}

#[derive(Subcommand)]
enum RecipeVerb {
    /// All that a recipe says
    Show(RecipeWish),
    /// The command that the recipe's own tools would run, and nothing else
    Render(RecipeWish),
    /// How reproducible a recipe is: what is pinned, what floats, what varies
    Check(CheckArgs),
    /// Write the recipe with its image named by digest
    Pin(PinArgs),
    /// Which settings differ between two recipes, and whether it is only one
    Diff {
        /// The one
        one: String,
        /// The other
        other: String,
        #[command(flatten)]
        reach: ReachArgs,
    },
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul recipe check nemotron-3-super
  longhaul recipe check my.yaml --strict
  longhaul recipe check submission/ --format json

Exit codes: 0 told, 1 with --strict where anything floats, 2 your mistake.")]
struct CheckArgs {
    #[command(flatten)]
    wish: RecipeWish,
    /// End with 1 where anything floats
    #[arg(long)]
    strict: bool,
    /// How to tell it
    #[arg(long, value_enum, default_value_t = FormatArg::Terminal)]
    format: FormatArg,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul recipe pin my.yaml -o pinned.yaml
  longhaul recipe pin my.yaml --engine podman -o my.yaml
  longhaul recipe pin my.yaml --builds build-index.json > pinned.yaml")]
struct PinArgs {
    /// A recipe file, a built-in name, an https address, @spark-arena/ID, a submission's folder,
    /// or a saved `docker run` line
    recipe: String,
    #[command(flatten)]
    reach: ReachArgs,
    /// Where to; stdout without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A build index: which digest stood behind which tag
    #[arg(long, value_name = "INDEX")]
    builds: Option<PathBuf>,
    /// The container engine to ask for what it has, in place of docker, then podman
    #[arg(long, value_name = "PROGRAM")]
    engine: Option<String>,
}

#[derive(Args)]
struct RecipeWish {
    /// A recipe file, a built-in name, an https address, @spark-arena/ID, a submission's folder,
    /// or a saved `docker run` line
    recipe: String,
    #[command(flatten)]
    reach: ReachArgs,
    /// A value in place of the recipe's; a dotted key edits inside: KEY=VALUE, may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where it will run, for conditional layers: nodes=2, arch=sm_121, may be given again
    #[arg(long, value_name = "WHAT=VALUE")]
    when: Vec<String>,
}

impl RecipeArgs {
    /// Does what is asked.
    pub fn done(self) -> Exit {
        recipe::done(match self.verb {
            RecipeVerb::Show(wish) => recipe::show(&wish.into()),
            RecipeVerb::Render(wish) => recipe::render(&wish.into()),
            RecipeVerb::Check(CheckArgs { wish, strict, format }) => {
                recipe::check(&wish.into(), matches!(format, FormatArg::Json), strict)
            }
            RecipeVerb::Pin(args) => pin::pin(&args.into()),
            RecipeVerb::Diff { one, other, reach } => {
                let reach = Reach::from(reach);
                let wish = |recipe| Wish { recipe, reach: reach.clone(), ..Default::default() };
                recipe::diff(&wish(one), &wish(other))
            }
        })
    }
}

impl From<PinArgs> for pin::Wish {
    fn from(args: PinArgs) -> pin::Wish {
        pin::Wish {
            recipe: args.recipe,
            reach: args.reach.into(),
            output: args.output,
            builds: args.builds,
            engine: args.engine,
        }
    }
}

impl From<RecipeWish> for Wish {
    fn from(args: RecipeWish) -> Wish {
        Wish { recipe: args.recipe, reach: args.reach.into(), set: args.set, place: args.when }
    }
}
