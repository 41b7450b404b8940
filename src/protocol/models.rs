//! Reads lists of models in the shapes that servers give them.

use serde_json::Value;

/// Keys under which servers list their models, the usual one first.
const LISTS: [&str; 4] = ["data", "models", "result", "items"];
/// Keys of a model's name, the usual one first.
const NAMES: [&str; 4] = ["id", "name", "model", "model_name"];

/// Largest number of models that are read of a list.
const MODELS_MAX: usize = 2_000;
/// Longest name of a model, of its weights or of a version that is used, bytes. A longer one is left
/// out and not cut: a part of a name names something else, and a part of a secret is not recognised.
pub(crate) const NAME_BYTES_MAX: usize = 1_000;

/// Returns the first entries of a list of models: none where the list is null, and `None` where the page
/// is not a list.
pub(crate) fn entries(page: &Value) -> Option<&[Value]> {
    let lists = || LISTS.iter().filter_map(|key| page.get(key));
    let list = lists().chain([page]).find_map(Value::as_array);
    let is_null = || lists().any(Value::is_null);
    list.map(|list| &list[..list.len().min(MODELS_MAX)]).or_else(|| is_null().then_some(&[]))
}

/// Returns the name of an entry, where it has one that is used.
pub(crate) fn name(entry: &Value) -> Option<&str> {
    let name = entry.as_str().or_else(|| NAMES.iter().find_map(|key| entry[*key].as_str()));
    name.filter(|name| name.len() <= NAME_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_list_is_read_in_part_and_a_long_name_is_none() {
        let page = json!({"data": vec![json!({"id": "m"}); 2 * MODELS_MAX]});
        assert_eq!(entries(&page).unwrap().len(), MODELS_MAX);
        assert_eq!(name(&json!({"id": "m".repeat(NAME_BYTES_MAX)})).unwrap().len(), NAME_BYTES_MAX);
        assert_eq!(name(&json!({"id": "m".repeat(NAME_BYTES_MAX + 1)})), None);
    }
}
