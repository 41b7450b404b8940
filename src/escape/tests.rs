//! Tests every format with hostile texts, and that none has a forbidden character in any text.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

/// Hostile texts, each with its name.
const HOSTILE: [(&str, &str); 18] = [
    ("NUL, ESC, DEL, C1", "\0\u{1b}[2J\u{7f}\u{9b}1A"),
    ("title", "\u{1b}]0;root\u{7}"),
    ("bidi", "\u{202e}gpj.exe\u{61c}\u{2066}"),
    ("no width", "a\u{200b}b\u{feff}c\u{ad}d"),
    ("tag", "a\u{e0041}"),
    ("separators", "a\u{2028}b\u{2029}c\u{85}d"),
    ("lines", "a\r\nb\tc"),
    ("formula", "=cmd|'/C calc'!A0"),
    ("formulas", "x;@SUM(1);\t-2+3"),
    ("number", "-1.5e3"),
    ("html", "<script>alert(\"1\")</script> &amp;"),
    ("table", "a | `b` | ![c](d)"),
    ("cdata", "]]>"),
    ("no XML", "a\u{fffe}b\u{ffff}"),
    ("percent", "%0A::error::x"),
    ("command", "fine\n  ::error::x\n##[add-mask]x"),
    ("mention", "@everyone #1 https://x www.y"),
    ("kept", "日本語 é ❤️ ± → …"),
];

type Format = (&'static str, fn(&str) -> String);

const FORMATS: [Format; 7] = [
    ("one line", |text| one_line(text, usize::MAX)),
    ("terminal", terminal),
    ("json", |text| json(&serde_json::to_string(text).unwrap())),
    ("csv", csv_cell),
    ("markdown", markdown),
    ("annotation", annotation),
    ("xml", xml),
];

#[test]
fn a_hostile_text_is_harmless_in_every_format() {
    let mut all = Vec::new();
    for (name, text) in HOSTILE {
        all.push(name.to_owned());
        for (format, escape) in FORMATS {
            let shown = escape(text).replace('\n', "\n               ");
            all.push(format!("    {format:<10} {shown}"));
        }
    }
    assert_snapshot!("hostile", all.join("\n"));
}

#[test]
fn control_characters_are_shown_not_obeyed() {
    assert_eq!(one_line("a\n\u{1b}[31mb", 50), "a\\n\\u{1b}[31mb");
}

#[test]
fn lines_stay_lines_where_only_steering_is_taken_out() {
    assert_eq!(terminal("a\n\tb\u{1b}[2K\u{9b}1A é\r"), "a\n\tb\\u{1b}[2K\\u{9b}1A é\\r");
}

#[test]
fn what_turns_or_hides_a_text_is_shown_too() {
    assert_eq!(one_line("a\u{202e}b\u{200b}c\u{feff}", 50), "a\\u{202e}b\\u{200b}c\\u{feff}");
    assert_eq!(one_line("日本語 é", 50), "日本語 é");
}

#[test]
fn long_text_is_cut_and_says_so() {
    assert_eq!(one_line("abcdef", 4), "abc…");
    assert_eq!(one_line("abcd", 4), "abcd");
}

/// Text of ordinary and of hostile pieces.
fn text() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(HOSTILE.map(|(_, text)| text.to_owned()).to_vec());
    let piece = prop_oneof![hostile, any::<String>(), "[\u{0}-\u{ff}]{0,4}", "[=+@;#:%\n -]{0,4}"];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_format_has_a_forbidden_character(text in text()) {
        for (format, escape) in FORMATS {
            let shown = escape(&text);
            let is_kept = |c: char| ["terminal", "xml"].contains(&format) && "\n\t".contains(c);
            prop_assert!(shown.chars().all(|c| is_safe(c) || is_kept(c)), "{format}: {shown:?}");
        }
    }

    #[test]
    fn what_is_escaped_stays_as_it_is_when_it_is_escaped_again(text in text()) {
        for escape in [terminal, xml, csv_cell, lines] {
            let shown = escape(&text);
            prop_assert_eq!(escape(&shown), shown);
        }
    }

    #[test]
    fn json_stays_equal_in_value(texts in prop::collection::btree_map(text(), text(), 0..4)) {
        let written = json(&serde_json::to_string_pretty(&texts).unwrap());
        let read: std::collections::BTreeMap<String, String> =
            serde_json::from_str(&written).unwrap();
        prop_assert_eq!(read, texts);
    }

    #[test]
    fn no_line_is_a_command_to_a_runner(text in text()) {
        for escape in [terminal, xml] {
            let shown = escape(&text);
            prop_assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown}");
            prop_assert!(!shown.contains("##["), "{shown}");
        }
    }

    #[test]
    fn no_cell_is_a_formula(text in text()) {
        let shown = csv_cell(&text);
        for cell in shown.split(';') {
            let begins = cell.trim_start().starts_with(['=', '+', '-', '@', '\t', '\r']);
            prop_assert!(!begins || cell.parse::<f64>().is_ok(), "{shown}");
        }
    }

    #[test]
    fn no_markup_is_left_in_markdown(text in text()) {
        let shown = markdown(&text).replace("<!-- -->", "").replace("<span>$</span>", "");
        let bare = "\\`*_[]|~".chars().fold(shown, |text, c| text.replace(&format!("\\{c}"), ""));
        prop_assert!(!bare.contains(['<', '>', '|', '`', '*', '_', '[', ']', '~', '$']), "{bare}");
    }

    #[test]
    fn an_annotation_is_one_line_whose_percent_signs_stand_for_themselves(text in text()) {
        let shown = annotation(&text);
        prop_assert!(!shown.replace("%25", "").contains('%'), "{shown}");
        prop_assert_eq!(shown.lines().count().max(1), 1);
    }
}

#[test]
fn an_escape_counts_as_what_is_shown_and_is_never_cut_in_two() {
    assert_eq!(one_line("\u{1}\u{1}\u{1}", 12), "\\u{1}\\u{1}…");
    assert_eq!(one_line("\u{1}\u{1}", 10), "\\u{1}\\u{1}");
    for text in ["a\n\n\n\nb", "\n", "ab\u{202e}", "日\t本語"] {
        for chars_max in 0..12 {
            let once = one_line(text, chars_max);
            assert!(once.chars().count() <= chars_max.max(1), "{once}");
            assert_eq!(one_line(&once, chars_max), once, "a second time");
        }
    }
}
