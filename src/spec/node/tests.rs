use insta::assert_snapshot;

use super::python::{Python, check, json};
use super::*;
use crate::shown::each;

/// Renders a flaw with its line as text for the snapshot.
fn reported(flaw: &Flaw) -> String {
    let first = format!("line {}: {}", flaw.line, flaw.message);
    flaw.hints.iter().fold(first, |reported, hint| reported + "\n  try: " + hint)
}

fn root(text: &str) -> Node {
    parse(text).expect("readable").root
}

#[test]
fn a_key_that_stands_twice_is_told_and_the_last_counts() {
    let document = parse("container: a\nenv:\n  X: 1\n  X: 2\ncontainer: b\n").unwrap();
    assert_eq!(document.root.get("container").and_then(Node::text), Some("b"));
    assert_eq!(document.root.entries().len(), 2);
    let reported: Vec<_> =
        document.duplicates.iter().map(|d| (d.key.as_str(), d.first, d.again)).collect();
    assert_eq!(reported, [("X", 3, 4), ("container", 1, 5)]);
}

#[test]
fn lines_quotes_and_bytes_are_kept() {
    let text = "a: yes\nb: 'yes'\nc: |\n  text\nd: \"é\" # x\ne:\n";
    let root = root(text);
    let node = |key: &str| root.get(key).expect("there");
    assert_eq!((node("d").line, &text[node("d").span.clone()]), (5, "\"é\""));
    assert_eq!(&text[node("a").span.clone()], "yes");
    let quoted = ["a", "b", "c", "d"]
        .map(|key| matches!(node(key).value, Value::Scalar { quoted, .. } if quoted));
    assert_eq!(quoted, [false, true, true, true]);
    assert!(node("e").is_null());
    assert_eq!(node("e").said(), None);
}

#[test]
fn what_is_no_single_document_is_refused_with_its_line() {
    let texts = [
        "",
        "# only a comment\n",
        "a: 1\n---\nb: 2\n",
        "a: [1, 2\nb: 3\n",
        "a: 1\n  b: 2\n",
        "a: *nobody\n",
    ];
    assert_snapshot!("documents", each(texts, |text| reported(&parse(text).unwrap_err())));
}

#[test]
fn tags_anchors_aliases_and_merge_keys_are_refused_with_their_line_and_what_to_write() {
    let texts = [
        "m: x\na: !!str 5\n",
        "a: !own {x: 1}\n",
        "a: ! 5\n",
        "a: &b 1\n",
        "a: &b [1]\nc: *b\n",
        "a:\n  <<: {x: 1}\n",
    ];
    assert_snapshot!("tags", each(texts, |text| reported(&parse(text).unwrap_err())));
    assert!(parse("a: '<<'\nb: '*x'\n\"<<\": 1\n").is_ok());
}

#[test]
fn a_map_of_very_many_keys_is_refused() {
    let keys: Vec<String> = (0..5000).map(|key| format!("k{key}: 1")).collect();
    assert_snapshot!(reported(&parse(&keys.join("\n")).unwrap_err()), @"line 1: a mapping with more than 4096 keys");
    let object: Vec<String> = (0..5000).map(|key| format!("\"k{key}\": 1")).collect();
    assert_eq!(json::loads(&format!("{{{}}}", object.join(", "))), None);
}

#[test]
fn only_a_single_value_is_a_key() {
    let texts = ["a: 1\n? [x, y]\n: 2\n", "a: {{name}}\n"];
    assert_snapshot!(each(texts, |text| reported(&parse(text).unwrap_err())), @r#"
        "a: 1\n? [x, y]\n: 2\n"
            line 2: a list is not a key
              try: a text that holds braces or brackets in quotes

        "a: {{name}}\n"
            line 1: a mapping is not a key
              try: a text that holds braces or brackets in quotes
    "#);
    assert!(parse("1: a\nnull: b\n? c\n: d\n").is_ok());
}

#[test]
fn deep_nesting_is_refused() {
    assert!(parse(&"[".repeat(10_000)).is_err());
    assert!(parse(&format!("{}{}", "[".repeat(70), "]".repeat(70))).is_err());
    assert!(parse(&format!("{}{}", "[".repeat(60), "]".repeat(60))).is_ok());
}

#[test]
fn ordinary_plain_scalars_are_read_as_pyyaml_reads_them() {
    let text = || Python::Text(String::new());
    for (raw, expected) in [
        ("true", Python::Bool(true)),
        ("False", Python::Bool(false)),
        ("~", Python::None),
        ("-5", Python::Int(-5)),
        ("+3", Python::Int(3)),
        ("0", Python::Int(0)),
        ("0x1F", Python::Int(31)),
        ("18446744073709551615", Python::Int(u64::MAX.into())),
        ("0.80", Python::Float(0.8)),
        (".5", Python::Float(0.5)),
        ("5.", Python::Float(5.0)),
        ("1.0e+16", Python::Float(1e16)),
        ("1e5", text()),
        ("1.5e7", text()),
        ("1.e+x", text()),
        ("0o17", text()),
        ("1:600", text()),
        ("1:60", text()),
        ("80:80", text()),
        ("1:30:75", text()),
        ("1:2.3.4", text()),
        ("8000:8000", text()),
        ("2026-7-14", text()),
        ("2026-07-14 nightly", text()),
        ("0.20.0", text()),
        ("127.0.0.1:8000", text()),
        ("7b71922", text()),
        ("_1", text()),
        ("nan", text()),
        ("auto", text()),
        ("y", text()),
        (".", text()),
        ("--x", text()),
        ("./a_1", text()),
    ] {
        let node = root(&format!("a: {raw}\n"));
        assert_eq!(check(&node), Ok(()), "{raw}");
        let read = match Python::of(node.get("a").expect("there")) {
            Python::Text(text) if text == raw => Python::Text(String::new()),
            other => other,
        };
        assert_eq!(read, expected, "{raw}");
    }
}

#[test]
fn what_a_yaml_parser_makes_something_rare_of_is_refused_with_its_line_and_how_to_write_it() {
    let values = [
        "yes",
        "Off",
        "010",
        "08",
        "-0b11",
        "1_000",
        "1_0.5",
        "12:30",
        "08:30",
        "1:30.5",
        "18446744073709551616",
        "0x10000000000000000",
        ".inf",
        ".NaN",
        "1.0e+999",
        "2026-07-14",
        "2026-7-4 9:05:00.5 +2:00",
        "2001-12-14T21:59:43Z",
    ];
    let reported = each(values, |raw| {
        reported(&check(&root(&format!("m: x\na: [{{b: {raw}}}]\n"))).expect_err(raw))
    });
    assert_snapshot!("rare", reported);
    assert!(check(&root("a: {on: 1}\n")).is_err(), "a key too");
}

#[test]
fn values_are_written_as_python_writes_them() {
    let root = root(
        "a: true\nb: 0.80\nc: 0.00001\nd: 1.0e+16\ne: 1.0\nf: '0.80'\ng: {a: 1, b: \"it's\", c: null}\nh: [1, x]\n",
    );
    let written: Vec<String> =
        root.entries().iter().map(|(_, node)| Python::of(node).str()).collect();
    assert_eq!(
        written,
        [
            "True",
            "0.8",
            "1e-05",
            "1e+16",
            "1.0",
            "0.80",
            "{'a': 1, 'b': \"it's\", 'c': None}",
            "[1, 'x']"
        ]
    );
}

#[test]
fn json_comes_and_goes_as_pythons() {
    for (text, expected) in [
        (
            "{\"b\": 1, \"a\": [true, null, 1.0, \"é\\n\"]}",
            "{\"b\":1,\"a\":[true,null,1.0,\"\\u00e9\\n\"]}",
        ),
        ("{\"a\": 1, \"b\": 2, \"a\": 3}", "{\"a\":3,\"b\":2}"),
        ("1e5", "100000.0"),
    ] {
        assert_eq!(json::loads(text).map(|value| json::dumps(&value)).as_deref(), Some(expected));
    }
    assert_eq!(json::loads("{\"a\": }"), None);
}

#[test]
fn a_tree_is_written_so_that_it_reads_back_as_itself() {
    let text = "a: 1\nb: 'yes'\nc: |\n  x {y} \\\n    z\nd: {e: [1, 'é', {f: g}], h: {}, i: []}\nj:\n- [k]\n- l: m\n  n: \"\\t\"\n";
    let first = root(text);
    let again = root(&write(&first));
    assert_eq!(Python::of(&again), Python::of(&first), "{}", write(&first));
    assert_snapshot!("written", write(&first));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\x00-\\x7f:{}\\[\\]&*<>!|\n\t éß\u{feff}-]{0,200}") {
        let _ = parse(&text).map(|document| Python::of(&document.root).str());
    }
}
