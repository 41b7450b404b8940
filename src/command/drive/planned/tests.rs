//! Tests the plan for servers that do not state what they hold.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::command::drive::DriveOptions;
use crate::command::inputs::Inputs;
use crate::journal::manifest::{Anchor, RunNode};
use crate::plan::Input;
use crate::run::arrive::tests::server::{
    Question, Server, ServerPage, honest, page, prompt_tokens, refusal,
};
use crate::run::arrive::{Requirements, arrive};
use crate::run::stop;
use crate::world::{News, Standstills, Target, TargetOrder};
use serde_json::json;

/// Target of which nothing is known.
struct Unknown;

impl Target for Unknown {
    fn news(&mut self) -> LocalFuture<'_, News> {
        Box::pin(std::future::pending())
    }

    fn order(&mut self, _: TargetOrder, _: u64) {}
}

/// Environment of an attached server.
fn environment(server: &Server, rehearsed: bool) -> Environment<Server> {
    let timeline = server.timeline;
    Environment {
        wire: server.clone(),
        address: "http://spark:8000".to_owned(),
        secrets: Secrets::default(),
        is_ours: false,
        waits_for_host: false,
        sight: ObservedSources { log: false, kernel: false, metrics: false, process: false },
        added: Vec::new(),
        timeline,
        wall: Box::new(|now| now.0),
        standstills: Standstills::default(),
        rehearsed,
        node: RunNode::default(),
        anchor: Anchor::default(),
        sensors: Box::new(Vec::new),
        load_began: Box::new(|| ()),
        broke: Box::pin(std::future::pending()),
    }
}

/// Plans `quick` for a server that departs from an honest one.
async fn planned_for(
    departs: impl Fn(&Question<'_>) -> Option<ServerPage> + 'static,
) -> Result<(Planned<Server>, Server), String> {
    planned_in(true, departs).await
}

async fn planned_in(
    rehearsed: bool,
    departs: impl Fn(&Question<'_>) -> Option<ServerPage> + 'static,
) -> Result<(Planned<Server>, Server), String> {
    let server = Server::new(departs);
    let scenario = Inputs::default().scenario("quick").unwrap();
    let options = DriveOptions { quiet: true, ..DriveOptions::default() };
    let specs = Specs::new(options, None, scenario, None, false).unwrap();
    let wanted = Requirements {
        ready: Duration::from_secs(60),
        model: None,
        served: &[],
        unknown_host: false,
        apis: &specs.plan.apis(),
        output: specs.plan.output_max(),
    };
    let found = arrive(&server, &server.timeline, &wanted, &|_, _| ()).await.unwrap();
    let environment = environment(&server, rehearsed);
    let startup = Startup::new(Box::new(Unknown), server.timeline, false, |_| ());
    let arrived = Arrived { specs, environment, startup, server: Ok(found) };
    let (_stopper, mut stop) = stop::channel();
    match plan(arrived, &mut stop).await {
        Ok(planned) => Ok((planned, server)),
        Err(NoRun::Mistake(mistake)) => Err(mistake.to_string()),
        Err(NoRun::Interrupted) => panic!("nobody asked to stop"),
    }
}

/// Returns the depths and the notes of the manifest.
fn in_manifest(planned: &Planned<Server>) -> String {
    let plan = &planned.manifest.plan;
    let cells = plan["cells"].as_array().unwrap().iter();
    let depth =
        |cell: &serde_json::Value| cell.as_str().unwrap().split('/').next().unwrap().to_owned();
    let mut depths: Vec<String> = cells.map(depth).collect();
    depths.dedup();
    let notes = plan["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap());
    format!("{}\n{}", depths.join(" "), notes.collect::<Vec<_>>().join("\n"))
}

/// Answers as a server that lists its model without a length, and refuses what does not fit.
fn unstated(question: &Question<'_>, longest: u64) -> Option<ServerPage> {
    if question.path == "/v1/models" {
        return page(200, &json!({"data": [{"id": "m"}]}));
    }
    let tokens = prompt_tokens(question.body) + question.body["max_tokens"].as_u64().unwrap_or(0);
    let is_long = question.generates() && tokens > longest;
    if is_long { refusal(400, "the context is 9000 tokens long") } else { None }
}

#[tokio::test(start_paused = true)]
async fn depths_that_a_server_of_unstated_length_refuses_are_left_out_and_noted() {
    let (planned, _) = planned_for(|question| unstated(question, 9000)).await.unwrap();
    insta::assert_snapshot!(in_manifest(&planned), @"
        d0 d4096
        d8192 left out: 9344 tokens, and the server refuses 9344: 400 the context is 9000 tokens long
        d16384 left out: 17536 tokens, and the server refuses 17536: 400 the context is 9000 tokens long
        d32768 left out: 33920 tokens, and the server refuses 33920: 400 the context is 9000 tokens long
        d65535 left out: 66687 tokens, and the server refuses 66687: 400 the context is 9000 tokens long
        d100000 left out: 101152 tokens, and the server refuses 101152: 400 the context is 9000 tokens long
    ");
    let fitted = |(_, fact): &(At, Fact)| match fact {
        Fact::Fitted(fitted) => Some((fitted.depth, fitted.counted)),
        _ => None,
    };
    let fitted: Vec<_> = planned.before.iter().filter_map(fitted).collect();
    assert_eq!(fitted, [(0, Some(1024)), (4096, Some(5120))]);
}

#[tokio::test(start_paused = true)]
async fn no_depth_left_is_a_mistake_in_the_words_of_the_server() {
    let Err(reported) = planned_for(|question| unstated(question, 1100)).await else {
        panic!("d0 has 1,152 tokens")
    };
    let first = reported.split(';').next().unwrap();
    insta::assert_snapshot!(first, @"error: scenario `quick` leaves nothing to send: d0 left out: 1152 tokens, and the server refuses 1152: 400 the context is 9000 tokens long");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_states_its_length_is_asked_for_no_depth() {
    let (planned, server) = planned_for(|_| None).await.unwrap();
    insta::assert_snapshot!(in_manifest(&planned), @"
        d0 d4096 d8192 d16384
        d32768 left out: 33920 tokens, and max_model_len is 32768
        d65535 left out: 66687 tokens, and max_model_len is 32768
        d100000 left out: 101152 tokens, and max_model_len is 32768
    ");
    let asked = server.asked.take();
    let is_deep = |(path, body): &&(String, serde_json::Value)| {
        path.ends_with("completions") && prompt_tokens(body) > 4096
    };
    assert_eq!(asked.iter().find(is_deep), None);
}

/// Answers as a server that ignores a salt, and an empty one too.
fn unsalted(question: &Question<'_>) -> Option<ServerPage> {
    let mut body = question.body.clone();
    body.as_object_mut().filter(|body| body.contains_key("cache_salt"))?.remove("cache_salt");
    Some(honest(&Question { body: &body, ..*question }))
}

#[tokio::test(start_paused = true)]
async fn a_run_has_a_nonce_of_its_own_where_no_salt_is_understood_and_the_fit_has_none() {
    let nonces = async |rehearsed, departs: fn(&Question<'_>) -> Option<ServerPage>| {
        let (planned, server) = planned_in(rehearsed, departs).await.unwrap();
        let load = planned.load.map_err(|closed| closed.note).unwrap();
        assert_eq!(load.script.plan.nonce, planned.manifest.nonce);
        (planned.manifest, load.script, server)
    };
    assert_eq!(nonces(false, |_| None).await.0.nonce, None, "a salt does it");
    assert_eq!(nonces(true, unsalted).await.0.nonce, None, "rehearsals are equal");
    let (manifest, script, server) = nonces(false, unsalted).await;
    assert!(manifest.nonce.is_some());
    let (rehearsed, ..) = nonces(true, unsalted).await;
    assert_eq!(manifest.plan_fingerprint, rehearsed.plan_fingerprint);
    assert_eq!(manifest.fit, rehearsed.fit);
    // What was asked to fit the lengths must not warm the first prompts.
    let slot = script.plan.samples()[0].slot;
    let Input::Messages(messages) = script.plan.ask(slot, At::ZERO, &script.fit).input else {
        panic!("a chat")
    };
    let head = messages[0].content.lines().next().unwrap();
    let asked = server.asked.take();
    assert!(!asked.iter().any(|(_, body)| body.to_string().contains(head)), "{head}");
}
