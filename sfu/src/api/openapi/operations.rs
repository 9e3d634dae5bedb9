//! Every REST call: what it is called, who may call it, what goes in and comes out. Those of the exam office stand in [`super::office`].

use super::office::OFFICE;
use super::{SchemaOf, object, of};
use crate::api::page::MAX_PAGE;
use crate::control::permission::Act;
use invigil_shared::account::{
    ChangePasswordRequest, ConfirmSecondFactorRequest, DropSecondFactorRequest, OfferSecondFactorRequest, OwnAccount,
    RecoveryCodes, SecondFactorOffer,
};
use invigil_shared::api_key::{ApiKeyInfo, ApiKeyRequest, NewApiKey};
use invigil_shared::oidc::{OidcBeginRequest, OidcBegun, OidcFinishRequest, OidcOffer};
use invigil_shared::people::{
    AcceptRequest, ChangeUserRequest, InvitationInfo, InvitationRequest, InviteRequest, UserInfo, UserLink,
};
use invigil_shared::rest::{
    IceServers, JoinRequest, JoinResponse, ResumeChallenge, ResumeChallengeRequest, ResumeRequest, SetupRequest,
    SignInRequest, SignInResponse,
};
use serde_json::{Value, json};

pub struct Operation {
    /// Lower case, as OpenAPI has it.
    pub method: &'static str,
    pub path: &'static str,
    pub id: &'static str,
    pub summary: &'static str,
    /// Needs an access token.
    pub token: bool,
    /// An API key does as well, with a scope that opens this.
    pub key: Option<Act>,
    pub parameters: &'static [Parameter],
    pub input: Input,
    pub status: &'static str,
    pub answer: &'static str,
    pub output: Output,
    /// Further answers with a shape of their own.
    pub also: &'static [Also],
}

pub struct Also {
    pub status: &'static str,
    pub answer: &'static str,
    pub media: &'static str,
    pub schema: SchemaOf,
}

pub enum Input {
    None,
    Json(SchemaOf),
    Csv,
}

pub enum Output {
    None,
    Json(SchemaOf),
    Csv,
}

#[derive(Clone, Copy)]
pub enum Parameter {
    Limit,
    Cursor,
    IdempotencyKey,
    IfMatch,
    DryRun,
}

impl Parameter {
    pub fn describe(self) -> Value {
        let (name, place, schema, words) = match self {
            Self::Limit => (
                "limit",
                "query",
                json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE }),
                "Items of the page.",
            ),
            Self::Cursor => (
                "cursor",
                "query",
                json!({ "type": "string", "format": "uuid" }),
                "Where the page begins: `Link` with rel=next of the page before says it.",
            ),
            Self::IdempotencyKey => (
                "Idempotency-Key",
                "header",
                json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$" }),
                "The same request with the same key is done once within 24 hours.",
            ),
            Self::IfMatch => (
                "If-Match",
                "header",
                json!({ "type": "string" }),
                "The ETag that was read: another revision is not edited.",
            ),
            Self::DryRun => (
                "dry_run",
                "query",
                json!({ "type": "boolean", "default": false }),
                "Stores nothing and lists every row with what is wrong.",
            ),
        };
        json!({ "name": name, "in": place, "required": false, "schema": schema, "description": words })
    }
}

pub(super) const PAGE: &[Parameter] = &[Parameter::Limit, Parameter::Cursor];
pub(super) const KEY: &[Parameter] = &[Parameter::IdempotencyKey];

/// What most calls are.
pub(super) const CALL: Operation = Operation {
    method: "get",
    path: "",
    id: "",
    summary: "",
    token: true,
    key: None,
    parameters: &[],
    input: Input::None,
    status: "200",
    answer: "",
    output: Output::None,
    also: &[],
};

/// Every call.
pub fn all() -> impl Iterator<Item = &'static Operation> {
    PEOPLE.iter().chain(OFFICE)
}

/// Those before an exam: health, coming in, accounts, keys.
const PEOPLE: &[Operation] = &[
    Operation {
        path: "/healthz",
        id: "health",
        summary: "The process answers and the database can be read",
        token: false,
        answer: "It is well.",
        output: Output::Json(object),
        ..CALL
    },
    Operation {
        path: "/readyz",
        id: "ready",
        summary: "Whether new clients should be sent here; 503 says which check failed",
        token: false,
        answer: "It is ready.",
        output: Output::Json(object),
        also: &[Also {
            status: "503",
            answer: "It is not, and which check failed.",
            media: "application/json",
            schema: object,
        }],
        ..CALL
    },
    Operation {
        path: "/api/v1/openapi.json",
        id: "openapi",
        summary: "This document",
        token: false,
        answer: "This document.",
        output: Output::Json(object),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/join",
        id: "join",
        summary: "A candidate joins with exam code, secret and device key",
        token: false,
        input: Input::Json(of::<JoinRequest>),
        answer: "A token and a session.",
        output: Output::Json(of::<JoinResponse>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/resume/challenge",
        id: "resumeChallenge",
        summary: "A challenge for a device that comes back",
        token: false,
        input: Input::Json(of::<ResumeChallengeRequest>),
        answer: "Good for a minute and one use.",
        output: Output::Json(of::<ResumeChallenge>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/resume",
        id: "resume",
        summary: "Back into a session by the device key",
        token: false,
        input: Input::Json(of::<ResumeRequest>),
        answer: "A token and the session.",
        output: Output::Json(of::<JoinResponse>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/setup",
        id: "setup",
        summary: "Makes the first admin with the one-time setup code",
        token: false,
        input: Input::Json(of::<SetupRequest>),
        answer: "A token.",
        output: Output::Json(of::<SignInResponse>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/sign-in",
        id: "signIn",
        summary: "Signs in with e-mail and password, and with a code where the account has a second factor",
        token: false,
        input: Input::Json(of::<SignInRequest>),
        answer: "A token.",
        output: Output::Json(of::<SignInResponse>),
        ..CALL
    },
    Operation {
        path: "/api/v1/oidc",
        id: "oidcOffer",
        summary: "The identity provider through which people sign in, if there is one",
        token: false,
        answer: "The provider, or null.",
        output: Output::Json(of::<OidcOffer>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/oidc/begin",
        id: "oidcBegin",
        summary: "Begins a sign-in through the identity provider (authorization code, PKCE)",
        token: false,
        input: Input::Json(of::<OidcBeginRequest>),
        answer: "Where the browser has to go, and the state that comes back.",
        output: Output::Json(of::<OidcBegun>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/oidc/finish",
        id: "oidcFinish",
        summary: "Signs in with what came back from the identity provider; good once",
        token: false,
        input: Input::Json(of::<OidcFinishRequest>),
        answer: "A token.",
        output: Output::Json(of::<SignInResponse>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/refresh",
        id: "refresh",
        summary: "A fresh token for one that is still good",
        answer: "A token.",
        output: Output::Json(of::<SignInResponse>),
        ..CALL
    },
    Operation {
        path: "/api/v1/users",
        id: "listUsers",
        summary: "People with an account, in the order in which accounts were made",
        parameters: PAGE,
        answer: "A page; `Link` with rel=next names the one that follows.",
        output: Output::Json(of::<Vec<UserInfo>>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/users",
        id: "inviteUser",
        summary: "Makes an account without a password",
        parameters: KEY,
        input: Input::Json(of::<InviteRequest>),
        status: "201",
        answer: "The link with which its owner chooses a password, told this once.",
        output: Output::Json(of::<UserLink>),
        ..CALL
    },
    Operation {
        method: "patch",
        path: "/api/v1/users/{user}",
        id: "changeUser",
        summary: "Changes name or role, deactivates, activates",
        input: Input::Json(of::<ChangeUserRequest>),
        answer: "The account.",
        output: Output::Json(of::<UserInfo>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/users/{user}/link",
        id: "renewUserLink",
        summary: "A new link for somebody who lost the one before, or the password",
        answer: "The link, told this once.",
        output: Output::Json(of::<UserLink>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/users/{user}/second-factor/off",
        id: "takeSecondFactor",
        summary: "Takes the second factor off an account whose owner has lost it, and signs them out",
        answer: "The account.",
        output: Output::Json(of::<UserInfo>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/users/{user}/oidc/unlink",
        id: "unlinkOidc",
        summary: "Takes the link with the identity provider off an account, and signs its owner out",
        answer: "The account.",
        output: Output::Json(of::<UserInfo>),
        ..CALL
    },
    Operation {
        path: "/api/v1/account",
        id: "readAccount",
        summary: "The own account",
        answer: "The account.",
        output: Output::Json(of::<OwnAccount>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/account/password",
        id: "changePassword",
        summary: "Another password; every token from before is void",
        input: Input::Json(of::<ChangePasswordRequest>),
        answer: "A token.",
        output: Output::Json(of::<SignInResponse>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/account/second-factor",
        id: "offerSecondFactor",
        summary: "A secret for an authenticator app (RFC 6238), to be confirmed",
        input: Input::Json(of::<OfferSecondFactorRequest>),
        answer: "The secret, told this once.",
        output: Output::Json(of::<SecondFactorOffer>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/account/second-factor/confirm",
        id: "confirmSecondFactor",
        summary: "Signing in takes a code from now on",
        input: Input::Json(of::<ConfirmSecondFactorRequest>),
        answer: "Recovery codes, told this once.",
        output: Output::Json(of::<RecoveryCodes>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/account/second-factor/off",
        id: "dropSecondFactor",
        summary: "Signing in takes the password alone again",
        input: Input::Json(of::<DropSecondFactorRequest>),
        answer: "The account.",
        output: Output::Json(of::<OwnAccount>),
        ..CALL
    },
    Operation {
        path: "/api/v1/api-keys",
        id: "listApiKeys",
        summary: "API keys, in the order in which they were made",
        parameters: PAGE,
        answer: "A page; `Link` with rel=next names the one that follows.",
        output: Output::Json(of::<Vec<ApiKeyInfo>>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/api-keys",
        id: "createApiKey",
        summary: "Makes a key for an institution's system",
        parameters: KEY,
        input: Input::Json(of::<ApiKeyRequest>),
        status: "201",
        answer: "The key, told this once.",
        output: Output::Json(of::<NewApiKey>),
        ..CALL
    },
    done(
        "/api/v1/api-keys/{key}/revoke",
        "revokeApiKey",
        "Refuses a key from now on, on every server of the database",
    ),
    Operation {
        method: "post",
        path: "/api/v1/invitations/look",
        id: "lookAtInvitation",
        summary: "Whom a link is for",
        token: false,
        input: Input::Json(of::<InvitationRequest>),
        answer: "The account.",
        output: Output::Json(of::<InvitationInfo>),
        ..CALL
    },
    Operation {
        method: "post",
        path: "/api/v1/invitations/accept",
        id: "acceptInvitation",
        summary: "Chooses a password; the link is good once",
        token: false,
        input: Input::Json(of::<AcceptRequest>),
        answer: "The account.",
        output: Output::Json(of::<InvitationInfo>),
        ..CALL
    },
    done(
        "/api/v1/sessions/{session}/revoke",
        "revokeSession",
        "Refuses a candidate's session from now on",
    ),
    done(
        "/api/v1/sessions/{session}/reinstate",
        "reinstateSession",
        "Takes that back",
    ),
    Operation {
        path: "/api/v1/ice-config",
        id: "iceConfig",
        summary: "STUN, then TURN servers with credentials of the caller's own",
        answer: "The servers.",
        output: Output::Json(of::<IceServers>),
        ..CALL
    },
];

pub(super) const fn done(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "post",
        path,
        id,
        summary,
        status: "204",
        answer: "It is done.",
        ..CALL
    }
}
