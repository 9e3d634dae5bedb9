//! What one subscriber's narrow path can't take at once waits here, each slot in a lane of its own: a large picture of one takes
//! its share of the path and doesn't stand in the way of the others. Bursts are spread, and what would come too late is given up
//! to the next key frame instead of being sent late. While nothing is known of a limit nothing waits, and nothing is copied.

use crate::core::lane::{LEAST_SHARE, Lane, Waiting};
use crate::core::media::{Meta, Packet};
use invigil_shared::bandwidth::Pace;
use invigil_shared::publication::Layer;
use std::time::{Duration, Instant};

/// Payload bytes that wait for one subscriber: two key frames of a screen full of text.
const MAX_BYTES: usize = 512 * 1024;
/// Packets that wait, whatever their size.
const MAX_PACKETS: usize = 1_024;
/// Buffers of packets that have left, kept for the next ones: what a key frame of text needs.
const MAX_SPARE: usize = 128;
/// Pictures that have waited for this long make room for a key frame that comes.
const OVERTAKEN: Duration = Duration::from_millis(300);
/// What waits of a higher layer, the rest of a picture with it, gives way to a key frame of a lower one when it would take longer.
const GIVES_WAY: Duration = Duration::from_millis(300);
/// What a byte of a lane costs of its turn, for one bit per second of its share.
const TURN: u64 = 1 << 20;

/// A slot whose packets were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    pub slot: u16,
    pub publication: u64,
    /// It goes on with a key frame that waits already.
    pub resumes: bool,
}

/// Buffers, and what is in use of them.
#[derive(Debug, Default)]
struct Store {
    spare: Vec<Vec<u8>>,
    packets: usize,
    bytes: usize,
}

impl Store {
    fn take(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        if self.packets >= MAX_PACKETS || self.bytes + payload.len() > MAX_BYTES {
            return None;
        }
        self.packets += 1;
        self.bytes += payload.len();
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(payload);
        Some(buffer)
    }

    fn give_back(&mut self, buffer: Vec<u8>) {
        self.packets -= 1;
        self.bytes -= buffer.len();
        if self.spare.len() < MAX_SPARE {
            self.spare.push(buffer);
        }
    }
}

/// One subscriber's queues.
#[derive(Debug, Default)]
pub struct Pacer {
    pace: Pace,
    /// By slot.
    lanes: Vec<Lane>,
    store: Store,
    /// Where the packet stood that left last.
    turn: u64,
}

impl Pacer {
    /// Follows the estimate; none: nothing waits. `even`: what is wanted is known to be too much, so that nothing may leave
    /// faster than the estimate.
    pub fn follow(&mut self, estimate: Option<u64>, even: bool) {
        if even {
            self.pace.follow_evenly(estimate);
        } else {
            self.pace.follow(estimate);
        }
    }

    /// What a slot was granted, bits per second. What it is ahead of its turn was reckoned with what it had before: as it is, a
    /// packet that left with next to nothing would keep the slot waiting behind hundreds of the others.
    pub fn grant(&mut self, slot: u16, share: u64) {
        let turn = self.turn;
        let lane = self.lane(slot);
        let before = std::mem::replace(&mut lane.share, share.max(LEAST_SHARE));
        if let Some(ahead) = lane.turn.checked_sub(turn) {
            let ahead = u128::from(ahead) * u128::from(before) / u128::from(lane.share);
            lane.turn = turn.saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX));
        }
    }

    fn lane(&mut self, slot: u16) -> &mut Lane {
        let slot = usize::from(slot);
        if self.lanes.len() <= slot {
            self.lanes.resize_with(slot + 1, Lane::default);
        }
        &mut self.lanes[slot]
    }

    /// Whether a packet that comes now has to queue.
    pub fn holds(&mut self, now: Instant) -> bool {
        !self.is_idle() || (self.pace.is_limited() && !self.pace.wait(now).is_zero())
    }

    /// Whether [`Self::next`] or [`Self::give_up`] may have something to do.
    pub fn is_idle(&self) -> bool {
        self.store.packets == 0
    }

    /// Whether anything waits of a slot.
    pub fn is_clear(&self, slot: u16) -> bool {
        self.lanes
            .get(usize::from(slot))
            .is_none_or(|lane| lane.queue.is_empty())
    }

    /// Whether a key frame of a slot, or the rest of one, waits.
    pub fn has_key_frame(&self, slot: u16) -> bool {
        self.lanes.get(usize::from(slot)).is_some_and(Lane::has_key_frame)
    }

    /// Whether the rest of a key frame of the layer waits whose beginning has left.
    pub fn finishes_key_frame(&self, slot: u16, source: (u64, Layer)) -> bool {
        self.lanes
            .get(usize::from(slot))
            .is_some_and(|lane| lane.has_begun_key_frame() && lane.carries(source))
    }

    /// Bytes left, from the queue or past it.
    pub fn spend(&mut self, now: Instant, bytes: usize) {
        self.pace.spend(now, bytes);
    }

    /// Queues a packet. False when there is no room: it and what follows it have to be given up. A key frame takes the place of
    /// pictures that have waited for long, and one of a lower layer that of what would keep it waiting. `begins`: a key frame
    /// begins with the packet, and nothing behind it in the layer has gone by before.
    pub fn push(
        &mut self,
        now: Instant,
        slot: u16,
        (publication, layer): (u64, Layer),
        packet: &Packet<'_>,
        begins: bool,
        switched: bool,
    ) -> bool {
        let overtakes = begins && self.make_way(now, slot, (publication, layer));
        let Some(payload) = self.store.take(packet.payload) else {
            return false;
        };
        let turn = self.turn;
        let lane = self.lane(slot);
        if lane.queue.is_empty() {
            lane.turn = lane.turn.max(turn);
        }
        lane.queue.push_back(Waiting {
            slot,
            publication,
            layer,
            begins,
            // Its numbering can't go on from what was dropped before it.
            switched: switched || overtakes,
            index: packet.index,
            meta: packet.meta,
            payload,
            since: now,
        });
        true
    }

    /// Drops what a key frame overtakes: pictures that have waited for long, and what would keep it waiting of higher layers, the
    /// rest of a picture with it. False when it takes its place behind everything.
    fn make_way(&mut self, now: Instant, slot: u16, source: (u64, Layer)) -> bool {
        let Some(lane) = self.lanes.get(usize::from(slot)) else {
            return false;
        };
        let is_late = |waiting: &Waiting| !lane.has_begun(waiting) && waiting.since + OVERTAKEN <= now;
        let is_too_much = self.takes(slot, lane.bytes_above(source)) > GIVES_WAY;
        let overtakes = is_too_much || lane.queue.iter().any(is_late);
        if overtakes {
            if is_too_much {
                self.lane(slot).abandon();
            }
            self.drop_within(slot, 0, usize::MAX);
        }
        overtakes
    }

    /// The next packet that may leave now; to be given back with [`Self::recycle`].
    pub fn next(&mut self, now: Instant) -> Option<Waiting> {
        if self.is_idle() || !self.pace.wait(now).is_zero() {
            return None;
        }
        self.next_ahead(now)
    }

    /// The next packet, before its time: a probe needs more than may leave by itself.
    pub fn next_ahead(&mut self, now: Instant) -> Option<Waiting> {
        let waits = self.lanes.iter_mut().filter(|lane| !lane.queue.is_empty());
        let lane = waits.min_by_key(|lane| lane.turn)?;
        let waiting = lane.queue.pop_front()?;
        self.turn = lane.turn;
        lane.turn += waiting.payload.len() as u64 * TURN / lane.share;
        let source = (waiting.publication, waiting.layer);
        self.begin(now, waiting.slot, source, &waiting.meta);
        Some(waiting)
    }

    /// Takes the buffer of a packet that has left.
    pub fn recycle(&mut self, waiting: Waiting) {
        self.store.give_back(waiting.payload);
    }

    /// A packet leaves, from the queue or past it.
    pub fn begin(&mut self, now: Instant, slot: u16, source: (u64, Layer), meta: &Meta) {
        self.lane(slot).begin(now, source, meta);
    }

    /// Drops a slot's packets from the first stale one to the next key frame, but for the rest of a frame that is on its way.
    /// To be asked until there is nothing to tell.
    pub fn give_up(&mut self, now: Instant) -> Option<GivenUp> {
        let mut lanes = self.lanes.iter().enumerate();
        let (slot, from) = lanes.find_map(|(slot, lane)| Some((slot as u16, lane.first_stale(now)?)))?;
        let publication = self.lane(slot).queue.get(from)?.publication;
        Some(GivenUp {
            slot,
            publication,
            resumes: self.drop_to_key_frame(now, slot, from),
        })
    }

    /// Drops what waits of a slot, but for the rest of a frame that is on its way.
    pub fn drop_slot(&mut self, slot: u16, publication: u64) -> GivenUp {
        self.drop_within(slot, 0, usize::MAX);
        GivenUp {
            slot,
            publication,
            resumes: false,
        }
    }

    /// The rest of a key frame that is on its way is of no use: drops it and what follows, up to a key frame that waits behind it.
    /// None when nothing of one waits.
    pub fn drop_torn(&mut self, now: Instant, slot: u16, publication: u64) -> Option<GivenUp> {
        let lane = self.lanes.get_mut(usize::from(slot))?;
        if !lane.has_begun_key_frame() {
            return None;
        }
        lane.abandon();
        Some(GivenUp {
            slot,
            publication,
            resumes: self.drop_to_key_frame(now, slot, 0),
        })
    }

    /// Whether a frame of the slot is on its way, or was the last to leave.
    pub fn sends(&self, slot: u16, source: (u64, Layer), timestamp: u32) -> bool {
        self.lanes
            .get(usize::from(slot))
            .is_some_and(|lane| lane.sends(source, timestamp))
    }

    /// How long bytes of a slot take, while what waits of the others leaves as well.
    fn takes(&self, slot: u16, bytes: usize) -> Duration {
        let Some(rate) = self.pace.rate() else {
            return Duration::ZERO;
        };
        let waiting = self.lanes.iter().filter(|lane| !lane.queue.is_empty());
        let all: u64 = waiting.map(|lane| lane.share).sum();
        let share = self.lanes.get(usize::from(slot)).map_or(LEAST_SHARE, |lane| lane.share);
        let part = share as f64 / all.max(share) as f64;
        Duration::from_secs_f64(bytes as f64 / (rate * part))
    }

    /// Drops a slot's packets from `from` to the next key frame, with which it goes on. False when none waits.
    fn drop_to_key_frame(&mut self, now: Instant, slot: u16, from: usize) -> bool {
        let lane = self.lane(slot);
        let resume = lane.next_key_frame(now, from);
        if let Some(first) = resume.and_then(|at| lane.queue.get_mut(at)) {
            first.switched = true;
        }
        self.drop_within(slot, from, resume.unwrap_or(usize::MAX));
        resume.is_some()
    }

    fn drop_within(&mut self, slot: u16, from: usize, to: usize) {
        self.retain(slot, |lane, at, waiting| {
            !(from..to).contains(&at) || lane.has_begun(waiting)
        });
    }

    /// The slot carries something else from now on.
    pub fn forget_slot(&mut self, slot: u16) {
        self.retain(slot, |_, _, _| false);
        if let Some(lane) = self.lanes.get_mut(usize::from(slot)) {
            lane.forget();
        }
    }

    /// What waits of a layer is of a numbering that is over.
    pub fn forget_layer(&mut self, publication: u64, layer: Layer) {
        for slot in 0..self.lanes.len() as u16 {
            self.retain(slot, |_, _, waiting| {
                (waiting.publication, waiting.layer) != (publication, layer)
            });
        }
    }

    fn retain(&mut self, slot: u16, keep: impl Fn(&Lane, usize, &Waiting) -> bool) {
        let Some(lane) = self.lanes.get_mut(usize::from(slot)) else {
            return;
        };
        for at in 0..lane.queue.len() {
            let Some(waiting) = lane.queue.pop_front() else { break };
            if keep(lane, at, &waiting) {
                lane.queue.push_back(waiting);
            } else {
                self.store.give_back(waiting.payload);
            }
        }
    }

    /// Whether a later packet of the layer waits for the slot than the one at `index`.
    pub fn has_passed(&self, slot: u16, source: (u64, Layer), index: u64) -> bool {
        let mut waiting = self
            .lanes
            .get(usize::from(slot))
            .into_iter()
            .flat_map(|lane| &lane.queue);
        waiting.any(|waiting| (waiting.publication, waiting.layer) == source && waiting.index > index)
    }

    /// Payload bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.store.bytes
    }

    /// Payload bytes that wait of a slot.
    pub fn waiting_of(&self, slot: u16) -> usize {
        let queue = self
            .lanes
            .get(usize::from(slot))
            .into_iter()
            .flat_map(|lane| &lane.queue);
        queue.map(|waiting| waiting.payload.len()).sum()
    }
}

#[cfg(test)]
mod tests;
