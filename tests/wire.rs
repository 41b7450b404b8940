//! Every way in which a request can end, against a server that really ends that
//! way, at byte level: life's wire, the fold of an answer, and one ask sent.

#[path = "wire/server.rs"]
mod server;

use std::time::Duration;

use longhaul::answer::Answer;
use longhaul::fact::{Abilities, Class, Ended, Phase, Request, Stage};
use longhaul::http::{Address, Http, Options};
use longhaul::plan::{Ask, Input, Message};
use longhaul::run::load::{Progress, Terms, send};
use longhaul::secret::Secrets;
use longhaul::spec::Limits;
use longhaul::spec::scenario::Api;
use longhaul::timeline::Timeline;
use longhaul::unit::At;
use server::{Step, data, done, head, page};
use tokio::net::TcpListener;

/// A client with a listener to be played on.
struct Scene {
    listener: TcpListener,
    http: Http,
    timeline: Timeline,
    abilities: Abilities,
    limits: Limits,
    cut_after: Option<Duration>,
    ask: Ask,
}

fn ask(output: u64) -> Ask {
    Ask {
        phase: Phase::Soak,
        workload: "ladder",
        class: Class::Cold,
        lane: 0,
        slot: 0,
        session: None,
        turn: None,
        cell: format!("d0/c1/p16/o{output}").parse().unwrap(),
        lap: 0,
        repeat: 0,
        due: At::ZERO,
        api: Api::Chat,
        input: Input::Messages(vec![Message { role: "user", content: "hm".into() }]),
        exact_output: false,
    }
}

impl Scene {
    async fn new(output: u64) -> Scene {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let timeline = Timeline::start();
        let http = Http::new(Options {
            address: Address::parse(&address).unwrap(),
            api_key: Some("sk-geheim".to_owned()),
            headers: Vec::new(),
            ca_cert: None,
            timeline,
        })
        .unwrap();
        Scene {
            listener,
            http,
            timeline,
            abilities: Abilities { chat: true, usage: true, ..Abilities::default() },
            limits: Limits {
                first_token: Duration::from_secs(5),
                stall: Duration::from_secs(5),
                ..Limits::default()
            },
            cut_after: None,
            ask: ask(output),
        }
    }

    async fn send(&self) -> Answer {
        let mut secrets = Secrets::default();
        secrets.add("sk-geheim");
        let progress = Progress::default();
        let terms = Terms {
            model: "m",
            abilities: &self.abilities,
            limits: &self.limits,
            secrets: &secrets,
            progress: &progress,
        };
        let cut = async {
            match self.cut_after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
            "phase over".to_owned()
        };
        let answer = send(&self.http, &self.timeline, &self.ask, terms, cut).await;
        assert_eq!(progress.in_flight(), 0);
        answer
    }

    async fn play(&self, steps: &[Step]) -> Answer {
        let (_, answer) = tokio::join!(server::play(&self.listener, steps), self.send());
        answer
    }
}

async fn play(output: u64, steps: &[Step]) -> Answer {
    Scene::new(output).await.play(steps).await
}

fn role() -> Step {
    data(
        r#"{"id":"a","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}"#,
    )
}

fn word(text: &str) -> Step {
    data(&format!(
        r#"{{"id":"a","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null,"token_ids":null}}]}}"#
    ))
}

/// As [`word`], with the server's count so far.
fn counted(text: &str, so_far: u64) -> Step {
    data(&format!(
        r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}],"usage":{{"prompt_tokens":16,"completion_tokens":{so_far}}}}}"#
    ))
}

fn finish(reason: &str) -> Step {
    data(&format!(
        r#"{{"id":"a","choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}","stop_reason":null}}]}}"#
    ))
}

fn usage(output: u64) -> Step {
    data(&format!(
        r#"{{"id":"a","choices":[],"usage":{{"prompt_tokens":16,"total_tokens":{},"completion_tokens":{output},"completion_tokens_details":null}}}}"#,
        16 + output
    ))
}

/// Head and role, the given steps, and a proper end.
fn stream(steps: Vec<Step>) -> Vec<Step> {
    let mut whole = vec![head(), role()];
    whole.extend(steps);
    whole.extend([done(), Step::EndChunks]);
    whole
}

fn ended(row: &Request) -> (Ended, Stage) {
    (row.ended, row.stage)
}

// ---------------------------------------------------------------- whole answers

#[tokio::test]
async fn an_answer_of_vllm_with_reasoning_and_usage_in_every_chunk_is_completed() {
    let chunk = |delta: &str, so_far: u64| {
        data(&format!(
            r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}],"usage":{{"prompt_tokens":16,"completion_tokens":{so_far}}}}}"#
        ))
    };
    let mut scene = Scene::new(6).await;
    scene.abilities.continuous_usage = true;
    let steps = stream(vec![
        chunk(r#"{"reasoning":"well"}"#, 2),
        Step::Wait(20),
        chunk(r#"{"reasoning":" so","content":null}"#, 3),
        Step::Wait(20),
        chunk(r#"{"content":"Paris"}"#, 5),
        finish("length"),
        data(
            r#"{"choices":[],"usage":{"prompt_tokens":16,"completion_tokens":6,"completion_tokens_details":{"reasoning_tokens":4},"prompt_tokens_details":{"cached_tokens":0}}}"#,
        ),
    ]);
    let (body, answer) = tokio::join!(server::play(&scene.listener, &steps), scene.send());
    let row = answer.request;
    assert_eq!(ended(&row), (Ended::Completed, Stage::Closing));
    assert_eq!((row.http_status, row.finish.as_deref()), (Some(200), Some("length")));
    assert_eq!((row.prompt_tokens, row.output_tokens), (Some(16), Some(6)));
    assert_eq!((row.cached_tokens, row.reasoning_tokens), (Some(0), Some(4)));
    assert_eq!((row.chunks, row.first_tokens, row.peak_tokens), (3, Some(2), Some(5)));
    assert!(row.ttft_content_us.unwrap() >= row.ttft_us.unwrap() + 30_000, "{row:?}");
    assert_eq!(answer.itl_us.iter().map(|(_, tokens)| tokens).sum::<u64>(), 3);
    assert_eq!((row.error.as_str(), row.checks.len()), ("", 0));
    assert!(row.answer.is_some() && answer.frames.is_empty());
    assert!(body.contains(r#""continuous_usage_stats":true"#), "{body}");
}

#[tokio::test]
async fn an_answer_of_llama_cpp_with_null_content_and_late_usage_is_completed() {
    let steps = vec![
        head(),
        data(
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"x","object":"chat.completion.chunk"}"#,
        ),
        data(
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"É"}}],"created":1}"#,
        ),
        data(
            r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"to"}}],"created":1}"#,
        ),
        data(
            r#"{"choices":[{"finish_reason":"length","index":0,"delta":{}}],"usage":{"completion_tokens":2,"prompt_tokens":16,"prompt_tokens_details":{"cached_tokens":12}},"timings":{"cache_n":12}}"#,
        ),
        done(),
        Step::EndChunks,
    ];
    let row = play(2, &steps).await.request;
    assert_eq!(ended(&row), (Ended::Completed, Stage::Closing));
    assert_eq!((row.chunks, row.output_tokens, row.first_tokens), (2, Some(2), Some(1)));
    assert_eq!((row.cached_tokens, row.checks.len()), (Some(12), 0));
}

#[tokio::test]
async fn a_completion_with_its_finish_and_usage_in_the_last_text_chunk_is_completed() {
    let mut scene = Scene::new(2).await;
    scene.ask.api = Api::Completions;
    scene.ask.input = Input::Ids(vec![5; 16]);
    let steps = vec![
        head(),
        data(r#"{"choices":[{"text":" Pa","index":0,"finish_reason":null}]}"#),
        data(
            r#"{"choices":[{"text":"ris","index":0,"finish_reason":"length"}],"usage":{"prompt_tokens":16,"completion_tokens":2}}"#,
        ),
        Step::EndChunks,
    ];
    let row = scene.play(&steps).await.request;
    assert_eq!(row.ended, Ended::Completed, "{row:?}");
    assert_eq!((row.chunks, row.first_tokens, row.checks.len()), (2, Some(1), 0));
}

#[tokio::test]
async fn the_fragments_of_a_tool_call_are_tokens_and_no_content() {
    let call = |call: &str| {
        data(&format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":null,"tool_calls":[{call}]}}}}]}}"#
        ))
    };
    let answer = play(9, &stream(vec![
        call(r#"{"id":"chatcmpl-tool-1","type":"function","index":0,"function":{"name":"get_weather"}}"#),
        call(r#"{"index":0,"function":{"arguments":"{\"city\":"}}"#),
        call(r#"{"index":0,"function":{"arguments":"\"Paris\"}"}}"#),
        finish("tool_calls"),
        usage(9),
    ]))
    .await;
    let row = answer.request;
    assert_eq!(ended(&row), (Ended::Completed, Stage::Closing));
    assert_eq!((row.chunks, row.ttft_content_us), (3, None));
    assert!(row.ttft_us.is_some() && row.answer.is_some() && row.checks.is_empty());
}

#[tokio::test]
async fn how_bytes_are_cut_on_the_way_changes_nothing() {
    let steps = stream(vec![word("Élan"), word("☃"), finish("length"), usage(2)]);
    let whole = play(2, &steps).await.request;
    let pieces: Vec<Step> = steps
        .iter()
        .flat_map(|step| match step {
            Step::Chunk(bytes) => bytes.chunks(3).map(|part| Step::Chunk(part.to_vec())).collect(),
            other => vec![other.clone()],
        })
        .collect();
    let cut = play(2, &pieces).await.request;
    assert_eq!(ended(&cut), (Ended::Completed, Stage::Closing));
    assert_eq!((cut.answer, cut.chunks), (whole.answer, whole.chunks));
}

#[tokio::test]
async fn a_role_chunk_long_before_the_first_token_is_not_the_first_token() {
    let steps = [
        vec![head(), role(), Step::Wait(50)],
        vec![word("a"), word("b"), finish("length"), usage(2), Step::Wait(50)],
        vec![done(), Step::EndChunks],
    ]
    .concat();
    let row = play(2, &steps).await.request;
    assert_eq!(row.ended, Ended::Completed);
    let (first_byte_us, ttft_us) = (row.first_byte_us.unwrap(), row.ttft_us.unwrap());
    assert!(ttft_us >= first_byte_us + 40_000, "{first_byte_us} {ttft_us}");
    assert_eq!(row.ttft_content_us, row.ttft_us);
    assert!(
        row.done.since(row.sent) >= row.last_us.unwrap() + 40_000,
        "the end is not the last token"
    );
}

#[tokio::test]
async fn four_tokens_in_a_chunk_are_four_and_share_its_time() {
    let mut scene = Scene::new(12).await;
    scene.abilities.continuous_usage = true;
    let steps = stream(vec![
        counted("one two three four", 4),
        Step::Wait(40),
        counted(" five six seven eight", 8),
        Step::Wait(40),
        counted(" nine ten eleven twelve", 12),
        finish("length"),
        usage(12),
    ]);
    let answer = scene.play(&steps).await;
    let row = answer.request;
    assert_eq!((row.ended, row.chunks, row.output_tokens), (Ended::Completed, 3, Some(12)));
    assert_eq!((row.first_tokens, row.peak_tokens), (Some(4), Some(12)));
    let [(itl_us, 4), (_, 4)] = answer.itl_us[..] else { panic!("{:?}", answer.itl_us) };
    assert!(answer.gap_us[0] >= 30_000 && itl_us == answer.gap_us[0] / 4);
    let tpot = row.tpot().unwrap();
    let span = (row.last_us.unwrap() - row.ttft_us.unwrap()) as f64 / 1e6;
    assert!((tpot - span / 8.0).abs() < 1e-9, "{tpot}");
    assert!(row.checks.is_empty(), "{:?}", row.checks);
}

#[tokio::test]
async fn four_tokens_in_a_chunk_without_counts_leave_the_time_per_token_unknown() {
    let steps = stream(vec![word("one two "), word("three four "), finish("length"), usage(8)]);
    let answer = play(8, &steps).await;
    let row = answer.request;
    assert_eq!((row.ended, row.output_tokens), (Ended::Completed, Some(8)));
    assert_eq!((row.first_tokens, row.tpot(), answer.itl_us.len()), (None, None, 0));
    assert_eq!(answer.gap_us.len(), 1);
}

#[tokio::test]
async fn token_ids_count_the_tokens_of_a_chunk_too() {
    let ids = |text: &str, ids: &str| {
        data(&format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}},"token_ids":{ids}}}]}}"#
        ))
    };
    let mut scene = Scene::new(5).await;
    scene.abilities = Abilities { return_token_ids: true, ..Abilities::default() };
    // The second chunk is held back: a character that is not whole yet.
    let steps =
        stream(vec![ids("ab", "[1,2]"), ids("", "[3]"), ids("É!", "[4,5]"), finish("length")]);
    let row = scene.play(&steps).await.request;
    assert_eq!((row.ended, row.output_tokens), (Ended::Completed, Some(5)));
    assert_eq!((row.chunks, row.first_tokens, row.checks.len()), (2, Some(2), 0));
}

#[tokio::test]
async fn tokens_swallowed_by_a_parser_are_counted_by_usage_and_flagged() {
    let mut scene = Scene::new(128).await;
    scene.abilities.continuous_usage = true;
    let mut steps: Vec<Step> = (1..=60).map(|n| counted("word ", n)).collect();
    steps.extend((61..=100).map(|n| counted("word ", n + 28)));
    steps.extend([finish("length"), usage(128)]);
    let row = scene.play(&stream(steps)).await.request;
    assert_eq!((row.ended, row.chunks, row.output_tokens), (Ended::Completed, 100, Some(128)));
    assert_eq!(row.checks, ["swallowed"]);
    assert_eq!(row.first_tokens, Some(1));

    // Without counts on the way, nothing tells it from chunks of several tokens.
    let mut steps: Vec<Step> = (0..100).map(|_| word("word ")).collect();
    steps.extend([finish("length"), usage(128)]);
    let row = play(128, &stream(steps)).await.request;
    assert_eq!(
        (row.ended, row.output_tokens, row.first_tokens),
        (Ended::Completed, Some(128), None)
    );

    let row = play(128, &stream(vec![finish("length"), usage(128)])).await.request;
    assert_eq!((row.ended, row.ttft_us, row.chunks), (Ended::Completed, None, 0));
    assert_eq!(row.checks, ["swallowed"]);
}

#[tokio::test]
async fn fewer_tokens_than_asked_are_short_and_no_failure() {
    let row =
        play(128, &stream(vec![word("a"), word("b"), finish("stop"), usage(3)])).await.request;
    assert_eq!(ended(&row), (Ended::Short, Stage::Closing));
    assert!(!row.ended.is_bad());
    assert_eq!(row.first_tokens, Some(1), "two chunks, two tokens and the stop token");
}

#[tokio::test]
async fn usage_that_is_missing_is_told_only_where_the_server_can_give_it() {
    let steps = stream(vec![word("a"), word("b"), finish("length")]);
    assert_eq!(play(2, &steps).await.request.ended, Ended::NoUsage);
    let mut scene = Scene::new(2).await;
    scene.abilities.usage = false;
    let row = scene.play(&steps).await.request;
    assert_eq!((row.ended, row.output_tokens, row.first_tokens), (Ended::Completed, None, None));
}

#[tokio::test]
async fn a_wrong_length_and_a_broken_character_are_flagged() {
    let usage = data(
        r#"{"choices":[],"usage":{"prompt_tokens":40,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":900}}}"#,
    );
    let row = play(1, &stream(vec![word("\u{fffd}"), finish("length"), usage])).await.request;
    assert_eq!(row.ended, Ended::Completed);
    assert_eq!(row.checks, ["off_depth", "cached", "replacement"]);

    let mut scene = Scene::new(1).await;
    (scene.ask.class, scene.ask.cell.depth) = (Class::Warm, 4096);
    let usage = data(
        r#"{"choices":[],"usage":{"prompt_tokens":4112,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":1024}}}"#,
    );
    let row = scene.play(&stream(vec![word("a"), finish("length"), usage])).await.request;
    assert_eq!(row.checks, ["not_cached"]);
}

// ---------------------------------------------------------------- bad endings

const DEAD: &str = r#"{"error": {"message": "the engine is gone, key sk-geheim", "type": "InternalServerError", "param": null, "code": 500}}"#;

#[tokio::test]
async fn an_error_frame_inside_a_200_stream_is_a_failure_whatever_follows_it() {
    let answer = play(2, &stream(vec![word("a"), data(DEAD)])).await;
    let row = answer.request;
    assert_eq!(ended(&row), (Ended::ErrorFrame, Stage::Streaming));
    assert_eq!(row.error, "the engine is gone, key [secret]");
    let frames = String::from_utf8(answer.frames).unwrap();
    assert!(frames.contains("InternalServerError") && frames.contains("[DONE]"), "{frames}");
    assert!(!frames.contains("sk-geheim"));

    let late = stream(vec![word("a"), finish("stop"), data(r#"{"error":"dead"}"#), usage(2)]);
    let row = play(2, &late).await.request;
    assert_eq!((ended(&row), row.error.as_str()), ((Ended::ErrorFrame, Stage::Closing), "dead"));
}

#[tokio::test]
async fn a_stream_without_a_finish_reason_is_truncated_however_its_body_ends() {
    let proper = play(4, &stream(vec![word("a"), word("b")])).await;
    assert_eq!(ended(&proper.request), (Ended::Truncated, Stage::Streaming));
    assert!(proper.frames.ends_with(b"data: [DONE]\n\n"));

    // As after a kill -9: neither the last chunk nor anything else.
    let killed = play(4, &[head(), role(), word("a")]).await.request;
    assert_eq!(ended(&killed), (Ended::Truncated, Stage::Streaming));
    assert!(!killed.error.is_empty());

    let half = Step::Chunk(b"data: {\"choices\":[{\"del".to_vec());
    let row = play(4, &[head(), word("a"), half, Step::EndChunks]).await.request;
    assert_eq!(ended(&row), (Ended::Truncated, Stage::Streaming));
}

#[tokio::test]
async fn a_200_without_a_token_is_empty() {
    let row = play(4, &stream(vec![finish("stop"), usage(0)])).await.request;
    assert_eq!(ended(&row), (Ended::Empty, Stage::Closing));
    assert_eq!((row.ttft_us, row.answer), (None, None));
    let row = play(4, &[head(), done(), Step::EndChunks]).await.request;
    assert_eq!(ended(&row), (Ended::Empty, Stage::BeforeFirst));
}

#[tokio::test]
async fn an_engine_that_gives_up_says_so_in_its_finish_reason() {
    for reason in ["abort", "error", "repetition"] {
        let row = play(2, &stream(vec![word("a"), finish(reason), usage(1)])).await.request;
        assert_eq!(ended(&row), (Ended::Aborted, Stage::Closing));
        assert_eq!(row.finish.as_deref(), Some(reason));
    }
}

#[tokio::test]
async fn a_refusal_has_the_servers_words_whatever_the_shape_of_its_page() {
    let json = "application/json";
    let cases = [
        ("401 Unauthorized", json, r#"{"error":"Unauthorized"}"#, 401, "Unauthorized"),
        (
            "400 Bad Request",
            json,
            r#"{"error":{"message":"maximum context length is 8192 tokens","type":"BadRequestError","param":"input_tokens","code":400}}"#,
            400,
            "maximum context length is 8192 tokens",
        ),
        (
            "503 Service Unavailable",
            json,
            r#"{"error":{"message":"busy, queue full","type":"Service Unavailable","code":503}}"#,
            503,
            "busy, queue full",
        ),
        (
            "502 Bad Gateway",
            "text/html",
            "<html><title>502 Bad Gateway</title></html>",
            502,
            "502 Bad Gateway",
        ),
        ("500 Oh", "text/plain", "", 500, ""),
    ];
    for (status, content_type, body, number, words) in cases {
        let row = play(4, &page(status, content_type, body)).await.request;
        assert_eq!(ended(&row), (Ended::HttpError, Stage::Headers), "{status}");
        assert_eq!((row.http_status, row.error.as_str()), (Some(number), words));
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused() {
    let mut scene = Scene::new(4).await;
    scene.listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let row = scene.send().await.request;
    assert_eq!(ended(&row), (Ended::Refused, Stage::Connect));
    assert!(row.error.contains("refused"), "{}", row.error);
    assert_eq!(row.http_status, None);
}

#[tokio::test]
async fn a_reset_is_told_wherever_it_comes() {
    let before_head = play(4, &[Step::Reset]).await.request;
    assert_eq!(ended(&before_head), (Ended::Reset, Stage::Headers), "{}", before_head.error);
    let no_head = play(4, &[]).await.request;
    assert_eq!(ended(&no_head), (Ended::Reset, Stage::Headers), "{}", no_head.error);
    let before_first = play(4, &[head(), role(), Step::Reset]).await.request;
    assert_eq!(ended(&before_first), (Ended::Reset, Stage::BeforeFirst), "{}", before_first.error);
    let after_first = play(4, &[head(), role(), word("a"), Step::Reset]).await.request;
    assert_eq!(ended(&after_first), (Ended::Reset, Stage::Streaming));
    assert!(after_first.error.contains("reset"), "{}", after_first.error);
    let whole = [head(), word("a"), finish("length"), usage(1)];
    let at_the_end = play(1, &whole).await.request;
    assert_eq!(ended(&at_the_end), (Ended::Reset, Stage::Closing), "no clean end");
}

#[tokio::test]
async fn a_server_that_goes_silent_has_timed_out_or_stalled() {
    let mut scene = Scene::new(4).await;
    scene.limits.first_token = Duration::from_millis(200);
    scene.limits.stall = Duration::from_millis(200);
    let keep_alive = Step::Chunk(b": keep-alive\n\n".to_vec());
    let no_head = scene.play(&[Step::Hold]).await.request;
    assert_eq!(ended(&no_head), (Ended::TimedOut, Stage::Headers));
    let no_token = scene.play(&[head(), role(), keep_alive.clone(), Step::Hold]).await.request;
    assert_eq!(ended(&no_token), (Ended::TimedOut, Stage::BeforeFirst));
    let steps = [head(), role(), word("a"), Step::Wait(50), keep_alive, Step::Hold];
    let stalled = scene.play(&steps).await;
    assert_eq!(ended(&stalled.request), (Ended::Stalled, Stage::Streaming));
    assert!(stalled.request.chunks == 1 && !stalled.frames.is_empty());
}

#[tokio::test]
async fn bytes_that_are_not_the_protocol_are_malformed() {
    let json = play(4, &stream(vec![word("a"), data("{\"choices\":[{\"delta\":}]}")])).await;
    assert_eq!(ended(&json.request), (Ended::Malformed, Stage::Streaming));
    assert!(json.request.error.contains("{\"choices\""), "{}", json.request.error);
    assert!(!json.frames.is_empty());

    let mut broken = b"data: {\"choices\":[{\"delta\":{\"content\":\"".to_vec();
    broken.extend_from_slice(b"\xff\xfe\"}}]}\n\n");
    let utf8 = play(4, &stream(vec![word("a"), Step::Chunk(broken)])).await.request;
    assert_eq!(ended(&utf8), (Ended::Malformed, Stage::Streaming));
    assert!(utf8.error.contains("UTF-8"), "{}", utf8.error);

    let html = play(4, &page("200 OK", "text/html", "<html>hello</html>")).await.request;
    assert_eq!(ended(&html), (Ended::Malformed, Stage::BeforeFirst));
    assert!(html.error.contains("hello"), "{}", html.error);

    let not_http = play(4, &[Step::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())]).await.request;
    assert_eq!(ended(&not_http), (Ended::Malformed, Stage::Headers), "{}", not_http.error);

    let chunk = Step::Raw(b"zz\r\nhm\r\n".to_vec());
    let bad_chunk = play(4, &[head(), word("a"), chunk]).await.request;
    assert_eq!(ended(&bad_chunk), (Ended::Malformed, Stage::Streaming), "{}", bad_chunk.error);

    let moved = b"HTTP/1.1 302 Found\r\nlocation: /else\r\ncontent-length: 0\r\n\r\n".to_vec();
    let moved = play(4, &[Step::Raw(moved)]).await.request;
    assert_eq!((moved.ended, moved.http_status), (Ended::Malformed, Some(302)));
}

#[tokio::test]
async fn hanging_up_is_a_cut_with_its_reason_and_reaches_the_server() {
    let mut scene = Scene::new(4).await;
    scene.cut_after = Some(Duration::from_millis(100));
    // The server's list only ends because the client closes the connection.
    let row = scene.play(&[head(), role(), word("a"), Step::Hold]).await.request;
    assert_eq!(ended(&row), (Ended::Cut, Stage::Streaming));
    assert_eq!((row.error.as_str(), row.ended.is_bad()), ("phase over", false));
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_is_no_reset() {
    let scene = Scene::new(1).await;
    let steps = stream(vec![word("a"), finish("length"), usage(1)]);
    for _ in 0..3 {
        // The server closes after each answer, without having said that it would.
        let row = scene.play(&steps).await.request;
        assert_eq!(ended(&row), (Ended::Completed, Stage::Closing), "{}", row.error);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_unreachable() {
    let mut scene = Scene::new(1).await;
    scene.http = Http::new(Options {
        address: Address::parse("http://nowhere.localhost.invalid:1").unwrap(),
        api_key: None,
        headers: vec![("X-Note".to_owned(), "1".to_owned())],
        ca_cert: None,
        timeline: scene.timeline,
    })
    .unwrap();
    let row = scene.send().await.request;
    assert_eq!(ended(&row), (Ended::Unreachable, Stage::Connect), "{}", row.error);
}
