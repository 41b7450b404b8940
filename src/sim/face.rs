//! The server's face: what it says over HTTP, byte for byte, in vLLM's words.
//! Knows no socket: `serve` puts these bytes on a real one, `world` hands them
//! over in virtual time, and a client cannot tell the two apart.

mod ask;
mod page;
mod refusal;
mod voice;

use serde_json::json;

pub use ask::Ask;
pub use refusal::{Refusal, phrase};

use crate::unit::At;

use super::answer::Token;
use super::engine::Engine;
use super::job::{ENGINE_DEAD, Finish};
use voice::{VERSION, Voice};

const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=1.0.0; charset=utf-8";

/// A question as it came.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// `GET`, `POST` …
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    pub body: &'a [u8],
    /// When it came, on the engine's clock.
    pub at: At,
    /// Wall time of that clock's zero, microseconds since 1970.
    pub wall_us: u64,
}

impl Question<'_> {
    /// Seconds since 1970 when it came.
    pub fn created(&self) -> u64 {
        (self.wall_us + self.at.0) / 1_000_000
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// Its content type.
    pub kind: &'static str,
    pub body: String,
}

impl From<Refusal> for Page {
    fn from(refusal: Refusal) -> Page {
        Page { status: refusal.status, kind: JSON, body: refusal.body() }
    }
}

impl Page {
    /// The answer of a server whose engine takes no request.
    pub fn engine_dead() -> Page {
        Refusal::internal(ENGINE_DEAD).into()
    }
}

/// What a question comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// An answer at once.
    Page(Page),
    /// Work for the engine.
    Ask(Box<Ask>),
}

/// What a question comes to, at an engine as it is now.
pub fn answer(engine: &Engine, question: &Question<'_>) -> Answer {
    let chat = match (question.method, question.path) {
        ("POST", "/v1/chat/completions") => true,
        ("POST", "/v1/completions") => false,
        _ => return Answer::Page(page(engine, question).unwrap_or_else(Page::from)),
    };
    match ask::read(question.body, chat, engine.setup()) {
        Ok(ask) => Answer::Ask(Box::new(ask)),
        Err(refusal) => Answer::Page(refusal.into()),
    }
}

/// Everything that is answered at once.
fn page(engine: &Engine, question: &Question<'_>) -> Result<Page, Refusal> {
    let setup = engine.setup();
    let (kind, body) = match (question.method, question.path) {
        ("GET", "/health") | ("GET" | "POST", "/ping") => (JSON, String::new()),
        ("GET", "/version") => (JSON, json!({ "version": VERSION }).to_string()),
        ("GET", "/v1/models") => (JSON, voice::models(setup, question.created())),
        (_, "/metrics") if engine.metrics_away(question.at) => return Err(Refusal::http(404)),
        ("GET", "/metrics") => {
            let started = engine.process_started().unwrap_or_default();
            let started = (question.wall_us as f64 + started.0 as f64) / 1e6;
            (PROMETHEUS, page::metrics(setup, &engine.metrics(), started))
        }
        ("POST", "/tokenize") => {
            let tokens = ask::tokenize(question.body, setup)?;
            let body = json!({
                "count": tokens.len(), "max_model_len": setup.max_model_len, "tokens": tokens,
                "token_strs": null,
            });
            (JSON, body.to_string())
        }
        (
            _,
            "/health"
            | "/ping"
            | "/version"
            | "/v1/models"
            | "/metrics"
            | "/tokenize"
            | "/v1/chat/completions"
            | "/v1/completions",
        ) => return Err(Refusal::http(405)),
        _ => return Err(Refusal::http(404)),
    };
    Ok(Page { status: 200, kind, body })
}

/// What the engine has for one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Tokens, or the end, or both.
    Output {
        /// The step's tokens.
        tokens: Vec<Token>,
        /// Prompt tokens that came from the cache.
        cached: u64,
        /// Set with the last.
        finish: Option<Finish>,
    },
    /// The request failed, in the server's words.
    Failed(&'static str),
    /// The answer ends here, without a reason.
    Cut,
}

/// What an item makes the client hear.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Events of a stream that goes on; none where the tokens are withheld.
    Events(Vec<String>),
    /// The last events of a stream.
    Last(Vec<String>),
    /// The whole answer at once.
    Whole(Page),
    /// Nothing more, and no reason: a stream ends, an answer in one piece never comes.
    Nothing,
}

/// `[DONE]` comes after an error as after an answer.
const DONE: &str = "[DONE]";

/// Turns what the engine has for a request into what its client hears.
pub struct Teller {
    voice: Voice,
    stream: bool,
    began: bool,
    /// Tokens so far, of an answer that is told when it is whole.
    tokens: Vec<Token>,
}

impl Teller {
    /// For an ask under the name `id`, which came at `created`, seconds since 1970.
    pub fn new(ask: &Ask, id: &str, created: u64) -> Teller {
        let voice = Voice::new(ask, id, created);
        Teller { voice, stream: ask.stream, began: false, tokens: Vec::new() }
    }

    /// Whether the answer is a stream.
    pub fn streams(&self) -> bool {
        self.stream
    }

    /// What the client hears of an item.
    pub fn tell(&mut self, item: Item) -> Told {
        match item {
            Item::Output { tokens, cached, finish } if self.stream => {
                self.events(&tokens, cached, finish)
            }
            Item::Output { tokens, cached, finish } => {
                self.tokens.extend(tokens);
                if finish.is_none() {
                    return Told::Events(Vec::new());
                }
                let body = self.voice.whole(&self.tokens, cached, finish);
                Told::Whole(Page { status: 200, kind: JSON, body })
            }
            Item::Failed(message) if self.stream => {
                Told::Last(vec![Refusal::internal(message).body(), DONE.to_owned()])
            }
            Item::Failed(message) => Told::Whole(Refusal::internal(message).into()),
            Item::Cut => Told::Nothing,
        }
    }

    /// The role leaves with the first output, not before.
    fn events(&mut self, tokens: &[Token], cached: u64, finish: Option<Finish>) -> Told {
        let first = !std::mem::replace(&mut self.began, true);
        let role = if first { self.voice.role() } else { None };
        let mut events: Vec<String> = role.into_iter().collect();
        events.extend(self.voice.tokens(tokens, cached, finish));
        if finish.is_none() {
            return Told::Events(events);
        }
        events.extend(self.voice.end());
        events.push(DONE.to_owned());
        Told::Last(events)
    }
}
