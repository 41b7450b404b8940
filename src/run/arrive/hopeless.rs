//! Recognizes that waiting for a server is in vain: its host has no known address, its certificate is
//! not trusted, it speaks the other of HTTP and HTTPS, it redirects to another server. Each is the
//! user's to mend.

use std::time::Duration;

use super::gather::NotGathered;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::fact::BrokenHow;
use crate::unit::{At, micros};
use crate::world::Redirect;

/// Number of attempts, and time since the first, after which a host without a known address is given
/// up. Resolvers of a machine that has just started fail once or twice.
const UNRESOLVED_MAX: (u32, Duration) = (3, Duration::from_secs(5));

/// Number of refusals of the scheme after which it is the wrong one.
pub(super) const WRONG_SCHEME_MAX: u32 = 2;
/// Words of servers that were asked with HTTP and expect HTTPS: nginx, Go, Apache.
const HTTPS_EXPECTED: [&str; 3] = [
    "plain HTTP request was sent to HTTPS port",
    "HTTP request to an HTTPS server",
    "plain HTTP to an SSL-enabled server port",
];
/// Word of the TLS library for bytes that are not TLS.
const NO_TLS: &str = "InvalidContentType";

/// Longest address in a message, characters.
const ADDRESS_CHARS_MAX: usize = 300;

/// Patience with a host without a known address.
#[derive(Debug)]
pub(super) struct HostPatience {
    endless: bool,
    began: At,
    unresolved: u32,
}

impl HostPatience {
    /// Returns the state before the first attempt. `endless` waits for a host that does not exist
    /// yet.
    pub(super) fn new(endless: bool, began: At) -> HostPatience {
        HostPatience { endless, began, unresolved: 0 }
    }

    /// Takes in a failed attempt, and returns the mistake that is its reason, if there is one.
    pub(super) fn lost(&mut self, not: &NotGathered, now: At) -> Option<Mistake> {
        match not.how {
            Some(BrokenHow::Untrusted) => Some(untrusted(&not.words)),
            Some(BrokenHow::Unresolved) => {
                self.unresolved += 1;
                let tried = self.unresolved >= UNRESOLVED_MAX.0
                    || now.since(self.began) >= micros(UNRESOLVED_MAX.1);
                (tried && !self.endless).then(|| unresolved(&not.words))
            }
            _ => {
                // Something is at the address.
                self.endless = true;
                None
            }
        }
    }
}

fn unresolved(words: &str) -> Mistake {
    let host = words.split('`').nth(1).unwrap_or_default();
    let name = host.trim_end_matches(|c: char| c.is_ascii_digit());
    let port = &host[name.len()..];
    let mistake = Mistake::new(words.to_owned()).at("--endpoint");
    let mistake = match port.len() {
        4..=5 if !name.is_empty() => mistake.hint(format!("{name}:{port}, if that is its port")),
        _ => mistake,
    };
    mistake
        .hint("the name as it is spelled elsewhere, or the server's IP address")
        .hint("--wait, where the host may not exist yet")
}

fn untrusted(words: &str) -> Mistake {
    let words = if words.contains("CaUsedAsEndEntity") {
        "it is that of an authority, as `openssl req -x509` makes it"
    } else {
        words
    };
    Mistake::new(format!("the server's certificate is not trusted: {words}"))
        .at("--endpoint")
        .hint("--ca-cert FILE, with the server's own certificate or that of its authority, in PEM")
        .hint("the host by a name that is in its certificate")
}

/// Returns the mistake of an endpoint whose scheme is not the one that the server speaks, by the
/// words of its refusal.
pub(super) fn wrong_scheme(words: &str) -> Option<Mistake> {
    let (speaks, hint) = if HTTPS_EXPECTED.iter().any(|expected| words.contains(expected)) {
        ("expects HTTPS", "--endpoint https://…, as the server expects HTTPS at this port")
    } else if words.contains(NO_TLS) {
        ("does not speak TLS", "--endpoint http://…, if the server has no TLS at this port")
    } else {
        return None;
    };
    let words = words.trim_start_matches("TLS: ");
    Some(Mistake::new(format!("the server {speaks}: {words}")).at("--endpoint").hint(hint))
}

/// Returns the mistake of a redirect that is not followed, in response to a request for a path.
pub(super) fn redirected(redirect: &Redirect, path: &str) -> Mistake {
    let Redirect { status, to, is_within } = redirect;
    let shown = one_line(to, ADDRESS_CHARS_MAX);
    let what = format!("the server redirects {path} to {shown} ({status})");
    if *is_within {
        let why = "which would drop the request's body, or leads in a circle";
        let mistake = Mistake::new(format!("{what}, {why}")).at("--endpoint");
        // Another path of this server, below which the API may answer.
        let below = endpoint(to, path).filter(|_| to.ends_with(path));
        let mistake = match below.filter(|below| has_path(below)) {
            Some(below) => {
                mistake.hint(format!("--endpoint {}", one_line(below, ADDRESS_CHARS_MAX)))
            }
            None => mistake,
        };
        return mistake
            .hint(format!("a server that answers at {path} itself, or redirects with 307 or 308"));
    }
    let mistake = Mistake::new(format!("{what}, which is another server")).at("--endpoint");
    match endpoint(to, path) {
        Some(endpoint) => {
            mistake.hint(format!("--endpoint {}", one_line(endpoint, ADDRESS_CHARS_MAX)))
        }
        None => mistake.hint("--endpoint with the address at which the API itself answers"),
    }
}

/// Returns the endpoint below which a redirect's target is the same path.
fn endpoint<'a>(location: &'a str, path: &str) -> Option<&'a str> {
    let bare = location.split(['?', '#']).next().unwrap_or(location);
    let endpoint = bare.trim_end_matches('/').strip_suffix(path)?;
    let is_absolute = endpoint.starts_with("http://") || endpoint.starts_with("https://");
    is_absolute.then_some(endpoint)
}

/// Whether an endpoint has a path after its host.
fn has_path(endpoint: &str) -> bool {
    endpoint.split_once("://").is_some_and(|(_, rest)| rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;

    fn not(how: BrokenHow) -> NotGathered {
        NotGathered { words: "no".to_owned(), how: Some(how) }
    }

    fn at(seconds: u64) -> At {
        At(seconds * 1_000_000)
    }

    #[test]
    fn a_host_that_nobody_knows_is_told_after_a_few_attempts() {
        let mut patience = HostPatience::new(false, at(0));
        assert_eq!(patience.lost(&not(BrokenHow::Unresolved), at(0)), None);
        assert_eq!(patience.lost(&not(BrokenHow::Unresolved), at(1)), None);
        let mistake = patience.lost(&not(BrokenHow::Unresolved), at(3)).unwrap();
        assert_snapshot!(mistake, @"
            error: no
               at: --endpoint
              try: the name as it is spelled elsewhere, or the server's IP address
              try: --wait, where the host may not exist yet
        ");
        assert_snapshot!(unresolved("the host `spark8000` has no known address"), @"
            error: the host `spark8000` has no known address
               at: --endpoint
              try: spark:8000, if that is its port
              try: the name as it is spelled elsewhere, or the server's IP address
              try: --wait, where the host may not exist yet
        ");
        let mut slow = HostPatience::new(false, at(0));
        assert!(
            slow.lost(&not(BrokenHow::Unresolved), at(10)).is_some(),
            "a resolver that is slow"
        );
    }

    #[test]
    fn a_host_that_may_not_exist_yet_or_was_there_is_waited_for() {
        let mut asked = HostPatience::new(true, at(0));
        let mut there = HostPatience::new(false, at(0));
        assert_eq!(there.lost(&not(BrokenHow::Refused), at(0)), None);
        for second in 1..100 {
            assert_eq!(asked.lost(&not(BrokenHow::Unresolved), at(second)), None);
            assert_eq!(there.lost(&not(BrokenHow::Unresolved), at(second)), None);
        }
    }

    #[test]
    fn an_untrusted_certificate_is_told_at_once_also_with_wait() {
        let [once, endless] = [false, true].map(|endless| {
            HostPatience::new(endless, at(0)).lost(&not(BrokenHow::Untrusted), at(0)).unwrap()
        });
        assert_snapshot!(once, @"
            error: the server's certificate is not trusted: no
               at: --endpoint
              try: --ca-cert FILE, with the server's own certificate or that of its authority, in PEM
              try: the host by a name that is in its certificate
        ");
        assert_eq!(once, endless);
    }

    #[test]
    fn a_redirect_that_is_not_followed_is_told_with_the_endpoint_to_use_if_it_helps() {
        let models = "/v1/models";
        let cases = [
            ("https://spark/v1/models", false, models),
            ("http://other:9000/llm/v1/models/?x=1", false, models),
            ("https://login.example/?next=/v1/models", false, models),
            ("http://spark:8000/gw/v1/models", true, models),
            // Asked already: its body was dropped, or it is a circle.
            ("http://spark:8000/v1/chat/completions/", true, "/v1/chat/completions"),
            ("http://spark:8000/v1/models", true, models),
        ];
        let mistakes = each(cases, |&(to, is_within, path)| {
            let redirect = Redirect { status: 301, to: to.to_owned(), is_within };
            redirected(&redirect, path).to_string()
        });
        assert_snapshot!("redirects", mistakes);
    }

    #[test]
    fn a_refusal_of_the_scheme_is_told_with_the_other_one() {
        let plain = "400 The plain HTTP request was sent to HTTPS port";
        let tls = "TLS: received corrupt message of type InvalidContentType";
        assert_snapshot!(wrong_scheme(plain).unwrap(), @"
            error: the server expects HTTPS: 400 The plain HTTP request was sent to HTTPS port
               at: --endpoint
              try: --endpoint https://…, as the server expects HTTPS at this port
        ");
        assert_snapshot!(wrong_scheme(tls).unwrap(), @"
            error: the server does not speak TLS: received corrupt message of type InvalidContentType
               at: --endpoint
              try: --endpoint http://…, if the server has no TLS at this port
        ");
        assert_eq!(wrong_scheme("400 Bad Request"), None);
    }
}
