//! Finds, before the load, which lengths a server refuses that states no context length: by a
//! request for one token at each, the longest first.

use std::cmp::Reverse;
use std::time::Duration;

use super::asker::SeenAnswer;
use super::gather::gather_stream;
use super::with_progress;
use crate::escape::{ERROR_CHARS_MAX, one_line};
use crate::fact::{Cell, Statement};
use crate::plan::{Fit, LengthSample, Plan, RefusedLength};
use crate::protocol::openai;
use crate::run::fit_prompts::{Counted, LENGTHS};
use crate::unit::span;
use crate::world::{Call, Wire};

/// Salt of these requests, which keeps their prompts apart from those of the load.
const SALT: &str = "longhaul-lengths";

/// Lengths that a server refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AskedLengths {
    pub refused: Vec<RefusedLength>,
    /// Notes on a length of which nothing is known, or that was taken and not counted as sent.
    pub notes: Vec<Statement>,
}

/// Reply of the server to a request of a certain length.
enum Outcome {
    /// The request was taken; prompt tokens by the usage record.
    Taken(Option<u64>),
    /// The request itself was refused, by its status, or by an error frame with such a status or,
    /// without any, with words on the context.
    Refused(String),
    /// Neither; the reason in words.
    Unknown(String),
}

/// Requests one token at each length of a plan, the longest first, until one is taken. An answer is
/// waited for up to `first_token`; `tell` is called with words on the progress. The output's place
/// is filled with prompt, so that a length is taken only if there is room for both.
pub(crate) async fn ask_lengths<W: Wire>(
    server: &Counted<'_, W>,
    plan: &Plan,
    fit: &Fit,
    first_token: Duration,
    tell: &dyn Fn(&str),
) -> AskedLengths {
    let mut samples = plan.samples();
    samples.sort_by_key(|sample| Reverse(total(sample.cell)));
    samples.dedup_by_key(|sample| total(sample.cell));
    let mut asked = AskedLengths::default();
    for sample in samples {
        let (depth, tokens) = (sample.cell.depth, total(sample.cell));
        tell(&format!("the server states no context length: asking for one token at d{depth}"));
        let began = server.timeline.now();
        let outcome = ask(server, plan, fit, sample, first_token);
        let outcome = with_progress(server.timeline, outcome, |now| {
            let waited = span(now.since(began) as f64 / 1e6);
            tell(&format!("d{depth} was sent, no answer in {waited}"));
        });
        match outcome.await {
            Outcome::Refused(words) => asked.refused.push(RefusedLength { tokens, words }),
            Outcome::Taken(counted) => {
                asked.notes.extend(counted.and_then(|counted| cut(sample.cell, counted)));
                break;
            }
            Outcome::Unknown(words) => {
                let words = format!("it is not known whether d{depth} fits: {words}");
                asked.notes.push(Statement::note(LENGTHS, words));
                break;
            }
        }
    }
    asked
}

/// Returns the sum of prompt and output, tokens.
fn total(cell: Cell) -> u64 {
    cell.input() + cell.output
}

/// Returns the cell whose prompt also fills the place of all but one token of the output.
fn filled(cell: Cell) -> Cell {
    Cell { prompt: cell.prompt + cell.output.saturating_sub(1), output: 1, ..cell }
}

/// Notes a prompt of which the server counts far less or more than was sent.
fn cut(cell: Cell, counted: u64) -> Option<Statement> {
    let filled = filled(cell);
    let (depth, sent) = (cell.depth, filled.input());
    let words = || {
        format!(
            "d{depth} is taken, and the server counts {counted} of {sent} tokens: it cuts prompts, or counts otherwise"
        )
    };
    filled.is_far_off_depth(counted).then(|| Statement::note(LENGTHS, words()))
}

async fn ask<W: Wire>(
    server: &Counted<'_, W>,
    plan: &Plan,
    fit: &Fit,
    LengthSample { slot, cell, .. }: LengthSample,
    first_token: Duration,
) -> Outcome {
    let ask = plan.resized(slot, filled(cell), fit);
    let body = openai::body(&ask, server.abilities, server.model, SALT);
    let once = async || {
        let call = Call::post(openai::path(&ask), body.clone());
        gather_stream(server.wire, server.timeline, call, first_token, 1).await
    };
    let answer = match server.patience.ask(once).await {
        Ok(answer) => answer,
        Err(not) => return Outcome::Unknown(not.words),
    };
    let seen = SeenAnswer::of(&answer);
    let status = match &seen.error {
        Some(_) => seen.code,
        None => Some(u64::from(answer.status)),
    };
    let words = seen.error.unwrap_or_else(|| answer.status_words());
    let words = one_line(&words, ERROR_CHARS_MAX);
    match status {
        Some(400 | 413 | 422) => Outcome::Refused(words),
        None if words.to_lowercase().contains("context") => Outcome::Refused(words),
        Some(200..=299) if seen.frames > 0 => Outcome::Taken(seen.prompt),
        _ => Outcome::Unknown(words),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::RefCell;

    use serde_json::{Value, json};

    use super::*;
    use crate::fact::Abilities;
    use crate::plan::Bounds;
    use crate::plan::tests::scenario;
    use crate::run::arrive::RetryPolicy;
    use crate::run::arrive::tests::server::{
        Question, Server, ServerPage, page, prompt_tokens, refusal, stream, text,
    };
    use crate::run::fit_prompts::fit_prompts;
    use crate::unit::At;

    /// Lengths that were found, words on the progress, prompt tokens of the requests, and seconds.
    struct Found {
        asked: AskedLengths,
        reported: Vec<String>,
        sent: Vec<u64>,
        seconds: f64,
    }

    impl Found {
        fn refused(&self) -> Vec<(u64, &str)> {
            self.asked.refused.iter().map(|it| (it.tokens, it.words.as_str())).collect()
        }

        fn notes(&self) -> Vec<String> {
            self.asked.notes.iter().map(Statement::words).collect()
        }
    }

    /// Asks a server that departs from an honest one for the lengths 528, 4,624 and 8,720, once its
    /// prompts are fitted.
    async fn found(departs: impl Fn(&Question<'_>) -> Option<ServerPage> + 'static) -> Found {
        let server = Server::new(move |question| {
            let is_salted = question.body["cache_salt"] == SALT;
            if is_salted { departs(question) } else { None }
        });
        let plan = Plan::new(&scenario(&[0, 4096, 8192], &[1, 2]), 7, Bounds::default()).unwrap();
        let deadline = At::ZERO.after(Duration::from_secs(3600));
        let patience = RetryPolicy::new(&server.timeline, deadline, &|_, _| ());
        let abilities = Abilities {
            chat: true,
            usage: true,
            tokenize: true,
            tokenize_messages: true,
            cache_salt: true,
            ..Abilities::default()
        };
        let counted = Counted {
            wire: &server,
            timeline: &server.timeline,
            patience: &patience,
            abilities: &abilities,
            model: "m",
            is_simulated: false,
            first_token: Duration::from_secs(600),
        };
        let measured = fit_prompts(&counted, &plan, &|_, _| ()).await.unwrap();
        server.asked.take();
        let began = server.timeline.now();
        let reported = RefCell::new(Vec::new());
        let tell = |words: &str| reported.borrow_mut().push(words.to_owned());
        let first_token = Duration::from_secs(600);
        let asked = ask_lengths(&counted, &plan, &measured.fit, first_token, &tell).await;
        let sent = server.asked.take();
        assert!(sent.iter().all(|(_, body)| body["max_tokens"] == 1), "{sent:?}");
        let sent = sent.iter().map(|(_, body)| prompt_tokens(body)).collect();
        let seconds = server.timeline.now().since(began) as f64 / 1e6;
        Found { asked, reported: reported.take(), sent, seconds }
    }

    type Refuses = fn() -> Option<ServerPage>;

    /// Refuses what has more prompt and output tokens than a bound.
    fn holds(most: u64, refused: Refuses) -> impl Fn(&Question<'_>) -> Option<ServerPage> {
        move |question| {
            let tokens =
                prompt_tokens(question.body) + question.body["max_tokens"].as_u64().unwrap();
            if tokens > most { refused() } else { None }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_takes_the_longest_is_asked_once() {
        let found = found(holds(8720, || refusal(400, "too long"))).await;
        assert_eq!((found.sent.as_slice(), &found.asked), (&[8719][..], &AskedLengths::default()));
        let reported = "the server states no context length: asking for one token at d8192";
        assert_eq!(found.reported, [reported]);
    }

    #[tokio::test(start_paused = true)]
    async fn lengths_are_refused_until_one_is_taken_with_room_for_its_output() {
        let cases: [(Refuses, &str); 5] = [
            (
                || refusal(400, "maximum context length is 8719 tokens"),
                "400 maximum context length is 8719 tokens",
            ),
            (
                || text(413, "<html><title>413 Request Entity Too Large</title></html>"),
                "413 Request Entity Too Large",
            ),
            (|| page(422, &json!({"detail": "too long"})), "422 too long"),
            (
                || text(200, "data: {\"error\":{\"message\":\"too long\",\"code\":400}}\n\n"),
                "too long",
            ),
            (
                || {
                    text(
                        200,
                        "event: error\ndata: {\"error\":{\"message\":\"a context length of 4096\"}}\n\n",
                    )
                },
                "a context length of 4096",
            ),
        ];
        for (refused, words) in cases {
            let found = found(holds(8719, refused)).await;
            assert_eq!(found.refused(), [(8720, words)]);
            assert_eq!((found.sent.len(), found.notes().len()), (2, 0), "{words}");
        }
        let found = found(holds(100, || refusal(400, "no"))).await;
        assert_eq!(found.refused(), [(8720, "400 no"), (4624, "400 no"), (528, "400 no")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_may_pass_is_asked_again_and_decides_nothing() {
        let nth = RefCell::new(0);
        let once = found(move |_| {
            *nth.borrow_mut() += 1;
            if *nth.borrow() == 1 { refusal(429, "busy") } else { None }
        })
        .await;
        assert_eq!((once.sent.len(), once.asked), (2, AskedLengths::default()));
        let broken = "data: {\"error\":{\"message\":\"the engine failed\"}}\n\n";
        let broken = found(move |_| text(200, broken)).await;
        let note = "prompt lengths: it is not known whether d8192 fits: the engine failed";
        assert_eq!((broken.notes(), broken.refused().len()), (vec![note.to_owned()], 0));
        let always = found(|_| refusal(503, "busy")).await;
        assert_eq!((always.sent.len(), always.refused().len()), (4, 0));
        let note = "prompt lengths: it is not known whether d8192 fits: 503 busy";
        assert_eq!(always.notes(), [note]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_prefill_is_waited_for_with_words_and_no_longer_than_for_a_first_token() {
        let after = |seconds| {
            move |question: &Question<'_>| {
                let usage =
                    json!({"prompt_tokens": prompt_tokens(question.body), "completion_tokens": 1});
                let after = Duration::from_secs(seconds);
                Some(ServerPage { after, ..stream(1, Some("length"), Some(usage)) })
            }
        };
        let slow = found(after(95)).await;
        assert_eq!((slow.asked.clone(), slow.reported.len()), (AskedLengths::default(), 10));
        assert_eq!(slow.reported[9], "d8192 was sent, no answer in 1 m 30 s");
        let never = found(after(9000)).await;
        assert!((600.0..601.0).contains(&never.seconds), "{}", never.seconds);
        let note = "prompt lengths: it is not known whether d8192 fits: no answer within 600 s";
        assert_eq!((never.notes(), never.sent.len()), (vec![note.to_owned()], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_prompt_that_is_cut_in_silence_is_told() {
        let found = found(|_| {
            let usage: Value = json!({"prompt_tokens": 4096, "completion_tokens": 1});
            Some(stream(1, Some("length"), Some(usage)))
        })
        .await;
        assert_eq!((found.sent.len(), found.refused().len()), (1, 0));
        insta::assert_snapshot!(found.notes().join("\n"), @"prompt lengths: d8192 is taken, and the server counts 4096 of 8719 tokens: it cuts prompts, or counts otherwise");
    }
}
