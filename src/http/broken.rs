//! Converts an HTTP client's error to what happened to the connection. The kind is found by walking
//! down the causes. The words are those of the innermost cause, since the outer ones only repeat
//! that a request failed.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use hyper::http::Extensions;
use hyper_util::client::legacy::connect::HttpInfo;
use rustix::io::Errno;

use super::resolve::Unresolved;
use crate::fact::{BrokenHow, Stage};
use crate::unit::At;
use crate::world::Broken;

/// Errors by which this machine says that it has nothing left for a connection: file descriptors of
/// the process or of the system, buffers, memory.
const LOCAL: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];

/// Converts a client's error that was seen at `at`.
pub(super) fn broken(error: &reqwest::Error, stage: Stage, at: At) -> Broken {
    let how = causes(error).find_map(|cause| how(cause, stage)).unwrap_or(match stage {
        Stage::Connect => BrokenHow::Unreachable,
        _ => BrokenHow::Reset,
    });
    Broken { how, stage, at, words: words(error), resent: false }
}

/// Whether this machine has no address left for its own end of a connection: all ports are in use,
/// or, with a name, the last address that was tried is of a family that the machine does not have.
pub(super) fn has_no_address(error: &reqwest::Error) -> bool {
    let errno = |cause: &(dyn Error + 'static)| Errno::from_io_error(cause.downcast_ref()?);
    causes(error).filter_map(errno).any(|errno| errno == Errno::ADDRNOTAVAIL)
}

/// Returns the address of this end of the connection on which a request failed after it was sent.
pub(super) fn local_address(error: &reqwest::Error) -> Option<SocketAddr> {
    let connected = causes(error).find_map(|cause| {
        cause.downcast_ref::<hyper_util::client::legacy::Error>()?.connect_info()
    })?;
    let mut extensions = Extensions::new();
    connected.get_extras(&mut extensions);
    extensions.get::<HttpInfo>().map(HttpInfo::local_addr)
}

/// Returns the innermost cause's words.
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Iterates over the error and its causes, the innermost last.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| inner(*error))
}

/// Returns the next cause. The `source` of an `io::Error` skips the error that it wraps.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(wrapped) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(wrapped);
    }
    error.source()
}

fn how(cause: &(dyn Error + 'static), stage: Stage) -> Option<BrokenHow> {
    if let Some(unresolved) = cause.downcast_ref::<Unresolved>() {
        let is_local = unresolved.why().is_some_and(is_local);
        return Some(if is_local { BrokenHow::Local } else { BrokenHow::Unresolved });
    }
    if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
        return Some(BrokenHow::Untrusted);
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        if error.is_incomplete_message() {
            return Some(BrokenHow::CutOff);
        }
        if error.is_parse() {
            return Some(BrokenHow::Malformed);
        }
    }
    let error = cause.downcast_ref::<io::Error>()?;
    if stage == Stage::Connect && is_local(error) {
        return Some(BrokenHow::Local);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Some(BrokenHow::Refused),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Some(BrokenHow::Reset)
        }
        // While connecting, these are failures of TLS.
        ErrorKind::UnexpectedEof if stage != Stage::Connect => Some(BrokenHow::CutOff),
        ErrorKind::InvalidData | ErrorKind::InvalidInput if stage != Stage::Connect => {
            Some(BrokenHow::Malformed)
        }
        _ => None,
    }
}

/// Whether this machine, and not the server, is the reason of an error.
fn is_local(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| LOCAL.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_this_machine_is_told_from_a_failure_of_the_server() {
        let how = |errno: Errno, stage| how(&io::Error::from(errno), stage);
        for errno in LOCAL {
            assert_eq!(how(errno, Stage::Connect), Some(BrokenHow::Local), "{errno}");
            assert_ne!(how(errno, Stage::Streaming), Some(BrokenHow::Local), "{errno}");
        }
        assert_eq!(how(Errno::CONNREFUSED, Stage::Connect), Some(BrokenHow::Refused));
        assert_eq!(how(Errno::HOSTUNREACH, Stage::Connect), None);
    }
}
