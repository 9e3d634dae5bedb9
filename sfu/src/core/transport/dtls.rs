//! DTLS for one association, on `rtc-dtls`: handshake, the peer's fingerprint, SRTP keys. Media never passes through here.

use super::credentials::Fingerprint;
use super::srtp_kdf::{BadKey, MasterKey, SrtpProfile};
use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error as RtcError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `Endpoint` keys its state by address; ours has one peer, wherever that peer moves, under this name (RFC 5737).
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1);
/// RFC 5764 section 4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";
/// Between retransmissions of a flight; `rtc-dtls` repeats 7 times at this pace, so a flight has 4 s.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(500);
/// Datagrams and bytes that a handshake may take: `rtc-dtls` stores fragments, and a handshake is 4 to 20 datagrams.
const MAX_HANDSHAKE_DATAGRAMS: u32 = 200;
const MAX_HANDSHAKE_BYTES: usize = 128 * 1024;
/// Datagrams after the handshake: repeated last flights and an alert are all that is legitimate.
const MAX_LATE_DATAGRAMS: u32 = 256;
/// GCM first: sealing costs a fifth of counter mode with HMAC-SHA1.
const PROFILES: [SrtpProtectionProfile; 2] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
];
/// Keeps handshake messages below the MTU of a tunnelled IPv6 path.
const MTU: usize = 1_200;

/// Which side of the handshake we are (RFC 8842 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// `a=setup:active` in our answer; our choice wherever the offer lets us.
    Client,
    /// `a=setup:passive`.
    Server,
}

/// Why a handshake ended without keys, or an association was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// The peer's certificate is not the one of its SDP.
    #[error("fingerprint mismatch")]
    FingerprintMismatch,
    /// The peers have no version, suite, profile or signature in common, or the peer broke the protocol.
    #[error("handshake failed")]
    HandshakeFailed,
    /// A flight was repeated as often as allowed.
    #[error("timed out")]
    TimedOut,
    /// More datagrams than any handshake needs.
    #[error("flooded")]
    Flooded,
    /// The peer sent close_notify or a fatal alert.
    #[error("closed by the peer")]
    ClosedByPeer,
}

impl From<BadKey> for DtlsError {
    fn from(_: BadKey) -> Self {
        DtlsError::HandshakeFailed
    }
}

/// The certificate of this process and what is negotiated with it; one for all associations of all shards.
pub struct DtlsIdentity {
    client: Arc<HandshakeConfig>,
    server: Arc<HandshakeConfig>,
    fingerprint: Fingerprint,
}

/// The certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
#[error("DTLS identity: {0}")]
pub struct IdentityError(#[from] RtcError);

impl DtlsIdentity {
    /// A fresh self-signed ECDSA P-256 certificate.
    pub fn generate() -> Result<Self, IdentityError> {
        Self::generate_with(&PROFILES)
    }

    /// The same, for `profiles` only, in the order of preference.
    pub(super) fn generate_with(profiles: &[SrtpProtectionProfile]) -> Result<Self, IdentityError> {
        let provider = Self::provider();
        let certificate = Certificate::generate_self_signed(vec!["invigil".to_owned()], provider.crypto())?;
        Self::build(&certificate, profiles)
    }

    /// An identity with a certificate that exists; its first DER is the one whose fingerprint is signalled.
    pub fn with_certificate(certificate: &Certificate) -> Result<Self, IdentityError> {
        Self::build(certificate, &PROFILES)
    }

    fn build(certificate: &Certificate, profiles: &[SrtpProtectionProfile]) -> Result<Self, IdentityError> {
        let der = certificate.certificate.first().ok_or(RtcError::ErrNoCertificates)?;
        let fingerprint = Fingerprint::of_certificate(der.as_ref());
        // Chains are not verified because there are none: the fingerprint in the SDP is what identifies a peer
        // (RFC 8122), and `Dtls` compares it before it hands out any key.
        let build = |is_client| {
            ConfigBuilder::default()
                .with_crypto_provider(Self::provider())
                .with_certificates(vec![certificate.clone()])
                .with_cipher_suites(vec![
                    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
                    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
                    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
                ])
                .with_srtp_protection_profiles(profiles.to_vec())
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .with_flight_interval(FLIGHT_INTERVAL)
                .with_mtu(MTU)
                .build(is_client, Some(PEER))
                .map(Arc::new)
        };
        Ok(Self {
            client: build(true)?,
            server: build(false)?,
            fingerprint,
        })
    }

    fn provider() -> Arc<dyn RTCCryptoProvider> {
        Arc::new(rtc::crypto::providers::AwsLcRsProvider::new())
    }

    /// What `a=fingerprint` of our answers says.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// The outcome of a finished handshake.
pub struct SrtpKeys {
    pub profile: SrtpProfile,
    /// What we send is sealed with this.
    pub outbound: MasterKey,
    /// What the peer sends is sealed with this.
    pub inbound: MasterKey,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Handshaking,
    Connected,
    Ended,
}

/// One DTLS connection.
pub struct Dtls {
    endpoint: Endpoint,
    identity: Arc<DtlsIdentity>,
    role: DtlsRole,
    remote: Fingerprint,
    phase: Phase,
    datagrams: u32,
    bytes: usize,
}

impl Dtls {
    /// A connection with a peer whose SDP announced `remote`. Nothing is sent before [`Self::start`].
    pub fn new(identity: Arc<DtlsIdentity>, role: DtlsRole, remote: Fingerprint) -> Self {
        let server = (role == DtlsRole::Server).then(|| identity.server.clone());
        let endpoint = Endpoint::new(PEER, TransportProtocol::UDP, server);
        Self {
            endpoint,
            identity,
            role,
            remote,
            phase: Phase::Idle,
            datagrams: 0,
            bytes: 0,
        }
    }

    /// Opens the door: a client sends its hello, a server accepts one. Does nothing the second time.
    pub fn start(&mut self, now: Instant) -> Result<(), DtlsError> {
        if self.phase != Phase::Idle {
            return Ok(());
        }
        self.phase = Phase::Handshaking;
        if self.role == DtlsRole::Client {
            let config = self.identity.client.clone();
            self.endpoint
                .connect(now, PEER, config, None)
                .map_err(|_| self.end(DtlsError::HandshakeFailed))?;
        }
        Ok(())
    }

    fn end(&mut self, why: DtlsError) -> DtlsError {
        self.phase = Phase::Ended;
        why
    }

    /// Takes a datagram of the peer; keys come out once, when the handshake is complete and the fingerprint is right.
    pub fn read(&mut self, now: Instant, datagram: &[u8]) -> Result<Option<SrtpKeys>, DtlsError> {
        self.datagrams += 1;
        match self.phase {
            Phase::Idle | Phase::Ended => return Ok(None),
            Phase::Handshaking => {
                self.bytes += datagram.len();
                if self.datagrams > MAX_HANDSHAKE_DATAGRAMS || self.bytes > MAX_HANDSHAKE_BYTES {
                    return Err(self.end(DtlsError::Flooded));
                }
            }
            Phase::Connected if self.datagrams > MAX_LATE_DATAGRAMS => return Ok(None),
            Phase::Connected => {}
        }
        let mut complete = false;
        match self.endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
            Ok(events) => {
                for event in events {
                    match event {
                        EndpointEvent::HandshakeComplete => complete = true,
                        EndpointEvent::PeerClosed => return Err(self.end(DtlsError::ClosedByPeer)),
                        // Data channels were refused in the SDP: nobody reads application data.
                        _ => {}
                    }
                }
            }
            Err(RtcError::ErrAlertFatalOrClose) => return Err(self.end(DtlsError::ClosedByPeer)),
            // RFC 6347 section 4.1.2.7: invalid records are discarded, the association lives.
            Err(RtcError::ErrInvalidPacketLength) => {}
            Err(_) if self.phase == Phase::Connected => {}
            Err(_) => return Err(self.end(DtlsError::HandshakeFailed)),
        }
        if !complete {
            return Ok(None);
        }
        let keys = self.export();
        match keys {
            Ok(keys) => {
                self.phase = Phase::Connected;
                self.datagrams = 0;
                Ok(Some(keys))
            }
            Err(why) => {
                self.close(now);
                Err(self.end(why))
            }
        }
    }

    fn export(&self) -> Result<SrtpKeys, DtlsError> {
        let state = self
            .endpoint
            .get_connection_state(PEER)
            .ok_or(DtlsError::HandshakeFailed)?;
        let certificate = state.peer_certificates.first().ok_or(DtlsError::FingerprintMismatch)?;
        if !Fingerprint::of_certificate(certificate).matches(&self.remote) {
            return Err(DtlsError::FingerprintMismatch);
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => SrtpProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => SrtpProfile::Aes128CmHmacSha1_80,
            _ => return Err(DtlsError::HandshakeFailed),
        };
        let exported = state
            .export_keying_material(EXPORTER, &[], profile.exported_len())
            .map_err(|_| DtlsError::HandshakeFailed)?;
        let (client, server) = MasterKey::split(profile, exported.as_ref())?;
        Ok(match self.role {
            DtlsRole::Client => SrtpKeys {
                profile,
                outbound: client,
                inbound: server,
            },
            DtlsRole::Server => SrtpKeys {
                profile,
                outbound: server,
                inbound: client,
            },
        })
    }

    /// The next datagram of a flight or an alert.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message)
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.phase == Phase::Handshaking)
            .then(|| self.endpoint.poll_timeout(&PEER))
            .flatten()
    }

    /// Repeats a flight that was not answered.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        if self.phase != Phase::Handshaking || self.poll_timeout().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.endpoint
            .handle_timeout(PEER, now)
            .map_err(|_| self.end(DtlsError::TimedOut))
    }

    /// Queues close_notify.
    pub fn close(&mut self, now: Instant) {
        if self.phase != Phase::Idle {
            drop(self.endpoint.stop(now, PEER));
        }
        self.phase = Phase::Ended;
    }
}
