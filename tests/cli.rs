//! Tests the command line of the real binary: help, mistakes and exit codes.

#![allow(clippy::expect_used, clippy::panic)]

use std::process::{Command, Output};

fn longhaul(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longhaul")).args(arguments).output().expect("the binary runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

/// A mistake: exit code 2, nothing on stdout, and the words on stderr.
fn mistake(arguments: &[&str], words: &[&str]) {
    let output = longhaul(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    assert_eq!(stdout(&output), "", "{arguments:?}");
    for word in words {
        assert!(stderr(&output).contains(word), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn every_verb_has_help() {
    for verb in
        ["run", "report", "compare", "floor", "plan", "rehearse", "sim", "sweep", "recipe", "list"]
    {
        let output = longhaul(&[verb, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{verb}");
        assert!(stdout(&output).contains("Usage: longhaul"), "{verb}");
        assert!(!stdout(&output).contains('\u{1b}'), "no colour where there is no terminal");
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
    assert!(stdout(&render).starts_with("vllm serve nvidia/NVIDIA-Nemotron-3-Super"));
    assert!(stdout(&render).contains("--max-num-seqs 8 \\\n"));
    assert_eq!(stderr(&render), "");
    let show = stdout(&longhaul(&["recipe", "show", name]));
    assert!(
        show.contains("rendered as sparkrun does") && show.contains("  max_num_seqs "),
        "{show}"
    );
    let diff = longhaul(&["recipe", "diff", name, name]);
    assert_eq!((diff.status.code(), stdout(&diff).as_str()), (Some(0), "They serve alike.\n"));
}

#[test]
fn a_named_pipe_is_no_recipe_and_no_scenario_and_what_a_shell_pipes_in_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe.yaml");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let pipe = pipe.to_str().expect("text");
    mistake(&["recipe", "show", pipe], &["it is no plain file"]);
    mistake(&["plan", "--scenario", pipe], &["it is no plain file"]);
    let script = r#"exec "$0" recipe render <(printf 'model: m\ncommand: serve m\n')"#;
    let piped = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_longhaul")])
        .output()
        .expect("bash runs");
    assert_eq!(stdout(&piped), "serve m\n", "{}", stderr(&piped));
}

#[test]
fn a_recipe_is_found_in_a_folder_and_reads_only_what_stands_beside_it() {
    let folder = std::env::temp_dir().join(format!("longhaul-recipes-{}", std::process::id()));
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
        mistake(&["recipe", "show", &path("leak.yaml")], &["leads out of"]);
    }
    mistake(&["recipe", "show", &folder.display().to_string()], &["holds no recipe.yaml"]);
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// A folder of its own below the system's, gone at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("longhaul-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Folder(folder)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const FLOATING: &str = "# why: latest\nmodel: org/m\ncontainer: 'org/img:latest' # é\n\
                        command: vllm serve org/m\n";

#[test]
fn a_recipe_is_checked_and_strict_fails_on_what_floats() {
    let folder = Folder::new("check");
    let path = folder.write("r.yaml", FLOATING);
    let check = longhaul(&["recipe", "check", &path]);
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
    assert!(stdout(&check).starts_with("FLOATING image · r · 2 float"), "{}", stdout(&check));
    assert_eq!(longhaul(&["recipe", "check", &path, "--strict"]).status.code(), Some(1));
    let json = stdout(&longhaul(&["recipe", "check", &path, "--format", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["grade"], &json["floating"]), (&"floating".into(), &2.into()));
    let first = &json["findings"][0];
    assert_eq!((&first["what"], &first["line"]), (&"container".into(), &3.into()));
    let digest = "ab".repeat(32);
    let fixed = folder.write(
        "fixed.yaml",
        &format!("model: org/m\nmodel_revision: {digest}\ncontainer: a/b@sha256:{digest}\n"),
    );
    assert_eq!(longhaul(&["recipe", "check", &fixed, "--strict"]).status.code(), Some(0));
    mistake(&["recipe", "check", "no-such-recipe", "--strict"], &["no-such-recipe"]);
}

#[test]
fn the_table_of_a_check_has_an_end_and_its_json_has_all() {
    let folder = Folder::new("mods");
    let mods: Vec<String> = (0..500).map(|number| format!("mods/m{number}")).collect();
    let path = folder.write("r.yaml", &format!("{FLOATING}mods: [{}]\n", mods.join(", ")));
    let told = stdout(&longhaul(&["recipe", "check", &path]));
    assert!(told.lines().count() < 300 && told.contains("more: --format json"), "{told}");
    let json = stdout(&longhaul(&["recipe", "check", &path, "--format", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(json["findings"].as_array().is_some_and(|findings| findings.len() >= 500));
}

#[cfg(unix)]
#[test]
fn a_container_engine_is_asked_and_its_silence_explained() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("engine");
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
    assert!(stderr(&pin).contains("org/img:latest -> org/img@sha256:3"), "{}", stderr(&pin));
    let hosts = "containers: [{host: h, image: org/x}]\n";
    let many = folder.write("many.yaml", &format!("{FLOATING}{hosts}"));
    let pin = longhaul(&["recipe", "pin", &many, "--engine", &knows]);
    assert_eq!(stdout(&pin), format!("{expected}{hosts}"));
    assert!(stderr(&pin).contains("left alone: containers[0].image"), "{}", stderr(&pin));
    let output = folder.0.join("pinned.yaml").display().to_string();
    let pin = longhaul(&["recipe", "pin", &path, "--engine", &knows, "-o", &output]);
    assert_eq!((pin.status.code(), stdout(&pin).as_str()), (Some(0), ""), "{}", stderr(&pin));
    assert_eq!(std::fs::read_to_string(&output).expect("written"), expected);
    assert_eq!(std::fs::read_to_string(&path).expect("there"), FLOATING, "the input stays");
    let nowhere = ["recipe", "pin", &path, "--engine", &knows, "-o", "/nonexistent/pinned.yaml"];
    let refused = longhaul(&nowhere);
    let told = stderr(&refused);
    assert!(told.contains("could not be written") && !told.contains("pinned:"), "{told}");
    // What is pinned stays byte for byte what it is.
    let again = longhaul(&["recipe", "pin", &output]);
    assert_eq!((again.status.code(), stdout(&again)), (Some(0), expected));
    for (name, script, words) in [
        ("lacks", "echo 'Error: No such image: org/img:latest' >&2; exit 1", "pull org/img:latest"),
        ("denied", "echo 'permission denied while trying to connect' >&2; exit 1", "group docker"),
        ("down", "echo 'Cannot connect to the Docker daemon' >&2; exit 1", "start it"),
        ("built", "echo '[]'", "built here"),
    ] {
        mistake(
            &["recipe", "pin", &path, "--engine", &engine(name, script)],
            &[words, "org/img:latest"],
        );
    }
    mistake(
        &["recipe", "pin", &path, "--engine", "no-such-engine"],
        &["no-such-engine", "--engine"],
    );
    let option = folder.write("o.yaml", "model: m\ncontainer: --help\n");
    mistake(&["recipe", "pin", &option, "--engine", &knows], &["is no name of an image"]);
}

#[test]
fn mistakes_say_what_where_and_what_to_try() {
    mistake(&["recipe", "show", "no-such-recipe"], &["no-such-recipe", "try:"]);
    mistake(&["recipe", "render", "nemotron-3-super", "--set", "port.x=1"], &["`port`", "--set"]);
    mistake(&["recipe", "render", "nemotron-3-super", "--when", "moon=full"], &["moon", "nodes"]);
    mistake(&["run", "--recipe", "no-such-recipe", "--simulate"], &["no-such-recipe", "try:"]);
    mistake(&["run", "--simulate", "--scenario", "smokee"], &["smokee", "smoke"]);
    mistake(&["run", "--recipe", "nemotron-3-super"], &["--endpoint", "--simulate"]);
    let real = ["run", "--endpoint", "http://127.0.0.1:1"];
    mistake(&[&real[..], &["--profile", "dgx-spark"]].concat(), &["simulated"]);
    mistake(&[&real[..], &["--ailment", "crash"]].concat(), &["--simulate"]);
    mistake(&["run", "--scenario", "overnight"], &["--endpoint", "--simulate"]);
    mistake(&["run", "--simulate", "--ailment", "crsh"], &["crsh", "crash"]);
    mistake(&["run", "--simulate", "--duration", "60"], &["unit"]);
    mistake(
        &["run", "--endpoint", "http://127.0.0.1:1", "--api-key-env", "LONGHAUL_NO_SUCH_KEY"],
        &["LONGHAUL_NO_SUCH_KEY"],
    );
    for (flag, value) in [
        ("--depths", "18446744073709551615"),
        ("--concurrency", "4294967295"),
        ("--duration", "99999999999d"),
        ("--rate", "0"),
        ("--rate", "nan"),
    ] {
        mistake(&["run", "--simulate", flag, value], &[flag, "try:"]);
    }
    let both = ["run", "--simulate", "--rate", "1", "--concurrency", "1"];
    mistake(&both, &["--rate", "cannot be used with"]);
    let phases = ["plan", "--scenario", "spark_arena_v2", "--rate", "1"];
    mistake(&phases, &["two_phase", "--rate", "try:"]);
    mistake(&["report", "no-such-folder"], &["no-such-folder"]);
    mistake(&["run", "--endpoint", "ftp://host"], &["ftp"]);
}

#[test]
fn a_run_folder_that_is_not_empty_is_refused_before_anything_is_sent() {
    let folder = std::env::temp_dir().join(format!("longhaul-full-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("precious.txt"), "mine").expect("a file");
    mistake(
        &["run", "--simulate", "-o", folder.to_str().expect("UTF-8")],
        &["longhaul-full", "try:"],
    );
    assert_eq!(std::fs::read_to_string(folder.join("precious.txt")).expect("still there"), "mine");
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_depth_that_the_server_does_not_take_is_a_mistake() {
    mistake(&["run", "--simulate", "--depths", "0,200000"], &["200000", "131072", "--depths 0"]);
}

#[test]
fn what_a_recipe_cannot_take_is_said_before_its_server_is_asked() {
    // Nobody listens there: a run that asked would wait for minutes.
    let run = ["run", "--recipe", "nemotron-3-super", "--endpoint", "http://127.0.0.1:9"];
    let deep: Vec<&str> = run.iter().copied().chain(["--depths", "0,200000"]).collect();
    let soak: Vec<&str> = deep.iter().copied().chain(["--scenario", "overnight"]).collect();
    mistake(&soak, &["200000", "max_model_len is 131072", "--depths 0"]);
    let plan = longhaul(&["plan", "--scenario", "spark_arena_v2"]);
    let told = stdout(&plan).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("10 streams on 4 slots") && told.contains("warm cells, but"), "{told}");
}

#[test]
fn a_plan_without_rates_says_unknown_and_never_guesses() {
    let folder = std::env::temp_dir().join(format!("longhaul-plan-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let recipe = folder.join("own.yaml");
    std::fs::write(&recipe, "recipe_version: \"2\"\nmodel: some/model\nruntime: vllm\n")
        .expect("a recipe");
    let output =
        longhaul(&["plan", "--recipe", recipe.to_str().expect("UTF-8"), "--scenario", "short"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("unknown"), "{}", stdout(&output));
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_plan_of_a_soak_says_what_it_can_decide() {
    let output = longhaul(&["plan", "--scenario", "overnight"]);
    let told = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for word in ["requests", "laps", "MTBF", "can be decided", "d100000"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn what_is_built_in_is_listed() {
    let told = stdout(&longhaul(&["list"]));
    for name in ["smoke", "quick", "short", "overnight", "spark_arena_v2", "nemotron-3-super"] {
        assert!(told.contains(name), "{name}: {told}");
    }
}

#[test]
fn an_attached_server_that_never_answers_is_inconclusive() {
    let folder = std::env::temp_dir().join(format!("longhaul-never-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let scenario = folder.join("s.yaml");
    std::fs::write(
        &scenario,
        "about: Nothing to see.\nduration: 1s\nworkloads:\n  - ladder: {depths: [0], prompt: 16, output: 4, concurrency: [1]}\nlimits: {ready: 300ms}\ncontract: {crashes: 0}\n",
    )
    .expect("a scenario");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let run = folder.join("run");
    let output = longhaul(&[
        "run",
        "--endpoint",
        &address,
        "--scenario",
        scenario.to_str().expect("UTF-8"),
        "-o",
        run.to_str().expect("UTF-8"),
    ]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stdout(&output).contains("INCONCLUSIVE"), "{}", stdout(&output));
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// After one failure the upper bound lies below four hours for the first minutes, and the interval
/// is one of 95 % only once, at the end.
#[test]
fn a_time_between_failures_is_judged_at_the_end_and_ends_no_run_early() {
    let folder = std::env::temp_dir().join(format!("longhaul-early-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let scenario = folder.join("s.yaml");
    let text = "about: One failure.\nduration: 10m\nworkloads:\n  - ladder: {depths: [0], prompt: 16, output: 4, concurrency: [1]}\ncontract: {mtbf: 100h}\n";
    std::fs::write(&scenario, text).expect("a scenario");
    let (scenario, run) =
        (scenario.display().to_string(), folder.join("run").display().to_string());
    let arguments = ["rehearse", "--stop-on-fail", "--ailment", "crash=10s@1m", "--scenario"];
    let output = longhaul(&[&arguments[..], &[&scenario, "-o", &run]].concat());
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    let verdict = std::fs::read_to_string(folder.join("run/verdict.json")).expect("a verdict");
    assert!(verdict.contains("\"closed\": \"done\""), "{verdict}");
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn the_sample_of_the_readme_is_what_the_simulator_gives() {
    let run = std::env::temp_dir().join(format!("longhaul-readme-{}", std::process::id()));
    let folder = run.to_str().expect("UTF-8");
    let told = stdout(&longhaul(&["rehearse", "--scenario", "smoke", "-o", folder]));
    // The same server under the same load in the README's own command, which takes a minute.
    let told = told.replace("rehearse --scenario smoke", "run --scenario smoke --simulate");
    let readme = include_str!("../README.md");
    assert!(readme.contains(&format!("```\n{told}```\n")), "README.md has another sample:\n{told}");
    std::fs::remove_dir_all(&run).expect("removed");
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
    let folder = Folder::new("sweep");
    let (scenario, sweep) = (folder.write("moment.yaml", MOMENT), folder.0.join("sweep"));
    let output = sweep.display().to_string();
    let mut arguments = vec!["sweep", "--rehearse", "--scenario", &scenario, "-o", &output];
    arguments.extend(["--vary", "speculative_config.num_speculative_tokens=1,2"]);
    arguments.extend(["--vary", "kv_cache_dtype=auto", "--vary", "max_model_len=2097152"]);
    arguments.extend(["--starts", "2"]);
    let first = longhaul(&arguments);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    let told = stdout(&first);
    for words in [
        "3 arms",
        "2 starts each",
        "2 of 2 starts failed; given up after 2: ",
        "kv_cache_too_small",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    for words in ["nothing is decided exactly", "num_speculative_tokens=1` is the base", "8/8"] {
        assert!(stderr(&first).contains(words), "{words}: {}", stderr(&first));
    }
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
    let again = longhaul(&arguments);
    assert_eq!(stdout(&again), told, "the same in the end");
    assert!(stderr(&again).contains("6 of 8 runs are done"), "{}", stderr(&again));
    assert_eq!(stderr(&again).matches(" start 1: PASS").count(), 2, "{}", stderr(&again));
    assert!(sweep.join("broken-off/base-000-1/run.json").is_file());
    let last = arguments.len() - 1;
    arguments[last] = "3";
    mistake(&arguments, &["another sweep: another number of starts", "to go on with it"]);
    arguments[last] = "2";

    let lock = std::fs::File::open(sweep.join(".lock")).expect("a lock");
    lock.lock().expect("held");
    mistake(&arguments, &["in use by another longhaul", "wait for it to end"]);
    drop(lock);
    std::fs::rename(run("base/000"), run("base/aside")).expect("moved");
    std::fs::rename(run("base/007"), run("base/000")).expect("moved");
    mistake(&arguments, &["`runs/base/000` holds a run that is none", "another arm or start"]);
    std::fs::rename(run("base/000"), run("base/007")).expect("moved");
    std::fs::rename(run("base/aside"), run("base/000")).expect("moved");
    let edited = sweep.join("arms/base.yaml");
    let text = std::fs::read_to_string(&edited).expect("the base");
    std::fs::write(&edited, text + "# by hand\n").expect("written");
    mistake(&arguments, &["changed since the sweep began", "arms/base.yaml"]);
}

#[test]
fn a_sweep_that_can_tell_nothing_is_refused_before_it_starts() {
    mistake(&["sweep", "--vary", "max_num_seqs=8"], &["starts its servers itself", "--rehearse"]);
    mistake(&["sweep", "--rehearse"], &["nothing is varied", "--vary"]);
    let sweep = |more: &[&str], words: &[&str]| {
        mistake(&[&["sweep", "--rehearse"], more].concat(), words);
    };
    sweep(&["--vary", "max_num_seqs=4"], &["nothing changed", "max_num_seqs=4"]);
    sweep(&["--vary", "max_num_seqs=8", "--starts", "0"], &["--starts 0"]);
    let config = "speculative_config={\"method\": \"ngram\", \"num_speculative_tokens\": 3}";
    sweep(&["--vary", config], &["3 things at once", "--allow-several"]);
    sweep(
        &["--vary", "max_model_len=131072,65536", "--vary", "kv_cache_dtype=auto"],
        &[
            "the arm `max_model_len=65536`: depth 100000",
            "max_model_len is 65536",
            "--depths 0,8192",
        ],
    );
    sweep(
        &["--vary", "max_num_seqs=8", "--scenario", "quick"],
        &["cap: 30 s", "could not be compared", "--depths 0,4096", "--scenario short"],
    );
    sweep(&["--vary", "max_num_seqs=8", "--starts", "65"], &["from 1 to 64"]);
    sweep(&["--vary", "max_num_seqs=8", "-o", "/proc/sweep"], &["cannot be written", "-o"]);
}

#[test]
fn a_sweep_takes_arms_of_any_name_and_refuses_what_is_no_list() {
    let folder = Folder::new("sweep-arms");
    let scenario = folder.write("moment.yaml", MOMENT);
    let output = folder.0.join("sweep").display().to_string();
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
    for (arms, words) in [
        ("", "the file is empty"),
        ("[]", "the list holds no arm"),
        ("max_num_seqs: 8", "a list"),
        ("- {name: '', changes: {max_num_seqs: 8}}", "name is empty"),
        ("- {name: base, changes: {max_num_seqs: 8}}", "stands twice"),
    ] {
        let refused = sweep(arms);
        assert_eq!(refused.status.code(), Some(2), "{arms}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(words), "{arms}: {}", stderr(&refused));
    }
    let names = [r"\e[31mred\n../../x", "..", r"\U0001F600", &"long ".repeat(40)];
    let arm = |(index, name): (usize, &&str)| {
        format!("- {{name: \"{name}\", changes: {{max_num_seqs: {}}}}}\n", 5 + index)
    };
    let arms: String = names.iter().enumerate().map(arm).collect();
    let swept = sweep(&arms);
    assert_eq!(swept.status.code(), Some(0), "{}", stderr(&swept));
    for text in [stdout(&swept), stderr(&swept)] {
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    let told = stdout(&swept);
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    let files = std::fs::read_dir(folder.0.join("sweep/runs")).expect("runs");
    let names: Vec<String> =
        files.map(|it| it.expect("a folder").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with(['-', '.'])), "{names:?}");
}

#[test]
fn a_sweep_that_is_interrupted_says_so_and_the_same_command_goes_on() {
    use std::io::{BufRead, BufReader};
    let folder = Folder::new("sweep-interrupted");
    let scenario = folder.write("moment.yaml", &MOMENT.replace("laps: 3", "laps: 400"));
    let output = folder.0.join("sweep").display().to_string();
    let mut arguments = vec!["sweep", "--rehearse", "--scenario", &scenario, "-o", &output];
    arguments.extend(["--vary", "max_num_seqs=8", "--starts", "2"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    command.args(&arguments).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let is_first = |line: &std::io::Result<String>| line.as_ref().expect("text").contains("1/4");
    assert!(lines.any(|line| is_first(&line)), "a start was done");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill runs").success());
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert_eq!(child.wait().expect("an end").code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("the same command goes on")), "{rest:?}");
    let again = longhaul(&arguments);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(stderr(&again).contains("of 4 runs") && stdout(&again).contains("2 starts each"));
}
