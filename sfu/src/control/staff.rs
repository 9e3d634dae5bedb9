//! What leads do to those who watch: put out of the room, and given another role. A role is the account's, changed as the office for
//! people changes it: tokens of before are refused, and whoever holds one signs in again.

use super::room::Part;
use super::{Answer, Control, Link, OK};
use crate::auth::identity::Subject;
use crate::clock;
use crate::store::audit;
use crate::store::people::UserChange;
use invigil_shared::error::{ErrorBody, ErrorCode};
use invigil_shared::id::{ParticipantId, UserId};
use invigil_shared::limits::MAX_REASON_CHARS;
use invigil_shared::role::Role;
use serde_json::json;
use std::sync::Arc;

impl Control {
    /// Whether it is somebody who watches in the same room.
    pub(super) fn watches_here(&self, link: &Link, participant: ParticipantId) -> bool {
        let room = link.room.as_ref();
        room.is_some_and(|room| {
            let state = room.state.lock();
            let member = state.members.get(&participant);
            member.is_some_and(|member| matches!(member.part, Part::Watcher(_)))
        })
    }

    /// Whose account it is that watches, and in which role. A lead does nothing to the own account, nor to that of an admin.
    fn other_watcher(&self, link: &Link, participant: ParticipantId) -> Result<(UserId, Role), ErrorBody> {
        let state = link.watching()?.state.lock();
        let member = state.members.get(&participant).ok_or(ErrorCode::NotFound)?;
        let Part::Watcher(watcher) = &member.part else {
            return Err(ErrorCode::NotFound.into());
        };
        let (user, _) = watcher.holder.ok_or(ErrorCode::NotFound)?;
        let (own, role) = (link.identity.person.subject() == Subject::User(user), member.info.role);
        if own || (role == Role::Admin && link.identity.role != Role::Admin) {
            return Err(ErrorCode::Forbidden.into());
        }
        Ok((user, role))
    }

    /// Puts somebody who watches out of the room, with every connection there. Who may watch may enter again.
    pub(super) async fn remove_watcher(&self, link: &Link, participant: ParticipantId, reason: &str) -> Answer {
        let (user, role) = self.other_watcher(link, participant)?;
        let reason = reason.trim();
        if reason.chars().count() > MAX_REASON_CHARS || reason.contains('\0') {
            return Err(ErrorBody::from(ErrorCode::BadMessage).with("field", "reason"));
        }
        let room = Arc::clone(link.watching()?);
        // Why, in somebody's words, is not in the audit log.
        let said = json!({ "exam": room.id, "role": role.as_str() });
        let store = self.store.acting(link.actor());
        store.note(audit::Action::RemoveWatcher, user.to_string(), said).await?;
        let out: Vec<ParticipantId> = {
            let state = room.state.lock();
            let theirs = state.held_by(Subject::User(user), u64::MAX);
            for client in theirs.iter().filter_map(|id| state.members.get(id)?.client.as_ref()) {
                client.close(ErrorBody::from(ErrorCode::Removed).with("reason", reason));
            }
            theirs
        };
        for participant in out {
            self.evict(&room, participant, true).await;
        }
        OK
    }

    /// Makes a proctor a lead, or a lead a proctor, everywhere on this server.
    pub(super) async fn change_role(&self, link: &Link, participant: ParticipantId, role: Role) -> Answer {
        let (user, before) = self.other_watcher(link, participant)?;
        let between = |role| matches!(role, Role::Proctor | Role::Lead);
        if !between(role) {
            return Err(ErrorBody::from(ErrorCode::BadMessage).with("field", "role"));
        }
        if !between(before) {
            return Err(ErrorCode::Forbidden.into());
        }
        let change = UserChange {
            name: None,
            role: Some(role),
            active: None,
        };
        let store = self.store.acting(link.actor());
        store.change_user(user, change, clock::now_us()).await?;
        // It is committed: if this fails, it takes effect soon after by itself.
        if let Err(error) = self.follow_revocations().await {
            tracing::error!(%error, "a revocation takes effect later");
        }
        OK
    }
}
