//! Parses a server's address, as people write it, into the base of its API and the root of its
//! other pages.
//!
//! A path with a version (`/v1`, `/openai/v1`, `/v3`) is the base of the API, and what stands before
//! the version is the root of `/health`, `/metrics` and the like. Without a version, the whole path
//! is the root and `/v1` below it the base.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use crate::error::Mistake;

/// Path below which paths of the API are named in [`crate::world::Call`].
const V1: &str = "/v1";

/// Server address, without a final slash: `http://host:8000`, `http://host:8000/v3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Root of the pages beside the API.
    root: String,
    /// Path of the API below the root: `/v1`.
    api: String,
    https: bool,
    local: bool,
}

impl Address {
    /// Parses an address, with or without a scheme (the default is http), a path, a final slash.
    ///
    /// # Errors
    /// The text is not a server's address.
    pub(crate) fn parse(text: &str) -> Result<Address, Mistake> {
        let text = text.trim();
        let scheme = text.split(['/', '.']).next().unwrap_or_default();
        if !text.contains("://")
            && text.contains('/')
            && matches!(scheme.trim_end_matches(':'), "http" | "https")
        {
            return Err(wrong(text, "`://` follows http"));
        }
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
        if PAGES.iter().any(|page| path.ends_with(page)) {
            return Err(wrong(text, "it goes on beyond the base of the API, such as /v1"));
        }
        let (before, api) = path.split_at(version(path).unwrap_or(path.len()));
        let before = before.trim_end_matches('/');
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Address {
            root: format!("{}://{host}{port}{before}", url.scheme()),
            api: if api.is_empty() { V1.to_owned() } else { api.to_owned() },
            https: url.scheme() == "https",
            local: is_local(host),
        })
    }

    /// Returns the URL of a path: one below `/v1` is below the API's base, any other below the root.
    pub(crate) fn url(&self, path: &str) -> String {
        match path.strip_prefix(V1).filter(|rest| rest.starts_with('/')) {
            Some(rest) => format!("{}{}{rest}", self.root, self.api),
            None => format!("{}{path}", self.root),
        }
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

    /// Returns the port, that of the scheme where the address names none.
    pub(crate) fn port(&self) -> Option<u16> {
        let rest = self.root.split_once("://").map_or(self.root.as_str(), |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        match authority.strip_prefix(self.host())?.strip_prefix(':') {
            Some(port) => port.parse().ok(),
            None => Some(if self.https { 443 } else { 80 }),
        }
    }

    /// Whether the host is an IPv4 address, and no name.
    pub(crate) fn is_ipv4(&self) -> bool {
        self.host().parse::<Ipv4Addr>().is_ok()
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

/// Shows an address that parses to the same; a `/v1` that parsing adds is left out.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        let is_added = self.api == V1 && version(&self.root).is_none();
        f.write_str(if is_added { "" } else { &self.api })
    }
}

/// Pages of the API, with which people's addresses may end.
const PAGES: [&str; 3] = ["/completions", "/models", "/responses"];

/// Returns the offset of the last version in a path, its slash included: `/v1`, `/v1beta`.
fn version(path: &str) -> Option<usize> {
    let is_version = |at: &usize| {
        let segment = path[at + 1..].split('/').next().unwrap_or_default();
        let number = segment.strip_prefix('v').unwrap_or_default();
        number.starts_with(|first: char| first.is_ascii_digit())
            && number.chars().all(|character| character.is_ascii_alphanumeric())
    };
    path.match_indices('/').map(|(at, _)| at).rfind(is_version)
}

fn wrong(text: &str, why: &str) -> Mistake {
    Mistake::new(format!("`{text}` is not the address of a server: {why}"))
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
    fn an_address_has_a_base_of_the_api_and_a_root_of_other_pages() {
        let cases = [
            ("http://host:8000", "http://host:8000", "/v1"),
            ("http://host:8000/v1/", "http://host:8000", "/v1"),
            (" host:8000/v1 ", "http://host:8000", "/v1"),
            ("localhost:8000", "http://localhost:8000", "/v1"),
            ("192.168.1.7", "http://192.168.1.7", "/v1"),
            ("http://[::1]:8000/", "http://[::1]:8000", "/v1"),
            ("https://Host.example/api/v1", "https://host.example/api", "/v1"),
            ("https://host/openai/v1", "https://host/openai", "/v1"),
            ("http://host/engines/v1/", "http://host/engines", "/v1"),
            ("http://host/engines/llama.cpp/v1", "http://host/engines/llama.cpp", "/v1"),
            ("http://host:8000/v3", "http://host:8000", "/v3"),
            ("http://host/api/paas/v4/", "http://host/api/paas", "/v4"),
            ("https://host/v1beta/openai/", "https://host", "/v1beta/openai"),
            (
                "https://host/client/v4/accounts/7/ai/v1",
                "https://host/client/v4/accounts/7/ai",
                "/v1",
            ),
            ("http://host/llm", "http://host/llm", "/v1"),
            ("http://host/vllm/v", "http://host/vllm/v", "/v1"),
        ];
        for (text, root, api) in cases {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.url("/health"), format!("{root}/health"), "{text}");
            assert_eq!(address.url("/v1/models"), format!("{root}{api}/models"), "{text}");
            assert_eq!(Address::parse(&address.to_string()), Ok(address), "{text}");
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
            "http://host/v3/models/",
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
