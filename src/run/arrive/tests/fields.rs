//! Tests fields of requests that servers refuse.

use super::server::refusal;
use super::{Abilities, able, met};

#[tokio::test(start_paused = true)]
async fn a_temperature_that_is_refused_is_left_away() {
    let met = met(|question| {
        let refused = question.generates() && !question.body["temperature"].is_null();
        if refused { refusal(400, "temperature is not supported") } else { None }
    })
    .await;
    assert_eq!(met.abilities(), Abilities { temperature: false, ..able() });
    assert!(met.notes()[0].starts_with("temperature: not sent"), "{:?}", met.notes());
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_refuses_max_tokens_is_sent_max_completion_tokens() {
    for status in [400, 422] {
        let met = met(move |question| {
            let refused = question.is_chat() && !question.body["max_tokens"].is_null();
            if refused { refusal(status, "Unsupported parameter: 'max_tokens'") } else { None }
        })
        .await;
        assert_eq!(met.abilities(), Abilities { max_tokens: false, ..able() });
        let note = format!(
            "max_tokens: `max_completion_tokens` is sent in its place: the server refused it: {status} Unsupported parameter: 'max_tokens'"
        );
        assert_eq!(met.notes(), [note]);
    }
}

#[tokio::test(start_paused = true)]
async fn two_fields_that_are_refused_together_are_left_away_each_with_its_refusal() {
    let met = met(|question| {
        let has = |field: &str| !question.body[field].is_null();
        match question.is_chat() {
            true if has("max_tokens") => refusal(400, "no max_tokens"),
            true if has("temperature") => refusal(400, "no temperature"),
            _ => None,
        }
    })
    .await;
    assert_eq!(met.abilities(), Abilities { max_tokens: false, temperature: false, ..able() });
    assert_eq!(
        met.notes(),
        [
            "temperature: not sent: the server refused it: 400 no temperature",
            "max_tokens: `max_completion_tokens` is sent in its place: the server refused it: 400 no max_tokens"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn stream_options_that_are_refused_leave_the_count_of_whole_answers() {
    let met = met(|question| {
        let refused = !question.body["stream_options"].is_null();
        if refused { refusal(422, "stream_options") } else { None }
    })
    .await;
    let seen = met.abilities();
    assert!(!seen.usage && seen.usage_whole && seen.ignore_eos, "{seen:?}");
    assert!(met.notes()[0].starts_with("stream_options: not sent"), "{:?}", met.notes());
}

#[tokio::test(start_paused = true)]
async fn a_tokenizer_that_breaks_at_a_form_that_it_does_not_know_is_used_without_a_word() {
    let breaks_at = |field: &'static str| {
        met(move |question| {
            let unknown = question.path == "/tokenize" && !question.body[field].is_null();
            if unknown { refusal(500, "KeyError") } else { None }
        })
    };
    let met = breaks_at("content").await;
    assert_eq!((met.abilities(), met.notes()), (able(), vec![]));
    assert!(met.seconds < 0.1, "{}", met.seconds);
    let met = breaks_at("messages").await;
    let less = Abilities { tokenize_messages: false, ..able() };
    assert_eq!((met.abilities(), met.notes()), (less, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_refused_beside_another_is_left_away() {
    let met = met(|question| {
        let has = |field: &str| !question.body[field].is_null();
        let refused = question.generates() && has("ignore_eos") && has("min_tokens");
        if refused { refusal(400, "min_tokens and ignore_eos exclude each other") } else { None }
    })
    .await;
    assert_eq!(met.abilities(), Abilities { min_tokens: false, ..able() });
    let note = "min_tokens: not sent: the server took it once and refused it once: 400 min_tokens and ignore_eos exclude each other";
    assert_eq!(met.notes(), [note]);
}
