//! All that a shard knows, and its doors: datagrams, commands and time go in; datagrams and events come out.

use crate::core::demux::{Demux, PeerKey};
use crate::core::fan_out::FanOut;
use crate::core::forward_table::ForwardTable;
use crate::core::io::{Command, CommandResult, Event, ShardId, TransmitBatch};
use crate::core::participant::Participant;
use crate::core::peers::Peers;
use crate::core::publication::Publication;
use crate::core::room::Levels;
use crate::core::rtcp::ReportBlock;
use crate::core::siblings::Siblings;
use crate::core::tally::Tally;
use crate::core::tick::Ticks;
use crate::core::transport::dtls::DtlsError;
use crate::core::transport::{self, Association, DatagramKind, DtlsIdentity, FailReason, Keying};
use invigil_shared::error::ErrorCode;
use invigil_shared::id::{ParticipantId, TransportId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Events that control has not yet taken. Past it the oldest audio levels go, then the oldest of all.
pub const MAX_EVENTS: usize = 8_192;

/// What a core is made of.
pub struct CoreConfig {
    /// Stands in the user fragments that we make, so that a connection on the HTTPS port is led to its shard.
    pub shard: ShardId,
    /// The other shards of this process: what is published on one can be watched on all.
    pub siblings: Vec<ShardId>,
    /// The addresses that stand in answers.
    pub candidates: Vec<SocketAddr>,
    pub identity: Arc<DtlsIdentity>,
    /// [`Keying::Dtls`] everywhere but in simulations.
    pub keying: Keying,
    /// ICE credentials, SSRCs and first sequence numbers come from it.
    pub seed: [u8; 32],
    /// Server time at `now` of [`Shard::new`], microseconds since the Unix epoch.
    pub unix_us: i64,
}

/// Lists that a piece of work fills and empties. Their memory is kept, so that no packet and no tick takes any.
#[derive(Default)]
pub(super) struct Scratch {
    pub sequences: Vec<u16>,
    pub control: Vec<u8>,
    pub blocks: Vec<ReportBlock>,
    pub keys: Vec<PeerKey>,
    pub publications: Vec<u64>,
}

/// The sans-I/O state of a shard.
pub struct Shard {
    pub(super) config: CoreConfig,
    epoch: Instant,
    /// The time of the input that is being handled.
    pub(super) now: Instant,
    pub(super) rng: StdRng,
    pub(super) peers: Peers,
    pub(super) transports: BTreeMap<TransportId, PeerKey>,
    pub(super) demux: Demux,
    pub(super) participants: BTreeMap<ParticipantId, Participant>,
    pub(super) publications: BTreeMap<u64, Publication>,
    pub(super) next_publication: u64,
    pub(super) table: ForwardTable,
    pub(super) fan: FanOut,
    pub(super) siblings: Siblings,
    pub(super) levels: Levels,
    pub(super) dirty_subscribers: BTreeSet<ParticipantId>,
    pub(super) dirty_publications: BTreeSet<u64>,
    pub(super) ticks: Ticks,
    pub(super) tally: Tally,
    events: VecDeque<Event>,
    /// Transports that have something to send, each once, in the order in which they got it.
    pub(super) outgoing: Vec<PeerKey>,
    pub(super) scratch: Scratch,
    farewell: TransmitBatch,
}

impl Shard {
    pub fn new(config: CoreConfig, now: Instant) -> Self {
        let mut rng = StdRng::from_seed(config.seed);
        let demux = Demux::new(rng.random());
        let siblings = Siblings::new(&config.siblings);
        Self {
            config,
            epoch: now,
            now,
            rng,
            peers: Peers::default(),
            transports: BTreeMap::new(),
            demux,
            participants: BTreeMap::new(),
            publications: BTreeMap::new(),
            next_publication: 1,
            table: ForwardTable::default(),
            fan: FanOut::default(),
            siblings,
            levels: Levels::default(),
            dirty_subscribers: BTreeSet::new(),
            dirty_publications: BTreeSet::new(),
            ticks: Ticks::new(now),
            tally: Tally::default(),
            events: VecDeque::new(),
            outgoing: Vec::new(),
            scratch: Scratch::default(),
            farewell: TransmitBatch::default(),
        }
    }

    /// Server time, microseconds since the Unix epoch.
    pub(super) fn unix_us(&self, now: Instant) -> i64 {
        self.config
            .unix_us
            .saturating_add(now.saturating_duration_since(self.epoch).as_micros() as i64)
    }

    /// Reads a datagram that arrived from `source` on our address `local`, and has ready to be sent what comes of it.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, local: SocketAddr, datagram: &mut [u8]) {
        self.read(now, source, local, datagram);
        self.fan_out_all(now);
    }

    /// Reads a datagram; opens it in place. What it brings for subscribers goes out with what others bring that came with it:
    /// [`Shard::fan_out`] has to follow.
    pub fn read(&mut self, now: Instant, source: SocketAddr, local: SocketAddr, datagram: &mut [u8]) {
        self.now = now;
        self.tally.received(datagram);
        let Some((key, kind)) = self.demux.route(source, datagram) else {
            self.tally.unroutable += 1;
            return;
        };
        let Some(peer) = self.peers.get_mut(&key) else { return };
        // Everything else comes from an address that STUN has let in.
        if kind == DatagramKind::Stun && !peer.admits(source) {
            self.tally.not_relayed += 1;
            return;
        }
        let Some(association) = peer.association.as_mut() else {
            return;
        };
        match kind {
            DatagramKind::Stun => {
                match association.handle_stun(now, source, local, datagram) {
                    Ok(answer) => peer.batch.push(local, source, answer.as_bytes()),
                    Err(_) => self.tally.refused += 1,
                }
                self.attend(now, key);
            }
            DatagramKind::Dtls => {
                association.handle_dtls(now, source, datagram);
                self.attend(now, key);
            }
            DatagramKind::Rtp => {
                match association
                    .open_rtp(datagram)
                    .ok()
                    .and_then(|length| datagram.get(..length))
                {
                    Some(packet) => self.handle_rtp(now, key, packet),
                    None => self.tally.refused += 1,
                }
            }
            DatagramKind::Rtcp => {
                match association
                    .open_rtcp(datagram)
                    .ok()
                    .and_then(|length| datagram.get(..length))
                {
                    Some(compound) => self.handle_rtcp(now, key, compound),
                    None => self.tally.refused += 1,
                }
            }
        }
        self.settle(now);
    }

    /// Whether `source` has proved that it belongs to a transport which is still there.
    pub fn knows(&self, source: SocketAddr) -> bool {
        self.demux.knows(source)
    }

    /// Carries out a command of control.
    ///
    /// # Errors
    /// A stable code for what can't be done.
    pub fn handle_command(&mut self, now: Instant, command: Command) -> CommandResult {
        self.now = now;
        let result = self.carry_out(now, command);
        self.settle(now);
        result
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tick(now);
        self.settle(now);
    }

    /// When [`Self::handle_timeout`] is due. Ask again after every input.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.peers.is_empty()).then(|| self.ticks.next())
    }

    /// The next thing that control should know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Events that [`Self::poll_event`] would bring.
    pub(super) fn waiting_events(&self) -> usize {
        self.events.len()
    }

    /// What has to be sent, destination by destination. Send all of it, then call [`Self::clear_transmits`].
    pub fn transmits(&self) -> impl Iterator<Item = &TransmitBatch> {
        let peers = self
            .outgoing
            .iter()
            .filter_map(|key| self.peers.get(key))
            .map(|peer| &peer.batch);
        [&self.farewell, &self.fan.batch]
            .into_iter()
            .chain(peers)
            .filter(|batch| !batch.is_empty())
    }

    /// Everything of [`Self::transmits`] was sent, or can't be.
    pub fn clear_transmits(&mut self) {
        for batch in [&mut self.farewell, &mut self.fan.batch] {
            self.tally.sent(batch);
            batch.clear();
        }
        for key in self.outgoing.drain(..) {
            if let Some(peer) = self.peers.get_mut(&key) {
                self.tally.sent(&peer.batch);
                peer.sent_bytes += peer.batch.bytes().len() as u64;
                peer.batch.clear();
                peer.is_outgoing = false;
            }
        }
    }

    /// The transport has something to send.
    pub(super) fn mark_outgoing(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&key)
            && !std::mem::replace(&mut peer.is_outgoing, true)
        {
            self.outgoing.push(key);
        }
    }

    pub(super) fn emit(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            let expendable = self
                .events
                .iter()
                .position(|event| matches!(event, Event::AudioLevels { .. }));
            self.events.remove(expendable.unwrap_or(0));
        }
        self.events.push_back(event);
    }

    /// Takes over what an association has to say after an input.
    pub(super) fn attend(&mut self, now: Instant, key: PeerKey) {
        let mut lost = None;
        while let Some(event) = self
            .peers
            .get_mut(&key)
            .and_then(|peer| peer.association.as_mut())
            .and_then(Association::poll_event)
        {
            match event {
                transport::Event::AddressAdded(address) => self.demux.add_address(address, key),
                transport::Event::AddressRemoved(address) => self.demux.remove_address(address, key),
                transport::Event::PathChanged(_) | transport::Event::ConsentRegained => {
                    // Another path, or one that was dead: what was known of it says nothing now.
                    if let Some(peer) = self.peers.get_mut(&key) {
                        peer.take_new_path();
                        self.dirty_subscribers.insert(peer.participant);
                    }
                }
                transport::Event::Restarted { retired_ufrag } => self.demux.remove_ufrag(&retired_ufrag),
                transport::Event::Connected => self.connected(key),
                transport::Event::ConsentLost => lost = Some(ErrorCode::IdleTimeout),
                transport::Event::Failed(why) => {
                    lost = Some(match why {
                        FailReason::Dtls(DtlsError::FingerprintMismatch) => ErrorCode::FingerprintMismatch,
                        FailReason::SetupTimedOut => ErrorCode::IdleTimeout,
                        FailReason::Dtls(_) => ErrorCode::TransportUnknown,
                    });
                }
            }
        }
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.collect();
            self.mark_outgoing(key);
        }
        if let Some(reason) = lost {
            self.lose_transport(now, key, reason);
        }
    }

    fn connected(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        // What was asked for before anything could arrive is asked for again.
        for subscription in peer
            .slots
            .iter_mut()
            .flatten()
            .filter_map(|slot| slot.subscription.as_mut())
        {
            subscription.asked = None;
        }
        let (transport, participant, direction) = (peer.id, peer.participant, peer.direction);
        self.dirty_subscribers.insert(participant);
        self.emit(Event::TransportConnected {
            transport,
            participant,
            direction,
        });
    }

    /// Takes a transport out and says so.
    pub(super) fn lose_transport(&mut self, now: Instant, key: PeerKey, reason: ErrorCode) {
        if let Some((transport, participant)) = self.remove_peer(now, key) {
            self.emit(Event::TransportLost {
                transport,
                participant,
                reason,
            });
        }
    }

    /// Takes a transport out of everything; what it still has to say is sent.
    pub(super) fn remove_peer(&mut self, now: Instant, key: PeerKey) -> Option<(TransportId, ParticipantId)> {
        let mut peer = self.peers.remove(&key)?;
        if let Some(association) = peer.association.as_mut() {
            association.close(now);
        }
        peer.collect();
        for run in peer.batch.runs() {
            for datagram in peer.batch.datagrams(run) {
                self.farewell.push(run.source, run.destination, datagram);
            }
        }
        self.demux.remove(key);
        self.transports.remove(&peer.id);
        self.unbind_all(&mut peer);
        peer.sent_bytes += peer.batch.bytes().len() as u64;
        self.carry(&mut peer);
        if let Some(participant) = self.participants.get_mut(&peer.participant) {
            let slot = participant.transport(peer.direction);
            if *slot == Some(key) {
                *slot = None;
            }
        }
        self.dirty_subscribers.insert(peer.participant);
        self.stop_publications(&peer);
        Some((peer.id, peer.participant))
    }
}
