//! Tests a sweep whose servers are containers.

use std::process::Command;

use crate::bench::{Bench, LONGHAUL};
use crate::image::{docker, scratch_image};

#[test]
#[ignore = "needs a container engine and docker-registry"]
fn a_sweep_starts_a_container_for_every_run_tells_the_arm_that_does_not_start_and_leaves_none() {
    let Some(scratch) = scratch_image() else { return };
    let bench = Bench::new("sweep");
    bench.scenario("2s", "2s");
    let recipe = scratch.recipe(&bench, &scratch.tagged_again(), "", "");
    let swept = Command::new(LONGHAUL)
        .args(["sweep", "--start", "docker", "--model", "org/m", "--starts", "2", "--recipe"])
        .arg(recipe)
        .args(["--vary", "env.LONGHAUL_TRIED=1", "--vary", "no_such_flag=1", "--scenario"])
        .arg(bench.path("scenario.yaml"))
        .arg("-o")
        .arg(bench.path("swept"))
        .env_remove("DOCKER_HOST")
        .output()
        .expect("the binary runs");
    let reported = String::from_utf8_lossy(&swept.stdout).into_owned();
    let steps = String::from_utf8_lossy(&swept.stderr).into_owned();
    eprintln!("{steps}{reported}");
    assert_eq!(swept.status.code(), Some(0), "{steps}{reported}");
    let reported = reported.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(reported.contains("2 of 2 starts failed; given up after 2: "), "{reported}");
    assert!(reported.contains("Do not use no_such_flag=1: it did not start."), "{reported}");
    let paper: serde_json::Value =
        serde_json::from_str(&bench.file("swept/sweep.json")).expect("a manifest");
    let runs = paper["runs"].as_array().expect("runs");
    let up = runs.iter().filter(|run| run["started"] == true).count();
    assert_eq!((runs.len(), up), (6, 4), "{paper}");
    let starts = ["base", "env.LONGHAUL_TRIED=1"].map(|arm| format!("swept/runs/{arm}"));
    for arm in starts {
        let folders = std::fs::read_dir(bench.path(&arm)).expect("runs of an arm");
        assert_eq!(folders.count(), 2, "{arm}");
    }
    let left = docker(&["ps", "-aq", "--filter", "label=longhaul.run"]);
    assert!(left.trim().is_empty(), "{left}");
}
