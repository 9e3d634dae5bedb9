//! REST bodies about API keys: what institutions' systems (student records, timetables) use in place of a person's token.

use crate::id::ApiKeyId;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a key opens. Writing includes reading.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[ts(export)]
pub enum ApiScope {
    /// List and read exams that are announced.
    #[serde(rename = "exams:read")]
    ExamsRead,
    /// Make, edit, schedule and archive exams.
    #[serde(rename = "exams:write")]
    ExamsWrite,
    /// Read and export rosters.
    #[serde(rename = "rosters:read")]
    RostersRead,
    /// Fill, import and edit rosters, with their secrets.
    #[serde(rename = "rosters:write")]
    RostersWrite,
}

impl ApiScope {
    pub const ALL: [Self; 4] = [Self::ExamsRead, Self::ExamsWrite, Self::RostersRead, Self::RostersWrite];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExamsRead => "exams:read",
            Self::ExamsWrite => "exams:write",
            Self::RostersRead => "rosters:read",
            Self::RostersWrite => "rosters:write",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A key as admins see it: what `GET /api/v1/api-keys` lists, in the order in which keys were made. Times are microseconds since the
/// Unix epoch, UTC.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ApiKeyInfo {
    pub id: ApiKeyId,
    pub name: String,
    pub scopes: Vec<ApiScope>,
    /// Whoever made it, as the audit log names them: an account's id, or `operator:NAME`.
    pub created_by: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
    /// To the minute.
    pub last_used_at: Option<i64>,
}

/// `POST /api/v1/api-keys`. Answered with a [`NewApiKey`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRequest {
    pub name: String,
    pub scopes: Vec<ApiScope>,
    /// Microseconds since the Unix epoch, UTC; without it the key is good until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// A key, told this once: `Authorization: Bearer TOKEN`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewApiKey {
    pub key: ApiKeyInfo,
    pub token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_one_spelling() {
        for scope in ApiScope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.as_str());
            assert_eq!(ApiScope::parse(scope.as_str()), Some(scope));
        }
        assert_eq!(ApiScope::parse("people:write"), None);
        assert!(serde_json::from_str::<ApiScope>("\"exams:all\"").is_err());
    }
}
