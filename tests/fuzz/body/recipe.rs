//! Checks the properties of any text that is read as a recipe. The fuzz target and a property test
//! of the default tier share it: it is a module of the library in those builds only.

use serde_json::Value;

use crate::report::recipe as words;
use crate::spec::SpecFile;
use crate::spec::recipe::diff::between;
use crate::spec::recipe::pins::pins;
use crate::spec::recipe::{Deployment, Dialect, ReadOptions, ReadRecipe, RenderMethod};
use crate::spec::recipe::{docker, pin, read_as};
use crate::target::docker::line::{Additions, of_command, of_line};

/// The longest command that is rendered, bytes.
const COMMAND_BYTES_MAX: usize = 1 << 20;

/// Reads, renders, shows and compares with itself, under a few options: never a
/// panic, always an end, and no more than the bounds that the docs promise. The text is its
/// own include too, so that circles are tried.
pub fn recipe(text: &str) {
    let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text: text.to_owned() };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let beside =
        |name: &str| Ok(Some(if name.len().is_multiple_of(2) { text } else { rest }.to_owned()));
    for options in options(first) {
        let Ok(reading) = read_as(&source, &options, &beside) else { continue };
        let command = reading.recipe.command.as_deref().unwrap_or_default();
        assert!(command.len() <= COMMAND_BYTES_MAX, "{} bytes", command.len());
        let same = between(&reading, &reading);
        assert!(same.serving.is_empty() && same.address.is_empty(), "differs from itself");
        let again = read_as(&source, &options, &beside);
        assert!(again.is_ok_and(|again| again == reading), "differs when it is read again");
        check_shown(&reading);
        check_arguments(&reading);
        if options == ReadOptions::default() {
            check_pinned(&source, &reading);
        }
    }
}

/// Returns the options: none, a value that is set, the other tool's rules, and a place to run at.
fn options(value: &str) -> [ReadOptions; 4] {
    let set = vec![("a.b".to_owned(), value.chars().take(200).collect())];
    let place = [("nodes", "2"), ("platform", "dgx-spark"), ("memory_gb", "128")];
    let place = place.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    let none = ReadOptions::default;
    [
        none(),
        ReadOptions { set, ..none() },
        ReadOptions { dialect: Dialect::Eugr, ..none() },
        ReadOptions { deployment: Some(Deployment::from(place)), ..none() },
    ]
}

/// Checks that nothing that is shown of a recipe controls a terminal.
fn check_shown(reading: &ReadRecipe) {
    let pins = pins(reading);
    for text in [words::show(reading), words::check(reading, &pins)] {
        assert!(!text.text().contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
    let json = words::check_json(reading, &pins);
    assert!(serde_json::from_str::<Value>(json.text()).is_ok(), "{json:?}");
}

/// Checks the arguments of the container engine: the recipe's image and command are among them, word
/// for word.
fn check_arguments(reading: &ReadRecipe) {
    let additions = Additions { home: "/home/u".to_owned(), ..Additions::default() };
    let recipe = &reading.recipe;
    if reading.how == RenderMethod::AsItStands {
        let line = docker::line(&recipe.source.text).unwrap_or_default();
        if let Ok(run) = of_line(&line.image, &line, &additions) {
            assert!(run.words.contains(&line.image), "{:?}", run.words);
        }
    } else if let (Some(image), Some(command)) = (&recipe.container, &recipe.command) {
        let run = of_command(image, &recipe.env, command, &additions);
        let end = [image, "-c", command].map(str::to_owned);
        assert!(run.words.ends_with(&end), "{:?}", run.words);
        let is_set =
            |(name, value): &(String, String)| run.words.contains(&format!("{name}={value}"));
        assert!(recipe.env.iter().all(is_set), "{:?}", run.words);
    }
}

/// Checks that a recipe with its image by digest is the same text but for that.
fn check_pinned(source: &SpecFile, reading: &ReadRecipe) {
    let Some(image) = reading.recipe.container.as_deref().filter(|image| !image.is_empty()) else {
        return;
    };
    let name = pin::by_digest(image, "sha256:D");
    if let Ok(pinned) = pin::written(source, reading, image, &name, &|_| Ok(None)) {
        assert_eq!(pinned.len() + image.len(), source.text.len() + name.len());
        assert!(pinned.contains(&name), "{pinned}");
    }
}
