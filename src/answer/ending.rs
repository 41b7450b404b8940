//! Decides how one answer ended. Stronger evidence wins: the server's own error over the shape of
//! the stream, the shape over the counts.

use super::TransportEnd;
use crate::fact::{BrokenHow, Ended, Stage};
use crate::unit;

/// Finish reasons by which an engine reports that it gave up.
const ABORT_REASONS: [&str; 3] = ["abort", "error", "repetition"];

/// State of an answer when it was over.
pub(super) struct AnswerState<'a> {
    /// HTTP status, where a head arrived.
    pub status: Option<u16>,
    /// Words of an error page (a status of 400 or more).
    pub refusal: String,
    /// Words of an error frame.
    pub error_frame: Option<String>,
    /// Reason why the bytes are malformed.
    pub malformed: Option<String>,
    /// Form of a body that is not an event stream, such as gzip or an HTML page.
    pub shape: Option<String>,
    /// Words that came beside the answer and that nothing marked as an error.
    pub aside: Option<String>,
    /// Finish reason.
    pub finish: Option<&'a str>,
    /// Chunks with text.
    pub chunks: u64,
    /// Whether tokens arrived, or the server reported that it made some, or it ended the answer.
    pub progressed: bool,
    /// Output tokens by the server's count.
    pub output_tokens: Option<u64>,
    /// Requested output, in tokens.
    pub asked_output: u64,
    /// Whether the usage record is missing that the server was found to give.
    pub no_usage: bool,
    /// Whether a finish reason is needed: the server gives one, or did not send `[DONE]`.
    pub needs_finish: bool,
    /// Microseconds since the request was sent.
    pub lasted_us: u64,
}

/// Returns the ending, its stage, and details in words.
pub(super) fn judge(seen: &AnswerState, over: &TransportEnd) -> (Ended, Stage, String) {
    let stage = stage(seen, over);
    let (ended, words) = if let Some(words) = &seen.error_frame {
        (Ended::ErrorFrame, words.clone())
    } else if seen.status.is_some_and(|status| status >= 400) {
        (Ended::HttpError, seen.refusal.clone())
    } else if let TransportEnd::Cut(why) = over {
        (Ended::Cut, why.clone())
    } else if *over == TransportEnd::Abandoned {
        (Ended::Abandoned, String::new())
    } else if let Some(words) = &seen.malformed {
        (Ended::Malformed, words.clone())
    } else {
        match over {
            TransportEnd::Broke { how: BrokenHow::Reset | BrokenHow::CutOff, words, .. }
                if has_all(seen) =>
            {
                let (ended, why) = whole(seen);
                // The words of a good ending say that its connection was cut off.
                (ended, if why.is_empty() { words.clone() } else { why })
            }
            TransportEnd::Broke { how, words, .. } => broken(seen, *how, words),
            TransportEnd::Late => late(seen),
            TransportEnd::Endless(words) => (Ended::Endless, words.clone()),
            TransportEnd::End | TransportEnd::Cut(_) | TransportEnd::Abandoned => whole(seen),
        }
    };
    (ended, stage, words)
}

fn stage(seen: &AnswerState, over: &TransportEnd) -> Stage {
    match (seen.status, over) {
        (None, TransportEnd::Broke { stage: Stage::Connect, .. }) => Stage::Connect,
        // A refusal is the head itself; no answer followed it.
        (None | Some(400..), _) => Stage::Headers,
        _ if seen.finish.is_some() => Stage::Closing,
        _ if seen.chunks > 0 => Stage::Streaming,
        _ => Stage::BeforeFirst,
    }
}

fn broken(seen: &AnswerState, how: BrokenHow, words: &str) -> (Ended, String) {
    let ended = match how {
        BrokenHow::Unreachable | BrokenHow::Unresolved | BrokenHow::Untrusted => Ended::Unreachable,
        BrokenHow::Refused => Ended::Refused,
        BrokenHow::Malformed => Ended::Malformed,
        BrokenHow::Local => Ended::Cut,
        // Cut off inside an answer without a finish reason: the stream was truncated.
        BrokenHow::CutOff if seen.status.is_some() && seen.finish.is_none() => Ended::Truncated,
        BrokenHow::Reset | BrokenHow::CutOff => Ended::Reset,
    };
    (ended, words.to_owned())
}

/// Whether everything that was asked for came: the finish reason, and the usage record where the
/// server gives one. Only `[DONE]` and the end of the body may be missing.
fn has_all(seen: &AnswerState) -> bool {
    seen.finish.is_some() && !seen.no_usage
}

fn late(seen: &AnswerState) -> (Ended, String) {
    let after = unit::span(seen.lasted_us as f64 / 1e6);
    if seen.progressed {
        (Ended::Stalled, format!("no further token; given up {after} after sending"))
    } else {
        let so_far = seen.shape.as_ref().or(seen.aside.as_ref());
        (Ended::TimedOut, with(&format!("no first token within {after}"), so_far))
    }
}

/// Adds what came in place of an answer.
fn with(words: &str, aside: Option<&String>) -> String {
    aside.map_or_else(|| words.to_owned(), |aside| format!("{words}; what came: {aside}"))
}

fn whole(seen: &AnswerState) -> (Ended, String) {
    if let Some(shape) = &seen.shape {
        return (Ended::Malformed, shape.clone());
    }
    if let Some(finish) = seen.finish.filter(|finish| ABORT_REASONS.contains(finish)) {
        return (Ended::Aborted, format!("finish reason {finish}"));
    }
    if seen.chunks == 0 && seen.output_tokens.unwrap_or(0) == 0 {
        return (Ended::Empty, with("the answer has no token", seen.aside.as_ref()));
    }
    if seen.finish.is_none() && seen.needs_finish {
        let words = with("the stream ended with no finish reason", seen.aside.as_ref());
        return (Ended::Truncated, words);
    }
    match seen.output_tokens {
        None if seen.no_usage => (Ended::NoUsage, String::new()),
        Some(tokens) if tokens < seen.asked_output => (Ended::Short, String::new()),
        _ => (Ended::Completed, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> AnswerState<'static> {
        AnswerState {
            status: Some(200),
            refusal: String::new(),
            error_frame: None,
            malformed: None,
            shape: None,
            aside: None,
            finish: Some("length"),
            chunks: 4,
            progressed: true,
            output_tokens: Some(4),
            asked_output: 4,
            no_usage: false,
            needs_finish: true,
            lasted_us: 300_000,
        }
    }

    fn broke(how: BrokenHow, stage: Stage) -> TransportEnd {
        TransportEnd::Broke { how, stage, words: "words".to_owned() }
    }

    fn word(seen: &AnswerState, over: &TransportEnd) -> (Ended, Stage) {
        let (ended, stage, _) = judge(seen, over);
        (ended, stage)
    }

    #[test]
    fn a_whole_answer_is_completed_and_less_of_it_has_its_own_words() {
        assert_eq!(word(&seen(), &TransportEnd::End), (Ended::Completed, Stage::Closing));
        let short = AnswerState { asked_output: 5, ..seen() };
        assert_eq!(word(&short, &TransportEnd::End).0, Ended::Short);
        let no_usage = AnswerState { output_tokens: None, no_usage: true, ..seen() };
        assert_eq!(word(&no_usage, &TransportEnd::End).0, Ended::NoUsage);
        let never_usage = AnswerState { output_tokens: None, ..seen() };
        assert_eq!(word(&never_usage, &TransportEnd::End).0, Ended::Completed);
        let aborted = AnswerState { finish: Some("repetition"), ..seen() };
        assert_eq!(word(&aborted, &TransportEnd::End).0, Ended::Aborted);
    }

    #[test]
    fn an_error_frame_wins_over_everything_and_a_refusal_over_how_its_page_ended() {
        let error = AnswerState { error_frame: Some("dead".to_owned()), ..seen() };
        for over in
            [TransportEnd::End, TransportEnd::Late, TransportEnd::Cut("phase over".to_owned())]
        {
            assert_eq!(word(&error, &over).0, Ended::ErrorFrame);
        }
        let refused = AnswerState { status: Some(503), finish: None, chunks: 0, ..seen() };
        let over = broke(BrokenHow::Reset, Stage::Streaming);
        assert_eq!(word(&refused, &over), (Ended::HttpError, Stage::Headers));
    }

    #[test]
    fn a_connection_that_ends_is_told_apart_by_where() {
        let open = AnswerState { finish: None, ..seen() };
        let early = AnswerState { status: None, finish: None, chunks: 0, ..seen() };
        let cut_off = broke(BrokenHow::CutOff, Stage::Streaming);
        assert_eq!(word(&open, &cut_off), (Ended::Truncated, Stage::Streaming));
        let no_usage = AnswerState { output_tokens: None, no_usage: true, ..seen() };
        assert_eq!(word(&no_usage, &cut_off), (Ended::Reset, Stage::Closing));
        let at_head = broke(BrokenHow::CutOff, Stage::Headers);
        assert_eq!(word(&early, &at_head), (Ended::Reset, Stage::Headers));
        let refused = broke(BrokenHow::Refused, Stage::Connect);
        assert_eq!(word(&early, &refused), (Ended::Refused, Stage::Connect));
    }

    #[test]
    fn a_connection_that_this_machine_refuses_is_no_failure_of_the_server() {
        let early = AnswerState { status: None, finish: None, chunks: 0, ..seen() };
        let local = broke(BrokenHow::Local, Stage::Connect);
        assert_eq!(word(&early, &local), (Ended::Cut, Stage::Connect));
        let cut = TransportEnd::Cut("phase over".to_owned());
        assert_eq!(word(&early, &cut), (Ended::Cut, Stage::Headers), "a cut of longhaul's own");
    }

    #[test]
    fn an_answer_that_is_cut_off_after_its_usage_is_what_its_counts_say() {
        for how in [BrokenHow::CutOff, BrokenHow::Reset] {
            let over = broke(how, Stage::Streaming);
            let (ended, stage, words) = judge(&seen(), &over);
            assert_eq!((ended, stage, words.as_str()), (Ended::Completed, Stage::Closing, "words"));
            let short = AnswerState { asked_output: 5, ..seen() };
            assert_eq!(word(&short, &over).0, Ended::Short);
            let aborted = AnswerState { finish: Some("abort"), ..seen() };
            assert_eq!(judge(&aborted, &over).2, "finish reason abort");
            let dead = AnswerState { error_frame: Some("dead".to_owned()), ..seen() };
            assert_eq!(word(&dead, &over).0, Ended::ErrorFrame);
        }
        let malformed = broke(BrokenHow::Malformed, Stage::Streaming);
        assert_eq!(word(&seen(), &malformed).0, Ended::Malformed);
    }

    #[test]
    fn late_is_timed_out_before_the_first_token_and_stalled_after() {
        let none = AnswerState { finish: None, chunks: 0, progressed: false, ..seen() };
        assert_eq!(word(&none, &TransportEnd::Late), (Ended::TimedOut, Stage::BeforeFirst));
        let some = AnswerState { finish: None, ..seen() };
        assert_eq!(word(&some, &TransportEnd::Late), (Ended::Stalled, Stage::Streaming));
        assert_eq!(word(&seen(), &TransportEnd::Late), (Ended::Stalled, Stage::Closing));
    }

    #[test]
    fn an_answer_without_an_end_is_endless_whatever_came_of_it() {
        let endless = TransportEnd::Endless("no end: 9 bytes".to_owned());
        let none = AnswerState { finish: None, chunks: 0, progressed: false, ..seen() };
        for seen in [seen(), none] {
            let (ended, _, words) = judge(&seen, &endless);
            assert_eq!((ended, words.as_str()), (Ended::Endless, "no end: 9 bytes"));
        }
        let error = AnswerState { error_frame: Some("dead".to_owned()), ..seen() };
        assert_eq!(word(&error, &endless).0, Ended::ErrorFrame);
    }

    #[test]
    fn no_token_is_empty_and_no_reason_is_truncated() {
        let empty = AnswerState { chunks: 0, output_tokens: Some(0), ..seen() };
        assert_eq!(word(&empty, &TransportEnd::End).0, Ended::Empty);
        let unseen = AnswerState { chunks: 0, ..seen() };
        assert_eq!(word(&unseen, &TransportEnd::End).0, Ended::Completed);
        let open = AnswerState { finish: None, ..seen() };
        assert_eq!(word(&open, &TransportEnd::End).0, Ended::Truncated);
    }

    #[test]
    fn a_server_that_gives_no_finish_reason_ends_an_answer_with_done() {
        let bare = AnswerState { finish: None, needs_finish: false, ..seen() };
        assert_eq!(word(&bare, &TransportEnd::End).0, Ended::Completed);
        let short = AnswerState { output_tokens: Some(3), ..bare };
        assert_eq!(word(&short, &TransportEnd::End).0, Ended::Short);
    }

    #[test]
    fn what_came_in_place_of_an_answer_is_told() {
        let reported = |seen: &AnswerState, over: &TransportEnd| judge(seen, over).2;
        let aside = Some("out of memory".to_owned());
        let open = AnswerState { finish: None, aside, ..seen() };
        assert!(reported(&open, &TransportEnd::End).ends_with("; what came: out of memory"));
        let shape = Some("JSON lines and no events".to_owned());
        let other = AnswerState { finish: None, chunks: 0, progressed: false, shape, ..seen() };
        assert_eq!(word(&other, &TransportEnd::End), (Ended::Malformed, Stage::BeforeFirst));
        assert_eq!(reported(&other, &TransportEnd::End), "JSON lines and no events");
        let late = reported(&other, &TransportEnd::Late);
        assert!(late.ends_with("what came: JSON lines and no events"), "{late}");
    }
}
