//! Formats what more streams at once gave on two sides.

use crate::analysis::StreamLevel;
use crate::compare::advice::percent;
use crate::compare::streams::{ComparedLevel, ComparedStreams};
use crate::report::layout::{NONE, table};
use crate::report::words::{counted, time};
use crate::stats::Estimate;
use crate::unit::figures;

/// Columns of the table: the throughput of all streams, the speed of each, the time to the first token.
const HEAD: [&str; 9] = [
    "depth",
    "streams",
    "base",
    "candidate",
    "change",
    "each, base",
    "candidate",
    "TTFT, base",
    "candidate",
];

/// Formats the difference: `d0: tok/s of all streams +12.1 % at 1, -44.0 % at 8: behind from 4 on`.
pub(super) fn line(of: &ComparedStreams) -> String {
    let (first, last) = (of.levels.first(), of.levels.last());
    let change = |level: Option<&ComparedLevel>| {
        level.map(|level| format!("{} at {}", percent(level.ratio), level.streams))
    };
    let both: Vec<String> = [change(first), change(last)].into_iter().flatten().collect();
    let mut parts = vec![format!("{}: tok/s of all streams {}", of.name, both.join(", "))];
    parts.extend(of.behind_from.map(|streams| format!("behind from {streams} on")));
    parts.extend(of.ahead_from.map(|streams| format!("ahead from {streams} on")));
    let [base, candidate] = &of.sides;
    parts.extend(moved("TPOT doubles", "at", base.doubles_at(), candidate.doubles_at()));
    parts.extend(moved("queues", "from", base.queues_from(), candidate.queues_from()));
    parts.join("; ")
}

/// Formats a number of streams that differs.
fn moved(what: &str, word: &str, base: Option<u32>, candidate: Option<u32>) -> Option<String> {
    let side =
        |streams: Option<u32>| streams.map_or("never".to_owned(), |it| format!("{word} {it}"));
    (base != candidate).then(|| format!("{what} {} → {}", side(base), side(candidate)))
}

/// Formats the lines that a report shows; with `wide` all.
pub(super) fn lines(all: &[ComparedStreams], wide: bool) -> Vec<String> {
    all.iter().filter(|of| wide || of.is_told()).map(line).collect()
}

/// Formats a table with every number of streams.
pub(super) fn levels(all: &[ComparedStreams]) -> Vec<String> {
    if all.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    for of in all {
        rows.extend(of.levels.iter().map(|level| row(&of.name, level)));
    }
    table(&rows, 1)
}

fn row(name: &str, level: &ComparedLevel) -> Vec<String> {
    let known = |value: Option<Estimate>| value.and_then(Estimate::known);
    let rate = |of: fn(&StreamLevel) -> Option<Estimate>, unit: &str| {
        let rate = |side: &StreamLevel| known(of(side));
        level.sides.each_ref().map(|side| {
            rate(side).map_or_else(|| NONE.to_owned(), |it| format!("{}{unit}", figures(it)))
        })
    };
    let ttft = level.sides.each_ref().map(|side| {
        known(side.ttft).map_or_else(|| NONE.to_owned(), |seconds| time(seconds, seconds))
    });
    let [base, candidate] = rate(|level| level.throughput, " tok/s");
    let [base_each, each] = rate(|level| level.tokens_per_s, "");
    let [base_ttft, ttft] = ttft;
    vec![
        name.to_owned(),
        level.streams.to_string(),
        base,
        candidate,
        percent(level.ratio),
        base_each,
        each,
        base_ttft,
        ttft,
    ]
}

/// Formats the depths whose line is left out.
pub(super) fn others(all: &[ComparedStreams]) -> Option<String> {
    let n = all.iter().filter(|of| !of.is_told()).count() as u64;
    let is_told = n < all.len() as u64;
    (n > 0 && is_told).then(|| counted(n, "more depth: --wide", "more depths: --wide"))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use crate::compare::fixture::{side, streams};
    use crate::compare::{CompareTerms, Comparison, Start, compare};
    use crate::report::compare::{markdown, terminal};

    /// Compares a server with a smaller model that is faster alone and collapses under load.
    fn collapsed() -> Comparison {
        let with = |name: &str, all: [f64; 3]| -> Vec<Start> {
            let levels: Vec<(u32, f64)> = [1, 4, 8].into_iter().zip(all).collect();
            let flat = [(1, 20.0), (4, 60.0), (8, 90.0)];
            let mut starts = side(name, &[800.0]);
            starts[0].streams = vec![streams(0, &levels), streams(4096, &flat)];
            starts
        };
        let terms = CompareTerms::default();
        compare(&with("a", [23.0, 70.0, 95.0]), &with("b", [41.0, 60.0, 52.0]), &terms).unwrap()
    }

    #[test]
    fn the_terminal_says_from_which_number_of_streams_on_a_side_falls_behind() {
        let text = terminal::render(&collapsed(), false).text().to_owned();
        assert_snapshot!("collapsed", text);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_snapshot!("collapsed.wide", terminal::render(&collapsed(), true).text());
    }

    #[test]
    fn a_comment_has_the_same_line() {
        let text = markdown::render(&collapsed()).text().to_owned();
        let line = text.lines().find(|line| line.contains("behind from")).unwrap();
        assert_snapshot!(line, @"- d0: tok/s of all streams +78.3 % at 1, -45.3 % at 8; behind from 4 on; TPOT doubles never → at 4");
    }
}
