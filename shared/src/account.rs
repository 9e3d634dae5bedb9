//! REST bodies about the own account: password and second factor.

use crate::rest::SignInResponse;
use crate::role::Role;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `GET /api/v1/account`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct OwnAccount {
    pub email: String,
    pub name: String,
    pub role: Role,
    /// Signing in takes a code beside the password.
    pub second_factor: bool,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: u32,
    /// Signs in through the identity provider too.
    #[serde(default)]
    pub oidc_linked: bool,
}

/// `POST /api/v1/account/password`. Every token from before is void; answered with a new one ([`SignInResponse`]).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePasswordRequest {
    pub password: String,
    pub new_password: String,
}

/// Answer to [`ChangePasswordRequest`].
pub type ChangePasswordResponse = SignInResponse;

/// `POST /api/v1/account/second-factor`: a secret for an authenticator app. Nothing is asked for at sign-in before it is confirmed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferSecondFactorRequest {
    pub password: String,
}

/// Answer to [`OfferSecondFactorRequest`], told this once.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactorOffer {
    /// Base32 (RFC 4648 section 6), for typing.
    pub secret: String,
    /// `otpauth://totp/...`, for a QR code.
    pub uri: String,
}

/// `POST /api/v1/account/second-factor/confirm`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmSecondFactorRequest {
    pub code: String,
}

/// Answer to [`ConfirmSecondFactorRequest`]: each is good once in place of a code. Told this once.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryCodes {
    pub codes: Vec<String>,
}

/// `POST /api/v1/account/second-factor/off`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropSecondFactorRequest {
    pub password: String,
    /// Of the authenticator app, or a recovery code.
    pub code: String,
}
