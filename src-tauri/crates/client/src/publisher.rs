//! The candidate's sending side: one sendonly transceiver per layer, fed by the sinks.

use crate::bounds::KEYFRAME_INTERVAL;
use crate::error::ClientError;
use crate::media::FrameTransform;
use crate::packetiser::{Extensions, Packetiser};
use crate::peer::path::SendPath;
use crate::peer::{AUDIO_LEVEL_URI, H264_PT, OPUS_PT, Peer, codec, media_error};
use crate::sink::{LayerState, SinkEnd, Source};
use invigil_shared::frame_info::FRAME_INFO_URI;
use invigil_shared::publication::{Layer, PublicationKey};
use rtc::media_stream::MediaStreamTrack;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodingParameters, RTCRtpEncodingParameters, RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_local::{TrackLocal, TrackLocalEvent};
use webrtc::rtp_transceiver::RtpSender;

/// Where a layer's packets go now.
pub(crate) struct Outlet {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    payload_type: u8,
    extensions: Extensions,
}

/// One layer over all of its transports: the task that packetises, and the outlet that it writes to.
pub(crate) struct LayerSender {
    pub state: Arc<LayerState>,
    outlet: watch::Sender<Option<Arc<Outlet>>>,
    pump: JoinHandle<()>,
}

impl Drop for LayerSender {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl LayerSender {
    pub fn start(source: Source, transform: Arc<dyn FrameTransform>, path: Arc<SendPath>) -> Self {
        let (outlet, follow) = watch::channel(None);
        let state = source.state;
        let pump = match source.end {
            SinkEnd::Video(frames) => tokio::spawn(pump_video(frames, follow, state.clone(), transform, path)),
            SinkEnd::Audio(packets) => tokio::spawn(pump_audio(packets, follow, state.clone(), transform)),
        };
        Self { state, outlet, pump }
    }

    /// No transport carries this layer.
    pub fn detach(&self) {
        self.outlet.send_replace(None);
    }
}

fn packetiser(out: &Outlet, layer: Layer) -> Packetiser {
    Packetiser::new(out.ssrc, out.payload_type, layer, out.extensions, rand::random())
}

/// Our idea of the server's clock is refined all the time, by microseconds: one picture that is encoded again for a key frame must
/// not seem older than it was. A step back beyond that is the clock's own and is told as it is.
const REFINEMENT_US: i64 = 50_000;

fn not_before(last: i64, captured: i64) -> i64 {
    if captured < last && last - captured <= REFINEMENT_US {
        last
    } else {
        captured
    }
}

async fn pump_video(
    mut frames: mpsc::Receiver<crate::media::EncodedFrame>,
    follow: watch::Receiver<Option<Arc<Outlet>>>,
    state: Arc<LayerState>,
    transform: Arc<dyn FrameTransform>,
    path: Arc<SendPath>,
) {
    let mut current: Option<(Arc<Outlet>, Packetiser)> = None;
    // A stream, and a stream after a pause, starts with a picture that stands by itself.
    let mut needs_key = true;
    let mut captured = i64::MIN;
    while let Some(frame) = frames.recv().await {
        let outlet = follow.borrow().clone();
        let Some(outlet) = outlet.filter(|_| state.is_demanded()) else {
            needs_key = true;
            state.dropped_frames.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        if !current.as_ref().is_some_and(|(o, _)| Arc::ptr_eq(o, &outlet)) {
            current = Some((outlet.clone(), packetiser(&outlet, state.layer)));
            needs_key = true;
        }
        let Some((_, packetiser)) = current.as_mut() else {
            continue;
        };
        if needs_key && !frame.key {
            state.want_keyframe();
            state.dropped_frames.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let Some(data) = transform.outgoing(frame.data) else {
            continue;
        };
        captured = not_before(captured, frame.captured_at_us);
        let packets = packetiser.video(&data, frame.key, frame.rtp_timestamp, captured);
        needs_key = false;
        for packet in packets {
            path.admit().await;
            if let Err(error) = outlet.track.write_rtp(packet).await {
                tracing::debug!(%error, key = %state.key, "a packet was not sent");
                needs_key = true;
                break;
            }
        }
        state.sent_frames.fetch_add(1, Ordering::Relaxed);
    }
}

async fn pump_audio(
    mut packets: mpsc::Receiver<crate::media::OpusFrame>,
    follow: watch::Receiver<Option<Arc<Outlet>>>,
    state: Arc<LayerState>,
    transform: Arc<dyn FrameTransform>,
) {
    let mut current: Option<(Arc<Outlet>, Packetiser)> = None;
    while let Some(frame) = packets.recv().await {
        let Some(outlet) = follow.borrow().clone() else {
            continue;
        };
        if !current.as_ref().is_some_and(|(o, _)| Arc::ptr_eq(o, &outlet)) {
            current = Some((outlet.clone(), packetiser(&outlet, state.layer)));
        }
        let Some((_, packetiser)) = current.as_mut() else {
            continue;
        };
        let Some(data) = transform.outgoing(frame.data) else {
            continue;
        };
        let packet = packetiser.audio(data, frame.rtp_timestamp, frame.level_dbov, frame.captured_at_us);
        if let Err(error) = outlet.track.write_rtp(packet).await {
            tracing::debug!(%error, "an audio packet was not sent");
        }
        state.sent_frames.fetch_add(1, Ordering::Relaxed);
    }
}

/// One layer on one transport.
pub(crate) struct OutTrack {
    pub key: PublicationKey,
    pub layer: Layer,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    track: Arc<TrackLocalStaticRTP>,
    sender: Arc<dyn RtpSender>,
    feedback: JoinHandle<()>,
}

impl Drop for OutTrack {
    fn drop(&mut self) {
        self.feedback.abort();
    }
}

/// A receiver asked for a key frame of this layer.
pub(crate) type KeyframeWish = (PublicationKey, Layer);

impl OutTrack {
    /// Adds a transceiver with new SSRCs to `peer`; `taken` are the ones in use there.
    pub async fn add(
        peer: &Peer,
        state: Arc<LayerState>,
        taken: &[u32],
        wishes: mpsc::Sender<KeyframeWish>,
    ) -> Result<Self, ClientError> {
        let (key, layer) = (state.key, state.layer);
        let kind = if key.kind.is_video() {
            RtpCodecKind::Video
        } else {
            RtpCodecKind::Audio
        };
        let fresh = |others: &[u32]| loop {
            // 0 is legal but reads as "none" in too many places.
            let ssrc: u32 = rand::random();
            if ssrc != 0 && !taken.contains(&ssrc) && !others.contains(&ssrc) {
                break ssrc;
            }
        };
        let ssrc = fresh(&[]);
        let rtx_ssrc = (kind == RtpCodecKind::Video).then(|| fresh(&[ssrc]));
        let encodings = vec![RTCRtpEncodingParameters {
            active: true,
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(ssrc),
                rtx: rtx_ssrc.map(|ssrc| RTCRtpRtxParameters { ssrc }),
                ..Default::default()
            },
            codec: codec(kind),
            ..Default::default()
        }];
        let name = format!("{}-{}-{}", key.kind.as_str(), key.instance, layer.as_str());
        let media = MediaStreamTrack::new("invigil".into(), name.clone(), name, kind, encodings.clone());
        let track = Arc::new(TrackLocalStaticRTP::new(media));
        let init = RTCRtpTransceiverInit {
            direction: RTCRtpTransceiverDirection::Sendonly,
            streams: vec!["invigil".into()],
            send_encodings: encodings,
        };
        let transceiver = peer
            .pc
            .add_transceiver_from_track(track.clone(), Some(init))
            .await
            .map_err(media_error)?;
        let sender = transceiver
            .sender()
            .await
            .map_err(media_error)?
            .ok_or_else(|| ClientError::Media("a transceiver without a sender".to_owned()))?;
        let feedback = tokio::spawn(follow_feedback(track.clone(), state, wishes));
        Ok(Self {
            key,
            layer,
            ssrc,
            rtx_ssrc,
            track,
            sender,
            feedback,
        })
    }

    /// Lets the layer's packets out here. To be called once the transport stands.
    pub async fn attach(&self, layer: &LayerSender) -> Result<(), ClientError> {
        let parameters = self.sender.get_parameters().await.map_err(media_error)?.rtp_parameters;
        let id = |uri: &str| {
            parameters
                .header_extensions
                .iter()
                .find(|e| e.uri == uri)
                .and_then(|e| u8::try_from(e.id).ok())
        };
        let wanted = if self.key.kind.is_video() { H264_PT } else { OPUS_PT };
        let negotiated = parameters.codecs.iter().any(|c| c.payload_type == wanted);
        if !negotiated {
            return Err(ClientError::Media(format!("{} was not negotiated", self.key)));
        }
        layer.outlet.send_replace(Some(Arc::new(Outlet {
            track: self.track.clone(),
            ssrc: self.ssrc,
            payload_type: wanted,
            extensions: Extensions {
                frame_info: id(FRAME_INFO_URI),
                audio_level: id(AUDIO_LEVEL_URI),
            },
        })));
        layer.state.want_keyframe();
        Ok(())
    }
}

/// Every request on RTCP becomes one for the encoder; a burst of them becomes one event.
async fn follow_feedback(track: Arc<TrackLocalStaticRTP>, state: Arc<LayerState>, wishes: mpsc::Sender<KeyframeWish>) {
    let mut told: Option<Instant> = None;
    loop {
        match track.poll().await {
            Some(TrackLocalEvent::OnRtcpPacket(_)) => {
                state.want_keyframe();
                if told.is_none_or(|at| at.elapsed() >= KEYFRAME_INTERVAL / 2) {
                    told = Some(Instant::now());
                    // The sink's flag is the request; the event only wakes the app.
                    let _ = wishes.try_send((state.key, state.layer));
                }
            }
            Some(_) => {}
            // Not bound yet: the answer binds it. There is no event for that.
            None => tokio::time::sleep(KEYFRAME_INTERVAL / 4).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::not_before;

    #[test]
    fn a_refined_clock_makes_no_picture_older_and_a_step_back_is_told() {
        assert_eq!(not_before(i64::MIN, 5), 5);
        assert_eq!(not_before(1_000_000, 999_998), 1_000_000);
        assert_eq!(not_before(1_000_000, 1_000_001), 1_000_001);
        assert_eq!(not_before(1_000_000, 900_000), 900_000);
    }
}
