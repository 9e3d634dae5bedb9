//! The far end of a transport: its association, what comes in on it, and the slots that go out on it.

use crate::core::demux::PeerKey;
use crate::core::io::{Direction, Profile, TransmitBatch};
use crate::core::lane::Waiting;
use crate::core::layer_selector::Verdict;
use crate::core::media::{Codec, Packet};
use crate::core::network::Network;
use crate::core::pacer::{GivenUp, Pacer};
use crate::core::subscription::{Slot, Subscription};
use crate::core::transport::credentials::{Fingerprint, IceCredentials};
use crate::core::transport::sdp::ExtensionIds;
use crate::core::transport::srtp::{MAX_RTCP_OVERHEAD, MAX_RTP_OVERHEAD};
use crate::core::transport::{Association, State};
use crate::core::twcc::Arrivals;
use invigil_shared::bandwidth::{BandwidthEstimator, PACKET_OVERHEAD, PacketResult, PathEstimator, SentPackets};
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::intent::Intent;
use invigil_shared::limits::VIDEO_SLOTS;
use invigil_shared::publication::Layer;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Streams of one publisher: 8 publications of 3 layers with RTX.
pub const MAX_STREAMS: usize = 48;
/// A compound is sent before it grows past a datagram.
const RTCP_FULL: usize = 400;
/// Retransmissions to a subscriber in a second, while nothing is known of a limit: this many bytes, which is more than a key frame
/// of text, or half of what was sent in the second before. On a narrow path a share of the estimate: a fifth of the packets lost
/// needs a quarter more, and where more is lost as much more as makes up for it, for without them no large picture would ever come
/// whole.
const RTX_FLOOR: u64 = 160 * 1024;
const RTX_SHARE: f64 = 0.3;
const RTX_SHARE_MOST: f64 = 0.6;

/// What waits of a slot that goes down to a lower layer is sent all the same if it takes no longer than this.
const BEHIND: Duration = Duration::from_millis(300);

/// A player learns soon after the first packet which moment of the server's its timestamps mean.
const FIRST_REPORT: Duration = Duration::from_millis(100);

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

/// What became of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// The slot has switched to the layer with it.
    pub switched: bool,
    /// It waits until the path has room for it.
    pub waits: bool,
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
    /// Where its media may come from; none for anywhere.
    pub only_from: Option<Arc<[Network]>>,
    pub association: Option<Association>,
    pub credentials: Option<Credentials>,
    /// `o=`: which session, and how often it was answered.
    pub session: (u64, u64),
    /// The m-line that carries the transport, for fragments of SDP.
    pub tagged: String,
    /// What leaves besides the fan-out: answers, reports, repairs, and what has waited.
    pub batch: TransmitBatch,
    /// It stands in the shard's list of those who have something to send.
    pub is_outgoing: bool,
    pub streams: BTreeMap<u32, Stream>,
    /// Payload types that we receive: the codec, and whether it is its RTX.
    pub formats: BTreeMap<u8, (Codec, bool)>,
    pub extensions: ExtensionIds,
    pub incoming: Vec<Incoming>,
    pub slots: Vec<Option<Slot>>,
    /// No slot's sender report is due before.
    pub reports_at: Option<Instant>,
    pub arrivals: Arrivals,
    pub sent: SentPackets,
    pub estimator: PathEstimator,
    /// The estimate that the layers were last chosen for.
    pub allotted: Option<u64>,
    pub pacer: Pacer,
    /// Some slot gets key frames only.
    pub is_thinned: bool,
    /// The layers were chosen while the path's losses were being tested.
    pub is_tested: bool,
    /// Of one feedback.
    pub results: Vec<PacketResult>,
    /// Our SSRC in reports to a publisher.
    pub reporter: u32,
    /// Any incoming SSRC, which transport-wide feedback has to name.
    pub feedback_media: u32,
    /// Since the last whole second: what left, and what came that is no media.
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// Packets that the far end has reported on since then, and those of them that had arrived.
    pub reported: (u64, u64),
    /// Of a publisher, as it answered our reference times.
    pub round_trip: Option<Duration>,
    /// The number of the last full intra request by SSRC. It lives as long as the transport: the far end knows a repetition by it,
    /// also where a publication was taken back in between.
    commands: BTreeMap<u32, u8>,
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
            only_from: None,
            association: None,
            credentials: None,
            session: (session, 0),
            tagged: String::new(),
            batch: TransmitBatch::default(),
            is_outgoing: false,
            streams: BTreeMap::new(),
            formats: BTreeMap::new(),
            extensions: ExtensionIds::default(),
            incoming: Vec::new(),
            slots: Vec::new(),
            reports_at: None,
            arrivals: Arrivals::new(now),
            sent: SentPackets::default(),
            estimator: PathEstimator::default(),
            allotted: None,
            pacer: Pacer::default(),
            is_thinned: false,
            is_tested: false,
            results: Vec::new(),
            reporter,
            feedback_media: 0,
            sent_bytes: 0,
            received_bytes: 0,
            reported: (0, 0),
            round_trip: None,
            commands: BTreeMap::new(),
            rtcp: Vec::new(),
            rtx_window: None,
        }
    }

    /// Whether a path from `source` may be taken.
    pub fn admits(&self, source: SocketAddr) -> bool {
        let allowed = self.only_from.as_deref();
        allowed.is_none_or(|networks| networks.iter().any(|network| network.holds(source)))
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

    /// Puts a packet of a publication's layer into `batch` if a slot's subscription wants that layer, or queues it on a narrow path.
    pub fn forward(
        &mut self,
        now: Instant,
        slot: u16,
        (publication, layer): (u64, Layer),
        packet: &Packet<'_>,
        batch: &mut TransmitBatch,
    ) -> Forwarded {
        let may_send = self
            .association
            .as_ref()
            .is_some_and(|association| association.may_send(now));
        let Some(at) = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut) else {
            return Forwarded::default();
        };
        let carried = at
            .subscription
            .as_mut()
            .filter(|carried| carried.publication == publication);
        let Some(subscription) = carried.filter(|_| may_send) else {
            return Forwarded::default();
        };
        let source = (publication, layer);
        let (frame, timestamp) = (&packet.meta.frame, packet.meta.timestamp);
        let starts = frame.key && frame.start;
        if starts && !subscription.takes_picture(now, layer, self.pacer.is_clear(slot)) {
            return Forwarded::default();
        }
        let audio = at.out.config.codec == Codec::Opus;
        let passed = starts
            && (at.out.has_passed(publication, layer, packet.index)
                || (!audio && self.pacer.has_passed(slot, source, packet.index)));
        let verdict = subscription.selector.judge(layer, frame, timestamp, passed);
        if verdict == Verdict::Drop {
            return Forwarded::default();
        }
        let switched = verdict == Verdict::Switch;
        // Audio goes first.
        let waits = !audio && self.pacer.holds(now);
        if waits {
            if !self.pacer.push(now, slot, source, packet, starts && !passed, switched) {
                let given_up = self.pacer.drop_slot(slot, publication);
                self.give_up(now, given_up);
            }
        } else {
            self.pacer.begin(now, slot, source, &packet.meta);
            self.write(now, slot, source, (packet, switched), batch);
        }
        Forwarded { switched, waits }
    }

    /// Whether more waits of a slot than the path takes in a moment.
    pub fn is_behind(&self, slot: u16) -> bool {
        let bits = self.pacer.waiting_of(slot) as u64 * 8;
        let estimate = self.estimator.estimate().unwrap_or(u64::MAX);
        u128::from(bits) * 1_000 > u128::from(estimate) * BEHIND.as_millis()
    }

    /// Sends what waited and may leave now. The slot of what came too late and was given up; to be called again then.
    pub fn drain(&mut self, now: Instant) -> Option<GivenUp> {
        if self.pacer.is_idle() {
            return None;
        }
        let given_up = self.pacer.give_up(now);
        if let Some(given_up) = given_up {
            self.give_up(now, given_up);
        }
        while let Some(waiting) = self.pacer.next(now) {
            self.write_waiting(now, waiting);
        }
        given_up
    }

    /// Sends the next packet that waits, for a probe. The bytes on the wire; none when nothing waits.
    pub fn send_ahead(&mut self, now: Instant) -> Option<usize> {
        let waiting = self.pacer.next_ahead(now)?;
        let wire = waiting.packet().payload.len() + PACKET_OVERHEAD;
        self.write_waiting(now, waiting);
        Some(wire)
    }

    fn write_waiting(&mut self, now: Instant, waiting: Waiting) {
        let source = (waiting.publication, waiting.layer);
        let mut batch = std::mem::take(&mut self.batch);
        let packet = (&waiting.packet(), waiting.switched);
        self.write(now, waiting.slot, source, packet, &mut batch);
        self.batch = batch;
        self.pacer.recycle(waiting);
    }

    /// The slot shows nothing more until a key frame, of whatever layer: those that had switched it wait no more either.
    fn give_up(&mut self, now: Instant, given_up: GivenUp) {
        let slot = self.slot_mut(given_up.slot).and_then(|slot| slot.subscription.as_mut());
        if let Some(carried) = slot.filter(|_| !given_up.resumes) {
            carried.selector.interrupted();
            (carried.since, carried.asked) = (now, None);
        }
    }

    /// The key frame that a slot is sending can't come whole any more: its rest stays here, and the slot begins anew.
    pub fn begin_anew(&mut self, now: Instant, slot: u16, publication: u64) {
        if let Some(given_up) = self.pacer.drop_torn(now, slot, publication) {
            self.give_up(now, given_up);
        }
    }

    /// The slot carries nothing any more, and nothing of it waits.
    pub fn unbind(&mut self, slot: u16) -> Option<Subscription> {
        self.pacer.forget_slot(slot);
        self.slot_mut(slot)?.subscription.take()
    }

    /// A layer's packets are numbered anew: what was sent can't be looked up any more, and what waits fits nowhere.
    pub fn forget_layer(&mut self, publication: u64, layer: Layer) {
        self.pacer.forget_layer(publication, layer);
        for slot in self.slots.iter_mut().flatten() {
            slot.out.forget(publication, layer);
        }
    }

    /// Numbers a packet and puts it into `batch`, if the slot still carries its publication.
    fn write(
        &mut self,
        now: Instant,
        slot: u16,
        (publication, layer): (u64, Layer),
        (packet, switched): (&Packet<'_>, bool),
        batch: &mut TransmitBatch,
    ) {
        let Some(association) = self
            .association
            .as_mut()
            .filter(|association| association.may_send(now))
        else {
            return;
        };
        let Some(slot) = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut) else {
            return;
        };
        let carried = slot.subscription.as_mut();
        let Some(carried) = carried.filter(|carried| carried.publication == publication) else {
            return;
        };
        if switched || !slot.out.continues(publication, layer, packet.index) {
            let begins = packet.meta.frame.key && packet.meta.frame.start;
            if !switched && !begins {
                // What it belongs to was never sent, or is forgotten.
                carried.selector.stopped(layer);
                (carried.since, carried.asked) = (now, None);
                return;
            }
            slot.out.switch(now, publication, layer, packet);
        }
        let Some(place) = slot.out.place(now, packet) else {
            return;
        };
        if place.late && !slot.out.has_rtx() {
            return;
        }
        if packet.meta.frame.key && packet.meta.frame.start {
            carried.key_began = Some((now, place.index));
        }
        if slot.report_at.is_none() {
            let at = now + FIRST_REPORT;
            slot.report_at = Some(at);
            self.reports_at = Some(self.reports_at.map_or(at, |other| other.min(at)));
        }
        let wire = packet.payload.len() + PACKET_OVERHEAD;
        send(association, batch, |batch| {
            let number = slot.out.config.extensions.transport_cc.map(|_| {
                let probe = self.estimator.on_sent(now, wire);
                self.sent.send(now, wire, probe)
            });
            slot.out.write(now, place, packet, number, batch)
        });
        self.pacer.spend(now, wire);
        self.count(now, packet.payload.len() as u64, place.late);
    }

    /// Sends a kept packet again, as RTX. False when the budget of retransmissions is spent. `padding`: it fills a probe, which
    /// has a budget of its own.
    pub fn retransmit(
        &mut self,
        now: Instant,
        slot: u16,
        place: crate::core::forwarder::Place,
        packet: &Packet<'_>,
        padding: bool,
    ) -> bool {
        let payload = packet.payload.len();
        if !padding && !self.may_retransmit(now, payload as u64) {
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
        let wire = payload + PACKET_OVERHEAD;
        send(association, &mut self.batch, |batch| {
            let number = slot.out.config.extensions.transport_cc.map(|_| {
                let probe = self.estimator.on_sent(now, wire);
                self.sent.send(now, wire, probe)
            });
            slot.out.write(now, place, packet, number, batch)
        });
        self.pacer.spend(now, wire);
        if !padding {
            self.count(now, payload as u64, true);
        }
        true
    }

    /// Whether what a slot lost is sent again: not of a publication that it carries no more, nor what a narrow path has no room
    /// for, unless the whole picture was sent all the same.
    pub fn is_worth_repairing(&self, slot: u16, (publication, layer): (u64, Layer), timestamp: u32) -> bool {
        let carried = self.slots.get(usize::from(slot)).and_then(Option::as_ref);
        let carried = carried.and_then(|slot| slot.subscription.as_ref());
        carried.is_some_and(|carried| {
            let fits = self.estimator.estimate().is_none()
                || carried.selector.repairs(layer, timestamp)
                || self.pacer.sends(slot, (publication, layer), timestamp);
            carried.publication == publication && fits
        })
    }

    /// What was known of the path before says nothing of the one that is taken now.
    pub fn take_new_path(&mut self) {
        self.estimator = PathEstimator::default();
        self.pacer.follow(None, false);
    }

    /// Whether the far end reports packets (transport-wide feedback was negotiated).
    pub fn reports_packets(&self) -> bool {
        let mut slots = self.slots.iter().flatten();
        slots.any(|slot| slot.out.config.extensions.transport_cc.is_some())
    }

    /// Paces by the present estimate. True when it differs from what the layers were chosen for by more than `notable`, a share.
    pub fn follow_estimate(&mut self, notable: f64) -> bool {
        let (estimate, sustained) = (self.estimator.estimate(), self.estimator.sustained());
        // While a queue is drained there is room behind it.
        self.pacer.follow(estimate, self.is_thinned && estimate == sustained);
        if self.is_tested != self.estimator.is_testing() {
            return true;
        }
        match (sustained, self.allotted) {
            (Some(now), Some(then)) => now.abs_diff(then) as f64 > then as f64 * notable,
            (now, then) => now != then,
        }
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
        let budget = match self.estimator.estimate() {
            Some(estimate) => (estimate as f64 / 8.0 * rtx_share(self.estimator.state().lost)) as u64,
            None => RTX_FLOOR.max(sent.max(before) / 2),
        };
        again + bytes <= budget
    }

    /// The number of a full intra request for `ssrc`: the next one, or that of the last one again.
    pub fn command(&mut self, ssrc: u32, is_new: bool) -> u8 {
        if self.commands.len() >= 2 * MAX_STREAMS {
            self.commands.retain(|known, _| self.streams.contains_key(known));
        }
        let command = self.commands.entry(ssrc).or_default();
        *command = command.wrapping_add(u8::from(is_new));
        *command
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

/// The share of a narrow path's estimate that retransmissions may have where this share of all packets is lost: so much of what
/// leaves is lost and has to leave again, in one second more than in another.
fn rtx_share(lost: f64) -> f64 {
    (lost * 1.5).clamp(RTX_SHARE, RTX_SHARE_MOST)
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
