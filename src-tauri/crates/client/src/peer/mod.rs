//! One WebRTC connection as we use it: our codecs, extensions, interceptors and timeouts. The client always offers.

pub(crate) mod carrier;
pub(crate) mod feedback;
pub(crate) mod nack;
pub(crate) mod path;
pub(crate) mod probe;
pub(crate) mod relay;
pub(crate) mod responder;
pub(crate) mod stream;
pub(crate) mod tap;

use crate::bounds::ICE_KEEPALIVE;
use crate::error::ClientError;
use carrier::Target;
use invigil_shared::frame_info::FRAME_INFO_URI;
use invigil_shared::signal::IceServer;
use parking_lot::Mutex;
use path::{PathWatch, SendPath};
use probe::Probe;
use relay::Relays;
use rtc::crypto::providers::AwsLcRsProvider;
use rtc::interceptor::{Slot, TwccReceiverBuilder};
use rtc::rtp_transceiver::RTCRtpTransceiverId;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use stream::Targets;
use tap::{PathTap, TappedRuntime};
use tokio::sync::mpsc;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfiguration,
    RTCConfigurationBuilder, RTCIceCandidateInit, RTCIceTransportPolicy, RTCPeerConnectionState, RTCSessionDescription,
    Registry, SettingEngineBuilder, configure_rtcp_reports,
};

pub(crate) const H264_PT: u8 = 102;
pub(crate) const RTX_PT: u8 = 103;
pub(crate) const OPUS_PT: u8 = 111;
pub(crate) const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
pub(crate) const TRANSPORT_CC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Constrained baseline, level 3.1 at least; packets as FU-A and STAP-A (RFC 6184 section 8.1).
const H264_FMTP: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
/// State changes and tracks waiting for the keeper: 136 tracks, and room.
const MAX_PEER_EVENTS: usize = 256;
/// Feedback for the far end's estimator: often enough for it to follow, rare enough to be cheap.
const TWCC_INTERVAL: Duration = Duration::from_millis(50);

/// Between checks while connecting. The default of 200 ms would be the time to connect: nomination waits for the next one.
const ICE_CHECK: Duration = Duration::from_millis(20);
/// Checks of one pair before it is given up: five seconds of them.
const ICE_CHECKS: u16 = 250;

/// Which way media flows, as we see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Send,
    Receive,
}

/// What a connection reports.
pub(crate) enum PeerEvent {
    Connected,
    /// ICE or DTLS gave up, or the driver stopped.
    Failed,
    Track(Arc<dyn TrackRemote>),
}

pub(crate) struct Peer {
    pub pc: Arc<dyn PeerConnection>,
    pub tap: Arc<PathTap>,
    targets: Arc<Targets>,
    relays: Option<Arc<Relays>>,
    pub events: mpsc::Receiver<PeerEvent>,
    /// How to ask whether UDP works, since the last answer.
    pub probe: Option<Probe>,
    offer: String,
    /// Number of the FrameInfo extension in our offer, which the answer keeps; 0 before the first offer.
    pub frame_info_id: u8,
    /// Receiving transceivers by slot.
    pub slots: Arc<Mutex<HashMap<RTCRtpTransceiverId, u16>>>,
    /// What received video streams lack.
    pub losses: nack::LossLogs,
}

struct Handler {
    events: mpsc::Sender<PeerEvent>,
    tap: Arc<PathTap>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(%state, "peer connection");
        let event = match state {
            RTCPeerConnectionState::Connected => PeerEvent::Connected,
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => {
                self.tap.mark_dead();
                PeerEvent::Failed
            }
            _ => return,
        };
        // The driver must not wait for us; the keeper reads in a tight loop and `is_dead` says it as well.
        let _ = self.events.try_send(event);
    }
    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        if self.events.try_send(PeerEvent::Track(track)).is_err() {
            tracing::warn!("a track came while the keeper was busy");
        }
    }
}

pub(crate) fn codec(kind: RtpCodecKind) -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.into(),
        parameter: parameter.into(),
    };
    if kind == RtpCodecKind::Audio {
        return RTCRtpCodec {
            mime_type: "audio/opus".into(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: "minptime=10;useinbandfec=1;usedtx=1".into(),
            rtcp_feedback: vec![feedback("transport-cc", "")],
        };
    }
    RTCRtpCodec {
        mime_type: "video/H264".into(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: H264_FMTP.into(),
        rtcp_feedback: vec![
            feedback("nack", ""),
            feedback("nack", "pli"),
            feedback("ccm", "fir"),
            feedback("transport-cc", ""),
        ],
    }
}

fn media_engine() -> Result<MediaEngine, ClientError> {
    let mut engine = MediaEngine::default();
    let rtx = RTCRtpCodec {
        mime_type: "video/rtx".into(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: format!("apt={H264_PT}"),
        rtcp_feedback: Vec::new(),
    };
    for (codec, payload_type, kind) in [
        (codec(RtpCodecKind::Video), H264_PT, RtpCodecKind::Video),
        (rtx, RTX_PT, RtpCodecKind::Video),
        (codec(RtpCodecKind::Audio), OPUS_PT, RtpCodecKind::Audio),
    ] {
        let parameters = RTCRtpCodecParameters {
            rtp_codec: codec,
            payload_type,
        };
        engine.register_codec(parameters, kind).map_err(media_error)?;
    }
    for (uri, kind) in [
        (MID_URI, RtpCodecKind::Video),
        (MID_URI, RtpCodecKind::Audio),
        (TRANSPORT_CC_URI, RtpCodecKind::Video),
        (TRANSPORT_CC_URI, RtpCodecKind::Audio),
        (FRAME_INFO_URI, RtpCodecKind::Video),
        (FRAME_INFO_URI, RtpCodecKind::Audio),
        (AUDIO_LEVEL_URI, RtpCodecKind::Audio),
    ] {
        engine
            .register_header_extension(RTCRtpHeaderExtensionCapability { uri: uri.into() }, kind, None)
            .map_err(media_error)?;
    }
    Ok(engine)
}

pub(crate) fn media_error(error: impl std::fmt::Display) -> ClientError {
    ClientError::Media(error.to_string())
}

impl Peer {
    /// Builds a connection and its driver. `bind`: local addresses for UDP. `path`: watches a sending one's. `targets`: where
    /// ICE-TCP goes. `relay`: TURN servers when media may take no other way, and how their certificates are judged.
    pub async fn build(
        way: Way,
        bind: Vec<String>,
        path: Option<Arc<SendPath>>,
        targets: Arc<Targets>,
        relay: Option<(Arc<rustls::ClientConfig>, &[IceServer])>,
    ) -> Result<Self, ClientError> {
        crate::trust::provider();
        let tap = Arc::new(PathTap::default());
        let (relays, configuration) = match relay {
            Some((tls, servers)) => {
                let relays = Relays::new(tls, tap.clone());
                let configuration = by_relay(&relays, servers)?;
                (Some(relays), configuration)
            }
            None => (None, RTCConfigurationBuilder::new().build()),
        };
        let bind = match relays {
            // No datagram leaves by it (`relay::RelaySocket`).
            Some(_) => vec!["127.0.0.1:0".to_owned()],
            None => bind,
        };
        let (sender, events) = mpsc::channel(MAX_PEER_EVENTS);
        let losses = nack::LossLogs::default();
        let registry = match way {
            Way::Send => {
                let responder = responder::NackResponder::new(path.clone());
                let registry = configure_rtcp_reports(Registry::new()).with(Slot::NackResponder, responder);
                match path {
                    Some(path) => {
                        path.begin();
                        registry.with(Slot::TwccSender, PathWatch::new(path))
                    }
                    None => registry,
                }
            }
            Way::Receive => configure_rtcp_reports(Registry::new())
                .with(
                    Slot::NackGenerator,
                    nack::NackGenerator::new(rand::random(), losses.clone()),
                )
                .with(
                    Slot::TwccReceiver,
                    TwccReceiverBuilder::new().with_interval(TWCC_INTERVAL).build(),
                ),
        }
        .with(Slot::from(feedback::POSITION), feedback::Feedback::new(tap.clone()));
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            .with_discard_local_candidates_during_ice_restart(true)
            .with_host_acceptance_min_wait(Some(Duration::ZERO))
            .with_srflx_acceptance_min_wait(Some(Duration::ZERO))
            .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
            .with_relay_acceptance_min_wait(Some(Duration::ZERO))
            .with_multicast_dns_mode(rtc::ice::mdns::MulticastDnsMode::Disabled)
            .with_crypto_provider(Arc::new(AwsLcRsProvider::new()))
            .with_ice_connection_attempts(Some(ICE_CHECK), Some(ICE_CHECKS))
            // Our own tap restarts ICE after one second; ICE's own verdicts are the backstop.
            .with_ice_timeouts(
                Some(Duration::from_secs(4)),
                Some(Duration::from_secs(12)),
                Some(ICE_KEEPALIVE),
            )
            .build();
        let building = PeerConnectionBuilder::new()
            .with_configuration(configuration)
            .with_media_engine(media_engine()?)
            .with_setting_engine(settings)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler {
                events: sender,
                tap: tap.clone(),
            }))
            .with_udp_addrs(bind)
            // For its candidate, see `stream::Deaf`.
            .with_tcp_addrs(vec!["127.0.0.1:0".to_owned()])
            .with_runtime(Arc::new(TappedRuntime {
                tap: tap.clone(),
                targets: targets.clone(),
                relays: relays.clone(),
            }))
            .build();
        let pc = Box::pin(building).await.map_err(media_error)?;
        Ok(Self {
            pc: Arc::new(pc),
            tap,
            targets,
            relays,
            events,
            probe: None,
            offer: String::new(),
            frame_info_id: 0,
            slots: Arc::default(),
            losses,
        })
    }

    /// Media goes through relays only.
    pub fn is_relayed(&self) -> bool {
        self.relays.is_some()
    }

    /// Opens new ways to relays, with credentials of now; the next offer has to restart ICE, which moves to them.
    pub async fn renew_relays(&self, servers: &[IceServer]) -> Result<(), ClientError> {
        let Some(relays) = &self.relays else { return Ok(()) };
        let configuration = by_relay(relays, servers)?;
        self.pc.set_configuration(configuration).await.map_err(media_error)
    }

    /// Makes the next offer; with `restart` under new ICE credentials. The server is ICE-lite and learns our addresses from
    /// our checks, so nothing waits for gathering.
    pub async fn offer(&mut self, restart: bool) -> Result<String, ClientError> {
        if restart {
            self.pc.restart_ice().await.map_err(media_error)?;
        }
        let offer = self.pc.create_offer(None).await.map_err(media_error)?;
        self.pc.set_local_description(offer).await.map_err(media_error)?;
        let description = self.pc.local_description().await;
        let sdp = description
            .map(|d| d.sdp)
            .ok_or_else(|| ClientError::Media("no local description".to_owned()))?;
        self.frame_info_id = extension_id(&sdp, FRAME_INFO_URI).unwrap_or(0);
        self.offer.clone_from(&sdp);
        Ok(sdp)
    }

    pub async fn answer(&mut self, sdp: String) -> Result<(), ClientError> {
        self.probe = Probe::of(&self.offer, &sdp);
        let answer = RTCSessionDescription::answer(sdp).map_err(media_error)?;
        self.pc.set_remote_description(answer).await.map_err(media_error)
    }

    pub async fn add_candidate(&self, candidate: String, mid: String) -> Result<(), ClientError> {
        let candidate = RTCIceCandidateInit {
            candidate,
            sdp_mid: Some(mid),
            ..Default::default()
        };
        self.pc.add_ice_candidate(candidate).await.map_err(media_error)
    }

    /// Makes ICE try a connection to `target`.
    pub async fn try_target(&self, target: Target, mid: String) -> Result<(), ClientError> {
        self.add_candidate(self.targets.candidate(target), mid).await
    }

    pub async fn close(self) {
        if let Err(error) = self.pc.close().await {
            tracing::debug!(%error, "closing a peer connection");
        }
    }
}

fn by_relay(relays: &Arc<Relays>, servers: &[IceServer]) -> Result<RTCConfiguration, ClientError> {
    let servers = relays.open(servers);
    if servers.is_empty() {
        return Err(ClientError::RelayUnreachable);
    }
    Ok(RTCConfigurationBuilder::new()
        .with_ice_servers(servers)
        .with_ice_transport_policy(RTCIceTransportPolicy::Relay)
        .build())
}

/// The number of a header extension in an SDP (RFC 8285 section 5: `a=extmap:N[/direction] URI`).
fn extension_id(sdp: &str, uri: &str) -> Option<u8> {
    sdp.lines()
        .filter_map(|line| line.trim().strip_prefix("a=extmap:"))
        .find_map(|rest| {
            let (id, rest) = rest.split_once(' ')?;
            let found = rest.split(' ').next() == Some(uri);
            found.then(|| id.split('/').next()?.parse().ok()).flatten()
        })
}
