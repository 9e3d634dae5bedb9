//! Statistics that clients report, and whom proctors looked at.

use super::{Answer, Control, Link, OK};
use crate::clock;
use invigil_shared::error::ErrorCode;
use invigil_shared::id::ParticipantId;
use invigil_shared::signal::ServerMessage;
use invigil_shared::stats::ClientStats;

impl Control {
    pub(super) fn stats(&self, link: &Link, stats: ClientStats) -> Answer {
        let participant = link.identity.participant;
        let mut state = link.joined()?.state.lock();
        let member = state.members.get_mut(&participant).ok_or(ErrorCode::NotInRoom)?;
        member.quality = stats.level();
        let presence = member.presence();
        if member.set_presence(presence, clock::now_us()) {
            state.tell_updated(participant);
        }
        OK
    }

    /// A proctor says that it looked at a candidate; it counts when pictures of that candidate were wanted.
    pub(super) async fn look(&self, link: &Link, participant: ParticipantId) -> Answer {
        let room = link.watching()?;
        let at = clock::now_us();
        {
            let mut state = room.state.lock();
            let member = state
                .members
                .get_mut(&link.identity.participant)
                .ok_or(ErrorCode::NotInRoom)?;
            let shown = member.watcher_mut().is_some_and(|watcher| {
                let pictures = watcher
                    .intents
                    .iter()
                    .map(|i| i.wanted)
                    .filter(|w| w.publication.kind.is_video());
                pictures.into_iter().any(|wanted| wanted.participant == participant)
            });
            if !shown || state.candidate(participant).is_none() {
                return Err(ErrorCode::NotFound.into());
            }
        }
        self.store.mark_looked(participant, at).await?;
        let mut state = room.state.lock();
        if let Some(member) = state.members.get_mut(&participant) {
            member.info.looked_at = member.info.looked_at.max(at);
        }
        state.tell_watchers(ServerMessage::AttentionLooked { participant, at });
        OK
    }
}
