//! Reads the list of models in the shapes that servers give it, and chooses from it.

use serde_json::Value;

use super::{Gathered, Model};
use crate::error::Mistake;
use crate::protocol::{json, models, shape};

/// Keys of a model's context length.
const LENGTHS: [&str; 3] = ["max_model_len", "context_length", "max_context_length"];
/// Number of names that a hint lists.
const NAMES_MAX: usize = 5;

/// Returns the models of a page.
///
/// # Errors
/// In words: why there is none.
pub(super) fn models(page: &Gathered) -> Result<Vec<Model>, String> {
    let Some(page) = json::page(&page.body) else {
        let words = match shape::compression(&page.body) {
            Some(form) => format!("/v1/models is {form}, which was not requested"),
            None => "/v1/models is not JSON".to_owned(),
        };
        return Err(words);
    };
    let entries = models::entries(&page).unwrap_or_default();
    let models = of(entries);
    if !models.is_empty() {
        return Ok(models);
    }
    if entries.is_empty() {
        return Err("/v1/models lists no model".to_owned());
    }
    let what = "lists no model with a name of at most";
    Err(format!("/v1/models {what} {} bytes", models::NAME_BYTES_MAX))
}

/// Returns the models of a body, possibly none; `None` where it is no list.
pub(crate) fn listed(body: &[u8]) -> Option<Vec<Model>> {
    models::entries(&json::page(body)?).map(of)
}

fn of(entries: &[Value]) -> Vec<Model> {
    let mut models: Vec<Model> = Vec::new();
    for model in entries.iter().filter_map(model) {
        // A router lists a model once for each of its backends.
        if models.iter().all(|listed| listed.id != model.id) {
            models.push(model);
        }
    }
    models
}

fn model(entry: &Value) -> Option<Model> {
    let text = |key: &str| {
        let text = entry[key].as_str().filter(|text| text.len() <= models::NAME_BYTES_MAX);
        text.map(str::to_owned)
    };
    Some(Model {
        id: models::name(entry)?.to_owned(),
        root: text("root"),
        parent: text("parent"),
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
    /// Why it was taken from several, in words.
    pub note: Option<String>,
}

/// Returns the model to use: the user's choice, listed or not, else the recipe's, else the only
/// one that can be meant.
pub(super) fn choose(
    models: &[Model],
    wanted: Option<&str>,
    served: &[String],
) -> Result<Chosen, Mistake> {
    let find = |id: &str| models.iter().find(|model| model.id == id).cloned();
    let listed = |model| Chosen { model, listed: true, note: None };
    if let Some(wanted) = wanted {
        // Aliases are served and not listed; the first request decides.
        let unlisted =
            || Model { id: wanted.to_owned(), root: None, parent: None, max_model_len: None };
        return Ok(
            find(wanted).map_or_else(|| Chosen { listed: false, ..listed(unlisted()) }, listed)
        );
    }
    if let Some(first) = served.first() {
        return served.iter().find_map(|id| find(id)).map(listed).ok_or_else(|| {
            Mistake::new(format!("the server does not list the recipe's model `{first}`"))
                .at(format!("it lists: {}", names(models, first)))
                .hint("the recipe that this server runs, or --model NAME to drive another")
        });
    }
    if let [only] = models {
        return Ok(listed(only.clone()));
    }
    let taken = of_one_root(models).map(|model| (model, "all are names of one model"));
    let taken = taken.or_else(|| {
        only_generating(models).map(|model| (model, "the others are for embeddings by their names"))
    });
    let n = models.len();
    match taken {
        Some((model, why)) => {
            let note = Some(format!("the server lists {n}, `{}` is taken: {why}", model.id));
            Ok(Chosen { note, ..listed(model.clone()) })
        }
        None => Err(Mistake::new(format!("the server lists {n} models"))
            .hint(format!("--model with one of: {}", names(models, "")))),
    }
}

/// Returns the first model, where all have the same root: vLLM lists each served name.
fn of_one_root(models: &[Model]) -> Option<&Model> {
    let first = models.first().filter(|model| model.root.is_some())?;
    models.iter().all(|model| model.root == first.root).then_some(first)
}

/// Returns the only model whose name does not say that it makes embeddings.
fn only_generating(models: &[Model]) -> Option<&Model> {
    let mut others = models.iter().filter(|model| !model.id.to_lowercase().contains("embed"));
    others.next().filter(|_| others.next().is_none())
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
    use insta::assert_snapshot;

    use super::*;
    use crate::unit::At;

    fn model(id: &str) -> Model {
        Model { id: id.to_owned(), root: None, parent: None, max_model_len: None }
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
        for page in [r#"{"data":[]}"#, r#"{"data":null}"#, "[]", "null"] {
            assert_eq!(read(page).unwrap_err(), "/v1/models lists no model", "{page}");
        }
        for page in [r#"{"data":[{"x":1}]}"#, &format!(r#"[{{"id":"{}"}}]"#, "m".repeat(2 << 20))] {
            let words = "/v1/models lists no model with a name of at most 1000 bytes";
            assert_eq!(read(page).unwrap_err(), words, "{}", &page[..9]);
        }
        assert_eq!(read("<html></html>").unwrap_err(), "/v1/models is not JSON");
        let packed = "/v1/models is zlib, which was not requested";
        assert_eq!(read("x\u{1}…").unwrap_err(), packed);
    }

    #[test]
    fn the_only_model_is_taken_and_several_must_be_chosen_from() {
        let taken = |id: &str| Ok(Chosen { model: model(id), listed: true, note: None });
        assert_eq!(choose(&[model("a")], None, &[]), taken("a"));
        let mistake = choose(&[model("a"), model("b")], None, &[]).unwrap_err();
        assert_snapshot!(mistake, @"
            error: the server lists 2 models
              try: --model with one of: a, b
        ");
        assert_eq!(choose(&[model("a"), model("b")], Some("b"), &[]), taken("b"));
    }

    #[test]
    fn a_model_that_is_not_listed_is_tried() {
        let chosen = choose(&[model("a")], Some("alias"), &[]);
        assert_eq!(chosen, Ok(Chosen { model: model("alias"), listed: false, note: None }));
    }

    #[test]
    fn several_names_of_one_model_are_one_model() {
        let twice = r#"{"data":[{"id":"m"},{"id":"m"}]}"#;
        assert_eq!(read(twice), Ok(vec!["m".to_owned()]));
        let named = |id: &str, root: &str| Model { root: Some(root.to_owned()), ..model(id) };
        let chosen = choose(&[named("a", "/x"), named("b", "/x")], None, &[]).unwrap();
        assert_eq!(chosen.model.id, "a");
        let note = "the server lists 2, `a` is taken: all are names of one model";
        assert_eq!(chosen.note.as_deref(), Some(note));
        let adapter = choose(&[named("a", "/x"), named("lora", "/y")], None, &[]);
        assert!(adapter.is_err(), "an adapter is another model");
    }

    #[test]
    fn a_model_for_embeddings_is_not_meant() {
        let models = [model("text-Embedding-nomic"), model("qwen3-8b")];
        let chosen = choose(&models, None, &[]).unwrap();
        assert_eq!(chosen.model.id, "qwen3-8b");
        assert_snapshot!(chosen.note.unwrap(), @"the server lists 2, `qwen3-8b` is taken: the others are for embeddings by their names");
        assert!(choose(&[model("embed"), model("a"), model("b")], None, &[]).is_err());
        assert!(choose(&[model("embed"), model("embed-2")], None, &[]).is_err());
    }

    #[test]
    fn a_hint_names_a_few_models_and_the_nearest_first() {
        let mut models: Vec<Model> = (0..200).map(|n| model(&format!("model-{n}"))).collect();
        models.push(model("qwen3:latest"));
        assert_snapshot!(unknown("qwen3", &models, "404 no such model"), @"
            error: the server does not list the model `qwen3`, and refuses it: 404 no such model
              try: --model with one of: qwen3:latest, model-3, model-0, model-1, model-2 and 196 more
        ");
    }

    #[test]
    fn a_recipe_whose_model_is_not_listed_is_a_mistake() {
        let served = ["Cogni-Brain".to_owned()];
        let mistake = choose(&[model("m")], None, &served).unwrap_err();
        assert_snapshot!(mistake, @"
            error: the server does not list the recipe's model `Cogni-Brain`
               at: it lists: m
              try: the recipe that this server runs, or --model NAME to drive another
        ");
        assert!(choose(&[model("m")], Some("m"), &served).is_ok_and(|chosen| chosen.listed));
    }
}
