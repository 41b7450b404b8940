//! The server's face: what it says over HTTP, byte for byte, in vLLM's words.
//! Knows no socket: `serve` puts these bytes on a real one, `world` hands them
//! over in virtual time, and a client cannot tell the two apart.

mod ask;
mod page;
mod refusal;
mod voice;

use serde_json::json;

pub(crate) use ask::SimRequest;
pub(crate) use refusal::{Refusal, phrase};

use crate::unit::At;

use super::answer::Token;
use super::engine::SimEngine;
use super::job::{ENGINE_DEAD, Finish};
use voice::{AnswerScript, VERSION};

const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=1.0.0; charset=utf-8";

/// A question as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimQuestion<'a> {
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

impl SimQuestion<'_> {
    /// Seconds since 1970 when it came.
    pub(crate) fn created(&self) -> u64 {
        (self.wall_us + self.at.0) / 1_000_000
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SimPage {
    /// The HTTP status.
    pub status: u16,
    /// Its content type.
    pub kind: &'static str,
    pub body: String,
}

impl From<Refusal> for SimPage {
    fn from(refusal: Refusal) -> SimPage {
        SimPage { status: refusal.status, kind: JSON, body: refusal.body() }
    }
}

impl SimPage {
    /// The answer of a server whose engine takes no request.
    pub(crate) fn engine_dead() -> SimPage {
        Refusal::internal(ENGINE_DEAD).into()
    }
}

/// What a question comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SimAnswer {
    /// An answer at once.
    Page(SimPage),
    /// Work for the engine.
    Ask(Box<SimRequest>),
}

/// What a question comes to, at an engine as it is now.
pub(crate) fn answer(engine: &SimEngine, question: &SimQuestion<'_>) -> SimAnswer {
    let chat = match (question.method, question.path) {
        ("POST", "/v1/chat/completions") => true,
        ("POST", "/v1/completions") => false,
        _ => return SimAnswer::Page(page(engine, question).unwrap_or_else(SimPage::from)),
    };
    match ask::read(question.body, chat, engine.setup()) {
        Ok(ask) => SimAnswer::Ask(Box::new(ask)),
        Err(refusal) => SimAnswer::Page(refusal.into()),
    }
}

/// Everything that is answered at once.
fn page(engine: &SimEngine, question: &SimQuestion<'_>) -> Result<SimPage, Refusal> {
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
    Ok(SimPage { status: 200, kind, body })
}

/// What the engine has for one request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
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
pub(crate) enum ClientEvent {
    /// Events of a stream that goes on; none where the tokens are withheld.
    Events(Vec<String>),
    /// The last events of a stream.
    Last(Vec<String>),
    /// The whole answer at once.
    Whole(SimPage),
    /// Nothing more, and no reason: a stream ends, an answer in one piece never comes.
    Nothing,
}

/// `[DONE]` comes after an error as after an answer.
const DONE: &str = "[DONE]";

/// Turns what the engine has for a request into what its client hears.
pub(crate) struct Teller {
    voice: AnswerScript,
    stream: bool,
    began: bool,
    /// Tokens so far, of an answer that is told when it is whole.
    tokens: Vec<Token>,
}

impl Teller {
    /// For an ask under the name `id`, which came at `created`, seconds since 1970.
    pub(crate) fn new(ask: &SimRequest, id: &str, created: u64) -> Teller {
        let voice = AnswerScript::new(ask, id, created);
        Teller { voice, stream: ask.stream, began: false, tokens: Vec::new() }
    }

    /// Whether the answer is a stream.
    pub(crate) fn streams(&self) -> bool {
        self.stream
    }

    /// What the client hears of an item.
    pub(crate) fn tell(&mut self, item: Item) -> ClientEvent {
        match item {
            Item::Output { tokens, cached, finish } if self.stream => {
                self.events(&tokens, cached, finish)
            }
            Item::Output { tokens, cached, finish } => {
                self.tokens.extend(tokens);
                if finish.is_none() {
                    return ClientEvent::Events(Vec::new());
                }
                let body = self.voice.whole(&self.tokens, cached, finish);
                ClientEvent::Whole(SimPage { status: 200, kind: JSON, body })
            }
            Item::Failed(message) if self.stream => {
                ClientEvent::Last(vec![Refusal::internal(message).body(), DONE.to_owned()])
            }
            Item::Failed(message) => ClientEvent::Whole(Refusal::internal(message).into()),
            Item::Cut => ClientEvent::Nothing,
        }
    }

    /// The role leaves with the first output, not before.
    fn events(&mut self, tokens: &[Token], cached: u64, finish: Option<Finish>) -> ClientEvent {
        let first = !std::mem::replace(&mut self.began, true);
        let role = if first { self.voice.role() } else { None };
        let mut events: Vec<String> = role.into_iter().collect();
        events.extend(self.voice.tokens(tokens, cached, finish));
        if finish.is_none() {
            return ClientEvent::Events(events);
        }
        events.extend(self.voice.end());
        events.push(DONE.to_owned());
        ClientEvent::Last(events)
    }
}
