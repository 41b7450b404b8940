//! Tests complete responses: the tokens and times of their rows.

use super::*;

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
    insta::assert_snapshot!(body, @r#"{"model":"m","messages":[{"role":"user","content":"hm"}],"max_tokens":6,"temperature":0,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}"#);
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
        Step::Wait(5),
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
    scene.ask.input = Input::Text("What is the capital of France?".to_owned());
    let steps = vec![
        head(),
        data(r#"{"choices":[{"text":" Pa","index":0,"finish_reason":null}]}"#),
        Step::Wait(5),
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
        Step::Wait(5),
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
    let steps = stream(vec![
        word("one two "),
        Step::Wait(5),
        word("three four "),
        finish("length"),
        usage(8),
    ]);
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
    let steps = stream(vec![
        ids("ab", "[1,2]"),
        Step::Wait(5),
        ids("", "[3]"),
        ids("É!", "[4,5]"),
        finish("length"),
    ]);
    let row = scene.play(&steps).await.request;
    assert_eq!((row.ended, row.output_tokens), (Ended::Completed, Some(5)));
    assert_eq!((row.chunks, row.first_tokens, row.checks.len()), (2, Some(2), 0));
}

#[tokio::test]
async fn tokens_swallowed_by_a_parser_are_counted_by_usage_and_flagged() {
    let mut scene = Scene::new(128).await;
    scene.abilities.continuous_usage = true;
    let mut steps: Vec<Step> = (1..=60).map(|n| counted("word ", n)).collect();
    steps.insert(1, Step::Wait(5));
    steps.extend((61..=100).map(|n| counted("word ", n + 28)));
    steps.extend([finish("length"), usage(128)]);
    let row = scene.play(&stream(steps)).await.request;
    assert_eq!((row.ended, row.chunks, row.output_tokens), (Ended::Completed, 100, Some(128)));
    // A script sends faster than any server.
    assert_eq!(row.checks, ["swallowed", "too_fast"]);
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
        play(128, &stream(vec![word("a"), Step::Wait(5), word("b"), finish("stop"), usage(3)]))
            .await
            .request;
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
async fn a_usage_without_prompt_tokens_is_no_count_of_the_prompt() {
    let usage = data(r#"{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":1}}"#);
    let row = play(1, &stream(vec![word("a"), finish("length"), usage])).await.request;
    assert_eq!(
        (row.ended, row.prompt_tokens, row.output_tokens),
        (Ended::Completed, None, Some(1))
    );
    assert!(row.checks.is_empty(), "{:?}", row.checks);
}

#[tokio::test]
async fn a_max_tokens_that_is_refused_goes_by_its_newer_name() {
    let mut scene = Scene::new(2).await;
    scene.abilities.max_tokens = false;
    let steps = stream(vec![word("a"), word("b"), finish("length"), usage(2)]);
    let (body, answer) = tokio::join!(server::play(&scene.listener, &steps), scene.send());
    assert_eq!(answer.request.ended, Ended::Completed);
    let is_newer = body.contains(r#""max_completion_tokens":2"#) && !body.contains("max_tokens");
    assert!(is_newer, "{body}");
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
