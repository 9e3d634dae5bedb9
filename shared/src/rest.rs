//! Bodies of the few REST calls that come before signalling: joining, signing in, choosing an exam.

use crate::exam::{Allowances, ExamInfo};
use crate::id::{ParticipantId, SessionId};
use crate::link::Link;
use crate::role::Role;
use crate::signal::IceServer;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `POST /api/v1/join`: a candidate with an exam code and a secret.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    pub exam_code: String,
    /// At least 60 random bits, Crockford base32 in groups: `7K3F-9QXT-M2RD`.
    pub secret: String,
    /// Ed25519 public key of the device, base64url without padding. The first join registers it.
    pub device_key: String,
}

#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinResponse {
    pub access_token: String,
    /// Seconds since the Unix epoch.
    pub expires_at: i64,
    pub session: SessionId,
    pub participant: ParticipantId,
    pub exam: ExamInfo,
    pub candidate_label: String,
    pub seat: Option<String>,
    pub allowances: Allowances,
}

/// `GET /api/v1/ice-config`: STUN, then TURN with credentials of the caller's own.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServers {
    pub servers: Vec<IceServer>,
    /// To a candidate: the exam wants media through those TURN servers only (`iceTransportPolicy: "relay"`). To people who may
    /// watch any exam, false: signalling says it when they enter one.
    #[serde(default)]
    pub relay_only: bool,
}

/// `POST /api/v1/resume/challenge` and `POST /api/v1/resume`: back into a session by its device key, without a secret.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeChallengeRequest {
    pub session: SessionId,
}
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeChallenge {
    /// 32 random bytes, base64url without padding, good for 60 s and one use.
    pub challenge: String,
}
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeRequest {
    pub session: SessionId,
    pub challenge: String,
    /// [`crate::device::sign_challenge`], base64url without padding. Answered with a [`JoinResponse`].
    pub signature: String,
}

/// `POST /api/v1/setup`: makes the first admin with the one-time setup code that `serve` printed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupRequest {
    pub setup_code: String,
    pub email: String,
    pub password: String,
    pub name: String,
}

/// `POST /api/v1/sign-in`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInRequest {
    pub email: String,
    pub password: String,
    /// A code of the authenticator app, or a recovery code: asked for with `second_factor_required`, once the password is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Answer to setup, sign-in and `POST /api/v1/refresh` (bearer token).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInResponse {
    pub access_token: String,
    pub expires_at: i64,
    pub participant: ParticipantId,
    pub role: Role,
    pub name: String,
}

/// `GET /api/v1/exams` (bearer token of a person with an account): what they may watch.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ExamListItem {
    #[serde(flatten)]
    pub exam: ExamInfo,
    /// Candidates on the roster, and online now.
    pub roster: u32,
    pub online: u32,
    /// Candidates that the roster holds at most.
    #[serde(default)]
    pub capacity: u32,
    /// Changes with every edit and step: `If-Match` with it edits what was read, or nothing.
    #[serde(default)]
    pub revision: u32,
    /// When it first began and when it was closed, microseconds since the Unix epoch.
    #[serde(default)]
    pub started_at: Option<i64>,
    #[serde(default)]
    pub ended_at: Option<i64>,
    /// The most candidates who were there at once.
    #[serde(default)]
    pub peak: u32,
    /// Why its candidates' data are kept whatever the policy says; told to those who may hold and let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hold: Option<String>,
    /// Since when nothing is kept of any candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub erased_at: Option<i64>,
}

/// Error body of every REST call (RFC 9457 problem details).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:invigil:error:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    pub status: u16,
    #[serde(flatten)]
    pub error: crate::error::ErrorBody,
}

/// A join link: everything that a candidate's app needs in one pasted text,
/// `invigil://HOST:PORT/join?exam=CODE&secret=SECRET&sha256=HEX`.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinLink {
    /// `host:port` or `host`.
    pub authority: String,
    pub exam_code: String,
    pub secret: String,
    /// SHA-256 of the server's certificate (DER), 64 hexadecimal digits, for self-signed ones.
    pub certificate_sha256: Option<String>,
}

/// A text that is no join link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a join link")]
pub struct BadJoinLink;

impl JoinLink {
    const KIND: &str = "join";

    pub fn parse(text: &str) -> Result<Self, BadJoinLink> {
        let mut link = Link::parse(text, Self::KIND).ok_or(BadJoinLink)?;
        let (exam_code, secret) = link
            .values
            .remove("exam")
            .zip(link.values.remove("secret"))
            .ok_or(BadJoinLink)?;
        Ok(Self {
            authority: link.authority,
            exam_code,
            secret,
            certificate_sha256: link.certificate_sha256,
        })
    }

    pub fn to_text(&self) -> String {
        let values = [("exam", self.exam_code.as_str()), ("secret", &self.secret)];
        Link::text(&self.authority, Self::KIND, &values, self.certificate_sha256.as_deref())
    }
}
