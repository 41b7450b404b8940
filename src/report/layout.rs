//! Lays out text in columns: wrapping, folding, tables, and one unit per column.

use unicode_width::UnicodeWidthStr;

use crate::escape::one_line;
use crate::unit::{Bytes, figures, grouped, span};

use super::page::{Align, Grid, GridValue, Heading};
use super::words::{bounded, estimate, percent, time, within};

/// Width of the label at the start of a labelled line, in columns.
pub(crate) const LABEL: usize = 13;

/// Text between two items on a line.
pub(crate) const SEPARATOR: &str = " · ";

/// Text for a missing value.
pub(crate) const NONE: &str = "-";

/// Returns the number of a terminal's columns that a text takes: two for an ideograph, none for a
/// combining mark.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// Returns the length in bytes of the longest beginning that takes at most `width` columns.
fn fitting(text: &str, width: usize) -> usize {
    let ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
    ends.take_while(|end| columns(&text[..*end]) <= width).last().unwrap_or(0)
}

/// Cuts a text to `width` columns, with `…` at the cut.
pub(crate) fn fitted(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    format!("{}…", &text[..fitting(text, width.saturating_sub(1))])
}

/// Cuts a text to its end of `width` columns, with `…` before it: long paths and names differ
/// there.
pub(crate) fn ending(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let fits = |at: &usize| columns(&text[*at..]) < width;
    let start = text.char_indices().map(|(at, _)| at).find(fits).unwrap_or(text.len());
    format!("…{}", &text[start..])
}

/// Breaks a text at spaces into lines of at most `width` columns; a longer word is broken.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word;
        if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        while columns(word) > width {
            let first = word.chars().next().map_or(0, char::len_utf8);
            let end = fitting(word, width).max(first);
            if end == word.len() {
                // One character that is too wide.
                break;
            }
            let (begin, rest) = word.split_at(end);
            lines.push(begin.to_owned());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Joins items by ` · ` in at most `lines_max` lines, and counts the items left out.
pub(crate) fn fold(items: &[String], width: usize, lines_max: usize) -> Vec<String> {
    for shown in (0..=items.len()).rev() {
        let mut parts: Vec<String> = items[..shown].to_vec();
        if shown < items.len() {
            parts.push(format!("{} more: --wide", items.len() - shown));
        }
        let lines = wrap(&parts.join(SEPARATOR), width);
        if lines.len() <= lines_max {
            let Some(first) = items.first().filter(|_| shown == 0) else { return lines };
            // A long item is cut rather than left out.
            let more = match items.len() - 1 {
                0 => String::new(),
                others => format!("{SEPARATOR}{others} more: --wide"),
            };
            return cut_before(first, &more, width, lines_max);
        }
    }
    Vec::new()
}

/// Joins items by ` · `, and breaks only those that are longer than a line.
pub(crate) fn packed(items: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for item in items {
        match lines.last_mut() {
            Some(line) if columns(line) + columns(SEPARATOR) + columns(item) <= width => {
                line.push_str(SEPARATOR);
                line.push_str(item);
            }
            _ => lines.extend(wrap(item, width)),
        }
    }
    lines
}

/// Wraps a text to at most `lines_max` lines, with `…` where it was cut.
pub(crate) fn cut(text: &str, width: usize, lines_max: usize) -> Vec<String> {
    cut_before(text, "", width, lines_max)
}

/// Wraps a text to at most `lines_max` lines, with `…` where it was cut, and an ending behind it that
/// is not cut.
fn cut_before(text: &str, ending: &str, width: usize, lines_max: usize) -> Vec<String> {
    let mut lines = wrap(&format!("{text}{ending}"), width);
    if lines.len() > lines_max {
        lines = wrap(text, width);
        lines.truncate(lines_max);
        if let Some(last) = lines.last_mut() {
            let room = width.max(1).saturating_sub(columns(ending));
            while !last.is_empty() && columns(last) >= room {
                last.pop();
            }
            last.push('…');
            last.push_str(ending);
        }
    }
    lines
}

/// Puts lines under a label: the first has it, the others are indented as far.
pub(crate) fn labelled(label: &str, lines: Vec<String>) -> Vec<String> {
    let mut label = format!("  {label:<width$}", width = LABEL - 2);
    let mut out = Vec::new();
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        out.push(format!("{label}{line}"));
        label = " ".repeat(LABEL);
    }
    out
}

/// Aligns rows as lines: the first `left` columns to the left, the others to the right.
pub(crate) fn table(rows: &[Vec<String>], left: usize) -> Vec<String> {
    let many = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| columns(cell)).max()
    };
    let widths: Vec<usize> = (0..many).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str("  ");
            let pad = " ".repeat(widths[column].saturating_sub(columns(cell)));
            if column < left {
                line.push_str(cell);
                line.push_str(&pad);
            } else {
                line.push_str(&pad);
                line.push_str(cell);
            }
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Formats a table as lines, its head first where it has one; none without rows.
pub(crate) fn grid(grid: &Grid) -> Vec<String> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    if grid.rows.is_empty() {
        return Vec::new();
    }
    if grid.headings.iter().any(|heading| !heading.words.is_empty()) {
        rows.push(grid.headings.iter().map(|heading| heading.words.to_owned()).collect());
    }
    rows.extend(cells(grid));
    let left = grid.headings.iter().take_while(|heading| heading.align == Align::Left);
    table(&rows, left.count())
}

/// Returns the cells of a table as text, one unit per column.
pub(crate) fn cells(grid: &Grid) -> Vec<Vec<String>> {
    let scales: Vec<f64> = grid.headings.iter().map(|heading| largest(grid, heading)).collect();
    let row = |row: &Vec<GridValue>| -> Vec<String> {
        row.iter().zip(&scales).map(|(datum, scale)| written(datum, *scale)).collect()
    };
    grid.rows.iter().map(row).collect()
}

/// Returns the largest time in the columns that share a scale with this one, seconds.
fn largest(grid: &Grid, heading: &Heading) -> f64 {
    let shares = |row: &Vec<GridValue>| -> f64 {
        let columns = grid.headings.iter().zip(row);
        let same = columns.filter(|(other, _)| other.scale == heading.scale);
        let times = same.filter_map(|(_, datum)| match datum {
            GridValue::Time(seconds) => Some(seconds.number()),
            _ => None,
        });
        times.fold(0.0, f64::max)
    };
    grid.rows.iter().map(shares).fold(0.0, f64::max)
}

fn written(datum: &GridValue, largest: f64) -> String {
    match datum {
        GridValue::Nothing => NONE.to_owned(),
        GridValue::Text(words) => words.clone(),
        GridValue::Count(n) => grouped(*n as f64),
        GridValue::Time(seconds) => bounded(*seconds, |seconds| time(seconds, largest)),
        GridValue::PerSecond(value) => bounded(*value, figures),
        GridValue::Share(share) => percent(*share),
        GridValue::Bytes(bytes) => Bytes(*bytes).to_string(),
        GridValue::Span(seconds) => span(*seconds),
        GridValue::Number(value) if value.fract() == 0.0 => grouped(*value),
        GridValue::Number(value) => figures(*value),
        GridValue::Of(measure, value) => estimate(*measure, *value),
        GridValue::Within(measure, value, interval) => within(*measure, *value, *interval),
        GridValue::Judged(word) => word.word().to_owned(),
    }
}

/// Formats a table of at most `width` columns. A wider one loses columns, group after group; each
/// index counts the columns that are left by then. All rows have as many columns.
pub(crate) fn table_within(
    mut rows: Vec<Vec<String>>,
    left: usize,
    width: usize,
    give_way: &[&[usize]],
) -> Vec<String> {
    let mut lines = table(&rows, left);
    for group in give_way {
        if lines.iter().all(|line| columns(line) <= width) {
            break;
        }
        for row in &mut rows {
            for column in *group {
                row.remove(*column);
            }
        }
        lines = table(&rows, left);
    }
    lines
}

/// Joins lines, each made safe to show: no control character, at most `width` columns.
pub(crate) fn finish(lines: &[String], width: usize) -> String {
    let mut text = String::new();
    for line in lines {
        // Escapes are longer than their characters, so the line is cut after escaping.
        text.push_str(&fitted(&one_line(line.trim_end(), usize::MAX), width));
        text.push('\n');
    }
    text
}

/// Wraps a text at 80 columns, every line indented, with a newline at the end.
pub(crate) fn indented(text: &str, margin: usize) -> String {
    let lines = wrap(text, 80 - margin);
    let margin = " ".repeat(margin);
    lines.into_iter().map(|line| margin.clone() + &line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn text_is_broken_at_spaces_and_only_then_within_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
    }

    #[test]
    fn a_long_list_is_folded_and_says_how_much_is_left_out() {
        let items: Vec<String> = (0..20).map(|n| format!("item {n}")).collect();
        let lines = fold(&items, 40, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].ends_with("more: --wide"), "{lines:?}");
        assert_eq!(fold(&items[..2], 40, 1), ["item 0 · item 1"]);
        assert!(fold(&["x".repeat(100)], 40, 1)[0].ends_with('…'));
    }

    #[test]
    fn a_list_whose_first_item_fills_its_lines_still_says_how_much_is_left_out() {
        let long = "a long item of many words that goes on and on".to_owned();
        let items = [long.clone(), "second".into(), "third".into()];
        assert_snapshot!(fold(&items, 40, 1).join("\n"), @"a long item of many wo… · 2 more: --wide");
        assert_snapshot!(fold(&items, 40, 2).join("\n"), @"
        a long item of many words that goes on
        and on · second · third
        ");
        let exact = "x".repeat(40);
        assert_snapshot!(fold(&[exact, "second".into()], 40, 1).join("\n"), @"xxxxxxxxxxxxxxxxxxxxxx… · 1 more: --wide");
        assert_snapshot!(fold(&[long], 20, 1).join("\n"), @"a long item of many…");
    }

    #[test]
    fn columns_are_aligned_as_a_terminal_shows_them() {
        // Two columns a character, no column for a combining mark, two for an emoji.
        let names = ["模型", "e\u{301}te\u{301}", "🚀", "plain"];
        let rows: Vec<Vec<String>> =
            names.iter().map(|name| vec![(*name).to_owned(), "1".to_owned()]).collect();
        let lines = table(&rows, 1);
        assert_eq!(lines, ["  模型   1", "  e\u{301}te\u{301}    1", "  🚀     1", "  plain  1"]);
        assert!(lines.iter().all(|line| columns(line) == 10), "{lines:?}");
    }

    #[test]
    fn wide_characters_are_cut_and_broken_within_their_columns() {
        assert_eq!(wrap("模型模型", 5), ["模型", "模型"]);
        assert_eq!(wrap("模型", 1), ["模", "型"], "one that is too wide stays whole");
        assert_eq!(
            (fitted("模型模型", 6), ending("模型模型", 6)),
            ("模型…".into(), "…模型".into())
        );
        assert_eq!((fitted("模型", 4), ending("abcdef", 4)), ("模型".into(), "…def".into()));
        assert_eq!(fitted("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
    }

    #[test]
    fn packed_items_are_not_broken() {
        let items = ["crashes 0 → 0", "ooms 0 → 0", "hangs 0 → 0"].map(str::to_owned);
        assert_eq!(packed(&items, 28), ["crashes 0 → 0 · ooms 0 → 0", "hangs 0 → 0"]);
    }

    #[test]
    fn no_control_character_passes_and_no_line_is_too_long() {
        let text = finish(&["a\u{1b}[31m\nb".to_owned(), "x".repeat(100)], 80);
        assert_snapshot!(text, @r"
            a\u{1b}[31m\nb
            xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
        ");
    }
}
