use super::python::{Python, is_trap, json, plain};
use super::*;

fn root(text: &str) -> Node {
    parse(text).expect("readable").root
}

#[test]
fn a_key_that_stands_twice_is_told_and_the_last_counts() {
    let document = parse("container: a\nenv:\n  X: 1\n  X: 2\ncontainer: b\n").unwrap();
    assert_eq!(document.root.get("container").and_then(Node::text), Some("b"));
    assert_eq!(document.root.entries().len(), 2);
    let told: Vec<_> =
        document.duplicates.iter().map(|d| (d.key.as_str(), d.first, d.again)).collect();
    assert_eq!(told, [("X", 3, 4), ("container", 1, 5)]);
}

#[test]
fn lines_and_quotes_are_kept() {
    let root = root("a: yes\nb: 'yes'\nc: |\n  text\nd: !!str 010\ne:\n");
    assert_eq!(root.get("d").map(|node| node.line), Some(5));
    let quoted: Vec<bool> =
        ["a", "b", "c", "d"].iter().map(|key| root.get(key).unwrap().is_quoted()).collect();
    assert_eq!(quoted, [false, true, true, true]);
    assert!(root.get("e").unwrap().is_null());
    assert_eq!(root.get("e").unwrap().said(), None);
}

#[test]
fn what_is_no_single_document_is_refused_with_its_line() {
    for (text, line, words) in [
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("a: 1\n---\nb: 2\n", 2, "several"),
        ("a: [1, 2\nb: 3\n", 2, ""),
        ("a: 1\n  b: 2\n", 2, ""),
        ("a: *nobody\n", 1, ""),
    ] {
        let flaw = parse(text).unwrap_err();
        assert!(flaw.message.contains(words) && !flaw.message.is_empty(), "{text:?}: {flaw:?}");
        assert!(flaw.line >= line, "{text:?}: {flaw:?}");
    }
}

#[test]
fn aliases_are_resolved_and_merged_but_cannot_blow_up() {
    let root = root("base: &b {x: 1, y: 2}\nmade: {<<: *b, y: 3}\n");
    let made = root.get("made").unwrap();
    assert_eq!(made.get("x").and_then(Node::text), Some("1"));
    assert_eq!(made.get("y").and_then(Node::text), Some("3"));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        bomb.extend([format!("a{level}: &a{level} [{alias}]\n")]);
    }
    assert!(parse(&bomb).unwrap_err().message.contains("holds too much"));
    assert!(parse("a: &a [*a]\n").is_err());
}

#[test]
fn a_map_of_very_many_keys_is_refused() {
    let keys: Vec<String> = (0..5000).map(|key| format!("k{key}: 1")).collect();
    assert!(parse(&keys.join("\n")).unwrap_err().message.contains("4096"));
    let object: Vec<String> = (0..5000).map(|key| format!("\"k{key}\": 1")).collect();
    assert_eq!(json::loads(&format!("{{{}}}", object.join(", "))), None);
}

#[test]
fn only_a_single_value_is_a_key() {
    for (text, line, words) in [
        ("a: 1\n? [x, y]\n: 2\n", 2, "a list is no key"),
        ("a: {{name}}\n", 1, "a map is no key; put a text that holds braces or brackets in quotes"),
        ("a: &l [x]\nb: {*l : 1}\n", 1, "a list is no key"),
    ] {
        let flaw = parse(text).unwrap_err();
        assert_eq!(flaw.line, line, "{text}");
        assert!(flaw.message.contains(words), "{text}: {flaw:?}");
    }
    assert!(parse("1: a\nnull: b\n? c\n: d\n").is_ok());
}

#[test]
fn deep_nesting_is_refused() {
    assert!(parse(&"[".repeat(10_000)).is_err());
    assert!(parse(&format!("{}{}", "[".repeat(70), "]".repeat(70))).is_err());
    assert!(parse(&format!("{}{}", "[".repeat(60), "]".repeat(60))).is_ok());
}

#[test]
fn plain_scalars_are_read_as_pyyaml_reads_them() {
    for (raw, expected) in [
        ("yes", Python::Bool(true)),
        ("Off", Python::Bool(false)),
        ("010", Python::Int(8)),
        ("08", Python::Text(String::new())),
        ("1_000", Python::Int(1000)),
        ("12:30", Python::Int(750)),
        ("1:60", Python::Text(String::new())),
        ("0x1F", Python::Int(31)),
        (
            "-1_0000000000000000000000000000000000000000",
            Python::Huge(format!("-1{}", "0".repeat(40))),
        ),
        (
            "0x1_00000000000000000000000000000000",
            Python::Huge(u128::MAX.to_string().replace("455", "456")),
        ),
        ("-5", Python::Int(-5)),
        ("0.80", Python::Float(0.8)),
        ("1e5", Python::Text(String::new())),
        ("1.0e+16", Python::Float(1e16)),
        ("1.e+x", Python::Text(String::new())),
        ("auto", Python::Text(String::new())),
        ("-", Python::Text(String::new())),
        (".", Python::Text(String::new())),
    ] {
        let read = match plain(raw) {
            Python::Text(text) if text == raw => Python::Text(String::new()),
            other => other,
        };
        assert_eq!(read, expected, "{raw}");
    }
}

#[test]
fn only_what_people_read_otherwise_is_a_trap() {
    for raw in ["yes", "on", "010", "1_000", "12:30", "0b11", "1_0.5"] {
        assert!(is_trap(raw), "{raw}");
    }
    for raw in ["true", "False", "10", "-3", "+3", "0", "-0", "0x1F", "0.80", "text", "", "1.5"] {
        assert!(!is_trap(raw), "{raw}");
    }
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
fn dates_and_moments_are_what_python_makes_of_them() {
    for (raw, str, repr) in [
        ("2026-07-14", "2026-07-14", "datetime.date(2026, 7, 14)"),
        (
            "2026-7-4 9:05:00.5 +2:00",
            "2026-07-04 09:05:00.500000+02:00",
            "datetime.datetime(2026, 7, 4, 9, 5, 0, 500000, tzinfo=datetime.timezone(datetime.timedelta(seconds=7200)))",
        ),
        ("2001-12-14T21:59:43Z", "2001-12-14 21:59:43+00:00", ""),
        ("2026-02-30", "2026-02-30", "'2026-02-30'"),
        ("2026-7-14", "2026-7-14", "'2026-7-14'"),
    ] {
        assert_eq!(plain(raw).str(), str);
        assert!(repr.is_empty() || plain(raw).repr() == repr, "{raw}");
    }
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
    assert_eq!(again.get("b").map(Node::is_quoted), Some(true));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\x00-\\x7f:{}\\[\\]&*<>!|\n\t éß\u{feff}-]{0,200}") {
        let _ = parse(&text).map(|document| Python::of(&document.root).str());
    }
}

#[test]
fn a_tag_is_obeyed_as_pyyaml_obeys_it_and_told_where_it_is_not() {
    for (text, repr) in [
        ("!!str 5", "'5'"),
        ("!!int \"0x10\"", "16"),
        ("!!float 3", "3.0"),
        ("!!float '1_0e20'", "1e+21"),
        ("!!float -inf", "-inf"),
        ("!!bool 'oN'", "True"),
        ("!!null x", "None"),
        ("!!timestamp '2026-07-14'", "datetime.date(2026, 7, 14)"),
        ("! '5'", "5"),
        ("!!seq [!!map {a: !!str }]", "[{'a': ''}]"),
    ] {
        let document = parse(&format!("a: {text}\n")).expect("YAML");
        let value = Python::of(document.root.get("a").expect("a value"));
        assert_eq!((value.repr().as_str(), document.tags.len()), (repr, 0), "{text}");
    }
    let text = "a: !!binary aGk=\nb: !own x\nc: !!int x\nd: !!set {x}\ne: !!omap [x: 1]\nf: !!python/tuple [1]\n";
    let told = parse(text).expect("YAML").tags;
    let words = ["bytes", "`!own`", "is no `!!int`", "a set", "a list of pairs", "refuses"];
    assert_eq!(told.len(), words.len(), "{told:?}");
    for ((at, (line, told)), words) in told.iter().enumerate().zip(words) {
        assert!(*line == at + 1 && told.contains(words), "{told}");
    }
}
