//! Tests answers of servers and proxies that differ from the API and can be read all the same, or
//! that can at least be told by what they are.

use super::*;

/// A chunk with text and the given usage record.
fn reported(text: &str, usage: &str) -> Step {
    data(&format!(
        r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}],"usage":{usage}}}"#
    ))
}

/// Four words, each with the usage record that `of` gives it, five milliseconds apart.
fn words(of: impl Fn(u64) -> String) -> Vec<Step> {
    (1..=4).flat_map(|nth| [reported("w ", &of(nth)), Step::Wait(5)]).collect()
}

const ZEROS: &str = r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#;
const FOUR: &str = r#"{"prompt_tokens":16,"completion_tokens":4,"total_tokens":20}"#;

fn record(usage: &str) -> Step {
    data(&format!(r#"{{"choices":[],"usage":{usage}}}"#))
}

#[tokio::test]
async fn zeros_beside_text_are_no_count_and_the_record_after_them_is() {
    let mut steps = words(|_| ZEROS.to_owned());
    steps.extend([finish("length"), usage(4)]);
    let row = play(4, &stream(steps)).await.request;
    assert_eq!((row.ended, row.prompt_tokens), (Ended::Completed, Some(16)));
    assert_eq!((row.output_tokens, row.first_tokens, row.peak_tokens), (Some(4), Some(1), Some(4)));
    assert!(row.tpot().is_some_and(|tpot| tpot >= 0.004), "{row:?}");
}

#[tokio::test]
async fn a_last_record_of_zeros_wipes_nothing_out() {
    let steps = vec![reported("w ", "null"), finish("length"), usage(1), record(ZEROS)];
    let row = play(1, &stream(steps)).await.request;
    assert_eq!((row.ended, row.checks.len()), (Ended::Completed, 0));
    assert_eq!((row.prompt_tokens, row.output_tokens), (Some(16), Some(1)));
}

#[tokio::test]
async fn zeros_and_nothing_else_leave_the_tokens_unknown_and_are_no_missing_record() {
    let mut steps = words(|_| ZEROS.to_owned());
    steps.extend([finish("length"), record(ZEROS)]);
    let row = play(4, &stream(steps)).await.request;
    assert_eq!((row.ended, row.checks.len()), (Ended::Completed, 0));
    assert_eq!((row.prompt_tokens, row.output_tokens, row.first_tokens), (None, None, None));
}

#[tokio::test]
async fn counts_that_do_not_run_with_the_text_are_not_used_and_blame_nobody() {
    let each = r#"{"prompt_tokens":16,"completion_tokens":1,"total_tokens":17}"#;
    for of in [FOUR, each] {
        let mut steps = words(|_| of.to_owned());
        steps.extend([finish("length"), record(FOUR)]);
        let answer = play(4, &stream(steps)).await;
        let row = answer.request;
        assert_eq!((row.ended, row.output_tokens), (Ended::Completed, Some(4)), "{of}");
        assert_eq!((row.first_tokens, row.peak_tokens, row.tpot()), (None, None, None), "{of}");
        assert_eq!((answer.itl_us.len(), row.checks.len()), (0, 0), "{of}");
        assert!(row.max_gap_us.is_some(), "gaps need no count");
    }
}

#[tokio::test]
async fn a_stream_that_was_held_back_has_no_times_between_tokens_in_one_read_or_in_many() {
    let frames: Vec<u8> = (0..16)
        .flat_map(|_| b"data: {\"choices\":[{\"delta\":{\"content\":\"w \"}}]}\n\n".to_vec())
        .collect();
    let whole = vec![head(), Step::Wait(20), Step::Chunk(frames.clone())];
    let many = frames.chunks(frames.len() / 16).map(|part| Step::Chunk(part.to_vec()));
    let many = [head(), Step::Wait(20)].into_iter().chain(many).collect();
    for mut steps in [whole, many] {
        steps.extend([finish("length"), usage(16), done(), Step::EndChunks]);
        let answer = play(16, &steps).await;
        let row = answer.request;
        assert_eq!((row.ended, row.output_tokens), (Ended::Completed, Some(16)));
        assert!(row.came_at_once(), "{row:?}");
        assert_eq!((row.tpot(), row.prefill_per_s()), (None, None));
        assert!(row.ttft_us.is_some_and(|us| us >= 20_000), "{row:?}");
    }
}

#[tokio::test]
async fn keep_alives_that_are_events_are_read_over() {
    for alive in [
        "data:\n\n",
        "data: \n\n",
        "event: ping\ndata: \n\n",
        "event: ping\ndata: ping\n\n",
        "event: ping\ndata: {\"type\":\"ping\"}\n\n",
        "event: keepalive\ndata: {\"message\":\"still working\"}\n\n",
        "data: null\n\n",
        "data: [PING]\n\n",
        "data: {}\n\n",
        "event: heartbeat\n\n",
        ": ping\r\n\r\n",
    ] {
        let alive = Step::Chunk(alive.as_bytes().to_vec());
        let steps =
            [head(), alive.clone(), Step::Wait(20), alive.clone(), word("a"), alive.clone()];
        let steps = steps.into_iter().chain([finish("length"), usage(1), done(), Step::EndChunks]);
        let row = play(1, &steps.collect::<Vec<_>>()).await.request;
        assert_eq!(ended(&row), (Ended::Completed, Stage::Closing), "{alive:?} {}", row.error);
        assert!(row.first_byte_us.is_some_and(|us| us >= 20_000), "no part of the answer");
    }
}

#[tokio::test]
async fn text_in_other_types_and_an_empty_error_field_are_read() {
    let steps = vec![
        data(r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}],"error":""}"#),
        Step::Wait(5),
        data(r#"{"choices":[{"delta":{"content":"b\ud83d"},"text":""}],"error":{},"usage":null}"#),
        Step::Wait(5),
        data(
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{}}}]}}]}"#,
        ),
        Step::Wait(5),
        data(r#"{"choices":[{"delta":{"reasoning_content":"c"}}],"error":false}"#),
        finish("length"),
        usage(4),
    ];
    let row = play(4, &stream(steps)).await.request;
    assert_eq!(ended(&row), (Ended::Completed, Stage::Closing), "{}", row.error);
    assert_eq!((row.chunks, row.output_tokens, row.checks.len()), (4, Some(4), 0));
}

#[tokio::test]
async fn an_error_in_a_stream_keeps_its_own_words_whatever_its_shape() {
    for shape in [
        "data: {\"error\":\"gone\"}\n\n",
        "data: {\"error\":{\"error\":{\"message\":\"gone\"}}}\n\n",
        "data: {\"detail\":[{\"msg\":\"gone\"}]}\n\n",
        "data: {\"code\":14,\"message\":\"gone\",\"details\":[]}\n\n",
        "event: error\ndata: {\"message\":\"gone\"}\n\n",
        "event: error\ndata: gone\n\n",
        "error: {\"code\":500,\"message\":\"gone\"}\n\n",
    ] {
        let step = Step::Chunk(shape.as_bytes().to_vec());
        let row = play(4, &stream(vec![word("a"), step])).await.request;
        assert_eq!((row.ended, &*row.error), (Ended::ErrorFrame, "gone"), "{shape}");
    }
    let page = page("200 OK", "application/json", r#"{"error":{"message":"gone"}}"#);
    let row = play(4, &page).await.request;
    assert_eq!((row.ended, &*row.error), (Ended::ErrorFrame, "gone"), "a page and no stream");
}

#[tokio::test]
async fn what_was_said_beside_a_stream_that_breaks_off_is_told() {
    let message = data(r#"{"message":"the worker died"}"#);
    let row = play(4, &stream(vec![word("a"), message])).await.request;
    assert_eq!(row.ended, Ended::Truncated);
    assert!(row.error.ends_with("what came: the worker died"), "{}", row.error);
    let text = Step::Chunk(b"Internal Server Error\n".to_vec());
    let row = play(4, &[head(), word("a"), text, Step::EndChunks]).await.request;
    assert!(row.error.ends_with("what came: Internal Server Error"), "{}", row.error);
}

#[tokio::test]
async fn a_body_that_is_no_event_stream_is_told_by_what_it_is() {
    let chunk = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}"#;
    let whole = r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#;
    let sent = |body: &[u8]| vec![head(), Step::Chunk(body.to_vec()), Step::EndChunks];
    for (steps, words) in [
        (sent(b"\x1f\x8b\x08\0\0\0\0\0\0\xff\xab\n\n"), "the body is gzip"),
        (page("200 OK", "application/json", whole), "a whole JSON answer and no stream"),
        (sent(format!("{chunk}\n{chunk}\n").as_bytes()), "JSON lines and no events"),
        (sent(format!("data: {chunk}\ndata: {chunk}\n").as_bytes()), "events without a blank line"),
        (
            sent(format!("data: {chunk}\ndata: {chunk}\n\n").as_bytes()),
            "events without a blank line",
        ),
        (page("300 Multiple Choices", "text/event-stream", "data: 1\n\n"), "status 300, where"),
        (page("201 Created", "text/event-stream", "data: 1\n\n"), "a frame that is no JSON object"),
    ] {
        let row = play(4, &steps).await.request;
        assert_eq!(row.ended, Ended::Malformed, "{words}");
        assert!(row.error.starts_with(words), "{words}: {}", row.error);
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_after_all_of_it_came_is_completed_and_keeps_the_words() {
    for last in [None, Some(Step::Reset)] {
        let mut steps = vec![head(), word("a"), finish("length"), usage(1)];
        steps.extend(last);
        let row = play(1, &steps).await.request;
        assert_eq!(ended(&row), (Ended::Completed, Stage::Closing), "{}", row.error);
        assert!(!row.error.is_empty() && row.output_tokens == Some(1), "{row:?}");
    }
    let clean = vec![head(), word("a"), finish("length"), usage(1), Step::EndChunks];
    let row = play(1, &clean).await.request;
    assert_eq!((row.ended, row.error.as_str()), (Ended::Completed, ""));
}
