//! Section: HTTPS and WebSocket on one port, and the certificate.

use super::ConfigError;
use crate::auth::keys::write_private;
use invigil_shared::chain::hex;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "certificate-key.pem";

#[derive(Clone, Debug, clap::Args)]
pub struct HttpConfig {
    /// TCP address of HTTPS and WebSocket; port 0 picks a free one.
    #[arg(long, env = "INVIGIL_LISTEN", value_name = "ADDRESS", default_value = "[::]:8443")]
    pub listen: SocketAddr,
    /// How clients reach this server, `host:port`, for join links. Without it: the listening address.
    #[arg(long, env = "INVIGIL_AUTHORITY", value_name = "HOST:PORT")]
    pub authority: Option<String>,
    /// Certificate chain (PEM). Without it a self-signed one is made in the data directory.
    #[arg(long, env = "INVIGIL_CERT", value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Private key of --cert (PEM).
    #[arg(long, env = "INVIGIL_KEY", value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Further host name or address for the self-signed certificate. May be repeated.
    #[arg(long = "host", env = "INVIGIL_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub hosts: Vec<String>,
    /// Origin of web pages that may call WHIP and WHEP, such as `https://exam.example.org`. May be repeated.
    #[arg(
        long = "origin",
        env = "INVIGIL_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub origins: Vec<String>,
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
    /// Reads the given certificate, or the data directory's own, which is made at first start.
    pub fn certificate(&self, directory: &Path) -> Result<Certificate, ConfigError> {
        let (cert, key, self_signed) = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => (cert.clone(), key.clone(), false),
            (None, None) => {
                let (cert, key) = (directory.join(CERTIFICATE_FILE), directory.join(KEY_FILE));
                if !cert.exists() || !key.exists() {
                    self.make_self_signed(&cert, &key)?;
                }
                (cert, key, true)
            }
            _ => return Err(ConfigError::Invalid("--cert and --key belong together")),
        };
        let content = |path: &Path, reason: String| ConfigError::Content {
            path: path.to_owned(),
            reason,
        };
        let chain = CertificateDer::pem_file_iter(&cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| content(&cert, error.to_string()))?;
        let leaf = chain
            .first()
            .ok_or_else(|| content(&cert, "no certificate".to_owned()))?;
        let sha256 = hex(&Sha256::digest(leaf));
        let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| content(&key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| content(&cert, error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| content(&cert, error.to_string()))?;
        // WebSockets need HTTP/1.1 (RFC 8441 is not served).
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Certificate {
            tls: Arc::new(tls),
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
