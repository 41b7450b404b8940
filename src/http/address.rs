//! Parses a server's address, as people write it, into the root to which paths are appended.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use reqwest::Url;

use crate::error::Mistake;

/// Server address: `http://host:8000`, without `/v1` and without a final slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    root: String,
    https: bool,
    local: bool,
}

impl Address {
    /// Parses an address, with or without a scheme (the default is http), a trailing `/v1`, a
    /// slash.
    ///
    /// # Errors
    /// The text is no server's address.
    pub(crate) fn parse(text: &str) -> Result<Address, Mistake> {
        let text = text.trim();
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).map_err(|error| wrong(text, &error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(text, &format!("`{}` is neither http nor https", url.scheme())));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(text, "an address has no `?` and no `#`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // Addresses are written into run folders.
            return Err(Mistake::new("an address with a password in it would be written down")
                .hint("--api-key-env NAME, or --header")
                .hint("the address alone, as http://host:8000"));
        }
        let Some(host) = url.host_str() else { return Err(wrong(text, "it has no host")) };
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path).trim_end_matches('/');
        if path.contains("/v1/") {
            return Err(wrong(text, "it goes on beyond /v1"));
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Address {
            root: format!("{}://{host}{port}{path}", url.scheme()),
            https: url.scheme() == "https",
            local: is_local(host),
        })
    }

    /// Returns the root to which paths are appended: `http://host:8000`.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// Returns the host, an IPv6 address in its brackets.
    pub(crate) fn host(&self) -> &str {
        let rest = self.root.split_once("://").map_or(self.root.as_str(), |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        }
    }

    /// Whether the scheme is https.
    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// Whether the server is on this machine or in its own network (loopback, private and
    /// link-local addresses, `localhost`, names under `.local`), where no proxy is used. Names are
    /// not resolved.
    pub(crate) fn is_local(&self) -> bool {
        self.local
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)
    }
}

fn wrong(text: &str, why: &str) -> Mistake {
    Mistake::new(format!("`{text}` is no address of a server: {why}"))
        .hint("--endpoint http://host:8000")
}

/// Whether a host is this machine. `localhost` is, whatever a resolver returns.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = bare(host);
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

pub(super) fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.')
}

pub(super) fn is_local(host: &str) -> bool {
    let bare = bare(host);
    match bare.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(IpAddr::V4(ip)) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        Ok(IpAddr::V6(ip)) => is_local_v6(ip),
        Err(_) => {
            bare == "localhost" || matches!(bare.rsplit_once('.'), Some((_, "localhost" | "local")))
        }
    }
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;

    #[test]
    fn whatever_people_write_becomes_the_root() {
        let cases = [
            ("http://host:8000", "http://host:8000"),
            ("http://host:8000/v1/", "http://host:8000"),
            (" host:8000/v1 ", "http://host:8000"),
            ("localhost:8000", "http://localhost:8000"),
            ("192.168.1.7", "http://192.168.1.7"),
            ("https://Host.example/api/v1", "https://host.example/api"),
            ("http://[::1]:8000/", "http://[::1]:8000"),
        ];
        for (text, root) in cases {
            assert_eq!(Address::parse(text).unwrap().root(), root, "{text}");
        }
    }

    #[test]
    fn the_host_is_what_stands_before_the_port() {
        for (text, host) in [
            ("http://spark:8000/v1", "spark"),
            ("https://spark/llm", "spark"),
            ("http://[2001:db8::1]", "[2001:db8::1]"),
            ("http://[::1]:8000", "[::1]"),
            ("127.0.0.1:8000", "127.0.0.1"),
        ] {
            assert_eq!(Address::parse(text).unwrap().host(), host, "{text}");
        }
    }

    #[test]
    fn nonsense_is_a_mistake_with_a_hint() {
        let texts = [
            "",
            ":8000",
            "http://",
            "ftp://host",
            "host:port",
            "http://host?x=1",
            "a b",
            "http://u:geheim@h",
            "http://host/v1/chat/completions",
        ];
        let mistakes = each(texts, |text| Address::parse(text).expect_err(text).to_string());
        assert_snapshot!("mistakes", mistakes);
    }

    #[test]
    fn local_addresses_are_known_without_looking_them_up() {
        for text in [
            "localhost:1",
            "127.0.0.9",
            "10.0.0.1",
            "172.16.5.5:80",
            "192.168.0.1",
            "169.254.1.1",
            "[::1]:80",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "spark-01.local",
            "0.0.0.0:80",
        ] {
            assert!(Address::parse(text).unwrap().is_local(), "{text}");
        }
        for text in ["example.com", "8.8.8.8", "172.32.0.1", "[2001:db8::1]", "local.example"] {
            assert!(!Address::parse(text).unwrap().is_local(), "{text}");
        }
    }
}
