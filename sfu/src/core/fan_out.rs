//! From a publication's packets to the slots that it goes to. What arrives together goes out subscriber by subscriber: each one's
//! state is fetched once for all of it, its packets lie side by side, and the memory that they are written to is used again before
//! the processor has forgotten it.

use crate::core::forward_table::{ForwardTable, Target};
use crate::core::io::{Event, TransmitBatch};
use crate::core::layer_selector::LayerSet;
use crate::core::media::Packet;
use crate::core::peer::Peer;
use crate::core::publication::Publication;
use crate::core::state::Shard;
use invigil_shared::publication::Layer;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Packets that wait for the fan-out at most: what one receive call brings.
const MAX_DUE: usize = 64;
/// A frame whose packets follow each other at once is waited for as long. Nobody can show it before its last packet has come.
pub const HOLD: Duration = Duration::from_micros(300);
/// The index of no packet.
const NONE: u64 = u64::MAX;

/// A packet that its layer keeps and that has still to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    publication: u64,
    layer: Layer,
    /// The order of arrival.
    place: u64,
    index: u64,
    /// More of its frame is expected at once, until then.
    held: Option<Instant>,
}

/// Those of a layer, for one slot.
#[derive(Clone, Debug)]
struct Job {
    target: Target,
    due: Range<usize>,
}

/// What has still to go out, and what is ready to be sent.
#[derive(Default)]
pub(super) struct FanOut {
    due: Vec<Due>,
    arrived: u64,
    /// Those of `due` whose turn it is.
    going: Vec<Due>,
    /// Transport by transport, made of `going`.
    jobs: Vec<Job>,
    /// The first of them that is not done.
    next: usize,
    /// Slots that have switched to a layer just now.
    switched: Vec<(Target, Layer)>,
    pub batch: TransmitBatch,
}

impl FanOut {
    /// Whether another packet can be noted.
    fn has_room(&self) -> bool {
        self.due.len() < MAX_DUE
    }

    fn note(&mut self, (publication, layer): (u64, Layer), index: u64, held: Option<Instant>) {
        self.arrived += 1;
        self.due.push(Due {
            publication,
            layer,
            place: self.arrived,
            index,
            held,
        });
    }

    /// Makes the jobs of what is due and not held, or of all of it.
    fn plan(&mut self, now: Instant, all: bool, table: &ForwardTable) {
        if !self.jobs.is_empty() || self.due.is_empty() {
            return;
        }
        self.due.sort_unstable();
        let (jobs, going) = (&mut self.jobs, &mut self.going);
        let of_one = |one: &Due, other: &Due| (one.publication, one.layer) == (other.publication, other.layer);
        for group in self.due.chunk_by_mut(of_one) {
            let Some(&Due { publication, .. }) = group.first() else {
                continue;
            };
            let is_over = |due: &Due| due.held.is_some_and(|until| until <= now);
            let goes_on = group.last().is_some_and(|last| last.held.is_some());
            if goes_on && !all && !group.iter().any(is_over) {
                continue;
            }
            let start = going.len();
            going.extend_from_slice(group);
            group.iter_mut().for_each(|due| due.index = NONE);
            let due = start..going.len();
            jobs.extend(table.targets(publication).iter().map(|&target| {
                let due = due.clone();
                Job { target, due }
            }));
        }
        self.due.retain(|due| due.index != NONE);
        jobs.sort_unstable_by_key(|job| (job.target.peer, job.due.start, job.target.slot));
    }

    /// The layer's packets are numbered anew: those of before are not to be found any more.
    pub fn forget(&mut self, publication: u64, layer: Layer) {
        for due in self.due.iter_mut().chain(&mut self.going) {
            if (due.publication, due.layer) == (publication, layer) {
                due.index = NONE;
            }
        }
    }

    /// Sends a packet to a slot, and when it is the late beginning of a key frame what came before it.
    fn send(
        &mut self,
        now: Instant,
        (peer, slot): (&mut Peer, u16),
        (number, publication): (u64, &Publication),
        layer: Layer,
        packet: &Packet<'_>,
    ) -> Sent {
        let before = self.batch.bytes().len();
        let forwarded = peer.forward(now, slot, (number, layer), packet, &mut self.batch);
        let mut waits = forwarded.waits;
        if forwarded.switched {
            let kept = publication.layer(layer).map(|state| &state.kept);
            for packet in kept.into_iter().flat_map(|kept| kept.behind(packet.index)) {
                waits |= peer.forward(now, slot, (number, layer), &packet, &mut self.batch).waits;
            }
            let target = Target { peer: peer.key, slot };
            self.switched.push((target, layer));
        }
        peer.sent_bytes += (self.batch.bytes().len() - before) as u64;
        Sent {
            waits,
            switched: forwarded.switched,
        }
    }
}

/// Whether a layer keeps a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    No,
    Yes,
    /// And the layer's frames come at once.
    InBurst,
}

/// What became of a packet for one slot.
struct Sent {
    waits: bool,
    switched: bool,
}

impl Shard {
    /// Has what was read and is not held ready to be sent, until there are `room` bytes of it. True when there is more: to be
    /// called again, once [`Shard::transmits`] were sent.
    pub fn fan_out(&mut self, now: Instant, room: usize) -> bool {
        self.fan.plan(now, false, &self.table);
        self.go(now, room)
    }

    /// The same of all that was read.
    pub(super) fn fan_out_all(&mut self, now: Instant) {
        while !self.fan.jobs.is_empty() || !self.fan.due.is_empty() {
            self.fan.plan(now, true, &self.table);
            self.go(now, usize::MAX);
        }
    }

    /// Until when something is held, because more of its frame is expected at once.
    pub fn held_until(&self) -> Option<Instant> {
        self.fan.due.iter().filter_map(|due| due.held).min()
    }

    fn go(&mut self, now: Instant, room: usize) -> bool {
        self.now = now;
        while let Some(job) = self.fan.jobs.get(self.fan.next) {
            if self.fan.batch.bytes().len() >= room {
                return true;
            }
            let job = job.clone();
            self.fan.next += 1;
            self.serve(now, &job);
        }
        self.fan.jobs.clear();
        self.fan.going.clear();
        self.fan.next = 0;
        self.settle(now);
        false
    }

    /// A packet goes to all slots of its publication: with those that came with it if its layer keeps it, or at once.
    pub(super) fn send_out(&mut self, now: Instant, number: u64, layer: Layer, packet: &Packet<'_>, kept: Kept) {
        let held = match kept {
            Kept::No => None,
            Kept::Yes => Some(None),
            Kept::InBurst => Some(Some(now + HOLD).filter(|_| !packet.meta.frame.end)),
        };
        if let Some(held) = held {
            if self.table.targets(number).is_empty() && !self.is_passed_on(number, layer) {
                return;
            }
            if !self.fan.has_room() {
                self.fan_out_all(now);
            }
            return self.fan.note((number, layer), packet.index, held);
        }
        let Some(publication) = self.publications.get(&number) else {
            return;
        };
        let mut waits = LayerSet::default();
        for target in self.table.targets(number) {
            if let Some(peer) = self.peers.get_mut(&target.peer) {
                let sent = self
                    .fan
                    .send(now, (peer, target.slot), (number, publication), layer, packet);
                if sent.waits {
                    waits.insert(layer);
                }
            }
        }
        self.conclude(now, number, waits);
    }

    /// Whether some sibling wants the layer.
    fn is_passed_on(&self, number: u64, layer: Layer) -> bool {
        let wanted = self.publications.get(&number).map(|known| known.siblings.as_slice());
        wanted.is_some_and(|wanted| wanted.iter().any(|(_, layers)| layers.contains(layer)))
    }

    fn serve(&mut self, now: Instant, job: &Job) {
        let Some(number) = self.fan.going.get(job.due.start).map(|due| due.publication) else {
            return;
        };
        let (Some(publication), Some(peer)) = (self.publications.get(&number), self.peers.get_mut(&job.target.peer))
        else {
            return;
        };
        let mut waits = LayerSet::default();
        let mut begun = None;
        for at in job.due.clone() {
            let Some(&Due { layer, index, .. }) = self.fan.going.get(at) else {
                break;
            };
            if begun.is_some_and(|(of, first)| of == layer && first < index) {
                // It has followed the beginning already.
                continue;
            }
            let Some(packet) = publication.layer(layer).and_then(|state| state.kept.get(index)) else {
                continue;
            };
            let sent = self.fan.send(
                now,
                (&mut *peer, job.target.slot),
                (number, publication),
                layer,
                &packet,
            );
            if sent.waits {
                waits.insert(layer);
            }
            if sent.switched {
                begun = Some((layer, index));
            }
        }
        self.conclude(now, number, waits);
    }

    /// Layers of which a packet waits before a path keep them longer; who has switched is told of.
    fn conclude(&mut self, now: Instant, number: u64, waits: LayerSet) {
        if !waits.is_empty()
            && let Some(publication) = self.publications.get_mut(&number)
        {
            for layer in waits.iter() {
                if let Some(state) = publication.layer_mut(layer) {
                    state.kept.note_wait(now);
                }
            }
        }
        while let Some((Target { peer, slot }, layer)) = self.fan.switched.pop() {
            let Some(subscriber) = self.peers.get(&peer).map(|peer| peer.participant) else {
                continue;
            };
            self.dirty_subscribers.insert(subscriber);
            self.dirty_publications.insert(number);
            self.emit(Event::LayerSelected {
                subscriber,
                slot,
                layer,
            });
        }
    }
}
