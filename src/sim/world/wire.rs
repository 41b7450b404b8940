//! Implements the wire in virtual time: delivers the simulated server's responses without a socket.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::connections::{Connections, Served, Ticket};
use crate::fact::{BrokenHow, Stage};
use crate::sim::ProcessExit;
use crate::sim::http::{ClientEvent, SimPage, Teller};
use crate::unit::At;
use crate::world::{Broken, Call, Reply, Wire};

/// Round-trip time to the head of a response: that of a local network, and the finest resolution of
/// timers.
const ROUND_TRIP: Duration = Duration::from_millis(1);

/// Wire to a simulated server.
#[derive(Clone)]
pub(crate) struct SimWire {
    desk: Rc<Connections>,
}

impl SimWire {
    /// Creates a wire to the server of a desk.
    pub(crate) fn new(desk: Rc<Connections>) -> SimWire {
        SimWire { desk }
    }
}

/// A response whose head has been received.
pub(crate) struct SimReply {
    status: u16,
    desk: Rc<Connections>,
    rest: Rest,
}

/// Part of the response that is still to come.
enum Rest {
    /// A complete body.
    Body(Bytes),
    /// A stream of events.
    Stream(Ticket, Box<Teller>),
    Over,
}

impl Wire for SimWire {
    type Reply = SimReply;

    async fn call(&self, call: Call) -> Result<SimReply, Broken> {
        let desk = &self.desk;
        let timeline = desk.timeline();
        timeline.until(timeline.now().after(ROUND_TRIP)).await;
        // A machine without power does not even refuse connections until it has booted.
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

fn reply(desk: &Rc<Connections>, page: SimPage) -> SimReply {
    let rest = Rest::Body(Bytes::from(page.body));
    SimReply { status: page.status, desk: desk.clone(), rest }
}

/// Waits for a non-streaming response.
async fn whole(
    desk: &Rc<Connections>,
    mut ticket: Ticket,
    mut teller: Teller,
) -> Result<SimReply, Broken> {
    while let Some((_, item)) = ticket.next().await {
        match teller.tell(item) {
            ClientEvent::Whole(page) => return Ok(reply(desk, page)),
            ClientEvent::Nothing => break,
            ClientEvent::Events(_) | ClientEvent::Last(_) => {}
        }
    }
    Err(broken(desk, gone(desk), Stage::Headers))
}

/// Returns how a connection ends when the server has ended: after a power cut the booted machine
/// does not know the connection and resets it.
fn gone(desk: &Connections) -> BrokenHow {
    match desk.view().last_exit {
        Some(ProcessExit::PowerCut) => BrokenHow::Reset,
        _ => BrokenHow::CutOff,
    }
}

/// Builds the error with the messages of a real client.
fn broken(desk: &Connections, how: BrokenHow, stage: Stage) -> Broken {
    let words = match how {
        BrokenHow::Refused => "Connection refused (os error 111)",
        BrokenHow::Reset => "Connection reset by peer (os error 104)",
        _ => "unexpected EOF",
    };
    Broken { how, stage, at: desk.timeline().now(), words: words.to_owned(), resent: false }
}

impl Reply for SimReply {
    fn status(&self) -> u16 {
        self.status
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
                ClientEvent::Events(events) if events.is_empty() => continue,
                ClientEvent::Events(events) => events,
                ClientEvent::Last(events) => {
                    self.rest = Rest::Over;
                    events
                }
                ClientEvent::Nothing | ClientEvent::Whole(_) => {
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::sim::setup::tests::record;
    use crate::sim::{Ailment, SimEngine};
    use crate::timeline::Timeline;

    const CHAT: &str = "/v1/chat/completions";

    /// Runs a test on a wire to a server with faults, after the begin of the load.
    async fn wire<T>(ailments: &[&str], told: impl AsyncFn(SimWire, Timeline) -> T) -> T {
        let ailments = ailments.iter().map(|text| Ailment::parse(text).expect(text)).collect();
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
        let engine = SimEngine::new(record(1.0), 1, ailments, At::ZERO);
        let desk = Rc::new(Connections::new(engine, timeline, 1, Box::new(|_, _| {})));
        desk.load_began(None);
        let wire = SimWire::new(desk.clone());
        tokio::select! { biased;
            () = desk.drive() => unreachable!("it drives for ever"),
            told = told(wire, timeline) => told,
        }
    }

    fn stream(tokens: u64) -> Call {
        let body = format!(
            r#"{{"model":"m","stream":true,"ignore_eos":true,"max_tokens":{tokens},"messages":[{{"role":"user","content":"Hi"}}]}}"#
        );
        Call::post(CHAT, body)
    }

    /// Returns the bytes of a reply and its end.
    async fn read(mut reply: SimReply) -> (String, Result<(), Broken>) {
        let mut text = String::new();
        loop {
            match reply.chunk().await {
                Ok(Some((_, bytes))) => text.push_str(&String::from_utf8_lossy(&bytes)),
                Ok(None) => return (text, Ok(())),
                Err(broken) => return (text, Err(broken)),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_comes_in_frames_and_ends_with_done_and_a_page_comes_at_once() {
        wire(&[], async |wire, timeline| {
            let (text, end) = read(wire.call(stream(8)).await.unwrap()).await;
            assert_eq!(end, Ok(()));
            assert!(text.starts_with("data: {") && text.ends_with("data: [DONE]\n\n"), "{text}");
            let before = timeline.now();
            let reply = wire.call(Call::get("/v1/models?x=1")).await.unwrap();
            assert_eq!((reply.status(), timeline.now().since(before)), (200, 1_000));
            let page: serde_json::Value = serde_json::from_str(&read(reply).await.0).unwrap();
            assert_eq!(page["data"][0]["id"], "m");
            assert_eq!(wire.call(Call::get("/nowhere")).await.unwrap().status(), 404);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_kill_cuts_streams_off_and_then_the_port_refuses() {
        wire(&["crash@5s"], async |wire, timeline| {
            let (text, end) = read(wire.call(stream(5_000)).await.unwrap()).await;
            assert!(text.starts_with("data: {") && !text.contains("[DONE]"));
            let broken = end.unwrap_err();
            assert_eq!((broken.how, broken.stage), (BrokenHow::CutOff, Stage::Streaming));
            assert_eq!(timeline.now(), At(5_000_000));
            let refused = wire.call(Call::get("/health")).await.err().unwrap();
            assert_eq!((refused.how, refused.stage), (BrokenHow::Refused, Stage::Connect));
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_box_without_power_says_nothing_until_it_is_back() {
        wire(&["host_reboot=10m@5s"], async |wire, timeline| {
            let (_, end) = read(wire.call(stream(5_000)).await.unwrap()).await;
            assert_eq!(end.unwrap_err().how, BrokenHow::Reset);
            assert_eq!(timeline.now(), At(95_000_000), "after its boot");
            timeline.until(At(606_000_000)).await;
            assert_eq!(wire.call(Call::get("/health")).await.unwrap().status(), 200);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_up_frees_the_place_in_the_batch() {
        wire(&[], async |wire, timeline| {
            let reply = wire.call(stream(5_000)).await.unwrap();
            timeline.until(At(2_000_000)).await;
            assert_eq!(wire.desk.look(SimEngine::metrics).running, 1);
            drop(reply);
            timeline.until(At(3_000_000)).await;
            assert_eq!(wire.desk.look(SimEngine::metrics).running, 0);
        })
        .await;
    }
}
