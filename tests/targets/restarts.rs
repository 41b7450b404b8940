//! Tests a server that longhaul started, that ends and is restarted, with a program in place of
//! engine or sparkrun that records its arguments.

use insta::assert_snapshot;

use super::bench::{self, Bench, is_alive, wait_for};
use super::containers::{ID, engine_that_runs, event, state};

/// Once more at the most, a second after an end at the soonest.
const ONCE: &str = "restart: {when: on_exit, at_most: 1, cool_down: 1s}\n";

fn completed(bench: &Bench) -> usize {
    bench.file("run/requests.csv").matches(",completed,").count()
}

fn launches(bench: &Bench) -> usize {
    bench.events().matches("target,launched").count()
}

/// Kills the server that the stand-in started; its engine, if it is one, tells so.
fn dies(bench: &Bench) {
    let server: u32 = bench.file("server").trim().parse().expect("a number");
    bench::kill(server, "-KILL");
    wait_for("its end", || !is_alive(server));
}

/// Waits until the second life has given so many answers.
fn comes_again(bench: &Bench, answers: usize) {
    wait_for("a second start", || launches(bench) == 2);
    let before = completed(bench);
    wait_for("answers of the second life", || completed(bench) > before + answers);
}

/// The instants of events, in microseconds.
fn instants(bench: &Bench, event: &str) -> Vec<u64> {
    let events = bench.events();
    let rows = events.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let rows = rows.filter(|row| format!("{} {}", row[4], row[5]) == event);
    rows.filter_map(|row| row[2].parse().ok()).collect()
}

/// Time during which requests were sent so far.
fn under_load_us(bench: &Bench) -> u64 {
    let requests = bench.file("run/requests.csv");
    let due = |row: &str| row.split(',').nth(16)?.parse::<u64>().ok();
    let mut all = requests.lines().skip(1).filter_map(due);
    let first = all.next().unwrap_or(0);
    all.last().map_or(0, |last| last.saturating_sub(first))
}

/// Cause, and whether it came back, of every incident.
fn incidents(bench: &Bench) -> Vec<(String, bool)> {
    let verdict: serde_json::Value =
        serde_json::from_str(&bench.file("run/verdict.json")).expect("a verdict");
    let all = verdict["incidents"].as_array().expect("incidents");
    let one = |incident: &serde_json::Value| {
        let cause = incident["cause"].as_str().unwrap_or_default().to_owned();
        (cause, !incident["recovery"]["first_token_us"].is_null())
    };
    all.iter().map(one).collect()
}

/// Orders, a line each.
fn orders(bench: &Bench) -> Vec<String> {
    super::containers::orders(&bench.file("asked")).lines().map(str::to_owned).collect()
}

#[test]
fn a_container_that_died_is_ended_removed_and_run_again_by_the_same_words_once() {
    let bench = Bench::new("again");
    let engine = engine_that_runs(&bench);
    let died = |bench: &Bench| {
        dies(bench);
        state(bench, "2026-11-23T05:31:39.273034974Z", 0, false, 137, false);
        event(bench, "die", r#""exitCode":"137""#, 2);
    };
    bench.scenario_with("60s", "40s", ONCE);
    let flags = ["--start", "docker", "--engine", &engine];
    let mut longhaul = bench.begin(&flags, bench.recipe(""));
    bench.wait_for_load();
    died(&bench);
    comes_again(&bench, 2);
    died(&bench);
    let reported = longhaul.end();
    assert_eq!(reported.code, Some(1), "{reported}");
    let orders = orders(&bench);
    let (stop, rm) = (format!("stop -t 30 {ID}"), format!("rm -f {ID}"));
    let run = orders[0].as_str();
    assert_eq!(orders, [run, &stop, &rm, run, &stop, &rm], "the same words again");
    assert_snapshot!(bench.named(run), @"run -d --pull never --name longhaul-recipe --label longhaul.run=LABEL --gpus all --ipc private --shm-size 64g --network host --entrypoint bash reg.example/m@sha256:1111111111111111111111111111111111111111111111111111111111111111 -c exec LONGHAUL sim --recipe FOLDER/recipe.yaml --profile FOLDER/fast.yaml --port PORT");
    let died = instants(&bench, "target exited");
    let ordered = instants(&bench, "action restart");
    assert_snapshot!(bench.evidence(&["target exited", "action", "closed"]), @r#"
        target exited {"code":137,"oom_killed":false,"signal":null}: FOLDER/docker says: die, exit code 137
        action restart: it ended: FOLDER/docker says: die, exit code 137; restart 1 of at most 1
        target exited {"code":137,"oom_killed":false,"signal":null}: longhaul stopped and removed its container
        target exited {"code":137,"oom_killed":false,"signal":null}: FOLDER/docker says: die, exit code 137
        closed gone: it ended: FOLDER/docker says: die, exit code 137; the allowed restarts are used up (1)
    "#);
    assert!(ordered[0] - died[0] >= 1_000_000, "the cool-down: {died:?} {ordered:?}");
    let crash = |back| ("engine_crash".to_owned(), back);
    assert_eq!(incidents(&bench), [crash(true), crash(false)], "one for each death: {reported}");
}

#[test]
fn a_workload_of_sparkruns_that_died_is_stopped_and_run_again_once() {
    let bench = Bench::new("sparkrun-again");
    let script = format!(
        r#"
case "$1" in
  run) echo "Cluster:   sparkrun_0123456789abcdef_0123456789ab"
       setsid {} > /dev/null 2>&1 < /dev/null & echo $! > "$STANDIN/server"; exit 0 ;;
  logs) echo "INFO from the log"; exec sleep 60 ;;
  stop) kill -KILL "$(cat "$STANDIN/server")" 2> /dev/null; exit 0 ;;
esac
"#,
        bench.serving()
    );
    let program = bench.standin("sparkrun", &script);
    bench.scenario_with("60s", "40s", ONCE);
    let flags = ["--start", "sparkrun", "--engine", &program, "--start-arg=--cluster=lab"];
    let mut longhaul = bench.begin(&flags, bench.recipe(""));
    bench.wait_for_load();
    wait_for("a look at its port", || under_load_us(&bench) > 3_000_000);
    dies(&bench);
    comes_again(&bench, 200);
    dies(&bench);
    let reported = longhaul.end();
    assert_eq!(reported.code, Some(1), "{reported}");
    let orders = orders(&bench);
    let stop = "stop sparkrun_0123456789abcdef_0123456789ab --cluster=lab";
    let run = orders[0].as_str();
    assert_snapshot!(bench.named(run), @"run FOLDER/recipe.yaml --no-follow --label longhaul.run=LABEL --cluster=lab");
    assert_eq!(orders, [run, stop, run, stop], "the same words again");
    let gone = instants(&bench, "target exited");
    let ordered = instants(&bench, "action restart");
    assert_snapshot!(bench.evidence(&["target exited", "action", "closed"]), @"
        target exited: nothing listens at 127.0.0.1:PORT any more
        action restart: it ended: nothing listens at 127.0.0.1:PORT any more; restart 1 of at most 1
        target exited: FOLDER/sparkrun stop
        target exited: nothing listens at 127.0.0.1:PORT any more
        closed gone: it ended: nothing listens at 127.0.0.1:PORT any more; the allowed restarts are used up (1)
    ");
    assert!(ordered[0] - gone[0] >= 1_000_000, "{gone:?} {ordered:?}");
    let crash = |back| ("engine_crash".to_owned(), back);
    assert_eq!(incidents(&bench), [crash(true), crash(false)], "one for each death: {reported}");
}
