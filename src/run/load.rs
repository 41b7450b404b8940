//! Sends one ask and follows its response to the end: applies time limits,
//! closes the connection on request, and stamps the chunks. Knows only the
//! `Wire` trait, not HTTP; `answer` interprets the response.

mod progress;

use crate::answer::{Answer, AnswerReader, TransportEnd};
use crate::fact::{Abilities, Request};
use crate::plan::Ask;
use crate::protocol::{openai, retry_after};
use crate::spec::Limits;
use crate::timeline::{Timeline, Waits};
use crate::unit::{At, grouped};
use crate::world::{Broken, Call, Redirect, Reply, Wire};
use progress::Flight;
pub(crate) use progress::Progress;

/// Settings that all asks of a run share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    /// Model name that requests carry.
    pub model: &'a str,
    /// Names by which an answer may call that model.
    pub names: &'a [String],
    /// Text that keeps this run's prompts from matching the server's prefix cache.
    pub salt: &'a str,
    pub abilities: &'a Abilities,
    /// Tokens that the chat template adds to a prompt; 0 where they are not known.
    pub template_tokens: u64,
    /// Limits of an answer.
    pub limits: &'a Limits,
    /// Counters of the run, updated while the response streams.
    pub progress: &'a Progress,
}

/// Sends an ask and follows its response until it ends, a limit passes, or `cut` gives a reason to
/// close the connection.
pub(crate) async fn send<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    ask: &Ask,
    terms: Terms<'_>,
    cut: impl Future<Output = String>,
) -> Answer {
    let body = openai::body(ask, terms.abilities, terms.model, terms.salt);
    let call = Call::post(openai::path(ask), body);
    let mut flight = Flight::begin(terms.progress);
    let mut watch = AnswerReader::new(ask, terms.abilities, terms.names, timeline.now())
        .with_template(terms.template_tokens)
        .with_limits(terms.limits);
    let mut head = Head::default();
    let over = tokio::select! { biased;
        why = cut => TransportEnd::Cut(why),
        () = abandon(timeline, ask.abandon_us) => TransportEnd::Abandoned,
        over = follow(wire, timeline, call, &mut watch, &mut flight, &mut head) => over,
    };
    let mut answer = watch.over(timeline.now(), &over);
    head.tell(&mut answer.request);
    flight.reached(answer.request.output_tokens.unwrap_or(0));
    answer
}

/// Parts of a response's head that do not change how the answer is read.
#[derive(Debug, Default)]
struct Head {
    resent: bool,
    retry_after_us: Option<u64>,
    /// Redirect that was not followed.
    redirect: Option<Redirect>,
}

impl Head {
    fn of(reply: &impl Reply) -> Head {
        let status = reply.status();
        let retry_after_us = retry_after::wait_us(|name| reply.header(name));
        Head {
            resent: reply.resent(),
            retry_after_us: retry_after_us.filter(|_| status >= 400),
            redirect: reply.redirect(),
        }
    }

    fn tell(self, request: &mut Request) {
        request.resent = self.resent;
        request.retry_after_us = self.retry_after_us;
        if let Some(Redirect { status, to, .. }) = self.redirect {
            request.error = format!("a redirect ({status}) to {to}, which is not followed");
        }
    }
}

/// Waits until the planned client abort; for ever if none is planned.
async fn abandon(timeline: &Timeline, after_us: Option<u64>) {
    match after_us {
        Some(us) => timeline.until(At(timeline.now().0.saturating_add(us))).await,
        None => std::future::pending().await,
    }
}

async fn follow<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    call: Call,
    watch: &mut AnswerReader,
    flight: &mut Flight,
    head: &mut Head,
) -> TransportEnd {
    let mut waits = Waits::begin(*timeline, timeline.now());
    let mut reply = match waits.before(watch.deadline(), wire.call(call)).await {
        None => return TransportEnd::Late,
        Some(Err(broken)) => {
            head.resent = broken.resent;
            return broke(broken);
        }
        Some(Ok(reply)) => reply,
    };
    *head = Head::of(&reply);
    watch.head(timeline.now(), reply.status());
    while !watch.is_decided() {
        match waits.before(watch.deadline(), reply.chunk()).await {
            // Nothing of the answer is missing.
            None | Some(Err(_)) if watch.is_done() => break,
            None => return watch.late(timeline.now()),
            Some(Err(broken)) => return broke(broken),
            Some(Ok(None)) => break,
            Some(Ok(Some((at, bytes)))) => watch.bytes(at, &bytes),
        }
        flight.reached(watch.tokens());
        if let Some(endless) = watch.endless() {
            return endless;
        }
        if let Some(all) = flight.holds(watch.open_bytes()) {
            let all = grouped(all as f64);
            return TransportEnd::Endless(format!(
                "no end of an event: {all} bytes of all answers"
            ));
        }
    }
    TransportEnd::End
}

fn broke(broken: Broken) -> TransportEnd {
    TransportEnd::Broke { how: broken.how, stage: broken.stage, words: broken.words }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::{Duration, SystemTime};

    use bytes::Bytes;

    use super::*;
    use crate::fact::{Ended, Stage};
    use crate::plan::Input;
    use crate::spec::scenario::Api;
    use crate::unit::At;

    /// Wire that plays a list of chunks, each after a delay in milliseconds.
    #[derive(Clone)]
    struct Script {
        timeline: Timeline,
        status: u16,
        parts: VecDeque<(u64, &'static str)>,
    }

    impl Wire for Script {
        type Reply = Script;

        async fn call(&self, _: Call) -> Result<Script, Broken> {
            Ok(self.clone())
        }
    }

    impl Reply for Script {
        fn status(&self) -> u16 {
            self.status
        }

        async fn chunk(&mut self) -> Result<Option<(At, Bytes)>, Broken> {
            let Some((after_ms, text)) = self.parts.pop_front() else { return Ok(None) };
            let due = self.timeline.now().after(Duration::from_millis(after_ms));
            self.timeline.until(due).await;
            Ok(Some((self.timeline.now(), Bytes::from_static(text.as_bytes()))))
        }
    }

    const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
    const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"word \"}}]}\n\n";
    const FINISH: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n";

    fn ask() -> Ask {
        let ask = Ask::example("d0/c1/p8/o2", Api::Chat, Input::Text("hm".into()));
        Ask { lane: 1, slot: 2, ..ask }
    }

    async fn answer(
        parts: &[(u64, &'static str)],
        limits: Limits,
        cut_after: Duration,
    ) -> (Answer, Progress) {
        let progress = Progress::default();
        (answer_of(parts, limits, cut_after, &progress).await, progress)
    }

    async fn answer_of(
        parts: &[(u64, &'static str)],
        limits: Limits,
        cut_after: Duration,
        progress: &Progress,
    ) -> Answer {
        let timeline = Timeline::start_at(SystemTime::UNIX_EPOCH);
        let wire = Script { timeline, status: 200, parts: parts.iter().copied().collect() };
        let abilities = Abilities { usage: true, ..Abilities::default() };
        let terms = Terms {
            salt: "",
            template_tokens: 0,
            model: "m",
            names: &[],
            abilities: &abilities,
            limits: &limits,
            progress,
        };
        let cut = async {
            timeline.until(At::ZERO.after(cut_after)).await;
            "phase over".to_owned()
        };
        send(&wire, &timeline, &ask(), terms, cut).await
    }

    const LONG: Duration = Duration::from_secs(1 << 20);

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_over_soon_after_done_also_where_its_body_is_held_open() {
        let parts = [(10, WORD), (20, WORD), (30, FINISH), (40, USAGE), (60_000, "")];
        let (answer, _) = answer(&parts, Limits::default(), LONG).await;
        let row = answer.request;
        assert_eq!((row.ended, row.done), (Ended::Completed, At(200_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_done_a_body_that_is_held_open_is_stalled() {
        let parts = [(10, WORD), (20, WORD), (30, FINISH), (60_000_000, "")];
        let limits = Limits { stall: Duration::from_secs(3), ..Limits::default() };
        let (answer, _) = answer(&parts, limits, LONG).await;
        assert_eq!(answer.request.ended, Ended::Stalled);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_token_starts_the_clock_and_not_the_role_before_it() {
        let parts = [(10, ROLE), (4_990, WORD), (20, WORD), (30, FINISH), (400, USAGE)];
        let (answer, progress) = answer(&parts, Limits::default(), LONG).await;
        let row = answer.request;
        assert_eq!((row.ended, row.stage), (Ended::Completed, Stage::Closing));
        assert_eq!(row.first_byte_us, Some(10_000));
        assert_eq!(row.ttft_us, Some(5_000_000));
        assert_eq!(row.last_us, Some(5_020_000), "neither finish nor usage moves it");
        assert_eq!(row.done, At(5_450_000));
        assert_eq!((row.chunks, row.output_tokens, row.first_tokens), (2, Some(2), Some(1)));
        assert_eq!(answer.itl_us, [(20_000, 1)]);
        assert_eq!((progress.in_flight(), progress.tokens()), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn limits_run_from_the_sending_and_then_from_the_last_token() {
        let limits = Limits {
            first_token: Duration::from_secs(10),
            stall: Duration::from_secs(1),
            ..Limits::default()
        };
        let slow = [(1, ROLE), (9_998, ": still here\n\n"), (2, WORD)];
        let (late, _) = answer(&slow, limits, LONG).await;
        assert_eq!((late.request.ended, late.request.done), (Ended::TimedOut, At(10_000_000)));
        assert_eq!(late.request.stage, Stage::BeforeFirst);
        let stuck = [(9_000, WORD), (900, ": still here\n\n"), (900, WORD)];
        let (stalled, _) = answer(&stuck, limits, LONG).await;
        assert_eq!((stalled.request.ended, stalled.request.done), (Ended::Stalled, At(10_000_000)));
        assert!(stalled.frames.starts_with(b"data:"));
    }

    const COUNT: &str = "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":9}}\n\n";
    const IDS: &str = "data: {\"choices\":[{\"delta\":{},\"token_ids\":[5]}]}\n\n";
    const EMPTY: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n";
    const COMMENT: &str = ": keep-alive\n\n";

    /// Returns how an answer ended that has one frame again and again, and its words.
    async fn repeated(frame: &'static str, gap_ms: u64, limits: Limits) -> (Ended, String) {
        let parts: Vec<(u64, &str)> = (0..20_000).map(|_| (gap_ms, frame)).collect();
        let (answer, _) = answer(&parts, limits, LONG).await;
        assert!(!answer.frames.is_empty(), "the evidence is kept: {:?}", answer.request);
        (answer.request.ended, answer.request.error)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_an_end_is_endless_whatever_it_is_made_of() {
        let limits = Limits { frames: Some(5_000), ..Limits::default() };
        let mut words = Vec::new();
        for frame in [WORD, IDS, FINISH, EMPTY, COMMENT] {
            let (ended, error) = repeated(frame, 20, limits).await;
            assert_eq!(ended, Ended::Endless, "{frame}");
            words.push(error);
        }
        let short = Limits { bytes: Some(20_000), ..limits };
        words.push(repeated(EMPTY, 20, short).await.1);
        insta::assert_snapshot!(words.join("\n"), @"
        no end: 265 tokens, and 2 were asked for
        no end: 265 events that tell of tokens, and 2 were asked for
        no end: 265 events that tell of tokens, and 2 were asked for
        no end: 5,001 events and comments
        no end: 5,001 events and comments
        no end: 20,010 bytes
        ");
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_grow_side_by_side_have_a_bound_together() {
        let part = "x".repeat(1 << 20).leak();
        let parts: Vec<(u64, &'static str)> =
            [(1, "data: ")].into_iter().chain((0..15).map(|_| (1, &*part))).collect();
        let progress = Progress::default();
        let [first, second] =
            [(); 2].map(|()| answer_of(&parts, Limits::default(), LONG, &progress));
        let (first, second) = tokio::join!(first, second);
        let ended = [first, second].map(|answer| (answer.request.ended, answer.request.error));
        let endless = |(ended, _): &&(Ended, String)| *ended == Ended::Endless;
        let [(_, words)] = &ended.iter().filter(endless).collect::<Vec<_>>()[..] else {
            panic!("{ended:?}");
        };
        assert!(words.starts_with("no end of an event: 20,971,5"), "{words}");
        assert_eq!(progress.open_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_count_that_grows_without_text_is_endless_and_one_that_stands_still_is_stalled() {
        let counts: Vec<&'static str> =
            (1..400).map(|nth| &*COUNT.replace(":9}", &format!(":{nth}}}")).leak()).collect();
        let parts: Vec<(u64, &str)> = counts.into_iter().map(|count| (20, count)).collect();
        let (growing, _) = answer(&parts, Limits::default(), LONG).await;
        assert_eq!(growing.request.ended, Ended::Endless);
        let limits = Limits { stall: Duration::from_secs(3), ..Limits::default() };
        assert_eq!(repeated(COUNT, 20, limits).await.0, Ended::Stalled);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_goes_on_for_too_long_is_endless_and_a_slow_prefill_is_not() {
        let second = Duration::from_secs(1);
        let limits = Limits { first_token: 9 * second, stall: 3 * second, ..Limits::default() };
        let (ended, error) = repeated(WORD, 2_000, limits).await;
        let words = "no end: it goes on 16.0 s after sending";
        assert_eq!((ended, error.as_str()), (Ended::Endless, words));
        assert_eq!(repeated(COMMENT, 20, limits).await.0, Ended::TimedOut);
        let own = Limits { answer: Some(5 * second), ..limits };
        assert_eq!(repeated(WORD, 2_000, own).await.0, Ended::Endless);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_hangs_up_and_says_why() {
        let parts = [(10, WORD), (5_000, WORD)];
        let (answer, progress) = answer(&parts, Limits::default(), Duration::from_secs(1)).await;
        let row = answer.request;
        assert_eq!((row.ended, row.error.as_str()), (Ended::Cut, "phase over"));
        assert_eq!((row.done, row.chunks), (At(1_000_000), 1));
        assert!(answer.frames.is_empty() && progress.in_flight() == 0);
    }
}
