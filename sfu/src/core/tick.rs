//! What happens by time alone: repairs asked for, reports written, silence noticed.

use crate::core::demux::PeerKey;
use crate::core::ingest::ssrc_of;
use crate::core::io::{Direction, Event};
use crate::core::offers::CNAME;
use crate::core::peer::Peer;
use crate::core::publication::{Publication, SILENT};
use crate::core::rtcp::{
    ntp_of_unix, write_nack, write_receiver_reports, write_reference_time, write_sender_report,
    write_transport_feedback,
};
use crate::core::state::Shard;
use crate::core::subscription::Subscription;
use invigil_shared::bandwidth::{BandwidthEstimator, PACKET_OVERHEAD};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Losses are asked for and feedback leaves on this grid: finer than a frame, coarser than a packet.
const STEP: Duration = Duration::from_millis(10);
/// A congestion controller reacts to feedback of the last 50 ms.
const FEEDBACK: Duration = Duration::from_millis(50);
/// DESIGN.md section 3: levels go out at 4 Hz. Silence and stalls are looked for as often.
const LEVELS: Duration = Duration::from_millis(250);
const REPORTS: Duration = Duration::from_secs(1);
/// Where a path is too narrow for a layer, pictures that stand by themselves come as often as they fit, but not where others see the
/// whole layer, who would pay for it.
const THINNED_SHARED: Duration = Duration::from_secs(5);
/// Padding is a whole packet sent again: less than this is not worth one.
const LEAST_PADDING: usize = 400;

/// When each kind of work is due.
#[derive(Debug)]
pub(super) struct Ticks {
    step: Instant,
    feedback: Instant,
    levels: Instant,
    reports: Instant,
}

impl Ticks {
    pub fn new(now: Instant) -> Self {
        Self {
            step: now + STEP,
            feedback: now + FEEDBACK,
            levels: now + LEVELS,
            reports: now + REPORTS,
        }
    }

    pub fn next(&self) -> Instant {
        self.step
    }
}

fn is_thinned(carried: &Subscription) -> bool {
    carried.selector.is_thinned()
}

fn subscriptions(peer: &Peer) -> impl Iterator<Item = &Subscription> {
    peer.slots
        .iter()
        .flatten()
        .filter_map(|slot| slot.subscription.as_ref())
}

/// Sends the newest packet of some slot again, which a probe needs. The bytes on the wire; none when there is no such packet, or no
/// RTX to carry it.
fn pad(peer: &mut Peer, publications: &BTreeMap<u64, Publication>, now: Instant) -> Option<usize> {
    let newest = peer.slots.iter().enumerate().rev().find_map(|(index, slot)| {
        let slot = slot.as_ref().filter(|slot| slot.out.has_rtx())?;
        let (number, layer, there, place) = slot.out.newest()?;
        // Not of what it carried before.
        slot.subscription
            .as_ref()
            .filter(|carried| carried.publication == number)?;
        let packet = publications.get(&number)?.layer(layer)?.kept.get(there)?;
        Some((index as u16, place, packet))
    });
    let (slot, place, packet) = newest?;
    let sent = peer.retransmit(now, slot, place, &packet, true);
    sent.then_some(packet.payload.len() + PACKET_OVERHEAD)
}

/// Whether it is time, and when it is next. A late clock skips what it missed instead of catching up.
fn due(at: &mut Instant, every: Duration, now: Instant) -> bool {
    if *at > now {
        return false;
    }
    *at += every;
    if *at <= now {
        *at = now + every;
    }
    true
}

impl Shard {
    pub(super) fn tick(&mut self, now: Instant) {
        self.now = now;
        if !due(&mut self.ticks.step, STEP, now) {
            return;
        }
        let mut keys = std::mem::take(&mut self.scratch.keys);
        keys.extend(self.peers.values_mut().filter_map(|peer| {
            let association = peer.association.as_mut()?;
            association.poll_timeout().is_some_and(|at| at <= now).then(|| {
                association.handle_timeout(now);
                peer.key
            })
        }));
        for key in keys.drain(..) {
            self.attend(now, key);
        }
        self.scratch.keys = keys;
        self.ask_for_losses(now);
        if due(&mut self.ticks.feedback, FEEDBACK, now) {
            self.write_feedback(now);
        }
        if due(&mut self.ticks.levels, LEVELS, now) {
            self.watch(now);
        }
        if due(&mut self.ticks.reports, REPORTS, now) {
            self.report_to_publishers(now);
            self.carry_all();
            self.measure();
        }
        self.report_to_subscribers(now);
        self.pace(now);
        for peer in self.peers.values_mut() {
            peer.flush_rtcp(now);
            if !peer.batch.is_empty() && !std::mem::replace(&mut peer.is_outgoing, true) {
                self.outgoing.push(peer.key);
            }
        }
    }

    fn publisher(&mut self, number: u64) -> Option<PeerKey> {
        let publication = self.publications.get(&number)?;
        if publication.origin.is_some() {
            return None;
        }
        self.participants.get(&publication.source.participant)?.publish
    }

    fn ask_for_losses(&mut self, now: Instant) {
        let mut wanted = std::mem::take(&mut self.scratch.sequences);
        let mut numbers = std::mem::take(&mut self.scratch.publications);
        let due = self.publications.iter().filter(|(_, known)| known.is_due(now));
        numbers.extend(due.map(|(number, _)| *number));
        for number in numbers.drain(..) {
            let key = self.publisher(number);
            let Some(publication) = self.publications.get_mut(&number) else {
                continue;
            };
            for (layer, state) in publication.layers_mut() {
                if state.receiver.next_request().is_none_or(|due| due > now) {
                    continue;
                }
                wanted.clear();
                state.receiver.requests(now, &mut wanted);
                let Some(peer) = key.and_then(|key| self.peers.get_mut(&key)) else {
                    continue;
                };
                let has_repair = peer.formats.values().any(|(_, repair)| *repair);
                if let Some(ssrc) = ssrc_of(peer, number, layer).filter(|_| has_repair && !wanted.is_empty()) {
                    let reporter = peer.reporter;
                    self.tally.losses_asked += wanted.len() as u64;
                    peer.report(now, |out| {
                        if out.is_empty() {
                            write_receiver_reports(out, reporter, &[]);
                        }
                        write_nack(out, reporter, ssrc, &wanted);
                    });
                }
            }
            self.ask_for_key_frames(now, number);
        }
        (self.scratch.sequences, self.scratch.publications) = (wanted, numbers);
    }

    fn write_feedback(&mut self, now: Instant) {
        let control = &mut self.scratch.control;
        for peer in self
            .peers
            .values_mut()
            .filter(|peer| peer.direction == Direction::Publish)
        {
            let (reporter, media) = (peer.reporter, peer.feedback_media);
            while !peer.arrivals.is_empty() {
                control.clear();
                if !peer.arrivals.write(control) || control.is_empty() {
                    break;
                }
                peer.report(now, |out| {
                    if out.is_empty() {
                        write_receiver_reports(out, reporter, &[]);
                    }
                    write_transport_feedback(out, reporter, media, control);
                });
            }
        }
    }

    /// Looks at who speaks, what has fallen silent, and what is awaited in vain.
    fn watch(&mut self, now: Instant) {
        let mut stopped = Vec::new();
        // What becomes of a mirrored one, its own shard sees and says.
        let own = self.publications.iter_mut().filter(|(_, known)| known.origin.is_none());
        for (number, publication) in own {
            let level = std::mem::replace(&mut publication.loudest, SILENT);
            if let Some(exam) = self
                .participants
                .get(&publication.source.participant)
                .and_then(|known| known.exam)
            {
                self.levels.note(exam, publication.source.participant, level);
            }
            let (patience, ends, source) = (publication.patience(), publication.silence_ends(), publication.source);
            for (layer, state) in publication.layers_mut() {
                if state.check_flow(now, patience) {
                    stopped.push((*number, layer, ends, source));
                }
            }
        }
        for (number, layer, ends, source) in stopped {
            if ends {
                self.layer_stopped(number, layer);
                self.siblings.stopped(number, layer);
            }
            let (participant, publication) = (source.participant, source.publication);
            self.emit(Event::MediaFlow {
                participant,
                publication,
                layer,
                flowing: false,
            });
        }
        let heard: Vec<_> = self.levels.take().collect();
        for (exam, levels) in heard {
            self.emit(Event::AudioLevels { exam, levels });
        }
        self.ask_for_thinned(now);
        for peer in self.peers.values_mut() {
            for carried in peer
                .slots
                .iter_mut()
                .flatten()
                .filter_map(|slot| slot.subscription.as_mut())
            {
                let stalls = carried.check_stall(now);
                let Some(publication) = self.publications.get_mut(&carried.publication) else {
                    continue;
                };
                if let Some(state) = carried
                    .needs_key_frame(now)
                    .and_then(|layer| publication.layer_mut(layer))
                {
                    state.keyframe.request();
                    self.dirty_publications.insert(carried.publication);
                }
                if stalls {
                    self.dirty_publications.insert(carried.publication);
                    self.dirty_subscribers.insert(peer.participant);
                }
            }
        }
    }

    /// Sends what waited for narrow paths, and fills the probes that look whether they have grown wider.
    fn pace(&mut self, now: Instant) {
        let subscribers = |peer: &&mut Peer| peer.direction == Direction::Subscribe;
        for peer in self.peers.values_mut().filter(subscribers) {
            while let Some(given_up) = peer.drain(now) {
                if given_up.resumes {
                    continue;
                }
                // A key frame of what it is to show now is asked for then.
                self.dirty_publications.insert(given_up.publication);
                self.dirty_subscribers.insert(peer.participant);
            }
            let mut padding = peer.estimator.padding(now);
            while padding >= LEAST_PADDING {
                // What waits anyway measures as well.
                let Some(sent) = peer.send_ahead(now).or_else(|| pad(peer, &self.publications, now)) else {
                    break;
                };
                padding = padding.saturating_sub(sent);
            }
        }
    }

    /// Asks for the key frames that are all that some narrow paths can carry of a layer. Where others see all of it they come
    /// seldom, so that nobody's picture suffers for somebody else's path.
    fn ask_for_thinned(&mut self, now: Instant) {
        let mut shared = Vec::new();
        for carried in self
            .peers
            .values()
            .flat_map(subscriptions)
            .filter(|carried| is_thinned(carried))
        {
            let (number, layer) = (carried.publication, carried.selector.target());
            let mut others = self.peers.values().flat_map(subscriptions);
            if others.any(|other| other.publication == number && !is_thinned(other) && other.selector.target() == layer)
            {
                shared.push(number);
            }
        }
        for peer in self.peers.values_mut() {
            for (slot, carried) in peer.slots.iter_mut().enumerate() {
                let carried = carried.as_mut().and_then(|slot| slot.subscription.as_mut());
                let Some(carried) = carried.filter(|carried| is_thinned(carried)) else {
                    continue;
                };
                let shared = shared.contains(&carried.publication);
                let every = carried.every.max(if shared { THINNED_SHARED } else { Duration::ZERO });
                // On average neither early nor late, although it is looked for on a grid.
                let is_due = carried.asked.is_none_or(|at| at + every <= now + LEVELS / 2);
                // While one is still on its way there is no room for the next.
                let is_due = is_due && peer.pacer.is_clear(slot as u16);
                let Some(layer) = carried.selector.current().filter(|_| is_due) else {
                    continue;
                };
                carried.asked = Some(now);
                let publication = self.publications.get_mut(&carried.publication);
                if let Some(state) = publication.and_then(|known| known.layer_mut(layer)) {
                    state.keyframe.request();
                    self.dirty_publications.insert(carried.publication);
                }
            }
        }
    }

    /// Shares every path anew on which something costs other than it did.
    fn measure(&mut self) {
        for (number, publication) in &mut self.publications {
            if !publication.measure() {
                continue;
            }
            let watchers = self.table.targets(*number).iter();
            let watchers = watchers.filter_map(|target| self.peers.get(&target.peer));
            self.dirty_subscribers.extend(watchers.map(|peer| peer.participant));
        }
    }

    fn report_to_publishers(&mut self, now: Instant) {
        let ntp = ntp_of_unix(self.unix_us(now));
        for peer in self
            .peers
            .values_mut()
            .filter(|peer| peer.direction == Direction::Publish && peer.is_connected())
        {
            let blocks = &mut self.scratch.blocks;
            blocks.clear();
            for (ssrc, stream) in peer.streams.iter().filter(|(_, stream)| !stream.rtx) {
                let state = self
                    .publications
                    .get_mut(&stream.publication)
                    .and_then(|known| known.layer_mut(stream.layer));
                blocks.extend(state.and_then(|state| state.receiver.report(now, *ssrc)));
            }
            if !blocks.is_empty() {
                let reporter = peer.reporter;
                peer.report(now, |out| {
                    write_receiver_reports(out, reporter, blocks);
                    write_reference_time(out, reporter, ntp);
                });
            }
        }
    }

    fn report_to_subscribers(&mut self, now: Instant) {
        let unix_us = self.unix_us(now);
        for peer in self.peers.values_mut() {
            if peer.reports_at.is_none_or(|at| at > now) {
                continue;
            }
            peer.reports_at = None;
            for index in 0..peer.slots.len() {
                let Some(slot) = peer.slots[index].as_mut() else {
                    continue;
                };
                let Some(at) = slot.report_at else { continue };
                let is_due = at <= now;
                let next = if is_due { now + REPORTS } else { at };
                slot.report_at = Some(next);
                peer.reports_at = Some(peer.reports_at.map_or(next, |other| other.min(next)));
                if is_due && let Some(info) = slot.out.sender_info(now, unix_us) {
                    peer.report(now, |out| write_sender_report(out, &info, CNAME));
                }
            }
        }
    }
}
