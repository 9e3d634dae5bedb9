//! What goes into and comes out of a shard's core: commands of control, events for it, and datagrams to send.
//!
//! Control decides who may see whom before it issues a command; the core only carries it out, and refuses what can't be right.

use crate::core::network::Network;
use crate::core::tap::TapSender;
use crate::core::transport::credentials::IceCredentials;
use invigil_shared::binding::Binding;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::intent::Intent;
use invigil_shared::publication::{Layer, LayerOffer, PublicationKey, PublicationRef};
pub use invigil_shared::signal::{AudioLevel, Demand, Direction};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// A shard's number within its process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
impl fmt::Debug for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardId({})", self.0)
    }
}

/// What kind of peer a transport talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Our own client: one m-line per layer, FrameInfo in a header extension, slots.
    Native,
    /// A browser through WHIP or WHEP: rid simulcast, FrameInfo from a payload parser.
    Browser,
}

/// A wish of control. Each one is answered by a [`Reply`] or an error with a stable code.
#[derive(Clone, Debug)]
pub enum Command {
    /// Makes room for a transport; media starts with its [`Command::Offer`]. A participant has at most one transport per
    /// direction: a second one takes over from the first. Reply: [`Reply::Done`].
    AddTransport {
        transport: TransportId,
        participant: ParticipantId,
        exam: ExamId,
        direction: Direction,
        profile: Profile,
        /// Where its media may come from; none for anywhere.
        only_from: Option<Arc<[Network]>>,
    },
    /// The client's SDP offer; again with other ICE credentials it restarts ICE (RFC 8445 section 2.4). Reply:
    /// [`Reply::Answer`].
    Offer { transport: TransportId, sdp: String },
    /// The peer's new ICE credentials, where the media stays as it was negotiated (RFC 9725 section 4.3.3). Reply:
    /// [`Reply::Answer`] with our own and our candidates, as a fragment of SDP.
    RestartIce {
        transport: TransportId,
        remote: IceCredentials,
    },
    /// Reply: [`Reply::Done`], also when it was gone already.
    RemoveTransport { transport: TransportId },
    /// Announces a native client's publication or changes its layers, before or after the transport's SDP. Reply:
    /// [`Reply::Demand`], the layers that somebody wants now.
    Publish {
        participant: ParticipantId,
        publication: PublicationKey,
        codec: String,
        layers: Vec<LayerOffer>,
    },
    /// Reply: [`Reply::Done`].
    Unpublish {
        participant: ParticipantId,
        publication: PublicationKey,
    },
    /// The subscriber's whole wish list, authorised by control. A revision older than the last changes nothing. Refused
    /// with `forbidden` for whoever publishes: candidates can't subscribe. Reply: [`Reply::Bindings`].
    SetIntents {
        subscriber: ParticipantId,
        revision: u64,
        intents: Vec<Intent>,
    },
    /// Asks the publisher for a key frame, throttled per layer. Reply: [`Reply::Done`].
    RequestKeyframe { source: PublicationRef, layer: Layer },
    /// Forgets a participant with its transports, publications and intents. Reply: [`Reply::Done`].
    RemoveParticipant { participant: ParticipantId },
    /// From now on nothing of what the participant's microphones send goes to anybody: subscribers, siblings, taps, level reports.
    /// Holds for microphones that it publishes later, until it is forgotten. Reply: [`Reply::Done`], also when it is not known.
    SetMuted { participant: ParticipantId, muted: bool },
    /// Lets an in-process consumer read a layer's opened packets; it counts as a viewer of that layer. Reply: [`Reply::Done`].
    AddTap {
        source: PublicationRef,
        layer: Layer,
        tap: TapSender,
    },
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Done,
    /// The SDP answer, or the part of one that was asked for.
    Answer(String),
    /// The layers that are wanted now; empty when nobody looks.
    Demand(Vec<Layer>),
    /// What each slot of the wish list carries.
    Bindings(Vec<Binding>),
}

/// What control learns from a shard.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// ICE and DTLS are done, media can flow.
    TransportConnected {
        transport: TransportId,
        participant: ParticipantId,
        direction: Direction,
    },
    /// The transport is gone from the core: `fingerprint_mismatch`, `idle_timeout` (consent, RFC 7675), `replaced` by a
    /// newer one of the same direction, or `transport_unknown` when the peer closed DTLS.
    TransportLost {
        transport: TransportId,
        participant: ParticipantId,
        reason: ErrorCode,
    },
    /// A subscriber's bindings changed by themselves.
    Bindings {
        subscriber: ParticipantId,
        revision: u64,
        bindings: Vec<Binding>,
    },
    /// What a publisher should encode has changed: the listed publications only.
    LayerDemand {
        participant: ParticipantId,
        demands: Vec<Demand>,
    },
    /// The first packet of another layer left for a subscriber.
    LayerSelected {
        subscriber: ParticipantId,
        slot: u16,
        layer: Layer,
    },
    /// Four times a second, for those who are not silent. Only for people who watch the exam.
    AudioLevels { exam: ExamId, levels: Vec<AudioLevel> },
    /// Packets of a layer began to arrive, or none came for [`invigil_shared::limits::FLOW_TIMEOUT_MS`].
    MediaFlow {
        participant: ParticipantId,
        publication: PublicationKey,
        layer: Layer,
        flowing: bool,
    },
    /// A browser's offer held a publication.
    BrowserPublished {
        participant: ParticipantId,
        publication: PublicationKey,
        codec: String,
        layers: Vec<LayerOffer>,
    },
}

/// The result of a command.
pub type CommandResult = Result<Reply, ErrorBody>;

/// Consecutive datagrams of one destination in a [`TransmitBatch`]: all `segment` bytes long but for the last, which may
/// be shorter. That is the shape that `UDP_SEGMENT` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// Where the run begins in [`TransmitBatch::bytes`].
    pub offset: usize,
    /// Bytes of the whole run.
    pub length: usize,
    /// Bytes of each datagram but the last.
    pub segment: usize,
    /// Number of datagrams.
    pub count: usize,
    closed: bool,
}

/// Datagrams in one arena, in sending order. The buffer is kept between uses, as large as the last ones needed it.
#[derive(Debug, Default)]
pub struct TransmitBatch {
    bytes: Vec<u8>,
    runs: Vec<Run>,
    /// The fullest that the arena was since `uses` began to count.
    peak: usize,
    uses: u16,
}

/// An arena up to this size is never given back: a frame of 10 packets.
const KEEP_BYTES: usize = 16 * 1024;
const KEEP_RUNS: usize = 16;
/// Uses after which an arena that was far too large gives back what a burst had made of it.
const USES: u16 = 1_024;

/// The kernel takes at most 64 segments (`UDP_MAX_SEGMENTS`) in a message that must stay below 64 KiB.
const MAX_SEGMENTS: usize = 60;
const MAX_RUN_BYTES: usize = 62_000;

impl TransmitBatch {
    /// Appends a datagram that `write` puts at the arena's end; it returns whether it wrote one. On false nothing is added.
    pub fn push_with(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> bool {
        if self.bytes.capacity() == 0 {
            // At once what is never given back: it takes no memory before it is written to.
            self.bytes.reserve(KEEP_BYTES);
            self.runs.reserve(KEEP_RUNS);
        }
        let offset = self.bytes.len();
        if !write(&mut self.bytes) || self.bytes.len() <= offset {
            self.bytes.truncate(offset);
            return false;
        }
        self.commit(source, destination, offset);
        true
    }

    /// Appends a datagram.
    pub fn push(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        self.push_with(source, destination, |bytes| {
            bytes.extend_from_slice(datagram);
            true
        });
    }

    fn commit(&mut self, source: SocketAddr, destination: SocketAddr, offset: usize) {
        let length = self.bytes.len() - offset;
        if let Some(run) = self.runs.last_mut()
            && run.source == source
            && run.destination == destination
            && !run.closed
            && run.count < MAX_SEGMENTS
            && run.length + length <= MAX_RUN_BYTES
            && length <= run.segment
        {
            run.length += length;
            run.count += 1;
            run.closed = length < run.segment;
            return;
        }
        self.runs.push(Run {
            source,
            destination,
            offset,
            length,
            segment: length,
            count: 1,
            closed: false,
        });
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs, in the order in which they have to leave.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The arena that the runs point into.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// One run's datagrams.
    pub fn datagrams<'a>(&'a self, run: &Run) -> impl Iterator<Item = &'a [u8]> {
        self.bytes
            .get(run.offset..run.offset + run.length)
            .unwrap_or_default()
            .chunks(run.segment.max(1))
    }

    /// Forgets everything and keeps the memory that uses like the last ones need.
    pub fn clear(&mut self) {
        self.peak = self.peak.max(self.bytes.len());
        self.bytes.clear();
        self.runs.clear();
        self.uses += 1;
        if self.uses == USES {
            if self.bytes.capacity() > KEEP_BYTES.max(4 * self.peak) {
                self.bytes.shrink_to(KEEP_BYTES.max(2 * self.peak));
                self.runs.shrink_to(KEEP_RUNS);
            }
            (self.uses, self.peak) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn equal_sizes_form_one_run_and_a_shorter_datagram_closes_it() {
        let mut batch = TransmitBatch::default();
        for length in [100, 100, 60, 100] {
            batch.push(address(1), address(2), &vec![length as u8; length]);
        }
        batch.push(address(1), address(3), &[1; 100]);
        let shape: Vec<_> = batch
            .runs()
            .iter()
            .map(|run| (run.destination.port(), run.count, run.segment))
            .collect();
        assert_eq!(shape, [(2, 3, 100), (2, 1, 100), (3, 1, 100)]);
        let sizes: Vec<_> = batch.datagrams(&batch.runs()[0]).map(<[u8]>::len).collect();
        assert_eq!(sizes, [100, 100, 60]);
    }

    #[test]
    fn a_longer_datagram_starts_a_run_and_a_refused_one_leaves_no_trace() {
        let mut batch = TransmitBatch::default();
        batch.push(address(1), address(2), &[0; 50]);
        assert!(!batch.push_with(address(1), address(2), |bytes| {
            bytes.extend_from_slice(&[9; 50]);
            false
        }));
        batch.push(address(1), address(2), &[0; 51]);
        assert_eq!(batch.runs().len(), 2);
        assert_eq!(batch.bytes().len(), 101);
    }

    #[test]
    fn what_a_burst_took_is_given_back_and_what_every_use_needs_is_kept() {
        let mut batch = TransmitBatch::default();
        batch.push(address(1), address(2), &[0; 500_000]);
        for _ in 0..2 * USES {
            batch.push(address(1), address(2), &[0; 9_000]);
            batch.clear();
        }
        let kept = batch.bytes.capacity();
        assert!((9_000..=18_000).contains(&kept), "{kept}");
        for _ in 0..2 * USES {
            batch.push(address(1), address(2), &[0; 9_000]);
            assert_eq!(batch.bytes.capacity(), kept);
            batch.clear();
        }
    }

    #[test]
    fn runs_stay_within_what_the_kernel_takes() {
        let mut batch = TransmitBatch::default();
        for _ in 0..200 {
            batch.push(address(1), address(2), &[0; 1200]);
        }
        assert!(batch.runs().iter().all(|run| run.count <= 64 && run.length < 65_000));
        assert_eq!(batch.runs().iter().map(|run| run.count).sum::<usize>(), 200);
    }
}
