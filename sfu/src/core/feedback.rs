//! RTCP: what publishers say of their streams, and what subscribers ask for.

use crate::core::demux::PeerKey;
use crate::core::io::Direction;
use crate::core::rtcp::{Item, nacked, ntp_middle, ntp_of_unix, parse};
use crate::core::state::Shard;
use crate::core::subscription::Slot;
use invigil_shared::bandwidth::BandwidthEstimator;
use std::time::Instant;

/// An estimate that changed by less than this share since the layers were chosen changes none of them.
const NOTABLE: f64 = 0.03;
/// Packets that one compound may ask for: more is not a loss but a flood.
const MAX_NACKED: usize = 512;

impl Shard {
    pub(super) fn handle_rtcp(&mut self, now: Instant, key: PeerKey, compound: &[u8]) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.received_bytes += compound.len() as u64;
        match peer.direction {
            Direction::Publish => self.publisher_reports(now, key, compound),
            Direction::Subscribe => self.subscriber_asks(now, key, compound),
        }
    }

    fn publisher_reports(&mut self, now: Instant, key: PeerKey, compound: &[u8]) {
        let unix_us = self.unix_us(now);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        parse(compound, |item| {
            if let Item::Reference { ssrc, reference, delay } = item
                && ssrc == peer.reporter
            {
                peer.note_round_trip(ntp_middle(ntp_of_unix(unix_us)), reference, delay);
            }
            if let Item::Sender(info) = item
                && let Some(stream) = peer.streams.get(&info.ssrc)
                && let Some(publication) = self.publications.get_mut(&stream.publication)
            {
                let native_video = publication.native && publication.source.publication.kind.is_video();
                if let Some(state) = publication.layer_mut(stream.layer) {
                    if native_video {
                        // FrameInfo carries the capture's time; the report is needed for ours only.
                        state.receiver.sender_report(now, ntp_middle(info.ntp));
                    } else {
                        state.sender_report(now, unix_us, ntp_middle(info.ntp), info.timestamp);
                    }
                }
            }
        });
    }

    fn subscriber_asks(&mut self, now: Instant, key: PeerKey, compound: &[u8]) {
        let mut left = MAX_NACKED;
        parse(compound, |item| match item {
            Item::Nack { media, pairs } => {
                for sequence in nacked(pairs).take(left) {
                    left -= 1;
                    self.tally.losses_told += 1;
                    self.resend(now, key, media, sequence);
                }
            }
            Item::KeyFrame { media, command } => {
                self.tally.key_frames_wanted += 1;
                self.pass_key_frame_request(now, key, media, command);
            }
            Item::TransportFeedback { control } => self.judge_path(now, key, control),
            Item::Remb { bitrate } => self.take_bound(key, bitrate),
            Item::Sender(_) | Item::Report(_) | Item::Reference { .. } | Item::Bye => {}
        });
    }

    fn judge_path(&mut self, now: Instant, key: PeerKey, control: &[u8]) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.results.clear();
        if peer.sent.feedback(control, &mut peer.results) {
            peer.estimator.on_feedback(now, &peer.results);
            peer.note_reported();
            if peer.follow_estimate(NOTABLE) {
                self.dirty_subscribers.insert(peer.participant);
            }
        }
    }

    /// The receiver names a bound itself. One that reports packets is judged by them instead.
    fn take_bound(&mut self, key: PeerKey, bitrate: u64) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.reports_packets() {
            return;
        }
        peer.estimator.set_ceiling(Some(bitrate));
        if peer.follow_estimate(NOTABLE) {
            self.dirty_subscribers.insert(peer.participant);
        }
    }

    fn resend(&mut self, now: Instant, key: PeerKey, media: u32, sequence: u16) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let position = peer
            .slots
            .iter()
            .position(|slot| slot.as_ref().is_some_and(|slot| slot.out.config.ssrc == media));
        let Some(position) = position else { return };
        let round_trip = peer.estimator.round_trip();
        let Some(found) = peer.slots[position]
            .as_mut()
            .and_then(|slot| slot.out.find(now, sequence, round_trip))
        else {
            return;
        };
        let (publication, layer, index, place) = found;
        let Some(state) = self.publications.get(&publication).and_then(|known| known.layer(layer)) else {
            return;
        };
        if let Some(packet) = state.kept.get(index) {
            if peer.is_worth_repairing(position as u16, (publication, layer), packet.meta.timestamp) {
                let sent = peer.retransmit(now, position as u16, place, &packet, false);
                self.tally.retransmitted += u64::from(sent);
                self.mark_outgoing(key);
            }
            return;
        }
        let carried = peer.slots[position]
            .as_ref()
            .and_then(|slot| slot.subscription.as_ref());
        let is_needed = carried.is_some_and(|carried| {
            let is_shown = carried.publication == publication && carried.selector.current() == Some(layer);
            is_shown && carried.depends_on(place.index)
        });
        if is_needed && state.kept.has_forgotten(index) {
            // The receiver would wait for it until it gives up.
            self.pass_key_frame_request(now, key, media, None);
        }
    }

    /// A key frame is asked for in the layer that the slot shows, and in the one that it waits for. A full intra request, the first
    /// time that it comes, also says that the one on its way is torn.
    fn pass_key_frame_request(&mut self, now: Instant, key: PeerKey, media: u32, command: Option<u8>) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let is_meant = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.out.config.ssrc == media);
        let Some(position) = peer.slots.iter().position(is_meant) else {
            return;
        };
        let round_trip = peer.estimator.round_trip();
        let slot = peer.slots.get_mut(position).and_then(Option::as_mut);
        let Some(subscription) = slot.and_then(|slot| slot.subscription.as_mut()) else {
            return;
        };
        // Pictures come as often as they fit, each of them a key frame; or this is about the one before.
        if subscription.selector.is_thinned() || subscription.crosses_key_frame(now, round_trip) {
            return;
        }
        let number = subscription.publication;
        if subscription.take_command(command) {
            peer.begin_anew(now, position as u16, number);
        }
        if peer.pacer.has_key_frame(position as u16) {
            // A second one would only keep the path from the rest of it.
            return;
        }
        let slot = peer.slots.get(position).and_then(Option::as_ref);
        let Some(selector) = slot.and_then(|slot| Some(&slot.subscription.as_ref()?.selector)) else {
            return;
        };
        let layers = [selector.current(), selector.awaited()];
        let Some(publication) = self.publications.get_mut(&number) else {
            return;
        };
        for layer in layers.into_iter().flatten() {
            if let Some(state) = publication.layer_mut(layer) {
                state.keyframe.request();
            }
        }
        self.ask_for_key_frames(now, number);
    }
}
