//! What waits for the window: a bounded queue that rather shows fewer pictures than older ones.
//!
//! The window acknowledges messages. A short stall only makes the next message larger. When pictures of a tile have waited
//! for [`PATIENCE`], they are dropped up to its next key frame, which is asked for once the window has caught up: a few tiles
//! at a time, because a wall of key frames is what a window that was behind can bear least.

use bytes::Bytes;
use invigil_shared::limits::VIDEO_SLOTS;
use invigil_view::media::{self, Codec, MAX_MESSAGE, MAX_UNACKNOWLEDGED, MESSAGE_HEAD, RECORD_HEAD, Record};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Tile handles that a window may use.
pub const TILES: usize = VIDEO_SLOTS as usize;
/// A key frame takes a round trip and an encoder's pass; asking more often only adds load.
const KEY_PAUSE: Duration = Duration::from_millis(1000);
/// Key frames asked for at once, and the pause after them: at most 16 a second.
const KEYS_AT_ONCE: usize = 4;
const KEYS_SPACING: Duration = Duration::from_millis(250);
/// How long pictures may wait for a window that stalls.
const PATIENCE: Duration = Duration::from_secs(1);

/// One picture for the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The window's handle, below [`TILES`].
    pub tile: u16,
    /// It can be drawn without any before it. Raw pictures always can.
    pub key: bool,
    pub codec: Codec,
    /// As it was captured, as far as known.
    pub width: u16,
    pub height: u16,
    /// Of raw pictures: columns and rows of `data`; else 0, 0.
    pub raw: (u16, u16),
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
    waiting: VecDeque<(Instant, Picture)>,
    /// Packed size of what waits.
    bytes: usize,
    sent: u32,
    acknowledged: u32,
    attached: bool,
    tiles: [Tile; TILES],
    /// No key frame is asked for before.
    next_keys: Option<Instant>,
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
            next_keys: None,
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
        self.waiting.retain(|(_, waiting)| {
            let keep = waiting.tile != tile;
            if !keep {
                *bytes -= packed(waiting);
            }
            keep
        });
    }

    /// Takes a picture, or drops it.
    pub fn push(&mut self, picture: Picture, now: Instant) {
        let index = usize::from(picture.tile);
        if index >= TILES || packed(&picture) + MESSAGE_HEAD > MAX_MESSAGE {
            return;
        }
        self.tiles[index].fed = true;
        if !self.attached || (self.tiles[index].needs_key && !picture.key) {
            return;
        }
        if picture.key || self.waited(picture.tile, now) > PATIENCE {
            self.remove(picture.tile);
            self.tiles[index].needs_key = !picture.key;
        }
        if self.bytes + packed(&picture) > MAX_MESSAGE {
            self.tiles[index].needs_key = true;
        }
        if self.tiles[index].needs_key {
            return;
        }
        self.bytes += packed(&picture);
        self.waiting.push_back((now, picture));
    }

    /// How long the oldest picture of a tile has waited.
    fn waited(&self, tile: u16, now: Instant) -> Duration {
        let oldest = self.waiting.iter().find(|(_, waiting)| waiting.tile == tile);
        oldest.map_or(Duration::ZERO, |(since, _)| now.saturating_duration_since(*since))
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
        let pictures: Vec<Picture> = self.waiting.drain(..).map(|(_, picture)| picture).collect();
        let records: Vec<Record<'_>> = pictures
            .iter()
            .map(|p| Record {
                tile: p.tile,
                key: p.key,
                codec: p.codec,
                width: p.width,
                height: p.height,
                raw: p.raw,
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
        let behind = self.unacknowledged() > MAX_UNACKNOWLEDGED / 2;
        if !self.attached || behind || self.next_keys.is_some_and(|next| now < next) {
            return Vec::new();
        }
        let mut broken: Vec<(Option<Instant>, u16)> = Vec::new();
        for (index, tile) in self.tiles.iter().enumerate() {
            let lately = tile
                .asked
                .is_some_and(|at| now.saturating_duration_since(at) < KEY_PAUSE);
            if tile.fed && tile.needs_key && !lately {
                broken.push((tile.asked, index as u16));
            }
        }
        // Those never asked about, then those who have waited longest.
        broken.sort_unstable();
        broken.truncate(KEYS_AT_ONCE);
        if !broken.is_empty() {
            self.next_keys = Some(now + KEYS_SPACING);
        }
        let wanted: Vec<u16> = broken.into_iter().map(|(_, tile)| tile).collect();
        for &tile in &wanted {
            self.tiles[usize::from(tile)].asked = Some(now);
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
            raw: (0, 0),
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
        queue.push(frame(3, false, 10), now);
        assert!(!queue.ready());
        assert_eq!(queue.keys_wanted(now), [3]);
        assert!(queue.keys_wanted(now).is_empty());
        assert_eq!(queue.keys_wanted(now + KEY_PAUSE), [3]);
        queue.push(frame(3, true, 10), now);
        queue.push(frame(3, false, 10), now);
        assert!(queue.keys_wanted(now + 2 * KEY_PAUSE).is_empty());
        assert_eq!(records(&queue.take(0).unwrap()), 2);
    }

    #[test]
    fn a_slow_window_gets_the_next_key_frame_and_not_old_pictures() {
        let (mut queue, now) = (attached(), Instant::now());
        queue.push(frame(0, true, 10), now);
        queue.take(0).unwrap();
        for _ in 1..MAX_UNACKNOWLEDGED {
            queue.push(frame(0, false, 10), now);
            queue.take(0).unwrap();
        }
        queue.push(frame(0, false, 10), now);
        assert_eq!(queue.take(0), None, "the window is behind");
        queue.push(frame(0, false, 10), now + PATIENCE);
        queue.acknowledge(MAX_UNACKNOWLEDGED);
        assert_eq!(records(&queue.take(0).unwrap()), 2, "a short stall loses nothing");
        queue.acknowledge(MAX_UNACKNOWLEDGED + 1);
        for _ in 0..MAX_UNACKNOWLEDGED {
            queue.push(frame(0, false, 10), now);
            queue.take(0).unwrap();
        }
        queue.push(frame(0, false, 10), now);
        let late = now + PATIENCE + Duration::from_millis(1);
        queue.push(frame(0, false, 10), late);
        assert!(
            queue.keys_wanted(late).is_empty(),
            "nobody is asked while the window is behind"
        );
        queue.acknowledge(2 * MAX_UNACKNOWLEDGED + 1);
        queue.push(frame(0, false, 10), late);
        assert!(!queue.ready(), "what follows a dropped frame can't be decoded");
        assert_eq!(queue.keys_wanted(late), [0]);
        queue.push(frame(0, true, 10), late);
        assert!(queue.ready());
    }

    #[test]
    fn a_broken_wall_is_mended_a_few_tiles_at_a_time() {
        let (mut queue, mut now) = (attached(), Instant::now());
        let mut mended = Vec::new();
        for tile in 0..20 {
            queue.push(frame(tile, false, 10), now);
        }
        for _ in 0..5 {
            let asked = queue.keys_wanted(now);
            assert_eq!(asked.len(), KEYS_AT_ONCE);
            assert!(queue.keys_wanted(now).is_empty(), "not again at once");
            for &tile in &asked {
                queue.push(frame(tile, true, 10), now);
            }
            mended.extend(asked);
            now += KEYS_SPACING;
        }
        mended.sort_unstable();
        assert_eq!(mended, (0..20).collect::<Vec<_>>());
        assert!(queue.keys_wanted(now).is_empty());
    }

    #[test]
    fn what_waits_is_bounded_and_the_newest_key_frame_replaces_what_it_makes_useless() {
        let (mut queue, now) = (attached(), Instant::now());
        queue.push(frame(0, true, 10), now);
        for _ in 0..100 {
            queue.push(frame(0, false, MAX_MESSAGE / 10), now);
        }
        assert!(queue.bytes <= MAX_MESSAGE);
        queue.push(frame(0, true, 10), now);
        let message = queue.take(0).unwrap();
        assert_eq!(records(&message), 1);
        assert!(message.len() < 100);
        queue.push(frame(0, true, MAX_MESSAGE), now);
        assert!(!queue.ready(), "a picture that fits no message is dropped");
    }

    #[test]
    fn a_forgotten_tile_shows_nothing_of_the_source_before() {
        let (mut queue, now) = (attached(), Instant::now());
        queue.push(frame(1, true, 10), now);
        queue.push(frame(2, true, 10), now);
        queue.forget(1);
        assert_eq!(records(&queue.take(0).unwrap()), 1);
        queue.push(frame(1, false, 10), now);
        assert!(!queue.ready());
    }

    #[test]
    fn a_new_window_starts_over_and_false_acknowledgements_are_ignored() {
        let (mut queue, now) = (attached(), Instant::now());
        queue.push(frame(0, true, 10), now);
        queue.take(0).unwrap();
        queue.acknowledge(500);
        assert_eq!(queue.unacknowledged(), 1);
        queue.detach();
        queue.push(frame(0, true, 10), now);
        queue.attach();
        assert!(!queue.ready());
        assert_eq!(queue.keys_wanted(now), [0]);
    }
}
