//! Server on a real socket that sends a list of bytes, waits and ends. It shares no code with the
//! code under test.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does next. When the list is over, it closes the connection.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Sends these bytes as they are.
    Raw(Vec<u8>),
    /// Sends these bytes as one chunk of a chunked body.
    Chunk(Vec<u8>),
    /// Ends a chunked body properly.
    EndChunks,
    /// Does nothing for so many milliseconds.
    Wait(u64),
    /// Breaks the connection with a reset.
    Reset,
    /// Keeps the connection open until the client hangs up.
    Hold,
}

/// The head of a streamed answer.
pub(super) fn head() -> Step {
    Step::Raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec(),
    )
}

/// A data frame in a chunk of its own.
pub(super) fn data(json: &str) -> Step {
    Step::Chunk(format!("data: {json}\n\n").into_bytes())
}

/// The frame that proves nothing.
pub(super) fn done() -> Step {
    data("[DONE]")
}

/// A whole answer with a length.
pub(super) fn page(status: &str, content_type: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![Step::Raw(
        format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}")
            .into_bytes(),
    )]
}

/// Takes a connection and plays the list; gives the body of the request.
pub(super) async fn play(listener: &TcpListener, steps: &[Step]) -> String {
    let (_, body) = play_all(listener, &[steps]).await.remove(0);
    body
}

/// Takes a connection and plays a list for each request on it; gives head and body of the requests.
pub(super) async fn play_all(listener: &TcpListener, lists: &[&[Step]]) -> Vec<(String, String)> {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut requests = Vec::new();
    for steps in lists {
        requests.push(request(&mut stream).await);
        carry_out(&mut stream, steps).await;
    }
    requests
}

async fn carry_out(stream: &mut TcpStream, steps: &[Step]) {
    for step in steps {
        // A client that has hung up is no reason to stop the test.
        let _ = match step {
            Step::Raw(bytes) => stream.write_all(bytes).await,
            Step::Chunk(bytes) => {
                let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                chunk.extend_from_slice(bytes);
                chunk.extend_from_slice(b"\r\n");
                stream.write_all(&chunk).await
            }
            Step::EndChunks => stream.write_all(b"0\r\n\r\n").await,
            Step::Wait(ms) => {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                Ok(())
            }
            Step::Reset => {
                // What was sent before must be read before the reset throws it away.
                tokio::time::sleep(Duration::from_millis(30)).await;
                stream.set_zero_linger()
            }
            Step::Hold => stream.read(&mut [0; 64]).await.map(|_| ()),
        };
    }
}

async fn request(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse::<usize>().unwrap());
            if body.len() >= length {
                return (head.to_owned(), body.to_owned());
            }
        }
        assert!(count > 0, "the client hung up in the middle of its request");
    }
}
