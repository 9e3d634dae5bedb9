//! The proctor's receiving side: fixed pools of slots, one task per track that polls always.

use crate::bounds::{MAX_GAP_WAIT, PICTURE_LOSS_INTERVAL};
use crate::error::ClientError;
use crate::frame_assembler::{AccessUnit, FrameAssembler, Part};
use crate::keeper::{KeeperEvent, Role};
use crate::link::Link;
use crate::media::FrameTransform;
use crate::peer::nack::LossLogs;
use crate::peer::{Peer, Way, media_error};
use crate::proctor::ProctorEvent;
use crate::slots::{MAX_POOLS, POOL, is_video};
use bytes::Bytes;
use invigil_shared::binding::{Binding, BindingState};
use invigil_shared::frame_info::FrameInfo;
use invigil_shared::intent::Intent;
use invigil_shared::publication::{Layer, PublicationRef};
use parking_lot::Mutex;
use rtc::rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverId, RTCRtpTransceiverInit};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

/// How often a slot that waits looks at its gap.
const TICK: Duration = Duration::from_millis(50);

/// What one slot carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    wanted: Option<PublicationRef>,
    /// Confirmed by the server. None: whatever arrives belongs to nobody and is dropped.
    bound: Option<PublicationRef>,
    layer: Option<Layer>,
    /// Counts the changes of `bound`.
    epoch: u64,
}

/// Who is where. A picture is labelled with the source that the server confirmed, never with the one that was hoped for: a
/// face under another candidate's name is the worst that a wall can show.
pub(crate) struct SlotTable(Vec<Mutex<Slot>>);

impl Default for SlotTable {
    fn default() -> Self {
        Self((0..MAX_POOLS * POOL).map(|_| Mutex::default()).collect())
    }
}

impl SlotTable {
    /// A new wish list: slots whose wish changes fall silent until the server confirms.
    pub fn want(&self, intents: &[Intent]) {
        for (n, slot) in self.0.iter().enumerate() {
            let wanted = intents.iter().find(|i| usize::from(i.slot) == n).map(|i| i.wanted);
            let mut slot = slot.lock();
            if slot.wanted != wanted {
                slot.wanted = wanted;
                slot.bound = None;
                slot.epoch += 1;
            }
        }
    }

    /// What the server decided for the newest wish list.
    pub fn bind(&self, bindings: &[Binding]) {
        for (n, slot) in self.0.iter().enumerate() {
            let binding = bindings.iter().find(|b| usize::from(b.slot) == n);
            let mut slot = slot.lock();
            let bound = binding.filter(|b| b.state != BindingState::NotFound).map(|b| b.source);
            let bound = bound.filter(|source| Some(*source) == slot.wanted);
            slot.layer = binding.and_then(|b| b.layer);
            if slot.bound != bound {
                slot.bound = bound;
                slot.epoch += 1;
            }
        }
    }

    /// The transport is another one: every slot starts anew.
    pub fn unbind(&self) {
        for slot in &self.0 {
            let mut slot = slot.lock();
            slot.bound = None;
            slot.epoch += 1;
        }
    }

    fn read(&self, slot: u16) -> Slot {
        self.0.get(usize::from(slot)).map(|s| *s.lock()).unwrap_or_default()
    }
}

pub(crate) struct SubscribeRole {
    slots: Arc<SlotTable>,
    events: mpsc::Sender<ProctorEvent>,
    transform: Arc<dyn FrameTransform>,
    /// Pools that are wanted, and slots that the transport of now has lines for.
    pools: u16,
    prepared: u16,
    tasks: JoinSet<()>,
}

impl SubscribeRole {
    pub fn new(slots: Arc<SlotTable>, events: mpsc::Sender<ProctorEvent>, transform: Arc<dyn FrameTransform>) -> Self {
        Self {
            slots,
            events,
            transform,
            pools: 1,
            prepared: 0,
            tasks: JoinSet::new(),
        }
    }
}

impl Role for SubscribeRole {
    /// Pools that are wanted from now on.
    type Input = u16;
    const WAY: Way = Way::Receive;

    fn wanted(&self) -> bool {
        true
    }
    fn dirty(&self) -> bool {
        false
    }
    fn input(&mut self, pools: u16, _: Option<&Link>) {
        self.pools = self.pools.max(pools.min(MAX_POOLS));
    }

    /// Slot N is m-line N, made once.
    async fn prepare(&mut self, peer: &Peer) -> Result<bool, ClientError> {
        let missing = self.prepared..self.pools * POOL;
        let any = !missing.is_empty();
        for slot in missing {
            let kind = if is_video(slot) {
                RtpCodecKind::Video
            } else {
                RtpCodecKind::Audio
            };
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                streams: Vec::new(),
                send_encodings: Vec::new(),
            };
            let transceiver = peer
                .pc
                .add_transceiver_from_kind(kind, Some(init))
                .await
                .map_err(media_error)?;
            peer.slots.lock().insert(transceiver.id(), slot);
            self.prepared = slot + 1;
        }
        Ok(any)
    }

    async fn announce(&mut self, _: &Link, _: bool) -> Vec<KeeperEvent> {
        Vec::new()
    }
    async fn connected(&mut self, _: bool) -> Result<(), ClientError> {
        Ok(())
    }

    fn lost(&mut self) {
        self.prepared = 0;
        self.tasks.abort_all();
        self.slots.unbind();
    }

    fn track(&mut self, peer: &Peer, track: Arc<dyn TrackRemote>) {
        while self.tasks.try_join_next().is_some() {}
        if self.tasks.len() >= usize::from(MAX_POOLS * POOL) {
            tracing::warn!("more tracks than slots");
            return;
        }
        let reader = Reader {
            track,
            slots: self.slots.clone(),
            events: self.events.clone(),
            transform: self.transform.clone(),
            info_id: peer.frame_info_id,
            losses: peer.losses.clone(),
        };
        self.tasks.spawn(reader.run(peer.slots.clone()));
    }
}

/// How one stream's key frames are asked for.
#[derive(Debug, Default)]
struct KeyFrameRequests {
    /// The number of the last command, and the key frame that it is about.
    command: u8,
    torn: Option<u32>,
}

impl KeyFrameRequests {
    /// A request for a key frame of `ssrc`: a picture loss (RFC 4585 section 6.3.1), or where the key frame of the timestamp `torn`
    /// arrives in pieces a full intra request (RFC 5104 section 4.3.1), upon which the SFU sends no more of it. One that is
    /// repeated keeps its number.
    fn request(&mut self, ssrc: u32, torn: Option<u32>) -> Box<dyn rtc::rtcp::Packet> {
        let Some(torn) = torn else {
            return Box::new(PictureLossIndication {
                sender_ssrc: 0,
                media_ssrc: ssrc,
            });
        };
        if self.torn.replace(torn) != Some(torn) {
            self.command = self.command.wrapping_add(1);
        }
        Box::new(FullIntraRequest {
            sender_ssrc: 0,
            media_ssrc: 0,
            fir: vec![FirEntry {
                ssrc,
                sequence_number: self.command,
            }],
        })
    }
}

struct Reader {
    track: Arc<dyn TrackRemote>,
    slots: Arc<SlotTable>,
    events: mpsc::Sender<ProctorEvent>,
    transform: Arc<dyn FrameTransform>,
    /// Number of the FrameInfo extension.
    info_id: u8,
    losses: LossLogs,
}

impl Reader {
    async fn run(self, by_transceiver: Arc<Mutex<HashMap<RTCRtpTransceiverId, u16>>>) {
        // The first event names the receiver; packets of before it would have no home.
        let (slot, ssrc) = loop {
            match self.track.poll().await {
                Some(TrackRemoteEvent::OnOpen(init)) => {
                    let id: RTCRtpTransceiverId = init.receiver_id.into();
                    let Some(slot) = by_transceiver.lock().get(&id).copied() else {
                        return;
                    };
                    break (slot, init.ssrc);
                }
                Some(_) => {}
                None => return,
            }
        };
        let info_id = self.info_id;
        if is_video(slot) {
            self.video(slot, ssrc, info_id).await;
        } else {
            self.audio(slot, info_id).await;
        }
    }

    async fn video(self, slot: u16, ssrc: u32, info_id: u8) {
        let mut assembler = FrameAssembler::default();
        let mut epoch = 0;
        let mut asked: Option<Instant> = None;
        let mut requests = KeyFrameRequests::default();
        let mut heard = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let packet = tokio::select! {
                event = self.track.poll() => match event {
                    Some(TrackRemoteEvent::OnRtpPacket(packet)) => Some(packet),
                    Some(_) => continue,
                    None => return,
                },
                _ = tick.tick() => None,
            };
            let now = Instant::now();
            let binding = self.slots.read(slot);
            if binding.epoch != epoch {
                epoch = binding.epoch;
                assembler.reset();
                asked = None;
            }
            let units = match packet {
                Some(packet) => {
                    heard = now;
                    let info = packet.header.get_extension(info_id).and_then(|d| FrameInfo::read(&d));
                    let part = Part {
                        sequence: packet.header.sequence_number,
                        timestamp: packet.header.timestamp,
                        marker: packet.header.marker,
                        info,
                        payload: packet.payload,
                    };
                    assembler.push(part, now)
                }
                None => {
                    let mut losses = self.losses.lock();
                    let mut log = losses.get_mut(&ssrc);
                    let units = assembler.tick(now, |number| log.as_ref().is_some_and(|log| log.awaits(number)));
                    if let Some(log) = &mut log {
                        log.insist(assembler.key_frame(now));
                    }
                    units
                }
            };
            let Some(source) = binding.bound else { continue };
            for unit in units {
                if !self.deliver(slot, source, binding.layer, unit) {
                    assembler.reset();
                    break;
                }
            }
            let flows = now.duration_since(heard) < MAX_GAP_WAIT * 2;
            let due = asked.is_none_or(|at| now.duration_since(at) >= PICTURE_LOSS_INTERVAL);
            if assembler.wants_key() && flows && due {
                asked = Some(now);
                let request = requests.request(ssrc, assembler.torn());
                if let Err(error) = self.track.write_rtcp(vec![request]).await {
                    tracing::debug!(%error, "a key frame was not asked for");
                }
            }
        }
    }

    /// False when the app is behind: pictures are dropped up to the next key frame.
    fn deliver(&self, slot: u16, source: PublicationRef, layer: Option<Layer>, unit: AccessUnit) -> bool {
        let Some(data) = self.transform.incoming(Bytes::from(unit.data)) else {
            return true;
        };
        let frame = ProctorEvent::VideoFrame {
            slot,
            source,
            layer: unit.layer.or(layer).unwrap_or(Layer::Low),
            data,
            key: unit.key,
            captured_at_us: unit.captured.unwrap_or(0),
            rtp_timestamp: unit.timestamp,
        };
        self.events.try_send(frame).is_ok()
    }

    async fn audio(self, slot: u16, info_id: u8) {
        let mut highest: Option<u64> = None;
        while let Some(event) = self.track.poll().await {
            let TrackRemoteEvent::OnRtpPacket(packet) = event else {
                continue;
            };
            let number = packet.header.sequence_number;
            let sequence = match highest {
                None => 0x1_0000 | u64::from(number),
                Some(highest) => {
                    let distance = number.wrapping_sub(highest as u16) as i16;
                    highest.saturating_add_signed(i64::from(distance))
                }
            };
            highest = Some(highest.map_or(sequence, |h| h.max(sequence)));
            let Some(source) = self.slots.read(slot).bound else {
                continue;
            };
            let info = packet.header.get_extension(info_id).and_then(|d| FrameInfo::read(&d));
            let Some(data) = self.transform.incoming(packet.payload).filter(|d| !d.is_empty()) else {
                continue;
            };
            // A full queue loses audio: the player conceals it.
            let _ = self.events.try_send(ProctorEvent::AudioPacket {
                slot,
                source,
                sequence,
                rtp_timestamp: packet.header.timestamp,
                data,
                captured_at_us: info.and_then(|i| i.captured).unwrap_or(0),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::id::ParticipantId;
    use invigil_shared::intent::Priority;
    use invigil_shared::publication::PublicationKey;

    fn source(n: u8) -> PublicationRef {
        PublicationRef {
            participant: ParticipantId::from_parts(1, [n; 10]),
            publication: PublicationKey::CAMERA,
        }
    }
    fn intent(slot: u16, n: u8) -> Intent {
        Intent {
            slot,
            wanted: source(n),
            layer: Layer::Low,
            priority: Priority::Tile,
        }
    }
    fn binding(slot: u16, n: u8) -> Binding {
        Binding {
            slot,
            source: source(n),
            layer: Some(Layer::Low),
            state: BindingState::Active,
        }
    }

    #[test]
    fn a_torn_key_frame_is_commanded_anew_under_a_number_of_its_own() {
        let mut requests = KeyFrameRequests::default();
        let mut number = |torn| {
            let request = requests.request(7, torn);
            assert_eq!(request.destination_ssrc(), [7]);
            let command = request.as_any().downcast_ref::<FullIntraRequest>();
            command.map(|command| command.fir[0].sequence_number)
        };
        assert_eq!(number(None), None, "a lost picture");
        let told = [Some(40), Some(40), None, Some(40), Some(50)].map(&mut number);
        assert_eq!(
            told,
            [Some(1), Some(1), None, Some(1), Some(2)],
            "one that is repeated keeps it"
        );
    }

    #[test]
    fn a_slot_is_silent_until_the_server_confirms_the_wish() {
        let table = SlotTable::default();
        table.want(&[intent(3, 1)]);
        assert_eq!(table.read(3).bound, None);
        table.bind(&[binding(3, 1)]);
        assert_eq!(table.read(3).bound, Some(source(1)));
        let epoch = table.read(3).epoch;
        table.bind(&[binding(3, 1)]);
        assert_eq!(table.read(3).epoch, epoch, "the same again is no change");
        table.want(&[intent(3, 2)]);
        assert_eq!(table.read(3).bound, None);
        table.bind(&[binding(3, 1)]);
        assert_eq!(table.read(3).bound, None, "an old decision names another candidate");
        table.bind(&[binding(3, 2)]);
        assert_eq!(table.read(3).bound, Some(source(2)));
        table.want(&[]);
        assert_eq!(table.read(3).bound, None);
    }

    #[test]
    fn what_does_not_exist_is_not_bound() {
        let table = SlotTable::default();
        table.want(&[intent(0, 1)]);
        table.bind(&[Binding {
            state: BindingState::NotFound,
            ..binding(0, 1)
        }]);
        assert_eq!(table.read(0).bound, None);
    }
}
