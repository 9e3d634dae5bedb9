//! The far end of a transport: its association, what comes in on it, and the slots that go out on it.

use crate::core::budget::LossBased;
use crate::core::demux::PeerKey;
use crate::core::io::{Direction, Profile, TransmitBatch};
use crate::core::layer_selector::Verdict;
use crate::core::media::{Codec, Packet};
use crate::core::subscription::Slot;
use crate::core::transport::credentials::{Fingerprint, IceCredentials};
use crate::core::transport::sdp::ExtensionIds;
use crate::core::transport::srtp::{MAX_RTCP_OVERHEAD, MAX_RTP_OVERHEAD};
use crate::core::transport::{Association, State};
use crate::core::twcc::{Arrivals, Sent};
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::intent::Intent;
use invigil_shared::limits::VIDEO_SLOTS;
use invigil_shared::publication::Layer;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Streams of one publisher: 8 publications of 3 layers with RTX.
pub const MAX_STREAMS: usize = 48;
/// A compound is sent before it grows past a datagram.
const RTCP_FULL: usize = 400;
/// Retransmissions to a subscriber in a second: this many bytes, or half of what was sent in the second before.
const RTX_FLOOR: u64 = 64 * 1024;

/// An incoming SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    pub publication: u64,
    pub layer: Layer,
    pub rtx: bool,
}

/// An m-line that a browser sends on.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub mid: String,
    pub publication: u64,
    /// Rids as the browser names them.
    pub rids: Vec<(String, Layer)>,
}

/// How a transport's credentials stand.
pub struct Credentials {
    pub local: IceCredentials,
    pub remote: IceCredentials,
    pub fingerprint: Fingerprint,
}

/// A transport with its far end.
pub struct Peer {
    pub key: PeerKey,
    pub id: TransportId,
    pub participant: ParticipantId,
    pub exam: ExamId,
    pub direction: Direction,
    pub profile: Profile,
    pub association: Option<Association>,
    pub credentials: Option<Credentials>,
    /// `o=`: which session, and how often it was answered.
    pub session: (u64, u64),
    pub batch: TransmitBatch,
    /// It stands in the shard's list of those who have something to send.
    pub is_outgoing: bool,
    pub streams: BTreeMap<u32, Stream>,
    /// Payload types that we receive: the codec, and whether it is its RTX.
    pub formats: BTreeMap<u8, (Codec, bool)>,
    pub extensions: ExtensionIds,
    pub incoming: Vec<Incoming>,
    pub slots: Vec<Option<Slot>>,
    pub arrivals: Arrivals,
    pub sent: Sent,
    pub estimator: LossBased,
    /// Our SSRC in reports to a publisher.
    pub reporter: u32,
    /// Any incoming SSRC, which transport-wide feedback has to name.
    pub feedback_media: u32,
    rtcp: Vec<u8>,
    rtx_window: Option<(Instant, u64, u64, u64)>,
}

impl Peer {
    pub fn new(
        key: PeerKey,
        (id, participant, exam): (TransportId, ParticipantId, ExamId),
        (direction, profile): (Direction, Profile),
        (session, reporter): (u64, u32),
        now: Instant,
    ) -> Self {
        Self {
            key,
            id,
            participant,
            exam,
            direction,
            profile,
            association: None,
            credentials: None,
            session: (session, 0),
            batch: TransmitBatch::default(),
            is_outgoing: false,
            streams: BTreeMap::new(),
            formats: BTreeMap::new(),
            extensions: ExtensionIds::default(),
            incoming: Vec::new(),
            slots: Vec::new(),
            arrivals: Arrivals::new(now),
            sent: Sent::default(),
            estimator: LossBased::default(),
            reporter,
            feedback_media: 0,
            rtcp: Vec::new(),
            rtx_window: None,
        }
    }

    pub fn is_connected(&self) -> bool {
        self.association
            .as_ref()
            .is_some_and(|association| association.state() == State::Connected)
    }

    /// A slot, if we send on that m-line.
    pub fn slot_mut(&mut self, slot: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    /// The m-line that an intent's slot means. Our clients negotiate a pool in which both are the same number. A browser's
    /// offer is its own: slot 0 is its first video line and [`VIDEO_SLOTS`] its first audio line, wherever they stand.
    pub fn line_of(&self, intent: &Intent) -> u16 {
        if self.profile == Profile::Native {
            return intent.slot;
        }
        let video = intent.wanted.publication.kind.is_video();
        let place = if video {
            intent.slot
        } else {
            intent.slot.saturating_sub(VIDEO_SLOTS)
        };
        let fits = |slot: &Slot| (slot.out.config.codec != Codec::Opus) == video;
        let lines = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.as_ref().is_some_and(fits));
        lines
            .map(|(line, _)| line as u16)
            .nth(usize::from(place))
            .unwrap_or(u16::MAX)
    }

    /// Sends a packet of `publication` on a slot if its subscription wants that layer. True when the slot has switched to
    /// the layer with it.
    pub fn forward(&mut self, now: Instant, slot: u16, publication: u64, layer: Layer, packet: &Packet<'_>) -> bool {
        let Some(association) = self
            .association
            .as_mut()
            .filter(|association| association.may_send(now))
        else {
            return false;
        };
        let Some(slot) = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut) else {
            return false;
        };
        let Some(subscription) = slot
            .subscription
            .as_mut()
            .filter(|carried| carried.publication == publication)
        else {
            return false;
        };
        let verdict = subscription.selector.judge(layer, &packet.meta.frame);
        if verdict == Verdict::Drop {
            return false;
        }
        let switched = verdict == Verdict::Switch;
        if switched || !slot.out.continues(publication, layer, packet.index) {
            slot.out.switch(now, publication, layer, packet);
        }
        let Some(place) = slot.out.place(now, packet) else {
            return switched;
        };
        if place.late && !slot.out.has_rtx() {
            return switched;
        }
        slot.report_at.get_or_insert(now + Duration::from_millis(100));
        let payload = packet.payload.len();
        send(association, &mut self.batch, |batch| {
            let number = slot
                .out
                .config
                .extensions
                .transport_cc
                .map(|_| self.sent.send(now, payload));
            slot.out.write(now, place, packet, number, batch)
        });
        self.count(now, payload as u64, place.late);
        switched
    }

    /// Sends a kept packet again, as RTX. False when the budget of retransmissions is spent.
    pub fn retransmit(
        &mut self,
        now: Instant,
        slot: u16,
        place: crate::core::forwarder::Place,
        packet: &Packet<'_>,
    ) -> bool {
        let payload = packet.payload.len();
        if !self.may_retransmit(now, payload as u64) {
            return false;
        }
        let Some(association) = self
            .association
            .as_mut()
            .filter(|association| association.may_send(now))
        else {
            return false;
        };
        let Some(slot) = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut) else {
            return false;
        };
        if !slot.out.has_rtx() {
            return false;
        }
        let place = slot.out.place_again(place, packet);
        send(association, &mut self.batch, |batch| {
            let number = slot
                .out
                .config
                .extensions
                .transport_cc
                .map(|_| self.sent.send(now, payload));
            slot.out.write(now, place, packet, number, batch)
        });
        self.count(now, payload as u64, true);
        true
    }

    fn window(&mut self, now: Instant) -> &mut (Instant, u64, u64, u64) {
        let window = self.rtx_window.get_or_insert((now, 0, 0, 0));
        if window.0 + Duration::from_secs(1) <= now {
            *window = (now, 0, 0, window.1);
        }
        window
    }

    fn count(&mut self, now: Instant, bytes: u64, again: bool) {
        let window = self.window(now);
        if again {
            window.2 += bytes;
        } else {
            window.1 += bytes;
        }
    }

    fn may_retransmit(&mut self, now: Instant, bytes: u64) -> bool {
        let (_, sent, again, before) = *self.window(now);
        again + bytes <= RTX_FLOOR.max(sent.max(before) / 2)
    }

    /// Puts RTCP into the compound that leaves next.
    pub fn report(&mut self, now: Instant, write: impl FnOnce(&mut Vec<u8>)) {
        if self.rtcp.len() > RTCP_FULL {
            self.flush_rtcp(now);
        }
        write(&mut self.rtcp);
    }

    /// Sends the compound, if there is one and the far end may be sent to.
    pub fn flush_rtcp(&mut self, now: Instant) {
        if self.rtcp.is_empty() {
            return;
        }
        if let Some(association) = self
            .association
            .as_mut()
            .filter(|association| association.may_send(now))
            && let (Some(local), Some(remote)) = (association.local_addr(), association.remote_addr())
        {
            let rtcp = &self.rtcp;
            self.batch.push_with(local, remote, |bytes| {
                let start = bytes.len();
                bytes.extend_from_slice(rtcp);
                bytes.resize(bytes.len() + MAX_RTCP_OVERHEAD, 0);
                match association.seal_rtcp(&mut bytes[start..], rtcp.len()) {
                    Ok(sealed) => {
                        bytes.truncate(start + sealed);
                        true
                    }
                    Err(_) => false,
                }
            });
        }
        self.rtcp.clear();
    }

    /// Moves the association's own datagrams into the batch.
    pub fn collect(&mut self) {
        while let Some(transmit) = self.association.as_mut().and_then(Association::poll_transmit) {
            self.batch.push(transmit.from, transmit.to, &transmit.data);
        }
    }
}

/// Writes a packet into the batch and seals it there.
fn send(
    association: &mut Association,
    batch: &mut TransmitBatch,
    write: impl FnOnce(&mut Vec<u8>) -> Option<usize>,
) -> bool {
    let (Some(local), Some(remote)) = (association.local_addr(), association.remote_addr()) else {
        return false;
    };
    batch.push_with(local, remote, |bytes| {
        let start = bytes.len();
        let Some(header) = write(bytes) else { return false };
        let plain = bytes.len() - start;
        bytes.resize(bytes.len() + MAX_RTP_OVERHEAD, 0);
        match association.seal_rtp(&mut bytes[start..], header, plain) {
            Ok(sealed) => {
                bytes.truncate(start + sealed);
                true
            }
            Err(_) => false,
        }
    })
}
