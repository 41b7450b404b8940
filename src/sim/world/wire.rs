//! Implements the wire in virtual time: delivers the simulated server's responses without a socket.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::connections::{Accepted, Connections, JobHandle};
use crate::fact::{BrokenHow, Stage};
use crate::sim::ProcessExit;
use crate::sim::http::{ClientEvent, ResponseWriter, SimPage};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Broken, Call, Reply, Standstills, Wire};

/// Round-trip time to the head of a response: that of a local network, and the finest resolution of
/// timers.
const ROUND_TRIP: Duration = Duration::from_millis(1);

/// Wire to a simulated server.
#[derive(Clone)]
pub(crate) struct SimWire {
    connections: Rc<Connections>,
    standstills: Standstills,
}

impl SimWire {
    /// Creates a wire to the server of a connections. Nothing is sent and read in `standstills`.
    pub(crate) fn new(connections: Rc<Connections>, standstills: Standstills) -> SimWire {
        SimWire { connections, standstills }
    }
}

/// Waits for the end of a standstill of longhaul.
async fn awake(timeline: Timeline, standstills: &Standstills) {
    while let Some(end) = standstills.end(timeline.now()) {
        timeline.until(end).await;
    }
}

/// A response whose head has been received.
pub(crate) struct SimReply {
    status: u16,
    connections: Rc<Connections>,
    standstills: Standstills,
    /// Bytes that came in a standstill and are read after it.
    held: Option<Bytes>,
    rest: RemainingBody,
}

/// Part of the response that is still to come.
enum RemainingBody {
    /// A complete body.
    Body(Bytes),
    /// A stream of events.
    Stream(JobHandle, Box<ResponseWriter>),
    Over,
}

impl Wire for SimWire {
    type Reply = SimReply;

    async fn call(&self, call: Call) -> Result<SimReply, Broken> {
        let connections = &self.connections;
        let timeline = connections.timeline();
        timeline.until(timeline.now().after(ROUND_TRIP)).await;
        awake(timeline, &self.standstills).await;
        // A machine without power does not even refuse connections until it has booted.
        if !connections.port_state().until(|port_state| !port_state.silent).await.open {
            return Err(broken(connections, BrokenHow::Refused, Stage::Connect));
        }
        let method = if call.body.is_some() { "POST" } else { "GET" };
        let path = call.path.split('?').next().unwrap_or_default();
        let (job, writer) = match connections.ask(method, path, &call.body.unwrap_or_default()) {
            Accepted::Page(page) => return Ok(self.reply(page)),
            Accepted::Work(job, writer) => (job, writer),
        };
        if writer.streams() {
            return Ok(self.reply_of(200, RemainingBody::Stream(job, writer)));
        }
        whole(connections, job, *writer).await.map(|page| self.reply(page))
    }
}

impl SimWire {
    fn reply(&self, page: SimPage) -> SimReply {
        self.reply_of(page.status, RemainingBody::Body(Bytes::from(page.body)))
    }

    fn reply_of(&self, status: u16, rest: RemainingBody) -> SimReply {
        let (connections, standstills) = (self.connections.clone(), self.standstills.clone());
        SimReply { status, connections, standstills, held: None, rest }
    }
}

/// Waits for a non-streaming response.
async fn whole(
    connections: &Rc<Connections>,
    mut job: JobHandle,
    mut writer: ResponseWriter,
) -> Result<SimPage, Broken> {
    while let Some((_, item)) = job.next().await {
        match writer.tell(item) {
            ClientEvent::Whole(page) => return Ok(page),
            ClientEvent::Nothing => break,
            ClientEvent::Events(_) | ClientEvent::Last(_) => {}
        }
    }
    Err(broken(connections, gone(connections), Stage::Headers))
}

/// Returns how a connection ends when the server has ended: after a power cut the booted machine
/// does not know the connection and resets it.
fn gone(connections: &Connections) -> BrokenHow {
    match connections.view().last_exit {
        Some(ProcessExit::PowerCut) => BrokenHow::Reset,
        _ => BrokenHow::CutOff,
    }
}

/// Builds the error with the messages of a real client.
fn broken(connections: &Connections, how: BrokenHow, stage: Stage) -> Broken {
    let words = match how {
        BrokenHow::Refused => "Connection refused (os error 111)",
        BrokenHow::Reset => "Connection reset by peer (os error 104)",
        _ => "unexpected EOF",
    };
    Broken { how, stage, at: connections.timeline().now(), words: words.to_owned(), resent: false }
}

impl Reply for SimReply {
    fn status(&self) -> u16 {
        self.status
    }

    async fn chunk(&mut self) -> Result<Option<(At, Bytes)>, Broken> {
        let timeline = self.connections.timeline();
        loop {
            awake(timeline, &self.standstills).await;
            if let Some(bytes) = self.held.take() {
                return Ok(Some((timeline.now(), bytes)));
            }
            let (job, writer) = match &mut self.rest {
                RemainingBody::Over => return Ok(None),
                RemainingBody::Body(body) => {
                    let body = std::mem::take(body);
                    self.rest = RemainingBody::Over;
                    return Ok((!body.is_empty()).then_some((timeline.now(), body)));
                }
                RemainingBody::Stream(job, writer) => (job, writer),
            };
            let Some((at, item)) = job.next().await else {
                self.rest = RemainingBody::Over;
                return Err(broken(&self.connections, gone(&self.connections), Stage::Streaming));
            };
            let events = match writer.tell(item) {
                ClientEvent::Events(events) if events.is_empty() => continue,
                ClientEvent::Events(events) => events,
                ClientEvent::Last(events) => {
                    self.rest = RemainingBody::Over;
                    events
                }
                ClientEvent::Nothing | ClientEvent::Whole(_) => {
                    self.rest = RemainingBody::Over;
                    continue;
                }
            };
            let mut frames = String::new();
            for event in events {
                frames.extend(["data: ", &event, "\n\n"]);
            }
            let bytes = Bytes::from(frames);
            if self.standstills.end(timeline.now()).is_none() {
                return Ok(Some((at, bytes)));
            }
            self.held = Some(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::sim::setup::tests::record;
    use crate::sim::{Ailment, SimEngine};

    const CHAT: &str = "/v1/chat/completions";

    /// Runs a test on a wire to a server with faults, after the begin of the load.
    async fn wire<T>(ailments: &[&str], reported: impl AsyncFn(SimWire, Timeline) -> T) -> T {
        let ailments = ailments.iter().map(|text| Ailment::parse(text).expect(text)).collect();
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
        let engine = SimEngine::new(record(1.0), 1, ailments, At::ZERO);
        let connections = Rc::new(Connections::new(engine, timeline, 1, Box::new(|_, _| {})));
        connections.load_began(None);
        let wire = SimWire::new(connections.clone(), Standstills::default());
        tokio::select! { biased;
            () = connections.drive() => unreachable!("it drives for ever"),
            reported = reported(wire, timeline) => reported,
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
            assert_eq!(wire.connections.look(SimEngine::metrics).running, 1);
            drop(reply);
            timeline.until(At(3_000_000)).await;
            assert_eq!(wire.connections.look(SimEngine::metrics).running, 0);
        })
        .await;
    }
}
