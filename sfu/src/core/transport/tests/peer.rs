//! A peer's half of ICE made by `rtc-stun`, and an association with its datagrams in hand.

use super::super::association::{Association, AssociationConfig, Event};
use super::super::credentials::{Fingerprint, IceCredentials};
use super::super::dtls::{Dtls, DtlsIdentity, DtlsRole};
use super::super::keying::Keying;
use rtc_crypto::RTCCryptoProvider;
use rtc_shared::error::Result as RtcResult;
use rtc_stun::attributes::{ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

/// A certificate takes a while to make; all tests share two.
pub(super) static OURS: LazyLock<Arc<DtlsIdentity>> = LazyLock::new(|| Arc::new(DtlsIdentity::generate().unwrap()));
pub(super) static THEIRS: LazyLock<Arc<DtlsIdentity>> = LazyLock::new(|| Arc::new(DtlsIdentity::generate().unwrap()));

pub(super) fn credentials(seed: u8) -> IceCredentials {
    IceCredentials::from_random(std::array::from_fn(|at| {
        seed.wrapping_mul(31).wrapping_add(at as u8 * 7)
    }))
}

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Any attribute, at its place in the message.
pub(super) struct Raw(pub AttrType, pub Vec<u8>);

impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> RtcResult<()> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

/// What a Binding request is made of.
pub(super) struct Request {
    pub username: String,
    pub pwd: String,
    pub extra: Vec<Raw>,
    pub nominates: bool,
}

impl Request {
    /// From `remote` to `local`, whose password signs it.
    pub(super) fn new(local: &IceCredentials, remote: &IceCredentials) -> Self {
        let username = format!("{}:{}", local.ufrag, remote.ufrag);
        Self {
            username,
            pwd: local.pwd.clone(),
            extra: Vec::new(),
            nominates: false,
        }
    }

    pub(super) fn nominating(mut self) -> Self {
        self.nominates = true;
        self
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        let provider = rtc::crypto::providers::AwsLcRsProvider::new();
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId::new()),
            Box::new(TextAttribute::new(ATTR_USERNAME, self.username)),
            Box::new(Raw(ATTR_PRIORITY, 1_853_824_767u32.to_be_bytes().to_vec())),
        ];
        if self.nominates {
            setters.push(Box::new(Raw(ATTR_USE_CANDIDATE, Vec::new())));
        }
        for raw in self.extra {
            setters.push(Box::new(raw));
        }
        setters.push(Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            self.pwd,
            provider.crypto(),
        )));
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters).unwrap();
        message.raw.to_vec()
    }
}

/// An association and the peer that it was made for.
pub(super) struct Pair {
    pub now: Instant,
    pub sfu: Association,
    pub peer: Dtls,
    pub local: IceCredentials,
    pub remote: IceCredentials,
    pub sfu_addr: SocketAddr,
    pub peer_addr: SocketAddr,
}

impl Pair {
    /// The SFU in `role`; the SDP announced `announced` as the peer's certificate.
    pub(super) fn new(role: DtlsRole, announced: Fingerprint) -> Self {
        let (now, local, remote) = (Instant::now(), credentials(1), credentials(2));
        let config = AssociationConfig {
            local: local.clone(),
            remote: remote.clone(),
            remote_fingerprint: announced,
            role,
            identity: OURS.clone(),
            keying: Keying::Dtls,
            replay_window: 64,
        };
        let theirs = if role == DtlsRole::Client {
            DtlsRole::Server
        } else {
            DtlsRole::Client
        };
        let peer = Dtls::new(THEIRS.clone(), theirs, OURS.fingerprint());
        let (sfu_addr, peer_addr) = (addr("192.0.2.10:5000"), addr("198.51.100.7:40000"));
        Self {
            now,
            sfu: Association::new(config, now),
            peer,
            local,
            remote,
            sfu_addr,
            peer_addr,
        }
    }

    pub(super) fn other(role: DtlsRole) -> DtlsRole {
        if role == DtlsRole::Client {
            DtlsRole::Server
        } else {
            DtlsRole::Client
        }
    }

    /// A Binding request from `source`; returns the events that followed.
    pub(super) fn bind(&mut self, source: SocketAddr, nominates: bool) -> Vec<Event> {
        let mut request = Request::new(&self.local, &self.remote);
        request.nominates = nominates;
        self.sfu
            .handle_stun(self.now, source, self.sfu_addr, &request.bytes())
            .unwrap();
        self.events()
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.sfu.poll_event()).collect()
    }

    /// Carries DTLS both ways until neither side has anything to say.
    pub(super) fn shake_hands(&mut self) {
        self.peer.start(self.now).unwrap();
        loop {
            let mut quiet = true;
            while let Some(transmit) = self.sfu.poll_transmit() {
                quiet = false;
                let _ = self.peer.read(self.now, &transmit.data);
            }
            while let Some(data) = self.peer.poll_transmit() {
                quiet = false;
                self.sfu.handle_dtls(self.now, self.peer_addr, &data);
            }
            if quiet {
                return;
            }
        }
    }
}
