//! Tests endings that count as failures, and aborted requests.

use insta::assert_snapshot;
use longhaul::shown::named;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const DEAD: &str = r#"{"error": {"message": "the engine is gone, key sk-geheim", "type": "InternalServerError", "param": null, "code": 500}}"#;

#[tokio::test]
async fn an_error_frame_inside_a_200_stream_is_a_failure_whatever_follows_it() {
    let answer = play(2, &stream(vec![word("a"), data(DEAD)])).await;
    let row = answer.request;
    assert_eq!(ended(&row), (Ended::ErrorFrame, Stage::Streaming));
    assert_eq!(row.error, "the engine is gone, key sk-geheim");
    assert_snapshot!(String::from_utf8(answer.frames).unwrap(), @r#"
        data: {"id":"a","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}

        data: {"id":"a","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null,"token_ids":null}]}

        data: {"error": {"message": "the engine is gone, key sk-geheim", "type": "InternalServerError", "param": null, "code": 500}}

        data: [DONE]
    "#);

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
    assert_snapshot!(row.error, @"Connection refused (os error 111)");
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
    assert_snapshot!(after_first.error, @"Connection reset by peer (os error 104)");
    let no_usage = [head(), word("a"), finish("length")];
    let at_the_end = play(1, &no_usage).await.request;
    assert_eq!(ended(&at_the_end), (Ended::Reset, Stage::Closing), "its usage may have followed");
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
    assert_snapshot!(json.request.error, @r#"expected value at line 1 column 22, in `{"choices":[{"delta":}]}`"#);
    assert!(!json.frames.is_empty());

    let mut broken = b"data: {\"choices\":[{\"delta\":{\"content\":\"".to_vec();
    broken.extend_from_slice(b"\xff\xfe\"}}]}\n\n");
    let utf8 = play(4, &stream(vec![word("a"), Step::Chunk(broken)])).await.request;
    assert_eq!(ended(&utf8), (Ended::Malformed, Stage::Streaming));
    assert_snapshot!(utf8.error, @"data that is not UTF-8");

    let html = play(4, &page("200 OK", "text/html", "<html>hello</html>")).await.request;
    assert_eq!(ended(&html), (Ended::Malformed, Stage::BeforeFirst));
    assert_snapshot!(html.error, @"an HTML page and no stream: hello");

    let not_http = play(4, &[Step::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())]).await.request;
    assert_eq!(ended(&not_http), (Ended::Malformed, Stage::Headers), "{}", not_http.error);

    let chunk = Step::Raw(b"zz\r\nhm\r\n".to_vec());
    let bad_chunk = play(4, &[head(), word("a"), chunk]).await.request;
    assert_eq!(ended(&bad_chunk), (Ended::Malformed, Stage::Streaming), "{}", bad_chunk.error);

    let moved = b"HTTP/1.1 302 Found\r\nlocation: /else\r\ncontent-length: 0\r\n\r\n".to_vec();
    let scene = Scene::new(4).await;
    let address = scene.listener.local_addr().unwrap().to_string();
    let moved = scene.play(&[Step::Raw(moved)]).await.request;
    assert_eq!((moved.ended, moved.http_status), (Ended::Malformed, Some(302)));
    assert_snapshot!(named(&moved.error, &[(&address, "ADDRESS")]), @"a redirect (302) to http://ADDRESS/else, which is not followed");
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
async fn a_server_that_does_not_speak_tls_is_unreachable_over_https() {
    let mut scene = Scene::new(1).await;
    let port = scene.listener.local_addr().unwrap().port();
    scene.http = Http::new(HttpOptions {
        address: Address::parse(&format!("https://localhost:{port}")).unwrap(),
        api_key: None,
        headers: vec![("X-Note".to_owned(), "1".to_owned())],
        // So that the test does not depend on the certificates of the machine.
        ca_cert: Some(include_bytes!("authority.pem").to_vec()),
        timeline: scene.timeline,
        standstills: scene.standstills.clone(),
    })
    .unwrap();
    let plain = async {
        let (mut stream, _) = scene.listener.accept().await.unwrap();
        let hello = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        hello
    };
    let (hello, answer) = tokio::join!(plain, scene.send());
    let row = answer.request;
    assert_eq!(ended(&row), (Ended::Unreachable, Stage::Connect), "{}", row.error);
    assert!(hello > 0 && !row.error.is_empty());
}
