//! The room as the wall shows it: candidates, their publications, and the timeline.

use crate::ui_port::Change;
use invigil_shared::binding::{Binding, BindingState};
use invigil_shared::exam::ExamInfo;
use invigil_shared::id::{MessageId, ParticipantId, UserId};
use invigil_shared::limits::{MAX_PARTICIPANTS, MAX_PUBLICATIONS};
use invigil_shared::publication::{Freshness, Layer, LayerOffer, PublicationInfo, PublicationKey, PublicationRef};
use invigil_shared::role::Role;
use invigil_shared::signal::{ParticipantInfo, ProctorLoad, RoomState};
use invigil_shared::sitting::Admission;
use invigil_shared::stats::ConnectionLevel;
use invigil_shared::timeline::{Presence, Reach, TimelineBody, TimelineEntry};
use invigil_view::proctor::{CandidateTile, ProctorRow, PublicationView, TeamView};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Lines of the timeline that are shown.
pub const MAX_TIMELINE: usize = 200;
/// Signals of one candidate that wait for their end: every kind once, with room for several displays.
const MAX_OPEN: usize = 32;

#[derive(Clone, Debug)]
struct Candidate {
    info: ParticipantInfo,
    publications: BTreeMap<PublicationKey, PublicationInfo>,
    /// Beginnings without their end, oldest first.
    open: Vec<TimelineEntry>,
    unread: u16,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Room {
    pub exam: Option<ExamInfo>,
    candidates: BTreeMap<ParticipantId, Candidate>,
    /// Newest first.
    timeline: VecDeque<TimelineEntry>,
    selected: HashMap<u16, (PublicationRef, Layer)>,
    you: Option<ParticipantId>,
    ratio: u16,
    team: Vec<ProctorLoad>,
    /// Who watches a candidate.
    assigned: HashMap<ParticipantId, UserId>,
}

impl Room {
    /// The room's state on entering, and again after every reconnect.
    pub fn enter(&mut self, state: RoomState, focus: Option<ParticipantId>) {
        self.exam = Some(state.exam);
        self.you = Some(state.you.id);
        let mut before = std::mem::take(&mut self.candidates);
        for info in state.participants {
            let id = info.id;
            self.participant(info);
            if let (Some(candidate), Some(before)) = (self.candidates.get_mut(&id), before.remove(&id)) {
                (candidate.open, candidate.unread) = (before.open, before.unread);
            }
        }
        state.publications.into_iter().for_each(|info| self.publication(info));
        for entry in state.timeline {
            if !self.timeline.iter().any(|known| known.id == entry.id) {
                self.entry(entry, focus);
            }
        }
    }

    /// Who watches whom, as the server says it now.
    pub fn assignments(&mut self, ratio: u16, proctors: Vec<ProctorLoad>) {
        let pairs = |load: &ProctorLoad| {
            let proctor = load.proctor;
            load.candidates
                .iter()
                .map(move |candidate| (*candidate, proctor))
                .collect::<Vec<_>>()
        };
        self.assigned = proctors.iter().flat_map(pairs).take(MAX_PARTICIPANTS).collect();
        (self.ratio, self.team) = (ratio, proctors);
        self.team.truncate(MAX_PARTICIPANTS);
    }

    /// Those who watch, with whom they were given.
    pub fn team(&self) -> TeamView {
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let over = |candidate: &Candidate| {
            let sitting = &candidate.info.sitting;
            let out = sitting.ended || sitting.admission == Admission::Rejected;
            out || candidate.info.presence == Presence::Finished
        };
        let row = |load: &ProctorLoad| {
            let sits = |id: &&ParticipantId| self.candidates.get(id).is_some_and(|candidate| !over(candidate));
            let you = self.you.is_some_and(|you| load.here.contains(&you));
            ProctorRow {
                proctor: load.proctor,
                name: load.name.clone(),
                role: load.role,
                here: self.you.filter(|_| you).or(load.here.first().copied()),
                you,
                candidates: count(load.candidates.iter().filter(sits).count()),
            }
        };
        let alone = |candidate: &&Candidate| !over(candidate) && !self.assigned.contains_key(&candidate.info.id);
        let mut proctors: Vec<ProctorRow> = self.team.iter().map(row).collect();
        proctors.sort_by(|a, b| (!a.you, &a.name, a.proctor).cmp(&(!b.you, &b.name, b.proctor)));
        TeamView {
            ratio: self.ratio,
            proctors,
            unassigned: count(self.candidates.values().filter(alone).count()),
        }
    }

    pub fn has(&self, participant: ParticipantId) -> bool {
        self.candidates.contains_key(&participant)
    }

    pub fn participant(&mut self, info: ParticipantInfo) {
        if info.role != Role::Candidate {
            return;
        }
        if let Some(candidate) = self.candidates.get_mut(&info.id) {
            candidate.info = info;
        } else if self.candidates.len() < MAX_PARTICIPANTS {
            let candidate = Candidate {
                publications: BTreeMap::new(),
                open: Vec::new(),
                unread: 0,
                info,
            };
            self.candidates.insert(candidate.info.id, candidate);
        }
    }

    /// A candidate who is gone stays on the wall: it is the proctor's business.
    pub fn left(&mut self, participant: ParticipantId) {
        if let Some(candidate) = self.candidates.get_mut(&participant) {
            if candidate.info.presence != Presence::Finished {
                candidate.info.presence = Presence::Lost;
            }
            candidate.info.connection = ConnectionLevel::Lost;
            candidate.publications.clear();
        }
    }

    pub fn publication(&mut self, info: PublicationInfo) {
        let Some(candidate) = self.candidates.get_mut(&info.participant) else {
            return;
        };
        if candidate.publications.len() < MAX_PUBLICATIONS || candidate.publications.contains_key(&info.publication) {
            candidate.publications.insert(info.publication, info);
        }
    }

    pub fn publication_removed(&mut self, source: PublicationRef) {
        if let Some(candidate) = self.candidates.get_mut(&source.participant) {
            candidate.publications.remove(&source.publication);
        }
    }

    pub fn freshness(&mut self, participant: ParticipantId, freshness: &[Freshness]) -> Change {
        let Some(candidate) = self.candidates.get_mut(&participant) else {
            return Change::None;
        };
        let mut change = Change::None;
        for fresh in freshness {
            let Some(publication) = candidate.publications.get_mut(&fresh.publication) else {
                continue;
            };
            let news = if publication.freshness.state == fresh.state {
                Change::Quiet
            } else {
                Change::Prompt
            };
            publication.freshness = *fresh;
            change = change.max(news);
        }
        change
    }

    /// A new line, or a line that changed.
    pub fn entry(&mut self, entry: TimelineEntry, focus: Option<ParticipantId>) {
        if let Some(known) = self.timeline.iter_mut().find(|known| known.id == entry.id) {
            *known = entry;
            return;
        }
        if let Some(candidate) = self.candidates.get_mut(&entry.participant) {
            match &entry.body {
                TimelineBody::Integrity {
                    begins: Some(begins), ..
                } => {
                    candidate
                        .open
                        .retain(|open| !matches!(open.body, TimelineBody::Integrity { seq, .. } if seq == *begins));
                }
                TimelineBody::Integrity { begins: None, .. } => {
                    if candidate.open.len() >= MAX_OPEN {
                        candidate.open.remove(0);
                    }
                    candidate.open.push(entry.clone());
                }
                TimelineBody::Message {
                    from_candidate: true, ..
                } if focus != Some(entry.participant) => {
                    candidate.unread = candidate.unread.saturating_add(1);
                }
                _ => {}
            }
        }
        // Entries come nearly in order; a late one finds its place.
        let at = self
            .timeline
            .iter()
            .position(|known| known.at <= entry.at)
            .unwrap_or(self.timeline.len());
        self.timeline.insert(at, entry);
        self.timeline.truncate(MAX_TIMELINE);
    }

    pub fn bindings(&mut self, bindings: &[Binding]) -> Change {
        let flows = |binding: &&Binding| binding.state == BindingState::Active;
        let selected = bindings
            .iter()
            .filter(flows)
            .filter_map(|b| b.layer.map(|layer| (b.slot, (b.source, layer))))
            .collect();
        let before = std::mem::replace(&mut self.selected, selected);
        if before == self.selected {
            Change::None
        } else {
            Change::Prompt
        }
    }

    pub fn layer_selected(&mut self, slot: u16, layer: Layer) -> Change {
        match self.selected.get_mut(&slot) {
            Some((_, selected)) if *selected != layer => {
                *selected = layer;
                Change::Prompt
            }
            _ => Change::None,
        }
    }

    /// The message is on the candidate's screen.
    pub fn delivered(&mut self, delivered_message: MessageId) {
        for entry in &mut self.timeline {
            if let TimelineBody::Message { message, delivered, .. } = &mut entry.body {
                *delivered |= *message == delivered_message;
            }
        }
    }

    pub fn acknowledged(&mut self, acknowledged_message: MessageId) {
        for entry in &mut self.timeline {
            if let TimelineBody::Message {
                message,
                acknowledged,
                delivered,
                ..
            } = &mut entry.body
                && *message == acknowledged_message
            {
                (*acknowledged, *delivered) = (true, true);
            }
        }
    }

    /// How far a broadcast has come.
    pub fn reached(&mut self, broadcast: MessageId, now: Reach) {
        for entry in &mut self.timeline {
            if let TimelineBody::Broadcast { message, reach, .. } = &mut entry.body
                && *message == broadcast
            {
                *reach = now;
            }
        }
    }

    pub fn looked(&mut self, participant: ParticipantId, at: i64) {
        if let Some(candidate) = self.candidates.get_mut(&participant) {
            candidate.info.looked_at = candidate.info.looked_at.max(at);
        }
    }

    /// The candidate's messages are on the screen.
    pub fn read(&mut self, participant: ParticipantId) {
        if let Some(candidate) = self.candidates.get_mut(&participant) {
            candidate.unread = 0;
        }
    }

    /// What a publication offers; empty when there is none.
    pub fn layers(&self, source: PublicationRef) -> &[LayerOffer] {
        let publication = self
            .candidates
            .get(&source.participant)
            .and_then(|c| c.publications.get(&source.publication));
        publication.map_or(&[], |publication| publication.layers.as_slice())
    }

    /// Whether the candidate has a signal without its end.
    pub fn flagged(&self, participant: ParticipantId) -> bool {
        self.candidates
            .get(&participant)
            .is_some_and(|candidate| !candidate.open.is_empty())
    }

    /// The wall's candidates, in the order of their labels.
    pub fn tiles(&self) -> Vec<CandidateTile> {
        let mut tiles: Vec<CandidateTile> = self.candidates.values().map(|candidate| self.tile(candidate)).collect();
        tiles.sort_by_cached_key(|tile| natural_order(&tile.label));
        tiles
    }

    fn tile(&self, candidate: &Candidate) -> CandidateTile {
        let info = &candidate.info;
        let publications = candidate.publications.values().map(|publication| {
            let source = PublicationRef {
                participant: info.id,
                publication: publication.publication,
            };
            let layer = self
                .selected
                .values()
                .filter(|(selected, _)| *selected == source)
                .map(|(_, layer)| *layer)
                .max();
            PublicationView {
                publication: publication.publication,
                state: publication.freshness.state,
                captured_at: publication.freshness.captured_at,
                changed_at: publication.freshness.changed_at,
                test_picture: publication.test_picture,
                layer,
            }
        });
        CandidateTile {
            participant: info.id,
            label: info.label.clone(),
            seat: info.seat.clone(),
            presence: info.presence,
            presence_since: info.presence_since,
            connection: info.connection,
            looked_at: info.looked_at,
            sitting: info.sitting.clone(),
            proctor: self.assigned.get(&info.id).copied(),
            publications: publications.collect(),
            open_signal: candidate.open.last().cloned(),
            unread: candidate.unread,
        }
    }

    /// Newest first.
    pub fn timeline(&self) -> Vec<TimelineEntry> {
        self.timeline.iter().cloned().collect()
    }
}

/// "Candidate 9" before "Candidate 10".
fn natural_order(label: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0u64)];
    let mut in_digits = false;
    for c in label.chars() {
        let digit = c.to_digit(10);
        if digit.is_none() && in_digits {
            parts.push((String::new(), 0));
        }
        in_digits = digit.is_some();
        if let Some((text, number)) = parts.last_mut() {
            match digit {
                Some(digit) => *number = number.saturating_mul(10).saturating_add(u64::from(digit)),
                None => text.extend(c.to_lowercase()),
            }
        }
    }
    parts
}
