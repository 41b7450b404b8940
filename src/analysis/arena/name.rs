//! Formats and parses the name of a test: `ctx_pp @ d4096 (c2)`, `tg128 (c1)`, `pp2048`.

use crate::escape::one_line;

use super::{ArenaRow, TestKind};

/// Formats the name of a row's test.
pub(super) fn written(row: &ArenaRow, with_streams: bool) -> String {
    let size = |tokens: Option<u64>| tokens.map(|tokens| tokens.to_string()).unwrap_or_default();
    let head = match row.kind {
        TestKind::CtxPp => "ctx_pp".to_owned(),
        TestKind::CtxTg => "ctx_tg".to_owned(),
        TestKind::Pp => format!("pp{}", size(row.prompt)),
        TestKind::Tg => format!("tg{}", size(row.output)),
    };
    let depth = if row.depth > 0 { format!(" @ d{}", row.depth) } else { String::new() };
    let streams = if with_streams { format!(" (c{})", row.streams) } else { String::new() };
    head + &depth + &streams
}

/// Parses the name of a test; without `(cN)` it has one stream.
pub(super) fn read(text: &str) -> Result<ArenaRow, String> {
    let shown = || one_line(text, 60);
    let row = parts(text.trim())
        .ok_or_else(|| format!("`{}` is no test such as pp2048 @ d4096 (c2)", shown()))?;
    row.bounded().map_err(|(what, why)| format!("`{}`: {what} {why}", shown()))?;
    Ok(row)
}

/// Parses a number of digits only. An overflowing number stays larger than any bound.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn parts(text: &str) -> Option<ArenaRow> {
    let (text, streams) = match text.split_once(" (c") {
        Some((text, streams)) => (text, number(streams.strip_suffix(')')?)?),
        None => (text, 1),
    };
    let streams = u32::try_from(streams).unwrap_or(u32::MAX);
    let (head, depth) = match text.split_once(" @ d") {
        Some((head, depth)) => (head, number(depth)?),
        None => (text, 0),
    };
    let (kind, size) = match head {
        "ctx_pp" => (TestKind::CtxPp, None),
        "ctx_tg" => (TestKind::CtxTg, None),
        _ if head.starts_with("pp") => (TestKind::Pp, Some(number(&head[2..])?)),
        _ => (TestKind::Tg, Some(number(head.strip_prefix("tg")?)?)),
    };
    if kind.is_context() && depth == 0 {
        return None;
    }
    let mut row = ArenaRow::new(kind, depth, streams);
    match kind {
        TestKind::Pp => row.prompt = size,
        TestKind::Tg => row.output = size,
        TestKind::CtxPp | TestKind::CtxTg => {}
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;

    #[test]
    fn a_test_is_read_back_from_its_name() {
        for text in
            ["ctx_pp @ d4096 (c2)", "ctx_tg @ d65535 (c10)", "pp2048 @ d100000 (c1)", "tg128 (c5)"]
        {
            assert_eq!(read(text).map(|row| written(&row, true)), Ok(text.to_owned()));
        }
        for text in ["pp2048", "tg32 @ d8192"] {
            let row = read(text).unwrap();
            assert_eq!((written(&row, false), row.streams), (text.to_owned(), 1));
        }
    }

    #[test]
    fn what_is_no_test_is_refused() {
        let texts = ["", "pp", "xx12", "pp2048 (c2", "ctx_pp (c1)", "tg1 @ d-4"];
        assert_snapshot!(each(texts, |text| read(text).unwrap_err()), @r#"
            ""
                `` is no test such as pp2048 @ d4096 (c2)

            "pp"
                `pp` is no test such as pp2048 @ d4096 (c2)

            "xx12"
                `xx12` is no test such as pp2048 @ d4096 (c2)

            "pp2048 (c2"
                `pp2048 (c2` is no test such as pp2048 @ d4096 (c2)

            "ctx_pp (c1)"
                `ctx_pp (c1)` is no test such as pp2048 @ d4096 (c2)

            "tg1 @ d-4"
                `tg1 @ d-4` is no test such as pp2048 @ d4096 (c2)
        "#);
    }

    #[test]
    fn what_no_server_can_be_asked_is_refused_and_its_bounds_are_told() {
        let texts = [
            "pp18446744073709551615 @ d1 (c1)",
            "pp1 @ d99999999999999999999999 (c1)",
            "tg100000001",
            "tg1 (c4294967296)",
            "pp2048 (c0)",
        ];
        assert_snapshot!(each(texts, |text| read(text).unwrap_err()), @r#"
            "pp18446744073709551615 @ d1 (c1)"
                `pp18446744073709551615 @ d1 (c1)`: the prompt must be 0 to 100,000,000 tokens

            "pp1 @ d99999999999999999999999 (c1)"
                `pp1 @ d99999999999999999999999 (c1)`: the depth must be 0 to 100,000,000 tokens

            "tg100000001"
                `tg100000001`: the output must be 0 to 100,000,000 tokens

            "tg1 (c4294967296)"
                `tg1 (c4294967296)`: there are 1 to 100,000 streams

            "pp2048 (c0)"
                `pp2048 (c0)`: there are 1 to 100,000 streams
        "#);
        assert!(read("pp+5").is_err() && read("pp100000000 @ d100000000 (c100000)").is_ok());
    }
}
