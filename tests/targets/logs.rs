//! Tests the log of a server that somebody else started: a file, and a unit of systemd, whose
//! `journalctl` is replaced by a program.

use std::fs;
use std::io::Write;
use std::path::Path;

use insta::assert_snapshot;

use super::bench::{self, Bench, text, wait_for};

const OOM: &str = "(EngineCore pid=229) ERROR 04-19 12:21:04 [core.py:1584] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.";

/// Answers about one unit: the line `asked` when it is asked for one, and then what is appended to
/// the file `journal`, until the file `broken` is there.
const JOURNALCTL: &str = r#"
case " $* " in
  *" nothing "*) exit 0 ;;
  *" --lines=1 "*) echo "INFO started"; exit 0 ;;
  *) if [ -e "$STANDIN/broken" ]; then echo "Failed to open journal" >&2; exit 1; fi
     exec tail -n 0 -F "$STANDIN/journal" ;;
esac
"#;

fn append(path: &Path, line: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).expect("a log");
    writeln!(file, "{line}").expect("written");
}

/// The search path with the bench's own programs first.
fn search_path(bench: &Bench) -> String {
    format!("{}:{}", text(&bench.path("")), std::env::var("PATH").unwrap_or_default())
}

#[test]
fn a_log_file_is_followed_from_its_end_on_and_over_rotation() {
    let bench = Bench::new("logfile");
    bench.scenario_with("20s", "2s", "");
    let mut server = bench.serve();
    let (log, old) = (bench.path("vllm.log"), bench.path("vllm.log.1"));
    append(&log, "CUDA error: out of memory, of yesterday");
    let (address, name) = (bench.address(), text(&log));
    let mut longhaul =
        bench.begin(&["--endpoint", &address, "--server-log", &name], bench.recipe(""));
    bench.wait_for_load();
    append(&log, "INFO before the rotation");
    bench.wait_for_text("server.log", "before the rotation");
    fs::rename(&log, &old).expect("renamed");
    append(&log, OOM);
    bench.wait_for_text("server.log", "OutOfMemoryError");
    fs::copy(&log, &old).expect("copied");
    fs::write(&log, "").expect("cut");
    append(&log, "INFO after the cut");
    bench.wait_for_text("server.log", "after the cut");
    bench.wait_for_text("readings.csv", "log_lines");
    bench::kill(longhaul.id(), "-INT");
    let reported = longhaul.end();
    server.kill().expect("killed");
    server.wait().expect("waited for");

    assert_snapshot!(bench.evidence(&["said"]), @"said cuda_oom: (EngineCore pid=229) ERROR 04-19 12:21:04 [core.py:1584] torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.");
    // Not what was there before.
    assert_eq!(
        bench.file("run/server.log"),
        format!("INFO before the rotation\n{OOM}\nINFO after the cut\n")
    );
    let followed = reported.text.lines().find(|line| line.starts_with("following "));
    assert_snapshot!(bench.named(followed.expect("a log")), @"following the server's log from its end on: FOLDER/vllm.log");
    let incidents = &bench.json("verdict.json")["incidents"];
    assert_snapshot!(incidents[0]["kinds"], @r#"["out of memory"]"#);
    let again = bench.json("run.json")["again"].to_string();
    assert_snapshot!(bench.named(&again), @r#""longhaul run --recipe FOLDER/recipe.yaml --scenario FOLDER/scenario.yaml --server-log FOLDER/vllm.log --endpoint http://127.0.0.1:PORT --seed 1""#);
}

#[test]
fn the_unfinished_last_line_of_a_log_is_searched_and_what_was_lost_of_it_is_told() {
    let bench = Bench::new("lastwords");
    bench.scenario_with("30s", "2s", "");
    let mut server = bench.serve();
    let log = bench.path("vllm.log");
    append(&log, "INFO started");
    let (address, name) = (bench.address(), text(&log));
    let mut longhaul =
        bench.begin(&["--endpoint", &address, "--server-log", &name], bench.recipe(""));
    wait_for("load", || bench.events().contains("phase,soak"));
    append(&log, &format!("{}{OOM}", "x".repeat(20_000)));
    wait_for("what was cut", || bench.file("run/readings.csv").contains("log_dropped_bytes"));
    for old in ["vllm.log.1", "vllm.log.2"] {
        fs::rename(&log, bench.path(old)).expect("renamed");
        append(&log, "INFO a new file");
    }
    wait_for("the gap", || bench.events().contains("there may have been another file in between"));
    let mut file = fs::OpenOptions::new().append(true).open(&log).expect("a log");
    write!(file, "{OOM}").expect("written");
    wait_for("the last line", || bench.events().contains("torch.OutOfMemoryError"));
    bench::kill(longhaul.id(), "-INT");
    longhaul.end();
    server.kill().expect("killed");
    server.wait().expect("waited for");
    let events = bench.events();
    assert_eq!(events.matches(",said,").count(), 1, "the end of a long line is not read: {events}");
}

#[test]
fn the_log_of_a_unit_is_followed_and_what_is_not_read_is_told() {
    let bench = Bench::new("journal");
    bench.standin("journalctl", JOURNALCTL);
    let mut server = bench.serve();
    fs::write(bench.path("journal"), "").expect("a journal");
    let (address, path) = (bench.address(), search_path(&bench));
    let flags = ["--endpoint", &address, "--server-log", "journal:vllm"];
    let mut longhaul = bench.begin_with(&flags, bench.recipe(""), &[("PATH", &path)]);
    bench.wait_for_load();
    let follow = "--follow --lines=0 --output=cat --unit vllm\n";
    let asked = || bench.file("asked").matches(follow).count();
    wait_for("the journal", || asked() == 1);
    append(&bench.path("journal"), OOM);
    bench.wait_for_text("server.log", "OutOfMemoryError");
    fs::write(bench.path("broken"), "").expect("broken");
    let reader = format!("tail -n 0 -F {}", text(&bench.path("journal")));
    bench::kill(bench::process(&reader), "-TERM");
    bench.wait_for_event("Failed to open journal");
    assert!(asked() >= 2, "it is asked again");
    bench::kill(longhaul.id(), "-INT");
    longhaul.end();
    server.kill().expect("killed");
    server.wait().expect("waited for");
    let missed = bench.evidence(&["missed"]);
    let mut lines = missed.lines().filter(|line| line.starts_with("missed process log_lines"));
    assert_snapshot!(lines.next_back().unwrap_or_default(), @"missed process log_lines: `journalctl`: Failed to open journal");
}

#[test]
fn a_log_that_cannot_be_followed_is_a_mistake_before_anything_is_sent() {
    let bench = Bench::new("nolog");
    bench.standin("journalctl", JOURNALCTL);
    let path = search_path(&bench);
    let folder = text(&bench.path(""));
    let there = ["--endpoint", "http://127.0.0.1:1", "--server-log"];
    let cases = [
        [&there[..], &["/no/such.log"]].concat(),
        [&there[..], &[&folder]].concat(),
        [&there[..], &["journal:"]].concat(),
        [&there[..], &["journal:nothing"]].concat(),
        [&there[..], &["x.log", "--container", "c"]].concat(),
        vec!["--start", "process", "--server-log", "x.log"],
        vec!["--server-log", "x.log"],
        vec!["--simulate", "--server-log", "x.log"],
    ];
    let mistakes = cases.map(|flags| {
        let reported = bench.run_with(&flags, bench.recipe(""), &[("PATH", &path)]);
        assert_eq!(reported.code, Some(2), "{flags:?}: {reported}");
        assert!(!bench.path("run").exists(), "nothing was begun");
        bench.named(&format!("{}\n{}", flags.join(" "), reported.text))
    });
    assert_snapshot!("mistakes", mistakes.join("\n"));
}
