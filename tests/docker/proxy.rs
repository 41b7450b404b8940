//! Proxies the engine's socket, and can be switched off and on. While it is off, the engine and its
//! containers continue.

// A proxy needs threads of its own.
#![allow(clippy::disallowed_methods, clippy::expect_used)]

use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// Where the engine itself listens.
const ENGINE: &str = "/var/run/docker.sock";
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Both ends of what goes through, to break it off.
type Streams = Arc<Mutex<Vec<UnixStream>>>;

/// The way. Dropped, it is gone.
pub(crate) struct Proxy {
    path: PathBuf,
    is_open: Arc<AtomicBool>,
    streams: Streams,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Opens it.
    pub(crate) fn open(path: PathBuf) -> Proxy {
        let is_open = Arc::new(AtomicBool::new(false));
        let mut proxy = Proxy { path, is_open, streams: Streams::default(), accepting: None };
        proxy.open_again();
        proxy
    }

    /// What `DOCKER_HOST` is to be.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Gives it back, on the same path.
    pub(crate) fn open_again(&mut self) {
        let listener = UnixListener::bind(&self.path).expect("a socket");
        listener.set_nonblocking(true).expect("it does not wait");
        self.is_open.store(true, Ordering::SeqCst);
        let (is_open, streams) = (self.is_open.clone(), self.streams.clone());
        self.accepting = Some(spawn(move || accept(&listener, &is_open, &streams)));
    }

    /// Takes it away: nothing listens, and what went through breaks off.
    pub(crate) fn close(&mut self) {
        self.is_open.store(false, Ordering::SeqCst);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().expect("it ends");
        }
        let _ = fs::remove_file(&self.path);
        for stream in self.streams.lock().expect("streams").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.close();
    }
}

fn accept(listener: &UnixListener, is_open: &AtomicBool, streams: &Streams) {
    while is_open.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => {
                let _ = through(&stream, streams);
            }
            Err(_) => sleep(BETWEEN_LOOKS),
        }
    }
}

/// Hands on what comes from either side until that side ends.
fn through(ours: &UnixStream, streams: &Streams) -> io::Result<()> {
    ours.set_nonblocking(false)?;
    let theirs = UnixStream::connect(Path::new(ENGINE))?;
    let mut known = streams.lock().expect("streams");
    for (from, to) in [(ours, &theirs), (&theirs, ours)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        known.push(from.try_clone()?);
        spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}
