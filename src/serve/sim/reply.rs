//! Handles a connection: reads a request, responds, and repeats.

use std::io;
use std::rc::Rc;

use tokio::net::TcpStream;

use super::connection::{Connection, HttpRequest, ReadRequest};
use crate::sim::http::{ClientEvent, EngineOutput, Refusal, ResponseWriter, SimPage};
use crate::sim::world::{Accepted, Connections, JobHandle};

/// Action after a response.
#[derive(Clone, Copy, Debug, PartialEq)]
enum NextStep {
    Next,
    Close,
}

/// Handles a connection until the client or this process lifetime has ended.
pub(super) async fn serve_connection(connections: Rc<Connections>, stream: TcpStream, life: u64) {
    let mut connection = Connection::new(stream);
    let port_state = connections.port_state();
    loop {
        let got = tokio::select! { biased;
            _ = port_state.until(|port_state| port_state.life != life && !port_state.silent) => return,
            got = connection.request() => got,
        };
        if port_state.until(|port_state| !port_state.silent).await.life != life {
            return; // Sent while the machine had no power.
        }
        let then = match got {
            ReadRequest::Request(request) => answer(&connections, &mut connection, request).await,
            ReadRequest::Closed => return,
            ReadRequest::Bad(status) => {
                // The connection is closed even if this response is not sent.
                let _ = connection.respond(&Refusal::http(status).into(), false).await;
                return;
            }
        };
        if !matches!(then, Ok(NextStep::Next)) {
            return;
        }
    }
}

async fn answer(
    connections: &Rc<Connections>,
    connection: &mut Connection,
    request: HttpRequest,
) -> io::Result<NextStep> {
    let served = connections.ask(&request.method, &request.path, &request.body);
    let then = if request.keep { NextStep::Next } else { NextStep::Close };
    drop(request);
    match served {
        Accepted::Page(page) => whole(connection, &page, then).await,
        Accepted::Work(job, writer) => {
            if writer.streams() {
                connection.begin_stream(then == NextStep::Next).await?;
            }
            tell(connection, job, *writer, then).await
        }
    }
}

async fn whole(
    connection: &mut Connection,
    page: &SimPage,
    then: NextStep,
) -> io::Result<NextStep> {
    connection.respond(page, then == NextStep::Next).await?;
    Ok(then)
}

/// Returns the next item of a job; `None` if the client disconnects first.
async fn next(connection: &mut Connection, job: &mut JobHandle) -> Option<EngineOutput> {
    tokio::select! { biased;
        item = job.next() => item.map(|(_, item)| item),
        () = connection.gone() => None,
    }
}

/// Sends a response, as a stream or when it is complete.
async fn tell(
    connection: &mut Connection,
    mut job: JobHandle,
    mut writer: ResponseWriter,
    then: NextStep,
) -> io::Result<NextStep> {
    while let Some(item) = next(connection, &mut job).await {
        match writer.tell(item) {
            ClientEvent::Events(events) => send(connection, &events).await?,
            ClientEvent::Last(events) => {
                send(connection, &events).await?;
                connection.end_stream().await?;
                return Ok(then);
            }
            ClientEvent::Whole(page) => return whole(connection, &page, then).await,
            ClientEvent::Nothing if writer.streams() => {
                connection.end_stream().await?;
                return Ok(then);
            }
            // A non-streaming response that is cut is never sent.
            ClientEvent::Nothing => return Ok(NextStep::Close),
        }
    }
    Ok(NextStep::Close)
}

async fn send(connection: &mut Connection, events: &[String]) -> io::Result<()> {
    for event in events {
        connection.event(event).await?;
    }
    Ok(())
}
