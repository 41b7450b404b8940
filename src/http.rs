//! Life's wire: HTTP/1.1 over TCP or TLS. The only room that knows reqwest, and so
//! the one that fetches recipes too (`remote`).
//!
//! Of the wire: no redirects, no decompression, no time limits: who asks decides how long to
//! wait and hangs up by dropping. Nothing is tried again here; a retry would
//! overwrite what was measured.
//!
//! **Connections that die in the pool.** Servers close idle connections (uvicorn
//! and llama.cpp after 5 s). Three things keep that from looking like a server
//! that resets: a connection is used again only within [`IDLE_MAX`] of its last
//! use, well before such a server closes it; the closing of an idle connection
//! is seen by the task that owns it, which takes it out of the pool; and hyper
//! sends a request again on a fresh connection if the old one turned out closed
//! before a byte of the request was written. What remains is a server that closes
//! within two seconds, and exactly while a request is being written; and a server
//! that died in that time, which should be told.

pub(crate) mod address;
mod broken;
pub(crate) mod reference;
pub(crate) mod remote;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};
use rustls::ClientConfig;

pub(crate) use address::Address;

use crate::error::Mistake;
use crate::fact::Stage;
use crate::timeline::Timeline;
use crate::unit::At;
use crate::world::{Broken, Call, Reply, Wire};

/// How long a connection may lie idle and still be used again. Bounds the false
/// resets told above: common servers close theirs after five seconds.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Keeps the way open through routers during a prefill of minutes without a byte.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// With [`KEEPALIVE_EVERY`] about half an hour, and as many as Linux takes: a box
/// that froze is for the scenario's limits to give up, not for the kernel's.
const KEEPALIVE_RETRIES: u32 = 127;

/// What a wire is made from.
pub(crate) struct HttpOptions {
    pub address: Address,
    /// Sent as a bearer token.
    pub api_key: Option<String>,
    /// Sent with every request: names and values.
    pub headers: Vec<(String, String)>,
    /// A PEM file's bytes: certificates to trust besides the platform's.
    pub ca_cert: Option<Vec<u8>>,
    /// What stamps are made from.
    pub timeline: Timeline,
}

/// A way to one server.
#[derive(Clone)]
pub(crate) struct Http {
    client: Client,
    address: Address,
    timeline: Timeline,
}

/// A response whose head has come.
pub(crate) struct HttpReply {
    response: Response,
    timeline: Timeline,
}

impl Http {
    /// Makes a wire; connects nowhere yet.
    ///
    /// # Errors
    /// A key, header or certificate that cannot be used, or an https address on a
    /// machine without certificates.
    pub(crate) fn new(options: HttpOptions) -> Result<Http, Mistake> {
        let tls = tls::config(options.address.is_https(), options.ca_cert.as_deref())?;
        let builder = client(tls, options.address.is_local()).default_headers(headers(&options)?);
        let client = builder.build().map_err(|error| {
            Mistake::new(format!("the HTTP client cannot be made: {}", broken::words(&error)))
                .at(options.address.root())
                .hint("look at HTTP_PROXY, HTTPS_PROXY and NO_PROXY")
        })?;
        Ok(Http { client, address: options.address, timeline: options.timeline })
    }
}

/// What all clients have in common; on this machine and in its own network, no proxy.
fn client(tls: ClientConfig, local: bool) -> ClientBuilder {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("longhaul/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE_EVERY)
        .tcp_keepalive_interval(KEEPALIVE_EVERY)
        .tcp_keepalive_retries(KEEPALIVE_RETRIES)
        .pool_idle_timeout(IDLE_MAX);
    #[cfg(target_os = "linux")]
    {
        // Its default would give up a frozen box after 30 s.
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
        let url = format!("{}{}", self.address.root(), call.path);
        let request = match call.body {
            Some(body) => self.client.post(url).header(CONTENT_TYPE, "application/json").body(body),
            None => self.client.get(url),
        };
        match request.send().await {
            Ok(response) => Ok(HttpReply { response, timeline: self.timeline }),
            Err(error) => {
                let stage = if error.is_connect() { Stage::Connect } else { Stage::Headers };
                Err(broken::broken(&error, stage, self.timeline.now()))
            }
        }
    }
}

impl Reply for HttpReply {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    async fn chunk(&mut self) -> Result<Option<(At, Bytes)>, Broken> {
        let read = self.response.chunk().await;
        // Before anything is done with them: parsing must not move a measurement.
        let at = self.timeline.now();
        match read {
            Ok(bytes) => Ok(bytes.map(|bytes| (at, bytes))),
            Err(error) => Err(broken::broken(&error, Stage::Streaming, at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(address: &str) -> HttpOptions {
        HttpOptions {
            address: Address::parse(address).unwrap(),
            api_key: None,
            headers: Vec::new(),
            ca_cert: None,
            timeline: Timeline::start_at(std::time::SystemTime::UNIX_EPOCH),
        }
    }

    #[tokio::test]
    async fn a_header_that_cannot_be_sent_is_a_mistake_that_hides_its_value() {
        let mut bad = options("localhost:1");
        bad.headers.push(("X-Token".to_owned(), "geheim\n".repeat(2)));
        let mistake = Http::new(bad).err().unwrap().to_string();
        assert!(mistake.contains("`X-Token`") && !mistake.contains("geheim"), "{mistake}");
    }

    #[tokio::test]
    async fn a_certificate_file_without_a_certificate_is_a_mistake() {
        let mut bad = options("https://localhost:1");
        bad.ca_cert = Some(b"-----BEGIN NOTHING-----\n".to_vec());
        assert!(Http::new(bad).err().unwrap().to_string().contains("no certificate"));
    }
}
