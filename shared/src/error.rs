//! Stable error codes. The table with what to do about each stands in shared/README.md and is checked against this list.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use ts_rs::TS;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// A stable code: the wire's and the catalogue's key for what went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[ts(export)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
            /// A code of a later version.
            #[serde(other, rename = "unknown")]
            Unknown,
        }
        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $text,)* ErrorCode::Unknown => "unknown" }
            }
        }
    };
}

codes! {
    /// Not JSON, or not an object with a known shape.
    BadMessage = "bad_message",
    /// Larger than the limit of its kind.
    TooLarge = "too_large",
    /// A request that this version does not know.
    Unsupported = "unsupported",
    /// The peer speaks an older protocol than we accept.
    VersionTooOld = "version_too_old",
    /// `auth:request` has not succeeded on this connection.
    NotAuthenticated = "not_authenticated",
    /// The token is wrong, expired or revoked.
    TokenInvalid = "token_invalid",
    TokenExpired = "token_expired",
    /// The role may not do this.
    Forbidden = "forbidden",
    /// There is no such thing for this person.
    NotFound = "not_found",
    /// A room has to be joined first.
    NotInRoom = "not_in_room",
    /// The exam's status does not allow it now.
    ExamNotOpen = "exam_not_open",
    ExamClosed = "exam_closed",
    /// The exam can't go from its status to the one that was asked for; `status` says where it stands.
    ExamTransition = "exam_transition",
    /// The sitting does not stand so that this can be done; `state` says how it does.
    SittingTransition = "sitting_transition",
    /// A proctor ended the sitting; `reason` says why.
    SittingEnded = "sitting_ended",
    /// A proctor did not let the candidate in; `reason` says why.
    NotAdmitted = "not_admitted",
    /// A lead put the participant out of the room; `reason` says why.
    Removed = "removed",
    /// A field's value is not possible; `field` says which, `limit` what would be.
    FieldInvalid = "field_invalid",
    /// The exam's status does not let this field be edited any more; `field` and `status` say what and why.
    ExamFrozen = "exam_frozen",
    /// Another exam has this code.
    ExamCodeTaken = "exam_code_taken",
    /// Somebody else has edited it meanwhile.
    EditConflict = "edit_conflict",
    /// The exam's roster has somebody with this label.
    LabelTaken = "label_taken",
    /// The roster holds as many as the exam has places; `capacity` says how many.
    RosterFull = "roster_full",
    /// Somebody has joined with this entry of the roster: it stays as it is.
    EntryUsed = "entry_used",
    /// A legal hold keeps these data: they are not erased.
    LegalHold = "legal_hold",
    /// Data are erased once the exam is over.
    ExamNotOver = "exam_not_over",
    /// Rows of an import can't be taken; nothing was stored.
    ImportRefused = "import_refused",
    /// The idempotency key was used with another request.
    IdempotencyMismatch = "idempotency_mismatch",
    RoomFull = "room_full",
    /// Too many messages of one kind; `retry_after_s` says when.
    RateLimited = "rate_limited",
    /// The exam code and the secret do not fit; `tries_left` says how many remain.
    SecretWrong = "secret_wrong",
    /// Too many wrong secrets; `retry_after_s` says when.
    SecretThrottled = "secret_throttled",
    /// E-mail and password do not fit.
    CredentialsWrong = "credentials_wrong",
    /// The password is right, and the account has a second factor: the same request with its code.
    SecondFactorRequired = "second_factor_required",
    /// The code is wrong, too old, or was used; `tries_left` says how many remain.
    SecondFactorWrong = "second_factor_wrong",
    /// The account has a second factor already.
    SecondFactorExists = "second_factor_exists",
    /// The token is from before the account was changed: role, password, or deactivated.
    AccessRevoked = "access_revoked",
    /// The account was deactivated.
    AccountDeactivated = "account_deactivated",
    /// The identity provider does not answer, or not as it should.
    OidcUnavailable = "oidc_unavailable",
    /// What came back from the identity provider can't be taken: too old, used, or not for this sign-in.
    OidcRefused = "oidc_refused",
    /// Nobody here has the e-mail that the identity provider knows; `email` says which.
    OidcNoAccount = "oidc_no_account",
    /// The identity provider does not vouch for an e-mail.
    OidcEmailUnverified = "oidc_email_unverified",
    /// The account with this e-mail belongs to somebody else at the identity provider.
    OidcLinkTaken = "oidc_link_taken",
    /// A lead has revoked this sitting.
    SessionRevoked = "session_revoked",
    /// The link is wrong, was used, or is too old.
    InvitationInvalid = "invitation_invalid",
    /// There is an account with this e-mail already.
    EmailTaken = "email_taken",
    /// Nobody else could administer the server.
    LastAdmin = "last_admin",
    /// The one-time setup code is wrong or was used.
    SetupCodeWrong = "setup_code_wrong",
    /// The one-time join link is wrong, was replaced, or is too old.
    JoinLinkInvalid = "join_link_invalid",
    /// The one-time join link was used on another device.
    JoinLinkUsed = "join_link_used",
    /// Another device holds the session; this one waits until a proctor lets it take over. The same request asks again.
    DeviceWaits = "device_waits",
    /// A proctor did not let this device take over.
    DeviceRefused = "device_refused",
    /// The session was moved to another device.
    SessionMoved = "session_moved",
    /// Another device holds the session.
    SessionElsewhere = "session_elsewhere",
    /// The device key's proof does not verify.
    ResumeRefused = "resume_refused",
    /// The SDP can't be parsed or asks for what we don't do.
    SdpInvalid = "sdp_invalid",
    /// The offer has no fingerprint, or DTLS presented another certificate.
    FingerprintMismatch = "fingerprint_mismatch",
    /// The exam is for relays only, and the server has none; `setting` says what its operator has to set.
    RelayMissing = "relay_missing",
    TransportUnknown = "transport_unknown",
    TransportLimit = "transport_limit",
    PublicationInvalid = "publication_invalid",
    PublicationLimit = "publication_limit",
    IntentInvalid = "intent_invalid",
    /// An integrity event does not continue the chain; `wanted` says which sequence number does.
    ChainGap = "chain_gap",
    ChainFork = "chain_fork",
    MessageTooLong = "message_too_long",
    /// The server's disk or database refused the write; nothing was acknowledged.
    StorageFailed = "storage_failed",
    /// The client read too slowly; it comes back with `resume`.
    TooSlow = "too_slow",
    /// No frame for [`crate::limits::IDLE_S`] seconds.
    IdleTimeout = "idle_timeout",
    /// A newer connection of the same participant took over.
    Replaced = "replaced",
    ServerDraining = "server_draining",
    /// Our bug. The log has the request's id.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error as it travels: a code and parameters, never prose; the words come from the reader's catalogue.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{code}")]
#[ts(export)]
pub struct ErrorBody {
    pub code: ErrorCode,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}

impl From<ErrorCode> for ErrorBody {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            params: BTreeMap::new(),
        }
    }
}

impl ErrorBody {
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.params.insert(name.to_owned(), value.to_string());
        self
    }
}
