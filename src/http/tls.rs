//! Configures TLS for the wire explicitly: by default the HTTP client panics without a process-wide
//! provider, and fails without CA files even for plain http.

use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use crate::error::Mistake;

/// Builds a client's TLS configuration. The platform's certificates are read only for https;
/// `ca_cert` is a PEM file's bytes, trusted besides them.
///
/// # Errors
/// `ca_cert` has no usable certificate, or the machine has none at all.
pub(super) fn config(https: bool, ca_cert: Option<&[u8]>) -> Result<ClientConfig, Mistake> {
    let extra = ca_cert.map(certificates).transpose()?.unwrap_or_default();
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    if !https {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let system = Verifier::new_with_extra_roots(extra.iter().cloned(), provider)
        .map_err(|error| unusable(&error))?;
    let verifier = OwnOrSystem { own: extra, system };
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Verifier that trusts the user's certificates themselves, beside all that they or the platform's
/// sign. What `openssl req -x509` makes is an authority, and no authority may be a server's own
/// certificate by the rules of the web. It is the very one that the user named, so neither its name
/// nor its dates can show more.
#[derive(Debug)]
struct OwnOrSystem {
    own: Vec<CertificateDer<'static>>,
    system: Verifier,
}

impl ServerCertVerifier for OwnOrSystem {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.own.iter().any(|own| own.as_ref() == end_entity.as_ref()) {
            return Ok(ServerCertVerified::assertion());
        }
        self.system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Mistake> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Mistake::new("there is no certificate in the file of --ca-cert")
            .hint("a PEM file, which begins with -----BEGIN CERTIFICATE-----")),
    }
}

fn unusable(error: &Error) -> Mistake {
    Mistake::new(format!("https cannot be used: {error}"))
        .hint("--ca-cert FILE, a PEM file of the server's certificate, or of the authority that signed it")
        .hint("install the system's CA certificates (package ca-certificates)")
}
