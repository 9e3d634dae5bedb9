//! The proctor app's "People": accounts as an admin sees and changes them.

use invigil_shared::id::UserId;
use invigil_shared::people::UserInfo;
use invigil_shared::role::Role;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A one-time link to hand over. The server tells it once: it is shown until it is put away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct HandedLink {
    pub email: String,
    pub name: String,
    pub link: String,
    /// Microseconds since the Unix epoch, UTC.
    #[ts(type = "number")]
    pub expires_at: i64,
    /// For somebody who has a password already.
    pub reset: bool,
    /// Whether an e-mail with it is on its way; none when the server sends no e-mails.
    pub mailed: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct PeopleView {
    /// In the order in which their accounts were made.
    pub users: Vec<UserInfo>,
    pub link: Option<HandedLink>,
}

/// What an admin asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "act", rename_all = "snake_case")]
#[ts(export)]
pub enum PeopleCommand {
    Refresh,
    Invite {
        email: String,
        name: String,
        role: Role,
    },
    NewLink {
        user: UserId,
    },
    ChangeRole {
        user: UserId,
        role: Role,
    },
    SetActive {
        user: UserId,
        active: bool,
    },
    /// Of somebody who has lost it.
    TakeSecondFactor {
        user: UserId,
    },
    /// From the identity provider.
    Unlink {
        user: UserId,
    },
    PutLinkAway,
}
