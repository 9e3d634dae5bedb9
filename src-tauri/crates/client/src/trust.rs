//! Which server certificates are believed. Verification is never off: a pinned certificate replaces the chain to a root, and
//! the handshake's signature, which proves possession of its key, is checked in both cases.

use crate::bounds::CONNECT_DEADLINE;
use crate::error::ClientError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::net::TcpStream;

/// How a server's certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateTrust {
    /// The operating system's roots, the name and the dates.
    Roots,
    /// The SHA-256 of the end-entity certificate (DER), as a join link carries it or a person confirmed it.
    Pinned([u8; 32]),
}

impl CertificateTrust {
    /// Reads a join link's `sha256`: 64 lower-case hexadecimal digits.
    pub fn pinned_hex(hex: &str) -> Option<Self> {
        invigil_shared::chain::unhex(hex)
            .and_then(|b| <[u8; 32]>::try_from(b).ok())
            .map(Self::Pinned)
    }
}

/// Our crypto provider (aws-lc-rs), named everywhere: two compiled providers without a default panic in rustls.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let ours = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    // Libraries below us ask for the process default; losing a race to install it leaves an equal one there.
    let _ = CryptoProvider::install_default(rustls::crypto::aws_lc_rs::default_provider());
    ours
}

/// TLS settings that believe exactly what `trust` says.
pub fn tls_config(trust: CertificateTrust) -> Result<Arc<ClientConfig>, ClientError> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        CertificateTrust::Roots => Arc::new(
            rustls_platform_verifier::Verifier::new(provider.clone())
                .map_err(|e| ClientError::Untrusted(e.to_string()))?,
        ),
        CertificateTrust::Pinned(sha256) => Arc::new(Pinned {
            sha256,
            provider: provider.clone(),
        }),
    };
    config(provider, verifier)
}

fn config(
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<Arc<ClientConfig>, ClientError> {
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| ClientError::Untrusted(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// TLS settings for the TURN servers that an invigilating server names: the system's roots, and where that server's own
/// certificate is pinned, that one too, because its operator may have no other.
pub(crate) fn relay_tls_config(trust: CertificateTrust) -> Result<Arc<ClientConfig>, ClientError> {
    let CertificateTrust::Pinned(sha256) = trust else {
        return tls_config(trust);
    };
    let provider = provider();
    let Ok(roots) = rustls_platform_verifier::Verifier::new(provider.clone()) else {
        // A machine without roots still has the pin.
        return tls_config(trust);
    };
    let pinned = Pinned {
        sha256,
        provider: provider.clone(),
    };
    config(provider, Arc::new(PinnedOrRoots { pinned, roots }))
}

/// Believes one certificate, and what the system believes.
#[derive(Debug)]
struct PinnedOrRoots {
    pinned: Pinned,
    roots: rustls_platform_verifier::Verifier,
}

impl ServerCertVerifier for PinnedOrRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = self
            .pinned
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        pinned.or_else(|_| {
            self.roots
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        })
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.pinned.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.pinned.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.pinned.supported_verify_schemes()
    }
}

/// Believes one certificate.
#[derive(Debug)]
struct Pinned {
    sha256: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if fingerprint(end_entity) == self.sha256 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Notes what was presented, proves that the peer holds its key, and refuses: nothing is ever sent over such a handshake.
#[derive(Debug)]
struct Probe {
    seen: parking_lot::Mutex<Option<[u8; 32]>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Probe {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.lock() = Some(fingerprint(end_entity));
        Err(Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure,
        ))
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Finds a refused certificate below an error: the app asks a person about that, and only about that.
pub(crate) fn untrusted(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(Error::InvalidCertificate(reason)) = error.downcast_ref::<Error>() {
        return Some(format!("{reason:?}"));
    }
    // An io::Error hides what it wraps from `source`; the HTTP client wraps it twice.
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match inner {
        Some(inner) => untrusted(inner),
        None => untrusted(error.source()?),
    }
}

/// SHA-256 of a certificate's DER.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate.as_ref()).into()
}

/// Asks a server for its certificate and hangs up before the handshake ends, so that a person can compare it once.
/// `authority`: `host`, `host:port` or `[v6]:port`; the port is 443 when absent.
pub async fn probe(authority: &str) -> Result<[u8; 32], ClientError> {
    let authority = Authority::parse(authority)?;
    let provider = provider();
    let probe = Arc::new(Probe {
        seen: parking_lot::Mutex::new(None),
        provider: provider.clone(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| ClientError::Untrusted(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(probe.clone())
        .with_no_client_auth();
    let name = authority.server_name()?;
    let work = async {
        let stream = authority.connect().await?;
        match tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
        {
            Ok(_) => Err(ClientError::Untrusted("a handshake ended that must not".to_owned())),
            Err(error) => (*probe.seen.lock()).ok_or_else(|| ClientError::Unreachable(error.to_string())),
        }
    };
    tokio::time::timeout(CONNECT_DEADLINE, work)
        .await
        .unwrap_or_else(|_| Err(ClientError::Unreachable("no answer in time".to_owned())))
}

/// `host:port` of a server, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    pub port: u16,
}

impl Authority {
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let text = text.trim();
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(ClientError::BadAuthority)?;
            host.parse::<std::net::Ipv6Addr>()
                .map_err(|_| ClientError::BadAuthority)?;
            (host, rest.strip_prefix(':'))
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(legal) {
            return Err(ClientError::BadAuthority);
        }
        let port = port.map_or(Ok(443), |p| p.parse::<u16>().map_err(|_| ClientError::BadAuthority))?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, ClientError> {
        ServerName::try_from(self.host.clone()).map_err(|_| ClientError::BadAuthority)
    }

    pub(crate) async fn connect(&self) -> Result<TcpStream, ClientError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|e| ClientError::Unreachable(e.to_string()))?;
        // Small messages both ways: Nagle's algorithm would hold them back.
        stream
            .set_nodelay(true)
            .map_err(|e| ClientError::Unreachable(e.to_string()))?;
        Ok(stream)
    }
}

impl std::fmt::Display for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
