//! Converts an HTTP client's error to what happened to the connection. The kind is found by walking
//! down the causes. The words are those of the innermost cause, since the outer ones only repeat
//! that a request failed.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use hyper::http::Extensions;
use hyper_util::client::legacy::connect::HttpInfo;

use super::resolve::Unresolved;
use crate::fact::{BrokenHow, Stage};
use crate::unit::At;
use crate::world::Broken;

/// Converts a client's error that was seen at `at`.
pub(super) fn broken(error: &reqwest::Error, stage: Stage, at: At) -> Broken {
    let how = causes(error).find_map(|cause| how(cause, stage)).unwrap_or(match stage {
        Stage::Connect => BrokenHow::Unreachable,
        _ => BrokenHow::Reset,
    });
    Broken { how, stage, at, words: words(error), resent: false }
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
    if cause.is::<Unresolved>() {
        return Some(BrokenHow::Unresolved);
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
    let kind = cause.downcast_ref::<io::Error>()?.kind();
    match kind {
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
