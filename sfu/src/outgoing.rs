//! Requests that the server makes itself, to webhooks' receivers and the identity provider: over TLS, believed by the system's authorities and
//! the operator's own, bounded in time.

use crate::config::ConfigError;
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(5);

/// How peers prove who they are. `authorities`: certificates that are believed beside those of the system.
///
/// # Errors
/// They can't be used; in words.
pub fn tls(authorities: Vec<CertificateDer<'static>>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(authorities, Arc::clone(&provider))
        .map_err(|error| error.to_string())?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// A client for HTTPS (`plain`: for HTTP too) that follows no redirection and gives up after `deadline`.
///
/// # Errors
/// The authorities can't be used; in words.
pub fn client(
    authorities: Vec<CertificateDer<'static>>,
    deadline: Duration,
    plain: bool,
) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls(authorities)?)
        .https_only(!plain)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(deadline)
        .user_agent(concat!("invigil-sfu/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
}

/// The innermost reason why there is no answer, without the URL: it may hold what only the receiver should know.
pub fn reason(error: reqwest::Error, deadline: Duration) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return format!("no answer within {} s", deadline.as_secs());
    }
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The authorities of a PEM file; none when no file is set.
///
/// # Errors
/// The file can't be read, or holds no certificate.
pub fn authorities(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let Some(path) = file else {
        return Ok(Vec::new());
    };
    let bad = |reason: String| ConfigError::Content {
        path: path.to_owned(),
        reason,
    };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(error.to_string()))?;
    if found.is_empty() {
        return Err(bad("there is no certificate in it".into()));
    }
    Ok(found)
}
