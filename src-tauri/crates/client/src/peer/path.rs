//! The publishing transport's own eye on its path: numbers what leaves (transport-wide sequence numbers), hears what the server
//! reports of it, and knows when the next packet of video may leave. The crate's congestion control and pacer are left out:
//! theirs doesn't back off, and audio starves in it.

use crate::peer::TRANSPORT_CC_URI;
use invigil_shared::bandwidth::{BandwidthEstimator, DATAGRAM_OVERHEAD, Pace, PacketResult, PathState, SentPackets};
use parking_lot::Mutex;
use rtc::interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::sansio::Protocol;
use rtc::shared::marshal::{Marshal, MarshalSize};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// RTCP header and the two SSRCs before transport-wide feedback's control information (RFC 4585 section 6.1).
const FEEDBACK_HEADER: usize = 12;
/// AEAD tag of a sealed packet (RFC 7714 section 13).
const SEAL: usize = 16;
/// A packet of video never waits longer at a time: the estimate may have changed.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Makes an estimator for a path that nothing is known of.
pub type EstimatorFactory = fn() -> Box<dyn BandwidthEstimator>;

struct Inner {
    estimator: Box<dyn BandwidthEstimator>,
    sent: SentPackets,
    pace: Pace,
    results: Vec<PacketResult>,
}

/// What is known of the path of a publishing transport, over all transports that it takes.
pub(crate) struct SendPath {
    make: EstimatorFactory,
    inner: Mutex<Inner>,
    state: watch::Sender<PathState>,
}

impl SendPath {
    pub fn new(make: EstimatorFactory) -> Arc<Self> {
        Arc::new(Self {
            make,
            inner: Mutex::new(Inner {
                estimator: make(),
                sent: SentPackets::default(),
                pace: Pace::default(),
                results: Vec::new(),
            }),
            state: watch::Sender::default(),
        })
    }

    /// A new transport: what was known and numbered before says nothing of it.
    pub fn begin(&self) {
        let mut inner = self.inner.lock();
        let wanted = inner.estimator.state().wanted;
        inner.estimator = (self.make)();
        inner.estimator.set_wanted(wanted);
        inner.sent = SentPackets::default();
        self.tell(&mut inner);
    }

    /// Bits per second that everything demanded needs.
    pub fn set_wanted(&self, bps: u64) {
        self.inner.lock().estimator.set_wanted(bps);
    }

    /// Follows what is known, up to twenty times a second.
    pub fn follow(&self) -> watch::Receiver<PathState> {
        self.state.subscribe()
    }

    /// Returns when the next packet of video may leave. Audio doesn't ask.
    pub async fn admit(&self) {
        loop {
            let wait = self.inner.lock().pace.wait(Instant::now());
            if wait.is_zero() {
                return;
            }
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
    }

    /// Notes a packet that leaves with `bytes` on the wire; its transport-wide number.
    fn send(&self, now: Instant, bytes: usize) -> u16 {
        let mut inner = self.inner.lock();
        let probe = inner.estimator.on_sent(now, bytes);
        inner.pace.spend(now, bytes);
        inner.sent.send(now, bytes, probe)
    }

    fn feedback(&self, now: Instant, control: &[u8]) {
        let mut inner = self.inner.lock();
        let Inner {
            estimator,
            sent,
            results,
            ..
        } = &mut *inner;
        results.clear();
        if sent.feedback(control, results) {
            estimator.on_feedback(now, results);
            self.tell(&mut inner);
        }
    }

    fn tell(&self, inner: &mut Inner) {
        let state = inner.estimator.state();
        inner.pace.follow(state.estimate);
        self.state.send_replace(state);
    }

    /// Bytes of padding that a probe lacks now.
    pub fn padding(&self, now: Instant) -> usize {
        self.inner.lock().estimator.padding(now)
    }

    /// A probe may want padding soon.
    pub fn may_probe(&self) -> bool {
        self.inner.lock().pace.is_limited()
    }
}

/// The interceptor: belongs into `Slot::TwccSender`, below the retransmissions and above the wire.
pub(crate) struct PathWatch {
    path: Arc<SendPath>,
    /// Number of the extension, by SSRC: media and its RTX.
    extensions: HashMap<u32, u8>,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl PathWatch {
    pub fn new(path: Arc<SendPath>) -> Self {
        Self {
            path,
            extensions: HashMap::new(),
            reads: VecDeque::new(),
            writes: VecDeque::new(),
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for PathWatch {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = rtc::shared::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            let feedback = packets
                .iter()
                .filter_map(|p| p.as_any().downcast_ref::<TransportLayerCc>());
            for bytes in feedback.filter_map(|feedback| feedback.marshal().ok()) {
                if let Some(control) = bytes.get(FEEDBACK_HEADER..) {
                    self.path.feedback(message.now, control);
                }
            }
        }
        self.reads.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, mut message: TaggedPacket) -> Result<(), Self::Error> {
        if let Packet::Rtp(packet) = &mut message.message.packet
            && let Some(&id) = self.extensions.get(&packet.header.ssrc)
        {
            // Room for the number is counted before it is known.
            packet.header.set_extension(id, bytes::Bytes::from_static(&[0, 0]))?;
            let wire = packet.marshal_size() + SEAL + DATAGRAM_OVERHEAD;
            let number = self.path.send(message.now, wire);
            packet
                .header
                .set_extension(id, bytes::Bytes::copy_from_slice(&number.to_be_bytes()))?;
        }
        self.writes.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for PathWatch {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        let mut known = info.rtp_header_extensions.iter();
        let id = known.find(|extension| extension.uri == TRANSPORT_CC_URI);
        let Some(id) = id
            .and_then(|extension| u8::try_from(extension.id).ok())
            .filter(|id| *id != 0)
        else {
            return;
        };
        for ssrc in std::iter::once(info.ssrc).chain(info.ssrc_rtx) {
            self.extensions.insert(ssrc, id);
        }
    }
    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        for ssrc in std::iter::once(info.ssrc).chain(info.ssrc_rtx) {
            self.extensions.remove(&ssrc);
        }
    }
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::bandwidth::PathEstimator;
    use rtc::interceptor::{AttributedPacket, RTPHeaderExtension};
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
        PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc, SymbolTypeTcc,
    };

    fn path() -> Arc<SendPath> {
        SendPath::new(|| Box::new(PathEstimator::default()))
    }

    fn tagged(now: Instant, packet: Packet) -> TaggedPacket {
        TaggedPacket {
            now,
            transport: Default::default(),
            message: AttributedPacket::new(packet),
        }
    }

    fn media(now: Instant, ssrc: u32) -> TaggedPacket {
        let header = rtc::rtp::Header {
            version: 2,
            ssrc,
            ..Default::default()
        };
        let payload = vec![1; 1_000].into();
        tagged(now, Packet::Rtp(rtc::rtp::Packet { header, payload }))
    }

    fn number(message: &TaggedPacket) -> Option<u16> {
        let Packet::Rtp(packet) = &message.message.packet else {
            panic!("not media")
        };
        let bytes = packet.header.get_extension(4)?;
        Some(u16::from_be_bytes(*bytes.first_chunk().unwrap()))
    }

    #[test]
    fn media_and_its_repair_are_numbered_and_what_the_server_reports_is_heard() {
        let (path, start) = (path(), Instant::now());
        let mut watch = PathWatch::new(path.clone());
        watch.bind_local_stream(&StreamInfo {
            ssrc: 7,
            ssrc_rtx: Some(8),
            rtp_header_extensions: vec![RTPHeaderExtension {
                uri: TRANSPORT_CC_URI.into(),
                id: 4,
            }],
            ..Default::default()
        });
        // 100 packets a second over a path that needs 40 ms more for each: a queue, and soon a limit.
        for ms in 0..60u64 {
            let now = start + Duration::from_millis(ms * 10);
            watch.handle_write(media(now, 7 + (ms % 2) as u32)).unwrap();
            assert_eq!(number(&watch.poll_write().unwrap()), Some(ms as u16));
        }
        watch.handle_write(media(start, 99)).unwrap();
        assert_eq!(
            number(&watch.poll_write().unwrap()),
            None,
            "no extension was negotiated for it"
        );
        for report in 0..12u16 {
            let deltas = (0..5).map(|_| RecvDelta {
                type_tcc_packet: SymbolTypeTcc::PacketReceivedSmallDelta,
                delta: 50_000,
            });
            let feedback = TransportLayerCc {
                base_sequence_number: report * 5,
                packet_status_count: 5,
                reference_time: u32::from(report) * 250 / 64,
                packet_chunks: vec![PacketStatusChunk::RunLengthChunk(RunLengthChunk {
                    type_tcc: StatusChunkTypeTcc::RunLengthChunk,
                    packet_status_symbol: SymbolTypeTcc::PacketReceivedSmallDelta,
                    run_length: 5,
                })],
                recv_deltas: deltas.collect(),
                ..Default::default()
            };
            let now = start + Duration::from_millis(u64::from(report) * 250 + 300);
            watch
                .handle_read(tagged(now, Packet::Rtcp(vec![Box::new(feedback)])))
                .unwrap();
            assert!(watch.poll_read().is_some());
        }
        let state = *path.follow().borrow();
        let estimate = state.estimate.unwrap();
        // 1,080 bytes each 50 ms, and less while the queue drains.
        assert!((80_000..200_000).contains(&estimate), "{state:?}");
        assert!(path.may_probe());
        path.begin();
        assert_eq!(path.follow().borrow().estimate, None);
    }

    #[tokio::test]
    async fn video_waits_where_the_path_is_narrow_and_nowhere_else() {
        let path = path();
        for _ in 0..1_000 {
            path.admit().await;
            path.send(Instant::now(), 1_200);
        }
        let mut inner = path.inner.lock();
        inner.estimator.set_ceiling(Some(1_000_000));
        path.tell(&mut inner);
        let now = Instant::now();
        inner.pace.spend(now, 10_000);
        assert!(inner.pace.wait(now) > Duration::from_millis(30));
    }
}
