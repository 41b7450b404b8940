//! The wire in virtual time: the bytes that the server's face says, without a
//! socket under them.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::desk::{Desk, Served, Ticket};
use crate::fact::{BrokenHow, Stage};
use crate::sim::Exit;
use crate::sim::face::{Page, Teller, Told};
use crate::unit::At;
use crate::world::{Broken, Call, Reply, Wire};

/// There and back, to the head of a response: a local network's, and the finest
/// that timers tell apart.
const ROUND_TRIP: Duration = Duration::from_millis(1);

/// The way to a simulated server.
#[derive(Clone)]
pub struct SimWire {
    desk: Rc<Desk>,
}

impl SimWire {
    /// The way to the server behind a desk.
    pub fn new(desk: Rc<Desk>) -> SimWire {
        SimWire { desk }
    }
}

/// A response whose head has come.
pub struct SimReply {
    status: u16,
    desk: Rc<Desk>,
    rest: Rest,
}

/// What is still to come.
enum Rest {
    /// A body at once.
    Body(Bytes),
    /// A stream of events.
    Stream(Ticket, Box<Teller>),
    /// Nothing.
    Over,
}

impl Wire for SimWire {
    type Reply = SimReply;

    async fn call(&self, call: Call) -> Result<SimReply, Broken> {
        let desk = &self.desk;
        let timeline = desk.timeline();
        timeline.until(timeline.now().after(ROUND_TRIP)).await;
        // A box that is away answers nobody, not even with a refusal, until it is back.
        if !desk.door().until(|door| !door.silent).await.open {
            return Err(broken(desk, BrokenHow::Refused, Stage::Connect));
        }
        let method = if call.body.is_some() { "POST" } else { "GET" };
        let path = call.path.split('?').next().unwrap_or_default();
        let (ticket, teller) = match desk.ask(method, path, &call.body.unwrap_or_default()) {
            Served::Page(page) => return Ok(reply(desk, page)),
            Served::Work(ticket, teller) => (ticket, teller),
        };
        if teller.streams() {
            let rest = Rest::Stream(ticket, teller);
            return Ok(SimReply { status: 200, desk: desk.clone(), rest });
        }
        whole(desk, ticket, *teller).await
    }
}

fn reply(desk: &Rc<Desk>, page: Page) -> SimReply {
    let rest = Rest::Body(Bytes::from(page.body));
    SimReply { status: page.status, desk: desk.clone(), rest }
}

/// Waits for an answer in one piece.
async fn whole(
    desk: &Rc<Desk>,
    mut ticket: Ticket,
    mut teller: Teller,
) -> Result<SimReply, Broken> {
    while let Some((_, item)) = ticket.next().await {
        match teller.tell(item) {
            Told::Whole(page) => return Ok(reply(desk, page)),
            Told::Nothing => break,
            Told::Events(_) | Told::Last(_) => {}
        }
    }
    Err(broken(desk, gone(desk), Stage::Headers))
}

/// How a connection ends whose server is gone: a box that was away knows nothing of it.
fn gone(desk: &Desk) -> BrokenHow {
    match desk.view().last_exit {
        Some(Exit::PowerCut) => BrokenHow::Reset,
        _ => BrokenHow::CutOff,
    }
}

/// The words are those of a real client.
fn broken(desk: &Desk, how: BrokenHow, stage: Stage) -> Broken {
    let words = match how {
        BrokenHow::Refused => "Connection refused (os error 111)",
        BrokenHow::Reset => "Connection reset by peer (os error 104)",
        _ => "unexpected EOF",
    };
    Broken { how, stage, at: desk.timeline().now(), words: words.to_owned() }
}

impl Reply for SimReply {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, _: &str) -> Option<String> {
        None
    }

    async fn chunk(&mut self) -> Result<Option<(At, Bytes)>, Broken> {
        loop {
            let (ticket, teller) = match &mut self.rest {
                Rest::Over => return Ok(None),
                Rest::Body(body) => {
                    let body = std::mem::take(body);
                    self.rest = Rest::Over;
                    let now = self.desk.timeline().now();
                    return Ok((!body.is_empty()).then_some((now, body)));
                }
                Rest::Stream(ticket, teller) => (ticket, teller),
            };
            let Some((at, item)) = ticket.next().await else {
                self.rest = Rest::Over;
                return Err(broken(&self.desk, gone(&self.desk), Stage::Streaming));
            };
            let events = match teller.tell(item) {
                Told::Events(events) if events.is_empty() => continue,
                Told::Events(events) => events,
                Told::Last(events) => {
                    self.rest = Rest::Over;
                    events
                }
                Told::Nothing | Told::Whole(_) => {
                    self.rest = Rest::Over;
                    continue;
                }
            };
            let mut frames = String::new();
            for event in events {
                frames.extend(["data: ", &event, "\n\n"]);
            }
            return Ok(Some((at, Bytes::from(frames))));
        }
    }
}
