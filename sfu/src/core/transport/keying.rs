//! Where an association's SRTP keys come from: DTLS, or in a simulation a seed that both ends know.
//!
//! DTLS draws randomness of its own, so a run over it never repeats. [`Seeded`] takes its place where every datagram has to:
//! two records shaped as DTLS's, lost and repeated like its flights, after which both ends hold keys of the seed and of both
//! user fragments. It proves nobody's identity.

use super::dtls::{Dtls, DtlsError, DtlsRole, SrtpKeys};
use super::srtp_kdf::{MasterKey, SrtpProfile};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use bytes::BytesMut;
use std::time::{Duration, Instant};

/// How the associations of a core get their keys.
///
/// Only code that makes a [`CoreConfig`](crate::core::CoreConfig) can choose: no setting of the binary, no message and no SDP
/// reaches this, and `shard::worker` always says [`Keying::Dtls`].
#[derive(Clone, Default)]
pub enum Keying {
    /// A handshake, checked against the certificate of the peer's SDP.
    #[default]
    Dtls,
    /// For simulations only: keys of this seed and the user fragments. Whoever knows the seed reads everything.
    Seeded([u8; 32]),
}

/// Between repetitions of an unanswered record, as in [`super::dtls`].
const FLIGHT_INTERVAL: Duration = Duration::from_millis(500);
/// Records sent before the handshake counts as failed: DTLS has 4 s too.
const MAX_FLIGHTS: u8 = 8;
/// DTLS record header (RFC 6347 section 4.1) and our tag.
const HEADER_LEN: usize = 13;
const TAG_LEN: usize = 32;
const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Waiting,
    Connected,
    Ended,
}

/// One end of the handshake that stands in for DTLS under [`Keying::Seeded`].
pub struct Seeded {
    key: hmac::Key,
    role: DtlsRole,
    /// Of the answerer and of the offerer: a key belongs to one pair only.
    ufrags: String,
    phase: Phase,
    outgoing: Vec<BytesMut>,
    repeat_at: Option<Instant>,
    flights: u8,
}

impl Seeded {
    /// The end that plays `role` between the answerer with the first user fragment and the offerer with the second.
    pub fn new(seed: &[u8; 32], role: DtlsRole, (answerer, offerer): (&str, &str)) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, seed),
            role,
            ufrags: format!("{answerer}:{offerer}"),
            phase: Phase::Idle,
            outgoing: Vec::new(),
            repeat_at: None,
            flights: 0,
        }
    }

    fn derive(&self, label: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(label.as_bytes());
        context.update(b":");
        context.update(self.ufrags.as_bytes());
        context.sign()
    }

    fn tag(&self, of: DtlsRole, kind: u8) -> hmac::Tag {
        let who = if of == DtlsRole::Client { "client" } else { "server" };
        self.derive(&format!("{who} {kind}"))
    }

    fn send(&mut self, kind: u8) {
        let mut record = BytesMut::from(&[kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, TAG_LEN as u8][..]);
        record.extend_from_slice(self.tag(self.role, kind).as_ref());
        self.outgoing.push(record);
    }

    /// Opens the door: a client sends its first record. Does nothing the second time.
    pub fn start(&mut self, now: Instant) {
        if self.phase != Phase::Idle {
            return;
        }
        self.phase = Phase::Waiting;
        if self.role == DtlsRole::Client {
            self.flight(now);
        }
    }

    fn flight(&mut self, now: Instant) {
        self.send(HANDSHAKE);
        self.flights += 1;
        self.repeat_at = Some(now + FLIGHT_INTERVAL);
    }

    fn is_theirs(&self, datagram: &[u8]) -> Option<u8> {
        let (&kind, tag) = (datagram.first()?, datagram.get(HEADER_LEN..)?);
        let other = match self.role {
            DtlsRole::Client => DtlsRole::Server,
            DtlsRole::Server => DtlsRole::Client,
        };
        verify_slices_are_equal(self.tag(other, kind).as_ref(), tag)
            .is_ok()
            .then_some(kind)
    }

    /// Takes a record; keys come out once. What the other end did not make is ignored.
    ///
    /// # Errors
    /// [`DtlsError::ClosedByPeer`] for its alert.
    pub fn read(&mut self, datagram: &[u8]) -> Result<Option<SrtpKeys>, DtlsError> {
        if matches!(self.phase, Phase::Idle | Phase::Ended) {
            return Ok(None);
        }
        match self.is_theirs(datagram) {
            Some(HANDSHAKE) => {}
            Some(ALERT) => {
                self.phase = Phase::Ended;
                return Err(DtlsError::ClosedByPeer);
            }
            _ => return Ok(None),
        }
        // A client that repeats itself has not seen the answer.
        if self.role == DtlsRole::Server {
            self.send(HANDSHAKE);
        }
        self.repeat_at = None;
        if self.phase == Phase::Connected {
            return Ok(None);
        }
        self.phase = Phase::Connected;
        self.keys().map(Some)
    }

    fn keys(&self) -> Result<SrtpKeys, DtlsError> {
        let profile = SrtpProfile::AeadAes128Gcm;
        let mut exported = self.derive("keys 1").as_ref().to_vec();
        exported.extend_from_slice(self.derive("keys 2").as_ref());
        exported.truncate(profile.exported_len());
        let (client, server) = MasterKey::split(profile, &exported)?;
        let (outbound, inbound) = match self.role {
            DtlsRole::Client => (client, server),
            DtlsRole::Server => (server, client),
        };
        Ok(SrtpKeys {
            profile,
            outbound,
            inbound,
        })
    }

    /// The next record to send.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        (!self.outgoing.is_empty()).then(|| self.outgoing.remove(0))
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.repeat_at.filter(|_| self.phase == Phase::Waiting)
    }

    /// Repeats a record that was not answered.
    ///
    /// # Errors
    /// [`DtlsError::TimedOut`] when that was the last one.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            if self.flights >= MAX_FLIGHTS {
                self.phase = Phase::Ended;
                return Err(DtlsError::TimedOut);
            }
            self.flight(now);
        }
        Ok(())
    }

    /// Tells the other end that it is over.
    pub fn close(&mut self) {
        if !matches!(self.phase, Phase::Idle | Phase::Ended) {
            self.send(ALERT);
        }
        self.phase = Phase::Ended;
    }
}

/// The handshake of one association, by its [`Keying`].
pub(super) enum Handshake {
    Dtls(Box<Dtls>),
    Seeded(Box<Seeded>),
}

impl Handshake {
    pub fn start(&mut self, now: Instant) -> Result<(), DtlsError> {
        match self {
            Self::Dtls(dtls) => dtls.start(now),
            Self::Seeded(seeded) => {
                seeded.start(now);
                Ok(())
            }
        }
    }

    pub fn read(&mut self, now: Instant, datagram: &[u8]) -> Result<Option<SrtpKeys>, DtlsError> {
        match self {
            Self::Dtls(dtls) => dtls.read(now, datagram),
            Self::Seeded(seeded) => seeded.read(datagram),
        }
    }

    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        match self {
            Self::Dtls(dtls) => dtls.poll_transmit(),
            Self::Seeded(seeded) => seeded.poll_transmit(),
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Dtls(dtls) => dtls.poll_timeout(),
            Self::Seeded(seeded) => seeded.poll_timeout(),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        match self {
            Self::Dtls(dtls) => dtls.handle_timeout(now),
            Self::Seeded(seeded) => seeded.handle_timeout(now),
        }
    }

    pub fn close(&mut self, now: Instant) {
        match self {
            Self::Dtls(dtls) => dtls.close(now),
            Self::Seeded(seeded) => seeded.close(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(seeds: [u8; 2]) -> (Seeded, Seeded) {
        let ufrags = ("answerer", "offerer1");
        (
            Seeded::new(&[seeds[0]; 32], DtlsRole::Client, ufrags),
            Seeded::new(&[seeds[1]; 32], DtlsRole::Server, ufrags),
        )
    }

    #[test]
    fn both_ends_hold_the_same_keys_also_when_records_are_lost() {
        let now = Instant::now();
        let (mut client, mut server) = pair([1, 1]);
        client.start(now);
        server.start(now);
        drop(client.poll_transmit());
        client.handle_timeout(now + FLIGHT_INTERVAL).unwrap();
        let theirs = server.read(&client.poll_transmit().unwrap()).unwrap().unwrap();
        drop(server.poll_transmit());
        client.handle_timeout(now + 2 * FLIGHT_INTERVAL).unwrap();
        assert!(server.read(&client.poll_transmit().unwrap()).unwrap().is_none());
        let ours = client.read(&server.poll_transmit().unwrap()).unwrap().unwrap();
        assert_eq!(
            (ours.outbound.key, ours.inbound.key),
            (theirs.inbound.key, theirs.outbound.key)
        );
        assert_ne!(ours.outbound.key, ours.inbound.key);
        assert_eq!(client.poll_timeout(), None);
        client.close();
        assert_eq!(
            server.read(&client.poll_transmit().unwrap()).err(),
            Some(DtlsError::ClosedByPeer)
        );
    }

    #[test]
    fn another_seed_connects_nobody_and_patience_ends() {
        let now = Instant::now();
        let (mut client, mut server) = pair([1, 2]);
        client.start(now);
        server.start(now);
        assert!(server.read(&client.poll_transmit().unwrap()).unwrap().is_none());
        assert!(server.poll_transmit().is_none());
        let ended = (1..20u32).find(|n| client.handle_timeout(now + *n * FLIGHT_INTERVAL).is_err());
        assert_eq!(ended, Some(u32::from(MAX_FLIGHTS)));
    }

    #[test]
    fn other_fragments_are_other_keys() {
        let keys = |offerer| {
            let mut server = Seeded::new(&[1; 32], DtlsRole::Server, ("answerer", offerer));
            let mut client = Seeded::new(&[1; 32], DtlsRole::Client, ("answerer", offerer));
            server.start(Instant::now());
            client.start(Instant::now());
            server
                .read(&client.poll_transmit().unwrap())
                .unwrap()
                .unwrap()
                .outbound
                .key
        };
        assert_ne!(keys("one"), keys("two"));
    }
}
