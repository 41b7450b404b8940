//! Implements the wire of a run: HTTP/1.1 over TCP or TLS. The only module that knows reqwest, and so
//! the one that fetches recipes too (`remote`).
//!
//! The wire follows redirects only within the server (`redirect`), decompresses nothing and has no
//! timeouts: the caller decides how long to wait, and closes the connection by dropping. It never
//! retries, with the one exception below; a retry would overwrite what was measured.
//!
//! **Idle connections that the server closes.** Servers close idle connections (uvicorn and
//! llama.cpp after 5 s, some after every answer). Four mechanisms keep that from looking like a
//! server that resets: a connection is reused only within [`IDLE_MAX`] of its last use, well before
//! such a server closes it; the task that owns an idle connection notices when it closes, and takes
//! it out of the pool; hyper sends a request again on a fresh connection if the old one turned out
//! closed before a byte of the request was written; and a request whose used connection closed
//! within [`CLOSE_RACE_MAX_US`] of its sending, before the head of an answer, is sent once more on a
//! fresh connection, as browsers do, and says so. One case remains: a server that dies exactly then,
//! which the second attempt reports.
//!
//! hyper does not say whether a connection closed in the middle of a head: such a one counts as
//! closed before the answer.

pub(crate) mod address;
mod broken;
mod redirect;
pub(crate) mod reference;
pub(crate) mod remote;
mod resolve;
mod tls;
mod used;

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, RequestBuilder, Response};
use rustls::ClientConfig;

pub(crate) use address::Address;
use resolve::SystemResolver;
use used::UsedConnections;

use crate::error::Mistake;
use crate::fact::{BrokenHow, Stage};
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Broken, Call, Redirect, Reply, Standstills, Wire};

/// Idle time after which a connection is not reused. Prevents the false resets described above:
/// common servers close idle connections after five seconds.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Longest time after its sending in which a request may be sent again, microseconds, without the
/// time in which longhaul itself stood still. A closing that crosses it on the way shows within a
/// round trip; later, the server may have begun its work.
const CLOSE_RACE_MAX_US: u64 = 100_000;

/// Interval of TCP keepalives: keeps routers from dropping a connection that is silent for minutes
/// during a prefill.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// Number of keepalive retries, the most that Linux takes: about half an hour with
/// [`KEEPALIVE_EVERY`]. When a machine hangs, the scenario's limits should end the wait, not the
/// kernel's.
const KEEPALIVE_RETRIES: u32 = 127;

/// Options of a wire.
pub(crate) struct HttpOptions {
    pub address: Address,
    /// API key, sent as a bearer token.
    pub api_key: Option<String>,
    /// Headers of every request: names and values.
    pub headers: Vec<(String, String)>,
    /// Certificates to trust besides the platform's: the bytes of a PEM file.
    pub ca_cert: Option<Vec<u8>>,
    /// Clock for timestamps.
    pub timeline: Timeline,
    /// Standstills of longhaul.
    pub standstills: Standstills,
}

/// Wire to one server.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    /// Client that uses no connection twice.
    fresh: Client,
    used: UsedConnections,
    address: Address,
    timeline: Timeline,
    standstills: Standstills,
}

/// Response whose head has arrived.
pub(crate) struct HttpReply {
    response: Response,
    used: UsedConnections,
    resent: bool,
    timeline: Timeline,
}

impl Http {
    /// Creates a wire; does not connect yet.
    ///
    /// # Errors
    /// A key, header or certificate that cannot be used, or an https address on a machine without
    /// certificates.
    pub(crate) fn new(options: HttpOptions) -> Result<Http, Mistake> {
        let tls = tls::config(options.address.is_https(), options.ca_cert.as_deref())?;
        let headers = headers(&options)?;
        let build = |idle_max: usize| {
            let builder = client(tls.clone(), options.address.is_local())
                .default_headers(headers.clone())
                .pool_max_idle_per_host(idle_max);
            builder.build().map_err(|error| {
                Mistake::new(format!("the HTTP client cannot be made: {}", broken::words(&error)))
                    .at(options.address.to_string())
                    .hint("look at HTTP_PROXY, HTTPS_PROXY and NO_PROXY")
            })
        };
        Ok(Http {
            client: build(usize::MAX)?,
            fresh: build(0)?,
            used: UsedConnections::default(),
            timeline: options.timeline,
            standstills: options.standstills,
            address: options.address,
        })
    }

    /// Sends a request to an address, and waits for the head of the response.
    async fn exchange(&self, url: &str, call: &Call) -> Result<HttpReply, Broken> {
        let sent = self.timeline.now();
        let error = match request(&self.client, url, call).send().await {
            Ok(response) => return Ok(self.reply(response, false)),
            Err(error) => error,
        };
        let first = self.broken(&error);
        // What longhaul read late because it stood still may have come at once.
        let after_us =
            first.at.since(sent).saturating_sub(self.standstills.stood_us(sent, first.at));
        let is_closed = matches!(first.how, BrokenHow::Reset | BrokenHow::CutOff)
            && first.stage == Stage::Headers
            && after_us <= CLOSE_RACE_MAX_US;
        if !is_closed || !self.used.contains(broken::local_address(&error), sent) {
            return Err(first);
        }
        match request(&self.fresh, url, call).send().await {
            Ok(response) => Ok(self.reply(response, true)),
            Err(error) => Err(Broken { resent: true, ..self.broken(&error) }),
        }
    }

    fn reply(&self, response: Response, resent: bool) -> HttpReply {
        HttpReply { response, used: self.used.clone(), resent, timeline: self.timeline }
    }

    fn broken(&self, error: &reqwest::Error) -> Broken {
        let stage = if error.is_connect() { Stage::Connect } else { Stage::Headers };
        let broken = broken::broken(error, stage, self.timeline.now());
        let has_no_port = broken::has_no_address(error) && self.address.is_ipv4();
        if has_no_port { Broken { how: BrokenHow::Local, ..broken } } else { broken }
    }
}

fn request(client: &Client, url: &str, call: &Call) -> RequestBuilder {
    match &call.body {
        Some(body) => client.post(url).header(CONTENT_TYPE, "application/json").body(body.clone()),
        None => client.get(url),
    }
}

/// Builds a client with the common settings; a local server gets no proxy.
fn client(tls: ClientConfig, local: bool) -> ClientBuilder {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("longhaul/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .dns_resolver(SystemResolver)
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE_EVERY)
        .tcp_keepalive_interval(KEEPALIVE_EVERY)
        .tcp_keepalive_retries(KEEPALIVE_RETRIES)
        .pool_idle_timeout(IDLE_MAX);
    #[cfg(target_os = "linux")]
    {
        // The default would give up on a machine that hangs after 30 s.
        builder = builder.tcp_user_timeout(None);
    }
    if local { builder.no_proxy() } else { builder }
}

fn headers(options: &HttpOptions) -> Result<HeaderMap, Mistake> {
    let mut headers = HeaderMap::new();
    for (name, value) in &options.headers {
        let wrong = || {
            // The value may be a secret, so it is not shown.
            Mistake::new(format!("`{name}` cannot be sent as a header"))
                .hint("--header 'Name: value', in ASCII and on one line")
        };
        let header = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value.trim()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(header, value);
    }
    if let Some(key) = &options.api_key {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.trim())).map_err(|_| {
            Mistake::new("the API key has characters that no header can carry")
                .hint("a key in ASCII and on one line")
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

impl Wire for Http {
    type Reply = HttpReply;

    async fn call(&self, call: Call) -> Result<HttpReply, Broken> {
        let mut url = self.address.url(&call.path);
        let mut resent = false;
        let mut hops = 0;
        loop {
            let mut reply = self.exchange(&url, &call).await?;
            reply.resent |= resent;
            let redirect = reply.redirect().filter(|_| hops < redirect::HOPS_MAX);
            match redirect.filter(|redirect| redirect::is_followed(redirect, &call)) {
                Some(next) => (url, resent, hops) = (next.to, reply.resent, hops + 1),
                None => return Ok(reply),
            }
        }
    }
}

impl Reply for HttpReply {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    fn redirect(&self) -> Option<Redirect> {
        redirect::of(self.response.url(), self.status(), self.header("location"))
    }

    fn resent(&self) -> bool {
        self.resent
    }

    async fn chunk(&mut self) -> Result<Option<(At, Bytes)>, Broken> {
        let read = self.response.chunk().await;
        // Stamped before any processing: parsing must not affect a measurement.
        let at = self.timeline.now();
        match read {
            Ok(bytes) => Ok(bytes.map(|bytes| (at, bytes))),
            Err(error) => Err(broken::broken(&error, Stage::Streaming, at)),
        }
    }
}

impl Drop for HttpReply {
    fn drop(&mut self) {
        self.used.add(used::local_address(&self.response), self.timeline.now());
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn options(address: &str) -> HttpOptions {
        HttpOptions {
            address: Address::parse(address).unwrap(),
            api_key: None,
            headers: Vec::new(),
            ca_cert: None,
            timeline: Timeline::start_at(std::time::SystemTime::UNIX_EPOCH),
            standstills: Standstills::default(),
        }
    }

    #[tokio::test]
    async fn a_header_that_cannot_be_sent_is_a_mistake_that_hides_its_value() {
        let mut bad = options("localhost:1");
        bad.headers.push(("X-Token".to_owned(), "geheim\n".repeat(2)));
        let mistake = Http::new(bad).err().unwrap().to_string();
        assert_snapshot!(mistake, @"
            error: `X-Token` cannot be sent as a header
              try: --header 'Name: value', in ASCII and on one line
        ");
    }

    #[tokio::test]
    async fn a_certificate_file_without_a_certificate_is_a_mistake() {
        let mut bad = options("https://localhost:1");
        bad.ca_cert = Some(b"-----BEGIN NOTHING-----\n".to_vec());
        assert_snapshot!(Http::new(bad).err().unwrap(), @"
            error: there is no certificate in the file of --ca-cert
              try: a PEM file, which begins with -----BEGIN CERTIFICATE-----
        ");
    }
}
