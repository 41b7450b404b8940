//! Fetches a text from an address: limited in size and time, from one host, and text only.

use std::error::Error;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::redirect::{Attempt, Policy};

use super::{address, broken, client, tls};
use crate::error::Mistake;
use crate::escape::one_line;

/// Limit of a recipe's text: a hundred times the largest known one.
pub(crate) const BYTES_MAX: usize = 1 << 20;

/// Limit of redirects within one host: stops a loop.
const REDIRECTS_MAX: usize = 3;

/// Limit of a foreign header's text in a message.
const WORDS_CHARS_MAX: usize = 160;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// The host could not be reached, or failed; a later attempt may succeed.
    Away(String),
    /// The response is not what was requested.
    Refused(String),
}

/// Address from which a text may be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    url: Url,
    host: String,
}

impl Remote {
    /// Parses an address: https, of a host that is in `known`; http only of this machine itself.
    pub(crate) fn parse(text: &str, known: &[String]) -> Result<Remote, Mistake> {
        let by_hand = "fetch it yourself, and give the path of the file";
        let refused = |why: &str, hint: &str| {
            let what = format!("`{}` is not fetched: {why}", shown(text));
            Mistake::new(what).hint(hint)
        };
        let url = Url::parse(text).map_err(|error| refused(&error.to_string(), by_hand))?;
        let host = address::bare(url.host_str().unwrap_or_default()).to_ascii_lowercase();
        let is_http = url.scheme() == "http";
        let has_secret =
            !url.username().is_empty() || url.password().is_some() || url.query().is_some();
        let is_known = known.iter().any(|name| address::bare(name).eq_ignore_ascii_case(&host));
        let unknown = format!("`{host}` is not a host that longhaul knows");
        let allow = format!("--allow-recipe-host {host}, if you trust it; else {by_hand}");
        let reasons = [
            (url.scheme() == "file", "a file needs no address", "its path"),
            (
                !is_http && url.scheme() != "https" || host.is_empty(),
                "it is not https",
                "an https address, or the path of a file",
            ),
            (has_secret, "a password or a `?` in it would be written down with the run", by_hand),
            (
                is_http && !address::is_loopback(&host),
                "over http anybody on the way can change it",
                "the same address with https",
            ),
            (!is_known, &unknown, &allow),
        ];
        match reasons.iter().find(|(is_wrong, ..)| *is_wrong) {
            Some((_, why, hint)) => Err(refused(why, hint)),
            None => Ok(Remote { url, host }),
        }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.as_str()
    }

    /// Returns the name of the text: the last part of the path that is not empty or `raw`.
    pub(crate) fn name(&self) -> String {
        let mut parts = self.url.path_segments().into_iter().flatten();
        let last = parts.rfind(|part| !matches!(*part, "" | "raw")).unwrap_or(&self.host);
        let stem = last.strip_suffix(".yaml").or_else(|| last.strip_suffix(".yml"));
        stem.unwrap_or(last).to_owned()
    }

    /// Fetches the text within a time limit.
    pub(crate) async fn fetch(&self, time: Duration) -> Result<String, FetchError> {
        let unfetched = |error: reqwest::Error| match error.source() {
            _ if error.is_timeout() => FetchError::Away(format!("not there within {time:?}")),
            Some(why) if error.is_redirect() => FetchError::Refused(why.to_string()),
            _ => FetchError::Away(one_line(&broken::words(&error), WORDS_CHARS_MAX)),
        };
        let tls = tls::config(self.url.scheme() == "https", None)
            .map_err(|wrong| FetchError::Away(one_line(wrong.what(), WORDS_CHARS_MAX)))?;
        let builder = client(tls, address::is_local(&self.host))
            .redirect(Policy::custom(redirect))
            .timeout(time);
        let client = builder.build().map_err(unfetched)?;
        let mut response = client.get(self.url.clone()).send().await.map_err(unfetched)?;
        let status = response.status();
        let words = format!("the host says {status}");
        match status.as_u16() {
            200..300 => check_kind(response.headers())?,
            408 | 429 | 500.. => return Err(FetchError::Away(words)),
            _ => return Err(FetchError::Refused(words)),
        }
        let mut bytes = Vec::new();
        let length = response.content_length().unwrap_or_default();
        while bytes.len().max(length as usize) <= BYTES_MAX {
            match response.chunk().await.map_err(unfetched)? {
                Some(part) => bytes.extend_from_slice(&part),
                None => return text(bytes).map_err(FetchError::Refused),
            }
        }
        Err(FetchError::Refused(format!("it has more than {BYTES_MAX} bytes")))
    }
}

/// Returns an address for a message, without the user, password and query in it.
fn shown(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let path = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let user = rest[..path].rfind('@').unwrap_or_default();
    let query = rest.find('?').unwrap_or(rest.len());
    let hidden = |is_there: bool, words: &'static str| if is_there { words } else { "" };
    let mark = hidden(!scheme.is_empty(), "://");
    let (user_words, query_words) =
        (hidden(user > 0, "[secret]"), hidden(query < rest.len(), "?[secret]"));
    let shown = format!("{scheme}{mark}{user_words}{}{query_words}", &rest[user..query]);
    one_line(&shown, WORDS_CHARS_MAX)
}

/// Follows a redirect only on the same host, and if the address has no user.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let url = attempt.url();
    let names_nobody = url.username().is_empty() && url.password().is_none();
    if attempt.previous().iter().any(|before| before.origin() != url.origin()) || !names_nobody {
        let to = one_line(url.as_str(), WORDS_CHARS_MAX);
        let why = format!("it is sent on to `{to}`, which is another host or names a user");
        return attempt.error(why);
    }
    if attempt.previous().len() > REDIRECTS_MAX {
        return attempt.error("it is sent on and on");
    }
    attempt.follow()
}

/// Decodes bytes as text without control characters.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, String> {
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => Ok(text),
        _ => Err("it is no text".to_owned()),
    }
}

/// Rejects an HTML page, the most likely mistake, and any other response that is not text.
fn check_kind(headers: &HeaderMap) -> Result<(), FetchError> {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
    let bare = kind.split(';').next().unwrap_or_default().trim();
    let is_text = bare.starts_with("text/") && bare != "text/html" || bare.ends_with("yaml");
    if is_text || matches!(bare, "application/json" | "application/octet-stream") {
        return Ok(());
    }
    Err(FetchError::Refused(format!("it is `{}` and no recipe", one_line(bare, WORDS_CHARS_MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Remote, String> {
        let known = ["spark-arena.com".to_owned(), "127.0.0.1".to_owned()];
        Remote::parse(text, &known).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_known_host_over_https_is_taken_and_named_by_what_says_something() {
        for (text, name) in [
            ("https://spark-arena.com/api/recipes/0a-1/raw", "0a-1"),
            ("https://Spark-Arena.com/x/my.yaml", "my"),
            ("https://spark-arena.com", "spark-arena.com"),
            ("http://127.0.0.1:81/r.yml", "r"),
        ] {
            assert_eq!(parse(text).unwrap().name(), name, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_and_says_what_to_try() {
        for (text, words) in [
            ("http://spark-arena.com/r.yaml", "http"),
            ("http://localhost/r.yaml", "--allow-recipe-host localhost"),
            ("https://example.com/r.yaml", "--allow-recipe-host example.com"),
            ("https://spark-arena.com.example.com/r", "not a host that longhaul knows"),
            ("https://spark-arena.com@example.com/r", "written down"),
            ("https://u:p@spark-arena.com/r", "written down"),
            ("https://spark-arena.com/r?key=1", "written down"),
            ("file:///etc/passwd", "needs no address"),
            ("file://spark-arena.com/r", "needs no address"),
            ("ftp://spark-arena.com/r", "is not https"),
            ("data:text/plain,x://", "is not https"),
            ("https://", "is not fetched"),
        ] {
            let told = parse(text).expect_err(text);
            assert!(told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn a_refusal_shows_neither_user_nor_password_nor_query_however_short() {
        for (text, told) in [
            ("https://u:p@h/x.yaml", "`https://[secret]@h/x.yaml`"),
            ("https://u:p@h:x/x.yaml?k=1#f", "`https://[secret]@h:x/x.yaml?[secret]`"),
            ("ftp://h/@a/x.yaml", "`ftp://h/@a/x.yaml`"),
        ] {
            let wrong = Remote::parse(text, &[]).expect_err(text).to_string();
            assert!(wrong.contains(told), "{wrong}");
        }
    }

    #[test]
    fn a_page_for_people_is_no_recipe() {
        let kind = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            check_kind(&headers).is_ok()
        };
        assert!(
            kind("text/plain; charset=utf-8") && kind("application/x-yaml") && kind("text/yaml")
        );
        assert!(
            !kind("text/html; charset=utf-8") && !kind("image/png") && !kind("application/zip")
        );
        assert!(check_kind(&HeaderMap::new()).is_ok());
    }
}
