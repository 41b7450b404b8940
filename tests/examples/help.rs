//! The examples of the help.

use super::{Page, not, play, run, serve, with};

/// Seconds in place of hours, at depths that take no long time.
const SHORT: &str = "--duration 2s --depths 0,4096";
/// The same against the simulated server of the command itself.
const FAST: &str = "--profile fast.yaml";

/// Two starts of one server, 20 % apart.
const TWO_RUNS: &str = "longhaul rehearse --scenario smoke -o runs/base > out && \
    longhaul rehearse --scenario smoke --server-seed 2 -o runs/candidate > out && \
    cp -r runs/base runs/monday && cp -r runs/candidate runs/tuesday";

/// Four starts of one server, and a floor of them.
const FOUR_RUNS: &str = "for seed in 1 2 3 4; do longhaul rehearse --scenario smoke \
    --server-seed $seed -o nightly-runs/$seed > out || exit 1; done; mkdir -p runs; \
    cp -r nightly-runs/1 runs/a; cp -r nightly-runs/2 runs/b; cp -r nightly-runs/3 runs/c; \
    cp -r nightly-runs/4 runs/d";

const LEAKING: &str = "printf '%s\\n' 'about: Six hours of one stream.' 'duration: 6h' \
    'workloads: [{ladder: {depths: [4096], prompt: 2048, output: 128, concurrency: [1]}}]' \
    'contract: {crashes: 0, ooms: 0}' > my.yaml";

/// Two runs that are killed in their middle.
const CUT_OFF: &str = "for run in one tonight; do timeout -s KILL 5 longhaul run --simulate --scenario smoke \
    --profile fast.yaml --duration 10s -o runs/$run > out; done; ln -sfn one runs/latest";

/// A recipe of vLLM whose image is named by a tag.
const TAGGED: &str = "sed 's/m@.*/m:latest/' vllm.yaml > my.yaml";

const ARMS: &str = "cp vllm.yaml my.yaml; printf '%s\\n' '- name: eager' '  changes: { enforce_eager: true }' \
    '- name: no drafts, more streams' '  changes: { max_num_batched_tokens: 4096, max_num_seqs: 8 }' \
    > arms.yaml";

pub(crate) const PAGES: &[Page] = &[
    Page {
        name: "longhaul --help",
        steps: &[
            run("longhaul run", FAST, 0, &["SIMULATED PASS"]),
            run("longhaul run --endpoint http://spark:8000", SHORT, 0, &["PASS"]),
            run(
                "longhaul run --endpoint http://localhost:8000 --container brain --scenario overnight",
                SHORT,
                3,
                &["watching container brain: running", "pass crashes: 0"],
            ),
            run("longhaul report runs/latest --wide", "", 3, &["overnight", "series"]),
            with(
                TWO_RUNS,
                "longhaul compare runs/base runs/candidate",
                "",
                0,
                &["nothing was changed"],
            ),
            run("longhaul plan --scenario overnight", "", 0, &["PLAN", "gates"]),
            run(
                "longhaul rehearse --scenario overnight --ailment hang=10m@2h",
                "--duration 50m --ailment hang=15m@25m",
                1,
                &["FAIL hangs: 0 (1)"],
            ),
            serve("longhaul sim --port 8000"),
        ],
    },
    Page {
        name: "longhaul run --help",
        steps: &[
            run("longhaul run", FAST, 0, &["SIMULATED PASS"]),
            run("longhaul run --endpoint http://localhost:8000", SHORT, 0, &["PASS"]),
            run(
                "longhaul run --recipe recipe.yaml --scenario short --endpoint http://spark:8000 -o runs/tonight",
                SHORT,
                3,
                &["run folder: runs/tonight"],
            ),
            run(
                "longhaul run --endpoint https://host/v1 --api-key-env API_KEY --duration 6h --depths 0,32768 --stop-on-fail",
                SHORT,
                0,
                &["PASS", "--api-key-env API_KEY"],
            ),
            run(
                "longhaul run --simulate --scenario smoke --ailment crash=10s@20s",
                "--profile fast.yaml --duration 3s --ailment crash=500ms@1s",
                1,
                &["FAIL crashes: 0 (1)"],
            ),
        ],
    },
    Page {
        name: "longhaul run --help#2",
        steps: &[
            run(
                "longhaul run --endpoint http://localhost:8000 --container brain",
                SHORT,
                0,
                &["PASS", "server log"],
            ),
            run(
                "longhaul run --recipe recipe.yaml --start docker --pull --scenario overnight",
                SHORT,
                3,
                &["pass hangs: 0", "added to the recipe"],
            ),
        ],
    },
    Page {
        name: "longhaul report --help",
        steps: &[
            with(TWO_RUNS, "longhaul report runs/latest", "", 0, &["SIMULATED PASS"]),
            run("longhaul report runs/latest --format json", "", 0, &["\"bounds\""]),
            run("longhaul report runs/latest --format markdown", "", 0, &["**SIMULATED PASS** · "]),
            run(
                "longhaul report runs/monday runs/tuesday",
                "",
                0,
                &["SIMULATED PASS 2 runs of nemotron-3-super"],
            ),
        ],
    },
    Page {
        name: "longhaul resume --help",
        steps: &[
            with(CUT_OFF, "longhaul resume runs/latest", "", 0, &["SIMULATED PASS"]),
            run(
                "longhaul resume runs/tonight --resume-on-boot",
                "",
                0,
                &["KillSignal=SIGKILL", "[Install]"],
            ),
            run(
                "longhaul resume runs/tonight --header 'X-Key: value'",
                "",
                0,
                &["SIMULATED PASS", "longhaul was cut off at"],
            ),
        ],
    },
    Page {
        name: "longhaul rehearse --help",
        steps: &[
            run("longhaul rehearse", "--duration 20m", 3, &["nemotron-3-super · short"]),
            run(
                "longhaul rehearse --scenario overnight --recipe my-recipe.yaml",
                "--duration 30m",
                3,
                &["my-recipe · overnight", "too short to decide anything"],
            ),
            run(
                "longhaul rehearse --duration 6h --ailment hang=15m@2h --ailment error_frame=2%",
                "--duration 90m --ailment hang=15m@20m",
                1,
                &["FAIL hangs: 0 (1)", "FAIL errors: 0.1%", "under hang=15m@20m, error_frame=2% "],
            ),
            with(
                LEAKING,
                "longhaul rehearse --scenario my.yaml --ailment slow_leak=8GiB/h --wide",
                "--duration 30m --ailment slow_leak=96GiB/h",
                1,
                &["FAIL ooms: 0 (1)"],
            ),
        ],
    },
    Page {
        name: "longhaul plan --help",
        steps: &[
            run("longhaul plan --scenario overnight", "", 0, &["can be decided where a run sees"]),
            with(
                LEAKING,
                "longhaul plan --scenario my.yaml --prefill-rate 1800 --decode-rate 22",
                "",
                0,
                &["6 h 00 m under load", "1800 prompt and 22 output tokens/s, as given"],
            ),
            run(
                "longhaul plan --scenario quick --depths 4096 --rate 0.05,0.1 --duration 2h",
                "",
                0,
                &["p50 p95"],
            ),
            with(
                "longhaul rehearse --scenario quick --depths 0,4096 > out",
                "longhaul plan --scenario quick --from runs/latest",
                "--depths 0,4096",
                0,
                &["rates run runs/latest"],
            ),
        ],
    },
    Page {
        name: "longhaul sim --help",
        steps: &[
            serve("longhaul sim --port 8000"),
            serve("longhaul sim --port 8000 --ailment error_frame=1% --ailment restart=30s@5m"),
        ],
    },
    Page {
        name: "longhaul compare --help",
        steps: &[
            with(
                TWO_RUNS,
                "longhaul compare runs/monday runs/tuesday",
                "",
                0,
                &["nothing was changed"],
            ),
            with(
                "longhaul rehearse --scenario smoke --server-seed 3 -o runs/c > out && \
                 longhaul floor runs/base runs/candidate runs/c -o floor.json && \
                 cp -r runs/c runs/base-2 && \
                 longhaul rehearse --scenario smoke --server-seed 4 -o runs/candidate-2 > out",
                "longhaul compare runs/base runs/candidate --floor floor.json --format markdown",
                "",
                0,
                &["noise floor"],
            ),
            run(
                "longhaul compare runs/base --base runs/base-2 runs/candidate --candidate runs/candidate-2",
                "",
                0,
                &["runs/base"],
            ),
            with(
                "cp -r runs/c runs/replay; longhaul report runs/base --format arena > benchmark.csv",
                "longhaul compare benchmark.csv runs/replay",
                "",
                0,
                &["benchmark.csv"],
            ),
            with(
                "longhaul sweep --vary max_num_seqs=8 --scenario smoke --rehearse --starts 1 -o sweep",
                "longhaul compare sweep/runs/base sweep/runs/max_num_seqs=8 --one-variable --strict",
                "",
                3,
                &["1 variable changed: max_num_seqs"],
            ),
        ],
    },
    Page {
        name: "longhaul floor --help",
        steps: &[
            with(FOUR_RUNS, "longhaul floor runs/a runs/b runs/c runs/d -o floor.json", "", 0, &[]),
            run("longhaul floor nightly-runs -o floor.json", "", 0, &[]),
        ],
    },
    Page {
        name: "longhaul sweep --help",
        steps: &[run(
            "longhaul sweep --recipe my.yaml --vary max_num_seqs=4,8 --scenario quick --depths 0,8192 --start docker -o sweeps/seqs",
            "--duration 1s --depths 0 --starts 1",
            0,
            &["SWEEP my", "max_num_seqs=8"],
        )],
    },
    Page {
        name: "longhaul sweep --help#2",
        steps: &[
            with(
                "cp vllm.yaml my.yaml",
                "longhaul sweep --recipe my.yaml --vary speculative_config.num_speculative_tokens=1,2 --vary speculative_config= --start docker",
                "--starts 1 --scenario smoke --depths 0",
                0,
                &["SWEEP my", "speculative_config"],
            ),
            run(
                "longhaul sweep --recipe my.yaml --vary container=repo@sha256:… --vary env.VLLM_X=1 --start podman --pull",
                "--starts 1 --scenario smoke --depths 0",
                0,
                &["SWEEP my", "env.VLLM_X=1"],
            ),
        ],
    },
    Page {
        name: "longhaul sweep --help#3",
        steps: &[
            run(
                "longhaul sweep --vary max_num_seqs=2,4 --vary max_num_batched_tokens=2048,8192 --rehearse",
                "--starts 1 --scenario smoke",
                0,
                &["SIMULATED SWEEP", "max_num_seqs=2", "max_num_batched_tokens="],
            ),
            with(
                ARMS,
                "longhaul sweep --recipe my.yaml --arms arms.yaml --allow-several --starts 4 --start sparkrun",
                "--starts 1 --scenario smoke --depths 0",
                0,
                &["SWEEP my", "eager"],
            ),
        ],
    },
    Page {
        name: "longhaul recipe --help",
        steps: &[
            run("longhaul recipe show nemotron-3-super", "", 0, &["nemotron"]),
            not(
                "longhaul recipe show @spark-arena/ID",
                "asks spark-arena.com; tests/recipes.rs fetches from a host on loopback",
            ),
            with(
                TAGGED,
                "longhaul recipe render my.yaml --set max_num_seqs=8 --set speculative_config.method=ngram",
                "",
                0,
                &["vllm serve org/m", "ngram"],
            ),
            run("longhaul recipe diff nemotron-3-super my.yaml", "", 0, &["container"]),
            run("longhaul recipe check my.yaml --strict", "", 1, &["FLOATING"]),
            run("longhaul recipe pin my.yaml -o pinned.yaml", "", 0, &[]),
        ],
    },
    Page {
        name: "longhaul recipe check --help",
        steps: &[
            run("longhaul recipe check nemotron-3-super", "", 0, &["nemotron-3-super"]),
            with(TAGGED, "longhaul recipe check my.yaml --strict", "", 1, &["FLOATING"]),
            with(
                "mkdir submission && cp my.yaml submission/recipe.yaml",
                "longhaul recipe check submission/ --format json",
                "",
                0,
                &["\"grade\""],
            ),
        ],
    },
    Page {
        name: "longhaul recipe pin --help",
        steps: &[
            with(TAGGED, "longhaul recipe pin my.yaml -o pinned.yaml", "", 0, &[]),
            run("longhaul recipe pin my.yaml --engine podman -o my.yaml", "", 0, &[]),
        ],
    },
];

#[test]
fn the_examples_of_the_help() {
    play("longhaul --help");
}

#[test]
fn the_examples_of_run() {
    play("longhaul run --help");
}

#[test]
fn the_examples_of_run_second_part() {
    play("longhaul run --help#2");
}

#[test]
fn the_examples_of_rehearse() {
    play("longhaul rehearse --help");
}

#[test]
fn the_examples_of_plan() {
    play("longhaul plan --help");
}

#[test]
fn the_examples_of_sim() {
    play("longhaul sim --help");
}

#[test]
fn the_examples_of_compare() {
    play("longhaul compare --help");
}

#[test]
fn the_examples_of_resume() {
    play("longhaul resume --help");
}

#[test]
fn the_examples_of_report() {
    play("longhaul report --help");
}

#[test]
fn the_examples_of_floor() {
    play("longhaul floor --help");
}

#[test]
fn the_examples_of_sweep() {
    play("longhaul sweep --help");
}

#[test]
fn the_examples_of_sweep_second_part() {
    play("longhaul sweep --help#2");
}

#[test]
fn the_examples_of_sweep_third_part() {
    play("longhaul sweep --help#3");
}

#[test]
fn the_examples_of_recipe() {
    play("longhaul recipe --help");
}

#[test]
fn the_examples_of_recipe_check() {
    play("longhaul recipe check --help");
}

#[test]
fn the_examples_of_recipe_pin() {
    play("longhaul recipe pin --help");
}
