//! Tests how servers are met that depart from an honest one in one respect.

#![allow(clippy::unwrap_used)]

mod fields;
mod list;
mod refused;
pub(crate) mod server;

use std::cell::RefCell;

use super::*;
use insta::assert_snapshot;
use serde_json::Value;
use server::{NATURAL, Question, Server, ServerPage, page, refusal, stream, text};

/// Result of an arrival, and the waits and requests on the way.
struct Met {
    found: Result<ArrivedServer, NoServer>,
    /// Reasons of waits.
    waits: Vec<String>,
    seconds: f64,
    asked: Vec<(String, Value)>,
}

impl Met {
    fn server(&self) -> &ArrivedServer {
        self.found.as_ref().unwrap()
    }

    fn abilities(&self) -> Abilities {
        self.server().abilities
    }

    fn notes(&self) -> Vec<String> {
        self.server().notes.iter().map(Statement::words).collect()
    }

    fn mistake(&self) -> String {
        match self.found.as_ref().unwrap_err() {
            NoServer::Mistake(mistake) => mistake.to_string(),
            NoServer::NeverAnswered(words) => panic!("never answered: {words}"),
        }
    }
}

async fn met_by(
    apis: &[Api],
    model: Option<&str>,
    departs: impl Fn(&Question<'_>) -> Option<ServerPage> + 'static,
) -> Met {
    met_within(15, apis, model, departs).await
}

async fn met_within(
    seconds: u64,
    apis: &[Api],
    model: Option<&str>,
    departs: impl Fn(&Question<'_>) -> Option<ServerPage> + 'static,
) -> Met {
    let server = Server::new(departs);
    let waits = RefCell::new(Vec::new());
    let ready = Duration::from_secs(seconds);
    let wanted = Requirements { ready, model, served: &[], unknown_host: false, apis, output: 128 };
    let waiting = |_: At, words: &str| waits.borrow_mut().push(words.to_owned());
    let found = arrive(&server, &server.timeline, &wanted, &waiting).await;
    let (seconds, asked) = (server.timeline.now().seconds(), server.asked.take());
    Met { found, waits: waits.take(), seconds, asked }
}

async fn met(departs: impl Fn(&Question<'_>) -> Option<ServerPage> + 'static) -> Met {
    met_by(&[Api::Chat], None, departs).await
}

fn able() -> Abilities {
    Abilities {
        chat: true,
        completions: true,
        usage: true,
        usage_whole: true,
        tokenize: true,
        tokenize_messages: true,
        token_id_prompts: true,
        ignore_eos: true,
        min_tokens: true,
        cache_salt: true,
        metrics: true,
        health: true,
        version: true,
        ..Abilities::default()
    }
}

#[tokio::test(start_paused = true)]
async fn an_honest_server_is_met_with_some_two_dozen_requests_side_by_side() {
    let met = met(|_| None).await;
    assert_eq!(met.abilities(), able());
    assert!(met.notes().is_empty() && met.waits.is_empty(), "{:?}", met.notes());
    assert!(met.asked.len() <= 28, "{}", met.asked.len());
    assert!(met.seconds < 0.012, "nine in turn, of a millisecond each: {}", met.seconds);
}

#[tokio::test(start_paused = true)]
async fn the_simulator_behind_an_address_is_known_by_whatever_a_proxy_leaves_of_it() {
    let is_known = async |path: &'static str, body: &'static str| {
        let departs = move |question: &Question<'_>| {
            if question.path == path { text(200, body) } else { None }
        };
        met(departs).await.found.unwrap().is_simulated()
    };
    assert!(!is_known("/version", r#"{"version": "0.32.0"}"#).await);
    assert!(is_known("/version", r#"{"version": "0.32.0+longhaul.sim"}"#).await);
    assert!(is_known("/metrics", "up 1\nlonghaul_simulated{relay=\"a\"} 1.0\n").await);
    assert!(!is_known("/metrics", "# longhaul_simulated is not here\nup 1\n").await);
    let answer = r#"data: {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}], "system_fingerprint": "vllm-0.32.0+longhaul.sim-tp1"}

data: [DONE]

"#;
    assert!(is_known("/v1/chat/completions", answer).await);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_refused_once_is_asked_again_and_nothing_is_concluded() {
    for status in [429, 500, 503] {
        for nth in 0..10 {
            let met = met(move |question| {
                let unlucky = question.generates() && question.nth == nth;
                if unlucky { refusal(status, "Rate limit reached") } else { None }
            })
            .await;
            assert_eq!(met.abilities(), able(), "{status} to request {nth}");
            assert!(met.notes().is_empty(), "{:?}", met.notes());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_unknown_fields_is_not_taken_for_one_that_knows_them() {
    let strict = |status: u16, body: Value| {
        move |question: &Question<'_>| {
            let unknown = ["cache_salt", "return_token_ids"];
            let has = unknown.iter().any(|field| !question.body[*field].is_null());
            if has { page(status, &body) } else { None }
        }
    };
    let list = json!({"detail": [{"loc": ["body", "x"], "msg": "Extra inputs are not permitted"}]});
    let plain = json!({"error": {"message": "Extra inputs are not permitted"}});
    for (status, body) in [(400, plain), (422, list)] {
        let met = met(strict(status, body)).await;
        assert_eq!(met.abilities(), Abilities { cache_salt: false, ..able() });
        let refused = |field| {
            format!(
                "{field}: not sent: the server refused it: {status} Extra inputs are not permitted"
            )
        };
        assert_eq!(met.notes(), [refused("return_token_ids"), refused("cache_salt")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_that_one_of_two_replicas_refuses_is_not_sent() {
    type Less = fn(Abilities) -> Abilities;
    let fields: [(&str, Less); 3] = [
        ("cache_salt", |able| Abilities { cache_salt: false, ..able }),
        ("ignore_eos", |able| Abilities { ignore_eos: false, ..able }),
        ("min_tokens", |able| Abilities { min_tokens: false, ..able }),
    ];
    for (field, less) in fields {
        for strict in [0, 1] {
            let met = met(move |question| {
                let refuses = question.nth % 2 == strict && !question.body[field].is_null();
                if refuses { refusal(422, "Extra inputs are not permitted") } else { None }
            })
            .await;
            assert_eq!(met.abilities(), less(able()), "{field}, replica {strict}");
            let [note] = &met.notes()[..] else { panic!("{field}: {:?}", met.notes()) };
            assert!(note.starts_with(&format!("{field}: not sent: the server ")), "{note}");
            assert!(note.ends_with("422 Extra inputs are not permitted"), "{note}");
        }
    }
    let counted = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"completion_tokens\":1}}\n\n";
    for strict in [0, 1, 2] {
        let met = met(move |question| {
            let asked = question.body["stream_options"]["continuous_usage_stats"] == true;
            match question.nth % 2 == strict {
                true if asked => refusal(400, "continuous_usage_stats"),
                false if asked => text(200, &counted.repeat(2)),
                _ => None,
            }
        })
        .await;
        let continuous_usage = strict == 2;
        assert_eq!(met.abilities(), Abilities { continuous_usage, ..able() }, "{strict}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_unknown_fields_does_not_know_them() {
    let met = met(|question| {
        let body = question.body;
        let ignores = body["ignore_eos"] == true || !body["min_tokens"].is_null();
        let usage = json!({"prompt_tokens": 9, "completion_tokens": NATURAL});
        (ignores || body["cache_salt"] == "").then(|| stream(NATURAL, Some("stop"), Some(usage)))
    })
    .await;
    let less = Abilities { ignore_eos: false, min_tokens: false, cache_salt: false, ..able() };
    assert_eq!(met.abilities(), less);
}

#[tokio::test(start_paused = true)]
async fn a_template_without_a_system_role_is_found_by_asking() {
    for status in [400, 500] {
        let met = met(move |question| {
            if question.has_system() { refusal(status, "System role not supported") } else { None }
        })
        .await;
        assert_eq!(met.abilities(), Abilities { system_role: false, ..able() });
        assert_eq!(
            met.notes(),
            [format!(
                "system role: the server refused it: {status} System role not supported; a context is in the user's message"
            )]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_ignore_eos_that_breaks_answers_past_their_end_is_left_away() {
    let broken = |question: &Question<'_>| {
        let body = question.body;
        let driven = body["ignore_eos"] == true || !body["min_tokens"].is_null();
        let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{\"message\":\"Unexpected token 200002\"}}\n\n";
        if driven { text(200, body) } else { None }
    };
    let met_broken = met(broken).await;
    let less = Abilities { ignore_eos: false, min_tokens: false, ..able() };
    assert_eq!(met_broken.abilities(), less);
    assert_snapshot!(met_broken.notes().join("\n"), @"
        ignore_eos: not sent: the server took it, and its answer broke: Unexpected token 200002
        min_tokens: not sent: the server took it, and its answer broke: Unexpected token 200002
    ");
    let cut = met(|question| {
        let driven = question.body["ignore_eos"] == true;
        driven.then(|| stream(40, None, None))
    })
    .await;
    assert!(!cut.abilities().ignore_eos && cut.abilities().min_tokens);
    assert_snapshot!(cut.notes().join("\n"), @"ignore_eos: not sent: the server took it, and its answer broke off without a finish reason");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_still_starting_is_waited_for() {
    type Starting = fn(&Question<'_>) -> Option<ServerPage>;
    let starting: [(&str, Starting); 13] = [
        ("empty list", |it| {
            if it.path == "/v1/models" { page(200, &json!({"data": []})) } else { None }
        }),
        ("null list", |it| {
            if it.path == "/v1/models" { page(200, &json!({"data": null})) } else { None }
        }),
        ("HTML list", |it| if it.path == "/v1/models" { text(200, "<html></html>") } else { None }),
        ("404 everywhere, health 503", |it| text(if it.path == "/health" { 503 } else { 404 }, "")),
        ("404 list, loading", |it| match it.path {
            "/v1/models" => text(404, ""),
            _ => refusal(503, "Loading model"),
        }),
        ("loading", |_| refusal(503, "Loading model")),
        ("429", |it| if it.generates() { refusal(429, "No deployments available") } else { None }),
        ("404", |it| if it.generates() { refusal(404, "Model not found") } else { None }),
        (
            "400",
            |it| {
                if it.generates() { refusal(400, "Model is loading, please wait") } else { None }
            },
        ),
        ("503 in a frame", |it| {
            let frame = "data: {\"error\":{\"message\":\"later\",\"code\":503}}\n\n";
            if it.generates() { text(200, frame) } else { None }
        }),
        ("empty stream", |it| if it.generates() { text(200, "data: [DONE]\n\n") } else { None }),
        (
            "400 without a reason",
            |it| {
                if it.generates() { refusal(400, "Bad Request") } else { None }
            },
        ),
        ("500 then 404", |it| {
            let status = if it.at.seconds() < 3.0 { 500 } else { 404 };
            if it.generates() { refusal(status, "Failed to generate") } else { None }
        }),
    ];
    for (how, departs) in starting {
        let met =
            met(move |question| if question.at.seconds() < 6.0 { departs(question) } else { None })
                .await;
        assert_eq!(met.abilities(), able(), "{how}");
        assert!((6.0..9.0).contains(&met.seconds) && !met.waits.is_empty(), "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_with_the_time_to_be_ready() {
    let met =
        met(|question| if question.path == "/v1/models" { page(200, &json!([])) } else { None })
            .await;
    let words = "/v1/models lists no model".to_owned();
    assert_eq!(met.found, Err(NoServer::NeverAnswered(words)));
    assert!((15.0..15.1).contains(&met.seconds), "{}", met.seconds);
}

#[tokio::test(start_paused = true)]
async fn a_known_server_is_asked_again_with_three_gets_at_the_most() {
    let server = Server::new(|_| None);
    let able = Abilities { version: true, ..Abilities::default() };
    let identity = again(&server, &server.timeline, able, "m").await.unwrap();
    let model = Model { id: "m".to_owned(), root: None, parent: None, max_model_len: Some(32_768) };
    assert_eq!(identity, Identity::of(&[model], "m", Some("2"), None));
    let asked = server.asked.take();
    assert!(asked.len() == 2 && asked.iter().all(|(_, body)| body.is_null()), "{asked:?}");
    let _ = again(&server, &server.timeline, Abilities::default(), "m").await;
    assert_eq!(server.asked.take().len(), 1, "what it could not do is not asked for");
}

#[tokio::test(start_paused = true)]
async fn a_health_page_that_does_not_answer_in_time_is_none_and_html_is_no_metrics() {
    let met = met(|question| match question.path {
        "/metrics" | "/version" => text(200, "<html></html>"),
        "/health" => Some(ServerPage { after: Duration::from_secs(12), ..text(200, "").unwrap() }),
        _ => None,
    });
    let met = met.await;
    let Abilities { health, metrics, version, .. } = met.abilities();
    assert_eq!((health, metrics, version), (false, false, false));
    assert!(met.seconds < 8.0, "{}", met.seconds);
}

/// Wire that fails in one way.
#[derive(Clone)]
struct Gone(crate::fact::BrokenHow, Timeline);

impl Wire for Gone {
    type Reply = ServerPage;

    async fn call(&self, _: Call) -> Result<ServerPage, crate::world::Broken> {
        let (how, stage, at) = (self.0, crate::fact::Stage::Connect, self.1.now());
        Err(crate::world::Broken { how, stage, at, words: "gone".to_owned(), resent: false })
    }
}

/// Waits for a server that cannot be reached, two minutes at the most; returns how that ends and
/// after how many seconds.
async fn ends(how: crate::fact::BrokenHow, unknown_host: bool) -> (NoServer, f64) {
    let timeline = Timeline::start();
    let ready = Duration::from_secs(120);
    let wanted = Requirements {
        ready,
        unknown_host,
        model: None,
        served: &[],
        apis: &[Api::Chat],
        output: 16,
    };
    let arrived = arrive(&Gone(how, timeline), &timeline, &wanted, &|_, _| {}).await;
    (arrived.unwrap_err(), timeline.now().seconds())
}

#[tokio::test(start_paused = true)]
async fn only_what_may_mend_itself_is_waited_for() {
    use crate::fact::BrokenHow::{Refused, Unresolved, Untrusted};
    for (how, unknown_host, is_mistake, seconds) in [
        (Refused, false, false, 120.0),
        (Unresolved, false, true, 3.0),
        (Unresolved, true, false, 120.0),
        (Untrusted, false, true, 0.0),
        (Untrusted, true, true, 0.0),
    ] {
        let (end, after) = ends(how, unknown_host).await;
        assert_eq!(matches!(end, NoServer::Mistake(_)), is_mistake, "{how:?}: {end:?}");
        assert!((after - seconds).abs() < 0.1, "{how:?}: after {after} s");
    }
}
