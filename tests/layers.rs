//! Tests the dependencies between top-level modules on the source's own tokens: a module uses only
//! modules of lower layers, and only the external crates that are permitted for it.

#![allow(clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, from top to bottom. A module may use modules of lower layers only.
const LAYERS: [&[&str]; 22] = [
    &["main"],
    &["cli"],
    &["command"],
    &["serve"],
    &["report"],
    &["compare", "sweep"],
    &["verdict"],
    &["analysis"],
    &["journal"],
    &["run"],
    &["http", "target", "observe"],
    &["sim"],
    &["world"],
    &["incident"],
    &["answer"],
    &["protocol"],
    &["plan"],
    &["spec"],
    &["engine"],
    &["series"],
    &["fact"],
    &[
        "stats",
        "measure",
        "unit",
        "timeline",
        "shared_value",
        "rng",
        "escape",
        "shell",
        "secret",
        "error",
        "digest",
        "exit",
        "meminfo",
        "process",
        "words",
        "shown",
    ],
];

/// Dependencies that point down and are forbidden all the same: what makes facts and what reads
/// them never meet, the run sees neither the real server nor the simulator, and the two sides of
/// the wire share no code.
const FORBIDDEN: [(&str, &[&str]); 9] = [
    ("run", &["sim", "http", "target", "observe"]),
    (
        "journal",
        &["run", "sim", "http", "target", "observe", "incident", "answer", "protocol", "plan"],
    ),
    ("analysis", &["run", "journal", "world", "sim", "http", "target", "observe", "plan"]),
    ("verdict", &["run", "journal", "world", "sim", "http", "target", "observe", "plan"]),
    ("compare", &["run", "journal", "world", "sim", "http", "target", "observe", "plan"]),
    ("report", &["run", "journal", "world", "sim", "http", "target", "observe", "plan"]),
    ("serve", &["run", "journal", "http", "protocol", "answer", "analysis", "verdict", "report"]),
    ("sim", &["protocol", "answer", "incident"]),
    ("incident", &["answer", "protocol", "plan"]),
];

/// Crates and parts of the standard library that only some modules may name.
const OUTSIDE: [(&str, &[&str]); 18] = [
    ("aho_corasick", &["engine", "secret"]),
    ("clap", &["cli"]),
    ("reqwest", &["http"]),
    ("rustls", &["http"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("httparse", &["serve"]),
    ("unicode_width", &["report"]),
    ("miniz_oxide", &["stats"]),
    ("rustix", &["command", "http", "target"]),
    ("granit_parser", &["spec"]),
    ("tracing_subscriber", &["command"]),
    ("csv", &["fact", "compare", "report"]),
    ("quick_junit", &["report"]),
    (
        "tokio",
        &[
            "timeline",
            "shared_value",
            "run",
            "world",
            "http",
            "target",
            "observe",
            "serve",
            "journal",
            "command",
        ],
    ),
    ("std::fs", &["journal", "command", "http", "observe", "target", "serve"]),
    ("std::net", &["http", "serve", "command", "target", "observe"]),
    ("std::thread", &["journal", "serve", "observe", "target"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn module_of(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).expect("below src");
    let first = inside.components().next().expect("a component").as_os_str();
    Path::new(first).file_stem().expect("a stem").to_string_lossy().into_owned()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// The code without comments and without what is only there for tests.
fn code(text: &str) -> String {
    let mut out = Vec::new();
    let mut lines = text.lines().map(without_comment);
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            out.push(line);
            continue;
        }
        // The item below: up to its semicolon, or up to the brace that closes it.
        let mut depth = 0;
        for line in lines.by_ref() {
            depth += line.matches('{').count();
            depth -= line.matches('}').count().min(depth);
            let attribute = line.trim_start().starts_with("#[");
            if depth == 0 && !attribute && (line.contains(';') || line.contains('}')) {
                break;
            }
        }
    }
    out.join("\n")
}

/// A line up to its comment; `//` within a string is none.
fn without_comment(line: &str) -> String {
    let (mut quoted, mut before) = (false, ' ');
    for (index, character) in line.char_indices() {
        if character == '"' && before != '\\' && before != '\'' {
            quoted = !quoted;
        }
        if !quoted && line[index..].starts_with("//") {
            return line[..index].to_owned();
        }
        before = character;
    }
    line.to_owned()
}

/// Every word that follows `prefix`, braces opened: `crate::{a::b, c}` names `a` and `c`.
fn named(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (start, _) in code.match_indices(prefix) {
        let rest = &code[start + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut word = String::new();
            let mut fresh = true;
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => fresh = true,
                    c if (c.is_alphanumeric() || c == '_') && depth == 1 && fresh => word.push(c),
                    _ => {}
                }
                if !(word.is_empty() || character.is_alphanumeric() || character == '_') {
                    names.insert(std::mem::take(&mut word));
                    fresh = character == ',';
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            names.insert(
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>(),
            );
        }
    }
    names
}

fn all() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    assert!(paths.len() > 30, "the source was found");
    paths
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("source is text");
            (module_of(&path, &root), path, code(&text))
        })
        .collect()
}

#[test]
fn every_dependency_points_down() {
    let mut wrong = Vec::new();
    for (module, path, code) in all() {
        if module == "lib" {
            continue;
        }
        let own = layer(&module).unwrap_or_else(|| panic!("{module} is in no layer"));
        for used in named(&code, "crate::") {
            let Some(other) = layer(&used) else { continue };
            let forbidden =
                FORBIDDEN.iter().any(|(from, to)| *from == module && to.contains(&used.as_str()));
            if used != module
                && (other <= own && LAYERS[own] != LAYERS[LAYERS.len() - 1] || forbidden)
            {
                wrong.push(format!("{}: {module} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "dependencies that point up or across:\n{}", wrong.join("\n"));
}

#[test]
fn every_path_names_a_module_that_exists() {
    for (_, path, code) in all() {
        for used in named(&code, "crate::") {
            assert!(layer(&used).is_some(), "{}: crate::{used} is not a module", path.display());
        }
    }
}

#[test]
fn no_path_goes_two_modules_up_and_none_uses_a_glob() {
    for (_, path, code) in all() {
        assert!(!code.contains("super::super"), "{}", path.display());
        assert!(!code.contains("::*;"), "{}", path.display());
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(!["mod.rs", "imp.rs", "util.rs", "utils.rs"].contains(&name.as_str()), "{name}");
    }
}

#[test]
fn only_one_file_takes_the_streams_of_the_terminal() {
    let takes = |code: &str| {
        let calls = ["stdout()", "stderr()"].into_iter().flat_map(|call| code.match_indices(call));
        let is_path = |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        calls.map(|(at, _)| &code[..at]).any(is_path)
    };
    let found: Vec<PathBuf> =
        all().into_iter().filter(|(.., code)| takes(code)).map(|(_, path, _)| path).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert_eq!(found, [root.join("command/output.rs")]);
}

#[test]
fn no_module_re_exports_from_another() {
    for (module, path, code) in all() {
        let hands_on = |line: &&str| line.starts_with("pub") && line.contains(" use ");
        for line in code.lines().map(str::trim_start).filter(hands_on) {
            let foreign = named(line, "crate::").into_iter().any(|used| used != module);
            assert!(!foreign, "{}: {line}", path.display());
        }
    }
}

/// The type that a line defines for other files, if it does.
fn type_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let (visible, rest) = line.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    let is_type = ["struct", "enum", "trait", "type"].contains(&kind);
    let end = |c: char| !(c.is_alphanumeric() || c == '_');
    (visible.starts_with("pub") && is_type).then(|| rest.split(end).next())?
}

#[test]
fn no_two_types_that_another_file_can_name_share_a_name() {
    let mut found: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for (_, path, code) in all() {
        for name in code.lines().filter_map(type_of) {
            found.entry(name.to_owned()).or_default().insert(path.clone());
        }
    }
    assert!(found.len() > 300, "{} types", found.len());
    found.retain(|_, paths| paths.len() > 1);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_check_sees_a_type_however_far_it_is_visible() {
    assert_eq!(type_of("    pub(crate) struct Cell<'a> {"), Some("Cell"));
    assert_eq!(type_of("pub enum Load {"), Some("Load"));
    assert_eq!(type_of("pub(super) type Line = u8;"), Some("Line"));
    assert_eq!(type_of("struct Private;"), None);
    assert_eq!(type_of("pub(crate) fn struct_of() {"), None);
}

/// Whether code names a crate, or a module of the standard library, in a path or a `use`.
fn uses(code: &str, outside: &str) -> bool {
    if let Some(module) = outside.strip_prefix("std::") {
        return named(code, "std::").contains(module);
    }
    code.match_indices(outside).any(|(start, _)| {
        let before = code[..start].chars().next_back();
        let after = &code[start + outside.len()..];
        let begins = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        begins && (after.starts_with("::") || after.starts_with('!') || after.starts_with(';'))
    })
}

#[test]
fn outside_crates_are_used_only_where_they_belong() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (module, path, code) in all() {
        for (outside, modules) in OUTSIDE {
            let used = uses(&code, outside);
            let in_sim_world = module == "sim"
                && (path.ends_with("sim/world.rs") || path.starts_with(root.join("sim/world")));
            if used && !modules.contains(&module.as_str()) && !in_sim_world {
                wrong.push(format!("{}: {module} uses {outside}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "crates in modules that may not use them:\n{}", wrong.join("\n"));
}

#[test]
fn the_check_sees_what_is_planted_behind_a_test_module_or_a_plain_use() {
    let planted = "#[cfg(test)]\nmod tests;\nuse std::{fs, io}; // fine\nlet x = \"//\" ; crate::run::go();\n#[cfg(test)]\nmod more {\n    use crate::sim::X;\n}\nuse tokio::time;\n";
    let code = code(planted);
    assert!(uses(&code, "std::fs") && uses(&code, "tokio"), "{code}");
    assert!(!uses(&code, "std::net") && !uses(&code, "clap"));
    assert_eq!(named(&code, "crate::").into_iter().collect::<Vec<_>>(), ["run"]);
}

#[test]
fn the_check_sees_what_a_brace_group_names() {
    let code = "use crate::{plan::Ask, fact::{Cell, Load}, unit};\nlet x = crate::rng::Rng::at(1);";
    let names: Vec<String> = named(code, "crate::").into_iter().collect();
    assert_eq!(names, ["fact", "plan", "rng", "unit"]);
}
