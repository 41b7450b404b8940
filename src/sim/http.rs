//! Builds the server's HTTP responses, byte for byte as vLLM does. Knows no socket: `serve` sends
//! these bytes over a real one and `world` in virtual time, with the same result for the client.

mod answer;
mod ask;
mod page;
mod refusal;

use serde_json::json;

pub(crate) use ask::SimRequest;
pub(crate) use refusal::{Refusal, phrase};

use crate::unit::At;

use super::answer::Token;
use super::engine::SimEngine;
use super::job::{ENGINE_DEAD, Finish};
use answer::{AnswerScript, VERSION};

const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=1.0.0; charset=utf-8";

/// An HTTP request as received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimQuestion<'a> {
    /// `GET`, `POST` …
    pub method: &'a str,
    /// Path without the query.
    pub path: &'a str,
    pub body: &'a [u8],
    /// Time of arrival on the engine's clock.
    pub at: At,
    /// Wall time of that clock's zero, microseconds since 1970.
    pub wall_us: u64,
}

impl SimQuestion<'_> {
    /// Returns the time of arrival in seconds since 1970.
    pub(crate) fn created(&self) -> u64 {
        (self.wall_us + self.at.0) / 1_000_000
    }
}

/// A complete HTTP response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SimPage {
    /// The HTTP status.
    pub status: u16,
    /// Content type of the body.
    pub kind: &'static str,
    pub body: String,
}

impl From<Refusal> for SimPage {
    fn from(refusal: Refusal) -> SimPage {
        SimPage { status: refusal.status, kind: JSON, body: refusal.body() }
    }
}

impl SimPage {
    /// Returns the response of a server whose engine accepts no request.
    pub(crate) fn engine_dead() -> SimPage {
        Refusal::internal(ENGINE_DEAD).into()
    }
}

/// Result of an HTTP request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SimAnswer {
    /// A response that needs no engine step.
    Page(SimPage),
    /// A generation request for the engine.
    Ask(Box<SimRequest>),
}

/// Handles an HTTP request with the engine in its present state.
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

/// Handles the endpoints that need no engine step.
fn page(engine: &SimEngine, question: &SimQuestion<'_>) -> Result<SimPage, Refusal> {
    let setup = engine.setup();
    let (kind, body) = match (question.method, question.path) {
        ("GET", "/health") | ("GET" | "POST", "/ping") => (JSON, String::new()),
        ("GET", "/version") => (JSON, json!({ "version": VERSION }).to_string()),
        ("GET", "/v1/models") => {
            let is_another = engine.lists_another(question.at);
            (JSON, answer::models(setup, question.created(), is_another))
        }
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

/// Engine output for one request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum EngineOutput {
    /// Tokens, a finish reason, or both.
    Output {
        /// Tokens of the step.
        tokens: Vec<Token>,
        /// Prompt tokens that came from the cache.
        cached: u64,
        /// Finish reason, set with the last tokens.
        finish: Option<Finish>,
    },
    /// The request failed, with vLLM's message.
    Failed(&'static str),
    /// The response ends here without a finish reason.
    Cut,
}

/// Data that an item sends to the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ClientEvent {
    /// Events of a stream that continues; empty where the tokens are withheld.
    Events(Vec<String>),
    /// The last events of a stream.
    Last(Vec<String>),
    /// The complete response.
    Whole(SimPage),
    /// Nothing more: a stream ends without a finish reason, a non-streaming response is never sent.
    Nothing,
}

/// End mark of a stream; vLLM sends it after an error too.
const DONE: &str = "[DONE]";

/// Converts the engine's items for one request into data for its client.
pub(crate) struct ResponseWriter {
    script: AnswerScript,
    stream: bool,
    began: bool,
    /// Tokens so far of a non-streaming response.
    tokens: Vec<Token>,
}

impl ResponseWriter {
    /// Creates the converter of a request with the response id `id`, which arrived at `created`,
    /// seconds since 1970.
    pub(crate) fn new(ask: &SimRequest, id: &str, created: u64) -> ResponseWriter {
        let script = AnswerScript::new(ask, id, created);
        ResponseWriter { script, stream: ask.stream, began: false, tokens: Vec::new() }
    }

    /// Whether the response is a stream.
    pub(crate) fn streams(&self) -> bool {
        self.stream
    }

    /// Converts an item into data for the client.
    pub(crate) fn tell(&mut self, item: EngineOutput) -> ClientEvent {
        match item {
            EngineOutput::Output { tokens, cached, finish } if self.stream => {
                self.events(&tokens, cached, finish)
            }
            EngineOutput::Output { tokens, cached, finish } => {
                self.tokens.extend(tokens);
                if finish.is_none() {
                    return ClientEvent::Events(Vec::new());
                }
                let body = self.script.whole(&self.tokens, cached, finish);
                ClientEvent::Whole(SimPage { status: 200, kind: JSON, body })
            }
            EngineOutput::Failed(message) if self.stream => {
                ClientEvent::Last(vec![Refusal::internal(message).body(), DONE.to_owned()])
            }
            EngineOutput::Failed(message) => ClientEvent::Whole(Refusal::internal(message).into()),
            EngineOutput::Cut => ClientEvent::Nothing,
        }
    }

    /// Builds the events of a step. The role chunk is sent with the first output, as in vLLM, and
    /// not before.
    fn events(&mut self, tokens: &[Token], cached: u64, finish: Option<Finish>) -> ClientEvent {
        let first = !std::mem::replace(&mut self.began, true);
        let role = if first { self.script.role() } else { None };
        let mut events: Vec<String> = role.into_iter().collect();
        events.extend(self.script.tokens(tokens, cached, finish));
        if finish.is_none() {
            return ClientEvent::Events(events);
        }
        events.extend(self.script.end());
        events.push(DONE.to_owned());
        ClientEvent::Last(events)
    }
}
