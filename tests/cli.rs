//! Tests the command line of the real binary: help, mistakes and exit codes.

#![allow(clippy::expect_used, clippy::panic)]

#[path = "../src/shown.rs"]
mod shown;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use insta::assert_snapshot;

fn longhaul(arguments: &[&str]) -> Output {
    longhaul_in(Path::new("."), arguments)
}

/// From a folder: a path in a report is then as long on every machine, and its lines break alike.
fn longhaul_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    command.args(arguments).current_dir(folder).output().expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// What is reported of a mistake: exit code 2, and nothing on stdout.
fn mistake(arguments: &[&str]) -> String {
    mistake_in(Path::new("."), arguments)
}

fn mistake_in(folder: &Path, arguments: &[&str]) -> String {
    let output = longhaul_in(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    assert_eq!(stdout(&output), "", "{arguments:?}");
    stderr(&output)
}

/// Mistakes, each with its command line.
fn mistakes(lines: &[&[&str]]) -> String {
    let one = |line: &&[&str]| format!("$ longhaul {}\n{}", line.join(" "), mistake(line));
    lines.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_verb_has_help() {
    let verbs: [&[&str]; 17] = [
        &[],
        &["run"],
        &["report"],
        &["compare"],
        &["floor"],
        &["plan"],
        &["rehearse"],
        &["resume"],
        &["sim"],
        &["sweep"],
        &["recipe"],
        &["recipe", "show"],
        &["recipe", "render"],
        &["recipe", "check"],
        &["recipe", "pin"],
        &["recipe", "diff"],
        &["list"],
    ];
    for verb in verbs {
        let output = longhaul(&[verb, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{verb:?}");
        let name = [&["help"], verb].concat().join(".");
        assert_snapshot!(name, stdout(&output));
        assert!(stdout(&output).is_ascii() || !stdout(&output).chars().any(|c| c == '\u{1b}'));
    }
}

#[test]
fn the_examples_of_the_help_name_options_that_exist() {
    let verbs: [&[&str]; 8] = [
        &["run"],
        &["plan"],
        &["sim"],
        &["compare"],
        &["floor"],
        &["sweep"],
        &["recipe", "check"],
        &["recipe", "pin"],
    ];
    for verb in verbs {
        let help = stdout(&longhaul(&[verb, &["--help"]].concat()));
        let (options, examples) = help.split_once("Examples:").expect("examples");
        for word in examples.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(options.contains(word), "{verb:?}: {word}");
        }
    }
}

#[test]
fn a_recipe_is_shown_rendered_and_compared() {
    let name = "nemotron-3-super";
    let render = longhaul(&["recipe", "render", name, "--set", "max_num_seqs=8"]);
    assert_eq!(render.status.code(), Some(0), "{}", stderr(&render));
    assert_snapshot!("render", stdout(&render));
    assert_eq!(stderr(&render), "");
    assert_snapshot!("show", stdout(&longhaul(&["recipe", "show", name])));
    let diff = longhaul(&["recipe", "diff", name, name]);
    assert_eq!((diff.status.code(), stdout(&diff).as_str()), (Some(0), "They serve alike.\n"));
}

#[test]
fn a_named_pipe_is_no_recipe_and_no_scenario_and_what_a_shell_pipes_in_is() {
    let folder = Folder::new();
    let pipe = folder.path("pipe.yaml");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let pipe = pipe.to_str().expect("text");
    let reported = [mistake(&["recipe", "show", pipe]), mistake(&["plan", "--scenario", pipe])];
    assert_snapshot!("pipe", folder.named(&reported.join("\n")));
    let script = r#"exec "$0" recipe render <(printf 'model: m\ncommand: serve m\n')"#;
    let piped = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_longhaul")])
        .output()
        .expect("bash runs");
    assert_eq!(stdout(&piped), "serve m\n", "{}", stderr(&piped));
}

#[test]
fn a_recipe_is_found_in_a_folder_and_reads_only_what_stands_beside_it() {
    let scratch = Folder::new();
    let folder = scratch.0.path().to_path_buf();
    let inner = folder.join("submission");
    std::fs::create_dir_all(&inner).expect("a folder");
    let write = |path: &std::path::Path, text: &str| std::fs::write(path, text).expect("written");
    write(&folder.join("outside.yaml"), "model: org/outside\n");
    write(&inner.join("base.yaml"), "model: org/base\ncommand: vllm serve {model} --port {port}\n");
    write(&inner.join("recipe.yaml"), "include: base\ndefaults: {port: 7}\n");
    write(
        &inner.join("start.sh"),
        "#!/bin/sh\ndocker run img vllm serve org/m \\\n  --port 9 > log\n",
    );
    write(&inner.join("leak.yaml"), "include: link\nmodel: m\n");
    let path = |name: &str| inner.join(name).display().to_string();
    let command = |path: &str| stdout(&longhaul(&["recipe", "render", path]));
    assert_eq!(command(&path("")), "vllm serve org/base --port 7\n");
    assert_eq!(command(&path("start.sh")), "vllm serve org/m \\\n  --port 9\n");
    #[cfg(unix)]
    {
        let (target, link) = (folder.join("outside.yaml"), inner.join("link.yaml"));
        std::os::unix::fs::symlink(target, link).expect("a link");
        assert_snapshot!(scratch.named(&mistake(&["recipe", "show", &path("leak.yaml")])), @"
            error: `link.yaml` leads out of the recipe's folder
               at: include
        ");
    }
    let none = mistake(&["recipe", "show", &folder.display().to_string()]);
    assert_snapshot!(scratch.named(&none), @"
        error: the folder `FOLDER` holds no recipe.yaml
          try: a recipe's file, or the folder of a submission
    ");
}

/// A folder of its own, gone at the end.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::TempDir::new().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    /// A text with the folder's name in place of its path.
    fn named(&self, text: &str) -> String {
        shown::named(text, &[(&self.0.path().display().to_string(), "FOLDER")])
    }
}

const FLOATING: &str = "# why: latest\nmodel: org/m\ncontainer: 'org/img:latest' # é\n\
                        command: vllm serve org/m\n";

#[test]
fn a_recipe_is_checked_and_strict_fails_on_what_floats() {
    let folder = Folder::new();
    let path = folder.write("r.yaml", FLOATING);
    let check = longhaul(&["recipe", "check", &path]);
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
    assert_snapshot!("check", folder.named(&stdout(&check)));
    assert_eq!(longhaul(&["recipe", "check", &path, "--strict"]).status.code(), Some(1));
    let json = stdout(&longhaul(&["recipe", "check", &path, "--format", "json"]));
    assert_snapshot!("check.json", folder.named(&json));
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    let digest = "ab".repeat(32);
    let fixed = folder.write(
        "fixed.yaml",
        &format!("model: org/m\nmodel_revision: {digest}\ncontainer: a/b@sha256:{digest}\n"),
    );
    assert_eq!(longhaul(&["recipe", "check", &fixed, "--strict"]).status.code(), Some(0));
    mistake(&["recipe", "check", "no-such-recipe", "--strict"]);
}

#[test]
fn the_table_of_a_check_has_an_end_and_its_json_has_all() {
    let folder = Folder::new();
    let mods: Vec<String> = (0..500).map(|number| format!("mods/m{number}")).collect();
    let path = folder.write("r.yaml", &format!("{FLOATING}mods: [{}]\n", mods.join(", ")));
    let reported = stdout(&longhaul(&["recipe", "check", &path]));
    assert!(reported.lines().count() < 300, "{reported}");
    assert!(
        reported.lines().any(|line| line.trim_end().ends_with("more: --format json")),
        "{reported}"
    );
    let json = stdout(&longhaul(&["recipe", "check", &path, "--format", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(json["findings"].as_array().is_some_and(|findings| findings.len() >= 500));
}

#[cfg(unix)]
#[test]
fn a_container_engine_is_asked_and_its_silence_explained() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.write("r.yaml", FLOATING);
    let engine = |name: &str, script: &str| {
        let path = folder.write(name, &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("made runnable");
        path
    };
    let digest = format!("sha256:{}", "3".repeat(64));
    let knows = engine(
        "knows",
        &format!(
            "[ \"$*\" = 'image inspect --format {{{{json .RepoDigests}}}} org/img:latest' ] && echo '[\"docker.io/org/img@{digest}\"]'"
        ),
    );
    let pin = longhaul(&["recipe", "pin", &path, "--engine", &knows]);
    assert_eq!(pin.status.code(), Some(0), "{}", stderr(&pin));
    let expected = FLOATING.replace("'org/img:latest'", &format!("'org/img@{digest}'"));
    assert_eq!(stdout(&pin), expected);
    let mut reported = vec![stderr(&pin)];
    let hosts = "containers: [{host: h, image: org/x}]\n";
    let many = folder.write("many.yaml", &format!("{FLOATING}{hosts}"));
    let pin = longhaul(&["recipe", "pin", &many, "--engine", &knows]);
    assert_eq!(stdout(&pin), format!("{expected}{hosts}"));
    reported.push(stderr(&pin));
    let output = folder.path("pinned.yaml").display().to_string();
    let pin = longhaul(&["recipe", "pin", &path, "--engine", &knows, "-o", &output]);
    assert_eq!((pin.status.code(), stdout(&pin).as_str()), (Some(0), ""), "{}", stderr(&pin));
    assert_eq!(std::fs::read_to_string(&output).expect("written"), expected);
    assert_eq!(std::fs::read_to_string(&path).expect("there"), FLOATING, "the input stays");
    let nowhere = ["recipe", "pin", &path, "--engine", &knows, "-o", "/nonexistent/pinned.yaml"];
    reported.push(mistake(&nowhere));
    // What is pinned stays byte for byte what it is.
    let again = longhaul(&["recipe", "pin", &output]);
    assert_eq!((again.status.code(), stdout(&again)), (Some(0), expected));
    for (name, script) in [
        ("lacks", "echo 'Error: No such image: org/img:latest' >&2; exit 1"),
        ("denied", "echo 'permission denied while trying to connect' >&2; exit 1"),
        ("down", "echo 'Cannot connect to the Docker daemon' >&2; exit 1"),
        ("built", "echo '[]'"),
    ] {
        reported.push(mistake(&["recipe", "pin", &path, "--engine", &engine(name, script)]));
    }
    reported.push(mistake(&["recipe", "pin", &path, "--engine", "no-such-engine"]));
    let option = folder.write("o.yaml", "model: m\ncontainer: --help\n");
    reported.push(mistake(&["recipe", "pin", &option, "--engine", &knows]));
    assert_snapshot!("pin", folder.named(&reported.join("\n")));
}

#[test]
fn mistakes_say_what_where_and_what_to_try() {
    let real = ["run", "--endpoint", "http://127.0.0.1:1"];
    assert_snapshot!(
        "mistakes",
        mistakes(&[
            &["recipe", "show", "no-such-recipe"],
            &["recipe", "render", "nemotron-3-super", "--set", "port.x=1"],
            &["recipe", "render", "nemotron-3-super", "--when", "moon=full"],
            &["run", "--recipe", "no-such-recipe", "--simulate"],
            &["run", "--simulate", "--scenario", "smokee"],
            &["run", "--recipe", "nemotron-3-super"],
            &[&real[..], &["--profile", "dgx-spark"]].concat(),
            &[&real[..], &["--ailment", "crash"]].concat(),
            &[&real[..], &["--api-key-env", "LONGHAUL_NO_SUCH_KEY"]].concat(),
            &["run", "--scenario", "overnight"],
            &["run", "--simulate", "--ailment", "crsh"],
            &["run", "--endpoint", "ftp://host"],
            &["plan", "--scenario", "spark_arena_v2", "--rate", "1"],
            &["report", "no-such-folder"],
        ])
    );
}

#[test]
fn a_value_that_an_option_does_not_take_is_a_mistake() {
    let run = |flag: &'static str, value: &'static str| ["run", "--simulate", flag, value];
    assert_snapshot!(
        "values",
        mistakes(&[
            &run("--duration", "60"),
            &run("--duration", "-5m"),
            &run("--depths", "0.3k"),
            &run("-o", "Cargo.toml"),
            &["plan", "--scenario", "./src"],
            &["report", "src"],
            &["report", "Cargo.toml"],
            &["sweep", "--starts", "-1"],
            &["recipe", "check", "nemotron-3-super", "--format", "arena"],
            &["recipe", "check", "nemotron-3-super", "--format", "yaml"],
            &run("--duration", "99999999999d"),
            &run("--depths", "18446744073709551615"),
            &run("--concurrency", "4294967295"),
            &run("--rate", "0"),
            &run("--rate", "nan"),
            &["run", "--simulate", "--rate", "1", "--concurrency", "1"],
            &["run", "--simulat"],
            &["rum"],
        ])
    );
}

#[test]
fn a_run_folder_that_is_not_empty_is_refused_before_anything_is_sent() {
    let folder = Folder::new();
    folder.write("precious.txt", "mine");
    let reported = mistake(&["run", "--simulate", "-o", folder.0.path().to_str().expect("UTF-8")]);
    assert_snapshot!(folder.named(&reported), @"
        error: the run folder is there already and is not empty
           at: FOLDER
          try: choose a new folder with -o: a run never writes over another
    ");
    let precious = std::fs::read_to_string(folder.path("precious.txt"));
    assert_eq!(precious.expect("still there"), "mine");
}

#[test]
fn a_depth_that_the_server_does_not_take_is_a_mistake() {
    assert_snapshot!(mistake(&["run", "--simulate", "--depths", "0,200000"]), @"
        error: depth 200000 + prompt 256 + output 24 = 200280 tokens, but max_model_len is 131072
           at: shipped:smoke workloads.ladder.depths
          try: --depths 0
    ");
    assert_snapshot!(mistake(&["run", "--simulate", "--depths", "195.3125k"]), @"
        note: 195.3125k is 200,000 tokens
        error: depth 200000 + prompt 256 + output 24 = 200280 tokens, but max_model_len is 131072
           at: shipped:smoke workloads.ladder.depths
          try: --depths 130792, the deepest that fits
    ");
}

#[test]
fn a_compose_file_is_read_and_not_started_and_check_tells_the_dialects_apart() {
    let folder = Folder::new();
    let file = folder.write(
        "docker-compose.yml",
        "services:\n  llm:\n    image: vllm/vllm-openai:v0.20.0\n    restart: no\n    command: --model org/m\n",
    );
    let check = longhaul(&["recipe", "check", &file]);
    assert!(stdout(&check).starts_with("DATED image"), "{}", stdout(&check));
    assert_snapshot!(folder.named(&mistake(&["run", "--recipe", &file, "--start", "docker"])), @"
        error: longhaul starts no compose file
           at: FOLDER/docker-compose.yml
          try: docker compose up -d, then --endpoint and --container NAME
          try: the server's service as a `docker run`
    ");
    let version_1 = folder.write(
        "eugr.yaml",
        "recipe_version: \"1\"\nname: n\ncontainer: vllm-node\n\
         command: vllm serve org/m --distributed-executor-backend ray --port 1\n",
    );
    let check = stdout(&longhaul(&["recipe", "check", &version_1]));
    let notes = check.split_once("notes\n").expect("notes").1;
    assert_snapshot!(notes, @"
          eugr's run-recipe.py, since July 2026 and without --ray, leaves
          `distributed_executor_backend` away (`ray`); --dialect eugr renders that
    ");
    let eugr = longhaul(&["recipe", "render", &version_1, "--dialect", "eugr"]);
    assert_eq!(stdout(&eugr), "vllm serve org/m  --port 1\n");
}

#[test]
fn what_a_recipe_cannot_take_is_said_before_its_server_is_asked() {
    // Nobody listens there: a run that asked would wait for minutes.
    let run = ["run", "--recipe", "nemotron-3-super", "--endpoint", "http://127.0.0.1:9"];
    let soak = [&run[..], &["--depths", "0,200000", "--scenario", "overnight"]].concat();
    assert_snapshot!(mistake(&soak), @"
        error: depth 200000 + prompt 2048 + output 128 = 202176 tokens, but max_model_len is 131072
           at: shipped:overnight workloads.ladder.depths
          try: --depths 0
    ");
}

#[test]
fn a_plan_without_rates_says_unknown_and_never_guesses() {
    let folder = Folder::new();
    let recipe =
        folder.write("own.yaml", "recipe_version: \"2\"\nmodel: some/model\nruntime: vllm\n");
    let output = longhaul(&["plan", "--recipe", &recipe, "--scenario", "short"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_snapshot!("plan.unknown", stdout(&output));
}

#[test]
fn what_is_built_in_is_listed() {
    assert_snapshot!("list", stdout(&longhaul(&["list"])));
}

#[test]
fn an_attached_server_that_never_answers_is_inconclusive() {
    let folder = Folder::new();
    folder.write(
        "s.yaml",
        "about: Nothing to see.\nduration: 1s\nworkloads:\n  - ladder: {depths: [0], prompt: 16, output: 4, concurrency: [1]}\nlimits: {ready: 300ms}\ncontract: {crashes: 0}\n",
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let output = longhaul_in(
        folder.0.path(),
        &["run", "--endpoint", &address, "--scenario", "s.yaml", "-o", "run"],
    );
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_snapshot!("never_answered", shown::named(&stdout(&output), &[(&address, "ADDRESS")]));
}

/// After one failure the upper bound lies below four hours for the first minutes, and the interval
/// is one of 95 % only once, at the end.
#[test]
fn a_time_between_failures_is_judged_at_the_end_and_ends_no_run_early() {
    let folder = Folder::new();
    let text = "about: One failure.\nduration: 10m\nworkloads:\n  - ladder: {depths: [0], prompt: 16, output: 4, concurrency: [1]}\ncontract: {mtbf: 100h}\n";
    let (scenario, run) = (folder.write("s.yaml", text), folder.path("run").display().to_string());
    let arguments = ["rehearse", "--stop-on-fail", "--ailment", "crash=10s@1m", "--scenario"];
    let output = longhaul(&[&arguments[..], &[&scenario, "-o", &run]].concat());
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    let verdict = std::fs::read_to_string(folder.path("run/verdict.json")).expect("a verdict");
    let verdict: serde_json::Value = serde_json::from_str(&verdict).expect("JSON");
    assert_eq!(verdict["closed"], "done", "{verdict}");
}

#[test]
fn the_samples_of_the_guide_are_what_the_simulator_gives() {
    let folder = Folder::new();
    let command = |line: &str| {
        let arguments: Vec<&str> = line.split(' ').skip(1).collect();
        stdout(&longhaul_in(folder.0.path(), &arguments))
    };
    let reported = command("longhaul rehearse --scenario smoke -o runs/monday");
    // The same server under the same load in the README's own command, which takes a minute.
    let reported = reported.replace("rehearse --scenario smoke", "run --scenario smoke --simulate");
    let readme = include_str!("../README.md");
    assert!(
        readme.contains(&format!("```\n{reported}```\n")),
        "README.md has another sample:\n{reported}"
    );
    let report = include_str!("../docs/report.md");
    assert!(report.contains(&format!("```\n{reported}```\n")), "docs/report.md has another sample");
    let measures = include_str!("../docs/measures.md");
    let table = measures.split("```\n").nth(1).expect("a sample");
    assert!(reported.contains(table), "docs/measures.md has another sample:\n{table}");

    let compare = include_str!("../docs/compare.md");
    let slow = "longhaul rehearse --scenario smoke --ailment slow_down=20%@0s --server-seed 2 -o runs/tuesday";
    assert!(compare.contains(&format!("    {slow}\n")));
    command(slow);
    let reported = command("longhaul compare runs/monday runs/tuesday");
    assert!(
        compare.contains(&format!("```\n{reported}```\n")),
        "docs/compare.md has another:\n{reported}"
    );
}

/// A scenario of a moment.
const MOMENT: &str = "about: A moment, for a sweep.\nlaps: 3\nwarmup: 1 lap\nreference: 1 lap\n\
workloads: [{ladder: {depths: [0], prompt: 128, output: 8, concurrency: [1], prefix: cold}}]\n\
limits: {first_token: 2m, stall: 1m, away: 5m}\ncontract: {crashes: 0, errors: 1%}\n";

fn manifest(run: &std::path::Path) -> serde_json::Value {
    let text = std::fs::read_to_string(run.join("run.json")).expect("a manifest");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_sweep_tells_what_did_not_start_and_goes_on_where_it_was_cut_off() {
    let folder = Folder::new();
    folder.write("moment.yaml", MOMENT);
    let sweep = folder.path("sweep");
    let swept = |arguments: &[&str]| longhaul_in(folder.0.path(), arguments);
    let mut arguments = vec!["sweep", "--rehearse", "--scenario", "moment.yaml", "-o", "sweep"];
    arguments.extend(["--vary", "speculative_config.num_speculative_tokens=1,2"]);
    arguments.extend(["--vary", "kv_cache_dtype=auto", "--vary", "max_model_len=2097152"]);
    arguments.extend(["--starts", "2"]);
    let first = swept(&arguments);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let reported = stdout(&first);
    assert_snapshot!("sweep", reported);
    assert_snapshot!("sweep.progress", stderr(&first));
    let run = |name: &str| sweep.join("runs").join(name);
    let (one, other) = (manifest(&run("base/000")), manifest(&run("base/007")));
    assert_ne!(one["server_seed"], other["server_seed"], "another start is another server");
    assert_eq!(one["plan_fingerprint"], other["plan_fingerprint"], "the load is the same");
    assert_eq!(other["sweep"], serde_json::json!({"arm": "base", "start": 1}));
    let arm = sweep.join("arms/kv_cache_dtype=auto.yaml").display().to_string();
    let diff = stdout(&longhaul(&["recipe", "diff", "nemotron-3-super", &arm]));
    assert!(diff.ends_with("One variable at a time: kv_cache_dtype.\n"), "{diff}");

    let events = run("base/000").join("events.csv");
    let text = std::fs::read_to_string(&events).expect("events");
    std::fs::write(&events, &text[..text.len() - 40]).expect("cut off");
    std::fs::remove_dir_all(run("kv_cache_dtype=auto/002")).expect("removed");
    let again = swept(&arguments);
    assert_eq!(stdout(&again), reported, "the same in the end");
    assert_snapshot!("sweep.goes_on", stderr(&again));
    assert!(sweep.join("broken-off/base-000-1/run.json").is_file());
    let last = arguments.len() - 1;
    arguments[last] = "3";
    let mut reported = vec![mistake_in(folder.0.path(), &arguments)];
    arguments[last] = "2";

    let lock = std::fs::File::open(sweep.join(".lock")).expect("a lock");
    lock.lock().expect("held");
    reported.push(mistake_in(folder.0.path(), &arguments));
    drop(lock);
    std::fs::rename(run("base/000"), run("base/aside")).expect("moved");
    std::fs::rename(run("base/007"), run("base/000")).expect("moved");
    reported.push(mistake_in(folder.0.path(), &arguments));
    std::fs::rename(run("base/000"), run("base/007")).expect("moved");
    std::fs::rename(run("base/aside"), run("base/000")).expect("moved");
    let edited = sweep.join("arms/base.yaml");
    let text = std::fs::read_to_string(&edited).expect("the base");
    std::fs::write(&edited, text + "# by hand\n").expect("written");
    reported.push(mistake_in(folder.0.path(), &arguments));
    assert_snapshot!("sweep.refused", reported.join("\n"));
}

#[test]
fn a_sweep_that_can_tell_nothing_is_refused_before_it_starts() {
    let config = "speculative_config={\"method\": \"ngram\", \"num_speculative_tokens\": 3}";
    let lengths = "max_model_len=131072,65536";
    let sweep = |more: &[&'static str]| [&["sweep", "--rehearse", "--vary"], more].concat();
    assert_snapshot!(
        "sweep.mistakes",
        mistakes(&[
            &["sweep", "--vary", "max_num_seqs=8"],
            &["sweep", "--rehearse"],
            &sweep(&["max_num_seqs=4"]),
            &sweep(&["max_num_seqs=8", "--starts", "0"]),
            &sweep(&["max_num_seqs=8", "--starts", "65"]),
            &sweep(&[config]),
            &sweep(&[lengths, "--vary", "kv_cache_dtype=auto"]),
            &sweep(&["max_num_seqs=8", "--scenario", "quick"]),
            &sweep(&["max_num_seqs=8", "-o", "/proc/sweep"]),
        ])
    );
}

#[test]
fn a_sweep_takes_arms_of_any_name_and_refuses_what_is_no_list() {
    let folder = Folder::new();
    let scenario = folder.write("moment.yaml", MOMENT);
    let output = folder.path("sweep").display().to_string();
    let sweep = |arms: &str| {
        let arms = folder.write("arms.yaml", arms);
        longhaul(&[
            "sweep",
            "--rehearse",
            "--scenario",
            &scenario,
            "-o",
            &output,
            "--arms",
            &arms,
            "--starts",
            "1",
        ])
    };
    let lists = [
        "",
        "[]",
        "max_num_seqs: 8",
        "- {name: '', changes: {max_num_seqs: 8}}",
        "- {name: base, changes: {max_num_seqs: 8}}",
    ];
    let reported = shown::each(lists, |arms| {
        let refused = sweep(arms);
        assert_eq!(refused.status.code(), Some(2), "{arms}: {}", stderr(&refused));
        folder.named(&stderr(&refused))
    });
    assert_snapshot!("sweep.arms", reported);
    let names = [r"\e[31mred\n../../x", "..", r"\U0001F600", &"long ".repeat(40)];
    let arm = |(index, name): (usize, &&str)| {
        format!("- {{name: \"{name}\", changes: {{max_num_seqs: {}}}}}\n", 5 + index)
    };
    let arms: String = names.iter().enumerate().map(arm).collect();
    let swept = sweep(&arms);
    assert_eq!(swept.status.code(), Some(0), "{}", stderr(&swept));
    for text in [stdout(&swept), stderr(&swept)] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    }
    let reported = stdout(&swept);
    assert!(reported.lines().all(|line| line.chars().count() <= 80), "{reported}");
    let files = std::fs::read_dir(folder.path("sweep/runs")).expect("runs");
    let names: Vec<String> =
        files.map(|it| it.expect("a folder").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with(['-', '.'])), "{names:?}");
}

#[test]
fn a_sweep_that_is_interrupted_says_so_and_the_same_command_goes_on() {
    use std::io::{BufRead, BufReader};
    let folder = Folder::new();
    folder.write("moment.yaml", &MOMENT.replace("laps: 3", "laps: 400"));
    let mut arguments = vec!["sweep", "--rehearse", "--scenario", "moment.yaml", "-o", "sweep"];
    arguments.extend(["--vary", "max_num_seqs=8", "--starts", "2"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    command.args(&arguments).current_dir(folder.0.path()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let is_first = |line: &std::io::Result<String>| {
        line.as_ref().expect("text").trim_start().starts_with("1/4 ")
    };
    assert!(lines.any(|line| is_first(&line)), "a start was done");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill runs").success());
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert_eq!(child.wait().expect("an end").code(), Some(130), "{rest:?}");
    let reported = rest.last().expect("a last line");
    assert!(
        reported.starts_with("interrupted; the same command goes on: longhaul sweep"),
        "{rest:?}"
    );
    let again = longhaul_in(folder.0.path(), &arguments);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_snapshot!("sweep.interrupted", stdout(&again));
}

/// Nights of the guide, played anew: the report of each command has the lines that stand below it, in
/// their order.
#[test]
#[ignore = "minutes: three nights in virtual time"]
fn the_nights_of_the_guide_are_what_the_simulator_gives() {
    let pages = [include_str!("../docs/trends.md"), include_str!("../docs/soak.md")];
    let mut nights: Vec<(&str, &str)> = pages.into_iter().flat_map(nights).collect();
    assert_eq!(nights.len(), 4, "three nights of trends.md, and that of soak.md");
    let report = include_str!("../docs/report.md").split("### Memory and drift\n\n```\n").nth(1);
    let lines = report.and_then(|it| it.split("\n```").next()).expect("a sample");
    nights.push((nights[3].0, lines));
    let mut played: BTreeMap<&str, String> = BTreeMap::new();
    for (command, sample) in nights {
        let reported = played.entry(command).or_insert_with(|| {
            let folder = Folder::new();
            let arguments: Vec<&str> = command.split(' ').skip(1).collect();
            stdout(&longhaul_in(folder.0.path(), &arguments))
        });
        let mut lines = reported.lines();
        for line in sample.lines().filter(|line| line.trim() != "…") {
            assert!(lines.any(|it| it == line), "`{command}` does not give\n{line}\n{reported}");
        }
    }
}

/// Returns the rehearsals of a page that a sample follows, each with its sample.
fn nights(page: &str) -> Vec<(&str, &str)> {
    let night = |(at, _): (usize, &str)| {
        let (command, rest) = page.get(at..)?.trim_start().split_once('\n')?;
        let (sample, _) = rest.strip_prefix("\n```\n")?.split_once("\n```")?;
        Some((command, sample))
    };
    page.match_indices("\n    longhaul rehearse ").filter_map(night).collect()
}
