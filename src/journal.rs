//! Writes the run folder: converts entries to rows that survive a power cut (`writer`), and reads a
//! folder back, whole or torn (`reader`).
//!
//! Knows the files and nothing of what the entries mean. A separate thread behind a bounded queue
//! does the writing, so that a disk that hangs never delays a request. In virtual time the caller
//! writes directly, because hours of virtual time would pass while a thread writes.

mod cut;
mod evidence;
mod folder;
mod held;
pub(crate) mod hlog;
mod lines;
pub(crate) mod manifest;
pub(crate) mod reader;
mod redact;
pub(crate) mod runs;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::Mistake;
use crate::fact::{Entry, Seq};
use crate::secret::Secrets;
use crate::world::Sink;
pub(crate) use cut::CutRun;
use evidence::{EVIDENCE_BYTES_MAX, EvidenceQuota, Kept};
pub(crate) use held::HeldFolder;
pub(crate) use manifest::Manifest;
pub(crate) use reader::{ReadSummary, Reader};
use writer::{WriteJob, Writer};

/// Limit of the jobs that wait for the disk. At ten rows a second the queue lasts a quarter of an
/// hour on a disk that hangs; with rows of a kilobyte it takes at most 8 MiB.
pub(crate) const QUEUE_JOBS_MAX: usize = 8192;

/// Limit of the time for the last rows: a disk that hangs must not hang the end of a run.
const CLOSE_MAX: Duration = Duration::from_secs(60);

/// Checks, before anything is started, that a folder can become a run folder.
///
/// # Errors
/// The folder is in use, is not empty, or cannot be written.
pub(crate) fn vacant(dir: &Path) -> Result<(), Mistake> {
    folder::vacant(dir)
}

/// Replaces a file of a run folder that is made from the others.
///
/// # Errors
/// The system's error.
pub(crate) fn replace(dir: &Path, name: &str, text: &str) -> std::io::Result<()> {
    folder::replace(dir, name, text)
}

/// Run folder that is being written; the sink of a run.
pub(crate) struct Journal {
    secrets: Secrets,
    mode: WriteMode,
    evidence: EvidenceQuota,
    /// First failure; nothing is written after it.
    failed: Option<String>,
    /// Run folder.
    held: HeldFolder,
}

enum WriteMode {
    /// The caller writes, at once.
    Inline(Box<Writer>),
    Thread {
        /// Queue of jobs; dropped to ask the thread to finish.
        jobs: Option<SyncSender<WriteJob>>,
        /// Number of jobs that were queued.
        given: u64,
        /// Progress that the thread reports.
        reported: Arc<writer::WriterProgress>,
        /// Result that the thread sends last.
        finished: Option<oneshot::Receiver<Result<(), String>>>,
        thread: Option<JoinHandle<()>>,
    },
}

impl Journal {
    /// Creates a run folder, with its parents, or takes up that of a run that was cut off; and the
    /// thread that writes it. Secrets are removed from everything that is written.
    ///
    /// # Errors
    /// The folder is in use, is not empty, or cannot be written.
    pub(crate) fn create(
        dir: &Path,
        manifest: &Manifest,
        secrets: &Secrets,
        cut: Option<&CutRun>,
    ) -> Result<Journal, Mistake> {
        Journal::create_in(held(dir, cut)?, manifest, secrets, cut)
    }

    /// Does the same in a folder that is held already.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn create_in(
        held: HeldFolder,
        manifest: &Manifest,
        secrets: &Secrets,
        cut: Option<&CutRun>,
    ) -> Result<Journal, Mistake> {
        let dir = held.dir();
        let writer = folder::create(dir, manifest, secrets, true, cut)?;
        let (jobs, queue) = sync_channel(QUEUE_JOBS_MAX);
        let (finish, finished) = oneshot::channel();
        let reported = Arc::new(writer::WriterProgress::default());
        let tells = Arc::clone(&reported);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                // The receiver is gone if the run was dropped without `close`.
                let _ = finish.send(writer::serve(writer, &queue, &tells));
            })
            .map_err(|error| folder::refused(dir, &error))?;
        let mode = WriteMode::Thread {
            jobs: Some(jobs),
            given: 0,
            reported,
            finished: Some(finished),
            thread: Some(thread),
        };
        Ok(Journal::with(secrets, mode, held))
    }

    /// Creates a run folder as [`Journal::create`] does, but every call writes before it returns,
    /// and only the end waits for the disk: a rehearsal that is lost can be repeated.
    ///
    /// # Errors
    /// Same as [`Journal::create`].
    pub(crate) fn inline(
        dir: &Path,
        manifest: &Manifest,
        secrets: &Secrets,
        cut: Option<&CutRun>,
    ) -> Result<Journal, Mistake> {
        let held = held(dir, cut)?;
        let writer = folder::create(dir, manifest, secrets, false, cut)?;
        Ok(Journal::with(secrets, WriteMode::Inline(Box::new(writer)), held))
    }

    fn with(secrets: &Secrets, mode: WriteMode, held: HeldFolder) -> Journal {
        let evidence = EvidenceQuota::left_in(held.dir());
        Journal { secrets: secrets.clone(), mode, evidence, failed: None, held }
    }

    /// Queues or performs a job; the first failure is kept, and returned by every later call.
    fn give(&mut self, job: WriteJob) -> Result<(), String> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let outcome = match &mut self.mode {
            WriteMode::Inline(writer) => writer.perform(job),
            WriteMode::Thread { jobs, given, reported, .. } => match (reported.failure.get(), jobs)
            {
                (Some(words), _) => Err(words.clone()),
                (None, None) => Err("the journal is closed".to_owned()),
                (None, Some(jobs)) => {
                    *given += 1;
                    jobs.try_send(job).map_err(|error| match error {
                        TrySendError::Full(_) => format!(
                            "the disk is too slow: {QUEUE_JOBS_MAX} rows wait to be written to {}",
                            self.held.dir().display()
                        ),
                        TrySendError::Disconnected(_) => "the journal's writer is gone".to_owned(),
                    })
                }
            },
        };
        if let Err(words) = &outcome {
            self.failed = Some(words.clone());
        }
        outcome
    }
}

/// Holds the folder of a new run, or returns that of one that goes on.
fn held(dir: &Path, cut: Option<&CutRun>) -> Result<HeldFolder, Mistake> {
    cut.map_or_else(|| HeldFolder::create(dir), |cut| Ok(cut.held.clone()))
}

impl Sink for Journal {
    fn append(&mut self, mut entry: Entry) -> Result<Arc<Entry>, String> {
        redact::entry(&self.secrets, &mut entry);
        let entry = Arc::new(entry);
        self.give(WriteJob::Entry(entry.clone()))?;
        Ok(entry)
    }

    fn evidence(&mut self, seq: Seq, frames: &[u8]) -> Result<(), String> {
        // Decided here and not by the writer, so that the queue is bounded in bytes too.
        if self.evidence.admit(frames.len()) == Kept::Nothing {
            return self.give(WriteJob::Dropped(self.evidence.dropped()));
        }
        let clean = redact::evidence(&self.secrets, frames);
        let (start, rest) = clean.split_at(EVIDENCE_BYTES_MAX.min(clean.len()));
        self.give(WriteJob::Evidence(seq, start.to_vec(), rest.len()))
    }

    fn log(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.give(WriteJob::Log(bytes.to_vec()))
    }

    fn sync(&mut self) -> Result<(), String> {
        self.give(WriteJob::Sync)
    }

    fn waiting(&self) -> u64 {
        match &self.mode {
            WriteMode::Inline(_) => 0,
            WriteMode::Thread { given, reported, .. } => {
                given.saturating_sub(reported.done.load(Ordering::Relaxed))
            }
        }
    }

    fn written(&self) -> u64 {
        match &self.mode {
            WriteMode::Inline(_) => 0,
            WriteMode::Thread { reported, .. } => reported.done.load(Ordering::Relaxed),
        }
    }

    async fn close(&mut self) -> Result<(), String> {
        let outcome = match &mut self.mode {
            WriteMode::Inline(writer) => writer.close(),
            WriteMode::Thread { jobs, finished, reported, thread, .. } => {
                // The thread writes what still waits, sends its result and ends.
                drop(jobs.take());
                let Some(finished) = finished.take() else {
                    return reported.failure.get().map_or(Ok(()), |words| Err(words.clone()));
                };
                if let Ok(finished) = tokio::time::timeout(CLOSE_MAX, finished).await {
                    finished.map_err(|_| "the journal's writer is gone".to_owned())?
                } else {
                    // It hangs in the kernel, and a join would not return.
                    drop(thread.take());
                    Err(format!("the disk took {} s for the last rows", CLOSE_MAX.as_secs()))
                }
            }
        };
        match &self.failed {
            Some(failed) => Err(failed.clone()),
            None => outcome,
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let WriteMode::Thread { jobs, thread, .. } = &mut self.mode {
            drop(jobs.take());
            // A thread that failed may hang in the kernel, and a join would not return.
            if let Some(thread) = thread.take().filter(|_| self.failed.is_none()) {
                // A run that panicked has already queued its last rows.
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::fact::{Clock, Fact};
    use crate::unit::At;

    #[test]
    fn a_full_queue_is_an_error_that_stays() {
        let (jobs, queue) = sync_channel(QUEUE_JOBS_MAX);
        let mode = WriteMode::Thread {
            jobs: Some(jobs),
            given: 0,
            reported: Arc::default(),
            finished: None,
            thread: None,
        };
        let scratch = tempfile::tempdir().unwrap();
        let held = HeldFolder::create(&scratch.path().join("slow")).unwrap();
        let mut journal = Journal::with(&Secrets::default(), mode, held);
        let fact = Fact::Clock(Clock { wall_us: 0, drift_us: 0 });
        let entry = Entry { segment: 0, seq: 0, at: At(0), fact };
        for _ in 0..QUEUE_JOBS_MAX {
            journal.append(entry.clone()).unwrap();
        }
        assert_eq!(journal.waiting(), QUEUE_JOBS_MAX as u64);
        let words = journal.append(entry.clone()).unwrap_err();
        let place = scratch.path().display().to_string();
        let told = words.replace(&place, "runs");
        assert_snapshot!(told, @"the disk is too slow: 8192 rows wait to be written to runs/slow");
        queue.recv().unwrap();
        assert_eq!(journal.append(entry), Err(words), "a row is lost: nothing may follow it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_is_waited_for_a_minute_at_the_end_and_no_longer() {
        let (jobs, queue) = sync_channel(1);
        let (finish, finished) = oneshot::channel::<Result<(), String>>();
        let thread = std::thread::Builder::new();
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        let thread = thread.spawn(move || held.recv().unwrap_or_default()).unwrap();
        let mode = WriteMode::Thread {
            jobs: Some(jobs),
            given: 0,
            reported: Arc::default(),
            finished: Some(finished),
            thread: Some(thread),
        };
        let scratch = tempfile::tempdir().unwrap();
        let held = HeldFolder::create(&scratch.path().join("stuck")).unwrap();
        let mut journal = Journal::with(&Secrets::default(), mode, held);
        let words = journal.close().await.unwrap_err();
        assert_snapshot!(words, @"the disk took 60 s for the last rows");
        drop(journal);
        // Only now does the simulated disk respond: the drop did not wait for it.
        drop((let_go, finish, queue));
    }
}
