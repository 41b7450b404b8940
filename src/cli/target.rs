//! The flags that say how a server is started, or what of it is watched.

use clap::{Args, ValueEnum};

use crate::target::options::{StartMethod, TargetOptions};
use crate::target::server_log::ServerLog;

/// Flags for starting and watching a server.
#[derive(Args)]
#[command(next_help_heading = "Start or watch the server (docs/targets.md)")]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    starting: StartArgs,
    /// Watch the container in which a server runs already: its events, state and log
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Watch the process of this machine that is a server already
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Follow the log of a server that runs already: a file, journal:UNIT or journal:user:UNIT
    #[arg(long, value_name = "FILE|journal:UNIT")]
    server_log: Option<ServerLog>,
    /// Do not stop the server at the end
    #[arg(long)]
    keep: bool,
}

/// Flags for starting a server.
#[derive(Args)]
#[command(next_help_heading = "Start or watch the server (docs/targets.md)")]
pub(crate) struct StartArgs {
    /// Start the recipe, and end it when the run is over
    #[arg(long, value_enum)]
    start: Option<StartArg>,
    /// Pull the recipe's image: a tag always, a digest if it is missing. Without it nothing is
    /// pulled
    #[arg(long)]
    pull: bool,
    /// Another program for docker, podman or sparkrun: a name or a path
    #[arg(long, value_name = "PROGRAM")]
    engine: Option<String>,
    /// A variable of this environment that the container gets, by name; may be given again
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// A variable of the recipe that makes programs load code (as LD_PRELOAD), allowed with
    /// `--start process`; may be given again
    #[arg(long, value_name = "NAME")]
    allow_env: Vec<String>,
    /// The container's GPUs, as docker takes them; `none` for none
    #[arg(long, value_name = "GPUS")]
    gpus: Option<String>,
    /// One more argument for `docker run` or `sparkrun run`; may be given again
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    start_arg: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum StartArg {
    /// The recipe's command, as a process of this machine
    Process,
    /// A container of docker
    Docker,
    /// A container of podman
    Podman,
    /// A cluster, by sparkrun
    Sparkrun,
}

impl From<TargetArgs> for TargetOptions {
    fn from(args: TargetArgs) -> TargetOptions {
        let starting = args.starting.into();
        TargetOptions {
            container: args.container,
            pid: args.pid,
            server_log: args.server_log,
            keep: args.keep,
            ..starting
        }
    }
}

impl From<StartArgs> for TargetOptions {
    fn from(args: StartArgs) -> TargetOptions {
        let start = args.start.map(|start| match start {
            StartArg::Process => StartMethod::Process,
            StartArg::Docker => StartMethod::Docker,
            StartArg::Podman => StartMethod::Podman,
            StartArg::Sparkrun => StartMethod::Sparkrun,
        });
        TargetOptions {
            start,
            pull: args.pull,
            engine: args.engine,
            env: args.env,
            allowed: args.allow_env,
            gpus: args.gpus,
            more: args.start_arg,
            ..TargetOptions::default()
        }
    }
}
