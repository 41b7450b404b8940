//! Handles a connection: reads a request, responds, and repeats.

use std::io;
use std::rc::Rc;

use tokio::net::TcpStream;

use super::connection::{Connection, Got, HttpRequest};
use crate::sim::http::{ClientEvent, Item, Refusal, SimPage, Teller};
use crate::sim::world::{Connections, Served, Ticket};

/// Action after a response.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Next,
    Close,
}

/// Handles a connection until the client or this process lifetime has ended.
pub(super) async fn converse(desk: Rc<Connections>, stream: TcpStream, life: u64) {
    let mut connection = Connection::new(stream);
    let door = desk.door();
    loop {
        let got = tokio::select! { biased;
            _ = door.until(|door| door.life != life && !door.silent) => return,
            got = connection.request() => got,
        };
        if door.until(|door| !door.silent).await.life != life {
            return; // Sent while the machine had no power.
        }
        let then = match got {
            Got::Request(request) => answer(&desk, &mut connection, request).await,
            Got::Closed => return,
            Got::Bad(status) => {
                // The connection is closed even if this response is not sent.
                let _ = connection.respond(&Refusal::http(status).into(), false).await;
                return;
            }
        };
        if !matches!(then, Ok(Then::Next)) {
            return;
        }
    }
}

async fn answer(
    desk: &Rc<Connections>,
    connection: &mut Connection,
    request: HttpRequest,
) -> io::Result<Then> {
    let served = desk.ask(&request.method, &request.path, &request.body);
    let then = if request.keep { Then::Next } else { Then::Close };
    drop(request);
    match served {
        Served::Page(page) => whole(connection, &page, then).await,
        Served::Work(ticket, teller) => {
            if teller.streams() {
                connection.begin_stream(then == Then::Next).await?;
            }
            tell(connection, ticket, *teller, then).await
        }
    }
}

async fn whole(connection: &mut Connection, page: &SimPage, then: Then) -> io::Result<Then> {
    connection.respond(page, then == Then::Next).await?;
    Ok(then)
}

/// Returns the next item of a job; `None` if the client disconnects first.
async fn next(connection: &mut Connection, ticket: &mut Ticket) -> Option<Item> {
    tokio::select! { biased;
        item = ticket.next() => item.map(|(_, item)| item),
        () = connection.gone() => None,
    }
}

/// Sends a response, as a stream or when it is complete.
async fn tell(
    connection: &mut Connection,
    mut ticket: Ticket,
    mut teller: Teller,
    then: Then,
) -> io::Result<Then> {
    while let Some(item) = next(connection, &mut ticket).await {
        match teller.tell(item) {
            ClientEvent::Events(events) => send(connection, &events).await?,
            ClientEvent::Last(events) => {
                send(connection, &events).await?;
                connection.end_stream().await?;
                return Ok(then);
            }
            ClientEvent::Whole(page) => return whole(connection, &page, then).await,
            ClientEvent::Nothing if teller.streams() => {
                connection.end_stream().await?;
                return Ok(then);
            }
            // A non-streaming response that is cut is never sent.
            ClientEvent::Nothing => return Ok(Then::Close),
        }
    }
    Ok(Then::Close)
}

async fn send(connection: &mut Connection, events: &[String]) -> io::Result<()> {
    for event in events {
        connection.event(event).await?;
    }
    Ok(())
}
