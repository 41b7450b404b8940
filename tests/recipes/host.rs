//! Serves recipes on loopback, with responses that the test sets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Handler of a connection whose request has come, by its path.
type Play = dyn Fn(&str, &mut TcpStream) + Send + Sync;

/// The host. It goes on until the test's process ends.
pub(super) struct Host {
    address: SocketAddr,
    asked: Arc<AtomicU64>,
}

impl Host {
    /// Listens, and plays for everybody who asks.
    pub(super) fn new(play: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Host {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let (counted, play): (_, Arc<Play>) = (asked.clone(), Arc::new(play));
        #[allow(clippy::disallowed_methods)] // a server of a test
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let play = play.clone();
                thread::spawn(move || answer(stream, &*play));
            }
        });
        Host { address, asked }
    }

    /// Says the same whatever is asked.
    pub(super) fn saying(answer: impl Into<Vec<u8>>) -> Host {
        let answer = answer.into();
        Host::new(move |_, stream| {
            let _ = stream.write_all(&answer);
        })
    }

    /// The address of a file on it.
    pub(super) fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Number of connections so far.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// An answer with a body.
pub(super) fn page(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn answer(mut stream: TcpStream, play: &Play) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part) {
            // A hello in TLS has no such end: it is answered all the same.
            Ok(count) if count > 0 && head.len() < 8192 => head.extend_from_slice(&part[..count]),
            _ => return,
        }
        if head.first() == Some(&0x16) {
            break;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split_whitespace().nth(1).unwrap_or_default();
    play(path, &mut stream);
}
