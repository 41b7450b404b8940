//! The commands of the pages about servers, comparisons, sweeps and recipes.

use super::{Page, SAMPLE, not, play, run, with};

/// Seconds in place of hours, at depths that take no long time.
const SHORT: &str = "--duration 2s --depths 0,4096";

/// Long enough that the server's log counts as read.
const LONGER: &str = "--duration 12s --depths 0 --concurrency 1";

/// A sweep in which every arm has one start.
const ONE_START: &str = "--starts 1 --scenario smoke --depths 0";

/// A compose file with one server.
const COMPOSE: &str = "printf 'services:\n  brain:\n    image: vllm/vllm-openai:v0.20.0\n    \
                       command: --model org/m --max-model-len 131072\n' > docker-compose.yml";

pub(crate) const PAGES: &[Page] = &[
    Page {
        name: "docs/targets.md",
        steps: &[
            run("longhaul run --endpoint http://localhost:8000", SHORT, 0, &["PASS"]),
            run(
                "longhaul run --endpoint http://localhost:8000 --container brain --scenario overnight",
                LONGER,
                3,
                &["pass ooms: 0", "0 blocks, 20 needed"],
            ),
        ],
    },
    Page {
        name: "docs/targets.md#2",
        steps: &[
            run(
                "longhaul run --endpoint http://localhost:8000 --pid 4711 --server-log vllm.log --scenario overnight",
                SHORT,
                3,
                &["pass hangs: 0"],
            ),
            run(
                "longhaul run --endpoint http://localhost:8000 --server-log vllm.log",
                SHORT,
                0,
                &["following the server's log", "server log"],
            ),
            run(
                "longhaul run --endpoint http://localhost:8000 --pid 4711 --server-log journal:vllm",
                SHORT,
                0,
                &["server log"],
            ),
        ],
    },
    Page {
        name: "docs/targets.md#3",
        steps: &[
            run(
                "longhaul run --recipe recipe.yaml --start docker --pull --scenario overnight",
                SHORT,
                3,
                &["pass hangs: 0"],
            ),
            run(
                "longhaul run --recipe recipe.yaml --start process --duration 1h",
                SHORT,
                0,
                &["PASS recipe · quick"],
            ),
            run(
                "longhaul run --recipe recipe.yaml --start sparkrun --start-arg --cluster --start-arg mylab",
                SHORT,
                0,
                &["PASS recipe · quick"],
            ),
        ],
    },
    Page {
        name: "docs/compare.md",
        steps: &[
            run("longhaul rehearse --scenario smoke -o runs/monday", "", 0, &["SIMULATED PASS"]),
            run(
                "longhaul rehearse --scenario smoke --ailment slow_down=20%@0s --server-seed 2 -o runs/tuesday",
                "",
                0,
                &["under slow_down=20%@0s errors"],
            ),
            run("longhaul compare runs/monday runs/tuesday", "", 0, &["one start a side"]),
            run("longhaul rehearse --scenario leak.yaml -o runs/healthy", "", 0, &["stable"]),
            run(
                "longhaul rehearse --scenario leak.yaml --ailment leak_per_request=1MiB@0s --server-seed 2 -o runs/leaks",
                "",
                0,
                &["process_anonymous grows"],
            ),
            run("longhaul compare runs/healthy runs/leaks", "", 1, &[SAMPLE]),
            with(
                "for n in a b c d; do longhaul rehearse --scenario smoke --server-seed $(printf %d \"'$n\") \
                 -o runs/$n > out || exit 1; done; cp -r runs/monday runs/base; \
                 cp -r runs/tuesday runs/candidate",
                "longhaul floor runs/a runs/b runs/c runs/d -o floor.json",
                "",
                0,
                &[],
            ),
            run("longhaul compare runs/base runs/candidate --floor floor.json", "", 0, &["?"]),
        ],
    },
    Page {
        name: "docs/recipes.md",
        steps: &[
            run(
                "longhaul recipe check my.yaml",
                "",
                0,
                &[
                    "FLOATING image · my · 3 float, 1 varies, 1 unknown",
                    "floating container 2 tag `latest` is another image tomorrow",
                    "floating trust_remote_code 3 runs Python",
                ],
            ),
            run("longhaul recipe diff nemotron-3-super my.yaml", "", 0, &["container"]),
            with(
                "sed 's/m@.*/m:latest/' vllm.yaml > my.yaml",
                "longhaul recipe pin my.yaml -o pinned.yaml",
                "",
                0,
                &[],
            ),
        ],
    },
    Page {
        name: "docs/formats/recipe.md",
        steps: &[
            with(
                COMPOSE,
                "longhaul run --recipe docker-compose.yml --endpoint http://localhost:8000 --container brain",
                "--depths 0,4096 --duration 2s",
                0,
                &["docker-compose"],
            ),
            run("longhaul recipe show RECIPE", "", 0, &["org/m"]),
            run("longhaul recipe render RECIPE", "", 0, &["longhaul sim"]),
            run("longhaul recipe diff A B", "", 0, &["container"]),
            run("longhaul recipe check FILE|NAME", "", 0, &["PINNED"]),
            run("longhaul recipe pin FILE|NAME", "", 0, &["model: org/m"]),
        ],
    },
    Page {
        name: "docs/formats/profile.md",
        steps: &[run(
            "longhaul plan --scenario overnight --profile dgx-spark-nemotron-3-super",
            "",
            0,
            &["PLAN"],
        )],
    },
    Page {
        name: "docs/sweep.md",
        steps: &[
            with(
                "cp vllm.yaml my.yaml",
                "longhaul sweep --recipe my.yaml --scenario quick --depths 0,8192 --start docker -o sweeps/first --vary speculative_config.num_speculative_tokens=1,2 --vary kv_cache_dtype=fp8,auto --vary max_model_len=262144",
                "--duration 1s --depths 0 --starts 1",
                0,
                &["5 arms against the base"],
            ),
            run(
                "longhaul run --recipe sweeps/first/arms/kv_cache_dtype=fp8.yaml …",
                "--start docker --scenario smoke",
                0,
                &["PASS kv_cache_dtype=fp8"],
            ),
            run(
                "longhaul compare sweeps/first/runs/base sweeps/first/runs/NAME --wide",
                "",
                0,
                &["1 variable changed: kv_cache_dtype"],
            ),
        ],
    },
    Page {
        name: "docs/sweep.md#2",
        steps: &[with(
            "cp vllm.yaml my.yaml",
            "longhaul sweep --recipe my.yaml --arms arms.yaml --allow-several --start docker",
            ONE_START,
            0,
            &["eager", "no drafts, more streams"],
        )],
    },
    Page {
        name: "docs/arena.md",
        steps: &[
            run(
                "longhaul run --scenario spark_arena_v2 --endpoint …",
                "--depths 0,4096 --concurrency 1 -o runs/replay",
                0,
                &["spark_arena_v2"],
            ),
            run("longhaul report RUN --format arena > benchmark.csv", "", 0, &[]),
            run("longhaul report RUN --format benchy > benchy.json", "", 0, &[]),
            run("longhaul compare benchmark.csv runs/replay", "", 0, &["benchmark.csv"]),
            run("longhaul compare july.md runs/replay --format markdown", "", 0, &["july.md"]),
            with(
                "{ echo '# One'; echo; cat july.md; echo; echo '# Two'; echo; cat july.md; } > README.md",
                "longhaul compare README.md#2 runs/replay",
                "",
                0,
                &["README.md#2"],
            ),
        ],
    },
    Page {
        name: "docs/observers.md",
        steps: &[not(
            "longhaul report runs/night --format json | jq '.series[] | select(.name == \"mem_available_bytes\") | .lifetimes[].blocks[] | [.from_us, .median]'",
            "needs jq; `report --format json` is run for docs/soak.md, docs/report.md",
        )],
    },
    Page {
        name: "docs/contributing.md",
        steps: &[not("bash .ci/run", "runs this test among others")],
    },
];

#[test]
fn the_guide_to_targets() {
    play("docs/targets.md");
}

#[test]
fn the_guide_to_targets_second_part() {
    play("docs/targets.md#2");
}

#[test]
fn the_guide_to_targets_third_part() {
    play("docs/targets.md#3");
}

#[test]
fn the_guide_to_comparisons() {
    play("docs/compare.md");
}

#[test]
fn the_guide_to_published_tables() {
    play("docs/arena.md");
}

#[test]
fn the_guide_to_recipes() {
    play("docs/recipes.md");
}

#[test]
fn the_format_of_recipes() {
    play("docs/formats/recipe.md");
}

#[test]
fn the_page_on_profiles() {
    play("docs/formats/profile.md");
}

#[test]
fn the_guide_to_sweeps() {
    play("docs/sweep.md");
}

#[test]
fn the_guide_to_sweeps_second_part() {
    play("docs/sweep.md#2");
}
