//! One transport with one participant: ICE-lite, DTLS and SRTP together, driven by datagrams and time.
//!
//! Nothing that a stranger sends changes anything here: a STUN request has to carry our password's HMAC, DTLS is read only
//! from addresses that proved it, and media only under keys that belong to the certificate of the peer's SDP.

use super::credentials::{Fingerprint, IceCredentials};
use super::dtls::{Dtls, DtlsError, DtlsIdentity, DtlsRole, SrtpKeys};
use super::keying::{Handshake, Keying, Seeded};
use super::srtp::{Inbound, Outbound};
pub use super::srtp::{OpenError, SealError};
use super::srtp_kdf::SrtpProfile;
use super::stun::{BindingRequest, StunAnswer, StunError, StunKey};
use bytes::BytesMut;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// RFC 7675 section 5.1: without consent for this long, nothing may be sent.
pub const CONSENT: Duration = Duration::from_secs(30);
/// From creation to keys. ICE's own patience is 26 s at most.
pub const SETUP_DEADLINE: Duration = Duration::from_secs(30);
/// A peer reads DTLS once it has nominated a path: `rtc-ice` 200 ms after its first check, browsers with it. A hello that
/// comes earlier is lost and costs [`super::dtls`]'s flight interval, so DTLS waits for the nomination, and starts without
/// one for agents that send it late.
const NOMINATION_PATIENCE: Duration = Duration::from_secs(1);
/// A path that is silent this long gives way to one that isn't, without a nomination: the peer's NAT has moved it.
const PATH_SILENCE: Duration = Duration::from_secs(3);
/// Addresses of one peer: interfaces times transports, and a few that a NAT left behind.
pub const MAX_ADDRESSES: usize = 8;
/// Events that the owner has not yet taken; past it new addresses are refused.
const MAX_EVENTS: usize = 64;

/// What an association is made of.
pub struct AssociationConfig {
    /// Our credentials, as in the answer.
    pub local: IceCredentials,
    /// The peer's credentials and certificate, as in the offer.
    pub remote: IceCredentials,
    pub remote_fingerprint: Fingerprint,
    pub role: DtlsRole,
    pub identity: Arc<DtlsIdentity>,
    pub keying: Keying,
    /// Packets of replay protection, 64 to 1024.
    pub replay_window: u16,
}

/// Where an association stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No authenticated request came yet.
    New,
    /// A path exists; DTLS is on its way.
    Handshaking,
    /// Media may flow.
    Connected,
    /// It will never carry media (again).
    Failed(FailReason),
    /// [`Association::close`] was called.
    Closed,
}

/// Why an association failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailReason {
    #[error(transparent)]
    Dtls(#[from] DtlsError),
    /// No keys within [`SETUP_DEADLINE`].
    #[error("setup timed out")]
    SetupTimedOut,
}

/// What the owner has to know. Take them with [`Association::poll_event`] after every input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Datagrams from this address belong to this association.
    AddressAdded(SocketAddr),
    /// They don't any more.
    AddressRemoved(SocketAddr),
    /// Media is to be sent here from now on.
    PathChanged(SocketAddr),
    /// Keys exist.
    Connected,
    /// No authenticated request for [`CONSENT`]; [`Event::ConsentRegained`] may follow.
    ConsentLost,
    ConsentRegained,
    /// The peer uses the credentials of the last [`Association::restart_ice`]; the local fragment named here is free.
    Restarted {
        retired_ufrag: String,
    },
    Failed(FailReason),
}

/// A datagram for [`Association::remote_addr`] as it was when it was taken.
#[derive(Debug)]
pub struct Transmit {
    pub to: SocketAddr,
    /// The socket address that the peer knows us by.
    pub from: SocketAddr,
    pub data: BytesMut,
}

/// An address that proved it knows our password.
#[derive(Clone, Copy)]
struct Path {
    remote: SocketAddr,
    local: SocketAddr,
    /// When its last authenticated request came.
    heard: Instant,
}

/// One side's view of an ICE session.
struct IceSession {
    local_ufrag: String,
    remote_ufrag: String,
    key: StunKey,
}

impl IceSession {
    fn new(local: &IceCredentials, remote: &IceCredentials) -> Self {
        let (local_ufrag, remote_ufrag) = (local.ufrag.clone(), remote.ufrag.clone());
        Self {
            local_ufrag,
            remote_ufrag,
            key: StunKey::new(&local.pwd),
        }
    }

    fn accepts(&self, request: &BindingRequest<'_>) -> bool {
        request.local_ufrag == self.local_ufrag && request.remote_ufrag == self.remote_ufrag
    }
}

/// One ICE + DTLS + SRTP association.
pub struct Association {
    ice: IceSession,
    /// The session before an ICE restart, believed until the new one is used (RFC 8445 section 2.4).
    previous: Option<IceSession>,
    paths: Vec<Path>,
    selected: Option<Path>,
    handshake: Handshake,
    srtp: Option<(SrtpProfile, Inbound, Outbound)>,
    replay_window: u16,
    state: State,
    created: Instant,
    /// DTLS starts then, if no nomination comes before.
    start_at: Option<Instant>,
    started: bool,
    consent_lost: bool,
    events: VecDeque<Event>,
}

impl Association {
    /// An association that waits for the peer's first request.
    pub fn new(config: AssociationConfig, now: Instant) -> Self {
        let handshake = match &config.keying {
            Keying::Dtls => {
                let dtls = Dtls::new(config.identity, config.role, config.remote_fingerprint);
                Handshake::Dtls(Box::new(dtls))
            }
            Keying::Seeded(seed) => {
                let ufrags = (config.local.ufrag.as_str(), config.remote.ufrag.as_str());
                Handshake::Seeded(Box::new(Seeded::new(seed, config.role, ufrags)))
            }
        };
        Self {
            ice: IceSession::new(&config.local, &config.remote),
            previous: None,
            paths: Vec::new(),
            selected: None,
            handshake,
            srtp: None,
            replay_window: config.replay_window,
            state: State::New,
            created: now,
            start_at: None,
            started: false,
            consent_lost: false,
            events: VecDeque::new(),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// The local user fragment that the peer has to name now.
    pub fn local_ufrag(&self) -> &str {
        &self.ice.local_ufrag
    }

    /// Where media goes; none before the first authenticated request.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.selected.map(|path| path.remote)
    }

    /// The address of ours that the selected path uses.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.selected.map(|path| path.local)
    }

    /// The negotiated profile, once connected.
    pub fn profile(&self) -> Option<SrtpProfile> {
        self.srtp.as_ref().map(|(profile, ..)| *profile)
    }

    fn last_heard(&self) -> Option<Instant> {
        self.paths.iter().map(|path| path.heard).max()
    }

    /// Whether media may be sent: connected, and the peer has asked within [`CONSENT`].
    pub fn may_send(&self, now: Instant) -> bool {
        self.state == State::Connected && self.last_heard().is_some_and(|heard| now < heard + CONSENT)
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Failed(_) | State::Closed)
    }

    /// Judges a STUN datagram that arrived from `source` on our address `local`. Send the answer to `source` first, then
    /// drain [`Self::poll_transmit`]: the peer has to know the path before DTLS comes over it.
    pub fn handle_stun(
        &mut self,
        now: Instant,
        source: SocketAddr,
        local: SocketAddr,
        packet: &[u8],
    ) -> Result<StunAnswer, StunError> {
        if self.is_over() {
            return Err(StunError::Closed);
        }
        let request = BindingRequest::parse(packet)?;
        let is_current = self.ice.accepts(&request);
        let session = match &self.previous {
            _ if is_current => &self.ice,
            Some(previous) if previous.accepts(&request) => previous,
            _ => return Err(StunError::WrongUsername),
        };
        request.authenticate(&session.key)?;
        let answer = request.success(source, &session.key);
        self.heard(now, source, local)?;
        if is_current && let Some(previous) = self.previous.take() {
            self.events.push_back(Event::Restarted {
                retired_ufrag: previous.local_ufrag,
            });
        }
        self.choose_path(now, source, request.use_candidate);
        if !self.started {
            self.start_at.get_or_insert(now + NOMINATION_PATIENCE);
            if request.use_candidate {
                self.start_dtls(now);
            }
        }
        Ok(answer)
    }

    fn heard(&mut self, now: Instant, source: SocketAddr, local: SocketAddr) -> Result<(), StunError> {
        if let Some(path) = self.paths.iter_mut().find(|path| path.remote == source) {
            path.heard = now;
            path.local = local;
        } else {
            if self.events.len() >= MAX_EVENTS {
                return Err(StunError::TooManyAddresses);
            }
            if self.paths.len() >= MAX_ADDRESSES {
                let selected = self.remote_addr();
                let oldest = (0..self.paths.len())
                    .filter(|&at| Some(self.paths[at].remote) != selected)
                    .min_by_key(|&at| self.paths[at].heard)
                    .ok_or(StunError::TooManyAddresses)?;
                let gone = self.paths.swap_remove(oldest);
                self.events.push_back(Event::AddressRemoved(gone.remote));
            }
            self.paths.push(Path {
                remote: source,
                local,
                heard: now,
            });
            self.events.push_back(Event::AddressAdded(source));
        }
        if std::mem::take(&mut self.consent_lost) {
            self.events.push_back(Event::ConsentRegained);
        }
        if self.state == State::New {
            self.state = State::Handshaking;
        }
        Ok(())
    }

    /// A lite agent uses what the controlling side nominated (RFC 8445 section 8.2.1); before that, and when the selected
    /// path has fallen silent, the path that was just heard.
    fn choose_path(&mut self, now: Instant, source: SocketAddr, nominated: bool) {
        let Some(path) = self.paths.iter().find(|path| path.remote == source).copied() else {
            return;
        };
        let current = self
            .selected
            .and_then(|selected| self.paths.iter().find(|path| path.remote == selected.remote));
        let silent = current.is_none_or(|current| current.heard + PATH_SILENCE <= now);
        let moves = self.remote_addr() != Some(source);
        if nominated || silent || !moves {
            self.selected = Some(path);
            if moves {
                self.events.push_back(Event::PathChanged(source));
            }
        }
    }

    fn start_dtls(&mut self, now: Instant) {
        self.started = true;
        self.start_at = None;
        if let Err(why) = self.handshake.start(now) {
            self.fail(why.into());
        }
    }

    fn fail(&mut self, why: FailReason) {
        if !self.is_over() {
            self.state = State::Failed(why);
            self.srtp = None;
            self.events.push_back(Event::Failed(why));
        }
    }

    /// Takes a DTLS datagram; ignored unless `source` has authenticated itself by STUN.
    pub fn handle_dtls(&mut self, now: Instant, source: SocketAddr, packet: &[u8]) {
        if self.is_over() || !self.paths.iter().any(|path| path.remote == source) {
            return;
        }
        if !self.started {
            self.start_dtls(now);
        }
        match self.handshake.read(now, packet) {
            Ok(None) => {}
            Ok(Some(keys)) => self.connect(&keys),
            Err(why) => self.fail(why.into()),
        }
    }

    fn connect(&mut self, keys: &SrtpKeys) {
        let contexts = Inbound::new(keys.profile, &keys.inbound, self.replay_window)
            .and_then(|inbound| Ok((inbound, Outbound::new(keys.profile, &keys.outbound)?)));
        match contexts {
            Ok((inbound, outbound)) => {
                self.srtp = Some((keys.profile, inbound, outbound));
                self.state = State::Connected;
                self.events.push_back(Event::Connected);
            }
            Err(_) => self.fail(DtlsError::HandshakeFailed.into()),
        }
    }

    /// Opens an SRTP packet in place; returns the plaintext's length, header included.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let (_, inbound, _) = self.srtp.as_mut().ok_or(OpenError::NotConnected)?;
        inbound.open_rtp(packet)
    }

    /// Opens an SRTCP packet in place; returns the length of the plaintext compound.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, OpenError> {
        let (_, inbound, _) = self.srtp.as_mut().ok_or(OpenError::NotConnected)?;
        inbound.open_rtcp(packet)
    }

    /// Seals the RTP packet `buf[..len]` (`header` bytes of it stay readable) in place; returns the sealed length. `buf`
    /// needs [`super::srtp::MAX_RTP_OVERHEAD`] bytes behind `len`. See [`Outbound::seal_rtp`] for the order of indices.
    pub fn seal_rtp(&mut self, buf: &mut [u8], header: usize, len: usize) -> Result<usize, SealError> {
        let (.., outbound) = self.srtp.as_mut().ok_or(SealError::NotConnected)?;
        outbound.seal_rtp(buf, header, len)
    }

    /// Seals the RTCP compound `buf[..len]` in place; `buf` needs [`super::srtp::MAX_RTCP_OVERHEAD`] bytes behind `len`.
    pub fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Result<usize, SealError> {
        let (.., outbound) = self.srtp.as_mut().ok_or(SealError::NotConnected)?;
        outbound.seal_rtcp(buf, len)
    }

    /// New ICE credentials of both sides; DTLS, keys and the path in use stay (RFC 8445 section 2.4, RFC 8842 section 4).
    /// The old local fragment keeps working until [`Event::Restarted`] names it.
    pub fn restart_ice(&mut self, local: &IceCredentials, remote: &IceCredentials) {
        let old = std::mem::replace(&mut self.ice, IceSession::new(local, remote));
        // A restart over an unfinished restart: the peer may still use the session that it last confirmed.
        if let Some(unused) = self.previous.is_some().then(|| old.local_ufrag.clone()) {
            self.events.push_back(Event::Restarted { retired_ufrag: unused });
        } else {
            self.previous = Some(old);
        }
    }

    /// Ends the association; a close_notify may be left in [`Self::poll_transmit`].
    pub fn close(&mut self, now: Instant) {
        if !self.is_over() {
            self.handshake.close(now);
            self.srtp = None;
            self.state = State::Closed;
        }
    }

    /// The next DTLS datagram. None without a path.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let path = self.selected?;
        self.handshake.poll_transmit().map(|data| Transmit {
            to: path.remote,
            from: path.local,
            data,
        })
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] is due next. Ask again after every input.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        let setup = (self.state != State::Connected).then(|| self.created + SETUP_DEADLINE);
        let consent = (self.state == State::Connected && !self.consent_lost)
            .then(|| self.last_heard().map(|heard| heard + CONSENT))
            .flatten();
        [self.handshake.poll_timeout(), self.start_at, setup, consent]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_over() {
            return;
        }
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_dtls(now);
        }
        if let Err(why) = self.handshake.handle_timeout(now) {
            self.fail(why.into());
        }
        if self.state == State::Connected {
            let lost = self.last_heard().is_none_or(|heard| heard + CONSENT <= now);
            if lost && !std::mem::replace(&mut self.consent_lost, true) {
                self.events.push_back(Event::ConsentLost);
            }
        } else if self.created + SETUP_DEADLINE <= now {
            self.fail(FailReason::SetupTimedOut);
        }
    }
}
