//! Checks whether a start method can carry out a recipe, and derives the address at which its server
//! will answer.

use super::StartMethod;
use crate::engine::Engine;
use crate::error::Mistake;
use crate::spec::Recipe;
use crate::spec::recipe::render::engine_of;
use crate::spec::recipe::{ReadRecipe, RenderMethod, docker};

/// Recipe keys that only the recipe's own tools can carry out.
const FOR_ITS_TOOLS: [&str; 3] = ["builder", "build_args", "containers"];

/// Checks whether a start method can carry out a recipe.
///
/// # Errors
/// It cannot, and which one could.
pub(super) fn check(start: StartMethod, reading: &ReadRecipe) -> Result<(), Mistake> {
    let flag = format!("--start {}", start.word());
    let to_sparkrun = |what: String| {
        Err(Mistake::new(what).at(&reading.recipe.source.origin).hint("--start sparkrun"))
    };
    if let Some((key, _)) = reading.hooks.first() {
        return to_sparkrun(format!("the recipe has `{key}`, which {flag} would not carry out"));
    }
    let other = |key: &str| {
        reading.others.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    };
    if reading.how != RenderMethod::AsItStands
        && let Some(key) = FOR_ITS_TOOLS.into_iter().find(|key| other(key).is_some())
    {
        return to_sparkrun(format!("the recipe has `{key}`, which {flag} would not carry out"));
    }
    let nodes = other("min_nodes").and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    if nodes > 1 || other("cluster_only").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return to_sparkrun("the recipe needs several machines".to_owned());
    }
    match (start, reading.how, &reading.recipe.command) {
        (_, RenderMethod::Composed, _) => Err(Mistake::new("longhaul starts no compose file")
            .at(&reading.recipe.source.origin)
            .hint("docker compose up -d, then --endpoint and --container NAME")
            .hint("the server's service as a `docker run`")),
        (StartMethod::Process, RenderMethod::AsItStands, _) => {
            Err(Mistake::new("the recipe is a `docker run`, and its command is a container's")
                .hint("--start docker"))
        }
        (_, RenderMethod::AsItStands, _) | (_, _, Some(_)) => Ok(()),
        (_, _, None) => {
            to_sparkrun("the recipe has no command, and longhaul cannot build one".to_owned())
        }
    }
}

/// Variables by which a shell, an interpreter or the loader runs code that no command shows.
const LOADS_CODE: [&str; 31] = [
    "BASH_ENV",
    "ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "LD_PRELOAD",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "GCONV_PATH",
    "PATH",
    "HOME",
    "CC",
    "CXX",
    "CUDA_INJECTION64_PATH",
    "NCCL_NET_PLUGIN",
    "NCCL_TUNER_PLUGIN",
    "GIT_CONFIG_GLOBAL",
    "LUA_INIT",
    "PYTHONUSERBASE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONWARNINGS",
    "PYTHONBREAKPOINT",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PERL5OPT",
    "PERL5LIB",
    "RUBYOPT",
    "NODE_OPTIONS",
    "JAVA_TOOL_OPTIONS",
];

/// Prefix of variables that are functions of bash.
const FUNCTION: &str = "BASH_FUNC_";

/// Checks that no variable of a recipe makes programs of this machine load code, unless it is allowed
/// by name.
///
/// # Errors
/// The first such variable.
pub(super) fn check_variables(recipe: &Recipe, allowed: &[String]) -> Result<(), Mistake> {
    let loads = |name: &str| LOADS_CODE.contains(&name) || name.starts_with(FUNCTION);
    let names = recipe.env.iter().map(|(name, _)| name.as_str());
    match names.into_iter().find(|name| loads(name) && !allowed.iter().any(|it| it == name)) {
        None => Ok(()),
        Some(name) => {
            let what =
                format!("the recipe sets {name}, by which programs run code that is not shown");
            Err(Mistake::new(what)
                .at(&recipe.source.origin)
                .hint(format!("--allow-env {name}, if you know what it loads"))
                .hint("--start docker: it is then set in the container alone"))
        }
    }
}

/// Returns the address at which the recipe's server will answer.
pub(super) fn address(start: Option<StartMethod>, reading: &ReadRecipe) -> String {
    let recipe = &reading.recipe;
    let usual = match engine_of(&recipe.runtime) {
        Engine::Sglang => 30_000,
        Engine::LlamaCpp => 8080,
        Engine::Vllm | Engine::Unknown => 8000,
    };
    let inside = recipe.whole("port").unwrap_or(usual);
    let is_line = reading.how == RenderMethod::AsItStands;
    let line = is_line.then(|| docker::line(&recipe.source.text)).flatten();
    let port = line.and_then(|line| published(&line, inside)).unwrap_or(inside);
    let host = match start {
        Some(StartMethod::Docker | StartMethod::Podman) => engine_host(),
        _ => None,
    };
    let named = recipe.settings.get("host").map(String::as_str);
    let host = host.unwrap_or_else(|| match named {
        None | Some("0.0.0.0" | "::" | "localhost" | "127.0.0.1") => "127.0.0.1".to_owned(),
        Some(_) if is_line => "127.0.0.1".to_owned(),
        Some(host) => host.to_owned(),
    });
    format!("http://{host}:{port}")
}

/// Returns the host port to which a saved command line publishes the server's port.
fn published(line: &docker::Line, inside: u64) -> Option<u64> {
    let ports = line.options.iter().filter(|(name, _)| matches!(name.as_str(), "-p" | "--publish"));
    let pairs: Vec<(u64, u64)> = ports
        .filter_map(|(_, value)| {
            let mut parts = value.split('/').next()?.rsplit(':');
            let there = parts.next()?.parse().ok()?;
            let here = parts.next().map_or(Some(there), |here| here.parse().ok())?;
            Some((here, there))
        })
        .collect();
    let is_it = pairs.iter().find(|(_, there)| *there == inside).or(pairs.first());
    is_it.map(|(here, _)| *here)
}

/// Returns the host of an engine that runs on another machine.
fn engine_host() -> Option<String> {
    host_of(&std::env::var("DOCKER_HOST").ok()?)
}

fn host_of(engine: &str) -> Option<String> {
    let rest = engine.strip_prefix("ssh://").or_else(|| engine.strip_prefix("tcp://"))?;
    let rest = rest.split('/').next()?;
    let rest = rest.rsplit('@').next()?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host);
    (!host.is_empty()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;
    use crate::target::options::TargetOptions;
    use crate::target::standin::reading;

    const PLAIN: &str = "model: m\ncontainer: a/b:1\ncommand: vllm serve m --port 9000\n";

    /// Returns the address at which a recipe will answer, or why it is not taken.
    fn accepted(start: StartMethod, text: &str) -> String {
        let accepted = TargetOptions { start: Some(start), ..TargetOptions::default() }
            .accept_recipe(reading("r.yaml", text));
        accepted.unwrap_or_else(|wrong| wrong.to_string())
    }

    #[test]
    fn what_only_its_own_tools_carry_out_is_sent_to_them() {
        let more = [
            "",
            "mods: [x]\n",
            "pre_exec: [echo]\n",
            "min_nodes: 2\n",
            "min_nodes: 1\n",
            "cluster_only: true\n",
            "build_args: [--x]\n",
        ];
        let reported = each(more, |more| accepted(StartMethod::Docker, &format!("{PLAIN}{more}")));
        assert_snapshot!("docker", reported);
        for more in more {
            let address = accepted(StartMethod::Sparkrun, &format!("{PLAIN}{more}"));
            assert_eq!(address, "http://127.0.0.1:9000", "{more}");
        }
    }

    #[test]
    fn the_address_is_where_the_recipe_will_answer() {
        let line = "docker run -d -p 127.0.0.1:18000:8000 a/b:1 org/m --host 0.0.0.0\n";
        let recipes = [
            (StartMethod::Docker, line),
            (StartMethod::Process, line),
            (StartMethod::Process, "model: m\ncommand: llama-server -m x.gguf\n"),
            (StartMethod::Process, "model: m\ncommand: vllm serve m\n"),
            (
                StartMethod::Process,
                "model: m\nruntime: sglang\ncommand: python -m sglang.launch_server\n",
            ),
            (StartMethod::Process, "model: m\nruntime: odd\n"),
        ];
        assert_snapshot!("addresses", each(recipes, |(start, text)| accepted(*start, text)));
        assert_eq!(host_of("ssh://me@spark:22"), Some("spark".to_owned()));
        assert_eq!(host_of("tcp://10.0.0.7:2375"), Some("10.0.0.7".to_owned()));
        assert_eq!(host_of("unix:///run/x.sock"), None);
    }
}
