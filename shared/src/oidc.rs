//! REST bodies of signing in through the institution's identity provider (OpenID Connect): the proctor's app opens the system browser and
//! listens on a loopback port (RFC 8252), the server speaks with the provider.

use serde::{Deserialize, Serialize};

/// Where the provider sends the browser back to, on a loopback address and any port (RFC 8252 section 7.3).
pub const REDIRECT_PATH: &str = "/oidc";
/// How long a sign-in that was begun may take, seconds: somebody looks for a phone meanwhile.
pub const SIGN_IN_S: u64 = 600;

/// `GET /api/v1/oidc`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcOffer {
    /// None: people sign in with a password.
    pub provider: Option<OidcProvider>,
}

/// An identity provider as people know it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcProvider {
    /// What stands on the button.
    pub name: String,
}

/// `POST /api/v1/oidc/begin`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcBeginRequest {
    /// SHA-256 of the verifier, base64url without padding (RFC 7636 section 4.2, S256).
    pub challenge: String,
    /// `http://127.0.0.1:PORT/oidc` or `http://[::1]:PORT/oidc`.
    pub redirect_uri: String,
}

/// Answer to [`OidcBeginRequest`].
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcBegun {
    /// To be opened in the system browser.
    pub url: String,
    /// What the provider has to send back with the browser; good once, for [`SIGN_IN_S`].
    pub state: String,
}

/// `POST /api/v1/oidc/finish`: what came back with the browser. Answered like a sign-in
/// ([`crate::rest::SignInResponse`]).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcFinishRequest {
    pub state: String,
    pub code: String,
    /// What the challenge was made of (RFC 7636 section 4.1).
    pub verifier: String,
    /// RFC 9207, when the provider sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
}
