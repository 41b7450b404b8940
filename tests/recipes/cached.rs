//! Tests references to recipes on the command line: which are refused, which are cached, and what a
//! run records of them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

use insta::assert_snapshot;

use crate::host::{Host, page};
use crate::shown;

const RECIPE: &str = "model: some/model\nruntime: vllm\ncommand: vllm serve some/model --port {port}\n\
                      defaults:\n  port: 8000\n";

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// A user's cache folder, removed when it is dropped.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Home {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Home(path)
    }

    fn longhaul(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
        command.args(arguments).env("XDG_CACHE_HOME", &self.0).current_dir(&self.0);
        command.output().unwrap()
    }

    fn rendered(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.longhaul(&[&["recipe", "render"], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A text with a name in place of a host's port.
fn named(text: &str, host: &Host) -> String {
    shown::named(text, &[(&host.at(""), "HOST")])
}

const ALLOWED: [&str; 2] = ["--allow-recipe-host", "127.0.0.1"];

#[test]
fn hosts_and_ways_that_nobody_asked_for_are_refused_before_they_are_asked() {
    let home = Home::new("refused");
    let host = Host::saying(page("200 OK", "text/plain", RECIPE));
    let address = host.at("/r.yaml");
    let references = [
        address.as_str(),
        "https://example.com/r.yaml",
        "http://example.com/r.yaml",
        "file:///etc/passwd",
        "@official/some-recipe",
        "@spark-arena/../x",
    ];
    let reported = shown::each(references, |reference| {
        let (code, out, reported) = home.rendered(&[reference]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{reference}: {reported}");
        reported
    });
    assert_snapshot!("refused", named(&reported, &host));
    assert_eq!(host.asked(), 0);
}

#[test]
fn a_copy_is_kept_and_used_when_the_host_is_away_and_that_is_said() {
    let home = Home::new("cached");
    let host = Host::new({
        let first = std::sync::atomic::AtomicBool::new(true);
        move |_, stream| {
            let there = first.swap(false, std::sync::atomic::Ordering::SeqCst);
            let away = page("502 Bad Gateway", "text/html", "<html>");
            let answer = if there { page("200 OK", "text/plain", RECIPE) } else { away };
            let _ = std::io::Write::write_all(stream, &answer);
        }
    });
    let address = host.at("/r.yaml");
    let rendered =
        |more: &[&str]| home.rendered(&[&[address.as_str()], ALLOWED.as_slice(), more].concat());
    let (code, _, reported) = rendered(&["--offline"]);
    assert_eq!(code, Some(2));
    assert_snapshot!(named(&reported, &host), @"
        error: `HOST/r.yaml` was not fetched (--offline), and there is no copy of it
           at: HOST/r.yaml
          try: without --offline; look at the network, HTTPS_PROXY and NO_PROXY
          try: fetch it elsewhere, and give the path of the file
    ");
    let command = "vllm serve some/model --port 8000\n";
    assert_eq!(rendered(&[]), (Some(0), command.to_owned(), String::new()));
    let (code, out, reported) = rendered(&[]);
    assert_eq!((code, out.as_str()), (Some(0), command), "{reported}");
    let date = reported.split("copy of ").nth(1).and_then(|rest| rest.split(',').next());
    let names = [(date.expect("a date"), "DATE"), (&sha256(RECIPE), "DIGEST")];
    assert_snapshot!(shown::named(&named(&reported, &host), &names), @"warning: `HOST/r.yaml` was not fetched (the host says 502 Bad Gateway): this is the copy of DATE, sha256 DIGEST");
    let asked = host.asked();
    let (code, out, reported) = rendered(&["--offline"]);
    assert_eq!((code, out.as_str(), host.asked()), (Some(0), command, asked), "{reported}");
    let name = format!("longhaul/recipes/{}.yaml", sha256(&address));
    assert_eq!(fs::read_to_string(home.0.join(name)).unwrap(), RECIPE);
}

#[test]
fn what_is_gone_is_not_taken_from_the_cache() {
    let home = Home::new("gone");
    let host = Host::new({
        let first = std::sync::atomic::AtomicBool::new(true);
        move |_, stream| {
            let there = first.swap(false, std::sync::atomic::Ordering::SeqCst);
            let (status, body) = if there { ("200 OK", RECIPE) } else { ("404 Not Found", "") };
            let _ = std::io::Write::write_all(stream, &page(status, "text/plain", body));
        }
    });
    let address = host.at("/r.yaml");
    let arguments = [&[address.as_str()], ALLOWED.as_slice()].concat();
    assert_eq!(home.rendered(&arguments).0, Some(0));
    let (code, out, reported) = home.rendered(&arguments);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{reported}");
    assert_snapshot!(named(&reported, &host), @"
        error: `HOST/r.yaml` is not a recipe that can be taken: the host says 404 Not Found
           at: HOST/r.yaml
          try: the address of the bare file, not of a page that shows it
          try: fetch it yourself, and give the path of the file
    ");
}

#[test]
fn a_fetched_recipe_reaches_for_nothing_on_this_machine() {
    let home = Home::new("reaches");
    fs::write(home.0.join("base.yaml"), RECIPE).unwrap();
    let include = Host::saying(page("200 OK", "text/plain", "include: base\nmodel: m\n"));
    let (code, _, reported) =
        home.rendered(&[&[include.at("/r").as_str()], ALLOWED.as_slice()].concat());
    assert_eq!(code, Some(2));
    assert_snapshot!(named(&reported, &include), @"
        error: a recipe that was fetched stands alone: it includes nothing
           at: include: base.yaml
          try: fetch both yourself into one folder, and give the path
    ");
    let profile = format!("{RECIPE}metadata: {{profile: ./base.yaml}}\n");
    let host = Host::saying(page("200 OK", "text/plain", &profile));
    let address = host.at("/r");
    let plan = [&["plan", "--recipe", address.as_str()], ALLOWED.as_slice()].concat();
    let reported = String::from_utf8(home.longhaul(&plan).stderr).unwrap();
    assert_snapshot!(named(&reported, &host), @"
        error: a recipe that was fetched may name a shipped profile only
           at: HOST/r metadata.profile
          try: --profile FILE
    ");
}

#[test]
fn a_run_keeps_the_text_and_its_digest_and_again_repeats_the_reference() {
    let home = Home::new("run");
    let recipe = include_str!("../../recipes/nemotron-3-super.yaml");
    let host = Host::saying(page("200 OK", "text/plain", recipe));
    let address = host.at("/api/recipes/0a1b/raw");
    let run = ["rehearse", "--duration", "60s", "--depths", "0", "-o", "run", "--recipe", &address];
    let output = home.longhaul(&[&run, ALLOWED.as_slice()].concat());
    assert_ne!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest = fs::read_to_string(home.0.join("run/run.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["recipe"]["text"], recipe);
    assert_eq!(manifest["recipe"]["sha256"], sha256(recipe));
    assert_eq!(manifest["recipe"]["name"], "0a1b");
    assert_eq!(manifest["recipe"]["origin"], address.as_str());
    assert_snapshot!(named(manifest["again"].as_str().unwrap(), &host), @"longhaul rehearse --recipe HOST/api/recipes/0a1b/raw --allow-recipe-host 127.0.0.1 --scenario short --duration 1m --depths 0 --seed 1");
}

#[test]
fn a_copy_is_held_to_what_a_fetched_text_is() {
    let home = Home::new("held");
    let host = Host::saying(page("200 OK", "text/plain", RECIPE));
    let address = host.at("/r.yaml");
    let rendered =
        |more: &[&str]| home.rendered(&[&[address.as_str()], ALLOWED.as_slice(), more].concat());
    assert_eq!(rendered(&[]).0, Some(0));
    let name = format!("longhaul/recipes/{}.yaml", sha256(&address));
    let large = format!("{RECIPE}{}", "# x\n".repeat(1 << 18));
    let texts: [&[u8]; 3] =
        [large.as_bytes(), b"model: m\nenv: {A: \"\x1b[2J\"}\n", b"model: \xff\n"];
    let reported = texts.map(|text| {
        fs::write(home.0.join(&name), text).unwrap();
        let (code, out, reported) = rendered(&["--offline"]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{reported}");
        let home = home.0.display().to_string();
        shown::named(
            &reported,
            &[(&home, "HOME"), (&sha256(&address), "DIGEST"), (&host.at(""), "HOST")],
        )
    });
    assert_snapshot!("copies", reported.join("\n"));
}
