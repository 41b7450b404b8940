//! Tests the log of a server that somebody else started: a file, and a unit of systemd, whose
//! `journalctl` is replaced by a program.

use std::fs;
use std::io::Write;
use std::path::Path;

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
    wait_for("load", || bench.events().contains("phase,soak"));
    let kept = |line: &str| bench.file("run/server.log").contains(line);
    append(&log, "INFO before the rotation");
    wait_for("the line", || kept("before the rotation"));
    fs::rename(&log, &old).expect("renamed");
    append(&log, OOM);
    wait_for("the new file", || kept("OutOfMemoryError"));
    fs::copy(&log, &old).expect("copied");
    fs::write(&log, "").expect("cut");
    append(&log, "INFO after the cut");
    wait_for("the cut file", || kept("after the cut"));
    wait_for("the count", || bench.file("run/readings.csv").contains("log_lines"));
    bench::kill(longhaul.id(), "-INT");
    let told = longhaul.end();
    server.kill().expect("killed");
    server.wait().expect("waited for");

    let events = bench.events();
    assert_eq!(events.matches(",said,").count(), 1, "{events}");
    assert!(events.contains("torch.OutOfMemoryError"), "{events}");
    assert!(!kept("yesterday"), "what was there before is not read");
    assert!(told.text.contains("following the server's log from its end on"), "{told}");
    assert!(told.text.contains("OOM"), "{told}");
    let manifest = bench.file("run/run.json");
    assert!(manifest.contains(&format!("--server-log {name}")), "{manifest}");
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
    wait_for("load", || bench.events().contains("phase,soak"));
    let asked = || bench.file("asked");
    let follow = "--follow --lines=0 --output=cat --unit vllm\n";
    wait_for("the journal", || asked().contains(follow));
    append(&bench.path("journal"), OOM);
    wait_for("the line", || bench.file("run/server.log").contains("OutOfMemoryError"));
    fs::write(bench.path("broken"), "").expect("broken");
    let reader = format!("tail -n 0 -F {}", text(&bench.path("journal")));
    bench::kill(bench::process(&reader), "-TERM");
    wait_for("the loss", || bench.events().contains("Failed to open journal"));
    assert!(asked().matches(follow).count() >= 2, "it is asked again: {}", asked());
    bench::kill(longhaul.id(), "-INT");
    longhaul.end();
    server.kill().expect("killed");
    server.wait().expect("waited for");
    assert!(bench.events().contains("missed,process log_lines"), "{}", bench.events());
}

#[test]
fn a_log_that_cannot_be_followed_is_a_mistake_before_anything_is_sent() {
    let bench = Bench::new("nolog");
    bench.standin("journalctl", JOURNALCTL);
    let path = search_path(&bench);
    let folder = text(&bench.path(""));
    let there = ["--endpoint", "http://127.0.0.1:1", "--server-log"];
    for (flags, word) in [
        ([&there[..], &["/no/such.log"]].concat(), "there is no file /no/such.log"),
        ([&there[..], &[&folder]].concat(), "is a folder"),
        ([&there[..], &["journal:"]].concat(), "journal:UNIT"),
        ([&there[..], &["journal:nothing"]].concat(), "no line of a unit `nothing`"),
        ([&there[..], &["x.log", "--container", "c"]].concat(), "a container's log is followed"),
        (
            vec!["--start", "process", "--server-log", "x.log"],
            "--start process without --server-log",
        ),
        (vec!["--server-log", "x.log"], "--endpoint"),
        (vec!["--simulate", "--server-log", "x.log"], "--simulate brings its own"),
    ] {
        let told = bench.run_with(&flags, bench.recipe(""), &[("PATH", &path)]);
        assert_eq!(told.code, Some(2), "{flags:?}: {told}");
        assert!(told.text.contains(word), "{flags:?}: {told}");
        assert!(!bench.path("run").exists(), "nothing was begun");
    }
}
