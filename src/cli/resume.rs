//! Defines the arguments of `longhaul resume`.

use std::path::PathBuf;

use clap::{Args, Parser};

use super::{Cli, Verb};
use crate::command;
use crate::exit::Exit;

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul resume runs/latest
  longhaul resume runs/tonight --header 'X-Key: value'
  longhaul resume runs/tonight --resume-on-boot     prints a systemd unit, and changes nothing

Recipe, scenario and options are those of the run. Keys are not kept: give them again.")]
pub(super) struct ResumeArgs {
    /// The run folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// A header of every request, as it was given at the start; may be given again
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// The environment variable that holds the API key, in place of the one that was named
    #[arg(long, value_name = "NAME")]
    api_key_env: Option<String>,
    /// The server's address, where a password in it was not kept
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The recipe's file as it was, where a key in it was not kept and its file has moved
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// All tables in the report
    #[arg(long)]
    wide: bool,
    /// Print a systemd unit that goes on with the run after a reboot, and change nothing
    #[arg(long, conflicts_with_all = ["header", "endpoint", "recipe", "wide"])]
    resume_on_boot: bool,
}

impl ResumeArgs {
    pub(super) fn done(self) -> Exit {
        use command::resume::{GivenAgain, cut_off, print_unit, rehearsal, run, unreadable};

        let key = self.api_key_env.as_deref();
        let cut = match cut_off(&self.run) {
            Ok(cut) if self.resume_on_boot => return print_unit(&cut, key),
            Ok(cut) => cut,
            Err(wrong) => return command::mistake(&wrong),
        };
        let given = GivenAgain {
            headers: self.header,
            api_key_env: self.api_key_env,
            endpoint: self.endpoint,
            recipe: self.recipe,
            wide: self.wide,
        };
        match Cli::try_parse_from(cut.words()).map(|cli| cli.verb) {
            Ok(Verb::Run(args)) => run(cut, (*args).into(), &given),
            Ok(Verb::Rehearse(args)) => rehearsal(cut, args.driven.into(), &given),
            _ => command::mistake(&unreadable(&cut)),
        }
    }
}
