//! Defines secrets, and removes them from texts, log bytes and evidence. Only the journal and the
//! terminal call this, each at one place.
//!
//! **A secret is** the value of `--api-key-env`; the value of a `--header`, and what follows
//! `Bearer ` in it; user and password in an address; and a variable of a recipe whose name ends in
//! `_TOKEN`, `_API_KEY`, `_SECRET` or `_PASSWORD`, if its value has 8 characters or more and is no
//! number and no boolean.
//!
//! **Keys** (all of these but the values of ordinary headers) are removed in every form: whole, any
//! piece of 8 characters, escaped, or broken by white space, tags or a terminal's escape sequences.
//! The value of an ordinary header is removed only as a whole: its pieces are ordinary words.

mod find;
mod reading;
mod stream;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use find::{Finder, PrecedingByte};
pub(crate) use stream::SecretFilter;

/// Text that replaces a secret.
const MASK: &str = "[secret]";

/// Replacement in a file that is parsed again: a plain scalar of YAML, where brackets are a list.
const FILE_MASK: &str = "(secret)";

/// Length below which a value is not a secret: removing it would mangle ordinary text.
const CHARS_MIN: usize = 4;

/// Length of the smallest piece of a key that is removed, in characters.
const PIECE_CHARS: usize = 8;

/// Name endings of variables whose values are keys.
const VARIABLES: [&str; 4] = ["_TOKEN", "_API_KEY", "_SECRET", "_PASSWORD"];

/// Last words of header names whose values are keys.
const HEADERS: [&str; 6] = ["authorization", "key", "token", "secret", "password", "cookie"];

/// Values that must never be written. An empty set does no work.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Option<Arc<Finder>>);

impl Secrets {
    /// Adds a key as it is sent: without surrounding white space.
    pub(crate) fn add_key(&mut self, value: &str) {
        self.add(value, true);
    }

    /// Adds the value of a header given as `Name: value`. A text without a colon counts as a value.
    pub(crate) fn add_header(&mut self, text: &str) {
        let (name, value) = text.split_once(':').unwrap_or(("key", text));
        let last = name.trim().rsplit(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let is_key = HEADERS.contains(&last.as_str());
        let (scheme, key) = value.trim().split_once(char::is_whitespace).unwrap_or(("", value));
        let is_scheme = |word: &str| word.trim().eq_ignore_ascii_case("bearer");
        if is_scheme(scheme) || (!scheme.is_empty() && last == "authorization") {
            self.add_key(key);
        } else if !is_scheme(value) {
            self.add(value, is_key);
        }
    }

    /// Adds user and password of an address, and the values of its query.
    pub(crate) fn add_address(&mut self, text: &str) {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        // If a password contains a slash, the text before the slash is no host with a port.
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let is_whole =
            host.contains('@') || host.rsplit_once(':').is_none_or(|(_, it)| is_port(it));
        let end = (if is_whole { host } else { rest }).rfind('@').unwrap_or(0);
        let (user, rest) = rest.split_at(end);
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        self.add_key(name);
        self.add_key(password);
        let query = rest.split_once('?').map(|(_, query)| query);
        for part in query.into_iter().flat_map(|query| query.split(['&', '#'])) {
            self.add_key(part.split_once('=').map_or(part, |(_, value)| value));
        }
    }

    /// Adds the value of a recipe's variable, if the variable's name marks it as a key.
    pub(crate) fn add_variable(&mut self, name: &str, value: &str) {
        let (name, value) = (name.to_ascii_uppercase(), value.trim());
        let is_plain = value.parse::<f64>().is_ok()
            || ["true", "false", "yes", "no"].contains(&value.to_ascii_lowercase().as_str());
        let is_named = VARIABLES.iter().any(|end| name.ends_with(end));
        if is_named && !is_plain && value.chars().count() >= PIECE_CHARS && !is_reference(value) {
            self.add_key(value);
        }
    }

    /// Adds the values of another set.
    pub(crate) fn add_all(&mut self, other: &Secrets) {
        for (value, is_key) in other.0.iter().flat_map(|finder| finder.values()) {
            self.add(value, *is_key);
        }
    }

    fn add(&mut self, value: &str, is_key: bool) {
        let value = value.trim();
        let mut values = self.0.as_ref().map(|known| known.values().to_vec()).unwrap_or_default();
        let new = (value.to_owned(), is_key);
        if value.chars().count() >= CHARS_MIN && !values.contains(&new) {
            values.push(new);
            self.0 = Some(Arc::new(Finder::new(values)));
        }
    }

    /// Whether the set is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Replaces every secret in a text by `[secret]`.
    pub(crate) fn remove_from<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(finder) = &self.0 else { return Cow::Borrowed(text) };
        masked(text, &finder.find(text.as_bytes(), PrecedingByte::default()), MASK)
    }

    /// Replaces the keys of 8 characters and more in a user's file by `(secret)`. Shorter keys and
    /// values of headers stay: they may be words that the file needs when it is parsed again.
    pub(crate) fn remove_from_file<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(finder) = &self.0 else { return Cow::Borrowed(text) };
        masked(text, &finder.find_pieces(text.as_bytes()), FILE_MASK)
    }

    /// Replaces every secret in bytes by `[secret]`.
    pub(crate) fn remove_from_bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(finder) = &self.0 else { return Cow::Borrowed(bytes) };
        match finder.find(bytes, PrecedingByte::default()).as_slice() {
            [] => Cow::Borrowed(bytes),
            found => Cow::Owned(without(bytes, found, MASK)),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.as_ref().map_or(0, |finder| finder.values().len()))
    }
}

/// Whether a value only refers to another one: `$NAME`, `${NAME}`, `{name}`.
fn is_reference(value: &str) -> bool {
    let name = value.trim_start_matches('$').trim_start_matches('{').trim_end_matches('}');
    let is_word = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    name.len() < value.len() && is_word
}

fn masked<'a>(text: &'a str, found: &[Range<usize>], mask: &str) -> Cow<'a, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(String::from_utf8_lossy(&without(text.as_bytes(), found, mask)).into_owned())
}

fn without(bytes: &[u8], found: &[Range<usize>], mask: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for range in found {
        out.extend_from_slice(&bytes[from..range.start]);
        out.extend_from_slice(mask.as_bytes());
        from = range.end;
    }
    out.extend_from_slice(&bytes[from..]);
    out
}

#[cfg(test)]
mod tests;
