//! Tests which answers look wrong: blank, too short, too long, of another model; and which do not.

use longhaul::fact::Ended;

use super::server::{Step, data};
use super::{Scene, counted, finish, play, stream, usage, word};

/// Returns `n` chunks of a text, slowly enough for a server.
fn words(text: &str, n: usize) -> Vec<Step> {
    (0..n).flat_map(|_| [Step::Wait(1), word(text)]).collect()
}

/// Returns the names of the checks on an answer to a request for some tokens.
async fn checks(output: u64, mut steps: Vec<Step>, counted: u64) -> String {
    steps.extend([finish("length"), usage(counted)]);
    let row = play(output, &stream(steps)).await.request;
    assert!(row.ended.is_good(), "{row:?}");
    row.checks.join(" ")
}

#[tokio::test]
async fn an_answer_with_nothing_to_see_is_swallowed_and_one_of_reasoning_or_a_call_is_not() {
    for blank in ["", " ", "\\n", "\\u200b", "\\ufeff \\t"] {
        assert_eq!(checks(16, words(blank, 16), 16).await, "swallowed", "{blank:?}");
    }
    let delta = |delta: &str| {
        data(&format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#))
    };
    let slowly = |step: &dyn Fn() -> Step| (0..16).flat_map(|_| [Step::Wait(1), step()]).collect();
    let reasoning = slowly(&|| delta(r#"{"reasoning":"hm ","content":null}"#));
    assert_eq!(checks(16, reasoning, 16).await, "");
    let call = r#"{"tool_calls":[{"index":0,"function":{"name":"look","arguments":""}}]}"#;
    assert_eq!(checks(16, vec![Step::Wait(9), delta(call)], 16).await, "");
    assert_eq!(checks(2, words("\\n", 2), 2).await, "", "an answer may begin with white space");
    assert_eq!(checks(16, [words("\\n", 2), words("a", 14)].concat(), 16).await, "");
}

#[tokio::test]
async fn an_answer_of_half_its_length_is_short_and_one_beyond_it_long() {
    assert_eq!(checks(16, words("word ", 9), 9).await, "");
    assert_eq!(checks(16, words("word ", 8), 8).await, "short_answers");
    assert_eq!(checks(16, words("word ", 16), 17).await, "");
    assert_eq!(checks(16, words("word ", 18), 18).await, "long_answers");
    let hidden = checks(20, words("word ", 40), 20).await;
    assert_eq!(hidden, "long_answers", "whatever the server counts");
    assert_eq!(
        checks(20, words("w", 40), 20).await,
        "",
        "a gateway that cuts text into characters"
    );
}

#[tokio::test]
async fn a_running_count_that_is_twice_the_truth_is_more_than_was_asked_for() {
    let mut scene = Scene::new(16).await;
    scene.abilities.continuous_usage = true;
    let mut steps: Vec<Step> =
        (1..=16).flat_map(|n| [Step::Wait(1), counted("word ", 2 * n)]).collect();
    steps.extend([finish("length"), usage(32)]);
    let row = scene.play(&stream(steps)).await.request;
    assert_eq!((row.ended, row.output_tokens), (Ended::Completed, Some(32)));
    assert_eq!(row.checks, ["long_answers"]);
}

#[tokio::test]
async fn an_answer_that_comes_faster_than_any_server_writes_is_too_fast() {
    let at_once: Vec<Step> = (0..16).map(|_| word("word ")).collect();
    assert_eq!(checks(16, [vec![Step::Wait(20)], at_once].concat(), 16).await, "", "held back");
    let cached = vec![word(&"word ".repeat(5_000))];
    assert_eq!(checks(5_000, cached, 5_000).await, "too_fast");
}

#[tokio::test]
async fn an_answer_of_another_model_is_told_and_one_by_another_of_its_names_is_not() {
    for (named, checks) in
        [("org/M", ""), ("m", ""), ("/models/m", ""), ("base", ""), ("other", "wrong_model")]
    {
        let mut scene = Scene::new(2).await;
        scene.names = vec!["m".to_owned(), "org/base".to_owned()];
        let chunk = format!(r#"{{"model":"{named}","choices":[{{"delta":{{"content":"a"}}}}]}}"#);
        let steps = vec![data(&chunk), Step::Wait(5), word("b"), finish("length"), usage(2)];
        let answer = scene.play(&stream(steps)).await;
        assert_eq!(answer.request.checks.join(" "), checks, "{named}");
        assert_eq!(answer.model.as_deref(), Some(named));
    }
    let row =
        play(2, &stream(vec![word("a"), word("b"), finish("length"), usage(2)])).await.request;
    assert!(row.checks.is_empty(), "no model is named: {:?}", row.checks);
}
