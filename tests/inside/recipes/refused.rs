//! Tests that content which no public recipe has is refused, wherever it occurs, with its line and
//! the ways to write it.

use longhaul::spec::{SpecFile, recipe};

/// Values that PyYAML makes something rare of, or that YAML has more than one notion of.
const VALUES: [&str; 40] = [
    "yes",
    "Yes",
    "on",
    "off",
    "NO",
    "010",
    "-017",
    "0b101",
    "1_000",
    "0x1_F",
    "1_0.5",
    "12:30",
    "1:30:45",
    "1:30.5",
    "2026-07-14",
    "2026-07-14 10:00:00",
    "2001-12-14T21:59:43Z",
    "18446744073709551616",
    "-9223372036854775809",
    "-0xfffffffffffffffffffffffffffffffffff",
    "340282366920938463463374607431768211456",
    ".inf",
    "-.INF",
    ".nan",
    ".NaN",
    "1.0e+999",
    "!!str 5",
    "!!int \"7\"",
    "!!float 3",
    "!!bool 'oN'",
    "!!null x",
    "!!binary aGk=",
    "!!set {x}",
    "! '0x10'",
    "!own x",
    "&a 1",
    "&a [1]",
    "*a",
    "{<<: {a: 1}}",
    "{n: [1, {m: 010}]}",
];

/// Placeholders of Python's format language.
const PLACEHOLDERS: [&str; 9] = [
    "{port!r}",
    "{gm:.2f}",
    "{port:>8}",
    "{a!s:>9}",
    "{port:,}",
    "{port:#x}",
    "{port!a:^12}",
    "{gm:g}",
    "'{\"k\": {port:d}}'",
];

fn refusal(text: &str) -> String {
    let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text: text.into() };
    recipe::read(source).expect_err(text).to_string() + "\n"
}

#[test]
fn a_rare_value_is_refused_in_defaults_env_metadata_and_lists() {
    for value in VALUES {
        for (text, line) in [
            (format!("model: m\ndefaults:\n  a: 1\n  b: {value}\n"), 4),
            (format!("model: m\nenv:\n  A: {value}\n"), 3),
            (format!("metadata:\n  x:\n  - {value}\nmodel: m\n"), 3),
            (format!("recipe_version: '1'\ncommand: x\nmodel: {value}\n"), 3),
        ] {
            let reported = refusal(&text);
            let place = reported.lines().find_map(|line| line.strip_prefix("   at: "));
            assert_eq!(place, Some(format!("r.yaml:{line}").as_str()), "{text}\n{reported}");
            // An alias of nothing is no YAML.
            let has_hint = reported.lines().any(|line| line.starts_with("  try: "));
            assert!(has_hint || value.starts_with('*'), "{text}\n{reported}");
        }
    }
}

#[test]
fn a_format_is_refused_in_the_command_of_either_version() {
    for placeholder in PLACEHOLDERS {
        for version in ["1", "2"] {
            let reported = refusal(&format!(
                "recipe_version: \"{version}\"\nmodel: m\ndefaults: {{port: 1, gm: 0.8, a: x}}\ncommand: |\n  vllm serve m \\\n    --x {placeholder}\n"
            ));
            let [_, place, hint, ..] = reported.lines().collect::<Vec<_>>()[..] else {
                panic!("{placeholder}\n{reported}")
            };
            assert_eq!(place, "   at: r.yaml:6 command", "{placeholder}\n{reported}");
            assert!(hint.starts_with("  try: `{"), "{placeholder}\n{reported}");
        }
    }
}

#[test]
fn a_character_that_no_command_line_holds_is_refused_and_is_no_brace() {
    for text in [
        r#"{model: m, command: "vllm serve m\0"}"#,
        r#"{model: m, command: "vllm serve {a}", defaults: {a: "\x01"}}"#,
        r#"{model: m, runtime: vllm, defaults: {a: "\u0000"}}"#,
    ] {
        let reported = refusal(text);
        assert!(reported.contains("that no command line can"), "{text}\n{reported}");
        assert!(reported.contains("\n   at: r.yaml:1"), "{reported}");
    }
}
