//! Lets key frame requests through to the publisher (inbound RTCP otherwise ends in the chain), notes reported loss, and answers
//! the receiver's reference times, which tell it the round trip.

use super::tap::PathTap;
use rtc::interceptor::{Attribute, AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::extended_report::{DLRRReport, DLRRReportBlock, ExtendedReport, ReceiverReferenceTimeReportBlock};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::sansio::Protocol;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Behind every slot that acts on feedback.
pub(crate) const POSITION: usize = 14_000;

pub(crate) struct Feedback {
    tap: Arc<PathTap>,
    /// One of our own streams.
    sender_ssrc: u32,
    /// Our own streams, with the number of the last full intra request for each.
    commands: BTreeMap<u32, Option<u8>>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Feedback {
    pub fn new(tap: Arc<PathTap>) -> Self {
        Self {
            tap,
            sender_ssrc: 0,
            commands: BTreeMap::new(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }

    /// Whether a packet asks for a key frame that nobody was asked for yet: a full intra request that is repeated keeps its number
    /// (RFC 5104 section 4.3.1.1).
    fn is_new_request(&mut self, packet: &dyn rtc::rtcp::Packet) -> bool {
        let Some(request) = packet.as_any().downcast_ref::<FullIntraRequest>() else {
            return packet.as_any().is::<PictureLossIndication>();
        };
        let mut is_new = false;
        for entry in &request.fir {
            let known = self.commands.get_mut(&entry.ssrc);
            is_new |= known.is_some_and(|known| known.replace(entry.sequence_number) != Some(entry.sequence_number));
        }
        is_new
    }
}

/// The answer to a receiver's reference time, given at once (RFC 3611 section 4.5); none when the report holds none.
fn answer(report: &ExtendedReport, sender_ssrc: u32) -> Option<ExtendedReport> {
    let mut blocks = report.reports.iter();
    let time = blocks.find_map(|block| block.as_any().downcast_ref::<ReceiverReferenceTimeReportBlock>())?;
    let reports = vec![DLRRReport {
        ssrc: report.sender_ssrc,
        last_rr: (time.ntp_timestamp >> 16) as u32,
        dlrr: 0,
    }];
    Some(ExtendedReport {
        sender_ssrc,
        reports: vec![Box::new(DLRRReportBlock { reports })],
    })
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Feedback {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            let reports = packets
                .iter()
                .filter_map(|p| p.as_any().downcast_ref::<ReceiverReport>());
            if let Some(worst) = reports.flat_map(|r| r.reports.iter().map(|r| r.fraction_lost)).max() {
                self.tap.fraction_lost.store(u64::from(worst), Ordering::Relaxed);
            }
            let mut extended = packets
                .iter()
                .filter_map(|p| p.as_any().downcast_ref::<ExtendedReport>());
            if let Some(answer) = extended.find_map(|report| answer(report, self.sender_ssrc)) {
                self.writes.push_back(TaggedPacket {
                    now: message.now,
                    transport: message.transport,
                    message: AttributedPacket::new(Packet::Rtcp(vec![Box::new(answer)])),
                });
            }
            // One message a request: the driver routes a compound by its first packet only.
            for request in packets {
                if !self.is_new_request(request.as_ref()) {
                    continue;
                }
                let mut single = TaggedPacket {
                    now: message.now,
                    transport: message.transport,
                    message: message.message.clone(),
                };
                single.message.packet = Packet::Rtcp(vec![request.clone()]);
                single.message.add(Attribute::DeliverToApplication);
                self.reads.push_back(single);
            }
            return Ok(());
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
}

impl Interceptor for Feedback {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.sender_ssrc = info.ssrc;
        self.commands.entry(info.ssrc).or_default();
    }
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc::rtcp::payload_feedbacks::full_intra_request::FirEntry;

    fn read(feedback: &mut Feedback, packets: Vec<Box<dyn rtc::rtcp::Packet>>) {
        let message = TaggedPacket {
            now: Instant::now(),
            transport: Default::default(),
            message: AttributedPacket::new(Packet::Rtcp(packets)),
        };
        feedback.handle_read(message).unwrap();
    }

    #[test]
    fn a_full_intra_request_that_is_repeated_reaches_the_encoder_once() {
        let mut feedback = Feedback::new(Arc::default());
        for ssrc in [7, 8] {
            feedback.bind_local_stream(&StreamInfo {
                ssrc,
                ..StreamInfo::default()
            });
        }
        let mut reaches = |ssrc, sequence_number| {
            let request = FullIntraRequest {
                fir: vec![FirEntry { ssrc, sequence_number }],
                ..FullIntraRequest::default()
            };
            read(
                &mut feedback,
                vec![Box::new(ReceiverReport::default()), Box::new(request)],
            );
            std::iter::from_fn(|| feedback.poll_read()).count()
        };
        let asked = [(7, 1), (7, 1), (8, 1), (7, 1), (7, 2), (8, 1), (7, 2), (7, 1), (9, 1)];
        let reached = asked.map(|(ssrc, command)| reaches(ssrc, command));
        assert_eq!(reached, [1, 0, 1, 0, 1, 0, 0, 1, 0]);
        // A picture loss has no number: each counts.
        for _ in 0..2 {
            let lost = PictureLossIndication {
                sender_ssrc: 1,
                media_ssrc: 7,
            };
            read(&mut feedback, vec![Box::new(lost)]);
            assert!(feedback.poll_read().is_some());
        }
    }

    #[test]
    fn a_reference_time_is_answered_and_nothing_else_is() {
        let mut feedback = Feedback::new(Arc::default());
        feedback.bind_local_stream(&StreamInfo {
            ssrc: 77,
            ..StreamInfo::default()
        });
        let asked = ExtendedReport {
            sender_ssrc: 5,
            reports: vec![Box::new(ReceiverReferenceTimeReportBlock {
                ntp_timestamp: 0x1122_3344_5566_7788,
            })],
        };
        read(
            &mut feedback,
            vec![Box::new(ReceiverReport::default()), Box::new(asked)],
        );
        let Some(Packet::Rtcp(packets)) = feedback.poll_write().map(|written| written.message.packet) else {
            panic!("no answer")
        };
        let answered = packets[0].as_any().downcast_ref::<ExtendedReport>().unwrap();
        let block = answered.reports[0].as_any().downcast_ref::<DLRRReportBlock>().unwrap();
        let expected = DLRRReport {
            ssrc: 5,
            last_rr: 0x3344_5566,
            dlrr: 0,
        };
        assert_eq!((answered.sender_ssrc, &block.reports[..]), (77, &[expected][..]));
        // An answer is not answered, or two ends would never rest.
        let echo = ExtendedReport {
            sender_ssrc: 9,
            reports: vec![Box::new(block.clone())],
        };
        read(&mut feedback, vec![Box::new(echo)]);
        assert!(feedback.poll_write().is_none());
    }
}
