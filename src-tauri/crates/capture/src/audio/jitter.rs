//! The jitter buffer: when to play which packet. Pure: time is an argument, so its tests run on virtual time.
//!
//! The fastest packet seen lately defines the timeline; a packet is due `delay` after its own time on it. `delay` follows
//! the lateness that packets show, between 40 and 200 ms. An empty buffer holds the position, so that a late burst is
//! still heard; too long a delay is worked off by skipping, small errors by playing up to 1% faster or slower.

use super::FRAME;
use std::collections::BTreeMap;

/// Shortest and longest delay, samples at 48 kHz: 40 and 200 ms.
const MIN_DELAY: i64 = 1_920;
const MAX_DELAY: i64 = 9_600;
/// Packets kept: 1 s. A peer can't make us keep more.
const MAX_PACKETS: usize = 50;
/// A jump of RTP time by more than this is another stream: 5 s.
const MAX_JUMP: i64 = 240_000;
/// Frames that are guessed before silence follows: guesses fade out by then.
const MAX_CONCEALED: u32 = 5;
/// The fastest packet counts for at least this long, samples: 4 s.
const WINDOW: i64 = 192_000;
const STEP: i64 = FRAME as i64;

/// What to play for the next 20 ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playout {
    Packet(Vec<u8>),
    /// The due packet is lost; this is the one after it, whose redundancy may hold it.
    Recover(Vec<u8>),
    /// Lost, late, or the sender has nothing to say: the decoder guesses.
    Conceal,
    Silence,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterStats {
    pub played: u64,
    pub recovered: u64,
    pub concealed: u64,
    /// Came after their time, or twice.
    pub late: u64,
    /// Thrown away to shorten the delay.
    pub skipped: u64,
}

#[derive(Default)]
pub struct JitterBuffer {
    /// By RTP time, unwrapped: sequence number, unwrapped, and the packet.
    packets: BTreeMap<i64, (i64, Vec<u8>)>,
    newest: Option<(i64, i64)>,
    /// RTP time due next, and the sequence number played last.
    position: Option<i64>,
    played: Option<i64>,
    /// Smallest arrival minus RTP time, in this window and the one before, and when this one began.
    fastest: i64,
    fastest_before: i64,
    window_began: i64,
    lateness: i64,
    concealed: u32,
    stats: JitterStats,
}

fn unwrapped(last: i64, value: i64, bits: u32) -> i64 {
    let (modulus, half) = (1i64 << bits, 1i64 << (bits - 1));
    let difference = (value - last).rem_euclid(modulus);
    last + if difference >= half {
        difference - modulus
    } else {
        difference
    }
}

impl JitterBuffer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn stats(&self) -> JitterStats {
        self.stats
    }

    /// The delay that packets get on top of the fastest one, samples at 48 kHz.
    pub fn delay(&self) -> i64 {
        (self.lateness + STEP).clamp(MIN_DELAY, MAX_DELAY)
    }

    /// A packet arrived at `now_us` (any steady clock).
    pub fn insert(&mut self, now_us: i64, sequence: u16, rtp_timestamp: u32, data: Vec<u8>) {
        let now = samples(now_us);
        let (mut seq, mut at) = (i64::from(sequence), i64::from(rtp_timestamp));
        if let Some((last_seq, last_at)) = self.newest {
            (seq, at) = (unwrapped(last_seq, seq, 16), unwrapped(last_at, at, 32));
            if (at - last_at).abs() > MAX_JUMP && !self.continues(now, at) {
                *self = Self {
                    stats: self.stats,
                    ..Self::default()
                };
            }
        }
        let transit = now - at;
        if self.newest.is_none() {
            (self.fastest, self.fastest_before, self.window_began) = (transit, transit, now);
        } else if now - self.window_began > WINDOW {
            (self.fastest_before, self.fastest, self.window_began) = (self.fastest, transit, now);
        }
        self.fastest = self.fastest.min(transit);
        let late = transit - self.base();
        self.lateness = if late > self.lateness {
            late.min(MAX_DELAY)
        } else {
            self.lateness - (self.lateness - late) / 256
        };
        self.newest = Some(self.newest.map_or((seq, at), |(s, a)| (s.max(seq), a.max(at))));
        let heard = self.played.is_some_and(|played| seq <= played);
        let passed = self.position.is_some_and(|position| at < position - STEP / 2);
        if heard || passed || self.packets.contains_key(&at) {
            self.stats.late += 1;
            return;
        }
        self.packets.insert(at, (seq, data));
        while self.packets.len() > MAX_PACKETS {
            self.packets.pop_first();
            self.stats.skipped += 1;
        }
    }

    /// A long pause of the sender: RTP time moved on with the clock.
    fn continues(&self, now: i64, at: i64) -> bool {
        (now - at - self.base()).abs() < MAX_JUMP / 5
    }

    fn base(&self) -> i64 {
        self.fastest.min(self.fastest_before)
    }

    /// How fast to play: 1.0, up to 1% more when behind and less when ahead of the timeline.
    #[allow(clippy::cast_precision_loss)] // a second at most
    pub fn speed(&self, now_us: i64) -> f64 {
        self.position.map_or(1.0, |position| {
            let behind = samples(now_us) - self.base() - self.delay() - position;
            1.0 + (behind as f64 / 48_000.0 * 0.2).clamp(-0.01, 0.01)
        })
    }

    /// What to play now, called once for every 20 ms that are played.
    pub fn next(&mut self, now_us: i64) -> Playout {
        let Some((&first, _)) = self.packets.first_key_value() else {
            return self.guess(false);
        };
        let due = samples(now_us) - self.base() - self.delay();
        let Some(mut position) = self.position else {
            if due < first {
                return Playout::Silence;
            }
            self.position = Some(first);
            return self.take(first);
        };
        // Far behind: throw away one frame at a time, as long as another one is there to play.
        if due - position.max(first) > 3 * STEP && self.packets.len() > 2 {
            self.packets.pop_first();
            self.stats.skipped += 1;
            position = self.packets.first_key_value().map_or(position, |(&at, _)| at);
            return self.take(position);
        }
        if first < position + STEP / 2 {
            return self.take(first);
        }
        let Some((&at, (seq, data))) = self.packets.first_key_value() else {
            return self.guess(false);
        };
        let missing = self.played.map_or(1, |played| seq - played - 1);
        if missing <= 0 || at - position > MAX_DELAY {
            // Nothing is missing: the sender was silent. Its next word comes at its time.
            return if due >= at { self.take(at) } else { self.guess(false) };
        }
        if due < position - STEP / 2 {
            // What is missing may still come: the delay grew, its time is later than we thought.
            return self.guess(false);
        }
        if at - position < STEP + STEP / 2 {
            let data = data.clone();
            self.position = Some(at);
            self.played = Some(seq - 1);
            self.concealed = 0;
            self.stats.recovered += 1;
            return Playout::Recover(data);
        }
        self.position = Some(position + STEP);
        self.guess(true)
    }

    fn take(&mut self, at: i64) -> Playout {
        let Some((seq, data)) = self.packets.remove(&at) else {
            return Playout::Silence;
        };
        self.position = Some(at + STEP);
        self.played = Some(seq);
        self.concealed = 0;
        self.stats.played += 1;
        Playout::Packet(data)
    }

    /// `lost`: the frame won't come any more. Else the position is held and only the guess is counted.
    fn guess(&mut self, lost: bool) -> Playout {
        if self.position.is_none() {
            return Playout::Silence;
        }
        self.concealed = self.concealed.saturating_add(1);
        if lost || self.concealed <= MAX_CONCEALED {
            self.stats.concealed += 1;
            return Playout::Conceal;
        }
        Playout::Silence
    }
}

fn samples(us: i64) -> i64 {
    us * 48 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `n` packets, each sent every 20 ms and arriving by `delay(i)` ms later (`None`: lost); time in ms steps.
    fn run(n: usize, delay: impl Fn(usize) -> Option<i64>, drift_ppm: i64) -> (Vec<Playout>, JitterBuffer) {
        let mut buffer = JitterBuffer::new();
        let mut arrivals: Vec<(i64, usize)> = (0..n)
            .filter_map(|i| delay(i).map(|d| (i as i64 * (20_000 + drift_ppm / 50) + d * 1000, i)))
            .collect();
        arrivals.sort_unstable();
        let mut arrivals = arrivals.into_iter().peekable();
        let mut heard = Vec::new();
        for tick in 0..n as i64 + 20 {
            let now = tick * 20_000 + 3_000;
            while let Some((at, i)) = arrivals.next_if(|(at, _)| *at <= now) {
                let seq = (65_500 + i) as u16;
                buffer.insert(
                    at,
                    seq,
                    (u32::MAX - 9_600).wrapping_add(i as u32 * 960),
                    (i as u32).to_le_bytes().to_vec(),
                );
            }
            heard.push(buffer.next(now));
        }
        (heard, buffer)
    }
    fn numbers(heard: &[Playout]) -> Vec<u32> {
        let number = |d: &Vec<u8>| u32::from_le_bytes(d[..].try_into().unwrap());
        heard
            .iter()
            .filter_map(|p| {
                if let Playout::Packet(d) = p {
                    Some(number(d))
                } else {
                    None
                }
            })
            .collect()
    }

    #[test]
    fn a_clean_stream_plays_whole_over_both_wraps_after_40_ms() {
        let (heard, buffer) = run(200, |_| Some(5), 0);
        assert_eq!(numbers(&heard), (0..200).collect::<Vec<_>>());
        let silent = heard.iter().take_while(|p| **p == Playout::Silence).count();
        assert!((2..=4).contains(&silent), "{silent}");
        assert_eq!(
            (buffer.stats().concealed, buffer.stats().late),
            (5, 0),
            "only after its end"
        );
    }

    #[test]
    fn jitter_makes_the_delay_grow_and_nothing_is_lost_twice() {
        let (heard, buffer) = run(1000, |i| Some(if i % 7 == 0 { 90 } else { 5 }), 0);
        let played = numbers(&heard);
        assert!(played.len() > 980, "{}", played.len());
        assert!(played.is_sorted());
        assert!(
            played.windows(2).skip(50).all(|w| w[1] == w[0] + 1),
            "after adapting every packet is in time"
        );
        assert!((4_000..=6_000).contains(&buffer.delay()), "{}", buffer.delay());
    }

    #[test]
    fn a_single_loss_is_recovered_and_three_are_concealed() {
        let (heard, buffer) = run(200, |i| (i != 50 && !(100..103).contains(&i)).then_some(5), 0);
        assert_eq!(buffer.stats().recovered, 2, "the single one, and the last of the three");
        assert_eq!(numbers(&heard).len(), 196);
        let end = heard.iter().rposition(|p| matches!(p, Playout::Packet(_))).unwrap();
        let guessed = heard[..end].iter().filter(|p| **p == Playout::Conceal).count();
        assert!(
            (2..=3).contains(&guessed),
            "two, and one while the buffer was empty: {guessed}"
        );
    }

    #[test]
    fn a_network_pause_is_played_late_then_caught_up() {
        // Packets 100..120 all arrive when 120 does.
        let (heard, buffer) = run(
            600,
            |i| {
                Some(if (100..120).contains(&i) {
                    5 + (120 - i as i64) * 20
                } else {
                    5
                })
            },
            0,
        );
        let played = numbers(&heard);
        assert!(played.is_sorted() && played.len() + buffer.stats().skipped as usize == 600);
        assert!(
            buffer.stats().skipped >= 5,
            "the delay is worked off: {:?}",
            buffer.stats()
        );
        assert_eq!(*played.last().unwrap(), 599);
    }

    #[test]
    fn a_silent_sender_is_not_a_loss() {
        let mut buffer = JitterBuffer::new();
        let mut now = 0;
        let mut packets = Vec::new();
        for (seq, frame) in (0..10).chain(40..50).enumerate() {
            packets.push((frame * 20_000, seq as u16, frame as u32 * 960));
        }
        let mut packets = packets.into_iter().peekable();
        let mut played_at = Vec::new();
        for _ in 0..60 {
            while let Some((at, seq, rtp)) = packets.next_if(|p| p.0 <= now) {
                buffer.insert(at, seq, rtp, vec![1]);
            }
            if matches!(buffer.next(now), Playout::Packet(_)) {
                played_at.push(now / 20_000);
            }
            now += 20_000;
        }
        assert_eq!(played_at.len(), 20);
        assert_eq!(played_at[10] - played_at[9], 31, "the pause is as long as it was");
        assert_eq!(
            buffer.stats().recovered + buffer.stats().late + buffer.stats().skipped,
            0
        );
    }

    #[test]
    fn a_faster_sender_asks_for_more_speed() {
        let mut buffer = JitterBuffer::new();
        let mut fastest: f64 = 1.0;
        // The sender's clock is 0.5% fast and we pull at our own rate, ignoring the advice.
        let mut sent = 0i64;
        for tick in 0..2000i64 {
            let now = tick * 20_000;
            while sent * 19_900 <= now {
                buffer.insert(sent * 19_900, sent as u16, (sent * 960) as u32, vec![1]);
                sent += 1;
            }
            buffer.next(now);
            fastest = fastest.max(buffer.speed(now));
        }
        assert!(fastest > 1.004, "{fastest}");
    }

    #[test]
    fn a_new_stream_and_a_flood_are_bounded() {
        let mut buffer = JitterBuffer::new();
        for i in 0..100_000u32 {
            buffer.insert(0, i as u16, i.wrapping_mul(960), vec![0; 10]);
            assert!(buffer.packets.len() <= MAX_PACKETS);
        }
        buffer.insert(1_000_000, 7, 1 << 30, vec![9]);
        assert_eq!(buffer.packets.len(), 1);
        assert_eq!(buffer.next(1_100_000), Playout::Packet(vec![9]));
    }
}
