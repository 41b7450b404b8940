//! Provides a folder, a port, a recipe and the binary for one test.

#![allow(clippy::expect_used, clippy::panic)]
#![allow(dead_code)] // Each of the tiers uses its part.

#[path = "../../src/shown.rs"]
pub(crate) mod shown;

use std::fmt;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The binary under test, which is the server too.
pub(crate) const LONGHAUL: &str = env!("CARGO_BIN_EXE_longhaul");

/// Interval at which a condition is checked.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// Bounds every wait: two minutes, far above what anything takes on a busy machine.
const LOOKS_MAX: u32 = 6_000;
/// Bounds the waits for a server that takes minutes to come up: a quarter of an hour.
const LONG_LOOKS_MAX: u32 = 45_000;

const PROFILE: &str = include_str!("../machine.yaml");

/// Exit code and output of a run.
pub(crate) struct Told {
    /// Its exit code.
    pub code: Option<i32>,
    /// Both outputs.
    pub text: String,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {:?}\n{}", self.code, self.text)
    }
}

/// A run that goes on. Dropped, it is killed.
pub(crate) struct Going {
    child: Child,
    out: PathBuf,
}

impl Going {
    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> Told {
        self.ends_within(LOOKS_MAX)
    }

    /// Waits for the end of one whose server takes minutes to come up.
    pub(crate) fn end_at_last(&mut self) -> Told {
        self.ends_within(LONG_LOOKS_MAX)
    }

    /// Whether it has not ended yet.
    pub(crate) fn goes_on(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn ends_within(&mut self, looks_max: u32) -> Told {
        let mut code = None;
        wait_within(looks_max, "the end of longhaul", || {
            code = self.child.try_wait().expect("it can be waited for");
            code.is_some()
        });
        let text = fs::read_to_string(&self.out).unwrap_or_default();
        Told { code: code.and_then(|status| status.code()), text }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of a test's own, and a port.
pub(crate) struct Bench {
    folder: PathBuf,
    port: u16,
}

impl Bench {
    /// Makes both.
    pub(crate) fn new(name: &str) -> Bench {
        let name = format!("longhaul-targets-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("fast.yaml"), PROFILE).expect("a profile");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let bench = Bench { folder, port };
        bench.scenario("20s", "2s");
        bench
    }

    /// Another length, and how long an outage may last.
    pub(crate) fn scenario(&self, duration: &str, away: &str) {
        self.scenario_with(duration, away, "");
    }

    /// The same, with more lines.
    pub(crate) fn scenario_with(&self, duration: &str, away: &str, more: &str) {
        let text = format!(
            "about: For tests.\nduration: {duration}\nwarmup: 1 lap\nreference: 0 laps\n\
             workloads:\n  - ladder: {{depths: [0], prompt: 64, output: 16, concurrency: [1], prefix: cold}}\n\
             limits: {{first_token: 2s, stall: 2s, away: {away}, ready: 60s}}\n\
             contract: {{crashes: 0}}\n{more}"
        );
        fs::write(self.path("scenario.yaml"), text).expect("a scenario");
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file's text; empty where there is none yet.
    pub(crate) fn file(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The events of its run, without those of the load.
    pub(crate) fn events(&self) -> String {
        let text = self.file("run/events.csv");
        let is_load = |line: &&str| {
            ["gaps", "batch", "issued"].contains(&line.split(',').nth(4).unwrap_or_default())
        };
        text.split_inclusive('\n').filter(|line| !is_load(line)).collect()
    }

    /// Kind, subject and detail of each event, in order.
    fn event_rows(&self) -> Vec<(String, serde_json::Value)> {
        let events = self.events();
        let mut rows = csv::Reader::from_reader(events.as_bytes());
        let rows = rows.records().map(|row| row.expect("a row"));
        let event = |row: csv::StringRecord| {
            let detail = serde_json::from_str(&row[7]).expect("a detail in JSON");
            (format!("{} {}", &row[4], &row[5]), detail)
        };
        rows.map(event).collect()
    }

    /// Details of the events of a kind and subject.
    pub(crate) fn details(&self, event: &str) -> Vec<serde_json::Value> {
        let rows = self.event_rows().into_iter();
        rows.filter(|(of, _)| of == event).map(|(_, detail)| detail).collect()
    }

    /// Ends of the server's process: exit code, signal, and whether the kernel killed it.
    pub(crate) fn exits(&self) -> Vec<serde_json::Value> {
        let exits = self.event_rows().into_iter().map(|(_, mut detail)| detail["exit"].take());
        exits.filter(|exit| !exit.is_null()).collect()
    }

    /// Changes of the server and orders, in order and without the evidence.
    pub(crate) fn story(&self) -> String {
        let is_told = |of: &String| of.starts_with("target ") || of.starts_with("action ");
        let rows = self.event_rows().into_iter().map(|(of, _)| of).filter(is_told);
        rows.collect::<Vec<_>>().join("\n")
    }

    /// Events that begin so, with their evidence.
    pub(crate) fn evidence(&self, events: &[&str]) -> String {
        let line = |(of, detail): (String, serde_json::Value)| {
            let exit = Some(&detail["exit"]).filter(|exit| !exit.is_null());
            let exit = exit.map_or(String::new(), |exit| format!(" {exit}"));
            let of = format!("{of}{exit}");
            let words = ["evidence", "seen", "note", "line", "why"].map(|key| detail[key].as_str());
            let words = words.into_iter().flatten().filter(|words| !words.is_empty());
            let parts: Vec<&str> = std::iter::once(of.as_str()).chain(words).collect();
            self.named(&parts.join(": "))
        };
        let rows = self.event_rows().into_iter();
        let rows = rows.filter(|(of, _)| events.iter().any(|begin| of.starts_with(begin)));
        rows.map(line).collect::<Vec<_>>().join("\n")
    }

    /// Waits until a file of the run has a text.
    pub(crate) fn wait_for_text(&self, file: &str, text: &str) {
        wait_for(text, || self.file(&format!("run/{file}")).contains(text));
    }

    /// Waits until an event has a text.
    pub(crate) fn wait_for_event(&self, text: &str) {
        self.wait_for_text("events.csv", text);
    }

    /// Waits until requests of the soak are sent.
    pub(crate) fn wait_for_load(&self) {
        self.wait_for_event("phase,soak");
    }

    /// A document of the run folder.
    pub(crate) fn json(&self, file: &str) -> serde_json::Value {
        serde_json::from_str(&self.file(&format!("run/{file}"))).expect("JSON")
    }

    /// A text with names in place of what differs from one bench to the next.
    pub(crate) fn named(&self, text: &str) -> String {
        let (folder, port) = (self.folder.display().to_string(), self.port.to_string());
        let text =
            shown::named(text, &[(&folder, "FOLDER"), (LONGHAUL, "LONGHAUL"), (&port, "PORT")]);
        let mut parts = text.split("longhaul.run=");
        let first = parts.next().unwrap_or_default().to_owned();
        let is_label = |c: char| c.is_ascii_hexdigit() || c == '-';
        parts.fold(first, |text, part| {
            text + "longhaul.run=LABEL" + part.trim_start_matches(is_label)
        })
    }

    /// Where the server answers.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether somebody listens there.
    pub(crate) fn answers(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Listens there.
    pub(crate) fn listen(&self) -> TcpListener {
        TcpListener::bind(("127.0.0.1", self.port)).expect("the port is free")
    }

    /// What starts the simulated server.
    pub(crate) fn serving(&self) -> String {
        let (recipe, profile) = (self.path("recipe.yaml"), self.path("fast.yaml"));
        let (recipe, profile) = (recipe.display(), profile.display());
        format!("{LONGHAUL} sim --recipe {recipe} --profile {profile} --port {}", self.port)
    }

    /// The simulated server, by somebody else.
    pub(crate) fn serve(&self) -> Child {
        self.recipe("");
        let child = Command::new("bash")
            .args(["-c", &format!("exec {}", self.serving())])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a server");
        wait_for("the server", || self.answers());
        child
    }

    /// A recipe that starts the simulated server, after something else.
    pub(crate) fn recipe(&self, before: &str) -> PathBuf {
        self.recipe_of(&format!("{before}exec {}", self.serving()))
    }

    /// A recipe of a command.
    pub(crate) fn recipe_of(&self, command: &str) -> PathBuf {
        let text = format!(
            "model: org/m\nruntime: vllm\ncontainer: reg.example/m@sha256:{}\ncommand: |\n  {command}\n\
             defaults:\n  port: {}\n  max_model_len: 32768\n",
            "1".repeat(64),
            self.port
        );
        fs::write(self.path("recipe.yaml"), text).expect("a recipe");
        self.path("recipe.yaml")
    }

    /// Runs longhaul to its end; short.
    pub(crate) fn run(&self, flags: &[&str], recipe: PathBuf) -> Told {
        self.scenario("3s", "2s");
        self.begin(flags, recipe).end()
    }

    /// The same, with variables.
    pub(crate) fn run_with(&self, flags: &[&str], recipe: PathBuf, env: &[(&str, &str)]) -> Told {
        self.scenario("3s", "2s");
        self.begin_with(flags, recipe, env).end()
    }

    /// Begins a run.
    pub(crate) fn begin(&self, flags: &[&str], recipe: PathBuf) -> Going {
        self.begin_with(flags, recipe, &[])
    }

    /// The same, with variables.
    pub(crate) fn begin_with(
        &self,
        flags: &[&str],
        recipe: PathBuf,
        env: &[(&str, &str)],
    ) -> Going {
        let out = self.path("told");
        let file = fs::File::create(&out).expect("a file");
        let child = Command::new(LONGHAUL)
            .args(["run", "--recipe"])
            .arg(recipe)
            .arg("--scenario")
            .arg(self.path("scenario.yaml"))
            .arg("-o")
            .arg(self.path("run"))
            .args(flags)
            .env_remove("http_proxy")
            .env_remove("DOCKER_HOST")
            .env_remove("HF_TOKEN")
            .env_remove("HUGGING_FACE_HUB_TOKEN")
            .env("STANDIN", &self.folder)
            .envs(env.iter().copied())
            .stdout(file.try_clone().expect("a file"))
            .stderr(file)
            .spawn()
            .expect("the binary runs");
        Going { child, out }
    }

    /// Goes on with its run.
    pub(crate) fn resume(&self) -> Going {
        let out = self.path("told");
        let file = fs::File::create(&out).expect("a file");
        let child = Command::new(LONGHAUL)
            .arg("resume")
            .arg(self.path("run"))
            .env_remove("http_proxy")
            .stdout(file.try_clone().expect("a file"))
            .stderr(file)
            .spawn()
            .expect("the binary runs");
        Going { child, out }
    }

    /// A program that stands in for another.
    pub(crate) fn standin(&self, name: &str, script: &str) -> String {
        let path = self.path(name);
        let text = format!(
            "#!/bin/bash\nprintf '%s\\n' \"$*\" >> {}\n{script}\n",
            self.path("asked").display()
        );
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be run");
        path.display().to_string()
    }

    /// The process that longhaul says it launched.
    pub(crate) fn launched_pid(&self) -> u32 {
        let events = self.file("run/events.csv");
        let at = events.find("launched,\"pid ").expect("it was launched") + 14;
        let digits: String = events[at..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a process is there and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// Waits for a condition.
pub(crate) fn wait_for(what: &str, is_so: impl FnMut() -> bool) {
    wait_within(LOOKS_MAX, what, is_so);
}

/// Waits for a condition that may take minutes.
pub(crate) fn wait_long(what: &str, is_so: impl FnMut() -> bool) {
    wait_within(LONG_LOOKS_MAX, what, is_so);
}

fn wait_within(looks_max: u32, what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..looks_max {
        if is_so() {
            return;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    panic!("waited in vain for {what}");
}

/// A path as text.
pub(crate) fn text(path: &std::path::Path) -> String {
    path.display().to_string()
}

/// A process that is there, by a part of its command line.
pub(crate) fn find(part: &str) -> Option<u32> {
    let entries = fs::read_dir("/proc").ok()?;
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_it = line.starts_with(part) || line.starts_with("bash -c") && line.contains(part);
        is_it && is_alive(*pid)
    })
}

/// Sends a signal.
pub(crate) fn kill(pid: u32, signal: &str) {
    let status = Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

/// The same, which must be there.
pub(crate) fn process(part: &str) -> u32 {
    find(part).unwrap_or_else(|| panic!("no process `{part}`"))
}
