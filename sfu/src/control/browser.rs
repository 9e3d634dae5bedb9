//! Browsers without our protocol: WHIP (RFC 9725) publishes, WHEP plays one publication or all of an exam's.

use super::join::{Seated, entry_now};
use super::media::unexpected;
use super::placement::Weight;
use super::room::Transport;
use super::{BrowserResource, Control, policy};
use crate::auth::Identity;
use crate::auth::identity::Person;
use crate::clock;
use crate::shard::{Command, Profile, Reply, ShardHandle};
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{ExamId, ParticipantId, TransportId};
use invigil_shared::intent::{Intent, Priority};
use invigil_shared::limits::{AUDIO_SLOTS, MAX_BROWSER_RESOURCES, VIDEO_SLOTS};
use invigil_shared::publication::{Layer, PublicationRef};
use invigil_shared::signal::{Direction, ServerMessage};
use invigil_shared::timeline::TimelineBody;
use tokio::sync::watch;

/// A resource that was made.
pub struct Created {
    pub transport: TransportId,
    pub answer: String,
}

impl Control {
    /// A candidate publishes from a browser.
    pub async fn whip(&self, identity: &Identity, exam: ExamId, offer: String) -> Result<Created, ErrorBody> {
        let Person::Candidate { session, .. } = identity.person else {
            return Err(ErrorCode::Forbidden.into());
        };
        let Seated { room, record, first } = self.seat(identity, session, exam).await?;
        let participant = record.participant;
        if first {
            let entry = entry_now(participant, TimelineBody::Joined { resumed: false });
            self.store.add_timeline(exam, entry.clone()).await?;
            let mut state = room.state.lock();
            if let Some(member) = state.members.get(&participant) {
                state.tell_watchers(ServerMessage::ParticipantJoined {
                    participant: member.info.clone(),
                });
            }
            state.tell_timeline(entry);
        }
        let transport = clock::fresh(TransportId::from_parts);
        let direction = Direction::Publish;
        let profile = Profile::Browser;
        let command = Command::AddTransport {
            transport,
            participant,
            exam,
            direction,
            profile,
        };
        self.placed(participant, exam, Weight::of_role(identity.role))?
            .request(command)
            .await?;
        {
            let mut state = room.state.lock();
            let member = state.members.get_mut(&participant).ok_or(ErrorCode::NotInRoom)?;
            member.transports.retain(|_, other| other.direction != direction);
            let connected = watch::Sender::new(false);
            member.transports.insert(
                transport,
                Transport {
                    direction,
                    browser: true,
                    connected,
                },
            );
        }
        self.negotiate(
            transport,
            BrowserResource {
                exam,
                owner: participant,
                peer: participant,
                direction,
            },
            offer,
        )
        .await
    }

    /// Someone who watches plays in a browser: one publication, or all of the exam's that the offer has m-lines for.
    pub async fn whep(
        &self,
        identity: &Identity,
        exam: ExamId,
        source: Option<PublicationRef>,
        layer: Layer,
        offer: String,
    ) -> Result<Created, ErrorBody> {
        if !policy::watches(identity.role) {
            return Err(ErrorCode::Forbidden.into());
        }
        let info = self.exam_for(identity, exam).await?;
        let room = self.open_room(info).await?;
        let sources = match source {
            Some(source) if room.state.lock().has_publication(source) => vec![source],
            Some(_) => return Err(ErrorCode::NotFound.into()),
            None => room.state.lock().publications(),
        };
        let intents = intents_of(&sources, layer, &offer);
        if source.is_some() && intents.is_empty() {
            return Err(ErrorCode::SdpInvalid.into());
        }
        let owner = identity.participant;
        if self.browsers.lock().values().filter(|r| r.owner == owner).count() >= MAX_BROWSER_RESOURCES {
            return Err(ErrorBody::from(ErrorCode::TransportLimit).with("limit", MAX_BROWSER_RESOURCES));
        }
        // Each resource subscribes by itself: a name of its own keeps their wish lists apart.
        let peer = clock::fresh(ParticipantId::from_parts);
        let transport = clock::fresh(TransportId::from_parts);
        let (direction, profile) = (Direction::Subscribe, Profile::Browser);
        let shard = self.placed(peer, exam, Weight::of_player(intents.len()))?;
        let command = Command::AddTransport {
            transport,
            participant: peer,
            exam,
            direction,
            profile,
        };
        if let Err(error) = shard.request(command).await {
            self.displace(peer);
            return Err(error);
        }
        let resource = BrowserResource {
            exam,
            owner,
            peer,
            direction,
        };
        // Before the offer: its codecs and names depend on what is wanted.
        let wish = Command::SetIntents {
            subscriber: peer,
            revision: 1,
            intents,
        };
        match shard.request(wish).await {
            Ok(Reply::Bindings(_)) => self.negotiate(transport, resource, offer).await,
            Ok(other) => {
                self.release(transport, &resource);
                Err(unexpected(&other))
            }
            Err(error) => {
                self.release(transport, &resource);
                Err(error)
            }
        }
    }

    fn placed(&self, participant: ParticipantId, exam: ExamId, weight: Weight) -> Result<ShardHandle, ErrorBody> {
        Ok(self.placement.lock().place(participant, exam, weight)?.clone())
    }

    async fn negotiate(
        &self,
        transport: TransportId,
        resource: BrowserResource,
        sdp: String,
    ) -> Result<Created, ErrorBody> {
        let shard = self.placement.lock().shard_of(resource.peer).cloned();
        self.browsers.lock().insert(transport, resource);
        let answer = match shard {
            Some(shard) => shard.request(Command::Offer { transport, sdp }).await,
            None => Err(ErrorCode::TransportUnknown.into()),
        };
        let answer = match answer {
            Ok(Reply::Answer(answer)) => return Ok(Created { transport, answer }),
            Ok(other) => unexpected(&other),
            Err(error) => error,
        };
        if let Some(resource) = self.browsers.lock().remove(&transport) {
            self.release(transport, &resource);
        }
        Err(answer)
    }

    /// Ends a resource. Others' resources don't exist for whoever asks.
    pub fn end_browser(&self, identity: &Identity, exam: ExamId, transport: TransportId) -> Result<(), ErrorBody> {
        let mut browsers = self.browsers.lock();
        let own = browsers
            .get(&transport)
            .is_some_and(|r| r.owner == identity.participant && r.exam == exam);
        let resource = own
            .then(|| browsers.remove(&transport))
            .flatten()
            .ok_or(ErrorCode::NotFound)?;
        drop(browsers);
        self.release(transport, &resource);
        Ok(())
    }

    fn release(&self, transport: TransportId, resource: &BrowserResource) {
        let participant = resource.peer;
        if resource.direction == Direction::Subscribe {
            self.displace(participant);
            return;
        }
        self.post(participant, Command::RemoveTransport { transport });
        let Some(room) = self.room_of_exam(resource.exam) else {
            return;
        };
        let mut state = room.state.lock();
        let Some(member) = state.members.get_mut(&participant) else {
            return;
        };
        member.transports.remove(&transport);
        let presence = member.presence();
        let changed = member.set_presence(presence, clock::now_us());
        for publication in state.remove_browser_publications(participant) {
            let command = Command::Unpublish {
                participant,
                publication,
            };
            self.post(participant, command);
        }
        if changed {
            state.tell_updated(participant);
        }
    }
}

/// A wish for each source that the offer has an m-line of its media for (RFC 8866 section 5.14), in order.
fn intents_of(sources: &[PublicationRef], layer: Layer, offer: &str) -> Vec<Intent> {
    let lines = |media: &str| offer.lines().filter(|line| line.starts_with(media)).count();
    let mut video = 0..VIDEO_SLOTS.min(u16::try_from(lines("m=video ")).unwrap_or(VIDEO_SLOTS));
    let mut audio = 0..AUDIO_SLOTS.min(u16::try_from(lines("m=audio ")).unwrap_or(AUDIO_SLOTS));
    let wish = |&wanted: &PublicationRef| {
        let slot = if wanted.publication.kind.is_video() {
            video.next()?
        } else {
            VIDEO_SLOTS + audio.next()?
        };
        Some(Intent {
            slot,
            wanted,
            layer,
            priority: Priority::Tile,
        })
    };
    sources.iter().filter_map(wish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use invigil_shared::publication::PublicationKey;

    #[test]
    fn sources_take_the_lines_of_their_media_as_far_as_there_are_any() {
        let offer = "v=0\r\nm=audio 9 x 111\r\na=mid:0\r\nm=video 9 x 102\r\nm=video 9 x 102\r\n";
        let source = |publication| PublicationRef {
            participant: ParticipantId::from_parts(1, [1; 10]),
            publication,
        };
        let sources = [
            PublicationKey::CAMERA,
            PublicationKey::SCREEN,
            PublicationKey::CAMERA,
            PublicationKey::MICROPHONE,
        ];
        let intents = intents_of(&sources.map(source), Layer::Low, offer);
        let slots: Vec<u16> = intents.iter().map(|intent| intent.slot).collect();
        assert_eq!(slots, [0, 1, VIDEO_SLOTS]);
        assert!(
            intents_of(
                &[source(PublicationKey::CAMERA)],
                Layer::Low,
                "v=0\r\nm=audio 9 x 111\r\n"
            )
            .is_empty()
        );
    }
}
