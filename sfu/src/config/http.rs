//! Section: HTTPS and WebSocket on one port, and the certificate.

use super::{ConfigError, Report};
use crate::auth::keys::write_private;
use axum::http::uri::Authority;
use invigil_shared::chain::hex;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fs;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CERTIFICATE_FILE: &str = "certificate.pem";
/// The private key of the self-signed certificate.
pub const CERTIFICATE_KEY_FILE: &str = "certificate-key.pem";

const DEFAULT_PORT: u16 = 8443;
/// Supervisors kill what takes longer to end.
const MOST_WITHDRAW_S: u32 = 3_600;

/// The port that everything but media begins at.
#[derive(Clone, Debug, PartialEq, clap::Args, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// TCP address of HTTPS and WebSocket; port 0 picks a free one.
    #[arg(id = "http.listen", long = "listen", env = "INVIGIL_LISTEN", value_name = "ADDRESS",
          default_value_t = Self::default().listen)]
    pub listen: SocketAddr,
    /// How clients reach this server, `host:port`, for join links. Without it: the listening address.
    #[arg(
        id = "http.authority",
        long = "authority",
        env = "INVIGIL_AUTHORITY",
        value_name = "HOST:PORT"
    )]
    pub authority: Option<String>,
    /// Certificate chain (PEM). Without it a self-signed one is made in the data directory.
    #[arg(id = "http.cert", long = "cert", env = "INVIGIL_CERT", value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(id = "http.key", long = "key", env = "INVIGIL_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Further host name or address for the self-signed certificate. May be repeated.
    #[arg(
        id = "http.hosts",
        long = "host",
        env = "INVIGIL_HOSTS",
        value_name = "HOST",
        value_delimiter = ','
    )]
    pub hosts: Vec<String>,
    /// Origin of web pages that may call WHIP and WHEP, such as `https://exam.example.org`. May be repeated.
    #[arg(
        id = "http.origins",
        long = "origin",
        env = "INVIGIL_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub origins: Vec<String>,
    /// Seconds that a server which was asked to end still serves while `GET /readyz` says 503, so that a load balancer sends nobody to it any
    /// more. Asked once more, it ends at once.
    #[arg(id = "http.withdraw_s", long = "withdraw-s", env = "INVIGIL_WITHDRAW_S", value_name = "N",
          default_value_t = Self::default().withdraw_s)]
    pub withdraw_s: u32,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: (Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into(),
            authority: None,
            cert: None,
            key: None,
            hosts: vec![],
            origins: vec![],
            withdraw_s: 0,
        }
    }
}

/// The server's TLS identity.
pub struct Certificate {
    pub tls: Arc<rustls::ServerConfig>,
    /// SHA-256 of the leaf (DER), hexadecimal.
    pub sha256: String,
    /// Nobody vouches for it: clients need the pin.
    pub self_signed: bool,
}

impl HttpConfig {
    pub(super) fn check(&self, report: &mut Report) {
        if self.withdraw_s > MOST_WITHDRAW_S {
            report.mistake("http.withdraw_s", format!("at most {MOST_WITHDRAW_S} s are possible"));
        }
        if let Some(authority) = &self.authority
            && !authority
                .parse::<Authority>()
                .is_ok_and(|a| a.port_u16().is_some_and(|port| port != 0) && is_host(a.host()))
        {
            report.mistake(
                "http.authority",
                format!("{authority:?} is no host and port; for example exam.example.org:8443"),
            );
        }
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                if let Err(error) = read(cert, key) {
                    let setting = if error.is_about(key) { "http.key" } else { "http.cert" };
                    report.mistake(setting, error.to_string());
                }
            }
            (Some(_), None) => report.mistake("http.cert", "its private key is missing: set http.key (--key) as well"),
            (None, Some(_)) => report.mistake("http.key", "its certificate is missing: set http.cert (--cert) as well"),
            (None, None) => {}
        }
        for host in self.hosts.iter().filter(|host| !is_host(host)) {
            report.mistake("http.hosts", format!("{host:?} is no host name and no IP address"));
        }
        for origin in self.origins.iter().filter(|origin| !is_origin(origin)) {
            report.mistake(
                "http.origins",
                format!("{origin:?} is no origin: scheme, host and perhaps port, in lower case and without a path, such as https://exam.example.org"),
            );
        }
    }

    /// Reads the given certificate, or the data directory's own, which is made at first start.
    pub fn certificate(&self, directory: &Path) -> Result<Certificate, ConfigError> {
        let (cert, key, self_signed) = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => (cert.clone(), key.clone(), false),
            (None, None) => {
                let (cert, key) = (directory.join(CERTIFICATE_FILE), directory.join(CERTIFICATE_KEY_FILE));
                if !cert.exists() || !key.exists() {
                    self.make_self_signed(&cert, &key)?;
                }
                (cert, key, true)
            }
            _ => return Err(ConfigError::Invalid("--cert and --key belong together")),
        };
        let (tls, sha256) = read(&cert, &key)?;
        Ok(Certificate {
            tls,
            sha256,
            self_signed,
        })
    }

    fn make_self_signed(&self, cert: &Path, key: &Path) -> Result<(), ConfigError> {
        let content = |error: rcgen::Error| ConfigError::Content {
            path: cert.to_owned(),
            reason: error.to_string(),
        };
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        if !self.listen.ip().is_unspecified() {
            names.push(self.listen.ip().to_string());
        }
        if let Some((host, _)) = self.authority.as_deref().and_then(|a| a.rsplit_once(':')) {
            names.push(host.trim_matches(['[', ']']).to_owned());
        }
        names.extend(self.hosts.iter().cloned());
        names.sort();
        names.dedup();
        let mut params = CertificateParams::new(names).map_err(content)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "Invigil");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let pair = KeyPair::generate().map_err(content)?;
        let certificate = params.self_signed(&pair).map_err(content)?;
        // An interrupted first start may have left one of the two.
        for path in [cert, key] {
            let _ = fs::remove_file(path);
        }
        let wrap = |path: &Path, source| ConfigError::File {
            path: path.to_owned(),
            source,
        };
        write_private(key, pair.serialize_pem().as_bytes()).map_err(|e| wrap(key, e))?;
        write_private(cert, certificate.pem().as_bytes()).map_err(|e| wrap(cert, e))
    }
}

/// Reads a chain and its key: what TLS needs, and the fingerprint of the leaf.
fn read(cert: &Path, key: &Path) -> Result<(Arc<rustls::ServerConfig>, String), ConfigError> {
    let content = |path: &Path, reason: String| ConfigError::Content {
        path: path.to_owned(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| content(cert, error.to_string()))?;
    let leaf = chain
        .first()
        .ok_or_else(|| content(cert, "no certificate".to_owned()))?;
    let sha256 = hex(&Sha256::digest(leaf));
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| content(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| content(cert, error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| content(cert, error.to_string()))?;
    // WebSockets need HTTP/1.1 (RFC 8441 is not served).
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(tls), sha256))
}

/// A name that stands in a certificate as it is, or an address, with or without brackets.
fn is_host(text: &str) -> bool {
    ServerName::try_from(text.trim_start_matches('[').trim_end_matches(']')).is_ok()
}

/// What a browser sends as `Origin` (RFC 6454 section 6.2), letter by letter.
fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.parse::<Authority>().ok());
    let lower = !text.contains(|c: char| c.is_ascii_uppercase());
    lower && authority.is_some_and(|a| !a.as_str().contains('@') && is_host(a.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_browsers_send() {
        for good in [
            "https://exam.example.org",
            "http://localhost:5173",
            "https://[::1]:8443",
            "https://192.0.2.1",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "exam.example.org",
            "https://",
            "https://exam.example.org/",
            "https://Exam.example.org",
            "https://a@example.org",
            "ftp://exam.example.org",
            "https://exam.example.org/path",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
