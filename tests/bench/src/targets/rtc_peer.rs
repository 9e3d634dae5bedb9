//! `rtc`'s PeerConnection as an SFU, as its own examples use it (`broadcast`): default codecs and interceptors, each packet that
//! is read written to every sender. Unlike there all connections share one socket and one thread, which costs less.

use super::offers::{Offered, Places, offers};
use anyhow::{Context, Result};
use bytes::BytesMut;
use invigil_peer::sdp::{self, Media};
use invigil_sfu::core::transport::stun::local_ufrag;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCDtlsRole, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp::Packet;
use rtc::rtp_transceiver::RTCRtpSenderId;
use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

struct Client {
    connection: RTCPeerConnection,
    ufrag: String,
    /// What it is sent on, with the SSRC and payload type, once that is known.
    videos: Vec<Line>,
    audios: Vec<Line>,
    timeout: Instant,
}

struct Line {
    sender: RTCRtpSenderId,
    ssrc: u32,
    payload_type: Option<u8>,
}

struct Server {
    socket: UdpSocket,
    local: SocketAddr,
    clients: Vec<Client>,
    by_address: HashMap<SocketAddr, usize>,
    places: Places,
    waiting: Vec<Packet>,
    ssrc: u32,
}

pub fn serve() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    Server {
        local: socket.local_addr()?,
        socket,
        clients: Vec::new(),
        by_address: HashMap::new(),
        places: Places::default(),
        waiting: Vec::new(),
        ssrc: 0x4000_0000,
    }
    .run(&offers())
}

fn codec(media: Media) -> RTCRtpCodec {
    let (mime_type, clock_rate, channels, line) = match media {
        Media::Audio => (MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1"),
        Media::Video => (
            MIME_TYPE_H264,
            90_000,
            0,
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        ),
    };
    RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: line.to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

fn kind(media: Media) -> RtpCodecKind {
    match media {
        Media::Audio => RtpCodecKind::Audio,
        Media::Video => RtpCodecKind::Video,
    }
}

impl Server {
    fn run(&mut self, offers: &Receiver<Offered>) -> Result<()> {
        let mut buffer = vec![0; 2_000];
        loop {
            while let Ok(offered) = offers.try_recv() {
                self.accept(&offered)?;
            }
            let now = Instant::now();
            for at in 0..self.clients.len() {
                if self.clients[at].timeout <= now {
                    said(at, self.clients[at].connection.handle_timeout(now));
                    self.poll(at)?;
                }
            }
            self.forward()?;
            let next = self.clients.iter().map(|client| client.timeout).min();
            let wait = next
                .unwrap_or(now + Duration::from_millis(20))
                .saturating_duration_since(Instant::now())
                .clamp(Duration::from_micros(100), Duration::from_millis(20));
            self.socket.set_read_timeout(Some(wait))?;
            let Ok((length, source)) = self.socket.recv_from(&mut buffer) else {
                continue;
            };
            let datagram = &buffer[..length];
            let Some(at) = self
                .by_address
                .get(&source)
                .copied()
                .or_else(|| self.by_ufrag(datagram))
            else {
                continue;
            };
            self.by_address.insert(source, at);
            let read = self.clients[at].connection.handle_read(TaggedBytesMut {
                now: Instant::now(),
                transport: TransportContext {
                    local_addr: self.local,
                    peer_addr: source,
                    ecn: None,
                    transport_protocol: TransportProtocol::UDP,
                },
                message: BytesMut::from(datagram),
            });
            said(at, read);
            self.poll(at)?;
            self.forward()?;
        }
    }

    fn by_ufrag(&self, datagram: &[u8]) -> Option<usize> {
        let ufrag = local_ufrag(datagram)?;
        self.clients.iter().position(|client| client.ufrag == ufrag)
    }

    fn accept(&mut self, offered: &Offered) -> Result<()> {
        let settings = SettingEngineBuilder::new()
            .with_answering_dtls_role(RTCDtlsRole::Server)
            .with_lite(true)
            .build();
        let mut media_engine = MediaEngine::default();
        media_engine.register_default_codecs()?;
        let registry = register_default_interceptors(Registry::new(), &mut media_engine)?;
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_setting_engine(settings)
            .with_media_engine(media_engine)
            .with_interceptor_registry(registry)
            .build(Instant::now())?;
        let (mut videos, mut audios) = (Vec::new(), Vec::new());
        for section in sdp::parse(&offered.sdp, self.local.ip())?.sections {
            let media = if section.media == "audio" {
                Media::Audio
            } else {
                Media::Video
            };
            if offered.publishes {
                connection.add_transceiver_from_kind(kind(media), None)?;
                continue;
            }
            self.ssrc += 2;
            let ssrc = self.ssrc;
            let sender = connection.add_track(track(media, ssrc))?;
            let line = Line {
                sender,
                ssrc,
                payload_type: None,
            };
            match media {
                Media::Audio => audios.push(line),
                Media::Video => videos.push(line),
            }
        }
        if offered.publishes {
            self.places.add(&offered.sdp)?;
        }
        connection.set_remote_description(Instant::now(), RTCSessionDescription::offer(offered.sdp.clone())?)?;
        let candidate = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: self.local.ip().to_string(),
                port: self.local.port(),
                component: 1,
                ..Default::default()
            },
            ..Default::default()
        }
        .new_candidate_host()?;
        connection.add_local_candidate(RTCIceCandidate::from(&candidate).to_json()?)?;
        let answer = connection.create_answer(None)?;
        connection.set_local_description(Instant::now(), answer)?;
        let answer = connection.local_description().context("no answer")?.sdp;
        let ufrag = answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        let ufrag = ufrag.context("an answer without credentials")?.trim().to_owned();
        println!("{}", serde_json::to_string(&answer)?);
        self.clients.push(Client {
            connection,
            ufrag,
            videos,
            audios,
            timeout: Instant::now(),
        });
        self.poll(self.clients.len() - 1)
    }

    fn poll(&mut self, at: usize) -> Result<()> {
        let client = &mut self.clients[at];
        while let Some(out) = client.connection.poll_write() {
            self.socket.send_to(&out.message, out.transport.peer_addr)?;
        }
        while client.connection.poll_event().is_some() {}
        while let Some(TaggedRTCMessage { message, .. }) = client.connection.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = message {
                self.waiting.push(packet);
            }
        }
        let later = Instant::now() + Duration::from_millis(20);
        client.timeout = client.connection.poll_timeout().unwrap_or(later);
        Ok(())
    }

    fn forward(&mut self) -> Result<()> {
        for mut packet in std::mem::take(&mut self.waiting) {
            let Some((media, place)) = self.places.of(packet.header.ssrc) else {
                continue;
            };
            // Their numbers were negotiated with the publisher.
            packet.header.extension = false;
            packet.header.extensions.clear();
            for at in 0..self.clients.len() {
                let client = &mut self.clients[at];
                let lines = if media == Media::Audio {
                    &mut client.audios
                } else {
                    &mut client.videos
                };
                let Some(line) = lines.get_mut(place) else { continue };
                let Some(mut sender) = client.connection.rtp_sender(line.sender) else {
                    continue;
                };
                let payload_type = *line.payload_type.get_or_insert_with(|| {
                    let codecs = &sender.get_parameters().rtp_parameters.codecs;
                    let wanted = codec(media);
                    let same = codecs.iter().find(|known| {
                        known.rtp_codec.mime_type.eq_ignore_ascii_case(&wanted.mime_type)
                            && (media == Media::Audio || known.rtp_codec.sdp_fmtp_line == wanted.sdp_fmtp_line)
                    });
                    same.map_or(0, |codec| codec.payload_type)
                });
                packet.header.ssrc = line.ssrc;
                packet.header.payload_type = payload_type;
                // Refused until it is connected.
                let _ = sender.write_rtp(Instant::now(), packet.clone());
                self.poll(at)?;
            }
        }
        Ok(())
    }
}

/// One connection's error is not the end of the others.
fn said(at: usize, result: Result<(), rtc::shared::error::Error>) {
    if let Err(error) = result {
        eprintln!("rtc, connection {at}: {error}");
    }
}

fn track(media: Media, ssrc: u32) -> MediaStreamTrack {
    MediaStreamTrack::new(
        "bench".to_owned(),
        format!("track-{ssrc}"),
        format!("label-{ssrc}"),
        kind(media),
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                ..Default::default()
            },
            codec: codec(media),
            ..Default::default()
        }],
    )
}
