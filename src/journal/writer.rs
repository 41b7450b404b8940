//! Writes a run folder: rows go over a bounded queue to a thread of their own,
//! so that a slow disk never moves a measurement.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Manifest;
use super::evidence::Evidence;
use super::hlog::HdrLog;
use super::manifest;
use crate::error::Mistake;
use crate::fact::row::{self, File as Rows};
use crate::fact::{Entry, Fact, Seq};
use crate::world::Sink;

/// Entries that may wait for the disk: minutes of a busy run. Beyond it the disk is so slow
/// that the run must end rather than drop rows or eat memory.
const QUEUE_MAX: usize = 16_384;
/// Rows after which everything is made durable, whatever the time.
const ROWS_MAX: u64 = 64;
/// Time after which everything is made durable, whatever the rows.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Bounds `server.log`.
const LOG_BYTES_MAX: u64 = 200 << 20;

/// Refuses a folder that holds something already.
///
/// # Errors
/// It is not empty, or cannot be looked at.
pub fn vacant(folder: &Path) -> Result<(), Mistake> {
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(unwritable(folder, &why)),
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if is_locked(folder) {
        return Err(Mistake::new(format!("the run folder {} is in use", folder.display()))
            .hint("another folder, with -o"));
    }
    Err(Mistake::new(format!("the run folder {} is not empty", folder.display()))
        .hint("another folder, with -o")
        .hint(format!("longhaul report {}, if it is a run", folder.display())))
}

fn is_locked(folder: &Path) -> bool {
    let Ok(lock) = File::open(folder.join(LOCK)) else { return false };
    lock.try_lock_shared().is_err()
}

fn unwritable(folder: &Path, why: &io::Error) -> Mistake {
    Mistake::new(format!("the run folder {} cannot be written: {why}", folder.display()))
        .hint("another folder, with -o")
}

const LOCK: &str = "lock";

/// Makes a run folder with its manifest and the heads of its files.
///
/// # Errors
/// The folder holds something already, or cannot be written.
pub fn create(folder: &Path, manifest: &Manifest) -> Result<Journal, Mistake> {
    vacant(folder)?;
    made(folder, manifest).map_err(|why| unwritable(folder, &why))
}

fn made(folder: &Path, manifest: &Manifest) -> io::Result<Journal> {
    fs::create_dir_all(folder)?;
    let lock = File::create(folder.join(LOCK))?;
    if lock.try_lock().is_err() {
        return Err(io::Error::other("it is in use"));
    }
    manifest::write(folder, manifest)?;
    let wall_us = manifest.segments.last().map_or(0, |segment| segment.wall_us);
    let files = Files::create(folder, wall_us)?;
    let (orders, queue) = sync_channel(QUEUE_MAX);
    let broken = Arc::new(Mutex::new(None));
    let told = broken.clone();
    // The one thread of its own: a disk that blocks must not stop the run's clock.
    #[allow(clippy::disallowed_methods)]
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
        if let Err(why) = serve(files, &queue)
            && let Ok(mut broken) = told.lock()
        {
            *broken = Some(why.to_string());
        }
    })?;
    Ok(Journal { folder: folder.to_path_buf(), orders, broken, _lock: lock })
}

/// The folder of a run that is being written.
pub struct Journal {
    folder: PathBuf,
    orders: SyncSender<Order>,
    broken: Arc<Mutex<Option<String>>>,
    _lock: File,
}

enum Order {
    Append(Box<Entry>),
    Evidence(Seq, Vec<u8>),
    Log(Vec<u8>),
    Sync,
    Close(oneshot::Sender<()>),
}

impl Journal {
    /// Replaces the manifest.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn update(&self, manifest: &Manifest) -> Result<(), Mistake> {
        manifest::write(&self.folder, manifest).map_err(|why| unwritable(&self.folder, &why))
    }

    fn give(&self, order: Order) -> Result<(), String> {
        self.orders.try_send(order).map_err(|why| match why {
            TrySendError::Full(_) => {
                format!("the disk is too slow: {QUEUE_MAX} entries wait for it")
            }
            TrySendError::Disconnected(_) => self.why(),
        })
    }

    fn why(&self) -> String {
        let broken = self.broken.lock().ok().and_then(|broken| broken.clone());
        broken.unwrap_or_else(|| "the journal's thread is gone".to_owned())
    }
}

impl Sink for Journal {
    fn append(&mut self, entry: &Entry) -> Result<(), String> {
        self.give(Order::Append(Box::new(entry.clone())))
    }

    fn evidence(&mut self, seq: Seq, frames: &[u8]) -> Result<(), String> {
        self.give(Order::Evidence(seq, frames.to_vec()))
    }

    fn log(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.give(Order::Log(bytes.to_vec()))
    }

    fn sync(&mut self) -> Result<(), String> {
        self.give(Order::Sync)
    }

    async fn close(&mut self) -> Result<(), String> {
        let (done, closed) = oneshot::channel();
        self.give(Order::Close(done))?;
        closed.await.map_err(|_| self.why())
    }
}

/// The thread: obeys until it is closed or everybody is gone.
fn serve(mut files: Files, orders: &Receiver<Order>) -> io::Result<()> {
    loop {
        match orders.recv_timeout(SYNC_EVERY) {
            Ok(Order::Append(entry)) => files.append(&entry)?,
            Ok(Order::Evidence(seq, frames)) => files.evidence.keep(seq, &frames)?,
            Ok(Order::Log(bytes)) => files.log(&bytes)?,
            Ok(Order::Sync) | Err(RecvTimeoutError::Timeout) => files.sync()?,
            Ok(Order::Close(done)) => {
                files.close()?;
                // Who asked may have stopped waiting.
                let _ = done.send(());
                return Ok(());
            }
            Err(RecvTimeoutError::Disconnected) => return files.close(),
        }
    }
}

/// The open files of a run folder.
struct Files {
    folder: PathBuf,
    wall_us: u64,
    rows: [File; 3],
    hdr: File,
    hdr_log: HdrLog,
    server_log: Option<(File, u64)>,
    evidence: Evidence,
    line: Vec<u8>,
    unsynced: u64,
}

impl Files {
    fn create(folder: &Path, wall_us: u64) -> io::Result<Files> {
        let new =
            |name: &str| OpenOptions::new().create_new(true).append(true).open(folder.join(name));
        let head = |rows: Rows| -> io::Result<File> {
            let mut file = new(rows.name())?;
            file.write_all(format!("{}\n", rows.columns().join(",")).as_bytes())?;
            file.sync_all()?;
            Ok(file)
        };
        let rows = [head(Rows::Requests)?, head(Rows::Events)?, head(Rows::Readings)?];
        let mut hdr = new("latency.hlog")?;
        hdr.write_all(&HdrLog::header(wall_us))?;
        File::open(folder)?.sync_all()?;
        Ok(Files {
            folder: folder.to_path_buf(),
            wall_us,
            rows,
            hdr,
            hdr_log: HdrLog::new(),
            server_log: None,
            evidence: Evidence::new(folder),
            line: Vec::new(),
            unsynced: 0,
        })
    }

    /// One write per row: after a crash of this program a file holds whole rows.
    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        self.line.clear();
        row::encode(entry, self.wall_us, &mut self.line);
        self.rows[Rows::of(&entry.fact) as usize].write_all(&self.line)?;
        let lines = self.hdr_log.take(entry);
        if !lines.is_empty() {
            self.hdr.write_all(&lines)?;
        }
        self.unsynced += 1;
        if matters(&entry.fact) || self.unsynced >= ROWS_MAX {
            self.sync()?;
        }
        Ok(())
    }

    fn log(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.server_log.is_none() {
            let path = self.folder.join("server.log");
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            self.server_log = Some((file, 0));
        }
        if let Some((file, written)) = &mut self.server_log
            && *written < LOG_BYTES_MAX
        {
            file.write_all(bytes)?;
            *written += bytes.len() as u64;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.unsynced > 0 {
            for file in &self.rows {
                file.sync_data()?;
            }
            self.unsynced = 0;
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let lines = self.hdr_log.flush();
        self.hdr.write_all(&lines)?;
        self.hdr.sync_data()?;
        self.unsynced = 1;
        self.sync()
    }
}

/// What is made durable at once: what a person would ask for first after a power cut.
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
