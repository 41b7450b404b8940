//! Reads HTTP/1.1 requests from a socket and writes responses. Knows nothing of models.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sim::http::{SimPage, phrase};

/// Maximum size of a request's head: bounds the memory of a client's request.
const HEAD_MAX: usize = 64 << 10;
/// Maximum size of a body; 1M tokens as ids are about 8 MB.
const BODY_MAX: usize = 64 << 20;
const HEADERS_MAX: usize = 100;

/// An HTTP request as received.
#[derive(Debug, PartialEq)]
pub(super) struct HttpRequest {
    /// `GET`, `POST` …
    pub method: String,
    /// Path without the query.
    pub path: String,
    pub body: Vec<u8>,
    /// Whether the client keeps the connection alive.
    pub keep: bool,
}

/// Framing of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Body {
    Length(usize),
    Chunked,
}

struct Head {
    request: HttpRequest,
    bytes: usize,
    body: Body,
    wants_continue: bool,
}

/// Result of reading a request.
#[derive(Debug, PartialEq)]
pub(super) enum ReadRequest {
    Request(HttpRequest),
    /// The client closed the connection.
    Closed,
    /// The request is not acceptable; the status to respond with.
    Bad(u16),
}

/// A client's connection.
pub(super) struct Connection {
    stream: TcpStream,
    /// Bytes that are read and not yet consumed.
    buffer: Vec<u8>,
}

impl Connection {
    /// Creates the state of an accepted connection.
    pub(super) fn new(stream: TcpStream) -> Connection {
        // Sends tokens without delay; a failure costs only that.
        let _ = stream.set_nodelay(true);
        Connection { stream, buffer: Vec::new() }
    }

    /// Reads the next request.
    pub(super) async fn request(&mut self) -> ReadRequest {
        let head = loop {
            match parse_head(&self.buffer) {
                Ok(Some(head)) => break head,
                Ok(None) if self.buffer.len() > HEAD_MAX => return ReadRequest::Bad(431),
                Ok(None) => {}
                Err(status) => return ReadRequest::Bad(status),
            }
            if !self.fill().await {
                return ReadRequest::Closed;
            }
        };
        self.buffer.drain(..head.bytes);
        if head.wants_continue && self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
            return ReadRequest::Closed;
        }
        let body = match head.body {
            Body::Length(bytes) if bytes > BODY_MAX => return ReadRequest::Bad(413),
            Body::Length(bytes) => {
                while self.buffer.len() < bytes {
                    if !self.fill().await {
                        return ReadRequest::Closed;
                    }
                }
                self.buffer.drain(..bytes).collect()
            }
            Body::Chunked => match self.chunks().await {
                Ok(body) => body,
                Err(got) => return got,
            },
        };
        ReadRequest::Request(HttpRequest { body, ..head.request })
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, ReadRequest> {
        let mut body = Vec::new();
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((start, size))) => {
                    let size = usize::try_from(size).unwrap_or(usize::MAX);
                    if body.len().saturating_add(size) > BODY_MAX {
                        return Err(ReadRequest::Bad(413));
                    }
                    while self.buffer.len() < start + size + 2 {
                        if !self.fill().await {
                            return Err(ReadRequest::Closed);
                        }
                    }
                    body.extend_from_slice(&self.buffer[start..start + size]);
                    self.buffer.drain(..start + size + 2);
                    if size == 0 {
                        return Ok(body);
                    }
                }
                Ok(httparse::Status::Partial) if self.fill().await => {}
                Ok(httparse::Status::Partial) => return Err(ReadRequest::Closed),
                Err(_) => return Err(ReadRequest::Bad(400)),
            }
        }
    }

    /// Reads more bytes; false at the end of the stream.
    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(read) if read > 0)
    }

    /// Returns when the client closes the connection; buffers its bytes until then.
    pub(super) async fn gone(&mut self) {
        while self.buffer.len() < HEAD_MAX + BODY_MAX && self.fill().await {}
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Writes a complete response.
    pub(super) async fn respond(&mut self, page: &SimPage, keep: bool) -> io::Result<()> {
        let close = if keep { "" } else { "connection: close\r\n" };
        let kind = if page.body.is_empty() {
            String::new()
        } else {
            format!("content-type: {}\r\n", page.kind)
        };
        let text = format!(
            "HTTP/1.1 {} {}\r\nserver: uvicorn\r\ncontent-length: {}\r\n{kind}{close}\r\n{}",
            page.status,
            phrase(page.status),
            page.body.len(),
            page.body,
        );
        self.write(text.as_bytes()).await
    }

    /// Writes the head of an event stream.
    pub(super) async fn begin_stream(&mut self, keep: bool) -> io::Result<()> {
        let close = if keep { "" } else { "connection: close\r\n" };
        let head = format!(
            "HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
             {close}transfer-encoding: chunked\r\n\r\n"
        );
        self.write(head.as_bytes()).await
    }

    /// Writes an event as one chunk.
    pub(super) async fn event(&mut self, data: &str) -> io::Result<()> {
        let frame = format!("data: {data}\n\n");
        self.write(format!("{:x}\r\n{frame}\r\n", frame.len()).as_bytes()).await
    }

    /// Writes the final chunk of an event stream.
    pub(super) async fn end_stream(&mut self) -> io::Result<()> {
        self.write(b"0\r\n\r\n").await
    }
}

/// Parses a request's head; `None` while it is incomplete, or the status of the error.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>, u16> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let used = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else { return Err(400) };
    let value = |name: &str| {
        let header = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok().map(str::trim)
    };
    let body = match (value("transfer-encoding"), value("content-length")) {
        (Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => Body::Chunked,
        (Some(_), _) => return Err(400),
        (None, Some(length)) => Body::Length(length.parse().map_err(|_| 400u16)?),
        (None, None) => Body::Length(0),
    };
    let said = |name: &str, word: &str| value(name).is_some_and(|is| is.eq_ignore_ascii_case(word));
    let keep = match parsed.version {
        Some(1) => !said("connection", "close"),
        _ => said("connection", "keep-alive"),
    };
    let path = target.split('?').next().unwrap_or(target).to_owned();
    let request = HttpRequest { method: method.to_owned(), path, body: Vec::new(), keep };
    let wants_continue = said("expect", "100-continue");
    Ok(Some(Head { request, bytes: used, body, wants_continue }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_only_when_it_is_whole() {
        let text = b"POST /v1/x?a=1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
        assert!(parse_head(&text[..30]).is_ok_and(|head| head.is_none()));
        let head = parse_head(text).ok().flatten().expect("a head");
        assert_eq!((head.request.path.as_str(), head.request.keep), ("/v1/x", true));
        assert_eq!((head.bytes, head.body), (text.len() - 5, Body::Length(5)));
    }

    #[test]
    fn what_is_not_http_is_a_bad_request_and_old_clients_close() {
        assert!(parse_head(b"\x16\x03\x01\x02\x00").is_err());
        assert!(parse_head(b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n").is_err());
        let old = parse_head(b"GET / HTTP/1.0\r\n\r\n").ok().flatten().expect("a head");
        assert!(!old.request.keep);
    }
}
