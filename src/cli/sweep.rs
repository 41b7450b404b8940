//! The arguments of `sweep`.

use std::path::PathBuf;

use clap::Args;

use super::target::StartArgs;
use super::{DriveArgs, InputArgs, number};
use crate::command::drive::DriveOptions;
use crate::command::run::{RunOptions, ServerOptions};
use crate::command::sweep;

#[derive(Args)]
#[allow(clippy::struct_excessive_bools)] // each is a switch on the command line
#[command(after_help = "\
Examples:
  longhaul sweep --recipe my.yaml --vary max_num_seqs=4,8 --scenario quick --depths 0,8192 \\
      --start docker -o sweeps/seqs
  longhaul sweep --vary max_num_seqs=2,4 --vary max_num_batched_tokens=2048,8192 --rehearse
  longhaul sweep --recipe my.yaml --vary speculative_config.num_speculative_tokens=1,2 \\
      --vary speculative_config= --start docker
  longhaul sweep --recipe my.yaml --vary container=repo@sha256:… --vary env.VLLM_X=1 \\
      --start podman --pull
  longhaul sweep --recipe my.yaml --arms arms.yaml --allow-several --starts 4 --start sparkrun

Defaults:
  scenario  smoke; short with --rehearse
  recipe    nemotron-3-super, where the server is simulated

The same command with the same -o continues a sweep that was interrupted.

Exit codes: 0 result reported, 2 your mistake, 3 no arm could be compared with the base,
4 longhaul failed, 130 interrupted.")]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    inputs: InputArgs,
    /// Setting to vary and its values, one arm each: KEY=V1,V2. KEY is a setting, a field (a.b),
    /// env.NAME, container or model. An empty value removes it. May be given again
    #[arg(long, value_name = "KEY=VALUE,…")]
    vary: Vec<String>,
    /// The arms as a file: a list of name and changes
    #[arg(long, value_name = "FILE")]
    arms: Option<PathBuf>,
    /// Let an arm change more than one thing
    #[arg(long)]
    allow_several: bool,
    /// Starts of each arm; fewer than 4 decide nothing exactly
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = number::starts, allow_hyphen_values = true)]
    starts: u32,
    /// Play it in virtual time, against the simulated server
    #[arg(long)]
    rehearse: bool,
    /// Drive the built-in simulated server, in real time
    #[arg(long)]
    simulate: bool,
    /// A fault of the simulated server, in every run: NAME[=VALUE][@WHEN], may be given again
    #[arg(long, value_name = "AILMENT")]
    ailment: Vec<String>,
    /// The sweep's folder: new, or that of the same sweep, which goes on
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The model to ask for, where the server lists several
    #[arg(long)]
    model: Option<String>,
    /// End a run when its first gate is broken
    #[arg(long)]
    stop_on_fail: bool,
    #[command(flatten)]
    starting: StartArgs,
}

impl From<SweepArgs> for sweep::SweepOptions {
    fn from(args: SweepArgs) -> sweep::SweepOptions {
        let driven = DriveArgs {
            inputs: args.inputs,
            ailment: args.ailment,
            server_seed: None,
            output: args.output,
            stop_on_fail: args.stop_on_fail,
            wide: false,
        };
        let run = RunOptions {
            drive: DriveOptions { model: args.model, ..driven.into() },
            simulate: args.simulate,
            server: ServerOptions { target: args.starting.into(), ..ServerOptions::default() },
        };
        sweep::SweepOptions {
            run,
            rehearse: args.rehearse,
            vary: args.vary,
            arms: args.arms,
            allow_several: args.allow_several,
            starts: args.starts,
        }
    }
}
