//! A text that somebody keeps at an address: where it may be fetched from, and
//! the fetching. Bounded in size and time, never sent on to another host, and
//! nothing but text.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Response, Url};

use super::{address, broken, client, tls};
use crate::error::Mistake;
use crate::escape::one_line;
use crate::timeline::Timeline;

/// Redirects within one host that are followed: bounds a circle.
const REDIRECTS_MAX: usize = 3;

/// Bounds what is said of a foreign header.
const WORDS_CHARS_MAX: usize = 160;

/// What a fetch may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The text, bytes.
    pub bytes: usize,
    /// From the first knock to the last byte.
    pub time: Duration,
}

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfetched {
    /// The host could not be spoken to, or failed; another time it might be.
    Away(String),
    /// What is there is not what was asked for.
    Refused(String),
}

/// An address from which a text may be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    url: Url,
    host: String,
}

impl Remote {
    /// Reads an address: https, of a host that is `known`; over http only where that host is
    /// this machine itself.
    ///
    /// # Errors
    /// It is no such address, or holds what must not be written down.
    pub fn parse(text: &str, known: &[String]) -> Result<Remote, Mistake> {
        let wrong = |why: &str, hint: &str| {
            let what = format!("`{}` is not fetched: {why}", one_line(text, WORDS_CHARS_MAX));
            Err(Mistake::new(what).hint(hint))
        };
        let by_hand = "fetch it yourself, and give the path of the file";
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => return wrong(&error.to_string(), by_hand),
        };
        let host = address::bare(url.host_str().unwrap_or_default()).to_ascii_lowercase();
        if url.scheme() == "file" {
            return wrong("a file needs no address", "its path");
        }
        if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
            return wrong("it is not https", "an https address, or the path of a file");
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return wrong("a password or a `?` in it would be written down with the run", by_hand);
        }
        if url.scheme() == "http" && !address::is_loopback(&host) {
            let why = "over http anybody on the way can change it";
            return wrong(why, "the same address with https");
        }
        if !known.iter().any(|known| address::bare(known).eq_ignore_ascii_case(&host)) {
            let hint = format!("--allow-recipe-host {host}, if you trust it; else {by_hand}");
            return wrong(&format!("`{host}` is not a host that longhaul knows"), &hint);
        }
        Ok(Remote { url, host })
    }

    /// The address in full.
    pub fn address(&self) -> &str {
        self.url.as_str()
    }

    /// What its text may be called: the last part of the path that says something.
    pub fn name(&self) -> String {
        let mut parts = self.url.path_segments().into_iter().flatten();
        let last = parts.rfind(|part| !matches!(*part, "" | "raw"));
        let last = last.unwrap_or(&self.host);
        let stem = last.strip_suffix(".yaml").or_else(|| last.strip_suffix(".yml"));
        stem.unwrap_or(last).to_owned()
    }

    /// Fetches the text.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn fetch(&self, limits: Limits) -> Result<String, Unfetched> {
        let timeline = Timeline::start();
        let deadline = timeline.now().after(limits.time);
        let late = || Err(Unfetched::Away(format!("not there within {:?}", limits.time)));
        timeline.before(deadline, self.read(limits.bytes)).await.unwrap_or_else(late)
    }

    async fn read(&self, bytes_max: usize) -> Result<String, Unfetched> {
        let tls = tls::config(self.url.scheme() == "https", None)
            .map_err(|wrong| Unfetched::Away(one_line(wrong.what(), WORDS_CHARS_MAX)))?;
        let client = client(tls, address::is_local(&self.host)).build().map_err(away)?;
        let mut response = self.reply(&client).await?;
        is_text(response.headers())?;
        let mut bytes = Vec::new();
        let length = response.content_length().unwrap_or_default();
        while bytes.len().max(length as usize) <= bytes_max {
            match response.chunk().await.map_err(away)? {
                Some(part) => bytes.extend_from_slice(&part),
                None => return text(bytes).map_err(Unfetched::Refused),
            }
        }
        Err(Unfetched::Refused(format!("it has more than {bytes_max} bytes")))
    }

    /// The answer that holds the text. A redirect is followed on the same host, where it names no
    /// user.
    async fn reply(&self, client: &Client) -> Result<Response, Unfetched> {
        let mut url = self.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = client.get(url.clone()).send().await.map_err(away)?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            if !status.is_redirection() {
                let words = format!("the host says {status}");
                return Err(match status.as_u16() {
                    408 | 429 | 500.. => Unfetched::Away(words),
                    _ => Unfetched::Refused(words),
                });
            }
            let to = response.headers().get(LOCATION).map(HeaderValue::as_bytes);
            let to = String::from_utf8_lossy(to.unwrap_or_default()).into_owned();
            let may_go_on = |next: &Url| {
                let names_nobody = next.username().is_empty() && next.password().is_none();
                !to.is_empty() && names_nobody && next.origin() == self.url.origin()
            };
            url = url.join(&to).ok().filter(may_go_on).ok_or_else(|| {
                let to = one_line(&to, WORDS_CHARS_MAX);
                let what =
                    format!("it is sent on to `{to}`, which is another host or names a user");
                Unfetched::Refused(what)
            })?;
        }
        Err(Unfetched::Refused("it is sent on and on".to_owned()))
    }
}

/// What was fetched, or kept of what was, as the text that it must be.
///
/// # Errors
/// It is none.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => Ok(text),
        _ => Err("it is no text".to_owned()),
    }
}

#[allow(clippy::needless_pass_by_value)] // as `map_err` hands it on
fn away(error: reqwest::Error) -> Unfetched {
    Unfetched::Away(one_line(&broken::words(&error), WORDS_CHARS_MAX))
}

/// Whether what is there says that it is a text. A page for people is none, and the likeliest
/// slip: the address of a benchmark in place of its recipe.
fn is_text(headers: &HeaderMap) -> Result<(), Unfetched> {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
    let bare = kind.split(';').next().unwrap_or_default().trim();
    let is_text = bare.starts_with("text/") && bare != "text/html" || bare.ends_with("yaml");
    if is_text || matches!(bare, "application/json" | "application/octet-stream") {
        return Ok(());
    }
    Err(Unfetched::Refused(format!("it is `{}` and no recipe", one_line(bare, WORDS_CHARS_MAX))))
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
    fn a_page_for_people_is_no_recipe() {
        let kind = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            is_text(&headers).is_ok()
        };
        assert!(
            kind("text/plain; charset=utf-8") && kind("application/x-yaml") && kind("text/yaml")
        );
        assert!(
            !kind("text/html; charset=utf-8") && !kind("image/png") && !kind("application/zip")
        );
        assert!(is_text(&HeaderMap::new()).is_ok());
    }
}
