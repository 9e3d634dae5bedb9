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

    /// Bytes left, from the queue or past it.
    pub fn spend(&mut self, now: Instant, bytes: usize) {
        self.pace.spend(now, bytes);
    }

    /// Queues a packet. False when there is no room: it and what follows it have to be given up. A key frame takes the place of
    /// pictures that have waited for long.
    pub fn push(
        &mut self,
        now: Instant,
        slot: u16,
        (publication, layer): (u64, Layer),
        packet: &Packet<'_>,
        switched: bool,
    ) -> bool {
        let begins = packet.meta.frame.key && packet.meta.frame.start;
        let lane = self.lane(slot);
        let is_late = |waiting: &Waiting| !lane.has_begun(waiting) && waiting.since + OVERTAKEN <= now;
        let overtakes =
            begins && lane.queue.iter().any(is_late) && !self.has_passed(slot, (publication, layer), packet.index);
        if overtakes {
            self.drop_within(slot, 0, usize::MAX);
        }
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
            // Its numbering can't go on from what was dropped before it.
            switched: switched || overtakes,
            index: packet.index,
            meta: packet.meta,
            payload,
            since: now,
        });
        true
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
        if !self.pace.is_limited() {
            return;
        }
        self.lane(slot).begin(now, source, meta);
    }

    /// Drops a slot's packets from the first stale one to the next key frame, but for the rest of a frame that is on its way.
    /// To be asked until there is nothing to tell.
    pub fn give_up(&mut self, now: Instant) -> Option<GivenUp> {
        let mut lanes = self.lanes.iter().enumerate();
        let (slot, from) = lanes.find_map(|(slot, lane)| Some((slot as u16, lane.first_stale(now)?)))?;
        let lane = self.lane(slot);
        let resume = lane.next_key_frame(now, from);
        if let Some(first) = resume.and_then(|at| lane.queue.get_mut(at)) {
            first.switched = true;
        }
        let publication = lane.queue.get(from)?.publication;
        self.drop_within(slot, from, resume.unwrap_or(usize::MAX));
        Some(GivenUp {
            slot,
            publication,
            resumes: resume.is_some(),
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
mod tests {
    use super::*;

    fn packet(index: u64, timestamp: u32, key: bool, payload: &[u8]) -> Packet<'_> {
        let mut meta = Meta {
            timestamp,
            ..Meta::default()
        };
        meta.frame.key = key;
        Packet { index, meta, payload }
    }

    fn push(pacer: &mut Pacer, now: Instant, slot: u16, packet: &Packet<'_>) -> bool {
        pacer.push(now, slot, (u64::from(slot) + 1, Layer::Low), packet, false)
    }

    /// What leaves within `time`, looked for every 10 ms: slot, index and first byte of the payload.
    fn run(pacer: &mut Pacer, from: Instant, time: Duration) -> Vec<(u16, u64, u8)> {
        let mut left = Vec::new();
        for step in 0..time.as_millis() / 10 {
            let now = from + Duration::from_millis(step as u64 * 10);
            while let Some(waiting) = pacer.next(now) {
                let packet = waiting.packet();
                pacer.spend(now, packet.payload.len());
                left.push((waiting.slot, packet.index, packet.payload[0]));
                pacer.recycle(waiting);
            }
        }
        left
    }

    #[test]
    fn a_key_frame_is_spread_over_a_narrow_path() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        assert!(!pacer.holds(now), "nothing is known of a limit");
        pacer.follow(Some(400_000), false);
        for index in 0..50 {
            push(&mut pacer, now, 0, &packet(index, 1, true, &[index as u8; 1_000]));
        }
        assert!(pacer.holds(now));
        let first = run(&mut pacer, now, Duration::from_millis(400));
        assert!((24..=27).contains(&first.len()), "{}: 62.5 KB/s", first.len());
        assert!(
            first
                .iter()
                .enumerate()
                .all(|(n, left)| *left == (0, n as u64, n as u8))
        );
        pacer.follow(None, false);
        assert_eq!(run(&mut pacer, now, Duration::from_millis(10)).len(), 50 - first.len());
        assert!(pacer.is_idle() && pacer.waiting_bytes() == 0);
    }

    #[test]
    fn what_is_stale_is_given_up_but_for_the_rest_of_a_begun_frame() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), false);
        // Slot 0: a frame of four packets and three more frames. Slot 1: a key frame.
        for index in 0..7u64 {
            push(
                &mut pacer,
                now,
                0,
                &packet(index, index.saturating_sub(3) as u32, false, &[index as u8; 900]),
            );
            push(&mut pacer, now, 1, &packet(index, 5, true, &[100 + index as u8; 900]));
        }
        let before = run(&mut pacer, now, Duration::from_millis(60));
        assert!(before.len() >= 2 && before.len() < 5, "{before:?}");
        assert_eq!(pacer.give_up(now + Duration::from_millis(900)), None);
        let late = now + Duration::from_millis(1_100);
        let given_up = pacer.give_up(late).unwrap();
        assert_eq!((given_up.slot, given_up.publication), (0, 1));
        assert_eq!(pacer.give_up(late), None, "a key frame may take longer");
        pacer.follow(None, false);
        let rest = run(&mut pacer, late, Duration::from_millis(10));
        let all: Vec<_> = before.iter().chain(&rest).collect();
        assert_eq!(all.iter().filter(|left| left.0 == 1).count(), 7);
        assert!(
            all.iter()
                .all(|left| u64::from(left.2) == left.1 + 100 * u64::from(left.0)),
            "{all:?}"
        );
    }

    #[test]
    fn the_queue_is_bounded() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), false);
        let taken = (0..2_000u64)
            .filter(|index| push(&mut pacer, now, 0, &packet(*index, 1, false, &[0; 1_100])))
            .count();
        assert_eq!(taken, MAX_BYTES / 1_100);
        pacer.drop_slot(0, 1);
        assert_eq!(pacer.waiting_bytes(), 0);
        let small = (0..2_000u64)
            .filter(|index| push(&mut pacer, now, 0, &packet(*index, 1, false, &[0])))
            .count();
        assert_eq!(small, MAX_PACKETS);
    }

    #[test]
    fn what_is_given_up_ends_at_a_key_frame_that_is_fresh() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), false);
        // Of the frame at 1 a part left past the queue.
        pacer.begin(now, 0, (1, Layer::Low), &packet(1, 1, false, b"0").meta);
        pacer.spend(now, 100_000);
        push(&mut pacer, now, 0, &packet(2, 1, false, b"1"));
        push(&mut pacer, now, 0, &packet(3, 2, false, b"2"));
        // Another layer has its frame at the same time, and is taken up with a key frame.
        let mut high = packet(70, 1, true, b"3");
        high.meta.frame.start = true;
        let source = (1, Layer::High);
        let later = now + Duration::from_millis(200);
        assert!(pacer.push(later, 0, source, &high, true));
        assert!(pacer.push(later, 0, source, &packet(71, 1, true, b"4"), false));
        assert!(pacer.has_passed(0, source, 70) && !pacer.has_passed(0, source, 71));
        let late = now + Duration::from_millis(1_100);
        let given_up = pacer.give_up(late).unwrap();
        assert!(given_up.resumes);
        assert_eq!(pacer.give_up(late), None);
        // What stands behind the key frame may take as long as that.
        assert!(pacer.push(later, 0, source, &packet(72, 2, false, b"5"), false));
        assert_eq!(pacer.give_up(later + Duration::from_millis(1_100)), None);
        let much_later = now + Duration::from_secs(5);
        let given_up = pacer.give_up(much_later).unwrap();
        assert!(!given_up.resumes, "even the key frame is stale");
        pacer.follow(None, false);
        assert_eq!(run(&mut pacer, much_later, Duration::from_millis(10)), [(0, 2, b'1')]);
    }

    #[test]
    fn what_a_slot_carries_no_more_and_what_is_numbered_anew_does_not_leave() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), false);
        for slot in 0..3 {
            push(&mut pacer, now, slot, &packet(1, 1, true, &[slot as u8; 3]));
        }
        pacer.forget_slot(0);
        pacer.forget_layer(2, Layer::High);
        pacer.forget_layer(2, Layer::Low);
        pacer.follow(None, false);
        assert_eq!(run(&mut pacer, now, Duration::from_millis(10)), [(2, 1, 2)]);
        assert_eq!(pacer.waiting_bytes(), 0);
    }

    fn key_start(index: u64, timestamp: u32, payload: &[u8]) -> Packet<'_> {
        let mut packet = packet(index, timestamp, true, payload);
        packet.meta.frame.start = true;
        packet
    }

    #[test]
    fn a_large_picture_of_one_slot_does_not_stand_in_the_way_of_a_small_one_of_another() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), true);
        pacer.grant(0, 25_000);
        pacer.grant(1, 75_000);
        for index in 0..40 {
            push(&mut pacer, now, 0, &packet(index, 1, true, &[0; 1_000]));
        }
        for index in 0..6 {
            push(&mut pacer, now, 1, &packet(index, 1, true, &[1; 1_000]));
        }
        let left = run(&mut pacer, now, Duration::from_secs(1));
        assert!(
            (12..=13).contains(&left.len()),
            "no faster than the estimate: {}",
            left.len()
        );
        let small = left.iter().rposition(|left| left.0 == 1).unwrap();
        assert!(
            (7..=9).contains(&small),
            "three quarters of the way until it has left: {left:?}"
        );
        assert_eq!(left.iter().filter(|left| left.0 == 1).count(), 6);
        // What left while nobody else waited is no debt.
        let later = now + Duration::from_secs(1);
        push(&mut pacer, later, 1, &packet(6, 2, true, &[1; 1_000]));
        let left = run(&mut pacer, later, Duration::from_millis(200));
        assert!(left[..2].iter().any(|left| left.0 == 1), "{left:?}");
    }

    #[test]
    fn who_is_granted_more_does_not_wait_for_what_it_sent_with_less() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), true);
        pacer.grant(0, 1_000_000);
        for index in 0..60 {
            push(&mut pacer, now, 0, &packet(index, 1, true, &[0; 1_000]));
        }
        // The other slot has next to nothing, sends one packet with it, and is then granted as much as the first.
        push(&mut pacer, now, 1, &packet(0, 1, true, &[1; 1_000]));
        let left = run(&mut pacer, now, Duration::from_millis(200));
        assert!(left.iter().any(|left| left.0 == 1), "{left:?}");
        pacer.grant(1, 1_000_000);
        let later = now + Duration::from_millis(200);
        for index in 1..9 {
            push(&mut pacer, later, 1, &packet(index, 2, true, &[1; 1_000]));
        }
        let left = run(&mut pacer, later, Duration::from_millis(800));
        let of_second = left.iter().filter(|left| left.0 == 1).count();
        assert!((4..=6).contains(&of_second), "every other one: {left:?}");
    }

    #[test]
    fn a_key_frame_takes_the_place_of_pictures_that_have_waited_for_long() {
        let now = Instant::now();
        let source = (1, Layer::Low);
        for (waited, left) in [(200, 3), (400, 1)] {
            let mut pacer = Pacer::default();
            pacer.follow(Some(100_000), false);
            push(&mut pacer, now, 0, &packet(1, 1, false, b"1"));
            push(&mut pacer, now, 0, &packet(2, 2, false, b"2"));
            let later = now + Duration::from_millis(waited);
            assert!(pacer.push(later, 0, source, &key_start(3, 3, b"3"), false));
            let mut all = Vec::new();
            while let Some(waiting) = pacer.next_ahead(later) {
                all.push((waiting.index, waiting.switched));
                pacer.recycle(waiting);
            }
            assert_eq!((all.len(), all.last()), (left, Some(&(3, left == 1))), "{waited} ms");
        }
    }

    #[test]
    fn what_waits_behind_a_long_key_frame_is_not_stale_before_it_has_left() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), true);
        push(&mut pacer, start, 0, &key_start(1, 1, &[1; 1_000]));
        for index in 2..30 {
            push(&mut pacer, start, 0, &packet(index, 1, true, &[1; 1_000]));
        }
        push(&mut pacer, start, 0, &packet(30, 2, false, &[2; 1_000]));
        let key = run(&mut pacer, start, Duration::from_millis(2_300));
        assert!((28..=29).contains(&key.len()), "{}", key.len());
        assert_eq!(pacer.give_up(at(2_300)), None);
        assert_eq!(pacer.give_up(at(3_500)).map(|given_up| given_up.resumes), Some(false));
    }

    #[test]
    fn a_layer_that_was_whole_leaves_no_more_than_its_share_of_memory() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000), false);
        for index in 0..400 {
            push(&mut pacer, now, 0, &packet(index, 1, true, &[0; 1_000]));
        }
        pacer.forget_slot(0);
        assert_eq!(
            (pacer.is_idle(), pacer.is_clear(0), pacer.waiting_bytes()),
            (true, true, 0)
        );
        assert_eq!(pacer.store.spare.len(), MAX_SPARE);
    }
}
