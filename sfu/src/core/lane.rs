//! What waits of one slot before a narrow path, in order, and what of it comes too late.

use crate::core::media::{Meta, Packet};
use invigil_shared::publication::Layer;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A picture that waited for longer than this is no longer live. A key frame may take more: without it nothing is shown at all,
/// and on 150 kbit/s one of text takes that long.
const MAX_AGE: Duration = Duration::from_millis(1_000);
pub const MAX_KEY_AGE: Duration = Duration::from_millis(4_000);
/// A lane's share until it is told one, and the least, bits per second.
pub const LEAST_SHARE: u64 = 10_000;

/// A packet of a subscription, not yet numbered: what is given up leaves no hole.
#[derive(Debug)]
pub struct Waiting {
    pub slot: u16,
    pub publication: u64,
    pub layer: Layer,
    /// A key frame with which the slot can begin anew: nothing behind it in the layer has gone by before it.
    pub begins: bool,
    /// The slot took up the layer with it.
    pub switched: bool,
    pub index: u64,
    pub meta: Meta,
    pub payload: Vec<u8>,
    pub since: Instant,
}

impl Waiting {
    pub fn packet(&self) -> Packet<'_> {
        Packet {
            index: self.index,
            meta: self.meta,
            payload: &self.payload,
        }
    }

    fn frame(&self) -> Frame {
        (self.publication, self.layer, self.meta.timestamp)
    }
}

/// A frame of a layer of a publication, by its timestamp.
type Frame = (u64, Layer, u32);

/// The frame of a slot that is on its way. Its rest is sent, or the receiver gets half a picture.
#[derive(Clone, Copy, Debug)]
struct Begun {
    frame: Frame,
    key: bool,
}

/// What waits of one slot.
#[derive(Debug)]
pub struct Lane {
    pub queue: VecDeque<Waiting>,
    begun: Option<Begun>,
    /// The one that left before it: what was lost of its end may be asked for still.
    before: Option<Frame>,
    /// When a packet of a key frame left last.
    key_left: Option<Instant>,
    /// Bits per second that the slot was granted: its part of the path while others wait as well.
    pub share: u64,
    /// Where its next packet stands among those of the other lanes.
    pub turn: u64,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            begun: None,
            before: None,
            key_left: None,
            share: LEAST_SHARE,
            turn: 0,
        }
    }
}

impl Lane {
    /// A packet leaves.
    pub fn begin(&mut self, now: Instant, (publication, layer): (u64, Layer), meta: &Meta) {
        let frame = (publication, layer, meta.timestamp);
        let goes_on = self.begun.is_some_and(|begun| begun.frame == frame && begun.key);
        let key = meta.frame.key || goes_on;
        if let Some(begun) = self.begun.filter(|begun| begun.frame != frame) {
            self.before = Some(begun.frame);
        }
        self.begun = Some(Begun { frame, key });
        if key {
            self.key_left = Some(now);
        }
    }

    /// Another stream comes: nothing is on its way any more.
    pub fn forget(&mut self) {
        (self.begun, self.before, self.key_left) = (None, None, None);
    }

    /// Payload bytes that wait of the publication's layers above `layer`.
    pub fn bytes_above(&self, (publication, layer): (u64, Layer)) -> usize {
        let above = self
            .queue
            .iter()
            .filter(|waiting| waiting.publication == publication && waiting.layer > layer);
        above.map(|waiting| waiting.payload.len()).sum()
    }

    /// The rest of the frame that is on its way won't be sent.
    pub fn abandon(&mut self) {
        (self.begun, self.before) = (None, None);
    }

    /// Whether the frame is on its way, or was the last to leave.
    pub fn sends(&self, (publication, layer): (u64, Layer), timestamp: u32) -> bool {
        [self.begun.map(|begun| begun.frame), self.before].contains(&Some((publication, layer, timestamp)))
    }

    /// Whether the rest of a key frame waits whose beginning has left.
    pub fn has_begun_key_frame(&self) -> bool {
        self.begun.is_some_and(|begun| begun.key) && self.queue.iter().any(|waiting| self.has_begun(waiting))
    }

    /// Whether what is on its way is of the layer.
    pub fn carries(&self, source: (u64, Layer)) -> bool {
        self.begun.is_some_and(|begun| (begun.frame.0, begun.frame.1) == source)
    }

    pub fn has_begun(&self, waiting: &Waiting) -> bool {
        self.begun.is_some_and(|begun| begun.frame == waiting.frame()) && !waiting.switched
    }

    /// A key frame waits, or the rest of one.
    pub fn has_key_frame(&self) -> bool {
        let of_begun = |waiting: &Waiting| self.has_begun(waiting) && self.begun.is_some_and(|begun| begun.key);
        self.queue
            .iter()
            .any(|waiting| waiting.meta.frame.key || of_begun(waiting))
    }

    /// The first packet that comes too late. What waits behind a key frame waits as long as that may take, and is live again for
    /// a while once it has left.
    pub fn first_stale(&self, now: Instant) -> Option<usize> {
        let mut behind_key = false;
        self.queue.iter().position(|waiting| {
            let key = waiting.meta.frame.key;
            let is_stale = if self.has_begun(waiting) {
                false
            } else if key {
                waiting.since + MAX_KEY_AGE < now
            } else {
                let since = self.key_left.map_or(waiting.since, |left| left.max(waiting.since));
                !behind_key && since + MAX_AGE < now
            };
            behind_key |= key;
            is_stale
        })
    }

    /// Where a key frame begins that is neither stale nor on its way, behind `from`.
    pub fn next_key_frame(&self, now: Instant, from: usize) -> Option<usize> {
        let mut later = self.queue.iter().enumerate().skip(from + 1);
        let found =
            later.find(|(_, waiting)| waiting.begins && waiting.since + MAX_KEY_AGE >= now && !self.has_begun(waiting));
        found.map(|(at, _)| at)
    }
}
