//! Tests what comes of lists of models that are refused or silent, of the wrong scheme, and of an
//! unusual status of answers.

use std::time::Duration;

use insta::assert_snapshot;

use super::server::{ServerPage, honest, refusal, stream, text};
use super::{Met, NoServer, able, met, met_by, met_within};
use crate::spec::scenario::Api;

#[tokio::test(start_paused = true)]
async fn a_list_that_is_refused_or_silent_is_not_needed_for_a_named_model() {
    let silent = || Some(ServerPage { after: Duration::from_secs(25), ..text(200, "").unwrap() });
    for status in [401, 403, 405, 429, 501, 0] {
        let met = met_within(60, &[Api::Chat], Some("m"), move |question| match question.path {
            "/v1/models" if status == 0 => silent(),
            "/v1/models" => refusal(status, "no"),
            _ => None,
        })
        .await;
        assert_eq!((met.server().model.id.as_str(), met.waits.len()), ("m", 1), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_its_list_is_a_mistake_that_names_the_model_option() {
    let mut mistakes = Vec::new();
    for (status, seconds) in [(400, 3.0), (405, 3.0), (501, 3.0), (404, 3.0)] {
        let met = met_within(600, &[Api::Chat], None, move |question| {
            if question.path == "/v1/models" { refusal(status, "no") } else { None }
        })
        .await;
        mistakes.push(met.mistake());
        assert!(met.seconds < seconds, "{status}: {}", met.seconds);
    }
    assert_snapshot!(mistakes.join("\n\n"), @"
        error: the server does not list its models: 400 no
           at: /v1/models
          try: --model NAME, with a name that the server knows

        error: the server does not list its models: 405 no
           at: /v1/models
          try: --model NAME, with a name that the server knows

        error: the server does not list its models: 501 no
           at: /v1/models
          try: --model NAME, with a name that the server knows

        error: the server does not list its models: 404 no
           at: /v1/models
          try: --model NAME, with a name that the server knows
    ");
}

/// Server without a list of models that answers requests for tokens, and its health page, with these
/// statuses.
async fn without_list(model: Option<&str>, chat: u16, words: &'static str, health: u16) -> Met {
    met_within(600, &[Api::Chat], model, move |question| match question.path {
        "/v1/models" => refusal(404, "Not Found"),
        "/health" => text(health, ""),
        _ if question.generates() && chat != 200 => refusal(chat, words),
        _ if question.generates() => None,
        _ => text(404, ""),
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_not_found_is_a_mistake_within_seconds_unless_the_server_may_be_starting() {
    let protocol = "does not speak OpenAI's protocol";
    let name = "try: --model NAME";
    let unknown = "try: --model with a name that the server knows";
    for (model, chat, words, health, mistake) in [
        (None, 404, "Not Found", 404, protocol),
        (None, 404, "Not Found", 200, protocol),
        (None, 405, "Method Not Allowed", 200, protocol),
        (None, 200, "", 200, name),
        (None, 200, "", 404, name),
        (None, 200, "", 503, name),
        (None, 422, "Field required", 200, name),
        (None, 404, "The model `` does not exist", 200, name),
        (Some("m"), 404, "Not Found", 404, protocol),
        (Some("m"), 404, "Not Found", 200, protocol),
        (Some("m"), 404, "The model `m` does not exist", 200, unknown),
    ] {
        let met = without_list(model, chat, words, health).await;
        let reported = met.mistake();
        assert!(
            reported.contains(mistake),
            "{model:?}, {chat} {words}, health {health}: {reported}"
        );
        assert!(met.seconds < 9.0, "{model:?}, {chat} {words}: {}", met.seconds);
    }
    for model in [None, Some("m")] {
        for (chat, health) in [(404, 503), (503, 200)] {
            let met = without_list(model, chat, "Not Found", health).await;
            assert!(matches!(met.found, Err(NoServer::NeverAnswered(_))), "{chat}, {health}");
            assert!((600.0..601.0).contains(&met.seconds), "{chat}, {health}: {}", met.seconds);
        }
    }
    assert_eq!(without_list(Some("m"), 200, "", 404).await.server().model.id, "m");
}

#[tokio::test(start_paused = true)]
async fn the_other_scheme_is_a_mistake_within_seconds() {
    let mut mistakes = Vec::new();
    for model in [None, Some("m")] {
        let https = "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>";
        let met = met_by(&[Api::Chat], model, move |_| text(400, https)).await;
        mistakes.push(met.mistake());
        assert!(met.seconds < 3.0, "{}", met.seconds);
    }
    mistakes.dedup();
    assert_snapshot!(mistakes.join("\n"), @"
        error: the server expects HTTPS: 400 The plain HTTP request was sent to HTTPS port
           at: --endpoint
          try: --endpoint https://…, as the server expects HTTPS at this port
    ");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_any_2xx_is_one_and_its_status_is_noted_once() {
    let met = met(|question| {
        let most = question.body["max_tokens"].as_u64();
        let created =
            || ServerPage { status: 201, ..stream(most.unwrap_or(1), Some("length"), None) };
        (question.generates() && question.body["stream"] == true).then(created)
    })
    .await;
    assert!(met.abilities().chat && met.abilities().ignore_eos);
    assert_snapshot!(met.notes().join("\n"), @"status: answers have 201 instead of 200");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cuts_its_streams_off_without_done_is_met_like_any_other() {
    let met = met(|question| {
        let ServerPage { body, .. } = honest(question);
        let text = String::from_utf8(body?.to_vec()).unwrap();
        let stream = text.strip_suffix("data: [DONE]\n\n")?;
        Some(ServerPage { breaks: true, ..super::server::text(200, stream).unwrap() })
    })
    .await;
    assert_eq!(met.abilities(), able());
    assert!(met.notes().is_empty(), "{:?}", met.notes());
}
