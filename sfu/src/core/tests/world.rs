//! One or more cores with hand-made peers around them, on one clock that only the test moves.

// By path, because the benches and the tests of whole processes take this file in too.
#[path = "lines.rs"]
mod lines;
#[path = "peer.rs"]
mod peer;

use crate::core::io::{Command, Direction, Event, Profile, Reply, ShardId};
use crate::core::network::Network;
use crate::core::relay::{RelayBatch, RelayMessage};
use crate::core::rtp::{ExtensionList, write_header};
use crate::core::transport::credentials::IceCredentials;
use crate::core::transport::{DtlsIdentity, Keying};
use crate::core::{CoreConfig, Shard};
use invigil_shared::error::ErrorBody;
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::intent::{Intent, Priority};
use invigil_shared::publication::{Layer, LayerOffer, PublicationKey, PublicationRef};
pub(crate) use lines::*;
pub(crate) use peer::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

static OURS: LazyLock<Arc<DtlsIdentity>> = LazyLock::new(|| Arc::new(DtlsIdentity::generate().unwrap()));
static THEIRS: LazyLock<Arc<DtlsIdentity>> = LazyLock::new(|| Arc::new(DtlsIdentity::generate().unwrap()));

pub(crate) const START_US: i64 = 1_790_000_000_000_000;

pub(crate) fn person(n: u8) -> ParticipantId {
    ParticipantId::from_parts(1, [n; 10])
}
pub(crate) fn exam(n: u8) -> ExamId {
    ExamId::from_parts(1, [n; 10])
}
pub(crate) fn camera(n: u8) -> PublicationRef {
    PublicationRef {
        participant: person(n),
        publication: PublicationKey::CAMERA,
    }
}
pub(crate) fn intent(slot: u16, wanted: PublicationRef, layer: Layer) -> Intent {
    Intent {
        slot,
        wanted,
        layer,
        priority: Priority::Tile,
    }
}
pub(crate) fn layer(rid: Layer, ssrc: u32) -> LayerOffer {
    LayerOffer {
        rid,
        ssrc: Some(ssrc),
        rtx_ssrc: Some(ssrc + 1),
        width: 320,
        height: 180,
        fps: 10,
        kbps: 100,
    }
}

/// The cores and everyone around them.
pub(crate) struct World {
    pub shards: Vec<Shard>,
    /// Which shard a participant lives on, where it is not its number modulo theirs.
    pub homes: BTreeMap<u8, usize>,
    /// Messages between shards stay where they are for now.
    pub hold_messages: bool,
    /// Where media of the next transports may come from; empty for anywhere.
    pub only_from: Vec<Network>,
    pub now: Instant,
    pub start: Instant,
    pub peers: Vec<Peer>,
    pub events: Vec<Event>,
    /// What each shard said to its siblings: from, to, what.
    pub relayed: Vec<(usize, ShardId, RelayMessage)>,
    transports: BTreeMap<TransportId, usize>,
    last_request: Instant,
}

fn sfu(shard: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10 + shard as u8], 5_000))
}

impl World {
    pub fn new() -> Self {
        Self::of(1)
    }

    pub fn of(shards: u16) -> Self {
        let now = Instant::now();
        let core = |id: u16| {
            let config = CoreConfig {
                shard: ShardId(id),
                siblings: (0..shards).filter(|other| *other != id).map(ShardId).collect(),
                candidates: vec![sfu(usize::from(id))],
                identity: OURS.clone(),
                keying: Keying::Dtls,
                seed: [7 + id as u8; 32],
                unix_us: START_US,
            };
            Shard::new(config, now)
        };
        Self {
            shards: (0..shards).map(core).collect(),
            homes: BTreeMap::new(),
            hold_messages: false,
            only_from: vec![],
            now,
            start: now,
            peers: vec![],
            events: vec![],
            relayed: vec![],
            transports: BTreeMap::new(),
            last_request: now,
        }
    }

    pub fn server_us(&self) -> i64 {
        START_US + (self.now - self.start).as_micros() as i64
    }

    fn home_of(&self, id: ParticipantId) -> usize {
        let who = (0..=u8::MAX).find(|n| person(*n) == id).unwrap();
        let usual = usize::from(who) % self.shards.len();
        self.homes.get(&who).copied().unwrap_or(usual)
    }

    /// Where control would send a command.
    fn place(&self, command: &Command) -> usize {
        match command {
            Command::AddTransport { participant, .. }
            | Command::Publish { participant, .. }
            | Command::Unpublish { participant, .. }
            | Command::SetMuted { participant, .. }
            | Command::RemoveParticipant { participant } => self.home_of(*participant),
            Command::SetIntents { subscriber, .. } => self.home_of(*subscriber),
            Command::RequestKeyframe { source, .. } | Command::AddTap { source, .. } => {
                self.home_of(source.participant)
            }
            Command::Offer { transport, .. }
            | Command::RestartIce { transport, .. }
            | Command::RemoveTransport { transport } => self.transports.get(transport).copied().unwrap_or(0),
        }
    }

    pub fn command(&mut self, command: Command) -> Result<Reply, ErrorBody> {
        let place = self.place(&command);
        self.command_at(place, command)
    }

    pub fn command_at(&mut self, shard: usize, command: Command) -> Result<Reply, ErrorBody> {
        if let Command::AddTransport { transport, .. } = &command {
            self.transports.insert(*transport, shard);
        }
        let reply = self.shards[shard].handle_command(self.now, command);
        self.pump();
        reply
    }

    fn credentials(&self, generation: usize) -> IceCredentials {
        let seed = (self.peers.len() * 7 + generation * 31) as u8;
        IceCredentials::from_random(std::array::from_fn(|at| {
            seed.wrapping_mul(37).wrapping_add(at as u8 * 7)
        }))
    }

    /// Adds a transport, connects it, and returns its place in [`Self::peers`].
    pub fn join(&mut self, who: u8, in_exam: u8, direction: Direction, media: &[String]) -> usize {
        let transport = TransportId::from_parts(2, [self.peers.len() as u8 + 1; 10]);
        let profile = if media.iter().any(|line| line.contains("frame-info")) {
            Profile::Native
        } else {
            Profile::Browser
        };
        let added = Command::AddTransport {
            transport,
            participant: person(who),
            exam: exam(in_exam),
            direction,
            profile,
            only_from: (!self.only_from.is_empty()).then(|| self.only_from.as_slice().into()),
        };
        self.command(added).unwrap();
        let local = self.credentials(0);
        let Reply::Answer(answer) = self
            .command(Command::Offer {
                transport,
                sdp: offer(&local, media),
            })
            .unwrap()
        else {
            panic!("not an answer")
        };
        let address = SocketAddr::from(([198, 51, 100, 7], 40_000 + self.peers.len() as u16));
        self.peers.push(Peer::new(self.now, transport, address, local, answer));
        let at = self.peers.len() - 1;
        self.check(at);
        assert!(self.peers[at].is_connected());
        at
    }

    /// Sends a binding request from the peer's address.
    pub fn check(&mut self, at: usize) {
        let mut request = self.peers[at].request();
        self.deliver(at, &mut request);
        self.pump();
    }

    /// An ICE restart with new credentials, from a new address.
    pub fn restart(&mut self, at: usize, media: &[String]) {
        let local = self.credentials(9);
        let transport = self.peers[at].transport;
        let Reply::Answer(answer) = self
            .command(Command::Offer {
                transport,
                sdp: offer(&local, media),
            })
            .unwrap()
        else {
            panic!("not an answer")
        };
        assert_ne!(credentials_of(&answer).ufrag, self.peers[at].remote.ufrag);
        let peer = &mut self.peers[at];
        (peer.local, peer.remote, peer.answer) = (local, credentials_of(&answer), answer);
        peer.address.set_port(peer.address.port() + 1_000);
        self.check(at);
    }

    pub fn remote_ufrag(&self, at: usize) -> String {
        self.peers[at].remote.ufrag.clone()
    }

    /// Carries datagrams, and what shards have for each other, until everyone is quiet.
    pub fn pump(&mut self) {
        loop {
            let mut out: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
            let mut busy = false;
            for at in 0..self.shards.len() {
                busy |= self.relay(at);
                let shard = &mut self.shards[at];
                while let Some(event) = shard.poll_event() {
                    self.events.push(event);
                }
                for batch in shard.transmits() {
                    for run in batch.runs() {
                        out.extend(
                            batch
                                .datagrams(run)
                                .map(|datagram| (run.destination, datagram.to_vec())),
                        );
                    }
                }
                shard.clear_transmits();
            }
            if out.is_empty() && !busy {
                return;
            }
            for (destination, mut datagram) in out {
                let Some(peer) = self.peers.iter_mut().find(|peer| peer.address == destination) else {
                    continue;
                };
                peer.read(self.now, &mut datagram);
            }
            for at in 0..self.peers.len() {
                while let Some(mut data) = self.peers[at].poll_transmit() {
                    self.deliver(at, &mut data);
                }
            }
        }
    }

    /// Carries what one shard has for its siblings. True when there was something.
    fn relay(&mut self, from: usize) -> bool {
        let id = ShardId(from as u16);
        let mut busy = false;
        while !self.hold_messages
            && let Some((to, message)) = self.shards[from].poll_relay()
        {
            self.relayed.push((from, to, message.clone()));
            self.shards[usize::from(to.0)].handle_relay(self.now, id, message);
            busy = true;
        }
        let waiting = self.shards[from].relays().map(|(to, batch)| {
            let mut taken = RelayBatch::default();
            taken.append(batch);
            (to, taken)
        });
        for (to, mut batch) in waiting.collect::<Vec<_>>() {
            self.shards[usize::from(to.0)].handle_relayed(self.now, id, &mut batch);
            busy = true;
        }
        busy
    }

    /// Lets time pass in steps of 10 ms; peers that are not silent keep asking for consent.
    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            self.now += Duration::from_millis(10);
            for shard in &mut self.shards {
                shard.handle_timeout(self.now);
            }
            self.pump();
            if self.now - self.last_request >= Duration::from_secs(5) {
                self.last_request = self.now;
                for at in 0..self.peers.len() {
                    if !self.peers[at].silent {
                        self.check(at);
                    }
                }
            }
        }
    }

    /// A peer sends a packet of its numbering.
    pub fn send(&mut self, at: usize, media: Media<'_>) {
        let mut sealed = self.sealed(at, media);
        self.deliver(at, &mut sealed);
        self.pump();
    }

    /// The core reads a datagram of a peer.
    pub fn deliver(&mut self, at: usize, datagram: &mut [u8]) {
        let peer = &self.peers[at];
        let shard = self.transports[&peer.transport];
        self.shards[shard].handle_datagram(self.now, peer.address, sfu(shard), datagram);
    }

    /// The core reads a datagram of a peer that others come with.
    pub fn read(&mut self, at: usize, datagram: &mut [u8]) {
        let peer = &self.peers[at];
        let shard = self.transports[&peer.transport];
        self.shards[shard].read(self.now, peer.address, sfu(shard), datagram);
    }

    /// The next packet of a peer's numbering, as it would send it.
    pub fn sealed(&mut self, at: usize, media: Media<'_>) -> Vec<u8> {
        let mut list = ExtensionList::default();
        let number = self.peers[at].transport_sequence;
        self.peers[at].transport_sequence = number.wrapping_add(1);
        list.push(TRANSPORT_CC_ID, &number.to_be_bytes());
        if let Some(frame) = media.frame {
            let mut bytes = [0; 9];
            let length = frame.write(&mut bytes);
            list.push(FRAME_INFO_ID, &bytes[..length]);
        }
        if let Some(level) = media.level {
            list.push(3, &[level]);
        }
        let mut packet = Vec::new();
        write_header(
            &mut packet,
            (true, media.payload_type),
            (media.sequence, media.timestamp, media.ssrc),
            &list,
        );
        packet.extend_from_slice(media.payload);
        self.peers[at].seal(packet, false)
    }

    /// A peer sends a packet that is written already.
    pub fn send_packet(&mut self, at: usize, packet: Vec<u8>) {
        let mut sealed = self.peers[at].seal(packet, false);
        self.deliver(at, &mut sealed);
        self.pump();
    }

    /// A peer sends RTCP.
    pub fn send_rtcp(&mut self, at: usize, compound: Vec<u8>) {
        let mut sealed = self.sealed_rtcp(at, compound);
        self.deliver(at, &mut sealed);
        self.pump();
    }

    /// A compound as a peer would send it.
    pub fn sealed_rtcp(&mut self, at: usize, compound: Vec<u8>) -> Vec<u8> {
        self.peers[at].seal(compound, true)
    }

    /// One packet of video that is a whole frame, captured now.
    pub fn frame(&mut self, at: usize, ssrc: u32, sequence: u16, key: bool, payload: &[u8]) {
        let captured = Some(self.server_us());
        let frame = FrameInfo {
            key,
            start: true,
            end: true,
            layer: Layer::Low,
            temporal: 0,
            captured,
        };
        let timestamp = ((self.now - self.start).as_micros() as u64 * 9 / 100) as u32;
        let timestamp = timestamp.wrapping_add(ssrc);
        self.send(
            at,
            Media {
                ssrc,
                sequence,
                payload_type: H264,
                timestamp,
                frame: Some(frame),
                level: None,
                payload,
            },
        );
    }

    /// A candidate with a camera of two layers, SSRCs 1000 and 2000 by its number.
    pub fn candidate(&mut self, who: u8, in_exam: u8) -> usize {
        let at = self.join(who, in_exam, Direction::Publish, &publisher_media());
        let (low, high) = ssrcs(who);
        let layers = vec![layer(Layer::Low, low), layer(Layer::High, high)];
        let publish = Command::Publish {
            participant: person(who),
            publication: PublicationKey::CAMERA,
            codec: "video/H264".into(),
            layers,
        };
        self.command(publish).unwrap();
        at
    }

    pub fn want(&mut self, who: u8, revision: u64, intents: Vec<Intent>) -> Result<Reply, ErrorBody> {
        self.command(Command::SetIntents {
            subscriber: person(who),
            revision,
            intents,
        })
    }
}

/// One packet to send.
#[derive(Clone, Copy)]
pub(crate) struct Media<'a> {
    pub ssrc: u32,
    pub sequence: u16,
    pub payload_type: u8,
    pub timestamp: u32,
    pub frame: Option<FrameInfo>,
    pub level: Option<u8>,
    pub payload: &'a [u8],
}

pub(crate) fn ssrcs(who: u8) -> (u32, u32) {
    (u32::from(who) * 10_000 + 1_000, u32::from(who) * 10_000 + 2_000)
}

fn credentials_of(answer: &str) -> IceCredentials {
    let find = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    IceCredentials::from_peer(find("a=ice-ufrag:"), find("a=ice-pwd:")).unwrap()
}
