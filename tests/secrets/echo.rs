//! Server that responds correctly but repeats its client's secret in every possible place. Every
//! third request of the load fails, each time in another way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

/// Tokens of a request of the load, by which it is known from one that asks what the server can.
pub(crate) const OUTPUT: u64 = 5;

/// The places before the load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Door {
    /// It says what a server says.
    #[default]
    Quiet,
    /// Name, root, version, fingerprint and labels hold the secret.
    Names,
    /// `/v1/models` refuses with this status.
    Models(u16),
    /// The first request for tokens is refused with this status.
    Chat(u16),
    /// It lists two models.
    Two,
    /// It counts once, and then refuses.
    Tokenize,
}

/// Serves until the test ends, and gives its address.
pub(crate) fn serve(secret: &str, door: Door) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let echo = Arc::new(Echo {
        secret: secret.to_owned(),
        door,
        asked: AtomicUsize::new(0),
        counted: AtomicUsize::new(0),
    });
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let echo = echo.clone();
            // A client that hangs up ends its own connection only.
            thread::spawn(move || echo.speak(stream));
        }
    });
    address
}

struct Echo {
    secret: String,
    door: Door,
    asked: AtomicUsize,
    counted: AtomicUsize,
}

fn page(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn json_page(status: u16, body: &Value) -> Vec<u8> {
    page(&format!("{status} X"), "application/json", body.to_string().as_bytes())
}

fn frame(body: &Value) -> String {
    format!("data: {body}\n\n")
}

fn stream(body: &[u8]) -> Vec<u8> {
    page("200 OK", "text/event-stream", body)
}

impl Echo {
    fn speak(&self, stream: TcpStream) -> Option<()> {
        let mut input = BufReader::new(stream.try_clone().ok()?);
        let mut output = stream;
        loop {
            let mut line = String::new();
            input.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let path = line.split(' ').nth(1)?.to_owned();
            let mut length = 0;
            loop {
                line.clear();
                input.read_line(&mut line).ok()?;
                if line.trim().is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().ok()?;
                }
            }
            let mut body = vec![0; length];
            input.read_exact(&mut body).ok()?;
            output.write_all(&self.answer(&path, &body)).ok()?;
        }
    }

    fn answer(&self, path: &str, body: &[u8]) -> Vec<u8> {
        let (secret, names) = (&self.secret, self.door == Door::Names);
        let named = |word: &str| if names { format!("{word}-{secret}") } else { word.to_owned() };
        let refused =
            |status| json_page(status, &json!({"error": {"message": format!("no, {secret}")}}));
        match (path, self.door) {
            ("/v1/models", Door::Models(status)) => refused(status),
            ("/v1/models", Door::Two) => {
                json_page(200, &json!({"data": [{"id": secret}, {"id": "b"}]}))
            }
            ("/v1/models", _) => json_page(
                200,
                &json!({"data": [{"id": named("m"), "root": named("r"), "max_model_len": 9999}]}),
            ),
            ("/version", _) => json_page(200, &json!({"version": named("1")})),
            ("/health", _) => json_page(200, &json!({})),
            ("/metrics", _) => {
                let label = named("16");
                let text = format!(
                    "vllm:num_requests_running{{engine=\"0\"}} 0\nvllm:generation_tokens_total{{engine=\"0\"}} 1\n\
                     vllm:cache_config_info{{block_size=\"{label}\",cache_dtype=\"{label}\"}} 1\n"
                );
                page("200 OK", "text/plain", text.as_bytes())
            }
            ("/tokenize", door) => {
                let is_first = self.counted.fetch_add(1, Ordering::Relaxed) == 0;
                if door == Door::Tokenize && !is_first {
                    return refused(500);
                }
                json_page(200, &json!({"count": (body.len() / 4).max(1), "tokens": [1]}))
            }
            (path, Door::Chat(status)) if path.ends_with("completions") => refused(status),
            (path, _) if path.ends_with("completions") => self.completion(body),
            _ => json_page(404, &json!({"detail": "none"})),
        }
    }

    fn completion(&self, body: &[u8]) -> Vec<u8> {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let tokens = asked["max_tokens"].as_u64().unwrap_or(1);
        if tokens == OUTPUT {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            if number % 3 == 2 {
                let ways = self.ways();
                return ways[number / 3 % ways.len()].clone();
            }
        }
        let system = if self.door == Door::Names { self.secret.as_str() } else { "fp" };
        let word = |n| {
            json!({"system_fingerprint": system, "choices": [{"delta": {"content": "w "}, "text": "w "}],
            "usage": {"prompt_tokens": 9, "completion_tokens": n}})
        };
        let mut text: String = (1..=tokens).map(|n| frame(&word(n))).collect();
        text += &frame(&json!({"choices": [{"delta": {}, "text": "", "finish_reason": "length"}]}));
        text += &frame(
            &json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": tokens}}),
        );
        stream((text + "data: [DONE]\n\n").as_bytes())
    }

    /// All ways in which a request of the load can say the secret.
    fn ways(&self) -> Vec<Vec<u8>> {
        let secret = &self.secret;
        let (start, end) = secret.split_at(secret.len() / 2);
        let text = |body: String| page("500 X", "text/plain", body.as_bytes());
        let html = |body: String| page("502 X", "text/html", body.as_bytes());
        let escaped: String = secret.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let idle = frame(&json!({"choices": [{"delta": {"content": ""}, "text": ""}]}));
        let error = frame(&json!({"error": {"message": "dead"}}));
        // The secret lies over the end of the evidence's head, then over the beginning of its tail.
        let head =
            format!("data: {{\"z\":\"{}{secret}\",\"choices\":[]}}\n\n", "p".repeat(4096 - 40));
        let tail = format!(
            "data: {{\"z\":\"{secret}{}\",\"choices\":[]}}\n\n",
            "p".repeat((12 << 10) - 80)
        );
        let finish =
            json!({"choices": [{"delta": {"content": "w"}, "text": "w", "finish_reason": secret}]});
        let system = json!({"system_fingerprint": format!("fp {secret}"),
            "choices": [{"delta": {"content": "w"}, "text": "w", "finish_reason": "stop"}]});
        vec![
            json_page(
                401,
                &json!({"error": {"message": format!("Incorrect API key provided: {secret}")}}),
            ),
            text(format!("bad key {secret} x")),
            text(format!("key\n{start}\n\t{end}")),
            text(format!("key {start}\u{1b}[0m{end}")),
            html(format!("<html><title>key {secret}</title>{secret}</html>")),
            html(format!("<html><p>{start}<wbr>{end}</p>")),
            page(&format!("401 {secret}"), "text/plain", b"x"),
            page("200 OK", secret, b"zz"),
            stream(frame(&json!({"error": {"message": format!("key {secret} dead")}})).as_bytes()),
            stream(format!("data: {{\"error\":{{\"message\":\"{escaped}\"}}}}\n\n").as_bytes()),
            stream(format!("data: {{\"k\": {secret}\n\n").as_bytes()),
            stream(format!("data: {{\"{}\": {secret}}}\n\n", "a".repeat(20)).as_bytes()),
            stream(format!("x{}{secret}\n", " ".repeat(512 - secret.len())).as_bytes()),
            page("500 X", "text/plain", &wide),
            stream((head + &idle.repeat(400) + &error).as_bytes()),
            stream((idle.repeat(400) + &tail + &error).as_bytes()),
            stream(frame(&finish).as_bytes()),
            stream(frame(&system).as_bytes()),
        ]
    }
}
