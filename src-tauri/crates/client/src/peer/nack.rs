//! Asks for lost video packets (RFC 4585 section 6.2.1). The stock generator does not know RTX and asked on for packets that
//! had come back; this one counts a retransmission (RFC 4588) as the packet that it repairs.

use invigil_shared::losses::Losses;
use parking_lot::Mutex;
use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc::sansio::Protocol;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often gaps are looked at.
const TICK: Duration = Duration::from_millis(10);

/// What one stream lacks, by its sequence numbers.
#[derive(Debug, Default)]
pub(crate) struct LossLog {
    highest: Option<u64>,
    losses: Losses,
}

impl LossLog {
    /// Takes a sequence number that arrived, by itself or (`repaired`) inside a retransmission.
    pub fn arrived(&mut self, sequence: u16, repaired: bool, now: Instant) {
        let Some(highest) = self.highest else {
            // Far from zero, so that an early packet of before the first one has a number as well.
            self.highest = Some(0x0001_0000 | u64::from(sequence));
            return;
        };
        let index = extend(highest, sequence);
        if index <= highest {
            self.losses.arrived(now, index, repaired);
            return;
        }
        if index > highest + 1 {
            // More than can be repaired is a pause or a new beginning: the assembler asks for a key frame.
            self.losses.note_gap(now, highest + 1, index);
        }
        self.highest = Some(index);
    }

    /// What to ask for now.
    pub fn due(&mut self, now: Instant) -> Vec<u16> {
        let mut sequences = Vec::new();
        self.losses.requests(now, &mut sequences);
        sequences
    }

    /// Whether that packet is missing and still being asked for.
    pub fn awaits(&self, sequence: u16) -> bool {
        self.highest
            .is_some_and(|highest| self.losses.awaits(extend(highest, sequence)))
    }

    /// Names the packets of the key frame that is arriving, from the first to the last: see [`Losses::insist`].
    pub fn insist(&mut self, key_frame: Option<(u16, u16)>) {
        let range = key_frame.zip(self.highest).map_or(0..0, |((first, last), highest)| {
            extend(highest, first)..extend(highest, last).saturating_add(1)
        });
        self.losses.insist(range);
    }

    pub fn is_complete(&self) -> bool {
        self.losses.is_empty()
    }
}

/// The number with these lower bits that is nearest to `highest`.
fn extend(highest: u64, sequence: u16) -> u64 {
    highest.saturating_add_signed(i64::from(sequence.wrapping_sub(highest as u16) as i16))
}

/// The losses of a transport's streams, by primary SSRC: bounded by the negotiated m-lines. Kept by the interceptor, and asked by
/// whoever waits for a picture.
pub(crate) type LossLogs = Arc<Mutex<HashMap<u32, LossLog>>>;

/// The interceptor: belongs into `Slot::NackGenerator`.
pub(crate) struct NackGenerator {
    sender_ssrc: u32,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
    logs: LossLogs,
    /// RTX SSRC to primary.
    repairs: HashMap<u32, u32>,
    next: Option<Instant>,
}

impl NackGenerator {
    pub fn new(sender_ssrc: u32, logs: LossLogs) -> Self {
        Self {
            sender_ssrc,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
            logs,
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
            let mut logs = self.logs.lock();
            let (primary, sequence, repaired) = match self.repairs.get(&ssrc) {
                // RFC 4588 section 4: the first two bytes are the original's number.
                Some(primary) => {
                    let original = packet.payload.first_chunk::<2>();
                    (*primary, original.map(|bytes| u16::from_be_bytes(*bytes)), true)
                }
                None => (ssrc, Some(packet.header.sequence_number), false),
            };
            if let (Some(log), Some(sequence)) = (logs.get_mut(&primary), sequence) {
                log.arrived(sequence, repaired, message.now);
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
        let mut logs = self.logs.lock();
        for (ssrc, log) in logs.iter_mut() {
            let sequences = log.due(now);
            if !sequences.is_empty() {
                requests.push(Box::new(TransportLayerNack {
                    sender_ssrc: self.sender_ssrc,
                    media_ssrc: *ssrc,
                    nacks: nack_pairs_from_sequence_numbers(&sequences),
                }));
            }
        }
        let waiting = logs.values().any(|log| !log.is_complete());
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
        let mut logs = self.logs.lock();
        logs.entry(info.ssrc).or_default();
        if let Some(rtx) = info.ssrc_rtx {
            logs.remove(&rtx);
            self.repairs.insert(rtx, info.ssrc);
        }
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.logs.lock().remove(&info.ssrc);
        self.repairs.retain(|_, primary| *primary != info.ssrc);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::losses::{MAX_MISSING, REORDER};
    use proptest::prelude::*;

    #[test]
    fn a_gap_is_asked_for_until_it_is_repaired() {
        let (mut log, t) = (LossLog::default(), Instant::now());
        [65_533u16, 65_534, 1, 2].iter().for_each(|&s| log.arrived(s, false, t));
        assert_eq!(log.due(t + TICK), [65_535, 0]);
        assert_eq!(log.due(t + TICK * 2), [] as [u16; 0]);
        assert!(log.awaits(0) && log.awaits(65_535) && !log.awaits(1));
        log.arrived(0, true, t + TICK * 3);
        assert!(!log.awaits(0));
        assert_eq!(log.due(t + Duration::from_millis(150)), [65_535]);
        log.arrived(65_535, true, t + Duration::from_millis(160));
        assert!(log.is_complete());
    }

    #[test]
    fn what_a_key_frame_lacks_is_asked_for_for_seconds_also_where_numbers_begin_anew() {
        let (mut log, t) = (LossLog::default(), Instant::now());
        [65_530u16, 65_532, 1, 3].iter().for_each(|&s| log.arrived(s, false, t));
        // From 65,533 to 2; 65,531 is of the picture before.
        log.insist(Some((65_533, 2)));
        for ms in (0..2_000).step_by(10) {
            log.due(t + Duration::from_millis(ms));
        }
        assert!(!log.awaits(65_531));
        assert!([65_533, 65_535, 0, 2].iter().all(|number| log.awaits(*number)));
        log.insist(None);
        log.due(t + Duration::from_millis(2_010));
        assert!(log.is_complete());
    }

    #[test]
    fn a_pause_is_not_loss() {
        let (mut log, t) = (LossLog::default(), Instant::now());
        log.arrived(1, false, t);
        log.arrived(2_000, false, t);
        assert!(log.is_complete());
    }

    proptest! {
        #[test]
        fn any_order_stays_bounded(sequences in prop::collection::vec(any::<u16>(), 0..2_000)) {
            let (mut log, t) = (LossLog::default(), Instant::now());
            for s in sequences {
                log.arrived(s, false, t);
            }
            prop_assert!(log.due(t + REORDER).len() <= MAX_MISSING);
        }

        #[test]
        fn what_arrived_is_never_asked_for(lost in prop::collection::btree_set(1u16..500, 0..60), start in any::<u16>()) {
            let (mut log, t) = (LossLog::default(), Instant::now());
            (0..501u16).filter(|n| !lost.contains(n)).for_each(|n| log.arrived(start.wrapping_add(n), false, t));
            let asked: Vec<u16> = log.due(t + REORDER).into_iter().map(|s| s.wrapping_sub(start)).collect();
            prop_assert_eq!(asked, lost.into_iter().collect::<Vec<_>>());
        }
    }
}
