//! A simulated client's end of a transport: ICE checks, the seeded handshake, SRTP.

use crate::clock::{MS, Us};
use crate::sdp;
use invigil_sfu::core::transport::dtls::SrtpKeys;
use invigil_sfu::core::transport::keying::Seeded;
use invigil_sfu::core::transport::srtp::{Inbound, MAX_RTCP_OVERHEAD, Outbound};
use invigil_sfu::core::transport::stun::StunKey;
use invigil_sfu::core::transport::stun_client::Check;
use invigil_sfu::core::transport::{DatagramKind, DtlsRole, IceCredentials, classify};
use invigil_shared::id::TransportId;
use std::net::SocketAddr;
use std::time::Instant;

/// As the client has them (`src-tauri/crates/client/src/bounds.rs`).
const CHECK_CONNECTING: Us = 20 * MS;
const CHECK_CONNECTED: Us = 250 * MS;
const REPLAY_WINDOW: u16 = 512;

/// What a client needs of an answer.
pub struct Answer {
    pub credentials: IceCredentials,
    /// SSRCs of each m-line: media and repair.
    pub lines: Vec<(Option<u32>, Option<u32>)>,
}

/// What a datagram was.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Nothing that a client acts on, or not for us.
    Nothing,
    Connected,
    /// The server ended the association.
    Closed,
    /// Plaintext of this length.
    Rtp(usize),
    Rtcp(usize),
}

/// One end of one transport.
pub struct Endpoint {
    pub transport: TransportId,
    pub address: SocketAddr,
    pub local: IceCredentials,
    pub lines: Vec<(Option<u32>, Option<u32>)>,
    seed: [u8; 32],
    remote: Option<(IceCredentials, StunKey)>,
    handshake: Option<Seeded>,
    srtp: Option<(Inbound, Outbound)>,
    /// Reads what the server sends to us where it leaves: only a simulation has such keys.
    pub observer: Option<Inbound>,
    checks: u32,
    next_check: Us,
    /// When the path last proved that it lives.
    pub heard: Us,
    /// An ICE restart is on its way since then.
    pub restarting: Option<Us>,
}

impl Endpoint {
    /// Whether that is or was its address: each transport of a person has a port of its own, and keeps it when it moves.
    pub fn has_had(&self, address: SocketAddr) -> bool {
        address.port() == self.address.port()
    }

    pub fn new(seed: [u8; 32], transport: TransportId, address: SocketAddr, local: IceCredentials, now: Us) -> Self {
        Self {
            transport,
            address,
            local,
            lines: Vec::new(),
            seed,
            remote: None,
            handshake: None,
            srtp: None,
            observer: None,
            checks: 0,
            next_check: now,
            heard: now,
            restarting: None,
        }
    }

    /// The server's answer: to the first offer, or to a later one with `local` as new credentials.
    pub fn answered(&mut self, text: &str, now: Us, instant: Instant) {
        let Some(answer) = sdp::read_answer(text) else { return };
        if self.handshake.is_none() {
            let ufrags = (answer.credentials.ufrag.as_str(), self.local.ufrag.as_str());
            let end = |role| {
                let mut end = Seeded::new(&self.seed, role, ufrags);
                end.start(instant);
                end
            };
            let (mut theirs, mut ours) = (end(DtlsRole::Client), end(DtlsRole::Server));
            let keys = theirs
                .poll_transmit()
                .and_then(|record| ours.read(&record).ok().flatten());
            self.observer = keys.and_then(|keys| Inbound::new(keys.profile, &keys.inbound, REPLAY_WINDOW).ok());
            self.handshake = Some(end(DtlsRole::Server));
        }
        self.lines = answer.lines;
        let key = StunKey::new(&answer.credentials.pwd);
        self.remote = Some((answer.credentials, key));
        self.restarting = None;
        (self.next_check, self.heard) = (now, now);
    }

    pub fn is_answered(&self) -> bool {
        self.remote.is_some()
    }

    pub fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// When [`Self::poll`] is due.
    pub fn next(&self) -> Us {
        if self.remote.is_some() {
            self.next_check
        } else {
            Us::MAX
        }
    }

    /// Asks for a check at once: the network has changed under us.
    pub fn check_now(&mut self, now: Us) {
        self.next_check = now;
    }

    fn check(&self) -> Option<(Check<'_>, &StunKey)> {
        let (remote, key) = self.remote.as_ref()?;
        let mut transaction = [0; 12];
        transaction[..4].copy_from_slice(&self.checks.to_be_bytes());
        let check = Check {
            transaction,
            remote_ufrag: &remote.ufrag,
            local_ufrag: &self.local.ufrag,
            priority: 1_853_824_767,
            tie_breaker: 1,
            use_candidate: true,
        };
        Some((check, key))
    }

    /// What has to be sent by time alone.
    pub fn poll(&mut self, now: Us) -> Option<Vec<u8>> {
        if self.next_check > now || self.remote.is_none() {
            return None;
        }
        self.checks += 1;
        self.next_check = now
            + if self.is_connected() {
                CHECK_CONNECTED
            } else {
                CHECK_CONNECTING
            };
        self.check().map(|(check, key)| check.write(key))
    }

    /// Takes a datagram, opening it in place; `reply` is called for each datagram to answer with.
    pub fn read(&mut self, now: Us, datagram: &mut [u8], mut reply: impl FnMut(Vec<u8>)) -> Incoming {
        match classify(datagram) {
            Some(DatagramKind::Stun) => {
                if self
                    .check()
                    .is_some_and(|(check, key)| check.answered_by(datagram, key).is_some())
                {
                    self.heard = now;
                }
                Incoming::Nothing
            }
            Some(DatagramKind::Dtls) => {
                let Some(handshake) = self.handshake.as_mut() else {
                    return Incoming::Nothing;
                };
                let read = handshake.read(datagram);
                while let Some(record) = handshake.poll_transmit() {
                    reply(record.to_vec());
                }
                match read {
                    Ok(Some(keys)) => self.connect(&keys),
                    Ok(None) => Incoming::Nothing,
                    Err(_) => Incoming::Closed,
                }
            }
            Some(DatagramKind::Rtp) => self.opened(|srtp, bytes| srtp.open_rtp(bytes).ok(), datagram, Incoming::Rtp),
            Some(DatagramKind::Rtcp) => self.opened(|srtp, bytes| srtp.open_rtcp(bytes).ok(), datagram, Incoming::Rtcp),
            None => Incoming::Nothing,
        }
    }

    fn opened(
        &mut self,
        open: impl FnOnce(&mut Inbound, &mut [u8]) -> Option<usize>,
        datagram: &mut [u8],
        kind: impl FnOnce(usize) -> Incoming,
    ) -> Incoming {
        self.srtp
            .as_mut()
            .and_then(|(inbound, _)| open(inbound, datagram))
            .map_or(Incoming::Nothing, kind)
    }

    fn connect(&mut self, keys: &SrtpKeys) -> Incoming {
        let contexts = Inbound::new(keys.profile, &keys.inbound, REPLAY_WINDOW).ok();
        self.srtp = contexts.zip(Outbound::new(keys.profile, &keys.outbound).ok());
        Incoming::Connected
    }

    /// Seals a packet of ours; none before the handshake is done. `header` is none for RTCP.
    pub fn seal(&mut self, mut plain: Vec<u8>, header: Option<usize>) -> Option<Vec<u8>> {
        let (_, outbound) = self.srtp.as_mut()?;
        let length = plain.len();
        plain.resize(length + MAX_RTCP_OVERHEAD, 0);
        let sealed = match header {
            Some(header) => outbound.seal_rtp(&mut plain, header, length),
            None => outbound.seal_rtcp(&mut plain, length),
        };
        plain.truncate(sealed.expect("a client never uses an index twice"));
        Some(plain)
    }
}
