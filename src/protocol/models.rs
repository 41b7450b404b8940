//! Reads lists of models in the shapes that servers give them.

use serde_json::Value;

/// Keys under which servers list their models, the usual one first.
const LISTS: [&str; 4] = ["data", "models", "result", "items"];
/// Keys of a model's name, the usual one first.
const NAMES: [&str; 4] = ["id", "name", "model", "model_name"];

/// Returns the entries of a list of models: none where the list is null, and `None` where the page
/// is not a list.
pub(crate) fn entries(page: &Value) -> Option<&[Value]> {
    let lists = || LISTS.iter().filter_map(|key| page.get(key));
    let list = lists().chain([page]).find_map(Value::as_array);
    let is_null = || lists().any(Value::is_null);
    list.map(Vec::as_slice).or_else(|| is_null().then_some(&[]))
}

/// Returns the name of an entry.
pub(crate) fn name(entry: &Value) -> Option<&str> {
    entry.as_str().or_else(|| NAMES.iter().find_map(|key| entry[*key].as_str()))
}
