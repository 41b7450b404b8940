//! Sets up the image, its registry, and containers that do not belong to longhaul.

#![allow(clippy::unused_self)] // the image must have been built before anything runs in it
#![allow(clippy::expect_used, clippy::print_stderr)]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::bench::{Bench, wait_for};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// An image in a registry of this machine.
pub(crate) struct ScratchImage {
    /// By digest.
    pub pinned: String,
    /// By a tag that moves.
    pub tagged: String,
    folder: PathBuf,
    _registry: Child,
}

static HOUSE: OnceLock<Option<ScratchImage>> = OnceLock::new();
static NAMES: AtomicU32 = AtomicU32::new(0);

/// The scratch, or nothing and a word why.
pub(crate) fn scratch_image() -> Option<&'static ScratchImage> {
    let scratch = HOUSE.get_or_init(|| match ScratchImage::new() {
        Ok(scratch) => Some(scratch),
        Err(why) => {
            eprintln!("the docker tier is SKIPPED: {why}");
            None
        }
    });
    if scratch.is_none() {
        eprintln!("SKIPPED");
    }
    scratch.as_ref()
}

/// Asks docker; its output, whatever it says.
pub(crate) fn docker(words: &[&str]) -> String {
    let answer = Command::new("docker").args(words).output().expect("docker runs");
    String::from_utf8_lossy(&answer.stdout).into_owned()
}

fn must(words: &[&str]) -> Result<String, String> {
    let answer = Command::new("docker").args(words).output().map_err(|why| why.to_string())?;
    if answer.status.success() {
        return Ok(String::from_utf8_lossy(&answer.stdout).into_owned());
    }
    Err(format!("docker {}: {}", words.join(" "), String::from_utf8_lossy(&answer.stderr)))
}

impl ScratchImage {
    fn new() -> Result<ScratchImage, String> {
        must(&["info"]).map_err(|_| "no container engine answers here".to_owned())?;
        let folder = std::env::temp_dir().join(format!("longhaul-docker-{}", std::process::id()));
        fs::create_dir_all(folder.join("registry")).map_err(|why| why.to_string())?;
        let (registry, port) = registry(&folder)?;
        let bench = Bench::new("scratch");
        bench.recipe("");
        for file in ["recipe.yaml", "fast.yaml"] {
            fs::copy(bench.path(file), folder.join(file)).map_err(|why| why.to_string())?;
        }
        fs::copy(static_build()?, folder.join("longhaul")).map_err(|why| why.to_string())?;
        leak(&folder)?;
        let tagged = format!("127.0.0.1:{port}/longhaul:night");
        let scratch = ScratchImage { pinned: String::new(), tagged, folder, _registry: registry };
        let pinned = scratch.built("first")?;
        Ok(ScratchImage { pinned, ..scratch })
    }

    /// Builds and pushes the image under its tag; its name by digest.
    fn built(&self, edition: &str) -> Result<String, String> {
        let text = format!(
            "FROM scratch\nCOPY longhaul leak recipe.yaml fast.yaml /\nLABEL edition={edition}\nENTRYPOINT [\"/longhaul\"]\n"
        );
        fs::write(self.folder.join("Dockerfile"), text).map_err(|why| why.to_string())?;
        must(&["build", "-q", "-t", &self.tagged, &self.folder.display().to_string()])?;
        must(&["push", "-q", &self.tagged])?;
        let names = must(&["image", "inspect", "-f", "{{join .RepoDigests \" \"}}", &self.tagged])?;
        let own = self.tagged.trim_end_matches(":night");
        let name = names.split_whitespace().rfind(|name| name.starts_with(own));
        name.map(str::to_owned).ok_or_else(|| format!("no digest of {}", self.tagged))
    }

    /// The tag, moved to another image.
    pub(crate) fn moved_tag(&self) -> String {
        self.built("second").expect("another edition");
        self.tagged.clone()
    }

    /// The first edition, which is here in any case; by digest.
    pub(crate) fn tagged_again(&self) -> String {
        must(&["pull", "-q", &self.pinned]).expect("pulled");
        self.pinned.clone()
    }

    /// A recipe that is a saved `docker run`, on the host's network: the server listens on the
    /// loopback address only.
    pub(crate) fn recipe(
        &self,
        bench: &Bench,
        image: &str,
        options: &str,
        before: &str,
    ) -> PathBuf {
        self.recipe_on(bench, image, options, before, true)
    }

    /// The same, on a network of its own where that is wanted.
    pub(crate) fn recipe_on(
        &self,
        bench: &Bench,
        image: &str,
        options: &str,
        before: &str,
        on_host: bool,
    ) -> PathBuf {
        let network = if on_host { "--network host" } else { "" };
        let serve = serving(bench).join(" ");
        let text = format!("docker run -d --rm {network} {options} {image} {before} {serve}\n");
        let path = bench.path("saved.sh");
        fs::write(&path, text).expect("a recipe");
        path
    }

    /// Somebody else's container, which serves.
    pub(crate) fn somebody_elses(
        &self,
        bench: &Bench,
        options: &[&str],
        before: &[&str],
    ) -> String {
        let image = self.tagged_again();
        self.run(bench, &image, options, before)
    }

    /// The same, of an image.
    pub(crate) fn run(
        &self,
        bench: &Bench,
        image: &str,
        options: &[&str],
        before: &[&str],
    ) -> String {
        let n = NAMES.fetch_add(1, Ordering::Relaxed);
        let name = format!("somebodys-{}-{n}", std::process::id());
        let mut words = vec!["run", "-d", "--name", &name, "--network", "host"];
        words.extend(options);
        words.push(image);
        words.extend(before);
        let serve = serving(bench);
        words.extend(serve.iter().map(String::as_str));
        must(&words).expect("it starts");
        wait_for("the server", || bench.answers());
        name
    }
}

fn serving(bench: &Bench) -> Vec<String> {
    let port = bench.address().rsplit(':').next().expect("a port").to_owned();
    ["sim", "--recipe", "/recipe.yaml", "--profile", "/fast.yaml", "--port", &port]
        .map(str::to_owned)
        .to_vec()
}

fn registry(folder: &Path) -> Result<(Child, u16), String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|why| why.to_string())?;
    let port = listener.local_addr().map_err(|why| why.to_string())?.port();
    drop(listener);
    let config = folder.join("registry.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n",
        folder.join("registry").display()
    );
    fs::write(&config, text).map_err(|why| why.to_string())?;
    // It ends with this process, whose end of the pipe then closes.
    let script = "command -v docker-registry > /dev/null || exit 1\ndocker-registry serve \"$1\" & cat > /dev/null; kill $!";
    let mut child = Command::new("bash")
        .args(["-c", script, "registry"])
        .arg(&config)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|why| why.to_string())?;
    let mut is_gone = false;
    wait_for("the registry", || {
        is_gone = !matches!(child.try_wait(), Ok(None));
        is_gone || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    if is_gone {
        return Err("there is no docker-registry here (Debian's package of that name)".to_owned());
    }
    Ok((child, port))
}

/// A build that needs no library: the one that `LONGHAUL_STATIC` names, else made here.
fn static_build() -> Result<PathBuf, String> {
    if let Some(built) = std::env::var_os("LONGHAUL_STATIC") {
        return Ok(PathBuf::from(built));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = root.join("target/static").join(TARGET).join("release/longhaul");
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--target",
            TARGET,
            "--target-dir",
            "target/static",
        ])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .current_dir(root)
        .status()
        .map_err(|why| why.to_string())?;
    if status.success() { Ok(built) } else { Err("the static build failed".to_owned()) }
}

fn leak(folder: &Path) -> Result<(), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docker/leak.rs");
    let status = Command::new("rustc")
        .args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "--target", TARGET])
        .arg("-o")
        .arg(folder.join("leak"))
        .arg(source)
        .status()
        .map_err(|why| format!("rustc: {why}"))?;
    if status.success() { Ok(()) } else { Err("the helper does not compile".to_owned()) }
}
