//! The four seams between a run and what it runs against: the wire, the
//! target, the sensors and the sink. Life implements them (`http`, `target`,
//! `observe`, `journal`) and so does the simulator; the run sees neither.

mod contained;
mod look;

pub(crate) use contained::Contained;
pub(crate) use look::{Look, Sample};

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

use crate::fact::{BrokenHow, Entry, Fact, Seq, Source, Stage};
use crate::fact::{LAUNCH, RESTART, STOP};
use crate::unit::At;
use crate::words::words;

/// One HTTP exchange to be made. The path is below the endpoint's root: `/v1/models`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// Path and query.
    pub path: String,
    /// A JSON body makes it a POST; without one it is a GET.
    pub body: Option<Bytes>,
}

impl Call {
    pub(crate) fn get(path: &str) -> Call {
        Call { path: path.to_owned(), body: None }
    }

    /// A POST of JSON.
    pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Call {
        Call { path: path.to_owned(), body: Some(body.into()) }
    }
}

/// An exchange broke below HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broken {
    pub how: BrokenHow,
    /// Where: `Connect`, `Headers`, or `Streaming` for anything after the head.
    pub stage: Stage,
    /// When it was seen.
    pub at: At,
    /// The system's own words.
    pub words: String,
}

/// Any HTTP exchange: load, health, metrics, tokenize. Sets no time limits of
/// its own: who asks, waits as long as it wants, and hangs up by dropping.
pub(crate) trait Wire: Clone + 'static {
    /// A response whose head has come.
    type Reply: Reply;

    /// Sends, and waits for the head of the response, whatever its status.
    fn call(&self, call: Call) -> impl Future<Output = Result<Self::Reply, Broken>>;
}

/// A response whose head has come. Dropping it hangs up.
pub(crate) trait Reply {
    /// The HTTP status.
    fn status(&self) -> u16;

    /// The next bytes of the body, stamped as they were read; `None` after a clean end.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<(At, Bytes)>, Broken>>;
}

/// What longhaul may do to a target. Each order carries an action id, so that
/// what longhaul did itself is never called a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetOrder {
    Launch,
    /// End all of it, wait until the memory that it held is back, and start it.
    Restart,
    /// Ask it to end, and end it where it does not.
    Stop,
}

words!(TargetOrder { Launch: LAUNCH, Restart: RESTART, Stop: STOP });

/// What comes from a target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    /// Something became of it, or its log said something, stamped at the source.
    Fact(At, Fact),
    /// Bytes of its log.
    Log(Bytes),
    /// What its container engine says of its container: at first, and each time that it was
    /// started anew. The same again is no news and does no harm.
    Contained(Box<Contained>),
}

/// A boxed future of this thread, for traits that are used behind a `Box`.
pub(crate) type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The thing under test, where longhaul can see more of it than its endpoint.
pub(crate) trait Target {
    /// The next thing that became of it, its log among it. Pends for ever where nothing can
    /// be seen. Dropping the future loses nothing.
    fn news(&mut self) -> LocalFuture<'_, News>;

    /// Takes an order and returns at once; what becomes of it comes as news that carries the
    /// action's number, [`crate::fact::TargetWord::Failed`] where it cannot be done.
    fn order(&mut self, order: TargetOrder, action: u64);
}

/// No process has this number.
const NO_PROCESS: u32 = 0;

/// Where the server's main process is, as far as somebody on this machine knows: written by
/// who starts or watches it, read by sensors that look at processes and cgroups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whereabouts(Arc<AtomicU32>);

impl Whereabouts {
    /// Its process id now.
    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|pid| *pid != NO_PROCESS)
    }

    /// It is there now, or nowhere.
    pub(crate) fn moved(&self, pid: Option<u32>) {
        self.0.store(pid.unwrap_or(NO_PROCESS), Ordering::Relaxed);
    }
}

/// Something that is looked at again and again.
pub(crate) trait Sensor {
    /// Whose readings these are.
    fn source(&self) -> Source;

    /// What it reads, for the row that says that it could not.
    fn what(&self) -> &'static str;

    /// Time from one look to the next, microseconds. Asked after every look: what cannot be
    /// seen need not be tried as often.
    fn cadence_us(&self) -> u64;

    /// Looks.
    ///
    /// # Errors
    /// In words: why nothing could be seen.
    fn look(&mut self) -> LocalFuture<'_, Result<Look, String>>;
}

/// Where entries go. Every error of a sink ends the run: the journal is the product.
pub(crate) trait Sink {
    /// Takes an entry, and gives it back as it is written: its texts without secrets and within
    /// their bounds. Nobody should be shown another. Never waits.
    ///
    /// # Errors
    /// The journal cannot be written, or is so slow that its queue is full.
    fn append(&mut self, entry: Entry) -> Result<Arc<Entry>, String>;

    /// Keeps raw frames of a failure under the number of its entry; bounded, what is beyond is dropped and told.
    ///
    /// # Errors
    /// As for [`Sink::append`].
    fn evidence(&mut self, seq: Seq, frames: &[u8]) -> Result<(), String>;

    /// Keeps bytes of the server's output; bounded.
    ///
    /// # Errors
    /// As for [`Sink::append`].
    fn log(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// Asks for everything so far to be made durable; does not wait for it.
    ///
    /// # Errors
    /// As for [`Sink::append`].
    fn sync(&mut self) -> Result<(), String>;

    /// Entries, frames and bytes that were taken and are not yet written.
    fn waiting(&self) -> u64;

    /// Waits until everything is durable; the end of a run.
    ///
    /// # Errors
    /// The journal could not be written.
    fn close(&mut self) -> impl Future<Output = Result<(), String>>;
}
