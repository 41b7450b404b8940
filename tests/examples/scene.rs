//! A folder in which the commands of a page are run: with a server, the files that the page talks
//! about, and programs in place of container engines, sparkrun and journalctl.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::lag;

const LONGHAUL: &str = env!("CARGO_BIN_EXE_longhaul");

/// Addresses that pages use.
const ADDRESSES: [&str; 4] =
    ["http://spark:8000", "http://localhost:8000", "http://127.0.0.1:8000", "https://host/v1"];

/// The shell of rehearsals, whose clock is virtual: timed runs get the processors first.
const YIELDING_SHELL: [&str; 4] = ["nice", "-n", "10", "bash"];

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// Container engine with one container, `brain`, which runs until it is stopped. Its server is the
/// simulated one.
const ENGINE: &str = r#"#!/bin/bash
running() { [ -e "$SCENE/server.pid" ] || [ ! -e "$SCENE/started" ]; }
case "$1" in
  image|pull) echo '["reg.example/m@DIGEST"]' ;;
  run) longhaul sim --recipe served.yaml --profile fast.yaml --port PORT > /dev/null 2>&1 < /dev/null &
       echo $! > "$SCENE/server.pid"; touch "$SCENE/started"
       echo 56726ef06ab41f103592706b3d9a946baa233f8e4f61be863b051778e76ee346 ;;
  stop) kill "$(cat "$SCENE/server.pid")"; rm -f "$SCENE/server.pid" ;;
  rm) ;;
  inspect) cat <<EOF
[{"Id":"56726ef06ab41f103592706b3d9a946baa233f8e4f61be863b051778e76ee346","Name":"/brain","Image":"sha256:9ca7",
"RestartCount":0,"State":{"Status":"$(running && echo running || echo exited)","Running":$(running && echo true || echo false),
"Paused":false,"OOMKilled":false,"Pid":0,"ExitCode":0,"StartedAt":"2026-11-23T05:31:39.273034974Z",
"FinishedAt":"0001-01-01T00:00:00Z"},"Config":{"Image":"reg.example/m","Env":[],"Labels":{},"Cmd":["serve"],
"Entrypoint":null},"HostConfig":{"RestartPolicy":{"Name":"no"}}}]
EOF
  ;;
  events) exec tail -f /dev/null ;;
  logs) echo "2026-11-23T05:31:40.1Z INFO started"; exec tail -f /dev/null ;;
esac
"#;

const SPARKRUN: &str = r#"#!/bin/bash
case "$1" in
  run) echo "Runtime:   vllm"; echo "Cluster:   sparkrun_0123456789abcdef_0123456789ab"
       longhaul sim --recipe served.yaml --profile fast.yaml --port PORT > /dev/null 2>&1 < /dev/null &
       echo $! > "$SCENE/server.pid" ;;
  logs) exec tail -f /dev/null ;;
  stop) kill "$(cat "$SCENE/server.pid")"; rm -f "$SCENE/server.pid" ;;
esac
"#;

const JOURNALCTL: &str = r#"#!/bin/bash
case " $* " in *" --lines=1 "*) echo "INFO started" ;; *) exec tail -f /dev/null ;; esac
"#;

/// A recipe whose server is the simulated one on a fast machine.
const RECIPE: &str = "\
model: org/m
runtime: vllm
container: reg.example/m@DIGEST
command: |
  exec longhaul sim --recipe served.yaml --profile fast.yaml --port {port}
defaults:
  port: PORT
  max_model_len: 131072
  max_num_seqs: 4
metadata:
  profile: dgx-spark-nemotron-3-super
";

/// The same as vLLM would be started.
const VLLM: &str = "\
model: org/m
runtime: vllm
container: reg.example/m@DIGEST
command: >-
  vllm serve {model} --port {port} --max-model-len {max_model_len} --max-num-seqs {max_num_seqs}
  --speculative-config '{speculative_config}'
defaults:
  port: PORT
  max_model_len: 131072
  max_num_seqs: 2
  speculative_config: '{\"method\": \"mtp\", \"num_speculative_tokens\": 3}'
metadata:
  profile: dgx-spark-nemotron-3-super
";

/// What a command printed, and its exit code.
pub(crate) struct Ran {
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard output, then the rest.
    pub text: String,
}

impl Ran {
    /// The folder of a run, as its output names it.
    fn folder(&self) -> Option<&str> {
        self.text.lines().find_map(|line| line.trim().strip_prefix("run folder: "))
    }
}

/// The folder and its server.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    servers: Vec<Child>,
    port: u16,
    address: Option<String>,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let folder = tempfile::TempDir::new().expect("a folder");
        let scene = Scene { folder, servers: Vec::new(), port, address: None };
        fs::create_dir(scene.path("bin")).expect("a folder");
        symlink(LONGHAUL, scene.path("bin/longhaul")).expect("a link");
        for (name, script) in [
            ("docker", ENGINE),
            ("podman", ENGINE),
            ("sparkrun", SPARKRUN),
            ("journalctl", JOURNALCTL),
        ] {
            scene.write(&format!("bin/{name}"), script);
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(scene.path("bin").join(name), mode).expect("a program");
        }
        // Drafts are seldom right: tokens come slowly enough that no check doubts their times.
        let fast = include_str!("../machine.yaml")
            .replace("acceptance: 0.8", "acceptance: 0.2")
            .replace("start_s: 1", "start_s: 0.2");
        scene.write("fast.yaml", &fast);
        scene.write("vllm.yaml", VLLM);
        scene.write("july.md", include_str!("../../src/compare/published/july.md"));
        scene.write("vllm.log", "");
        for name in ["served.yaml", "recipe.yaml", "my-recipe.yaml", "my.yaml"] {
            scene.write(name, RECIPE);
        }
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let text = text.replace("DIGEST", DIGEST).replace("PORT", &self.port.to_string());
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    /// Runs a command line by a shell, with the address of the server in place of a page's.
    pub(crate) fn run(&mut self, command: &str) -> Ran {
        let mut line = command.to_owned();
        if ADDRESSES.iter().any(|address| line.contains(address)) {
            let address = self.server();
            for shown in ADDRESSES {
                line = line.replace(shown, &address);
            }
        }
        if line.contains(" 4711") {
            self.server();
            line = line.replace(" 4711", &format!(" {}", self.servers[0].id()));
        }
        let is_timed = !line.contains("longhaul rehearse") && !line.contains(" --rehearse");
        let shell: &[&str] = if is_timed { &["bash"] } else { &YIELDING_SHELL };
        let output = self.shell(shell, &line).output().expect("bash runs");
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, rest) = (words(&output.stdout), words(&output.stderr));
        Ran { code: output.status.code(), text: format!("{out}{rest}"), out }
    }

    /// Whether longhaul's own lag is the only reason why a run proved nothing.
    pub(crate) fn was_late(&self, ran: &Ran) -> bool {
        let verdict = ran.folder().and_then(|run| {
            let text = fs::read_to_string(self.path(run).join("verdict.json")).ok()?;
            serde_json::from_str(&text).ok()
        });
        verdict.is_some_and(|verdict| lag::is_only_reason(&verdict))
    }

    /// Removes the folder of a run, so that the same command can write it again.
    pub(crate) fn forget(&self, ran: &Ran) {
        let run = ran.folder().expect("a run has a folder");
        fs::remove_dir_all(self.path(run)).expect("it can be removed");
    }

    fn shell(&self, shell: &[&str], line: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(shell[0]);
        command
            .args(&shell[1..])
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("SCENE", self.folder.path())
            .env("HOME", self.folder.path())
            .env("API_KEY", "sk-0123456789abcdef")
            .env("MY_KEY", "sk-0123456789abcdef")
            .stdin(Stdio::null());
        for name in ["http_proxy", "https_proxy", "DOCKER_HOST", "HF_TOKEN", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        command
    }

    /// Starts what a page starts in the background, on a free port and a fast machine, and waits
    /// until it says where it listens. It is the server from then on.
    pub(crate) fn serve(&mut self, command: &str) -> Ran {
        let line = command.trim_end_matches(['&', ' ']).replace("--port 8000", "--port 0");
        let line = format!("exec {line} --profile fast.yaml");
        let mut child =
            self.shell(&["bash"], &line).stderr(Stdio::piped()).spawn().expect("a server");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let text = lines.find_map(|line| line.ok().filter(|line| line.contains("http://")));
        let text = text.unwrap_or_default();
        let address = text.split("http://").nth(1).and_then(|rest| rest.split(',').next());
        self.address = address.map(|address| format!("http://{address}"));
        let code = if address.is_some() { None } else { child.wait().expect("an end").code() };
        // What it logs has somewhere to go.
        #[allow(clippy::disallowed_methods)] // a server of a test
        std::thread::spawn(move || lines.for_each(drop));
        self.servers.insert(0, child);
        Ran { code, out: String::new(), text }
    }

    fn server(&mut self) -> String {
        if self.address.is_none() {
            self.serve("longhaul sim --port 8000 --recipe served.yaml");
        }
        self.address.clone().expect("a server")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}
