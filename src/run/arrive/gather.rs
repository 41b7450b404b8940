//! One whole exchange: a question, and all of its answer.

use std::time::Duration;

use crate::protocol;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Call, Reply, Wire};

/// Bounds what is read of an answer to a question that is not load.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gathered {
    pub status: u16,
    pub body: Vec<u8>,
    /// When the question was sent.
    pub sent: At,
    /// When the first bytes of the body came.
    pub first: Option<At>,
}

impl Gathered {
    /// What an error body says, on one line.
    pub(crate) fn words(&self) -> String {
        protocol::error::words(&self.body)
    }
}

/// Bounds a stream of a few tokens from a server that does not know when to stop.
const STREAM_BYTES_MAX: usize = 64 << 10;

/// Asks for a stream of a few tokens, and reads it to its end or to a bound: a stream that
/// goes on for ever has shown what it has to show.
///
/// # Errors
/// As for [`gather`].
pub(super) async fn gather_stream<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    call: Call,
    limit: Duration,
) -> Result<Gathered, String> {
    read(wire, timeline, call, limit, STREAM_BYTES_MAX).await
}

/// Asks, and reads the answer to its end.
///
/// # Errors
/// In words: how the exchange broke, or that no whole answer came within `limit`.
pub(crate) async fn gather<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    call: Call,
    limit: Duration,
) -> Result<Gathered, String> {
    let gathered = read(wire, timeline, call, limit, ANSWER_BYTES_MAX).await?;
    if gathered.body.len() > ANSWER_BYTES_MAX {
        return Err(format!("an answer of more than {ANSWER_BYTES_MAX} bytes"));
    }
    Ok(gathered)
}

async fn read<W: Wire>(
    wire: &W,
    timeline: &Timeline,
    call: Call,
    limit: Duration,
    bytes_max: usize,
) -> Result<Gathered, String> {
    let sent = timeline.now();
    let whole = async {
        let mut reply = wire.call(call).await.map_err(|broken| broken.words)?;
        let mut gathered = Gathered { status: reply.status(), body: Vec::new(), sent, first: None };
        while let Some((at, bytes)) = reply.chunk().await.map_err(|broken| broken.words)? {
            gathered.first.get_or_insert(at);
            gathered.body.extend_from_slice(&bytes);
            if gathered.body.trim_ascii_end().ends_with(b"data: [DONE]") {
                // Some servers hold the connection open behind the end of a stream.
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
        .unwrap_or_else(|| Err(format!("no answer within {} s", limit.as_secs())))
}
