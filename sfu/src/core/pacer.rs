//! What one subscriber's narrow path can't take at once waits here. Bursts are spread, and what would come too late is given up
//! to the next key frame instead of being sent late. While nothing is known of a limit nothing waits, and nothing is copied.

use crate::core::media::{Meta, Packet};
use invigil_shared::bandwidth::Pace;
use invigil_shared::publication::Layer;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Payload bytes that wait for one subscriber: two key frames of a screen full of text.
const MAX_BYTES: usize = 512 * 1024;
/// Packets that wait, whatever their size.
const MAX_PACKETS: usize = 1_024;
/// A picture that waited for longer than this is no longer live. A key frame may take more: without it nothing is shown at all,
/// and on 150 kbit/s one of text takes that long.
const MAX_AGE: Duration = Duration::from_millis(1_000);
const MAX_KEY_AGE: Duration = Duration::from_millis(4_000);

/// A packet of a subscription, not yet numbered: what is given up leaves no hole.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub slot: u16,
    pub publication: u64,
    pub layer: Layer,
    /// The slot took up the layer with it.
    pub switched: bool,
    index: u64,
    meta: Meta,
    length: usize,
    since: Instant,
}

impl Waiting {
    /// The packet, with the payload that [`Pacer::next`] handed out.
    pub fn packet<'a>(&self, payload: &'a [u8]) -> Packet<'a> {
        Packet {
            index: self.index,
            meta: self.meta,
            payload,
        }
    }

    fn is_stale(&self, now: Instant) -> bool {
        let most = if self.meta.frame.key { MAX_KEY_AGE } else { MAX_AGE };
        self.since + most < now
    }

    fn is_rest_of(&self, begun: Option<Frame>) -> bool {
        begun == Some((self.publication, self.layer, self.meta.timestamp)) && !self.switched
    }
}

/// A slot whose packets were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    pub slot: u16,
    pub publication: u64,
    /// It goes on with a key frame that waits already.
    pub resumes: bool,
}

/// A frame of a layer of a publication, by its timestamp.
type Frame = (u64, Layer, u32);

/// One subscriber's queue.
#[derive(Debug, Default)]
pub struct Pacer {
    pace: Pace,
    queue: VecDeque<Waiting>,
    /// The payloads, one behind the other.
    bytes: VecDeque<u8>,
    /// By slot, the frame that is on its way. Its rest is sent, or the receiver gets half a picture.
    begun: Vec<Option<Frame>>,
}

impl Pacer {
    /// Follows the estimate; none: nothing waits.
    pub fn follow(&mut self, estimate: Option<u64>) {
        self.pace.follow(estimate);
    }

    /// Whether a packet that comes now has to queue.
    pub fn holds(&mut self, now: Instant) -> bool {
        !self.queue.is_empty() || (self.pace.is_limited() && !self.pace.wait(now).is_zero())
    }

    /// Whether [`Self::next`] or [`Self::give_up`] may have something to do.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes left, from the queue or past it.
    pub fn spend(&mut self, now: Instant, bytes: usize) {
        self.pace.spend(now, bytes);
    }

    /// Queues a packet. False when there is no room: it and what follows it have to be given up.
    pub fn push(
        &mut self,
        now: Instant,
        slot: u16,
        (publication, layer): (u64, Layer),
        packet: &Packet<'_>,
        switched: bool,
    ) -> bool {
        let length = packet.payload.len();
        if self.queue.len() >= MAX_PACKETS || self.bytes.len() + length > MAX_BYTES {
            return false;
        }
        self.bytes.extend(packet.payload);
        self.queue.push_back(Waiting {
            slot,
            publication,
            layer,
            switched,
            index: packet.index,
            meta: packet.meta,
            length,
            since: now,
        });
        true
    }

    /// The next packet that may leave now; its payload is put into `payload`.
    pub fn next(&mut self, now: Instant, payload: &mut Vec<u8>) -> Option<Waiting> {
        if !self.pace.wait(now).is_zero() {
            return None;
        }
        let waiting = self.queue.pop_front()?;
        payload.clear();
        payload.extend(self.bytes.drain(..waiting.length));
        let source = (waiting.publication, waiting.layer);
        self.begin(waiting.slot, source, waiting.meta.timestamp);
        Some(waiting)
    }

    /// A packet of the frame at `timestamp` leaves, from the queue or past it.
    pub fn begin(&mut self, slot: u16, (publication, layer): (u64, Layer), timestamp: u32) {
        if !self.pace.is_limited() {
            return;
        }
        let slot = usize::from(slot);
        if self.begun.len() <= slot {
            self.begun.resize(slot + 1, None);
        }
        self.begun[slot] = Some((publication, layer, timestamp));
    }

    /// Drops a slot's packets from the first stale one to the next key frame, but for the rest of a frame that is on its way.
    /// To be asked until there is nothing to tell.
    pub fn give_up(&mut self, now: Instant) -> Option<GivenUp> {
        let mut queue = self.queue.iter().enumerate();
        let (from, stale) = queue.find(|(_, waiting)| waiting.is_stale(now) && !self.has_begun(waiting))?;
        let (slot, publication) = (stale.slot, stale.publication);
        let resume = queue.find(|(_, waiting)| {
            let frame = waiting.meta.frame;
            let begins = waiting.slot == slot && frame.key && frame.start;
            begins && !waiting.is_stale(now) && !self.has_begun(waiting)
        });
        let resume = resume.map(|(at, _)| at);
        if let Some(first) = resume.and_then(|at| self.queue.get_mut(at)) {
            // Its numbering can't go on from what is dropped before it.
            first.switched = true;
        }
        self.drop_within(from..resume.unwrap_or(self.queue.len()), slot);
        Some(GivenUp {
            slot,
            publication,
            resumes: resume.is_some(),
        })
    }

    /// Drops what waits of a slot, but for the rest of a frame that is on its way.
    pub fn drop_slot(&mut self, slot: u16, publication: u64) -> GivenUp {
        self.drop_within(0..self.queue.len(), slot);
        GivenUp {
            slot,
            publication,
            resumes: false,
        }
    }

    fn drop_within(&mut self, places: Range<usize>, slot: u16) {
        let begun = self.begun.get(usize::from(slot)).copied().flatten();
        self.retain(|at, waiting| !places.contains(&at) || waiting.slot != slot || waiting.is_rest_of(begun));
    }

    /// The slot carries something else from now on.
    pub fn forget_slot(&mut self, slot: u16) {
        self.retain(|_, waiting| waiting.slot != slot);
        if let Some(begun) = self.begun.get_mut(usize::from(slot)) {
            *begun = None;
        }
    }

    /// What waits of a layer is of a numbering that is over.
    pub fn forget_layer(&mut self, publication: u64, layer: Layer) {
        self.retain(|_, waiting| (waiting.publication, waiting.layer) != (publication, layer));
    }

    /// Whether a later packet of the layer waits for the slot than the one at `index`.
    pub fn has_passed(&self, slot: u16, source: (u64, Layer), index: u64) -> bool {
        let mut of_it = self
            .queue
            .iter()
            .filter(|waiting| waiting.slot == slot && (waiting.publication, waiting.layer) == source);
        of_it.any(|waiting| waiting.index > index)
    }

    fn retain(&mut self, keep: impl Fn(usize, &Waiting) -> bool) {
        let (mut kept, mut from) = (0, 0);
        for at in 0..self.queue.len() {
            let Some(waiting) = self.queue.pop_front() else { break };
            if keep(at, &waiting) {
                // The payloads close up over what was dropped.
                for at in 0..waiting.length {
                    self.bytes[kept + at] = self.bytes[from + at];
                }
                kept += waiting.length;
                self.queue.push_back(waiting);
            }
            from += waiting.length;
        }
        self.bytes.truncate(kept);
    }

    fn has_begun(&self, waiting: &Waiting) -> bool {
        waiting.is_rest_of(self.begun.get(usize::from(waiting.slot)).copied().flatten())
    }

    /// Payload bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.bytes.len()
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
        let (mut left, mut payload) = (Vec::new(), Vec::new());
        for step in 0..time.as_millis() / 10 {
            let now = from + Duration::from_millis(step as u64 * 10);
            while let Some(waiting) = pacer.next(now, &mut payload) {
                pacer.spend(now, payload.len());
                left.push((waiting.slot, waiting.packet(&payload).index, payload[0]));
            }
        }
        left
    }

    #[test]
    fn a_key_frame_is_spread_over_a_narrow_path() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        assert!(!pacer.holds(now), "nothing is known of a limit");
        pacer.follow(Some(400_000));
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
        pacer.follow(None);
        assert_eq!(run(&mut pacer, now, Duration::from_millis(10)).len(), 50 - first.len());
        assert!(pacer.is_idle() && pacer.waiting_bytes() == 0);
    }

    #[test]
    fn what_is_stale_is_given_up_but_for_the_rest_of_a_begun_frame() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000));
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
        pacer.follow(None);
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
        pacer.follow(Some(100_000));
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
        pacer.follow(Some(100_000));
        // Of the frame at 1 a part left past the queue.
        pacer.begin(0, (1, Layer::Low), 1);
        pacer.spend(now, 100_000);
        push(&mut pacer, now, 0, &packet(2, 1, false, b"1"));
        push(&mut pacer, now, 0, &packet(3, 2, false, b"2"));
        // Another layer has its frame at the same time, and is taken up with a key frame.
        let mut high = packet(70, 1, true, b"3");
        high.meta.frame.start = true;
        let source = (1, Layer::High);
        let later = now + Duration::from_millis(600);
        assert!(pacer.push(later, 0, source, &high, true));
        assert!(pacer.push(later, 0, source, &packet(71, 1, true, b"4"), false));
        assert!(pacer.has_passed(0, source, 70) && !pacer.has_passed(0, source, 71));
        let late = now + Duration::from_millis(1_100);
        let given_up = pacer.give_up(late).unwrap();
        assert!(given_up.resumes);
        assert_eq!(pacer.give_up(late), None);
        // Behind the key frame, which may take longer, a picture is stale sooner.
        assert!(pacer.push(later, 0, source, &packet(72, 2, false, b"5"), false));
        let stale = later + Duration::from_millis(1_100);
        assert!(!pacer.give_up(stale).unwrap().resumes);
        assert_eq!(pacer.give_up(stale), None);
        let much_later = now + Duration::from_secs(5);
        let given_up = pacer.give_up(much_later).unwrap();
        assert!(!given_up.resumes, "even the key frame is stale");
        pacer.follow(None);
        assert_eq!(run(&mut pacer, much_later, Duration::from_millis(10)), [(0, 2, b'1')]);
    }

    #[test]
    fn what_a_slot_carries_no_more_and_what_is_numbered_anew_does_not_leave() {
        let now = Instant::now();
        let mut pacer = Pacer::default();
        pacer.follow(Some(100_000));
        for slot in 0..3 {
            push(&mut pacer, now, slot, &packet(1, 1, true, &[slot as u8; 3]));
        }
        pacer.forget_slot(0);
        pacer.forget_layer(2, Layer::High);
        pacer.forget_layer(2, Layer::Low);
        pacer.follow(None);
        assert_eq!(run(&mut pacer, now, Duration::from_millis(10)), [(2, 1, 2)]);
        assert_eq!(pacer.waiting_bytes(), 0);
    }
}
