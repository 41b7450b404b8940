//! Plays a small honest server in virtual time, from which each test departs in one respect.

#![allow(clippy::unnecessary_wraps)] // A page is what a departure answers.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::fact::{BrokenHow, Stage};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Broken, Call, Reply, Wire};

/// Tokens of an answer where nothing forces more.
pub(crate) const NATURAL: u64 = 3;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Answer of the server.
#[derive(Clone, Debug)]
pub(crate) struct ServerPage {
    pub status: u16,
    pub body: Option<Bytes>,
    /// Time until it comes.
    pub after: Duration,
    /// Whether the connection breaks after the body.
    pub breaks: bool,
}

impl ServerPage {
    fn new(status: u16, body: Bytes) -> ServerPage {
        ServerPage { status, body: Some(body), after: MILLISECOND, breaks: false }
    }
}

/// Returns a page with a JSON body.
pub(crate) fn page(status: u16, body: &Value) -> Option<ServerPage> {
    Some(ServerPage::new(status, Bytes::from(body.to_string())))
}

/// Returns a page with a text.
pub(crate) fn text(status: u16, body: &str) -> Option<ServerPage> {
    Some(ServerPage::new(status, Bytes::from(body.to_owned())))
}

/// Returns a refusal in the usual form.
pub(crate) fn refusal(status: u16, words: &str) -> Option<ServerPage> {
    page(status, &json!({"error": {"message": words, "code": status}}))
}

/// Request as the server sees it.
pub(crate) struct Question<'a> {
    pub at: At,
    pub path: &'a str,
    pub body: &'a Value,
    /// Number of earlier requests for tokens.
    pub nth: usize,
}

impl Question<'_> {
    /// Whether it asks for tokens.
    pub(crate) fn generates(&self) -> bool {
        self.path.ends_with("completions") && !self.body.is_null()
    }

    pub(crate) fn is_chat(&self) -> bool {
        !self.body["messages"].is_null()
    }

    pub(crate) fn has_system(&self) -> bool {
        self.body["messages"]
            .as_array()
            .is_some_and(|all| all.iter().any(|it| it["role"] == "system"))
    }
}

type Departs = Rc<dyn Fn(&Question<'_>) -> Option<ServerPage>>;

/// Server, and the wire to it.
#[derive(Clone)]
pub(crate) struct Server {
    pub timeline: Timeline,
    pub asked: Rc<RefCell<Vec<(String, Value)>>>,
    departs: Departs,
}

impl Server {
    /// Returns a server that answers honestly where `departs` gives no other answer.
    pub(crate) fn new(departs: impl Fn(&Question<'_>) -> Option<ServerPage> + 'static) -> Server {
        Server {
            timeline: Timeline::start_at(SystemTime::UNIX_EPOCH),
            asked: Rc::default(),
            departs: Rc::new(departs),
        }
    }
}

impl Wire for Server {
    type Reply = ServerPage;

    async fn call(&self, call: Call) -> Result<ServerPage, Broken> {
        let body = call.body.map_or(Value::Null, |body| serde_json::from_slice(&body).unwrap());
        let at = self.timeline.now();
        let is_of_tokens =
            |(path, body): &&(String, Value)| path.ends_with("completions") && !body.is_null();
        let nth = self.asked.borrow().iter().filter(is_of_tokens).count();
        let question = Question { at, path: &call.path, body: &body, nth };
        let answer = (self.departs)(&question).unwrap_or_else(|| honest(&question));
        self.asked.borrow_mut().push((call.path, body));
        self.timeline.until(at.after(answer.after)).await;
        Ok(answer)
    }
}

impl Reply for ServerPage {
    fn status(&self) -> u16 {
        self.status
    }

    async fn chunk(&mut self) -> Result<Option<(At, Bytes)>, Broken> {
        match self.body.take() {
            None if self.breaks => Err(Broken {
                how: BrokenHow::CutOff,
                stage: Stage::Streaming,
                at: At::ZERO,
                words: "connection closed".to_owned(),
                resent: false,
            }),
            text => Ok(text.map(|text| (At::ZERO, text))),
        }
    }
}

/// Returns the honest answer to a question.
pub(crate) fn honest(question: &Question<'_>) -> ServerPage {
    let body = question.body;
    let found = match question.path {
        "/v1/models" => page(200, &json!({"data": [{"id": "m", "max_model_len": 32_768}]})),
        "/version" => page(200, &json!({"version": "2"})),
        "/health" => text(200, ""),
        "/metrics" => text(200, "vllm:num_requests_running 0.0\n"),
        "/tokenize" if body["prompt"].is_null() && body["messages"].is_null() => {
            refusal(422, "prompt")
        }
        "/tokenize" => page(200, &json!({"count": prompt_tokens(body)})),
        "/v1/chat/completions" | "/v1/completions" if !body.is_null() => Some(answer(body)),
        _ => text(404, ""),
    };
    found.unwrap()
}

fn answer(body: &Value) -> ServerPage {
    if body["messages"].is_null() && body["prompt"].is_null() {
        return refusal(422, "Field required").unwrap();
    }
    let most = body["max_tokens"].as_u64().or(body["max_completion_tokens"].as_u64()).unwrap();
    let forced = body["ignore_eos"] == true || body["min_tokens"].as_u64() == Some(most);
    let tokens = if forced { most } else { most.min(NATURAL) };
    let usage = json!({"prompt_tokens": prompt_tokens(body), "completion_tokens": tokens});
    if body["cache_salt"] == "" {
        return refusal(400, "cache_salt must be a non-empty string").unwrap();
    }
    if body["stream"] != true {
        return page(200, &json!({"choices": [{}], "usage": usage})).unwrap();
    }
    let finish = if tokens == most { "length" } else { "stop" };
    let counts = body["stream_options"]["include_usage"] == true;
    stream(tokens, Some(finish), counts.then_some(usage))
}

/// Returns a stream of so many tokens.
pub(crate) fn stream(tokens: u64, finish: Option<&str>, usage: Option<Value>) -> ServerPage {
    let mut frames: Vec<Value> = (0..tokens)
        .map(|_| json!({"choices": [{"delta": {"content": "a "}, "text": "a "}]}))
        .collect();
    frames
        .extend(finish.map(|finish| json!({"choices": [{"delta": {}, "finish_reason": finish}]})));
    frames.extend(usage.map(|usage| json!({"choices": [], "usage": usage})));
    let frames: Vec<String> = frames.iter().map(Value::to_string).collect();
    let frames = frames.join("\n\ndata: ");
    text(200, &format!("data: {frames}\n\ndata: [DONE]\n\n")).unwrap()
}

/// Counts a word as a token, and a template as three and four for each message.
pub(crate) fn prompt_tokens(body: &Value) -> u64 {
    let words = |text: &Value| text.as_str().unwrap_or_default().split_whitespace().count() as u64;
    match body["messages"].as_array() {
        Some(messages) => 3 + messages.iter().map(|it| words(&it["content"]) + 4).sum::<u64>(),
        None => body["prompt"].as_array().map_or(words(&body["prompt"]), |ids| ids.len() as u64),
    }
}
