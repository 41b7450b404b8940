//! Connects to a server: its address, and the wire to it.

use std::path::Path;

use super::ServerOptions;
use super::simulated::Simulated;
use crate::error::Mistake;
use crate::http::{Address, Http, HttpOptions};
use crate::secret::Secrets;
use crate::timeline::Timeline;

/// Collects keys, headers, and the secrets in an address.
pub(super) fn secrets(options: &ServerOptions) -> Secrets {
    let mut secrets = Secrets::default();
    if let Some(Ok(api_key)) = options.api_key_env.as_deref().map(std::env::var) {
        secrets.add_key(&api_key);
    }
    for text in &options.headers {
        secrets.add_header(text);
    }
    if let Some(text) = &options.endpoint {
        secrets.add_address(text);
    }
    secrets
}

/// Creates the wire to the requested address; returns both.
pub(super) fn connect(
    options: &ServerOptions,
    sim: Option<&Simulated>,
    timeline: Timeline,
) -> Result<(Http, String), Mistake> {
    let endpoint = match (sim, &options.endpoint) {
        (Some(sim), _) => format!("http://{}", sim.address()),
        (None, Some(endpoint)) => endpoint.clone(),
        (None, None) => return Err(Mistake::new("no --endpoint")),
    };
    let api_key = options.api_key_env.as_deref().map(key).transpose()?;
    let headers = options.headers.iter().map(|text| header(text)).collect::<Result<Vec<_>, _>>()?;
    let ca_cert = options.ca_cert.as_deref().map(certificate).transpose()?;
    let address = Address::parse(&endpoint)?;
    let root = address.root().to_owned();
    let http = Http::new(HttpOptions { address, api_key, headers, ca_cert, timeline })?;
    Ok((http, root))
}

fn key(name: &str) -> Result<String, Mistake> {
    std::env::var(name).map_err(|_| {
        Mistake::new(format!("there is no variable `{name}` in the environment"))
            .at("--api-key-env")
            .hint(format!("export {name}=…"))
    })
}

fn header(text: &str) -> Result<(String, String), Mistake> {
    text.split_once(':')
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| {
            Mistake::new(format!("`{text}` is not a header")).at("--header").hint("'Name: value'")
        })
}

fn certificate(path: &Path) -> Result<Vec<u8>, Mistake> {
    std::fs::read(path).map_err(|why| {
        Mistake::new(format!("{}: {why}", path.display()))
            .at("--ca-cert")
            .hint("a file of certificates in PEM")
    })
}
