//! Tests the simulated server over real sockets, with clients that read bytes and do not use
//! longhaul's own wire.

// The lints know tests by their attribute, and their helpers not at all.
#![allow(clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use insta::{assert_debug_snapshot, assert_snapshot};
use longhaul::serve::sim::{SimConfig, SimHandle, spawn};
use longhaul::shown::named;
use longhaul::sim::{Ailment, MachineState, Setup};
use longhaul::spec::{Profile, SpecFile};
use serde_json::{Value, json};

/// Bounds every wait for bytes: a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

fn setup() -> Setup {
    let source = SpecFile { name: "fast".into(), origin: "test".into(), text: String::new() };
    let profile = Profile {
        source,
        about: String::new(),
        prefill_s: 0.0005,
        prefill_s_per_token: 1e-7,
        prefill_s_per_token2: 0.0,
        decode_per_s: 20_000.0,
        decode_loss_at_100k: 0.05,
        decode_step_growth: 0.17,
        kv_tokens: 600_000,
        acceptance: 0.8,
        noise_between_starts: 0.02,
        noise_within: 0.01,
        memory_bytes: 128 << 30,
        memory_ready_bytes: 100 << 30,
        start_s: 0.01,
        assumed: Vec::new(),
    };
    Setup {
        profile,
        model: "org/model".into(),
        served: vec!["m".into(), "other".into()],
        max_model_len: 131_072,
        max_num_seqs: 4,
        max_num_batched_tokens: 16_384,
        prefix_caching: true,
        speculative_tokens: 1,
        reasoning: true,
        refuses: false,
        first_start_s: 0.0,
        given: BTreeMap::new(),
        settings: BTreeMap::new(),
    }
}

fn serve_as(setup: Setup, ailments: &[&str]) -> SimHandle {
    let ailments = ailments.iter().map(|text| Ailment::parse(text).expect(text)).collect();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    spawn(any, SimConfig { setup, seed: 7, ailments }, |_, _| {}).expect("a free port")
}

fn serve(ailments: &[&str]) -> SimHandle {
    let server = serve_as(setup(), ailments);
    server.load_began(None);
    server
}

/// Slow enough that a stream is still under way when something happens to it; nothing ails yet.
fn serve_slowly(ailments: &[&str]) -> SimHandle {
    let mut setup = setup();
    setup.profile.decode_per_s = 200.0;
    serve_as(setup, ailments)
}

/// Asks for a long answer, and lets the ailments begin when it has.
fn begin_stream(server: &SimHandle) -> TcpStream {
    let mut streaming = connect(server);
    send(&mut streaming, "POST", "/v1/chat/completions", &chat(10_000).to_string());
    let mut byte = [0];
    let mut head = Vec::new();
    while !head.ends_with(b"data: ") {
        streaming.read_exact(&mut byte).expect("a first event");
        head.push(byte[0]);
    }
    server.load_began(None);
    streaming
}

/// The events of a stream to which something happens; the first is lost in waiting for it.
fn stream_through(server: &SimHandle) -> (Vec<String>, bool) {
    let rest = drain(&mut begin_stream(server));
    let (_, rest) = rest.split_once("\r\n").expect("the end of the first chunk");
    events(rest)
}

fn connect(server: &SimHandle) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("the port is open");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream
}

fn send(stream: &mut TcpStream, method: &str, path: &str, body: &str) {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
}

/// Everything until the other side closes; a reset counts as that.
fn drain(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&bytes)),
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// Status and body of one exchange.
fn exchange(server: &SimHandle, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = connect(server);
    send(&mut stream, method, path, body);
    split(&drain(&mut stream))
}

fn split(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, body.to_owned())
}

fn get(server: &SimHandle, path: &str) -> (u16, String) {
    exchange(server, "GET", path, "")
}

fn post(server: &SimHandle, path: &str, body: &Value) -> (u16, Value) {
    let (status, text) = exchange(server, "POST", path, &body.to_string());
    (status, serde_json::from_str(&text).expect("a JSON answer"))
}

/// The data of every event of a chunked body, and whether the body was ended.
fn events(mut body: &str) -> (Vec<String>, bool) {
    let mut text = String::new();
    let mut ended = false;
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        if size == 0 {
            ended = true;
            break;
        }
        if rest.len() < size + 2 {
            break;
        }
        text.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    let data = |event: &str| event.strip_prefix("data: ").expect("a data line").to_owned();
    (text.split_terminator("\n\n").map(data).collect(), ended)
}

fn stream(server: &SimHandle, path: &str, body: &Value) -> (Vec<String>, bool) {
    let (status, body) = exchange(server, "POST", path, &body.to_string());
    assert_eq!(status, 200, "{body}");
    events(&body)
}

fn chat(max_tokens: u64) -> Value {
    json!({
        "model": "m", "messages": [{"role": "user", "content": "Tell me about rivers."}],
        "max_tokens": max_tokens, "ignore_eos": true, "stream": true,
        "stream_options": {"include_usage": true, "continuous_usage_stats": true},
    })
}

fn parsed(events: &[String]) -> Vec<Value> {
    let chunks = events.iter().filter(|event| *event != "[DONE]");
    chunks.map(|event| serde_json::from_str(event).expect("a JSON chunk")).collect()
}

/// Counts the events of a stream that are errors.
fn errors(events: &[String]) -> usize {
    parsed(events).iter().filter(|event| !event["error"].is_null()).count()
}

/// Labels and value of a metric on a page.
fn metric<'a>(page: &'a str, name: &str) -> &'a str {
    page.lines().find_map(|line| line.strip_prefix(name)).expect(name)
}

/// Tries until `seen`. The bound is on tries, each of them a round trip on loopback, not on time.
fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let tries = (0..1_000_000).any(|_| {
        let seen = seen();
        std::thread::yield_now();
        seen
    });
    assert!(tries, "{what} was never seen");
}

fn refuses(server: &SimHandle) -> bool {
    let tried = TcpStream::connect(server.address());
    tried.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Whether it can be asked and answers: false also for a connection that breaks.
fn answers(server: &SimHandle) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(server.address())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

#[test]
fn a_whole_stream_begins_with_the_role_and_ends_with_usage_and_done() {
    let server = serve(&[]);
    let (events, ended) = stream(&server, "/v1/chat/completions", &chat(100));
    assert!(ended);
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    let chunks = parsed(&events);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks[0]["usage"]["completion_tokens"], 0);
    let counts: Vec<u64> =
        chunks.iter().filter_map(|chunk| chunk["usage"]["completion_tokens"].as_u64()).collect();
    assert_eq!(counts.len(), chunks.len(), "each chunk says how far it has got");
    assert!(counts.windows(2).any(|pair| pair[1] - pair[0] >= 2), "several tokens in one chunk");
    let text = |key: &str| -> String {
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"][key].as_str()).collect()
    };
    assert!(text("reasoning").len() > 50 && text("content").len() > 100);
    let finish = chunks.iter().find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
    assert_eq!(finish, Some("length"));
    let usage = &chunks.last().expect("chunks")["usage"];
    assert_eq!(usage["completion_tokens"], 100);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 24);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 0);
}

#[test]
fn the_same_prompt_again_comes_from_the_cache_and_has_the_same_answer() {
    let server = serve(&[]);
    let prompt: Vec<u32> = (100..1100).collect();
    let body = json!({"model": "m", "prompt": prompt, "max_tokens": 20, "return_token_ids": true});
    let (status, cold) = post(&server, "/v1/completions", &body);
    let (_, warm) = post(&server, "/v1/completions", &body);
    assert_eq!(status, 200);
    assert_eq!(cold["usage"]["prompt_tokens"], 1000);
    assert_eq!(cold["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    assert_eq!(warm["usage"]["prompt_tokens_details"]["cached_tokens"], 992);
    assert_eq!(cold["choices"][0]["text"], warm["choices"][0]["text"]);
    let ids = cold["choices"][0]["token_ids"].as_array().expect("ids");
    let text = json!({"prompt": cold["choices"][0]["text"]});
    let (_, again) = post(&server, "/tokenize", &text);
    assert_eq!(again["tokens"].as_array(), Some(ids));
}

#[test]
fn tokenize_counts_a_chat_as_usage_does() {
    let server = serve(&[]);
    let (_, counted) = post(&server, "/tokenize", &json!({"messages": chat(1)["messages"]}));
    let mut body = chat(5);
    body["stream"] = json!(false);
    body["stream_options"] = Value::Null;
    let (_, answer) = post(&server, "/v1/chat/completions", &body);
    assert_eq!(counted["count"], answer["usage"]["prompt_tokens"]);
    assert_eq!(counted["max_model_len"], 131_072);
}

#[test]
fn what_is_wrong_with_a_request_is_said_in_vllms_words() {
    let server = serve(&[]);
    let path = "/v1/chat/completions";
    let mut unknown = chat(5);
    unknown["model"] = json!("nope");
    let (status, body) = post(&server, path, &unknown);
    assert_eq!((status, &body["error"]["type"]), (404, &json!("NotFoundError")));
    let long = json!({"prompt": vec![17; 140_000], "max_tokens": 1});
    let (status, body) = post(&server, "/v1/completions", &long);
    assert_eq!((status, &body["error"]["param"]), (400, &json!("input_tokens")));
    let cut = exchange(&server, "POST", path, "{\"model\": ");
    assert_debug_snapshot!(cut, @r#"
        (
            400,
            "{\"error\":{\"message\":\"1 validation error:\\n  {'type': 'json_invalid', 'loc': 'body.9', 'msg': 'JSON decode error'}\",\"type\":\"Bad Request\",\"param\":\"body.9\",\"code\":400}}",
        )
    "#);
    assert_debug_snapshot!(get(&server, "/nowhere"), @r#"
        (
            404,
            "{\"error\":{\"message\":\"Not Found\",\"type\":\"Not Found\",\"param\":null,\"code\":404}}",
        )
    "#);
    assert_eq!(get(&server, path).0, 405);
}

#[test]
fn the_small_pages_answer_and_metrics_can_be_read_by_a_scraper() {
    let server = serve(&[]);
    assert_eq!(get(&server, "/health"), (200, String::new()));
    stream(&server, "/v1/chat/completions", &chat(30));
    let (_, models) = get(&server, "/v1/models");
    let models: Value = serde_json::from_str(&models).expect("JSON");
    assert_eq!(models["data"][1]["id"], "other");
    assert_eq!(models["data"][0]["max_model_len"], 131_072);
    let (_, page) = get(&server, "/metrics");
    let value = |name: &str| -> f64 {
        let value = metric(&page, name).rsplit(' ').next();
        value.and_then(|value| value.parse().ok()).expect("a number")
    };
    assert!((value("vllm:generation_tokens_total") - 30.0).abs() < 1e-9);
    assert!(value("process_start_time_seconds") > 1.7e9);
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(!name.is_empty() && value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn a_connection_is_used_again_and_a_chunked_body_is_read() {
    let server = serve(&[]);
    let mut stream = connect(&server);
    let health = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let body = r#"{"prompt":"Hi there"}"#;
    let chunked = format!(
        "POST /tokenize HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{health}{health}{chunked}").as_bytes()).expect("sent");
    let answers = drain(&mut stream);
    assert_snapshot!(answers.replace('\r', ""), @r#"
        HTTP/1.1 200 OK
        server: uvicorn
        content-length: 0

        HTTP/1.1 200 OK
        server: uvicorn
        content-length: 0

        HTTP/1.1 200 OK
        server: uvicorn
        content-length: 76
        content-type: application/json
        connection: close

        {"count":2,"max_model_len":131072,"token_strs":null,"tokens":[45021,125118]}
    "#);
}

/// The machine as a sensor on it reads it.
fn view(server: &SimHandle) -> MachineState {
    server.shared_view().lock().expect("nobody panicked").clone()
}

#[test]
fn a_crash_breaks_streams_off_and_then_the_port_refuses() {
    let server = serve_slowly(&["crash@0s"]);
    let (events, ended) = stream_through(&server);
    assert!(!ended && events.last().is_none_or(|last| last != "[DONE]"), "{events:?}");
    until("a refused connection", || refuses(&server));
    until("its end on the box", || view(&server).exits == 1);
    assert!(refuses(&server), "it stays down");
}

#[test]
fn out_of_gpu_memory_streams_get_an_error_frame_and_done() {
    let server = serve_slowly(&["cuda_oom@0s"]);
    let (events, ended) = stream_through(&server);
    assert!(ended);
    let [.., error, done] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(done, "[DONE]");
    assert_snapshot!(error, @r#"{"error":{"message":"EngineCore encountered an issue. See stack trace (above) for the root cause.","type":"InternalServerError","param":null,"code":500}}"#);
    until("a refused connection", || refuses(&server));
}

#[test]
fn a_restart_comes_back_on_the_same_port_as_another_process() {
    let server = serve_slowly(&["restart=100ms@0s"]);
    let before = view(&server);
    let (events, _) = stream_through(&server);
    assert_eq!(errors(&events), 1, "{events:?}");
    until("its return", || view(&server).exits == 1 && view(&server).listening);
    until("an answer", || answers(&server));
    let (events, ended) = stream(&server, "/v1/chat/completions", &chat(5));
    assert!(ended && events.last().map(String::as_str) == Some("[DONE]"));
    let (_, page) = get(&server, "/metrics");
    assert_eq!(
        metric(&page, "vllm:generation_tokens_total"),
        "{engine=\"0\",model_name=\"m\"} 5.0"
    );
    assert_ne!(before.pid, view(&server).pid);
}

#[test]
fn a_hung_server_answers_everything_but_its_streams() {
    let server = serve_slowly(&["hang@0s"]);
    let mut streaming = begin_stream(&server);
    streaming.set_read_timeout(Some(Duration::from_secs(1))).expect("a time limit");
    let mut buffer = [0; 4096];
    // Tokens come every 5 ms until it hangs; a second without any is the hang.
    let silence = loop {
        match streaming.read(&mut buffer) {
            Ok(0) => panic!("the stream ended"),
            Ok(_) => {}
            Err(error) => break error.kind(),
        }
    };
    assert!(matches!(silence, ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert_eq!(get(&server, "/health").0, 200);
    let (first, second) = (get(&server, "/metrics"), get(&server, "/metrics"));
    assert_eq!(first, second);
    let running = metric(&first.1, "vllm:num_requests_running");
    assert_eq!(running, "{engine=\"0\",model_name=\"m\"} 1.0");
}

#[test]
fn shares_of_requests_end_badly_each_in_its_own_way() {
    let tell = |ailment: &str| stream(&serve(&[ailment]), "/v1/chat/completions", &chat(50));
    let (events, ended) = tell("error_frame=100%");
    assert!(ended && events.last().map(String::as_str) == Some("[DONE]"));
    assert_snapshot!(events[events.len() - 2], @r#"{"error":{"message":"Internal server error","type":"InternalServerError","param":null,"code":500}}"#);
    let (events, ended) = tell("truncated_stream=100%");
    let chunks = parsed(&events);
    assert!(ended && events.len() > 2 && chunks.len() == events.len(), "{events:?}");
    assert!(chunks.iter().all(|chunk| chunk["choices"][0]["finish_reason"].is_null()));
    let (events, _) = tell("empty_answer=100%");
    let chunks = parsed(&events);
    assert_eq!(chunks.last().expect("usage")["usage"]["completion_tokens"], 0);
}

#[test]
fn a_short_answer_stops_by_itself_and_says_how_many_tokens_it_has() {
    let (events, ended) = stream(&serve(&["short_answer=1"]), "/v1/chat/completions", &chat(50));
    assert!(ended && events.last().map(String::as_str) == Some("[DONE]"));
    let chunks = parsed(&events);
    let finish = chunks.iter().find_map(|chunk| chunk["choices"][0]["finish_reason"].as_str());
    assert_eq!(finish, Some("stop"));
    let tokens = chunks.last().expect("usage")["usage"]["completion_tokens"].as_u64();
    assert!(tokens.is_some_and(|tokens| (1..50).contains(&tokens)), "{tokens:?}");
}

#[test]
fn without_its_metrics_everything_else_is_as_before() {
    let server = serve(&["metrics_go_away"]);
    until("that they are gone", || get(&server, "/metrics").0 == 404);
    assert_eq!(get(&server, "/metrics").1, get(&server, "/nowhere").1);
    assert_eq!(get(&server, "/health").0, 200);
    assert!(stream(&server, "/v1/chat/completions", &chat(5)).1);
}

#[test]
fn in_a_power_cut_a_stream_goes_silent_and_ends_with_the_boot() {
    let server = serve_slowly(&["host_reboot=400ms@0s"]);
    let before = view(&server);
    let (events, ended) = stream_through(&server);
    assert!(!ended && errors(&events) == 0, "{events:?}");
    until("its return", || answers(&server));
    // The view is published twice a second: an earlier one may still stand.
    until("its boot", || view(&server).boot_id != before.boot_id);
}

#[test]
fn a_client_that_hangs_up_frees_its_place() {
    let server = serve_slowly(&[]);
    drop(begin_stream(&server));
    // Labels stand in the page's order, the reason last.
    let aborted = "finished_reason=\"abort\"} 1.0";
    let is_aborted = |page: &str| page.lines().any(|line| line.ends_with(aborted));
    until("the abort", || is_aborted(&get(&server, "/metrics").1));
}

#[test]
fn a_port_in_use_is_a_mistake_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let order = SimConfig { setup: setup(), seed: 1, ailments: Vec::new() };
    let mistake = spawn(address, order, |_, _| {}).err().expect("refused").to_string();
    let mistake = named(&mistake, &[(&address.port().to_string(), "PORT")]);
    assert_snapshot!(mistake, @"
        error: port PORT on 127.0.0.1 is in use
          try: another port: --port 0 takes a free one
    ");
}
