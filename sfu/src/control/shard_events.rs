//! What shards report, fanned out to those whom it concerns.

use super::room::Published;
use super::{Control, OpenRoom, policy};
use crate::clock;
use crate::shard::{Command, Event, ShardId};
use invigil_shared::id::{ParticipantId, TransportId};
use invigil_shared::limits::MAX_PUBLICATIONS;
use invigil_shared::publication::{Freshness, Layer, LayerOffer, PublicationInfo, PublicationKey, SourceState};
use invigil_shared::signal::{Direction, ServerMessage};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;

impl Control {
    /// Takes the shards' events until every shard has ended.
    pub async fn follow_shards(self: Arc<Self>, mut events: mpsc::Receiver<(ShardId, Event)>) {
        while let Some((shard, event)) = events.recv().await {
            self.on_event(shard, event);
        }
    }

    /// A shard has ended before the server: everyone on it has lost their transports and comes back on another one. False when
    /// there is none.
    pub fn shard_ended(self: &Arc<Self>, shard: ShardId) -> bool {
        let (homeless, any_left) = {
            let mut placement = self.placement.lock();
            (placement.remove_shard(shard), !placement.is_empty())
        };
        let gone: BTreeSet<ParticipantId> = homeless.iter().map(|(participant, _)| *participant).collect();
        self.browsers
            .lock()
            .retain(|_, resource| !gone.contains(&resource.peer));
        for (participant, exam) in homeless {
            let Some(room) = self.room_of_exam(exam) else { continue };
            let transports: Vec<TransportId> = {
                let mut state = room.state.lock();
                state.remove_browser_publications(participant);
                let Some(member) = state.members.get_mut(&participant) else {
                    continue;
                };
                if let Some(candidate) = member.candidate_mut() {
                    candidate.publications.values_mut().for_each(|p| p.flowing.clear());
                }
                member.transports.keys().copied().collect()
            };
            self.show_viewers(exam);
            for transport in transports {
                self.member_lost(Arc::clone(&room), transport, participant);
            }
        }
        any_left
    }

    fn on_event(self: &Arc<Self>, shard: ShardId, event: Event) {
        match event {
            Event::TransportConnected {
                transport, participant, ..
            } => self.transport_connected(transport, participant),
            Event::TransportLost {
                transport,
                participant,
                reason,
            } => {
                tracing::debug!(%transport, %participant, %reason, "a transport was lost");
                self.transport_lost(transport, participant);
            }
            Event::Bindings {
                subscriber,
                revision,
                bindings,
            } => {
                let Some(room) = self.room_of(subscriber) else { return };
                let mut state = room.state.lock();
                let Some(watcher) = state.members.get_mut(&subscriber).and_then(|m| m.watcher_mut()) else {
                    return;
                };
                if watcher.shard_revision == revision {
                    watcher.bindings.clone_from(&bindings);
                    let revision = watcher.revision;
                    state.tell(subscriber, ServerMessage::Subscribed { revision, bindings });
                }
            }
            Event::LayerDemand { participant, demands } => {
                self.tell(participant, ServerMessage::LayerDemand { demands });
            }
            Event::LayerSelected {
                subscriber,
                slot,
                layer,
            } => {
                self.tell(subscriber, ServerMessage::LayerSelected { slot, layer });
            }
            Event::AudioLevels { exam, levels } => {
                let Some(room) = self.room_of_exam(exam) else { return };
                let mut state = room.state.lock();
                let Some(levels) = state.levels.report(clock::now_us(), shard, levels) else {
                    return;
                };
                let watchers = state.members.values().filter(|m| m.candidate().is_none());
                watchers
                    .filter_map(|m| m.client.as_ref())
                    .for_each(|client| client.levels(levels.clone()));
            }
            Event::MediaFlow {
                participant,
                publication,
                layer,
                flowing,
            } => {
                self.media_flow(participant, publication, layer, flowing);
            }
            Event::BrowserPublished {
                participant,
                publication,
                codec,
                layers,
            } => {
                self.browser_published(participant, publication, codec, layers);
            }
        }
    }

    fn tell(&self, participant: ParticipantId, message: ServerMessage) {
        if let Some(room) = self.room_of(participant) {
            room.state.lock().tell(participant, message);
        }
    }

    fn transport_connected(self: &Arc<Self>, transport: TransportId, participant: ParticipantId) {
        let Some(room) = self.room_of(participant) else { return };
        let mut state = room.state.lock();
        let Some(member) = state.members.get_mut(&participant) else {
            return;
        };
        let Some(own) = member.transports.get(&transport) else {
            return;
        };
        own.connected.send_replace(true);
        let browser = own.browser;
        if let Some(began) = member.joining.take() {
            self.durations.join.observe(began.elapsed().as_secs_f64());
        }
        if browser {
            let presence = member.presence();
            if member.set_presence(presence, clock::now_us()) {
                state.tell_updated(participant);
            }
            state.note_peak();
        }
    }

    fn transport_lost(self: &Arc<Self>, transport: TransportId, participant: ParticipantId) {
        let resource = self.browsers.lock().remove(&transport);
        if resource.as_ref().is_some_and(|r| r.direction == Direction::Subscribe) {
            self.displace(participant);
            return;
        }
        if let Some(room) = self.room_of(participant) {
            if resource.is_some() {
                self.browser_lost(&room, participant);
            }
            self.member_lost(room, transport, participant);
        }
    }

    fn member_lost(self: &Arc<Self>, room: Arc<OpenRoom>, transport: TransportId, participant: ParticipantId) {
        let mut state = room.state.lock();
        let Some(member) = state.members.get_mut(&participant) else {
            return;
        };
        if member.transports.remove(&transport).is_some() {
            if let Some(client) = &member.client {
                client.send(ServerMessage::TransportClosed { transport });
            }
            if member.candidate().is_some() {
                drop(state);
                self.settle_later(room, participant);
            }
        }
    }

    fn media_flow(&self, participant: ParticipantId, key: PublicationKey, layer: Layer, flowing: bool) {
        let Some(room) = self.room_of(participant) else { return };
        let mut state = room.state.lock();
        let Some(published) = state
            .candidate_mut(participant)
            .and_then(|c| c.publications.get_mut(&key))
        else {
            return;
        };
        if flowing {
            published.flowing.insert(layer);
        } else {
            published.flowing.remove(&layer);
        }
        if published.browser && flowing {
            let now = clock::now_us();
            let freshness = &mut published.info.freshness;
            (freshness.state, freshness.captured_at, freshness.changed_at) = (SourceState::Live, now, now);
            let freshness = vec![*freshness];
            state.tell_watchers(ServerMessage::PublicationUpdated { participant, freshness });
        }
    }

    /// A browser's offer is its announcement: the same rules as for `publish`.
    fn browser_published(
        &self,
        participant: ParticipantId,
        key: PublicationKey,
        codec: String,
        layers: Vec<LayerOffer>,
    ) {
        let Some(room) = self.room_of(participant) else { return };
        let mut state = room.state.lock();
        let allowed = policy::may_publish(&state.exam.policy, key, &codec, &layers, false);
        let Some(candidate) = state.candidate_mut(participant) else {
            return;
        };
        let room_left = candidate.publications.len() < MAX_PUBLICATIONS || candidate.publications.contains_key(&key);
        if allowed.is_err() || !room_left {
            drop(state);
            tracing::info!(%participant, publication = %key, "a browser's publication is not allowed here");
            let command = Command::Unpublish {
                participant,
                publication: key,
            };
            self.post(participant, command);
            return;
        }
        let freshness = Freshness {
            publication: key,
            state: SourceState::Starting,
            captured_at: 0,
            changed_at: 0,
        };
        let info = PublicationInfo {
            participant,
            publication: key,
            codec,
            layers,
            freshness,
            test_picture: false,
        };
        let published = Published {
            info: info.clone(),
            flowing: BTreeSet::new(),
            browser: true,
        };
        candidate.publications.insert(key, published);
        state.tell_watchers(ServerMessage::PublicationAdded { publication: info });
        drop(state);
        self.show_viewers(room.id);
    }
}
