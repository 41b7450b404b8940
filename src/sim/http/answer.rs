//! Writes the JSON of a response in vLLM's order of keys: stream chunks, the usage record, and
//! complete responses.

use serde_json::{Value, json};

use super::ask::{SimRequest, UsagePlacement};
use crate::sim::answer::{Channel, Token};
use crate::sim::{Finish, Setup};

/// Version in `/version` and in fingerprints: the imitated vLLM version, marked as simulated.
pub(super) const VERSION: &str = "0.32.0+longhaul.sim";

/// Model that is listed in place of the served ones by a server that lists another.
const ANOTHER: &str = "another-model";

/// State of one response while it is written.
pub(super) struct AnswerScript {
    chat: bool,
    reasoning: bool,
    usage: UsagePlacement,
    ids: bool,
    prompt: Vec<u32>,
    id: String,
    created: u64,
    model: String,
    completion: u64,
    reasoned: u64,
    cached: u64,
    chunks: u64,
}

impl AnswerScript {
    /// Creates the state for a request with the response id `id`.
    pub(super) fn new(ask: &SimRequest, id: &str, created: u64) -> AnswerScript {
        let prefix = if ask.chat { "chatcmpl" } else { "cmpl" };
        AnswerScript {
            chat: ask.chat,
            reasoning: ask.job.reasoning,
            usage: ask.usage,
            ids: ask.ids,
            prompt: ask.job.prompt.clone(),
            id: format!("{prefix}-{id}"),
            created,
            model: ask.model.clone(),
            completion: 0,
            reasoned: 0,
            cached: 0,
            chunks: 0,
        }
    }

    fn chunk(&self, choices: &str, rest: &str) -> String {
        let object = if self.chat { "chat.completion.chunk" } else { "text_completion" };
        format!(
            r#"{{"id":"{}","object":"{object}","created":{},"model":{},"choices":[{choices}]{rest}}}"#,
            self.id,
            self.created,
            json_text(&self.model)
        )
    }

    /// Returns the chunk with the role and no token, which precedes all others of a chat.
    pub(super) fn role(&self) -> Option<String> {
        self.chat.then(|| {
            let choice = r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}"#;
            let ids = if self.ids { list(&self.prompt) } else { "null".to_owned() };
            let rest =
                format!(r#"{},"prompt_token_ids":{ids},"prompt_text":null"#, self.running_usage());
            self.chunk(choice, &rest)
        })
    }

    /// Returns the chunk of a step's tokens; `None` if all are hidden.
    pub(super) fn tokens(
        &mut self,
        tokens: &[Token],
        cached: u64,
        finish: Option<Finish>,
    ) -> Option<String> {
        self.count(tokens, cached);
        let shown = tokens.iter().any(|token| token.channel != Channel::Hidden);
        if !shown && finish.is_none() && !self.ids {
            return None;
        }
        let ids = if self.ids {
            list(&tokens.iter().map(|token| token.id).collect::<Vec<_>>())
        } else {
            "null".to_owned()
        };
        let reason = finish.map_or("null".to_owned(), |finish| json_text(finish.word()));
        let choice = if self.chat {
            let stop = if finish.is_some() { r#","stop_reason":null"# } else { "" };
            format!(
                r#"{{"index":0,"delta":{{{}}},"logprobs":null,"finish_reason":{reason}{stop},"token_ids":{ids}}}"#,
                delta(tokens)
            )
        } else {
            let first = self.ids && self.chunks == 0;
            let prompt = if first { list(&self.prompt) } else { "null".to_owned() };
            format!(
                r#"{{"index":0,"text":{},"logprobs":null,"finish_reason":{reason},"stop_reason":null,"prompt_token_ids":{prompt},"token_ids":{ids}}}"#,
                json_text(&text(tokens, Channel::Content))
            )
        };
        self.chunks += 1;
        let last = finish.is_some() && self.usage == UsagePlacement::Never;
        let rest =
            format!("{}{}", self.running_usage(), if last { fingerprint() } else { String::new() });
        Some(self.chunk(&choice, &rest))
    }

    /// Returns the final usage chunk of a stream, if it was requested.
    pub(super) fn end(&self) -> Option<String> {
        let usage = || format!(r#","usage":{}{}"#, self.record(true), fingerprint());
        (self.usage != UsagePlacement::Never).then(|| self.chunk("", &usage()))
    }

    fn count(&mut self, tokens: &[Token], cached: u64) {
        self.completion += tokens.len() as u64;
        self.reasoned +=
            tokens.iter().filter(|token| token.channel == Channel::Reasoning).count() as u64;
        self.cached = cached;
    }

    fn running_usage(&self) -> String {
        if self.usage == UsagePlacement::Always {
            format!(r#","usage":{}"#, self.record(false))
        } else {
            String::new()
        }
    }

    /// Returns the usage record. Prompt details are part of the final one only.
    fn record(&self, whole: bool) -> String {
        let prompt = self.prompt.len() as u64;
        let cached = self.cached;
        let details = match (whole, self.chat) {
            (false, _) => String::new(),
            (true, true) => format!(
                r#","prompt_tokens_details":{{"cached_tokens":{cached},"created_cache_tokens":0}}"#
            ),
            (true, false) => format!(r#","prompt_tokens_details":{{"cached_tokens":{cached}}}"#),
        };
        let reasoned = if self.reasoning {
            format!(r#","completion_tokens_details":{{"reasoning_tokens":{}}}"#, self.reasoned)
        } else {
            String::new()
        };
        format!(
            r#"{{"prompt_tokens":{prompt},"total_tokens":{},"completion_tokens":{}{details}{reasoned}}}"#,
            prompt + self.completion,
            self.completion
        )
    }

    /// Returns the complete response.
    pub(super) fn whole(
        &mut self,
        tokens: &[Token],
        cached: u64,
        finish: Option<Finish>,
    ) -> String {
        self.count(tokens, cached);
        let reason = finish.map(Finish::word);
        let ids: Option<Vec<u32>> = self.ids.then(|| tokens.iter().map(|token| token.id).collect());
        let prompt_ids = self.ids.then_some(&self.prompt);
        let content = text(tokens, Channel::Content);
        let usage: Value = serde_json::from_str(&self.record(true)).unwrap_or(Value::Null);
        if self.chat {
            let reasoning = Some(text(tokens, Channel::Reasoning)).filter(|text| !text.is_empty());
            let visible =
                if content.is_empty() && reasoning.is_some() { None } else { Some(content) };
            return json!({
                "id": self.id, "object": "chat.completion", "created": self.created,
                "model": self.model,
                "choices": [{
                    "index": 0,
                    "message": {
                        "role": "assistant", "content": visible, "refusal": null,
                        "tool_calls": [], "reasoning": reasoning,
                    },
                    "logprobs": null, "finish_reason": reason, "stop_reason": null,
                    "token_ids": ids,
                }],
                "usage": usage, "prompt_token_ids": prompt_ids,
                "system_fingerprint": format!("vllm-{VERSION}"),
            })
            .to_string();
        }
        json!({
            "id": self.id, "object": "text_completion", "created": self.created,
            "model": self.model,
            "choices": [{
                "index": 0, "text": content, "logprobs": null, "finish_reason": reason,
                "stop_reason": null, "token_ids": ids, "prompt_token_ids": prompt_ids,
            }],
            "usage": usage, "system_fingerprint": format!("vllm-{VERSION}"),
        })
        .to_string()
    }
}

/// Returns the list of models, or one of `another-model` alone. `created` is the time of the request,
/// as in vLLM.
pub(super) fn models(setup: &Setup, created: u64, is_another: bool) -> String {
    let another = [ANOTHER.to_owned()];
    let (names, root) = if is_another {
        (&another[..], ANOTHER)
    } else {
        (&setup.served[..], setup.model.as_str())
    };
    let data: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({
                "id": name, "object": "model", "created": created, "owned_by": "vllm",
                "root": root, "parent": null, "max_model_len": setup.max_model_len,
            })
        })
        .collect();
    json!({"object": "list", "data": data}).to_string()
}

fn fingerprint() -> String {
    format!(r#","system_fingerprint":"vllm-{VERSION}""#)
}

fn json_text(text: &str) -> String {
    Value::from(text).to_string()
}

fn list(ids: &[u32]) -> String {
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    format!("[{}]", ids.join(","))
}

fn text(tokens: &[Token], channel: Channel) -> String {
    let shown = tokens.iter().filter(|token| token.channel == channel);
    shown.map(|token| token.text.as_str()).collect()
}

fn delta(tokens: &[Token]) -> String {
    let part = |name: &str, channel| {
        let text = text(tokens, channel);
        (!text.is_empty()).then(|| format!(r#""{name}":{}"#, json_text(&text)))
    };
    let parts = [part("reasoning", Channel::Reasoning), part("content", Channel::Content)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{SimJob, answer};

    fn role_of(chat: bool, reasoning: bool) -> AnswerScript {
        let job = SimJob { prompt: vec![17, 18], reasoning, ..SimJob::default() };
        let (usage, model) = (UsagePlacement::Always, "m".into());
        AnswerScript::new(&SimRequest { job, model, stream: true, usage, ids: true, chat }, "0", 1)
    }

    fn parsed(text: Option<String>) -> Value {
        serde_json::from_str(&text.expect("a chunk")).expect("JSON")
    }

    #[test]
    fn the_version_says_whose_it_is_so_that_no_run_compares_it() {
        assert!(VERSION.ends_with(crate::engine::vllm::SIMULATED));
    }

    #[test]
    fn a_chunk_carries_what_the_step_gave_and_the_count_so_far() {
        let mut voice = role_of(true, true);
        assert_eq!(parsed(voice.role())["usage"]["completion_tokens"], 0);
        let tokens: Vec<Token> = (answer::REASONING - 1..answer::REASONING + 2)
            .map(|index| answer::token(7, index, true))
            .collect();
        let chunk = parsed(voice.tokens(&tokens, 0, Some(Finish::Length)));
        let choice = &chunk["choices"][0];
        assert!(choice["delta"]["reasoning"].is_string() && choice["delta"]["content"].is_string());
        assert_eq!(choice["token_ids"].as_array().map(Vec::len), Some(3));
        assert_eq!(choice["finish_reason"], "length");
        assert_eq!(chunk["usage"]["completion_tokens"], 3);
        let end = parsed(voice.end());
        assert_eq!(end["choices"], json!([]));
        assert_eq!(end["usage"]["completion_tokens_details"]["reasoning_tokens"], 1);
        assert_eq!(end["usage"]["total_tokens"], 5);
    }

    #[test]
    fn plain_completions_have_text_no_role_and_the_prompts_ids_once() {
        let mut voice = role_of(false, false);
        assert_eq!(voice.role(), None);
        let token = [answer::token(7, 0, false)];
        assert_eq!(
            parsed(voice.tokens(&token, 0, None))["choices"][0]["prompt_token_ids"],
            json!([17, 18])
        );
        assert!(parsed(voice.tokens(&token, 0, None))["choices"][0]["prompt_token_ids"].is_null());
    }
}
