//! Finds the files that are built into the binary by name.
//!
//! A name may be written with `-` or `_`, and shortened to a unique prefix.

use std::io;

use super::SpecFile;
use crate::error::{Mistake, nearest};
use crate::spec::field::shown;
use crate::words::words;

/// Kind of a shipped file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Recipe: what is served.
    Recipe,
    /// Scenario: load and contract.
    Scenario,
    /// Machine profile: the rates of a machine.
    Profile,
}

/// Default recipe.
pub(crate) const RECIPE: &str = "nemotron-3-super";

const RECIPES: [(&str, &str); 5] = [
    (RECIPE, include_str!("../../recipes/nemotron-3-super.yaml")),
    ("nemotron-3-nano", include_str!("../../recipes/nemotron-3-nano.yaml")),
    ("llama-cpp-qwen3-1.7b", include_str!("../../recipes/llama-cpp-qwen3-1.7b.yaml")),
    ("sglang-qwen3.8-flash-next", include_str!("../../recipes/sglang-qwen3.8-flash-next.yaml")),
    ("attach-nemotron-3-super", include_str!("../../recipes/attach-nemotron-3-super.yaml")),
];

const SCENARIOS: [(&str, &str); 7] = [
    ("smoke", include_str!("../../scenarios/smoke.yaml")),
    ("quick", include_str!("../../scenarios/quick.yaml")),
    ("short", include_str!("../../scenarios/short.yaml")),
    ("overnight", include_str!("../../scenarios/overnight.yaml")),
    ("day", include_str!("../../scenarios/day.yaml")),
    ("three_days", include_str!("../../scenarios/three_days.yaml")),
    ("spark_arena_v2", include_str!("../../scenarios/spark_arena_v2.yaml")),
];

const PROFILES: [(&str, &str); 1] = [(
    "dgx-spark-nemotron-3-super",
    include_str!("../../recipes/profiles/dgx-spark-nemotron-3-super.yaml"),
)];

words!(FileKind { Recipe: "recipe", Scenario: "scenario", Profile: "profile" });

impl FileKind {
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            FileKind::Recipe => &RECIPES,
            FileKind::Scenario => &SCENARIOS,
            FileKind::Profile => &PROFILES,
        }
    }
}

/// Returns the names of the shipped files of a kind, in their order.
pub(crate) fn names(kind: FileKind) -> impl Iterator<Item = &'static str> {
    kind.files().iter().map(|(name, _)| *name)
}

/// Returns a shipped recipe.
pub(crate) fn recipe(name: &str) -> Option<SpecFile> {
    shipped(FileKind::Recipe, name)
}

/// Returns a shipped machine profile.
pub(crate) fn profile(name: &str) -> Option<SpecFile> {
    shipped(FileKind::Profile, name)
}

/// Finds a shipped file by its name, else by a unique prefix.
pub(crate) fn shipped(kind: FileKind, name: &str) -> Option<SpecFile> {
    let wanted = plain(name);
    let mut files = kind.files().iter();
    let found = files.find(|(known, _)| plain(known) == wanted).or_else(|| {
        match beginning_with(kind, name).as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    });
    found.map(|(name, text)| SpecFile {
        name: (*name).to_owned(),
        origin: format!("shipped:{name}"),
        text: (*text).to_owned(),
    })
}

/// Returns the shipped files whose names begin so.
fn beginning_with(kind: FileKind, name: &str) -> Vec<&'static (&'static str, &'static str)> {
    let wanted = plain(name);
    let begins = |known: &str| !wanted.is_empty() && plain(known).starts_with(&wanted);
    kind.files().iter().filter(|(known, _)| begins(known)).collect()
}

/// Returns a name in the spelling in which names are compared.
fn plain(name: &str) -> String {
    name.replace('_', "-").to_ascii_lowercase()
}

/// Finds a file by path, or a shipped one by name. A name with a `/` or with the ending `.yaml` or
/// `.yml` is a path; `read` reads it. A plain `NAME.yaml` that does not exist falls back to the
/// shipped name.
///
/// # Errors
/// The file cannot be read, or no file is shipped under that name.
pub(crate) fn find(
    kind: FileKind,
    name: &str,
    read: &dyn Fn(&str) -> io::Result<String>,
) -> Result<SpecFile, Mistake> {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    if stem.is_none() && !name.contains('/') {
        return shipped(kind, name).ok_or_else(|| missing(kind, name, "is shipped or"));
    }
    let stem = stem.unwrap_or(name).rsplit('/').next().unwrap_or(name);
    match read(name) {
        Ok(text) => Ok(SpecFile { name: stem.to_owned(), origin: name.to_owned(), text }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let by_name = if name.contains('/') { None } else { shipped(kind, stem) };
            by_name.ok_or_else(|| missing(kind, name, "is"))
        }
        Err(error) => {
            let what = format!("the {} {} cannot be read: {error}", kind.word(), shown(name));
            Err(Mistake::new(what).at(name).hint(a_path_or_a_name(kind)))
        }
    }
}

fn missing(kind: FileKind, name: &str, verb: &str) -> Mistake {
    let word = kind.word();
    let several = beginning_with(kind, name);
    if several.len() > 1 {
        let what = format!("several shipped {word}s begin with {}", shown(name));
        return several.iter().fold(Mistake::new(what), |mistake, (name, _)| mistake.hint(*name));
    }
    let mistake = Mistake::new(format!("no {word} {verb} there under {}", shown(name)));
    let stem = name.rsplit('/').next().unwrap_or(name);
    let mistake = match nearest(stem, names(kind)) {
        Some(near) => mistake.hint(near),
        None => mistake,
    };
    mistake.hint(a_path_or_a_name(kind))
}

fn a_path_or_a_name(kind: FileKind) -> String {
    let names: Vec<&str> = names(kind).collect();
    format!("a path, or a shipped {}: {}", kind.word(), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    #[test]
    fn a_shipped_file_is_found_by_either_spelling_and_by_its_beginning() {
        let scenario = |name| shipped(FileKind::Scenario, name);
        assert_eq!(scenario("three-days").map(|s| s.name).as_deref(), Some("three_days"));
        assert_eq!(scenario("spark_arena").map(|s| s.name).as_deref(), Some("spark_arena_v2"));
        assert_eq!(scenario("s"), None);
        assert_eq!(recipe("nemotron-3-super").map(|s| s.name).as_deref(), Some(RECIPE));
        assert_eq!(profile(""), None);
    }

    #[test]
    fn a_path_that_exists_wins_over_a_shipped_name() {
        let mine = |path: &str| match path {
            "smoke.yaml" | "my/night.yml" => Ok("mine".to_owned()),
            _ => nothing(path),
        };
        let found = find(FileKind::Scenario, "smoke.yaml", &mine).unwrap();
        assert_eq!((found.text.as_str(), found.name.as_str()), ("mine", "smoke"));
        assert_eq!(find(FileKind::Scenario, "my/night.yml", &mine).unwrap().name, "night");
        let found = find(FileKind::Scenario, "quick.yaml", &mine).unwrap();
        assert_eq!(found.origin, "shipped:quick");
        assert!(find(FileKind::Scenario, "my/smoke", &mine).is_err());
    }

    #[test]
    fn a_miss_says_what_is_shipped_and_what_is_near() {
        let miss = find(FileKind::Scenario, "overnigth", &nothing).unwrap_err();
        insta::assert_snapshot!(miss, @"
            error: no scenario is shipped or there under `overnigth`
              try: overnight
              try: a path, or a shipped scenario: smoke, quick, short, overnight, day, three_days, spark_arena_v2
        ");
        let several = find(FileKind::Recipe, "nemotron", &nothing).unwrap_err();
        insta::assert_snapshot!(several, @"
            error: several shipped recipes begin with `nemotron`
              try: nemotron-3-super
              try: nemotron-3-nano
        ");
        let denied = |_: &str| Err(io::ErrorKind::PermissionDenied.into());
        let unread = find(FileKind::Recipe, "a/b.yaml", &denied).unwrap_err();
        insta::assert_snapshot!(unread, @"
            error: the recipe `a/b.yaml` cannot be read: permission denied
               at: a/b.yaml
              try: a path, or a shipped recipe: nemotron-3-super, nemotron-3-nano, llama-cpp-qwen3-1.7b, sglang-qwen3.8-flash-next, attach-nemotron-3-super
        ");
    }
}
