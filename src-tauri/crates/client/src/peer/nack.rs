//! Asks for lost video packets (RFC 4585 section 6.2.1). The stock generator does not know RTX and asked on for packets that
//! had come back; this one counts a retransmission (RFC 4588) as the packet that it repairs.

use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc::sansio::Protocol;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How often gaps are looked at; also the reordering that is tolerated before asking.
const TICK: Duration = Duration::from_millis(10);
/// Between two requests for one packet: a round trip on a fair path.
const AGAIN: Duration = Duration::from_millis(50);
/// Requests for one packet: 400 ms, then a key frame is the better answer.
const MAX_REQUESTS: u8 = 8;
/// A jump that is longer is a pause or a new beginning, not loss.
const MAX_GAP: u32 = 256;
/// Missing packets that are remembered per stream.
const MAX_MISSING: usize = 512;

#[derive(Debug)]
struct Missing {
    requests: u8,
    due: Instant,
}

/// What one stream has and lacks. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(crate) struct LossLog {
    /// Highest extended sequence number.
    highest: Option<u32>,
    missing: BTreeMap<u32, Missing>,
}

impl LossLog {
    /// Takes a sequence number that arrived, by itself or inside a retransmission.
    pub fn arrived(&mut self, sequence: u16, now: Instant) {
        let Some(highest) = self.highest else {
            // Far from zero, so that an early packet of before the first one has a number as well.
            self.highest = Some(0x0001_0000 | u32::from(sequence));
            return;
        };
        let distance = sequence.wrapping_sub(highest as u16) as i16;
        let extended = highest.wrapping_add_signed(i32::from(distance));
        if distance <= 0 {
            self.missing.remove(&extended);
            return;
        }
        let gap = extended.wrapping_sub(highest) - 1;
        if gap > MAX_GAP {
            self.missing.clear();
        } else {
            for lost in highest.wrapping_add(1)..extended {
                self.missing.insert(
                    lost,
                    Missing {
                        requests: 0,
                        due: now + TICK,
                    },
                );
            }
        }
        while self.missing.len() > MAX_MISSING {
            self.missing.pop_first();
        }
        self.highest = Some(extended);
    }

    /// What to ask for now.
    pub fn due(&mut self, now: Instant) -> Vec<u16> {
        self.missing.retain(|_, m| m.requests < MAX_REQUESTS);
        let mut sequences = Vec::new();
        for (extended, missing) in &mut self.missing {
            if missing.due <= now {
                missing.requests += 1;
                missing.due = now + AGAIN;
                sequences.push(*extended as u16);
            }
        }
        sequences
    }

    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// The interceptor: belongs into `Slot::NackGenerator`.
pub(crate) struct NackGenerator {
    sender_ssrc: u32,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
    /// By primary SSRC. Bounded by the negotiated m-lines.
    logs: HashMap<u32, LossLog>,
    /// RTX SSRC to primary.
    repairs: HashMap<u32, u32>,
    next: Option<Instant>,
}

impl NackGenerator {
    pub fn new(sender_ssrc: u32) -> Self {
        Self {
            sender_ssrc,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            logs: HashMap::new(),
            repairs: HashMap::new(),
            next: None,
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for NackGenerator {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtp(packet) = &message.message.packet {
            let ssrc = packet.header.ssrc;
            let sequence = if self.logs.contains_key(&ssrc) {
                Some((ssrc, packet.header.sequence_number))
            } else {
                // RFC 4588 section 4: the first two bytes are the original's number.
                let original = packet.payload.first_chunk::<2>().map(|b| u16::from_be_bytes(*b));
                self.repairs.get(&ssrc).copied().zip(original)
            };
            if let Some((log, sequence)) = sequence.and_then(|(s, q)| Some((self.logs.get_mut(&s)?, q))) {
                log.arrived(sequence, message.now);
                if !log.is_complete() && self.next.is_none() {
                    self.next = Some(message.now + TICK);
                }
            }
        }
        self.reads.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Self::Error> {
        self.writes.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Self::Error> {
        if self.next.is_none_or(|at| at > now) {
            return Ok(());
        }
        let mut requests: Vec<Box<dyn rtc::rtcp::Packet>> = Vec::new();
        for (ssrc, log) in &mut self.logs {
            let sequences = log.due(now);
            if !sequences.is_empty() {
                requests.push(Box::new(TransportLayerNack {
                    sender_ssrc: self.sender_ssrc,
                    media_ssrc: *ssrc,
                    nacks: nack_pairs_from_sequence_numbers(&sequences),
                }));
            }
        }
        let waiting = self.logs.values().any(|log| !log.is_complete());
        self.next = waiting.then(|| now + TICK);
        if !requests.is_empty() {
            self.writes.push_back(TaggedPacket {
                now,
                transport: Default::default(),
                message: AttributedPacket::new(Packet::Rtcp(requests)),
            });
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.next
    }
}

impl Interceptor for NackGenerator {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        let repair = info.mime_type.eq_ignore_ascii_case("video/rtx") || self.repairs.contains_key(&info.ssrc);
        if repair || !info.mime_type.to_ascii_lowercase().starts_with("video/") {
            return;
        }
        self.logs.entry(info.ssrc).or_default();
        if let Some(rtx) = info.ssrc_rtx {
            self.logs.remove(&rtx);
            self.repairs.insert(rtx, info.ssrc);
        }
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.logs.remove(&info.ssrc);
        self.repairs.retain(|_, primary| *primary != info.ssrc);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_gap_is_asked_for_until_it_is_repaired() {
        let (mut log, t) = (LossLog::default(), Instant::now());
        [65_533u16, 65_534, 1, 2].iter().for_each(|&s| log.arrived(s, t));
        assert_eq!(log.due(t + TICK), [65_535, 0]);
        assert_eq!(log.due(t + TICK * 2), [] as [u16; 0]);
        log.arrived(0, t + TICK * 3);
        assert_eq!(log.due(t + TICK + AGAIN), [65_535]);
        log.arrived(65_535, t + AGAIN * 2);
        assert!(log.is_complete());
    }

    #[test]
    fn a_packet_that_never_comes_is_given_up() {
        let (mut log, t) = (LossLog::default(), Instant::now());
        log.arrived(1, t);
        log.arrived(3, t);
        let asked: usize = (1..100).map(|n| log.due(t + AGAIN * n).len()).sum();
        assert_eq!(asked, usize::from(MAX_REQUESTS));
        assert!(log.is_complete());
    }

    #[test]
    fn a_pause_is_not_loss() {
        let (mut log, t) = (LossLog::default(), Instant::now());
        log.arrived(1, t);
        log.arrived(2_000, t);
        assert!(log.is_complete());
    }

    proptest! {
        #[test]
        fn any_order_stays_bounded(sequences in prop::collection::vec(any::<u16>(), 0..2_000)) {
            let (mut log, t) = (LossLog::default(), Instant::now());
            for s in sequences {
                log.arrived(s, t);
                prop_assert!(log.missing.len() <= MAX_MISSING);
            }
        }

        #[test]
        fn what_arrived_is_never_asked_for(lost in prop::collection::btree_set(1u16..500, 0..60), start in any::<u16>()) {
            let (mut log, t) = (LossLog::default(), Instant::now());
            (0..501u16).filter(|n| !lost.contains(n)).for_each(|n| log.arrived(start.wrapping_add(n), t));
            let asked: Vec<u16> = log.due(t + AGAIN).into_iter().map(|s| s.wrapping_sub(start)).collect();
            prop_assert_eq!(asked, lost.into_iter().collect::<Vec<_>>());
        }
    }
}
