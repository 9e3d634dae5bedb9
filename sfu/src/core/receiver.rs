//! What arrives on one layer: which packets are new, which are missing, and what a receiver report says of it.
//!
//! Missing packets are asked for by RTX-aware NACK ([`Losses`]). A recovered packet counts once, however often it comes.

use crate::core::rtcp::ReportBlock;
use crate::core::rtp::unwrap_sequence;
use invigil_shared::losses::Losses;
use std::time::Instant;

/// A jump of this many packets is a restarted sender, not loss.
const RESTART_JUMP: u64 = 3_000;
/// Packets that duplicates are recognised among.
const WINDOW: u64 = 1_024;

/// What a packet turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Not seen before. `index` grows without wrapping; `restarted` when the sender's numbering began anew.
    New { index: u64, restarted: bool },
    /// Seen before, or too old to matter.
    Stale,
}

/// The receiving side of one SSRC.
#[derive(Debug)]
pub struct Receiver {
    clock_rate: u32,
    recovers: bool,
    first: u64,
    top: Option<u64>,
    seen: [u64; (WINDOW / 64) as usize],
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    /// RFC 3550 section 6.4.1, in timestamp units times 16.
    jitter: u64,
    transit: Option<(Instant, u32)>,
    losses: Losses,
    sender_report: Option<(u32, Instant)>,
}

impl Receiver {
    /// A receiver of a stream with `clock_rate` ticks a second; `recovers` when the sender answers NACK with RTX.
    pub fn new(clock_rate: u32, recovers: bool) -> Self {
        Self {
            clock_rate,
            recovers,
            first: 0,
            top: None,
            seen: [0; (WINDOW / 64) as usize],
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            jitter: 0,
            transit: None,
            losses: Losses::default(),
            sender_report: None,
        }
    }

    fn bit(&mut self, index: u64) -> (&mut u64, u64) {
        let at = index % WINDOW;
        (&mut self.seen[(at / 64) as usize], 1 << (at % 64))
    }

    fn mark(&mut self, index: u64) -> bool {
        let (word, bit) = self.bit(index);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    /// Takes note of a packet; `recovered` when it came by RTX.
    pub fn receive(&mut self, now: Instant, sequence: u16, timestamp: u32, recovered: bool) -> Arrival {
        let Some(top) = self.top else {
            // One round above zero, so that a packet from before the first one has an index too.
            let index = (1 << 16) + u64::from(sequence);
            (self.first, self.top) = (index, Some(index));
            self.mark(index);
            self.received = 1;
            return Arrival::New {
                index,
                restarted: false,
            };
        };
        let index = unwrap_sequence(top, sequence);
        if index > top {
            let gap = index - top - 1;
            let restarted = gap >= RESTART_JUMP;
            if recovered && restarted {
                return Arrival::Stale;
            }
            if restarted {
                self.seen = [0; (WINDOW / 64) as usize];
                self.losses.clear();
                // Expected counts go on from here, as if nothing was between.
                self.first += gap;
            } else {
                for skipped in top + 1..=index {
                    let (word, bit) = self.bit(skipped);
                    *word &= !bit;
                }
                if self.recovers {
                    self.losses.note_gap(now, top + 1, index);
                }
            }
            self.top = Some(index);
            self.mark(index);
            self.received += 1;
            if !recovered {
                self.update_jitter(now, timestamp);
            }
            return Arrival::New { index, restarted };
        }
        if top - index >= WINDOW || !self.mark(index) {
            return Arrival::Stale;
        }
        self.losses.arrived(now, index, recovered);
        self.received += 1;
        Arrival::New {
            index,
            restarted: false,
        }
    }

    fn update_jitter(&mut self, now: Instant, timestamp: u32) {
        if let Some((then, before)) = self.transit.replace((now, timestamp)) {
            let elapsed =
                now.saturating_duration_since(then).as_micros() as i64 * i64::from(self.clock_rate) / 1_000_000;
            let difference = (elapsed - i64::from(timestamp.wrapping_sub(before) as i32)).unsigned_abs();
            // A pause (nobody watched) is not jitter.
            if difference < u64::from(self.clock_rate) {
                self.jitter = self.jitter + difference - (self.jitter + 8) / 16;
            }
        }
    }

    /// When [`Self::requests`] has something to say.
    pub fn next_request(&self) -> Option<Instant> {
        self.losses.next_request()
    }

    /// Appends the sequence numbers to ask for now; forgets those not worth asking for any more.
    pub fn requests(&mut self, now: Instant, into: &mut Vec<u16>) {
        self.losses.requests(now, into);
    }

    /// Whether that packet is missing and still being asked for.
    pub fn awaits(&self, index: u64) -> bool {
        self.losses.awaits(index)
    }

    /// See [`Losses::insist`].
    pub fn insist(&mut self, indices: std::ops::Range<u64>) {
        self.losses.insist(indices);
    }

    /// Whether more went missing than requests can repair, since the last time this was asked.
    pub fn take_overwhelmed(&mut self) -> bool {
        self.losses.take_overwhelmed()
    }

    /// Notes a sender report: the middle 32 bits of its NTP time (RFC 3550 section 6.4.1).
    pub fn sender_report(&mut self, now: Instant, ntp_middle: u32) {
        self.sender_report = Some((ntp_middle, now));
    }

    /// Packets that should have come, and those that did, by themselves or as repairs. Neither falls.
    pub fn totals(&self) -> (u64, u64) {
        let expected = self.top.map_or(0, |top| top - self.first + 1);
        (expected, self.received)
    }

    /// What to report of `ssrc`; none before its first packet.
    pub fn report(&mut self, now: Instant, ssrc: u32) -> Option<ReportBlock> {
        let top = self.top?;
        let expected = top - self.first + 1;
        let lost = expected.saturating_sub(self.received);
        let expected_now = expected.saturating_sub(self.expected_prior);
        let received_now = self.received.saturating_sub(self.received_prior);
        (self.expected_prior, self.received_prior) = (expected, self.received);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8;
        let (last_sr, delay) = self.sender_report.map_or((0, 0), |(ntp, at)| {
            (
                ntp,
                (now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000) as u32,
            )
        });
        Some(ReportBlock {
            ssrc,
            fraction_lost: fraction,
            lost: lost.min(0x7f_ffff) as u32,
            highest: top as u32,
            jitter: (self.jitter / 16) as u32,
            last_sr,
            delay,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::losses::MAX_TRIES;
    use std::time::Duration;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_missing_packet_is_asked_for_after_reordering_then_once_a_round_trip_then_given_up() {
        let t = Instant::now();
        let mut receiver = Receiver::new(90_000, true);
        receiver.receive(t, 65_534, 0, false);
        receiver.receive(t, 1, 0, false);
        let mut wanted = vec![];
        receiver.requests(at(t, 1), &mut wanted);
        assert!(wanted.is_empty(), "it may be merely late");
        receiver.requests(at(t, 10), &mut wanted);
        assert_eq!(wanted, [65_535, 0]);
        wanted.clear();
        receiver.requests(at(t, 60), &mut wanted);
        assert!(wanted.is_empty(), "a round trip has not passed");
        assert!(matches!(
            receiver.receive(at(t, 70), 65_535, 0, true),
            Arrival::New { .. }
        ));
        assert_eq!(receiver.receive(at(t, 71), 65_535, 0, true), Arrival::Stale);
        let mut asked = 0;
        for ms in 70..3_000 {
            wanted.clear();
            receiver.requests(at(t, ms), &mut wanted);
            assert!(wanted.iter().all(|sequence| *sequence == 0));
            asked += wanted.len();
        }
        assert!((2..=usize::from(MAX_TRIES)).contains(&asked), "{asked}");
        assert_eq!(receiver.next_request(), None);
    }

    #[test]
    fn a_stream_without_rtx_is_never_asked_and_a_hole_too_large_wants_a_key_frame() {
        let t = Instant::now();
        let mut audio = Receiver::new(48_000, false);
        audio.receive(t, 0, 0, false);
        audio.receive(t, 9, 0, false);
        assert_eq!(audio.next_request(), None);
        let mut video = Receiver::new(90_000, true);
        video.receive(t, 0, 0, false);
        video.receive(t, 1_000, 0, false);
        assert!(video.take_overwhelmed());
        assert!(!video.take_overwhelmed());
        assert_eq!(video.next_request(), None);
    }

    #[test]
    fn reports_count_losses_once() {
        let t = Instant::now();
        let mut receiver = Receiver::new(90_000, true);
        for sequence in (0..100u16).filter(|sequence| sequence % 4 != 1) {
            receiver.receive(t, sequence, 0, false);
        }
        let report = receiver.report(t, 5).unwrap();
        assert_eq!((report.lost, report.fraction_lost), (25, 64));
        receiver.receive(t, 1, 0, true);
        receiver.receive(t, 1, 0, true);
        let report = receiver.report(t, 5).unwrap();
        assert_eq!((report.lost, report.fraction_lost), (24, 0));
    }

    #[test]
    fn a_restarted_sender_is_no_loss() {
        let t = Instant::now();
        let mut receiver = Receiver::new(90_000, true);
        receiver.receive(t, 0, 0, false);
        assert!(matches!(
            receiver.receive(t, 20_000, 0, false),
            Arrival::New { restarted: true, .. }
        ));
        assert_eq!(receiver.report(t, 5).unwrap().lost, 0);
        assert_eq!(receiver.next_request(), None);
    }
}
