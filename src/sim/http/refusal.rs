//! Builds error responses in vLLM's format: `{"error":{message,type,param,code}}`.

use serde_json::Value;

/// An error response to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub status: u16,
    message: String,
    kind: &'static str,
    param: Option<String>,
}

impl Refusal {
    /// Returns the JSON body, which is also the data of an error frame in a stream.
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

    /// Refuses the value of a parameter.
    pub(crate) fn parameter(param: &str, message: String) -> Refusal {
        Refusal { status: 400, message, kind: "BadRequestError", param: Some(param.to_owned()) }
    }

    /// Refuses the value of a parameter, with the value repeated at the end as in vLLM.
    pub(crate) fn value(param: &str, value: impl std::fmt::Display, message: &str) -> Refusal {
        Refusal::parameter(param, format!("{message} (parameter={param}, value={value})"))
    }

    /// Refuses a body that does not match the request's schema.
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

    /// Refuses a body that is not JSON from the byte at `offset` on.
    pub(crate) fn not_json(offset: usize) -> Refusal {
        Refusal::schema("json_invalid", &format!("body.{offset}"), "JSON decode error")
    }

    /// Refuses a model that is not served.
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

    /// Refuses a prompt that leaves no room for output.
    pub(crate) fn too_long(tokens: u64, max: u64, at_least: &str) -> Refusal {
        let message = format!(
            "This model's maximum context length is {max} tokens. However, your prompt contains \
             {at_least}{tokens} input tokens, which exceeds this limit even without any output \
             tokens. Please reduce the length of the input prompt."
        );
        Refusal::value("input_tokens", tokens, &message)
    }

    /// Reports an internal error of the server.
    pub(crate) fn internal(message: &str) -> Refusal {
        Refusal {
            status: 500,
            message: message.to_owned(),
            kind: "InternalServerError",
            param: None,
        }
    }

    /// Refuses an unknown path or method, or a request that is not HTTP.
    pub(crate) fn http(status: u16) -> Refusal {
        let phrase = phrase(status);
        Refusal { status, message: phrase.to_owned(), kind: phrase, param: None }
    }
}

/// Returns the reason phrase of an HTTP status.
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
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn a_refusal_has_the_four_keys_and_its_own_status_as_code() {
        assert_snapshot!(Refusal::too_long(140_000, 131_072, "").body(), @r#"{"error":{"message":"This model's maximum context length is 131072 tokens. However, your prompt contains 140000 input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=140000)","type":"BadRequestError","param":"input_tokens","code":400}}"#);
        assert_snapshot!(Refusal::internal("x").body(), @r#"{"error":{"message":"x","type":"InternalServerError","param":null,"code":500}}"#);
    }
}
