//! One connection's conversation: a request, its answer, the next.

use std::io;
use std::rc::Rc;

use serde_json::json;
use tokio::net::TcpStream;

use super::ask;
use super::connection::{Connection, Got, Request};
use super::desk::{Desk, Item, Ticket};
use super::page;
use super::refusal::Refusal;
use super::voice::{self, VERSION, Voice};

const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=1.0.0; charset=utf-8";

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Next,
    Close,
}

/// Talks to a client until it, or this life of the server, is gone.
pub async fn converse(desk: Rc<Desk>, stream: TcpStream, life: u64) {
    let mut connection = Connection::new(stream);
    let mut door = desk.door();
    loop {
        let got = tokio::select! { biased;
            _ = door.wait_for(|door| door.life != life) => return,
            got = connection.request() => got,
        };
        let then = match got {
            Got::Request(request) => answer(&desk, &mut connection, request).await,
            Got::Closed => return,
            Got::Bad(status) => {
                let refusal = Refusal::http(status);
                // The connection ends whether or not the client hears why.
                let _ = connection.respond(status, JSON, &refusal.body(), false).await;
                return;
            }
        };
        if !matches!(then, Ok(Then::Next)) {
            return;
        }
    }
}

async fn answer(
    desk: &Rc<Desk>,
    connection: &mut Connection,
    request: Request,
) -> io::Result<Then> {
    let keep = request.keep;
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/chat/completions") => return complete(desk, connection, request, true).await,
        ("POST", "/v1/completions") => return complete(desk, connection, request, false).await,
        _ => {}
    }
    match page(desk, &request) {
        Ok((kind, body)) => connection.respond(200, kind, &body, keep).await?,
        Err(refusal) => connection.respond(refusal.status, JSON, &refusal.body(), keep).await?,
    }
    Ok(if keep { Then::Next } else { Then::Close })
}

/// Everything that is answered at once: type and body.
fn page(desk: &Desk, request: &Request) -> Result<(&'static str, String), Refusal> {
    let setup = || desk.look(|engine| engine.setup().clone());
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/health") | ("GET" | "POST", "/ping") => Ok((JSON, String::new())),
        ("GET", "/version") => Ok((JSON, json!({ "version": VERSION }).to_string())),
        ("GET", "/v1/models") => Ok((JSON, voice::models(&setup(), desk.created()))),
        ("GET", "/metrics") => Ok((PROMETHEUS, metrics(desk))),
        ("POST", "/tokenize") => {
            let setup = setup();
            let tokens = ask::tokenize(&request.body, &setup)?;
            let body = json!({
                "count": tokens.len(), "max_model_len": setup.max_model_len, "tokens": tokens,
                "token_strs": null,
            });
            Ok((JSON, body.to_string()))
        }
        (
            _,
            "/health"
            | "/ping"
            | "/version"
            | "/v1/models"
            | "/metrics"
            | "/tokenize"
            | "/v1/chat/completions"
            | "/v1/completions",
        ) => Err(Refusal::http(405)),
        _ => Err(Refusal::http(404)),
    }
}

fn metrics(desk: &Desk) -> String {
    desk.look(|engine| {
        let started = engine.process_started().map_or(0.0, |at| desk.unix_seconds(at));
        page::metrics(engine.setup(), &engine.metrics(), started)
    })
}

/// Chat and plain completions.
async fn complete(
    desk: &Rc<Desk>,
    connection: &mut Connection,
    request: Request,
    chat: bool,
) -> io::Result<Then> {
    let keep = request.keep;
    let read = desk.look(|engine| ask::read(&request.body, chat, engine.setup()));
    drop(request);
    let ask = match read {
        Ok(ask) => ask,
        Err(refusal) => {
            connection.respond(refusal.status, JSON, &refusal.body(), keep).await?;
            return Ok(if keep { Then::Next } else { Then::Close });
        }
    };
    let Some(ticket) = desk.submit(ask.job.clone()) else {
        let refusal = Refusal::internal(crate::sim::job::ENGINE_DEAD);
        connection.respond(500, JSON, &refusal.body(), false).await?;
        return Ok(Then::Close);
    };
    let voice = Voice::new(&ask, chat, &ticket.name(), desk.created());
    let then = if keep { Then::Next } else { Then::Close };
    if ask.stream {
        connection.begin_stream(keep).await?;
        stream(connection, ticket, voice, then).await
    } else {
        at_once(connection, ticket, voice, then).await
    }
}

/// The next item of a job, unless the client hangs up first.
async fn next(connection: &mut Connection, ticket: &mut Ticket) -> Option<Item> {
    tokio::select! { biased;
        item = ticket.next() => item,
        () = connection.gone() => None,
    }
}

/// Tells an answer as it comes. The role leaves with the first output, not before.
async fn stream(
    connection: &mut Connection,
    mut ticket: Ticket,
    mut voice: Voice,
    then: Then,
) -> io::Result<Then> {
    let mut began = false;
    while let Some(item) = next(connection, &mut ticket).await {
        match item {
            Item::Output { tokens, cached, finish } => {
                if !std::mem::replace(&mut began, true)
                    && let Some(role) = voice.role()
                {
                    connection.event(&role).await?;
                }
                if let Some(chunk) = voice.tokens(&tokens, cached, finish) {
                    connection.event(&chunk).await?;
                }
                if finish.is_some() {
                    if let Some(usage) = voice.end() {
                        connection.event(&usage).await?;
                    }
                    return close(connection, then).await;
                }
            }
            Item::Failed(message) => {
                connection.event(&Refusal::internal(message).body()).await?;
                return close(connection, then).await;
            }
            Item::Cut => {
                connection.end_stream().await?;
                return Ok(then);
            }
        }
    }
    Ok(Then::Close)
}

/// `[DONE]` comes after an error as after an answer.
async fn close(connection: &mut Connection, then: Then) -> io::Result<Then> {
    connection.event("[DONE]").await?;
    connection.end_stream().await?;
    Ok(then)
}

/// Tells an answer when it is whole.
async fn at_once(
    connection: &mut Connection,
    mut ticket: Ticket,
    mut voice: Voice,
    then: Then,
) -> io::Result<Then> {
    let keep = then == Then::Next;
    let mut all = Vec::new();
    while let Some(item) = next(connection, &mut ticket).await {
        match item {
            Item::Output { tokens, cached, finish } => {
                all.extend(tokens);
                if finish.is_some() {
                    let body = voice.whole(&all, cached, finish);
                    connection.respond(200, JSON, &body, keep).await?;
                    return Ok(then);
                }
            }
            Item::Failed(message) => {
                let body = Refusal::internal(message).body();
                connection.respond(500, JSON, &body, keep).await?;
                return Ok(then);
            }
            // The nearest thing that can be done to an answer in one piece: none at all.
            Item::Cut => return Ok(Then::Close),
        }
    }
    Ok(Then::Close)
}
