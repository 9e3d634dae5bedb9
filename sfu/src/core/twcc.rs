//! Transport-wide feedback for publishers (draft-holmer-rmcat-transport-wide-cc-extensions-01): what arrived and when. What
//! subscribers report of ours is read by [`invigil_shared::bandwidth::SentPackets`].

use crate::core::rtp::unwrap_sequence;
use std::collections::VecDeque;
use std::time::Instant;

/// Packets of one feedback message: with the widest deltas it still fits a datagram.
const MAX_REPORTED: u64 = 400;
/// Packets that wait to be reported.
const MAX_PENDING: usize = 2_048;
/// The unit of arrival deltas.
const TICK_US: i64 = 250;
/// The unit of the reference time.
const REFERENCE_US: i64 = 64_000;

/// Arrivals on one transport, to be reported to its sender.
#[derive(Debug)]
pub struct Arrivals {
    epoch: Instant,
    /// Index and microseconds since the epoch, from the lowest index up. The memory is kept.
    pending: VecDeque<(u64, i64)>,
    last: Option<u64>,
    /// The first number that the next message speaks of.
    next_base: Option<u64>,
    count: u8,
}

impl Arrivals {
    /// Times are reported relative to `epoch`.
    pub fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            pending: VecDeque::new(),
            last: None,
            next_base: None,
            count: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Notes the packet that carried `sequence`.
    pub fn receive(&mut self, now: Instant, sequence: u16) {
        let index = self
            .last
            .map_or((1 << 16) + u64::from(sequence), |last| unwrap_sequence(last, sequence));
        self.last = Some(self.last.map_or(index, |last| last.max(index)));
        if self.pending.len() >= MAX_PENDING {
            return;
        }
        let at = self.micros(now);
        if self.pending.back().is_none_or(|(newest, _)| *newest < index) {
            self.pending.push_back((index, at));
        } else if let Err(place) = self.pending.binary_search_by_key(&index, |(index, _)| *index) {
            self.pending.insert(place, (index, at));
        }
    }

    /// Writes the control information of one message, from the base sequence number on, and forgets what it reports.
    /// False when nothing has arrived. Call again while it returns true.
    pub fn write(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(&(first, first_at)) = self.pending.front() else {
            return false;
        };
        // What is missing between two messages is reported as lost by the later one.
        let base = self
            .next_base
            .filter(|base| *base <= first && first - base < MAX_REPORTED / 2)
            .unwrap_or(first);
        let reference = first_at / REFERENCE_US;
        let mut statuses = [0; MAX_REPORTED as usize];
        let mut deltas = [0; 2 * MAX_REPORTED as usize];
        let (mut count, mut filled) = (0, 0);
        let mut previous = reference * REFERENCE_US;
        let mut end = base;
        for &(index, at) in &self.pending {
            if index - base >= MAX_REPORTED {
                break;
            }
            let ticks = (at - previous).div_euclid(TICK_US);
            let Ok(wide) = i16::try_from(ticks) else { break };
            // What lies between two arrivals keeps the status of a packet that has not come.
            let place = (index - base) as usize;
            count = place + 1;
            if let Ok(small) = u8::try_from(ticks) {
                (statuses[place], deltas[filled]) = (1, small);
                filled += 1;
            } else {
                statuses[place] = 2;
                deltas[filled..filled + 2].copy_from_slice(&wide.to_be_bytes());
                filled += 2;
            }
            previous += ticks * TICK_US;
            end = index + 1;
        }
        if count == 0 {
            // The first packet is further from its own reference than a delta can say: cannot be, but never loop on it.
            self.pending.pop_front();
            return !self.pending.is_empty();
        }
        out.extend_from_slice(&(base as u16).to_be_bytes());
        out.extend_from_slice(&(count as u16).to_be_bytes());
        out.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.count);
        write_chunks(out, &statuses[..count]);
        out.extend_from_slice(&deltas[..filled]);
        self.count = self.count.wrapping_add(1);
        while self.pending.pop_front_if(|(index, _)| *index < end).is_some() {}
        self.next_base = Some(end);
        true
    }

    fn micros(&self, at: Instant) -> i64 {
        at.saturating_duration_since(self.epoch).as_micros() as i64
    }
}

/// Runs where 7 or more statuses are equal, two-bit vectors elsewhere.
fn write_chunks(out: &mut Vec<u8>, statuses: &[u8]) {
    let mut rest = statuses;
    while let Some(&status) = rest.first() {
        let run = rest.iter().take(0x1fff).take_while(|next| **next == status).count();
        if run >= 7 || run == rest.len() {
            out.extend_from_slice(&(u16::from(status) << 13 | run as u16).to_be_bytes());
            rest = &rest[run..];
        } else {
            let (now, later) = rest.split_at(rest.len().min(7));
            let vector = now.iter().enumerate().fold(0xc000u16, |bits, (at, status)| {
                bits | u16::from(*status) << (12 - 2 * at)
            });
            out.extend_from_slice(&vector.to_be_bytes());
            rest = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rtcp::{Item, parse, write_transport_feedback};
    use invigil_shared::bandwidth::SentPackets;
    use proptest::prelude::*;
    use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
    use std::time::Duration;

    fn message(arrivals: &mut Arrivals) -> Vec<u8> {
        let (mut control, mut bytes) = (Vec::new(), Vec::new());
        assert!(arrivals.write(&mut control));
        write_transport_feedback(&mut bytes, 1, 2, &control);
        bytes
    }

    #[test]
    fn another_implementation_reads_our_feedback() {
        let epoch = Instant::now();
        let mut arrivals = Arrivals::new(epoch);
        for (sequence, ms) in [(65_534u16, 100), (65_535, 101), (1, 300), (2, 299), (40, 310)] {
            arrivals.receive(epoch + Duration::from_millis(ms), sequence);
        }
        let bytes = message(&mut arrivals);
        let read = rtc_rtcp::packet::unmarshal(&mut bytes::Bytes::from(bytes)).unwrap();
        let read = read[0].as_any().downcast_ref::<TransportLayerCc>().unwrap();
        assert_eq!(
            (read.base_sequence_number, read.packet_status_count, read.reference_time),
            (65_534, 43, 1)
        );
        let deltas: Vec<i64> = read.recv_deltas.iter().map(|delta| delta.delta).collect();
        assert_eq!(deltas, [36_000, 1_000, 199_000, -1_000, 11_000]);
        assert!(!arrivals.write(&mut Vec::new()), "reported once");
    }

    proptest! {
        #[test]
        fn feedback_tells_what_arrived(lost in proptest::collection::vec(any::<bool>(), 1..900)) {
            let epoch = Instant::now();
            let (mut sent, mut arrivals) = (SentPackets::default(), Arrivals::new(epoch));
            for _ in 0..70_000u32 {
                sent.send(epoch, 1, None);
            }
            let mut wanted = (0u64, 0u64);
            let mut any = false;
            for (at, lost) in lost.iter().enumerate() {
                let now = epoch + Duration::from_millis(at as u64 * 3);
                let number = sent.send(now, 100 + at, None);
                if !lost {
                    arrivals.receive(now + Duration::from_millis(20), number);
                    wanted = (wanted.0 + 1, wanted.1 + 100 + at as u64);
                    any = true;
                }
            }
            if any {
                let mut total = (0, 0);
                loop {
                    let mut control = Vec::new();
                    if !arrivals.write(&mut control) {
                        break;
                    }
                    let mut bytes = Vec::new();
                    write_transport_feedback(&mut bytes, 1, 2, &control);
                    parse(&bytes, |item| {
                        if let Item::TransportFeedback { control } = item {
                            let mut results = Vec::new();
                            assert!(sent.feedback(control, &mut results));
                            for result in results.iter().filter(|result| result.arrived_us.is_some()) {
                                total = (total.0 + 1, total.1 + u64::from(result.bytes));
                                let took = result.arrived_us.unwrap() - (result.sent - epoch).as_micros() as i64;
                                assert!((19_500..=20_500).contains(&took), "{took} us");
                            }
                        }
                    });
                }
                prop_assert_eq!(total, wanted);
            }
        }
    }
}
