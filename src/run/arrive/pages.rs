//! Reads the pages of a server besides its API: version, health, metrics, and the
//! forms in which `/tokenize` counts.

use serde_json::{Value, json};

use super::asker::Asker;
use super::{Gathered, HEALTHY, NotGathered, QUESTION, gather};
use crate::fact::{Abilities, Statement};
use crate::protocol::json::{entries as page_entries, page as json_page};
use crate::protocol::models::NAME_BYTES_MAX;
use crate::protocol::probe::{self, HEALTH, METRICS};
use crate::run::side_by_side::side_by_side;
use crate::unit::grouped;
use crate::world::{Call, Wire};

/// Subject of notes on `/tokenize`.
const TOKENIZE: &str = "tokenize";

/// Pages as first read.
pub(super) struct Pages {
    /// Server version, where it is reported.
    pub version: Option<String>,
    /// Metrics page, where there is one.
    pub metrics: Option<String>,
    /// Notes on pages that failed.
    pub notes: Vec<Statement>,
    health: bool,
    /// Whether `/tokenize` counts a text, messages, and a text in llama.cpp's form.
    tokenize: [bool; 3],
}

impl Pages {
    /// Adds the abilities that the pages show.
    pub(super) fn add_to(&self, abilities: Abilities) -> Abilities {
        let [tokenize, tokenize_messages, content] = self.tokenize;
        Abilities {
            version: self.version.is_some(),
            metrics: self.metrics.is_some(),
            health: self.health,
            tokenize,
            tokenize_messages,
            tokenize_content: content,
            ..abilities
        }
    }
}

/// Reads the pages.
pub(super) async fn read<W: Wire>(ask: &Asker<'_, W>) -> Pages {
    let text = "Hello there";
    let message = json!([{"role": "user", "content": text}]);
    let forms = [
        json!({"model": ask.model, "prompt": text, "add_special_tokens": false}),
        json!({"model": ask.model, "messages": message}),
    ];
    let tokenize = |form: Value| Call::post("/tokenize", form.to_string());
    let calls = ["/version", METRICS, HEALTH].into_iter().map(Call::get);
    let calls = calls.chain(forms.map(tokenize));
    let names = ["version", "metrics", "health", TOKENIZE, TOKENIZE];
    let get = async |call: Call| {
        if call.path == HEALTH {
            return gather(ask.wire, ask.timeline, call, HEALTHY).await;
        }
        let once = async || gather(ask.wire, ask.timeline, call.clone(), QUESTION).await;
        ask.patience.ask(once).await
    };
    let answers = side_by_side(names.len(), calls.map(get)).await;
    let mut notes: Vec<Statement> = Vec::new();
    for (name, answer) in names.iter().zip(&answers) {
        let failed = note(name, answer).filter(|note| !notes.contains(note));
        notes.extend(failed);
    }
    let found = |answer: Result<Gathered, NotGathered>| answer.ok().filter(|it| it.status == 200);
    let mut pages = answers.into_iter().map(found);
    let mut next = || pages.next().flatten();
    let own = |path, page: &Gathered| probe::is_up(path, page.status, &page.body);
    let said = next();
    let metrics = next().filter(|page| own(METRICS, page));
    let health = next().filter(|page| own(HEALTH, page));
    let (of_text, of_messages) = (counts(next()), counts(next()));
    // A form that a server does not know may break it: this one is asked for only where it helps.
    let of_content = !of_text && lists(found(get(tokenize(json!({"content": text}))).await));
    if of_text || of_messages || of_content {
        notes.retain(|note| note.subject != TOKENIZE);
    }
    notes.extend(said.as_ref().and_then(too_long));
    Pages {
        version: said.as_ref().and_then(version),
        metrics: metrics.as_ref().map(self::text),
        health: health.is_some(),
        tokenize: [of_text, of_messages, of_content],
        notes,
    }
}

/// Notes a page that failed; one that the server does not have is no news.
fn note(name: &str, answer: &Result<Gathered, NotGathered>) -> Option<Statement> {
    let words = match answer {
        Ok(page) if page.may_pass() => page.status_words(),
        Ok(_) => return None,
        Err(not) => not.words.clone(),
    };
    Some(Statement::note(name, format!("not used: the server did not give it: {words}")))
}

fn counts(page: Option<Gathered>) -> bool {
    page.is_some_and(|page| json_of(&page)["count"].as_u64().is_some_and(|count| count > 0))
}

fn lists(page: Option<Gathered>) -> bool {
    page.is_some_and(|page| page_entries(&page.body, "tokens").is_some_and(|n| n > 0))
}

fn json_of(page: &Gathered) -> Value {
    json_page(&page.body).unwrap_or(Value::Null)
}

/// Returns the version that a page reports, unless it is too long for one.
pub(super) fn version(page: &Gathered) -> Option<String> {
    let version = json_of(page)["version"].as_str().map(str::to_owned);
    version.filter(|version| version.len() <= NAME_BYTES_MAX)
}

/// Notes a version that is too long for one.
fn too_long(page: &Gathered) -> Option<Statement> {
    let bytes = json_of(page)["version"].as_str().map_or(0, str::len);
    let words = format!("not used: it has {} bytes", grouped(bytes as f64));
    (bytes > NAME_BYTES_MAX).then(|| Statement::note("version", words))
}

/// Returns a page as text.
pub(super) fn text(page: &Gathered) -> String {
    String::from_utf8_lossy(&page.body).into_owned()
}
