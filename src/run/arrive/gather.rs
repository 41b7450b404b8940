//! Exchanges one request and its whole response.

use std::time::Duration;

use super::asker::SeenAnswer;
use crate::fact::BrokenHow;
use crate::protocol::{self, retry_after};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Broken, Call, Redirect, Reply, Wire};

/// Largest response body that is read outside the load, bytes: the token ids of a prompt of two
/// million tokens. All of it is in memory at once.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Whole response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gathered {
    pub status: u16,
    pub body: Vec<u8>,
    /// Instant at which the request was sent.
    pub sent: At,
    /// Instant of the first bytes of the body.
    pub first: Option<At>,
    /// Wait that a refusal asks for.
    pub retry_after: Option<Duration>,
    /// Redirect that was not followed.
    pub redirect: Option<Redirect>,
}

/// Reason why no whole response was gathered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NotGathered {
    pub words: String,
    /// Failure below HTTP, if that is the reason.
    pub how: Option<BrokenHow>,
}

impl NotGathered {
    pub(crate) fn new(words: String) -> NotGathered {
        NotGathered { words, how: None }
    }
}

impl From<Broken> for NotGathered {
    fn from(broken: Broken) -> NotGathered {
        NotGathered { words: broken.words, how: Some(broken.how) }
    }
}

impl From<NotGathered> for String {
    fn from(not: NotGathered) -> String {
        not.words
    }
}

impl Gathered {
    /// Returns the message of an error body, on one line.
    pub(crate) fn words(&self) -> String {
        protocol::error::words(&self.body)
    }

    /// Returns status and message on one line.
    pub(crate) fn status_words(&self) -> String {
        let (status, words) = (self.status.to_string(), self.words());
        // Pages of proxies name the status themselves.
        let named = words.starts_with(&status);
        if named { words } else { format!("{status} {words}").trim_end().to_owned() }
    }

    /// Whether the status is one that may pass: too many requests, a timeout, a failure.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500 | 502..=504 | 506..=599)
    }

    /// Whether the body is a page for people.
    pub(crate) fn is_html(&self) -> bool {
        self.body.trim_ascii_start().starts_with(b"<")
    }
}

/// Bytes that are read of a stream for each requested token, and at least; bounds a server that
/// does not stop.
const TOKEN_BYTES_MAX: usize = 2 << 10;
const STREAM_BYTES_MIN: usize = 64 << 10;

/// Requests a stream of some tokens, and reads it to its end or to a bound. Reaching the bound is
/// no error: the frames so far are enough.
///
/// # Errors
/// As for [`gather`].
pub(super) async fn gather_stream<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    call: Call,
    limit: Duration,
    tokens: u64,
) -> Result<Gathered, NotGathered> {
    let most = STREAM_BYTES_MIN.max(tokens as usize * TOKEN_BYTES_MAX);
    read(wire, timeline, call, limit, most).await
}

/// Sends a request and reads the response to its end.
///
/// # Errors
/// The exchange failed, or the response was not complete within `limit`.
pub(crate) async fn gather<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    call: Call,
    limit: Duration,
) -> Result<Gathered, NotGathered> {
    let gathered = read(wire, timeline, call, limit, ANSWER_BYTES_MAX).await?;
    if gathered.body.len() > ANSWER_BYTES_MAX {
        return Err(NotGathered::new(format!("an answer of more than {ANSWER_BYTES_MAX} bytes")));
    }
    Ok(gathered)
}

async fn read<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    call: Call,
    limit: Duration,
    bytes_max: usize,
) -> Result<Gathered, NotGathered> {
    let (sent, asked) = (timeline.now(), call.body.clone());
    let whole = async {
        let mut reply = wire.call(call).await?;
        let retry_after = retry_after::wait_us(|name| reply.header(name));
        let mut gathered = Gathered {
            status: reply.status(),
            body: Vec::new(),
            sent,
            first: None,
            retry_after: retry_after.map(Duration::from_micros),
            redirect: reply.redirect(),
        };
        loop {
            let (at, bytes) = match reply.chunk().await {
                Ok(Some(read)) => read,
                Ok(None) => break,
                Err(_) if has_all(&gathered, asked.as_deref()) => break,
                Err(broken) => return Err(broken.into()),
            };
            gathered.first.get_or_insert(at);
            gathered.body.extend_from_slice(&bytes);
            let read = gathered.body.trim_ascii_end();
            if read.ends_with(b"data: [DONE]") || read.ends_with(b"data:[DONE]") {
                // Some servers keep the connection open after the end of a stream.
                break;
            }
            if gathered.body.len() > bytes_max {
                break;
            }
        }
        Ok(gathered)
    };
    timeline
        .before(sent.after(limit), whole)
        .await
        .unwrap_or_else(|| Err(NotGathered::new(format!("no answer within {} s", limit.as_secs()))))
}

/// Whether everything of a stream came that a request asks for: the finish reason, and the usage
/// record where it asks for one. Only `[DONE]` and the end of the body may be missing.
fn has_all(gathered: &Gathered, asked: Option<&[u8]>) -> bool {
    const USAGE: &[u8] = b"include_usage";
    let asks_usage = || asked.is_some_and(|body| body.windows(USAGE.len()).any(|it| it == USAGE));
    let seen = SeenAnswer::of(gathered);
    seen.finish.is_some() && (seen.usage.is_some() || !asks_usage())
}
