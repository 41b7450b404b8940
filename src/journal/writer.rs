//! Writes the files of a run folder: one `write` per row, and a sync when it is due, whether a
//! thread or the run itself calls it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::cut::CutRun;
use super::evidence::{self, Dropped, LogFile};
use super::folder;
use super::hlog::HdrLog;
use super::manifest::{FileSeal, Manifest};
use crate::fact::row::{self, LINE_BYTES_MAX};
use crate::fact::{Entry, Fact, Seq};
use crate::secret::SecretFilter;
use crate::unit::{At, micros};

/// Limit of what a power cut may lose: this time, or a number of rows. A sync takes milliseconds,
/// below 0.1 % of the time at this pace.
const SYNC_EVERY: Duration = Duration::from_secs(5);
const SYNC_ROWS: u32 = 64;

/// Name of the file of histograms.
const LATENCY: &str = "latency.hlog";

/// Bytes that are read of a file at once.
const BUFFER_BYTES: usize = 1 << 16;

/// Job of the writer.
pub(super) enum WriteJob {
    Entry(Arc<Entry>),
    /// Frames of a failure, and how many bytes of them were cut.
    Evidence(Seq, Vec<u8>, usize),
    /// Counts of evidence that is not kept so far.
    Dropped(Dropped),
    /// Output of the server.
    Log(Vec<u8>),
    /// Sync of everything that was written so far.
    Sync,
}

/// File that is only appended to.
struct AppendFile {
    name: &'static str,
    file: File,
    dirty: bool,
    /// Length of the file, and the CRC-32 of its bytes.
    crc: crc32fast::Hasher,
    bytes: u64,
}

impl AppendFile {
    fn create(dir: &Path, name: &'static str, start: &[u8]) -> io::Result<AppendFile> {
        let file = OpenOptions::new().append(true).create_new(true).open(dir.join(name))?;
        let mut out =
            AppendFile { name, file, dirty: true, crc: crc32fast::Hasher::new(), bytes: 0 };
        out.append(start)?;
        Ok(out)
    }

    /// Opens a file to which rows were appended before.
    fn reopen(dir: &Path, name: &'static str) -> io::Result<AppendFile> {
        let file = OpenOptions::new().append(true).open(dir.join(name))?;
        let mut out =
            AppendFile { name, file, dirty: true, crc: crc32fast::Hasher::new(), bytes: 0 };
        let mut there = File::open(dir.join(name))?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let bytes = there.read(&mut buffer)?;
            if bytes == 0 {
                return Ok(out);
            }
            out.crc.update(&buffer[..bytes]);
            out.bytes += bytes as u64;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.dirty = true;
        self.append(bytes).map_err(|error| words(self.name, &error))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn seal(&self) -> FileSeal {
        FileSeal { bytes: self.bytes, crc: format!("{:08x}", self.crc.clone().finalize()) }
    }

    fn sync(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.dirty) {
            self.file.sync_data().map_err(|error| words(self.name, &error))?;
        }
        // Rows that are written to a file without a name are lost with the process.
        match self.file.metadata() {
            Ok(meta) if meta.nlink() == 0 => Err(format!("{} was removed", self.name)),
            _ => Ok(()),
        }
    }
}

fn words(name: &str, error: &io::Error) -> String {
    format!("{name} cannot be written: {error}")
}

/// Schedule of syncs: a function of the rows alone, so that it is the same in virtual time.
#[derive(Debug, Default)]
struct SyncSchedule {
    rows: u32,
    oldest: Option<At>,
    urgent: bool,
    late: bool,
}

impl SyncSchedule {
    fn count(&mut self, entry: &Entry) {
        let oldest = *self.oldest.get_or_insert(entry.at);
        self.late |= entry.at.since(oldest) >= micros(SYNC_EVERY);
        self.urgent |= matters(&entry.fact);
        self.rows += u32::from(!matches!(entry.fact, Fact::Reading(_)));
    }

    fn is_due(&self) -> bool {
        self.late || self.rows >= SYNC_ROWS
    }
}

/// Whether a fact must be on the disk at once, before a further failure.
fn matters(fact: &Fact) -> bool {
    match fact {
        Fact::Opened(_)
        | Fact::Phase(_)
        | Fact::Target(_)
        | Fact::Action(_)
        | Fact::Fault(_)
        | Fact::Closed(_) => true,
        Fact::Request(request) => request.ended.is_bad(),
        _ => false,
    }
}

/// Files of a run folder.
pub(super) struct Writer {
    dir: PathBuf,
    /// Manifest as it stands in the folder; gets the seals of the files at the end.
    manifest: Manifest,
    requests: AppendFile,
    events: AppendFile,
    readings: AppendFile,
    latency: AppendFile,
    log: LogFile,
    /// Filter of secrets in the server's output.
    clean: SecretFilter,
    hdr: HdrLog,
    anchor_us: u64,
    pace: SyncSchedule,
    durable: bool,
    dropped: Option<Dropped>,
    /// Buffer of one row, reused for each.
    line: Vec<u8>,
}

impl Writer {
    /// Opens the files of a run that goes on. The histograms are made again from its entries.
    pub(super) fn reopen(
        cut: &CutRun,
        manifest: &Manifest,
        clean: SecretFilter,
        durable: bool,
    ) -> io::Result<Writer> {
        let dir = cut.dir.as_path();
        match fs::remove_file(dir.join(LATENCY)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let csv = |file: row::File| AppendFile::reopen(dir, file.name());
        let [requests, events, readings] = row::File::ALL.map(csv);
        let mut writer =
            Writer::with(dir, manifest, clean, durable, [requests?, events?, readings?])?;
        let mut folded = Ok(());
        let read = cut.read(|entry| {
            if folded.is_ok() {
                folded = writer.fold_latency(entry);
            }
        });
        read.map_err(|wrong| io::Error::other(wrong.to_string()))?;
        folded.map_err(io::Error::other)?;
        Ok(writer)
    }

    /// Creates the files. Without `durable`, only the end waits for the disk.
    pub(super) fn create(
        dir: &Path,
        manifest: &Manifest,
        clean: SecretFilter,
        durable: bool,
    ) -> io::Result<Writer> {
        let csv = |file: row::File| AppendFile::create(dir, file.name(), file.header().as_bytes());
        let [requests, events, readings] = row::File::ALL.map(csv);
        Writer::with(dir, manifest, clean, durable, [requests?, events?, readings?])
    }

    fn with(
        dir: &Path,
        manifest: &Manifest,
        clean: SecretFilter,
        durable: bool,
        [requests, events, readings]: [AppendFile; 3],
    ) -> io::Result<Writer> {
        let mut head = Vec::new();
        let hdr = HdrLog::new(manifest.start_us(), manifest.simulated, &mut head)
            .map_err(io::Error::other)?;
        let segment = manifest.segments.last().map_or(0, |anchor| anchor.segment);
        Ok(Writer {
            dir: dir.to_owned(),
            manifest: manifest.clone(),
            requests,
            events,
            readings,
            latency: AppendFile::create(dir, LATENCY, &head)?,
            log: LogFile::new(dir),
            clean,
            hdr,
            anchor_us: manifest.anchor_us(segment),
            pace: SyncSchedule::default(),
            durable,
            dropped: None,
            line: Vec::new(),
        })
    }

    /// Performs a job, and syncs if that is due; for callers without a thread.
    pub(super) fn perform(&mut self, job: WriteJob) -> Result<(), String> {
        self.write(job)?;
        if self.pace.urgent { self.sync() } else { Ok(()) }
    }

    /// Performs a job; an urgent sync is left to [`serve`], which first checks for further jobs.
    fn write(&mut self, job: WriteJob) -> Result<(), String> {
        match job {
            WriteJob::Entry(entry) => self.row(&entry)?,
            WriteJob::Evidence(seq, frames, cut_bytes) => {
                evidence::keep(&self.dir, seq, &frames, cut_bytes)
                    .map_err(|error| words("evidence", &error))?;
            }
            WriteJob::Dropped(dropped) => self.dropped = Some(dropped),
            WriteJob::Log(bytes) => {
                let clean = self.clean.push(&bytes);
                self.log.write(&clean).map_err(|error| words("server.log", &error))?;
            }
            WriteJob::Sync => return self.sync(),
        }
        if self.pace.is_due() { self.sync() } else { Ok(()) }
    }

    fn row(&mut self, entry: &Entry) -> Result<(), String> {
        self.line.clear();
        row::encode(entry, self.anchor_us, &mut self.line);
        let out = match row::file_of(&entry.fact) {
            row::File::Requests => &mut self.requests,
            row::File::Events => &mut self.events,
            row::File::Readings => &mut self.readings,
        };
        if self.line.len() > LINE_BYTES_MAX {
            return Err(format!("a row of {} bytes is too long for {}", self.line.len(), out.name));
        }
        out.write(&self.line)?;
        self.pace.count(entry);
        self.fold_latency(entry)
    }

    fn fold_latency(&mut self, entry: &Entry) -> Result<(), String> {
        self.line.clear();
        self.hdr.fold(entry, &mut self.line)?;
        if self.line.is_empty() { Ok(()) } else { self.latency.write(&self.line) }
    }

    fn sync(&mut self) -> Result<(), String> {
        self.pace = SyncSchedule::default();
        if let Some(dropped) = self.dropped.take() {
            evidence::say_dropped(&self.dir, dropped).map_err(|error| words("evidence", &error))?;
        }
        if self.durable { self.sync_files() } else { Ok(()) }
    }

    fn sync_files(&mut self) -> Result<(), String> {
        for out in [&mut self.events, &mut self.requests, &mut self.readings, &mut self.latency] {
            out.sync()?;
        }
        self.log.sync().map_err(|error| words("server.log", &error))
    }

    /// Writes what is still held back, waits for the disk, and seals the files.
    pub(super) fn close(&mut self) -> Result<(), String> {
        let rest = self.clean.finish();
        self.log.write(&rest).map_err(|error| words("server.log", &error))?;
        self.line.clear();
        self.hdr.finish(&mut self.line)?;
        self.latency.write(&self.line)?;
        self.sync()?;
        self.sync_files()?;
        for out in [&self.requests, &self.events, &self.readings] {
            self.manifest.files.insert(out.name.to_owned(), out.seal());
        }
        folder::write_manifest(&self.dir, &self.manifest)
            .map_err(|error| words(folder::MANIFEST, &error))
    }
}

/// Performs jobs until all senders are gone or a job fails; `failure` is set before the queue is
/// closed, so that the next sender learns the reason.
pub(super) fn serve(
    mut writer: Writer,
    queue: &Receiver<WriteJob>,
    reported: &WriterProgress,
) -> Result<(), String> {
    let outcome = work(&mut writer, queue, &reported.done);
    if let Err(words) = &outcome {
        reported.failure.get_or_init(|| words.clone());
    }
    outcome
}

/// Progress that the thread reports.
#[derive(Default)]
pub(super) struct WriterProgress {
    /// Reason of a failed write.
    pub(super) failure: OnceLock<String>,
    /// Number of completed jobs.
    pub(super) done: AtomicU64,
}

fn work(writer: &mut Writer, queue: &Receiver<WriteJob>, done: &AtomicU64) -> Result<(), String> {
    loop {
        // An urgent sync waits only for jobs that are queued already: one sync then serves a whole
        // burst of failures, and a burst cannot fill the queue.
        let wait = if writer.pace.urgent { Duration::ZERO } else { SYNC_EVERY };
        match queue.recv_timeout(wait) {
            Ok(job) => {
                writer.write(job)?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => writer.sync()?,
            Err(RecvTimeoutError::Disconnected) => return writer.close(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::fact::{Clock, Source};

    fn entry(at: At, fact: Fact) -> Entry {
        Entry { segment: 0, seq: 0, at, fact }
    }

    fn clock(at: At) -> Entry {
        entry(at, Fact::Clock(Clock { wall_us: 0, drift_us: 0 }))
    }

    #[test]
    fn a_sync_is_due_after_five_seconds_or_sixty_four_rows() {
        let mut pace = SyncSchedule::default();
        pace.count(&clock(At(10_000_000)));
        pace.count(&clock(At(14_999_999)));
        assert!(!pace.is_due());
        pace.count(&clock(At(15_000_000)));
        assert!(pace.is_due());

        let mut pace = SyncSchedule::default();
        (0..63).for_each(|_| pace.count(&clock(At(0))));
        assert!(!pace.is_due());
        pace.count(&clock(At(0)));
        assert!(pace.is_due() && !pace.urgent);
    }

    #[test]
    fn readings_are_not_counted_and_a_fault_is_urgent() {
        let mut pace = SyncSchedule::default();
        let reading = crate::fact::Reading {
            source: Source::Own,
            instance: String::new(),
            name: "in_flight".to_owned(),
            n: 1,
            min: 0.0,
            mean: 0.0,
            max: 0.0,
            last: 0.0,
        };
        (0..100).for_each(|_| pace.count(&entry(At(0), Fact::Reading(reading.clone()))));
        assert!(!pace.is_due() && !pace.urgent);
        let why = String::new();
        let fault = crate::fact::Fault { kind: crate::fact::FaultKind::Pace, why, fatal: false };
        pace.count(&entry(At(0), Fact::Fault(fault)));
        assert!(pace.urgent);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_in_words_and_ends_the_writing() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer =
            Writer::create(dir.path(), &Manifest::default(), SecretFilter::default(), true)
                .unwrap();
        writer.events.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let (jobs, queue) = sync_channel(4);
        let reported = WriterProgress::default();
        jobs.send(WriteJob::Entry(Arc::new(clock(At(0))))).unwrap();
        let outcome = serve(writer, &queue, &reported);
        assert!(outcome.unwrap_err().starts_with("events.csv cannot be written: No space left"));
        assert!(reported.failure.get().is_some());
    }
}
