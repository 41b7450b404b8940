//! Writes a request's body from an ask and the server's abilities. A field that the server was not
//! found to support is never sent: servers ignore unknown fields silently, and a field without
//! effect would look as if it had one.

use std::borrow::Cow;

use serde::Serialize;

use crate::fact::{Abilities, Class};
use crate::plan::{Ask, Input, Message};
use crate::spec::scenario::Api;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<MessageBody<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    // Sent wherever it is taken: some servers take another default from the model's own files.
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<u8>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ignore_eos: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_salt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_token_ids: Option<bool>,
}

#[derive(Serialize)]
struct MessageBody<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    continuous_usage_stats: Option<bool>,
}

/// Returns the path to which an ask is sent.
pub(crate) fn path(ask: &Ask) -> &'static str {
    path_of(ask.api)
}

/// Returns the path of an API.
pub(crate) fn path_of(api: Api) -> &'static str {
    match api {
        Api::Chat => "/v1/chat/completions",
        Api::Completions => "/v1/completions",
    }
}

/// Returns the name of the field that bounds an answer's tokens. `max_tokens` says whether a chat
/// takes that field; plain completions have no other.
pub(crate) fn bound_field(api: Api, max_tokens: bool) -> &'static str {
    match api {
        Api::Chat if !max_tokens => "max_completion_tokens",
        Api::Chat | Api::Completions => "max_tokens",
    }
}

/// Returns the salt of an ask: a repeated ask that must be cold gets a salt of its own, so that the
/// cache has nothing of its first time.
fn salted<'a>(ask: &Ask, salt: &'a str) -> Cow<'a, str> {
    match (ask.class, ask.repeat) {
        (Class::Cold, 1..) => Cow::Owned(format!("{salt}-r{}", ask.repeat)),
        _ => Cow::Borrowed(salt),
    }
}

/// Writes the body of an ask as JSON. `salt` keeps prefix-cache entries of an earlier run from
/// being hit, since the same seed sends the same texts.
pub(crate) fn body(ask: &Ask, abilities: &Abilities, model: &str, salt: &str) -> Vec<u8> {
    let salt = salted(ask, salt);
    let (messages, prompt) = said(ask, abilities);
    // No server makes an empty answer; a context is loaded by requesting one token.
    let most = ask.cell.output.max(1);
    let bound = bound_field(ask.api, abilities.max_tokens);
    let body = Body {
        model,
        messages,
        prompt,
        max_tokens: (bound == "max_tokens").then_some(most),
        max_completion_tokens: (bound == "max_completion_tokens").then_some(most),
        temperature: abilities.temperature.then_some(0),
        stream: true,
        stream_options: abilities.usage.then_some(StreamOptions {
            include_usage: true,
            continuous_usage_stats: abilities.continuous_usage.then_some(true),
        }),
        ignore_eos: (ask.exact_output && abilities.ignore_eos).then_some(true),
        min_tokens: (ask.exact_output && abilities.min_tokens).then_some(most),
        cache_salt: abilities.cache_salt.then_some(&salt),
        // Either field gives the tokens of a chunk; usage is the shorter one.
        return_token_ids: (abilities.return_token_ids && !abilities.continuous_usage)
            .then_some(true),
    };
    // Text, numbers and lists always serialise.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Returns role and content of messages as the server takes them: where its template refuses a
/// system message, its text stands before the user's.
pub(crate) fn spoken<'a>(
    messages: &'a [Message],
    abilities: &Abilities,
) -> Vec<(&'static str, Cow<'a, str>)> {
    let as_they_are = |message: &'a Message| (message.role, Cow::from(&message.content));
    match messages {
        [system, user] if !abilities.system_role && system.role == "system" => {
            vec![(user.role, Cow::from(joined(messages)))]
        }
        _ => messages.iter().map(as_they_are).collect(),
    }
}

fn joined(messages: &[Message]) -> String {
    let texts: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
    texts.join("\n\n")
}

fn said<'a>(
    ask: &'a Ask,
    abilities: &Abilities,
) -> (Option<Vec<MessageBody<'a>>>, Option<Cow<'a, str>>) {
    match (ask.api, &ask.input) {
        (Api::Chat, Input::Messages(messages)) => {
            let spoken = spoken(messages, abilities).into_iter();
            (Some(spoken.map(|(role, content)| MessageBody { role, content }).collect()), None)
        }
        (Api::Chat, Input::Text(text)) => {
            (Some(vec![MessageBody { role: "user", content: Cow::Borrowed(text) }]), None)
        }
        (Api::Completions, Input::Text(text)) => (None, Some(Cow::Borrowed(text))),
        (Api::Completions, Input::Messages(messages)) => (None, Some(Cow::Owned(joined(messages)))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ask(api: Api, input: Input) -> Ask {
        Ask { exact_output: true, ..Ask::example("d0/c1/p8/o4", api, input) }
    }

    fn read(ask: &Ask, abilities: &Abilities) -> Value {
        serde_json::from_slice(&body(ask, abilities, "m", "salt")).unwrap()
    }

    #[test]
    fn nothing_is_sent_that_the_server_was_not_found_to_know() {
        let ask = ask(Api::Completions, Input::Text("hm".into()));
        assert_eq!(
            read(&ask, &Abilities::default()),
            json!({"model": "m", "prompt": "hm", "max_tokens": 4, "temperature": 0, "stream": true})
        );
    }

    #[test]
    fn an_able_server_is_asked_for_usage_everywhere_and_for_exact_output() {
        let abilities = Abilities {
            usage: true,
            continuous_usage: true,
            ignore_eos: true,
            min_tokens: true,
            return_token_ids: true,
            ..Abilities::default()
        };
        let messages = vec![
            Message { role: "system", content: "deep".into() },
            Message { role: "user", content: "hm".into() },
        ];
        let mut ask = ask(Api::Chat, Input::Messages(messages));
        let body = read(&ask, &abilities);
        assert_eq!(path(&ask), "/v1/chat/completions");
        assert_eq!(body["messages"][0], json!({"role": "system", "content": "deep"}));
        assert_eq!(
            body["stream_options"],
            json!({"include_usage": true, "continuous_usage_stats": true})
        );
        assert_eq!((&body["ignore_eos"], &body["min_tokens"]), (&json!(true), &json!(4)));
        assert!(body.get("return_token_ids").is_none(), "usage in every chunk is enough");
        ask.exact_output = false;
        assert!(read(&ask, &abilities).get("ignore_eos").is_none());
    }

    #[test]
    fn a_template_without_a_system_role_gets_the_context_in_the_users_message() {
        let message = |role, content: &str| Message { role, content: content.to_owned() };
        let input = Input::Messages(vec![message("system", "deep"), message("user", "hm")]);
        let ask = ask(Api::Chat, input);
        let abilities = Abilities { system_role: false, ..Abilities::default() };
        let reported = &read(&ask, &abilities)["messages"];
        assert_eq!(reported, &json!([{"role": "user", "content": "deep\n\nhm"}]));
    }

    #[test]
    fn a_temperature_that_is_refused_is_not_sent() {
        let ask = ask(Api::Completions, Input::Text("hm".into()));
        let abilities = Abilities { temperature: false, ..Abilities::default() };
        assert!(read(&ask, &abilities).get("temperature").is_none());
    }

    #[test]
    fn a_chat_that_refuses_max_tokens_is_bounded_by_max_completion_tokens() {
        let abilities = Abilities { max_tokens: false, ..Abilities::default() };
        let chat = read(&ask(Api::Chat, Input::Text("hm".into())), &abilities);
        assert_eq!(
            (&chat["max_tokens"], &chat["max_completion_tokens"]),
            (&Value::Null, &json!(4))
        );
        let plain = read(&ask(Api::Completions, Input::Text("hm".into())), &abilities);
        assert_eq!(
            (&plain["max_tokens"], &plain["max_completion_tokens"]),
            (&json!(4), &Value::Null)
        );
    }

    #[test]
    fn a_context_is_loaded_by_asking_for_at_least_one_token() {
        let mut ask = ask(Api::Chat, Input::Messages(Vec::new()));
        ask.cell.output = 0;
        assert_eq!(read(&ask, &Abilities::default())["max_tokens"], 1);
    }

    #[test]
    fn what_an_earlier_run_left_in_the_cache_is_kept_out_by_a_salt() {
        let ask = ask(Api::Completions, Input::Text("hm".into()));
        let abilities = Abilities { cache_salt: true, ..Abilities::default() };
        assert_eq!(read(&ask, &abilities)["cache_salt"], "salt");
        let again = Ask { repeat: 2, ..ask };
        assert_eq!(read(&again, &abilities)["cache_salt"], "salt-r2", "nor what it asked before");
    }
}
