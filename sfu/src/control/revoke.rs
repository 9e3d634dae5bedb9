//! Taking access away while it is used: connections, WHIP and WHEP, and media end, whoever revoked it and wherever.

use super::{Control, OpenRoom};
use crate::auth::Identity;
use crate::auth::identity::Subject;
use crate::clock;
use crate::shutdown::ShutdownSignal;
use crate::store::Stored;
use crate::store::people::Revocation;
use invigil_shared::error::ErrorCode;
use invigil_shared::id::ParticipantId;
use invigil_shared::participation::Departure;
use invigil_shared::publication::PublicationRef;
use invigil_shared::signal::ServerMessage;
use std::sync::Arc;
use std::time::Duration;

/// How often the store is asked what others have revoked: it has to take effect within a second.
const FOLLOW: Duration = Duration::from_millis(500);

impl Control {
    /// Reads what was revoked since the last time, and ends what is held by it.
    pub async fn follow_revocations(&self) -> Stored<()> {
        for revocation in self.standings.follow(&*self.store).await? {
            self.cut(revocation).await;
        }
        Ok(())
    }

    /// Follows what the command line and other servers revoke until the server stops.
    pub async fn keep_revoking(self: Arc<Self>, mut shutdown: ShutdownSignal) {
        let mut ticks = tokio::time::interval(FOLLOW);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut well = true;
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                _ = ticks.tick() => {}
            }
            match self.follow_revocations().await {
                Ok(()) => well = true,
                // Once: a database that is away is away for many ticks.
                Err(error) if std::mem::take(&mut well) => {
                    tracing::error!(%error, "what others revoke is not known now");
                }
                Err(_) => {}
            }
        }
    }

    /// No token of before holds any more: everybody has to come again.
    pub fn cut_everybody(&self) {
        for (outbox, _) in self.connections.lock().values() {
            outbox.close(ErrorCode::TokenInvalid.into());
        }
        self.end_browsers_of(|_| true);
    }

    async fn cut(&self, revocation: Revocation) {
        let Revocation {
            subject, generation, ..
        } = revocation;
        let stale = |identity: &Identity| identity.person.subject() == subject && identity.generation < generation;
        for (outbox, identity) in self.connections.lock().values() {
            if stale(identity) {
                outbox.close(subject.revoked().into());
            }
        }
        self.end_browsers_of(stale);
        let rooms: Vec<_> = self.rooms.lock().values().cloned().collect();
        for room in rooms {
            let out = room.state.lock().held_by(subject, generation);
            for participant in out {
                // Let in again since: somebody else's change is read late.
                let renewed = self.connections.lock().get(&participant).map(|(_, identity)| *identity);
                if renewed.is_some_and(|identity| !stale(&identity)) {
                    continue;
                }
                let for_good = match subject {
                    Subject::User(user) => self.for_good(user).await,
                    Subject::Session(_) => false,
                };
                self.evict(&room, participant, for_good).await;
            }
        }
    }

    /// Ends a member's media at once. It stays in the room as one that is lost; someone who watched is gone.
    pub(super) async fn evict(&self, room: &OpenRoom, participant: ParticipantId, for_good: bool) {
        {
            let mut state = room.state.lock();
            let Some(member) = state.members.get_mut(&participant) else {
                return;
            };
            member.client = None;
            member.stays.end(Departure::Removed, clock::now_us());
            member.transports.clear();
            let published = member.candidate_mut().map(|c| std::mem::take(&mut c.publications));
            for publication in published.unwrap_or_default().into_keys() {
                let source = PublicationRef {
                    participant,
                    publication,
                };
                state.tell_watchers(ServerMessage::PublicationRemoved { source });
            }
            self.displace_from(participant, room.id);
            if for_good {
                state.assignments.went(participant, true, clock::now_us());
            }
        }
        self.settle(room, participant).await;
        self.show_viewers(room.id);
    }
}
