//! Parses a request's JSON and validates it as vLLM does: unknown fields are ignored, wrong ones
//! refused with vLLM's messages.

use serde_json::Value;

use super::refusal::Refusal;
use crate::sim::tokenizer::{self, VOCABULARY};
use crate::sim::{Setup, SimJob};

/// vLLM's default of `max_tokens` for plain completions.
const COMPLETION_TOKENS: u64 = 16;
/// Longest `cache_salt`, characters.
const SALT_CHARS_MAX: usize = 128;

/// Placement of usage records in a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum UsagePlacement {
    Never,
    /// In a separate chunk at the end.
    AtEnd,
    /// At the end, and the counts so far in every chunk.
    Always,
}

/// A validated request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SimRequest {
    /// Job for the engine.
    pub job: SimJob,
    /// Model name of the request.
    pub model: String,
    /// Whether the response is a stream.
    pub stream: bool,
    /// Placement of usage records in a stream.
    pub usage: UsagePlacement,
    /// Whether the response contains token ids.
    pub ids: bool,
    /// Whether the request is a chat completion.
    pub chat: bool,
}

/// Parses a JSON object, or refuses it with the offset of the error.
///
/// # Errors
/// vLLM's error for the body.
pub(super) fn json(body: &[u8]) -> Result<Value, Refusal> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let lines_before = body.split_inclusive(|byte| *byte == b'\n').take(error.line() - 1);
        let before: usize = lines_before.map(<[u8]>::len).sum();
        Refusal::not_json(before + error.column().saturating_sub(1))
    })?;
    if value.is_object() { Ok(value) } else { Err(wrong_type("model_attributes", "", "an object")) }
}

/// Parses the body of `/v1/chat/completions`, or else of `/v1/completions`.
///
/// # Errors
/// vLLM's error for the body.
pub(super) fn read(body: &[u8], chat: bool, setup: &Setup) -> Result<SimRequest, Refusal> {
    let body = json(body)?;
    let model = model(&body, setup)?;
    let stream = switch(&body, "stream")?;
    let usage = stream_options(&body, stream)?;
    refuse_many(&body)?;
    if let Some(temperature) = body["temperature"].as_f64().filter(|value| *value < 0.0) {
        let text = format!("temperature must be non-negative, got {temperature:?}.");
        return Err(Refusal::value("temperature", format!("{temperature:?}"), &text));
    }
    let reasoning = chat && setup.reasoning && thinks(&body);
    let prompt = if chat { chat_prompt(&body, reasoning)? } else { plain_prompt(&body)? };
    let tokens = prompt.len() as u64;
    if tokens >= setup.max_model_len {
        let exact = body["prompt"].is_array();
        let (shown, at_least) =
            if exact { (tokens, "") } else { (setup.max_model_len + 1, "at least ") };
        return Err(Refusal::too_long(shown, setup.max_model_len, at_least));
    }
    let (max_tokens, min_tokens) = lengths(&body, chat, setup, tokens)?;
    let job = SimJob {
        prompt,
        salt: salt(&body)?,
        max_tokens,
        min_tokens,
        ignore_eos: switch(&body, "ignore_eos")?,
        reasoning,
    };
    Ok(SimRequest { job, model, stream, usage, ids: switch(&body, "return_token_ids")?, chat })
}

/// Returns the tokens of the body of a `/tokenize` request.
///
/// # Errors
/// vLLM's error for the body.
pub(super) fn tokenize(body: &[u8], setup: &Setup) -> Result<Vec<u32>, Refusal> {
    let body = json(body)?;
    model(&body, setup)?;
    if body["messages"].is_null() {
        return plain_prompt(&body);
    }
    let messages = messages(&body)?;
    let asks = body["add_generation_prompt"].as_bool().unwrap_or(true);
    Ok(tokenizer::chat(pairs(&messages), asks, asks && setup.reasoning && thinks(&body)))
}

fn wrong_type(kind: &str, field: &str, what: &str) -> Refusal {
    let place = if field.is_empty() { "body".to_owned() } else { format!("body.{field}") };
    Refusal::schema(kind, &place, &format!("Input should be {what}"))
}

fn model(body: &Value, setup: &Setup) -> Result<String, Refusal> {
    match &body["model"] {
        Value::Null => Ok(setup.served[0].clone()),
        Value::String(name) if setup.served.contains(name) => Ok(name.clone()),
        Value::String(name) => Err(Refusal::no_model(name, &setup.served)),
        _ => Err(wrong_type("string_type", "model", "a valid string")),
    }
}

fn switch(body: &Value, field: &str) -> Result<bool, Refusal> {
    match &body[field] {
        Value::Null => Ok(false),
        Value::Bool(is) => Ok(*is),
        _ => Err(wrong_type("bool_type", field, "a valid boolean")),
    }
}

fn whole(body: &Value, field: &str) -> Result<Option<u64>, Refusal> {
    match &body[field] {
        Value::Null => Ok(None),
        value => match (value.as_u64(), value.as_i64()) {
            (Some(number), _) => Ok(Some(number)),
            (None, Some(number)) => {
                let text = format!("{field} must be non-negative, got {number}.");
                Err(Refusal::value(field, number, &text))
            }
            _ => Err(wrong_type("int_type", field, "a valid integer")),
        },
    }
}

fn stream_options(body: &Value, stream: bool) -> Result<UsagePlacement, Refusal> {
    let options = &body["stream_options"];
    if options.is_null() {
        return Ok(UsagePlacement::Never);
    }
    if !stream {
        let text = "Stream options can only be defined when `stream=True`.";
        return Err(Refusal::parameter("stream_options", text.to_owned()));
    }
    // `continuous_usage_stats` has an effect only with `include_usage`.
    Ok(match (switch(options, "include_usage")?, switch(options, "continuous_usage_stats")?) {
        (false, _) => UsagePlacement::Never,
        (true, false) => UsagePlacement::AtEnd,
        (true, true) => UsagePlacement::Always,
    })
}

/// Refuses `n` above 1: the simulator generates one response per prompt.
fn refuse_many(body: &Value) -> Result<(), Refusal> {
    match whole(body, "n")? {
        None | Some(1) => Ok(()),
        Some(n) => Err(Refusal::value("n", n, "The simulator gives one answer: n must be 1.")),
    }
}

fn thinks(body: &Value) -> bool {
    body["chat_template_kwargs"]["enable_thinking"].as_bool().unwrap_or(true)
}

fn chat_prompt(body: &Value, reasoning: bool) -> Result<Vec<u32>, Refusal> {
    let messages = messages(body)?;
    Ok(tokenizer::chat(pairs(&messages), true, reasoning))
}

fn pairs(messages: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    messages.iter().map(|(role, content)| (role.as_str(), content.as_str()))
}

/// Returns role and text of every message; declared tools become a message before the others.
fn messages(body: &Value) -> Result<Vec<(String, String)>, Refusal> {
    let Some(list) = body["messages"].as_array() else {
        return Err(wrong_type("list_type", "messages", "a valid list"));
    };
    let tools = body["tools"].as_array().filter(|tools| !tools.is_empty());
    let mut messages: Vec<(String, String)> = tools
        .map(|tools| ("system".to_owned(), Value::from(tools.clone()).to_string()))
        .into_iter()
        .collect();
    for message in list {
        let Some(role) = message["role"].as_str() else {
            return Err(wrong_type("missing", "messages.role", "there"));
        };
        messages.push((role.to_owned(), content(&message["content"])?));
    }
    Ok(messages)
}

fn content(value: &Value) -> Result<String, Refusal> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => {
            Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"))
        }
        _ => Err(wrong_type("string_type", "messages.content", "a valid string")),
    }
}

/// Parses a text, token ids, or a list with one of either.
fn plain_prompt(body: &Value) -> Result<Vec<u32>, Refusal> {
    let wrong = || wrong_type("string_type", "prompt", "a string or a list of token ids");
    let tokens = match &body["prompt"] {
        Value::String(text) => tokenizer::encode(text),
        Value::Array(items) => match items.as_slice() {
            [Value::String(text)] => tokenizer::encode(text),
            [Value::Array(ids)] => ids.iter().map(token_id).collect::<Result<_, _>>()?,
            [Value::String(_) | Value::Array(_), ..] => {
                let text = "The simulator takes one prompt at a time.".to_owned();
                return Err(Refusal::parameter("prompt", text));
            }
            ids => ids.iter().map(token_id).collect::<Result<_, _>>()?,
        },
        _ => return Err(wrong()),
    };
    if tokens.is_empty() {
        let text = "The decoder prompt cannot be empty".to_owned();
        return Err(Refusal::parameter("prompt", text));
    }
    Ok(tokens)
}

fn token_id(value: &Value) -> Result<u32, Refusal> {
    let known = value.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| *id < VOCABULARY);
    known.ok_or_else(|| {
        Refusal::parameter("prompt", format!("Token id {value} is out of vocabulary"))
    })
}

/// Returns the maximum and the minimum of output tokens. A `max_tokens` above what the prompt
/// leaves is reduced silently, one above `max_model_len` refused.
fn lengths(body: &Value, chat: bool, setup: &Setup, prompt: u64) -> Result<(u64, u64), Refusal> {
    let room = setup.max_model_len - prompt;
    let field = if body["max_completion_tokens"].is_null() {
        "max_tokens"
    } else {
        "max_completion_tokens"
    };
    let asked = whole(body, field)?;
    match asked {
        Some(0) => {
            return Err(Refusal::value(field, 0, &format!("{field} must be at least 1, got 0.")));
        }
        Some(most) if most > setup.max_model_len => {
            let text = format!(
                "{field}={most} cannot be greater than max_model_len={}. Please request fewer output tokens.",
                setup.max_model_len
            );
            return Err(Refusal::value(field, most, &text));
        }
        _ => {}
    }
    let most = asked.unwrap_or(if chat { room } else { COMPLETION_TOKENS }).min(room);
    let least = whole(body, "min_tokens")?.unwrap_or(0);
    if least > most {
        let text =
            format!("min_tokens must be less than or equal to max_tokens={most}, got {least}.");
        return Err(Refusal::value("min_tokens", least, &text));
    }
    Ok((most, least))
}

fn salt(body: &Value) -> Result<Option<String>, Refusal> {
    let refuse = |text: &str| Err(Refusal::parameter("cache_salt", text.to_owned()));
    match &body["cache_salt"] {
        Value::Null => Ok(None),
        Value::String(salt) if salt.is_empty() => {
            refuse("Parameter 'cache_salt' must be a non-empty string if provided.")
        }
        Value::String(salt)
            if salt.chars().count() > SALT_CHARS_MAX || salt.contains(['@', '/', '\\', '\0']) =>
        {
            refuse(
                "Parameter 'cache_salt' must have at most 128 characters and none of @, /, \\ or NUL.",
            )
        }
        Value::String(salt) => Ok(Some(salt.clone())),
        _ => Err(wrong_type("string_type", "cache_salt", "a valid string")),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;
    use crate::sim::setup::tests::record;

    fn chat(body: &str) -> Result<SimRequest, Refusal> {
        read(body.as_bytes(), true, &record(1.0))
    }

    fn message(refusal: &Refusal) -> String {
        let body: Value = serde_json::from_str(&refusal.body()).expect("JSON");
        body["error"]["message"].as_str().expect("a text").to_owned()
    }

    fn refused(body: &str) -> String {
        chat(body).expect_err(body).body()
    }

    #[test]
    fn a_plain_chat_asks_for_all_the_room_there_is() {
        let ask = chat(r#"{"messages":[{"role":"user","content":"Hi"}]}"#).expect("fine");
        assert_eq!((ask.job.prompt.len(), ask.job.max_tokens), (9, 131_072 - 9));
        assert!(!ask.stream && ask.usage == UsagePlacement::Never);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bodies = [
            r#"{"messages": nope"#,
            r#"{"model":"x","messages":[]}"#,
            r#"{"messages":[],"max_tokens":140000}"#,
            r#"{"messages":[],"cache_salt":"a/b"}"#,
            r#"{"messages":[],"stream_options":{}}"#,
            r#"{"messages":[],"max_tokens":4,"min_tokens":9}"#,
            r#"{"messages":[],"temperature":-3}"#,
            "[]",
        ];
        assert_snapshot!("refused", each(bodies, |body| refused(body)));
    }

    #[test]
    fn too_long_a_prompt_is_counted_exactly_only_as_ids() {
        let ids = serde_json::json!({"prompt": vec![17; 131_072]}).to_string();
        let refusal = read(ids.as_bytes(), false, &record(1.0)).expect_err("too long");
        assert_snapshot!(message(&refusal), @"This model's maximum context length is 131072 tokens. However, your prompt contains 131072 input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=131072)");
        let text = serde_json::json!({"prompt": " a".repeat(200_000)}).to_string();
        let refusal = read(text.as_bytes(), false, &record(1.0)).expect_err("too long");
        assert_snapshot!(message(&refusal), @"This model's maximum context length is 131072 tokens. However, your prompt contains at least 131073 input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=131073)");
    }

    #[test]
    fn usage_with_every_chunk_needs_usage_at_the_end() {
        let options = |options: &str| {
            let body = format!(r#"{{"messages":[],"stream":true,"stream_options":{options}}}"#);
            chat(&body).map(|ask| ask.usage)
        };
        assert_eq!(options(r#"{"continuous_usage_stats":true}"#), Ok(UsagePlacement::Never));
        assert_eq!(
            options(r#"{"include_usage":true,"continuous_usage_stats":true}"#),
            Ok(UsagePlacement::Always)
        );
    }
}
