//! Keeps which connections have answered before. A request that fails on one of these may only have
//! met a server that closes connections after an answer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::Response;

use super::IDLE_MAX;
use crate::unit::{At, micros};

/// Connections by the address of this end, with the instant of their last use. Connections that are
/// too old to be used again are dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct UsedConnections(Rc<RefCell<BTreeMap<SocketAddr, At>>>);

impl UsedConnections {
    /// Adds the connection of an answer that was read.
    pub(super) fn add(&self, local: Option<SocketAddr>, at: At) {
        let Some(local) = local else { return };
        let mut known = self.0.borrow_mut();
        known.retain(|_, used| is_recent(*used, at));
        known.insert(local, at);
    }

    /// Whether the connection had answered before a request was sent on it.
    pub(super) fn contains(&self, local: Option<SocketAddr>, sent: At) -> bool {
        let known = self.0.borrow();
        local.and_then(|local| known.get(&local)).is_some_and(|used| is_recent(*used, sent))
    }
}

/// Whether the client may still use a connection.
fn is_recent(used: At, now: At) -> bool {
    now.since(used) <= micros(IDLE_MAX)
}

/// Returns the address of this end of an answer's connection.
pub(super) fn local_address(response: &Response) -> Option<SocketAddr> {
    response.extensions().get::<HttpInfo>().map(HttpInfo::local_addr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_used_from_its_first_answer_until_it_is_too_old() {
        let (used, local) = (UsedConnections::default(), "127.0.0.1:4000".parse().ok());
        assert!(!used.contains(local, At(0)) && !used.contains(None, At(0)));
        used.add(local, At(1_000_000));
        assert!(used.contains(local, At(2_999_999)));
        assert!(!used.contains(local, At(3_000_001)));
        used.add("127.0.0.1:4001".parse().ok(), At(4_000_000));
        assert_eq!(used.0.borrow().len(), 1, "what is too old is dropped");
    }
}
