//! A core with hand-made peers around it, on one clock that only the test moves.

use crate::core::io::{Command, Direction, Event, Profile, Reply};
use crate::core::rtp::{ExtensionList, RtpHeader, write_header};
use crate::core::transport::credentials::{Fingerprint, IceCredentials};
use crate::core::transport::dtls::Dtls;
use crate::core::transport::srtp::{Inbound, MAX_RTCP_OVERHEAD, MAX_RTP_OVERHEAD, Outbound};
use crate::core::transport::{DatagramKind, DtlsIdentity, DtlsRole, classify};
use crate::core::{CoreConfig, Shard};
use invigil_shared::error::ErrorBody;
use invigil_shared::frame_info::{FRAME_INFO_URI, FrameInfo};
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::intent::{Intent, Priority};
use invigil_shared::publication::{Layer, LayerOffer, PublicationKey, PublicationRef};
use rtc_crypto::RTCCryptoProvider;
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

static OURS: LazyLock<Arc<DtlsIdentity>> = LazyLock::new(|| Arc::new(DtlsIdentity::generate().unwrap()));
static THEIRS: LazyLock<Arc<DtlsIdentity>> = LazyLock::new(|| Arc::new(DtlsIdentity::generate().unwrap()));

pub(crate) const H264: u8 = 102;
pub(crate) const RTX: u8 = 103;
pub(crate) const OPUS: u8 = 111;
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
pub(crate) const FRAME_INFO_ID: u8 = 4;
pub(crate) const TRANSPORT_CC_ID: u8 = 2;
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

struct Raw(AttrType);
impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
        message.add(self.0, &[]);
        Ok(())
    }
}

/// An opened packet that a peer received.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub header: RtpHeader,
    pub bytes: Vec<u8>,
}

impl Got {
    pub fn payload(&self) -> &[u8] {
        self.header.payload_of(&self.bytes)
    }
    pub fn frame(&self) -> Option<FrameInfo> {
        FrameInfo::read(self.header.extension(&self.bytes, FRAME_INFO_ID)?)
    }
}

/// A peer of the core.
pub(crate) struct Peer {
    pub transport: TransportId,
    pub address: SocketAddr,
    pub local: IceCredentials,
    remote: IceCredentials,
    dtls: Dtls,
    srtp: Option<(Inbound, Outbound)>,
    pub rtp: Vec<Got>,
    pub rtcp: Vec<Vec<u8>>,
    pub answer: String,
    pub silent: bool,
    transport_sequence: u16,
}

impl Peer {
    /// The far side of an answer.
    pub fn new(
        now: Instant,
        transport: TransportId,
        address: SocketAddr,
        local: IceCredentials,
        answer: String,
    ) -> Self {
        assert!(answer.contains("a=setup:active"));
        let fingerprint = answer
            .lines()
            .find_map(|line| line.strip_prefix("a=fingerprint:"))
            .and_then(Fingerprint::parse);
        let mut dtls = Dtls::new(THEIRS.clone(), DtlsRole::Server, fingerprint.unwrap());
        dtls.start(now).unwrap();
        Self {
            transport,
            address,
            local,
            remote: credentials_of(&answer),
            dtls,
            srtp: None,
            rtp: vec![],
            rtcp: vec![],
            answer,
            silent: false,
            transport_sequence: 0,
        }
    }

    /// Takes a datagram.
    pub fn read(&mut self, now: Instant, datagram: &mut Vec<u8>) {
        match classify(datagram) {
            Some(DatagramKind::Dtls) => {
                if let Ok(Some(keys)) = self.dtls.read(now, datagram) {
                    let inbound = Inbound::new(keys.profile, &keys.inbound, 128).unwrap();
                    self.srtp = Some((inbound, Outbound::new(keys.profile, &keys.outbound).unwrap()));
                }
            }
            Some(DatagramKind::Rtp) => {
                let length = self.srtp.as_mut().unwrap().0.open_rtp(datagram).unwrap();
                datagram.truncate(length);
                let header = RtpHeader::parse(datagram).unwrap();
                self.rtp.push(Got {
                    header,
                    bytes: datagram.clone(),
                });
            }
            Some(DatagramKind::Rtcp) => {
                let length = self.srtp.as_mut().unwrap().0.open_rtcp(datagram).unwrap();
                datagram.truncate(length);
                self.rtcp.push(datagram.clone());
            }
            _ => {}
        }
    }

    /// The next DTLS datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.dtls.poll_transmit().map(|data| data.to_vec())
    }

    /// A sealed packet of video that is a whole frame.
    pub fn video(&mut self, ssrc: u32, sequence: u16, frame: FrameInfo, payload: &[u8]) -> Vec<u8> {
        let (mut list, mut bytes) = (ExtensionList::default(), [0; 9]);
        let length = frame.write(&mut bytes);
        list.push(FRAME_INFO_ID, &bytes[..length]);
        let mut packet = Vec::new();
        write_header(
            &mut packet,
            (true, H264),
            (sequence, u32::from(sequence) * 9_000, ssrc),
            &list,
        );
        packet.extend_from_slice(payload);
        self.seal(packet, false)
    }

    /// An authenticated binding request.
    pub fn request(&self) -> Vec<u8> {
        let provider = rtc::crypto::providers::AwsLcRsProvider::new();
        let username = format!("{}:{}", self.remote.ufrag, self.local.ufrag);
        let pwd = self.remote.pwd.clone();
        let setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId::new()),
            Box::new(TextAttribute::new(ATTR_USERNAME, username)),
            Box::new(Raw(ATTR_USE_CANDIDATE)),
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                pwd,
                provider.crypto(),
            )),
            Box::new(FINGERPRINT),
        ];
        let mut message = Message::new();
        message.build(&setters).unwrap();
        message.raw.to_vec()
    }

    pub fn is_connected(&self) -> bool {
        self.srtp.is_some()
    }

    /// The SSRCs that the answer announced, m-line by m-line: media and repair.
    pub fn announced(&self) -> Vec<(u32, Option<u32>)> {
        let mut found = Vec::new();
        for section in self.answer.split("\r\nm=").skip(1) {
            let mut ssrcs: Vec<u32> = Vec::new();
            for line in section.lines().filter_map(|line| line.strip_prefix("a=ssrc:")) {
                let ssrc = line.split(' ').next().unwrap().parse().unwrap();
                if !ssrcs.contains(&ssrc) {
                    ssrcs.push(ssrc);
                }
            }
            found.push((ssrcs[0], ssrcs.get(1).copied()));
        }
        found
    }

    fn seal(&mut self, mut packet: Vec<u8>, rtcp: bool) -> Vec<u8> {
        let (_, outbound) = self.srtp.as_mut().unwrap();
        let plain = packet.len();
        packet.resize(plain + MAX_RTCP_OVERHEAD.max(MAX_RTP_OVERHEAD), 0);
        let sealed = if rtcp {
            outbound.seal_rtcp(&mut packet, plain)
        } else {
            let header = RtpHeader::parse(&packet[..plain]).unwrap().payload.0;
            outbound.seal_rtp(&mut packet, header, plain)
        };
        packet.truncate(sealed.unwrap());
        packet
    }
}

/// The core and everyone around it.
pub(crate) struct World {
    pub shard: Shard,
    pub now: Instant,
    pub start: Instant,
    pub peers: Vec<Peer>,
    pub events: Vec<Event>,
    sfu: SocketAddr,
    last_request: Instant,
}

impl World {
    pub fn new() -> Self {
        let now = Instant::now();
        let sfu: SocketAddr = "192.0.2.10:5000".parse().unwrap();
        let config = CoreConfig {
            candidates: vec![sfu],
            identity: OURS.clone(),
            seed: [7; 32],
            unix_us: START_US,
        };
        let shard = Shard::new(config, now);
        Self {
            shard,
            now,
            start: now,
            peers: vec![],
            events: vec![],
            sfu,
            last_request: now,
        }
    }

    pub fn server_us(&self) -> i64 {
        START_US + (self.now - self.start).as_micros() as i64
    }

    pub fn command(&mut self, command: Command) -> Result<Reply, ErrorBody> {
        let reply = self.shard.handle_command(self.now, command);
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
        let request = self.peers[at].request();
        let (address, sfu) = (self.peers[at].address, self.sfu);
        self.shard.handle_datagram(self.now, address, sfu, &mut request.clone());
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

    /// Carries datagrams until everyone is quiet.
    pub fn pump(&mut self) {
        loop {
            while let Some(event) = self.shard.poll_event() {
                self.events.push(event);
            }
            let mut out: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
            for batch in self.shard.transmits() {
                for run in batch.runs() {
                    out.extend(
                        batch
                            .datagrams(run)
                            .map(|datagram| (run.destination, datagram.to_vec())),
                    );
                }
            }
            self.shard.clear_transmits();
            if out.is_empty() {
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
                    let address = self.peers[at].address;
                    self.shard.handle_datagram(self.now, address, self.sfu, &mut data);
                }
            }
        }
    }

    /// Lets time pass in steps of 10 ms; peers that are not silent keep asking for consent.
    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            self.now += Duration::from_millis(10);
            self.shard.handle_timeout(self.now);
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
        let address = self.peers[at].address;
        self.shard.handle_datagram(self.now, address, self.sfu, datagram);
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

/// Two video lines and one of audio, sending.
pub(crate) fn publisher_media() -> Vec<String> {
    vec![video("sendonly", true), video("sendonly", true), audio("sendonly")]
}

/// `video` slots and one audio slot, receiving.
pub(crate) fn pool(slots: usize) -> Vec<String> {
    let mut media = vec![video("recvonly", true); slots];
    media.push(audio("recvonly"));
    media
}

pub(crate) fn video(direction: &str, native: bool) -> String {
    let mut text = format!(
        "m=video 9 UDP/TLS/RTP/SAVPF {H264} {RTX}\r\nc=IN IP4 0.0.0.0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:{H264} H264/90000\r\na=fmtp:{H264} packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtcp-fb:{H264} nack\r\na=rtcp-fb:{H264} nack pli\r\na=rtcp-fb:{H264} transport-cc\r\n\
         a=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={H264}\r\na=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\n"
    );
    if native {
        write!(text, "a=extmap:{FRAME_INFO_ID} {FRAME_INFO_URI}\r\n").unwrap();
    }
    text
}

pub(crate) fn audio(direction: &str) -> String {
    format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\r\nc=IN IP4 0.0.0.0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:{OPUS} opus/48000/2\r\na=extmap:3 {AUDIO_LEVEL}\r\na=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}\r\n"
    )
}

pub(crate) fn offer(local: &IceCredentials, media: &[String]) -> String {
    let mids: Vec<String> = (0..media.len()).map(|at| at.to_string()).collect();
    let mut text = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n",
        mids.join(" ")
    );
    write!(text, "a=fingerprint:{}\r\n", THEIRS.fingerprint()).unwrap();
    for (mid, section) in mids.iter().zip(media) {
        write!(text, "{section}a=mid:{mid}\r\na=setup:actpass\r\n").unwrap();
        write!(text, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", local.ufrag, local.pwd).unwrap();
    }
    text
}
