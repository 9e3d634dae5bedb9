//! Lets key frame requests through to the publisher (inbound RTCP otherwise ends in the chain) and notes reported loss.

use super::tap::PathTap;
use rtc::interceptor::{Attribute, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::sansio::Protocol;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Behind every slot that acts on feedback.
pub(crate) const POSITION: usize = 14_000;

pub(crate) struct Feedback {
    tap: Arc<PathTap>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Feedback {
    pub fn new(tap: Arc<PathTap>) -> Self {
        Self {
            tap,
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }
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
            // One message a request: the driver routes a compound by its first packet only.
            for request in packets
                .iter()
                .filter(|p| p.as_any().is::<PictureLossIndication>() || p.as_any().is::<FullIntraRequest>())
            {
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
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}
