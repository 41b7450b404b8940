//! The command line: the only module that knows clap. It turns arguments into
//! what the commands want, and mistakes in them into help.

mod compare;
mod number;
mod recipe;
mod resume;
mod sweep;
mod target;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use compare::{CompareArgs, FloorArgs};
use recipe::RecipeArgs;
use resume::ResumeArgs;
use sweep::SweepArgs;
use target::TargetArgs;

use crate::command::drive::DriveOptions;
use crate::command::output;
use crate::command::report::Export;
use crate::command::run::{RunOptions, ServerOptions};
use crate::command::{self, ReportFormat};
use crate::exit::Exit;
use crate::http::reference::FetchPermissions;
use crate::secret::Secrets;
use crate::spec::scenario::RestartWhen;
use crate::unit;

/// Can you leave it running? A soak-test harness for local LLM servers.
///
/// longhaul drives an OpenAI-compatible server for hours, writes down everything that
/// happened, and says PASS, FAIL or INCONCLUSIVE, with the evidence.
#[derive(Parser)]
#[command(name = "longhaul", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Say more on stderr about what is being done.
    #[arg(short, long, global = true)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  longhaul run                                  a minute on the built-in simulated server
  longhaul run --endpoint http://spark:8000     thirty minutes on a server that already runs
  longhaul run --endpoint http://localhost:8000 --container brain --scenario overnight
                                                a night that can PASS, on the server's machine
  longhaul report runs/latest --wide            the newest run again, with all tables
  longhaul compare runs/base runs/candidate     did it get worse? for people, or for CI
  longhaul plan --scenario overnight            what would be sent, and what it can decide
  longhaul rehearse --scenario overnight --ailment hang=10m@2h
                                                the night in seconds: would its contract notice?
  longhaul sim --port 8000                      the simulated server by itself

Exit codes: 0 PASS, 1 FAIL, 2 your mistake, 3 INCONCLUSIVE, 4 longhaul failed, 130 interrupted.";

#[derive(Subcommand)]
enum Verb {
    /// Drive a server through a scenario and judge it
    Run(Box<RunArgs>),
    /// Print the report of a run folder
    Report(ReportArgs),
    /// Compare two runs, or several starts a side
    Compare(Box<CompareArgs>),
    /// Measure by how much starts of one recipe differ on a machine, for comparisons of few runs
    Floor(FloorArgs),
    /// Go on with a run that was cut off: by a kill, a power cut, a reboot
    Resume(ResumeArgs),
    /// Show what a scenario will send, and what it can decide, without sending anything
    Plan(PlanArgs),
    /// Play a whole run in virtual time, against the simulated server: hours in seconds
    Rehearse(RehearseArgs),
    /// Serve variations of a recipe in turns, and say which is better, and how surely
    Sweep(Box<SweepArgs>),
    /// Serve the simulated server, for other tools
    Sim(SimArgs),
    /// Show, render, compare, check and pin recipes; nothing in one is run
    Recipe(RecipeArgs),
    /// List what is built in: recipes, scenarios, machine profiles, ailments
    List,
}

/// Flags for the hosts that a recipe may be fetched from.
#[derive(Args)]
struct FetchArgs {
    /// A host that recipes may be fetched from, beside spark-arena.com; may be given again. Over
    /// https; over http from this machine itself
    #[arg(long, value_name = "HOST")]
    allow_recipe_host: Vec<String>,
    /// Fetch no recipe; use the copy of the last time
    #[arg(long)]
    offline: bool,
}

#[derive(Args)]
struct InputArgs {
    /// Recipe of the server: a recipe, a saved `docker run` or a compose file; a built-in name; an
    /// https address; or @spark-arena/ID
    #[arg(long, value_name = "RECIPE")]
    recipe: Option<String>,
    #[command(flatten)]
    reach: FetchArgs,
    /// Load to send: a scenario file, a benchmark profile, a recipe with a `benchmark`, or the name
    /// of a built-in scenario
    #[arg(long, value_name = "FILE|NAME")]
    scenario: Option<String>,
    /// Duration, in place of the scenario's: 6h, 1.5h, 4h30m, 90s
    #[arg(long, value_name = "TIME", value_parser = unit::duration, allow_hyphen_values = true)]
    duration: Option<Duration>,
    /// Context depths in tokens, in place of the scenario's and of its cap: 0,4096,32k (1k = 1,024)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = number::depth, allow_hyphen_values = true)]
    depths: Option<Vec<u64>>,
    /// Streams at once, in place of the scenario's: 1,4
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = number::streams, allow_hyphen_values = true)]
    concurrency: Option<Vec<u32>>,
    /// Requests per second, sent on time however slow the answers: 0.05,0.1
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = number::rate, allow_hyphen_values = true, conflicts_with = "concurrency")]
    rate: Option<Vec<f64>>,
    /// When longhaul restarts a server that it started: never, on_exit (the default), on_hang
    #[arg(long, value_name = "WHEN", value_parser = when)]
    restart: Option<RestartWhen>,
    /// Seed of all prompts; same seed, same load
    #[arg(long, default_value_t = 1, value_parser = number::seed, allow_hyphen_values = true)]
    seed: u64,
    /// How fast the machine is: a machine profile, in place of the recipe's
    #[arg(long, value_name = "FILE|NAME")]
    profile: Option<String>,
}

/// Flags of both runs and rehearsals.
#[derive(Args)]
struct DriveArgs {
    #[command(flatten)]
    inputs: InputArgs,
    /// A fault of the simulated server: NAME[=VALUE][@WHEN], may be given again; `longhaul list`
    /// has the names
    #[arg(long, value_name = "AILMENT")]
    ailment: Vec<String>,
    /// Seed of the simulated server's noise, in place of --seed: another start of the same server
    #[arg(long, value_name = "SEED", value_parser = number::seed, allow_hyphen_values = true)]
    server_seed: Option<u64>,
    /// The run folder; it must not exist, or be empty
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// End the run when the first gate is broken
    #[arg(long)]
    stop_on_fail: bool,
    /// All tables in the report
    #[arg(long)]
    wide: bool,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul run
  longhaul run --endpoint http://localhost:8000
  longhaul run --recipe recipe.yaml --scenario short --endpoint http://spark:8000 -o runs/tonight
  longhaul run --endpoint https://host/v1 --api-key-env API_KEY --duration 6h --depths 0,32768 \\
      --stop-on-fail
  longhaul run --simulate --scenario smoke --ailment crash=10s@20s
  longhaul run --endpoint http://localhost:8000 --container brain
  longhaul run --recipe recipe.yaml --start docker --pull --scenario overnight

Defaults:
  scenario    quick (30 minutes); smoke (a minute) for the simulated server
  recipe      what the server says of itself; nemotron-3-super for the simulated server
  run folder  runs/START-RECIPE-SCENARIO")]
struct RunArgs {
    #[command(flatten)]
    driven: DriveArgs,
    /// The address of a server that already runs, with or without /v1
    #[arg(long, value_name = "URL", conflicts_with = "simulate")]
    endpoint: Option<String>,
    /// Drive the built-in simulated server
    #[arg(long)]
    simulate: bool,
    /// The model to ask for, where the server lists several
    #[arg(long)]
    model: Option<String>,
    /// The environment variable that holds the API key
    #[arg(long, value_name = "NAME")]
    api_key_env: Option<String>,
    /// A header for every request: 'Name: value', may be given again
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// Certificates (PEM) to trust beside the system's: the server's own, or its authority's
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Wait for the server also while its host has no known address: it may not exist yet
    #[arg(long, requires = "endpoint")]
    wait: bool,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul rehearse
  longhaul rehearse --scenario overnight --recipe my-recipe.yaml
  longhaul rehearse --duration 6h --ailment hang=15m@2h --ailment error_frame=2%
  longhaul rehearse --scenario my.yaml --ailment slow_leak=8GiB/h --wide

Defaults:
  scenario    short (6 hours)
  recipe      nemotron-3-super
  run folder  runs/rehearsed-RECIPE-SCENARIO-N")]
struct RehearseArgs {
    #[command(flatten)]
    driven: DriveArgs,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul report runs/latest
  longhaul report runs/latest --format json
  longhaul report runs/latest --format markdown     for a forum or an issue
  longhaul report runs/monday runs/tuesday          what both prove together")]
struct ReportArgs {
    /// The run folder; several of one recipe are added up: what they prove together
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = FormatArg::Terminal)]
    format: FormatArg,
    /// All tables
    #[arg(long)]
    wide: bool,
}

impl ReportArgs {
    fn done(self) -> Exit {
        let report = |format| match self.runs.as_slice() {
            [run] => command::report::report(run, format),
            runs => command::report::pooled::report(runs, format),
        };
        let export = |form| match self.runs.as_slice() {
            [run] => command::report::export(run, form),
            runs => command::report::pooled::export(runs, form),
        };
        match self.format {
            FormatArg::Terminal => report(ReportFormat::Terminal { wide: self.wide }),
            FormatArg::Json => report(ReportFormat::Json),
            FormatArg::Markdown => report(ReportFormat::Markdown),
            FormatArg::Junit => report(ReportFormat::Junit),
            FormatArg::Github => report(ReportFormat::Github),
            FormatArg::Arena => export(Export::Arena),
            FormatArg::Benchy => export(Export::Benchy),
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    /// For people
    Terminal,
    /// For programs: the verdict
    Json,
    /// For a forum or an issue, at most 60 lines
    Markdown,
    /// Test cases: the verdict, and each line of the contract
    Junit,
    /// Annotations for GitHub Actions
    Github,
    /// Spark Arena's benchmark.csv: the ladder by llama-benchy's definitions, not judged
    Arena,
    /// llama-benchy's JSON, not judged
    Benchy,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul plan --scenario overnight
  longhaul plan --scenario my.yaml --prefill-rate 1800 --decode-rate 22
  longhaul plan --scenario quick --depths 4096 --rate 0.05,0.1 --duration 2h
  longhaul plan --scenario quick --from runs/latest

Defaults:
  scenario  quick (30 minutes)
  recipe    nemotron-3-super")]
struct PlanArgs {
    #[command(flatten)]
    inputs: InputArgs,
    /// Take the rates from an earlier run
    #[arg(long, value_name = "RUN", conflicts_with_all = ["prefill_rate", "profile"])]
    from: Option<PathBuf>,
    /// Prompt tokens per second of one stream
    #[arg(long, value_name = "TOKENS/S", value_parser = number::tokens_per_s, allow_hyphen_values = true, requires = "decode_rate", conflicts_with = "profile")]
    prefill_rate: Option<f64>,
    /// Output tokens per second of one stream
    #[arg(long, value_name = "TOKENS/S", value_parser = number::tokens_per_s, allow_hyphen_values = true, requires = "prefill_rate")]
    decode_rate: Option<f64>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  longhaul sim --port 8000
  longhaul sim --port 8000 --ailment error_frame=1% --ailment restart=30s@5m

Defaults:
  recipe  nemotron-3-super")]
struct SimArgs {
    /// The port to listen on, on the loopback address
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// The recipe that it simulates: a file, a name, an https address, @spark-arena/ID
    #[arg(long, value_name = "RECIPE")]
    recipe: Option<String>,
    #[command(flatten)]
    reach: FetchArgs,
    /// The machine that it simulates, in place of the recipe's
    #[arg(long, value_name = "FILE|NAME")]
    profile: Option<String>,
    /// Seed of the simulated server's noise
    #[arg(long, default_value_t = 1, value_parser = number::seed, allow_hyphen_values = true)]
    seed: u64,
    /// A fault: NAME[=VALUE][@WHEN], may be given again
    #[arg(long, value_name = "AILMENT")]
    ailment: Vec<String>,
}

/// The whole program.
pub(crate) fn main(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    output::hide(&secrets(&arguments));
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(reported) => {
            return output::print_clap_message(&reported.to_string(), reported.use_stderr());
        }
    };
    output::init(cli.verbose);
    match cli.verb {
        Verb::Run(args) => command::run::run((*args).into()),
        Verb::Report(args) => args.done(),
        Verb::Compare(args) => args.done(),
        Verb::Floor(args) => args.done(),
        Verb::Resume(args) => args.done(),
        Verb::Plan(args) => command::plan::plan(&args.into()),
        Verb::Rehearse(args) => command::rehearse::rehearse(args.driven.into()),
        Verb::Sweep(args) => command::sweep::sweep((*args).into()),
        Verb::Sim(args) => command::sim::sim(&args.into()),
        Verb::Recipe(args) => args.done(),
        Verb::List => command::list::list(),
    }
}

fn when(text: &str) -> Result<RestartWhen, &'static str> {
    RestartWhen::parse(text).ok_or("never, on_exit or on_hang")
}

/// Secrets in the arguments, hidden before a parse error can echo them.
fn secrets(arguments: &[OsString]) -> Secrets {
    let mut secrets = Secrets::default();
    let mut words = arguments.iter().map(|word| word.to_string_lossy().into_owned()).peekable();
    while let Some(word) = words.next() {
        if word.contains("://") {
            secrets.add_address(&word);
        }
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        let takes = matches!(flag.as_str(), "--header" | "--api-key-env" | "--endpoint");
        let Some(value) = value.or_else(|| words.next_if(|_| takes)).filter(|_| takes) else {
            continue;
        };
        match flag.as_str() {
            "--header" => {
                secrets.add_header(&value);
                // Without quotes, a shell makes several words of it.
                while value.ends_with(':') && words.peek().is_some_and(|it| !it.starts_with('-')) {
                    secrets.add_header(&words.next().unwrap_or_default());
                }
            }
            "--endpoint" => secrets.add_address(&value),
            _ => match std::env::var(&value) {
                Ok(key) => secrets.add_key(&key),
                Err(_) if is_name(&value) => {}
                // The key itself, where the name of its variable belongs.
                Err(_) => secrets.add_key(&value),
            },
        }
    }
    secrets
}

/// Whether a text may be the name of a variable.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl From<FetchArgs> for FetchPermissions {
    fn from(reach: FetchArgs) -> FetchPermissions {
        FetchPermissions { hosts: reach.allow_recipe_host, offline: reach.offline }
    }
}

impl From<InputArgs> for command::Inputs {
    fn from(args: InputArgs) -> command::Inputs {
        command::Inputs {
            recipe: args.recipe,
            reach: args.reach.into(),
            scenario: args.scenario,
            overrides: crate::spec::scenario::Overrides {
                duration: args.duration,
                depths: args.depths,
                concurrency: args.concurrency,
                rate: args.rate,
                restart: args.restart,
            },
            seed: args.seed,
            profile: args.profile,
            kept: command::KeptTexts::default(),
        }
    }
}

impl From<DriveArgs> for DriveOptions {
    fn from(args: DriveArgs) -> DriveOptions {
        DriveOptions {
            inputs: args.inputs.into(),
            ailments: args.ailment,
            server_seed: args.server_seed,
            output: args.output,
            stop_on_fail: args.stop_on_fail,
            wide: args.wide,
            ..DriveOptions::default()
        }
    }
}

impl From<RunArgs> for RunOptions {
    fn from(args: RunArgs) -> RunOptions {
        let target = args.target.into();
        let drive = DriveOptions { model: args.model, ..args.driven.into() };
        RunOptions {
            drive,
            simulate: args.simulate,
            server: ServerOptions {
                endpoint: args.endpoint,
                api_key_env: args.api_key_env,
                headers: args.header,
                ca_cert: args.ca_cert,
                wait: args.wait,
                target,
            },
        }
    }
}

impl From<PlanArgs> for command::plan::PlanOptions {
    fn from(args: PlanArgs) -> command::plan::PlanOptions {
        command::plan::PlanOptions {
            inputs: args.inputs.into(),
            from: args.from,
            flat: args.prefill_rate.zip(args.decode_rate),
        }
    }
}

impl From<SimArgs> for command::sim::SimOptions {
    fn from(args: SimArgs) -> command::sim::SimOptions {
        command::sim::SimOptions {
            port: args.port,
            recipe: args.recipe,
            reach: args.reach.into(),
            profile: args.profile,
            seed: args.seed,
            ailments: args.ailment,
        }
    }
}
