//! Builds recipes without a file: from the responses of a server that already runs.

use super::{ReadRecipe, Recipe, RenderMethod, SpecFile};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::spec::node::quoted;

/// Maximum length of a model's name in a run folder's name, characters.
const NAME_CHARS_MAX: usize = 48;

/// Builds a recipe from what a server reports: model, and if present length and version.
pub(crate) fn attach(model: &str, max_model_len: Option<u64>, version: Option<&str>) -> Recipe {
    let name = one_line(model, 120).split_whitespace().collect::<Vec<_>>().join(" ");
    let about = format!("A server that already ran and calls its model {name}.");
    let version_line = |it: &str| format!("runtime_version: {}\n", quoted(it));
    let length_line = |it: u64| format!("defaults:\n  max_model_len: {it}\n");
    let text = format!(
        "# What an attached server said of itself; nothing else is known.\n\
         recipe_version: \"2\"\ndescription: {}\nmodel: {}\nruntime: unknown\n{}{}",
        quoted(&about),
        quoted(model),
        version.map(version_line).unwrap_or_default(),
        max_model_len.map(length_line).unwrap_or_default()
    );
    let tokens = max_model_len.map(|tokens| ("max_model_len".to_owned(), tokens.to_string()));
    Recipe {
        about,
        model: Some(model.to_owned()),
        served: vec![model.to_owned()],
        runtime_version: version.map(str::to_owned),
        settings: tokens.into_iter().collect(),
        runtime: "unknown".to_owned(),
        source: SpecFile { name: file_name(model), origin: "attached server".to_owned(), text },
        ..Recipe::default()
    }
}

pub(crate) fn unread(source: SpecFile, why: &Mistake) -> ReadRecipe {
    let port = |line: &str| line.trim().strip_prefix("port:")?.trim().parse::<u16>().ok();
    let port = source.text.lines().find_map(port);
    let settings = port.map(|port| ("port".to_owned(), port.to_string())).into_iter().collect();
    let place = why.place().unwrap_or(&source.origin);
    let warning = format!(
        "{place}: {}; the recipe is handed on unread: nothing that it declares is known or compared",
        why.what()
    );
    let about = format!("{}, unread.", source.name);
    let (runtime, warnings) = ("unknown".to_owned(), vec![warning]);
    let recipe = Recipe { source, about, runtime, settings, warnings, ..Recipe::default() };
    ReadRecipe { recipe, how: RenderMethod::Unread, ..ReadRecipe::default() }
}

fn file_name(model: &str) -> String {
    let last = model.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last
        .chars()
        .take(NAME_CHARS_MAX)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
        .collect();
    let name = name.trim_matches(['.', '-']);
    if name.is_empty() { "server".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::recipe::read;

    #[test]
    fn an_attach_recipe_is_read_back_as_itself() {
        let recipe = attach("org/Model-7B", Some(32768), Some("0.20.0"));
        assert_eq!(read(recipe.source.clone()).expect("readable"), recipe);
        assert_eq!(recipe.source.name, "Model-7B");
        assert_eq!(recipe.whole("max_model_len"), Some(32768));
        let bare = attach("m", None, None);
        insta::assert_snapshot!(bare.source.text, @r#"
            # What an attached server said of itself; nothing else is known.
            recipe_version: "2"
            description: "A server that already ran and calls its model m."
            model: "m"
            runtime: unknown
        "#);
    }

    #[test]
    fn a_hostile_name_stays_a_text_and_makes_a_safe_file_name() {
        for (model, name) in [
            ("../../etc/passwd\n", "passwd"),
            ("..", "server"),
            ("\"a: [\u{7f}é\u{85}\\", "server"),
            ("a b:c*d", "a-b-c-d"),
            ("models\\x.gguf", "x.gguf"),
        ] {
            let recipe = attach(model, None, Some("1\n2"));
            assert_eq!(recipe.source.name, name, "{model:?}");
            let again = read(recipe.source.clone()).expect("readable");
            assert_eq!(again.model.as_deref(), Some(model));
        }
    }
}
