//! Looks whether UDP gets through again, while something else carries the transport.
//!
//! ICE keeps to the pair that it has chosen, and its restart gives up the connection that works. So a check of our own goes
//! first, from a socket of its own: an authenticated request (RFC 8445 section 7.2.4) as ICE would send it, which nominates
//! nothing. Only when it is answered is ICE restarted, and finds UDP at once.

use rtc::crypto::RTCCryptoProvider;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::stun::attributes::ATTR_USERNAME;
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc::stun::textattrs::TextAttribute;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

/// Requests of one look, and how long an answer to the last is waited for: a lost packet proves nothing.
const REQUESTS: u32 = 4;
const WAIT: Duration = Duration::from_millis(300);
/// A success response is below 100 bytes.
const MAX_RESPONSE: usize = 1_024;

/// What a check needs to know, as of one negotiation.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    username: String,
    pwd: String,
    servers: Vec<SocketAddr>,
}

impl Probe {
    /// From our offer and the server's answer; none when the answer has no host candidate by UDP.
    pub fn of(offer: &str, answer: &str) -> Option<Self> {
        let (ours, theirs) = (value(offer, "a=ice-ufrag:")?, value(answer, "a=ice-ufrag:")?);
        let servers: Vec<SocketAddr> = answer
            .lines()
            .filter_map(|line| udp_host(line.trim().strip_prefix("a=candidate:")?))
            .collect();
        (!servers.is_empty()).then(|| Self {
            username: format!("{theirs}:{ours}"),
            pwd: value(answer, "a=ice-pwd:").unwrap_or_default().to_owned(),
            servers,
        })
    }

    /// True when a server has answered by UDP. `bind`: local addresses, as for the transport.
    pub async fn look(self, bind: Vec<String>) -> bool {
        for server in &self.servers {
            let local = bind
                .iter()
                .filter_map(|text| text.parse::<SocketAddr>().ok())
                .find(|local| local.is_ipv4() == server.is_ipv4());
            let Some(local) = local else { continue };
            match self.ask(local, *server).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::debug!(%server, %error, "UDP can't be tried"),
            }
        }
        false
    }

    async fn ask(&self, local: SocketAddr, server: SocketAddr) -> std::io::Result<bool> {
        let socket = UdpSocket::bind(SocketAddr::new(local.ip(), 0)).await?;
        // Only the server's datagrams are received then, and a refusal is an error.
        socket.connect(server).await?;
        let mut buffer = [0; MAX_RESPONSE];
        for _ in 0..REQUESTS {
            let Some(request) = self.request() else {
                return Ok(false);
            };
            socket.send(&request.raw).await?;
            let answered = async {
                loop {
                    let length = socket.recv(&mut buffer).await?;
                    if self.answers(&request, &buffer[..length]) {
                        return std::io::Result::Ok(());
                    }
                }
            };
            match tokio::time::timeout(WAIT, answered).await {
                Ok(Ok(())) => return Ok(true),
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    fn request(&self) -> Option<Message> {
        let provider = AwsLcRsProvider::new();
        let pwd = self.pwd.clone();
        let setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId::new()),
            Box::new(TextAttribute::new(ATTR_USERNAME, self.username.clone())),
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                pwd,
                provider.crypto(),
            )),
            Box::new(FINGERPRINT),
        ];
        let mut message = Message::new();
        message.build(&setters).ok()?;
        Some(message)
    }

    fn answers(&self, request: &Message, datagram: &[u8]) -> bool {
        let mut message = Message {
            raw: datagram.to_vec(),
            ..Message::default()
        };
        message.decode().is_ok()
            && message.typ == BINDING_SUCCESS
            && message.transaction_id == request.transaction_id
            && MessageIntegrity::check(&mut message, self.pwd.as_bytes(), AwsLcRsProvider::new().crypto()).is_ok()
    }
}

/// The first line of an SDP that begins so; all m-lines of ours are one bundle.
fn value<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.trim().strip_prefix(name))
}

fn udp_host(candidate: &str) -> Option<SocketAddr> {
    let mut words = candidate.split_ascii_whitespace();
    let transport = words.nth(2)?;
    let (ip, port) = (words.nth(1)?, words.next()?);
    let host = words.next()? == "typ" && words.next()? == "host";
    let udp = transport.eq_ignore_ascii_case("udp");
    (udp && host)
        .then(|| Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(server: SocketAddr) -> Probe {
        let answer = format!(
            "v=0\r\na=ice-ufrag:AAAtheirs\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\na=candidate:1 1 udp 2130706431 {} {} typ host\r\na=candidate:T1 1 tcp 1 {} 9 typ host tcptype passive\r\n",
            server.ip(),
            server.port(),
            server.ip(),
        );
        Probe::of("a=ice-ufrag:ours\r\na=ice-ufrag:again\r\n", &answer).unwrap()
    }

    /// A server that answers each request with what `answer` makes of it.
    async fn server(answer: impl Fn(&Message) -> Vec<u8> + Send + 'static) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; MAX_RESPONSE];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let mut request = Message {
                    raw: buffer[..length].to_vec(),
                    ..Message::default()
                };
                request.decode().unwrap();
                socket.send_to(&answer(&request), from).await.unwrap();
            }
        });
        address
    }

    fn success(request: &Message, pwd: &str) -> Vec<u8> {
        let provider = AwsLcRsProvider::new();
        let setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_SUCCESS),
            Box::new(request.transaction_id),
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                pwd.to_owned(),
                provider.crypto(),
            )),
            Box::new(FINGERPRINT),
        ];
        let mut message = Message::new();
        message.build(&setters).unwrap();
        message.raw.to_vec()
    }

    #[tokio::test]
    async fn only_an_authenticated_answer_counts() {
        let bind = || vec!["127.0.0.1:0".to_owned()];
        let good = server(|request| success(request, "aaaaaaaaaaaaaaaaaaaaaaaa")).await;
        let asked = probe(good);
        assert_eq!(asked.username, "AAAtheirs:ours");
        assert_eq!(asked.servers, [good]);
        assert!(asked.look(bind()).await);
        let forged = server(|request| success(request, "another password of 24 ch")).await;
        assert!(!probe(forged).look(bind()).await);
        let stale = server(|_| success(&Message::new(), "aaaaaaaaaaaaaaaaaaaaaaaa")).await;
        assert!(!probe(stale).look(bind()).await);
        // Nobody there: refused by the machine.
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(!probe(closed).look(bind()).await);
    }
}
