//! The model's weights: which revision of its repository, and whether the
//! command asks the engine for it.

use super::image::Image;
use super::{Finding, Grade, Seen};
use crate::engine::Engine;
use crate::spec::field::shown;
use crate::spec::node::python::{Python, json};

/// Settings that name a repository beside the model's, and the ones that say its revision.
const BESIDE: [(&str, Option<&str>); 2] =
    [("tokenizer", Some("tokenizer_revision")), ("hf_config_path", None)];

/// Settings that name adapters, as `name=repository` or JSON.
const ADAPTERS: [&str; 2] = ["lora_modules", "lora_paths"];

/// What is found of the model.
pub fn finding(seen: &Seen<'_>) -> Finding {
    let what = "model";
    let place = seen.reading.places.key(what).or_else(|| seen.place(what));
    let Some(model) = seen.reading.recipe.model.as_deref() else {
        return Finding::new(what, Grade::Unknown, "no model is named");
    };
    if is_path(model) {
        let why = format!("{} is a path: only that machine knows what lies there", shown(model));
        return Finding::new(what, Grade::Local, why)
            .at(place)
            .hint("the repository, and its revision");
    }
    let inline = model.rsplit_once('@').map(|(_, revision)| revision);
    let passed = inline.or_else(|| seen.setting("revision"));
    let declared = seen.key("model_revision");
    let place =
        seen.reading.places.key("model_revision").or_else(|| seen.place("revision")).or(place);
    let (grade, why) = match (passed, declared) {
        (Some(revision), _) => graded(revision),
        (None, Some(revision)) if graded(revision).0 != Grade::Pinned || !seen.has_command() => {
            graded(revision)
        }
        (None, Some(_)) => {
            let why = "model_revision is fetched, but the command does not ask the engine for it";
            return Finding::new(what, Grade::Varies, why)
                .at(place)
                .hint("--revision {model_revision} in the command");
        }
        (None, None) => (Grade::Floating, unpinned(seen).to_owned()),
    };
    let finding = Finding::new(what, grade, why).at(place);
    if grade == Grade::Pinned { finding } else { finding.hint(how(seen.engine)) }
}

fn unpinned(seen: &Seen<'_>) -> &'static str {
    let is_offline = |(name, value): &(String, String)| name == "HF_HUB_OFFLINE" && value == "1";
    if seen.reading.recipe.env.iter().any(is_offline) {
        "no revision, and offline: whatever the machine's cache holds"
    } else {
        "no revision: whatever its repository holds that day"
    }
}

fn how(engine: Engine) -> &'static str {
    match engine {
        Engine::LlamaCpp => {
            "no flag pins it: note the file's sha256 under metadata, and serve that file"
        }
        _ => "model_revision: COMMIT, and --revision {model_revision} in the command",
    }
}

/// A commit is one; a tag with a version is by custom; a branch is not.
fn graded(revision: &str) -> (Grade, String) {
    let is_hex = revision.chars().all(|c| c.is_ascii_hexdigit());
    if is_hex && (7..=64).contains(&revision.len()) {
        return (Grade::Pinned, format!("by commit {}", &revision[..12.min(revision.len())]));
    }
    let as_image = format!("a/b:{revision}");
    match Image::of(&as_image).grade().0 {
        Grade::Dated => (Grade::Dated, format!("by tag {}", shown(revision))),
        _ => (Grade::Floating, format!("{} is a branch, and moves", shown(revision))),
    }
}

fn is_path(model: &str) -> bool {
    model.starts_with(['/', '.', '~', '$'])
}

/// What else is fetched by a model's name: a second model that drafts, a tokenizer, a config and
/// adapters of other repositories, and code.
pub fn others(seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some((setting, model, revision)) = drafter(seen) {
        let (grade, why) = match (revision, is_path(&model)) {
            (Some(revision), _) => graded(&revision),
            (None, true) => (Grade::Local, format!("{} is a path of one machine", shown(&model))),
            (None, false) => (Grade::Floating, format!("{} drafts, at no revision", shown(&model))),
        };
        let finding = Finding::new("draft model", grade, why).at(seen.place(setting));
        let hint = match seen.engine {
            Engine::Sglang => "--speculative-draft-model-revision COMMIT",
            Engine::LlamaCpp => "serve a file, and note its sha256 under metadata",
            _ => "\"revision\": \"COMMIT\" in the speculative config",
        };
        found.push(if grade == Grade::Pinned { finding } else { finding.hint(hint) });
    }
    found.extend(beside(seen));
    found.extend(adapters(seen));
    if seen.is_on("trust_remote_code") && finding(seen).grade != Grade::Pinned {
        let why = "runs Python of the model's repository, and no revision says which";
        let place = seen.place("trust_remote_code");
        found.push(
            Finding::new("trust_remote_code", Grade::Floating, why)
                .at(place)
                .hint("pin the model's revision, or leave the flag out"),
        );
    }
    found
}

/// A tokenizer or a config of another repository.
fn beside(seen: &Seen<'_>) -> Vec<Finding> {
    let model = seen.reading.recipe.model.as_deref();
    let mut found = Vec::new();
    for (setting, revision) in BESIDE {
        let Some(name) = seen.setting(setting).filter(|name| Some(*name) != model) else {
            continue;
        };
        let (grade, why) = fetched(name, revision.and_then(|by| seen.setting(by)));
        let finding = Finding::new(setting, grade, why).at(seen.place(setting));
        let hint = match (seen.engine, revision) {
            (Engine::Vllm, Some(_)) => "--tokenizer-revision COMMIT",
            _ => "the model's own, at the model's revision",
        };
        found.push(if grade == Grade::Pinned { finding } else { finding.hint(hint) });
    }
    found
}

/// Adapters; no engine asks for a revision of theirs.
fn adapters(seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for setting in ADAPTERS {
        let value = seen.setting(setting).unwrap_or_default();
        let path = json::loads(value).and_then(|json| json.get("path").map(Python::str));
        let paths = match path {
            Some(path) => vec![path],
            None => value.split_whitespace().map(|word| after_equals(word).to_owned()).collect(),
        };
        for path in paths {
            let (grade, why) = fetched(&path, None);
            let finding = Finding::new(setting, grade, why).at(seen.place(setting));
            found.push(finding.hint("build it into the image"));
        }
    }
    found
}

fn after_equals(word: &str) -> &str {
    word.split_once('=').map_or(word, |(_, path)| path)
}

/// A repository, or a folder, that is not the model's.
fn fetched(name: &str, revision: Option<&str>) -> (Grade, String) {
    match (revision, is_path(name)) {
        (_, true) => (Grade::Local, format!("{} is a path of one machine", shown(name))),
        (Some(revision), _) => graded(revision),
        (None, false) => (Grade::Floating, format!("{} is fetched, at no revision", shown(name))),
    }
}

/// The setting, the model and its revision.
fn drafter(seen: &Seen<'_>) -> Option<(&'static str, String, Option<String>)> {
    let vllm = "speculative_config";
    if let Some(model) = seen.field(vllm, "model") {
        return Some((vllm, model, seen.field(vllm, "revision")));
    }
    let own = |name: &str| seen.setting(name).map(str::to_owned);
    let sglang = "speculative_draft_model_path";
    if let Some(model) = own(sglang) {
        return Some((sglang, model, own("speculative_draft_model_revision")));
    }
    let llama = "draft_model";
    own(llama).map(|model| (llama, model, None))
}
