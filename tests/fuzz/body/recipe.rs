//! Checks the properties of any text that is read as a recipe. The fuzz target and a property test
//! of the default tier share it: it is a module of the library in those builds only.

use crate::spec::SpecFile;
use crate::spec::recipe::diff::between;
use crate::spec::recipe::{ReadOptions, read_as};

/// The longest command that is rendered, bytes.
const COMMAND_BYTES_MAX: usize = 1 << 20;

/// Reads, renders and compares with itself, under a few options: never a
/// panic, always an end, and no more than the bounds that the docs promise. The text is its
/// own include too, so that circles are tried.
pub fn recipe(text: &str) {
    let source = SpecFile { name: "r".into(), origin: "r.yaml".into(), text: text.to_owned() };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let options = [Vec::new(), vec![("a.b".to_owned(), first.chars().take(200).collect())]];
    for set in options {
        let options = ReadOptions { set, ..ReadOptions::default() };
        let beside = |name: &str| {
            Ok(Some(if name.len().is_multiple_of(2) { text } else { rest }.to_owned()))
        };
        let Ok(reading) = read_as(&source, &options, &beside) else { continue };
        let command = reading.recipe.command.as_deref().unwrap_or_default();
        assert!(command.len() <= COMMAND_BYTES_MAX, "{} bytes", command.len());
        let same = between(&reading, &reading);
        assert!(same.serving.is_empty() && same.address.is_empty(), "differs from itself");
    }
}
