//! Requests a few tokens with different fields, and reads what an answer shows.

use std::cell::Cell;
use std::time::Duration;

use serde_json::{Value, json};

use super::gather::gather_stream;
use super::patience::RetryPolicy;
use super::{Gathered, NotGathered, gather};
use crate::protocol::openai::{self, Chunk};
use crate::protocol::{json, shape, sse};
use crate::spec::scenario::Api;
use crate::timeline::Timeline;
use crate::world::{Call, Redirect, Wire};

/// Bounds of the timeout of a request for tokens, during which the server may compile or capture
/// graphs: the time until the deadline is between them.
const ANSWER_MIN: Duration = Duration::from_secs(20);
const ANSWER_MAX: Duration = Duration::from_secs(600);
/// Words of refusals by a server that is still starting, in lower case.
const STARTING: [&str; 6] =
    ["loading", "starting", "not ready", "warming up", "no worker", "no available worker"];
/// Number of requested tokens, where nothing else is asked for.
pub(super) const TOKENS: u64 = 12;

/// Sender of requests for a few tokens.
pub(super) struct Asker<'a, W: Wire> {
    pub wire: &'a W,
    pub timeline: &'a Timeline,
    pub model: &'a str,
    pub patience: &'a RetryPolicy<'a>,
    /// Fields that requests have.
    pub fields: Cell<OptionalFields>,
}

/// Fields that every request has until the server refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OptionalFields {
    pub temperature: bool,
    /// `max_tokens`; without it `max_completion_tokens` stands in its place.
    pub max_tokens: bool,
}

impl Default for OptionalFields {
    fn default() -> OptionalFields {
        OptionalFields { temperature: true, max_tokens: true }
    }
}

/// Refusal of a request for tokens.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refused {
    /// Status of the answer, where there was one.
    pub status: Option<u16>,
    /// Reason of the refusal, in words.
    pub words: String,
    /// Whether the answer is a page for people, or its status or its error's code one that may
    /// pass.
    pub may_pass: bool,
    /// Redirect that was not followed.
    pub redirect: Option<Redirect>,
    /// Whether a whole answer came in place of a stream.
    pub is_whole: bool,
}

impl Refused {
    /// Whether the request itself was refused: another one could be taken.
    pub(super) fn is_of_request(&self) -> bool {
        self.status.is_some_and(|status| (400..500).contains(&status)) && !self.may_pass
    }

    /// Whether the words say that the server is still starting.
    pub(super) fn says_starting(&self) -> bool {
        says_starting(&self.words)
    }
}

/// Whether the words of a refusal say that the server is still starting.
pub(super) fn says_starting(words: &str) -> bool {
    let words = words.to_lowercase();
    STARTING.iter().any(|starting| words.contains(starting))
}

impl<W: Wire> Asker<'_, W> {
    /// Asks once.
    pub(super) async fn once(
        &self,
        api: Api,
        fields: &Value,
    ) -> Result<SeenAnswer, (Refused, u64)> {
        let answer = self.send(api, fields).await;
        let asked_us = super::patience::asked_us(answer.as_ref().ok());
        read(&answer).map_err(|refused| (refused, asked_us))
    }

    /// Asks, and asks again where the refusal may pass. A stream that breaks off with an error is
    /// asked for twice.
    pub(super) async fn ask(&self, api: Api, fields: Value) -> Result<SeenAnswer, Refused> {
        let ask = async || self.send(api, &fields).await;
        let seen = read(&self.patience.ask(ask).await);
        match seen {
            Err(refused) if matches!(refused.status, Some(200..=299)) => {
                read(&self.patience.ask(ask).await)
            }
            seen => seen,
        }
    }

    /// Returns the prompt tokens by the usage record of a whole answer, where it has one.
    pub(super) async fn whole(&self, api: Api) -> Option<u64> {
        let body = self.body(api, &json!({"stream": false, "max_tokens": 1})).to_string();
        let ask = async || {
            let call = Call::post(openai::path_of(api), body.clone());
            gather(self.wire, self.timeline, call, self.limit()).await
        };
        let page = json::page(&self.patience.ask(ask).await.ok()?.body)?;
        page["usage"]["prompt_tokens"].as_u64().filter(|tokens| *tokens > 0)
    }

    /// Asks once, and returns the answer as it came.
    pub(super) async fn send(&self, api: Api, fields: &Value) -> Result<Gathered, NotGathered> {
        let tokens = fields["max_tokens"].as_u64().unwrap_or(TOKENS);
        let body = self.body(api, fields);
        let call = Call::post(openai::path_of(api), body.to_string());
        gather_stream(self.wire, self.timeline, call, self.limit(), tokens).await
    }

    fn limit(&self) -> Duration {
        self.patience.left().clamp(ANSWER_MIN, ANSWER_MAX)
    }

    fn body(&self, api: Api, fields: &Value) -> Value {
        let mut body = json!({"model": self.model, "stream": true, "max_tokens": TOKENS});
        let OptionalFields { temperature, max_tokens } = self.fields.get();
        if temperature {
            body["temperature"] = json!(0);
        }
        match api {
            Api::Chat => body["messages"] = json!([{"role": "user", "content": "Say OK."}]),
            Api::Completions => body["prompt"] = json!("Say OK."),
        }
        if let (Some(body), Some(fields)) = (body.as_object_mut(), fields.as_object()) {
            body.extend(fields.clone());
            if let Some(most) = body.remove("max_tokens") {
                body.insert(openai::bound_field(api, max_tokens).to_owned(), most);
            }
        }
        body
    }
}

/// Returns the prompt tokens by the usage record of a stream.
pub(crate) fn prompt_tokens(stream: &Gathered) -> Option<u64> {
    SeenAnswer::of(stream).prompt
}

/// Reads an answer: a whole stream of tokens, or what it was instead.
fn read(answer: &Result<Gathered, NotGathered>) -> Result<SeenAnswer, Refused> {
    let gathered = answer.as_ref().map_err(|not| Refused {
        status: None,
        words: not.words.clone(),
        may_pass: true,
        redirect: None,
        is_whole: false,
    })?;
    let redirect = gathered.redirect.clone();
    let (status, may_pass) = (Some(gathered.status), gathered.may_pass() || gathered.is_html());
    if !matches!(gathered.status, 200..=299) {
        let words = match gathered.status {
            0..=399 => shape::of_answer(gathered.status, &gathered.body),
            _ => gathered.status_words(),
        };
        return Err(Refused { status, words, may_pass, redirect, is_whole: false });
    }
    let seen = SeenAnswer::of(gathered);
    let code_may_pass = seen.code.is_some_and(|code| code == 429 || code >= 500);
    let may_pass = may_pass || (seen.error.is_some() && code_may_pass);
    let words = match &seen.error {
        Some(words) => format!("its answer broke: {words}"),
        None if seen.frames == 0 => shape::of_answer(gathered.status, &gathered.body),
        None => return Ok(seen),
    };
    let is_whole = json::page(&gathered.body).is_some_and(|page| page.get("choices").is_some());
    Err(Refused { status, words, may_pass, redirect, is_whole })
}

/// Fields of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SeenAnswer {
    pub status: u16,
    /// Frames with a choice.
    pub frames: u64,
    /// Words of an error frame.
    pub error: Option<String>,
    /// Code of an error frame.
    pub code: Option<u64>,
    /// Finish reason.
    pub finish: Option<String>,
    /// Output tokens by the last usage record.
    pub usage: Option<u64>,
    /// Frames with a usage record.
    pub usages: u64,
    /// Prompt tokens by the last usage record.
    pub prompt: Option<u64>,
    /// Cached prompt tokens by the last usage record.
    pub cached: Option<u64>,
    /// Whether the answer has token ids.
    pub ids: bool,
    /// System fingerprint.
    pub system: Option<String>,
}

impl SeenAnswer {
    pub(super) fn of(gathered: &Gathered) -> SeenAnswer {
        let mut seen = SeenAnswer { status: gathered.status, ..SeenAnswer::default() };
        // A body that is not an event stream yields no events.
        let _ = sse::Parser::default().feed(&gathered.body, |event| {
            if let Ok(chunk) = Chunk::parse(event) {
                if chunk.error.is_some() {
                    seen.code = seen.code.or_else(|| error_code(event.data));
                }
                seen.add(chunk);
            }
        });
        seen
    }

    fn add(&mut self, chunk: Chunk) {
        self.error = self.error.take().or(chunk.error);
        self.frames += u64::from(chunk.of_answer);
        self.ids |= chunk.ids.is_some_and(|ids| ids > 0);
        self.finish = chunk.finish.or(self.finish.take());
        self.system = chunk.system.or(self.system.take());
        // A record of zeros counts nothing.
        let Some(usage) = chunk.usage.filter(|usage| usage.output > Some(0)) else { return };
        self.usage = usage.output;
        self.usages += 1;
        self.prompt = usage.prompt;
        self.cached = usage.cached.or(self.cached);
    }

    /// Whether all of the requested tokens came: by the server's count, else because the length is
    /// what ended the answer.
    pub(super) fn has_all(&self, asked: u64) -> bool {
        match self.usage {
            Some(tokens) => tokens >= asked,
            None => self.finish.as_deref() == Some("length"),
        }
    }
}

/// Returns the status that an error frame names.
fn error_code(frame: &str) -> Option<u64> {
    let frame = json::page(frame.as_bytes())?;
    let values = ["/error/code", "/error/status", "/code", "/status"];
    let code = |path: &&str| {
        let value = frame.pointer(path)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    };
    values.iter().find_map(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::At;

    fn answer(status: u16, body: &str) -> Gathered {
        let body = body.as_bytes().to_vec();
        Gathered { status, body, sent: At::ZERO, first: None, retry_after: None, redirect: None }
    }

    #[test]
    fn an_answer_is_a_stream_or_a_refusal_in_the_servers_words() {
        let seen = read(&Ok(answer(
            200,
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"completion_tokens\":1}}\n\n",
        )));
        let seen = seen.unwrap();
        assert_eq!((seen.frames, seen.usage, seen.finish.as_deref()), (1, Some(1), Some("length")));
        let refused = |status, body: &str| read(&Ok(answer(status, body))).unwrap_err();
        let list = refused(
            422,
            r#"{"detail":[{"loc":["body","cache_salt"],"msg":"Extra inputs are not permitted"}]}"#,
        );
        assert_eq!(list.words, "422 Extra inputs are not permitted");
        assert!(list.is_of_request());
        assert!(!refused(429, "").is_of_request() && !refused(500, "").is_of_request());
        assert!(refused(200, "<html></html>").may_pass);
        let broken = refused(
            200,
            "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"error\":{\"message\":\"Unexpected token\"}}\n\n",
        );
        assert_eq!(broken.words, "its answer broke: Unexpected token");
        assert!(!broken.may_pass);
        for (frame, may_pass) in [
            (r#"data: {"error":{"message":"no","code":503}}"#, true),
            (r#"data: {"error":{"message":"no","code":"429"}}"#, true),
            (r#"data: {"error":{"message":"no","code":400}}"#, false),
        ] {
            assert_eq!(refused(200, &format!("{frame}\n\n")).may_pass, may_pass, "{frame}");
        }
    }

    #[test]
    fn all_tokens_came_by_the_count_or_by_the_reason_of_the_end() {
        let by_count = |tokens| SeenAnswer { usage: Some(tokens), ..SeenAnswer::default() };
        assert!(by_count(12).has_all(12) && !by_count(3).has_all(12));
        let by_end =
            |reason: &str| SeenAnswer { finish: Some(reason.to_owned()), ..SeenAnswer::default() };
        assert!(by_end("length").has_all(12) && !by_end("stop").has_all(12));
    }
}
