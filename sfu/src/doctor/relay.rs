//! STUN and TURN servers: asked as clients ask them, up to a real allocation, which is given back.

use super::Look;
use crate::auth::relay::RelayCredentials;
use crate::config::ServeConfig;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc_crypto::RTCCryptoProvider;
use rtc_stun::attributes::{
    ATTR_ERROR_CODE, ATTR_LIFETIME, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME,
};
use rtc_stun::attributes::{ATTR_XOR_RELAYED_ADDRESS, ATTR_XORMAPPED_ADDRESS};
use rtc_stun::error_code::ErrorCodeAttribute;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{CLASS_ERROR_RESPONSE, CLASS_REQUEST, Getter, METHOD_ALLOCATE, METHOD_BINDING, METHOD_REFRESH};
use rtc_stun::message::{Message, MessageType, Method, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use rtc_stun::xoraddr::XorMappedAddress;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// For all of one server.
const DEADLINE: Duration = Duration::from_secs(6);
/// UDP loses: a request is sent again after each of these (RFC 8489 section 6.2.1).
const RESEND: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(2_000),
    Duration::from_millis(2_000),
];
/// No answer of these servers is longer.
const MAX_ANSWER: usize = 2_048;
/// RFC 8489 section 5.
const HEADER: usize = 20;
/// UDP's protocol number, for REQUESTED-TRANSPORT (RFC 8656 section 18.7).
const RELAY_UDP: [u8; 4] = [17, 0, 0, 0];
const UNAUTHENTICATED: u16 = 401;

pub(super) async fn servers(config: &ServeConfig, now: i64, look: &mut Look<'_>) {
    for url in &config.ice.stun {
        match timeout(DEADLINE, mapped(url))
            .await
            .unwrap_or_else(|_| Err("no answer".to_owned()))
        {
            Ok(address) => look.ok(format!("{url} answers and sees this machine as {address}")),
            Err(why) => look.error(
                format!("{url}: {why}"),
                "See whether it runs and UDP reaches it from here",
            ),
        }
    }
    if config.ice.turn.is_empty() {
        return look.warning(
            "no TURN server is set: browsers in networks without UDP and TCP to the media ports can't join",
            "Set ice.turn and ice.turn_secret_file when such browsers should come",
        );
    }
    let Ok(Some(secret)) = config.ice.secret() else { return };
    let (name, password) = RelayCredentials::new(&secret, config.ice.turn_credential_s).issue("doctor", now);
    for url in &config.ice.turn {
        match timeout(DEADLINE, allocate(url, &name, &password)).await.unwrap_or_else(|_| Err("no answer".to_owned())) {
            Ok(address) => look.ok(format!("{url} relays at {address}")),
            Err(why) => look.error(
                format!("{url}: {why}"),
                "See whether it runs and is reached from here, and has use-auth-secret with the same static-auth-secret",
            ),
        }
    }
}

/// Where a server stands, and how it is reached.
struct Far {
    host: String,
    port: u16,
    tcp: bool,
    tls: bool,
}

impl Far {
    /// Of a URL that the settings took (RFC 7064, RFC 7065).
    fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let tls = scheme.ends_with('s');
        let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, query)| (place, query));
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => rest
                .split_once(']')
                .map(|(host, port)| (host, port.strip_prefix(':')))?,
            None => place
                .split_once(':')
                .map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let usual = if tls { 5_349 } else { 3_478 };
        Some(Self {
            host: host.to_owned(),
            port: port.map_or(Some(usual), |port| port.parse().ok())?,
            tcp: tls || query == "transport=tcp",
            tls,
        })
    }

    async fn connect(&self) -> Result<Line, String> {
        let place = (self.host.as_str(), self.port);
        let words = |error: std::io::Error| error.to_string();
        if !self.tcp {
            let far = tokio::net::lookup_host(place)
                .await
                .map_err(words)?
                .next()
                .ok_or("the name has no address")?;
            let own: SocketAddr = if far.is_ipv4() {
                ([0, 0, 0, 0], 0).into()
            } else {
                ([0u16; 8], 0).into()
            };
            let socket = UdpSocket::bind(own).await.map_err(words)?;
            socket.connect(far).await.map_err(words)?;
            return Ok(Line::Datagrams(socket));
        }
        let stream = TcpStream::connect(place).await.map_err(words)?;
        if !self.tls {
            return Ok(Line::Stream(Box::new(stream)));
        }
        let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::new(trusting().ok_or("no TLS")?));
        let stream = connector.connect(name, stream).await.map_err(words)?;
        Ok(Line::Stream(Box::new(stream)))
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

enum Line {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
}

impl Line {
    /// The answer to a request.
    async fn ask(&mut self, request: &Message) -> Result<Message, String> {
        let words = |error: std::io::Error| error.to_string();
        match self {
            Self::Datagrams(socket) => {
                for wait in RESEND {
                    socket.send(&request.raw).await.map_err(words)?;
                    let answer = async {
                        let mut buffer = [0; MAX_ANSWER];
                        loop {
                            let length = socket.recv(&mut buffer).await.map_err(words)?;
                            if let Some(answer) = answer_to(request, &buffer[..length]) {
                                return Ok(answer);
                            }
                        }
                    };
                    if let Ok(answer) = timeout(wait, answer).await {
                        return answer;
                    }
                }
                Err("no answer".to_owned())
            }
            Self::Stream(stream) => {
                stream.write_all(&request.raw).await.map_err(words)?;
                loop {
                    let mut bytes = vec![0; HEADER];
                    stream.read_exact(&mut bytes).await.map_err(words)?;
                    let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
                    if length > MAX_ANSWER {
                        return Err("what answers speaks no STUN".to_owned());
                    }
                    bytes.resize(HEADER + length, 0);
                    stream.read_exact(&mut bytes[HEADER..]).await.map_err(words)?;
                    if let Some(answer) = answer_to(request, &bytes) {
                        return Ok(answer);
                    }
                }
            }
        }
    }
}

fn answer_to(request: &Message, bytes: &[u8]) -> Option<Message> {
    let mut message = Message::new();
    message.unmarshal_binary(bytes).ok()?;
    (message.transaction_id == request.transaction_id).then_some(message)
}

type Part<'p> = Box<dyn Setter + 'p>;

fn request<'p>(method: Method, parts: impl IntoIterator<Item = Part<'p>>) -> Result<Message, String> {
    let mut message = Message::new();
    let head: [Part<'p>; 2] = [
        Box::new(MessageType::new(method, CLASS_REQUEST)),
        Box::new(TransactionId::new()),
    ];
    let parts: Vec<Part<'p>> = head.into_iter().chain(parts).collect();
    message.build(&parts).map_err(|error| error.to_string())?;
    Ok(message)
}

/// An attribute as it is.
struct Raw(rtc_stun::attributes::AttrType, [u8; 4]);

impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

async fn mapped(url: &str) -> Result<SocketAddr, String> {
    let far = Far::of(url).ok_or("the URL is none")?;
    let answer = far.connect().await?.ask(&request(METHOD_BINDING, [])?).await?;
    address(&answer, ATTR_XORMAPPED_ADDRESS)
}

fn address(answer: &Message, attribute: rtc_stun::attributes::AttrType) -> Result<SocketAddr, String> {
    let mut address = XorMappedAddress::default();
    let read = address.get_from_as(answer, attribute);
    read.map_err(|_| "the answer names no address".to_owned())?;
    Ok(SocketAddr::new(address.ip, address.port))
}

/// The refusal in an answer.
fn refusal(answer: &Message) -> Option<ErrorCodeAttribute> {
    if answer.typ.class != CLASS_ERROR_RESPONSE || !answer.contains(ATTR_ERROR_CODE) {
        return None;
    }
    let mut code = ErrorCodeAttribute::default();
    code.get_from(answer).ok()?;
    Some(code)
}

/// Allocates an address at a TURN server and gives it back (RFC 8656 sections 7 and 8).
async fn allocate(url: &str, name: &str, password: &str) -> Result<SocketAddr, String> {
    let far = Far::of(url).ok_or("the URL is none")?;
    let mut line = far.connect().await?;
    let wanted = || -> Part<'static> { Box::new(Raw(ATTR_REQUESTED_TRANSPORT, RELAY_UDP)) };
    // The first one is refused with what the second has to be signed with (RFC 8489 section 9.2).
    let first = line.ask(&request(METHOD_ALLOCATE, [wanted()])?).await?;
    match refusal(&first) {
        Some(code) if code.code.0 == UNAUTHENTICATED => {}
        Some(code) => return Err(format!("it refuses: {code}")),
        None => return Err("it relays for anybody, without a password".to_owned()),
    }
    let text = |attribute| {
        TextAttribute::get_from_as(&first, attribute)
            .map(|text| text.text)
            .map_err(|error| error.to_string())
    };
    let (realm, nonce) = (text(ATTR_REALM)?, text(ATTR_NONCE)?);
    let provider = AwsLcRsProvider::new();
    let signed = |method, part: Part<'static>| {
        let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
            name.to_owned(),
            realm.clone(),
            password.to_owned(),
            provider.crypto(),
        );
        let parts: [Part<'_>; 5] = [
            part,
            Box::new(TextAttribute::new(ATTR_USERNAME, name.to_owned())),
            Box::new(TextAttribute::new(ATTR_REALM, realm.clone())),
            Box::new(TextAttribute::new(ATTR_NONCE, nonce.clone())),
            Box::new(integrity.map_err(|error| error.to_string())?),
        ];
        request(method, parts)
    };
    let answer = line.ask(&signed(METHOD_ALLOCATE, wanted())?).await?;
    if let Some(code) = refusal(&answer) {
        return Err(format!("it refuses our credential: {code}"));
    }
    let relayed = address(&answer, ATTR_XOR_RELAYED_ADDRESS)?;
    // Lifetime 0 gives it back; a server that does not listen lets it expire.
    let _ = line
        .ask(&signed(METHOD_REFRESH, Box::new(Raw(ATTR_LIFETIME, [0; 4])))?)
        .await;
    Ok(relayed)
}

/// TLS that believes every certificate: what is asked is who answers, and nothing secret is said.
pub(super) fn trusting() -> Option<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?;
    let verifier = Arc::new(Believing(schemes));
    Some(
        builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth(),
    )
}

#[derive(Debug)]
struct Believing(Vec<SignatureScheme>);

impl ServerCertVerifier for Believing {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
