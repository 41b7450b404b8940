//! Reads the list of models in the shapes that servers give it, and chooses from it.

use serde_json::Value;

use super::{Gathered, Model};
use crate::error::Mistake;
use crate::protocol::models;

/// Keys of a model's context length.
const LENGTHS: [&str; 3] = ["max_model_len", "context_length", "max_context_length"];
/// Number of names that a hint lists.
const NAMES_MAX: usize = 5;

/// Returns the models of a page.
///
/// # Errors
/// In words: why there is none.
pub(super) fn models(page: &Gathered) -> Result<Vec<Model>, String> {
    let Ok(page) = serde_json::from_slice::<Value>(&page.body) else {
        return Err("/v1/models is not JSON".to_owned());
    };
    let entries = models::entries(&page).unwrap_or_default();
    let models: Vec<Model> = entries.iter().filter_map(model).collect();
    if models.is_empty() { Err("/v1/models lists no model".to_owned()) } else { Ok(models) }
}

fn model(entry: &Value) -> Option<Model> {
    let text = |key: &str| entry[key].as_str().map(str::to_owned);
    Some(Model {
        id: models::name(entry)?.to_owned(),
        root: text("root"),
        max_model_len: LENGTHS
            .iter()
            .find_map(|key| entry[*key].as_u64())
            .or_else(|| entry["meta"]["n_ctx"].as_u64()),
    })
}

/// Model to use.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chosen {
    pub model: Model,
    /// Whether the server lists it.
    pub listed: bool,
}

/// Returns the model to use: the user's choice, listed or not, else the recipe's, else the only
/// one.
pub(super) fn choose(
    models: &[Model],
    wanted: Option<&str>,
    served: &[String],
) -> Result<Chosen, Mistake> {
    let find = |id: &str| models.iter().find(|model| model.id == id).cloned();
    let listed = |model| Chosen { model, listed: true };
    if let Some(wanted) = wanted {
        // Aliases are served and not listed; the first request decides.
        let unlisted = || Model { id: wanted.to_owned(), root: None, max_model_len: None };
        return Ok(find(wanted).map_or_else(|| Chosen { model: unlisted(), listed: false }, listed));
    }
    if let Some(first) = served.first() {
        return served.iter().find_map(|id| find(id)).map(listed).ok_or_else(|| {
            Mistake::new(format!("the server does not list the recipe's model `{first}`"))
                .at(format!("it lists: {}", names(models, first)))
                .hint("the recipe that this server runs, or --model NAME to drive another")
        });
    }
    match models {
        [only] => Ok(listed(only.clone())),
        _ => Err(Mistake::new(format!("the server lists {} models", models.len()))
            .hint(format!("--model with one of: {}", names(models, "")))),
    }
}

/// Returns the mistake of a model that the server neither lists nor answers.
pub(super) fn unknown(model: &str, models: &[Model], words: &str) -> Mistake {
    let mistake = Mistake::new(format!(
        "the server does not list the model `{model}`, and refuses it: {words}"
    ));
    if models.is_empty() {
        return mistake.hint("--model with a name that the server knows");
    }
    mistake.hint(format!("--model with one of: {}", names(models, model)))
}

/// Lists a few names of models, the nearest to `wanted` first.
fn names(models: &[Model], wanted: &str) -> String {
    let wanted = wanted.to_lowercase();
    let mut ids: Vec<&str> = models.iter().map(|model| model.id.as_str()).collect();
    if !wanted.is_empty() {
        ids.sort_by_cached_key(|id| {
            let id = id.to_lowercase();
            let contains = id.contains(&wanted) || wanted.contains(&id);
            (!contains, strsim::damerau_levenshtein(&wanted, &id))
        });
    }
    let shown = ids.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::At;

    fn model(id: &str) -> Model {
        Model { id: id.to_owned(), root: None, max_model_len: None }
    }

    fn read(page: &str) -> Result<Vec<String>, String> {
        let body = page.as_bytes().to_vec();
        let page = Gathered {
            status: 200,
            body,
            sent: At::ZERO,
            first: None,
            retry_after: None,
            redirect: None,
        };
        models(&page).map(|models| models.into_iter().map(|model| model.id).collect())
    }

    #[test]
    fn every_shape_of_a_list_is_read() {
        for page in [
            r#"{"object":"list","data":[{"id":"m"}]}"#,
            r#"[{"id":"m"}]"#,
            r#"["m"]"#,
            r#"{"models":[{"name":"m","model":"m"}]}"#,
            r#"{"data":null,"models":["m"]}"#,
            r#"{"result":[{"model_name":"m"}]}"#,
        ] {
            assert_eq!(read(page), Ok(vec!["m".to_owned()]), "{page}");
        }
    }

    #[test]
    fn a_list_without_a_model_says_so() {
        for page in [r#"{"data":[]}"#, r#"{"data":null}"#, "[]", "null", r#"{"data":[{"x":1}]}"#] {
            assert_eq!(read(page).unwrap_err(), "/v1/models lists no model", "{page}");
        }
        assert_eq!(read("<html></html>").unwrap_err(), "/v1/models is not JSON");
    }

    #[test]
    fn the_only_model_is_taken_and_several_must_be_chosen_from() {
        let taken = |id: &str| Ok(Chosen { model: model(id), listed: true });
        assert_eq!(choose(&[model("a")], None, &[]), taken("a"));
        let mistake = choose(&[model("a"), model("b")], None, &[]).unwrap_err().to_string();
        assert!(mistake.contains("--model with one of: a, b"), "{mistake}");
        assert_eq!(choose(&[model("a"), model("b")], Some("b"), &[]), taken("b"));
    }

    #[test]
    fn a_model_that_is_not_listed_is_tried() {
        let chosen = choose(&[model("a")], Some("alias"), &[]);
        assert_eq!(chosen, Ok(Chosen { model: model("alias"), listed: false }));
    }

    #[test]
    fn a_hint_names_a_few_models_and_the_nearest_first() {
        let mut models: Vec<Model> = (0..200).map(|n| model(&format!("model-{n}"))).collect();
        models.push(model("qwen3:latest"));
        let told = unknown("qwen3", &models, "404 no such model").to_string();
        assert_eq!(
            told,
            "error: the server does not list the model `qwen3`, and refuses it: 404 no such model\n  try: --model with one of: qwen3:latest, model-3, model-0, model-1, model-2 and 196 more"
        );
    }

    #[test]
    fn a_recipe_whose_model_is_not_listed_is_a_mistake() {
        let served = ["Cogni-Brain".to_owned()];
        let mistake = choose(&[model("m")], None, &served).unwrap_err().to_string();
        assert!(mistake.contains("`Cogni-Brain`") && mistake.contains("it lists: m"), "{mistake}");
        assert!(choose(&[model("m")], Some("m"), &served).is_ok_and(|chosen| chosen.listed));
    }
}
