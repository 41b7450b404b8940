//! Tests every way in which a request can end, at byte level, against a server that really ends it
//! that way: the wire in real time, the fold of a response, and the sending of one request.

#![allow(clippy::unwrap_used, clippy::panic)]

mod bad;
mod checks;
mod connections;
mod odd;
mod probe;
mod server;
mod tls;
mod whole;

use std::time::Duration;

use longhaul::answer::Answer;
use longhaul::fact::{Abilities, Class, Ended, Request, Stage};
use longhaul::http::{Address, Http, HttpOptions};
use longhaul::plan::{Ask, Input, Message};
use longhaul::run::load::{Progress, Terms, send};
use longhaul::spec::Limits;
use longhaul::spec::scenario::Api;
use longhaul::timeline::Timeline;
use longhaul::world::Standstills;
use server::{Step, data, done, head, page};
use tokio::net::TcpListener;

/// A client with a listener to be played on.
struct Scene {
    listener: TcpListener,
    http: Http,
    timeline: Timeline,
    standstills: Standstills,
    abilities: Abilities,
    limits: Limits,
    cut_after: Option<Duration>,
    ask: Ask,
    /// Names of the requested model.
    names: Vec<String>,
}

fn ask(output: u64) -> Ask {
    let input = Input::Messages(vec![Message { role: "user", content: "hm".into() }]);
    Ask::example(&format!("d0/c1/p16/o{output}"), Api::Chat, input)
}

impl Scene {
    async fn new(output: u64) -> Scene {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let timeline = Timeline::start();
        let standstills = Standstills::default();
        let http = Http::new(HttpOptions {
            address: Address::parse(&address).unwrap(),
            api_key: Some("sk-geheim".to_owned()),
            headers: Vec::new(),
            ca_cert: None,
            timeline,
            standstills: standstills.clone(),
        })
        .unwrap();
        Scene {
            listener,
            http,
            timeline,
            standstills,
            abilities: Abilities { chat: true, usage: true, ..Abilities::default() },
            limits: Limits {
                first_token: Duration::from_secs(5),
                stall: Duration::from_secs(5),
                ..Limits::default()
            },
            cut_after: None,
            ask: ask(output),
            names: Vec::new(),
        }
    }

    async fn send(&self) -> Answer {
        let progress = Progress::default();
        let terms = Terms {
            names: &self.names,
            salt: "",
            model: "m",
            abilities: &self.abilities,
            template_tokens: 0,
            limits: &self.limits,
            progress: &progress,
        };
        let cut = async {
            match self.cut_after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
            "phase over".to_owned()
        };
        let answer = send(&self.http, &self.timeline, &self.ask, terms, cut).await;
        assert_eq!(progress.in_flight(), 0);
        answer
    }

    async fn play(&self, steps: &[Step]) -> Answer {
        let (_, answer) = tokio::join!(server::play(&self.listener, steps), self.send());
        answer
    }
}

async fn play(output: u64, steps: &[Step]) -> Answer {
    Scene::new(output).await.play(steps).await
}

fn role() -> Step {
    data(
        r#"{"id":"a","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}"#,
    )
}

fn word(text: &str) -> Step {
    data(&format!(
        r#"{{"id":"a","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null,"token_ids":null}}]}}"#
    ))
}

/// As [`word`], with the server's count so far.
fn counted(text: &str, so_far: u64) -> Step {
    data(&format!(
        r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}],"usage":{{"prompt_tokens":16,"completion_tokens":{so_far}}}}}"#
    ))
}

fn finish(reason: &str) -> Step {
    data(&format!(
        r#"{{"id":"a","choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}","stop_reason":null}}]}}"#
    ))
}

fn usage(output: u64) -> Step {
    data(&format!(
        r#"{{"id":"a","choices":[],"usage":{{"prompt_tokens":16,"total_tokens":{},"completion_tokens":{output},"completion_tokens_details":null}}}}"#,
        16 + output
    ))
}

/// Head and role, the given steps, and a proper end.
fn stream(steps: Vec<Step>) -> Vec<Step> {
    let mut whole = vec![head(), role()];
    whole.extend(steps);
    whole.extend([done(), Step::EndChunks]);
    whole
}

fn ended(row: &Request) -> (Ended, Stage) {
    (row.ended, row.stage)
}
