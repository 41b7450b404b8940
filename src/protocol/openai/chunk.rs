//! Parses one data frame of a streamed answer. Tolerant where servers differ (field order, nulls,
//! unknown fields), strict about the protocol: a frame must be a JSON object.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::protocol::error;

/// Content of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Whether the frame belongs to the answer; the usage record that follows an answer does not.
    pub of_answer: bool,
    /// Visible text; of a completion, all of it.
    pub content: String,
    /// Reasoning, under either of its names.
    pub reasoning: String,
    /// Text of tool calls: names and fragments of arguments, in order.
    pub tool: String,
    /// Tool calls that begin in this frame.
    pub tools_begun: u64,
    /// Number of token ids in this frame, where ids are given.
    pub ids: Option<u64>,
    /// Finish reason.
    pub finish: Option<String>,
    /// Usage so far, or the final one.
    pub usage: Option<Usage>,
    /// Words of an error object.
    pub error: Option<String>,
    /// Fingerprint of the server's build and configuration, where the frame has one.
    pub system: Option<String>,
}

/// Token counts by the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Prompt tokens, including the chat template.
    pub prompt: Option<u64>,
    /// Prompt tokens that were served from cache.
    pub cached: Option<u64>,
    /// Output tokens, including reasoning, tool markup and the stop token.
    pub output: Option<u64>,
    /// Output tokens that are reasoning.
    pub reasoning: Option<u64>,
}

#[derive(Deserialize)]
struct Frame {
    object: Option<Value>,
    choices: Option<Vec<Choice>>,
    usage: Option<RawUsage>,
    error: Option<Value>,
    message: Option<Value>,
    system_fingerprint: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    text: Option<String>,
    finish_reason: Option<String>,
    token_ids: Option<Vec<IgnoredAny>>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    reasoning: Option<String>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Deserialize)]
struct ToolCall {
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct RawUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

impl Chunk {
    /// Parses a frame's data.
    ///
    /// # Errors
    /// The data is no JSON object, or its fields have other types than the API's.
    pub(crate) fn parse(data: &str) -> Result<Chunk, String> {
        // A derived structure would also accept an array of its fields.
        if !data.trim_start().starts_with('{') {
            return Err("a frame that is no JSON object".to_owned());
        }
        let frame: Frame = serde_json::from_str(data).map_err(|error| error.to_string())?;
        let mut chunk = Chunk { error: error_of(&frame), ..Chunk::default() };
        chunk.usage = frame.usage.map(Usage::from);
        chunk.system = match frame.system_fingerprint {
            Some(Value::String(name)) if !name.is_empty() => Some(name),
            _ => None,
        };
        // One answer is requested, so there is one choice.
        if let Some(choice) = frame.choices.and_then(|choices| choices.into_iter().next()) {
            chunk.merge(choice);
        }
        Ok(chunk)
    }

    /// Whether the frame carries text of any kind.
    pub(crate) fn has_text(&self) -> bool {
        self.text_bytes() > 0 || self.tools_begun > 0
    }

    /// Returns the bytes of text of any kind.
    pub(crate) fn text_bytes(&self) -> u64 {
        (self.content.len() + self.reasoning.len() + self.tool.len()) as u64
    }

    fn merge(&mut self, choice: Choice) {
        self.of_answer = true;
        self.finish = choice.finish_reason.filter(|reason| !reason.is_empty());
        self.ids = choice.token_ids.map(|ids| ids.len() as u64);
        let delta = choice.delta.unwrap_or_default();
        self.content = choice.text.or(delta.content).unwrap_or_default();
        // Some versions send both names with the same text: only one counts.
        self.reasoning = delta
            .reasoning
            .filter(|text| !text.is_empty())
            .or(delta.reasoning_content)
            .unwrap_or_default();
        for function in delta.tool_calls.into_iter().flatten().filter_map(|call| call.function) {
            if let Some(name) = function.name.filter(|name| !name.is_empty()) {
                self.tools_begun += 1;
                self.tool.push_str(&name);
            }
            self.tool.push_str(&function.arguments.unwrap_or_default());
        }
    }
}

/// Extracts the words of an error, in any of its shapes: `error` as object or text, or the older
/// `{"object":"error","message":…}`.
fn error_of(frame: &Frame) -> Option<String> {
    let bare = frame.choices.is_none() && frame.usage.is_none();
    let marked = frame.object.as_ref().is_some_and(|object| object == "error");
    let value = match (&frame.error, &frame.message) {
        (Some(error), _) => error,
        (None, Some(message)) if bare || marked => message,
        _ => return None,
    };
    Some(error::of_value(value))
}

impl From<RawUsage> for Usage {
    fn from(raw: RawUsage) -> Usage {
        Usage {
            prompt: raw.prompt_tokens,
            cached: raw.prompt_tokens_details.and_then(|details| details.cached_tokens),
            output: raw.completion_tokens,
            reasoning: raw.completion_tokens_details.and_then(|details| details.reasoning_tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(data: &str) -> Chunk {
        Chunk::parse(data).unwrap()
    }

    #[test]
    fn a_role_chunk_carries_no_text_whether_its_content_is_empty_or_null() {
        for content in ["\"\"", "null"] {
            let chunk = parse(&format!(
                r#"{{"choices":[{{"index":0,"delta":{{"role":"assistant","content":{content}}},"logprobs":null,"finish_reason":null}}],"prompt_token_ids":null}}"#
            ));
            assert!(chunk.of_answer && !chunk.has_text() && chunk.finish.is_none(), "{chunk:?}");
        }
    }

    #[test]
    fn reasoning_is_read_under_either_name_and_counted_once() {
        for delta in [
            r#"{"reasoning":"hm"}"#,
            r#"{"reasoning_content":"hm"}"#,
            r#"{"reasoning":"hm","reasoning_content":"hm","content":null}"#,
        ] {
            let chunk = parse(&format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#));
            assert_eq!((chunk.reasoning.as_str(), chunk.text_bytes()), ("hm", 2), "{delta}");
        }
    }

    #[test]
    fn tool_calls_give_their_names_and_fragments() {
        let first = parse(
            r#"{"choices":[{"delta":{"content":null,"tool_calls":[{"id":"x","type":"function","index":0,"function":{"name":"look"}}]}}]}"#,
        );
        assert_eq!((first.tool.as_str(), first.tools_begun), ("look", 1));
        let later = parse(
            r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":null,"function":{"arguments":"{\"a\""}}]},"finish_reason":"length"}]}"#,
        );
        assert_eq!((later.tool.as_str(), later.tools_begun), ("{\"a\"", 0));
        assert_eq!(later.finish.as_deref(), Some("length"));
    }

    #[test]
    fn finish_text_and_usage_may_stand_in_one_chunk_of_a_completion() {
        let chunk = parse(
            r#"{"choices":[{"text":"!","index":0,"finish_reason":"length","token_ids":[4,5]}],"usage":{"completion_tokens":4,"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":null},"timings":{"cache_n":4}}"#,
        );
        assert_eq!((chunk.content.as_str(), chunk.ids), ("!", Some(2)));
        assert_eq!(
            chunk.usage,
            Some(Usage { prompt: Some(5), cached: Some(4), output: Some(4), reasoning: None })
        );
    }

    #[test]
    fn an_error_is_seen_in_any_shape_and_a_usage_record_is_no_part_of_the_answer() {
        for data in [
            r#"{"error": {"message": "dead", "type": "InternalServerError", "param": null, "code": 500}}"#,
            r#"{"error":"dead"}"#,
            r#"{"object":"error","message":"dead","code":400}"#,
            r#"{"message":"dead","code":500}"#,
        ] {
            assert_eq!(parse(data).error.as_deref(), Some("dead"), "{data}");
        }
        let usage = parse(r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#);
        assert!(!usage.of_answer && usage.error.is_none() && usage.usage.is_some());
        assert_eq!(parse(r#"{"choices":[{"delta":{}}],"error":null}"#).error, None);
    }

    #[test]
    fn what_is_no_object_is_no_frame() {
        for data in ["{\"choices\":[{\"delta\"", "[DONE", "7", "[null,null,null,null,null]", ""] {
            assert!(Chunk::parse(data).is_err(), "{data}");
        }
    }
}
