//! Tests that each way of a server to count tokens is enough for exact lengths, and that a refusal
//! costs no more than what it refuses.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::plan::Bounds;
use crate::plan::tests::scenario;
use crate::run::arrive::tests::server::{
    Question, Server, ServerPage, page, prompt_tokens, refusal, stream, text,
};
use crate::run::arrive::{Requirements, arrive};
use crate::unit::At;

/// Limit of the load for a first token.
const FIRST_TOKEN: Duration = Duration::from_secs(1800);

/// Measures a server that departs from an honest one, and returns what came of it with the
/// errors of the samples in tokens, by depth, and with all notes.
async fn measured(
    departs: impl Fn(&Question<'_>) -> Option<ServerPage> + 'static,
) -> (Measured, Vec<(u64, Option<u64>)>, Vec<String>) {
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
        is_simulated: false,
        first_token: FIRST_TOKEN,
    };
    let measured =
        fit_prompts(&counted, &plan, &|_, _| ()).await.unwrap_or_else(|why| panic!("{why}"));
    let missed =
        |it: &Fitted| (it.depth, it.counted.map(|counted| counted.abs_diff(it.depth + it.prompt)));
    let (fitted, notes) = measured.of_plan(&plan);
    let missed = fitted.iter().map(missed).collect();
    let notes = notes.iter().map(Statement::words).collect();
    (measured, missed, notes)
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
        let (measured, missed, notes) = measured(departs).await;
        assert_eq!(measured.fit.method, method, "{how}");
        assert_eq!(missed, EXACT, "{how}");
        assert!(notes.is_empty(), "{how}: {notes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sample_that_is_too_deep_costs_its_depth_alone() {
    let (_, missed, notes) = measured(|question| {
        let long = prompt_tokens(question.body) > 2_500 && question.is_chat();
        if long { refusal(413, "Request Entity Too Large") } else { None }
    })
    .await;
    assert_eq!(missed, [(0, Some(0)), (4096, None)]);
    assert_eq!(
        notes,
        [
            "prompt lengths: d4096 was not counted as a whole: /tokenize: 413 Request Entity Too Large"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_tokenizer_that_fails_for_good_is_given_up_for_the_next_way() {
    let (_, missed, _) = measured(|question| {
        let late = is_tokenize(question) && question.at.seconds() > 0.020;
        if late { refusal(503, "gone") } else { None }
    })
    .await;
    assert_eq!(missed, EXACT);
}

/// Measures a server that is silent from some time on, and returns why nothing was measured, and
/// how long that took, in seconds.
async fn unmeasured(first_token: Duration, silent: fn(&Question<'_>) -> bool) -> (String, f64) {
    let never = || ServerPage { after: Duration::from_secs(86_400), ..text(200, "").unwrap() };
    let server = Server::new(move |question| silent(question).then(never));
    let plan = Plan::new(&scenario(&[0, 4096], &[1]), 7, Bounds::default()).unwrap();
    let patience = RetryPolicy::new(&server.timeline, At::ZERO.after(FIRST_TOKEN), &|_, _| ());
    let abilities = Abilities {
        chat: true,
        usage: true,
        usage_whole: true,
        tokenize: true,
        tokenize_messages: true,
        ..Abilities::default()
    };
    let counted = Counted {
        wire: &server,
        timeline: &server.timeline,
        patience: &patience,
        abilities: &abilities,
        model: "m",
        is_simulated: false,
        first_token,
    };
    let why = fit_prompts(&counted, &plan, &|_, _| ()).await.err().unwrap_or_default();
    (why, server.timeline.now().seconds())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_does_not_keep_the_run_longer_than_two_questions() {
    let seconds = Duration::from_secs;
    let (why, lasted) = unmeasured(seconds(20), |_| true).await;
    insta::assert_snapshot!(why, @"the server is silent: no count of tokens within 20 s");
    assert!((40.0..80.0).contains(&lasted), "{lasted}");
    let (_, lasted) = unmeasured(FIRST_TOKEN, |_| true).await;
    assert!((240.0..241.0).contains(&lasted), "{lasted}: no scenario waits longer");
    let (why, lasted) = unmeasured(seconds(20), is_tokenize).await;
    assert_eq!(why, "", "the next way counts");
    assert!(
        (20.0..80.0).contains(&lasted),
        "{lasted}: a tokenizer that hangs is asked for texts and for samples"
    );
}

/// Answers `/tokenize` with another count than an honest server.
fn tokenizes(question: &Question<'_>, count: impl Fn(u64) -> u64) -> Option<ServerPage> {
    let counts = is_tokenize(question) && question.body.get("content").is_none();
    if !counts {
        return None;
    }
    page(200, &json!({"count": count(prompt_tokens(question.body))}))
}

#[tokio::test(start_paused = true)]
async fn a_tokenizer_that_contradicts_usage_is_not_believed() {
    type Counts = fn(u64, bool) -> u64;
    let cases: [(&str, Counts); 4] = [
        ("a tenth more", |tokens, _| tokens * 11 / 10),
        ("characters", |tokens, _| tokens * 5),
        ("a third of it", |tokens, _| tokens.div_ceil(3)),
        (
            "no template",
            |tokens, is_chat| if is_chat { 1.max(tokens.saturating_sub(40)) } else { tokens },
        ),
    ];
    for (how, counts) in cases {
        let (measured, missed, notes) = measured(move |question| {
            let is_chat = question.is_chat();
            tokenizes(question, |tokens| counts(tokens, is_chat))
        })
        .await;
        assert_eq!((measured.fit.method, &missed[..]), (Method::Usage, &EXACT[..]), "{how}");
        let is_told = notes.len() == 1 && notes[0].ends_with("; prompts are fitted by usage");
        assert!(is_told, "{how}: {notes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tokenizer_of_texts_alone_that_contradicts_usage_is_not_believed() {
    let (measured, missed, notes) = measured(|question| {
        if question.is_chat() && is_tokenize(question) {
            return refusal(422, "prompt");
        }
        tokenizes(question, |tokens| tokens * 5)
    })
    .await;
    assert_eq!((measured.fit.method, &missed[..]), (Method::Usage, &EXACT[..]));
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cuts_prompts_keeps_the_lengths_of_its_tokenizer() {
    let (measured, missed, notes) = measured(|question| {
        let usage = json!({"prompt_tokens": 700, "completion_tokens": 1});
        let is_long = question.generates() && prompt_tokens(question.body) > 1000;
        is_long.then(|| stream(1, Some("length"), Some(usage)))
    })
    .await;
    assert_eq!((measured.fit.method, &missed[..]), (Method::Tokenize, &EXACT[..]));
    insta::assert_snapshot!(notes.join("\n"), @"prompt lengths: /tokenize and usage differ: a prompt of 2560 tokens has 700 by the usage of its answer; not fitted by usage: the server cuts prompts, or its usage is no count");
}

#[tokio::test(start_paused = true)]
async fn a_refused_count_of_a_part_is_estimated_and_told() {
    let (_, missed, notes) = measured(|question| {
        let is_number = question.body.to_string().matches("Ticket").count() >= 4;
        if is_number { refusal(400, "no tickets") } else { None }
    })
    .await;
    assert!(missed.iter().all(|(_, missed)| missed.is_none_or(|missed| missed < 20)), "{missed:?}");
    let reported =
        "prompt lengths: 1 of 124 counts were refused and are estimated: /tokenize: 400 no tickets";
    assert_eq!(notes, [reported]);
}
