//! Tests container engines and sparkrun with programs that replace them.

use insta::assert_snapshot;

use super::bench::{self, Bench, is_alive, wait_for};

pub(crate) const ID: &str = "56726ef06ab41f103592706b3d9a946baa233f8e4f61be863b051778e76ee346";

/// Answers about one container whose state stands in the file `state`, whose events are the
/// lines of `events`, and whose log is `log`, with stamps as docker writes them.
const ENGINE: &str = r#"
page() { . "$STANDIN/state"; cat <<EOF
[{"Id":"$ID","Name":"/brain","Image":"sha256:9ca7","RestartCount":$RESTARTS,"State":{"Status":"$STATUS",
"Running":$RUNNING,"Paused":false,"OOMKilled":$OOM,"Pid":0,"ExitCode":$CODE,"StartedAt":"$STARTED",
"FinishedAt":"0001-01-01T00:00:00Z"},"Config":{"Image":"reg.example/m","Env":["A=1"],"Labels":{},
"Cmd":["serve"],"Entrypoint":null},"HostConfig":{"RestartPolicy":{"Name":"no"}}}]
EOF
}
case "$1" in
  inspect) if [ -e "$STANDIN/gone" ]; then echo "Error: No such container: brain" >&2; exit 1; fi; page ;;
  image) echo '["reg.example/m@sha256:2222222222222222222222222222222222222222222222222222222222222222"]' ;;
  events) exec tail -n +1 -F "$STANDIN/events" 2>/dev/null ;;
  logs) cat "$STANDIN/log"; if [ -e "$STANDIN/more" ]; then cat "$STANDIN/more"; fi; sleep 0.3 ;;
esac
"#;

pub(crate) fn state(
    bench: &Bench,
    started: &str,
    restarts: u32,
    running: bool,
    code: i32,
    oom: bool,
) {
    let status = if running { "running" } else { "exited" };
    let text = format!(
        "ID={ID}\nRESTARTS={restarts}\nSTATUS={status}\nRUNNING={running}\nOOM={oom}\nCODE={code}\nSTARTED={started}\n"
    );
    std::fs::write(bench.path("state.new"), text).expect("a state");
    std::fs::rename(bench.path("state.new"), bench.path("state")).expect("a state");
}

pub(crate) fn event(bench: &Bench, action: &str, attributes: &str, ns: u64) {
    use std::io::Write;
    let line = format!(
        r#"{{"status":"{action}","id":"{ID}","Type":"container","Action":"{action}","Actor":{{"ID":"{ID}","Attributes":{{{attributes}}}}},"time":1795411900,"timeNano":{ns}}}"#
    );
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(bench.path("events"))
        .expect("events");
    writeln!(file, "{line}").expect("written");
}

/// What was asked, less what only looks.
pub(crate) fn orders(asked: &str) -> String {
    let is_order = |line: &&str| {
        ["run", "stop", "rm", "kill", "start", "restart", "pull"]
            .contains(&line.split(' ').next().unwrap_or_default())
    };
    asked.lines().filter(is_order).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_watched_containers_events_state_and_log_are_followed_and_nothing_is_touched() {
    let bench = Bench::new("watched");
    let mut server = bench.serve();
    let engine = bench.standin("docker", ENGINE);
    state(&bench, "2026-11-23T05:31:39.273034974Z", 0, true, 0, false);
    std::fs::write(bench.path("events"), "").expect("events");
    let stamp = "2026-11-23T05:31:40";
    std::fs::write(bench.path("log"), format!("{stamp}.1Z one\n{stamp}.2Z two\n")).expect("a log");
    let address = bench.address();
    let flags = ["--endpoint", &address, "--container", "brain", "--engine", &engine];
    let mut longhaul = bench.begin(&flags, bench.recipe(""));
    bench.wait_for_load();
    bench.wait_for_text("server.log", "two");

    event(&bench, "kill", r#""signal":"9""#, 1);
    state(&bench, "2026-11-23T05:31:39.273034974Z", 0, false, 137, true);
    event(&bench, "die", r#""exitCode":"137""#, 2);
    bench.wait_for_event("exit code 137");
    state(&bench, "2026-11-23T05:40:00.273034974Z", 0, true, 0, false);
    event(&bench, "start", "", 3);
    std::fs::write(bench.path("more"), format!("{stamp}.2Z two\n{stamp}.3Z three\n"))
        .expect("a log");
    bench.wait_for_event("target,started");
    bench.wait_for_text("server.log", "three");
    // A crash loop that no event reported.
    state(&bench, "2026-11-23T05:50:00.273034974Z", 4, true, 0, false);
    bench.wait_for_event("4 times more");
    std::fs::write(bench.path("gone"), "").expect("gone");
    bench.wait_for_event("target,removed");
    bench::kill(longhaul.id(), "-INT");
    longhaul.end();

    assert_snapshot!("watched", bench.evidence(&["target", "action", "seen container"]));
    assert_eq!(bench.file("run/server.log"), "one\ntwo\nthree\n", "each line once");
    let asked = bench.file("asked");
    assert_eq!(orders(&asked), "", "{asked}");
    server.kill().expect("killed");
    server.wait().expect("waited for");
}

/// Starts the simulated server where docker would start a container.
pub(crate) fn engine_that_runs(bench: &Bench) -> String {
    let run = format!(
        r#"
case "$1" in
  image) if [ "$2" = inspect ]; then echo '["reg.example/m@sha256:1111111111111111111111111111111111111111111111111111111111111111"]'; fi; exit 0 ;;
  run) : > "$STANDIN/events"
       sed -i 's/RUNNING=false/RUNNING=true/; s/STATUS=.*/STATUS=running/' "$STANDIN/state"
       setsid {} > "$STANDIN/log.plain" 2>&1 < /dev/null & echo $! > "$STANDIN/server"
       echo {ID}; exit 0 ;;
  stop) kill -KILL "$(cat "$STANDIN/server")"; sed -i 's/RUNNING=true/RUNNING=false/' "$STANDIN/state"; exit 0 ;;
  rm) touch "$STANDIN/removed"; exit 0 ;;
esac
"#,
        bench.serving()
    );
    state(bench, "2026-11-23T05:31:39.273034974Z", 0, true, 0, false);
    std::fs::write(bench.path("events"), "").expect("events");
    std::fs::write(bench.path("log"), "2026-11-23T05:31:40.1Z INFO started\n").expect("a log");
    bench.standin("docker", &format!("{run}{ENGINE}"))
}

#[test]
fn a_container_is_started_by_digest_and_stopped_and_everything_that_was_added_is_told() {
    let bench = Bench::new("started");
    let engine = engine_that_runs(&bench);
    let flags =
        ["--start", "docker", "--engine", &engine, "--env", "MY_TOKEN", "--start-arg=--memory=9g"];
    let reported = bench.run_with(&flags, bench.recipe(""), &[("HF_HOME", "/no/such/cache")]);
    assert_eq!(reported.code, Some(0), "{reported}");
    let asked = bench.file("asked");
    assert_snapshot!("container", bench.named(&orders(&asked)));
    let added = reported.text.lines().find(|line| line.starts_with("added to the recipe: "));
    let added = added.expect("what was added");
    assert_snapshot!(bench.named(added), @"added to the recipe: --pull never, --name longhaul-recipe, --label longhaul.run=LABEL, --gpus all, --ipc private, --shm-size 64g, --network host, -e MY_TOKEN, --memory=9g, --entrypoint bash");
    let manifest = bench.json("run.json");
    let written: Vec<&str> =
        manifest["added"].as_array().expect("a list").iter().filter_map(|it| it.as_str()).collect();
    assert_eq!(added, format!("added to the recipe: {}", written.join(", ")));
    assert_eq!(bench.file("run/server.log"), "INFO started\n");
    assert!(!bench.answers(), "the server is gone");
}

#[test]
fn what_is_to_be_kept_is_kept() {
    let bench = Bench::new("kept");
    let engine = engine_that_runs(&bench);
    let flags = ["--start", "podman", "--engine", &engine, "--keep", "--gpus", "none"];
    let reported = bench.run_with(&flags, bench.recipe(""), &[("HF_HOME", "/no/such/cache")]);
    assert_eq!(reported.code, Some(0), "{reported}");
    assert_snapshot!("kept", bench.named(&orders(&bench.file("asked"))));
    assert!(bench.answers(), "the server is still there");
    let server: u32 = bench.file("server").trim().parse().expect("a number");
    bench::kill(server, "-KILL");
    wait_for("its end", || !is_alive(server));
}

#[test]
fn what_an_engine_refuses_is_explained_and_nothing_is_left() {
    let refused = |name: &str, words: &str, code: i32| {
        let bench = Bench::new(name);
        let script = format!(
            "case \"$1\" in image) echo '[]' ;; run) cat >&2 <<'EOF'\n{words}\nEOF\nexit {code} ;; ps) echo {ID} ;; esac"
        );
        let engine = bench.standin("docker", &script);
        let flags = ["--start", "docker", "--engine", &engine];
        let reported = bench.run_with(&flags, bench.recipe(""), &[("HF_HOME", "/no/such/cache")]);
        assert_eq!(reported.code, Some(2), "{reported}");
        bench.named(&format!("{}\n{}", reported.text, orders(&bench.file("asked"))))
    };
    let port = "docker: Error response from daemon: driver failed programming external connectivity on endpoint p: Bind for 127.0.0.1:18000 failed: port is already allocated";
    let gpus = "docker: Error response from daemon: could not select device driver \"\" with capabilities: [[gpu]]";
    assert_snapshot!(
        "refused",
        [refused("port", port, 125), refused("gpus", gpus, 125)].join("\n\n")
    );
}

#[test]
fn nothing_is_fetched_unless_it_was_said() {
    let bench = Bench::new("absent");
    let script = r#"case "$1" in
        pull) touch "$STANDIN/pulled"; exit 1 ;;
        image) echo "Error: No such image: $5" >&2; exit 1 ;; esac"#;
    let engine = bench.standin("docker", script);
    let reported = bench.run(&["--start", "docker", "--engine", &engine], bench.recipe(""));
    assert_eq!(reported.code, Some(2), "{reported}");
    assert_snapshot!(bench.named(&reported.text), @"
        error: FOLDER/docker does not have `reg.example/m@sha256:1111111111111111111111111111111111111111111111111111111111111111`
          try: --pull, to let longhaul fetch it
          try: FOLDER/docker pull reg.example/m@sha256:1111111111111111111111111111111111111111111111111111111111111111
    ");
    assert!(!bench.path("pulled").exists());
    let reported =
        bench.run(&["--start", "docker", "--engine", &engine, "--pull"], bench.recipe(""));
    assert_eq!(reported.code, Some(2), "{reported}");
    assert!(bench.path("pulled").exists());
}

#[test]
fn sparkrun_starts_and_stops_what_it_named() {
    let bench = Bench::new("sparkrun");
    let script = format!(
        r#"
case "$1" in
  run) echo "Runtime:   vllm-distributed"; echo "Cluster:   sparkrun_0123456789abcdef_0123456789ab"
       setsid {} > /dev/null 2>&1 < /dev/null & echo $! > "$STANDIN/server"; exit 0 ;;
  logs) echo "INFO from the log"; exec sleep 30 ;;
  stop) kill -KILL "$(cat "$STANDIN/server")"; exit 0 ;;
esac
"#,
        bench.serving()
    );
    let program = bench.standin("sparkrun", &script);
    let flags = ["--start", "sparkrun", "--engine", &program, "--start-arg=--cluster=lab"];
    let reported = bench.run(&flags, bench.recipe(""));
    assert_eq!(reported.code, Some(0), "{reported}");
    assert_snapshot!(bench.named(&bench.file("asked")), @"
        run FOLDER/recipe.yaml --no-follow --label longhaul.run=LABEL --cluster=lab
        logs sparkrun_0123456789abcdef_0123456789ab --cluster=lab -f -a
        stop sparkrun_0123456789abcdef_0123456789ab --cluster=lab
    ");
    assert_snapshot!(bench.file("run/server.log"), @"
        Runtime:   vllm-distributed
        Cluster:   sparkrun_0123456789abcdef_0123456789ab
        INFO from the log
    ");
    assert!(!bench.answers(), "the server is gone");
}

#[test]
fn a_recipe_that_is_not_understood_is_handed_to_sparkrun_unread_and_refused_by_docker() {
    let bench = Bench::new("unread");
    let script = format!(
        r#"
case "$1" in
  run) cp "$2" "$STANDIN/handed"; echo "Cluster:   sparkrun_0123456789abcdef_0123456789ab"
       setsid {} > /dev/null 2>&1 < /dev/null & echo $! > "$STANDIN/server"; exit 0 ;;
  logs) exec sleep 30 ;;
  stop) kill -KILL "$(cat "$STANDIN/server")"; exit 0 ;;
esac
"#,
        bench.serving()
    );
    let program = bench.standin("sparkrun", &script);
    // The stand-in serves what `recipe.yaml` says.
    let odd = std::fs::read_to_string(bench.recipe("")).expect("a recipe");
    let odd = odd + "  trust_remote_code: yes\n";
    let recipe = bench.path("odd.yaml");
    std::fs::write(&recipe, &odd).expect("written");
    let reported = bench.run(&["--start", "docker", "--engine", &program], recipe.clone());
    assert_eq!(reported.code, Some(2), "{reported}");
    assert_snapshot!(bench.named(&reported.text), @r#"
        error: `yes` without quotes may be true to a YAML parser, and is not read
           at: FOLDER/odd.yaml:9
          try: true, if that is what is meant
          try: "yes", as a string
    "#);
    let reported = bench.run(&["--start", "sparkrun", "--engine", &program], recipe);
    assert_eq!(reported.code, Some(0), "{reported}");
    assert_eq!(bench.file("handed"), odd);
    let notes = reported.text.lines().filter(|line| line.starts_with("note: "));
    assert_snapshot!(bench.named(&notes.collect::<Vec<_>>().join("\n")), @"
        note: the server is longhaul's own simulator: the run is SIMULATED
        note: recipe: FOLDER/odd.yaml:9: `yes` without quotes may be true to a YAML parser, and is not read; the recipe is handed on unread: nothing that it declares is known or compared
    ");
    assert_snapshot!(bench.evidence(&["seen recipe"]), @"seen recipe: FOLDER/odd.yaml:9: `yes` without quotes may be true to a YAML parser, and is not read; the recipe is handed on unread: nothing that it declares is known or compared");
    assert_eq!(bench.json("run.json")["recipe"]["text"], odd.as_str());
}

#[test]
fn a_workload_that_ran_before_is_not_longhauls_to_stop() {
    let bench = Bench::new("foreign");
    let script = r#"case "$1" in run) echo "Job already running (cluster_id: sparkrun_1_2)"; exit 0 ;; esac"#;
    let program = bench.standin("sparkrun", script);
    let reported = bench.run(&["--start", "sparkrun", "--engine", &program], bench.recipe(""));
    assert_eq!(reported.code, Some(1), "{reported}");
    assert_snapshot!(bench.evidence(&["target", "action"]), @"
        target launched: FOLDER/sparkrun run FOLDER/recipe.yaml --no-follow --label longhaul.run=LABEL
        target failed: this workload ran already, started by somebody else; longhaul does not touch it: stop it, or drive it with --endpoint
    ");
    assert_snapshot!(bench.named(&bench.file("asked")), @"run FOLDER/recipe.yaml --no-follow --label longhaul.run=LABEL");
}
