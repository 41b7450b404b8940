//! Parses one event of a streamed answer. Tolerant where servers differ (field order, nulls,
//! unknown fields, other types of what says nothing), strict about the protocol: an event must be a
//! JSON object.

use serde_json::Value;

use super::frame::{Choice, Frame};
use super::text::{mended, of_tools, of_value, parts, text_of};
use crate::fact::TOKENS_MAX;
use crate::protocol::error;
use crate::protocol::sse::Event;

/// Content of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Whether the event belongs to the answer; the usage record that follows an answer does not.
    pub of_answer: bool,
    /// Visible text; of a completion, all of it.
    pub content: String,
    /// Reasoning, under any of its names.
    pub reasoning: String,
    /// Text of tool calls: names and fragments of arguments, in order.
    pub tool: String,
    /// Tool calls that begin in this event.
    pub tools_begun: u64,
    /// Number of token ids in this event, where ids are given.
    pub ids: Option<u64>,
    /// Finish reason.
    pub finish: Option<String>,
    /// Usage so far, or the final one.
    pub usage: Option<Usage>,
    /// Words of an error object.
    pub error: Option<String>,
    /// Message beside an answer that nothing marks as an error, such as a keep-alive's.
    pub message: Option<String>,
    /// Fingerprint of the server's build and configuration, where the event has one.
    pub system: Option<String>,
    /// Name of the model, where a part of the answer has one.
    pub model: Option<String>,
    /// Whether half of a character that takes two escapes was in the text; the other half may be in
    /// the next event.
    pub halved: bool,
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

/// Longest finish reason, fingerprint or name of a model that is used, bytes.
const NAME_BYTES_MAX: usize = 1_000;

impl Chunk {
    /// Parses an event.
    ///
    /// # Errors
    /// The data is no JSON object, or its choices are no list of objects.
    pub(crate) fn parse(event: Event<'_>) -> Result<Chunk, String> {
        let data = event.data;
        // A derived structure would also accept an array of its fields.
        if !data.trim_start().starts_with('{') {
            if event.is_error() {
                return Ok(Chunk { error: Some(data.trim().to_owned()), ..Chunk::default() });
            }
            return Err("a frame that is no JSON object".to_owned());
        }
        let mut chunk = Chunk::default();
        let frame = Frame::parse(data).or_else(|wrong| {
            // JSON allows half a character; the parser does not take it.
            let mended = mended(data);
            chunk.halved = mended.is_some();
            mended.and_then(|mended| Frame::parse(&mended).ok()).ok_or_else(|| wrong.to_string())
        })?;
        chunk.take_words(&frame, event);
        chunk.usage = Usage::of(&frame.usage);
        chunk.system = name(&frame.system_fingerprint);
        if let Some(choice) = frame.choices.first {
            chunk.merge(choice);
            chunk.model = name(&frame.model);
        }
        Ok(chunk)
    }

    /// Whether the event carries text of any kind.
    pub(crate) fn has_text(&self) -> bool {
        self.text_bytes() > 0 || self.tools_begun > 0
    }

    /// Whether the event says nothing of an answer: a keep-alive.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.of_answer && self.usage.is_none() && self.error.is_none() && self.system.is_none()
    }

    /// Returns the bytes of text of any kind.
    pub(crate) fn text_bytes(&self) -> u64 {
        (self.content.len() + self.reasoning.len() + self.tool.len()) as u64
    }

    /// Extracts the words of an error in any of its shapes (`error` as object or text, a message
    /// that a name, a type or a code marks as an error), or a message without such a mark.
    fn take_words(&mut self, frame: &Frame, event: Event<'_>) {
        let fields = ["error", "message", "detail", "msg"];
        let values = [&frame.error, &frame.message, &frame.detail, &frame.msg];
        let said = || {
            let pairs = fields.iter().map(|name| (*name).to_owned()).zip(values.map(Value::clone));
            let said = Value::Object(pairs.filter(|(_, value)| !error::is_empty(value)).collect());
            if error::is_empty(&said) { event.data.to_owned() } else { error::of_value(&said) }
        };
        let bare = frame.choices.number == 0 && error::is_empty(&frame.usage);
        if !error::is_empty(&frame.error) || (bare && frame.is_marked(event)) {
            self.error = Some(said());
        } else if bare && !(error::is_empty(&frame.message) && error::is_empty(&frame.msg)) {
            self.message = Some(said());
        }
    }

    fn merge(&mut self, choice: Choice) {
        self.of_answer = true;
        let finish = &choice.finish_reason;
        let reason = finish.as_str().or_else(|| finish["type"].as_str());
        // A reason that is too long for one is one nevertheless, and is no natural end.
        let reason = reason.map(|it| if it.len() > NAME_BYTES_MAX { "too long" } else { it });
        self.finish = reason.filter(|reason| !matches!(*reason, "" | "null")).map(str::to_owned);
        self.ids = choice.token_ids.map(|ids| ids.len() as u64);
        if !error::is_empty(&choice.error) && self.error.is_none() {
            self.error = Some(error::of_value(&choice.error));
        }
        // Some send a whole message where a stream has its differences.
        let mut delta = if choice.delta.is_null() { choice.message } else { choice.delta };
        // Text is moved and not copied: it may be long.
        let content = delta.get_mut("content").map(Value::take).unwrap_or_default();
        let (thought, said) = parts(content);
        self.content = [text_of(choice.text), said, of_value(&delta["refusal"])]
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default();
        // Some versions send both names with the same text: only one counts.
        self.reasoning = ["reasoning", "reasoning_content", "thinking"]
            .iter()
            .map(|name| of_value(&delta[*name]))
            .chain([thought])
            .find(|text| !text.is_empty())
            .unwrap_or_default();
        for (name, arguments) in of_tools(&delta) {
            self.tools_begun += u64::from(!name.is_empty());
            self.tool.push_str(&name);
            self.tool.push_str(&arguments);
        }
    }
}

impl Frame {
    /// Whether anything beside the words marks them as an error.
    fn is_marked(&self, event: Event<'_>) -> bool {
        let is_error = |value: &Value| {
            value.as_str().is_some_and(|word| word.to_ascii_lowercase().contains("error"))
        };
        let is_bad = |code: &Value| match code {
            // 0 and 2xx are no errors, in gRPC and HTTP.
            Value::Number(_) => code.as_i64().is_some_and(|code| code != 0 && code / 100 != 2),
            _ => code.as_str().is_some_and(|word| !matches!(word, "" | "0" | "200" | "ok" | "OK")),
        };
        let is_refusal = self.status.as_u64().is_some_and(|status| status >= 400);
        event.is_error()
            || is_error(&self.object)
            || is_error(&self.kind)
            || is_bad(&self.code)
            || is_refusal
            || !error::is_empty(&self.detail)
    }
}

impl Usage {
    /// Reads a usage record; `None` where it counts nothing.
    fn of(value: &Value) -> Option<Usage> {
        let usage = Usage {
            // No prompt is empty.
            prompt: count(&value["prompt_tokens"]).filter(|tokens| *tokens > 0),
            cached: count(&value["prompt_tokens_details"]["cached_tokens"]),
            output: count(&value["completion_tokens"]),
            reasoning: count(&value["completion_tokens_details"]["reasoning_tokens"]),
        };
        (usage != Usage::default()).then_some(usage)
    }
}

/// Returns a name that is one.
fn name(value: &Value) -> Option<String> {
    let name = value.as_str().filter(|name| (1..=NAME_BYTES_MAX).contains(&name.len()));
    name.map(str::to_owned)
}

/// Reads a count of tokens; some write it as a fraction or as text. More than any request can have
/// is no count.
fn count(value: &Value) -> Option<u64> {
    let whole = |number: f64| (number >= 0.0 && number.fract() == 0.0).then_some(number as u64);
    let count = match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    count.filter(|tokens| *tokens <= TOKENS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(data: &str) -> Chunk {
        Chunk::parse(Event::unnamed(data)).unwrap()
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
    fn an_error_field_with_nothing_in_it_is_no_error() {
        for empty in ["null", "\"\"", "{}", "[]", "false", "0"] {
            let chunk = parse(&format!(
                r#"{{"choices":[{{"delta":{{"content":"a"}},"error":{empty}}}],"error":{empty}}}"#
            ));
            assert_eq!((chunk.error, &*chunk.content), (None, "a"), "{empty}");
        }
    }

    #[test]
    fn a_message_is_an_error_only_where_something_marks_it_as_one() {
        let said = |name, data| Chunk::parse(Event { name, data }).unwrap();
        for (name, data) in [
            ("error", r#"{"message":"dead"}"#),
            ("error", "dead"),
            ("", r#"{"type":"error","message":"dead"}"#),
            ("", r#"{"code":14,"message":"dead","details":[]}"#),
            ("", r#"{"status":500,"msg":"dead"}"#),
            ("", r#"{"detail":"dead"}"#),
            ("", r#"{"error":true,"message":"dead","choices":[]}"#),
            (
                "",
                r#"{"choices":[{"error":{"message":"dead"},"delta":{},"finish_reason":"error"}]}"#,
            ),
        ] {
            assert_eq!(said(name, data).error.as_deref(), Some("dead"), "{name} {data}");
        }
        for (name, data) in [
            ("keepalive", r#"{"message":"still working"}"#),
            ("", r#"{"message":"still working","code":0}"#),
        ] {
            let chunk = said(name, data);
            assert!(chunk.is_nothing(), "{data}");
            assert_eq!(chunk.message.as_deref(), Some("still working"));
        }
        assert!(said("ping", r#"{"type":"ping"}"#).is_nothing());
    }

    #[test]
    fn text_is_read_in_the_types_in_which_servers_send_it() {
        let one = |choice: &str| parse(&format!(r#"{{"choices":[{choice}]}}"#));
        for choice in [
            r#"{"delta":{"content":"hm"}}"#,
            r#"{"delta":{"content":[{"type":"text","text":"h"},{"type":"text","text":"m"}]}}"#,
            r#"{"delta":{"content":"hm"},"text":""}"#,
            r#"{"delta":{"content":"hm"},"text":null}"#,
            r#"{"delta":null,"text":"hm"}"#,
            r#"{"delta":[],"text":"hm"}"#,
            r#"{"message":{"role":"assistant","content":"hm"},"finish_reason":"stop"}"#,
        ] {
            assert_eq!(one(choice).content, "hm", "{choice}");
        }
        let tool = r#"{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]}}"#;
        assert_eq!((one(tool).tool.as_str(), one(tool).tools_begun), (r#"f{"a":1}"#, 1));
        let old = r#"{"delta":{"function_call":{"name":"f","arguments":"{}"}}}"#;
        assert_eq!(one(old).tool, "f{}");
    }

    #[test]
    fn half_a_character_in_an_escape_and_a_name_twice_are_valid_json() {
        let half = parse(r#"{"choices":[{"delta":{"content":"a\ud83d"}}]}"#);
        assert_eq!((half.content.as_str(), half.halved), ("a\u{fffd}", true));
        let twice =
            parse(r#"{"usage":null,"choices":[{"text":"a"}],"usage":{"completion_tokens":1}}"#);
        assert_eq!((twice.content.as_str(), twice.halved), ("a", false));
        assert_eq!(twice.usage.and_then(|usage| usage.output), Some(1));
    }

    #[test]
    fn counts_are_read_as_numbers_of_any_kind_and_what_is_none_is_unknown() {
        let usage = |usage: &str| parse(&format!(r#"{{"choices":[],"usage":{usage}}}"#)).usage;
        for sixteen in ["16", "16.0", "\"16\""] {
            let read = usage(&format!(r#"{{"completion_tokens":{sixteen},"prompt_tokens":null}}"#));
            assert_eq!(read, Some(Usage { output: Some(16), ..Usage::default() }), "{sixteen}");
        }
        let beyond = [
            r#"{"completion_tokens":18446744073709551615}"#,
            r#"{"prompt_tokens":"2147483649"}"#,
            r#"{"completion_tokens":1e300}"#,
        ];
        for none in
            ["null", "{}", "[]", "\"\"", r#"{"completion_tokens":-1}"#].iter().chain(&beyond)
        {
            assert_eq!(usage(none), None, "{none}");
        }
    }

    #[test]
    fn of_many_choices_the_first_is_read_and_a_long_name_is_none() {
        let many = parse(&format!(r#"{{"choices":[{{"text":"a"}}{}]}}"#, ",[]".repeat(9)));
        assert_eq!((many.content.as_str(), many.of_answer), ("a", true));
        assert!(!parse(r#"{"choices":[null]}"#).of_answer);
        let long = "f".repeat(NAME_BYTES_MAX + 1);
        let long = parse(&format!(
            r#"{{"system_fingerprint":"{long}","model":"{long}","choices":[{{"text":"a","finish_reason":"{long}"}}]}}"#
        ));
        assert_eq!((long.system, long.model), (None, None));
        assert_eq!(long.finish.as_deref(), Some("too long"));
    }

    #[test]
    fn what_is_no_object_is_no_frame() {
        for data in ["{\"choices\":[{\"delta\"", "[DONE", "7", "[null,null,null,null,null]", ""] {
            assert!(Chunk::parse(Event::unnamed(data)).is_err(), "{data}");
        }
    }
}
