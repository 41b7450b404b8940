//! Tests servers that refuse what is asked of them, and the mistakes that name the way out.

use insta::assert_snapshot;

use super::server::{Question, refusal, text};
use super::{able, met, met_by, met_within};
use crate::fact::Abilities;
use crate::spec::scenario::Api;

#[tokio::test(start_paused = true)]
async fn a_server_without_the_wanted_api_is_a_mistake_that_names_the_other() {
    let no_chat = |question: &Question<'_>| {
        if question.is_chat() { refusal(400, "must provide a chat template") } else { None }
    };
    assert_snapshot!(met(no_chat).await.mistake(), @"
        error: the server does not serve chat: 400 must provide a chat template
           at: /v1/chat/completions, model `m`
          try: `api: completions` in the scenario's ladder: prompts without a chat template, which is another load
    ");
    let both = met_by(&[Api::Chat, Api::Completions], None, |question: &Question<'_>| {
        let plain = question.path == "/v1/completions";
        if plain { text(404, "Not Found") } else { None }
    });
    assert_snapshot!(both.await.mistake(), @"
        error: the server does not serve plain completions: 404 Not Found
           at: /v1/completions, model `m`
          try: `api: chat` in the scenario's ladder: prompts in a chat template, which is another load
    ");
    let met = met_by(&[Api::Completions], None, no_chat).await;
    let less = Abilities { chat: false, tokenize_messages: false, ..able() };
    assert_eq!(met.abilities(), less);
}

#[tokio::test(start_paused = true)]
async fn an_address_without_any_page_of_the_protocol_is_a_mistake_within_seconds() {
    let mut mistakes = Vec::new();
    for model in [None, Some("m")] {
        let met = met_by(&[Api::Chat], model, |_| text(404, "")).await;
        mistakes.push(met.mistake());
        assert!(met.seconds < 3.0, "{}", met.seconds);
    }
    mistakes.dedup();
    assert_snapshot!(mistakes.join("\n"), @"
        error: the server has no /v1/models: it does not speak OpenAI's protocol at this address
          try: the address of the API, as --endpoint http://host:8000 or http://host:8000/v3
    ");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_served_and_not_listed_is_driven_and_one_that_is_refused_is_a_mistake() {
    let alias = met_by(&[Api::Chat], Some("alias"), |_| None).await;
    assert_eq!(alias.server().model.id, "alias");
    assert_eq!(alias.notes(), ["model: the server does not list `alias`, and answers it"]);
    let unknown = met_by(&[Api::Chat], Some("mm"), |question| {
        let refused = question.body["model"] == "mm";
        if refused { refusal(404, "The model `mm` does not exist") } else { None }
    });
    assert_snapshot!(unknown.await.mistake(), @"
        error: the server does not list the model `mm`, and refuses it: 404 The model `mm` does not exist
          try: --model with one of: m
    ");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_does_not_end_is_told_after_a_quarter_of_a_minute() {
    let mut mistakes = Vec::new();
    for (status, body) in [
        (400, "Bad Request"),
        (200, "data: [DONE]\n\n"),
        (200, "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}"),
    ] {
        let met = met_within(600, &[Api::Chat], None, move |question| {
            if question.generates() { text(status, body) } else { None }
        })
        .await;
        mistakes.push(format!("after {:.0} s: {}", met.seconds, met.mistake()));
    }
    assert_snapshot!(mistakes.join("\n\n"), @"
        after 15 s: error: the server answers, but cannot be driven: 400 Bad Request
           at: /v1/chat/completions and /v1/completions, model `m`
          try: a server that streams OpenAI's chat or plain completions

        after 15 s: error: the server answers, but cannot be driven: an event stream without a token
           at: /v1/chat/completions and /v1/completions, model `m`
          try: a server that streams OpenAI's chat or plain completions

        after 3 s: error: the server answers, but cannot be driven: a whole JSON answer and no stream
           at: /v1/chat/completions and /v1/completions, model `m`
          try: a server that streams OpenAI's chat or plain completions
    ");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_only_requests_for_tokens_want_is_hinted_at() {
    let met =
        met(|question| if question.generates() { refusal(401, "Invalid API Key") } else { None })
            .await;
    assert_snapshot!(met.mistake(), @"
        error: the server refuses the key: 401 Invalid API Key
          try: --api-key-env NAME, where NAME is the variable that holds the key
    ");
    assert!(met.seconds < 1.0);
}
