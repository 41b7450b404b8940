//! Configures TLS for the wire explicitly: by default the HTTP client panics without a process-wide
//! provider, and fails without CA files even for plain http.

use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{Error, RootCertStore};
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
    let verifier =
        Verifier::new_with_extra_roots(extra, provider).map_err(|error| unusable(&error))?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
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
        .hint("--ca-cert FILE, a PEM file of the authority that signed the server's certificate")
        .hint("install the system's CA certificates (package ca-certificates)")
}
