//! Errors in vLLM's words: `{"error":{message,type,param,code}}`.

use serde_json::Value;

/// A request that is not served, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub status: u16,
    message: String,
    kind: &'static str,
    param: Option<String>,
}

impl Refusal {
    /// The JSON body; also what an error frame in a stream holds.
    pub(crate) fn body(&self) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        format!(
            r#"{{"error":{{"message":{},"type":{},"param":{},"code":{}}}}}"#,
            quoted(&self.message),
            quoted(self.kind),
            self.param.as_deref().map_or("null".to_owned(), quoted),
            self.status
        )
    }

    /// A value that a request may not have.
    pub(crate) fn parameter(param: &str, message: String) -> Refusal {
        Refusal { status: 400, message, kind: "BadRequestError", param: Some(param.to_owned()) }
    }

    /// The same, with the value repeated at the end as vLLM does.
    pub(crate) fn value(param: &str, value: impl std::fmt::Display, message: &str) -> Refusal {
        Refusal::parameter(param, format!("{message} (parameter={param}, value={value})"))
    }

    /// A body that does not have the shape of a request.
    pub(crate) fn schema(kind: &str, place: &str, message: &str) -> Refusal {
        Refusal {
            status: 400,
            message: format!(
                "1 validation error:\n  {{'type': '{kind}', 'loc': '{place}', 'msg': '{message}'}}"
            ),
            kind: "Bad Request",
            param: Some(place.to_owned()),
        }
    }

    /// A body that is not JSON, from the byte at `offset` on.
    pub(crate) fn not_json(offset: usize) -> Refusal {
        Refusal::schema("json_invalid", &format!("body.{offset}"), "JSON decode error")
    }

    /// A model that is not served.
    pub(crate) fn no_model(asked: &str, served: &[String]) -> Refusal {
        Refusal {
            status: 404,
            message: format!(
                "The model `{asked}` does not exist. Valid aliases: {}.",
                served.join(", ")
            ),
            kind: "NotFoundError",
            param: Some("model".to_owned()),
        }
    }

    /// A prompt that leaves no room for an answer.
    pub(crate) fn too_long(tokens: u64, max: u64, at_least: &str) -> Refusal {
        let message = format!(
            "This model's maximum context length is {max} tokens. However, your prompt contains \
             {at_least}{tokens} input tokens, which exceeds this limit even without any output \
             tokens. Please reduce the length of the input prompt."
        );
        Refusal::value("input_tokens", tokens, &message)
    }

    /// The server's own failure.
    pub(crate) fn internal(message: &str) -> Refusal {
        Refusal {
            status: 500,
            message: message.to_owned(),
            kind: "InternalServerError",
            param: None,
        }
    }

    /// A path or a method that is not there, or a request that is not HTTP.
    pub(crate) fn http(status: u16) -> Refusal {
        let phrase = phrase(status);
        Refusal { status, message: phrase.to_owned(), kind: phrase, param: None }
    }
}

/// The reason phrase of a status.
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_four_keys_and_its_own_status_as_code() {
        let body = Refusal::too_long(140_000, 131_072, "").body();
        let parsed: Value = serde_json::from_str(&body).expect("JSON");
        let error = &parsed["error"];
        assert_eq!(error["code"], 400);
        assert_eq!(error["param"], "input_tokens");
        assert_eq!(error["type"], "BadRequestError");
        assert!(error["message"].as_str().is_some_and(|m| m.contains("contains 140000 input")));
        assert!(Refusal::internal("x").body().contains("\"param\":null"));
    }
}
