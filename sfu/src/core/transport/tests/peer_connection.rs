//! A whole `rtc` PeerConnection against our answer and our association, in memory and in virtual time: SDP, ICE, DTLS and
//! SRTP in both directions, with a peer that we did not write.

use super::super::association::{Association, AssociationConfig, Event, State};
use super::super::dtls::DtlsRole;
use super::super::keying::Keying;
use super::super::sdp::{AnswerParams, Codec, Offer, SectionPlan, SendStream, plan, write_answer};
use super::super::srtp::rtp_header_len;
use super::super::srtp_kdf::SrtpProfile;
use super::super::{DatagramKind, classify};
use super::peer::{OURS, addr, credentials};
use super::{rtcp, rtp};
use bytes::{Bytes, BytesMut};
use invigil_shared::frame_info::FRAME_INFO_URI;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCDtlsRole, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::*;
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SSRC: u32 = 111_111;
const RTX: u32 = 111_112;
const DOWN: u32 = 700_000;

fn codec(kind: RtpCodecKind) -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.into(),
        parameter: parameter.into(),
    };
    match kind {
        RtpCodecKind::Audio => RTCRtpCodec {
            mime_type: "audio/opus".into(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1".into(),
            rtcp_feedback: vec![feedback("transport-cc", "")],
        },
        _ => RTCRtpCodec {
            mime_type: "video/H264".into(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f".into(),
            rtcp_feedback: [("nack", ""), ("nack", "pli"), ("ccm", "fir"), ("transport-cc", "")]
                .map(|(a, b)| feedback(a, b))
                .into(),
        },
    }
}

fn engine() -> MediaEngine {
    let mut engine = MediaEngine::default();
    let rtx = RTCRtpCodec {
        mime_type: "video/rtx".into(),
        clock_rate: 90_000,
        sdp_fmtp_line: "apt=102".into(),
        ..Default::default()
    };
    for (rtp_codec, payload_type, kind) in [
        (codec(RtpCodecKind::Video), 102, RtpCodecKind::Video),
        (rtx, 103, RtpCodecKind::Video),
        (codec(RtpCodecKind::Audio), 111, RtpCodecKind::Audio),
    ] {
        engine
            .register_codec(
                RTCRtpCodecParameters {
                    rtp_codec,
                    payload_type,
                },
                kind,
            )
            .unwrap();
    }
    for uri in [FRAME_INFO_URI, "urn:ietf:params:rtp-hdrext:sdes:mid"] {
        engine
            .register_header_extension(
                RTCRtpHeaderExtensionCapability { uri: uri.into() },
                RtpCodecKind::Video,
                None,
            )
            .unwrap();
    }
    engine
}

/// Both ends and the wire between them.
struct World {
    now: Instant,
    pc: RTCPeerConnection,
    sender: RTCRtpSenderId,
    sfu: Association,
    plan: Vec<SectionPlan>,
    pc_addr: SocketAddr,
    sfu_addr: SocketAddr,
    at_sfu: Vec<Vec<u8>>,
    rtcp_at_sfu: usize,
    at_pc: Vec<rtc::rtp::Packet>,
    events: Vec<Event>,
    pc_connected: bool,
    answer: String,
}

impl World {
    fn new(role: DtlsRole) -> Self {
        let (now, pc_addr, sfu_addr) = (Instant::now(), addr("127.0.0.1:40000"), addr("127.0.0.1:5000"));
        let settings = SettingEngineBuilder::new()
            .with_answering_dtls_role(RTCDtlsRole::Client)
            .build();
        let mut pc = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_setting_engine(settings)
            .with_media_engine(engine())
            .build(now)
            .unwrap();
        let encoding = RTCRtpEncodingParameters {
            active: true,
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(SSRC),
                rtx: Some(RTCRtpRtxParameters { ssrc: RTX }),
                ..Default::default()
            },
            codec: codec(RtpCodecKind::Video),
            ..Default::default()
        };
        let track = MediaStreamTrack::new(
            "cam".into(),
            "low".into(),
            "low".into(),
            RtpCodecKind::Video,
            vec![encoding.clone()],
        );
        let send = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec!["cam".into()],
            send_encodings: vec![encoding],
        };
        pc.add_transceiver_from_track(track, Some(send)).unwrap();
        let receive = |direction| RTCRtpTransceiverInit {
            direction,
            streams: vec![],
            send_encodings: vec![],
        };
        for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
            pc.add_transceiver_from_kind(kind, Some(receive(RTCRtpTransceiverDirection::Recvonly)))
                .unwrap();
        }
        let base_config = CandidateConfig {
            network: "udp".into(),
            address: pc_addr.ip().to_string(),
            port: pc_addr.port(),
            component: 1,
            ..Default::default()
        };
        let host = CandidateHostConfig {
            base_config,
            ..Default::default()
        }
        .new_candidate_host()
        .unwrap();
        pc.add_local_candidate(RTCIceCandidate::from(&host).to_json().unwrap())
            .unwrap();
        let offer = pc.create_offer(None).unwrap();
        pc.set_local_description(now, offer).unwrap();

        let offer = Offer::parse(&pc.local_description().unwrap().sdp).unwrap();
        let plan = plan(&offer, &[Codec::H264, Codec::Vp8]);
        let local = credentials(1);
        let down = |ssrc, rtx_ssrc| {
            Some(SendStream {
                ssrc,
                rtx_ssrc,
                cname: "sfu".into(),
                stream: format!("s{ssrc}"),
                track: format!("t{ssrc}"),
            })
        };
        let sends = [None, down(DOWN, Some(DOWN + 1)), down(DOWN + 2, None)];
        let params = AnswerParams {
            session_id: 1,
            session_version: 1,
            local: &local,
            fingerprint: OURS.fingerprint(),
            role,
            candidates: &[sfu_addr],
            tcp: false,
        };
        let answer = write_answer(&offer, &plan, &params, &sends).unwrap();
        let config = AssociationConfig {
            local,
            remote: offer.ice.clone(),
            remote_fingerprint: offer.fingerprint,
            role,
            identity: OURS.clone(),
            keying: Keying::Dtls,
            replay_window: 256,
        };
        let sfu = Association::new(config, now);
        pc.set_remote_description(now, RTCSessionDescription::answer(answer.clone()).unwrap())
            .unwrap();
        let sender = pc.get_senders().next().unwrap();
        Self {
            now,
            pc,
            sender,
            sfu,
            plan,
            pc_addr,
            sfu_addr,
            at_sfu: vec![],
            rtcp_at_sfu: 0,
            at_pc: vec![],
            events: vec![],
            pc_connected: false,
            answer,
        }
    }

    fn reach_pc(&mut self, data: &[u8]) {
        let transport = TransportContext {
            local_addr: self.pc_addr,
            peer_addr: self.sfu_addr,
            ecn: None,
            transport_protocol: TransportProtocol::UDP,
        };
        self.pc
            .handle_read(TaggedBytesMut {
                now: self.now,
                transport,
                message: BytesMut::from(data),
            })
            .unwrap();
    }

    fn reach_sfu(&mut self, data: &[u8]) {
        match classify(data).unwrap() {
            DatagramKind::Stun => {
                // The agent also answers; an ICE-lite side asks nothing, so only requests come.
                let answer = self
                    .sfu
                    .handle_stun(self.now, self.pc_addr, self.sfu_addr, data)
                    .unwrap();
                self.reach_pc(answer.as_bytes());
            }
            DatagramKind::Dtls => self.sfu.handle_dtls(self.now, self.pc_addr, data),
            DatagramKind::Rtp => {
                let mut packet = data.to_vec();
                let len = self.sfu.open_rtp(&mut packet).unwrap();
                packet.truncate(len);
                self.at_sfu.push(packet);
            }
            DatagramKind::Rtcp => {
                self.sfu.open_rtcp(&mut data.to_vec()).unwrap();
                self.rtcp_at_sfu += 1;
            }
        }
    }

    /// Carries what is there; false when both sides are quiet.
    fn carry(&mut self) -> bool {
        let mut moved = false;
        while let Some(write) = self.pc.poll_write() {
            moved = true;
            self.reach_sfu(&write.message);
        }
        while let Some(transmit) = self.sfu.poll_transmit() {
            moved = true;
            assert_eq!((transmit.to, transmit.from), (self.pc_addr, self.sfu_addr));
            self.reach_pc(&transmit.data);
        }
        while let Some(event) = self.sfu.poll_event() {
            self.events.push(event);
        }
        while let Some(event) = self.pc.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.pc_connected = state == RTCPeerConnectionState::Connected;
            }
        }
        while let Some(read) = self.pc.poll_media_read() {
            if let RTCMessage::RtpPacket(_, packet) = read.message {
                self.at_pc.push(packet);
            }
        }
        moved
    }

    /// Lets virtual time pass until `done`; how long that took, none past `limit`.
    fn run(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Option<Duration> {
        let start = self.now;
        loop {
            while self.carry() {}
            if done(self) {
                return Some(self.now - start);
            }
            let due = [self.pc.poll_timeout(), self.sfu.poll_timeout()]
                .into_iter()
                .flatten()
                .min()?;
            self.now = due.max(self.now + Duration::from_millis(1));
            if self.now > start + limit {
                return None;
            }
            self.pc.handle_timeout(self.now).unwrap();
            self.sfu.handle_timeout(self.now);
        }
    }
}

fn connects(role: DtlsRole) -> World {
    let mut world = World::new(role);
    let took = world.run(Duration::from_secs(10), |world| {
        world.sfu.state() == State::Connected && world.pc_connected
    });
    let took = took.unwrap_or_else(|| {
        panic!(
            "not connected: {:?} {:?}\n{}",
            world.sfu.state(),
            world.events,
            world.answer
        )
    });
    // 201 ms of it are the agent's wait before its nomination; as a client we are connected in the same instant.
    let most = if role == DtlsRole::Client { 250 } else { 1_000 };
    assert!(took < Duration::from_millis(most), "{role:?} took {took:?}");
    assert_eq!(world.sfu.profile(), Some(SrtpProfile::AeadAes128Gcm));
    assert!(world.events.contains(&Event::Connected));
    world
}

fn media_flows(mut world: World) {
    let chosen = world.plan[0].codec.clone().unwrap();
    assert_eq!((chosen.codec, chosen.pt, chosen.rtx_pt), (Codec::H264, 102, Some(103)));
    // Up, over a rollover of the sequence number.
    for at in 0..50u16 {
        let header = rtc::rtp::header::Header {
            version: 2,
            payload_type: chosen.pt,
            sequence_number: 65_520u16.wrapping_add(at),
            timestamp: 3_000 * u32::from(at),
            ssrc: SSRC,
            ..Default::default()
        };
        let packet = rtc::rtp::Packet {
            header,
            payload: Bytes::from(vec![at as u8; 500]),
        };
        world
            .pc
            .rtp_sender(world.sender)
            .unwrap()
            .write_rtp(world.now, packet)
            .unwrap();
        while world.carry() {}
    }
    assert_eq!(world.at_sfu.len(), 50);
    for (at, packet) in world.at_sfu.iter().enumerate() {
        assert_eq!(packet[rtp_header_len(packet).unwrap()..], vec![at as u8; 500]);
    }
    // Down, video and audio.
    let down = world.plan[1].codec.clone().unwrap();
    assert_eq!(down.pt, 102);
    for at in 0..50u16 {
        let mut packet = rtp(DOWN, 65_520u16.wrapping_add(at), 200);
        packet[1] = down.pt;
        let len = packet.len();
        packet.resize(len + 16, 0);
        let sealed = world.sfu.seal_rtp(&mut packet, 12, len).unwrap();
        world.reach_pc(&packet[..sealed]);
        while world.carry() {}
    }
    assert_eq!(world.at_pc.len(), 50);
    for (at, packet) in world.at_pc.iter().enumerate() {
        assert_eq!(
            (packet.header.ssrc, packet.header.sequence_number),
            (DOWN, 65_520u16.wrapping_add(at as u16))
        );
        assert_eq!(packet.payload, rtp(DOWN, packet.header.sequence_number, 200)[12..]);
    }
    // RTCP: the peer's own reports arrive, and a report of ours is not an error.
    let mut report = rtcp(1, 0);
    let len = report.len();
    report.resize(len + 20, 0);
    let sealed = world.sfu.seal_rtcp(&mut report, len).unwrap();
    world.reach_pc(&report[..sealed]);
    while world.carry() {}
}

#[test]
fn a_peer_connection_meets_an_active_sfu() {
    media_flows(connects(DtlsRole::Client));
}

#[test]
fn a_peer_connection_meets_a_passive_sfu() {
    media_flows(connects(DtlsRole::Server));
}
