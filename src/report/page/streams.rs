//! Formats what more streams at once gave and cost: a line and some rows for each depth.

use crate::analysis::{StreamLadder, StreamLevel};
use crate::measure::Quantity;
use crate::stats::Estimate;
use crate::unit::figures;

use super::{Grid, GridValue, Heading};

/// Returns a line for each depth, those first in which more streams cost one of them most:
/// `d0 1 → 4: 23.4 → 31.2 tok/s, each 23.4 → 7.80; TPOT doubles at 4`.
pub(super) fn lines(ladders: &[StreamLadder]) -> Vec<String> {
    let mut found: Vec<(f64, String)> = ladders
        .iter()
        .filter_map(|ladder| {
            let line = [change(ladder, ladders)?].into_iter().chain(limits(ladder));
            Some((left(ladder), line.collect::<Vec<_>>().join("; ")))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    found.into_iter().map(|(_, line)| line).collect()
}

/// Returns the share of its speed that a stream keeps at the largest number of streams.
fn left(ladder: &StreamLadder) -> f64 {
    let speed = |level: Option<&StreamLevel>| level?.tokens_per_s.and_then(Estimate::known);
    let speeds = speed(ladder.levels.first()).zip(speed(ladder.levels.last()));
    speeds.map_or(1.0, |(first, last)| last / first)
}

/// Formats the first and the last number of streams, with the speeds of all and of each.
fn change(ladder: &StreamLadder, ladders: &[StreamLadder]) -> Option<String> {
    let (first, last) = (ladder.levels.first()?, ladder.levels.last()?);
    let speeds = |of: fn(&StreamLevel) -> Option<Estimate>| {
        let [first, last] = [first, last].map(|level| of(level).and_then(Estimate::known));
        Some(format!("{} → {}", figures(first?), figures(last?)))
    };
    let name = ladder.among(ladders);
    let all = speeds(|level| level.throughput)?;
    let each = speeds(|level| level.tokens_per_s)?;
    Some(format!("{name} {} → {}: {all} tok/s, each {each}", first.streams, last.streams))
}

/// Returns in words what was found of a ladder.
fn limits(ladder: &StreamLadder) -> Vec<String> {
    let doubles = ladder.doubles_at().map(|streams| format!("TPOT doubles at {streams}"));
    let queues = ladder.queues_from().map(|streams| format!("queues from {streams}"));
    doubles.into_iter().chain(queues).collect()
}

/// Builds the table of streams: a row for each number of streams of each depth.
pub(super) fn grid(ladders: &[StreamLadder]) -> Grid {
    let headings = vec![
        Heading::left("depth"),
        Heading::right("streams"),
        Heading::right("rounds"),
        Heading::right("total tok/s"),
        Heading::right("tok/s of each"),
        Heading::time("TTFT p50", Quantity::Ttft),
        Heading::time("TPOT p50", Quantity::Tpot),
        Heading::right("of one"),
        Heading::right(""),
    ];
    let rows = ladders.iter().flat_map(|ladder| {
        let name = ladder.among(ladders);
        ladder.levels.iter().map(move |level| row(&name, ladder, level))
    });
    Grid { headings, rows: rows.collect() }
}

fn row(name: &str, ladder: &StreamLadder, level: &StreamLevel) -> Vec<GridValue> {
    let alone = ladder.levels.first().filter(|first| first.streams == 1);
    let tpot = |level: &StreamLevel| level.tpot.and_then(Estimate::known);
    let times = alone.and_then(|alone| Some(tpot(level)? / tpot(alone)?));
    let here =
        |found: Option<u32>, words: &str| (found == Some(level.streams)).then(|| words.to_owned());
    let found =
        [here(ladder.doubles_at(), "TPOT doubled"), here(ladder.queues_from(), "queues from here")];
    vec![
        GridValue::text(name),
        GridValue::Count(u64::from(level.streams)),
        GridValue::Count(level.rounds),
        GridValue::maybe(level.throughput, GridValue::PerSecond),
        GridValue::maybe(level.tokens_per_s, GridValue::PerSecond),
        GridValue::maybe(level.ttft, GridValue::Time),
        GridValue::maybe(level.tpot, GridValue::Time),
        GridValue::maybe(times, |times| GridValue::Text(format!("× {}", figures(times)))),
        GridValue::Text(found.into_iter().flatten().collect::<Vec<_>>().join(", ")),
    ]
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::fact::Class;
    use crate::report::layout;

    /// Returns a depth of a server with two slots, and one of a server whose streams share it.
    fn ladders() -> Vec<StreamLadder> {
        let level = |streams, throughput: f64, tpot: f64, ttft: f64| StreamLevel {
            streams,
            rounds: 12,
            throughput: Some(throughput.into()),
            tokens_per_s: Some(tpot.recip().into()),
            ttft: Some(ttft.into()),
            tpot: Some(tpot.into()),
            ttft_mean: Some(ttft.into()),
            e2e_mean: Some((ttft + 128.0 * tpot).into()),
        };
        let ladder = |depth, levels| StreamLadder {
            workload: "ladder".to_owned(),
            class: Class::Cold,
            depth,
            prompt: 512,
            output: 128,
            levels,
        };
        let rises = vec![level(1, 23.4, 0.0427, 0.33), level(2, 40.1, 0.0498, 0.41)];
        let slots = vec![
            level(1, 23.4, 0.0427, 0.33),
            level(2, 45.0, 0.0430, 0.41),
            level(4, 46.1, 0.0431, 3.20),
        ];
        let shared = vec![level(1, 20.1, 0.0497, 2.31), level(4, 31.2, 0.128, 4.90)];
        vec![ladder(0, rises), ladder(4_096, slots), ladder(32_768, shared)]
    }

    #[test]
    fn a_line_says_what_more_streams_gave_and_a_limit_comes_first() {
        assert_snapshot!(lines(&ladders()).join("\n"), @"
            d32768 1 → 4: 20.1 → 31.2 tok/s, each 20.1 → 7.81; TPOT doubles at 4
            d0 1 → 2: 23.4 → 40.1 tok/s, each 23.4 → 20.1
            d4096 1 → 4: 23.4 → 46.1 tok/s, each 23.4 → 23.2; queues from 4
        ");
    }

    #[test]
    fn a_table_has_a_row_for_each_number_of_streams() {
        assert_snapshot!(layout::grid(&grid(&ladders())).join("\n"), @r"
        depth   streams  rounds  total tok/s  tok/s of each  TTFT p50  TPOT p50  of one
        d0            1      12         23.4           23.4   0.330 s   42.7 ms  × 1.00
        d0            2      12         40.1           20.1   0.410 s   49.8 ms  × 1.17
        d4096         1      12         23.4           23.4   0.330 s   42.7 ms  × 1.00
        d4096         2      12         45.0           23.3   0.410 s   43.0 ms  × 1.01
        d4096         4      12         46.1           23.2    3.20 s   43.1 ms  × 1.01  queues from here
        d32768        1      12         20.1           20.1    2.31 s   49.7 ms  × 1.00
        d32768        4      12         31.2           7.81    4.90 s    128 ms  × 2.58      TPOT doubled
        ");
    }

    #[test]
    fn streams_whose_tokens_nobody_counts_have_no_line() {
        let mut uncounted = ladders();
        for level in &mut uncounted[0].levels {
            level.throughput = None;
        }
        assert_eq!(lines(&uncounted[..1]), Vec::<String>::new());
    }
}
