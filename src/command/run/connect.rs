//! Connects to a server: its address, and the wire to it.

use std::path::Path;

use super::ServerOptions;
use super::simulated::Simulated;
use crate::error::Mistake;
use crate::http::{Address, Http, HttpOptions};
use crate::secret::Secrets;
use crate::timeline::Timeline;
use crate::world::Standstills;

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
    standstills: Standstills,
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
    let shown = address.to_string();
    let http =
        Http::new(HttpOptions { address, api_key, headers, ca_cert, timeline, standstills })?;
    Ok((http, shown))
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::shown::each;

    fn refused(options: &ServerOptions) -> String {
        match connect(options, None, Timeline::start(), Standstills::default()) {
            Ok((_, root)) => root,
            Err(wrong) => wrong.to_string(),
        }
    }

    fn options() -> ServerOptions {
        ServerOptions {
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            ..ServerOptions::default()
        }
    }

    #[tokio::test]
    async fn what_a_server_cannot_be_asked_with_is_a_mistake_with_its_flag() {
        let reported = [
            refused(&ServerOptions::default()),
            refused(&ServerOptions { endpoint: Some("ftp://host".to_owned()), ..options() }),
            refused(&ServerOptions {
                api_key_env: Some("LONGHAUL_NO_SUCH_KEY".to_owned()),
                ..options()
            }),
            refused(&ServerOptions { ca_cert: Some("/no/such/ca.pem".into()), ..options() }),
            refused(&ServerOptions { headers: vec!["X-Team".to_owned()], ..options() }),
            refused(&options()),
        ];
        assert_snapshot!("connect", reported.join("\n\n"));
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let texts = ["X-Team: soak", "X-Empty:", "X-Time: 10:30", ":x", " : x", "X-Team", ""];
        let reported = each(texts, |text| match header(text) {
            Ok((name, value)) => format!("{name:?} {value:?}"),
            Err(wrong) => wrong.to_string(),
        });
        assert_snapshot!("headers", reported);
    }

    #[test]
    fn keys_in_headers_and_addresses_are_hidden() {
        let secrets = secrets(&ServerOptions {
            endpoint: Some("http://me:hunter2hunter2@host/v1".to_owned()),
            headers: vec!["Authorization: Bearer abcdefghijkl".to_owned()],
            api_key_env: Some("LONGHAUL_NO_SUCH_KEY".to_owned()),
            ..ServerOptions::default()
        });
        let said = "http://me:hunter2hunter2@host/v1 with Bearer abcdefghijkl";
        assert_snapshot!(secrets.remove_from(said), @"http://me:[secret]@host/v1 with Bearer [secret]");
    }
}
