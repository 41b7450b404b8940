//! Serves a model that answers at once and counts what it is asked: the second opinion on how many
//! requests were sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Time between two tokens.
const TOKEN: Duration = Duration::from_millis(4);

/// Least length of a prompt of the load.
const LOAD_CHARS_MIN: usize = 150;

/// Server on a port of its own, for as long as the test runs.
pub(crate) struct CountingServer {
    pub address: String,
    asked: Arc<AtomicU64>,
}

impl CountingServer {
    /// Starts it. Requests for exactly `tokens` tokens, with a prompt of the load, are counted;
    /// longhaul's own questions are shorter.
    pub(crate) fn start(tokens: u64) -> CountingServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = count.clone();
                thread::spawn(move || serve(stream, tokens, &count));
            }
        });
        CountingServer { address, asked }
    }

    /// Returns the requests that were counted.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Answers the requests of a connection until it is closed.
fn serve(stream: TcpStream, tokens: u64, asked: &AtomicU64) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (line, body) = request(&mut reader)?;
        if line.starts_with("GET /v1/models") {
            let text = r#"{"object":"list","data":[{"id":"counted","object":"model","max_model_len":8192}]}"#;
            plain(&mut out, "200 OK", text)?;
        } else if line.starts_with("GET /health") {
            plain(&mut out, "200 OK", "")?;
        } else if line.starts_with("POST /v1/chat/completions") {
            let asks: serde_json::Value = serde_json::from_slice(&body).ok()?;
            let max = ["max_tokens", "max_completion_tokens"].map(|key| asks[key].as_u64());
            let max = max.into_iter().flatten().next().unwrap_or(1);
            let is_load = max == tokens && text_chars(&asks) >= LOAD_CHARS_MIN;
            asked.fetch_add(u64::from(is_load), Ordering::SeqCst);
            let prompt = 8 + text_chars(&asks) as u64 / 4;
            answer(&mut out, (prompt, max), asks["stream"].as_bool().unwrap_or(false))?;
        } else {
            plain(&mut out, "404 Not Found", "{}")?;
        }
    }
}

/// Returns the length of the messages of a request.
fn text_chars(asks: &serde_json::Value) -> usize {
    let messages = asks["messages"].as_array().into_iter().flatten();
    messages.filter_map(|message| message["content"].as_str()).map(str::len).sum()
}

/// Reads a request: its first line and its body.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
        if first.is_empty() {
            first = line;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, body))
}

fn plain(out: &mut TcpStream, status: &str, body: &str) -> Option<()> {
    let length = body.len();
    let kind = "content-type: application/json";
    write!(out, "HTTP/1.1 {status}\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}").ok()
}

/// Writes an answer of some tokens, as a stream or at once.
fn answer(out: &mut TcpStream, (prompt, tokens): (u64, u64), is_stream: bool) -> Option<()> {
    let usage = format!(
        r#"{{"prompt_tokens":{prompt},"completion_tokens":{tokens},"total_tokens":{}}}"#,
        prompt + tokens
    );
    if !is_stream {
        let text = format!(
            r#"{{"id":"a","object":"chat.completion","created":1,"model":"counted","choices":[{{"index":0,"message":{{"role":"assistant","content":"word"}},"finish_reason":"length"}}],"usage":{usage}}}"#
        );
        return plain(out, "200 OK", &text);
    }
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    out.write_all(head.as_bytes()).ok()?;
    let mut event = |json: String| {
        let text = format!("data: {json}\n\n");
        write!(out, "{:x}\r\n{text}\r\n", text.len()).ok()
    };
    let chunk = |rest: &str| {
        format!(
            r#"{{"id":"a","object":"chat.completion.chunk","created":1,"model":"counted",{rest}}}"#
        )
    };
    for n in 0..tokens {
        thread::sleep(TOKEN);
        event(chunk(&format!(
            r#""choices":[{{"index":0,"delta":{{"content":"word{n} "}},"finish_reason":null}}]"#
        )))?;
    }
    event(chunk(r#""choices":[{"index":0,"delta":{},"finish_reason":"length"}]"#))?;
    event(chunk(&format!(r#""choices":[],"usage":{usage}"#)))?;
    event("[DONE]".to_owned())?;
    write!(out, "0\r\n\r\n").ok()
}
