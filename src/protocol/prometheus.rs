//! Parses Prometheus's text format: series with labels and a value. The input is untrusted; a line
//! that cannot be parsed is skipped.

use std::collections::BTreeMap;

/// Series of a page, with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PageSeries<'a> {
    /// Metric name.
    pub name: &'a str,
    /// Labels as written, without the braces.
    pub labels: &'a str,
    pub value: f64,
}

/// Iterates over the series of a metrics page, in its order.
pub(crate) fn series(page: &str) -> impl Iterator<Item = PageSeries<'_>> {
    page.lines().filter_map(line)
}

fn line(line: &str) -> Option<PageSeries<'_>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (name, labels, rest) = if let Some(open) = line.find('{') {
        let close = open + closing(&line[open..])?;
        (&line[..open], &line[open + 1..close], &line[close + 1..])
    } else {
        let end = line.find(char::is_whitespace)?;
        (&line[..end], "", &line[end..])
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    let name = name.trim();
    is_name(name).then_some(PageSeries { name, labels, value })
}

/// Whether a text is the name of a metric. A line of JSON has a word and a number, too.
fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.');
    !name.is_empty() && name.bytes().all(is_part)
}

/// Finds the closing brace, and skips braces inside quotes.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(index),
            _ => {}
        }
    }
    None
}

/// Parses the labels of a series by name, without quotes and escapes. Invalid labels are skipped.
pub(crate) fn labels(written: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = written;
    while let Some((name, value)) = rest.split_once("=\"") {
        let mut text = String::new();
        let mut characters = value.char_indices();
        let end = loop {
            match characters.next() {
                None => return labels,
                Some((at, '"')) => break at + 1,
                Some((_, '\\')) => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, other)) => text.push(other),
                    None => return labels,
                },
                Some((_, other)) => text.push(other),
            }
        };
        labels.insert(name.trim_matches([',', ' ']).to_owned(), text);
        rest = &value[end..];
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# HELP vllm:num_requests_running Number.\n# TYPE x gauge\nvllm:num_requests_running{engine=\"0\",model_name=\"m\"} 2.0\nvllm:num_requests_running{engine=\"1\",model_name=\"m\"} 1.0\nprocess_start_time_seconds 1.79533181665e+09\nodd{note=\"a } in \\\" quotes\"} 4 1700000000\ngarbage\n{} \n";

    #[test]
    fn a_series_has_a_name_labels_and_a_value() {
        let read: Vec<(&str, &str, f64)> =
            series(PAGE).map(|series| (series.name, series.labels, series.value)).collect();
        assert_eq!(read[1], ("vllm:num_requests_running", r#"engine="1",model_name="m""#, 1.0));
        assert_eq!(read[2], ("process_start_time_seconds", "", 1_795_331_816.65));
    }

    #[test]
    fn labels_are_read_by_name_and_a_broken_end_is_passed_over() {
        let read = labels(r#"engine="0",cache_dtype="fp8", note="a\"b,c=\\",open="x"#);
        let read: Vec<(&str, &str)> =
            read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("cache_dtype", "fp8"), ("engine", "0"), ("note", "a\"b,c=\\")]);
        assert!(labels("").is_empty() && labels("a=b").is_empty());
    }

    #[test]
    fn a_brace_in_quotes_ends_nothing_and_garbage_is_passed_over() {
        let odd: Vec<PageSeries> = series(PAGE).filter(|series| series.name == "odd").collect();
        assert_eq!(odd.len(), 1);
        assert!((odd[0].value - 4.0).abs() < 1e-9);
        assert_eq!(series(PAGE).count(), 4);
        assert_eq!(series("{\n  \"uptime\": 12\n  \"ok\": 1,\n}\n").count(), 0, "this is JSON");
    }
}
