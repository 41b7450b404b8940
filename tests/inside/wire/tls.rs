//! Tests which certificates are trusted, against a real server. `own.pem` is what
//! `openssl req -x509` makes: an authority, for a name that is not the address, valid for long.

use std::io::{Read, Write};
use std::sync::Arc;

use longhaul::fact::BrokenHow;
use longhaul::world::{Broken, Call, Reply, Wire};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

const OWN: &[u8] = include_bytes!("tls/own.pem");
const KEY: &[u8] = include_bytes!("tls/own.key");
const OTHER: &[u8] = include_bytes!("authority.pem");

/// Serves one request over TLS, and returns the port.
#[allow(clippy::disallowed_methods)] // rustls alone serves a socket that blocks, on its own thread
fn serve() -> u16 {
    let certificate = CertificateDer::from_pem_slice(OWN).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut tls = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
        // A client that does not trust the certificate hangs up here.
        if tls.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        }
    });
    port
}

async fn status(ca_cert: &[u8]) -> Result<u16, Broken> {
    let http = Http::new(HttpOptions {
        address: Address::parse(&format!("https://localhost:{}", serve())).unwrap(),
        api_key: None,
        headers: Vec::new(),
        ca_cert: Some(ca_cert.to_vec()),
        timeline: Timeline::start(),
        standstills: Standstills::default(),
    })
    .unwrap();
    http.call(Call::get("/v1/models")).await.map(|reply| reply.status())
}

#[tokio::test]
async fn the_servers_own_certificate_is_trusted_though_it_is_an_authority_of_another_name() {
    assert_eq!(status(OWN).await, Ok(200));
    assert_eq!(status(&[OTHER, OWN].concat()).await, Ok(200), "one of several in a file");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_untrusted() {
    let broken = status(OTHER).await.unwrap_err();
    assert_eq!((broken.how, broken.stage), (BrokenHow::Untrusted, Stage::Connect));
    insta::assert_snapshot!(broken.words, @"invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))");
}
