//! What waits for the window: a bounded queue that rather shows fewer pictures than older ones.
//!
//! The window acknowledges messages. When it falls behind, pictures are dropped up to the next key frame of their tile, and
//! a key frame is asked for as soon as it has caught up.

use bytes::Bytes;
use invigil_shared::limits::VIDEO_SLOTS;
use invigil_view::media::{self, Codec, MAX_MESSAGE, MAX_UNACKNOWLEDGED, MESSAGE_HEAD, RECORD_HEAD, Record};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Tile handles that a window may use.
pub const TILES: usize = VIDEO_SLOTS as usize;
/// A key frame takes a round trip and an encoder's pass; asking more often only adds load.
const KEY_PAUSE: Duration = Duration::from_millis(500);

/// One picture for the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The window's handle, below [`TILES`].
    pub tile: u16,
    /// It can be drawn without any before it. Raw pictures always can.
    pub key: bool,
    pub codec: Codec,
    pub width: u16,
    pub height: u16,
    /// Server time, microseconds since the Unix epoch.
    pub captured_at_us: i64,
    pub data: Bytes,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tile {
    /// Frames of it have come since it was last forgotten.
    fed: bool,
    /// The next frame has to be a key frame.
    needs_key: bool,
    asked: Option<Instant>,
}

/// The queue of one window.
#[derive(Debug)]
pub struct MediaQueue {
    waiting: VecDeque<Picture>,
    /// Packed size of what waits.
    bytes: usize,
    sent: u32,
    acknowledged: u32,
    attached: bool,
    tiles: [Tile; TILES],
}

impl Default for MediaQueue {
    fn default() -> Self {
        let tile = Tile {
            needs_key: true,
            ..Tile::default()
        };
        Self {
            waiting: VecDeque::new(),
            bytes: MESSAGE_HEAD,
            sent: 0,
            acknowledged: 0,
            attached: false,
            tiles: [tile; TILES],
        }
    }
}

fn packed(picture: &Picture) -> usize {
    RECORD_HEAD + picture.data.len().next_multiple_of(8)
}

impl MediaQueue {
    /// A window has connected, with empty decoders.
    pub fn attach(&mut self) {
        self.waiting.clear();
        self.bytes = MESSAGE_HEAD;
        (self.sent, self.acknowledged, self.attached) = (0, 0, true);
        for tile in &mut self.tiles {
            (tile.needs_key, tile.asked) = (true, None);
        }
    }

    /// The window is gone; nothing is kept for the next one.
    pub fn detach(&mut self) {
        self.attached = false;
        self.waiting.clear();
        self.bytes = MESSAGE_HEAD;
    }

    /// From now on the tile shows another source: what waits for it is dropped.
    pub fn forget(&mut self, tile: u16) {
        self.remove(tile);
        if let Some(tile) = self.tiles.get_mut(usize::from(tile)) {
            *tile = Tile {
                needs_key: true,
                ..Tile::default()
            };
        }
    }

    fn unacknowledged(&self) -> u32 {
        self.sent.wrapping_sub(self.acknowledged)
    }

    fn remove(&mut self, tile: u16) {
        let bytes = &mut self.bytes;
        self.waiting.retain(|waiting| {
            let keep = waiting.tile != tile;
            if !keep {
                *bytes -= packed(waiting);
            }
            keep
        });
    }

    /// Takes a picture, or drops it.
    pub fn push(&mut self, picture: Picture) {
        let index = usize::from(picture.tile);
        if index >= TILES || packed(&picture) + MESSAGE_HEAD > MAX_MESSAGE {
            return;
        }
        self.tiles[index].fed = true;
        if !self.attached || (self.tiles[index].needs_key && !picture.key) {
            return;
        }
        let behind = self.unacknowledged() >= MAX_UNACKNOWLEDGED;
        if picture.key {
            self.remove(picture.tile);
        } else if behind {
            self.tiles[index].needs_key = true;
            return;
        }
        if self.bytes + packed(&picture) > MAX_MESSAGE {
            self.tiles[index].needs_key = true;
            return;
        }
        self.tiles[index].needs_key = false;
        self.bytes += packed(&picture);
        self.waiting.push_back(picture);
    }

    /// Whether [`MediaQueue::take`] would give a message.
    pub fn ready(&self) -> bool {
        self.attached && !self.waiting.is_empty() && self.unacknowledged() < MAX_UNACKNOWLEDGED
    }

    /// Everything that waits, as one message; none when nothing waits or the window is behind. `now_us`: server time.
    pub fn take(&mut self, now_us: i64) -> Option<Vec<u8>> {
        if !self.ready() {
            return None;
        }
        self.sent = self.sent.wrapping_add(1);
        self.bytes = MESSAGE_HEAD;
        let pictures: Vec<Picture> = self.waiting.drain(..).collect();
        let records: Vec<Record<'_>> = pictures
            .iter()
            .map(|p| Record {
                tile: p.tile,
                key: p.key,
                codec: p.codec,
                width: p.width,
                height: p.height,
                captured_at_us: p.captured_at_us as f64,
                data: &p.data,
            })
            .collect();
        Some(media::pack(self.sent, now_us as f64, &records))
    }

    /// The window took everything up to `sequence` over. What was never sent can't be acknowledged.
    pub fn acknowledge(&mut self, sequence: u32) {
        if sequence.wrapping_sub(self.acknowledged) <= self.unacknowledged() {
            self.acknowledged = sequence;
        }
    }

    /// The window's decoder of the tile needs a key frame.
    pub fn needs_key(&mut self, tile: u16) {
        if let Some(tile) = self.tiles.get_mut(usize::from(tile)) {
            tile.needs_key = true;
        }
    }

    /// Tiles for which a key frame should be asked for now: fed, broken, not asked about lately, and the window keeps up.
    pub fn keys_wanted(&mut self, now: Instant) -> Vec<u16> {
        if !self.attached || self.unacknowledged() > MAX_UNACKNOWLEDGED / 2 {
            return Vec::new();
        }
        let mut wanted = Vec::new();
        for (index, tile) in self.tiles.iter_mut().enumerate() {
            let lately = tile
                .asked
                .is_some_and(|at| now.saturating_duration_since(at) < KEY_PAUSE);
            if tile.fed && tile.needs_key && !lately {
                tile.asked = Some(now);
                wanted.push(index as u16);
            }
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(tile: u16, key: bool, size: usize) -> Picture {
        let data = Bytes::from(vec![7; size]);
        Picture {
            tile,
            key,
            codec: Codec::H264,
            width: 320,
            height: 180,
            captured_at_us: 1,
            data,
        }
    }

    fn records(message: &[u8]) -> u16 {
        u16::from_le_bytes([message[2], message[3]])
    }

    fn attached() -> MediaQueue {
        let mut queue = MediaQueue::default();
        queue.attach();
        queue
    }

    #[test]
    fn a_tile_starts_with_a_key_frame_and_asks_for_one() {
        let (mut queue, now) = (attached(), Instant::now());
        queue.push(frame(3, false, 10));
        assert!(!queue.ready());
        assert_eq!(queue.keys_wanted(now), [3]);
        assert!(queue.keys_wanted(now).is_empty());
        assert_eq!(queue.keys_wanted(now + KEY_PAUSE), [3]);
        queue.push(frame(3, true, 10));
        queue.push(frame(3, false, 10));
        assert!(queue.keys_wanted(now + 2 * KEY_PAUSE).is_empty());
        assert_eq!(records(&queue.take(0).unwrap()), 2);
    }

    #[test]
    fn a_slow_window_gets_the_next_key_frame_and_not_old_pictures() {
        let (mut queue, now) = (attached(), Instant::now());
        queue.push(frame(0, true, 10));
        queue.take(0).unwrap();
        for _ in 1..MAX_UNACKNOWLEDGED {
            queue.push(frame(0, false, 10));
            queue.take(0).unwrap();
        }
        queue.push(frame(0, false, 10));
        assert_eq!(queue.take(0), None);
        assert!(
            queue.keys_wanted(now).is_empty(),
            "nobody is asked while the window is behind"
        );
        queue.acknowledge(MAX_UNACKNOWLEDGED);
        queue.push(frame(0, false, 10));
        assert!(!queue.ready(), "what follows a dropped frame can't be decoded");
        assert_eq!(queue.keys_wanted(now), [0]);
        queue.push(frame(0, true, 10));
        assert!(queue.ready());
    }

    #[test]
    fn what_waits_is_bounded_and_the_newest_key_frame_replaces_what_it_makes_useless() {
        let mut queue = attached();
        queue.push(frame(0, true, 10));
        for _ in 0..100 {
            queue.push(frame(0, false, MAX_MESSAGE / 10));
        }
        assert!(queue.bytes <= MAX_MESSAGE);
        queue.push(frame(0, true, 10));
        let message = queue.take(0).unwrap();
        assert_eq!(records(&message), 1);
        assert!(message.len() < 100);
        queue.push(frame(0, true, MAX_MESSAGE));
        assert!(!queue.ready(), "a picture that fits no message is dropped");
    }

    #[test]
    fn a_forgotten_tile_shows_nothing_of_the_source_before() {
        let mut queue = attached();
        queue.push(frame(1, true, 10));
        queue.push(frame(2, true, 10));
        queue.forget(1);
        assert_eq!(records(&queue.take(0).unwrap()), 1);
        queue.push(frame(1, false, 10));
        assert!(!queue.ready());
    }

    #[test]
    fn a_new_window_starts_over_and_false_acknowledgements_are_ignored() {
        let (mut queue, now) = (attached(), Instant::now());
        queue.push(frame(0, true, 10));
        queue.take(0).unwrap();
        queue.acknowledge(500);
        assert_eq!(queue.unacknowledged(), 1);
        queue.detach();
        queue.push(frame(0, true, 10));
        queue.attach();
        assert!(!queue.ready());
        assert_eq!(queue.keys_wanted(now), [0]);
    }
}
