//! Whether a server is on this machine, by the address at which it is driven.
//!
//! An address says where connections go, not who answers: a tunnel on loopback
//! looks like this machine. The guide says so (`docs/observers.md`).

use std::net::{IpAddr, ToSocketAddrs, UdpSocket};

use super::this_machine;

/// Limit of a name's addresses that are checked.
const ADDRESSES_MAX: usize = 16;

/// Whether a host from an address is this machine: a loopback address, `localhost`, or one of the
/// machine's own addresses. Resolves names.
pub(crate) fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let is_named = |name: &str| host.eq_ignore_ascii_case(name);
    if is_named("localhost") || this_machine::host().is_some_and(|name| is_named(&name)) {
        return true;
    }
    match host.parse::<IpAddr>() {
        Ok(ip) => is_own(ip),
        Err(_) => (host, 0)
            .to_socket_addrs()
            .is_ok_and(|mut found| found.by_ref().take(ADDRESSES_MAX).any(|it| is_own(it.ip()))),
    }
}

/// Whether an address belongs to this machine: a socket can bind only to those.
fn is_own(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_here_and_a_documentation_address_is_not() {
        for host in ["127.0.0.1", "localhost", "[::1]", "127.0.0.53", "0.0.0.0", "LOCALHOST."] {
            assert!(is_here(host), "{host}");
        }
        assert!(!is_here("192.0.2.7") && !is_here("[2001:db8::1]"));
    }
}
