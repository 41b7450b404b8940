//! Tests that each way of a server to count tokens is enough for exact lengths, and that a refusal
//! costs no more than what it refuses.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::plan::Bounds;
use crate::plan::tests::scenario;
use crate::run::arrive::tests::server::{
    Question, Server, ServerPage, prompt_tokens, refusal, stream, text,
};
use crate::run::arrive::{Requirements, arrive};

/// Measures a server that departs from an honest one, and returns what came of it with the
/// errors of the samples in tokens, by depth.
async fn measured(
    departs: impl Fn(&Question<'_>) -> Option<ServerPage> + 'static,
) -> (Measured, Vec<(u64, Option<u64>)>) {
    let server = Server::new(departs);
    let plan = Plan::new(&scenario(&[0, 4096], &[1]), 7, Bounds::default()).unwrap();
    let ready = Duration::from_secs(60);
    let wanted = Requirements {
        ready,
        model: None,
        served: &[],
        unknown_host: false,
        apis: &plan.apis(),
        output: 16,
    };
    let found = arrive(&server, &server.timeline, &wanted, &|_, _| ()).await.unwrap();
    let deadline = server.timeline.now().after(ready);
    let patience = RetryPolicy::new(&server.timeline, deadline, &|_, _| ());
    let counted = Counted {
        wire: &server,
        timeline: &server.timeline,
        patience: &patience,
        abilities: &found.abilities,
        model: "m",
    };
    let measured =
        fit_prompts(&counted, &plan, &|_, _| ()).await.unwrap_or_else(|why| panic!("{why}"));
    let missed =
        |it: &Fitted| (it.depth, it.counted.map(|counted| counted.abs_diff(it.depth + it.prompt)));
    let missed = measured.fitted.iter().map(missed).collect();
    (measured, missed)
}

const EXACT: [(u64, Option<u64>); 2] = [(0, Some(0)), (4096, Some(0))];

fn is_tokenize(question: &Question<'_>) -> bool {
    question.path == "/tokenize"
}

#[tokio::test(start_paused = true)]
async fn each_way_to_count_gives_exact_lengths() {
    type Departs = fn(&Question<'_>) -> Option<ServerPage>;
    let cases: [(&str, Method, Departs); 7] = [
        ("all", Method::Tokenize, |_| None),
        ("no messages", Method::Usage, |it| {
            if is_tokenize(it) && it.is_chat() { refusal(422, "prompt") } else { None }
        }),
        ("no /tokenize", Method::Usage, |it| if is_tokenize(it) { text(404, "") } else { None }),
        ("a refusing /tokenize", Method::Usage, |it| {
            if is_tokenize(it) { refusal(429, "busy") } else { None }
        }),
        ("usage in streams only", Method::Usage, |it| {
            let whole = it.generates() && it.body["stream"] != true;
            if is_tokenize(it) {
                text(404, "")
            } else if whole {
                text(200, "{}")
            } else {
                None
            }
        }),
        ("usage in whole answers only", Method::Usage, |it| {
            let streams = it.generates() && it.body["stream"] == true;
            let finish = Some("stop");
            if is_tokenize(it) { text(404, "") } else { streams.then(|| stream(3, finish, None)) }
        }),
        ("no system role", Method::Tokenize, |it| {
            if it.has_system() { refusal(500, "System role not supported") } else { None }
        }),
    ];
    for (how, method, departs) in cases {
        let (measured, missed) = measured(departs).await;
        assert_eq!(measured.fit.method, method, "{how}");
        assert_eq!(missed, EXACT, "{how}");
        assert!(measured.notes.is_empty(), "{how}: {:?}", measured.notes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sample_that_is_too_deep_costs_its_depth_alone() {
    let (measured, missed) = measured(|question| {
        let long = prompt_tokens(question.body) > 2_500 && question.is_chat();
        if long { refusal(413, "Request Entity Too Large") } else { None }
    })
    .await;
    assert_eq!(missed, [(0, Some(0)), (4096, None)]);
    let notes: Vec<String> = measured.notes.iter().map(Statement::words).collect();
    assert_eq!(
        notes,
        [
            "prompt lengths: d4096 was not counted as a whole: /tokenize: 413 Request Entity Too Large"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_tokenizer_that_fails_for_good_is_given_up_for_the_next_way() {
    let (_, missed) = measured(|question| {
        let late = is_tokenize(question) && question.at.seconds() > 0.020;
        if late { refusal(503, "gone") } else { None }
    })
    .await;
    assert_eq!(missed, EXACT);
}

#[tokio::test(start_paused = true)]
async fn a_refused_count_of_a_part_is_estimated_and_told() {
    let (measured, missed) = measured(|question| {
        let is_number = question.body.to_string().matches("Ticket").count() >= 4;
        if is_number { refusal(400, "no tickets") } else { None }
    })
    .await;
    assert!(missed.iter().all(|(_, missed)| missed.is_none_or(|missed| missed < 20)), "{missed:?}");
    let notes: Vec<String> = measured.notes.iter().map(Statement::words).collect();
    let told =
        "prompt lengths: 1 of 124 counts were refused and are estimated: /tokenize: 400 no tickets";
    assert_eq!(notes, [told]);
}
