//! What was declared against what was seen: the recipe and the plan held
//! against what the server says of itself, before the load.

use super::arrive::Server;
use crate::fact::{Class, Seen};
use crate::plan::Plan;
use crate::spec::Recipe;

/// Everything that the server said, and where it differs from recipe and plan.
pub fn compare(recipe: &Recipe, plan: &Plan, server: &Server) -> Vec<Seen> {
    let mut seen = vec![plain("model", recipe.served.first().cloned(), server.model.id.clone())];
    if let Some(root) = &server.model.root {
        seen.push(plain("model_root", recipe.model.clone(), root.clone()));
    }
    if let Some(length) = server.model.max_model_len {
        let declared = recipe.whole("max_model_len");
        let differs = declared.is_some_and(|declared| declared != length);
        let note =
            if differs { "the server takes another length than the recipe says" } else { "" };
        seen.push(Seen {
            subject: "max_model_len".to_owned(),
            declared: declared.map(|declared| declared.to_string()),
            seen: length.to_string(),
            differs,
            note: note.to_owned(),
        });
    }
    if let Some(version) = &server.version {
        seen.push(plain("version", None, version.clone()));
    }
    seen.push(plain("abilities", None, abilities(server)));
    seen.extend(concurrency(recipe, plan));
    seen.extend(prefix(recipe, plan, server));
    for note in plan.notes.iter().chain(&server.notes) {
        seen.push(Seen {
            subject: "plan".to_owned(),
            declared: None,
            seen: String::new(),
            differs: true,
            note: note.clone(),
        });
    }
    seen
}

fn plain(subject: &str, declared: Option<String>, seen: String) -> Seen {
    Seen { subject: subject.to_owned(), declared, seen, differs: false, note: String::new() }
}

/// The abilities that are there, as one list of names.
fn abilities(server: &Server) -> String {
    let page = serde_json::to_value(server.abilities).unwrap_or_default();
    let names: Vec<&str> = page
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, able)| able.as_bool() == Some(true))
        .map(|(name, _)| name.as_str())
        .collect();
    names.join(" ")
}

/// More streams than the server runs at once: the rest of them wait, and their TTFT is a queue's.
fn concurrency(recipe: &Recipe, plan: &Plan) -> Option<Seen> {
    let slots = recipe.whole("max_num_seqs")?;
    let streams = u64::from(plan.streams());
    (streams > slots).then(|| Seen {
        subject: "concurrency".to_owned(),
        declared: Some(format!("max_num_seqs {slots}")),
        seen: streams.to_string(),
        differs: true,
        note: format!(
            "{streams} streams on {slots} slots: beyond {slots}, TTFT is time in a queue"
        ),
    })
}

/// Cells that count on a cached prefix, on a server whose recipe has none.
fn prefix(recipe: &Recipe, plan: &Plan, server: &Server) -> Option<Seen> {
    let warm = plan.lap().iter().any(|round| round.class == Class::Warm);
    let enabled = recipe.switch("enable_prefix_caching");
    if !warm || enabled == Some(true) {
        return None;
    }
    let note = match (enabled, server.abilities.cached_tokens) {
        (Some(_), _) => {
            "warm cells, but the recipe has prefix caching off: they will be prefilled anew"
        }
        (None, false) => {
            "warm cells, but the server does not say what was cached: warmth is not verified"
        }
        (None, true) => return None,
    };
    Some(Seen {
        subject: "prefix_caching".to_owned(),
        declared: enabled.map(|enabled| enabled.to_string()),
        seen: "warm cells planned".to_owned(),
        differs: true,
        note: note.to_owned(),
    })
}
