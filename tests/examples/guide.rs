//! The commands of the README and of the pages about a soak and its report.

use super::{Page, SAMPLE, not, play, run, serve, with};

/// Seconds in place of hours, at depths that take no long time.
const SHORT: &str = "--duration 2s --depths 0,4096";

/// Long enough that the server's log counts as read.
const LONGER: &str = "--duration 12s --depths 0 --concurrency 1";

const FAST: &str = "--profile fast.yaml";

/// A sweep in which every arm has one start.
const ONE_START: &str = "--starts 1 --scenario smoke --depths 0";

const TWO_RUNS: &str = "longhaul rehearse --scenario smoke -o runs/monday > out && \
    longhaul rehearse --scenario smoke --ailment slow_down=20%@0s --server-seed 2 -o runs/tuesday \
    > out";

const THREE_RUNS: &str = "longhaul rehearse --scenario smoke -o runs/monday > out && \
    longhaul rehearse --scenario smoke --server-seed 2 -o runs/tuesday > out && \
    longhaul rehearse --scenario smoke --server-seed 3 -o runs/wednesday > out";

const REPLAY: &str = "longhaul rehearse --scenario spark_arena_v2 --depths 0,4096 --concurrency 1 \
    -o runs/replay > out; longhaul report runs/replay --format arena > benchmark.csv";

/// A run that is killed in its middle.
const CUT_OFF: &str = "timeout -s KILL 5 longhaul run --simulate --scenario smoke --profile fast.yaml \
    --duration 10s > out; test -d runs/latest";

pub(crate) const PAGES: &[Page] = &[
    Page {
        name: "README.md",
        steps: &[
            run("cargo run --release -- run", FAST, 0, &["SIMULATED PASS"]),
            not("cargo test", "it is what runs this test"),
            not("cargo install --path .", "builds the binary that this test has"),
            run("longhaul run --endpoint http://spark:8000", SHORT, 0, &["PASS"]),
            run(
                "longhaul plan --scenario overnight --recipe my-recipe.yaml",
                "",
                0,
                &["PLAN my-recipe · overnight", "can be decided where a run sees its log"],
            ),
            run(
                "longhaul rehearse --scenario overnight --ailment cuda_oom=12m@2h",
                "--duration 40m --depths 0,4096 --ailment cuda_oom=12m@15m",
                1,
                &["FAIL ooms: 0 (1)", "FAIL crashes: 0 (1)"],
            ),
        ],
    },
    Page {
        name: "README.md#2",
        steps: &[
            run(
                "longhaul run --scenario overnight --recipe my-recipe.yaml --endpoint http://localhost:8000 --container brain",
                LONGER,
                3,
                &[
                    "INCONCLUSIVE my-recipe · overnight",
                    "INCONCLUSIVE growth: 0 where seen",
                    "0 blocks, 20 needed",
                    "pass crashes: 0 · pass ooms: 0 · pass hangs: 0",
                ],
            ),
            run(
                "longhaul report runs/latest --wide",
                "",
                3,
                &["my-recipe · overnight", "coverage"],
            ),
        ],
    },
    Page {
        name: "README.md#3",
        steps: &[
            with(
                TWO_RUNS,
                "longhaul compare runs/monday runs/tuesday",
                "",
                0,
                &["nothing was changed"],
            ),
            with(REPLAY, "longhaul compare benchmark.csv runs/replay", "", 0, &["benchmark.csv"]),
            with(
                "cp vllm.yaml my-recipe.yaml",
                "longhaul sweep --recipe my-recipe.yaml --vary kv_cache_dtype=fp8,auto --scenario smoke --start docker",
                ONE_START,
                0,
                &["SWEEP my-recipe", "kv_cache_dtype=fp8"],
            ),
        ],
    },
    Page {
        name: "docs/soak.md",
        steps: &[
            run(
                "longhaul run --recipe my-recipe.yaml --scenario overnight --endpoint http://localhost:8000 --container brain",
                SHORT,
                3,
                &["pass hangs: 0"],
            ),
            serve("longhaul sim --port 8000 &"),
            run(
                "longhaul run --endpoint http://spark:8000",
                SHORT,
                0,
                &["PASS Cogni-Brain · quick"],
            ),
            run(
                "longhaul plan --scenario quick --from runs/latest",
                "--depths 0,4096",
                0,
                &["PLAN Cogni-Brain · quick", "rates run runs/latest"],
            ),
            run(
                "longhaul run --endpoint http://127.0.0.1:8000 --scenario smoke",
                "",
                0,
                &["PASS Cogni-Brain · smoke", "errors none of 18 requests"],
            ),
            run(
                "longhaul plan --recipe my-recipe.yaml --scenario overnight",
                "",
                0,
                &["PLAN my-recipe · overnight"],
            ),
            run(
                "longhaul plan --scenario quick --depths 4096 --rate 0.05,0.1 --duration 2h",
                "",
                0,
                &["p50 p95"],
            ),
            run(
                "longhaul run --recipe nemotron-3-super --scenario spark_arena_v2 --endpoint http://spark:8000",
                "--depths 0,4096 --concurrency 1",
                0,
                &["spark_arena_v2"],
            ),
        ],
    },
    Page {
        name: "docs/soak.md#2",
        steps: &[
            run(
                "longhaul run --scenario quick --depths 4096 --rate 0.05,0.1 --duration 2h --endpoint http://spark:8000",
                "--rate 60,120 --duration 10s",
                0,
                &["PASS", "r60"],
            ),
            run("longhaul report runs/latest", "", 0, &["PASS", "r60"]),
            run("longhaul report runs/latest --wide", "", 0, &["PASS", "series"]),
            run(
                "longhaul rehearse --scenario overnight --ailment slow_leak=200MiB/h@0s",
                "--duration 10m --depths 0 --concurrency 1",
                3,
                &["slow_leak=200MiB/h@0s"],
            ),
            run(
                "longhaul report runs/latest --format json",
                "",
                3,
                &["\"verdict\": \"INCONCLUSIVE\"", "\"trends\""],
            ),
            with(
                CUT_OFF,
                "longhaul resume runs/latest --resume-on-boot",
                "",
                0,
                &["KillSignal=SIGKILL", "resume"],
            ),
            run("longhaul resume runs/latest", "", 0, &["PASS", "longhaul was cut off at"]),
        ],
    },
    Page {
        name: "docs/trends.md",
        steps: &[
            run(
                "longhaul rehearse --scenario overnight --ailment slow_leak=200MiB/h@0s",
                "--duration 10m --depths 0 --concurrency 1",
                3,
                &["slow_leak=200MiB/h@0s"],
            ),
            run(
                "longhaul rehearse --scenario overnight --depths 100000 --concurrency 1 --ailment leak_that_plateaus=4GiB@2h",
                "--duration 10m --depths 0 --concurrency 1",
                3,
                &["leak_that_plateaus=4GiB@2h"],
            ),
            run(
                "longhaul rehearse --scenario overnight",
                "--duration 10m --depths 0 --concurrency 1",
                3,
                &["overnight"],
            ),
        ],
    },
    Page {
        name: "docs/rehearse.md",
        steps: &[
            run(
                "longhaul rehearse --scenario overnight --recipe my-recipe.yaml",
                "--duration 30m",
                3,
                &["my-recipe · overnight"],
            ),
            run(
                "longhaul rehearse --scenario overnight --ailment cuda_oom=12m@2h",
                "--duration 40m --depths 0,4096 --ailment cuda_oom=12m@15m",
                1,
                &["gates broke under cuda_oom=12m@15m"],
            ),
            run("longhaul rehearse --scenario quick --ailment crash=5m@10m", "", 1, &[SAMPLE]),
            run("longhaul run --simulate", FAST, 0, &["SIMULATED PASS"]),
        ],
    },
    Page {
        name: "docs/incidents.md",
        steps: &[
            run(
                "longhaul rehearse --scenario short --ailment cuda_oom=12m@2h",
                "--duration 40m --depths 0,4096 --ailment cuda_oom=12m@15m",
                1,
                &["3 gates broke under", "out of GPU memory; back in 1"],
            ),
            run("longhaul report RUN --wide", "", 1, &["out of GPU memory", "#"]),
        ],
    },
    Page {
        name: "docs/report.md",
        steps: &[
            with(
                "longhaul run --profile fast.yaml > out",
                "longhaul report runs/latest",
                "",
                0,
                &["SIMULATED PASS", "errors none of 18 requests"],
            ),
            run("longhaul report runs/latest --wide", "", 0, &["coverage"]),
            run(
                "longhaul report runs/latest --format markdown",
                "",
                0,
                &["**SIMULATED PASS** · ", "does not prove"],
            ),
            run("longhaul report RUN --format json", "", 0, &["\"schema\": 1"]),
            with(
                THREE_RUNS,
                "longhaul report runs/monday runs/tuesday runs/wednesday",
                "",
                0,
                &["SIMULATED PASS 3 runs of nemotron-3-super", "would pass them all"],
            ),
            run("longhaul report runs/monday runs/tuesday --format json", "", 0, &["\"together\""]),
        ],
    },
    Page {
        name: "docs/verdict.md",
        steps: &[
            with(
                "longhaul run --profile fast.yaml > out",
                "longhaul report RUN",
                "",
                0,
                &["SIMULATED PASS"],
            ),
            with(
                THREE_RUNS,
                "longhaul report runs/monday runs/tuesday runs/wednesday",
                "",
                0,
                &["MTBF of 8 h: 23 h"],
            ),
        ],
    },
    Page {
        name: "docs/security.md",
        steps: &[
            run(
                "longhaul run --endpoint http://spark:8000 --api-key-env MY_KEY",
                SHORT,
                0,
                &["PASS"],
            ),
            run("longhaul recipe render R | less", "", 0, &["longhaul sim"]),
        ],
    },
    Page {
        name: "docs/simulator.md",
        steps: &[
            serve("longhaul sim --port 8000"),
            serve("longhaul sim --port 8000 --ailment error_frame=1%"),
            run("longhaul run --recipe nemotron-3-super --simulate", FAST, 0, &["SIMULATED PASS"]),
            run(
                "longhaul rehearse --ailment cuda_oom=12m@2h",
                "--duration 40m --depths 0,4096 --ailment cuda_oom=12m@15m",
                1,
                &["FAIL ooms: 0 (1)"],
            ),
        ],
    },
];

#[test]
fn the_readme() {
    play("README.md");
}

#[test]
fn the_readme_second_part() {
    play("README.md#2");
}

#[test]
fn the_readme_third_part() {
    play("README.md#3");
}

#[test]
fn the_guide_to_soaks() {
    play("docs/soak.md");
}

#[test]
fn the_guide_to_soaks_second_part() {
    play("docs/soak.md#2");
}

#[test]
fn the_guide_to_trends() {
    play("docs/trends.md");
}

#[test]
fn the_guide_to_rehearsals() {
    play("docs/rehearse.md");
}

#[test]
fn the_guide_to_the_simulator() {
    play("docs/simulator.md");
}

#[test]
fn the_guide_to_incidents() {
    play("docs/incidents.md");
}

#[test]
fn the_guide_to_reports() {
    play("docs/report.md");
}

#[test]
fn the_guide_to_verdicts() {
    play("docs/verdict.md");
}

#[test]
fn the_guide_to_secrets() {
    play("docs/security.md");
}
