//! Defines the four traits between a run and its environment: wire, target,
//! sensor and sink. Real servers (`http`, `target`, `observe`, `journal`) and
//! the simulator implement them; the run does not know which is in use.

mod contained;
mod observation;
mod standstill;

pub(crate) use contained::ContainerDescription;
pub(crate) use observation::{Observation, Sample};
pub(crate) use standstill::Standstills;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

use crate::fact::{BrokenHow, Entry, Fact, Seq, Source, Stage};
use crate::fact::{LAUNCH, RESTART, STOP};
use crate::unit::At;
use crate::words::words;

/// HTTP request to be sent. The path is below the endpoint's root: `/v1/models`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub path: String,
    /// JSON body of a POST; `None` makes it a GET.
    pub body: Option<Bytes>,
}

impl Call {
    pub(crate) fn get(path: &str) -> Call {
        Call { path: path.to_owned(), body: None }
    }

    /// Returns a POST of a JSON body.
    pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Call {
        Call { path: path.to_owned(), body: Some(body.into()) }
    }
}

/// Failure of an exchange below HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broken {
    pub how: BrokenHow,
    /// Stage of the failure: `Connect`, `Headers`, or `Streaming` for anything after the head.
    pub stage: Stage,
    /// Instant at which the failure was observed.
    pub at: At,
    /// Error text of the system.
    pub words: String,
    /// Whether it was sent twice, as [`Reply::resent`].
    pub resent: bool,
}

/// Sender of HTTP requests: load, health, metrics, tokenize. Follows redirects within the server.
/// Sets no timeouts: the caller waits as long as it wants, and closes the connection by dropping
/// the future.
pub(crate) trait Wire: Clone + 'static {
    /// Response whose head has arrived.
    type Reply: Reply;

    /// Sends a request, and waits for the head of the response, whatever its status.
    fn call(&self, call: Call) -> impl Future<Output = Result<Self::Reply, Broken>>;
}

/// Redirect of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub status: u16,
    /// Address to which it points.
    pub to: String,
    /// Whether that has the scheme, host and port of the request.
    pub is_within: bool,
}

/// Response whose head has arrived. Dropping it closes the connection.
pub(crate) trait Reply {
    fn status(&self) -> u16;

    /// Returns a header of the response, by its name in lower case.
    fn header(&self, _name: &str) -> Option<&str> {
        None
    }

    /// Returns where the response redirects to, if it does.
    fn redirect(&self) -> Option<Redirect> {
        None
    }

    /// Whether the request was sent a second time, because the server closed the used connection
    /// as it was sent.
    fn resent(&self) -> bool {
        false
    }

    /// Returns the next bytes of the body, stamped when they were read; `None` after a clean end.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<(At, Bytes)>, Broken>>;
}

/// Order of longhaul to a target. Each carries an action id, so that an exit that longhaul ordered
/// is never counted as a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetOrder {
    Launch,
    /// End all its processes, wait until their memory is free, and start it.
    Restart,
    /// Ask it to end, and kill it if it does not.
    Stop,
}

words!(TargetOrder { Launch: LAUNCH, Restart: RESTART, Stop: STOP });

/// News from a target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    /// A change of the target or a log line, stamped where it was observed.
    Fact(At, Fact),
    /// Bytes of the server's log.
    Log(Bytes),
    /// Description of the container by its engine: at first, and after each start. It may be
    /// repeated unchanged.
    Contained(Box<ContainerDescription>),
}

/// Boxed future that stays on this thread, for traits that are used behind a `Box`.
pub(crate) type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Server under test, where longhaul can observe more than its endpoint.
pub(crate) trait Target {
    /// Waits for the next news, log output included. Never completes where nothing can be
    /// observed. Dropping the future loses no news.
    fn news(&mut self) -> LocalFuture<'_, News>;

    /// Takes an order and returns at once. Results arrive as news with the action's id,
    /// [`crate::fact::TargetWord::Failed`] where the order cannot be carried out.
    fn order(&mut self, order: TargetOrder, action: u64);
}

/// Process id that no process has.
const NO_PROCESS: u32 = 0;

/// Process id of the server's main process, where it runs on this machine. Set by the task that
/// starts or watches the server, read by the sensors of processes and cgroups.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerPid(Arc<AtomicU32>);

impl ServerPid {
    /// Returns the present process id.
    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|pid| *pid != NO_PROCESS)
    }

    /// Sets the process id; `None` where the process has ended.
    pub(crate) fn set(&self, pid: Option<u32>) {
        self.0.store(pid.unwrap_or(NO_PROCESS), Ordering::Relaxed);
    }
}

/// Source of readings that is polled.
pub(crate) trait Sensor {
    /// Returns the source of its readings.
    fn source(&self) -> Source;

    /// Name of the source that it reads, for the row of a failed reading.
    fn what(&self) -> &'static str;

    /// Returns the time from one reading to the next, microseconds. Called after every reading: a
    /// sensor that cannot be read may be polled less often.
    fn cadence_us(&self) -> u64;

    /// Takes a reading.
    ///
    /// # Errors
    /// The reason why nothing could be read.
    fn look(&mut self) -> LocalFuture<'_, Result<Observation, String>>;
}

/// Destination of a run's entries. Every error of a sink ends the run, since a run without its
/// journal is worthless.
pub(crate) trait Sink {
    /// Takes an entry, and returns it as it will be written: with secrets removed and texts cut to
    /// their bounds. Everything that is displayed uses the returned entry. Never waits.
    ///
    /// # Errors
    /// The journal cannot be written, or is so slow that its queue is full.
    fn append(&mut self, entry: Entry) -> Result<Arc<Entry>, String>;

    /// Keeps raw frames of a failed response under the number of its entry. The amount is bounded;
    /// dropped frames are recorded.
    ///
    /// # Errors
    /// Same as [`Sink::append`].
    fn evidence(&mut self, seq: Seq, frames: &[u8]) -> Result<(), String>;

    /// Keeps bytes of the server's log; the amount is bounded.
    ///
    /// # Errors
    /// Same as [`Sink::append`].
    fn log(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// Requests a sync of everything so far to disk; does not wait for it.
    ///
    /// # Errors
    /// Same as [`Sink::append`].
    fn sync(&mut self) -> Result<(), String>;

    /// Returns the number of entries, frames and log pieces that are queued and not yet written.
    fn waiting(&self) -> u64;

    /// Returns the number of entries, frames and log pieces that were written so far.
    fn written(&self) -> u64;

    /// Waits until everything is on disk, at the end of a run.
    ///
    /// # Errors
    /// The journal could not be written.
    fn close(&mut self) -> impl Future<Output = Result<(), String>>;
}
