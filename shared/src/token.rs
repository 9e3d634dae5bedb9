//! Claims of an access token. Signing and checking live with the keys, in the SFU.

use crate::id::{ExamId, ParticipantId, SessionId, UserId};
use crate::role::Role;
use serde::{Deserialize, Serialize};

/// `typ` of an access token's header (RFC 8725 section 3.11); anything else is refused.
pub const ACCESS_TYP: &str = "invigil-access+jwt";
/// `aud` of an access token for signalling and REST.
pub const AUDIENCE: &str = "invigil";

/// What an access token says (RFC 7519). Identity comes from here, never from a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// Seconds since the Unix epoch.
    pub iat: i64,
    pub exp: i64,
    /// Unique per token, for revocation and replay checks.
    pub jti: String,
    pub role: Role,
    /// Who acts in rooms.
    pub participant: ParticipantId,
    /// For people with an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// For candidates: the sitting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// For candidates: the only exam that they may enter. None for people with an account, whose exams the server looks up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exam: Option<ExamId>,
    /// How often the account or the sitting had been revoked when the token was issued. A token of an earlier generation is refused.
    #[serde(default, rename = "gen", skip_serializing_if = "is_zero")]
    pub generation: u64,
}

fn is_zero(generation: &u64) -> bool {
    *generation == 0
}
