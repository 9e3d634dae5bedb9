//! An opened RTP packet of a publisher, from its SSRC to the slots that it goes to.

use crate::core::demux::PeerKey;
use crate::core::fan_out::Kept;
use crate::core::io::{Direction, Event};
use crate::core::media::{Codec, Packet};
use crate::core::peer::{MAX_STREAMS, Peer, Stream};
use crate::core::receiver::Arrival;
use crate::core::rtp::RtpHeader;
use crate::core::state::Shard;
use invigil_shared::publication::Layer;
use std::time::Instant;

impl Shard {
    pub(super) fn handle_rtp(&mut self, now: Instant, key: PeerKey, packet: &[u8]) {
        let unix_us = self.unix_us(now);
        let Some(peer) = self
            .peers
            .get_mut(&key)
            .filter(|peer| peer.direction == Direction::Publish)
        else {
            return;
        };
        let Some(header) = RtpHeader::parse(packet) else { return };
        if let Some(number) = peer.extensions.transport_cc.and_then(|id| header.extension(packet, id))
            && let Some(number) = number.first_chunk()
        {
            peer.arrivals.receive(now, u16::from_be_bytes(*number));
            peer.feedback_media = header.ssrc;
        }
        let Some(&(codec, repair)) = peer.formats.get(&header.payload_type) else {
            return;
        };
        let Some(stream) = find_stream(peer, &header, packet, repair) else {
            return;
        };
        let mut payload = header.payload_of(packet);
        let mut sequence = header.sequence;
        if repair {
            // RFC 4588 section 4; a packet without an original is a probe for bandwidth.
            let Some((original, rest)) = payload.split_first_chunk() else {
                return;
            };
            (sequence, payload) = (u16::from_be_bytes(*original), rest);
        }
        let ids = peer.extensions;
        let number = stream.publication;
        let Some(publication) = self.publications.get_mut(&number).filter(|known| known.codec == codec) else {
            return;
        };
        if publication.muted {
            return;
        }
        let Some(state) = publication.layer_mut(stream.layer) else {
            return;
        };
        let arrival = state.receiver.receive(now, sequence, header.timestamp, repair);
        let Arrival::New { index, restarted } = arrival else {
            return;
        };
        if restarted {
            state.kept.clear();
            self.fan.forget(number, stream.layer);
        }
        state.count(payload.len());
        let overwhelmed = state.receiver.take_overwhelmed();
        let in_burst = state.comes_in_bursts(now, header.timestamp);
        let began = state.touch(now);
        let Some(meta) = publication.describe(stream.layer, &header, (packet, payload), &ids, unix_us) else {
            return;
        };
        let Some(state) = publication.layer_mut(stream.layer) else {
            return;
        };
        let mut kept = Kept::No;
        if codec != Codec::Opus {
            if state.kept.keep(now, index, meta, payload) {
                kept = if in_burst { Kept::InBurst } else { Kept::Yes };
            }
            state.weigh(&meta, payload.len());
        }
        if meta.frame.key && meta.frame.start {
            state.keyframe.satisfied();
        }
        if overwhelmed {
            state.keyframe.request();
        }
        let packet = Packet { index, meta, payload };
        let tap_left = publication.offer_to_taps(stream.layer, &packet);
        self.siblings.pass(number, publication, stream.layer, &packet);
        let source = publication.source;
        if began || tap_left {
            self.dirty_publications.insert(number);
        }
        if began {
            self.emit(Event::MediaFlow {
                participant: source.participant,
                publication: source.publication,
                layer: stream.layer,
                flowing: true,
            });
        }
        self.send_out(now, number, stream.layer, &packet, kept);
        if overwhelmed {
            self.ask_for_key_frames(now, number);
        }
    }
}

/// The stream of a packet: by its SSRC, or for a browser by the mid and rid that its first packets carry (RFC 8852).
fn find_stream(peer: &mut Peer, header: &RtpHeader, packet: &[u8], repair: bool) -> Option<Stream> {
    if let Some(stream) = peer.streams.get(&header.ssrc) {
        return Some(*stream).filter(|stream| stream.rtx == repair);
    }
    if peer.incoming.is_empty() || peer.streams.len() >= MAX_STREAMS {
        return None;
    }
    let text = |id: Option<u8>| {
        header
            .extension(packet, id?)
            .and_then(|data| std::str::from_utf8(data).ok())
    };
    let mid = text(peer.extensions.mid)?;
    let line = peer.incoming.iter().find(|line| line.mid == mid)?;
    let layer = if line.rids.is_empty() {
        Layer::High
    } else {
        let rid = text(if repair {
            peer.extensions.repaired_rid
        } else {
            peer.extensions.rid
        })?;
        line.rids.iter().find(|(name, _)| name == rid)?.1
    };
    let stream = Stream {
        publication: line.publication,
        layer,
        rtx: repair,
    };
    // A layer has one stream and one for its repair: the browser's newer one takes over.
    peer.streams.retain(|_, other| *other != stream);
    peer.streams.insert(header.ssrc, stream);
    Some(stream)
}

/// The SSRC of a layer on its publisher's transport.
pub(super) fn ssrc_of(peer: &Peer, publication: u64, layer: Layer) -> Option<u32> {
    let wanted = Stream {
        publication,
        layer,
        rtx: false,
    };
    peer.streams
        .iter()
        .find(|(_, stream)| **stream == wanted)
        .map(|(ssrc, _)| *ssrc)
}
