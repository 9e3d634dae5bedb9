//! REST bodies about people with an account: list, invite, change, and what a link that was handed to one of them does.

use crate::id::UserId;
use crate::link::Link;
use crate::role::Role;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// How an account stands.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum AccountState {
    /// Has not chosen a password yet, and never signed in through the identity provider.
    Invited,
    Active,
    /// Is refused everywhere.
    Deactivated,
    /// A state of a later version.
    #[serde(other)]
    Unknown,
}

/// A person with an account, as admins see them: what `GET /api/v1/users` lists, in the order in which accounts were made.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct UserInfo {
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub state: AccountState,
    /// Microseconds since the Unix epoch, UTC.
    pub created_at: i64,
    /// Until when a link that was not used yet is good; microseconds since the Unix epoch, UTC.
    pub link_expires_at: Option<i64>,
    /// Signing in takes a code beside the password.
    #[serde(default)]
    pub second_factor: bool,
    /// Signs in through the identity provider too.
    #[serde(default)]
    pub oidc_linked: bool,
}

/// `POST /api/v1/users`. Answered with a [`UserLink`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteRequest {
    pub email: String,
    pub name: String,
    pub role: Role,
}

/// Answer to an invitation and to `POST /api/v1/users/{id}/link`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLink {
    pub user: UserInfo,
    /// An [`InviteLink`], told this once.
    pub link: String,
    /// Microseconds since the Unix epoch, UTC.
    pub expires_at: i64,
    /// Whether the institution's mail server has taken an e-mail with the link; none when the server sends no e-mails.
    #[serde(default)]
    pub mailed: Option<bool>,
}

/// `PATCH /api/v1/users/{id}`: what is named is changed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeUserRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}

/// `POST /api/v1/invitations/look`: whom a link is for.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationRequest {
    pub token: String,
}

/// Answer to [`InvitationRequest`] and [`AcceptRequest`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct InvitationInfo {
    pub email: String,
    pub name: String,
    pub role: Role,
    /// The account has a password, which the link replaces.
    pub reset: bool,
}

/// `POST /api/v1/invitations/accept`: chooses a password. The link is good once.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptRequest {
    pub token: String,
    pub password: String,
}

/// What an admin hands to a person: `invigil://HOST:PORT/invite?token=TOKEN&sha256=HEX`.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteLink {
    /// `host:port` or `host`.
    pub authority: String,
    /// 32 random bytes, base64url without padding.
    pub token: String,
    /// SHA-256 of the server's certificate (DER), 64 hexadecimal digits, for self-signed ones.
    pub certificate_sha256: Option<String>,
}

/// A text that is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an invitation")]
pub struct BadInviteLink;

impl InviteLink {
    const KIND: &str = "invite";

    pub fn parse(text: &str) -> Result<Self, BadInviteLink> {
        let mut link = Link::parse(text, Self::KIND).ok_or(BadInviteLink)?;
        Ok(Self {
            authority: link.authority,
            token: link.values.remove("token").ok_or(BadInviteLink)?,
            certificate_sha256: link.certificate_sha256,
        })
    }

    pub fn to_text(&self) -> String {
        let pin = self.certificate_sha256.as_deref();
        Link::text(&self.authority, Self::KIND, &[("token", &self.token)], pin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_one_text() {
        let link = InviteLink {
            authority: "[::1]:8443".into(),
            token: "ab-_09".into(),
            certificate_sha256: Some("0f".repeat(32)),
        };
        let text = link.to_text();
        assert!(InviteLink::parse(&format!(" {text}\n")) == Ok(link));
        let unpinned = InviteLink::parse("invigil://exam.example.org/invite?token=x&later=1").unwrap();
        assert!(unpinned.authority == "exam.example.org" && unpinned.certificate_sha256.is_none());
        for bad in [
            "invigil://h/join?token=x",
            "invigil://h/invite?",
            "invigil://h/invite?other=x",
            "invigil://h/invite?token=",
            "invigil://h/invite?token=a%20b",
            "invigil://h/invite?token=x&sha256=0f",
            "invigil:///invite?token=x",
            "invigil://h/x/invite?token=x",
            "https://h/invite?token=x",
        ] {
            assert!(InviteLink::parse(bad).is_err(), "{bad}");
        }
    }
}
